/* A whole server on one end of a socket pair; the input is what the peer sends, in pieces, with closings in between. The
 * handler's behaviour follows the path. Properties: no crash, every exchange ends exactly once, nothing stays counted. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/http/server.h"
#include "tests/fuzz/fuzz.h"

struct rig {
	struct ev_loop *loop;
	struct http_pool pool;
	struct http_server server;
	struct ev_timer feed;
	const uint8_t *data;
	size_t n, at;
	int peer;
	unsigned seed, rounds;
	struct http_conn *parked;
	int open; /* exchanges begun and not yet ended */
};

static const struct http_config config = {
	.limits = {.head_max_bytes = 1024, .target_max_bytes = 256, .headers_max = 8},
	.trailers_max_bytes = 256,
	.arena_max_bytes = 4096,
	.discard_max_bytes = 512,
	.queue_high_bytes = 4096,
	.conns_max = 4,
};

static struct rig *rig_of(struct http_conn *conn)
{
	return http_conn_server(conn)->arg;
}

static void answer(struct http_conn *conn, struct str body)
{
	rig_of(conn)->open--;
	http_reply(conn, &(struct http_reply){.status = 200, .body = body});
}

static void on_request(struct http_conn *conn, struct http_request *req)
{
	struct rig *rig = rig_of(conn);
	rig->open++;
	char what = req->path.n > 1 ? req->path.p[1] : 'h';
	if (what == 'b') {
		http_read_body(conn, 20000);
	} else if (what == 's') {
		http_reply_start(conn, &(struct http_reply){.status = 200}, -1);
		http_stream_body(conn, 30000);
	} else if (what == 'p') {
		rig->parked = conn;
		http_park(conn);
	} else if (what == 'a') {
		rig->open--;
		http_abort(conn);
	} else if (what == 'x') {
		rig->open--;
		http_server_release(&rig->server);
	} else {
		answer(conn, req->query);
	}
}

static void on_body(struct http_conn *conn, struct http_request *req, enum http_body_result result)
{
	struct http_blob blob = {0};
	if (result == HTTP_BODY_OK)
		ASSERT(http_take_body(conn, &blob) == 0);
	rig_of(conn)->open--;
	http_reply_blob(conn, &(struct http_reply){.status = result == HTTP_BODY_OK ? 200 : 413}, &blob);
}

static void on_data(struct http_conn *conn, struct str data)
{
	if (!http_reply_write(conn, (struct http_piece){.bytes = data}))
		http_pause_body(conn, true);
}

static void on_drain(struct http_conn *conn)
{
	http_pause_body(conn, false);
}

static void on_end(struct http_conn *conn, struct http_request *req)
{
	rig_of(conn)->open--;
	http_reply_end(conn, req->trailers, req->trailer_count);
}

static void on_gone(struct http_conn *conn, enum http_gone why)
{
	struct rig *rig = rig_of(conn);
	rig->open--;
	if (rig->parked == conn)
		rig->parked = NULL;
}

static const struct http_handler handler = {.on_request = on_request, .on_body = on_body, .on_data = on_data,
	.on_drain = on_drain, .on_end = on_end, .on_gone = on_gone};

static void read_all(struct rig *rig)
{
	char waste[4096];
	while (recv(rig->peer, waste, sizeof waste, MSG_DONTWAIT) > 0)
		;
}

static void on_feed(struct ev_timer *timer)
{
	struct rig *rig = CONTAINER_OF(timer, struct rig, feed);
	rig->seed = rig->seed * 1103515245u + 12345u;
	size_t step = 1 + (rig->seed >> 16) % (rig->seed & 256 ? 7 : 2000), left = rig->n - rig->at;
	ssize_t sent = left ? send(rig->peer, rig->data + rig->at, step < left ? step : left, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
	if (sent > 0)
		rig->at += (size_t)sent;
	if (rig->seed & 512 || left == 0)
		read_all(rig);
	if (rig->parked && rig->seed & 1024)
		answer(STEAL_PTR(rig->parked), STR("late"));
	bool refused = sent < 0 && errno != EAGAIN;
	if (++rig->rounds > 20000 || refused || (left == 0 && rig->rounds > 4 && (rig->seed & 3072) == 0))
		ev_loop_stop(rig->loop);
	else
		ev_timer_at(rig->loop, timer, 0);
}

static void on_last(struct ev_timer *timer)
{
	struct rig *rig = CONTAINER_OF(timer, struct rig, feed);
	if (rig->rounds++ < 3)
		ev_timer_at(rig->loop, timer, 0);
	else
		ev_loop_stop(rig->loop);
}

static void close_and_check(struct rig *rig)
{
	close(rig->peer);
	rig->rounds = 0;
	rig->feed.cb = on_last;
	ev_timer_at(rig->loop, &rig->feed, 0);
	ASSERT(ev_loop_run(rig->loop, NULL) == 0);
	ASSERT(rig->open == 0);
	ASSERT(rig->server.conn_count == 0);
	http_server_release(&rig->server);
	ASSERT(rig->pool.used_bytes == 0);
	http_pool_release(&rig->pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 2 || n > 65536)
		return 0;
	int pair[2];
	struct rig rig = {.loop = ev_loop_new(NULL), .data = data + 2, .n = n - 2, .seed = data[0] | data[1] << 8u};
	ASSERT(rig.loop && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	rig.peer = pair[0];
	http_pool_init(&rig.pool, 64 << 10);
	http_server_init(&rig.server, rig.loop, &config, &handler, &rig.pool, &rig);
	ASSERT(http_server_adopt(&rig.server, pair[1], STR_NULL, NULL) == 0);
	rig.feed.cb = on_feed;
	ev_timer_at(rig.loop, &rig.feed, 0);
	ASSERT(ev_loop_run(rig.loop, NULL) == 0);
	ev_timer_stop(&rig.feed);
	close_and_check(&rig);
	ev_loop_free(rig.loop);
	return 0;
}
