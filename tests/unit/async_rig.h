/* Asynchronous events over a registry, a queue in memory (queue_fake.h), and invocations and destinations that the test answers for. */
#ifndef TESTS_UNIT_ASYNC_RIG_H
#define TESTS_UNIT_ASYNC_RIG_H

#include "control/events/async.h"
#include "control/events/history.h"
#include "control/metrics/metrics.h"
#include "core/json/value.h"
#include "tests/unit/queue_fake.h"
#include "tests/unit/registry_rig.h"

struct invoke {
	struct list list; /* struct invocation, in the order of submission */
	unsigned running, most;
	char payload[64], trace[256]; /* of the latest */
};

/* In place of the real one: whoever includes this is the only one. */
void invoke_submit(struct invoke *invoke, struct invocation *inv)
{
	list_init(&inv->link);
	list_push_back(&invoke->list, &inv->link);
	invoke->running++;
	invoke->most = invoke->most > invoke->running ? invoke->most : invoke->running;
	str_copy(invoke->payload, sizeof invoke->payload, (struct str){inv->payload.data, inv->payload.len});
	str_copy(invoke->trace, sizeof invoke->trace, inv->trace_header);
	str_copy(inv->trace_id, sizeof inv->trace_id, STR("Root=1-2;Lineage=1:00000000:1"));
}

#define SENT_MAX 64

struct bench {
	struct rig rig;
	struct fake_queue q;
	struct invoke invoke;
	struct metrics *metrics;
	struct ev_pool *pool;
	struct history *history;
	struct http_pool http;
	struct async *async;
	struct { /* what destinations were given */
		char target[128], payload[1024], type[80], error[1100];
		size_t attributes;
	} sent[SENT_MAX];
	size_t sent_count;
	struct error refusal; /* of destinations */
	char id[UUID_SIZE];   /* of the latest accepted event */
	struct error err;
	unsigned accepted, idle;
	bool flushed;
};

struct sending {
	struct ev_defer defer;
	delivery_cb *cb;
	void *arg;
	struct error err;
};

static inline void on_sending(struct ev_defer *defer)
{
	struct sending *s = CONTAINER_OF(defer, struct sending, defer);
	s->cb(s->arg, s->err.code ? &s->err : NULL);
	free(s);
}

static inline void deliver(void *arg, const struct delivery *d, delivery_cb *cb, void *cb_arg)
{
	struct bench *b = arg;
	ASSERT(b->sent_count < SENT_MAX);
	str_copy(b->sent[b->sent_count].target, sizeof b->sent[0].target, d->target);
	str_copy(b->sent[b->sent_count].payload, sizeof b->sent[0].payload, d->payload);
	str_copy(b->sent[b->sent_count].type, sizeof b->sent[0].type, d->bus_detail_type);
	for (size_t i = 0; i < d->attribute_count; i++) {
		if (strcmp(d->attributes[i].name, "ErrorMessage") == 0)
			str_copy(b->sent[b->sent_count].error, sizeof b->sent[0].error, d->attributes[i].value);
	}
	b->sent[b->sent_count++].attributes = d->attribute_count;
	struct sending *s = calloc(1, sizeof *s);
	*s = (struct sending){.cb = cb, .arg = cb_arg, .err = b->refusal};
	ev_defer_init(&s->defer, on_sending);
	ev_defer_run(b->rig.loop, &s->defer);
}

static inline void open_async(struct bench *b)
{
	b->async = async_new(&(struct async_deps){.loop = b->rig.loop, .queue = &b->q.queue, .registry = b->rig.r, .invoke = &b->invoke,
	                     .metrics = b->metrics, .history = b->history, .http_pool = &b->http, .settings = &b->rig.settings,
	                     .deliverer = {deliver, b}}, NULL);
	ASSERT(b->async);
	async_start(b->async);
}

static inline void begin(struct bench *b)
{
	*b = (struct bench){.sent_count = 0};
	start(&b->rig);
	b->rig.settings.retry_scale = 100;
	fake_init(&b->q, b->rig.loop);
	list_init(&b->invoke.list);
	b->metrics = metrics_new();
	b->pool = ev_pool_new(1, NULL);
	b->history = history_new(b->rig.loop, b->pool, b->rig.dirfd, 1 << 20, NULL);
	http_pool_init(&b->http, 64 << 20);
	open_async(b);
}

