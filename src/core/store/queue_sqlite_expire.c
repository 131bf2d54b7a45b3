/* Retention: messages that are too old, leased or not, are dropped in pieces. Published times grow with the sequence, but for messages
 * that were moved; those have an index of their own. */
#include <stdlib.h>

#include "core/store/queue_sqlite_priv.h"

#define PAUSE_MS 1000 /* after a failure: the disk may be broken for long */

struct expire {
	struct db_op op;
	struct qs_touch touch;
	int64_t before_ms;
	bool more;
};

/* Those at the front that are too old. */
static int read_items(sqlite3_stmt *st, int64_t before_ms, struct qs_item *items, size_t *n)
{
	int rc = SQLITE_DONE;
	int64_t bytes = 0;
	*n = 0;
	while (*n < QS_PIECE && bytes < QS_PIECE_BYTES && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		qs_item_read(st, &items[*n]);
		if (items[*n].published_ms > before_ms)
			break;
		bytes += items[(*n)++].size;
	}
	return qs_end(st, rc);
}

static int drop(struct qs *qs, struct qs_touch *t, const struct qs_item *items, size_t n)
{
	int rc = SQLITE_OK;
	for (size_t i = 0; rc == SQLITE_OK && i < n; i++) {
		rc = qs_item_drop(qs, t, &items[i], true);
		if (rc == SQLITE_OK)
			rc = qs_group(qs, t, &items[i]);
	}
	return rc;
}

static int run_expire(struct db_op *base, sqlite3 *sql)
{
	struct expire *op = CONTAINER_OF(base, struct expire, op);
	struct qs_touch *t = &op->touch;
	struct qs *qs = t->queue->qs;
	size_t n = 0, moved = 0;
	int rc = qs_find(qs, t, false);
	op->more = false;
	struct qs_item *items = rc == SQLITE_OK && t->found ? calloc(QS_PIECE, sizeof *items) : NULL;
	if (!items)
		return rc == SQLITE_OK && t->found ? SQLITE_NOMEM : rc;
	rc = read_items(QS_BIND(qs, ITEMS_AFTER, t->items, 0, QS_PIECE), op->before_ms, items, &n);
	if (rc == SQLITE_OK)
		rc = drop(qs, t, items, n);
	if (rc == SQLITE_OK)
		rc = read_items(QS_BIND(qs, ITEMS_OLD, t->items, op->before_ms, QS_PIECE), op->before_ms, items, &moved);
	if (rc == SQLITE_OK)
		rc = drop(qs, t, items, moved);
	free(items);
	op->more = n + moved > 0;
	return rc == SQLITE_OK ? qs_oldest(qs, t) : rc;
}

static void done_expire(struct db_op *base)
{
	struct expire *op = CONTAINER_OF(base, struct expire, op);
	struct qs_queue *q = op->touch.queue;
	bool fine = base->err.code == ERR_OK;
	q->expiring = false;
	if (!fine)
		q->expire_from_ms = qs_now(q->qs) + PAUSE_MS;
	qs_touch_end(&op->touch, fine);
	free(op);
}

void qs_expire(struct qs_queue *q)
{
	struct qs *qs = q->qs;
	struct expire *op = calloc(1, sizeof *op);
	q->expire_from_ms = qs_now(qs) + PAUSE_MS; /* should it fail here */
	if (!op)
		return;
	op->op = (struct db_op){.bytes = sizeof *op, .writes = true, .makes_room = true, .beyond_limits = true,
	                        .run = run_expire, .done = done_expire};
	qs_touch_begin(qs, q, &op->touch);
	op->before_ms = op->touch.now_ms - q->retention_ms;
	q->expiring = db_submit(qs->db, &op->op, NULL) == 0;
	if (q->expiring) {
		q->expire_from_ms = 0;
		return;
	}
	qs_touch_end(&op->touch, false);
	free(op);
}
