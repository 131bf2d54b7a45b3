#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/runtime/runtime_api.h"
#include "tests/unit/test.h"

#define NEXT "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"
#define ANSWER "POST /2018-06-01/runtime/invocation/id-1/response HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n42"
#define CLIENTS 4

/* One connection for the runtime, the rest for extensions. */
struct rig {
	struct ev_loop *loop;
	struct ev_timer timer;
	struct http_pool pool;
	struct runtime_api api;
	int clients[CLIENTS];
	unsigned rounds, ready, idle, answers, registered, failed;
	char heard[8192], failed_name[64];
};

static void on_ready(struct runtime_api *api)
{
	((struct rig *)api->arg)->ready++;
}

static void on_idle(struct runtime_api *api)
{
	((struct rig *)api->arg)->idle++;
}

static void on_answer(struct runtime_api *api, struct http_blob *blob, bool error, struct str type)
{
	((struct rig *)api->arg)->answers++;
}

static void on_registered(struct runtime_api *api)
{
	((struct rig *)api->arg)->registered++;
}

static void on_failed(struct runtime_api *api, struct extension *e)
{
	struct rig *r = api->arg;
	r->failed++;
	snprintf(r->failed_name, sizeof r->failed_name, "%.60s", e->name);
}

static void describe(struct runtime_api *api, struct runtime_function *out)
{
	*out = (struct runtime_function){.name = "f", .version = "$LATEST", .handler = "m.h", .account = "000000000000"};
}

static const struct runtime_api_events events = {
	.on_ready = on_ready, .on_idle = on_idle, .on_answer = on_answer, .describe = describe,
	.on_extensions_registered = on_registered, .on_extension_failed = on_failed};

static int connect_client(struct rig *r)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -1;
	return http_server_adopt(&r->api.server, pair[1], STR_NULL, NULL) < 0 ? -1 : pair[0];
}

static struct rig *rig_new(void)
{
	struct rig *r = calloc(1, sizeof *r);
	r->loop = ev_loop_new(NULL);
	http_pool_init(&r->pool, 64 << 20);
	runtime_api_init(&r->api, r->loop, &r->pool, &events, r);
	for (int i = 0; i < CLIENTS; i++)
		r->clients[i] = connect_client(r);
	return r;
}

static size_t rig_free(struct rig *r)
{
	runtime_api_release(&r->api);
	size_t left = r->pool.used_bytes;
	http_pool_release(&r->pool);
	ev_timer_stop(&r->timer);
	ev_loop_free(r->loop);
	for (int i = 0; i < CLIENTS; i++)
		close(r->clients[i]);
	free(r);
	return left;
}

static void on_timer(struct ev_timer *timer)
{
	struct rig *r = CONTAINER_OF(timer, struct rig, timer);
	if (r->rounds-- == 0)
		ev_loop_stop(r->loop);
	else
		ev_timer_at(r->loop, timer, 0);
}

static const char *hear(struct rig *r, int client)
{
	r->rounds = 8;
	r->timer.cb = on_timer;
	ev_timer_at(r->loop, &r->timer, 0);
	ev_loop_run(r->loop, NULL);
	ssize_t n = recv(r->clients[client], r->heard, sizeof r->heard - 1, MSG_DONTWAIT);
	r->heard[n > 0 ? n : 0] = '\0';
	return r->heard;
}

static const char *say(struct rig *r, int client, const char *text)
{
	if (send(r->clients[client], text, strlen(text), MSG_NOSIGNAL) < 0)
		perror("send");
	return hear(r, client);
}

static bool has(const char *text, const char *piece)
{
	return strstr(text, piece) != NULL;
}

static const char *enroll(struct rig *r, int client, const char *name, const char *body)
{
	char text[512];
	snprintf(text, sizeof text, "POST /2020-01-01/extension/register HTTP/1.1\r\nHost: x\r\nLambda-Extension-Name: %s\r\n"
	         "Content-Length: %zu\r\n\r\n%s", name, strlen(body), body);
	return say(r, client, text);
}

static const char *request(struct rig *r, int client, const char *line, const char *id, const char *headers)
{
	char text[512];
	snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: x\r\nLambda-Extension-Identifier: %s\r\n%s\r\n", line, id, headers);
	return say(r, client, text);
}

