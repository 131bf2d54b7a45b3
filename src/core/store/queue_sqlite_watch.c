/* Watches: told at the end of a round, each queue once, whatever the reasons were. A new watch goes through all names first, some
 * each round. */
#include <stdlib.h>
#include <string.h>

#include "core/store/queue_sqlite_priv.h"

enum { NAMES_A_ROUND = 256 };

struct queue_watch {
	struct list link;
	struct qs *qs;
	queue_visible_cb *cb;
	void *arg;
	bool going, stopped; /* going: through the names that were there before it */
	size_t prefix_n, cursor_n;
	char prefix[QUEUE_NAME_MAX], cursor[QUEUE_NAME_MAX];
};

static struct str prefix_of(const struct queue_watch *w)
{
	return (struct str){w->prefix, w->prefix_n};
}

static void sweep(struct qs *qs)
{
	LIST_FOREACH(pos, &qs->watches) {
		struct queue_watch *w = CONTAINER_OF(pos, struct queue_watch, link);
		if (!w->stopped)
			continue;
		list_remove(&w->link);
		free(w);
	}
}

static void go_on(struct queue_watch *w)
{
	for (unsigned i = 0; w->going && !w->stopped && i < NAMES_A_ROUND; i++) {
		struct qs_queue *q = qs_name_after(w->qs, (struct str){w->cursor, w->cursor_n}, i == 0 && w->cursor_n == w->prefix_n);
		w->going = q && str_starts(q->name, prefix_of(w));
		if (!w->going)
			return;
		memcpy(w->cursor, q->name.p, q->name.n);
		w->cursor_n = q->name.n;
		if (q->count.visible > 0)
			w->cb(w->arg, q->name);
	}
}

static void tell_one(struct qs *qs, struct qs_queue *q)
{
	LIST_FOREACH(pos, &qs->watches) {
		struct queue_watch *w = CONTAINER_OF(pos, struct queue_watch, link);
		if (!w->stopped && str_starts(q->name, prefix_of(w)))
			w->cb(w->arg, q->name);
	}
}

/* Queues hinted at by the callbacks themselves come with the next round. */
static void tell(struct ev_defer *defer)
{
	struct qs *qs = CONTAINER_OF(defer, struct qs, tell);
	struct list now, *pos;
	bool going = false;
	list_init(&now);
	while ((pos = list_pop_front(&qs->hints)))
		list_push_back(&now, pos);
	qs->calling++;
	while ((pos = list_pop_front(&now)))
		tell_one(qs, CONTAINER_OF(pos, struct qs_queue, hint));
	LIST_FOREACH(at, &qs->watches) {
		struct queue_watch *w = CONTAINER_OF(at, struct queue_watch, link);
		go_on(w);
		going |= w->going && !w->stopped;
	}
	if (--qs->calling == 0)
		sweep(qs);
	if (going && !qs->closing)
		ev_timer_after(qs->loop, &qs->more_tell, 0);
}

static void on_more(struct ev_timer *timer)
{
	struct qs *qs = CONTAINER_OF(timer, struct qs, more_tell);
	ev_defer_run(qs->loop, &qs->tell);
}

void qs_hint(struct qs_queue *q)
{
	struct qs *qs = q->qs;
	if (list_empty(&qs->watches) || !list_empty(&q->hint) || qs->closing)
		return;
	list_push_back(&qs->hints, &q->hint);
	ev_defer_run(qs->loop, &qs->tell);
}

struct queue_watch *qs_watch(struct queue *base, struct str prefix, queue_visible_cb *cb, void *arg, struct error *err)
{
	struct qs *qs = qs_of(base);
	struct queue_watch *w = prefix.n <= QUEUE_NAME_MAX ? calloc(1, sizeof *w) : NULL;
	if (!w) {
		error_set(err, prefix.n > QUEUE_NAME_MAX ? ERR_USAGE : ERR_NO_MEMORY, "cannot watch queues: prefix of %zu bytes", prefix.n);
		return NULL;
	}
	w->qs = qs;
	w->cb = cb;
	w->arg = arg;
	w->going = true;
	w->prefix_n = w->cursor_n = prefix.n;
	if (prefix.n) {
		memcpy(w->prefix, prefix.p, prefix.n);
		memcpy(w->cursor, prefix.p, prefix.n);
	}
	list_init(&w->link);
	list_push_back(&qs->watches, &w->link);
	ev_timer_after(qs->loop, &qs->more_tell, 0);
	return w;
}

void qs_watch_stop(struct queue *base, struct queue_watch *watch)
{
	struct qs *qs = qs_of(base);
	watch->stopped = true;
	if (!qs->calling)
		sweep(qs);
}

void qs_watches_init(struct qs *qs)
{
	list_init(&qs->watches);
	list_init(&qs->hints);
	ev_defer_init(&qs->tell, tell);
	qs->more_tell.cb = on_more;
}

void qs_watches_close(struct qs *qs)
{
	ev_defer_cancel(&qs->tell);
	ev_timer_stop(&qs->more_tell);
	LIST_FOREACH(pos, &qs->watches)
		CONTAINER_OF(pos, struct queue_watch, link)->stopped = true;
	sweep(qs);
}
