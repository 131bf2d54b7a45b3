#include <stdlib.h>

#include "control/sched/sched_priv.h"

static struct str key_of(const uint64_t *id)
{
	return (struct str){(const char *)id, sizeof *id};
}

struct sched_function *sched_function_get(const struct sched *s, uint64_t id)
{
	return HASH_ENTRY(hash_get(&s->functions, key_of(&id)), struct sched_function, by_id);
}

static struct str queue_key(const struct sched_queue_id *id)
{
	_Static_assert(sizeof *id == 16, "no padding in a key");
	return (struct str){(const char *)id, sizeof *id};
}

struct sched_queue *sched_queue_get(const struct sched *s, uint64_t version_id, uint64_t tenant_id)
{
	struct sched_queue_id id = {version_id, tenant_id};
	return HASH_ENTRY(hash_get(&s->queues, queue_key(&id)), struct sched_queue, by_id);
}

static void free_function(struct sched *s, struct sched_function *f)
{
	ASSERT(f->versions == 0 && f->concurrency == 0);
	list_remove(&f->link);
	hash_remove(&s->functions, &f->by_id);
	free(f);
}

/* A function without versions is kept until its starts are paid, so that an update does not reset the rate. */
static void free_stale(struct sched *s)
{
	struct sched_function *f;
	while ((f = LIST_FIRST(&s->stale, struct sched_function, link)) && f->start_due_ns <= s->now_ns)
		free_function(s, f);
}

static struct sched_function *function_of(struct sched *s, const struct sched_version *v)
{
	struct sched_function *f = sched_function_get(s, v->function_id);
	if (f) {
		list_remove(&f->link);
		return f;
	}
	f = calloc(1, sizeof *f);
	ASSERT(f);
	f->id = v->function_id;
	f->reserved = v->reserved;
	list_init(&f->link);
	ASSERT(hash_put(&s->functions, &f->by_id, key_of(&f->id)) == 0);
	return f;
}

struct sched_queue *sched_queue_new(struct sched *s, const struct sched_version *v)
{
	free_stale(s);
	struct sched_queue *q = calloc(1, sizeof *q);
	ASSERT(q);
	q->id = (struct sched_queue_id){v->version_id, v->tenant_id};
	s->tenant_queues += v->tenant_id != 0;
	q->memory_mb = v->memory_mb;
	q->single_use = v->single_use;
	q->function = function_of(s, v);
	q->function->versions++;
	list_init(&q->covered);
	list_init(&q->uncovered);
	list_init(&q->idle);
	list_init(&q->link);
	ASSERT(hash_put(&s->queues, &q->by_id, queue_key(&q->id)) == 0);
	return q;
}

void sched_queue_try_free(struct sched *s, struct sched_queue *q)
{
	if (!(q->dropped || q->id.tenant) || q->envs > 0 || q->covered_count + q->uncovered_count > 0)
		return;
	struct sched_function *f = q->function;
	s->tenant_queues -= q->id.tenant != 0;
	hash_remove(&s->queues, &q->by_id);
	free(q);
	if (--f->versions > 0)
		return;
	list_push_back(&s->stale, &f->link);
	free_stale(s);
}

/* A version keeps its place in turn while it stays in the same list. */
void sched_queue_list(struct sched *s, struct sched_queue *q)
{
	bool listed = !list_empty(&q->link), was_barren = listed && q->listed_barren;
	bool wanted = q->uncovered_count > 0, barren = q->envs == 0;
	if (listed == wanted && (!wanted || was_barren == barren))
		return;
	if (listed) {
		list_remove(&q->link);
		*(was_barren ? &s->barren_count : &s->hungry_count) -= 1;
	}
	if (wanted) {
		q->listed_barren = barren;
		list_push_back(barren ? &s->barren : &s->hungry, &q->link);
		*(barren ? &s->barren_count : &s->hungry_count) += 1;
	}
}

static void cover(struct sched *s, struct sched_waiter *w)
{
	struct sched_queue *q = w->queue;
	sched_heap_remove(&s->uncovered, w);
	list_remove(&w->link);
	list_push_back(&q->covered, &w->link);
	w->covered = true;
	q->covered_count++;
	q->uncovered_count--;
}

static void uncover(struct sched *s, struct sched_waiter *w)
{
	struct sched_queue *q = w->queue;
	list_remove(&w->link);
	list_push_front(&q->uncovered, &w->link);
	sched_heap_push(&s->uncovered, w);
	w->covered = false;
	q->covered_count--;
	q->uncovered_count++;
}

void sched_queue_cover(struct sched *s, struct sched_queue *q)
{
	while (q->covered_count > q->starting)
		uncover(s, LIST_LAST(&q->covered, struct sched_waiter, link));
	while (q->covered_count < q->starting && q->uncovered_count > 0)
		cover(s, LIST_FIRST(&q->uncovered, struct sched_waiter, link));
	sched_queue_list(s, q);
}

void sched_function_reserve(struct sched *s, struct sched_function *f, int reserved)
{
	if (f->reserved < 0)
		s->unreserved_used -= f->concurrency;
	f->reserved = reserved;
	if (f->reserved < 0)
		s->unreserved_used += f->concurrency;
}

void sched_function_count(struct sched *s, struct sched_function *f, int by)
{
	f->concurrency += (unsigned)by;
	if (f->reserved < 0)
		s->unreserved_used += (unsigned)by;
}

static struct sched_waiter *waiter_new(struct sched *s)
{
	struct list *pooled = list_pop_front(&s->pool);
	if (pooled)
		return CONTAINER_OF(pooled, struct sched_waiter, link);
	struct sched_waiter *w = calloc(1, sizeof *w);
	ASSERT(w);
	list_init(&w->link);
	return w;
}

void sched_wait(struct sched *s, struct sched_queue *q, uint64_t invocation)
{
	struct sched_waiter *w = waiter_new(s);
	w->invocation = invocation;
	w->arrived_ns = s->now_ns;
	w->queue = q;
	w->covered = false;
	ASSERT(hash_put(&s->waiters, &w->by_id, key_of(&w->invocation)) == 0);
	list_push_back(&q->uncovered, &w->link);
	q->uncovered_count++;
	sched_heap_push(&s->uncovered, w);
	s->waiting++;
	sched_function_count(s, q->function, 1);
	sched_queue_cover(s, q);
}

struct sched_waiter *sched_waiter_get(const struct sched *s, uint64_t invocation)
{
	return HASH_ENTRY(hash_get(&s->waiters, key_of(&invocation)), struct sched_waiter, by_id);
}

struct sched_waiter *sched_waiter_oldest(const struct sched_queue *q)
{
	struct sched_waiter *w = LIST_FIRST(&q->covered, struct sched_waiter, link);
	return w ? w : LIST_FIRST(&q->uncovered, struct sched_waiter, link);
}

uint64_t sched_waiter_take(struct sched *s, struct sched_waiter *w)
{
	struct sched_queue *q = w->queue;
	if (w->covered) {
		q->covered_count--;
	} else {
		q->uncovered_count--;
		sched_heap_remove(&s->uncovered, w);
	}
	s->waiting--;
	sched_function_count(s, q->function, -1);
	hash_remove(&s->waiters, &w->by_id);
	list_remove(&w->link);
	list_push_front(&s->pool, &w->link);
	sched_queue_cover(s, q);
	return w->invocation;
}
