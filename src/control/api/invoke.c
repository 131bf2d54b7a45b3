/* Invoke: the hot path. No JSON is parsed, nothing is looked up but the function, memory comes from the call. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/api/api_priv.h"
#include "control/api/rules.h"
#include "control/events/async.h"
#include "core/json/check.h"
#include "core/spec/limits.h"

#define CLIENT_CONTEXT_MAX 3583
#define TENANT_HEADER "X-Amz-Tenant-Id"
#define EXECUTION_HEADER "X-Amz-Durable-Execution-Name"

enum { KIND_RESPONSE, KIND_EVENT, KIND_DRY_RUN };

static const struct http_header type_header = {STR("Content-Type"), STR("application/json")};

/* ---- the answer ---- */

static void fail_refused(struct api_call *call)
{
	const struct invocation *inv = &call->inv;
	const struct error_info *info = error_info(inv->refusal.code);
	bool throttled = inv->refusal.code == ERR_THROTTLED;
	api_fail_type(call, info->http_status, info->aws_type, info->body_key, throttled ? "Rate Exceeded." : inv->refusal.msg,
	              throttled ? inv->throttle_reason : NULL);
}

bool api_is_stream(const struct api_call *call)
{
	return call->route && call->route->handle == api_invoke_with_response_stream;
}

unsigned api_invoke_headers(const struct api_call *call, struct http_header headers[API_INVOKE_HEADERS])
{
	const struct invocation *inv = &call->inv;
	unsigned n = 0;
	headers[n++] = (struct http_header){STR("x-amzn-RequestId"), {inv->request_id, UUID_SIZE - 1}};
	headers[n++] = (struct http_header){STR("X-Amz-Executed-Version"), str_from(inv->version->version)};
	headers[n++] = (struct http_header){STR("x-amzn-Remapped-Content-Length"), STR("0")};
	headers[n++] = (struct http_header){STR("X-Amzn-Trace-Id"), str_from(inv->trace_id)};
	return n;
}

static void reply_answer(struct api_call *call)
{
	struct invocation *inv = &call->inv;
	struct http_header headers[API_INVOKE_HEADERS + 3] = {type_header};
	unsigned n = 1 + api_invoke_headers(call, headers + 1);
	if (inv->outcome == INVOKE_FUNCTION_ERROR)
		headers[n++] = (struct http_header){STR("X-Amz-Function-Error"), STR("Unhandled")};
	if (inv->tail) {
		char *text = arena_alloc(&call->arena, BASE64_SIZE(inv->log_tail_len));
		size_t len = text ? base64_encode(text, inv->log_tail ? inv->log_tail : "", inv->log_tail_len) : 0;
		headers[n++] = (struct http_header){STR("X-Amz-Log-Result"), {text, len}};
	}
	struct http_reply reply = {.status = 200, .headers = headers, .header_count = n};
	if (call->conn)
		http_reply_blob(call->conn, &reply, &inv->answer);
	call->conn = NULL;
}

static void on_done(struct invocation *inv)
{
	struct api_call *call = inv->arg;
	if (inv->outcome == INVOKE_REFUSED && call->conn) {
		/* The failing reply frees the call. */
		struct function_version *version = inv->version;
		char *tail = inv->log_tail;
		http_blob_release(&inv->answer);
		memcpy(call->request_id, inv->request_id, UUID_SIZE);
		fail_refused(call);
		function_version_unref(version);
		free(tail);
		return;
	}
	if (api_is_stream(call))
		api_stream_done(call);
	else
		reply_answer(call);
	http_blob_release(&inv->answer);
	function_version_unref(inv->version);
	free(inv->log_tail);
	api_call_free(call);
}

/* ---- the request ---- */

static bool read_context(struct api_call *call)
{
	struct str sent = api_header(call, "X-Amz-Client-Context");
	struct json_check check;
	size_t n = 0;
	if (!sent.p)
		return true;
	char *text = arena_alloc(&call->arena, sent.n + 1);
	if (sent.n > CLIENT_CONTEXT_MAX * 4 / 3 + 4 || !text || base64_decode(text, &n, sent) < 0 || n > CLIENT_CONTEXT_MAX ||
	    json_check_all(&check, text, n) < 0) {
		api_fail(call, ERR_BAD_PAYLOAD, "Could not parse request body into json: Client context must be a valid Base64-encoded "
		         "JSON object of at most %d bytes.", CLIENT_CONTEXT_MAX);
		return false;
	}
	call->inv.client_context = (struct str){text, n};
	return true;
}

