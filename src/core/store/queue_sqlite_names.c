/* Names in byte order: a treap, balanced by random ranks. */
#include <stdlib.h>
#include <string.h>

#include "core/base/rand.h"
#include "core/store/queue_sqlite_priv.h"

struct qs_queue *qs_name_find(struct qs *qs, struct str name)
{
	struct qs_queue *q = qs->names;
	while (q) {
		int order = str_cmp(name, q->name);
		if (order == 0)
			return q;
		q = order < 0 ? q->left : q->right;
	}
	return NULL;
}

struct qs_queue *qs_name_after(struct qs *qs, struct str name, bool inclusive)
{
	struct qs_queue *q = qs->names, *best = NULL;
	while (q) {
		int order = str_cmp(q->name, name);
		bool fits = order > 0 || (inclusive && order == 0);
		best = fits ? q : best;
		q = fits ? q->left : q->right;
	}
	return best;
}

/* Splits `from` at `name`, which is not in it. */
static void split(struct qs_queue *from, struct str name, struct qs_queue **less, struct qs_queue **more)
{
	while (from) {
		if (str_cmp(from->name, name) < 0) {
			*less = from;
			less = &from->right;
			from = from->right;
		} else {
			*more = from;
			more = &from->left;
			from = from->left;
		}
	}
	*less = *more = NULL;
}

static void insert(struct qs *qs, struct qs_queue *q)
{
	struct qs_queue **at = &qs->names;
	while (*at && (*at)->rank >= q->rank)
		at = str_cmp(q->name, (*at)->name) < 0 ? &(*at)->left : &(*at)->right;
	split(*at, q->name, &q->left, &q->right);
	*at = q;
}

static void join(struct qs_queue **at, struct qs_queue *less, struct qs_queue *more)
{
	while (less && more) {
		if (less->rank >= more->rank) {
			*at = less;
			at = &less->right;
			less = less->right;
		} else {
			*at = more;
			at = &more->left;
			more = more->left;
		}
	}
	*at = less ? less : more;
}

struct qs_queue *qs_name_get(struct qs *qs, struct str name, struct error *err)
{
	struct qs_queue *q = qs_name_find(qs, name);
	if (q)
		return q;
	q = calloc(1, sizeof *q + name.n);
	if (!q) {
		error_set(err, ERR_NO_MEMORY, "no memory for a queue");
		return NULL;
	}
	q->qs = qs;
	memcpy(q->data, name.p, name.n);
	q->name = (struct str){q->data, name.n};
	q->rank = rand_u64();
	q->id = qs->next_id++;
	q->horizon_ms = q->used_ms = qs_now(qs);
	q->next_ms = QS_NEVER;
	q->timer.cb = qs_on_timer;
	list_init(&q->waits);
	list_init(&q->hint);
	insert(qs, q);
	qs->name_count++;
	return q;
}

static void release(struct qs_queue *q)
{
	ASSERT(!q->holds && list_empty(&q->waits));
	ev_timer_stop(&q->timer);
	list_remove(&q->hint);
	free(q);
}

void qs_name_free(struct qs *qs, struct qs_queue *q)
{
	struct qs_queue **at = &qs->names;
	while (*at != q)
		at = str_cmp(q->name, (*at)->name) < 0 ? &(*at)->left : &(*at)->right;
	join(at, q->left, q->right);
	qs->name_count--;
	release(q);
}

/* Leaves first, without recursion: left subtrees are turned to the right. */
void qs_names_release(struct qs *qs)
{
	while (qs->names) {
		struct qs_queue *q = qs->names;
		if (q->left) {
			qs->names = q->left;
			q->left = qs->names->right;
			qs->names->right = q;
		} else {
			qs->names = q->right;
			release(q);
		}
	}
}
