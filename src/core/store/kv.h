/* Keys and values that survive restart, kill -9 and power loss. One interface, several engines: the embedded one is
 * opened by kv_sqlite.h; whoever uses a store includes only this header.
 *
 * Model: that of a JetStream key-value bucket. A key is 1..KV_KEY_MAX printable ASCII bytes without blank (0x21..0x7e), a
 * value 0..KV_VALUE_MAX bytes. Every write (a deletion too) gets the store's next revision: a number that only grows, also
 * over restarts; a key's revision is that of its latest write. There are no transactions over several keys: make one key
 * the truth and write it last.
 *
 * Threads: a store belongs to one event loop. All calls are made on it and all callbacks run on it, never inside the call
 * that asked (kv_close apart). Keys and values are copied by the call; what a callback is given is valid until it returns.
 *
 * Calls return 0 and then call back exactly once, or -1 at once (`err` filled, no callback) for what cannot be queued:
 * ERR_USAGE for a bad key or size, ERR_THROTTLED when too much is waiting. A callback's `err` is NULL on success.
 * A write is called back when it is durable. Calls take effect, and call back, in the order in which they were made; a read
 * sees the writes before it.
 *
 * Errors in callbacks: ERR_NOT_FOUND (get), ERR_EXISTS and ERR_REVISION (conditions), ERR_DISK_FULL (nothing changed; works
 * again as soon as there is room), ERR_IO (damage, or a failing disk), ERR_CLOSED (the store was closed before). */
#ifndef MAYFLY_STORE_KV_H
#define MAYFLY_STORE_KV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/base/str.h"

enum { KV_KEY_MAX = 512, KV_VALUE_MAX = 1 << 20, KV_LIST_MAX = 1000 };

/* Conditions of a write: KV_ANY overwrites; KV_ABSENT wants no such key (else ERR_EXISTS); any other number wants the key
 * at exactly that revision (else ERR_REVISION, also when it is gone). */
#define KV_ANY UINT64_MAX
#define KV_ABSENT 0

struct kv_entry {
	struct str key;
	struct str value;  /* empty after a write, and in a list of keys only */
	uint64_t revision; /* 0 after a deletion that found nothing */
};

/* `entry` is NULL when `err` is not. */
typedef void kv_cb(void *arg, const struct kv_entry *entry, const struct error *err);
/* `more`: there are further keys; ask again with `after` = the last key. */
typedef void kv_list_cb(void *arg, const struct kv_entry *entries, size_t n, bool more, const struct error *err);

struct kv_list {
	struct str prefix; /* empty: all */
	struct str after;  /* empty: from the first; else only keys greater than this one */
	size_t limit;      /* 0 or more than KV_LIST_MAX: KV_LIST_MAX. A page also ends when its values pass 1 MiB */
	bool keys_only;
};

/* A watch first reports every present key with the prefix (KV_EVENT_PUT, no order promised), then KV_EVENT_READY once,
 * then each change in the order of revisions. Changes may come before READY, for keys already reported. A write's own
 * callback runs before the watches see it. KV_EVENT_FAILED (`err` says why) is the last event of a watch whose snapshot
 * cannot be read or whose store was closed. */
enum kv_event { KV_EVENT_PUT, KV_EVENT_DELETE, KV_EVENT_READY, KV_EVENT_FAILED };
typedef void kv_watch_cb(void *arg, enum kv_event event, const struct kv_entry *entry, const struct error *err);

struct kv_watch; /* the engine's; freed by kv_watch_stop or kv_close */

/* Every engine begins its object with a struct kv. */
struct kv {
	const struct kv_ops *ops;
};

/* One table an engine. Arguments were checked by the wrappers below. */
struct kv_ops {
	int (*get)(struct kv *kv, struct str key, kv_cb *cb, void *arg, struct error *err);
	int (*put)(struct kv *kv, struct str key, struct str value, uint64_t expected, kv_cb *cb, void *arg,
	           struct error *err);
	int (*del)(struct kv *kv, struct str key, uint64_t expected, kv_cb *cb, void *arg, struct error *err);
	int (*list)(struct kv *kv, const struct kv_list *what, kv_list_cb *cb, void *arg, struct error *err);
	struct kv_watch *(*watch)(struct kv *kv, struct str prefix, kv_watch_cb *cb, void *arg, struct error *err);
	void (*watch_stop)(struct kv *kv, struct kv_watch *watch);
	void (*close)(struct kv *kv);
};

/* -1 and ERR_USAGE unless `key` may be a key. */
int kv_check_key(struct str key, struct error *err);

int kv_get(struct kv *kv, struct str key, kv_cb *cb, void *arg, struct error *err);
int kv_put(struct kv *kv, struct str key, struct str value, uint64_t expected, kv_cb *cb, void *arg, struct error *err);
/* With KV_ANY a key that is not there is no error. KV_ABSENT is not allowed here. */
int kv_delete(struct kv *kv, struct str key, uint64_t expected, kv_cb *cb, void *arg, struct error *err);
/* Entries in byte order of their keys. */
int kv_list(struct kv *kv, const struct kv_list *what, kv_list_cb *cb, void *arg, struct error *err);

struct kv_watch *kv_watch(struct kv *kv, struct str prefix, kv_watch_cb *cb, void *arg, struct error *err);
/* No callback comes after this; may be called inside one. NULL is fine. */
void kv_watch_stop(struct kv *kv, struct kv_watch *watch);

/* Blocks until the write at work is durable. Before it returns, what was done but not yet reported is reported, and all
 * else is called back with ERR_CLOSED, watches too (they are freed). Calls made meanwhile fail at once. Not to be called
 * inside a callback of the store. NULL is fine. */
void kv_close(struct kv *kv);

#endif
