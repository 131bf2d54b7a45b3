/* A server on an event loop and clients on the other ends of socket pairs, for test_http_*.c. The path says what the handler
 * does; see on_request. */
#ifndef MAYFLY_TEST_HTTP_RIG_H
#define MAYFLY_TEST_HTTP_RIG_H

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/http/server.h"
#include "tests/unit/test.h"

struct rig {
	struct ev_loop *loop;
	struct http_config config;
	struct http_pool pool;
	struct http_server server;
	struct ev_timer timer;
	unsigned rounds;
	int awaited;
	struct http_conn *parked[2000], *streaming;
	unsigned parked_count, gone_count, request_count, ended_count, released_count, drained_count;
	enum http_gone why;
	enum http_body_result result;
	size_t streamed, most_queued;
	const char *parked_bytes; /* what a reply refers to */
	char heard[1 << 16];
	size_t heard_len;
	char peer[HTTP_PEER_SIZE];
};

static inline struct rig *rig_of(struct http_conn *conn)
{
	return http_conn_server(conn)->arg;
}

static inline void rig_reply(struct http_conn *conn, int status, struct str body)
{
	http_reply(conn, &(struct http_reply){.status = status, .body = body});
}

static inline void rig_on_request(struct http_conn *conn, struct http_request *req)
{
	struct rig *rig = rig_of(conn);
	rig->request_count++;
	if (str_eqz(req->path, "/body")) {
		http_read_body(conn, 100000);
	} else if (str_eqz(req->path, "/stream")) {
		http_stream_body(conn, 100 << 20);
	} else if (str_eqz(req->path, "/park")) {
		rig->parked[rig->parked_count++] = conn;
		http_park(conn);
	} else if (str_eqz(req->path, "/wait")) {
		rig->parked[rig->parked_count++] = conn;
	} else if (str_eqz(req->path, "/peer")) {
		http_conn_peer(conn, rig->peer, NULL);
		rig_reply(conn, 200, str_from(rig->peer));
	} else if (str_eqz(req->path, "/release")) {
		http_server_release(&rig->server);
	} else if (str_eqz(req->path, "/abort")) {
		http_abort(conn);
	} else if (str_starts(req->path, STR("/status/"))) {
		uint64_t status = 0;
		str_to_u64(str_sub(req->path, 8, 99), 999, &status);
		rig_reply(conn, (int)status, STR("text"));
	} else {
		rig_reply(conn, 200, req->query);
	}
}

static inline void rig_on_body(struct http_conn *conn, struct http_request *req, enum http_body_result result)
{
	struct rig *rig = rig_of(conn);
	struct http_blob blob = {0};
	rig->result = result;
	struct http_header h = {STR("X-Trailer"), http_trailer(req, STR("x-t"))};
	if (result == HTTP_BODY_OK)
		http_take_body(conn, &blob);
	http_reply_blob(conn, &(struct http_reply){.status = result == HTTP_BODY_OK ? 200 : 429, .headers = &h,
		.header_count = h.value.p ? 1 : 0}, &blob);
}

/* Echoes, chunked, and slows the sender down when the taker is slow. */
static inline void rig_on_data(struct http_conn *conn, struct str data)
{
	struct rig *rig = rig_of(conn);
	if (!rig->streaming)
		http_reply_start(conn, &(struct http_reply){.status = 200}, -1);
	rig->streaming = conn;
	rig->streamed += data.n;
	if (!http_reply_write(conn, (struct http_piece){.bytes = data}))
		http_pause_body(conn, true);
	if (http_queued(conn) > rig->most_queued)
		rig->most_queued = http_queued(conn);
}

static inline void rig_on_drain(struct http_conn *conn)
{
	http_pause_body(conn, false);
}

static inline void rig_on_end(struct http_conn *conn, struct http_request *req)
{
	struct rig *rig = rig_of(conn);
	rig->ended_count++;
	if (!rig->streaming)
		http_reply_start(conn, &(struct http_reply){.status = 200}, -1);
	rig->streaming = NULL;
	http_reply_end(conn, req->trailers, req->trailer_count);
}

static inline void rig_on_gone(struct http_conn *conn, enum http_gone why)
{
	struct rig *rig = rig_of(conn);
	rig->gone_count++;
	rig->why = why;
	rig->streaming = NULL;
}

