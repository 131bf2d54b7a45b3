/* Ends of visibility: DeleteMessage, ChangeMessageVisibility, their batches, and the same from inside the program. */
#include <stdlib.h>
#include <string.h>

#include "services/queue/sqs_batch.h"
#include "services/queue/sqs_later.h"
#include "services/queue/sqs_message.h"

struct ending;

struct look { /* at one message of a FIFO queue */
	struct ending *e;
	size_t at;
};

struct ending {
	struct sqs_call *call;
	bool is_batch, changes; /* changes: the visibility, else deletes */
	struct sqs_batch batch;
	struct queue_receipt receipts[SQS_BATCH_MAX];
	struct queue_extend leases[SQS_BATCH_MAX];
	size_t looking;
	struct look looks[SQS_BATCH_MAX];
};

/* ---- what is asked for ---- */

static int check_visibility(struct sqs_call *call, const json_t *in, int64_t received_ms, int64_t *out, struct sqs_fault *f)
{
	int got = sqs_in_int(call, in, "VisibilityTimeout", out, f);
	if (got < 0)
		return -1;
	if (got == 0)
		return sqs_fault_set(f, SQS_MISSING_PARAMETER, "The request must contain the parameter VisibilityTimeout.");
	if (*out < 0 || *out > SQS_VISIBILITY_MAX_S)
		return sqs_fault_set(f, SQS_INVALID_PARAMETER, "Value %lld for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and "
		                     "%d.", (long long)*out, SQS_VISIBILITY_MAX_S);
	int64_t elapsed_s = (queue_now_ms(call->sqs->deps.queue) - received_ms) / 1000;
	if (*out + elapsed_s > SQS_VISIBILITY_MAX_S)
		return sqs_fault_set(f, SQS_INVALID_PARAMETER, "Value %lld for parameter VisibilityTimeout is invalid. Reason: Total "
		                     "VisibilityTimeout for the message is beyond the limit [%d seconds]", (long long)*out, SQS_VISIBILITY_MAX_S);
	return 0;
}

static int read_entry(struct ending *e, size_t at, const json_t *in, struct sqs_fault *f)
{
	struct sqs_call *call = e->call;
	struct str handle = STR_NULL;
	int64_t received_ms, visibility_s = 0;
	int got = sqs_in_str(call, in, "ReceiptHandle", &handle, f);
	if (got < 0)
		return -1;
	if (got == 0)
		return sqs_fault_set(f, SQS_MISSING_PARAMETER, "The request must contain the parameter ReceiptHandle.");
	if (sqs_handle_read(handle, call->queue, &e->receipts[at], &received_ms, f) < 0)
		return -1;
	if (e->changes && check_visibility(call, in, received_ms, &visibility_s, f) < 0)
		return -1;
	e->leases[at] = (struct queue_extend){.receipt = e->receipts[at], .lease_ms = (uint64_t)visibility_s * 1000};
	return 0;
}

/* ---- the answer ---- */

static struct str handle_of(const struct ending *e, size_t i)
{
	return json_value_text(json_object_get(e->is_batch ? e->batch.entries[i].in : e->call->in, "ReceiptHandle"));
}

static int expired(const struct ending *e, size_t i, struct sqs_fault *f)
{
	struct str handle = handle_of(e, i);
	return sqs_fault_set(f, SQS_INVALID_PARAMETER, "Value " STR_FMT " for parameter ReceiptHandle is invalid. Reason: %s", STR_ARG(handle),
	                     e->changes ? "Message does not exist or is not available for visibility timeout change."
	                                : "The receipt handle has expired.");
}

/* Deleting twice is fine, and so is deleting with the handle of an earlier receive, which does nothing; but order would suffer. */
static int judge(const struct ending *e, size_t i, enum error_code result, struct sqs_fault *f)
{
	if (result == ERR_OK || (!e->changes && !(result == ERR_STALE && e->call->queue->rules.fifo)))
		return 0;
	return expired(e, i, f);
}

static void on_ended(void *arg, const enum error_code *results, size_t n, const struct error *err)
{
	struct ending *e = arg;
	struct sqs_call *call = e->call;
	size_t at = 0;
	if (err) {
		sqs_call_error(call, err);
		return;
	}
	for (size_t i = 0; i < e->batch.n; i++) {
		struct sqs_entry *entry = &e->batch.entries[i];
		if (!entry->failed)
			entry->failed = judge(e, i, results[at++], &entry->fault) < 0;
	}
	if (e->is_batch) {
		sqs_batch_write(call, &e->batch);
		sqs_call_done(call);
	} else if (e->batch.entries[0].failed) {
		call->fault = e->batch.entries[0].fault;
		sqs_call_fail(call);
	} else {
		sqs_call_done(call);
	}
}

