#include "services/queue/sqs_attempt.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"

#define KEPT_NS (300 * NS_PER_S)
#define KEPT_MAX 1000 /* a queue */

struct attempt {
	struct list link; /* of its queue's attempts, the oldest first */
	uint64_t begun_ns;
	char id[QUEUE_GROUP_MAX + 1];
	size_t n;
	struct queue_receipt receipts[SQS_BATCH_MAX];
};

static void attempt_free(struct sqs_queue *q, struct attempt *a)
{
	list_remove(&a->link);
	q->attempt_count--;
	free(a);
}

void sqs_attempts_free(struct sqs_queue *q)
{
	LIST_FOREACH(link, &q->attempts)
		attempt_free(q, CONTAINER_OF(link, struct attempt, link));
}

static struct attempt *find(struct sqs_queue *q, struct str id)
{
	LIST_FOREACH(link, &q->attempts) {
		struct attempt *a = CONTAINER_OF(link, struct attempt, link);
		if (str_eqz(id, a->id))
			return a;
	}
	return NULL;
}

static void drop_old(struct sqs_queue *q)
{
	struct attempt *oldest;
	uint64_t now_ns = clock_mono_ns();
	while ((oldest = LIST_FIRST(&q->attempts, struct attempt, link)) && (now_ns - oldest->begun_ns > KEPT_NS || q->attempt_count >= KEPT_MAX))
		attempt_free(q, oldest);
}

void sqs_attempt_note(struct sqs_queue *q, struct str id, const struct list *messages)
{
	struct attempt *a = find(q, id);
	if (a)
		attempt_free(q, a);
	drop_old(q);
	a = calloc(1, sizeof *a);
	if (!a || str_copy(a->id, sizeof a->id, id) < 0) {
		free(a);
		return;
	}
	for (const struct list *link = messages->next; link != messages && a->n < SQS_BATCH_MAX; link = link->next)
		a->receipts[a->n++] = CONTAINER_OF(link, struct queue_message, link)->receipt;
	a->begun_ns = clock_mono_ns();
	list_init(&a->link);
	list_push_back(&q->attempts, &a->link);
	q->attempt_count++;
}

/* ---- again ---- */

struct repeat {
	struct sqs_call *call;
	sqs_attempt_cb *cb;
	size_t n, at;
	struct queue_receipt receipts[SQS_BATCH_MAX];
	struct list found;
};

static void finish(struct repeat *r, bool whole)
{
	struct sqs_call *call = r->call;
	sqs_attempt_cb *cb = r->cb;
	size_t n = whole ? r->n : 0;
	struct list messages, *link;
	list_init(&messages);
	while ((link = list_pop_front(&r->found)) != NULL) {
		if (whole)
			list_push_back(&messages, link);
		else
			queue_message_free(CONTAINER_OF(link, struct queue_message, link));
	}
	free(r);
	cb(call, &messages, n);
}

static void look_for_next(struct repeat *r);

static void on_found(void *arg, struct list *messages, size_t n, const struct error *err)
{
	struct repeat *r = arg;
	if (err || n == 0) {
		finish(r, false);
		return;
	}
	struct queue_message *m = CONTAINER_OF(list_pop_front(messages), struct queue_message, link);
	m->receipt = r->receipts[r->at++];
	list_push_back(&r->found, &m->link);
	look_for_next(r);
}

static void look_for_next(struct repeat *r)
{
	struct sqs_queue *q = r->call->queue;
	if (r->at == r->n)
		finish(r, true);
	else if (queue_find(q->sqs->deps.queue, str_from(q->stored), r->receipts[r->at].sequence, on_found, r, NULL) < 0)
		finish(r, false);
}

static void on_extended(void *arg, const enum error_code *results, size_t n, const struct error *err)
{
	struct repeat *r = arg;
	bool whole = !err;
	for (size_t i = 0; whole && i < n; i++)
		whole = results[i] == ERR_OK;
	if (whole)
		look_for_next(r);
	else
		finish(r, false);
}

bool sqs_attempt_repeat(struct sqs_call *call, struct str id, uint64_t visibility_ms, sqs_attempt_cb *cb)
{
	struct sqs_queue *q = call->queue;
	struct queue_extend leases[SQS_BATCH_MAX];
	drop_old(q);
	const struct attempt *a = find(q, id);
	struct repeat *r = a && a->n > 0 ? calloc(1, sizeof *r) : NULL;
	if (!r)
		return false;
	r->call = call;
	r->cb = cb;
	r->n = a->n;
	list_init(&r->found);
	memcpy(r->receipts, a->receipts, sizeof r->receipts);
	for (size_t i = 0; i < r->n; i++)
		leases[i] = (struct queue_extend){r->receipts[i], visibility_ms};
	if (queue_extend(q->sqs->deps.queue, str_from(q->stored), leases, r->n, on_extended, r, NULL) == 0)
		return true;
	free(r);
	return false;
}
