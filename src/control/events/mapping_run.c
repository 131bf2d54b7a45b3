/* One batch: its invocation, and what becomes of its messages. */
#include <stdlib.h>
#include <string.h>

#include "control/events/batch.h"
#include "control/events/mapping_priv.h"
#include "control/invoke/trace.h"
#include "control/metrics/metrics.h"

#define PATIENCE 3u        /* a throttled batch waits for at most this part of the visibility */
#define PAYLOAD_MAX (BATCH_BYTES_MAX + 65536u)
#define DOUBLINGS_MAX 8u

struct mapping_batch {
	struct list link; /* of the poller's batches */
	struct mapping *m;
	struct list messages;
	unsigned count, throttles;
	size_t bytes;
	uint64_t received_ns; /* of the oldest message */
	bool running;          /* being invoked: neither waits nor ends */
	struct ev_timer retry;
	struct invocation inv;
	char arn[FUNCTION_ARN_MAX];
};

/* ---- the end ---- */

static unsigned length(const struct list *messages)
{
	unsigned n = 0;
	for (const struct list *l = messages->next; l != messages; l = l->next)
		n++;
	return n;
}

static void on_handed_back(void *arg, const struct error *err)
{
	struct mappings *all = arg;
	all->giving--;
	mapping_tell_idle(all);
}

void mapping_hand_back(struct mapping *m, struct list *messages, enum mapping_way way)
{
	const struct source_row *source = m->config.source;
	struct str arn = str_from(m->config.arn);
	if (list_empty(messages))
		return;
	if (way == WAY_LEAVE) { /* nothing happens there, and nobody is told */
		source->ops->leave(source->arg, arn, messages, false, NULL, NULL);
		return;
	}
	m->all->giving++;
	if (way == WAY_REMOVE)
		source->ops->remove(source->arg, arn, messages, on_handed_back, m->all);
	else if (way == WAY_BURY)
		source->ops->bury(source->arg, arn, messages, on_handed_back, m->all);
	else
		source->ops->leave(source->arg, arn, messages, true, on_handed_back, m->all);
}

static void give_back(struct mapping *m, struct list *messages, enum metric_message how, bool at_once)
{
	unsigned n = length(messages);
	if (!n)
		return;
	mapping_count(m, how, n);
	m->all->totals.messages += n;
	m->all->totals.failed += how == MESSAGE_LABEL_LEFT ? n : 0;
	if (how == MESSAGE_LABEL_DELETED)
		mapping_hand_back(m, messages, WAY_REMOVE);
	else if (how == MESSAGE_LABEL_BURIED)
		mapping_hand_back(m, messages, WAY_BURY);
	else
		mapping_hand_back(m, messages, at_once ? WAY_RETURN : WAY_LEAVE);
}

/* What is left of the messages goes to their visibility, or is visible at once. */
static void end(struct mapping_batch *b, bool at_once)
{
	struct mapping *m = b->m;
	size_t bytes = b->bytes;
	give_back(m, &b->messages, MESSAGE_LABEL_LEFT, at_once);
	ev_timer_stop(&b->retry);
	list_remove(&b->link);
	free(b);
	mapping_poll_ended(m, bytes);
	mapping_tell_idle(m->all);
	mapping_batch_over(m);
}

/* The source is the same for all of a mapping's life; what else the configuration says may be newer than the batch. */
static bool is_ordered(const struct mapping *m)
{
	struct source_info info;
	return m->config.source->ops->info(m->config.source->arg, str_from(m->config.arn), &info, NULL) == 0 && info.ordered;
}

static void succeed(struct mapping_batch *b)
{
	struct mapping *m = b->m;
	struct list good;
	struct str answer = {b->inv.answer.data ? b->inv.answer.data : "null", b->inv.answer.data ? b->inv.answer.len : 4};
	if (!m->config.partial)
		give_back(m, &b->messages, MESSAGE_LABEL_DELETED, false);
	else if (batch_split(&b->messages, &good, answer, is_ordered(m)) == 0)
		give_back(m, &good, MESSAGE_LABEL_DELETED, false);
}

/* ---- trying again ---- */

static void invoke_batch(struct mapping_batch *b);

static void on_retry(struct ev_timer *timer)
{
	invoke_batch(CONTAINER_OF(timer, struct mapping_batch, retry));
}

/* In memory, while the messages are invisible anyway. */
static void try_later(struct mapping_batch *b)
{
	struct mapping *m = b->m;
	struct source_info info = {0};
	unsigned doublings = b->throttles < DOUBLINGS_MAX ? b->throttles : DOUBLINGS_MAX;
	uint64_t delay = m->all->second_ns << doublings, now = ev_now_ns(m->all->deps.loop);
	b->throttles++;
	if (!m->poll.running || m->config.source->ops->info(m->config.source->arg, str_from(m->config.arn), &info, NULL) < 0 ||
	    now + delay > b->received_ns + info.visibility_s * m->all->second_ns / PATIENCE) {
		end(b, false);
		return;
	}
	b->retry.cb = on_retry;
	ev_timer_after(m->all->deps.loop, &b->retry, delay);
}

/* ---- invoking ---- */

