/* The embedded engine of kv.h: one SQLite file, DIR/kv.db, owned by one thread.
 *
 * All requests that wait when the thread wakes go into one transaction (group commit, synchronous=FULL), and are called
 * back after its commit. The file is locked for as long as the store is open: a second store on it is refused
 * (ERR_IN_USE). The folder is reached through its descriptor only, by way of /proc/self/fd. */
#ifndef MAYFLY_STORE_KV_SQLITE_H
#define MAYFLY_STORE_KV_SQLITE_H

#include "core/ev/ev.h"
#include "core/store/kv.h"

struct kv_sqlite_options {
	size_t queue_max;       /* requests waiting or at work; 0: 4096 */
	size_t queue_max_bytes; /* their keys and values; 0: 16 MiB */
	bool unsafe_no_sync;    /* for tests alone: shows that the power-loss test notices losses */
};

/* `data_dirfd` stays the caller's, and is duplicated. `options` may be NULL. Quick (a few ms), but it reads and writes: for
 * the start of the program. Fails with a message for people: locked by another process, not a store, damaged, written by
 * another version, no rights, disk full. Closed with kv_close. */
struct kv *kv_sqlite_open(struct ev_loop *loop, int data_dirfd, const struct kv_sqlite_options *options,
                          struct error *err);

#endif
