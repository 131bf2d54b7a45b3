/* From an invocation back to the client of a function URL: buffered, streamed, refused. */
#include <stdlib.h>
#include <string.h>

#include "control/api/url_priv.h"
#include "control/metrics/metrics.h"
#include "core/base/log.h"
#include "core/json/write.h"

#define FORBIDDEN_BODY "{\"Message\":\"Forbidden. For troubleshooting Function URL authorization issues, see: " \
	"https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html\"}"
#define ERROR_BODY_MAX 1024u

static const struct {
	int status;
	const char *type, *body;
} refusals[] = {
	[URL_FORBIDDEN] = {403, "AccessDeniedException", FORBIDDEN_BODY},
	[URL_UNKNOWN] = {403, "AccessDeniedException", "{\"Message\":null}"},
	[URL_TOO_LARGE] = {413, "RequestEntityTooLargeException", "{\"Message\":\"Request must be smaller than 6291456 bytes for the InvokeFunction operation\"}"},
	[URL_NO_ROOM] = {429, "TooManyRequestsException", "{\"Reason\":\"ConcurrentInvocationLimitExceeded\",\"Type\":\"User\",\"message\":\"Rate Exceeded.\"}"},
	[URL_NOT_READY] = {503, "ServiceUnavailableException", "{\"Message\":\"Service Unavailable\"}"},
	[URL_FAILED] = {502, NULL, "Internal Server Error"},
};

/* ---- one answer ---- */

static void count(const struct api_call *call, int status)
{
	struct metrics *m = call->api->deps.metrics;
	if (!m || !call->ref.name.p)
		return;
	unsigned function = metrics_function(m, call->ref.name);
	metrics_add(m, METRIC_URL_REQUESTS, function, 0, 1);
	if (status >= 400)
		metrics_add(m, status >= 500 ? METRIC_URL_5XX : METRIC_URL_4XX, function, 0, 1);
}

/* What the platform says beside the function. */
static void add_own(struct api_call *call, bool preflight)
{
	struct url_call *u = call->url;
	struct http_header cors[URL_CORS_HEADERS_MAX];
	url_answer_add(&u->answer, STR("x-amzn-RequestId"), str_from(call->request_id));
	if (*call->inv.trace_id)
		url_answer_add(&u->answer, STR("X-Amzn-Trace-Id"), str_from(call->inv.trace_id));
	if (!u->cors)
		return;
	url_answer_drop(&u->answer, url_cors_owns);
	unsigned n = url_cors_headers(u->cors, &u->cors_request, preflight, &call->arena, cors);
	for (unsigned i = 0; i < n; i++)
		url_answer_add(&u->answer, cors[i].name, cors[i].value);
}

static struct http_reply reply_of(const struct api_call *call)
{
	const struct url_answer *a = &call->url->answer;
	return (struct http_reply){.status = a->status, .headers = a->headers, .header_count = a->header_count};
}

/* The call is over for its client, not yet for us. */
static void send(struct api_call *call)
{
	struct invocation *inv = &call->inv;
	const struct url_answer *a = &call->url->answer;
	add_own(call, false);
	count(call, a->status);
	struct http_reply reply = reply_of(call);
	if (call->conn && a->body.n && a->body.p == inv->answer.data && a->body.n == inv->answer.len) {
		http_reply_blob(call->conn, &reply, &inv->answer);
	} else if (call->conn) {
		reply.body = a->body;
		http_reply(call->conn, &reply);
	}
	call->conn = NULL;
}

static void put_refusal(struct api_call *call, int status, const char *type, struct str body)
{
	struct url_answer *a = &call->url->answer;
	url_answer_release(a);
	url_answer_bytes(a, STR("application/json"), body);
	a->status = status;
	if (type)
		url_answer_add(a, STR("x-amzn-ErrorType"), str_from(type));
	send(call);
}

static void refuse(struct api_call *call, enum url_refusal why)
{
	put_refusal(call, refusals[why].status, refusals[why].type, str_from(refusals[why].body));
}

void url_refuse(struct api_call *call, enum url_refusal why)
{
	refuse(call, why);
	api_call_free(call);
}

void url_preflight(struct api_call *call)
{
	struct url_answer *a = &call->url->answer;
	url_answer_bytes(a, STR_NULL, STR(""));
	a->header_count = 0; /* nothing is in it, so it has no type */
	add_own(call, true);
	count(call, a->status);
	struct http_reply reply = reply_of(call);
	http_reply(call->conn, &reply);
	call->conn = NULL;
	api_call_free(call);
}

/* ---- invocations that never ran ---- */

static void write_refusal(struct buf *out, const struct error *err, const char *reason)
{
	struct json_writer w;
	const struct error_info *info = error_info(err->code);
	json_write_init(&w, out);
	json_write_object(&w);
	if (reason)
		json_write_key_z(&w, "Reason", reason);
	json_write_key_z(&w, "Type", info->http_status >= 500 ? "Service" : "User");
	json_write_key_z(&w, info->body_key, err->code == ERR_THROTTLED ? "Rate Exceeded." : err->msg);
	json_write_close(&w);
}

