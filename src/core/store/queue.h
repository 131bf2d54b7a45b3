/* Durable queues of messages with leases. One interface, several engines: the embedded one is opened by queue_sqlite.h;
 * whoever uses queues includes only this header.
 *
 * Model. A queue is a name (1..QUEUE_NAME_MAX printable bytes without blank); it begins to be with its first message, or
 * with queue_configure, and costs nothing while it is empty. A message is published, becomes visible (at once, or after a
 * delay), is *fetched* under a lease, and then acked (gone), naked (visible again after a delay), or forgotten: the lease
 * ends and it is visible again. So every message is delivered at least once. Names begin with their owner: "async/" plain
 * function names (control/events), "sqs/" (services/queue), "fire/" (services/events).
 *
 * Every message has a *sequence*, given when it is published: a number that only grows, over all queues and restarts (it may jump). It
 * is fetched in the order (visible_ms, sequence); with groups (below) strictly by sequence within one group. Visible_ms is the time of
 * the publish, or of what brought it back, plus the delay.
 *
 * Groups. In a queue that is configured `ordered` each message has a group. No message of a group is given out while an
 * earlier one of it waits for its delay, or while any one of it is leased; one fetch may give several of a group, in their order. A nak,
 * or a lease that ends, brings them back in their order, as soon as none of what was fetched together is out any more.
 *
 * Deduplication. A message with a dedup id is not stored when one with that id was published to that queue in the last
 * QUEUE_DEDUP_MS, whatever has become of it: the answer is then that of the first, with `duplicate`.
 *
 * Leases. Kept leases survive a restart: the message stays invisible until the lease ends, and `receives` counts every
 * fetch, each durable before it is given out (SQS). Without QUEUE_KEEP_LEASE the lease is the engine's memory only: a restart
 * makes the message visible at once; such a fetch writes nothing, so it costs no sync, and `receives` counts naks only (asynchronous
 * events, whose invocations end with the server too). A lease is named by a receipt. Who is late may still ack or nak with it, until the
 * message is fetched again (then: ERR_STALE); a lease that is over cannot be extended (ERR_STALE). A nak ends the receipt.
 *
 * Time is the engine's: wall time when it was opened, plus what CLOCK_BOOTTIME counts since. It never goes back: a clock that is set
 * while the server runs moves no message. When the clock was set back between two runs, all times are shifted with it at the start.
 *
 * Threads: as kv.h: everything on one event loop, callbacks on it, never inside the call that asked (queue_close apart), exactly
 * once for a call that returned 0; -1 at once (`err`, no callback): ERR_USAGE, ERR_THROTTLED (too much waits for the store),
 * ERR_CLOSED. A callback of a write comes when that is durable, of acks and naks too. Calls take effect in the order in which they
 * were made. Publishes that wait together are one commit.
 *
 * Unkept leases have a maximum a queue (4,096 in the embedded engine): beyond that fetches find nothing until some end, and then the
 * watches tell.
 *
 * Memory: what is published stays the caller's and must live, unchanged, until the callback (bodies are large); names, receipts and
 * notes are copied by the call. What is fetched is the callee's. Of waiting messages nothing is in memory but a few numbers a queue. What fetches
 * under way hold is bounded by their max_bytes only: the caller's to keep small.
 *
 * Errors in callbacks: ERR_DISK_FULL (nothing of this call is stored, what was acknowledged stays; works again as soon as
 * there is room; acks and naks always have room), ERR_STALE (receipt of an old lease, or the message is gone), ERR_NOT_FOUND,
 * ERR_IO, ERR_CLOSED.
 *
 * For a second engine: publish = JetStream publish with Nats-Msg-Id; fetch = pull consumer with expiry; receipt = reply
 * subject; `note`, groups and kept counts need a key-value bucket beside the stream. Nothing here needs transactions over
 * several queues but queue_move, which may be publish-then-ack there (at least once). */
