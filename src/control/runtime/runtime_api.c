#include "control/runtime/runtime_priv.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/base/codec.h"
#include "core/json/write.h"
#include "core/spec/limits.h"

#define INVOCATION RUNTIME_PREFIX "runtime/invocation/"
#define SMALL_PAYLOAD_BYTES 16384u

const struct http_config runtime_api_http_config = {
	.limits = {.head_max_bytes = 65536, .target_max_bytes = 2048, .headers_max = 64},
	.trailers_max_bytes = 65536,
	.arena_max_bytes = 65536,
	.discard_max_bytes = 65536,
	.queue_high_bytes = 1 << 20,
	.conns_max = 8,
	.body_timeout_ms = 0, /* the invocation's own timeout ends it */
	.local = true,
	/* No Date: our bootstraps compare the acknowledgement byte by byte. */
};

/* State names as the emulator prints them. */
static const char *const state_names[] = {
	[RUNTIME_INIT] = "Started",      [RUNTIME_INIT_ERROR] = "InitError",         [RUNTIME_READY] = "Ready",
	[RUNTIME_RUNNING] = "Running",   [RUNTIME_ANSWERING] = "InvocationResponse", [RUNTIME_ANSWERED] = "ResponseSent",
	[RUNTIME_RESTORE_READY] = "RestoreReady", [RUNTIME_RESTORING] = "Restoring",
	[RUNTIME_RESTORE_ERROR] = "RuntimeRestoreErrorState",
};

static struct runtime_api *api_of(struct http_conn *conn)
{
	return http_conn_server(conn)->arg;
}

/* ---- answers ---- */

static const struct http_header json_type[] = {{STR("Content-Type"), STR("application/json")}};

void runtime_reply_json(struct http_conn *conn, int status, struct str body)
{
	http_reply(conn, &(struct http_reply){.status = status, .headers = json_type, .header_count = 1, .body = body});
}

void runtime_reply_fault(struct http_conn *conn, int status, const char *type, const char *message)
{
	char body[512];
	int n = snprintf(body, sizeof body, "{\"errorMessage\":\"%s\",\"errorType\":\"%s\"}", message, type);
	runtime_reply_json(conn, status, (struct str){body, (size_t)n});
}

static void reply_accepted(struct http_conn *conn)
{
	runtime_reply_json(conn, 202, STR("{\"status\":\"OK\"}\n"));
}

static void reply_too_large(struct http_conn *conn)
{
	runtime_reply_fault(conn, 413, "RequestEntityTooLarge", "Exceeded maximum allowed payload size (6291556 bytes).");
}

void runtime_refuse(struct runtime_api *api, struct http_conn *conn, const char *to)
{
	char message[200];
	snprintf(message, sizeof message, "State transition from %s to %s failed for runtime. Error: State transition is not allowed",
	         state_names[api->state], to);
	runtime_reply_fault(conn, 403, "InvalidStateTransition", message);
}

static void send_event(struct http_conn *conn, const struct runtime_event *e)
{
	/* Request ids, ARNs and trace ids are made or checked by us; the client's context and tenant are foreign text. */
	char head[1024];
	int n = snprintf(head, sizeof head,
	                 "Content-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: %s\r\n"
	                 "Lambda-Runtime-Deadline-Ms: %lld\r\nLambda-Runtime-Invoked-Function-Arn: %s\r\n"
	                 "Lambda-Runtime-Trace-Id: %s\r\n",
	                 e->request_id, (long long)e->deadline_wall_ms, e->function_arn, e->trace_id);
	ASSERT(n > 0 && (size_t)n < sizeof head);
	struct http_header foreign[2];
	struct http_reply reply = {.status = 200, .raw_headers = head, .headers = foreign};
	if (e->client_context.p)
		foreign[reply.header_count++] = (struct http_header){STR("Lambda-Runtime-Client-Context"), e->client_context};
	if (e->tenant_id.p)
		foreign[reply.header_count++] = (struct http_header){STR("Lambda-Runtime-Aws-Tenant-Id"), e->tenant_id};
	if (e->payload->len > SMALL_PAYLOAD_BYTES) {
		http_reply_blob(conn, &reply, e->payload);
		return;
	}
	/* Copied behind the head, so that both leave in one send. */
	reply.body = e->payload->len ? (struct str){e->payload->data, e->payload->len} : STR("{}");
	http_reply(conn, &reply);
	http_blob_release(e->payload);
}

