/* Work behind the scenes, a piece a transaction, so that nobody waits for it: rows of queues that were purged, dedup ids and messages
 * that are too old, pages that nobody needs, names that nobody uses. */
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/store/queue_sqlite_priv.h"

enum {
	SWEEP_MS = 300000,
	SWEEP_PAUSE_MS = 50,
	SWEEP_NAMES = 500,
	IDLE_MS = 2 * QUEUE_DEDUP_MS,
	FREE_PAGES_KEPT = 4096, /* 16 MiB for the next flood */
	VACUUM_PAGES = 128
};

struct clean {
	struct db_op op;
	struct qs *qs;
	int64_t now_ms, next_dedup_ms; /* 0: none */
	bool more;
};

static int drop_rows(struct qs *qs, int64_t number, int64_t seq, int64_t body)
{
	int rc = qs_run(QS_BIND(qs, ITEM_DROP, number, seq));
	return rc == SQLITE_OK ? qs_run(QS_BIND(qs, BODY_DROP, body)) : rc;
}

/* Bodies may be large: their bytes are counted too. */
static int drop_items(struct qs *qs, int64_t number, bool *more)
{
	int64_t seqs[QS_PIECE], bodies[QS_PIECE], bytes = 0;
	size_t n = 0;
	sqlite3_stmt *st = QS_BIND(qs, DEAD_ITEMS, number, QS_PIECE);
	int rc;
	while ((rc = sqlite3_step(st)) == SQLITE_ROW && bytes < QS_PIECE_BYTES && n < QS_PIECE) {
		seqs[n] = sqlite3_column_int64(st, 0);
		bodies[n++] = sqlite3_column_int64(st, 1);
		bytes += sqlite3_column_int64(st, 2);
	}
	rc = qs_end(st, rc);
	for (size_t i = 0; rc == SQLITE_OK && i < n; i++)
		rc = drop_rows(qs, number, seqs[i], bodies[i]);
	*more = n > 0;
	return rc;
}

static int drop_some(struct qs *qs, enum qs_statement what, int64_t number, bool *more)
{
	int rc = qs_run(qs_bind(qs, what, 2, (const int64_t[]){number, QS_PIECE}));
	*more = sqlite3_changes(db_sql(qs->db)) > 0;
	return rc;
}

static int clean_dead(struct qs *qs, bool *more)
{
	int64_t number = 0;
	int rc = qs_one(qs_bind(qs, QS_DEAD_FIND, 0, NULL), &number);
	*more = false;
	if (rc != SQLITE_OK || !number)
		return rc;
	rc = drop_items(qs, number, more);
	if (rc == SQLITE_OK && !*more)
		rc = drop_some(qs, QS_DEAD_GROUPS, number, more);
	if (rc == SQLITE_OK && !*more)
		rc = drop_some(qs, QS_DEAD_DEDUPS, number, more);
	if (rc != SQLITE_OK || *more)
		return rc;
	*more = true; /* the next number */
	rc = qs_run(QS_BIND(qs, DEAD_LEASES, number));
	return rc == SQLITE_OK ? qs_run(QS_BIND(qs, DEAD_DROP, number)) : rc;
}

static int clean_dedups(struct clean *op)
{
	int rc = SQLITE_OK;
	struct {
		int64_t queue;
		size_t n;
		char id[QUEUE_DEDUP_MAX];
	} old[QS_PIECE];
	size_t n = 0;
	sqlite3_stmt *st = QS_BIND(op->qs, DEDUPS_OLD, op->now_ms, QS_PIECE);
	while (n < QS_PIECE && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		const void *id = sqlite3_column_blob(st, 1);
		old[n].queue = sqlite3_column_int64(st, 0);
		old[n].n = (size_t)sqlite3_column_bytes(st, 1);
		ASSERT(old[n].n <= sizeof old[n].id);
		memcpy(old[n].id, id ? id : "", old[n].n);
		n++;
	}
	rc = qs_end(st, rc);
	for (size_t i = 0; rc == SQLITE_OK && i < n; i++) {
		st = QS_BIND(op->qs, DEDUP_DROP, old[i].queue);
		qs_bind_bytes(st, 2, old[i].id, old[i].n);
		rc = qs_run(st);
	}
	op->more |= n == QS_PIECE;
	return rc == SQLITE_OK ? qs_one(qs_bind(op->qs, QS_DEDUP_NEXT, 0, NULL), &op->next_dedup_ms) : rc;
}

/* Half of the file may stay free. */
static int vacuum(struct clean *op, sqlite3 *sql)
{
	int64_t pages = 0, unused = 0;
	int rc = qs_one(qs_bind(op->qs, QS_PAGES, 0, NULL), &pages);
	if (rc == SQLITE_OK)
		rc = qs_one(qs_bind(op->qs, QS_PAGES_FREE, 0, NULL), &unused);
	if (rc != SQLITE_OK || unused < FREE_PAGES_KEPT + VACUUM_PAGES || unused * 2 < pages)
		return rc;
	op->more = true;
	char text[48];
	sqlite3_snprintf(sizeof text, text, "PRAGMA incremental_vacuum(%d)", VACUUM_PAGES);
	return sqlite3_exec(sql, text, NULL, NULL, NULL);
}

