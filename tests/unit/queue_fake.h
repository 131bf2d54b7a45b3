/* A queue store in memory with a clock of its own, for tests of what is above it: publish, fetch without waiting, ack, nak, find, peek,
 * watch, delete. Callbacks come at the end of the round. */
#ifndef TESTS_UNIT_QUEUE_FAKE_H
#define TESTS_UNIT_QUEUE_FAKE_H

#include <stdlib.h>
#include <string.h>

#include "core/ev/ev.h"
#include "core/store/queue.h"

struct fake_message {
	struct list link;
	char queue[QUEUE_NAME_MAX + 1];
	unsigned char id[QUEUE_ID_SIZE];
	uint64_t sequence, nonce;
	int64_t published_ms, visible_ms;
	unsigned naks;
	bool leased;
	char *head, *body, *note, *dedup;
	size_t head_len, body_len;
};

struct fake_queue {
	struct queue queue;
	struct ev_loop *loop;
	struct list messages; /* by sequence */
	uint64_t last;
	int64_t now_ms;
	queue_visible_cb *watch;
	void *watch_arg;
	struct ev_defer tell;
	unsigned fetches, published;
	enum error_code fail_publish; /* ERR_OK: works */
	unsigned refuse_acks;         /* so many acks and naks get ERR_THROTTLED at once */
	unsigned fail_acks;           /* so many acks and naks fail when they are written */
};

static inline struct fake_queue *fake_of(const struct queue *q)
{
	return CONTAINER_OF((struct queue *)q, struct fake_queue, queue);
}

static inline bool fake_is_in(const struct fake_message *m, struct str queue)
{
	return str_eqz(queue, m->queue);
}

static inline bool fake_visible(const struct fake_queue *f, const struct fake_message *m)
{
	return !m->leased && m->visible_ms <= f->now_ms;
}

static inline void fake_message_free(struct fake_message *m)
{
	list_remove(&m->link);
	free(m->head);
	free(m->body);
	free(m->note);
	free(m->dedup);
	free(m);
}

static inline void fake_on_tell(struct ev_defer *defer)
{
	struct fake_queue *f = CONTAINER_OF(defer, struct fake_queue, tell);
	LIST_FOREACH(link, &f->messages) {
		struct fake_message *m = CONTAINER_OF(link, struct fake_message, link);
		if (f->watch && fake_visible(f, m))
			f->watch(f->watch_arg, str_from(m->queue));
	}
}

static inline void fake_advance(struct fake_queue *f, int64_t ms)
{
	f->now_ms += ms;
	ev_defer_run(f->loop, &f->tell);
}

struct fake_call {
	struct ev_defer defer;
	struct fake_queue *f;
	queue_publish_cb *published;
	queue_fetch_cb *fetched;
	queue_simple_cb *simple;
	queue_done_cb *done;
	void *arg;
	struct queue_published results[4];
	size_t n;
	struct list messages;
	bool leases;
	struct error err;
};

static inline void fake_free_ring(struct list *messages)
{
	struct list *link;
	while ((link = list_pop_front(messages)))
		queue_message_free(CONTAINER_OF(link, struct queue_message, link));
}

static inline struct fake_message *fake_by_sequence(struct fake_queue *f, uint64_t sequence)
{
	LIST_FOREACH(link, &f->messages) {
		struct fake_message *m = CONTAINER_OF(link, struct fake_message, link);
		if (m->sequence == sequence)
			return m;
	}
	return NULL;
}

static inline void fake_on_call(struct ev_defer *defer)
{
	struct fake_call *c = CONTAINER_OF(defer, struct fake_call, defer);
	const struct error *err = c->err.code ? &c->err : NULL;
	if (c->published)
		c->published(c->arg, err ? NULL : c->results, c->n, err);
	if (c->fetched)
		c->fetched(c->arg, &c->messages, c->n, err);
	if (c->done)
		c->done(c->arg, NULL, 0, err);
	if (c->simple)
		c->simple(c->arg, err);
	LIST_FOREACH(link, &c->messages) { /* what was not taken goes back */
		struct fake_message *m = fake_by_sequence(c->f, CONTAINER_OF(link, struct queue_message, link)->sequence);
		if (m && c->leases)
			m->leased = false;
	}
	fake_free_ring(&c->messages);
	free(c);
}