static struct str keep(struct api_call *call, struct str s)
{
	return s.p ? (struct str){arena_strdup(&call->arena, s), s.n} : s;
}

static int kind_of(struct str sent)
{
	return !sent.p || str_eqz(sent, "RequestResponse") ? KIND_RESPONSE : str_eqz(sent, "Event") ? KIND_EVENT : KIND_DRY_RUN;
}

static void set_arn(struct api_call *call)
{
	if (call->ref.qualifier.p)
		registry_arn(call->api->deps.registry, call->arn, call->ref.name, call->ref.qualifier);
}

static void submit(struct api_call *call, const struct registry_target *target)
{
	struct invocation *inv = &call->inv;
	set_arn(call);
	inv->version = function_version_ref(target->version);
	inv->invoked_arn = call->ref.qualifier.p ? call->arn : target->version->arn;
	inv->reserved = target->reserved;
	inv->payload = call->body;
	call->body = (struct http_blob){0};
	inv->tail = str_eqz(api_header(call, "X-Amz-Log-Type"), "Tail");
	inv->trace_header = keep(call, api_header(call, "X-Amzn-Trace-Id"));
	inv->tenant = keep(call, api_header(call, TENANT_HEADER));
	inv->registry = call->api->deps.registry;
	inv->renew = invoke_renew;
	inv->done = on_done;
	if (api_is_stream(call))
		inv->sink = &api_stream_sink;
	inv->arg = call;
	call->working = true;
	if (call->conn)
		http_park(call->conn);
	invoke_submit(call->api->deps.invoke, inv);
}

/* ---- asynchronous ---- */

static void on_accepted(void *arg, const char *request_id, const struct error *err)
{
	struct api_call *call = arg;
	str_copy(call->request_id, sizeof call->request_id, str_from(request_id));
	if (!err)
		api_reply_empty(call, 202);
	else if (err->code == ERR_THROTTLED)
		api_fail_type(call, 429, "TooManyRequestsException", "message", "Rate Exceeded.", "ConcurrentInvocationLimitExceeded");
	else
		api_fail_error(call, err);
}

static void accept_event(struct api_call *call)
{
	struct async *async = call->api->deps.async;
	struct async_event event = {.function = &call->ref, .payload = {call->body.data, call->body.len},
	                            .trace_header = keep(call, api_header(call, "X-Amzn-Trace-Id")),
	                            .tenant = keep(call, api_header(call, TENANT_HEADER))};
	if (!async) {
		api_fail(call, ERR_UNSUPPORTED, "Invoke with InvocationType Event is not implemented by this server.");
		return;
	}
	memcpy(event.request_id, call->request_id, sizeof event.request_id);
	call->working = true;
	if (call->conn)
		http_park(call->conn);
	async_accept(async, &event, on_accepted, call);
}

static bool is_event_operation(const struct api_call *call)
{
	return call->operation.n == strlen("InvokeAsync") && str_eqz(call->operation, "InvokeAsync");
}

static void fail_too_large(struct api_call *call, unsigned long long sent, struct str kind)
{
	unsigned limit = str_eqz(kind, "Event") ? LIMIT_EVENT_BYTES : LIMIT_PAYLOAD_BYTES;
	api_fail(call, ERR_PAYLOAD_TOO_LARGE, "%llu byte payload is too large for the " STR_FMT " invocation type (limit %u bytes)",
	         sent, STR_ARG(kind), limit);
}

static bool is_one_of(struct str s, const char *a, const char *b, const char *c)
{
	return !s.p || str_eqz(s, a) || str_eqz(s, b) || str_eqz(s, c);
}