static int run_clean(struct db_op *base, sqlite3 *sql)
{
	struct clean *op = CONTAINER_OF(base, struct clean, op);
	op->next_dedup_ms = 0;
	int rc = clean_dead(op->qs, &op->more);
	if (rc == SQLITE_OK)
		rc = clean_dedups(op);
	return rc == SQLITE_OK && !op->more ? vacuum(op, sql) : rc;
}

static void done_clean(struct db_op *base)
{
	struct clean *op = CONTAINER_OF(base, struct clean, op);
	struct qs *qs = op->qs;
	bool fine = base->err.code == ERR_OK;
	int64_t next_ms = fine ? op->next_dedup_ms : 1;
	bool more = fine && op->more;
	free(op);
	qs->cleaning = false;
	if (more) {
		qs_clean(qs);
		return;
	}
	int64_t delay_ms = next_ms - qs_now(qs);
	if (next_ms && !qs->closing)
		ev_timer_after(qs->loop, &qs->dedup_timer, (uint64_t)(delay_ms < 1000 ? 1000 : delay_ms) * NS_PER_MS);
}

void qs_clean(struct qs *qs)
{
	struct clean *op = qs->cleaning || qs->closing ? NULL : calloc(1, sizeof *op);
	if (!op)
		return;
	op->op = (struct db_op){.bytes = sizeof *op, .writes = true, .makes_room = true, .beyond_limits = true, .run = run_clean, .done = done_clean};
	op->qs = qs;
	op->now_ms = qs_now(qs);
	qs->cleaning = db_submit(qs->db, &op->op, NULL) == 0;
	if (!qs->cleaning)
		free(op);
}

void qs_expect_dedup(struct qs *qs)
{
	if (!qs->dedup_timer.loop && !qs->cleaning && !qs->closing)
		ev_timer_after(qs->loop, &qs->dedup_timer, QUEUE_DEDUP_MS * NS_PER_MS);
}

static void on_dedup_timer(struct ev_timer *timer)
{
	qs_clean(CONTAINER_OF(timer, struct qs, dedup_timer));
}

/* ---- names that nobody uses ---- */

struct forget {
	struct db_op op;
	struct qs_touch touch;
};

static int run_forget(struct db_op *base, sqlite3 *sql)
{
	struct forget *op = CONTAINER_OF(base, struct forget, op);
	struct qs *qs = op->touch.queue->qs;
	int rc = qs_run(QS_BIND(qs, QUEUE_FORGET, op->touch.id));
	return rc == SQLITE_OK ? qs_find(qs, &op->touch, false) : rc;
}

static bool unused(const struct qs_queue *q)
{
	return !q->holds && !q->configured && !q->oldest_ms;
}

static void done_forget(struct db_op *base)
{
	struct forget *op = CONTAINER_OF(base, struct forget, op);
	struct qs_queue *q = op->touch.queue;
	bool gone = base->err.code == ERR_OK && !op->touch.found;
	q->holds--;
	if (gone && unused(q) && !q->qs->closing)
		qs_name_free(q->qs, q);
	free(op);
}

static void forget(struct qs_queue *q)
{
	struct forget *op = calloc(1, sizeof *op);
	if (!op)
		return;
	op->op = (struct db_op){.bytes = sizeof *op, .writes = true, .makes_room = true, .run = run_forget, .done = done_forget};
	op->touch = (struct qs_touch){.queue = q, .id = q->id};
	if (db_submit(q->qs->db, &op->op, NULL) == 0)
		q->holds++;
	else
		free(op);
}

/* Some names at a time: there may be a hundred thousand. */
static void on_sweep(struct ev_timer *timer)
{
	struct qs *qs = CONTAINER_OF(timer, struct qs, sweep_timer);
	int64_t now_ms = qs_now(qs);
	struct qs_queue *q = qs_name_after(qs, (struct str){qs->swept, qs->swept_n}, false);
	for (unsigned n = 0; q && n < SWEEP_NAMES; n++, q = qs_name_after(qs, q->name, false)) {
		memcpy(qs->swept, q->name.p, q->name.n);
		qs->swept_n = q->name.n;
		if (unused(q) && q->used_ms + IDLE_MS <= now_ms)
			forget(q);
	}
	qs->swept_n = q ? qs->swept_n : 0;
	ev_timer_after(qs->loop, &qs->sweep_timer, (q ? SWEEP_PAUSE_MS : SWEEP_MS) * NS_PER_MS);
}

void qs_clean_init(struct qs *qs)
{
	qs->dedup_timer.cb = on_dedup_timer;
	qs->sweep_timer.cb = on_sweep;
	ev_timer_after(qs->loop, &qs->sweep_timer, SWEEP_MS * NS_PER_MS);
	qs_clean(qs);
}

void qs_clean_close(struct qs *qs)
{
	ev_timer_stop(&qs->dedup_timer);
	ev_timer_stop(&qs->sweep_timer);
}
