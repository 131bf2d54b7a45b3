/* A connection from the inside: shared by server.c, conn.c, input.c, body.c, output.c and reply.c.
 *
 * What only an exchange in progress needs (head, header rows, arena, input bytes) lives in a `struct http_exchange` from the
 * pool; an idle or parked connection has none. `running` guards callbacks: a connection killed meanwhile is only marked
 * dead, and freed when the outermost call unwinds. */
#ifndef MAYFLY_HTTP_CONN_PRIV_H
#define MAYFLY_HTTP_CONN_PRIV_H

#include <sys/types.h>

#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/http/chunk.h"
#include "core/http/server.h"
#include "core/http/tls_priv.h"

#define INPUT_BYTES 8192u          /* first size of an exchange's input */
#define BODY_INPUT_BYTES 65536u    /* input of bodies that don't fit there */
#define STASH_MAX_BYTES 2048u      /* a partial head up to this size gives its exchange back */
#define ROUND_MAX_BYTES 524288u    /* read from one connection before others get their turn */
#define NODE_BYTES 4096u           /* of a pooled output node, all in all */

/* Output: bytes copied into the node itself (cap > 0), or referenced ones with their release. */
struct http_node {
	struct http_node *next;
	const char *p; /* unsent part */
	size_t n, cap;
	void (*release)(void *arg);
	void *arg;
	struct http_blob blob;
	char data[];
};
#define NODE_DATA_BYTES (NODE_BYTES - sizeof(struct http_node))
#define LARGE_NODE_BYTES 65536u    /* of a pooled output node for what is streamed, its data */

struct http_exchange {
	struct http_exchange *next;
	struct http_request req;
	struct http_parser parser;
	struct arena arena;
	/* Input window: data[start..len) is not yet used. `data` is `small` or malloc'd; when the body moved the window to a
	 * buffer of its own, the head's views stay in `head_data`. */
	char *data, *head_data;
	size_t start, len, cap;
	struct http_chunks chunks;
	struct buf trailers;
	struct http_blob body;
	size_t body_cap; /* of body.data */
	uint64_t body_max;
	uint64_t body_left; /* HTTP_LENGTH: still to come */
	uint64_t body_seen, window_seen; /* bytes so far; at the start of the timeout's window */
	size_t charged_bytes; /* malloc'd input */
	struct http_header headers[HTTP_HEADERS_CAP];
	char small[INPUT_BYTES];
};

/* Steps of the state machine; the table is in conn.c. */
enum http_state { S_HANDSHAKE, S_HEAD, S_BODY, S_WAIT, S_FINISH, S_DISCARD, S_CLOSE, S_LINGER };
enum http_want { WANT_NOTHING, WANT_WHOLE, WANT_STREAM };
enum http_replied { REPLY_NONE, REPLY_STREAMING, REPLY_DONE };
enum http_phase { PHASE_NONE, PHASE_HANDSHAKE, PHASE_IDLE, PHASE_HEAD, PHASE_BODY, PHASE_WRITE, PHASE_LINGER, PHASE_COUNT };
enum step { STEP_AGAIN, STEP_BLOCKED };

/* The connections of a limited listener; lives until both are gone. */
struct http_share {
	struct http_listener *listener; /* NULL: closed */
	struct list conns;
	unsigned count, max;
	bool full;
};

struct http_conn {
	struct ev_io io;
	struct ev_timer timer;
	struct ev_defer defer;
	struct list link; /* in the server's idle or conns */
	struct http_server *server;
	struct http_share *share; /* NULL: none */
	struct list share_link;
	struct http_pool *pool;
	struct http_tls_conn *tls; /* NULL: plain */
	struct http_exchange *x;
	void *data;
	char *stash; /* bytes of a head while there is no exchange */
	unsigned stash_len;
	unsigned short peer_port;
	unsigned char peer_family, peer_addr[16];
	unsigned char state, phase, want, replied, running;
	bool active;      /* the callee holds the handle */
	bool body_done;   /* all of the request was read */
	bool body_taken, parked, paused;
	bool continue_due; /* 100 was asked for and not sent */
	bool head_only, minor0, keep_alive; /* of the request; they outlive http_park */
	bool chunked, no_body, until_close; /* of the reply */
	bool close_after;
	bool readable, hup, eof; /* edges seen: input may wait; the peer is gone or half gone; end of file was read */
	bool blocked;     /* the kernel's send buffer is full */
	bool over_high;   /* on_drain is due */
	bool broken;      /* sending failed */
	bool dead, stash_fresh, yielded, progress, linger_due;
	uint64_t mark_ns, deadline_ns;
	uint64_t reply_left; /* of a streaming reply with a length */
	struct http_node *out_head, *out_tail;
	size_t queued;
	size_t round_bytes, discarded;
};

/* pool.c */
struct http_exchange *http_exchange_get(struct http_pool *pool, const struct http_config *config);
void http_exchange_put(struct http_pool *pool, struct http_exchange *x);
struct http_node *http_node_get(struct http_pool *pool, size_t cap); /* cap 0: a reference */
void http_node_put(struct http_pool *pool, struct http_node *node); /* calls its release */
void http_pool_force(struct http_pool *pool, size_t n); /* counts without refusing */

/* server.c */
void http_server_conn_left(struct http_server *server);
void http_share_join(struct http_share *share, struct http_conn *conn); /* NULL is fine */
void http_share_leave(struct http_conn *conn);

/* conn.c */
int http_conn_new(struct http_server *server, struct http_share *share, int fd, struct str received, const void *peer,
                  struct error *err);
void http_conn_kill(struct http_conn *conn);
void http_conn_kick(struct http_conn *conn); /* run at the end of the round */
void http_conn_gone(struct http_conn *conn, enum http_gone why); /* tells the callee; not the end of the connection */
void http_conn_refuse(struct http_conn *conn, int status, const char *why);

/* input.c */
enum fill { FILL_OK, FILL_BLOCKED, FILL_EOF };
ssize_t http_conn_read(struct http_conn *conn, char *dst, size_t room); /* as read(2) */
enum fill http_fill(struct http_conn *conn, char *dst, size_t room, size_t *got);
enum fill http_fill_window(struct http_conn *conn); /* of the exchange, which has room */
bool http_head_room(struct http_conn *conn); /* false: no memory */
bool http_body_window(struct http_conn *conn);
int http_exchange_open(struct http_conn *conn); /* with what was stashed */
void http_exchange_next(struct http_conn *conn); /* ready for the next head; gives it back when nothing is left over */
int http_stash(struct http_conn *conn, bool fresh);

/* body.c: steps */
enum step http_step_body(struct http_conn *conn);
enum step http_step_discard(struct http_conn *conn);
void http_body_begin(struct http_conn *conn);

/* output.c */
char *http_out_reserve(struct http_conn *conn, size_t n); /* contiguous; NULL: no memory, the connection is broken */
void http_out_commit(struct http_conn *conn, size_t n);
void http_out_copy(struct http_conn *conn, struct str s);
void http_out_ref(struct http_conn *conn, const struct http_piece *piece);
void http_out_blob(struct http_conn *conn, struct http_blob *blob);
void http_out_clear(struct http_conn *conn);
ssize_t http_conn_write(struct http_conn *conn); /* of the queue, as send(2) */
void http_flush(struct http_conn *conn); /* as much as the kernel takes */

/* reply.c */
void http_reply_error(struct http_conn *conn, int status, const char *why);

#endif
