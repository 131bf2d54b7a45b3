/* Watches live on the loop alone. The snapshot is read in pages by ordinary list operations, which come back in order with
 * the writes: a change of a key beyond the last page read is left to the pages to come; any other is passed on. */
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/store/kv_sqlite_priv.h"

struct kv_watch {
	struct list link;
	struct kv_sqlite *kv;
	kv_watch_cb *cb;
	void *arg;
	bool reading, ready, failed, stopped; /* reading: a page is on its way and holds this watch */
	size_t prefix_n, cursor_n;
	char prefix[KV_KEY_MAX], cursor[KV_KEY_MAX];
};

static void sweep(struct kv_sqlite *kv)
{
	LIST_FOREACH(pos, &kv->watches) {
		struct kv_watch *w = CONTAINER_OF(pos, struct kv_watch, link);
		if (!w->stopped || w->reading)
			continue;
		list_remove(&w->link);
		free(w);
	}
}

void kv_sqlite_enter(struct kv_sqlite *kv)
{
	kv->calling++;
}

void kv_sqlite_leave(struct kv_sqlite *kv)
{
	if (--kv->calling == 0)
		sweep(kv);
}

static void emit(struct kv_watch *w, enum kv_event event, const struct kv_entry *entry, const struct error *err)
{
	if (w->stopped || w->failed)
		return;
	w->failed = event == KV_EVENT_FAILED;
	w->cb(w->arg, event, entry, err);
}

static void on_page(void *arg, const struct kv_entry *entries, size_t n, bool more, const struct error *err);

static int read_page(struct kv_watch *w, bool beyond_limits, struct error *err)
{
	struct kv_list what = {.prefix = {w->prefix, w->prefix_n}, .after = {w->cursor, w->cursor_n}, .limit = 256};
	w->reading = kv_sqlite_list(w->kv, &what, beyond_limits, on_page, w, err) == 0;
	return w->reading ? 0 : -1;
}

static void on_page(void *arg, const struct kv_entry *entries, size_t n, bool more, const struct error *err)
{
	struct kv_watch *w = arg;
	struct error own = {0};
	w->reading = false;
	if (n) {
		w->cursor_n = entries[n - 1].key.n;
		memcpy(w->cursor, entries[n - 1].key.p, w->cursor_n);
	}
	for (size_t i = 0; i < n; i++)
		emit(w, KV_EVENT_PUT, &entries[i], NULL);
	if (err) {
		emit(w, KV_EVENT_FAILED, NULL, err);
	} else if (!more) {
		w->ready = true;
		emit(w, KV_EVENT_READY, NULL, NULL);
	} else if (!w->stopped && read_page(w, true, &own) < 0) {
		emit(w, KV_EVENT_FAILED, NULL, &own);
	}
}

struct kv_watch *kv_sqlite_watch(struct kv *base, struct str prefix, kv_watch_cb *cb, void *arg, struct error *err)
{
	struct kv_sqlite *kv = CONTAINER_OF(base, struct kv_sqlite, kv);
	CLEANUP_FREE struct kv_watch *w = calloc(1, sizeof *w);
	if (!w) {
		error_set(err, ERR_NO_MEMORY, "no memory for a watch");
		return NULL;
	}
	w->kv = kv;
	w->cb = cb;
	w->arg = arg;
	w->prefix_n = prefix.n;
	memcpy(w->prefix, prefix.n ? prefix.p : "", prefix.n);
	if (read_page(w, false, err) < 0)
		return NULL;
	list_init(&w->link);
	list_push_back(&kv->watches, &w->link);
	return STEAL_PTR(w);
}

void kv_sqlite_watch_stop(struct kv *base, struct kv_watch *watch)
{
	struct kv_sqlite *kv = CONTAINER_OF(base, struct kv_sqlite, kv);
	watch->stopped = true;
	if (kv->calling == 0)
		sweep(kv);
}

static bool concerns(const struct kv_watch *w, struct str key)
{
	if (!str_starts(key, (struct str){w->prefix, w->prefix_n}))
		return false;
	return w->ready || (w->cursor_n && str_cmp(key, (struct str){w->cursor, w->cursor_n}) <= 0);
}

void kv_sqlite_notify(struct kv_sqlite *kv, enum kv_event event, const struct kv_entry *entry)
{
	LIST_FOREACH(pos, &kv->watches) {
		struct kv_watch *w = CONTAINER_OF(pos, struct kv_watch, link);
		if (concerns(w, entry->key))
			emit(w, event, entry, NULL);
	}
}

void kv_sqlite_watches_close(struct kv_sqlite *kv)
{
	struct error closed = {0};
	error_set(&closed, ERR_CLOSED, "the store was closed");
	kv_sqlite_enter(kv);
	LIST_FOREACH(pos, &kv->watches) {
		struct kv_watch *w = CONTAINER_OF(pos, struct kv_watch, link);
		emit(w, KV_EVENT_FAILED, NULL, &closed);
		w->stopped = true;
	}
	kv_sqlite_leave(kv);
}
