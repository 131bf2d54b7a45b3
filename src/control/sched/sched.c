#include "control/sched/sched.h"

#include <stdlib.h>

#include "control/sched/sched_priv.h"

struct sched *sched_new(const struct sched_config *config)
{
	struct sched *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->config = *config;
	if (!s->config.start_burst)
		s->config.start_burst = SCHED_START_BURST;
	s->start_cost_ns = SCHED_START_PERIOD_NS / s->config.start_burst;
	s->retry_ns = UINT64_MAX;
	s->unreserved_limit = config->account_concurrency;
	hash_init(&s->functions);
	hash_init(&s->queues);
	hash_init(&s->waiters);
	list_init(&s->barren);
	list_init(&s->hungry);
	list_init(&s->stale);
	list_init(&s->pool);
	for (int i = 0; i < ENV_STATES; i++)
		list_init(&s->states[i]);
	return s;
}

#define FREE_ALL(table, type, member) HASH_FOREACH(n_, (table)) free(HASH_ENTRY(n_, type, member))

void sched_free(struct sched *s)
{
	if (!s)
		return;
	FREE_ALL(&s->waiters, struct sched_waiter, by_id);
	FREE_ALL(&s->queues, struct sched_queue, by_id);
	FREE_ALL(&s->functions, struct sched_function, by_id);
	LIST_FOREACH(pos, &s->pool)
		free(CONTAINER_OF(pos, struct sched_waiter, link));
	for (unsigned i = 0; i < s->env_slots; i++)
		free(s->envs[i]);
	hash_release(&s->waiters);
	hash_release(&s->queues);
	hash_release(&s->functions);
	free(s->uncovered.items);
	free(s->envs);
	free(s->ring);
	free(s);
}

static void grow_ring(struct sched *s)
{
	unsigned cap = s->ring_cap ? s->ring_cap * 2 : 64;
	struct sched_decision *ring = calloc(cap, sizeof *ring);
	ASSERT(ring);
	for (unsigned i = 0; i < s->ring_count; i++)
		ring[i] = s->ring[(s->ring_head + i) & (s->ring_cap - 1)];
	free(s->ring);
	s->ring = ring;
	s->ring_cap = cap;
	s->ring_head = 0;
}

void sched_decide(struct sched *s, struct sched_decision d)
{
	if (s->ring_count == s->ring_cap)
		grow_ring(s);
	s->ring[(s->ring_head + s->ring_count++) & (s->ring_cap - 1)] = d;
}

bool sched_next(struct sched *s, struct sched_decision *d)
{
	if (!s->ring_count)
		return false;
	*d = s->ring[s->ring_head];
	s->ring_head = (s->ring_head + 1) & (s->ring_cap - 1);
	s->ring_count--;
	return true;
}

static void reject(struct sched *s, struct sched_queue_id of, uint64_t invocation, enum sched_reject why, uint64_t env)
{
	sched_decide(s, (struct sched_decision){.kind = DECIDE_REJECT, .invocation = invocation, .version_id = of.version,
	                                        .tenant_id = of.tenant, .why = why, .env = env});
}

static void decide_for(struct sched *s, enum sched_decision_kind kind, const struct sched_env *e, uint64_t invocation)
{
	sched_decide(s, (struct sched_decision){.kind = kind, .env = e->id, .invocation = invocation, .version_id = e->queue->id.version,
	                                        .tenant_id = e->queue->id.tenant, .frozen = e->state == ENV_FROZEN});
}

static void assign(struct sched *s, struct sched_env *e, uint64_t invocation)
{
	decide_for(s, DECIDE_ASSIGN, e, invocation);
	sched_env_move(s, e, ENV_BUSY);
}

void sched_stop_env(struct sched *s, struct sched_env *e)
{
	decide_for(s, DECIDE_STOP, e, 0);
	sched_env_move(s, e, ENV_STOPPING);
}

static void begin(struct sched *s, uint64_t now_ns)
{
	ASSERT(now_ns >= s->now_ns);
	s->now_ns = now_ns;
}

static uint64_t after(uint64_t at_ns, uint64_t delay_ns)
{
	return delay_ns > UINT64_MAX - at_ns ? UINT64_MAX : at_ns + delay_ns;
}

/* True when some were refused. */
static bool refuse_overdue(struct sched *s)
{
	bool any = false;
	while (s->uncovered.count && after(s->uncovered.items[0]->arrived_ns, s->config.wait_ns) <= s->now_ns) {
		struct sched_waiter *w = s->uncovered.items[0];
		struct sched_queue *q = w->queue;
		reject(s, q->id, sched_waiter_take(s, w), REJECT_FULL, 0);
		sched_queue_try_free(s, q);
		any = true;
	}
	return any;
}

/* Every event ends here. Room that was promised to what is refused is somebody else's then. */
static void finish(struct sched *s)
{
	sched_place(s);
	if (refuse_overdue(s))
		sched_place(s);
}