#ifndef MAYFLY_STORE_QUEUE_H
#define MAYFLY_STORE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/base/list.h"
#include "core/base/str.h"

enum {
	QUEUE_NAME_MAX = 200,
	QUEUE_GROUP_MAX = 128,
	QUEUE_DEDUP_MAX = 128,
	QUEUE_HEAD_MAX = 256 * 1024,     /* attributes and the like */
	QUEUE_BODY_MAX = 6 * 1024 * 1024 + 1024, /* an OnFailure record holds an answer of 6 MB; who limits more does it himself */
	QUEUE_NOTE_MAX = 2048,
	QUEUE_BATCH_MAX = 1000,          /* messages of one publish, fetch, ack, nak or extend */
	QUEUE_DEDUP_MS = 300000,
	QUEUE_ID_SIZE = 16
};

struct queue {
	const struct queue_ops *ops; /* every engine begins its object with this */
};

/* ---- publishing ---- */

struct queue_publish {
	struct str queue;
	unsigned char id[QUEUE_ID_SIZE]; /* the caller's name for it (request id, message id); kept by moves; need not be unique */
	struct str head;                 /* small, opaque, never changes */
	struct str body;                 /* opaque, never changes, stored once */
	struct str group, dedup;         /* p NULL: none. `group` only in ordered queues, and there always */
	uint64_t delay_ms;
};

struct queue_published {
	uint64_t sequence;
	unsigned char id[QUEUE_ID_SIZE]; /* of the first one, when `duplicate` */
	bool duplicate;
};

/* `results` (n of them, as asked) is NULL when `err` is not: then none was stored. */
typedef void queue_publish_cb(void *arg, const struct queue_published *results, size_t n, const struct error *err);

/* 1..QUEUE_BATCH_MAX messages, to one or several queues: all or none. The array and all its texts live until the callback. */
int queue_publish(struct queue *q, const struct queue_publish *messages, size_t n, queue_publish_cb *cb, void *arg, struct error *err);

/* ---- fetching ---- */

/* Names one lease of one message. Plain bytes: may be stored, encoded and sent about; compare with memcmp only. Not secret. */
struct queue_receipt {
	uint64_t sequence, nonce;
};

/* One block of memory but `body`; the callee's, freed with queue_message_free. */
struct queue_message {
	struct list link;         /* the holder's */
	struct queue_receipt receipt;
	unsigned char id[QUEUE_ID_SIZE];
	uint64_t sequence;
	int64_t published_ms, first_fetched_ms, visible_ms; /* since 1970, the engine's time; first_fetched of kept leases only, else 0 */
	unsigned receives;        /* this one included with QUEUE_KEEP_LEASE; else the naks before */
	struct str head, group;   /* group.p NULL: none */
	struct str note;          /* of the latest nak; empty at first */
	char *body;               /* malloc'd, a NUL follows; may be taken out (set it to NULL), so that it is not copied again */
	size_t body_len;
};
void queue_message_free(struct queue_message *m); /* NULL is fine */

enum { QUEUE_KEEP_LEASE = 1 };

struct queue_fetch {
	struct str queue;
	unsigned max;         /* 1..QUEUE_BATCH_MAX */
	size_t max_bytes;     /* of heads and bodies together; the first message always comes. 0: 8 MiB */
	uint64_t lease_ms;
	uint64_t wait_ms;     /* long poll: as soon as there is one, or with none when this is over. 0: at once */
	unsigned flags;
	unsigned max_receives; /* 0: no limit. A message that was fetched so often is moved to `dead_to` instead, in the same
	                        * transaction; with kept leases only */
	struct str dead_to;
};

/* `messages`: a ring of queue_message.link, in order; the callee takes what it wants out of it (list_pop_front) and owns that;
 * what stays in is given back at once, uncounted. `n` 0: none came in time. */
typedef void queue_fetch_cb(void *arg, struct list *messages, size_t n, const struct error *err);

struct queue_wait; /* a fetch under way; the engine's, dead when its callback was called */

