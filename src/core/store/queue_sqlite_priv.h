/* Between the queue_sqlite_*.c: the engine, its queues on the loop, and what an operation carries to the thread and back.
 *
 * Two sides. The *loop* has a struct qs_queue a name: counts, fetches that wait, the next time at which something happens. The
 * *thread* (db_priv.h) has the file, and knows queues by number. An operation carries a struct qs_touch for each queue that it
 * concerns: the loop fills in its time, `run` the changes, and the loop applies them when it is done. Since operations run and
 * are done in the order of submission, the loop's counts are the file's as of the latest operation done.
 *
 * Horizon. "Visible" is a matter of time, and nothing is in memory that could be asked for each message. So a queue has a horizon,
 * moved by the loop: what has visible_ms up to it counts as visible. It moves for free when the loop knows that nothing lies
 * between (next_ms); else an operation (tick) counts what it passes over.
 *
 * Leases that are not kept are rows of a temporary table, so that they are undone with their transaction.
 *
 * Times are the file's: the public time plus shift_ms, so that a clock that was set back costs one number. */
#ifndef MAYFLY_STORE_QUEUE_SQLITE_PRIV_H
#define MAYFLY_STORE_QUEUE_SQLITE_PRIV_H

#include "core/store/db_priv.h"
#include "core/store/queue_sqlite.h"

enum {
	QS_LEASES_MAX = 4096, /* not kept, a queue */
	QS_PIECE = 256,       /* rows of one piece of work behind the scenes */
	QS_PIECE_BYTES = 4 << 20,
};
#define QS_NEVER INT64_MAX
#define QS_DELAY_MAX (UINT64_C(1) << 48)

enum qs_statement {
#define X(name, text) QS_##name,
#include "core/store/queue_sqlite_sql.def"
#undef X
	QS_STATEMENTS
};

struct qs_counts {
	int64_t visible, delayed, leased;
};

/* The loop's. */
struct qs_queue {
	struct qs_queue *left, *right; /* queue_sqlite_names.c */
	uint64_t rank;
	struct qs *qs;
	struct str name;
	int64_t id;                /* row of table queue, which may not be there */
	unsigned holds;            /* operations and waiting fetches that point here */
	struct qs_counts count;
	int64_t oldest_ms;         /* 0: empty */
	int64_t horizon_ms, next_ms;
	int64_t used_ms;
	unsigned ticks;            /* under way */
	bool lost_count;           /* a tick failed */
	bool expiring;
	int64_t expire_from_ms;    /* no sooner: it failed */
	bool ordered, configured;
	int64_t retention_ms;
	struct ev_timer timer;     /* next_ms, retention */
	struct list waits;         /* queue_wait.link */
	struct list hint;          /* in qs.hints */
	char data[];
};

struct qs {
	struct queue queue;
	struct db *db;
	struct ev_loop *loop;
	bool closing;
	unsigned calling; /* depth of callbacks */

	struct qs_queue *names;
	size_t name_count;
	int64_t next_id;
	struct list watches, hints;
	struct ev_defer tell;
	struct ev_timer more_tell, dedup_timer, sweep_timer;
	bool cleaning;
	size_t swept_n; /* names up to `swept` were looked at */
	char swept[QUEUE_NAME_MAX];

	int64_t shift_ms, last_ms;  /* file time minus public time; the latest time given */
	int64_t wall_ms;            /* at opening */
	uint64_t boot_ns;
	int64_t (*now_ms)(void *arg);
	void *now_arg;

	/* The thread's. */
	sqlite3_stmt *statements[QS_STATEMENTS];
	int64_t next_seq, reserved; /* reserved: sequences below are the file's business no more */
	int64_t next_number;
	int dirfd;
	bool spare;                 /* the reserve file is whole */
	int64_t unseen;             /* bytes that may be published before the disk is looked at again */
};

/* What an operation does to one queue. */
struct qs_touch {
	struct qs_queue *queue;
	int64_t id, now_ms, horizon_ms;
	/* Found and left by `run`. */
	bool found, ordered;
	int64_t items, dedups; /* numbers under which its rows are stored */
	struct qs_counts change;
	bool ready;            /* something can be fetched that could not before */
	bool oldest_known;
	int64_t oldest_ms;
};