static inline struct fake_call *fake_call(struct fake_queue *f, void *arg)
{
	struct fake_call *c = calloc(1, sizeof *c);
	ASSERT(c);
	c->f = f;
	c->arg = arg;
	list_init(&c->messages);
	ev_defer_init(&c->defer, fake_on_call);
	ev_defer_run(f->loop, &c->defer);
	return c;
}

static inline struct fake_message *fake_duplicate(struct fake_queue *f, const struct queue_publish *p)
{
	LIST_FOREACH(link, &f->messages) {
		struct fake_message *m = CONTAINER_OF(link, struct fake_message, link);
		if (p->dedup.p && m->dedup && str_eqz(p->dedup, m->dedup) && fake_is_in(m, p->queue))
			return m;
	}
	return NULL;
}

static inline int fake_publish(struct queue *q, const struct queue_publish *what, size_t n, queue_publish_cb *cb, void *arg, struct error *err)
{
	struct fake_queue *f = fake_of(q);
	if (f->fail_publish == ERR_THROTTLED)
		return error_set(err, ERR_THROTTLED, "too much waits");
	struct fake_call *c = fake_call(f, arg);
	c->published = cb;
	c->n = n;
	ASSERT(n <= ARRAY_LEN(c->results));
	if (f->fail_publish) {
		error_set(&c->err, f->fail_publish, "no room");
		return 0;
	}
	for (size_t i = 0; i < n; i++) {
		const struct queue_publish *p = &what[i];
		struct fake_message *m = fake_duplicate(f, p);
		c->results[i].duplicate = m != NULL;
		if (!m) {
			m = calloc(1, sizeof *m);
			str_copy(m->queue, sizeof m->queue, p->queue);
			memcpy(m->id, p->id, sizeof m->id);
			m->sequence = ++f->last;
			m->published_ms = f->now_ms;
			m->visible_ms = f->now_ms + (int64_t)p->delay_ms;
			m->head = str_dup(p->head);
			m->head_len = p->head.n;
			m->body = str_dup(p->body);
			m->body_len = p->body.n;
			m->dedup = p->dedup.p ? str_dup(p->dedup) : NULL;
			list_init(&m->link);
			list_push_back(&f->messages, &m->link);
			f->published++;
		}
		c->results[i].sequence = m->sequence;
		memcpy(c->results[i].id, m->id, sizeof m->id);
	}
	ev_defer_run(f->loop, &f->tell);
	return 0;
}

static inline struct queue_message *fake_copy(const struct fake_message *m, bool with_body)
{
	size_t note_len = m->note ? strlen(m->note) : 0;
	struct queue_message *out = calloc(1, sizeof *out + m->head_len + note_len);
	char *text = (char *)(out + 1);
	memcpy(text, m->head, m->head_len);
	memcpy(text + m->head_len, m->note ? m->note : "", note_len);
	*out = (struct queue_message){.receipt = {m->sequence, m->nonce}, .sequence = m->sequence, .published_ms = m->published_ms,
	                              .visible_ms = m->visible_ms, .receives = m->naks, .head = {text, m->head_len},
	                              .note = {text + m->head_len, note_len}, .body = malloc(m->body_len + 1),
	                              .body_len = with_body ? m->body_len : 0};
	memcpy(out->body, m->body, m->body_len + 1);
	memcpy(out->id, m->id, sizeof out->id);
	list_init(&out->link);
	return out;
}

