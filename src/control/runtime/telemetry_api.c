/* The Telemetry API and the older Logs API: an extension subscribes. Whose it is, and faults, as the open runtime interface emulator
 * gives them; what the subscription says is the owner's to read. */
#include <stdio.h>

#include "control/runtime/runtime_priv.h"
#include "core/json/write.h"

#define BODY_MAX_BYTES 16384u
#define ANSWER_MAX_BYTES 1024u

static void reply_error(struct http_conn *conn, int status, const char *type, const char *message)
{
	struct buf out;
	struct json_writer w;
	buf_init(&out, ANSWER_MAX_BYTES);
	json_write_init(&w, &out);
	json_write_object(&w);
	json_write_key_z(&w, "errorMessage", message);
	json_write_key_z(&w, "errorType", type);
	json_write_close(&w);
	if (json_write_done(&w) == 0)
		runtime_reply_json(conn, status, buf_str(&out));
	else
		runtime_reply_fault(conn, status, type, "the request is not valid");
	buf_release(&out);
}

static void refuse_subscription(struct http_conn *conn, bool logs_api, const struct error *err)
{
	if (err->code == ERR_ACCESS_DENIED)
		reply_error(conn, 403, logs_api ? "Logs.SubscriptionClosed" : "Telemetry.SubscriptionClosed", err->msg);
	else if (err->code == ERR_INVALID)
		reply_error(conn, 400, "ValidationError", err->msg);
	else
		reply_error(conn, 500, "InternalServerError", err->msg);
}

static void subscribe(struct runtime_api *api, struct http_conn *conn, struct http_request *req, enum http_body_result result, bool logs_api)
{
	struct error err = {0};
	/* It may have failed while its body came. */
	const struct extension *e = runtime_extension_of(api, conn, req, true);
	if (!e)
		return;
	if (result != HTTP_BODY_OK)
		reply_error(conn, 400, "ValidationError", "the request body is too large");
	else if (api->events->subscribe(api, e, logs_api, req->body, &err) < 0)
		refuse_subscription(conn, logs_api, &err);
	else
		runtime_reply_json(conn, 200, STR("\"OK\""));
}

static void on_telemetry_body(struct runtime_api *api, struct http_conn *conn, struct http_request *req, enum http_body_result result)
{
	subscribe(api, conn, req, result, false);
}

static void on_logs_body(struct runtime_api *api, struct http_conn *conn, struct http_request *req, enum http_body_result result)
{
	subscribe(api, conn, req, result, true);
}

static const struct runtime_exchange telemetry_exchange = {.on_body = on_telemetry_body};
static const struct runtime_exchange logs_exchange = {.on_body = on_logs_body};

static void begin(struct runtime_api *api, struct http_conn *conn, struct http_request *req, const struct runtime_exchange *how)
{
	if (!runtime_extension_of(api, conn, req, true))
		return;
	runtime_follow(conn, how);
	http_read_body(conn, BODY_MAX_BYTES);
}

void runtime_on_telemetry(struct runtime_api *api, struct http_conn *conn, struct http_request *req, struct str rest)
{
	if (api->events->subscribe)
		begin(api, conn, req, &telemetry_exchange);
	else
		runtime_reply_fault(conn, 202, "Telemetry.NotSupported", "Telemetry API is not supported");
}

void runtime_on_logs(struct runtime_api *api, struct http_conn *conn, struct http_request *req, struct str rest)
{
	if (api->events->subscribe)
		begin(api, conn, req, &logs_exchange);
	else
		runtime_reply_fault(conn, 202, "Logs.NotSupported", "Logs API is not supported");
}
