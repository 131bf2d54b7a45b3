/* Certificates made on the spot, and a TLS client on one end of a socket pair whose other end a rig's server has (http_rig.h). */
#ifndef MAYFLY_TEST_TLS_CLIENT_H
#define MAYFLY_TEST_TLS_CLIENT_H

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "core/http/tls.h"
#include "tests/unit/http_rig.h"

struct pair {
	char cert[4096], key[2048];
};

static inline void pem_text(BIO *bio, char *out, size_t size)
{
	int n = BIO_read(bio, out, (int)size - 1);
	out[n > 0 ? n : 0] = '\0';
	BIO_free(bio);
}

/* Self-signed, for `name`, valid for an hour from now on. */
static inline void make_pair(struct pair *p, const char *name, const char *passphrase)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	X509_NAME *subject = X509_get_subject_name(cert);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(cert, subject);
	X509_sign(cert, key, EVP_sha256());
	BIO *bio = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(bio, cert);
	pem_text(bio, p->cert, sizeof p->cert);
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey(bio, key, passphrase ? EVP_aes_128_cbc() : NULL, (const unsigned char *)passphrase,
	                         passphrase ? (int)strlen(passphrase) : 0, NULL, NULL);
	pem_text(bio, p->key, sizeof p->key);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static inline struct http_tls *make_tls(const char *name)
{
	struct pair p;
	make_pair(&p, name, NULL);
	return http_tls_new(str_from(p.cert), str_from(p.key), NULL);
}

struct peer {
	struct rig *rig;
	SSL_CTX *ctx;
	SSL *ssl;
	int fd, version;   /* version 0: any */
	const char *alpn;  /* wire form; NULL: none */
	char *heard;
	size_t heard_len, heard_cap;
};

static inline void peer_open(struct peer *p, struct rig *rig)
{
	p->rig = rig;
	p->fd = rig_connect(rig, STR_NULL);
	p->ctx = SSL_CTX_new(TLS_client_method());
	if (p->version) {
		SSL_CTX_set_min_proto_version(p->ctx, p->version);
		SSL_CTX_set_max_proto_version(p->ctx, p->version);
		SSL_CTX_set_security_level(p->ctx, 0);
	}
	p->ssl = SSL_new(p->ctx);
	SSL_set_fd(p->ssl, p->fd);
	SSL_set_mode(p->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_set_connect_state(p->ssl);
	if (p->alpn)
		SSL_set_alpn_protos(p->ssl, (const unsigned char *)p->alpn, (unsigned)strlen(p->alpn));
}

static inline void peer_close(struct peer *p)
{
	SSL_free(p->ssl);
	SSL_CTX_free(p->ctx);
	free(p->heard);
	if (p->fd >= 0)
		close(p->fd);
	*p = (struct peer){.fd = -1};
}

/* True once the handshake is over on this side. */
static inline bool peer_shake(struct peer *p)
{
	for (int i = 0; i < 20; i++) {
		ERR_clear_error();
		if (SSL_do_handshake(p->ssl) == 1)
			break;
		rig_run(p->rig);
	}
	rig_run(p->rig);
	return SSL_is_init_finished(p->ssl);
}

/* What came is appended to p->heard; what SSL_get_error says in the end. */
static inline int peer_hear(struct peer *p)
{
	for (;;) {
		if (p->heard_cap - p->heard_len < 32768) {
			p->heard_cap = p->heard_cap * 2 + 65536;
			p->heard = realloc(p->heard, p->heard_cap);
		}
		ERR_clear_error();
		int n = SSL_read(p->ssl, p->heard + p->heard_len, 16384);
		if (n <= 0) {
			p->heard[p->heard_len] = '\0';
			return SSL_get_error(p->ssl, n);
		}
		p->heard_len += (size_t)n;
	}
}

/* As much as fits when `wait` is false; else all, reading meanwhile. */
static inline size_t peer_send(struct peer *p, const char *data, size_t n, bool wait)
{
	size_t sent = 0;
	for (int idle = 0; sent < n && idle < 100;) {
		ERR_clear_error();
		int r = SSL_write(p->ssl, data + sent, (int)(n - sent));
		if (r > 0) {
			sent += (size_t)r;
			idle = 0;
			continue;
		}
		if (wait)
			peer_hear(p);
		rig_run(p->rig);
		idle += wait ? 1 : 25;
	}
	rig_run(p->rig);
	return sent;
}

static inline void peer_say(struct peer *p, const char *text)
{
	peer_send(p, text, strlen(text), true);
}

#endif
