/* How invocations and inits end: by the runtime's answer, or by a fault that the platform names. */
#include <stdio.h>

#include "control/worker/worker_priv.h"
#include "core/base/clock.h"

/* A runtime whose answer broke off is most likely ending: its exit, told within this time, is the better explanation. */
#define TRUNCATED_WAIT_NS (200 * NS_PER_MS)

static struct log_report make_report(struct worker *w, struct invocation *inv, const char *status, const char *log_type)
{
	struct log_report report = {
		.request_id = inv->request_id,
		.duration_ns = inv->phases.answered_ns - inv->phases.sent_ns,
		.memory_mb = w->version->memory_mb,
		.max_memory_bytes = worker_peak_bytes(w, inv->phases.answered_ns),
		.status = status,
		.error_type = log_type,
	};
	if (inv->restored) {
		report.has_restore = true;
		report.restore_ns = inv->phases.restore_ns;
		report.billed_restore_ns = w->init_ns - w->sandbox_ns;
	} else if (inv->cold && w->init_ns && !w->init_inside) {
		report.has_init = true;
		report.init_ns = w->init_ns - w->sandbox_ns;
	}
	if (w->init_inside && inv->cold) /* init ran inside the invocation: it is part of its duration */
		report.duration_ns += inv->phases.sent_ns - w->sandbox_ns;
	return report;
}

static void write_report(struct worker *w, struct invocation *inv, const char *status, const char *log_type)
{
	struct log_report report = make_report(w, inv, status, log_type);
	log_stream_end(w->log, &report);
}

/* Before what extensions still do: they may wait for it. Nobody reads it of a log in text format without subscribers. */
static void write_done(struct worker *w, struct invocation *inv, bool error, struct str error_type)
{
	uint64_t now = inv->phases.answered_ns, began = w->api.answer_began_ns;
	char type[128];
	if (!w->telemetry && w->version->log_format != LOG_FORMAT_JSON)
		return;
	snprintf(type, sizeof type, STR_FMT, STR_ARG(error_type));
	began = began < inv->phases.sent_ns || began > now ? now : began;
	struct log_done done = {
		.request_id = inv->request_id,
		.status = error ? "error" : NULL,
		.error_type = error && *type ? type : NULL,
		.duration_ns = now - inv->phases.sent_ns,
		.latency_ns = began - inv->phases.sent_ns,
		.response_ns = now - began,
		.answer_wall_ms = clock_wall_ms() - (int64_t)((now - began) / NS_PER_MS),
		.produced_bytes = inv->streamed ? w->api.stream_bytes : inv->answer.len,
	};
	log_stream_runtime_done(w->log, &done);
}

void worker_let_go(struct worker *w)
{
	struct invocation *inv = w->invocation;
	if (inv->tail)
		inv->log_tail = log_stream_take_tail(w->log, &inv->log_tail_len);
	w->invocation = NULL;
	inv->worker = NULL;
	w->fleet->events->on_finished(w->fleet->arg, w, inv);
}

void worker_finish_answer(struct worker *w, struct http_blob *answer, bool error, struct str error_type)
{
	struct invocation *inv = w->invocation;
	ASSERT(inv);
	inv->phases.answered_ns = clock_mono_ns();
	inv->outcome = error ? INVOKE_FUNCTION_ERROR : INVOKE_ANSWERED;
	inv->failure = error ? FAILURE_HANDLER : FAILURE_NONE;
	if (error && inv->streamed)
		snprintf(inv->stream_error, sizeof inv->stream_error, STR_FMT, STR_ARG(error_type));
	inv->answer = *answer;
	*answer = (struct http_blob){0};
	/* The end of a stream may have been read behind a piece that was there before the last line was written. */
	if (inv->streamed)
		worker_drain_log(w);
	else
		worker_drain_log_before_answer(w);
	write_done(w, inv, error, error_type);
	if (worker_extensions_busy(w)) {
		struct log_report report = make_report(w, inv, NULL, NULL);
		worker_keep_report(w, &report);
		if (inv->tail) /* the answer goes with it */
			return;
	} else {
		write_report(w, inv, NULL, NULL);
	}
	worker_let_go(w);
}

