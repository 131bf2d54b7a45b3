/* An extension subscribes at a worker's Runtime API, and hears over TCP what happens to the environment. */
#include "core/base/buf.h"
#include "control/worker/worker_priv.h"
#include "tests/unit/worker_rig.h"

#define NEXT "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"
#define ANSWER "POST /2018-06-01/runtime/invocation/" ID1 "/response HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n\"yes\""
#define FAILS \
	"POST /2018-06-01/runtime/invocation/" ID1 "/error HTTP/1.1\r\nHost: x\r\nLambda-Runtime-Function-Error-Type: Function.Bad\r\n" \
	"Content-Length: 2\r\n\r\n{}"

/* A worker whose runtime has not asked yet, with an extension of the runtime's own. */
struct scene {
	struct rig *r;
	struct worker *w;
	struct extension *e;
	struct sockaddr_in at;
	int listener, conn, own; /* own: the extension's connection to the API */
	char text[16384]; /* what the subscriber got */
	size_t n;
};

static void scene_init(struct scene *s)
{
	*s = (struct scene){.r = rig_new(), .conn = -1};
	s->listener = listener(&s->at);
	s->w = worker_start(s->r->fleet, &s->r->x.version, 7, false);
	ASSERT(hear(s->r, IPC_ENV_START));
	tell_started(s->r, s->w, false, PARK_INVOCATION);
	struct sockaddr_in api;
	socklen_t size = sizeof api;
	ASSERT(getpeername(s->r->runtime, (struct sockaddr *)&api, &size) == 0);
	s->own = connect_to(&api);
	ASSERT(runtime_api_launch(&s->w->api, STR("ext")));
	ASSERT(extensions_register(s->w->api.extensions, STR("ext"), EXTENSION_INVOKE, &s->e) == EXTENSION_OK);
}

static void scene_release(struct scene *s)
{
	close(s->listener);
	close(s->own);
	if (s->conn >= 0)
		close(s->conn);
	rig_free(s->r);
}