/* ---- GET next ---- */

static void take_next(struct runtime_api *api, struct http_conn *conn)
{
	if (api->undelivered) {
		api->undelivered = false;
		api->state = RUNTIME_RUNNING;
		send_event(conn, &api->event);
		free(STEAL_PTR(api->event_context));
		free(STEAL_PTR(api->event_tenant));
		return;
	}
	if (api->next) {
		/* A second caller while one is parked: the older one is given up (its client has most likely gone). */
		http_abort(api->next);
	}
	api->next = conn;
	enum runtime_state before = api->state;
	api->state = RUNTIME_READY;
	http_park(conn);
	if (before == RUNTIME_INIT || before == RUNTIME_RESTORING)
		api->events->on_ready(api);
	else if (before == RUNTIME_ANSWERED)
		api->events->on_idle(api);
}

static void on_next(struct runtime_api *api, struct http_conn *conn)
{
	bool allowed = api->state == RUNTIME_INIT || api->state == RUNTIME_RESTORING || api->state == RUNTIME_ANSWERED ||
	               api->state == RUNTIME_READY;
	if (!allowed)
		runtime_refuse(api, conn, "Ready");
	else
		take_next(api, conn);
}

static void keep_text(char dst[RUNTIME_TEXT_SIZE], const char **text)
{
	snprintf(dst, RUNTIME_TEXT_SIZE, "%s", *text);
	*text = dst;
}

void runtime_api_deliver(struct runtime_api *api, const struct runtime_event *event)
{
	ASSERT(api->state == RUNTIME_READY && !api->undelivered);
	snprintf(api->request_id, sizeof api->request_id, "%s", event->request_id);
	api->state = RUNTIME_RUNNING;
	if (api->next) {
		struct http_conn *conn = STEAL_PTR(api->next);
		send_event(conn, event);
		return;
	}
	api->state = RUNTIME_READY;
	api->undelivered = true;
	api->event = *event;
	keep_text(api->event_ids[0], &api->event.request_id);
	keep_text(api->event_ids[1], &api->event.function_arn);
	keep_text(api->event_ids[2], &api->event.trace_id);
	api->event_payload = *event->payload;
	*event->payload = (struct http_blob){0};
	api->event.payload = &api->event_payload;
	api->event_context = event->client_context.p ? str_dup(event->client_context) : NULL;
	api->event.client_context = str_from(api->event_context);
	api->event_tenant = event->tenant_id.p ? str_dup(event->tenant_id) : NULL;
	api->event.tenant_id = str_from(api->event_tenant);
}

/* ---- POST response, error, init/error ---- */

/* (Runtime|Function).Name, as AWS checks it; anything else becomes Function.Unknown or Runtime.Unknown. */
static struct str error_type(struct str given)
{
	bool runtime = str_starts(given, STR("Runtime."));
	struct str name = runtime || str_starts(given, STR("Function.")) ? str_sub(given, runtime ? 8 : 9, given.n) : STR_NULL;
	bool ok = name.n >= 2 && name.n <= 100 && isupper((unsigned char)name.p[0]);
	for (size_t i = 1; ok && i < name.n; i++)
		ok = isalpha((unsigned char)name.p[i]);
	return ok ? given : given.n == 0 ? STR("") : runtime ? STR("Runtime.Unknown") : STR("Function.Unknown");
}

