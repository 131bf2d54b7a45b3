#include "core/store/queue_sqlite.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/store/queue_sqlite_priv.h"

enum { CALLS_MAX = 16384, CALLS_MAX_BYTES = 64 << 20 };

static void fill_stats(const struct qs_queue *q, struct queue_stats *out)
{
	*out = (struct queue_stats){
		.visible = (uint64_t)(q->count.visible > 0 ? q->count.visible : 0),
		.delayed = (uint64_t)(q->count.delayed > 0 ? q->count.delayed : 0),
		.leased = (uint64_t)(q->count.leased > 0 ? q->count.leased : 0),
		.oldest_ms = q->oldest_ms ? q->oldest_ms - q->qs->shift_ms : 0,
	};
}

static void stat(struct queue *base, struct str name, struct queue_stats *out)
{
	struct qs_queue *q = qs_name_find(qs_of(base), name);
	*out = (struct queue_stats){0};
	if (q)
		fill_stats(q, out);
}

static int64_t now_ms(const struct queue *base)
{
	struct qs *qs = qs_of((struct queue *)(uintptr_t)base);
	return qs_now(qs) - qs->shift_ms;
}

static void list(struct queue *base, struct str prefix, struct str after, queue_each_cb *each, void *arg)
{
	struct qs *qs = qs_of(base);
	bool go_on = true, continued = after.n && str_cmp(after, prefix) >= 0;
	struct qs_queue *q = qs_name_after(qs, continued ? after : prefix, !continued);
	for (; go_on && q && str_starts(q->name, prefix); q = qs_name_after(qs, q->name, false)) {
		struct queue_stats stats;
		fill_stats(q, &stats);
		if (q->configured || stats.visible + stats.delayed + stats.leased)
			go_on = each(arg, q->name, &stats);
	}
}

static void close_queue(struct queue *base);

static const struct queue_ops OPS = {
	.publish = qs_publish, .fetch = qs_fetch, .fetch_cancel = qs_fetch_cancel, .ack = qs_ack, .nak = qs_nak, .extend = qs_extend,
	.move = qs_move, .peek = qs_peek, .find = qs_find_one, .stat = stat, .now_ms = now_ms, .list = list, .watch = qs_watch,
	.watch_stop = qs_watch_stop, .configure = qs_configure, .purge = qs_purge, .del = qs_delete, .close = close_queue,
};

static void release(struct qs *qs)
{
	for (size_t i = 0; i < QS_STATEMENTS; i++)
		sqlite3_finalize(qs->statements[i]);
	qs_names_release(qs);
	qs_room_close(qs);
	db_free(qs->db);
	free(qs);
}

static void close_queue(struct queue *base)
{
	struct qs *qs = qs_of(base);
	ASSERT(qs->calling == 0);
	qs->closing = true;
	db_stop(qs->db);
	for (struct qs_queue *q = qs_name_after(qs, STR(""), true); q; q = qs_name_after(qs, q->name, false))
		qs_waits_close(q);
	qs_watches_close(qs);
	qs_clean_close(qs);
	release(qs);
}

/* The thread forgets with each rollback how far sequences are reserved in the file. */
static void on_rollback(void *arg)
{
	((struct qs *)arg)->reserved = 0;
}

/* ---- opening: all on the loop's thread, before the first operation ---- */

static int read_queue(struct qs *qs, sqlite3_stmt *st, int64_t *last_ms)
{
	struct error err = {0};
	const void *name = sqlite3_column_blob(st, 1);
	struct qs_queue *q = qs_name_get(qs, (struct str){name, (size_t)sqlite3_column_bytes(st, 1)}, &err);
	if (!q)
		return SQLITE_NOMEM;
	int64_t published_ms = 0, items = sqlite3_column_int64(st, 2);
	q->id = sqlite3_column_int64(st, 0);
	q->retention_ms = sqlite3_column_int64(st, 4);
	q->ordered = sqlite3_column_int(st, 5);
	q->configured = sqlite3_column_int(st, 6);
	qs->next_id = q->id >= qs->next_id ? q->id + 1 : qs->next_id;
	int rc = qs_one(QS_BIND(qs, LAST_PUBLISHED, items), &published_ms);
	*last_ms = published_ms > *last_ms ? published_ms : *last_ms;
	return rc;
}

static int read_queues(struct qs *qs, int64_t *last_ms)
{
	sqlite3_stmt *st = qs_bind(qs, QS_QUEUES, 0, NULL);
	int rc, found = SQLITE_OK;
	while (found == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW)
		found = read_queue(qs, st, last_ms);
	rc = qs_end(st, rc);
	return found != SQLITE_OK ? found : rc;
}

