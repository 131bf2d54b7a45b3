/* HTTP/1.1 server on an event loop: the public front end and every environment's Runtime API listener.
 *
 * A `struct http_server` is embedded in its owner and cheap (thousands live side by side); configuration, handler and pool
 * are shared by pointer and outlive it. A connection (`struct http_conn`) belongs to the server; the callee holds the
 * pointer as the handle of the *current exchange*: from on_request until it has replied in full (http_reply, http_reply_end,
 * http_abort) or on_gone was called, whichever is first. After that the pointer must be forgotten.
 *
 * Order of an exchange: on_request(head) -> [http_read_body -> on_body | http_stream_body -> on_data... on_end] -> reply.
 * The reply may come at any time, also much later, also before the body was read. Callbacks are only made by the loop, never
 * from inside a call of this header; calls may be made from callbacks or from anywhere on the loop's thread. Replies are
 * gathered and sent once at the end of the loop's round. Pipelined requests are handled one after the other, each when the
 * one before was replied to.
 *
 * Nothing here logs; the server answers what is malformed, too large or too slow by itself (400, 408, 413, 414, 417, 431,
 * 505, then close) and counts it in the pool's statistics. Writes never raise SIGPIPE. */
#ifndef MAYFLY_HTTP_SERVER_H
#define MAYFLY_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/base/list.h"
#include "core/ev/ev.h"
#include "core/http/pool.h"
#include "core/http/request.h"

struct http_conn;
struct http_server;

/* Shared by any number of servers, constant while they live. Timeouts of 0 are off. */
struct http_config {
	struct http_limits limits;
	size_t trailers_max_bytes;
	size_t arena_max_bytes;  /* of one request's arena */
	size_t discard_max_bytes; /* of a body nobody wanted: read and dropped up to this, else the connection closes */
	size_t queue_high_bytes; /* http_queued at or above: stop writing until on_drain, which comes at half of it */
	unsigned conns_max;      /* of one server; at it the longest idle one is closed, or accepting waits */
	unsigned idle_timeout_ms; /* between requests */
	unsigned handshake_timeout_ms; /* of TLS, from accepting to its end */
	unsigned head_timeout_ms; /* from the first byte of a head to its last */
	unsigned body_timeout_ms; /* in each such time a wanted body must bring a byte, and body_min_bytes_s on average */
	unsigned body_min_bytes_s; /* bytes a second */
	unsigned write_timeout_ms; /* without progress while bytes wait to be sent */
	unsigned linger_timeout_ms; /* how long input of a connection we close is dropped, so that the peer reads our last words */
	bool date;               /* replies carry a Date header */
	bool local;              /* peers are on this machine and cannot vanish without a word: no keep-alive probes */
};

/* Lambda-sized defaults: heads of 64 KiB, 100 headers, 10,000 connections, 75 s idle, 20 s head, 30 s body and write. */
extern const struct http_config http_config_default;

enum http_body_result {
	HTTP_BODY_OK,        /* http_conn_request(conn)->body is complete */
	HTTP_BODY_TOO_LARGE, /* past the maximum that was given */
	HTTP_BODY_NO_ROOM    /* the pool's limit, or no memory */
};

enum http_gone {
	HTTP_GONE_CLOSED,    /* the peer closed (or half-closed) or reset the connection */
	HTTP_GONE_TIMEOUT,   /* the body or the taking of the reply made no progress */
	HTTP_GONE_MALFORMED  /* bad chunk or trailer; the peer was told 400 unless a reply had begun */
};

/* Static tables. on_request is needed; others may be NULL when the matching call is not used. */
struct http_handler {
	/* The head is complete; req lives until the exchange ends or http_park. */
	void (*on_request)(struct http_conn *conn, struct http_request *req);
	/* After http_read_body. When not OK the callee replies (413, 429, 503 ...); the connection closes after it. */
	void (*on_body)(struct http_conn *conn, struct http_request *req, enum http_body_result result);
	/* After http_stream_body: a piece, valid during the call; then on_end, when the trailers can be read. */
	void (*on_data)(struct http_conn *conn, struct str data);
	void (*on_end)(struct http_conn *conn, struct http_request *req);
	/* The exchange is over without a complete reply. Not called when the owner itself aborts or releases. */
	void (*on_gone)(struct http_conn *conn, enum http_gone why);
	/* The send queue of a streaming reply has fallen to half of queue_high_bytes after having reached it. */
	void (*on_drain)(struct http_conn *conn);
	/* http_server_drain was called, and the last connection has gone. The server may be released here. */
	void (*on_drained)(struct http_server *server);
};

struct http_server {
	struct ev_loop *loop;
	const struct http_config *config;
	const struct http_handler *handler;
	struct http_pool *pool;
	void *arg;                /* the owner's */
	struct list listeners;    /* struct http_listener */
	struct list conns, idle;  /* conns: exchange in progress; idle: between requests, longest idle first */
	unsigned conn_count;
	struct http_tls *tls;     /* tls.h; NULL: plain */
	bool paused, draining, full;
	struct ev_timer retry;    /* accepting again after the process ran out of descriptors */
	struct ev_defer drained;
};

/* Embedded in the owner, beside the server. */
struct http_listener {
	struct ev_io io;
	struct http_server *server;
	struct list link;
	struct http_share *share; /* private; NULL: no limit of its own */
};

