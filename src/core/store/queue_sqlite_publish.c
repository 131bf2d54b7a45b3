/* Publishing: one operation for all messages of a call, whatever queues they are for. */
#include <stdlib.h>
#include <string.h>

#include "core/store/queue_sqlite_priv.h"

struct publish {
	struct db_op op;
	struct qs *qs;
	const struct queue_publish *messages; /* the caller's */
	size_t n, queues;
	bool dedups;
	queue_publish_cb *cb;
	void *arg;
	struct queue_published *results;
	unsigned *at;             /* the touch of each message */
	struct qs_touch touches[];
};

static int add_item(struct publish *op, const struct queue_publish *m, struct qs_touch *t, int64_t seq)
{
	int64_t visible_ms = m->delay_ms ? qs_after(t->now_ms, m->delay_ms) : t->horizon_ms;
	sqlite3_stmt *st = QS_BIND(op->qs, ITEM_ADD, t->items, seq, visible_ms, t->now_ms, (int64_t)(m->head.n + m->body.n));
	qs_bind_bytes(st, 6, m->group.p, m->group.n);
	int rc = qs_run(st);
	if (rc != SQLITE_OK)
		return rc;
	st = QS_BIND(op->qs, BODY_ADD, seq);
	qs_bind_bytes(st, 2, m->id, QUEUE_ID_SIZE);
	qs_bind_bytes(st, 3, m->head.p ? m->head.p : "", m->head.n);
	qs_bind_bytes(st, 4, m->body.p ? m->body.p : "", m->body.n);
	rc = qs_run(st);
	if (rc == SQLITE_OK && t->ordered)
		rc = qs_group_add(op->qs, t, m->group, seq, visible_ms);
	qs_change(t, QS_GONE, m->delay_ms ? QS_DELAYED : QS_VISIBLE);
	return rc;
}

static int find_first(struct publish *op, const struct queue_publish *m, const struct qs_touch *t, struct queue_published *result)
{
	sqlite3_stmt *st = QS_BIND(op->qs, DEDUP_FIND, t->dedups, t->now_ms);
	qs_bind_bytes(st, 3, m->dedup.p, m->dedup.n);
	int rc = sqlite3_step(st);
	const void *id = rc == SQLITE_ROW ? sqlite3_column_blob(st, 1) : NULL;
	result->duplicate = id && sqlite3_column_bytes(st, 1) == QUEUE_ID_SIZE;
	if (result->duplicate) {
		result->sequence = (uint64_t)sqlite3_column_int64(st, 0);
		memcpy(result->id, id, QUEUE_ID_SIZE);
	}
	return qs_end(st, rc);
}

static int remember(struct publish *op, const struct queue_publish *m, const struct qs_touch *t, int64_t seq)
{
	sqlite3_stmt *st = QS_BIND(op->qs, DEDUP_ADD, t->dedups, seq, t->now_ms + QUEUE_DEDUP_MS);
	qs_bind_bytes(st, 4, m->dedup.p, m->dedup.n);
	qs_bind_bytes(st, 5, m->id, QUEUE_ID_SIZE);
	return qs_run(st);
}

static int publish_one(struct publish *op, const struct queue_publish *m, struct qs_touch *t, struct queue_published *result)
{
	int64_t seq;
	int rc = SQLITE_OK;
	result->duplicate = false;
	if (m->dedup.p)
		rc = find_first(op, m, t, result);
	if (rc != SQLITE_OK || result->duplicate)
		return rc;
	rc = qs_next_seq(op->qs, &seq);
	if (rc == SQLITE_OK)
		rc = add_item(op, m, t, seq);
	if (rc == SQLITE_OK && m->dedup.p)
		rc = remember(op, m, t, seq);
	result->sequence = (uint64_t)seq;
	memcpy(result->id, m->id, QUEUE_ID_SIZE);
	return rc;
}

