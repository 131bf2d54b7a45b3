/* POST init/error and restore/error: a runtime says why one of its phases failed. */
#include <stdio.h>

#include "control/runtime/runtime_priv.h"
#include "core/spec/limits.h"

typedef void report_event(struct runtime_api *api, struct http_blob *blob, struct str error_type);

/* Of init/error and restore/error. A report that cannot be taken is none: the phase goes on, and ends by the runtime's exit or by
 * its time limit. */
static void finish_report(struct runtime_api *api, struct http_conn *conn, struct http_request *req, enum http_body_result result,
                          enum runtime_state phase, report_event *tell)
{
	struct http_blob blob = {0};
	char type[128];
	struct str given = runtime_error_type(http_header(req, STR(RUNTIME_ERROR_TYPE)));
	snprintf(type, sizeof type, STR_FMT, STR_ARG(given));
	if (result != HTTP_BODY_OK || http_take_body(conn, &blob) < 0) {
		api->state = phase;
		runtime_reply_too_large(conn);
		return;
	}
	runtime_reply_accepted(conn);
	tell(api, &blob, str_from(type));
	http_blob_release(&blob);
}

static void on_init_body(struct runtime_api *api, struct http_conn *conn, struct http_request *req, enum http_body_result result)
{
	api->answering = NULL;
	finish_report(api, conn, req, result, RUNTIME_INIT, api->events->on_init_error);
}

static void on_restore_body(struct runtime_api *api, struct http_conn *conn, struct http_request *req, enum http_body_result result)
{
	api->answering = NULL;
	finish_report(api, conn, req, result, RUNTIME_RESTORING, api->events->on_restore_error);
}

static void on_gone(struct runtime_api *api, struct http_conn *conn, enum http_gone why)
{
	if (api->answering != conn)
		return;
	api->answering = NULL;
	api->state = api->state == RUNTIME_INIT_ERROR ? RUNTIME_INIT : RUNTIME_RESTORING;
}

static const struct runtime_exchange init_exchange = {.on_body = on_init_body, .on_gone = on_gone};
static const struct runtime_exchange restore_exchange = {.on_body = on_restore_body, .on_gone = on_gone};

/* The state changes before its body is there: no other request may go on with the phase meanwhile. */
static void begin_report(struct runtime_api *api, struct http_conn *conn, enum runtime_state state, const struct runtime_exchange *how)
{
	api->state = state;
	api->answering = conn;
	runtime_follow(conn, how);
	http_read_body(conn, LIMIT_RESPONSE_BYTES);
}

void runtime_on_init_error(struct runtime_api *api, struct http_conn *conn, struct http_request *req, struct str rest)
{
	if (api->state != RUNTIME_INIT)
		runtime_refuse(api, conn, "InitError");
	else
		begin_report(api, conn, RUNTIME_INIT_ERROR, &init_exchange);
}

void runtime_on_restore_error(struct runtime_api *api, struct http_conn *conn, struct http_request *req, struct str rest)
{
	if (api->state != RUNTIME_RESTORING)
		runtime_refuse(api, conn, "RuntimeRestoreErrorState");
	else
		begin_report(api, conn, RUNTIME_RESTORE_ERROR, &restore_exchange);
}
