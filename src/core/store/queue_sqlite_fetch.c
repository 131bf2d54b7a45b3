/* Fetches on the loop. Each is tried at once; what finds nothing waits in the order of the calls until the queue has something,
 * its time is over, or it is cancelled. An attempt is an operation (queue_sqlite_take.c); while it is under way the fetch stays
 * in its place. */
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/store/queue_sqlite_take.h"

struct queue_wait {
	struct list link; /* in qs_queue.waits */
	struct qs *qs;
	struct qs_queue *queue, *dead; /* dead: NULL without max_receives */
	struct queue_fetch what;       /* its texts are gone */
	queue_fetch_cb *cb;
	void *arg;
	struct ev_timer timer;
	bool trying, expired, cancelled;
};

static void wait_free(struct queue_wait *w)
{
	ev_timer_stop(&w->timer);
	list_remove(&w->link);
	w->queue->holds--;
	if (w->dead)
		w->dead->holds--;
	free(w);
}

static void answer(struct queue_wait *w, struct list *messages, size_t n, const struct error *err)
{
	struct qs *qs = w->qs;
	queue_fetch_cb *cb = w->cb;
	void *arg = w->arg;
	wait_free(w);
	qs->calling++;
	cb(arg, messages, n, err);
	qs->calling--;
}

static void answer_nothing(struct queue_wait *w, const struct error *err)
{
	struct list none;
	list_init(&none);
	answer(w, &none, 0, err);
}

/* What the callee left. */
static void give_back(struct qs_queue *q, struct list *messages)
{
	size_t n = 0;
	struct queue_receipt receipts[QUEUE_BATCH_MAX];
	int64_t before_ms[QUEUE_BATCH_MAX];
	for (struct list *pos; (pos = list_pop_front(messages));) {
		struct qs_message *own = CONTAINER_OF(pos, struct qs_message, m.link);
		ASSERT(n < QUEUE_BATCH_MAX);
		receipts[n] = own->m.receipt;
		before_ms[n++] = own->before_ms;
		queue_message_free(&own->m);
	}
	if (n)
		qs_give_back(q->qs, q, receipts, before_ms, n);
}

static void done_take(struct db_op *base);
static int run_take(struct db_op *base, sqlite3 *sql);

static int try(struct queue_wait *w, bool beyond_limits, struct error *err)
{
	struct qs_take *take = calloc(1, sizeof *take);
	if (!take)
		return error_set(err, ERR_NO_MEMORY, "no memory for a request to the store");
	take->op = (struct db_op){.bytes = sizeof *take, .writes = true, .makes_room = true, .beyond_limits = beyond_limits,
	                          .run = run_take, .done = done_take};
	take->wait = w;
	take->max = w->what.max;
	take->max_bytes = w->what.max_bytes;
	take->lease_ms = w->what.lease_ms;
	take->max_receives = w->what.max_receives;
	take->kept = w->what.flags & QUEUE_KEEP_LEASE;
	list_init(&take->messages);
	qs_touch_begin(w->qs, w->queue, &take->touch);
	if (w->dead)
		qs_touch_begin(w->qs, w->dead, &take->dead);
	if (w->what.lease_ms)
		qs_expect(w->queue, qs_after(take->touch.now_ms, w->what.lease_ms));
	w->trying = db_submit(w->qs->db, &take->op, err) == 0;
	if (w->trying)
		return 0;
	qs_touch_end(&take->touch, false);
	if (w->dead)
		qs_touch_end(&take->dead, false);
	free(take);
	return -1;
}

static int run_take(struct db_op *base, sqlite3 *sql)
{
	struct qs_take *take = CONTAINER_OF(base, struct qs_take, op);
	return qs_take_run(take->wait->qs, take);
}

static void try_again(struct queue_wait *w)
{
	struct error err = {0};
	if (try(w, true, &err) < 0)
		answer_nothing(w, &err);
}

static void found_nothing(struct queue_wait *w, const struct qs_take *take)
{
	if (take->again)
		try_again(w);
	else if (w->expired)
		answer_nothing(w, NULL);
}

static void found_some(struct queue_wait *w, struct qs_take *take)
{
	struct qs_queue *q = w->queue;
	q->holds++;
	if (w->cancelled)
		wait_free(w);
	else
		answer(w, &take->messages, take->n, NULL);
	q->holds--;
	give_back(q, &take->messages);
	if (q->count.visible > 0)
		qs_wake(q);
}

