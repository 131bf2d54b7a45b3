#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/runtime/runtime_api.h"
#include "core/base/clock.h"
#include "tests/unit/test.h"

#define NEXT "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"
#define ANSWER(id, body) \
	"POST /2018-06-01/runtime/invocation/" id "/response HTTP/1.1\r\nHost: x\r\nContent-Length: " LEN(body) "\r\n\r\n" body
#define LEN(body) "2" /* every body here has two bytes */

struct rig {
	struct ev_loop *loop;
	struct ev_timer timer;
	struct http_pool pool;
	struct runtime_api api;
	int client;
	unsigned rounds, ready, answers, errors, idle, init_errors, faults, parked, restore_errors;
	unsigned begun, pieces, full_at; /* full_at: the piece at which there is enough */
	bool answer_parked, stream; /* inside on_restore_parked; of what is delivered */
	enum runtime_fault fault;
	char body[64], type[64], content_type[64], streamed[256], heard[8192];
	uint64_t streamed_bytes;
};

static void note(struct rig *r, struct http_blob *blob, struct str type)
{
	snprintf(r->body, sizeof r->body, "%.*s", (int)blob->len, blob->data ? blob->data : "");
	snprintf(r->type, sizeof r->type, STR_FMT, STR_ARG(type));
}

static void on_ready(struct runtime_api *api)
{
	((struct rig *)api->arg)->ready++;
}

static void on_answer(struct runtime_api *api, struct http_blob *blob, bool error, struct str type)
{
	struct rig *r = api->arg;
	note(r, blob, type);
	r->answers++;
	r->errors += error;
}

static void on_stream_begin(struct runtime_api *api, struct str content_type)
{
	struct rig *r = api->arg;
	r->begun++;
	snprintf(r->content_type, sizeof r->content_type, STR_FMT, STR_ARG(content_type.p ? content_type : STR("none")));
}

static bool on_stream_data(struct runtime_api *api, struct str bytes)
{
	struct rig *r = api->arg;
	size_t have = strlen(r->streamed);
	snprintf(r->streamed + have, sizeof r->streamed - have, STR_FMT, STR_ARG(bytes));
	r->streamed_bytes += bytes.n;
	return ++r->pieces != r->full_at;
}

static void on_idle(struct runtime_api *api)
{
	((struct rig *)api->arg)->idle++;
}

static void on_init_error(struct runtime_api *api, struct http_blob *blob, struct str type)
{
	struct rig *r = api->arg;
	note(r, blob, type);
	r->init_errors++;
}

static void on_fault(struct runtime_api *api, enum runtime_fault fault)
{
	struct rig *r = api->arg;
	r->faults++;
	r->fault = fault;
}

static const struct runtime_restored restored = {
	.credentials = {.access_key = "ASIA1", .secret = "s/1+", .token = "t1", .expires_wall_ms = 1763999990000},
	.log_group = "/aws/lambda/f", .log_stream = "2025/11/24/[7]ab"};

static void on_restore_parked(struct runtime_api *api)
{
	struct rig *r = api->arg;
	r->parked++;
	if (r->answer_parked)
		runtime_api_restore(api, &restored);
}

static void on_restore_error(struct runtime_api *api, struct http_blob *blob, struct str type)
{
	struct rig *r = api->arg;
	note(r, blob, type);
	r->restore_errors++;
}

static void credentials(struct runtime_api *api, struct runtime_credentials *out)
{
	*out = restored.credentials;
}

static const struct runtime_api_events events = {
	.on_ready = on_ready, .on_answer = on_answer, .on_idle = on_idle, .on_init_error = on_init_error, .on_fault = on_fault,
	.on_stream_begin = on_stream_begin, .on_stream_data = on_stream_data, .on_restore_parked = on_restore_parked, .on_restore_error = on_restore_error, .credentials = credentials};

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
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	r->loop = ev_loop_new(NULL);
	http_pool_init(&r->pool, 64 << 20);
	runtime_api_init(&r->api, r->loop, &r->pool, &events, r);
	if (bind(listener, (struct sockaddr *)&any, sizeof any) < 0 || listen(listener, 8) < 0 ||
	    runtime_api_listen(&r->api, listener, NULL) < 0)
		abort();
	r->client = connect_client(r);
	return r;
}