static inline void rig_on_drained(struct http_server *server)
{
	((struct rig *)server->arg)->drained_count++;
}

static const struct http_handler rig_handler = {.on_request = rig_on_request, .on_body = rig_on_body,
	.on_data = rig_on_data, .on_end = rig_on_end, .on_gone = rig_on_gone, .on_drain = rig_on_drain,
	.on_drained = rig_on_drained};

/* Heap: the rig is large, and its timers must not outlive a test that returns early. */
static inline struct rig *rig_new(void)
{
	struct rig *rig = calloc(1, sizeof *rig);
	rig->loop = ev_loop_new(NULL);
	rig->config = http_config_default;
	rig->config.date = false;
	http_pool_init(&rig->pool, 64 << 20);
	http_server_init(&rig->server, rig->loop, &rig->config, &rig_handler, &rig->pool, rig);
	return rig;
}

/* Nothing may stay counted: every test ends with this number being 0. */
static inline size_t rig_free(struct rig *rig)
{
	http_server_release(&rig->server);
	size_t left = rig->pool.used_bytes;
	http_pool_release(&rig->pool);
	ev_timer_stop(&rig->timer);
	ev_loop_free(rig->loop);
	free(rig);
	return left;
}

static inline void rig_on_timer(struct ev_timer *timer)
{
	struct rig *rig = CONTAINER_OF(timer, struct rig, timer);
	if (rig->rounds-- == 0)
		ev_loop_stop(rig->loop);
	else
		ev_timer_at(rig->loop, timer, 0);
}

/* A few rounds: on one machine all that was written is there to be read. */
static inline void rig_run(struct rig *rig)
{
	rig->rounds = 8;
	rig->timer.cb = rig_on_timer;
	ev_timer_at(rig->loop, &rig->timer, 0);
	ev_loop_run(rig->loop, NULL);
}

/* Connected client; the server's end is adopted. */
static inline int rig_connect(struct rig *rig, struct str received)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -1;
	if (http_server_adopt(&rig->server, pair[1], received, NULL) < 0) {
		close(pair[0]);
		close(pair[1]);
		return -1;
	}
	return pair[0];
}

static inline void say(struct rig *rig, int fd, const char *text)
{
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		perror("send");
	rig_run(rig);
}

/* All that has come, as text; "" for nothing, NULL when the connection was closed and nothing came. */
static inline const char *hear(struct rig *rig, int fd)
{
	rig->heard_len = 0;
	ssize_t n;
	while ((n = recv(fd, rig->heard + rig->heard_len, sizeof rig->heard - 1 - rig->heard_len, MSG_DONTWAIT)) > 0)
		rig->heard_len += (size_t)n;
	rig->heard[rig->heard_len] = '\0';
	return n == 0 && rig->heard_len == 0 ? NULL : rig->heard;
}

/* The same for a TCP client, whose bytes may take a moment: waits, bounded, until something or the end has come. */
static inline void rig_on_await(struct ev_timer *timer)
{
	struct rig *rig = CONTAINER_OF(timer, struct rig, timer);
	char byte;
	if (recv(rig->awaited, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || rig->rounds-- == 0)
		ev_loop_stop(rig->loop);
	else
		ev_timer_after(rig->loop, timer, NS_PER_MS);
}

static inline const char *await(struct rig *rig, int fd)
{
	rig->awaited = fd;
	rig->rounds = 3000;
	rig->timer.cb = rig_on_await;
	ev_timer_at(rig->loop, &rig->timer, 0);
	ev_loop_run(rig->loop, NULL);
	return hear(rig, fd);
}

/* Until the server closes the connection: for timeouts. Bounded by the loop's guard of 5 s. */
static inline void rig_on_guard(struct ev_timer *timer)
{
	struct rig *rig = CONTAINER_OF(timer, struct rig, timer);
	if (rig->server.conn_count == 0 || rig->rounds-- == 0)
		ev_loop_stop(rig->loop);
	else
		ev_timer_after(rig->loop, timer, 5 * NS_PER_MS);
}

static inline bool rig_run_until_closed(struct rig *rig)
{
	rig->rounds = 1000;
	rig->timer.cb = rig_on_guard;
	ev_timer_after(rig->loop, &rig->timer, NS_PER_MS);
	ev_loop_run(rig->loop, NULL);
	return rig->server.conn_count == 0;
}

#endif
