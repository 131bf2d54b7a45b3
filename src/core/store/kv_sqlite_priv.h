/* Between kv_sqlite.c (get, put, delete), kv_sqlite_list.c and kv_sqlite_watch.c. Everything here but `statements` belongs to the loop. */
#ifndef MAYFLY_STORE_KV_SQLITE_PRIV_H
#define MAYFLY_STORE_KV_SQLITE_PRIV_H

#include "core/store/db_priv.h"
#include "core/store/kv_sqlite.h"

enum kv_statement { KV_FIND, KV_GET, KV_NEXT, KV_INSERT, KV_UPDATE, KV_REMOVE, KV_LIST, KV_STATEMENTS };

struct kv_sqlite {
	struct kv kv;
	struct db *db;
	sqlite3_stmt *statements[KV_STATEMENTS]; /* the store thread's */
	struct list watches;
	unsigned calling; /* depth of callbacks: watches are freed at 0 only */
};

/* The bytes stay the caller's and must live until the statement is reset. */
static inline void kv_sqlite_bind(sqlite3_stmt *st, int at, struct str s)
{
	sqlite3_bind_blob(st, at, s.n ? s.p : "", (int)s.n, SQLITE_STATIC);
}

/* `beyond_limits`: for the further pages of what was begun. */
int kv_sqlite_list(struct kv_sqlite *kv, const struct kv_list *what, bool beyond_limits, kv_list_cb *cb, void *arg,
                   struct error *err);

struct kv_watch *kv_sqlite_watch(struct kv *base, struct str prefix, kv_watch_cb *cb, void *arg, struct error *err);
void kv_sqlite_watch_stop(struct kv *base, struct kv_watch *watch);
/* A durable change, in order. */
void kv_sqlite_notify(struct kv_sqlite *kv, enum kv_event event, const struct kv_entry *entry);
void kv_sqlite_watches_close(struct kv_sqlite *kv);

/* Around every call of a caller's function. */
void kv_sqlite_enter(struct kv_sqlite *kv);
void kv_sqlite_leave(struct kv_sqlite *kv);

#endif