/* Nothing may stay counted in the pool. */
static size_t rig_free(struct rig *r)
{
	runtime_api_release(&r->api);
	size_t left = r->pool.used_bytes;
	http_pool_release(&r->pool);
	ev_timer_stop(&r->timer);
	ev_loop_free(r->loop);
	close(r->client);
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

static const char *hear(struct rig *r)
{
	r->rounds = 8;
	r->timer.cb = on_timer;
	ev_timer_at(r->loop, &r->timer, 0);
	ev_loop_run(r->loop, NULL);
	ssize_t n = recv(r->client, r->heard, sizeof r->heard - 1, MSG_DONTWAIT);
	r->heard[n > 0 ? n : 0] = '\0';
	return r->heard;
}

static const char *say(struct rig *r, const char *text)
{
	if (send(r->client, text, strlen(text), MSG_NOSIGNAL) < 0)
		perror("send");
	return hear(r);
}

static void deliver(struct rig *r, const char *id, const char *payload)
{
	struct http_blob blob = {.data = strdup(payload), .len = strlen(payload)};
	struct runtime_event e = {.request_id = id, .function_arn = "arn:f", .trace_id = "Root=1", .deadline_wall_ms = 1234,
	                          .stream = r->stream, .payload = &blob};
	runtime_api_deliver(&r->api, &e);
}

static bool has(const char *text, const char *piece)
{
	return strstr(text, piece) != NULL;
}

TEST(next_answer_next)
{
	struct rig *r = rig_new();
	CHECK_STR(say(r, NEXT), "");
	CHECK(r->ready == 1 && r->api.state == RUNTIME_READY);
	deliver(r, "id-1", "{\"a\":1}");
	const char *got = hear(r);
	CHECK(has(got, "HTTP/1.1 200") && has(got, "Lambda-Runtime-Aws-Request-Id: id-1\r\n") && has(got, "\r\n\r\n{\"a\":1}"));
	CHECK(has(got, "Lambda-Runtime-Deadline-Ms: 1234\r\n") && has(got, "Lambda-Runtime-Invoked-Function-Arn: arn:f\r\n"));
	/* The answer and the next request in one write. */
	got = say(r, ANSWER("id-1", "42") NEXT);
	CHECK(has(got, "HTTP/1.1 202"));
	CHECK(r->answers == 1 && r->errors == 0 && r->idle == 1 && r->ready == 1);
	CHECK_STR(r->body, "42");
	deliver(r, "id-2", "");
	CHECK(has(hear(r), "\r\n\r\n{}"));
	CHECK_INT(rig_free(r), 0);
}

TEST(wrong_order_and_wrong_id_are_refused)
{
	struct rig *r = rig_new();
	CHECK(has(say(r, ANSWER("id-1", "42")), "400") && has(r->heard, "InvalidRequestID"));
	say(r, NEXT);
	deliver(r, "id-1", "{}");
	hear(r);
	CHECK(has(say(r, ANSWER("id-9", "42")), "InvalidRequestID"));
	CHECK(has(say(r, NEXT), "403") && has(r->heard, "InvalidStateTransition") && has(r->heard, "from Running to Ready"));
	CHECK(has(say(r, ANSWER("id-1", "42")), "202"));
	CHECK(has(say(r, ANSWER("id-1", "43")), "403") && r->answers == 1);
	CHECK(has(say(r, "GET /2018-06-01/other HTTP/1.1\r\nHost: x\r\n\r\n"), "404"));
	CHECK_INT(rig_free(r), 0);
}

TEST(errors_carry_their_type)
{
	struct rig *r = rig_new();
	say(r, NEXT);
	deliver(r, "id-1", "{}");
	hear(r);
	say(r, "POST /2018-06-01/runtime/invocation/id-1/error HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
	       "Lambda-Runtime-Function-Error-Type: nonsense\r\n\r\n{}");
	CHECK(r->errors == 1);
	CHECK_STR(r->type, "Function.Unknown");
	CHECK_INT(rig_free(r), 0);
}

TEST(init_error_ends_init)
{
	struct rig *r = rig_new();
	CHECK(has(say(r, "POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
	                 "Lambda-Runtime-Function-Error-Type: Runtime.ImportModuleError\r\n\r\n{}"),
	          "202"));
	CHECK(r->init_errors == 1 && r->api.state == RUNTIME_INIT_ERROR);
	CHECK_STR(r->type, "Runtime.ImportModuleError");
	CHECK(has(say(r, NEXT), "403"));
	CHECK_INT(rig_free(r), 0);
}

#define INIT_ERROR_HEAD(n) "POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: x\r\nContent-Length: " n "\r\n\r\n"

/* While the report is on its way nobody else may end the init. */
TEST(init_error_with_a_late_body)
{
	struct rig *r = rig_new();
	int first = r->client;
	say(r, INIT_ERROR_HEAD("2"));
	r->client = connect_client(r);
	CHECK(has(say(r, NEXT), "403") && has(r->heard, "from InitError to Ready") && r->ready == 0);
	close(r->client);
	r->client = first;
	CHECK(has(say(r, "{}"), "202") && r->init_errors == 1 && r->answers == 0);
	CHECK_INT(rig_free(r), 0);
}

/* It says nothing then, and the runtime may still become ready. */
TEST(init_error_that_is_too_large_or_breaks_off)
{
	struct rig *r = rig_new();
	CHECK(has(say(r, INIT_ERROR_HEAD("7000000")), "413"));
	CHECK(r->init_errors == 0 && r->faults == 0);
	close(r->client);
	r->client = connect_client(r);
	say(r, INIT_ERROR_HEAD("2"));
	close(r->client);
	r->client = connect_client(r);
	hear(r);
	say(r, NEXT);
	CHECK(r->ready == 1 && r->idle == 0 && r->init_errors == 0 && r->api.state == RUNTIME_READY);
	CHECK_INT(rig_free(r), 0);
}

TEST(long_texts_wait_whole)
{
	struct rig *r = rig_new();
	char arn[260];
	memset(arn, 'a', sizeof arn - 1);
	arn[sizeof arn - 1] = '\0';
	say(r, NEXT);
	close(r->client);
	r->client = connect_client(r);
	hear(r);
	struct http_blob blob = {0};
	struct runtime_event e = {.request_id = "id-1", .function_arn = arn, .trace_id = "Root=1", .payload = &blob};
	runtime_api_deliver(&r->api, &e);
	CHECK(has(say(r, NEXT), arn));
	CHECK_INT(rig_free(r), 0);
}

/* To a runtime that waits, and to one that comes back for it. */
TEST(an_event_names_its_tenant)
{
	for (int gone = 0; gone < 2; gone++) {
		struct rig *r = rig_new();
		struct http_blob blob = {0};
		char tenant[] = "a b";
		say(r, NEXT);
		if (gone) {
			close(r->client);
			r->client = connect_client(r);
			hear(r);
		}
		struct runtime_event e = {.request_id = "id-1", .function_arn = "arn:f", .trace_id = "Root=1",
		                          .tenant_id = str_from(tenant), .payload = &blob};
		runtime_api_deliver(&r->api, &e);
		memset(tenant, 'x', 3);
		CHECK(has(gone ? say(r, NEXT) : hear(r), "Lambda-Runtime-Aws-Tenant-Id: a b\r\n"));
		say(r, ANSWER("id-1", "42") NEXT);
		deliver(r, "id-2", "1");
		CHECK(!has(hear(r), "Tenant-Id"));
		CHECK_INT(rig_free(r), 0);
	}
}

TEST(an_event_waits_for_a_runtime_that_reconnects)
{
	struct rig *r = rig_new();
	say(r, NEXT);
	close(r->client);
	r->client = connect_client(r);
	hear(r);
	CHECK(!r->api.next && r->api.state == RUNTIME_READY);
	deliver(r, "id-1", "[1]");
	CHECK(has(say(r, NEXT), "\r\n\r\n[1]") && r->api.state == RUNTIME_RUNNING);
	CHECK(has(say(r, ANSWER("id-1", "42")), "202") && r->answers == 1);
	CHECK_INT(rig_free(r), 0);
}

TEST(an_undelivered_event_is_freed)
{
	struct rig *r = rig_new();
	say(r, NEXT);
	close(r->client);
	r->client = connect_client(r);
	hear(r);
	deliver(r, "id-1", "[1]");
	CHECK_INT(rig_free(r), 0);
}

TEST(faults_of_an_answer)
{
	struct rig *r = rig_new();
	say(r, NEXT);
	deliver(r, "id-1", "{}");
	hear(r);
	CHECK(has(say(r, "POST /2018-06-01/runtime/invocation/id-1/response HTTP/1.1\r\nHost: x\r\nContent-Length: 6291557\r\n\r\n"), "413"));
	CHECK(r->faults == 1 && r->fault == RUNTIME_FAULT_TOO_LARGE && has(r->heard, "RequestEntityTooLarge"));
	CHECK_INT(rig_free(r), 0);

	r = rig_new();
	say(r, NEXT);
	deliver(r, "id-1", "{}");
	hear(r);
	say(r, "POST /2018-06-01/runtime/invocation/id-1/response HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf");
	close(r->client);
	r->client = connect_client(r);
	hear(r);
	CHECK(r->faults == 1 && r->fault == RUNTIME_FAULT_TRUNCATED && r->answers == 0);
	CHECK_INT(rig_free(r), 0);

	r = rig_new();
	say(r, NEXT);
	deliver(r, "id-1", "{}");
	hear(r);
	CHECK(has(say(r, "POST /2018-06-01/runtime/invocation/id-1/response HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
	                 "Lambda-Runtime-Function-Response-Mode: odd\r\n\r\n{}"),
	          "400"));
	CHECK(r->faults == 1 && r->fault == RUNTIME_FAULT_RESPONSE_MODE);
	CHECK_INT(rig_free(r), 0);
}

TEST(an_answer_without_room)
{
	struct rig *r = rig_new();
	say(r, NEXT);
	deliver(r, "id-1", "{}");
	hear(r);
	r->pool.max_bytes = 1;
	CHECK(has(say(r, "POST /2018-06-01/runtime/invocation/id-1/response HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n"), "500"));
	CHECK(r->faults == 1 && r->fault == RUNTIME_FAULT_NO_ROOM && r->answers == 0);
	CHECK_INT(rig_free(r), 0);
}

TEST(trailers_turn_an_answer_into_an_error)
{
	struct rig *r = rig_new();
	say(r, NEXT);
	deliver(r, "id-1", "{}");
	hear(r);
	say(r, "POST /2018-06-01/runtime/invocation/id-1/response HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
	       "Lambda-Runtime-Function-Response-Mode: streaming\r\n"
	       "Trailer: Lambda-Runtime-Function-Error-Type\r\n\r\n2\r\nhi\r\n0\r\n"
	       "Lambda-Runtime-Function-Error-Type: Function.Broken\r\nLambda-Runtime-Function-Error-Body: eyJlIjoxfQ==\r\n\r\n");
	CHECK(r->answers == 1 && r->errors == 1);
	CHECK_STR(r->type, "Function.Broken");
	CHECK_STR(r->body, "{\"e\":1}");
	CHECK_INT(rig_free(r), 0);
}

#define STREAM_HEAD \
	"POST /2018-06-01/runtime/invocation/id-1/response HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" \
	"Lambda-Runtime-Function-Response-Mode: streaming\r\nContent-Type: text/odd\r\n\r\n"

static struct rig *streaming(void)
{
	struct rig *r = rig_new();
	r->stream = true;
	say(r, NEXT);
	deliver(r, "id-1", "{}");
	hear(r);
	return r;
}

TEST(a_streamed_answer_goes_on_at_once)
{
	struct rig *r = streaming();
	say(r, STREAM_HEAD);
	CHECK(r->begun == 1 && r->pieces == 0 && r->api.state == RUNTIME_ANSWERING);
	CHECK_STR(r->content_type, "text/odd");
	say(r, "3\r\none\r\n");
	CHECK_STR(r->streamed, "one");
	say(r, "3\r\ntwo\r\n");
	CHECK(r->answers == 0);
	CHECK(has(say(r, "0\r\n\r\n" NEXT), "202"));
	CHECK_STR(r->streamed, "onetwo");
	CHECK(r->answers == 1 && r->errors == 0 && r->idle == 1 && r->faults == 0);
	CHECK_STR(r->body, "");
	/* The next event may be answered otherwise. */
	r->stream = false;
	deliver(r, "id-2", "{}");
	hear(r);
	CHECK(has(say(r, ANSWER("id-2", "42")), "202") && r->begun == 1);
	CHECK_STR(r->body, "42");
	CHECK_INT(rig_free(r), 0);
}

/* By length, and in one write with the head: the same. */
TEST(a_streamed_answer_with_a_length)
{
	struct rig *r = streaming();
	CHECK(has(say(r, "POST /2018-06-01/runtime/invocation/id-1/response HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
	                 "Lambda-Runtime-Function-Response-Mode: Streaming\r\n\r\nhello"), "202"));
	CHECK(r->begun == 1 && r->answers == 1);
	CHECK_STR(r->streamed, "hello");
	CHECK_STR(r->content_type, "none");
	CHECK_INT(rig_free(r), 0);
}

TEST(a_streamed_answer_waits_for_its_taker)
{
	struct rig *r = streaming();
	r->full_at = 2;
	say(r, STREAM_HEAD "1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n");
	CHECK_STR(r->streamed, "ab");
	CHECK(r->answers == 0 && r->api.stream_paused);
	runtime_api_resume(&r->api);
	CHECK(has(hear(r), "202") && r->answers == 1);
	CHECK_STR(r->streamed, "abc");
	runtime_api_resume(&r->api); /* harmless */
	CHECK_INT(rig_free(r), 0);
}

TEST(an_error_in_mid_stream)
{
	struct rig *r = streaming();
	say(r, STREAM_HEAD "2\r\nhi\r\n0\r\nLambda-Runtime-Function-Error-Type: my own.type\r\n"
	       "Lambda-Runtime-Function-Error-Body: eyJlIjoxfQ==\r\n\r\n");
	CHECK(r->answers == 1 && r->errors == 1);
	CHECK_STR(r->streamed, "hi");
	CHECK_STR(r->type, "my own.type");
	CHECK_STR(r->body, "{\"e\":1}");
	CHECK_INT(rig_free(r), 0);
}

TEST(a_stream_that_breaks_off)
{
	struct rig *r = streaming();
	say(r, STREAM_HEAD "2\r\nhi\r\n2\r\nh");
	close(r->client);
	r->client = connect_client(r);
	hear(r);
	CHECK(r->faults == 1 && r->fault == RUNTIME_FAULT_TRUNCATED && r->answers == 0);
	CHECK_STR(r->streamed, "hih");
	CHECK_INT(rig_free(r), 0);
}

TEST(a_stream_past_its_limit)
{
	static const char megabyte[1 << 20];
	struct rig *r = streaming();
	say(r, "POST /2018-06-01/runtime/invocation/id-1/response HTTP/1.1\r\nHost: x\r\nContent-Length: 209715201\r\n"
	       "Lambda-Runtime-Function-Response-Mode: streaming\r\n\r\n");
	for (uint64_t sent = 0; sent < 209715200; ) {
		uint64_t left = 209715200 - sent;
		ssize_t n = send(r->client, megabyte, left < sizeof megabyte ? left : sizeof megabyte, MSG_NOSIGNAL | MSG_DONTWAIT);
		sent += n > 0 ? (uint64_t)n : 0;
		hear(r);
	}
	CHECK(r->faults == 0);
	CHECK_INT(r->streamed_bytes, 209715200);
	CHECK(has(say(r, "x"), "413") && r->faults == 1 && r->fault == RUNTIME_FAULT_TOO_LARGE && r->answers == 0);
	CHECK_INT(r->streamed_bytes, 209715200);
	CHECK_INT(rig_free(r), 0);
}

#define RESTORE_NEXT "GET /2018-06-01/runtime/restore/next HTTP/1.1\r\nHost: x\r\n\r\n"
#define RESTORE_ERROR(n) \
	"POST /2018-06-01/runtime/restore/error HTTP/1.1\r\nHost: x\r\nContent-Length: " n "\r\n" \
	"Lambda-Runtime-Function-Error-Type: Runtime.HookError\r\n\r\n"

TEST(a_runtime_waits_to_be_saved_and_goes_on)
{
	struct rig *r = rig_new();
	CHECK_STR(say(r, RESTORE_NEXT), "");
	CHECK(r->parked == 1 && r->ready == 0 && r->api.state == RUNTIME_RESTORE_READY && r->api.next);
	runtime_api_restore(&r->api, &restored);
	const char *got = hear(r);
	CHECK(has(got, "HTTP/1.1 200") && has(got, "{\"AWS_ACCESS_KEY_ID\":\"ASIA1\",\"AWS_SECRET_ACCESS_KEY\":\"s/1+\",\"AWS_SESSION_TOKEN\":\"t1\","
	          "\"AWS_LAMBDA_LOG_GROUP_NAME\":\"/aws/lambda/f\",\"AWS_LAMBDA_LOG_STREAM_NAME\":\"2025/11/24/[7]ab\"}"));
	CHECK_STR(say(r, NEXT), "");
	CHECK(r->ready == 1 && r->idle == 0);
	deliver(r, "id-1", "{}");
	CHECK(has(hear(r), "Lambda-Runtime-Aws-Request-Id: id-1"));
	CHECK(has(say(r, RESTORE_NEXT), "403") && has(r->heard, "from Running to RestoreReady"));
	CHECK(has(say(r, RESTORE_ERROR("2") "{}"), "403") && has(r->heard, "from Running to RuntimeRestoreErrorState"));
	CHECK_INT(rig_free(r), 0);
}

TEST(order_around_the_restore)
{
	struct rig *r = rig_new();
	int first = r->client;
	CHECK(has(say(r, RESTORE_ERROR("2") "{}"), "403") && has(r->heard, "from Started to RuntimeRestoreErrorState"));
	say(r, RESTORE_NEXT);
	r->client = connect_client(r);
	CHECK(has(say(r, NEXT), "403") && has(r->heard, "from RestoreReady to Ready"));
	CHECK(has(say(r, INIT_ERROR_HEAD("2") "{}"), "403") && r->init_errors == 0);
	/* A second caller takes the place of the first, and nobody is told twice. */
	CHECK_STR(say(r, RESTORE_NEXT), "");
	CHECK(r->parked == 1);
	runtime_api_restore(&r->api, &restored);
	CHECK(has(hear(r), "ASIA1"));
	CHECK(has(say(r, RESTORE_NEXT), "403") && has(r->heard, "from Restoring to RestoreReady"));
	close(first);
	CHECK_INT(rig_free(r), 0);
}

TEST(hooks_that_fail_after_a_restore)
{
	struct rig *r = rig_new();
	r->answer_parked = true;
	CHECK(has(say(r, RESTORE_NEXT), "ASIA1"));
	CHECK(has(say(r, RESTORE_ERROR("7") "{\"e\":1}"), "202"));
	CHECK(r->restore_errors == 1 && r->init_errors == 0 && r->api.state == RUNTIME_RESTORE_ERROR);
	CHECK_STR(r->type, "Runtime.HookError");
	CHECK_STR(r->body, "{\"e\":1}");
	CHECK(has(say(r, NEXT), "403") && r->ready == 0);
	CHECK_INT(rig_free(r), 0);

	r = rig_new(); /* a report that breaks off is none */
	r->answer_parked = true;
	say(r, RESTORE_NEXT);
	say(r, RESTORE_ERROR("7") "{");
	close(r->client);
	r->client = connect_client(r);
	hear(r);
	say(r, NEXT);
	CHECK(r->restore_errors == 0 && r->ready == 1);
	CHECK_INT(rig_free(r), 0);
}

TEST(credentials_for_sdks)
{
	struct rig *r = rig_new();
	CHECK(has(say(r, "GET /2021-04-23/credentials HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 200"));
	CHECK(has(r->heard, "{\"AccessKeyId\":\"ASIA1\",\"SecretAccessKey\":\"s/1+\",\"Token\":\"t1\",\"Expiration\":\"2025-11-24T15:59:50Z\"}"));
	CHECK(has(say(r, "POST /2021-04-23/credentials HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"), "404"));
	CHECK_INT(rig_free(r), 0);
}

TEST(an_owner_without_telemetry_says_so)
{
	struct rig *r = rig_new();
	CHECK(has(say(r, "PUT /2022-07-01/telemetry HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"), "HTTP/1.1 202"));
	CHECK(has(r->heard, "Telemetry.NotSupported"));
	CHECK(has(say(r, "PUT /2020-08-15/logs HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"), "Logs.NotSupported"));
	CHECK(has(say(r, "POST /2020-08-15/logs HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"), "404"));
	CHECK_INT(rig_free(r), 0);
}

/* The end that a restored process believes to have asked on, over TCP as it is. */
static int adopt(struct rig *r, bool restore_next, unsigned *port)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof any;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)&any, sizeof any) < 0 || listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&any, &size) < 0 || connect(client, (struct sockaddr *)&any, size) < 0)
		abort();
	size = sizeof any;
	int accepted = accept4(listener, (struct sockaddr *)&any, &size, SOCK_CLOEXEC);
	*port = ntohs(any.sin_port);
	close(listener);
	return runtime_api_adopt(&r->api, accepted, restore_next, NULL) == 0 ? client : -1;
}