static void on_verdict(struct mapping_batch *b, enum invoke_verdict verdict)
{
	switch (verdict) {
	case VERDICT_SUCCESS:
		succeed(b);
		break;
	case VERDICT_THROTTLE:
	case VERDICT_ZERO:
		mapping_poll_throttled(b->m);
		break;
	case VERDICT_GONE:
		mapping_poll_pause(b->m, "The function does not exist any more");
		break;
	default:
		break;
	}
}

static bool is_tried_again(enum invoke_verdict verdict)
{
	return verdict == VERDICT_THROTTLE || verdict == VERDICT_ZERO || verdict == VERDICT_SYSTEM;
}

static void on_done(struct invocation *inv)
{
	struct mapping_batch *b = inv->arg;
	enum invoke_verdict verdict = invoke_verdict(inv);
	b->running = false;
	on_verdict(b, verdict);
	http_blob_release(&inv->answer);
	function_version_unref(inv->version);
	free(inv->log_tail);
	if (is_tried_again(verdict))
		try_later(b);
	else
		end(b, false);
}

static int make_payload(struct mapping_batch *b, struct http_blob *payload, struct error *err)
{
	struct http_pool *pool = b->m->all->deps.http_pool;
	struct buf text;
	size_t room = b->bytes + BATCH_FRAME_BYTES + 1;
	buf_init(&text, PAYLOAD_MAX);
	buf_reserve(&text, room);
	if (batch_write(&text, &b->messages, err) < 0 || buf_putc(&text, '\0') < 0) {
		buf_release(&text);
		return -1;
	}
	if (!http_pool_charge(pool, text.len)) {
		buf_release(&text);
		return error_set(err, ERR_THROTTLED, "too much is buffered");
	}
	*payload = (struct http_blob){.data = text.data, .len = text.len - 1, .pool = pool, .charged_bytes = text.len};
	return 0;
}

/* The invocation could not be begun. */
static void refused(struct mapping_batch *b, const struct error *err)
{
	http_blob_release(&b->inv.payload);
	b->running = false;
	if (err->code == ERR_RECURSION)
		give_back(b->m, &b->messages, MESSAGE_LABEL_BURIED, false);
	else if (err->code == ERR_NOT_FOUND)
		mapping_poll_pause(b->m, err->msg);
	if (err->code == ERR_THROTTLED || err->code == ERR_CONFLICT || err->code == ERR_SNAP_START_NOT_READY)
		try_later(b);
	else
		end(b, false);
}

/* The first one's, or that of the chain which has been in this function most often: a loop is seen behind any other message too. */
static struct str trace_of(const struct mapping_batch *b)
{
	char arn[FUNCTION_ARN_MAX];
	const struct source_message *first = LIST_FIRST(&b->messages, struct source_message, link);
	struct str most = first->trace_header;
	registry_arn(b->m->all->deps.registry, arn, b->m->config.ref.name, STR_NULL);
	unsigned count = most.p ? trace_count(most, str_from(arn)) : 0;
	for (const struct list *l = b->messages.next; l != &b->messages; l = l->next) {
		const struct source_message *message = CONTAINER_OF(l, struct source_message, link);
		unsigned n = message->trace_header.p ? trace_count(message->trace_header, str_from(arn)) : 0;
		if (n > count) {
			count = n;
			most = message->trace_header;
		}
	}
	return most;
}

static void invoke_batch(struct mapping_batch *b)
{
	struct mapping *m = b->m;
	struct mappings_deps *deps = &m->all->deps;
	struct error err = {0};
	b->inv = (struct invocation){.trace_header = trace_of(b), .done = on_done, .arg = b};
	b->running = true;
	if (make_payload(b, &b->inv.payload, &err) < 0 ||
	    invoke_internal(deps->invoke, deps->registry, &m->config.ref, b->arn, &b->inv, &err) < 0)
		refused(b, &err);
}

void mapping_run(struct mapping *m, struct list *messages, unsigned n, size_t bytes)
{
	struct mapping_batch *b = calloc(1, sizeof *b);
	struct metrics *metrics = m->all->deps.metrics;
	struct list *link;
	ASSERT(b);
	*b = (struct mapping_batch){.m = m, .count = n, .bytes = bytes,
	                            .received_ns = LIST_FIRST(messages, struct source_message, link)->received_ns};
	list_init(&b->link);
	list_init(&b->messages);
	while ((link = list_pop_front(messages)))
		list_push_back(&b->messages, link);
	list_push_back(&m->poll.batches, &b->link);
	m->all->totals.batches++;
	if (metrics)
		metrics_add(metrics, METRIC_MAPPING_BATCHES, metrics_function(metrics, m->config.ref.name), 0, 1);
	invoke_batch(b);
}

/* ---- life ---- */

void mapping_run_stop(struct mapping *m)
{
	LIST_FOREACH(link, &m->poll.batches) {
		struct mapping_batch *b = CONTAINER_OF(link, struct mapping_batch, link);
		if (!b->running)
			end(b, true);
	}
}

void mapping_run_release(struct mapping *m)
{
	struct list *link;
	while ((link = list_pop_front(&m->poll.batches))) {
		struct mapping_batch *b = CONTAINER_OF(link, struct mapping_batch, link);
		ev_timer_stop(&b->retry);
		m->config.source->ops->forget(m->config.source->arg, &b->messages);
		free(b);
	}
}
