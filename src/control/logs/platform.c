/* The platform's own lines, in Lambda's Text and JSON forms. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control/logs/logs_priv.h"
#include "control/logs/platform_json.h"
#include "core/base/clock.h"
#include "core/base/codec.h"
#include "core/json/write.h"
#include "core/spec/runtime.h"

#define LINE_MAX_BYTES 4096u
#define MB (1024u * 1024u)

static bool is_json(const struct log_stream *s)
{
	return s->version->log_format == LOG_FORMAT_JSON;
}

static enum platform_level wanted_level(const struct log_stream *s)
{
	static const char *const names[] = {"DEBUG", "INFO", "WARN"};
	for (unsigned i = 0; s->version->system_log_level && i < ARRAY_LEN(names); i++) {
		if (strcmp(names[i], s->version->system_log_level) == 0)
			return (enum platform_level)i;
	}
	return PLATFORM_INFO;
}

static double ms_of(uint64_t ns)
{
	return (double)(ns / 1000) / 1000.0;
}

static uint64_t ceil_ms(uint64_t ns)
{
	return (ns + NS_PER_MS - 1) / NS_PER_MS;
}

uint64_t log_report_billed_ms(const struct log_report *r)
{
	if (r->has_restore)
		return ceil_ms(r->duration_ns) + ceil_ms(r->billed_restore_ns);
	return ceil_ms(r->duration_ns + (r->has_init ? r->init_ns : 0));
}

static uint64_t max_memory_mb(const struct log_report *r)
{
	uint64_t mb = (r->max_memory_bytes + MB - 1) / MB;
	return mb > r->memory_mb ? r->memory_mb : mb;
}

/* Whether anybody wants events: an observer, or the log itself. */
static bool wants_events(const struct log_stream *s)
{
	return s->observer || is_json(s);
}

/* To the observer; and in JSON format to the log, unless the version's level is above it. */
static void tell(struct log_stream *s, struct platform_event e)
{
	struct buf text;
	e.wall_ms = logs_wall_ms(s->group->logs);
	if (s->observer)
		s->observer->platform(s->observer_arg, &e);
	if (!is_json(s) || platform_level(&e) < wanted_level(s))
		return;
	buf_init(&text, LINE_MAX_BYTES);
	if (platform_json_write(&text, &e, PLATFORM_NEWEST) == 0 && buf_putc(&text, '\n') == 0)
		log_stream_event(s, buf_str(&text));
	buf_release(&text);
}

/* ---- init ---- */

/* "python3.11" is "python:3.11", "nodejs20.x" is "nodejs:20", "provided.al2023" is "provided:al2023". */
static void runtime_version(char *dst, size_t size, const char *id)
{
	size_t n = strcspn(id, ".0123456789");
	const char *rest = id + n + (id[n] == '.');
	size_t m = strlen(rest);
	if (m > 2 && strcmp(rest + m - 2, ".x") == 0)
		m -= 2;
	snprintf(dst, size, "%.*s:%.*s.v1", (int)n, id, (int)m, rest);
}

static void warn_nearest(struct log_stream *s, const struct function_version *version, const struct runtime_found *found)
{
	char text[512];
	if (!found || !runtime_is_stand_in(version->runtime, found))
		return;
	int n = snprintf(text, sizeof text, "WARNING: runtime %s is not installed here; this function runs on %s\n",
	                 version->runtime->id, found->interpreter);
	log_stream_event(s, (struct str){text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1});
}

static const char *initialization_type(const struct function_version *v)
{
	return v->snap_start ? "snap-start" : "on-demand";
}

/* INIT_START and RESTORE_START. */
static void write_start(struct log_stream *s, const struct function_version *version, bool restore)
{
	char name[64], hash[SHA256_HEX_SIZE], arn[256], text[512];
	runtime_version(name, sizeof name, version->runtime->id);
	sha256_hex(hash, name, strlen(name));
	snprintf(arn, sizeof arn, "arn:aws:lambda:%s::runtime:%s", s->group->logs->region, hash);
	if (!is_json(s)) {
		int n = snprintf(text, sizeof text, "%s Runtime Version: %s\tRuntime Version ARN: %s\n",
		                 restore ? "RESTORE_START" : "INIT_START", name, arn);
		log_stream_event(s, (struct str){text, (size_t)n});
	}
	if (!wants_events(s))
		return;
	tell(s, (struct platform_event){
		.kind = restore ? PLATFORM_RESTORE_START : PLATFORM_INIT_START,
		.initialization_type = initialization_type(version),
		.phase = "init",
		.runtime_version = name,
		.runtime_version_arn = arn,
		.function_name = version->name,
		.function_version = version->version,
	});
}

