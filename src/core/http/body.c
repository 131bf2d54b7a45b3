/* Taking the request's body: whole, in pieces, or dropping it. */
#include <stdlib.h>
#include <string.h>

#include "core/http/conn_priv.h"

#define FIRST_BODY_BYTES 65536u

void http_body_begin(struct http_conn *conn)
{
	struct http_exchange *x = conn->x;
	const struct http_request *req = &x->req;
	x->chunks = (struct http_chunks){0};
	x->body_left = req->framing == HTTP_LENGTH ? req->content_length : 0;
	x->body_seen = x->window_seen = 0;
	x->body_cap = x->body_max = 0;
	conn->body_done = req->framing != HTTP_CHUNKED && x->body_left == 0;
}

static enum step fail(struct http_conn *conn, int status, const char *why)
{
	http_conn_gone(conn, HTTP_GONE_MALFORMED);
	if (!conn->dead)
		http_conn_refuse(conn, status, why);
	return STEP_AGAIN;
}

/* ---- a body that is wanted whole ---- */

static enum step report(struct http_conn *conn, enum http_body_result result)
{
	conn->state = S_WAIT;
	if (result != HTTP_BODY_OK)
		conn->close_after = true;
	if (result == HTTP_BODY_NO_ROOM)
		conn->pool->stats.no_room++;
	conn->server->handler->on_body(conn, &conn->x->req, result);
	return STEP_AGAIN;
}

/* Room for `need` bytes in all; grows by doubling so that only what really arrives is counted. */
static bool grow_body(struct http_conn *conn, size_t need, size_t limit)
{
	struct http_exchange *x = conn->x;
	if (need <= x->body_cap && x->body.data)
		return true;
	size_t cap = x->body_cap * 2 > FIRST_BODY_BYTES ? x->body_cap * 2 : FIRST_BODY_BYTES;
	cap = cap < need ? need : cap;
	cap = cap > limit ? limit : cap;
	if (!http_pool_charge(conn->pool, cap - x->body_cap))
		return false;
	char *data = realloc(x->body.data, cap + 1);
	if (!data) {
		http_pool_credit(conn->pool, cap - x->body_cap);
		return false;
	}
	x->body.data = data;
	x->body.pool = conn->pool;
	x->body.charged_bytes = x->body_cap = cap;
	return true;
}

static void append_body(struct http_exchange *x, struct str piece)
{
	if (piece.n)
		memcpy(x->body.data + x->body.len, piece.p, piece.n);
	x->body.len += piece.n;
	x->body_seen += piece.n;
}

static bool parse_trailers(struct http_exchange *x)
{
	struct str rest = buf_str(&x->trailers), line;
	unsigned n = 0;
	for (size_t i = 0; i < rest.n; i++)
		n += rest.p[i] == '\n';
	if (n == 0)
		return true;
	struct http_header *rows = arena_alloc(&x->arena, n * sizeof *rows);
	if (!rows || n > HTTP_HEADERS_CAP)
		return false;
	for (unsigned i = 0; i < n; i++) {
		str_split(&rest, '\n', &line);
		if (!http_parse_field((struct str){line.p, line.n - 1}, &rows[i]))
			return false;
	}
	x->req.trailers = rows;
	x->req.trailer_count = n;
	return true;
}

static enum step body_ended(struct http_conn *conn)
{
	struct http_exchange *x = conn->x;
	if (!parse_trailers(x))
		return fail(conn, 400, "malformed trailer");
	conn->body_done = true;
	if (conn->want == WANT_WHOLE) {
		if (x->body.data) {
			x->body.data[x->body.len] = '\0';
			x->req.body = (struct str){x->body.data, x->body.len};
		}
		return report(conn, HTTP_BODY_OK);
	}
	conn->state = S_WAIT;
	if (conn->server->handler->on_end)
		conn->server->handler->on_end(conn, &x->req);
	return STEP_AGAIN;
}