static inline struct queue_wait *fake_fetch(struct queue *q, const struct queue_fetch *what, queue_fetch_cb *cb, void *arg, struct error *err)
{
	struct fake_queue *f = fake_of(q);
	struct fake_call *c = fake_call(f, arg);
	size_t bytes = 0;
	c->fetched = cb;
	c->leases = true;
	f->fetches++;
	for (;;) { /* in the order (visible_ms, sequence) */
		struct fake_message *best = NULL;
		LIST_FOREACH(link, &f->messages) {
			struct fake_message *m = CONTAINER_OF(link, struct fake_message, link);
			if (fake_is_in(m, what->queue) && fake_visible(f, m) && (!best || m->visible_ms < best->visible_ms))
				best = m;
		}
		if (!best || c->n == what->max || (c->n && bytes + best->head_len + best->body_len > what->max_bytes))
			return (struct queue_wait *)(void *)c;
		best->leased = true;
		best->nonce++;
		bytes += best->head_len + best->body_len;
		list_push_back(&c->messages, &fake_copy(best, true)->link);
		c->n++;
	}
}

static inline void fake_fetch_cancel(struct queue *q, struct queue_wait *wait)
{
	struct fake_call *c = (struct fake_call *)(void *)wait;
	c->fetched = NULL;
}

static inline struct fake_message *fake_leased(struct fake_queue *f, const struct queue_receipt *r)
{
	struct fake_message *m = fake_by_sequence(f, r->sequence);
	return m && m->leased && m->nonce == r->nonce ? m : NULL;
}

static inline int fake_refuses(struct fake_queue *f, struct error *err)
{
	if (!f->refuse_acks)
		return 0;
	f->refuse_acks--;
	return error_set(err, ERR_THROTTLED, "too much waits for the store");
}

/* An end that is not written; NULL: it may be. */
static inline struct fake_call *fake_fails(struct fake_queue *f, queue_done_cb *cb, void *arg)
{
	if (!f->fail_acks)
		return NULL;
	f->fail_acks--;
	struct fake_call *c = fake_call(f, arg);
	c->done = cb;
	error_set(&c->err, ERR_IO, "not written");
	return c;
}

static inline int fake_ack(struct queue *q, struct str queue, const struct queue_receipt *receipts, size_t n, queue_done_cb *cb, void *arg,
                    struct error *err)
{
	if (fake_refuses(fake_of(q), err) < 0)
		return -1;
	if (fake_fails(fake_of(q), cb, arg))
		return 0;
	fake_call(fake_of(q), arg)->done = cb;
	for (size_t i = 0; i < n; i++) {
		struct fake_message *m = fake_leased(fake_of(q), &receipts[i]);
		if (m)
			fake_message_free(m);
	}
	return 0;
}

static inline int fake_nak(struct queue *q, struct str queue, const struct queue_nak *naks, size_t n, queue_done_cb *cb, void *arg,
                    struct error *err)
{
	struct fake_queue *f = fake_of(q);
	if (fake_refuses(f, err) < 0)
		return -1;
	ASSERT(n == 1);
	if (fake_fails(f, cb, arg))
		return 0;
	fake_call(f, arg)->done = cb;
	struct fake_message *m = fake_leased(f, &naks->receipt);
	if (!m)
		return 0;
	m->leased = false;
	m->naks++;
	m->visible_ms = f->now_ms + (int64_t)naks->delay_ms;
	if (naks->note.p) {
		free(m->note);
		m->note = str_dup(naks->note);
	}
	return 0;
}

static inline int fake_look(struct queue *q, struct str queue, uint64_t sequence, unsigned max, size_t max_body, queue_fetch_cb *cb, void *arg)
{
	struct fake_queue *f = fake_of(q);
	struct fake_call *c = fake_call(f, arg);
	c->fetched = cb;
	LIST_FOREACH(link, &f->messages) {
		struct fake_message *m = CONTAINER_OF(link, struct fake_message, link);
		if (fake_is_in(m, queue) && (!sequence || m->sequence == sequence) && c->n < max) {
			list_push_back(&c->messages, &fake_copy(m, max_body > 0)->link);
			c->n++;
		}
	}
	return 0;
}