static void fault(struct runtime_api *api, struct http_conn *conn, enum runtime_fault kind)
{
	api->answering = NULL;
	api->state = RUNTIME_ANSWERED;
	if (kind == RUNTIME_FAULT_TOO_LARGE)
		reply_too_large(conn);
	else if (kind == RUNTIME_FAULT_NO_ROOM)
		runtime_reply_fault(conn, 500, "ServiceException", "There is no room for the answer now.");
	else if (kind == RUNTIME_FAULT_RESPONSE_MODE)
		runtime_reply_fault(conn, 400, "InvalidFunctionResponseMode", "Invalid function response mode");
	api->events->on_fault(api, kind);
}

static void on_answer_post(struct runtime_api *api, struct http_conn *conn, struct http_request *req, bool error)
{
	struct str mode = http_header(req, STR("Lambda-Runtime-Function-Response-Mode"));
	if (!error && mode.p && !str_case_eq(mode, STR("streaming"))) {
		fault(api, conn, RUNTIME_FAULT_RESPONSE_MODE);
		return;
	}
	api->state = RUNTIME_ANSWERING;
	api->answering = conn;
	api->error_answer = error;
	http_read_body(conn, LIMIT_RESPONSE_BYTES);
}

static void route_invocation(struct runtime_api *api, struct http_conn *conn, struct http_request *req, struct str rest)
{
	size_t slash = str_find(rest, '/');
	struct str id = str_sub(rest, 0, slash), action = str_sub(rest, slash + 1, rest.n);
	bool error = str_eqz(action, "error");
	if (slash == rest.n || (!error && !str_eqz(action, "response"))) {
		runtime_reply_fault(conn, 404, "NotFound", "no such operation");
		return;
	}
	bool known = *api->request_id && !api->undelivered && str_eqz(id, api->request_id);
	if (!known)
		runtime_reply_fault(conn, 400, "InvalidRequestID", "Invalid request ID");
	else if (api->state != RUNTIME_RUNNING)
		runtime_refuse(api, conn, error ? "InvocationErrorResponse" : "InvocationResponse");
	else
		on_answer_post(api, conn, req, error);
}

static void on_init_error_post(struct runtime_api *api, struct http_conn *conn)
{
	if (api->state != RUNTIME_INIT) {
		runtime_refuse(api, conn, "InitError");
		return;
	}
	api->state = RUNTIME_INIT_ERROR; /* before its body: no other request may go on with the init meanwhile */
	api->answering = conn;
	http_read_body(conn, LIMIT_RESPONSE_BYTES);
}

static void on_request(struct http_conn *conn, struct http_request *req)
{
	struct runtime_api *api = api_of(conn);
	struct str path = req->path;
	bool post = req->method == HTTP_POST, get = req->method == HTTP_GET;
	if (get && str_eq(path, STR(INVOCATION "next")))
		on_next(api, conn);
	else if (get && str_eq(path, STR(RUNTIME_PREFIX "runtime/restore/next")))
		runtime_on_restore_next(api, conn);
	else if (get && str_eq(path, STR("/2021-04-23/credentials")))
		runtime_on_credentials(api, conn);
	else if (post && str_eq(path, STR(RUNTIME_PREFIX "runtime/restore/error")))
		runtime_on_restore_error(api, conn);
	else if (post && str_starts(path, STR(INVOCATION)))
		route_invocation(api, conn, req, str_sub(path, sizeof INVOCATION - 1, path.n));
	else if (post && str_eq(path, STR(RUNTIME_PREFIX "runtime/init/error")))
		on_init_error_post(api, conn);
	else if (get && str_eq(path, STR(RUNTIME_PREFIX "ping")))
		runtime_reply_json(conn, 200, STR("pong"));
	else
		runtime_reply_fault(conn, 404, "NotFound", "no such operation");
}

typedef void report_event(struct runtime_api *api, struct http_blob *blob, struct str error_type);

/* Of init/error and restore/error. A report that cannot be taken is none: the phase goes on, and ends by the runtime's exit or by
 * its time limit. */
