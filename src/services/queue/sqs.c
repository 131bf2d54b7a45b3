#include "services/queue/sqs.h"

#include <stdlib.h>
#include <string.h>

#include "services/queue/sqs_later.h"

struct sqs_listener {
	struct list link;
	sqs_changed_cb *cb;
	void *arg;
};

struct sqs *sqs_new(const struct sqs_deps *deps, struct error *err)
{
	struct sqs *s = calloc(1, sizeof *s);
	if (!s) {
		error_set(err, ERR_NO_MEMORY, "no memory for queues");
		return NULL;
	}
	s->deps = *deps;
	if (s->deps.in_flight_max == 0)
		s->deps.in_flight_max = SQS_IN_FLIGHT_MAX;
	hash_init(&s->queues);
	hash_init(&s->waiting);
	list_init(&s->listeners);
	list_init(&s->moves);
	list_init(&s->laters);
	return s;
}

void sqs_closing(struct sqs *s)
{
	if (!s)
		return;
	s->closing = true;
	HASH_FOREACH(node, &s->queues)
		sqs_receives_close(CONTAINER_OF(node, struct sqs_queue, by_name));
}

void sqs_free(struct sqs *s)
{
	if (!s)
		return;
	sqs_moves_free(s);
	sqs_loading_free(s);
	sqs_laters_free(s);
	HASH_FOREACH(node, &s->queues) {
		struct sqs_queue *q = CONTAINER_OF(node, struct sqs_queue, by_name);
		hash_remove(&s->queues, node);
		sqs_queue_unref(q);
	}
	LIST_FOREACH(link, &s->listeners)
		free(CONTAINER_OF(link, struct sqs_listener, link));
	hash_release(&s->queues);
	hash_release(&s->waiting);
	free(s);
}

void sqs_on_change(struct sqs *s, sqs_changed_cb *cb, void *arg)
{
	struct sqs_listener *l = calloc(1, sizeof *l);
	ASSERT(l);
	l->cb = cb;
	l->arg = arg;
	list_init(&l->link);
	list_push_back(&s->listeners, &l->link);
}

void sqs_queue_told(struct sqs_queue *q, bool exists)
{
	LIST_FOREACH(link, &q->sqs->listeners) {
		struct sqs_listener *l = CONTAINER_OF(link, struct sqs_listener, link);
		l->cb(l->arg, str_from(q->arn), exists);
	}
}

void sqs_count(const struct sqs *s, struct sqs_counts *out)
{
	*out = s->counts;
}

static void fill(const struct sqs_queue *q, struct sqs_info *out)
{
	struct queue_stats stats;
	queue_stat(q->sqs->deps.queue, str_from(q->stored), &stats);
	*out = (struct sqs_info){.fifo = q->rules.fifo, .content_dedup = q->rules.content_dedup, .visibility_s = (unsigned)q->rules.visibility_s,
	                         .has_redrive = q->rules.max_receives > 0, .visible = stats.visible, .in_flight = stats.leased,
	                         .delayed = stats.delayed, .stored = q->stored, .dead_letter = q->rules.dead,
	                         .max_receives = q->rules.max_receives};
}

int sqs_info(struct sqs *s, struct str arn, struct sqs_info *out, struct error *err)
{
	const struct sqs_queue *q = sqs_queue_of_arn(s, arn);
	if (!q)
		return error_set(err, ERR_NOT_FOUND, "The specified queue does not exist.");
	fill(q, out);
	return 0;
}

void sqs_each(struct sqs *s, sqs_row_cb *cb, void *arg)
{
	HASH_FOREACH(node, &s->queues) {
		const struct sqs_queue *q = CONTAINER_OF(node, struct sqs_queue, by_name);
		struct sqs_row row = {.name = q->name, .arn = q->arn, .stored = q->stored, .dead_arn = q->rules.dead,
		                      .max_receives = q->rules.max_receives};
		if (!q->live)
			continue;
		fill(q, &row.info);
		cb(arg, &row);
	}
}
