/* An answer that is handed on piece by piece while the runtime still makes it. A piece goes on in the round in which it was read; when its
 * taker has enough, the connection is not read any more, and the runtime's write blocks. */
#include <stdlib.h>

#include "control/runtime/runtime_priv.h"
#include "core/base/codec.h"
#include "core/spec/limits.h"

bool runtime_take_trailer_error(struct http_request *req, struct http_blob *blob, struct str *type)
{
	struct str given = http_trailer(req, STR(RUNTIME_ERROR_TYPE)), body = http_trailer(req, STR("Lambda-Runtime-Function-Error-Body"));
	size_t n;
	if (!given.p)
		return false;
	*type = given;
	char *object = malloc(body.n / 4 * 3 + 1);
	if (!object || base64_decode(object, &n, body) < 0) {
		free(object);
		return true;
	}
	free(blob->data);
	blob->data = object;
	blob->len = n;
	object[n] = '\0';
	return true;
}

static void too_large(struct runtime_api *api, struct http_conn *conn)
{
	api->answering = NULL;
	api->state = RUNTIME_ANSWERED;
	runtime_reply_fault(conn, 413, "RequestEntityTooLarge", "Exceeded maximum allowed payload size (209715200 bytes).");
	api->events->on_fault(api, RUNTIME_FAULT_TOO_LARGE);
}

static void on_data(struct runtime_api *api, struct http_conn *conn, struct str data)
{
	_Static_assert(LIMIT_STREAM_BYTES == 209715200u, "as the text says");
	struct str fits = str_sub(data, 0, (size_t)(LIMIT_STREAM_BYTES - api->stream_bytes));
	api->stream_bytes += fits.n;
	if (fits.n && !api->events->on_stream_data(api, fits)) {
		api->stream_paused = true;
		http_pause_body(conn, true);
	}
	if (fits.n < data.n)
		too_large(api, conn);
}

static void on_end(struct runtime_api *api, struct http_conn *conn, struct http_request *req)
{
	struct http_blob error_object = {0};
	struct str type = STR("");
	api->answering = NULL;
	api->state = RUNTIME_ANSWERED;
	bool error = runtime_take_trailer_error(req, &error_object, &type);
	api->events->on_answer(api, &error_object, error, type);
	runtime_reply_accepted(conn);
	http_blob_release(&error_object);
}

static const struct runtime_exchange stream_exchange = {.on_data = on_data, .on_end = on_end, .on_gone = runtime_on_answer_gone};

void runtime_stream_answer(struct runtime_api *api, struct http_conn *conn, struct http_request *req)
{
	api->state = RUNTIME_ANSWERING;
	api->answering = conn;
	api->stream_bytes = 0;
	api->stream_paused = false;
	runtime_follow(conn, &stream_exchange);
	http_stream_body(conn, UINT64_MAX);
	api->events->on_stream_begin(api, http_header(req, STR("Content-Type")));
}

void runtime_api_resume(struct runtime_api *api)
{
	if (!api->stream_paused || !api->answering)
		return;
	api->stream_paused = false;
	http_pause_body(api->answering, false);
}