static const char *ask(struct rig *r, int client, unsigned place)
{
	return request(r, client, "GET /2020-01-01/extension/event/next", r->api.extensions->items[place].id, "");
}

static const char *fail(struct rig *r, int client, const char *what, unsigned place, const char *headers)
{
	char line[80];
	snprintf(line, sizeof line, "POST /2020-01-01/extension/%s/error", what);
	return request(r, client, line, r->api.extensions->items[place].id, headers);
}

static void deliver(struct rig *r)
{
	struct http_blob blob = {.data = strdup("{}"), .len = 2};
	struct runtime_event e = {.request_id = "id-1", .function_arn = "arn:f", .trace_id = "Root=1", .deadline_wall_ms = 1234, .payload = &blob};
	runtime_api_deliver(&r->api, &e);
}

#define BOTH "{\"events\":[\"INVOKE\",\"SHUTDOWN\"]}"
#define INVOKE "{\"events\":[\"INVOKE\"]}"
#define TYPE "Lambda-Extension-Function-Error-Type: Extension.Broken\r\nContent-Length: 0\r\n"

TEST(init_is_over_when_runtime_and_extensions_wait)
{
	struct rig *r = rig_new();
	CHECK(runtime_api_launch(&r->api, STR("out")));
	CHECK(has(enroll(r, 1, "out", BOTH), "HTTP/1.1 200") && has(r->heard, "Lambda-Extension-Identifier: "));
	CHECK(has(r->heard, "{\"functionName\":\"f\",\"functionVersion\":\"$LATEST\",\"handler\":\"m.h\"}"));
	CHECK(has(r->heard, r->api.extensions->items[0].id) && r->registered == 1);
	CHECK(has(enroll(r, 2, "in", INVOKE), "HTTP/1.1 200") && r->registered == 1);
	CHECK_STR(say(r, 0, NEXT), "");
	CHECK_STR(ask(r, 1, 0), "");
	CHECK_INT(r->ready, 0);
	CHECK_STR(ask(r, 2, 1), "");
	CHECK_INT(r->ready, 1);
	CHECK_INT(rig_free(r), 0);
}

TEST(an_invocation_is_over_when_all_are_done)
{
	struct rig *r = rig_new();
	runtime_api_launch(&r->api, STR("out"));
	runtime_api_launch(&r->api, STR("quiet"));
	enroll(r, 1, "out", BOTH);
	enroll(r, 2, "quiet", "{\"events\":[]}");
	ask(r, 1, 0);
	ask(r, 2, 1);
	say(r, 0, NEXT);
	CHECK_INT(r->ready, 1);
	deliver(r);
	CHECK(has(hear(r, 1), "{\"eventType\":\"INVOKE\",\"deadlineMs\":1234,\"requestId\":\"id-1\",\"invokedFunctionArn\":\"arn:f\","
	                      "\"tracing\":{\"type\":\"X-Amzn-Trace-Id\",\"value\":\"Root=1\"}}"));
	CHECK(has(r->heard, "Lambda-Extension-Event-Identifier: "));
	CHECK_STR(hear(r, 2), "");
	CHECK(has(hear(r, 0), "id-1"));
	CHECK(has(say(r, 0, ANSWER NEXT), "202"));
	CHECK(r->answers == 1 && r->idle == 0);
	CHECK_STR(ask(r, 1, 0), "");
	CHECK_INT(r->idle, 1);
	/* The extension may also be done first. */
	deliver(r);
	hear(r, 0);
	hear(r, 1);
	ask(r, 1, 0);
	CHECK_INT(r->idle, 1);
	CHECK(has(say(r, 0, ANSWER NEXT), "202") && r->idle == 2);
	CHECK_INT(rig_free(r), 0);
}