void worker_finish_fault(struct worker *w, const struct fault_text *t, const char *log_status, const char *log_type)
{
	struct invocation *inv = w->invocation;
	ASSERT(inv);
	inv->phases.answered_ns = clock_mono_ns();
	inv->outcome = INVOKE_FUNCTION_ERROR;
	inv->failure = log_type ? FAILURE_EXIT : FAILURE_TIMEOUT;
	char message[FAULT_MESSAGE_SIZE];
	fault_message(message, t, inv->request_id);
	fault_body(&inv->answer, t, inv->request_id);
	if (inv->streamed)
		snprintf(inv->stream_error, sizeof inv->stream_error, "%s", t->type);
	worker_drain_log(w);
	log_stream_fault(w->log, inv->request_id, t->type, message);
	write_report(w, inv, log_status, log_type);
	worker_let_go(w);
}

void worker_fail_init(struct worker *w, const struct fault_text *t, const char *log_status, const char *log_type)
{
	worker_drain_log(w);
	uint64_t now = clock_mono_ns();
	if (w->kind == WORKER_RESTORED)
		log_stream_restore_report(w->log, worker_restore_ns(w, now), log_status, log_type);
	else if (w->log)
		log_stream_init_report(w->log, now - (w->sandbox_ns ? w->sandbox_ns : w->asked_ns), w->init_inside, log_status, log_type);
	if (!w->failure.log_status) {
		w->failure.log_status = log_status;
		snprintf(w->failure.log_type, sizeof w->failure.log_type, "%s", log_type ? log_type : "");
	}
	if (w->failure.answer.data || w->failure.has_fault)
		return;
	w->failure.has_fault = true;
	w->failure.fault = *t;
}

void worker_log_failed_start(struct worker *w, struct invocation *inv)
{
	const struct worker_failure *failure = &w->failure;
	if (!failure->log_status)
		return;
	uint64_t now = clock_mono_ns();
	struct log_report report = {
		.request_id = inv->request_id,
		.duration_ns = now - (w->sandbox_ns ? w->sandbox_ns : w->asked_ns),
		.memory_mb = w->version->memory_mb,
		.max_memory_bytes = worker_peak_bytes(w, now),
		.status = failure->log_status,
		.error_type = *failure->log_type ? failure->log_type : NULL,
	};
	log_stream_start(w->log, inv->request_id, w->version->version, inv->tail);
	if (failure->has_fault) {
		char message[FAULT_MESSAGE_SIZE];
		fault_message(message, &failure->fault, inv->request_id);
		log_stream_fault(w->log, inv->request_id, failure->fault.type, message);
	}
	log_stream_end(w->log, &report);
	if (inv->tail)
		inv->log_tail = log_stream_take_tail(w->log, &inv->log_tail_len);
}

/* ---- what the runtime does, by way of its API ---- */

static void on_ready(struct runtime_api *api)
{
	struct worker *w = api->arg;
	if (w->kind == WORKER_TEMPLATE) {
		worker_parked(w, PARK_INVOCATION);
		return;
	}
	if (w->kind == WORKER_TRIAL) {
		worker_trial_over(w, NULL);
		return;
	}
	if (w->doomed)
		return;
	ev_timer_stop(&w->timer);
	w->init_ns = clock_mono_ns();
	if (w->kind == WORKER_RESTORED) {
		worker_drain_log_before_answer(w);
		log_stream_restore_report(w->log, worker_restore_ns(w, w->init_ns), NULL, NULL);
	}
	worker_tell_init_done(w);
	worker_set_state(w, WORKER_IDLE);
	w->initialized_waits = true;
	ev_defer_run(w->fleet->deps.loop, &w->initialized);
	w->fleet->events->on_ready(w->fleet->arg, w);
}

/* Puts itself off once more: the connection that the first work goes out on sends in this round too, but may stand behind. */
void worker_tell_initialized(struct ev_defer *defer)
{
	struct worker *w = CONTAINER_OF(defer, struct worker, initialized);
	if (w->initialized_waits)
		ev_defer_run(w->fleet->deps.loop, &w->initialized);
	else if (w->state < WORKER_STOPPING)
		launcher_initialized(w->fleet->deps.launcher, w->env_id);
	w->initialized_waits = false;
}