/* Before anything is written, so that nothing need be undone. */
static int find_queues(struct publish *op)
{
	int rc = SQLITE_OK;
	for (size_t i = 0; rc == SQLITE_OK && i < op->queues; i++)
		rc = qs_find(op->qs, &op->touches[i], true);
	for (size_t i = 0; rc == SQLITE_OK && i < op->n; i++) {
		const struct qs_touch *t = &op->touches[op->at[i]];
		if (t->ordered != !!op->messages[i].group.p)
			error_set(&op->op.err, ERR_USAGE, "queue " STR_FMT " is %sordered: its messages %s", STR_ARG(t->queue->name),
			          t->ordered ? "" : "not ", t->ordered ? "need a group" : "have no group");
	}
	return rc;
}

static int run_publish(struct db_op *base, sqlite3 *sql)
{
	struct publish *op = CONTAINER_OF(base, struct publish, op);
	if (!qs_room_for(op->qs, base->bytes)) {
		error_set(&base->err, ERR_DISK_FULL, "queue.db: the disk is full: free some space; nothing acknowledged is lost");
		return SQLITE_OK;
	}
	int rc = find_queues(op);
	if (rc != SQLITE_OK || base->err.code != ERR_OK)
		return rc;
	for (size_t i = 0; rc == SQLITE_OK && i < op->n; i++)
		rc = publish_one(op, &op->messages[i], &op->touches[op->at[i]], &op->results[i]);
	return rc;
}

static void done_publish(struct db_op *base)
{
	struct publish *op = CONTAINER_OF(base, struct publish, op);
	struct qs *qs = op->qs;
	bool fine = base->err.code == ERR_OK;
	for (size_t i = 0; i < op->queues; i++)
		qs_touch_end(&op->touches[i], fine);
	if (fine && op->dedups)
		qs_expect_dedup(qs);
	qs->calling++;
	op->cb(op->arg, fine ? op->results : NULL, op->n, fine ? NULL : &base->err);
	qs->calling--;
	free(op);
}

/* The touch of that queue: messages for the same one mostly follow each other. */
static int touch_for(struct publish *op, struct str name, unsigned *at, struct error *err)
{
	for (size_t i = op->queues; i-- > 0;) {
		*at = (unsigned)i;
		if (str_cmp(op->touches[i].queue->name, name) == 0)
			return 0;
	}
	struct qs_queue *q = qs_name_get(op->qs, name, err);
	if (!q)
		return -1;
	*at = (unsigned)op->queues;
	qs_touch_begin(op->qs, q, &op->touches[op->queues++]);
	return 0;
}

static int fill(struct publish *op, struct error *err)
{
	for (size_t i = 0; i < op->n; i++) {
		const struct queue_publish *m = &op->messages[i];
		if (touch_for(op, m->queue, &op->at[i], err) < 0)
			return -1;
		struct qs_touch *t = &op->touches[op->at[i]];
		if (m->delay_ms)
			qs_expect(t->queue, qs_after(t->now_ms, m->delay_ms));
		op->op.bytes += sizeof(struct qs_touch) + m->head.n + m->body.n;
		op->dedups |= m->dedup.p != NULL;
	}
	return db_submit(op->qs->db, &op->op, err);
}

int qs_publish(struct queue *base, const struct queue_publish *messages, size_t n, queue_publish_cb *cb, void *arg, struct error *err)
{
	struct publish *op = calloc(1, sizeof *op + n * (sizeof *op->touches + sizeof *op->results + sizeof *op->at));
	if (!op)
		return error_set(err, ERR_NO_MEMORY, "no memory for a request to the store");
	op->op = (struct db_op){.writes = true, .run = run_publish, .done = done_publish};
	op->qs = qs_of(base);
	op->messages = messages;
	op->n = n;
	op->cb = cb;
	op->arg = arg;
	op->results = (struct queue_published *)(void *)&op->touches[n];
	op->at = (unsigned *)(void *)&op->results[n];
	if (fill(op, err) == 0)
		return 0;
	for (size_t i = 0; i < op->queues; i++)
		qs_touch_end(&op->touches[i], false);
	free(op);
	return -1;
}