/* NULL on failure. Fetches that wait on one queue are tried in the order in which they were made. `queue` and `dead_to` are copied. */
struct queue_wait *queue_fetch(struct queue *q, const struct queue_fetch *what, queue_fetch_cb *cb, void *arg, struct error *err);
/* No callback comes after this; messages that were on their way are visible again, in their place and uncounted. */
void queue_fetch_cancel(struct queue *q, struct queue_wait *wait);

/* ---- ending a lease ---- */

/* results[i] is ERR_OK, ERR_STALE, or ERR_NOT_FOUND (no such message in that queue); `err` only when nothing was done. `cb` may be NULL. */
typedef void queue_done_cb(void *arg, const enum error_code *results, size_t n, const struct error *err);

int queue_ack(struct queue *q, struct str queue, const struct queue_receipt *receipts, size_t n, queue_done_cb *cb, void *arg,
              struct error *err);

struct queue_nak {
	struct queue_receipt receipt;
	uint64_t delay_ms; /* visible again after this */
	struct str note;   /* replaces the note; p NULL: stays. At most QUEUE_NOTE_MAX */
};
int queue_nak(struct queue *q, struct str queue, const struct queue_nak *naks, size_t n, queue_done_cb *cb, void *arg, struct error *err);

/* The lease ends lease_ms from now; 0 ends it, and does not count as a nak. The receipt stays good for ack and nak. */
struct queue_extend {
	struct queue_receipt receipt;
	uint64_t lease_ms;
};
int queue_extend(struct queue *q, struct str queue, const struct queue_extend *leases, size_t n, queue_done_cb *cb, void *arg,
                 struct error *err);

/* ---- dead letters ---- */

/* Moves messages to the end of another queue: id, head, body, published_ms stay; counts and notes begin anew unless
 * `keep_counts`. By receipts (n of them; stale ones are passed over), or, with n 0, up to `max` of what is visible, in the order of
 * fetching. A message's own group is kept, also in a queue that is not ordered. ERR_USAGE (and `moved` of them before it) for one without
 * a group on its way into an ordered queue. */
struct queue_move {
	struct str from, to;
	const struct queue_receipt *receipts;
	size_t n;
	unsigned max;
	struct str group; /* for messages without one that come into an ordered queue; p NULL: none */
	bool keep_counts;
};
typedef void queue_move_cb(void *arg, size_t moved, const struct error *err);
int queue_move(struct queue *q, const struct queue_move *what, queue_move_cb *cb, void *arg, struct error *err);

/* ---- looking ---- */

/* Up to `max` messages after sequence `after` (0: from the first), visible or not, without leasing; max_body cuts bodies. */
struct queue_peek {
	struct str queue;
	uint64_t after;
	unsigned max;
	size_t max_body;
};
/* As queue_fetch_cb; receipts are empty. visible_ms of a leased one is the end of its lease; `leased` cannot be told apart from
 * a delay but by receives and note. */
int queue_peek(struct queue *q, const struct queue_peek *what, queue_fetch_cb *cb, void *arg, struct error *err);
/* One message by its sequence, as queue_peek; none: n is 0. */
int queue_find(struct queue *q, struct str queue, uint64_t sequence, queue_fetch_cb *cb, void *arg, struct error *err);

/* From memory, at once, without a query; of a queue that is not there: zeros. */
struct queue_stats {
	uint64_t visible, delayed, leased; /* approximate while calls are under way */
	int64_t oldest_ms;                 /* published_ms of the oldest message, leased ones too; 0: none */
};
void queue_stat(struct queue *q, struct str queue, struct queue_stats *out);
int64_t queue_now_ms(const struct queue *q); /* the engine's time: for ages and deadlines of messages */

/* Names with the prefix after `after` in byte order, also configured ones that are empty. Calls `each` at once; false ends it. */
typedef bool queue_each_cb(void *arg, struct str name, const struct queue_stats *stats);
void queue_list(struct queue *q, struct str prefix, struct str after, queue_each_cb *each, void *arg);

