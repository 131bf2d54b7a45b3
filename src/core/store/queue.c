#include "core/store/queue.h"

#include <stdlib.h>

#include "core/base/check.h"

static int check_name(struct str name, struct error *err)
{
	bool fine = name.n >= 1 && name.n <= QUEUE_NAME_MAX;
	for (size_t i = 0; fine && i < name.n; i++)
		fine = name.p[i] > 0x20 && name.p[i] < 0x7f;
	return fine ? 0 : error_set(err, ERR_USAGE, "a queue's name has 1 to %d printable characters without blank", QUEUE_NAME_MAX);
}

static int check_count(size_t n, struct error *err)
{
	return n >= 1 && n <= QUEUE_BATCH_MAX ? 0 : error_set(err, ERR_USAGE, "1 to %d messages a call, not %zu", QUEUE_BATCH_MAX, n);
}

static int check_message(const struct queue_publish *m, struct error *err)
{
	if (check_name(m->queue, err) < 0)
		return -1;
	if (m->head.n > QUEUE_HEAD_MAX || m->body.n > QUEUE_BODY_MAX || m->group.n > QUEUE_GROUP_MAX || m->dedup.n > QUEUE_DEDUP_MAX)
		return error_set(err, ERR_USAGE, "a message of %zu + %zu bytes (group %zu, deduplication id %zu) is too large", m->head.n,
		                 m->body.n, m->group.n, m->dedup.n);
	return 0;
}

int queue_publish(struct queue *q, const struct queue_publish *messages, size_t n, queue_publish_cb *cb, void *arg, struct error *err)
{
	if (check_count(n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (check_message(&messages[i], err) < 0)
			return -1;
	}
	return q->ops->publish(q, messages, n, cb, arg, err);
}

struct queue_wait *queue_fetch(struct queue *q, const struct queue_fetch *what, queue_fetch_cb *cb, void *arg, struct error *err)
{
	if (check_name(what->queue, err) < 0 || check_count(what->max, err) < 0)
		return NULL;
	ASSERT(!what->max_receives || what->flags & QUEUE_KEEP_LEASE);
	if (what->max_receives && check_name(what->dead_to, err) < 0)
		return NULL;
	return q->ops->fetch(q, what, cb, arg, err);
}

void queue_fetch_cancel(struct queue *q, struct queue_wait *wait)
{
	q->ops->fetch_cancel(q, wait);
}

void queue_message_free(struct queue_message *m)
{
	if (!m)
		return;
	free(m->body);
	free(m);
}

int queue_ack(struct queue *q, struct str queue, const struct queue_receipt *receipts, size_t n, queue_done_cb *cb, void *arg,
              struct error *err)
{
	return check_name(queue, err) < 0 || check_count(n, err) < 0 ? -1 : q->ops->ack(q, queue, receipts, n, cb, arg, err);
}

int queue_nak(struct queue *q, struct str queue, const struct queue_nak *naks, size_t n, queue_done_cb *cb, void *arg, struct error *err)
{
	if (check_name(queue, err) < 0 || check_count(n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (naks[i].note.n > QUEUE_NOTE_MAX)
			return error_set(err, ERR_USAGE, "a note has at most %d bytes", QUEUE_NOTE_MAX);
	}
	return q->ops->nak(q, queue, naks, n, cb, arg, err);
}

int queue_extend(struct queue *q, struct str queue, const struct queue_extend *leases, size_t n, queue_done_cb *cb, void *arg,
                 struct error *err)
{
	return check_name(queue, err) < 0 || check_count(n, err) < 0 ? -1 : q->ops->extend(q, queue, leases, n, cb, arg, err);
}

int queue_move(struct queue *q, const struct queue_move *what, queue_move_cb *cb, void *arg, struct error *err)
{
	if (check_name(what->from, err) < 0 || check_name(what->to, err) < 0 || check_count(what->n ? what->n : what->max, err) < 0)
		return -1;
	return q->ops->move(q, what, cb, arg, err);
}

int queue_peek(struct queue *q, const struct queue_peek *what, queue_fetch_cb *cb, void *arg, struct error *err)
{
	return check_name(what->queue, err) < 0 || check_count(what->max, err) < 0 ? -1 : q->ops->peek(q, what, cb, arg, err);
}

int queue_find(struct queue *q, struct str queue, uint64_t sequence, queue_fetch_cb *cb, void *arg, struct error *err)
{
	return check_name(queue, err) < 0 ? -1 : q->ops->find(q, queue, sequence, cb, arg, err);
}

void queue_stat(struct queue *q, struct str queue, struct queue_stats *out)
{
	q->ops->stat(q, queue, out);
}

int64_t queue_now_ms(const struct queue *q)
{
	return q->ops->now_ms(q);
}

void queue_list(struct queue *q, struct str prefix, struct str after, queue_each_cb *each, void *arg)
{
	q->ops->list(q, prefix, after, each, arg);
}

struct queue_watch *queue_watch(struct queue *q, struct str prefix, queue_visible_cb *cb, void *arg, struct error *err)
{
	return q->ops->watch(q, prefix, cb, arg, err);
}

void queue_watch_stop(struct queue *q, struct queue_watch *watch)
{
	if (watch)
		q->ops->watch_stop(q, watch);
}

int queue_configure(struct queue *q, struct str queue, const struct queue_config *config, queue_simple_cb *cb, void *arg,
                    struct error *err)
{
	return check_name(queue, err) < 0 ? -1 : q->ops->configure(q, queue, config, cb, arg, err);
}

int queue_purge(struct queue *q, struct str queue, queue_simple_cb *cb, void *arg, struct error *err)
{
	return check_name(queue, err) < 0 ? -1 : q->ops->purge(q, queue, cb, arg, err);
}

int queue_delete(struct queue *q, struct str queue, queue_simple_cb *cb, void *arg, struct error *err)
{
	return check_name(queue, err) < 0 ? -1 : q->ops->del(q, queue, cb, arg, err);
}

void queue_close(struct queue *q)
{
	if (q)
		q->ops->close(q);
}
