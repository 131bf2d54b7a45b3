/* StartLiveTail: an event stream that says twice a second what has come. A client that reads slowly gets samples; sessions end after
 * three hours, with their client, and when the server drains. */
#include <stdlib.h>

#include "control/api/api_priv.h"
#include "control/logs/live_tail.h"
#include "control/logs/logs_api.h"
#include "core/base/clock.h"
#include "core/base/rand.h"
#include "core/eventstream/eventstream.h"
#include "core/json/write.h"

#define EVERY_NS (500 * NS_PER_MS)
#define SESSION_NS (3 * 3600 * NS_PER_S)
#define SESSIONS_MAX 15u               /* AWS's limit of an account and region */
#define QUEUED_MAX_BYTES (1u << 20)    /* a client that has more to read than this waits for its next update */

struct live_session {
	struct ev_timer timer;
	struct api_call *call;
	struct live_tail *tail;
	uint64_t end_ns;
};

#define MESSAGE(kind, name, type) \
	{EVENTSTREAM_TEXT(":message-type", kind), EVENTSTREAM_TEXT(":" kind "-type", name), EVENTSTREAM_TEXT(":content-type", type)}

static const struct eventstream_header initial[] = MESSAGE("event", "initial-response", "application/x-amz-json-1.1");
static const struct eventstream_header start[] = MESSAGE("event", "sessionStart", "application/json");
static const struct eventstream_header update[] = MESSAGE("event", "sessionUpdate", "application/json");
static const struct eventstream_header timed_out[] = MESSAGE("exception", "SessionTimeoutException", "application/json");

static void send(struct live_session *s, const struct eventstream_header headers[3], struct str json)
{
	struct buf frame;
	buf_init(&frame, LIVE_TAIL_JSON_MAX + 4096);
	if (eventstream_encode(&frame, headers, 3, json) == 0)
		http_reply_write(s->call->conn, (struct http_piece){.bytes = buf_str(&frame)});
	buf_release(&frame);
}

void api_live_tail_drop(struct api_call *call)
{
	struct live_session *s = call->live;
	if (!s)
		return;
	call->live = NULL;
	call->api->live_sessions--;
	ev_timer_stop(&s->timer);
	live_tail_free(s->tail);
	free(s);
}

static void finish(struct live_session *s)
{
	struct api_call *call = s->call;
	struct http_conn *conn = call->conn;
	call->conn = NULL;
	api_call_free(call); /* and the session */
	http_reply_end(conn, NULL, 0);
}

static void on_tick(struct ev_timer *timer)
{
	struct live_session *s = CONTAINER_OF(timer, struct live_session, timer);
	struct buf json;
	if (http_conn_server(s->call->conn)->draining) {
		finish(s);
		return;
	}
	if (clock_mono_ns() >= s->end_ns) {
		send(s, timed_out, STR("{\"message\":\"The session has timed out.\"}"));
		finish(s);
		return;
	}
	buf_init(&json, LIVE_TAIL_JSON_MAX);
	if (http_queued(s->call->conn) < QUEUED_MAX_BYTES && live_tail_update(s->tail, &json) == 0)
		send(s, update, buf_str(&json));
	buf_release(&json);
	ev_timer_after(s->call->api->deps.loop, timer, EVERY_NS);
}

static void begin(struct live_session *s)
{
	struct api_call *call = s->call;
	struct buf json;
	char id[UUID_SIZE];
	const struct http_header headers[] = {{STR("Content-Type"), STR("application/vnd.amazon.eventstream")},
	                                      {STR("x-amzn-RequestId"), str_from(call->request_id)}};
	uuid4(id);
	http_park(call->conn);
	http_reply_start(call->conn, &(struct http_reply){.status = 200, .headers = headers, .header_count = ARRAY_LEN(headers)}, -1);
	send(s, initial, STR("{}"));
	buf_init(&json, LIVE_TAIL_JSON_MAX);
	if (live_tail_start(s->tail, call->request_id, id, &json) == 0)
		send(s, start, buf_str(&json));
	buf_release(&json);
	s->end_ns = clock_mono_ns() + SESSION_NS;
	s->timer.cb = on_tick;
	ev_timer_after(call->api->deps.loop, &s->timer, EVERY_NS);
}

void api_live_tail(struct api_call *call)
{
	struct error err = {0};
	struct live_session *s = NULL;
	struct live_tail *tail = NULL;
	if (call->api->live_sessions >= SESSIONS_MAX)
		error_set(&err, ERR_THROTTLED, "You have reached the maximum number of concurrent Live Tail sessions: %u.", SESSIONS_MAX);
	else if ((tail = live_tail_new(call->api->deps.logs, call->json, &err)) && !(s = calloc(1, sizeof *s)))
		error_set(&err, ERR_NO_MEMORY, "no memory for a live tail");
	if (!s) {
		int status;
		const char *type = logs_api_error_type(&err, &status);
		live_tail_free(tail);
		api_fail_type(call, status, type, "message", err.msg, NULL);
		return;
	}
	s->call = call;
	s->tail = tail;
	call->live = s;
	call->api->live_sessions++;
	if (call->conn)
		begin(s);
	else
		api_call_free(call);
}
