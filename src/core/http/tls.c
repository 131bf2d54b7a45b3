/* Certificate and key become an SSL_CTX. */
#include "core/http/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/http/server.h"
#include "core/http/tls_priv.h"

struct http_tls {
	SSL_CTX *ctx;
};

static void release_bio(BIO **bio)
{
	BIO_free(*bio);
}

static void release_cert(X509 **cert)
{
	X509_free(*cert);
}

static void release_key(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}

static void release_tls(struct http_tls **tls)
{
	http_tls_free(*tls);
}

/* OpenSSL's own word for it, and its queue emptied. */
static int refuse(struct error *err, const char *what)
{
	unsigned long code = ERR_peek_error();
	const char *reason = ERR_reason_error_string(code);
	error_set(err, ERR_USAGE, "%s%s%s", what, reason ? ": " : "", reason ? reason : "");
	ERR_clear_error();
	return -1;
}

/* Nobody is there to type it. */
static int no_passphrase(char *buf, int size, int writing, void *asked)
{
	*(bool *)asked = true;
	return -1;
}

static BIO *text_bio(struct str text)
{
	return text.n && text.n <= HTTP_TLS_FILE_MAX ? BIO_new_mem_buf(text.p, (int)text.n) : NULL;
}

/* ---- certificate ---- */

static int add_chain(SSL_CTX *ctx, BIO *bio, struct error *err)
{
	X509 *cert;
	bool asked = false;
	while ((cert = PEM_read_bio_X509(bio, NULL, no_passphrase, &asked))) {
		if (SSL_CTX_add0_chain_cert(ctx, cert) != 1) {
			X509_free(cert);
			return refuse(err, "the certificate's chain cannot be used");
		}
	}
	unsigned long last = ERR_peek_last_error();
	if (ERR_GET_LIB(last) != ERR_LIB_PEM || ERR_GET_REASON(last) != PEM_R_NO_START_LINE)
		return refuse(err, "the certificate's chain is damaged");
	ERR_clear_error();
	return 0;
}

static int use_cert(SSL_CTX *ctx, struct str text, struct error *err)
{
	bool asked = false;
	CLEANUP(release_bio) BIO *bio = text_bio(text);
	CLEANUP(release_cert) X509 *cert = bio ? PEM_read_bio_X509_AUX(bio, NULL, no_passphrase, &asked) : NULL;
	if (!cert)
		return refuse(err, "the certificate file has no certificate in PEM form (-----BEGIN CERTIFICATE-----)");
	if (SSL_CTX_use_certificate(ctx, cert) != 1)
		return refuse(err, "the certificate cannot be used");
	return add_chain(ctx, bio, err);
}

/* ---- key ---- */

static int use_key(SSL_CTX *ctx, struct str text, struct error *err)
{
	bool asked = false;
	CLEANUP(release_bio) BIO *bio = text_bio(text);
	CLEANUP(release_key) EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &asked) : NULL;
	if (!key) {
		ERR_clear_error();
		return error_set(err, ERR_USAGE, asked ? "the key has a passphrase; write it without one: openssl pkey -in KEY -out NEW"
		                                       : "the key file has no private key in PEM form (-----BEGIN PRIVATE KEY-----)");
	}
	if (SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1)
		return refuse(err, "the key is not the certificate's");
	return 0;
}

/* ---- context ---- */

/* A client that offers names, none of them ours, speaks something else. */
static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n, const unsigned char *in, unsigned n, void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1";
	unsigned char *chosen;
	if (SSL_select_next_proto(&chosen, out_n, ours, sizeof ours - 1, in, n) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *new_context(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	if (!ctx)
		return NULL;
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
	return ctx;
}

struct http_tls *http_tls_new(struct str cert, struct str key, struct error *err)
{
	CLEANUP(release_tls) struct http_tls *tls = calloc(1, sizeof *tls);
	ERR_clear_error();
	if (tls)
		tls->ctx = new_context();
	if (!tls || !tls->ctx) {
		ERR_clear_error();
		error_set(err, ERR_NO_MEMORY, "no memory for TLS");
		return NULL;
	}
	if (use_cert(tls->ctx, cert, err) < 0 || use_key(tls->ctx, key, err) < 0)
		return NULL;
	return STEAL_PTR(tls);
}

void http_tls_free(struct http_tls *tls)
{
	if (!tls)
		return;
	SSL_CTX_free(tls->ctx); /* connections count their own use of it */
	free(tls);
}

struct ssl_ctx_st *http_tls_context(const struct http_tls *tls)
{
	return tls->ctx;
}

/* ---- what it says ---- */

long http_tls_left_s(const struct http_tls *tls)
{
	int days = 0, seconds = 0;
	const ASN1_TIME *end = X509_get0_notAfter(SSL_CTX_get0_certificate(tls->ctx));
	ASN1_TIME_diff(&days, &seconds, NULL, end);
	return days * 86400L + seconds;
}

/* The first name of the alternatives, else the subject's. */
static void name_of(X509 *cert, char name[80])
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	bool found = false;
	for (int i = 0; !found && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *one = sk_GENERAL_NAME_value(names, i);
		found = one->type == GEN_DNS;
		if (found)
			snprintf(name, 80, "%.*s", ASN1_STRING_length(one->d.dNSName), (const char *)ASN1_STRING_get0_data(one->d.dNSName));
	}
	if (!found && X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, name, 80) < 0)
		snprintf(name, 80, "no name");
	GENERAL_NAMES_free(names);
	ERR_clear_error();
}

void http_tls_describe(const struct http_tls *tls, char text[HTTP_TLS_TEXT])
{
	char name[80], until[40];
	name_of(SSL_CTX_get0_certificate(tls->ctx), name);
	for (char *c = name; *c; c++)
		*c = *c < ' ' || *c > '~' ? '?' : *c;
	clock_format(until, sizeof until, "%Y-%m-%dT%H:%M:%SZ", (clock_wall_ms() / 1000 + http_tls_left_s(tls)) * 1000);
	snprintf(text, HTTP_TLS_TEXT, "for %s, until %s", name, until);
}

void http_server_use_tls(struct http_server *server, struct http_tls *tls)
{
	server->tls = tls;
}
