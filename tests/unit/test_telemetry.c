/* Telemetry from events to what a subscriber reads, over a real socket on loopback. The subscriber lives on the same loop. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/telemetry/telemetry.h"
#include "core/base/check.h"
#include "core/base/clock.h"
#include "tests/unit/test.h"

#define GIVE_UP_NS (20 * NS_PER_S)
#define TEXT_MAX (8u << 20)

enum manner { ANSWERS, CLOSES_AFTER_EACH, ANSWERS_CHUNKED, FAILS_ONCE, HANGS_UP_ONCE, SAYS_NOTHING };

/* One that listens, takes requests (or lines), and answers as it is told. */
struct peer {
	struct ev_io listener, conn;
	enum manner manner;
	bool lines, deaf; /* lines: TCP; deaf: reads nothing */
	uint16_t port;
	struct buf in;    /* not complete yet */
	struct buf bodies; /* all that came, each ended by a line end */
	char head[1024];  /* of the last request */
	unsigned requests, connections, wanted;
};

struct rig {
	struct ev_loop *loop;
	struct ev_timer guard;
	bool timed_out;
	struct telemetry *t;
	unsigned sockets;
	bool refuse_sockets;
	struct {
		uint32_t number;
		struct ev_defer defer;
	} ask;
	struct peer peer;
};

static struct rig *rig_of_peer(struct peer *p)
{
	return CONTAINER_OF(p, struct rig, peer);
}

/* ---- the subscriber ---- */

static void hang_up(struct peer *p)
{
	ev_io_stop(&p->conn);
	if (p->conn.fd >= 0)
		close(p->conn.fd);
	p->conn.fd = -1;
	buf_clear(&p->in);
}