void log_stream_init_start(struct log_stream *s, const struct function_version *version, const struct runtime_found *found)
{
	write_start(s, version, false);
	warn_nearest(s, version, found);
}

void log_stream_restore_start(struct log_stream *s, const struct function_version *version)
{
	write_start(s, version, true);
}

void log_stream_restore_report(struct log_stream *s, uint64_t duration_ns, const char *status, const char *error_type)
{
	char text[512];
	log_stream_end_line(s);
	if (wants_events(s)) {
		struct platform_event e = {.kind = PLATFORM_RESTORE_RUNTIME_DONE, .status = status, .error_type = error_type};
		tell(s, e);
		e.kind = PLATFORM_RESTORE_REPORT;
		e.has_duration = true;
		e.duration_ns = duration_ns;
		tell(s, e);
	}
	if (is_json(s))
		return;
	int n = snprintf(text, sizeof text, "RESTORE_REPORT Restore Duration: %.2f ms%s%s%s%.200s\n", ms_of(duration_ns),
	                 status ? "\tStatus: " : "", status ? status : "", error_type ? "\tError Type: " : "", error_type ? error_type : "");
	log_stream_event(s, (struct str){text, (size_t)n});
}

static void tell_init(struct log_stream *s, uint64_t duration_ns, const char *phase, const char *status, const char *error_type)
{
	if (!wants_events(s))
		return;
	struct platform_event e = {.kind = PLATFORM_INIT_RUNTIME_DONE, .initialization_type = initialization_type(s->version),
	                           .phase = phase, .status = status, .error_type = error_type};
	tell(s, e);
	e.kind = PLATFORM_INIT_REPORT;
	e.has_duration = true;
	e.duration_ns = duration_ns;
	tell(s, e);
}

void log_stream_init_done(struct log_stream *s, uint64_t duration_ns, bool inside)
{
	log_stream_end_line(s);
	tell_init(s, duration_ns, inside ? "invoke" : "init", NULL, NULL);
}

void log_stream_init_report(struct log_stream *s, uint64_t duration_ns, bool inside, const char *status, const char *error_type)
{
	const char *phase = inside ? "invoke" : "init";
	char text[512];
	log_stream_end_line(s);
	tell_init(s, duration_ns, phase, status, error_type);
	if (is_json(s))
		return;
	int n = snprintf(text, sizeof text, "INIT_REPORT Init Duration: %.2f ms\tPhase: %s\tStatus: %s%s%.200s\n", ms_of(duration_ns),
	                 phase, status ? status : "success", error_type ? "\tError Type: " : "", error_type ? error_type : "");
	log_stream_event(s, (struct str){text, (size_t)n});
}

void log_stream_extension(struct log_stream *s, const struct log_extension *x)
{
	char data[LINE_MAX_BYTES];
	struct buf b = {.data = data, .cap = sizeof data, .max = sizeof data}; /* never grows: every part is bounded */
	log_stream_end_line(s);
	if (wants_events(s))
		tell(s, (struct platform_event){.kind = PLATFORM_EXTENSION, .name = x->name, .state = x->state, .list = x->events,
		                                .list_count = x->event_count, .error_type = x->error_type});
	if (is_json(s))
		return;
	buf_printf(&b, "EXTENSION\tName: %.255s\tState: %.32s\tEvents: [", x->name, x->state);
	for (size_t i = 0; i < x->event_count; i++)
		buf_printf(&b, "%s%.32s", i ? "," : "", x->events[i]);
	buf_puts(&b, "]");
	if (x->error_type)
		buf_printf(&b, "\tError Type: %.200s", x->error_type);
	buf_putc(&b, '\n');
	log_stream_event(s, buf_str(&b));
}

/* ---- invocation ---- */