static bool over_limit(const struct sched *s, const struct sched_version *v, const struct sched_function *f,
                       enum sched_reject *why)
{
	unsigned used = f ? f->concurrency : 0;
	*why = v->reserved >= 0 ? REJECT_RESERVED : REJECT_ACCOUNT;
	return v->reserved >= 0 ? used >= (unsigned)v->reserved : s->unreserved_used >= s->unreserved_limit;
}

void sched_invoke(struct sched *s, uint64_t now_ns, uint64_t invocation, const struct sched_version *v)
{
	begin(s, now_ns);
	ASSERT(v->memory_mb > 0);
	struct sched_queue_id id = {v->version_id, v->tenant_id};
	struct sched_queue *q = sched_queue_get(s, id.version, id.tenant);
	struct sched_function *f = q ? q->function : sched_function_get(s, v->function_id);
	enum sched_reject why;
	if (f && f->reserved != v->reserved)
		sched_function_reserve(s, f, v->reserved);
	if (q && q->dropped) {
		reject(s, id, invocation, REJECT_GONE, 0);
		return;
	}
	if (over_limit(s, v, f, &why)) {
		reject(s, id, invocation, why, 0);
		return;
	}
	struct sched_env *e = q ? LIST_FIRST(&q->idle, struct sched_env, idle_link) : NULL;
	if (e) {
		assign(s, e, invocation);
		return;
	}
	if (v->memory_mb > s->config.memory_mb || !s->config.max_environments) {
		reject(s, id, invocation, REJECT_FULL, 0);
		return;
	}
	q = q ? q : sched_queue_new(s, v);
	q->quick = v->quick;
	sched_wait(s, q, invocation);
	finish(s);
}

bool sched_covered(const struct sched *s, uint64_t invocation)
{
	const struct sched_waiter *w = sched_waiter_get(s, invocation);
	return w && w->covered;
}

bool sched_cancel(struct sched *s, uint64_t now_ns, uint64_t invocation)
{
	begin(s, now_ns);
	struct sched_waiter *w = sched_waiter_get(s, invocation);
	if (!w)
		return false;
	struct sched_queue *q = w->queue;
	sched_waiter_take(s, w);
	sched_queue_try_free(s, q);
	finish(s);
	return true;
}

/* A free environment takes the oldest waiting invocation, or stays, or goes with its version. */
static void give_work(struct sched *s, struct sched_env *e)
{
	struct sched_waiter *w = sched_waiter_oldest(e->queue);
	if (w)
		assign(s, e, sched_waiter_take(s, w));
	else if (e->queue->dropped)
		sched_stop_env(s, e);
}

void sched_env_ready(struct sched *s, uint64_t now_ns, uint64_t env)
{
	begin(s, now_ns);
	struct sched_env *e = sched_env_get(s, env);
	ASSERT(e->state == ENV_STARTING);
	e->queue->failures = 0;
	sched_env_move(s, e, ENV_IDLE);
	give_work(s, e);
	sched_queue_cover(s, e->queue);
	finish(s);
}

void sched_env_answered(struct sched *s, uint64_t now_ns, uint64_t env)
{
	begin(s, now_ns);
	sched_env_uncount(s, sched_env_get(s, env));
}

void sched_env_idle(struct sched *s, uint64_t now_ns, uint64_t env)
{
	begin(s, now_ns);
	struct sched_env *e = sched_env_get(s, env);
	ASSERT(e->state == ENV_BUSY);
	if (e->queue->single_use) {
		sched_stop_env(s, e);
		finish(s);
		return;
	}
	sched_env_move(s, e, ENV_IDLE);
	if (sched_place_should_yield(s, e))
		sched_stop_env(s, e);
	else
		give_work(s, e);
	finish(s);
}

void sched_env_stopping(struct sched *s, uint64_t now_ns, uint64_t env)
{
	begin(s, now_ns);
	struct sched_env *e = sched_env_get(s, env);
	if (e->state != ENV_STOPPING) /* the scheduler may have decided the same */
		sched_env_move(s, e, ENV_STOPPING);
	finish(s);
}

static void env_gone(struct sched *s, struct sched_env *e, enum sched_start_fault fault)
{
	struct sched_queue *q = e->queue;
	bool was_starting = e->state == ENV_STARTING;
	sched_env_move(s, e, ENV_FREE);
	if (was_starting && fault != START_OTHERWISE) {
		bool give_back = fault == START_FINAL || q->failures >= SCHED_START_RETRIES;
		q->failures++;
		struct sched_waiter *w = sched_waiter_oldest(q);
		if (give_back && w)
			reject(s, q->id, sched_waiter_take(s, w), REJECT_START, e->id);
	}
	sched_queue_cover(s, q);
	sched_queue_try_free(s, q);
	finish(s);
}

