/* One connection's TLS: OpenSSL's calls behind the signs of read(2) and send(2). */
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "core/http/tls_priv.h"

#define HANDSHAKE_RECORD 0x16

struct http_tls_conn {
	SSL *ssl;
	int fd;
	bool begun;   /* the first byte was a handshake's */
	bool failed;  /* OpenSSL allows no further call */
	bool crossed;
};

struct http_tls_conn *http_tls_conn_new(const struct http_tls *tls, int fd)
{
	struct http_tls_conn *t = calloc(1, sizeof *t);
	if (!t)
		return NULL;
	*t = (struct http_tls_conn){.ssl = SSL_new(http_tls_context(tls)), .fd = fd};
	if (t->ssl && SSL_set_fd(t->ssl, fd) == 1)
		return t;
	ERR_clear_error();
	http_tls_conn_free(t);
	return NULL;
}

void http_tls_conn_free(struct http_tls_conn *t)
{
	if (!t)
		return;
	SSL_free(t->ssl);
	free(t);
}

bool http_tls_crossed(const struct http_tls_conn *t)
{
	return t->crossed;
}

/* What a call's result means; `wanted` is what it waits for when it is not the other direction. */
static enum http_tls_result judge(struct http_tls_conn *t, int result, int wanted)
{
	int why = SSL_get_error(t->ssl, result);
	ERR_clear_error();
	t->crossed = (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) && why != wanted;
	if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
		return TLS_BLOCKED;
	t->failed = why != SSL_ERROR_NONE && why != SSL_ERROR_ZERO_RETURN;
	return why == SSL_ERROR_NONE ? TLS_DONE : TLS_FAILED;
}

static enum http_tls_result first_byte(struct http_tls_conn *t)
{
	unsigned char first;
	ssize_t n = recv(t->fd, &first, 1, MSG_PEEK | MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? TLS_BLOCKED : TLS_FAILED;
	t->begun = n > 0 && first == HANDSHAKE_RECORD;
	if (n > 0)
		return t->begun ? TLS_DONE : TLS_PLAIN;
	t->failed = true;
	return TLS_FAILED;
}

enum http_tls_result http_tls_handshake(struct http_tls_conn *t)
{
	if (!t->begun) {
		enum http_tls_result r = first_byte(t);
		if (r != TLS_DONE)
			return r;
	}
	ERR_clear_error();
	int r = SSL_accept(t->ssl);
	return r == 1 ? TLS_DONE : judge(t, r, SSL_ERROR_WANT_READ);
}

static ssize_t as_errno(enum http_tls_result r)
{
	errno = r == TLS_BLOCKED ? EAGAIN : EPROTO;
	return -1;
}

ssize_t http_tls_read(struct http_tls_conn *t, char *dst, size_t room)
{
	t->crossed = false;
	if (t->failed)
		return as_errno(TLS_FAILED);
	ERR_clear_error();
	int n = SSL_read(t->ssl, dst, room > INT_MAX ? INT_MAX : (int)room);
	if (n > 0)
		return n;
	enum http_tls_result r = judge(t, n, SSL_ERROR_WANT_READ);
	return r == TLS_FAILED && !t->failed ? 0 : as_errno(r);
}

ssize_t http_tls_write(struct http_tls_conn *t, const char *src, size_t n)
{
	t->crossed = false;
	if (t->failed)
		return as_errno(TLS_FAILED);
	ERR_clear_error();
	int sent = SSL_write(t->ssl, src, n > INT_MAX ? INT_MAX : (int)n);
	return sent > 0 ? sent : as_errno(judge(t, sent, SSL_ERROR_WANT_WRITE));
}

enum http_tls_result http_tls_bye(struct http_tls_conn *t)
{
	if (t->failed || !SSL_is_init_finished(t->ssl))
		return TLS_FAILED;
	ERR_clear_error();
	int r = SSL_shutdown(t->ssl);
	return r >= 0 ? TLS_DONE : judge(t, r, SSL_ERROR_WANT_WRITE);
}