/* Called on the loop, never from inside another call, when a queue with the prefix has something visible that it had not before
 * (published, nak or delay or lease over), and once for each such queue after the start. Several reasons may be told once. A hint:
 * fetch until less comes than was asked for. */
typedef void queue_visible_cb(void *arg, struct str name);
struct queue_watch; /* the engine's; freed by queue_watch_stop or queue_close */
struct queue_watch *queue_watch(struct queue *q, struct str prefix, queue_visible_cb *cb, void *arg, struct error *err);
void queue_watch_stop(struct queue *q, struct queue_watch *watch); /* NULL is fine */

/* ---- queues ---- */

struct queue_config {
	uint64_t retention_ms; /* older messages are dropped; 0: never. Applies to those that are there too */
	bool ordered;          /* cannot be changed while there are messages (ERR_CONFLICT) */
};
typedef void queue_simple_cb(void *arg, const struct error *err);
int queue_configure(struct queue *q, struct str queue, const struct queue_config *config, queue_simple_cb *cb, void *arg,
                    struct error *err);
/* Drops all messages, leased ones too, at once; what is published after this call stays, and dedup ids hold on. Their room is given free in
 * pieces, which do not hold up others. */
int queue_purge(struct queue *q, struct str queue, queue_simple_cb *cb, void *arg, struct error *err);
/* And its configuration and dedup ids. */
int queue_delete(struct queue *q, struct str queue, queue_simple_cb *cb, void *arg, struct error *err);

/* Blocks until the commit at work is durable; all that is under way is called back (ERR_CLOSED), waiting fetches too. NULL is fine. */
void queue_close(struct queue *q);

/* One table an engine; arguments were checked by the wrappers in queue.c. */
struct queue_ops {
	int (*publish)(struct queue *q, const struct queue_publish *messages, size_t n, queue_publish_cb *cb, void *arg, struct error *err);
	struct queue_wait *(*fetch)(struct queue *q, const struct queue_fetch *what, queue_fetch_cb *cb, void *arg, struct error *err);
	void (*fetch_cancel)(struct queue *q, struct queue_wait *wait);
	int (*ack)(struct queue *q, struct str queue, const struct queue_receipt *receipts, size_t n, queue_done_cb *cb, void *arg,
	           struct error *err);
	int (*nak)(struct queue *q, struct str queue, const struct queue_nak *naks, size_t n, queue_done_cb *cb, void *arg, struct error *err);
	int (*extend)(struct queue *q, struct str queue, const struct queue_extend *leases, size_t n, queue_done_cb *cb, void *arg,
	              struct error *err);
	int (*move)(struct queue *q, const struct queue_move *what, queue_move_cb *cb, void *arg, struct error *err);
	int (*peek)(struct queue *q, const struct queue_peek *what, queue_fetch_cb *cb, void *arg, struct error *err);
	int (*find)(struct queue *q, struct str queue, uint64_t sequence, queue_fetch_cb *cb, void *arg, struct error *err);
	void (*stat)(struct queue *q, struct str queue, struct queue_stats *out);
	int64_t (*now_ms)(const struct queue *q);
	void (*list)(struct queue *q, struct str prefix, struct str after, queue_each_cb *each, void *arg);
	struct queue_watch *(*watch)(struct queue *q, struct str prefix, queue_visible_cb *cb, void *arg, struct error *err);
	void (*watch_stop)(struct queue *q, struct queue_watch *watch);
	int (*configure)(struct queue *q, struct str queue, const struct queue_config *config, queue_simple_cb *cb, void *arg,
	                 struct error *err);
	int (*purge)(struct queue *q, struct str queue, queue_simple_cb *cb, void *arg, struct error *err);
	int (*del)(struct queue *q, struct str queue, queue_simple_cb *cb, void *arg, struct error *err);
	void (*close)(struct queue *q);
};

#endif
