/* One attempt: before it, and what its verdict leads to. */
#include <string.h>

#include "control/events/async_priv.h"
#include "core/base/clock.h"
#include "core/json/value.h"

#define BACKOFF_FIRST_MS 1000u
#define BACKOFF_MAX_MS 300000u
#define FIRST_RETRY_MS 60000u
#define SECOND_RETRY_MS 120000u

uint64_t async_scaled_ms(const struct async *a, uint64_t ms)
{
	return ms * (uint64_t)a->deps.settings->retry_scale / 100;
}

uint64_t async_backoff_ms(const struct async *a, unsigned times)
{
	uint64_t ms = BACKOFF_FIRST_MS;
	for (unsigned i = 1; i < times && ms < BACKOFF_MAX_MS; i++)
		ms *= 2;
	return async_scaled_ms(a, ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS);
}

void async_history(const struct async_item *item, enum history_step step, struct str text)
{
	const struct async *a = item->f->async;
	struct history_line line = {.step = step, .request_id = str_from(item->request_id), .function = str_from(item->f->name),
	                            .text = text, .sequence = item->m->sequence, .attempt = item->note.attempts};
	if (step == HISTORY_STARTED)
		line.attempt++;
	if (step == HISTORY_RETRY || step == HISTORY_THROTTLED)
		line.next_ms = queue_now_ms(a->deps.queue) + (int64_t)item->delay_ms;
	history_note(a->deps.history, &line);
}

/* ---- where items go ---- */

/* Out of `running` or `ending`; false: its function is gone, and it with it. */
static bool leave(struct async_item *item)
{
	list_remove(&item->link);
	async_wake(item->f);
	if (!item->gone)
		return true;
	async_settled(item->f->async);
	async_item_free(item);
	return false;
}

void async_item_ack(struct async_item *item)
{
	struct async_function *f = item->f;
	f->ending_count--;
	if (leave(item))
		list_push_back(&f->acks, &item->link);
}

void async_item_put_off(struct async_item *item, uint64_t delay_ms)
{
	struct async_function *f = item->f;
	f->ending_count--;
	item->delay_ms = delay_ms;
	if (leave(item))
		list_push_back(&f->naks, &item->link);
}

static void begin_to_end(struct async_item *item)
{
	list_push_back(&item->f->ending, &item->link);
	item->f->ending_count++;
	item->f->async->settling++;
}

/* ---- ends; the item is in `ending` ---- */

static void drop(struct async_item *item, const char *why)
{
	async_history(item, HISTORY_DROPPED, str_from(why));
	metrics_add(item->f->async->deps.metrics, METRIC_ASYNC_ENDED, item->f->metric, OUTCOME_LABEL_DROPPED, 1);
	async_item_ack(item);
}

static void die(struct async_item *item, enum outcome_condition condition, const struct registry_async *config)
{
	static const struct {
		const char *text;
		enum metric_outcome label;
	} rows[] = {
		[OUTCOME_RETRIES_EXHAUSTED] = {"RetriesExhausted", OUTCOME_LABEL_RETRIES},
		[OUTCOME_AGE_EXCEEDED] = {"EventAgeExceeded", OUTCOME_LABEL_AGE},
		[OUTCOME_ZERO_CONCURRENCY] = {"ZeroReservedConcurrency", OUTCOME_LABEL_ZERO},
		[OUTCOME_RECURSION] = {"RecursiveInvocation", OUTCOME_LABEL_RECURSION},
	};
	async_history(item, HISTORY_DEAD, str_from(rows[condition].text));
	metrics_add(item->f->async->deps.metrics, METRIC_ASYNC_ENDED, item->f->metric, rows[condition].label, 1);
	async_send(item, condition, config);
}

static int64_t age_ms(const struct async_item *item)
{
	return queue_now_ms(item->f->async->deps.queue) - item->m->published_ms;
}

/* Whether the next attempt, after this delay, would be too late. */
static bool too_old(const struct async_item *item, uint64_t delay_ms, const struct registry_async *config)
{
	return age_ms(item) + (int64_t)delay_ms > (int64_t)config->max_age_s * 1000;
}

static void failed(struct async_item *item, const struct registry_async *config)
{
	struct async *a = item->f->async;
	unsigned attempts = ++item->note.attempts;
	uint64_t delay_ms = async_scaled_ms(a, attempts == 1 ? FIRST_RETRY_MS : SECOND_RETRY_MS);
	item->note.throttles = 0;
	async_history(item, HISTORY_FAILED, str_from(item->note.error));
	if (attempts > config->max_retries) {
		die(item, OUTCOME_RETRIES_EXHAUSTED, config);
		return;
	}
	if (too_old(item, delay_ms, config)) {
		die(item, OUTCOME_AGE_EXCEEDED, config);
		return;
	}
	item->delay_ms = delay_ms;
	async_history(item, HISTORY_RETRY, STR_NULL);
	metrics_add(a->deps.metrics, METRIC_ASYNC_RETRIES, item->f->metric, RETRY_LABEL_FUNCTION, 1);
	async_item_put_off(item, delay_ms);
}

/* Not an attempt: it did not run. */
static void refused(struct async_item *item, enum metric_retry why, const struct registry_async *config)
{
	struct async *a = item->f->async;
	uint64_t delay_ms = async_backoff_ms(a, ++item->note.throttles);
	if (too_old(item, delay_ms, config)) {
		die(item, OUTCOME_AGE_EXCEEDED, config);
		return;
	}
	item->delay_ms = delay_ms;
	async_history(item, HISTORY_THROTTLED, str_from(item->note.error));
	metrics_add(a->deps.metrics, METRIC_ASYNC_RETRIES, item->f->metric, (unsigned)why, 1);
	async_item_put_off(item, delay_ms);
}

