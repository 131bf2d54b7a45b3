/* Reading from the socket, and where the bytes live. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/http/conn_priv.h"

/* The one place that reads from a connection's socket: as read(2). */
ssize_t http_conn_read(struct http_conn *conn, char *dst, size_t room)
{
	return conn->tls ? http_tls_read(conn->tls, dst, room) : read(conn->io.fd, dst, room);
}

/* Edge triggered: a short read means that nothing more waits until the next event says so. */
enum fill http_fill(struct http_conn *conn, char *dst, size_t room, size_t *got)
{
	ASSERT(room > 0);
	if (conn->eof)
		return FILL_EOF;
	if (!conn->readable)
		return FILL_BLOCKED;
	if (conn->round_bytes >= ROUND_MAX_BYTES) {
		conn->yielded = true;
		return FILL_BLOCKED;
	}
	ssize_t n;
	do
		n = http_conn_read(conn, dst, room);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
		conn->readable = false;
		return FILL_BLOCKED;
	}
	if (n <= 0) {
		conn->eof = conn->hup = true;
		return FILL_EOF;
	}
	/* With a hang-up seen the end of file is behind these bytes, and no event will tell of it again; of TLS, decrypted bytes may wait. */
	conn->readable = (size_t)n == room || conn->hup || conn->tls;
	conn->round_bytes += (size_t)n;
	conn->pool->stats.bytes_in += (uint64_t)n;
	*got = (size_t)n;
	return FILL_OK;
}

enum fill http_fill_window(struct http_conn *conn)
{
	struct http_exchange *x = conn->x;
	size_t got;
	enum fill r = http_fill(conn, x->data + x->len, x->cap - x->len, &got);
	if (r == FILL_OK)
		x->len += got;
	return r;
}

/* Only between heads: nothing but the parser's own views, which follow, may point into the window. */
bool http_head_room(struct http_conn *conn)
{
	struct http_exchange *x = conn->x;
	if (x->len < x->cap)
		return true;
	if (x->start > 0) {
		memmove(x->data, x->data + x->start, x->len - x->start);
		x->len -= x->start;
		x->start = 0;
		return true;
	}
	size_t cap = x->cap * 2;
	char *data = malloc(cap);
	if (!data)
		return false;
	memcpy(data, x->data, x->len);
	/* The parser moves its views by the old address before it looks at anything: it must still differ from the new. */
	if (x->data != x->small)
		free(x->data);
	http_pool_force(conn->pool, cap);
	http_pool_credit(conn->pool, x->charged_bytes);
	x->charged_bytes = cap;
	x->data = data;
	x->cap = cap;
	return true;
}

/* Makes room for body bytes that will be handed on piece by piece. The head's bytes stay where they are. */
bool http_body_window(struct http_conn *conn)
{
	struct http_exchange *x = conn->x;
	if (x->head_data) {
		if (x->start == x->len)
			x->start = x->len = 0;
		return true;
	}
	char *data = malloc(BODY_INPUT_BYTES);
	if (!data)
		return false;
	size_t left = x->len - x->start;
	ASSERT(left == 0);
	http_pool_force(conn->pool, BODY_INPUT_BYTES);
	x->charged_bytes += BODY_INPUT_BYTES;
	x->head_data = x->data;
	x->data = data;
	x->start = x->len = 0;
	x->cap = BODY_INPUT_BYTES;
	return true;
}

int http_exchange_open(struct http_conn *conn)
{
	struct http_exchange *x = http_exchange_get(conn->pool, conn->server->config);
	if (!x)
		return -1;
	conn->x = x;
	while (conn->stash_len > x->cap) {
		x->len = x->cap; /* as if full: the room is doubled */
		if (!http_head_room(conn))
			return -1;
	}
	if (conn->stash_len)
		memcpy(x->data, conn->stash, conn->stash_len);
	x->len = conn->stash_len;
	http_pool_credit(conn->pool, conn->stash_len);
	free(STEAL_PTR(conn->stash));
	conn->stash_len = 0;
	conn->stash_fresh = false;
	return 0;
}

/* Puts what is left of the window aside and gives the exchange back. */
int http_stash(struct http_conn *conn, bool fresh)
{
	struct http_exchange *x = conn->x;
	size_t left = x->len - x->start;
	if (left) {
		conn->stash = malloc(left);
		if (!conn->stash)
			return -1;
		memcpy(conn->stash, x->data + x->start, left);
		http_pool_force(conn->pool, left);
	}
	conn->stash_len = (unsigned)left;
	conn->stash_fresh = fresh && left;
	conn->x = NULL;
	http_exchange_put(conn->pool, x);
	return 0;
}

void http_exchange_next(struct http_conn *conn)
{
	struct http_exchange *x = conn->x;
	if (!x)
		return;
	if (x->start == x->len || x->head_data) {
		if (http_stash(conn, true) < 0)
			conn->broken = true;
		return;
	}
	arena_reset(&x->arena);
	buf_release(&x->trailers);
	http_blob_release(&x->body);
	http_parser_init(&x->parser);
}
