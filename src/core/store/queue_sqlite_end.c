/* Ending leases: ack, nak, extend, and giving back what nobody took. One operation over many receipts; a row a kind. */
#include <stdlib.h>
#include <string.h>

#include "core/store/queue_sqlite_priv.h"

struct end;
typedef int end_one(struct end *op, const struct qs_item *item, size_t i);

struct end {
	struct db_op op;
	struct qs *qs;
	struct qs_touch touch;
	end_one *one;
	bool removes; /* the oldest message may be another then */
	size_t n;
	queue_done_cb *cb;
	void *arg;
	enum error_code *results;
	char *notes;
	struct queue_nak entries[]; /* of all kinds: delay_ms is also an extension */
};

static bool owns(const struct qs_item *item, const struct queue_receipt *receipt)
{
	uint64_t current = item->lease_nonce ? item->lease_nonce : item->nonce;
	return receipt->nonce && receipt->nonce == current;
}

static int end_one_of(struct end *op, size_t i)
{
	struct qs_item item;
	bool found = false;
	int rc = qs_item(op->qs, &op->touch, (int64_t)op->entries[i].receipt.sequence, &item, &found);
	op->results[i] = !found ? ERR_NOT_FOUND : owns(&item, &op->entries[i].receipt) ? ERR_OK : ERR_STALE;
	if (rc != SQLITE_OK || op->results[i] != ERR_OK)
		return rc;
	rc = op->one(op, &item, i);
	return rc == SQLITE_OK ? qs_group(op->qs, &op->touch, &item) : rc;
}

static int run_end(struct db_op *base, sqlite3 *sql)
{
	struct end *op = CONTAINER_OF(base, struct end, op);
	int rc = qs_find(op->qs, &op->touch, false);
	for (size_t i = 0; i < op->n; i++)
		op->results[i] = ERR_NOT_FOUND;
	for (size_t i = 0; rc == SQLITE_OK && op->touch.found && i < op->n; i++)
		rc = end_one_of(op, i);
	return rc == SQLITE_OK && op->touch.found && op->removes ? qs_oldest(op->qs, &op->touch) : rc;
}

static int ack_one(struct end *op, const struct qs_item *item, size_t i)
{
	return qs_item_drop(op->qs, &op->touch, item, true);
}

/* Naks of kept leases were counted when they were fetched. */
static int nak_one(struct end *op, const struct qs_item *item, size_t i)
{
	struct qs_touch *t = &op->touch;
	const struct queue_nak *nak = &op->entries[i];
	int64_t visible_ms = nak->delay_ms ? qs_after(t->now_ms, nak->delay_ms) : t->horizon_ms;
	qs_change(t, qs_state(t, item), nak->delay_ms ? QS_DELAYED : QS_VISIBLE);
	int rc = qs_run(QS_BIND(op->qs, ITEM_NAK, t->items, item->seq, visible_ms, (int64_t)item->receives + !!item->lease_nonce));
	if (rc == SQLITE_OK && nak->note.p) {
		sqlite3_stmt *st = QS_BIND(op->qs, ITEM_NOTE, t->items, item->seq);
		qs_bind_bytes(st, 3, nak->note.p, nak->note.n);
		rc = qs_run(st);
	}
	return rc == SQLITE_OK ? qs_lease_end(op->qs, item) : rc;
}

static int extend_one(struct end *op, const struct qs_item *item, size_t i)
{
	struct qs_touch *t = &op->touch;
	uint64_t lease_ms = op->entries[i].delay_ms;
	int64_t until_ms = lease_ms ? qs_after(t->now_ms, lease_ms) : t->horizon_ms;
	if (qs_state(t, item) != QS_LEASED) {
		op->results[i] = ERR_STALE;
		return SQLITE_OK;
	}
	qs_change(t, QS_LEASED, lease_ms ? QS_LEASED : QS_VISIBLE);
	if (item->lease_nonce)
		return qs_run(QS_BIND(op->qs, LEASE_UNTIL, item->seq, until_ms));
	return qs_run(QS_BIND(op->qs, ITEM_EXTEND, t->items, item->seq, until_ms));
}

/* delay_ms is the time from which it was visible before: it returns to its place. */
static int give_back_one(struct end *op, const struct qs_item *item, size_t i)
{
	struct qs_touch *t = &op->touch;
	qs_change(t, qs_state(t, item), QS_VISIBLE);
	if (item->lease_nonce)
		return qs_lease_end(op->qs, item);
	return qs_run(QS_BIND(op->qs, ITEM_GIVE_BACK, t->items, item->seq, (int64_t)op->entries[i].delay_ms));
}

