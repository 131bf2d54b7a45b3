/* Looking at messages without leasing them. */
#include <stdlib.h>

#include "core/store/queue_sqlite_priv.h"

enum { MAX_BYTES = 8 << 20 };

struct look {
	struct db_op op;
	struct qs *qs;
	struct qs_touch touch;
	int64_t after;
	size_t max, max_body, n, bytes;
	queue_fetch_cb *cb;
	void *arg;
	struct list messages;
};

static void forget(struct look *op)
{
	for (struct list *pos; (pos = list_pop_front(&op->messages));)
		queue_message_free(CONTAINER_OF(pos, struct queue_message, link));
	op->n = op->bytes = 0;
}

static int load(struct look *op, const struct qs_item *item)
{
	int rc;
	struct queue_message *m = qs_load(op->qs, &op->touch, item, op->max_body, &rc);
	if (!m)
		return rc;
	op->n++;
	op->bytes += m->body_len + m->head.n;
	list_push_back(&op->messages, &m->link);
	return SQLITE_OK;
}

static int run_look(struct db_op *base, sqlite3 *sql)
{
	struct look *op = CONTAINER_OF(base, struct look, op);
	forget(op);
	int rc = qs_find(op->qs, &op->touch, false), step = SQLITE_DONE;
	if (rc != SQLITE_OK || !op->touch.found)
		return rc;
	sqlite3_stmt *st = QS_BIND(op->qs, ITEMS_AFTER, op->touch.items, op->after, (int64_t)op->max);
	while (rc == SQLITE_OK && op->bytes < MAX_BYTES && (step = sqlite3_step(st)) == SQLITE_ROW) {
		struct qs_item item;
		qs_item_read(st, &item);
		rc = load(op, &item);
	}
	step = qs_end(st, step);
	return rc != SQLITE_OK ? rc : step;
}

static int run_find(struct db_op *base, sqlite3 *sql)
{
	struct look *op = CONTAINER_OF(base, struct look, op);
	struct qs_item item;
	bool found = false;
	forget(op);
	int rc = qs_find(op->qs, &op->touch, false);
	if (rc == SQLITE_OK && op->touch.found)
		rc = qs_item(op->qs, &op->touch, op->after, &item, &found);
	return rc == SQLITE_OK && found ? load(op, &item) : rc;
}

static void done_look(struct db_op *base)
{
	struct look *op = CONTAINER_OF(base, struct look, op);
	struct qs *qs = op->qs;
	bool fine = base->err.code == ERR_OK;
	qs_touch_end(&op->touch, fine);
	if (!fine)
		forget(op);
	qs->calling++;
	op->cb(op->arg, &op->messages, op->n, fine ? NULL : &base->err);
	qs->calling--;
	forget(op);
	free(op);
}

static int look(struct qs *qs, struct str queue, const struct look *what, struct error *err)
{
	struct qs_queue *q = qs_name_get(qs, queue, err);
	struct look *op = q ? calloc(1, sizeof *op) : NULL;
	if (!op)
		return error_set(err, ERR_NO_MEMORY, "no memory for a request to the store");
	*op = *what;
	op->op.bytes = sizeof *op;
	op->op.done = done_look;
	op->qs = qs;
	list_init(&op->messages);
	if (qs_submit(qs, q, &op->op, &op->touch, err) == 0)
		return 0;
	free(op);
	return -1;
}

int qs_peek(struct queue *base, const struct queue_peek *what, queue_fetch_cb *cb, void *arg, struct error *err)
{
	struct look op = {.op.run = run_look, .after = (int64_t)(what->after & INT64_MAX), .max = what->max, .max_body = what->max_body,
	                  .cb = cb, .arg = arg};
	return look(qs_of(base), what->queue, &op, err);
}

int qs_find_one(struct queue *base, struct str queue, uint64_t sequence, queue_fetch_cb *cb, void *arg, struct error *err)
{
	struct look op = {.op.run = run_find, .after = (int64_t)(sequence & INT64_MAX), .max_body = SIZE_MAX, .cb = cb, .arg = arg};
	return look(qs_of(base), queue, &op, err);
}