/* ---- the operations ---- */

static void run(struct ending *e)
{
	struct queue *store = e->call->sqs->deps.queue;
	struct str name = str_from(e->call->queue->stored);
	struct error err;
	size_t n = 0;
	for (size_t i = 0; i < e->batch.n; i++) {
		if (e->batch.entries[i].failed)
			continue;
		e->receipts[n] = e->receipts[i];
		e->leases[n++] = e->leases[i];
	}
	if (n == 0)
		on_ended(e, NULL, 0, NULL);
	else if ((e->changes ? queue_extend(store, name, e->leases, n, on_ended, e, &err)
	                     : queue_ack(store, name, e->receipts, n, on_ended, e, &err)) < 0)
		sqs_call_error(e->call, &err);
}

static void looked(struct ending *e)
{
	if (--e->looking == 0)
		run(e);
}

static void on_looked(void *arg, struct list *messages, size_t n, const struct error *err)
{
	const struct look *look = arg;
	struct ending *e = look->e;
	struct sqs_entry *entry = &e->batch.entries[look->at];
	const struct queue_message *m = LIST_FIRST(messages, struct queue_message, link);
	if (!err && m && m->visible_ms <= queue_now_ms(e->call->sqs->deps.queue))
		entry->failed = expired(e, look->at, &entry->fault) < 0;
	looked(e);
}

/* Of a FIFO queue only what is still invisible is deleted: another may be about to be given it. */
static void look_and_run(struct ending *e)
{
	struct sqs_queue *q = e->call->queue;
	e->looking = 1;
	for (size_t i = 0; i < e->batch.n && !e->changes && q->rules.fifo; i++) {
		e->looks[i] = (struct look){e, i};
		if (!e->batch.entries[i].failed &&
		    queue_find(q->sqs->deps.queue, str_from(q->stored), e->receipts[i].sequence, on_looked, &e->looks[i], NULL) == 0)
			e->looking++;
	}
	looked(e);
}

static struct ending *ending_new(struct sqs_call *call, bool changes, bool is_batch)
{
	struct ending *e = calloc(1, sizeof *e);
	ASSERT(e);
	e->call = call;
	e->changes = changes;
	e->is_batch = is_batch;
	call->work = e;
	call->drop = free;
	return e;
}

static void end_one(struct sqs_call *call, bool changes)
{
	struct ending *e = ending_new(call, changes, false);
	e->batch.n = 1;
	if (read_entry(e, 0, call->in, &call->fault) < 0)
		sqs_call_fail(call);
	else
		look_and_run(e);
}

static void end_many(struct sqs_call *call, bool changes, const char *word)
{
	struct ending *e = ending_new(call, changes, true);
	if (sqs_batch_read(call, word, &e->batch, &call->fault) < 0) {
		sqs_call_fail(call);
		return;
	}
	for (size_t i = 0; i < e->batch.n; i++) {
		struct sqs_entry *entry = &e->batch.entries[i];
		entry->failed = read_entry(e, i, entry->in, &entry->fault) < 0;
	}
	look_and_run(e);
}

void sqs_delete_message(struct sqs_call *call)
{
	end_one(call, false);
}

void sqs_delete_message_batch(struct sqs_call *call)
{
	end_many(call, false, "DeleteMessageBatchRequestEntry");
}

void sqs_change_visibility(struct sqs_call *call)
{
	end_one(call, true);
}

void sqs_change_visibilities(struct sqs_call *call)
{
	end_many(call, true, "ChangeMessageVisibilityBatchRequestEntry");
}

/* ---- from inside: any number of messages, in pieces that the store takes ---- */

struct inner {
	struct sqs *sqs;
	const struct sqs_queue *queue; /* while the pieces are handed in; NULL: it is not there */
	queue_simple_cb *cb;
	void *arg;
	unsigned visibility_s;
	size_t under_way; /* pieces */
	bool failed;
	struct error err; /* the first one */
};