static void keep_error(struct async_item *item, const char *text)
{
	str_copy(item->note.error, sizeof item->note.error, str_sub(str_from(text), 0, sizeof item->note.error - 1));
}

/* ---- the attempt ---- */

static void learn(struct async_function *f, enum invoke_verdict verdict, unsigned running)
{
	unsigned most = (unsigned)f->async->deps.settings->concurrency;
	if (verdict == VERDICT_THROTTLE)
		f->limit = f->limit > 1 ? f->limit / 2 : 1;
	else if ((verdict == VERDICT_SUCCESS || verdict == VERDICT_FUNCTION) && running == f->limit && f->limit < most)
		f->limit++;
}

static void succeeded(struct async_item *item, const struct registry_async *config)
{
	async_history(item, HISTORY_SUCCEEDED, STR_NULL);
	metrics_add(item->f->async->deps.metrics, METRIC_ASYNC_ENDED, item->f->metric, OUTCOME_LABEL_SUCCESS, 1);
	async_send(item, OUTCOME_SUCCESS, config);
}

/* Same function, same incarnation, and the qualifier is there. */
static bool still_there(const struct async_item *item, struct registry_async *config, struct error *err)
{
	struct str own = json_value_text(json_object_get(item->head, "I"));
	if (registry_async(item->f->async->deps.registry, str_from(item->f->name), item->qualifier, config, err) < 0)
		return false;
	if (str_eq(own, config->incarnation))
		return true;
	error_set(err, ERR_NOT_FOUND, "it is another function of that name now");
	return false;
}

static void on_done(struct invocation *inv)
{
	struct async_item *item = inv->arg;
	struct async_function *f = item->f;
	struct async *a = f->async;
	enum invoke_verdict verdict = invoke_verdict(inv);
	struct registry_async config;
	struct error gone = {0};
	learn(f, verdict, f->running_count);
	list_remove(&item->link);
	f->running_count--;
	a->running--;
	item->done = true;
	begin_to_end(item);
	if (item->gone || verdict == VERDICT_GONE || !still_there(item, &config, &gone)) {
		drop(item, "function or qualifier deleted");
		return;
	}
	if (verdict == VERDICT_FUNCTION)
		async_error_text(item->note.error, sizeof item->note.error, (struct str){inv->answer.data, inv->answer.len});
	else if (verdict != VERDICT_SUCCESS)
		keep_error(item, inv->throttle_reason ? inv->throttle_reason : inv->refusal.msg);
	switch (verdict) {
	case VERDICT_SUCCESS:
		succeeded(item, &config);
		break;
	case VERDICT_FUNCTION:
		failed(item, &config);
		break;
	case VERDICT_ZERO:
		die(item, OUTCOME_ZERO_CONCURRENCY, &config);
		break;
	case VERDICT_THROTTLE:
		refused(item, RETRY_LABEL_THROTTLE, &config);
		break;
	default:
		refused(item, RETRY_LABEL_SYSTEM, &config);
	}
}

static int invoke(struct async_item *item, struct error *err)
{
	struct async_function *f = item->f;
	struct async *a = f->async;
	struct function_ref ref = {.name = str_from(f->name), .qualifier = item->qualifier};
	struct invocation *inv = &item->inv;
	inv->payload = item->body;
	inv->trace_header = json_value_text(json_object_get(item->head, "T"));
	inv->tenant = json_value_text(json_object_get(item->head, "N"));
	inv->done = on_done;
	inv->arg = item;
	memcpy(inv->request_id, item->request_id, sizeof inv->request_id);
	if (invoke_internal(a->deps.invoke, a->deps.registry, &ref, item->arn, inv, err) < 0) {
		inv->payload = (struct http_blob){0};
		return -1;
	}
	item->body = (struct http_blob){0};
	async_item_uncount(item);
	return 0;
}

static void not_invoked(struct async_item *item, const struct error *err, const struct registry_async *config)
{
	keep_error(item, err->msg);
	begin_to_end(item);
	if (err->code == ERR_NOT_FOUND)
		drop(item, "function or qualifier deleted");
	else if (err->code == ERR_RECURSION)
		die(item, OUTCOME_RECURSION, config);
	else
		refused(item, RETRY_LABEL_SYSTEM, config);
}

static void attempt(struct async_item *item, const struct registry_async *config)
{
	struct async_function *f = item->f;
	struct async *a = f->async;
	struct error err = {0};
	if (invoke(item, &err) < 0) {
		not_invoked(item, &err, config);
		return;
	}
	list_push_back(&f->running, &item->link);
	f->running_count++;
	a->running++;
	if (item->note.attempts == 0 && item->note.throttles == 0)
		metrics_observe(a->deps.metrics, METRIC_ASYNC_WAIT, 0, 0, (uint64_t)(age_ms(item) > 0 ? age_ms(item) : 0) * NS_PER_MS);
	async_history(item, HISTORY_STARTED, STR_NULL);
}

void async_item_start(struct async_item *item)
{
	struct registry_async config;
	struct error err = {0};
	if (async_is_record(item)) {
		begin_to_end(item);
		async_send_again(item);
	} else if (!still_there(item, &config, &err)) {
		config = (struct registry_async){.max_age_s = UINT32_MAX / 1000};
		not_invoked(item, &err, &config);
	} else if (config.reserved == 0) {
		begin_to_end(item);
		die(item, OUTCOME_ZERO_CONCURRENCY, &config);
	} else if (too_old(item, 0, &config)) {
		begin_to_end(item);
		die(item, OUTCOME_AGE_EXCEEDED, &config);
	} else {
		attempt(item, &config);
	}
}