void http_server_init(struct http_server *server, struct ev_loop *loop, const struct http_config *config,
                      const struct http_handler *handler, struct http_pool *pool, void *arg);
/* Closes listeners and connections at once, without on_gone; allowed inside callbacks. Also fine on a zeroed struct. */
void http_server_release(struct http_server *server);
/* A listening stream socket (TCP or unix). On success the server owns and closes fd. */
int http_server_listen(struct http_server *server, struct http_listener *listener, int fd, struct error *err);
/* Of the connections that this listener accepts, at most so many are open at a time, so that its peers cannot use up what others
 * share: at the limit its own oldest idle one is closed, or accepting waits. Right after http_server_listen. */
int http_listener_limit(struct http_listener *listener, unsigned conns_max, struct error *err);
/* Closes one listener (also one that the server has closed); connections that it accepted stay the server's. */
void http_listener_close(struct http_listener *listener);
/* Stops or goes on accepting; connections that exist go on. */
void http_server_pause(struct http_server *server, bool paused);
/* No new connections; idle ones close; others close after their reply. on_drained follows, always from the loop. */
void http_server_drain(struct http_server *server);
/* A connected socket, owned from here on. `received` are bytes read from it before (or known to have been sent: a restored
 * process's request), handled as if they came now; at most limits.head_max_bytes. */
int http_server_adopt(struct http_server *server, int fd, struct str received, struct error *err);

/* ---- the exchange ---- */

struct http_server *http_conn_server(const struct http_conn *conn);
/* NULL after http_park. */
struct http_request *http_conn_request(const struct http_conn *conn);
/* A pointer of the callee's, NULL at on_request. */
void http_conn_set_data(struct http_conn *conn, void *data);
void *http_conn_data(const struct http_conn *conn);

/* Whether it came over TLS: links for the peer then begin with https. */
bool http_conn_secure(const struct http_conn *conn);

/* The peer's address as text ("127.0.0.1", "::1", "unix"), and port. */
#define HTTP_PEER_SIZE 48
void http_conn_peer(const struct http_conn *conn, char text[HTTP_PEER_SIZE], unsigned *port);

/* Chooses how the body is taken; once an exchange. Sends `100 Continue` if the peer waits for it. A request without a body
 * gives on_body (on_end) too. Unless one of these is called no body byte is read. */
void http_read_body(struct http_conn *conn, size_t max_bytes);
void http_stream_body(struct http_conn *conn, uint64_t max_bytes); /* past max_bytes: 413 by the server, on_gone */
/* While paused no on_data comes and the peer is slowed down. */
void http_pause_body(struct http_conn *conn, bool paused);
/* Moves the complete body out (in on_body or later, before the reply ends). Small bodies, which came with the head, are
 * copied: req->body, readable until the reply ends (or http_park), is cheaper for them.
 * -1: no memory. req->body stays readable while *blob lives. */
int http_take_body(struct http_conn *conn, struct http_blob *blob);
/* The callee needs request, arena and body no longer: a parked connection then costs well below 1 KiB. */
void http_park(struct http_conn *conn);

/* ---- the reply ---- */

/* Memory the server reads until it calls `release(arg)` (also when the connection dies; maybe at once, before the call that
 * passed it returns). release NULL: the bytes are copied. http_keep is the release of static memory. */
struct http_piece {
	struct str bytes;
	void (*release)(void *arg);
	void *arg;
};

void http_keep(void *arg);

/* Content-Length, Transfer-Encoding, Connection and Date are the server's and must not be among the headers. Control
 * characters in header values become blanks. HEAD, 204 and 304 send no body. */
struct http_reply {
	int status;
	const struct http_header *headers;
	unsigned header_count;
	const char *raw_headers; /* more header lines, each ended by \r\n, trusted; or NULL */
	const struct http_piece *pieces; /* the body, after `body` */
	unsigned piece_count;
	struct str body;         /* copied, before the pieces: for small ones */
	bool close;              /* close the connection after it */
};

/* A complete reply. The exchange is over for the callee. */
void http_reply(struct http_conn *conn, const struct http_reply *reply);
/* The same for a body that is one blob, which is taken over (left zeroed). */
void http_reply_blob(struct http_conn *conn, const struct http_reply *reply, struct http_blob *blob);

/* A streaming reply: body and pieces of `reply` are its first bytes. content_length < 0: chunked (HTTP/1.0: until close). */
void http_reply_start(struct http_conn *conn, const struct http_reply *reply, int64_t content_length);
/* Copies `bytes` (release NULL) or takes them by reference. False: queue_high_bytes reached, wait for on_drain (what was
 * given is sent all the same). */
bool http_reply_write(struct http_conn *conn, struct http_piece piece);
/* The same for several, which go out as one chunk. Not with a content_length. */
bool http_reply_write_pieces(struct http_conn *conn, const struct http_piece *pieces, unsigned count);
size_t http_queued(const struct http_conn *conn); /* bytes not yet taken by the kernel */
/* Ends it; trailers go out with a chunked one. A reply shorter than its content_length closes the connection. */
void http_reply_end(struct http_conn *conn, const struct http_header *trailers, unsigned trailer_count);
/* Gives the exchange up: closes at once, so that the peer sees a broken reply. */
void http_abort(struct http_conn *conn);

#endif
