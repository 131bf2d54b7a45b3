/* Listeners, the set of connections, and the small accessors. */
#include "core/http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/io.h"
#include "core/http/conn_priv.h"

#define ACCEPTS_A_ROUND 64
#define RETRY_MS 100
#define KEEPALIVE_IDLE_S 60
#define KEEPALIVE_INTERVAL_S 15

const struct http_config http_config_default = {
	.limits = {.head_max_bytes = 65536, .target_max_bytes = 16384, .headers_max = 100},
	.trailers_max_bytes = 65536,
	.arena_max_bytes = 1 << 20,
	.discard_max_bytes = 65536,
	.queue_high_bytes = 262144,
	.conns_max = 10000,
	.idle_timeout_ms = 75000,
	.handshake_timeout_ms = 10000,
	.head_timeout_ms = 20000,
	.body_timeout_ms = 30000,
	.body_min_bytes_s = 100,
	.write_timeout_ms = 30000,
	.linger_timeout_ms = 2000,
	.date = true,
};

/* ---- accepting ---- */

static void watch_one(struct http_listener *listener)
{
	struct http_server *server = listener->server;
	bool accept = !server->paused && !server->draining && !server->full && !server->retry.loop;
	ev_io_want(&listener->io, accept && !(listener->share && listener->share->full) ? EV_READ : 0);
}

static void watch(struct http_server *server)
{
	LIST_FOREACH(link, &server->listeners)
		watch_one(CONTAINER_OF(link, struct http_listener, link));
}

static void on_retry(struct ev_timer *timer)
{
	watch(CONTAINER_OF(timer, struct http_server, retry));
}

/* At the maximum the longest idle connection makes room; when all are busy, new ones wait in the kernel's queue. */
static bool make_room(struct http_server *server)
{
	struct list *oldest = server->idle.next;
	if (oldest == &server->idle) {
		server->full = true;
		watch(server);
		return false;
	}
	server->pool->stats.evicted++;
	http_conn_kill(CONTAINER_OF(oldest, struct http_conn, link));
	return true;
}

/* ---- the share of one listener ---- */

int http_listener_limit(struct http_listener *listener, unsigned conns_max, struct error *err)
{
	ASSERT(!listener->share && conns_max > 0);
	struct http_share *share = calloc(1, sizeof *share);
	if (!share)
		return error_set(err, ERR_NO_MEMORY, "no memory for a listener");
	share->listener = listener;
	share->max = conns_max;
	list_init(&share->conns);
	listener->share = share;
	return 0;
}

void http_share_join(struct http_share *share, struct http_conn *conn)
{
	if (!share)
		return;
	conn->share = share;
	list_push_back(&share->conns, &conn->share_link);
	share->count++;
}

static void free_share_if_unused(struct http_share *share)
{
	if (!share->listener && share->count == 0)
		free(share);
}

void http_share_leave(struct http_conn *conn)
{
	struct http_share *share = STEAL_PTR(conn->share);
	if (!share)
		return;
	list_remove(&conn->share_link);
	share->count--;
	if (share->full && share->listener) {
		share->full = false;
		watch_one(share->listener);
	}
	free_share_if_unused(share);
}

/* As make_room, among its own. */
static bool make_room_in_share(struct http_listener *listener)
{
	struct http_share *share = listener->share;
	LIST_FOREACH(link, &share->conns) {
		struct http_conn *conn = CONTAINER_OF(link, struct http_conn, share_link);
		if (conn->phase != PHASE_IDLE)
			continue;
		listener->server->pool->stats.evicted++;
		http_conn_kill(conn);
		return true;
	}
	share->full = true;
	watch_one(listener);
	return false;
}

/* Accepted sockets inherit these from the listening one. Keep-alive probes find peers that vanished without a word while
 * a request is parked. Sockets that are not TCP refuse the options: no matter. */
static void set_options(const struct http_server *server, int fd)
{
	int one = 1, idle_s = KEEPALIVE_IDLE_S, interval_s = KEEPALIVE_INTERVAL_S;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (server->config->local)
		return;
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
}