TEST(a_restored_process_is_taken_over_while_it_waits)
{
	struct rig *r = rig_new();
	unsigned port;
	close(r->client);
	r->client = adopt(r, false, &port);
	CHECK_STR(hear(r), "");
	CHECK(r->ready == 1 && r->parked == 0);
	CHECK_INT(runtime_api_next_port(&r->api), port);
	deliver(r, "id-1", "[7]");
	CHECK(has(hear(r), "\r\n\r\n[7]"));
	CHECK_INT(runtime_api_next_port(&r->api), 0);
	CHECK(has(say(r, ANSWER("id-1", "42") NEXT), "202") && r->answers == 1 && r->idle == 1);
	CHECK_INT(rig_free(r), 0);

	r = rig_new();
	close(r->client);
	r->client = adopt(r, true, &port);
	r->answer_parked = true;
	CHECK(has(hear(r), "AWS_SESSION_TOKEN") && r->parked == 1 && r->ready == 0);
	CHECK_STR(say(r, NEXT), "");
	CHECK(r->ready == 1);
	CHECK_INT(rig_free(r), 0);
}

TESTS(T(a_runtime_waits_to_be_saved_and_goes_on), T(order_around_the_restore), T(hooks_that_fail_after_a_restore), T(credentials_for_sdks), T(an_owner_without_telemetry_says_so),
      T(a_restored_process_is_taken_over_while_it_waits), T(next_answer_next), T(wrong_order_and_wrong_id_are_refused), T(errors_carry_their_type), T(init_error_ends_init),
      T(init_error_with_a_late_body), T(init_error_that_is_too_large_or_breaks_off), T(long_texts_wait_whole),
      T(an_event_names_its_tenant), T(an_event_waits_for_a_runtime_that_reconnects), T(an_undelivered_event_is_freed), T(faults_of_an_answer), T(an_answer_without_room),
      T(trailers_turn_an_answer_into_an_error), T(a_streamed_answer_goes_on_at_once), T(a_streamed_answer_with_a_length),
      T(a_streamed_answer_waits_for_its_taker), T(an_error_in_mid_stream), T(a_stream_that_breaks_off), T(a_stream_past_its_limit))
