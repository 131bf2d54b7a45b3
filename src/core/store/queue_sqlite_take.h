/* One attempt of a fetch: between queue_sqlite_fetch.c (the loop) and queue_sqlite_take.c (the thread). */
#ifndef MAYFLY_STORE_QUEUE_SQLITE_TAKE_H
#define MAYFLY_STORE_QUEUE_SQLITE_TAKE_H

#include "core/store/queue_sqlite_priv.h"

struct qs_take {
	struct db_op op;
	struct queue_wait *wait;
	struct qs_touch touch, dead; /* dead: only with max_receives */
	size_t max, max_bytes;
	uint64_t lease_ms;
	unsigned max_receives;
	bool kept;
	/* Found. */
	struct list messages;
	size_t n, bytes, dead_n;
	bool again; /* it stopped at the maximum of dead letters, not at the end */
};

/* Runs on the thread; may be called again after its transaction was undone. */
int qs_take_run(struct qs *qs, struct qs_take *take);
void qs_take_forget(struct qs_take *take); /* frees what it found */

#endif