static void on_listener(struct ev_io *io, unsigned events)
{
	struct http_listener *listener = CONTAINER_OF(io, struct http_listener, io);
	struct http_server *server = listener->server;
	for (int i = 0; i < ACCEPTS_A_ROUND; i++) {
		/* Room is made only for the one that is known to wait; if there are more the listener reports again. */
		bool full = server->conn_count >= server->config->conns_max;
		if (full && (i > 0 || !make_room(server)))
			return;
		bool share_full = listener->share && listener->share->count >= listener->share->max;
		if (share_full && (i > 0 || !make_room_in_share(listener)))
			return;
		struct sockaddr_storage peer = {0};
		socklen_t size = sizeof peer;
		int fd = accept4(io->fd, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			/* It was not inherited by who connected before the listener came to us. */
			int one = 1;
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
			if (http_conn_new(server, listener->share, fd, STR_NULL, &peer, NULL) < 0)
				close(fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			ev_timer_after(server->loop, &server->retry, RETRY_MS * NS_PER_MS);
			watch(server);
		}
		if (errno != ECONNABORTED && errno != EINTR)
			return;
	}
}

int http_server_listen(struct http_server *server, struct http_listener *listener, int fd, struct error *err)
{
	if (io_set_nonblock(fd) < 0)
		return error_sys(err, "cannot prepare the listening socket");
	set_options(server, fd);
	*listener = (struct http_listener){.io = {.fd = fd, .cb = on_listener}, .server = server};
	list_init(&listener->link);
	if (ev_io_start(server->loop, &listener->io, EV_READ, err) < 0)
		return -1;
	list_push_back(&server->listeners, &listener->link);
	watch_one(listener);
	return 0;
}

int http_server_adopt(struct http_server *server, int fd, struct str received, struct error *err)
{
	struct sockaddr_storage peer = {0};
	socklen_t size = sizeof peer;
	if (received.n > server->config->limits.head_max_bytes)
		return error_set(err, ERR_TOO_LARGE, "%zu bytes are too many to adopt with a connection", received.n);
	if (io_set_nonblock(fd) < 0 || getpeername(fd, (struct sockaddr *)&peer, &size) < 0)
		return error_sys(err, "cannot adopt the connection");
	set_options(server, fd);
	return http_conn_new(server, NULL, fd, received, &peer, err);
}

/* ---- life ---- */

static void on_drained(struct ev_defer *defer)
{
	struct http_server *server = CONTAINER_OF(defer, struct http_server, drained);
	if (server->handler->on_drained)
		server->handler->on_drained(server);
}

void http_server_init(struct http_server *server, struct ev_loop *loop, const struct http_config *config,
                      const struct http_handler *handler, struct http_pool *pool, void *arg)
{
	ASSERT(handler->on_request && config->conns_max > 0 && config->limits.headers_max <= HTTP_HEADERS_CAP);
	*server = (struct http_server){.loop = loop, .config = config, .handler = handler, .pool = pool, .arg = arg};
	server->retry.cb = on_retry;
	ev_defer_init(&server->drained, on_drained);
	list_init(&server->listeners);
	list_init(&server->conns);
	list_init(&server->idle);
}

void http_listener_close(struct http_listener *listener)
{
	if (listener->io.fd < 0)
		return;
	list_remove(&listener->link);
	ev_io_stop(&listener->io);
	close(listener->io.fd);
	listener->io.fd = -1;
	struct http_share *share = STEAL_PTR(listener->share);
	if (!share)
		return;
	share->listener = NULL;
	free_share_if_unused(share);
}

static void close_listeners(struct http_server *server)
{
	LIST_FOREACH(link, &server->listeners)
		http_listener_close(CONTAINER_OF(link, struct http_listener, link));
}

static void kill_all(struct list *conns)
{
	while (!list_empty(conns))
		http_conn_kill(CONTAINER_OF(conns->next, struct http_conn, link));
}

void http_server_release(struct http_server *server)
{
	if (!server->loop)
		return;
	close_listeners(server);
	ev_timer_stop(&server->retry);
	kill_all(&server->idle);
	kill_all(&server->conns);
	ev_defer_cancel(&server->drained);
	server->loop = NULL;
}

void http_server_pause(struct http_server *server, bool paused)
{
	server->paused = paused;
	watch(server);
}

void http_server_drain(struct http_server *server)
{
	if (server->draining)
		return;
	server->draining = true;
	close_listeners(server);
	LIST_FOREACH(link, &server->idle)
		http_conn_kick(CONTAINER_OF(link, struct http_conn, link));
	if (server->conn_count == 0)
		ev_defer_run(server->loop, &server->drained);
}

void http_server_conn_left(struct http_server *server)
{
	server->conn_count--;
	if (server->full) {
		server->full = false;
		watch(server);
	}
	if (server->draining && server->conn_count == 0)
		ev_defer_run(server->loop, &server->drained);
}

/* ---- accessors ---- */

struct http_server *http_conn_server(const struct http_conn *conn)
{
	return conn->server;
}

struct http_request *http_conn_request(const struct http_conn *conn)
{
	return conn->x && !conn->parked ? &conn->x->req : NULL;
}

void http_conn_set_data(struct http_conn *conn, void *data)
{
	conn->data = data;
}

void *http_conn_data(const struct http_conn *conn)
{
	return conn->data;
}

bool http_conn_secure(const struct http_conn *conn)
{
	return conn->tls != NULL;
}

void http_conn_peer(const struct http_conn *conn, char text[HTTP_PEER_SIZE], unsigned *port)
{
	if (conn->peer_family != AF_INET && conn->peer_family != AF_INET6)
		snprintf(text, HTTP_PEER_SIZE, "unix");
	else
		inet_ntop(conn->peer_family, conn->peer_addr, text, HTTP_PEER_SIZE);
	if (port)
		*port = conn->peer_port;
}

void http_abort(struct http_conn *conn)
{
	ASSERT(conn->active);
	struct linger reset = {.l_onoff = 1};
	/* A body that ends with the connection can only be told from a broken one by a reset. */
	if (conn->replied == REPLY_STREAMING && conn->until_close)
		setsockopt(conn->io.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	http_conn_kill(conn);
}