static const char *put(struct scene *s, const char *path, const char *id, const char *body)
{
	static char text[2048];
	snprintf(text, sizeof text, "PUT %s HTTP/1.1\r\nHost: x\r\nLambda-Extension-Identifier: %s\r\nContent-Length: %zu\r\n\r\n%s", path, id,
	         strlen(body), body);
	ASSERT(send(s->own, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
	run(s->r);
	ssize_t n = recv(s->own, text, sizeof text - 1, MSG_DONTWAIT);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static const char *subscribe(struct scene *s, const char *path, const char *schema)
{
	char body[512];
	snprintf(body, sizeof body, "{\"schemaVersion\":\"%s\",\"types\":[\"platform\",\"function\"],\"destination\":{\"protocol\":\"TCP\","
	         "\"port\":%u},\"buffering\":{\"timeoutMs\":25}}", schema, ntohs(s->at.sin_port));
	return put(s, path, s->e->id, body);
}

/* As mayflyd: a socket, when one is asked for. */
static bool give_socket(struct scene *s)
{
	for (unsigned i = 0; i < 500 && !hear(s->r, IPC_ENV_SOCKET); i++) {
		run(s->r);
		usleep(5000);
	}
	struct ipc_env_socket_made made = {.env_id = s->r->got.body.ipc_env_socket.env_id, .number = s->r->got.body.ipc_env_socket.number};
	if (s->r->got.type != IPC_ENV_SOCKET || made.env_id != s->w->env_id)
		return false;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	tell(s->r, IPC_ENV_SOCKET_MADE, &made, &fd, 1);
	close(fd);
	s->conn = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
	return s->conn >= 0;
}

/* Runs on until the subscriber has read `what`. */
static bool got(struct scene *s, const char *what)
{
	for (unsigned i = 0; i < 500; i++) {
		run(s->r);
		ssize_t n = recv(s->conn, s->text + s->n, sizeof s->text - 1 - s->n, MSG_DONTWAIT);
		s->n += n > 0 ? (size_t)n : 0;
		s->text[s->n] = '\0';
		if (strstr(s->text, what))
			return true;
		usleep(5000);
	}
	printf("nothing with %s, but %s\n", what, s->text);
	return false;
}

/* The types of what it got, in their order, each followed by a blank. */
static const char *types(const struct scene *s)
{
	static char out[1024];
	size_t n = 0;
	out[0] = '\0';
	for (const char *p = s->text; (p = strstr(p, "Z\",\"type\":\"")); p += 11)
		n += (size_t)snprintf(out + n, sizeof out - n, "%.*s ", (int)strcspn(p + 11, "\""), p + 11);
	return out;
}

static void print(struct scene *s, const char *text)
{
	ASSERT(write(s->r->log_end, text, strlen(text)) == (ssize_t)strlen(text));
	run(s->r);
}

TEST(a_subscriber_hears_a_whole_life)
{
	struct scene s;
	scene_init(&s);
	CHECK(has(subscribe(&s, "/2022-07-01/telemetry", "2022-12-13"), "HTTP/1.1 200") );
	CHECK(give_socket(&s));
	print(&s, "loading\n");
	extension_ask(s.e);
	struct invocation inv = {.version = &s.r->x.version, .invoked_arn = "arn:f", .request_id = ID1, .reserved = -1,
	                         .trace_id = "Root=1-2-3;Parent=0123456789abcdef;Sampled=1"};
	s.r->work = &inv;
	say(s.r, NEXT);
	CHECK_INT(s.r->ready, 1);
	print(&s, "working\n");
	say(s.r, ANSWER);
	CHECK(got(&s, "platform.runtimeDone"));
	CHECK(has(s.text, "\"type\":\"platform.runtimeDone\",\"record\":{\"requestId\":\"" ID1 "\",\"status\":\"success\",\"metrics\":{\"durationMs\":"));
	CHECK(has(s.text, ",\"producedBytes\":5}"));
	CHECK(has(s.text, "\"tracing\":{\"spanId\":\"0123456789abcdef\",\"type\":\"X-Amzn-Trace-Id\",\"value\":\"Root=1-2-3;Parent=0123456789abcdef;Sampled=1\"}"));
	CHECK(has(s.text, "\"spans\":[{\"name\":\"responseLatency\",\"start\":\""));
	CHECK(has(s.text, "{\"name\":\"responseDuration\",\"start\":\""));
	CHECK(has(s.text, "\"type\":\"platform.initReport\",\"record\":{\"initializationType\":\"on-demand\",\"phase\":\"init\",\"status\":\"success\",\"metrics\":"));
	CHECK(has(s.text, "\"record\":{\"name\":\"ext\",\"state\":\"Subscribed\",\"types\":[\"platform\",\"function\"]}}"));
	CHECK(strstr(types(&s), "platform.telemetrySubscription function platform.extension platform.initRuntimeDone platform.initReport "
	                     "platform.start function platform.runtimeDone ") == types(&s));
	CHECK(has(s.text, "\"type\":\"function\",\"record\":\"working\\n\""));
	http_blob_release(&inv.answer);
	scene_release(&s);
}

TEST(an_error_of_the_functions_is_a_status)
{
	static const struct {
		const char *path, *schema, *done;
	} rows[] = {
		{"/2022-07-01/telemetry/", "2025-01-29", "\"status\":\"error\",\"errorType\":\"Function.Bad\""},
		{"/2020-08-15/logs", "2021-03-18", "\"status\":\"failure\""},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct scene s;
		scene_init(&s);
		CHECK(has(subscribe(&s, rows[i].path, rows[i].schema), "HTTP/1.1 200"));
		CHECK(give_socket(&s));
		extension_ask(s.e);
		struct invocation inv = {.version = &s.r->x.version, .invoked_arn = "arn:f", .request_id = ID1, .reserved = -1};
		s.r->work = &inv;
		say(s.r, NEXT);
		say(s.r, FAILS);
		CHECK(got(&s, "\"type\":\"platform.runtimeDone\""));
		const char *done = strstr(s.text, "\"type\":\"platform.runtimeDone\"");
		CHECK(has(done, rows[i].done));
		CHECK(!has(s.text, "\"tracing\""));
		http_blob_release(&inv.answer);
		scene_release(&s);
	}
}

TEST(who_may_not_subscribe)
{
	struct scene s;
	scene_init(&s);
	CHECK(has(put(&s, "/2022-07-01/telemetry", "11111111-2222-3333-4444-555555555555", "{}"), "Extension.UnknownExtensionIdentifier"));
	CHECK(has(put(&s, "/2022-07-01/telemetry", "x", "{}"), "Extension.InvalidExtensionIdentifier"));
	const char *bad = put(&s, "/2022-07-01/telemetry", s.e->id, "{\"types\":[\"a\\\"b\"]}");
	CHECK(has(bad, "HTTP/1.1 400") && has(bad, "\"errorType\":\"ValidationError\""));
	CHECK(has(bad, "{\"errorMessage\":\"schemaVersion is not provided; destination is not provided; types contain an unknown value\""));
	CHECK(has(subscribe(&s, "/2020-08-15/logs", "2021-03-18"), "HTTP/1.1 200"));
	bad = subscribe(&s, "/2022-07-01/telemetry", "2022-12-13"); /* one of the two */
	CHECK(has(bad, "HTTP/1.1 400") && has(bad, "ValidationError"));
	extension_ask(s.e);
	say(s.r, NEXT);
	CHECK_INT(s.r->ready, 1);
	bad = subscribe(&s, "/2022-07-01/telemetry", "2022-12-13");
	CHECK(has(bad, "HTTP/1.1 403") && has(bad, "\"errorType\":\"Telemetry.SubscriptionClosed\""));
	bad = subscribe(&s, "/2020-08-15/logs", "2021-03-18");
	CHECK(has(bad, "HTTP/1.1 403") && has(bad, "\"errorType\":\"Logs.SubscriptionClosed\""));
	scene_release(&s);
}

TEST(one_that_dies_in_between)
{
	struct scene s;
	scene_init(&s);
	CHECK(has(subscribe(&s, "/2022-07-01/telemetry", "2022-12-13"), "HTTP/1.1 200"));
	unsigned asked = 0;
	for (int i = 0; i < 100 && !asked; i++) {
		run(s.r);
		asked = hear(s.r, IPC_ENV_SOCKET);
		usleep(5000);
	}
	CHECK(asked);
	struct ipc_env_socket_made made = {.env_id = s.w->env_id, .number = s.r->got.body.ipc_env_socket.number};
	tell_exited(s.r, s.w, EXIT_CODE, 1);
	CHECK_INT(s.r->dead, 1);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	tell(s.r, IPC_ENV_SOCKET_MADE, &made, &fd, 1); /* nobody's any more */
	close(fd);
	scene_release(&s);
}

TEST(one_who_was_waited_for_in_vain_costs_nothing)
{
	struct scene s;
	scene_init(&s);
	worker_begin_telemetry(s.w, true);
	CHECK(s.w->telemetry);
	extension_ask(s.e);
	say(s.r, NEXT);
	CHECK(s.r->ready == 1 && !s.w->telemetry);
	print(&s, "unheard\n");
	scene_release(&s);
}

TEST(without_subscribers_there_is_nothing)
{
	struct scene s;
	scene_init(&s);
	CHECK(!s.w->telemetry);
	put(&s, "/2022-07-01/telemetry", "x", "{}");
	extension_ask(s.e);
	say(s.r, NEXT);
	CHECK(s.r->ready == 1 && !s.w->telemetry);
	CHECK(has(subscribe(&s, "/2022-07-01/telemetry", "2022-12-13"), "HTTP/1.1 403"));
	CHECK(!s.w->telemetry);
	scene_release(&s);
}

TESTS(T(a_subscriber_hears_a_whole_life), T(an_error_of_the_functions_is_a_status), T(who_may_not_subscribe),
      T(one_that_dies_in_between), T(one_who_was_waited_for_in_vain_costs_nothing),      T(without_subscribers_there_is_nothing))
