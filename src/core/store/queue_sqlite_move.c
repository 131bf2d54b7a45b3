/* Moves: dead letters by receipt, redrives from the front. A new row at the end of the other queue; the body stays where it is. */
#include <stdlib.h>
#include <string.h>

#include "core/store/queue_sqlite_priv.h"

struct move {
	struct db_op op;
	struct qs *qs;
	struct qs_touch from, to;
	size_t n, max, moved;
	bool keep_counts, grouped;
	struct str group;
	queue_move_cb *cb;
	void *arg;
	char group_text[QUEUE_GROUP_MAX];
	struct queue_receipt receipts[];
};

static int move_one(struct move *op, const struct qs_item *item)
{
	if (op->to.ordered && !item->grouped && !op->grouped) {
		error_set(&op->op.err, ERR_USAGE, "queue " STR_FMT " is ordered: a message without group cannot be moved there",
		          STR_ARG(op->to.queue->name));
		return SQLITE_OK;
	}
	op->moved++;
	return qs_item_move(op->qs, &op->from, &op->to, item, op->grouped ? op->group : STR_NULL, op->keep_counts);
}

static int move_receipts(struct move *op)
{
	int rc = SQLITE_OK;
	for (size_t i = 0; rc == SQLITE_OK && op->op.err.code == ERR_OK && i < op->n; i++) {
		struct qs_item item;
		bool found = false;
		rc = qs_item(op->qs, &op->from, (int64_t)op->receipts[i].sequence, &item, &found);
		uint64_t current = !found ? 0 : item.lease_nonce ? item.lease_nonce : item.nonce;
		if (rc == SQLITE_OK && current && current == op->receipts[i].nonce)
			rc = move_one(op, &item);
	}
	return rc;
}

static int move_visible(struct move *op)
{
	size_t n = op->max;
	struct qs_item *items = calloc(n, sizeof *items);
	if (!items)
		return SQLITE_NOMEM;
	int rc = qs_collect(op->qs, &op->from, items, &n);
	for (size_t i = 0; rc == SQLITE_OK && op->op.err.code == ERR_OK && i < n; i++)
		rc = move_one(op, &items[i]);
	free(items);
	return rc;
}

static int run_move(struct db_op *base, sqlite3 *sql)
{
	struct move *op = CONTAINER_OF(base, struct move, op);
	op->moved = 0;
	int rc = qs_find(op->qs, &op->from, false);
	if (rc == SQLITE_OK)
		rc = qs_find(op->qs, &op->to, true);
	if (rc == SQLITE_OK && op->from.found)
		rc = op->n ? move_receipts(op) : move_visible(op);
	if (rc != SQLITE_OK || !op->moved)
		return rc;
	rc = qs_oldest(op->qs, &op->from);
	return rc == SQLITE_OK ? qs_oldest(op->qs, &op->to) : rc;
}

static void done_move(struct db_op *base)
{
	struct move *op = CONTAINER_OF(base, struct move, op);
	struct qs *qs = op->qs;
	bool fine = base->err.code == ERR_OK;
	/* A message that could not be moved stops the rest; what was moved before it is. */
	bool some = fine || base->err.code == ERR_USAGE;
	qs_touch_end(&op->from, some);
	qs_touch_end(&op->to, some);
	qs->calling++;
	if (op->cb)
		op->cb(op->arg, some ? op->moved : 0, fine ? NULL : &base->err);
	qs->calling--;
	free(op);
}

static int fill(struct move *op, const struct queue_move *what, struct error *err)
{
	struct qs_queue *from = qs_name_get(op->qs, what->from, err), *to = from ? qs_name_get(op->qs, what->to, err) : NULL;
	if (!to)
		return -1;
	op->n = what->n;
	op->max = what->max;
	op->keep_counts = what->keep_counts;
	op->grouped = what->group.p;
	if (what->group.n)
		memcpy(op->group_text, what->group.p, what->group.n);
	op->group = (struct str){op->group_text, what->group.n};
	if (what->n)
		memcpy(op->receipts, what->receipts, what->n * sizeof *op->receipts);
	qs_touch_begin(op->qs, from, &op->from);
	qs_touch_begin(op->qs, to, &op->to);
	if (db_submit(op->qs->db, &op->op, err) == 0)
		return 0;
	qs_touch_end(&op->from, false);
	qs_touch_end(&op->to, false);
	return -1;
}

int qs_move(struct queue *base, const struct queue_move *what, queue_move_cb *cb, void *arg, struct error *err)
{
	size_t bytes = what->n * sizeof *what->receipts;
	if (what->group.n > QUEUE_GROUP_MAX)
		return error_set(err, ERR_USAGE, "a group's name has at most %d bytes", QUEUE_GROUP_MAX);
	struct move *op = calloc(1, sizeof *op + bytes);
	if (!op)
		return error_set(err, ERR_NO_MEMORY, "no memory for a request to the store");
	op->op = (struct db_op){.bytes = sizeof *op + bytes, .writes = true, .makes_room = true, .run = run_move, .done = done_move};
	op->qs = qs_of(base);
	op->cb = cb;
	op->arg = arg;
	if (fill(op, what, err) == 0)
		return 0;
	free(op);
	return -1;
}