/* What nearly every call looks like, seen without running patterns. */
static bool plain(const struct api_call *call)
{
	struct function_ref ref;
	struct str name = api_param(call, "FunctionName");
	return name.n <= FUNCTION_NAME_MAX && !memchr(name.p, ':', name.n) && call->query_count == 0 &&
	       function_ref_parse(&ref, name) && !api_header(call, TENANT_HEADER).p &&
	       !api_header(call, EXECUTION_HEADER).p && is_one_of(api_header(call, "X-Amz-Log-Type"), "None", "Tail", "None") &&
	       is_one_of(api_header(call, "X-Amz-Invocation-Type"), "RequestResponse", api_is_stream(call) ? "DryRun" : "Event", "DryRun");
}

/* Everything but the payload's form. */
static bool check_request(struct api_call *call, struct registry_target *target, int *kind)
{
	struct error err = {0};
	if ((!plain(call) && !api_validate(call, api_is_stream(call) ? &rules_invoke_stream : &rules_invoke)) || !api_function_ref(call, &call->ref))
		return false;
	*kind = is_event_operation(call) ? KIND_EVENT : kind_of(api_header(call, "X-Amz-Invocation-Type"));
	if (*kind == KIND_EVENT && call->body.len > LIMIT_EVENT_BYTES) {
		fail_too_large(call, call->body.len, STR("Event"));
		return false;
	}
	if (!read_context(call))
		return false;
	if (api_header(call, EXECUTION_HEADER).p && !api_is_stream(call)) {
		api_fail(call, ERR_INVALID, "DurableExecutionName is only supported for durable functions, which this server does not run.");
		return false;
	}
	if (registry_resolve(call->api->deps.registry, call->ref.name, call->ref.qualifier, target, &err) < 0 ||
	    function_version_check_tenant(target->version, api_header(call, TENANT_HEADER), &err) < 0) {
		api_fail_error(call, &err);
		return false;
	}
	return true;
}

/* Of an event this is found out when it is invoked, and goes to its failure destination. */
static bool may_recur(struct api_call *call)
{
	struct error err = {0};
	struct str trace = api_header(call, "X-Amzn-Trace-Id");
	if (!trace.p || invoke_check_recursion(call->api->deps.registry, call->ref.name, trace, &err) == 0)
		return true;
	api_fail_error(call, &err);
	return false;
}

static void run(struct api_call *call)
{
	struct registry_target target;
	int kind;
	if (!check_request(call, &target, &kind))
		return;
	if (call->bad_payload) {
		api_fail(call, ERR_BAD_PAYLOAD, "Could not parse request body into json: Could not parse payload into json: %s",
		         call->bad_payload);
		return;
	}
	switch (kind) {
	case KIND_RESPONSE:
		if (may_recur(call))
			submit(call, &target);
		break;
	case KIND_EVENT:
		accept_event(call);
		break;
	default:
		api_reply_empty(call, 204);
	}
}

void api_invoke_check(struct api_call *call)
{
	struct json_check check;
	if (call->body.len == 0 || json_check_all(&check, call->body.data, call->body.len) == 0)
		return;
	char *text = arena_alloc(&call->arena, JSON_CHECK_MESSAGE_SIZE);
	call->bad_payload = text ? json_check_message(&check, text, JSON_CHECK_MESSAGE_SIZE) : "no memory";
}

/* What needs the request's headers is asked of it now, so it must still be there. */
void api_invoke_checked(struct api_call *call)
{
	if (call->conn)
		run(call);
	else
		api_call_free(call);
}

void api_invoke_body(struct api_call *call, struct http_request *req)
{
	if (http_take_body(call->conn, &call->body) < 0) {
		api_fail(call, ERR_NO_MEMORY, "no memory for the request");
		return;
	}
	api_invoke_check(call);
	run(call);
}

void api_invoke_too_large(struct api_call *call, struct http_request *req)
{
	unsigned long long sent = req->framing == HTTP_LENGTH ? req->content_length : LIMIT_PAYLOAD_BYTES + 1ull;
	struct str kind = is_event_operation(call) ? STR("Event") : http_header(req, STR("X-Amz-Invocation-Type"));
	fail_too_large(call, sent, kind.p ? kind : STR("RequestResponse"));
}

void api_invoke_with_response_stream(struct api_call *call)
{
	UNREACHABLE(); /* as api_invoke */
}

void api_invoke(struct api_call *call)
{
	UNREACHABLE(); /* the door takes Invoke past the dispatcher */
}