static void put_error(struct api_call *call, const struct error *err, const char *reason)
{
	const struct error_info *info = error_info(err->code);
	struct buf body;
	switch (err->code) {
	case ERR_NOT_FOUND:
		refuse(call, URL_UNKNOWN);
		return;
	case ERR_CONFLICT:
	case ERR_SNAP_START_NOT_READY:
		refuse(call, URL_NOT_READY);
		return;
	case ERR_SNAP_START: /* the function's own hooks */
	case ERR_SNAP_START_TIMEOUT:
		refuse(call, URL_FAILED);
		return;
	default:
		break;
	}
	if (info->http_status >= 500) {
		log_error("URL of " STR_FMT ", request %s: %s", STR_ARG(call->ref.name), call->request_id, err->msg);
		refuse(call, URL_FAILED);
		return;
	}
	buf_init(&body, ERROR_BODY_MAX);
	write_refusal(&body, err, reason);
	put_refusal(call, info->http_status, info->aws_type, buf_str(&body));
	buf_release(&body);
}

void url_refuse_error(struct api_call *call, const struct error *err, const char *reason)
{
	put_error(call, err, reason);
	api_call_free(call);
}

/* ---- streams ---- */

static void start_stream(struct api_call *call)
{
	add_own(call, false);
	count(call, call->url->answer.status);
	struct http_reply reply = reply_of(call);
	http_reply_start(call->conn, &reply, -1);
	call->url->started = true;
}

static void on_begin(struct invocation *inv, struct str content_type)
{
	struct api_call *call = inv->arg;
	struct url_call *u = call->url;
	if (!call->conn)
		return;
	u->prelude_due = url_prelude_announced(content_type);
	if (u->prelude_due)
		return;
	struct str type = {content_type.n ? arena_strdup(&call->arena, content_type) : NULL, content_type.n};
	url_answer_bytes(&u->answer, type.p ? type : STR_NULL, STR(""));
	start_stream(call);
}

/* Takes the prelude off the bytes. 1: the rest is the body; 0: more is needed; -1: it is none, and that was said. */
static int take_prelude(struct api_call *call, struct str *bytes)
{
	struct url_call *u = call->url;
	struct str rest = STR_NULL;
	int rc = url_prelude_feed(&u->prelude, *bytes, &rest);
	if (rc == 1 && !u->started) {
		rc = url_answer_prelude(&u->answer, buf_str(&u->prelude.json)) < 0 ? -1 : 1;
		if (rc == 1)
			start_stream(call);
	}
	if (rc < 0)
		refuse(call, URL_FAILED);
	*bytes = rest;
	return rc;
}

/* A client that has gone: the function goes on, as on AWS, and nobody hears it. */
static bool on_data(struct invocation *inv, struct str bytes)
{
	struct api_call *call = inv->arg;
	if (!call->conn || (call->url->prelude_due && take_prelude(call, &bytes) < 1) || bytes.n == 0)
		return true;
	call->stream_full = !http_reply_write(call->conn, (struct http_piece){.bytes = bytes});
	return !call->stream_full;
}

const struct invocation_sink url_sink = {.begin = on_begin, .data = on_data};

/* True: answered. */
static bool end_stream(struct api_call *call)
{
	const struct invocation *inv = &call->inv;
	if (!call->url->started)
		return false;
	if (call->conn && inv->outcome == INVOKE_ANSWERED)
		http_reply_end(call->conn, NULL, 0);
	else if (call->conn)
		http_abort(call->conn); /* so that nobody takes a part for the whole */
	call->conn = NULL;
	return true;
}

/* ---- the end of an invocation ---- */

static void free_call(struct api_call *call)
{
	struct invocation *inv = &call->inv;
	http_blob_release(&inv->answer);
	function_version_unref(inv->version);
	free(inv->log_tail);
	api_call_free(call);
}

static void reply_parsed(struct api_call *call)
{
	if (call->url->malformed)
		refuse(call, URL_FAILED);
	else
		send(call);
	free_call(call);
}

static struct str answer_of(const struct invocation *inv)
{
	return inv->answer.data ? (struct str){inv->answer.data, inv->answer.len} : STR("");
}

static void parse_job(struct ev_job *job)
{
	struct url_call *u = CONTAINER_OF(job, struct url_call, job);
	u->malformed = url_answer_parse(&u->answer, answer_of(&u->call->inv));
}

static void on_parsed(struct ev_job *job)
{
	reply_parsed(CONTAINER_OF(job, struct url_call, job)->call);
}

static void reply_answer(struct api_call *call)
{
	struct url_call *u = call->url;
	u->job = (struct ev_job){.work = parse_job, .done = on_parsed};
	if (call->inv.answer.len > API_INLINE_BYTES) {
		ev_pool_submit(call->api->deps.pool, call->api->deps.loop, &u->job);
		return;
	}
	parse_job(&u->job);
	reply_parsed(call);
}

void url_done(struct invocation *inv)
{
	struct api_call *call = inv->arg;
	if (end_stream(call)) {
		free_call(call);
	} else if (inv->outcome == INVOKE_REFUSED) {
		put_error(call, &inv->refusal, inv->refusal.code == ERR_THROTTLED ? inv->throttle_reason : NULL);
		free_call(call);
	} else if (inv->outcome == INVOKE_FUNCTION_ERROR || inv->streamed || !call->conn) {
		if (call->conn)
			refuse(call, URL_FAILED);
		free_call(call);
	} else if (call->url->stream) { /* a function that does not stream: as it stands, like InvokeWithResponseStream */
		url_answer_bytes(&call->url->answer, STR("application/json"), answer_of(inv));
		send(call);
		free_call(call);
	} else {
		reply_answer(call);
	}
}
