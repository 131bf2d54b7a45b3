/* What routes answer alike: JSON, faults in the emulator's words, refusals by state. */
#include <ctype.h>
#include <stdio.h>

#include "control/runtime/runtime_priv.h"
#include "core/base/buf.h"
#include "core/base/check.h"
#include "core/json/write.h"

#define FAULT_MAX_BYTES 8192u

/* State names as the emulator prints them. */
static const char *const state_names[] = {
	[RUNTIME_INIT] = "Started",      [RUNTIME_INIT_ERROR] = "InitError",         [RUNTIME_READY] = "Ready",
	[RUNTIME_RUNNING] = "Running",   [RUNTIME_ANSWERING] = "InvocationResponse", [RUNTIME_ANSWERED] = "ResponseSent",
	[RUNTIME_RESTORE_READY] = "RestoreReady", [RUNTIME_RESTORING] = "Restoring",
	[RUNTIME_RESTORE_ERROR] = "RuntimeRestoreErrorState",
};

static const struct http_header json_type[] = {{STR("Content-Type"), STR("application/json")}};

void runtime_reply_json(struct http_conn *conn, int status, struct str body)
{
	http_reply(conn, &(struct http_reply){.status = status, .headers = json_type, .header_count = 1, .body = body});
}

void runtime_reply_fault(struct http_conn *conn, int status, const char *type, const char *message)
{
	struct json_writer w;
	struct buf out;
	buf_init(&out, FAULT_MAX_BYTES);
	json_write_init(&w, &out);
	json_write_object(&w);
	json_write_key_z(&w, "errorMessage", message); /* may hold foreign text, all of it short */
	json_write_key_z(&w, "errorType", type);
	json_write_close(&w);
	ASSERT(json_write_done(&w) == 0);
	runtime_reply_json(conn, status, buf_str(&out));
	buf_release(&out);
}

void runtime_reply_accepted(struct http_conn *conn)
{
	runtime_reply_json(conn, 202, STR("{\"status\":\"OK\"}\n"));
}

void runtime_reply_too_large(struct http_conn *conn)
{
	runtime_reply_fault(conn, 413, "RequestEntityTooLarge", "Exceeded maximum allowed payload size (6291556 bytes).");
}

void runtime_on_ping(struct runtime_api *api, struct http_conn *conn, struct http_request *req, struct str rest)
{
	runtime_reply_json(conn, 200, STR("pong"));
}

void runtime_refuse(struct runtime_api *api, struct http_conn *conn, const char *to)
{
	char message[200];
	snprintf(message, sizeof message, "State transition from %s to %s failed for runtime. Error: State transition is not allowed",
	         state_names[api->state], to);
	runtime_reply_fault(conn, 403, "InvalidStateTransition", message);
}

struct str runtime_error_type(struct str given)
{
	bool runtime = str_starts(given, STR("Runtime."));
	struct str name = runtime || str_starts(given, STR("Function.")) ? str_sub(given, runtime ? 8 : 9, given.n) : STR_NULL;
	bool ok = name.n >= 2 && name.n <= 100 && isupper((unsigned char)name.p[0]);
	for (size_t i = 1; ok && i < name.n; i++)
		ok = isalpha((unsigned char)name.p[i]);
	return ok ? given : given.n == 0 ? STR("") : runtime ? STR("Runtime.Unknown") : STR("Function.Unknown");
}
