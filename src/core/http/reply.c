/* Formatting replies into the output queue. */
#include <string.h>

#include "core/base/clock.h"
#include "core/http/conn_priv.h"

#define FIXED_HEAD_BYTES 256u /* status line, framing, Connection and Date with room to spare */

void http_keep(void *arg)
{
}

static char *put(char *at, struct str s)
{
	if (s.n)
		memcpy(at, s.p, s.n);
	return at + s.n;
}

static char *put_number(char *at, uint64_t v)
{
	char digits[20];
	size_t n = 0;
	do
		digits[n++] = (char)('0' + v % 10);
	while (v /= 10);
	while (n)
		*at++ = digits[--n];
	return at;
}

static char *put_hex(char *at, uint64_t v)
{
	int shift = 60;
	while (shift > 0 && !(v >> shift))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		*at++ = "0123456789abcdef"[v >> shift & 15];
	return at;
}

/* A value that came from outside must not be able to end its line. */
static char *put_value(char *at, struct str s)
{
	char *end = put(at, s);
	for (size_t bad; (bad = http_find_control(at, (size_t)(end - at))) < (size_t)(end - at); at += bad + 1)
		at[bad] = ' ';
	return end;
}

static char *put_header(char *at, const struct http_header *h)
{
	ASSERT(h->name.n && http_find_control(h->name.p, h->name.n) == h->name.n);
	at = put(at, h->name);
	at = put(at, STR(": "));
	at = put_value(at, h->value);
	return put(at, STR("\r\n"));
}

static char *put_status(char *at, int status)
{
	ASSERT(status >= 200 && status <= 999);
	at = put(at, STR("HTTP/1.1 "));
	at = put_number(at, (unsigned)status);
	*at++ = ' ';
	at = put(at, str_from(http_reason(status)));
	return put(at, STR("\r\n"));
}

static char *put_date(struct http_conn *conn, char *at)
{
	struct http_pool *pool = conn->pool;
	int64_t now_s = clock_wall_ms() / 1000;
	if (now_s != pool->date_s) {
		clock_format(pool->date, sizeof pool->date, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", now_s * 1000);
		pool->date_s = now_s;
	}
	return put(at, str_from(pool->date));
}

/* Whether the connection can be used again after this reply: the head has to say so before the body is sent. */
static void decide_close(struct http_conn *conn, const struct http_reply *reply)
{
	const struct http_exchange *x = conn->x;
	size_t discard_max = conn->server->config->discard_max_bytes;
	bool unread = !conn->body_done;
	if (reply->close || !conn->keep_alive || conn->server->draining || conn->until_close)
		conn->close_after = true;
	else if (unread && (conn->continue_due || (x && x->req.framing == HTTP_LENGTH && x->body_left > discard_max)))
		conn->close_after = true;
}

static char *put_framing(struct http_conn *conn, char *at, int status, int64_t length)
{
	if (conn->chunked)
		at = put(at, STR("Transfer-Encoding: chunked\r\n"));
	else if (length >= 0 && status != 204 && status != 304) {
		at = put(at, STR("Content-Length: "));
		at = put_number(at, (uint64_t)length);
		at = put(at, STR("\r\n"));
	}
	if (conn->close_after)
		return put(at, STR("Connection: close\r\n"));
	return conn->minor0 ? put(at, STR("Connection: keep-alive\r\n")) : at;
}

static void send_head(struct http_conn *conn, const struct http_reply *reply, int64_t length)
{
	size_t room = FIXED_HEAD_BYTES + (reply->raw_headers ? strlen(reply->raw_headers) : 0);
	for (unsigned i = 0; i < reply->header_count; i++)
		room += reply->headers[i].name.n + reply->headers[i].value.n + 4;
	conn->no_body = conn->head_only || reply->status == 204 || reply->status == 304;
	conn->chunked = length < 0 && !conn->minor0 && reply->status != 204 && reply->status != 304;
	conn->until_close = length < 0 && conn->minor0 && !conn->no_body;
	decide_close(conn, reply);
	char *start = http_out_reserve(conn, room);
	if (!start)
		return;
	char *at = put_status(start, reply->status);
	if (conn->server->config->date)
		at = put_date(conn, at);
	for (unsigned i = 0; i < reply->header_count; i++)
		at = put_header(at, &reply->headers[i]);
	if (reply->raw_headers)
		at = put(at, str_from(reply->raw_headers));
	at = put_framing(conn, at, reply->status, length);
	at = put(at, STR("\r\n"));
	http_out_commit(conn, (size_t)(at - start));
}

static void drop_piece(const struct http_piece *piece)
{
	if (piece->release)
		piece->release(piece->arg);
}

static void send_piece(struct http_conn *conn, const struct http_piece *piece)
{
	if (conn->no_body)
		drop_piece(piece);
	else
		http_out_ref(conn, piece);
}

static void finish(struct http_conn *conn)
{
	conn->replied = REPLY_DONE;
	conn->active = false;
	conn->state = S_FINISH;
	http_conn_kick(conn);
}

static int64_t length_of(const struct http_reply *reply)
{
	size_t n = reply->body.n;
	for (unsigned i = 0; i < reply->piece_count; i++)
		n += reply->pieces[i].bytes.n;
	return (int64_t)n;
}

void http_reply(struct http_conn *conn, const struct http_reply *reply)
{
	ASSERT(conn->active && conn->replied == REPLY_NONE);
	send_head(conn, reply, length_of(reply));
	if (!conn->no_body)
		http_out_copy(conn, reply->body);
	for (unsigned i = 0; i < reply->piece_count; i++)
		send_piece(conn, &reply->pieces[i]);
	finish(conn);
}

void http_reply_blob(struct http_conn *conn, const struct http_reply *reply, struct http_blob *blob)
{
	ASSERT(conn->active && conn->replied == REPLY_NONE && !reply->piece_count);
	send_head(conn, reply, (int64_t)(reply->body.n + blob->len));
	if (!conn->no_body) {
		http_out_copy(conn, reply->body);
		http_out_blob(conn, blob);
	}
	http_blob_release(blob);
	finish(conn);
}

void http_reply_error(struct http_conn *conn, int status, const char *why)
{
	char text[200];
	size_t n = 0;
	struct str parts[] = {str_from(why), STR("\n")};
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		ASSERT(n + parts[i].n <= sizeof text);
		n = (size_t)(put(text + n, parts[i]) - text);
	}
	const struct http_header type = {STR("Content-Type"), STR("text/plain")};
	const struct http_reply reply = {.status = status, .headers = &type, .header_count = 1, .body = {text, n}, .close = true};
	conn->minor0 = false;
	if (!conn->x || conn->state == S_HEAD)
		conn->head_only = false;
	send_head(conn, &reply, (int64_t)n);
	if (!conn->no_body)
		http_out_copy(conn, reply.body);
	conn->replied = REPLY_DONE;
}