static enum step end_of_input(struct http_conn *conn)
{
	http_conn_gone(conn, HTTP_GONE_CLOSED);
	if (conn->dead)
		return STEP_BLOCKED;
	conn->state = S_CLOSE;
	conn->linger_due = false;
	return STEP_AGAIN;
}

/* After a read: the step again, or wait, or the peer left in the middle. */
static enum step after_fill(struct http_conn *conn, enum fill r)
{
	if (r == FILL_EOF)
		return end_of_input(conn);
	return r == FILL_OK ? STEP_AGAIN : STEP_BLOCKED;
}

/* Content-Length: small bodies stay in the input window; others are read straight into their own buffer. */
static enum step whole_by_length(struct http_conn *conn)
{
	struct http_exchange *x = conn->x;
	size_t length = (size_t)x->req.content_length, have = x->len - x->start;
	if (!x->body.data && length <= x->cap - x->start) {
		x->body_seen = have < length ? have : length;
		if (have < length)
			return after_fill(conn, http_fill_window(conn));
		x->req.body = (struct str){x->data + x->start, length};
		x->start += length;
		x->body_left = 0;
		return body_ended(conn);
	}
	size_t need = x->body.len + (have ? have : 1);
	if (!grow_body(conn, need, length))
		return report(conn, HTTP_BODY_NO_ROOM);
	if (have) {
		size_t take = have < x->body_left ? have : (size_t)x->body_left;
		append_body(x, (struct str){x->data + x->start, take});
		x->start += take;
		x->body_left -= take;
		return STEP_AGAIN;
	}
	if (x->body_left == 0)
		return body_ended(conn);
	size_t got = 0;
	enum fill r = http_fill(conn, x->body.data + x->body.len, x->body_cap - x->body.len, &got);
	x->body.len += got;
	x->body_seen += got;
	x->body_left -= got;
	return x->body_left ? after_fill(conn, r) : body_ended(conn);
}

static enum step take_piece(struct http_conn *conn, struct str piece)
{
	struct http_exchange *x = conn->x;
	if (piece.n > x->body_max - x->body_seen) {
		if (conn->want == WANT_WHOLE)
			return report(conn, HTTP_BODY_TOO_LARGE);
		return fail(conn, 413, "body too large");
	}
	if (conn->want == WANT_STREAM) {
		x->body_seen += piece.n;
		conn->server->handler->on_data(conn, piece);
		return STEP_AGAIN;
	}
	if (!grow_body(conn, x->body.len + piece.n, x->body_max))
		return report(conn, HTTP_BODY_NO_ROOM);
	append_body(x, piece);
	return STEP_AGAIN;
}

/* ---- pieces: chunked bodies of either kind, streamed ones, dropped ones ---- */

/* Next piece of body in the window, however it is framed. END once it is complete. */
static enum http_chunk_step next_piece(struct http_exchange *x, struct str *piece)
{
	struct str in = {x->data + x->start, x->len - x->start};
	size_t used = 0;
	if (x->req.framing == HTTP_CHUNKED) {
		enum http_chunk_step r = http_chunk_next(&x->chunks, in, &x->trailers, &used, piece);
		x->start += used;
		return r;
	}
	if (x->body_left == 0)
		return HTTP_CHUNK_END;
	size_t n = in.n < x->body_left ? in.n : (size_t)x->body_left;
	*piece = str_sub(in, 0, n);
	x->start += n;
	x->body_left -= n;
	return n ? HTTP_CHUNK_DATA : HTTP_CHUNK_MORE;
}

static enum step fill_pieces(struct http_conn *conn)
{
	if (!http_body_window(conn)) {
		conn->broken = true;
		return STEP_BLOCKED;
	}
	return after_fill(conn, http_fill_window(conn));
}