static inline void close_async(struct bench *b)
{
	struct list *link;
	while ((link = list_pop_front(&b->invoke.list))) /* the function's process is gone, nobody answers */
		http_blob_release(&CONTAINER_OF(link, struct invocation, link)->payload);
	b->invoke.running = 0;
	async_free(b->async);
}

static inline void on_flushed(void *arg, struct str json, const struct error *err)
{
	*(bool *)arg = true;
}

static inline void end(struct bench *b)
{
	settle(&b->rig);
	ASSERT(async_busy(b->async) == (b->invoke.running > 0));
	close_async(b);
	ev_defer_cancel(&b->q.tell);
	fake_release(&b->q);
	/* What is buffered is written before a search answers: then the pool is not wanted any more. */
	history_find(b->history, &(struct history_query){.request_id = STR("none")}, on_flushed, &b->flushed);
	while (!b->flushed)
		settle(&b->rig);
	ev_pool_free(b->pool);
	history_free(b->history);
	metrics_free(b->metrics);
	ASSERT(b->http.used_bytes == 0);
	http_pool_release(&b->http);
	stop(&b->rig);
}

static inline void crash(struct bench *b)
{
	close_async(b);
	fake_crash(&b->q);
	open_async(b);
	settle(&b->rig);
}

static inline void on_accepted(void *arg, const char *request_id, const struct error *err)
{
	struct bench *b = arg;
	b->accepted++;
	b->err = err ? *err : (struct error){0};
	str_copy(b->id, sizeof b->id, str_from(request_id));
}

static inline void send_to(struct bench *b, const char *name, const char *qualifier, const char *payload, const char *trace)
{
	struct function_ref ref = {.name = str_from(name), .qualifier = str_from(qualifier)};
	struct async_event event = {.function = &ref, .payload = str_from(payload), .trace_header = str_from(trace)};
	async_accept(b->async, &event, on_accepted, b);
	settle(&b->rig);
}

static inline void send(struct bench *b, const char *name)
{
	send_to(b, name, NULL, "{\"n\":1}", NULL);
}

static inline struct invocation *first(struct bench *b)
{
	ASSERT(!list_empty(&b->invoke.list));
	return CONTAINER_OF(b->invoke.list.next, struct invocation, link);
}

static inline void answer_first(struct bench *b, enum invoke_outcome outcome, const char *text, enum error_code refusal)
{
	struct invocation *inv = first(b);
	list_remove(&inv->link);
	b->invoke.running--;
	http_blob_release(&inv->payload);
	inv->outcome = outcome;
	if (text && outcome != INVOKE_REFUSED)
		inv->answer = (struct http_blob){.data = strdup(text), .len = strlen(text)};
	if (outcome == INVOKE_REFUSED)
		error_set(&inv->refusal, refusal, "%s", text);
	if (refusal == ERR_THROTTLED)
		inv->throttle_reason = "ConcurrentInvocationLimitExceeded";
	inv->done(inv);
}

static inline void succeed(struct bench *b)
{
	answer_first(b, INVOKE_ANSWERED, "{\"fine\":true}", ERR_OK);
	settle(&b->rig);
}

static inline void fail(struct bench *b)
{
	answer_first(b, INVOKE_FUNCTION_ERROR, "{\"errorType\":\"E\",\"errorMessage\":\"as wanted\"}", ERR_OK);
	settle(&b->rig);
}

static inline void throttle(struct bench *b)
{
	answer_first(b, INVOKE_REFUSED, "Rate Exceeded.", ERR_THROTTLED);
	settle(&b->rig);
}

static inline void advance_s(struct bench *b, int64_t s)
{
	fake_advance(&b->q, s * 1000);
	settle(&b->rig);
}

static inline uint64_t waiting(struct bench *b, const char *queue)
{
	struct queue_stats stats;
	queue_stat(&b->q.queue, str_from(queue), &stats);
	return stats.visible + stats.delayed + stats.leased;
}

static inline void configure(struct bench *b, json_t *config)
{
	registry_event_invoke_put(b->rig.r, STR("f"), STR_NULL, config, true, on_done, &b->rig);
	json_decref(config);
	ASSERT(wait_done(&b->rig) == ERR_OK);
	async_function_changed(b->async, STR("f"));
}

static inline json_t *record(struct bench *b, size_t i)
{
	return json_loads(b->sent[i].payload, 0, NULL);
}

static const char *condition(const json_t *r)
{
	return json_string_value(json_object_get(json_object_get(r, "requestContext"), "condition"));
}

#endif