static void done_end(struct db_op *base)
{
	struct end *op = CONTAINER_OF(base, struct end, op);
	struct qs *qs = op->qs;
	bool fine = base->err.code == ERR_OK;
	qs_touch_end(&op->touch, fine);
	if (op->cb) {
		qs->calling++;
		op->cb(op->arg, fine ? op->results : NULL, op->n, fine ? NULL : &base->err);
		qs->calling--;
	}
	free(op);
}

static struct end *end_new(struct qs *qs, struct str name, size_t n, size_t notes, end_one *one, struct error *err)
{
	size_t bytes = n * (sizeof(struct queue_nak) + sizeof(enum error_code)) + notes;
	struct qs_queue *q = qs_name_get(qs, name, err);
	struct end *op = q ? calloc(1, sizeof *op + bytes) : NULL;
	if (!op) {
		error_set(err, ERR_NO_MEMORY, "no memory for a request to the store");
		return NULL;
	}
	op->op = (struct db_op){.bytes = bytes, .writes = true, .makes_room = true, .beyond_limits = true, .run = run_end, .done = done_end};
	op->qs = qs;
	op->one = one;
	op->n = n;
	op->results = (enum error_code *)(void *)&op->entries[n];
	op->notes = (char *)&op->results[n];
	qs_touch_begin(qs, q, &op->touch);
	return op;
}

static int submit(struct end *op, queue_done_cb *cb, void *arg, struct error *err)
{
	op->cb = cb;
	op->arg = arg;
	if (db_submit(op->qs->db, &op->op, err) == 0)
		return 0;
	qs_touch_end(&op->touch, false);
	free(op);
	return -1;
}

int qs_ack(struct queue *base, struct str queue, const struct queue_receipt *receipts, size_t n, queue_done_cb *cb, void *arg,
           struct error *err)
{
	struct end *op = end_new(qs_of(base), queue, n, 0, ack_one, err);
	if (!op)
		return -1;
	op->removes = true;
	for (size_t i = 0; i < n; i++)
		op->entries[i].receipt = receipts[i];
	return submit(op, cb, arg, err);
}

static void copy_nak(struct end *op, const struct queue_nak *nak, size_t i, char **notes)
{
	op->entries[i] = *nak;
	if (nak->note.n)
		memcpy(*notes, nak->note.p, nak->note.n);
	if (nak->note.p)
		op->entries[i].note.p = *notes;
	*notes += nak->note.n;
	if (nak->delay_ms)
		qs_expect(op->touch.queue, qs_after(op->touch.now_ms, nak->delay_ms));
}

int qs_nak(struct queue *base, struct str queue, const struct queue_nak *naks, size_t n, queue_done_cb *cb, void *arg, struct error *err)
{
	size_t bytes = 0;
	for (size_t i = 0; i < n; i++)
		bytes += naks[i].note.n;
	struct end *op = end_new(qs_of(base), queue, n, bytes, nak_one, err);
	if (!op)
		return -1;
	char *notes = op->notes;
	for (size_t i = 0; i < n; i++)
		copy_nak(op, &naks[i], i, &notes);
	return submit(op, cb, arg, err);
}

int qs_extend(struct queue *base, struct str queue, const struct queue_extend *leases, size_t n, queue_done_cb *cb, void *arg,
              struct error *err)
{
	struct end *op = end_new(qs_of(base), queue, n, 0, extend_one, err);
	if (!op)
		return -1;
	for (size_t i = 0; i < n; i++) {
		op->entries[i] = (struct queue_nak){.receipt = leases[i].receipt, .delay_ms = leases[i].lease_ms};
		if (leases[i].lease_ms)
			qs_expect(op->touch.queue, qs_after(op->touch.now_ms, leases[i].lease_ms));
	}
	return submit(op, cb, arg, err);
}

/* What cannot be asked for comes back when the lease ends. */
void qs_give_back(struct qs *qs, struct qs_queue *q, const struct queue_receipt *receipts, const int64_t *visible_ms, size_t n)
{
	struct end *op = qs->closing ? NULL : end_new(qs, q->name, n, 0, give_back_one, NULL);
	if (!op)
		return;
	for (size_t i = 0; i < n; i++)
		op->entries[i] = (struct queue_nak){.receipt = receipts[i], .delay_ms = (uint64_t)visible_ms[i]};
	submit(op, NULL, NULL, NULL);
}
