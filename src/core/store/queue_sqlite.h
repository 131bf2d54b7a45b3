/* The embedded engine of queue.h: one SQLite file, DIR/queue.db, owned by one thread of its own (db_priv.h): a flood of events and the
 * registry's writes do not wait for each other.
 *
 * All that waits when the thread wakes is one transaction (synchronous=FULL), called back after its commit. Payloads are in a
 * table of their own, written once; leases, counts and notes change narrow rows. The loop keeps for each queue: counts, the
 * next visible time, its fetches that wait. See docs/design/queue.md.
 *
 * Disk full: publishes fail and are undone; acks, naks and moves go on, for which the engine keeps QUEUE_SQLITE_SPARE_BYTES in a reserve
 * file, DIR/queue.spare, that is given up when the disk is full to the brim (a publish that would need it gets ERR_DISK_FULL before, and
 * is accepted again once there is room for the reserve, or as much is free inside queue.db). */
#ifndef MAYFLY_STORE_QUEUE_SQLITE_H
#define MAYFLY_STORE_QUEUE_SQLITE_H

#include "core/ev/ev.h"
#include "core/store/queue.h"

#define QUEUE_SQLITE_SPARE_BYTES (4u << 20)

struct queue_sqlite_options {
	size_t calls_max;       /* waiting or at work; 0: 16384 */
	size_t calls_max_bytes; /* their payloads; 0: 64 MiB */
	bool unsafe_no_sync;    /* for tests alone */
	int64_t (*now_ms)(void *arg); /* for tests alone: the wall clock, looked at with each call and every 5 ms; NULL: as queue.h says */
	void *now_arg;
};

/* `store_dirfd` stays the caller's, and is duplicated. `options` may be NULL. Reads queue names and counts: an index from end to
 * end, some 0.3 s for a million messages. Fails as kv_sqlite_open does. Closed with queue_close. */
struct queue *queue_sqlite_open(struct ev_loop *loop, int store_dirfd, const struct queue_sqlite_options *options, struct error *err);

#endif