static void say(struct peer *p, const char *text)
{
	ASSERT(send(p->conn.fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
}

static void answer(struct peer *p)
{
	enum manner manner = p->manner;
	if (manner == FAILS_ONCE || manner == HANGS_UP_ONCE)
		p->manner = ANSWERS;
	if (manner == FAILS_ONCE)
		say(p, "HTTP/1.1 500 Oh\r\nContent-Length: 3\r\n\r\nbad");
	else if (manner == ANSWERS_CHUNKED)
		say(p, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nOK\r\n0\r\n\r\n");
	else if (manner == CLOSES_AFTER_EACH)
		say(p, "HTTP/1.0 200 OK\r\n\r\nOK");
	else if (manner == ANSWERS)
		say(p, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK");
	if (manner == CLOSES_AFTER_EACH || manner == HANGS_UP_ONCE)
		hang_up(p);
}

/* A request that is complete; false: there is none yet. */
static bool take_request(struct peer *p)
{
	buf_putc(&p->in, '\0');
	p->in.len--;
	char *end = p->in.len ? strstr(p->in.data, "\r\n\r\n") : NULL;
	char *length = end ? strstr(p->in.data, "Content-Length: ") : NULL;
	size_t head = end ? (size_t)(end + 4 - p->in.data) : 0, body = length ? strtoul(length + 16, NULL, 10) : 0;
	if (!end || p->in.len < head + body)
		return false;
	bool counts = p->manner != FAILS_ONCE && p->manner != HANGS_UP_ONCE;
	snprintf(p->head, sizeof p->head, "%.*s", (int)head, p->in.data);
	p->requests++;
	if (counts) {
		buf_append(&p->bodies, p->in.data + head, body);
		buf_putc(&p->bodies, '\n');
	}
	buf_consume(&p->in, head + body);
	answer(p);
	if (counts && p->requests >= p->wanted)
		ev_loop_stop(rig_of_peer(p)->loop);
	return p->conn.fd >= 0;
}

static void on_conn(struct ev_io *io, unsigned events)
{
	struct peer *p = CONTAINER_OF(io, struct peer, conn);
	char data[65536];
	ssize_t n = recv(io->fd, data, sizeof data, MSG_DONTWAIT);
	if (n <= 0) {
		hang_up(p);
		return;
	}
	if (p->lines) {
		for (ssize_t i = 0; i < n; i++)
			p->requests += data[i] == '\n';
		buf_append(&p->bodies, data, (size_t)n);
		if (p->requests >= p->wanted)
			ev_loop_stop(rig_of_peer(p)->loop);
		return;
	}
	buf_append(&p->in, data, (size_t)n);
	while (take_request(p))
		;
}

static void on_listener(struct ev_io *io, unsigned events)
{
	struct peer *p = CONTAINER_OF(io, struct peer, listener);
	int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	hang_up(p);
	p->connections++;
	p->conn = (struct ev_io){.fd = fd, .cb = on_conn};
	if (!p->deaf)
		ASSERT(ev_io_start(rig_of_peer(p)->loop, &p->conn, EV_READ, NULL) == 0);
}

static void listen_at(struct peer *p, struct ev_loop *loop)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(p->port)};
	socklen_t size = sizeof at;
	int on = 1, small = 4096;
	p->listener = (struct ev_io){.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), .cb = on_listener};
	setsockopt(p->listener.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (p->deaf)
		setsockopt(p->listener.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	ASSERT(bind(p->listener.fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(p->listener.fd, 8) == 0);
	ASSERT(getsockname(p->listener.fd, (struct sockaddr *)&at, &size) == 0);
	p->port = ntohs(at.sin_port);
	ASSERT(ev_io_start(loop, &p->listener, EV_READ, NULL) == 0);
}

static void stop_listening(struct peer *p)
{
	ev_io_stop(&p->listener);
	close(p->listener.fd);
	p->listener.fd = -1;
}

/* ---- the rig ---- */

static void on_ask(struct ev_defer *defer)
{
	struct rig *r = CONTAINER_OF(defer, struct rig, ask.defer);
	r->sockets++;
	telemetry_socket(r->t, r->ask.number, r->refuse_sockets ? -1 : socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

static void on_want_socket(void *arg, uint32_t number)
{
	struct rig *r = arg;
	r->ask.number = number;
	ev_defer_run(r->loop, &r->ask.defer);
}

static const struct telemetry_events events = {.want_socket = on_want_socket};

static void on_guard(struct ev_timer *timer)
{
	struct rig *r = CONTAINER_OF(timer, struct rig, guard);
	r->timed_out = true;
	ev_loop_stop(r->loop);
}

static void rig_init(struct rig *r, bool listens)
{
	*r = (struct rig){.guard.cb = on_guard, .peer = {.conn.fd = -1, .listener.fd = -1}};
	r->loop = ev_loop_new(NULL);
	ASSERT(r->loop);
	ev_defer_init(&r->ask.defer, on_ask);
	buf_init(&r->peer.in, TEXT_MAX);
	buf_init(&r->peer.bodies, TEXT_MAX);
	listen_at(&r->peer, r->loop);
	if (!listens)
		stop_listening(&r->peer);
	r->t = telemetry_new(r->loop, &events, r, true);
	ASSERT(r->t);
}

static void rig_release(struct rig *r)
{
	telemetry_free(r->t);
	hang_up(&r->peer);
	stop_listening(&r->peer);
	buf_release(&r->peer.in);
	buf_release(&r->peer.bodies);
	ev_timer_stop(&r->guard);
	ev_defer_cancel(&r->ask.defer);
	ev_loop_free(r->loop);
}

/* Until the peer has had so many requests (or lines) altogether. */
static bool run(struct rig *r, unsigned wanted)
{
	if (r->peer.requests >= wanted)
		return true;
	r->peer.wanted = wanted;
	ev_timer_after(r->loop, &r->guard, GIVE_UP_NS);
	ev_loop_run(r->loop, NULL);
	ev_timer_stop(&r->guard);
	return !r->timed_out;
}

struct pause {
	struct ev_timer timer;
	struct ev_loop *loop;
};

static void on_pause(struct ev_timer *timer)
{
	ev_loop_stop(CONTAINER_OF(timer, struct pause, timer)->loop);
}

/* Lets the loop go on for a moment. */
static void pass(struct rig *r, uint64_t ns)
{
	struct pause pause = {.timer.cb = on_pause, .loop = r->loop};
	ev_timer_after(r->loop, &pause.timer, ns);
	ev_loop_run(r->loop, NULL);
	ev_timer_stop(&pause.timer);
}

static int subscribe(struct rig *r, const char *name, const char *schema, const char *types, unsigned timeout_ms)
{
	char body[512];
	bool old = strcmp(schema, "2022-") < 0;
	if (r->peer.lines)
		snprintf(body, sizeof body, "{\"schemaVersion\":\"%s\",\"destination\":{\"protocol\":\"TCP\",\"port\":%u},\"types\":[%s],"
		         "\"buffering\":{\"timeoutMs\":%u}}", schema, r->peer.port, types, timeout_ms);
	else
		snprintf(body, sizeof body, "{\"schemaVersion\":\"%s\",\"destination\":{\"protocol\":\"HTTP\",\"URI\":\"http://sandbox:%u/t?x\"},"
		         "\"types\":[%s],\"buffering\":{\"timeoutMs\":%u,\"maxItems\":1000}}", schema, r->peer.port, types, timeout_ms);
	return telemetry_subscribe(r->t, name, old ? TELEMETRY_LOGS_API : TELEMETRY_API, str_from(body), NULL);
}

static void line(struct rig *r, const char *text)
{
	telemetry_line(r->t, 0, false, false, str_from(text));
}

static const char *bodies(struct rig *r)
{
	buf_putc(&r->peer.bodies, '\0');
	r->peer.bodies.len--;
	return r->peer.bodies.data;
}

#define LINE(text) "{\"time\":\"1970-01-01T00:00:00.000Z\",\"type\":\"function\",\"record\":" text "}"

/* ---- tests ---- */

TEST(a_batch_is_one_request)
{
	struct rig r;
	rig_init(&r, true);
	CHECK_INT(subscribe(&r, "ext", "2022-12-13", "\"function\"", 25), 0);
	line(&r, "one\n");
	line(&r, "two \"2\"\n");
	CHECK(run(&r, 1));
	CHECK_STR(bodies(&r), "[" LINE("\"one\\n\"") "," LINE("\"two \\\"2\\\"\\n\"") "]\n");
	char head[256];
	snprintf(head, sizeof head, "POST /t?x HTTP/1.1\r\nHost: sandbox:%u\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
	         r.peer.port, r.peer.bodies.len - 1);
	CHECK_STR(r.peer.head, head);
	line(&r, "three\n");
	CHECK(run(&r, 2));
	CHECK_INT(r.peer.connections, 1); /* kept alive */
	CHECK_INT(r.sockets, 1);
	rig_release(&r);
}

TEST(connections_that_end_are_made_again_with_one_socket)
{
	static const enum manner manners[] = {CLOSES_AFTER_EACH, ANSWERS_CHUNKED, FAILS_ONCE, HANGS_UP_ONCE};
	for (size_t i = 0; i < ARRAY_LEN(manners); i++) {
		struct rig r;
		rig_init(&r, true);
		r.peer.manner = manners[i];
		CHECK_INT(subscribe(&r, "ext", "2022-12-13", "\"function\"", 25), 0);
		for (unsigned n = 0; n < 3; n++) {
			line(&r, "x");
			CHECK(run(&r, r.peer.requests + 1));
		}
		size_t count = 0;
		for (const char *p = bodies(&r); (p = strstr(p, LINE("\"x\""))); p++)
			count++;
		CHECK_INT(count, 3);
		CHECK_INT(r.sockets, 1);
		rig_release(&r);
	}
}

TEST(lines_over_tcp)
{
	struct rig r;
	rig_init(&r, true);
	r.peer.lines = true;
	CHECK_INT(subscribe(&r, "ext", "2022-12-13", "\"function\"", 25), 0);
	telemetry_line(r.t, 0, false, true, STR("{\"a\":\n1}\n"));
	line(&r, "two\n");
	CHECK(run(&r, 2));
	CHECK_STR(bodies(&r), LINE("{\"a\":1}") "\n" LINE("\"two\\n\"") "\n");
	hang_up(&r.peer);
	line(&r, "three");
	CHECK(run(&r, 3));
	CHECK_INT(r.peer.connections, 2);
	CHECK_INT(r.sockets, 1);
	rig_release(&r);
}

TEST(one_who_listens_late_loses_nothing)
{
	struct rig r;
	rig_init(&r, false);
	CHECK_INT(subscribe(&r, "ext", "2022-12-13", "\"function\"", 25), 0);
	line(&r, "early");
	pass(&r, 200 * NS_PER_MS);
	CHECK_INT(r.peer.requests, 0);
	listen_at(&r.peer, r.loop);
	CHECK(run(&r, 1));
	CHECK_STR(bodies(&r), "[" LINE("\"early\"") "]\n");
	rig_release(&r);
}

TEST(what_happened_before_is_told_in_each_schema)
{
	struct rig r;
	rig_init(&r, true);
	char name[] = "fn";
	struct platform_event e = {.kind = PLATFORM_INIT_START, .initialization_type = "on-demand", .phase = "init", .function_name = name};
	telemetry_platform(r.t, &e);
	memset(name, 'x', 2); /* it was borrowed */
	telemetry_line(r.t, 0, true, false, STR("mine"));
	CHECK_INT(subscribe(&r, "new", "2022-12-13", "\"platform\",\"extension\"", 25), 0);
	CHECK(run(&r, 1));
	const char *text = bodies(&r);
	CHECK(strstr(text, "[{\"time\":\"1970-01-01T00:00:00.000Z\",\"type\":\"platform.initStart\",\"record\":{\"initializationType\":\"on-demand\","
	             "\"phase\":\"init\",\"functionName\":\"fn\"}},{") == text);
	CHECK(strstr(text, "\"type\":\"extension\",\"record\":\"mine\"},{"));
	CHECK(strstr(text, "\"type\":\"platform.telemetrySubscription\",\"record\":{\"name\":\"new\",\"state\":\"Subscribed\","
	             "\"types\":[\"platform\",\"extension\"]}}]\n"));
	/* The older API knows no initStart, and has another name for a subscription. */
	CHECK_INT(subscribe(&r, "old", "2020-08-15", "\"platform\"", 25), 0);
	buf_clear(&r.peer.bodies);
	CHECK(run(&r, 3));
	text = bodies(&r);
	CHECK(!strstr(text, "initStart"));
	CHECK(strstr(text, "\"type\":\"platform.logsSubscription\",\"record\":{\"name\":\"old\""));
	CHECK(strstr(text, "\"type\":\"platform.telemetrySubscription\",\"record\":{\"name\":\"old\""));
	rig_release(&r);
}

TEST(json_lines_by_schema)
{
	static const struct {
		const char *schema, *text;
	} rows[] = {
		{"2020-08-15", "[" LINE("\"{\\\"a\\\":1}\\n\"") "]\n"},
		{"2022-07-01", "[" LINE("\"{\\\"a\\\":1}\\n\"") "]\n"},
		{"2022-12-13", "[" LINE("{\"a\":1}") "]\n"},
		{"2025-01-29", "[" LINE("{\"a\":1}") "]\n"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rig r;
		rig_init(&r, true);
		CHECK_INT(subscribe(&r, "ext", rows[i].schema, "\"function\"", 25), 0);
		telemetry_line(r.t, 0, false, true, STR("{\"a\":1}\n"));
		CHECK(run(&r, 1));
		CHECK_STR(bodies(&r), rows[i].text);
		rig_release(&r);
	}
}

TEST(who_does_not_read_loses_the_oldest_and_is_told)
{
	struct rig r;
	static char text[100000];
	rig_init(&r, true);
	r.peer.deaf = true;
	stop_listening(&r.peer);
	listen_at(&r.peer, r.loop);
	memset(text, 'a', sizeof text - 1);
	CHECK_INT(subscribe(&r, "ext", "2022-12-13", "\"function\",\"platform\"", 25), 0);
	for (int i = 0; i < 100; i++) {
		line(&r, text);
		pass(&r, i < 5 ? 10 * NS_PER_MS : 0);
	}
	line(&r, "last");
	/* It begins to read. */
	r.peer.deaf = false;
	CHECK(r.peer.conn.fd >= 0);
	CHECK_INT(ev_io_start(r.loop, &r.peer.conn, EV_READ, NULL), 0);
	while (!r.timed_out && !strstr(bodies(&r), "\"last\""))
		CHECK(run(&r, r.peer.requests + 1));
	const char *dropped = strstr(bodies(&r), "\"type\":\"platform.logsDropped\",\"record\":{\"reason\":\"Consumer seems");
	CHECK(dropped);
	const char *count = strstr(dropped, "\"droppedRecords\":");
	CHECK(count);
	size_t seen = 0;
	for (const char *p = bodies(&r); (p = strstr(p, "\"type\":\"function\"")); p++)
		seen++;
	CHECK_INT(seen + strtoul(count + 17, NULL, 10), 101);
	rig_release(&r);
}

TEST(without_a_socket_everything_is_lost_and_told_later)
{
	struct rig r;
	rig_init(&r, true);
	r.refuse_sockets = true;
	CHECK_INT(subscribe(&r, "ext", "2022-12-13", "\"function\",\"platform\"", 25), 0);
	line(&r, "lost");
	pass(&r, 100 * NS_PER_MS);
	CHECK_INT(r.sockets, 1);
	r.refuse_sockets = false;
	line(&r, "kept");
	CHECK(run(&r, 1));
	CHECK(strstr(bodies(&r), "\"droppedRecords\":2,")); /* its own subscription too */
	CHECK(strstr(bodies(&r), LINE("\"kept\"")));
	rig_release(&r);
}

TEST(a_frozen_environment_is_left_alone)
{
	struct rig r;
	rig_init(&r, true);
	CHECK_INT(subscribe(&r, "ext", "2022-12-13", "\"function\"", 25), 0);
	line(&r, "a");
	telemetry_suspend(r.t);
	pass(&r, 150 * NS_PER_MS);
	CHECK_INT(r.peer.connections, 0);
	CHECK_INT(r.sockets, 0);
	telemetry_resume(r.t);
	CHECK(run(&r, 1));
	/* In the middle of an exchange, too. */
	r.peer.manner = SAYS_NOTHING;
	line(&r, "b");
	CHECK(run(&r, 2));
	telemetry_suspend(r.t);
	say(&r.peer, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	line(&r, "c");
	r.peer.manner = ANSWERS;
	pass(&r, 100 * NS_PER_MS);
	CHECK_INT(r.peer.requests, 2);
	telemetry_resume(r.t);
	CHECK(run(&r, 3));
	CHECK_STR(bodies(&r), "[" LINE("\"a\"") "]\n[" LINE("\"b\"") "]\n[" LINE("\"c\"") "]\n");
	rig_release(&r);
}

TEST(the_end_does_not_wait)
{
	struct rig r;
	rig_init(&r, true);
	CHECK_INT(subscribe(&r, "ext", "2022-12-13", "\"function\"", 30000), 0);
	line(&r, "a");
	telemetry_suspend(r.t);
	telemetry_end(r.t);
	CHECK(run(&r, 1)); /* the guard is earlier than 30 s */
	line(&r, "b");
	CHECK(run(&r, 2));
	rig_release(&r);
}

TEST(a_second_subscription_takes_the_place_of_the_first)
{
	struct rig r;
	struct error err = {0};
	rig_init(&r, true);
	CHECK_INT(subscribe(&r, "ext", "2022-12-13", "\"function\",\"platform\"", 25), 0);
	CHECK(run(&r, 1));
	CHECK_INT(subscribe(&r, "ext", "2022-12-13", "\"function\"", 25), 0);
	line(&r, "a");
	CHECK(run(&r, 2));
	pass(&r, 60 * NS_PER_MS);
	CHECK_INT(r.peer.requests, 2);
	CHECK_INT(r.sockets, 1);
	CHECK_INT(subscribe(&r, "ext", "2020-08-15", "\"function\"", 25), -1);
	telemetry_close(r.t);
	CHECK_INT(telemetry_subscribe(r.t, "ext", TELEMETRY_API, STR("{}"), &err), -1);
	CHECK_INT(err.code, ERR_ACCESS_DENIED);
	CHECK_STR(err.msg, "Telemetry API subscription is closed");
	line(&r, "b");
	CHECK(run(&r, 3)); /* who is there stays */
	rig_release(&r);
}

TEST(no_more_subscribers_than_extensions)
{
	struct rig r;
	char name[16];
	rig_init(&r, true);
	for (unsigned i = 0; i < TELEMETRY_SUBSCRIBERS_MAX; i++) {
		snprintf(name, sizeof name, "ext%u", i);
		CHECK_INT(subscribe(&r, name, "2022-12-13", "\"function\"", 25), 0);
	}
	CHECK_INT(subscribe(&r, "one more", "2022-12-13", "\"function\"", 25), -1);
	rig_release(&r);
}

TEST(what_is_kept_from_before_is_bounded)
{
	struct rig r;
	static char text[200000];
	rig_init(&r, true);
	memset(text, 'a', sizeof text - 1);
	for (int i = 0; i < 5; i++)
		line(&r, text);
	CHECK_INT(subscribe(&r, "ext", "2022-12-13", "\"function\",\"platform\"", 25), 0);
	CHECK(run(&r, 1));
	CHECK(strstr(bodies(&r), "\"droppedRecords\":4,\"droppedBytes\":799996}"));
	rig_release(&r);
}

TESTS(T(a_batch_is_one_request), T(connections_that_end_are_made_again_with_one_socket), T(lines_over_tcp),
      T(one_who_listens_late_loses_nothing), T(what_happened_before_is_told_in_each_schema), T(json_lines_by_schema),
      T(who_does_not_read_loses_the_oldest_and_is_told), T(without_a_socket_everything_is_lost_and_told_later),
      T(a_frozen_environment_is_left_alone), T(the_end_does_not_wait), T(a_second_subscription_takes_the_place_of_the_first),
      T(no_more_subscribers_than_extensions), T(what_is_kept_from_before_is_bounded))