static void done_take(struct db_op *base)
{
	struct qs_take *take = CONTAINER_OF(base, struct qs_take, op);
	struct queue_wait *w = take->wait;
	if (w->qs->closing && base->err.code == ERR_OK)
		error_set(&base->err, ERR_CLOSED, "the store was closed");
	struct qs_queue *q = w->queue;
	bool fine = base->err.code == ERR_OK;
	q->holds++;
	if (!fine)
		qs_take_forget(take);
	if (w->dead)
		qs_touch_end(&take->dead, fine);
	qs_touch_end(&take->touch, fine);
	w->trying = false;
	if (fine && take->n)
		found_some(w, take);
	else if (w->cancelled)
		wait_free(w);
	else if (!fine)
		answer_nothing(w, &base->err);
	else
		found_nothing(w, take);
	if (!fine && q->count.visible > 0)
		qs_wake(q);
	q->holds--;
	free(take);
}

/* As many as what is visible may serve, in their order. One that is trying will see it: its operation comes after the one that made
 * this call, since they are done in their order. */
void qs_wake(struct qs_queue *q)
{
	int64_t left = q->count.visible;
	LIST_FOREACH(pos, &q->waits) {
		struct queue_wait *w = CONTAINER_OF(pos, struct queue_wait, link);
		if (left <= 0 || q->qs->closing)
			return;
		if (w->cancelled)
			continue;
		left -= w->what.max;
		if (!w->trying)
			try(w, true, NULL); /* without memory: with the next that comes */
	}
}

static void on_timeout(struct ev_timer *timer)
{
	struct queue_wait *w = CONTAINER_OF(timer, struct queue_wait, timer);
	w->expired = true;
	if (!w->trying)
		answer_nothing(w, NULL);
}

static struct queue_wait *wait_new(struct qs *qs, const struct queue_fetch *what, queue_fetch_cb *cb, void *arg, struct error *err)
{
	struct qs_queue *q = qs_name_get(qs, what->queue, err);
	struct qs_queue *dead = q && what->max_receives ? qs_name_get(qs, what->dead_to, err) : NULL;
	struct queue_wait *w = q && (dead || !what->max_receives) ? calloc(1, sizeof *w) : NULL;
	if (!w) {
		error_set(err, ERR_NO_MEMORY, "no memory for a fetch");
		return NULL;
	}
	*w = (struct queue_wait){.qs = qs, .queue = q, .dead = dead, .what = *what, .cb = cb, .arg = arg, .timer.cb = on_timeout};
	list_init(&w->link);
	q->holds++;
	if (dead)
		dead->holds++;
	return w;
}

struct queue_wait *qs_fetch(struct queue *base, const struct queue_fetch *what, queue_fetch_cb *cb, void *arg, struct error *err)
{
	struct qs *qs = qs_of(base);
	struct queue_wait *w = qs->closing ? NULL : wait_new(qs, what, cb, arg, err);
	if (!w) {
		if (qs->closing)
			error_set(err, ERR_CLOSED, "the store is being closed");
		return NULL;
	}
	w->expired = !what->wait_ms;
	if (try(w, false, err) < 0) {
		wait_free(w);
		return NULL;
	}
	list_push_back(&w->queue->waits, &w->link);
	if (what->wait_ms) {
		uint64_t wait_ms = what->wait_ms < QS_DELAY_MAX / NS_PER_MS ? what->wait_ms : QS_DELAY_MAX / NS_PER_MS;
		ev_timer_after(qs->loop, &w->timer, wait_ms * NS_PER_MS);
	}
	return w;
}

void qs_fetch_cancel(struct queue *base, struct queue_wait *w)
{
	w->cancelled = true;
	ev_timer_stop(&w->timer);
	if (!w->trying)
		wait_free(w);
}

/* After db_stop: none is trying. */
void qs_waits_close(struct qs_queue *q)
{
	struct error closed = {0};
	error_set(&closed, ERR_CLOSED, "the store was closed");
	while (!list_empty(&q->waits))
		answer_nothing(LIST_FIRST(&q->waits, struct queue_wait, link), &closed);
}
