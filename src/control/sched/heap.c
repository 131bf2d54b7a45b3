/* A binary heap of waiters, oldest arrival first. */
#include <stdlib.h>

#include "control/sched/sched_priv.h"

static bool older(const struct sched_waiter *a, const struct sched_waiter *b)
{
	return a->arrived_ns < b->arrived_ns || (a->arrived_ns == b->arrived_ns && a->invocation < b->invocation);
}

static void put(struct sched_heap *h, size_t at, struct sched_waiter *w)
{
	h->items[at] = w;
	w->heap_at = at;
}

static void sift_up(struct sched_heap *h, size_t at, struct sched_waiter *w)
{
	while (at > 0 && older(w, h->items[(at - 1) / 2])) {
		put(h, at, h->items[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	put(h, at, w);
}

static void sift_down(struct sched_heap *h, size_t at, struct sched_waiter *w)
{
	for (;;) {
		size_t child = 2 * at + 1;
		if (child >= h->count)
			break;
		if (child + 1 < h->count && older(h->items[child + 1], h->items[child]))
			child++;
		if (!older(h->items[child], w))
			break;
		put(h, at, h->items[child]);
		at = child;
	}
	put(h, at, w);
}

void sched_heap_push(struct sched_heap *h, struct sched_waiter *w)
{
	if (h->count == h->cap) {
		h->cap = h->cap ? h->cap * 2 : 64;
		h->items = reallocarray(h->items, h->cap, sizeof(struct sched_waiter *));
		ASSERT(h->items);
	}
	sift_up(h, h->count++, w);
}

void sched_heap_remove(struct sched_heap *h, struct sched_waiter *w)
{
	size_t at = w->heap_at;
	ASSERT(at < h->count && h->items[at] == w);
	struct sched_waiter *last = h->items[--h->count];
	if (last == w)
		return;
	if (at > 0 && older(last, h->items[(at - 1) / 2]))
		sift_up(h, at, last);
	else
		sift_down(h, at, last);
}