static void set_request(struct log_stream *s, const char *request_id)
{
	char digits[33];
	size_t n = 0;
	for (const char *p = request_id; *p && n < 32; p++) {
		if (*p != '-')
			digits[n++] = *p;
	}
	if (hex_decode(s->request, sizeof s->request, (struct str){digits, n}) < 0)
		memset(s->request, 0, sizeof s->request);
}

void log_stream_trace(struct log_stream *s, const char *trace)
{
	bool sampled = trace && strstr(trace, "Sampled=1");
	snprintf(s->trace, sizeof s->trace, "%s", sampled ? trace : "");
}

/* With X-Ray's ids: the segment's is what the function has as its parent. */
static void tell_traced(struct log_stream *s, struct platform_event e)
{
	char span[17] = "";
	const char *parent = strstr(s->trace, "Parent=");
	if (parent)
		snprintf(span, sizeof span, "%.*s", (int)strcspn(parent + 7, ";"), parent + 7);
	if (*s->trace) {
		e.trace = s->trace;
		e.span_id = *span ? span : NULL;
	}
	tell(s, e);
}

void log_stream_start(struct log_stream *s, const char *request_id, const char *version, bool tail)
{
	log_stream_end_line(s);
	set_request(s, request_id);
	s->active = true;
	s->wants_tail = tail;
	buf_clear(&s->tail);
	s->runtime_done = false;
	if (wants_events(s)) {
		struct platform_event e = {.kind = PLATFORM_START, .request_id = request_id, .function_arn = s->version->arn,
		                           .version = version, .tenant_id = s->tenant};
		tell_traced(s, e);
	}
	if (is_json(s))
		return;
	char text[512];
	int n = snprintf(text, sizeof text, "START RequestId: %s Version: %s\n", request_id, version);
	log_stream_event(s, (struct str){text, (size_t)n});
}

static void json_fault(struct log_stream *s, const char *request_id, const char *type, const char *message)
{
	char time[32];
	struct buf text;
	struct json_writer w;
	buf_init(&text, LINE_MAX_BYTES);
	json_write_init(&w, &text);
	json_write_object(&w);
	clock_format(time, sizeof time, "%Y-%m-%dT%H:%M:%S.%LZ", logs_wall_ms(s->group->logs));
	json_write_key_z(&w, "timestamp", time);
	json_write_key_z(&w, "level", "ERROR");
	json_write_key_z(&w, "requestId", request_id);
	json_write_key_z(&w, "errorType", type);
	json_write_key_z(&w, "errorMessage", message);
	json_write_close(&w);
	if (json_write_done(&w) == 0 && buf_putc(&text, '\n') == 0)
		log_stream_event(s, buf_str(&text));
	buf_release(&text);
}

/* For subscribers of the older API alone: the others' events have it as a status. */
static void observe_fault(struct log_stream *s, const char *message)
{
	if (s->observer)
		s->observer->platform(s->observer_arg, &(struct platform_event){
			.kind = PLATFORM_FAULT, .wall_ms = logs_wall_ms(s->group->logs), .text = message});
}

void log_stream_fault(struct log_stream *s, const char *request_id, const char *type, const char *message)
{
	log_stream_end_line(s);
	observe_fault(s, message);
	if (strcmp(type, "Sandbox.Timedout") == 0) /* said by the REPORT alone */
		return;
	char text[1024];
	if (is_json(s)) {
		json_fault(s, request_id, type, message);
		return;
	}
	int n = snprintf(text, sizeof text, "%.700s\n%.200s\n", message, type);
	log_stream_event(s, (struct str){text, (size_t)n});
}

void log_stream_runtime_done(struct log_stream *s, const struct log_done *d)
{
	log_stream_end_line(s);
	s->runtime_done = true;
	s->failed = d->status != NULL;
	snprintf(s->failed_type, sizeof s->failed_type, "%s", d->error_type ? d->error_type : "");
	if (!wants_events(s))
		return;
	struct platform_span spans[] = {
		{"responseLatency", d->answer_wall_ms - (int64_t)(d->latency_ns / NS_PER_MS), d->latency_ns},
		{"responseDuration", d->answer_wall_ms, d->response_ns},
	};
	tell_traced(s, (struct platform_event){
		.kind = PLATFORM_RUNTIME_DONE,
		.request_id = d->request_id,
		.status = d->status,
		.error_type = d->error_type,
		.has_duration = true,
		.duration_ns = d->duration_ns,
		.has_produced = d->answer_wall_ms != 0,
		.produced_bytes = d->produced_bytes,
		.spans = spans,
		.span_count = d->answer_wall_ms ? ARRAY_LEN(spans) : 0,
	});
}

