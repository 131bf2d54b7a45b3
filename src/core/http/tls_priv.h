/* TLS of one connection, as conn.c, input.c and output.c use it: reading and writing that look like read(2) and send(2). */
#ifndef MAYFLY_HTTP_TLS_PRIV_H
#define MAYFLY_HTTP_TLS_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define TLS_RECORD_BYTES 16384u /* the most that one record carries */

struct http_tls;
struct http_tls_conn;
struct ssl_ctx_st;

struct ssl_ctx_st *http_tls_context(const struct http_tls *tls);

/* NULL: no memory. `fd` stays the connection's. */
struct http_tls_conn *http_tls_conn_new(const struct http_tls *tls, int fd);
void http_tls_conn_free(struct http_tls_conn *t); /* says nothing to the peer */

/* TLS_PLAIN: the peer's first byte is none of a handshake; nothing was read. */
enum http_tls_result { TLS_DONE, TLS_BLOCKED, TLS_PLAIN, TLS_FAILED };
enum http_tls_result http_tls_handshake(struct http_tls_conn *t);
/* -1 with errno EAGAIN: not now. A close_notify and a bare end of the connection are both the end of input, as both are for HTTP: a
 * message that was cut shows by its length. What was given to a write that came back with EAGAIN begins the next one. */
ssize_t http_tls_read(struct http_tls_conn *t, char *dst, size_t room);
ssize_t http_tls_write(struct http_tls_conn *t, const char *src, size_t n);
/* The last call that said EAGAIN waits for the other direction: reading until it can write, or the other way. */
bool http_tls_crossed(const struct http_tls_conn *t);
/* close_notify. TLS_BLOCKED: again when writable. */
enum http_tls_result http_tls_bye(struct http_tls_conn *t);

#endif
