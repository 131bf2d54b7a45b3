/* TLS for a server: a certificate with its key, ready for connections.
 *
 * TLS 1.2 and later, ALPN "http/1.1", tickets for resuming (so nothing is kept for a connection that has gone), no renegotiation,
 * no client certificates. A struct http_tls never changes: a new certificate is a new one, given to the server in its place;
 * connections that exist keep what they need, so the old one may be freed at once. One thread.
 *
 * OpenSSL writes to sockets by write(2): the program must ignore SIGPIPE. */
#ifndef MAYFLY_HTTP_TLS_H
#define MAYFLY_HTTP_TLS_H

#include "core/base/error.h"
#include "core/base/str.h"

struct http_server;
struct http_tls;

#define HTTP_TLS_FILE_MAX (1u << 20) /* of a certificate with its chain, or a key */

/* Both texts are PEM: the server's certificate first, then what leads to its issuer; a private key without a passphrase. Errors say
 * which of the two is wrong. ERR_USAGE: what was given cannot work. */
struct http_tls *http_tls_new(struct str cert, struct str key, struct error *err);
void http_tls_free(struct http_tls *tls);

/* "for example.org, until 2027-03-01T12:00:00Z": whom the certificate names and until when it holds. */
#define HTTP_TLS_TEXT 160
void http_tls_describe(const struct http_tls *tls, char text[HTTP_TLS_TEXT]);
/* Seconds until it expires; negative: it has. */
long http_tls_left_s(const struct http_tls *tls);

/* From now on connections that the server accepts or adopts speak TLS and nothing else: who sends plain HTTP is told so, with 400. */
void http_server_use_tls(struct http_server *server, struct http_tls *tls);

#endif