TEST(shutdown_reaches_those_who_asked_for_it)
{
	struct rig *r = rig_new();
	runtime_api_launch(&r->api, STR("out"));
	runtime_api_launch(&r->api, STR("deaf"));
	enroll(r, 1, "out", BOTH);
	enroll(r, 2, "deaf", INVOKE);
	ask(r, 1, 0);
	ask(r, 2, 1);
	say(r, 0, NEXT);
	CHECK_INT(extensions_leavers(r->api.extensions), 1);
	runtime_api_mute(&r->api);
	runtime_api_tell_shutdown(&r->api, "spindown", 99);
	CHECK(has(hear(r, 1), "{\"eventType\":\"SHUTDOWN\",\"deadlineMs\":99,\"shutdownReason\":\"spindown\"}"));
	CHECK_STR(hear(r, 2), "");
	say(r, 1, NEXT);
	CHECK(r->ready == 1 && r->idle == 0);
	CHECK_INT(rig_free(r), 0);
}

TEST(an_event_waits_for_who_is_away)
{
	struct rig *r = rig_new();
	runtime_api_launch(&r->api, STR("out"));
	enroll(r, 1, "out", BOTH);
	ask(r, 1, 0);
	say(r, 0, NEXT);
	close(r->clients[1]);
	r->clients[1] = connect_client(r);
	hear(r, 1);
	CHECK(r->api.extensions->items[0].next == NULL);
	deliver(r);
	CHECK(has(ask(r, 1, 0), "\"INVOKE\""));
	say(r, 0, ANSWER NEXT);
	CHECK_INT(r->idle, 0);
	ask(r, 1, 0);
	CHECK_INT(r->idle, 1);
	/* One that is at work when the environment ends hears of it when it asks. */
	deliver(r);
	hear(r, 1);
	runtime_api_mute(&r->api);
	runtime_api_tell_shutdown(&r->api, "timeout", 5);
	CHECK(has(ask(r, 1, 0), "\"timeout\""));
	CHECK_INT(rig_free(r), 0);
}

TEST(registrations_that_are_refused)
{
	struct rig *r = rig_new();
	runtime_api_launch(&r->api, STR("out"));
	CHECK(has(enroll(r, 1, "", INVOKE), "403") && has(r->heard, "Extension.InvalidExtensionName"));
	CHECK(has(enroll(r, 1, "out", "{"), "403") && has(r->heard, "InvalidRequestFormat"));
	CHECK(has(enroll(r, 1, "out", "{\"events\":[1]}"), "InvalidRequestFormat"));
	CHECK(has(enroll(r, 1, "out", "{\"configurationKeys\":[\"a\"]}"), "configurationKeys are deprecated"));
	CHECK(has(enroll(r, 1, "out", "{\"events\":[\"PAUSE\\\"\"]}"), "Extension.InvalidEventType") && has(r->heard, "PAUSE\\\": ErrorInvalidEventType"));
	CHECK(has(enroll(r, 1, "in", BOTH), "ShutdownEventNotSupportedForInternalExtension"));
	CHECK(has(enroll(r, 1, "out", "{}"), "HTTP/1.1 200"));
	CHECK(has(enroll(r, 1, "out", "{}"), "Extension.InvalidExtensionState") &&
	      has(r->heard, "State transition from Registered to Registered failed for extension out."));
	CHECK(has(enroll(r, 1, "in", INVOKE), "HTTP/1.1 200"));
	CHECK(has(enroll(r, 1, "in", INVOKE), "Extension with this name already registered"));
	for (int i = 0; i < 8; i++) {
		char name[8];
		snprintf(name, sizeof name, "i%d", i);
		CHECK(has(enroll(r, 1, name, INVOKE), "HTTP/1.1 200"));
	}
	CHECK(has(enroll(r, 1, "eleventh", INVOKE), "Extension.TooManyExtensions") && has(r->heard, "Extension limit (10) reached"));
	say(r, 0, NEXT);
	CHECK(has(enroll(r, 1, "late", INVOKE), "Extension.RegistrationClosed"));
	CHECK_INT(rig_free(r), 0);

	r = rig_new();
	say(r, 0, NEXT);
	CHECK(has(enroll(r, 1, "late", INVOKE), "Extension.RegistrationClosed"));
	CHECK(r->ready == 1);
	CHECK_INT(rig_free(r), 0);
}

