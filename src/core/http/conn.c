/* One connection: its state machine, its timeouts, its life and death. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/http/conn_priv.h"

/* ---- steps ---- */

static void begin_exchange(struct http_conn *conn)
{
	struct http_exchange *x = conn->x;
	struct http_request *req = &x->req;
	conn->head_only = req->method == HTTP_HEAD;
	conn->minor0 = req->minor == 0;
	conn->keep_alive = req->keep_alive;
	conn->continue_due = req->expect_continue;
	conn->want = WANT_NOTHING;
	conn->replied = REPLY_NONE;
	conn->data = NULL;
	conn->body_taken = conn->parked = conn->paused = conn->over_high = false;
	conn->active = true;
	conn->state = S_WAIT;
	conn->discarded = 0;
	http_body_begin(conn);
	conn->pool->stats.requests++;
	conn->server->handler->on_request(conn, req);
}

static enum step close_when(struct http_conn *conn, bool linger)
{
	conn->linger_due = linger;
	conn->state = S_CLOSE;
	return STEP_AGAIN;
}

/* What is left of the conversation is in the clear: our last words to who does not speak TLS, and input that is dropped. */
static void drop_tls(struct http_conn *conn)
{
	http_tls_conn_free(STEAL_PTR(conn->tls));
}

static enum step step_handshake(struct http_conn *conn)
{
	if (conn->server->draining)
		return close_when(conn, false);
	switch (http_tls_handshake(conn->tls)) {
	case TLS_DONE:
		conn->pool->stats.handshakes++;
		conn->progress = conn->readable = true;
		conn->state = S_HEAD;
		return STEP_AGAIN;
	case TLS_BLOCKED:
		return STEP_BLOCKED;
	case TLS_PLAIN:
		drop_tls(conn);
		http_conn_refuse(conn, 400, "this port speaks HTTPS: use https:// in the address");
		return STEP_AGAIN;
	case TLS_FAILED:
		break;
	}
	conn->pool->stats.handshakes_failed++;
	drop_tls(conn);
	return close_when(conn, true); /* the peer reads the alert that says why */
}

static enum step fill_head(struct http_conn *conn)
{
	if (!http_head_room(conn))
		return close_when(conn, false);
	enum fill r = http_fill_window(conn);
	if (r == FILL_EOF)
		return close_when(conn, false);
	return r == FILL_OK ? STEP_AGAIN : STEP_BLOCKED;
}

static enum step step_head(struct http_conn *conn)
{
	const struct http_config *config = conn->server->config;
	bool empty = !conn->stash_len && (!conn->x || conn->x->start == conn->x->len);
	if (conn->close_after || (conn->server->draining && empty))
		return close_when(conn, false);
	if (conn->queued >= config->queue_high_bytes)
		return STEP_BLOCKED; /* a peer that pipelines must also take the answers */
	if (!conn->x && !conn->readable && !conn->stash_fresh)
		return conn->eof ? close_when(conn, false) : STEP_BLOCKED;
	if (!conn->x && http_exchange_open(conn) < 0)
		return close_when(conn, false);
	struct http_exchange *x = conn->x;
	if (x->len > x->start) {
		long r = http_parse_head(&x->parser, &config->limits, x->data + x->start, x->len - x->start, &x->req, x->headers);
		if (r < 0) {
			http_conn_refuse(conn, (int)-r, x->parser.why);
			return STEP_AGAIN;
		}
		if (r > 0) {
			x->start += (size_t)r;
			begin_exchange(conn);
			return STEP_AGAIN;
		}
	}
	return fill_head(conn);
}

/* Nothing to do but to wait for the callee, unless there is nobody left to answer. */
static enum step step_wait(struct http_conn *conn)
{
	if (!conn->hup)
		return STEP_BLOCKED;
	http_conn_gone(conn, HTTP_GONE_CLOSED);
	return close_when(conn, false);
}

static bool unread(const struct http_conn *conn)
{
	const struct http_exchange *x = conn->x;
	return !conn->body_done || conn->readable || conn->stash_len || (x && x->start < x->len);
}

static enum step step_finish(struct http_conn *conn)
{
	conn->progress = true;
	if (!conn->body_done && !conn->close_after) {
		conn->state = S_DISCARD;
		return STEP_AGAIN;
	}
	if (conn->close_after)
		return close_when(conn, unread(conn));
	http_exchange_next(conn);
	conn->state = S_HEAD;
	return STEP_AGAIN;
}

