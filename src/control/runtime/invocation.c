/* One invocation at the Runtime API: `next`, the event, and the answer. */
#include <stdio.h>
#include <stdlib.h>

#include "control/runtime/runtime_priv.h"
#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/cleanup.h"
#include "core/spec/limits.h"

#define SMALL_PAYLOAD_BYTES 16384u

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

static void on_parked_gone(struct runtime_api *api, struct http_conn *conn, enum http_gone why)
{
	if (api->next == conn)
		api->next = NULL;
}

const struct runtime_exchange runtime_parked = {.on_gone = on_parked_gone};

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
	runtime_follow(conn, &runtime_parked);
	if (before == RUNTIME_INIT || before == RUNTIME_RESTORING)
		api->due = RUNTIME_DUE_READY;
	else if (before == RUNTIME_ANSWERED)
		api->due = RUNTIME_DUE_IDLE;
	runtime_settle(api);
}

void runtime_on_next(struct runtime_api *api, struct http_conn *conn, struct http_request *req, struct str rest)
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
	api->may_stream = event->stream;
	if (api->extensions)
		runtime_extensions_invoke(api, event);
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

/* ---- POST response, error ---- */

static void fault(struct runtime_api *api, struct http_conn *conn, enum runtime_fault kind)
{
	api->answering = NULL;
	api->state = RUNTIME_ANSWERED;
	if (kind == RUNTIME_FAULT_TOO_LARGE)
		runtime_reply_too_large(conn);
	else if (kind == RUNTIME_FAULT_NO_ROOM)
		runtime_reply_fault(conn, 500, "ServiceException", "There is no room for the answer now.");
	else if (kind == RUNTIME_FAULT_RESPONSE_MODE)
		runtime_reply_fault(conn, 400, "InvalidFunctionResponseMode", "Invalid function response mode");
	api->events->on_fault(api, kind);
}

static const struct runtime_exchange answer_exchange;

static void on_answer_post(struct runtime_api *api, struct http_conn *conn, struct http_request *req, bool error)
{
	struct str mode = http_header(req, STR("Lambda-Runtime-Function-Response-Mode"));
	api->answer_began_ns = clock_mono_ns();
	if (!error && mode.p && !str_case_eq(mode, STR("streaming"))) {
		fault(api, conn, RUNTIME_FAULT_RESPONSE_MODE);
		return;
	}
	if (mode.p && !error && api->may_stream) {
		runtime_stream_answer(api, conn, req);
		return;
	}
	api->state = RUNTIME_ANSWERING;
	api->answering = conn;
	api->error_answer = error;
	runtime_follow(conn, &answer_exchange);
	http_read_body(conn, LIMIT_RESPONSE_BYTES);
}

void runtime_on_invocation(struct runtime_api *api, struct http_conn *conn, struct http_request *req, struct str rest)
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

static void on_answer_body(struct runtime_api *api, struct http_conn *conn, struct http_request *req, enum http_body_result result)
{
	api->answering = NULL;
	struct http_blob blob = {0};
	if (result != HTTP_BODY_OK || http_take_body(conn, &blob) < 0) {
		fault(api, conn, result == HTTP_BODY_TOO_LARGE ? RUNTIME_FAULT_TOO_LARGE : RUNTIME_FAULT_NO_ROOM);
		return;
	}
	struct str type = runtime_error_type(http_header(req, STR(RUNTIME_ERROR_TYPE)));
	if (runtime_take_trailer_error(req, &blob, &type)) {
		api->error_answer = true;
		type = runtime_error_type(type);
	}
	api->state = RUNTIME_ANSWERED;
	/* Replies leave in the order in which they were given: the caller waits for the answer, nobody for the acknowledgement. */
	api->events->on_answer(api, &blob, api->error_answer, type);
	runtime_reply_accepted(conn);
	http_blob_release(&blob);
}

void runtime_on_answer_gone(struct runtime_api *api, struct http_conn *conn, enum http_gone why)
{
	if (api->answering != conn)
		return;
	api->answering = NULL;
	api->state = RUNTIME_ANSWERED;
	api->events->on_fault(api, RUNTIME_FAULT_TRUNCATED);
}

static const struct runtime_exchange answer_exchange = {.on_body = on_answer_body, .on_gone = runtime_on_answer_gone};