TEST(requests_of_nobody_and_out_of_order)
{
	struct rig *r = rig_new();
	CHECK(has(say(r, 1, "GET /2020-01-01/extension/event/next HTTP/1.1\r\nHost: x\r\n\r\n"), "Extension.MissingExtensionIdentifier"));
	CHECK(has(request(r, 1, "GET /2020-01-01/extension/event/next", "nobody", ""), "Extension.InvalidExtensionIdentifier"));
	CHECK(has(request(r, 1, "GET /2020-01-01/extension/event/next", "11111111-2222-3333-4444-555555555555", ""),
	          "Unknown extension 11111111-2222-3333-4444-555555555555"));
	enroll(r, 1, "in", INVOKE);
	CHECK(has(fail(r, 1, "init", 0, "Content-Length: 0\r\n"), "Extension.MissingHeader"));
	ask(r, 1, 0);
	CHECK(has(ask(r, 2, 0), "403") && has(r->heard, "State transition from Ready to Ready failed"));
	CHECK(has(fail(r, 2, "init", 0, TYPE), "State transition from Ready to InitError failed"));
	CHECK_INT(r->failed, 0);
	CHECK(has(fail(r, 2, "exit", 0, TYPE), "202") && r->failed == 1);
	CHECK_STR(r->failed_name, "in");
	CHECK_STR(r->api.extensions->items[0].error_type, "Extension.Broken");
	CHECK(has(ask(r, 2, 0), "State transition from ExitError to Ready failed"));
	CHECK_INT(rig_free(r), 0);
}

TEST(an_init_error)
{
	struct rig *r = rig_new();
	runtime_api_launch(&r->api, STR("out"));
	enroll(r, 1, "out", BOTH);
	CHECK(has(fail(r, 1, "init", 0, TYPE), "202") && r->failed == 1);
	CHECK_INT(r->api.extensions->items[0].state, EXTENSION_INIT_ERROR);
	say(r, 0, NEXT);
	CHECK_INT(r->ready, 0);
	CHECK_INT(extensions_leavers(r->api.extensions), 0);
	CHECK_INT(rig_free(r), 0);
}

TEST(the_account_for_those_who_accept_it)
{
	struct rig *r = rig_new();
	CHECK(has(say(r, 1, "POST /2020-01-01/extension/register HTTP/1.1\r\nHost: x\r\nLambda-Extension-Name: in\r\nContent-Length: 2\r\n"
	                    "Lambda-Extension-Accept-Feature: other, accountId\r\n\r\n{}"), ",\"accountId\":\"000000000000\"}"));
	CHECK_INT(rig_free(r), 0);
}

TEST(ends_of_processes)
{
	struct extensions x = {.count = 0};
	struct extension *a = extensions_launch(&x, STR("a")), *b = extensions_launch(&x, STR("b")), *got;
	CHECK(!extensions_registered(&x) && extensions_external(&x) == 2 && extensions_internal(&x) == 0);
	extension_end(a, EXTENSION_LAUNCH_ERROR, "Extension.LaunchError");
	CHECK_STR(extension_state_name(a->state), "LaunchError");
	CHECK_INT(extensions_register(&x, STR("b"), EXTENSION_SHUTDOWN, &got), EXTENSION_OK);
	CHECK(extension_fail(b, EXTENSION_EXIT_ERROR, STR("Mine")));
	extension_end(b, EXTENSION_EXITED, "Extension.Crash");
	CHECK_STR(extension_state_name(b->state), "ExitError");
	CHECK_STR(b->error_type, "Mine");
	CHECK_STR(extension_events_text(EXTENSION_INVOKE | EXTENSION_SHUTDOWN), "INVOKE,SHUTDOWN");
	CHECK(extensions_ready(NULL) && extensions_registered(NULL) && extensions_leavers(NULL) == 0 && !extensions_find(NULL, STR("a")));
	for (unsigned i = 2; i < EXTENSIONS_MAX; i++)
		CHECK(extensions_launch(&x, STR("more")));
	CHECK(!extensions_launch(&x, STR("eleventh")));
}

TESTS(T(init_is_over_when_runtime_and_extensions_wait), T(an_invocation_is_over_when_all_are_done), T(shutdown_reaches_those_who_asked_for_it),
      T(an_event_waits_for_who_is_away), T(registrations_that_are_refused), T(requests_of_nobody_and_out_of_order), T(an_init_error),
      T(the_account_for_those_who_accept_it), T(ends_of_processes))