static enum step step_close(struct http_conn *conn)
{
	if (conn->queued)
		return STEP_BLOCKED;
	if (conn->tls && http_tls_bye(conn->tls) == TLS_BLOCKED) {
		conn->blocked = true;
		return STEP_BLOCKED;
	}
	drop_tls(conn);
	if (!conn->linger_due || conn->eof) {
		http_conn_kill(conn);
		return STEP_BLOCKED;
	}
	/* Closing with unread input would reset the connection, and the peer might never see the answer. */
	shutdown(conn->io.fd, SHUT_WR);
	conn->state = S_LINGER;
	return STEP_AGAIN;
}

static enum step step_linger(struct http_conn *conn)
{
	char waste[16384];
	size_t got;
	enum fill r = http_fill(conn, waste, sizeof waste, &got);
	if (r == FILL_EOF)
		http_conn_kill(conn);
	return r == FILL_OK ? STEP_AGAIN : STEP_BLOCKED;
}

static const struct {
	const char *name;
	enum step (*run)(struct http_conn *conn);
} steps[] = {
	[S_HANDSHAKE] = {"handshake", step_handshake},
	[S_HEAD] = {"head", step_head},
	[S_BODY] = {"body", http_step_body},
	[S_WAIT] = {"wait", step_wait},
	[S_FINISH] = {"finish", step_finish},
	[S_DISCARD] = {"discard", http_step_discard},
	[S_CLOSE] = {"close", step_close},
	[S_LINGER] = {"linger", step_linger},
};

/* ---- timeouts: one lazy timer; the hot path only writes deadline_ns ---- */

static enum http_phase phase_of(const struct http_conn *conn)
{
	if (conn->state == S_LINGER)
		return PHASE_LINGER;
	if (conn->state == S_HANDSHAKE)
		return PHASE_HANDSHAKE;
	if (conn->blocked || conn->state == S_CLOSE)
		return PHASE_WRITE;
	if (conn->state == S_HEAD)
		return conn->stash_len || (conn->x && conn->x->len > conn->x->start) ? PHASE_HEAD : PHASE_IDLE;
	if ((conn->state == S_BODY && !conn->paused) || conn->state == S_DISCARD)
		return PHASE_BODY;
	return PHASE_NONE;
}

static unsigned timeout_ms(const struct http_config *config, enum http_phase phase)
{
	const unsigned ms[PHASE_COUNT] = {
		[PHASE_HANDSHAKE] = config->handshake_timeout_ms,
		[PHASE_IDLE] = config->idle_timeout_ms,   [PHASE_HEAD] = config->head_timeout_ms,
		[PHASE_BODY] = config->body_timeout_ms,   [PHASE_WRITE] = config->write_timeout_ms,
		[PHASE_LINGER] = config->linger_timeout_ms ? config->linger_timeout_ms : 1,
	};
	return ms[phase];
}

static void arm(struct http_conn *conn)
{
	/* Past this round's time, so that it goes on in the next one: a timer that is due at once would run before all others. */
	if (conn->yielded)
		ev_timer_at(conn->server->loop, &conn->timer, ev_now_ns(conn->server->loop) + 1);
	else if (conn->deadline_ns && (!conn->timer.loop || conn->timer.at_ns > conn->deadline_ns))
		ev_timer_at(conn->server->loop, &conn->timer, conn->deadline_ns);
}

static void place(struct http_conn *conn, bool idle)
{
	list_remove(&conn->link);
	list_push_back(idle ? &conn->server->idle : &conn->server->conns, &conn->link);
}

/* Whoever has not asked for anything yet makes room first. */
static bool may_be_evicted(enum http_phase phase)
{
	return phase == PHASE_IDLE || phase == PHASE_HANDSHAKE;
}

/* At the end of each run: what is the connection waiting for, and until when. */
static void settle(struct http_conn *conn)
{
	enum http_phase phase = phase_of(conn);
	/* Only writing is measured from its last progress; a head's time runs from its first byte, unless a request ended. */
	bool restart = conn->progress && phase != PHASE_LINGER;
	if (phase != conn->phase || restart) {
		conn->mark_ns = ev_now_ns(conn->server->loop);
		if (may_be_evicted(phase) || may_be_evicted(conn->phase))
			place(conn, may_be_evicted(phase));
		conn->phase = (unsigned char)phase;
		if (conn->x && phase == PHASE_BODY)
			conn->x->window_seen = conn->x->body_seen;
	}
	conn->progress = false;
	unsigned ms = timeout_ms(conn->server->config, phase);
	conn->deadline_ns = ms ? conn->mark_ns + ms * NS_PER_MS : 0;
	arm(conn);
}