/* A message's row. */
struct qs_item {
	int64_t seq, visible_ms, published_ms, first_ms, body, size;
	uint64_t nonce, lease_nonce; /* 0: none */
	int64_t lease_until_ms;
	unsigned receives;
	bool leased; /* its visible_ms is the end of a kept lease */
	bool grouped;
	size_t group_n;
	char group[QUEUE_GROUP_MAX];
};
/* What queue_message is to its callee. */
struct qs_message {
	struct queue_message m;
	int64_t before_ms; /* its visible_ms in the file before it was leased */
};
enum qs_state { QS_GONE, QS_VISIBLE, QS_DELAYED, QS_LEASED };

static inline struct qs *qs_of(struct queue *base)
{
	return CONTAINER_OF(base, struct qs, queue);
}

/* ---- queue_sqlite_sql.c, the thread: SQLite codes are returned ---- */
extern const struct db_format QS_FORMAT;
extern const char *const QS_TEMPORARY;
extern const char *const QS_SQL[QS_STATEMENTS];
/* Numbers of statement `s`'s parameters from the first. A statement that was used is reset by qs_run and qs_end. */
sqlite3_stmt *qs_bind(struct qs *qs, enum qs_statement s, size_t n, const int64_t *numbers);
#define QS_BIND(qs, s, ...) \
	qs_bind(qs, QS_##s, sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (const int64_t[]){__VA_ARGS__})
void qs_bind_bytes(sqlite3_stmt *st, int at, const void *p, size_t n); /* p NULL: NULL; must live until the statement is reset */
int qs_run(sqlite3_stmt *st);                                         /* to its end; rows are skipped */
int qs_one(sqlite3_stmt *st, int64_t *out);                           /* the first number, untouched when there is none */
int qs_end(sqlite3_stmt *st, int rc);                                 /* resets; SQLITE_OK for SQLITE_ROW and SQLITE_DONE */
int qs_prepare(struct qs *qs, struct error *err);

/* ---- queue_sqlite_rows.c, the thread ---- */
/* The queue's row; `make`: made when it is not there. Forgets the changes of an attempt before. */
int qs_find(struct qs *qs, struct qs_touch *t, bool make);
int qs_next_seq(struct qs *qs, int64_t *seq);
void qs_item_read(sqlite3_stmt *st, struct qs_item *item);
int qs_item(struct qs *qs, const struct qs_touch *t, int64_t seq, struct qs_item *item, bool *found);
enum qs_state qs_state(const struct qs_touch *t, const struct qs_item *item);
void qs_change(struct qs_touch *t, enum qs_state from, enum qs_state to);
/* With its body, or without. The group's row is refreshed apart (qs_group). */
int qs_item_drop(struct qs *qs, struct qs_touch *t, const struct qs_item *item, bool body);
/* Moves the item to the end of `to`. `group` for those that have none, when `to` is ordered. */
int qs_item_move(struct qs *qs, struct qs_touch *from, struct qs_touch *to, const struct qs_item *item, struct str group, bool keep_counts);
/* An item was added at the end of an ordered queue. */
int qs_group_add(struct qs *qs, const struct qs_touch *t, struct str group, int64_t seq, int64_t visible_ms);
/* Something of the item's group changed; nothing in queues that are not ordered. */
int qs_group(struct qs *qs, const struct qs_touch *t, const struct qs_item *item);
int qs_oldest(struct qs *qs, struct qs_touch *t);
int qs_lease_end(struct qs *qs, const struct qs_item *item); /* of one that is not kept */
/* Visible items in the order of fetching. *n: in, room; out, found. */
int qs_collect(struct qs *qs, const struct qs_touch *t, struct qs_item *items, size_t *n);
struct queue_message *qs_load(struct qs *qs, const struct qs_touch *t, const struct qs_item *item, size_t max_body, int *rc);

/* ---- queue_sqlite_names.c, the loop ---- */
struct qs_queue *qs_name_find(struct qs *qs, struct str name);
struct qs_queue *qs_name_get(struct qs *qs, struct str name, struct error *err); /* made when it is not there */
struct qs_queue *qs_name_after(struct qs *qs, struct str name, bool inclusive);   /* the next in byte order */
void qs_name_free(struct qs *qs, struct qs_queue *q);
void qs_names_release(struct qs *qs);

/* ---- queue_sqlite_time.c, the loop ---- */
void qs_clock_init(struct qs *qs);
int64_t qs_now(struct qs *qs);
int64_t qs_after(int64_t now_ms, uint64_t delay_ms);
void qs_touch_begin(struct qs *qs, struct qs_queue *q, struct qs_touch *t);
void qs_touch_end(struct qs_touch *t, bool fine);
/* An operation on one queue: touches it and submits; -1: neither, and `op` stays the caller's. */
int qs_submit(struct qs *qs, struct qs_queue *q, struct db_op *op, struct qs_touch *t, struct error *err);
/* Something in the queue will have to be looked at then. */
void qs_expect(struct qs_queue *q, int64_t at_ms);
void qs_arm(struct qs_queue *q);
int qs_counts_read(struct qs *qs, struct qs_touch *t, struct qs_counts *counts, int64_t *next_ms); /* the thread, or at opening */
void qs_on_timer(struct ev_timer *timer);

/* ---- the calls, the loop; beside queue_ops ---- */
void qs_wake(struct qs_queue *q); /* fetches that wait may find something */
void qs_waits_close(struct qs_queue *q);
/* Messages that nobody took, uncounted; visible_ms: as they were before they were leased. */
void qs_give_back(struct qs *qs, struct qs_queue *q, const struct queue_receipt *receipts, const int64_t *visible_ms, size_t n);
void qs_hint(struct qs_queue *q); /* watches are told at the end of the round */
void qs_watches_init(struct qs *qs);
void qs_watches_close(struct qs *qs);
void qs_clean(struct qs *qs); /* rows of queues that were purged, dedup ids, free pages: in pieces */
void qs_clean_init(struct qs *qs);
void qs_clean_close(struct qs *qs);
void qs_expect_dedup(struct qs *qs);
void qs_expire(struct qs_queue *q); /* retention */
/* queue_sqlite_room.c, the thread. */
void qs_room_open(struct qs *qs, int dirfd);
void qs_room_close(struct qs *qs);
bool qs_room_for(struct qs *qs, size_t bytes);
bool qs_room_give(void *qs);

int qs_publish(struct queue *base, const struct queue_publish *messages, size_t n, queue_publish_cb *cb, void *arg, struct error *err);
struct queue_wait *qs_fetch(struct queue *base, const struct queue_fetch *what, queue_fetch_cb *cb, void *arg, struct error *err);
void qs_fetch_cancel(struct queue *base, struct queue_wait *wait);
int qs_ack(struct queue *base, struct str queue, const struct queue_receipt *receipts, size_t n, queue_done_cb *cb, void *arg,
           struct error *err);
int qs_nak(struct queue *base, struct str queue, const struct queue_nak *naks, size_t n, queue_done_cb *cb, void *arg, struct error *err);
int qs_extend(struct queue *base, struct str queue, const struct queue_extend *leases, size_t n, queue_done_cb *cb, void *arg,
              struct error *err);
int qs_move(struct queue *base, const struct queue_move *what, queue_move_cb *cb, void *arg, struct error *err);
int qs_peek(struct queue *base, const struct queue_peek *what, queue_fetch_cb *cb, void *arg, struct error *err);
int qs_find_one(struct queue *base, struct str queue, uint64_t sequence, queue_fetch_cb *cb, void *arg, struct error *err);
struct queue_watch *qs_watch(struct queue *base, struct str prefix, queue_visible_cb *cb, void *arg, struct error *err);
void qs_watch_stop(struct queue *base, struct queue_watch *watch);
int qs_configure(struct queue *base, struct str queue, const struct queue_config *config, queue_simple_cb *cb, void *arg, struct error *err);
int qs_purge(struct queue *base, struct str queue, queue_simple_cb *cb, void *arg, struct error *err);
int qs_delete(struct queue *base, struct str queue, queue_simple_cb *cb, void *arg, struct error *err);

#endif
