/* Configure, purge, delete: what changes a queue as a whole. A purge gives the queue new numbers; the rows under the old ones are
 * nobody's, and go in pieces (queue_sqlite_clean.c). */
#include <stdlib.h>

#include "core/store/queue_sqlite_priv.h"

struct admin {
	struct db_op op;
	struct qs *qs;
	struct qs_touch touch;
	struct queue_config config;
	queue_simple_cb *cb;
	void *arg;
};

static int run_configure(struct db_op *base, sqlite3 *sql)
{
	struct admin *op = CONTAINER_OF(base, struct admin, op);
	struct qs_touch *t = &op->touch;
	int64_t first = 0;
	int rc = qs_find(op->qs, t, true);
	if (rc == SQLITE_OK && t->ordered != op->config.ordered)
		rc = qs_one(QS_BIND(op->qs, FIRST_PUBLISHED, t->items), &first);
	if (first) {
		error_set(&base->err, ERR_CONFLICT, "queue " STR_FMT " has messages: whether it is ordered cannot be changed now",
		          STR_ARG(t->queue->name));
		return SQLITE_OK;
	}
	return rc != SQLITE_OK ? rc : qs_run(QS_BIND(op->qs, QUEUE_SET, t->id, (int64_t)(op->config.retention_ms & INT64_MAX), op->config.ordered));
}

/* What is in the queue is left to be cleaned; nothing when it is not there. */
static int give_up_items(struct admin *op)
{
	struct qs_touch *t = &op->touch;
	int rc = qs_find(op->qs, t, false);
	return rc == SQLITE_OK && t->found ? qs_run(QS_BIND(op->qs, DEAD_ADD, t->items)) : rc;
}

static int run_purge(struct db_op *base, sqlite3 *sql)
{
	struct admin *op = CONTAINER_OF(base, struct admin, op);
	struct qs_touch *t = &op->touch;
	int rc = give_up_items(op);
	return rc == SQLITE_OK && t->found ? qs_run(QS_BIND(op->qs, QUEUE_PURGE, t->id, op->qs->next_number++)) : rc;
}

/* The row is made again by whoever publishes next. */
static int run_delete(struct db_op *base, sqlite3 *sql)
{
	struct admin *op = CONTAINER_OF(base, struct admin, op);
	struct qs_touch *t = &op->touch;
	int rc = give_up_items(op);
	if (rc == SQLITE_OK && t->found)
		rc = qs_run(QS_BIND(op->qs, DEAD_ADD, t->dedups));
	return rc == SQLITE_OK && t->found ? qs_run(QS_BIND(op->qs, QUEUE_DROP, t->id)) : rc;
}

static void answer(struct admin *op)
{
	struct qs *qs = op->qs;
	qs->calling++;
	if (op->cb)
		op->cb(op->arg, op->op.err.code == ERR_OK ? NULL : &op->op.err);
	qs->calling--;
	free(op);
}

static void done_configure(struct db_op *base)
{
	struct admin *op = CONTAINER_OF(base, struct admin, op);
	struct qs_queue *q = op->touch.queue;
	bool fine = base->err.code == ERR_OK;
	if (fine) {
		q->configured = true;
		q->ordered = op->config.ordered;
		q->retention_ms = (int64_t)(op->config.retention_ms < QS_DELAY_MAX ? op->config.retention_ms : QS_DELAY_MAX);
	}
	qs_touch_end(&op->touch, fine);
	answer(op);
}

static void done_removal(struct db_op *base, bool deleted)
{
	struct admin *op = CONTAINER_OF(base, struct admin, op);
	struct qs_queue *q = op->touch.queue;
	bool fine = base->err.code == ERR_OK;
	if (fine) {
		q->count = (struct qs_counts){0};
		q->oldest_ms = 0;
	}
	if (fine && deleted) {
		q->configured = q->ordered = false;
		q->retention_ms = 0;
	}
	qs_touch_end(&op->touch, fine);
	if (fine && op->touch.found)
		qs_clean(op->qs);
	answer(op);
}

static void done_purge(struct db_op *base)
{
	done_removal(base, false);
}

static void done_delete(struct db_op *base)
{
	done_removal(base, true);
}

static int submit(struct qs *qs, struct str queue, const struct admin *what, struct error *err)
{
	struct qs_queue *q = qs_name_get(qs, queue, err);
	struct admin *op = q ? calloc(1, sizeof *op) : NULL;
	if (!op)
		return error_set(err, ERR_NO_MEMORY, "no memory for a request to the store");
	*op = *what;
	op->op.bytes = sizeof *op;
	op->op.writes = op->op.makes_room = true;
	op->qs = qs;
	if (qs_submit(qs, q, &op->op, &op->touch, err) == 0)
		return 0;
	free(op);
	return -1;
}

int qs_configure(struct queue *base, struct str queue, const struct queue_config *config, queue_simple_cb *cb, void *arg, struct error *err)
{
	struct admin op = {.op = {.run = run_configure, .done = done_configure}, .config = *config, .cb = cb, .arg = arg};
	return submit(qs_of(base), queue, &op, err);
}

int qs_purge(struct queue *base, struct str queue, queue_simple_cb *cb, void *arg, struct error *err)
{
	struct admin op = {.op = {.run = run_purge, .done = done_purge}, .cb = cb, .arg = arg};
	return submit(qs_of(base), queue, &op, err);
}

int qs_delete(struct queue *base, struct str queue, queue_simple_cb *cb, void *arg, struct error *err)
{
	struct admin op = {.op = {.run = run_delete, .done = done_delete}, .cb = cb, .arg = arg};
	return submit(qs_of(base), queue, &op, err);
}
