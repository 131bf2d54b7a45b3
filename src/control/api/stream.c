/* InvokeWithResponseStream: the answer is an event stream. Each piece that the function writes becomes a PayloadChunk and leaves in the
 * round in which it came; InvokeComplete ends it. The client's speed is the function's: see struct invocation_sink. */
#include <stdlib.h>
#include <string.h>

#include "control/api/api_priv.h"
#include "control/logs/logs.h"
#include "core/eventstream/eventstream.h"
#include "core/json/write.h"

#define HEAD_BYTES 256u /* of a chunk's frame, with room to spare */

static const struct eventstream_header chunk_headers[] = {
	EVENTSTREAM_TEXT(":event-type", "PayloadChunk"),
	EVENTSTREAM_TEXT(":content-type", "application/octet-stream"),
	EVENTSTREAM_TEXT(":message-type", "event"),
};
static const struct eventstream_header complete_headers[] = {
	EVENTSTREAM_TEXT(":event-type", "InvokeComplete"),
	EVENTSTREAM_TEXT(":content-type", "application/json"),
	EVENTSTREAM_TEXT(":message-type", "event"),
};

static void start(struct api_call *call)
{
	struct http_header headers[API_INVOKE_HEADERS + 1] = {{STR("Content-Type"), STR("application/vnd.amazon.eventstream")}};
	unsigned n = 1 + api_invoke_headers(call, headers + 1);
	http_reply_start(call->conn, &(struct http_reply){.status = 200, .headers = headers, .header_count = n}, -1);
}

/* One frame, in one chunk of HTTP; `payload` says who owns its bytes. */
static bool send_chunk(struct api_call *call, const struct http_piece *payload)
{
	char room[HEAD_BYTES];
	unsigned char tail[4];
	struct buf head = {.data = room, .cap = sizeof room, .max = sizeof room};
	ASSERT(eventstream_frame(&head, chunk_headers, ARRAY_LEN(chunk_headers), payload->bytes, tail) == 0);
	struct http_piece pieces[] = {
		{.bytes = buf_str(&head)},
		*payload,
		{.bytes = {(const char *)tail, sizeof tail}},
	};
	return http_reply_write_pieces(call->conn, pieces, ARRAY_LEN(pieces));
}

/* ---- while the function answers ---- */

static void on_begin(struct invocation *inv, struct str content_type)
{
	struct api_call *call = inv->arg;
	if (call->conn)
		start(call);
}

/* A client that has gone: the function goes on, as on AWS, and nobody hears it. */
static bool on_data(struct invocation *inv, struct str bytes)
{
	struct api_call *call = inv->arg;
	if (call->conn)
		call->stream_full = !send_chunk(call, &(struct http_piece){.bytes = bytes});
	return !call->stream_full;
}

const struct invocation_sink api_stream_sink = {.begin = on_begin, .data = on_data};

void api_stream_flow(struct api_call *call)
{
	if (!call->stream_full)
		return;
	call->stream_full = false;
	invoke_stream_resume(&call->inv);
}

/* ---- the end ---- */

static void drop_blob(void *arg)
{
	http_blob_release(arg);
	free(arg);
}

/* The answer of a function that does not stream, where it lies. */
static void send_answer(struct api_call *call)
{
	struct http_blob *blob = malloc(sizeof *blob);
	struct http_piece piece = {.bytes = {call->inv.answer.data, call->inv.answer.len}};
	if (blob) {
		*blob = call->inv.answer;
		call->inv.answer = (struct http_blob){0};
		piece.release = drop_blob;
		piece.arg = blob;
	}
	send_chunk(call, &piece); /* without that much memory: copied, or broken */
}

static int write_complete(struct buf *json, const struct invocation *inv, bool details)
{
	struct json_writer w;
	json_write_init(&w, json);
	json_write_object(&w);
	if (inv->outcome == INVOKE_FUNCTION_ERROR) {
		json_write_key_z(&w, "ErrorCode", *inv->stream_error ? inv->stream_error : "Unhandled");
		if (details)
			json_write_key_str(&w, "ErrorDetails", (struct str){inv->answer.data ? inv->answer.data : "", inv->answer.len});
	}
	if (inv->tail) {
		char text[BASE64_SIZE(LOG_TAIL_BYTES)];
		size_t n = inv->log_tail_len < LOG_TAIL_BYTES ? inv->log_tail_len : LOG_TAIL_BYTES;
		json_write_key_str(&w, "LogResult", (struct str){text, base64_encode(text, inv->log_tail ? inv->log_tail : "", n)});
	}
	json_write_close(&w);
	return json_write_done(&w);
}

static void send_complete(struct api_call *call)
{
	struct buf json, frame;
	buf_init(&json, EVENTSTREAM_PAYLOAD_MAX);
	buf_init(&frame, EVENTSTREAM_PAYLOAD_MAX + HEAD_BYTES);
	if (write_complete(&json, &call->inv, true) < 0) { /* an error object that is too long to be told */
		buf_clear(&json);
		write_complete(&json, &call->inv, false);
	}
	if (eventstream_encode(&frame, complete_headers, ARRAY_LEN(complete_headers), buf_str(&json)) == 0)
		http_reply_write(call->conn, (struct http_piece){.bytes = buf_str(&frame)});
	buf_release(&json);
	buf_release(&frame);
}

void api_stream_done(struct api_call *call)
{
	struct invocation *inv = &call->inv;
	if (!call->conn)
		return;
	if (!inv->streamed) {
		start(call);
		if (inv->outcome == INVOKE_ANSWERED && inv->answer.len)
			send_answer(call);
	}
	send_complete(call);
	http_reply_end(call->conn, NULL, 0);
	call->conn = NULL;
}