/* platform.end is the older API's. */
static void tell_end(struct log_stream *s, const struct log_report *r)
{
	if (!s->runtime_done)
		log_stream_runtime_done(s, &(struct log_done){.request_id = r->request_id, .status = r->status, .error_type = r->error_type,
		                                              .duration_ns = r->duration_ns});
	if (s->observer)
		s->observer->platform(s->observer_arg, &(struct platform_event){
			.kind = PLATFORM_END, .wall_ms = logs_wall_ms(s->group->logs), .request_id = r->request_id});
	/* That the function itself answered with an error is told by events, not in the text. */
	bool answered = !r->status && s->failed;
	tell_traced(s, (struct platform_event){
		.kind = PLATFORM_REPORT,
		.request_id = r->request_id,
		.status = answered ? "error" : r->status,
		.error_type = !answered ? r->error_type : *s->failed_type ? s->failed_type : NULL,
		.has_duration = true,
		.duration_ns = r->duration_ns,
		.has_billed = true,
		.billed_ms = log_report_billed_ms(r),
		.memory_mb = r->memory_mb,
		.max_memory_mb = max_memory_mb(r),
		.has_init = r->has_init,
		.init_ns = r->init_ns,
		.has_restore = r->has_restore,
		.restore_ns = r->restore_ns,
		.billed_restore_ms = ceil_ms(r->billed_restore_ns),
		.span_id = r->segment_id,
		.trace = r->trace_id,
	});
}

/* Hundredths of a millisecond, rounded. Integers: a tenth of what printing a double costs, on every invocation. */
#define MS_FMT "%" PRIu64 ".%02u"
#define MS_ARG(ns) ((ns) + 5000) / NS_PER_MS_, (unsigned)(((ns) + 5000) % NS_PER_MS_ / 10000)
#define NS_PER_MS_ UINT64_C(1000000)

/* With a status the line ends with it, without a last tab, as AWS writes it. */
static void text_report(struct log_stream *s, const struct log_report *r)
{
	char data[LINE_MAX_BYTES];
	struct buf b = {.data = data, .cap = sizeof data, .max = sizeof data}; /* never grows: every part is bounded */
	buf_printf(&b, "REPORT RequestId: %.64s\tDuration: " MS_FMT " ms\tBilled Duration: %" PRIu64 " ms\tMemory Size: %u MB\t"
	           "Max Memory Used: %" PRIu64 " MB\t", r->request_id, MS_ARG(r->duration_ns), log_report_billed_ms(r),
	           r->memory_mb, max_memory_mb(r));
	if (r->has_init)
		buf_printf(&b, "Init Duration: " MS_FMT " ms\t", MS_ARG(r->init_ns));
	if (r->has_restore)
		buf_printf(&b, "Restore Duration: " MS_FMT " ms\tBilled Restore Duration: %" PRIu64 " ms\t", MS_ARG(r->restore_ns),
		           ceil_ms(r->billed_restore_ns));
	if (r->status)
		buf_printf(&b, "Status: %.32s", r->status);
	if (r->status && r->error_type)
		buf_printf(&b, "\tError Type: %.200s", r->error_type);
	buf_putc(&b, '\n');
	if (r->trace_id)
		buf_printf(&b, "XRAY TraceId: %.100s\tSegmentId: %.100s\tSampled: true\t\n", r->trace_id, r->segment_id ? r->segment_id : "");
	log_stream_event(s, buf_str(&b));
}

void log_stream_end(struct log_stream *s, const struct log_report *r)
{
	log_stream_end_line(s);
	if (wants_events(s))
		tell_end(s, r);
	if (!is_json(s)) {
		char text[128];
		int n = snprintf(text, sizeof text, "END RequestId: %.64s\n", r->request_id);
		log_stream_event(s, (struct str){text, (size_t)n});
		text_report(s, r);
	}
	s->active = false;
	*s->trace = '\0';
	memset(s->request, 0, sizeof s->request);
}