static inline int fake_peek(struct queue *q, const struct queue_peek *what, queue_fetch_cb *cb, void *arg, struct error *err)
{
	return fake_look(q, what->queue, 0, what->max, what->max_body, cb, arg);
}

static inline int fake_find(struct queue *q, struct str queue, uint64_t sequence, queue_fetch_cb *cb, void *arg, struct error *err)
{
	return fake_look(q, queue, sequence, 1, SIZE_MAX, cb, arg);
}

static inline void fake_stat(struct queue *q, struct str queue, struct queue_stats *out)
{
	struct fake_queue *f = fake_of(q);
	*out = (struct queue_stats){0};
	LIST_FOREACH(link, &f->messages) {
		struct fake_message *m = CONTAINER_OF(link, struct fake_message, link);
		if (!fake_is_in(m, queue))
			continue;
		out->leased += m->leased;
		out->visible += fake_visible(f, m);
		out->delayed += !m->leased && !fake_visible(f, m);
		out->oldest_ms = out->oldest_ms ? out->oldest_ms : m->published_ms;
	}
}

static inline int64_t fake_now_ms(const struct queue *q)
{
	return fake_of(q)->now_ms;
}

static inline void fake_list(struct queue *q, struct str prefix, struct str after, queue_each_cb *each, void *arg)
{
	struct fake_queue *f = fake_of(q);
	LIST_FOREACH(link, &f->messages) {
		struct fake_message *m = CONTAINER_OF(link, struct fake_message, link), *first = NULL;
		LIST_FOREACH(other, &f->messages) {
			struct fake_message *o = CONTAINER_OF(other, struct fake_message, link);
			first = first || strcmp(o->queue, m->queue) != 0 ? first : o;
		}
		struct queue_stats stats;
		fake_stat(q, str_from(m->queue), &stats);
		if (first == m && str_starts(str_from(m->queue), prefix))
			each(arg, str_from(m->queue), &stats);
	}
}

static inline struct queue_watch *fake_watch(struct queue *q, struct str prefix, queue_visible_cb *cb, void *arg, struct error *err)
{
	struct fake_queue *f = fake_of(q);
	f->watch = cb;
	f->watch_arg = arg;
	ev_defer_run(f->loop, &f->tell);
	return (struct queue_watch *)(void *)f;
}

static inline int fake_del(struct queue *q, struct str queue, queue_simple_cb *cb, void *arg, struct error *err)
{
	struct fake_queue *f = fake_of(q);
	if (fake_refuses(f, err) < 0)
		return -1;
	LIST_FOREACH(link, &f->messages) {
		struct fake_message *m = CONTAINER_OF(link, struct fake_message, link);
		if (fake_is_in(m, queue))
			fake_message_free(m);
	}
	fake_call(f, arg)->simple = cb;
	return 0;
}

static const struct queue_ops fake_ops = {
	.publish = fake_publish, .fetch = fake_fetch, .fetch_cancel = fake_fetch_cancel, .ack = fake_ack, .nak = fake_nak,
	.peek = fake_peek, .find = fake_find, .stat = fake_stat, .now_ms = fake_now_ms, .list = fake_list, .watch = fake_watch,
	.del = fake_del};

static inline void fake_init(struct fake_queue *f, struct ev_loop *loop)
{
	*f = (struct fake_queue){.queue = {&fake_ops}, .loop = loop, .now_ms = 1700000000000};
	list_init(&f->messages);
	ev_defer_init(&f->tell, fake_on_tell);
}

/* As a restart: leases in memory are gone. */
static inline void fake_crash(struct fake_queue *f)
{
	f->watch = NULL;
	LIST_FOREACH(link, &f->messages)
		CONTAINER_OF(link, struct fake_message, link)->leased = false;
}

static inline void fake_release(struct fake_queue *f)
{
	LIST_FOREACH(link, &f->messages)
		fake_message_free(CONTAINER_OF(link, struct fake_message, link));
}

#endif