/* ---- streaming ---- */

void http_reply_start(struct http_conn *conn, const struct http_reply *reply, int64_t content_length)
{
	ASSERT(conn->active && conn->replied == REPLY_NONE);
	conn->until_close = content_length < 0 && conn->minor0;
	send_head(conn, reply, content_length);
	conn->replied = REPLY_STREAMING;
	conn->reply_left = content_length < 0 ? UINT64_MAX : (uint64_t)content_length;
	http_conn_kick(conn);
	if (reply->body.n)
		http_reply_write(conn, (struct http_piece){.bytes = reply->body});
	for (unsigned i = 0; i < reply->piece_count; i++)
		http_reply_write(conn, reply->pieces[i]);
}

static void send_chunk(struct http_conn *conn, const struct http_piece *pieces, unsigned count, size_t bytes)
{
	char line[20], *at = put_hex(line, bytes);
	at = put(at, STR("\r\n"));
	http_out_copy(conn, (struct str){line, (size_t)(at - line)});
	for (unsigned i = 0; i < count; i++)
		http_out_ref(conn, &pieces[i]);
	http_out_copy(conn, STR("\r\n"));
}

static bool has_room(struct http_conn *conn)
{
	http_conn_kick(conn);
	if (conn->queued < conn->server->config->queue_high_bytes)
		return true;
	conn->over_high = true;
	return false;
}

bool http_reply_write(struct http_conn *conn, struct http_piece piece)
{
	ASSERT(conn->active && conn->replied == REPLY_STREAMING);
	if (piece.bytes.n > conn->reply_left)
		piece.bytes.n = (size_t)conn->reply_left;
	if (conn->reply_left != UINT64_MAX)
		conn->reply_left -= piece.bytes.n;
	if (piece.bytes.n == 0 || conn->no_body)
		drop_piece(&piece);
	else if (conn->chunked)
		send_chunk(conn, &piece, 1, piece.bytes.n);
	else
		http_out_ref(conn, &piece);
	return has_room(conn);
}

bool http_reply_write_pieces(struct http_conn *conn, const struct http_piece *pieces, unsigned count)
{
	size_t bytes = 0;
	ASSERT(conn->active && conn->replied == REPLY_STREAMING && conn->reply_left == UINT64_MAX);
	for (unsigned i = 0; i < count; i++)
		bytes += pieces[i].bytes.n;
	if (conn->chunked && bytes && !conn->no_body) {
		send_chunk(conn, pieces, count, bytes);
		return has_room(conn);
	}
	for (unsigned i = 0; i < count; i++)
		send_piece(conn, &pieces[i]);
	return has_room(conn);
}

size_t http_queued(const struct http_conn *conn)
{
	return conn->queued;
}

static void send_trailers(struct http_conn *conn, const struct http_header *trailers, unsigned n)
{
	http_out_copy(conn, STR("0\r\n"));
	for (unsigned i = 0; i < n; i++) {
		char *start = http_out_reserve(conn, trailers[i].name.n + trailers[i].value.n + 4);
		if (!start)
			return;
		http_out_commit(conn, (size_t)(put_header(start, &trailers[i]) - start));
	}
	http_out_copy(conn, STR("\r\n"));
}

void http_reply_end(struct http_conn *conn, const struct http_header *trailers, unsigned trailer_count)
{
	ASSERT(conn->active && conn->replied == REPLY_STREAMING);
	if (conn->chunked && !conn->no_body)
		send_trailers(conn, trailers, trailer_count);
	else if (!conn->chunked && !conn->no_body && conn->reply_left != UINT64_MAX && conn->reply_left > 0)
		conn->close_after = true;
	finish(conn);
}