/* A body that brought enough during its window gets another one. */
static bool body_moves(struct http_conn *conn)
{
	struct http_exchange *x = conn->x;
	const struct http_config *config = conn->server->config;
	if (conn->phase != PHASE_BODY || !x)
		return false;
	uint64_t got = x->body_seen - x->window_seen;
	if (got == 0 || got < (uint64_t)config->body_min_bytes_s * config->body_timeout_ms / 1000)
		return false;
	conn->progress = true;
	return true;
}

static void on_timeout(struct http_conn *conn)
{
	enum http_phase phase = conn->phase;
	if (phase != PHASE_LINGER && phase != PHASE_IDLE)
		conn->pool->stats.timed_out++;
	bool tell = phase == PHASE_HEAD || (phase == PHASE_BODY && conn->replied == REPLY_NONE);
	http_conn_gone(conn, HTTP_GONE_TIMEOUT);
	if (conn->dead)
		return;
	if (tell)
		http_conn_refuse(conn, 408, "the request took too long");
	else
		http_conn_kill(conn);
}

/* ---- running ---- */

static void run_steps(struct http_conn *conn)
{
	while (!conn->dead && !conn->broken && steps[conn->state].run(conn) == STEP_AGAIN)
		;
}

static void check_broken(struct http_conn *conn)
{
	if (conn->dead || !conn->broken)
		return;
	http_conn_gone(conn, HTTP_GONE_CLOSED);
	if (!conn->dead)
		http_conn_kill(conn);
}

static void check_drain(struct http_conn *conn)
{
	if (conn->dead || !conn->over_high || conn->queued > conn->server->config->queue_high_bytes / 2)
		return;
	conn->over_high = false;
	if (conn->active && conn->server->handler->on_drain)
		conn->server->handler->on_drain(conn);
}

/* Partial heads and parked requests keep their bytes, not the exchange. */
static void save_memory(struct http_conn *conn)
{
	struct http_exchange *x = conn->x;
	if (!x)
		return;
	bool partial = conn->state == S_HEAD && x->len - x->start <= STASH_MAX_BYTES && !conn->queued;
	bool parked = conn->parked && conn->state == S_WAIT && conn->body_done;
	if (conn->state == S_LINGER)
		x->start = x->len;
	if ((partial || parked || conn->state == S_LINGER) && http_stash(conn, parked) < 0)
		conn->broken = true;
}

static void leave(struct http_conn *conn)
{
	if (--conn->running > 0)
		return;
	if (conn->dead) {
		free(conn);
		return;
	}
	if (conn->queued && !conn->blocked)
		http_conn_kick(conn);
	settle(conn);
}

/* The run of an event gathers output; the deferred one, at the end of the round, sends it. */
static void run(struct http_conn *conn, bool flush)
{
	conn->running++;
	run_steps(conn);
	if (flush && !conn->dead) {
		http_flush(conn);
		check_drain(conn);
		if (!conn->dead)
			run_steps(conn);
	}
	if (!conn->dead)
		save_memory(conn);
	check_broken(conn);
	leave(conn);
}

static void on_io(struct ev_io *io, unsigned events)
{
	struct http_conn *conn = CONTAINER_OF(io, struct http_conn, io);
	conn->round_bytes = 0;
	if (conn->tls && http_tls_crossed(conn->tls))
		events |= EV_READ | EV_WRITE;
	if (events & (EV_READ | EV_HANGUP))
		conn->readable = true;
	if (events & EV_HANGUP)
		conn->hup = true;
	bool writable = events & EV_WRITE && conn->blocked;
	if (writable)
		conn->blocked = false;
	run(conn, writable);
}

static void on_defer(struct ev_defer *defer)
{
	run(CONTAINER_OF(defer, struct http_conn, defer), true);
}

static void on_timer(struct ev_timer *timer)
{
	struct http_conn *conn = CONTAINER_OF(timer, struct http_conn, timer);
	bool late = conn->deadline_ns && conn->deadline_ns <= ev_now_ns(conn->server->loop);
	if (conn->yielded) {
		conn->yielded = false;
		conn->round_bytes = 0;
		late = false;
	}
	conn->running++;
	if (late && !body_moves(conn))
		on_timeout(conn);
	conn->running--;
	run(conn, false);
}