enum step http_step_body(struct http_conn *conn)
{
	struct http_exchange *x = conn->x;
	if (conn->body_done)
		return body_ended(conn);
	if (conn->want == WANT_WHOLE && x->req.framing == HTTP_LENGTH) {
		if (x->req.content_length > x->body_max)
			return report(conn, HTTP_BODY_TOO_LARGE);
		return whole_by_length(conn);
	}
	if (conn->paused)
		return STEP_BLOCKED;
	if (x->body_left > x->body_max - x->body_seen)
		return fail(conn, 413, "body too large");
	struct str piece;
	switch (next_piece(x, &piece)) {
	case HTTP_CHUNK_DATA:
		return take_piece(conn, piece);
	case HTTP_CHUNK_END:
		return body_ended(conn);
	case HTTP_CHUNK_BAD:
		return fail(conn, 400, "malformed chunk");
	case HTTP_CHUNK_MORE:
		break;
	}
	return fill_pieces(conn);
}

/* The reply is out; what is left of the body is dropped so that the connection can go on, unless it is too much. */
enum step http_step_discard(struct http_conn *conn)
{
	struct http_exchange *x = conn->x;
	struct str piece = STR_NULL;
	enum http_chunk_step r = next_piece(x, &piece);
	if (r == HTTP_CHUNK_DATA) {
		conn->discarded += piece.n;
		x->body_seen += piece.n;
		if (conn->discarded <= conn->server->config->discard_max_bytes)
			return STEP_AGAIN;
	}
	if (r == HTTP_CHUNK_MORE)
		return fill_pieces(conn);
	if (r == HTTP_CHUNK_END)
		conn->body_done = true;
	else
		conn->close_after = true;
	conn->state = S_FINISH;
	return STEP_AGAIN;
}

/* ---- calls of the callee ---- */

static void begin_body(struct http_conn *conn, enum http_want want, uint64_t max_bytes)
{
	struct http_exchange *x = conn->x;
	ASSERT(conn->active && conn->want == WANT_NOTHING && x);
	conn->want = want;
	x->body_max = max_bytes;
	bool fits = x->req.framing != HTTP_LENGTH || x->req.content_length <= max_bytes;
	if (conn->continue_due && fits && x->start == x->len && conn->replied == REPLY_NONE)
		http_out_copy(conn, STR("HTTP/1.1 100 Continue\r\n\r\n"));
	if (fits)
		conn->continue_due = false;
	if (conn->replied != REPLY_DONE)
		conn->state = S_BODY;
	http_conn_kick(conn);
}

void http_read_body(struct http_conn *conn, size_t max_bytes)
{
	ASSERT(conn->server->handler->on_body);
	begin_body(conn, WANT_WHOLE, max_bytes);
}

void http_stream_body(struct http_conn *conn, uint64_t max_bytes)
{
	ASSERT(conn->server->handler->on_data);
	begin_body(conn, WANT_STREAM, max_bytes);
}

void http_pause_body(struct http_conn *conn, bool paused)
{
	ASSERT(conn->active);
	conn->paused = paused;
	if (!paused)
		http_conn_kick(conn);
}

int http_take_body(struct http_conn *conn, struct http_blob *blob)
{
	struct http_exchange *x = conn->x;
	ASSERT(conn->active && x && conn->want == WANT_WHOLE && conn->body_done && !conn->body_taken);
	struct str body = x->req.body;
	if (!x->body.data) {
		char *data = malloc(body.n + 1);
		if (!data)
			return -1;
		if (body.n)
			memcpy(data, body.p, body.n);
		data[body.n] = '\0';
		http_pool_force(conn->pool, body.n);
		x->body = (struct http_blob){.data = data, .len = body.n, .pool = conn->pool, .charged_bytes = body.n};
	}
	x->req.body = (struct str){x->body.data, x->body.len};
	*blob = x->body;
	x->body = (struct http_blob){0};
	conn->body_taken = true;
	return 0;
}

void http_park(struct http_conn *conn)
{
	ASSERT(conn->active);
	conn->parked = true;
	http_conn_kick(conn);
}