struct piece { /* copied by the store */
	size_t n;
	struct queue_extend leases[QUEUE_BATCH_MAX];
	struct queue_receipt receipts[QUEUE_BATCH_MAX];
};

typedef int piece_fn(struct inner *in, const struct piece *p, struct error *err);

static void inner_note(struct inner *in, const struct error *err)
{
	if (!err || in->failed)
		return;
	in->failed = true;
	in->err = *err;
}

static void inner_piece_end(struct inner *in, const struct error *err)
{
	inner_note(in, err);
	if (--in->under_way > 0)
		return;
	if (in->cb)
		in->cb(in->arg, in->failed ? &in->err : NULL);
	free(in);
}

static void on_inner(void *arg, const enum error_code *results, size_t n, const struct error *err)
{
	inner_piece_end(arg, err);
}

static void on_buried(void *arg, size_t moved, const struct error *err)
{
	inner_piece_end(arg, err);
}

/* The next receipts; their messages are freed. */
static bool piece_take(struct piece *p, struct list *messages, unsigned visibility_s)
{
	struct list *link;
	p->n = 0;
	while (p->n < QUEUE_BATCH_MAX && (link = list_pop_front(messages)) != NULL) {
		struct sqs_message *m = CONTAINER_OF(link, struct sqs_message, link);
		p->receipts[p->n] = m->stored->receipt;
		p->leases[p->n++] = (struct queue_extend){m->stored->receipt, visibility_s * 1000ull};
		sqs_message_free(m);
	}
	return p->n > 0;
}

static void inner_run(const struct inner *what, struct list *messages, piece_fn *run_piece)
{
	struct inner *in = malloc(sizeof *in);
	CLEANUP_FREE struct piece *p = malloc(sizeof *p);
	ASSERT(in && p);
	*in = *what;
	while (piece_take(p, messages, in->visibility_s)) {
		struct error err = {.code = ERR_NOT_FOUND, .msg = "The specified queue does not exist."};
		if (in->queue && run_piece(in, p, &err) == 0)
			in->under_way++;
		else
			inner_note(in, &err);
	}
	if (in->under_way > 0)
		return;
	sqs_later_simple(in->sqs, in->cb, in->arg, in->failed ? &in->err : NULL);
	free(in);
}

static int ack_piece(struct inner *in, const struct piece *p, struct error *err)
{
	return queue_ack(in->sqs->deps.queue, str_from(in->queue->stored), p->receipts, p->n, on_inner, in, err);
}

static int extend_piece(struct inner *in, const struct piece *p, struct error *err)
{
	return queue_extend(in->sqs->deps.queue, str_from(in->queue->stored), p->leases, p->n, on_inner, in, err);
}

static const struct sqs_queue *dead_of(const struct sqs_queue *q)
{
	return q->rules.max_receives > 0 ? sqs_queue_of_arn(q->sqs, str_from(q->rules.dead)) : NULL;
}

static int bury_piece(struct inner *in, const struct piece *p, struct error *err)
{
	struct queue_move what = {.from = str_from(in->queue->stored), .to = str_from(dead_of(in->queue)->stored), .receipts = p->receipts,
	                          .n = p->n};
	return queue_move(in->sqs->deps.queue, &what, on_buried, in, err);
}

void sqs_delete_messages(struct sqs *s, struct str arn, struct list *messages, queue_simple_cb *cb, void *arg)
{
	inner_run(&(struct inner){.sqs = s, .queue = sqs_queue_of_arn(s, arn), .cb = cb, .arg = arg}, messages, ack_piece);
}

void sqs_return_messages(struct sqs *s, struct str arn, struct list *messages, unsigned visibility_s, queue_simple_cb *cb, void *arg)
{
	inner_run(&(struct inner){.sqs = s, .queue = sqs_queue_of_arn(s, arn), .cb = cb, .arg = arg, .visibility_s = visibility_s}, messages,
	          extend_piece);
}

void sqs_bury_messages(struct sqs *s, struct str arn, struct list *messages, queue_simple_cb *cb, void *arg)
{
	const struct sqs_queue *q = sqs_queue_of_arn(s, arn);
	struct list *link;
	while (q && !dead_of(q) && (link = list_pop_front(messages)) != NULL)
		sqs_message_free(CONTAINER_OF(link, struct sqs_message, link));
	inner_run(&(struct inner){.sqs = s, .queue = q, .cb = cb, .arg = arg}, messages, bury_piece);
}