static int read_state(struct qs *qs)
{
	sqlite3_stmt *st = qs_bind(qs, QS_STATE, 0, NULL);
	int rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		qs->next_seq = sqlite3_column_int64(st, 0);
		qs->shift_ms = sqlite3_column_int64(st, 1);
	}
	rc = qs_end(st, rc);
	if (rc == SQLITE_OK)
		rc = qs_one(qs_bind(qs, QS_NUMBERS, 0, NULL), &qs->next_number);
	qs->next_number++;
	return rc;
}

/* The clock was set back: the file's time goes on from the newest message, and what is told is shifted. */
static int set_clock(struct qs *qs, int64_t last_ms)
{
	int64_t shift_ms = last_ms ? qs->shift_ms : 0;
	int64_t behind_ms = last_ms - (qs_now(qs) - qs->shift_ms + shift_ms);
	shift_ms += behind_ms > 0 ? behind_ms : 0;
	if (shift_ms == qs->shift_ms)
		return SQLITE_OK;
	qs->shift_ms = shift_ms;
	qs->last_ms = 0;
	return qs_run(QS_BIND(qs, SHIFT, shift_ms));
}

static int read_counts(struct qs *qs, struct qs_queue *q)
{
	struct qs_touch t = {.queue = q, .id = q->id, .horizon_ms = qs_now(qs)};
	q->horizon_ms = q->used_ms = t.horizon_ms;
	int rc = qs_find(qs, &t, false);
	if (rc == SQLITE_OK && t.found)
		rc = qs_counts_read(qs, &t, &q->count, &q->next_ms);
	q->oldest_ms = t.oldest_ms;
	qs_arm(q);
	return rc;
}

static int load(struct qs *qs, struct error *err)
{
	int64_t last_ms = 0;
	int rc = read_state(qs);
	if (rc == SQLITE_OK)
		rc = read_queues(qs, &last_ms);
	if (rc == SQLITE_OK)
		rc = set_clock(qs, last_ms);
	for (struct qs_queue *q = qs_name_after(qs, STR(""), true); rc == SQLITE_OK && q; q = qs_name_after(qs, q->name, false))
		rc = read_counts(qs, q);
	return rc == SQLITE_OK ? 0 : db_error(db_sql(qs->db), rc, err);
}

static struct qs *qs_new(struct ev_loop *loop, const struct queue_sqlite_options *options, struct error *err)
{
	struct qs *qs = calloc(1, sizeof *qs);
	if (!qs) {
		error_set(err, ERR_NO_MEMORY, "no memory for the store");
		return NULL;
	}
	qs->queue.ops = &OPS;
	qs->loop = loop;
	qs->next_id = 1;
	qs->dirfd = -1;
	qs->now_ms = options ? options->now_ms : NULL;
	qs->now_arg = options ? options->now_arg : NULL;
	qs_clock_init(qs);
	qs_watches_init(qs);
	return qs;
}

static struct db *open_db(struct qs *qs, int dirfd, const struct queue_sqlite_options *options, struct error *err)
{
	struct db_options db = {.format = &QS_FORMAT, .queue_max = CALLS_MAX, .queue_max_bytes = CALLS_MAX_BYTES,
	                        .relieve = qs_room_give, .relieve_arg = qs};
	if (options) {
		db.queue_max = options->calls_max ? options->calls_max : db.queue_max;
		db.queue_max_bytes = options->calls_max_bytes ? options->calls_max_bytes : db.queue_max_bytes;
		db.unsafe_no_sync = options->unsafe_no_sync;
	}
	return db_open(qs->loop, dirfd, &db, err);
}

struct queue *queue_sqlite_open(struct ev_loop *loop, int store_dirfd, const struct queue_sqlite_options *options, struct error *err)
{
	CLEANUP_FREE struct qs *qs = qs_new(loop, options, err);
	if (!qs)
		return NULL;
	qs->db = open_db(qs, store_dirfd, options, err);
	if (!qs->db)
		return NULL;
	qs_room_open(qs, store_dirfd);
	sqlite3_rollback_hook(db_sql(qs->db), on_rollback, qs);
	if (qs_prepare(qs, err) < 0 || load(qs, err) < 0) {
		error_wrap(err, "cannot open the queues");
		db_stop(qs->db);
		release(STEAL_PTR(qs));
		return NULL;
	}
	qs_clean_init(qs);
	return &STEAL_PTR(qs)->queue;
}