static void finish_report(struct runtime_api *api, struct http_conn *conn, struct http_request *req, enum http_body_result result,
                          enum runtime_state phase, report_event *tell)
{
	struct http_blob blob = {0};
	char type[128];
	struct str given = error_type(http_header(req, STR(RUNTIME_ERROR_TYPE)));
	snprintf(type, sizeof type, STR_FMT, STR_ARG(given));
	if (result != HTTP_BODY_OK || http_take_body(conn, &blob) < 0) {
		api->state = phase;
		reply_too_large(conn);
		return;
	}
	reply_accepted(conn);
	tell(api, &blob, str_from(type));
	http_blob_release(&blob);
}

/* An error in mid-stream comes as trailers behind the body: type, and the error object in base64. */
static void take_trailer_error(struct runtime_api *api, struct http_request *req, struct http_blob *blob, struct str *type)
{
	struct str given = http_trailer(req, STR(RUNTIME_ERROR_TYPE)), body = http_trailer(req, STR("Lambda-Runtime-Function-Error-Body"));
	size_t n;
	if (!given.p)
		return;
	api->error_answer = true;
	*type = error_type(given);
	char *object = malloc(body.n / 4 * 3 + 1);
	if (!object || base64_decode(object, &n, body) < 0) {
		free(object);
		return;
	}
	free(blob->data);
	blob->data = object;
	blob->len = n;
	object[n] = '\0';
}

static void on_body(struct http_conn *conn, struct http_request *req, enum http_body_result result)
{
	struct runtime_api *api = api_of(conn);
	api->answering = NULL;
	if (api->state == RUNTIME_INIT_ERROR) {
		finish_report(api, conn, req, result, RUNTIME_INIT, api->events->on_init_error);
		return;
	}
	if (api->state == RUNTIME_RESTORE_ERROR) {
		finish_report(api, conn, req, result, RUNTIME_RESTORING, api->events->on_restore_error);
		return;
	}
	struct http_blob blob = {0};
	if (result != HTTP_BODY_OK || http_take_body(conn, &blob) < 0) {
		fault(api, conn, result == HTTP_BODY_TOO_LARGE ? RUNTIME_FAULT_TOO_LARGE : RUNTIME_FAULT_NO_ROOM);
		return;
	}
	struct str type = error_type(http_header(req, STR(RUNTIME_ERROR_TYPE)));
	take_trailer_error(api, req, &blob, &type);
	api->state = RUNTIME_ANSWERED;
	/* Replies leave in the order in which they were given: the caller waits for the answer, nobody for the acknowledgement. */
	api->events->on_answer(api, &blob, api->error_answer, type);
	reply_accepted(conn);
	http_blob_release(&blob);
}

static void on_gone(struct http_conn *conn, enum http_gone why)
{
	struct runtime_api *api = api_of(conn);
	if (api->next == conn)
		api->next = NULL;
	if (api->answering != conn)
		return;
	api->answering = NULL;
	if (api->state == RUNTIME_INIT_ERROR) {
		api->state = RUNTIME_INIT;
	} else if (api->state == RUNTIME_RESTORE_ERROR) {
		api->state = RUNTIME_RESTORING;
	} else if (api->state == RUNTIME_ANSWERING) {
		api->state = RUNTIME_ANSWERED;
		api->events->on_fault(api, RUNTIME_FAULT_TRUNCATED);
	}
}

static const struct http_handler handler = {.on_request = on_request, .on_body = on_body, .on_gone = on_gone};

void runtime_api_init(struct runtime_api *api, struct ev_loop *loop, struct http_pool *pool, const struct runtime_api_events *events,
                      void *arg)
{
	*api = (struct runtime_api){.events = events, .arg = arg};
	http_server_init(&api->server, loop, &runtime_api_http_config, &handler, pool, api);
}

int runtime_api_listen(struct runtime_api *api, int listener, struct error *err)
{
	if (http_server_listen(&api->server, &api->listener, listener, err) == 0)
		return 0;
	close(listener);
	return -1;
}

void runtime_api_release(struct runtime_api *api)
{
	http_server_release(&api->server);
	http_blob_release(&api->event_payload);
	free(STEAL_PTR(api->event_context));
	free(STEAL_PTR(api->event_tenant));
	api->next = api->answering = NULL;
}