void sched_env_dead(struct sched *s, uint64_t now_ns, uint64_t env)
{
	begin(s, now_ns);
	env_gone(s, sched_env_get(s, env), START_RETRY);
}

void sched_env_failed(struct sched *s, uint64_t now_ns, uint64_t env, enum sched_start_fault fault)
{
	begin(s, now_ns);
	struct sched_env *e = sched_env_get(s, env);
	ASSERT(e->state == ENV_STARTING);
	env_gone(s, e, fault);
}

static void reject_waiting(struct sched *s, struct sched_queue *q, enum sched_reject why)
{
	struct sched_waiter *w;
	while ((w = sched_waiter_oldest(q)))
		reject(s, q->id, sched_waiter_take(s, w), why, 0);
}

static void drop(struct sched *s, struct sched_queue *q, bool reject_waiting_too)
{
	q->dropped = true;
	LIST_FOREACH(pos, &q->idle)
		sched_stop_env(s, CONTAINER_OF(pos, struct sched_env, idle_link));
	if (reject_waiting_too)
		reject_waiting(s, q, REJECT_GONE);
	sched_queue_try_free(s, q);
}

void sched_drop_version(struct sched *s, uint64_t now_ns, uint64_t version_id, bool reject_waiting_too)
{
	begin(s, now_ns);
	struct sched_queue *own = sched_queue_get(s, version_id, 0);
	if (own)
		drop(s, own, reject_waiting_too);
	if (!own && s->tenant_queues) {
		HASH_FOREACH(node, &s->queues) {
			struct sched_queue *q = HASH_ENTRY(node, struct sched_queue, by_id);
			if (q->id.version == version_id)
				drop(s, q, reject_waiting_too);
		}
	}
	finish(s);
}

void sched_set_reserved(struct sched *s, uint64_t now_ns, uint64_t function_id, int reserved)
{
	begin(s, now_ns);
	struct sched_function *f = sched_function_get(s, function_id);
	if (!f)
		return;
	sched_function_reserve(s, f, reserved);
	if (reserved == 0) {
		HASH_FOREACH(node, &s->queues) {
			struct sched_queue *q = HASH_ENTRY(node, struct sched_queue, by_id);
			if (q->function != f)
				continue;
			reject_waiting(s, q, REJECT_RESERVED);
			sched_queue_try_free(s, q);
		}
	}
	finish(s);
}

void sched_set_unreserved(struct sched *s, uint64_t now_ns, unsigned unreserved)
{
	begin(s, now_ns);
	s->unreserved_limit = unreserved;
}

void sched_tick(struct sched *s, uint64_t now_ns)
{
	begin(s, now_ns);
	struct sched_env *e;
	while ((e = sched_env_oldest_idle(s)) && after(e->idle_since_ns, s->config.keep_alive_ns) <= now_ns)
		sched_stop_env(s, e);
	while ((e = LIST_FIRST(&s->states[ENV_IDLE], struct sched_env, state_link)) &&
	       after(e->idle_since_ns, s->config.freeze_after_ns) <= now_ns) {
		decide_for(s, DECIDE_FREEZE, e, 0);
		sched_env_move(s, e, ENV_FROZEN);
	}
	finish(s);
}

static void sooner(uint64_t *wake_ns, uint64_t at_ns)
{
	if (at_ns < *wake_ns)
		*wake_ns = at_ns;
}

uint64_t sched_wake_ns(const struct sched *s)
{
	uint64_t wake_ns = s->retry_ns;
	if (s->uncovered.count)
		sooner(&wake_ns, after(s->uncovered.items[0]->arrived_ns, s->config.wait_ns));
	const struct sched_env *e = sched_env_oldest_idle(s);
	if (e)
		sooner(&wake_ns, after(e->idle_since_ns, s->config.keep_alive_ns));
	e = LIST_FIRST(&s->states[ENV_IDLE], struct sched_env, state_link);
	if (e)
		sooner(&wake_ns, after(e->idle_since_ns, s->config.freeze_after_ns));
	return wake_ns;
}

void sched_count(const struct sched *s, struct sched_counts *out)
{
	*out = (struct sched_counts){.waiting = s->waiting, .starting = s->count[ENV_STARTING], .idle = s->count[ENV_IDLE],
	                             .frozen = s->count[ENV_FROZEN], .busy = s->count[ENV_BUSY],
	                             .stopping = s->count[ENV_STOPPING], .memory_mb = sched_memory_used(s)};
}

unsigned sched_busy(const struct sched *s, uint64_t function_id)
{
	const struct sched_function *f = sched_function_get(s, function_id);
	return f ? f->busy : 0;
}

unsigned sched_concurrency(const struct sched *s, uint64_t function_id)
{
	const struct sched_function *f = sched_function_get(s, function_id);
	return f ? f->concurrency : 0;
}
