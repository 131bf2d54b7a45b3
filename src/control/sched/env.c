#include <stdlib.h>

#include "control/sched/sched_priv.h"

#define TO(state) (1u << (state))

/* starting -> idle or busy is "ready"; what can die at any moment can reach ENV_FREE from everywhere. */
static const unsigned allowed[ENV_STATES] = {
	[ENV_FREE] = TO(ENV_STARTING),
	[ENV_STARTING] = TO(ENV_IDLE) | TO(ENV_FREE),
	[ENV_IDLE] = TO(ENV_FROZEN) | TO(ENV_BUSY) | TO(ENV_STOPPING) | TO(ENV_FREE),
	[ENV_FROZEN] = TO(ENV_BUSY) | TO(ENV_STOPPING) | TO(ENV_FREE),
	[ENV_BUSY] = TO(ENV_IDLE) | TO(ENV_STOPPING) | TO(ENV_FREE),
	[ENV_STOPPING] = TO(ENV_FREE),
};

static bool is_idle(enum env_state state)
{
	return state == ENV_IDLE || state == ENV_FROZEN;
}

void sched_env_uncount(struct sched *s, struct sched_env *e)
{
	if (!e->counted)
		return;
	e->counted = false;
	e->queue->function->busy--;
	sched_function_count(s, e->queue->function, -1);
}

static void leave(struct sched *s, struct sched_env *e, enum env_state to)
{
	struct sched_queue *q = e->queue;
	list_remove(&e->state_link);
	s->count[e->state]--;
	s->memory_mb[e->state] -= q->memory_mb;
	q->envs -= e->state != ENV_FREE;
	q->starting -= e->state == ENV_STARTING;
	s->quick_starting -= e->state == ENV_STARTING && e->quick;
	if (e->state == ENV_BUSY)
		sched_env_uncount(s, e);
	if (is_idle(e->state) && !is_idle(to))
		list_remove(&e->idle_link);
}

static void enter(struct sched *s, struct sched_env *e, enum env_state from)
{
	struct sched_queue *q = e->queue;
	list_push_back(&s->states[e->state], &e->state_link);
	s->count[e->state]++;
	s->memory_mb[e->state] += q->memory_mb;
	q->envs += e->state != ENV_FREE;
	q->starting += e->state == ENV_STARTING;
	s->quick_starting += e->state == ENV_STARTING && e->quick;
	if (e->state == ENV_BUSY) {
		e->counted = true;
		q->function->busy++;
		sched_function_count(s, q->function, 1);
	}
	if (is_idle(e->state) && !is_idle(from)) {
		e->idle_since_ns = s->now_ns;
		list_push_front(&q->idle, &e->idle_link);
	}
}

void sched_env_move(struct sched *s, struct sched_env *e, enum env_state to)
{
	enum env_state from = e->state;
	ASSERT(allowed[from] & TO(to));
	leave(s, e, to);
	e->state = to;
	enter(s, e, from);
	if (to == ENV_FREE) {
		s->memory_mb[ENV_FREE] -= e->queue->memory_mb;
		e->queue = NULL;
	}
}

static struct sched_env *new_slot(struct sched *s)
{
	if (s->env_slots == s->env_cap) {
		s->env_cap = s->env_cap ? s->env_cap * 2 : 16;
		s->envs = reallocarray(s->envs, s->env_cap, sizeof(struct sched_env *));
		ASSERT(s->envs);
	}
	struct sched_env *e = calloc(1, sizeof *e);
	ASSERT(e);
	e->id = s->env_slots;
	list_init(&e->idle_link);
	list_init(&e->state_link);
	list_push_back(&s->states[ENV_FREE], &e->state_link);
	s->count[ENV_FREE]++;
	s->envs[s->env_slots++] = e;
	return e;
}

struct sched_env *sched_env_new(struct sched *s, struct sched_queue *q)
{
	struct sched_env *e = LIST_LAST(&s->states[ENV_FREE], struct sched_env, state_link);
	if (!e)
		e = new_slot(s);
	e->id += 1ull << 32;
	e->queue = q;
	e->quick = q->quick;
	s->memory_mb[ENV_FREE] += q->memory_mb; /* what the move takes off again */
	sched_env_move(s, e, ENV_STARTING);
	return e;
}

struct sched_env *sched_env_get(const struct sched *s, uint64_t id)
{
	unsigned slot = (unsigned)id;
	ASSERT(slot < s->env_slots);
	struct sched_env *e = s->envs[slot];
	ASSERT(e->id == id && e->state != ENV_FREE);
	return e;
}

/* Freezing goes by age too, so every frozen environment is older than every idle one. */
struct sched_env *sched_env_oldest_idle(const struct sched *s)
{
	struct sched_env *e = LIST_FIRST(&s->states[ENV_FROZEN], struct sched_env, state_link);
	return e ? e : LIST_FIRST(&s->states[ENV_IDLE], struct sched_env, state_link);
}

uint64_t sched_memory_used(const struct sched *s)
{
	uint64_t sum = 0;
	for (int i = ENV_STARTING; i < ENV_STATES; i++)
		sum += s->memory_mb[i];
	return sum;
}

unsigned sched_env_total(const struct sched *s)
{
	return s->env_slots - s->count[ENV_FREE];
}
