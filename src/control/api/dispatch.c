/* From a checked request to its handler. */
#include <string.h>

#include "control/api/api_priv.h"
#include "core/json/value.h"

#define BODY_DEPTH_MAX 64

void api_body_parse(struct api_call *call)
{
	struct str text = {call->body.data, call->body.len};
	struct buf rest;
	buf_init(&rest, API_JSON_BODY_MAX);
	if (call->service == SERVICE_STS || call->row || text.n == 0)
		return;
	if (call->route && call->route->flags & ROUTE_CODE) {
		int rc = api_zip_cut(&call->body, &rest, &call->zip);
		if (rc < 0) {
			error_set(&call->bad_body, ERR_BAD_PAYLOAD, "Could not parse request body into json: Failed to decode ZipFile as base64");
			return;
		}
		call->has_zip = rc > 0;
		text = rc > 0 ? buf_str(&rest) : text;
	}
	struct json_limits limits = {.max_bytes = call->service == SERVICE_LOGS ? API_LOGS_BODY_MAX : API_JSON_BODY_MAX, .max_depth = BODY_DEPTH_MAX};
	call->json = json_value_load_object(text, &limits, &call->bad_body);
	if (!call->json && call->bad_body.code == ERR_TOO_LARGE && text.n <= API_JSON_BODY_MAX)
		error_set(&call->bad_body, ERR_BAD_PAYLOAD, "Document nesting depth exceeds the maximum allowed (%d)", BODY_DEPTH_MAX);
	buf_release(&rest);
}

static bool body_is_bad(struct api_call *call)
{
	if (!call->bad_body.code)
		return false;
	if (call->bad_body.code == ERR_TOO_LARGE)
		api_fail(call, ERR_TOO_LARGE, "Request must be smaller than %llu bytes for the " STR_FMT " operation",
		         (unsigned long long)call->body_max, STR_ARG(call->operation));
	else
		api_fail(call, ERR_BAD_PAYLOAD, "Could not parse request body into json: %s", call->bad_body.msg);
	return true;
}

static void dispatch_lambda(struct api_call *call)
{
	if (body_is_bad(call) || (call->route->rules && !api_validate(call, call->route->rules)))
		return;
	if (call->route->handle)
		call->route->handle(call);
	else
		api_fail(call, ERR_UNSUPPORTED, "The operation " STR_FMT " is not implemented by this server: %s.", STR_ARG(call->operation),
		         call->route->note);
}

void api_dispatch(struct api_call *call)
{
	call->working = true; /* until it is answered */
	switch (call->service) {
	case SERVICE_LAMBDA:
		dispatch_lambda(call);
		break;
	case SERVICE_STS:
		api_sts(call);
		break;
	case SERVICE_LOGS:
		api_logs(call);
		break;
	case SERVICE_MAYFLY:
		api_mayfly(call);
		break;
	case SERVICE_ROW:
		api_service_dispatch(call);
		break;
	}
}

/* ---- CloudWatch Logs: a part of its own, which is only handed on to ---- */

static void on_logs_answer(void *answer, int status, const char *type, struct str body)
{
	struct api_call *call = answer;
	if (!type) {
		api_reply_text(call, status, "application/x-amz-json-1.1", body);
		return;
	}
	const char *message = arena_strdup(&call->arena, body);
	api_fail_type(call, status, type, "message", message ? message : "", NULL);
}

void api_logs(struct api_call *call)
{
	struct api_deps *deps = &call->api->deps;
	if (call->bad_body.code)
		api_fail_type(call, 400, "SerializationException", "message", call->bad_body.msg, NULL);
	else if (deps->logs && str_eqz(call->operation, "StartLiveTail"))
		api_live_tail(call);
	else if (deps->logs_call)
		deps->logs_call(deps->logs_arg, call->operation, call->json, on_logs_answer, call);
	else
		api_fail(call, ERR_UNSUPPORTED, "The operation " STR_FMT " is not implemented by this server.",
		         STR_ARG(call->operation));
}