static void on_restore_parked(struct runtime_api *api)
{
	struct worker *w = api->arg;
	if (w->kind == WORKER_TEMPLATE)
		worker_parked(w, PARK_RESTORE);
	else
		worker_answer_restore(w);
}

static void credentials(struct runtime_api *api, struct runtime_credentials *out)
{
	worker_credentials(api->arg, out);
}

static void on_answer(struct runtime_api *api, struct http_blob *blob, bool error, struct str error_type)
{
	struct worker *w = api->arg;
	if (w->invocation && !w->kept)
		worker_finish_answer(w, blob, error, error_type);
}

static void on_stream_begin(struct runtime_api *api, struct str content_type)
{
	struct invocation *inv = ((struct worker *)api->arg)->invocation;
	if (!inv)
		return;
	inv->streamed = true;
	inv->sink->begin(inv, content_type);
}

/* Nobody's any more (its time was over, it is being ended): dropped. */
static bool on_stream_data(struct runtime_api *api, struct str bytes)
{
	struct invocation *inv = ((struct worker *)api->arg)->invocation;
	return !inv || inv->sink->data(inv, bytes);
}

void worker_stream_resume(struct worker *w)
{
	if (w->api_open)
		runtime_api_resume(&w->api);
}

static void on_idle(struct runtime_api *api)
{
	struct worker *w = api->arg;
	if (w->doomed)
		return;
	ev_timer_stop(&w->timer);
	worker_report_late(w, NULL, NULL);
	worker_set_state(w, WORKER_IDLE);
	w->fleet->events->on_idle(w->fleet->arg, w);
}

static void fail_by_runtime(struct worker *w, struct http_blob *blob, struct str error_type)
{
	char type[128];
	snprintf(type, sizeof type, STR_FMT, STR_ARG(error_type));
	w->failure.answer = *blob;
	*blob = (struct http_blob){0};
	worker_fail_init(w, NULL, "error", *type ? type : "Runtime.Unknown");
	worker_kill(w, false, 0);
}

static void on_init_error(struct runtime_api *api, struct http_blob *blob, struct str error_type)
{
	fail_by_runtime(api->arg, blob, error_type);
}

static void on_restore_error(struct runtime_api *api, struct http_blob *blob, struct str error_type)
{
	struct worker *w = api->arg;
	if (w->version->snap_start && w->kind != WORKER_TRIAL)
		error_set(&w->failure.refusal, ERR_SNAP_START, "The afterRestore() runtime hook encountered an error. For more information, "
		          "check the Amazon CloudWatch logs.");
	fail_by_runtime(w, blob, error_type);
}

static void on_fault(struct runtime_api *api, enum runtime_fault fault)
{
	struct worker *w = api->arg;
	struct fault_text t;
	if (!w->invocation || w->kept)
		return;
	if (fault == RUNTIME_FAULT_TRUNCATED) {
		w->truncated = w->doomed = true;
		ev_timer_after(w->fleet->deps.loop, &w->timer, TRUNCATED_WAIT_NS);
		return;
	}
	if (fault == RUNTIME_FAULT_TOO_LARGE)
		fault_response_too_large(&t, w->invocation->streamed);
	else if (fault == RUNTIME_FAULT_NO_ROOM)
		fault_simple(&t, "Sandbox.Failure", "The server has no room for the answer now (--buffer-max)");
	else
		fault_simple(&t, "Runtime.InvalidResponseModeHeader", "Invalid response mode header");
	worker_finish_fault(w, &t, "error", t.type);
	worker_kill_soon(w);
}

static const struct runtime_api_events events = {
	.on_ready = on_ready, .on_answer = on_answer, .on_stream_begin = on_stream_begin,
	.on_stream_data = on_stream_data, .on_idle = on_idle, .on_init_error = on_init_error, .on_fault = on_fault,
	.on_restore_parked = on_restore_parked, .on_restore_error = on_restore_error, .credentials = credentials,
	.subscribe = worker_subscribe, .describe = worker_describe, .on_extensions_registered = worker_extensions_registered,
	.on_extension_failed = worker_extension_failed};

const struct runtime_api_events *worker_api_events(void)
{
	return &events;
}