void http_conn_kick(struct http_conn *conn)
{
	if (!conn->dead)
		ev_defer_run(conn->server->loop, &conn->defer);
}

/* ---- ends ---- */

void http_conn_gone(struct http_conn *conn, enum http_gone why)
{
	if (!conn->active)
		return;
	conn->active = false;
	conn->close_after = true;
	conn->pool->stats.gone++;
	if (conn->server->handler->on_gone)
		conn->server->handler->on_gone(conn, why);
}

void http_conn_refuse(struct http_conn *conn, int status, const char *why)
{
	conn->pool->stats.refused++;
	conn->active = false;
	conn->close_after = true;
	conn->linger_due = true;
	conn->state = S_CLOSE;
	if (conn->replied != REPLY_STREAMING)
		http_reply_error(conn, status, why);
}

void http_conn_kill(struct http_conn *conn)
{
	if (conn->dead)
		return;
	struct http_server *server = conn->server;
	conn->dead = true;
	conn->active = false;
	conn->running++; /* releases of queued pieces may call back */
	list_remove(&conn->link);
	ev_io_stop(&conn->io);
	ev_timer_stop(&conn->timer);
	ev_defer_cancel(&conn->defer);
	if (conn->tls && conn->state == S_HEAD && !conn->queued)
		(void)http_tls_bye(conn->tls); /* nothing is cut short; whether it arrives is not important */
	drop_tls(conn);
	close(conn->io.fd);
	http_out_clear(conn);
	if (conn->x)
		http_exchange_put(conn->pool, STEAL_PTR(conn->x));
	http_pool_credit(conn->pool, conn->stash_len);
	free(STEAL_PTR(conn->stash));
	http_share_leave(conn);
	http_server_conn_left(server);
	if (--conn->running == 0)
		free(conn);
}

static void set_peer(struct http_conn *conn, const struct sockaddr *peer)
{
	if (!peer)
		return;
	conn->peer_family = (unsigned char)peer->sa_family;
	if (peer->sa_family == AF_INET) {
		struct sockaddr_in in;
		memcpy(&in, peer, sizeof in);
		memcpy(conn->peer_addr, &in.sin_addr, 4);
		conn->peer_port = ntohs(in.sin_port);
	} else if (peer->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;
		memcpy(&in6, peer, sizeof in6);
		memcpy(conn->peer_addr, &in6.sin6_addr, 16);
		conn->peer_port = ntohs(in6.sin6_port);
	}
}

static void free_unused(struct http_conn **conn)
{
	if (*conn)
		drop_tls(*conn);
	free(*conn);
}

int http_conn_new(struct http_server *server, struct http_share *share, int fd, struct str received, const void *peer,
                  struct error *err)
{
	CLEANUP(free_unused) struct http_conn *conn = calloc(1, sizeof *conn);
	CLEANUP_FREE char *stash = received.n ? malloc(received.n) : NULL;
	if (!conn || (received.n && !stash))
		return error_set(err, ERR_NO_MEMORY, "no memory for a connection");
	conn->server = server;
	conn->pool = server->pool;
	conn->io = (struct ev_io){.fd = fd, .cb = on_io};
	conn->timer.cb = on_timer;
	ev_defer_init(&conn->defer, on_defer);
	list_init(&conn->link);
	list_init(&conn->share_link);
	set_peer(conn, peer);
	if (server->tls && !(conn->tls = http_tls_conn_new(server->tls, fd)))
		return error_set(err, ERR_NO_MEMORY, "no memory for a connection");
	if (ev_io_start(server->loop, &conn->io, EV_READ | EV_WRITE | EV_EDGE, err) < 0)
		return -1;
	if (received.n) {
		memcpy(stash, received.p, received.n);
		http_pool_force(conn->pool, received.n);
		conn->stash = STEAL_PTR(stash);
		conn->stash_len = (unsigned)received.n;
		conn->stash_fresh = true;
		http_conn_kick(conn);
	}
	conn->state = conn->tls ? S_HANDSHAKE : S_HEAD;
	list_push_back(&server->conns, &conn->link);
	server->conn_count++;
	http_share_join(share, conn);
	server->pool->stats.accepted++;
	struct http_conn *live = STEAL_PTR(conn);
	settle(live);
	return 0;
}
