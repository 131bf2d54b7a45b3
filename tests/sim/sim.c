/* Seeded random histories of the scheduler with faults, under a fake clock.
 *
 *   sim            seeds 1 to 3000
 *   sim SEED       one history with a trace of every event and decision */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "tests/sim/model.h"

#define SEEDS 3000
#define MS 1000000ull

struct sim {
	struct model m;
	struct sched *s;
	uint64_t random;
	unsigned current[SIM_FUNCTIONS]; /* newest version of each */
	unsigned fault_percent;
};

static uint64_t draw(struct sim *x, uint64_t below)
{
	x->random ^= x->random << 13;
	x->random ^= x->random >> 7;
	x->random ^= x->random << 17;
	return below ? x->random * 0x2545f4914f6cdd1dull % below : 0;
}

static void settle(struct sim *x)
{
	struct sched_decision d;
	while (sched_next(x->s, &d))
		model_decision(&x->m, &d);
	model_settled(&x->m, x->s);
}

static void new_version(struct sim *x, unsigned function)
{
	static const unsigned sizes[] = {128, 128, 256, 512, 1024, 3000};
	struct model *m = &x->m;
	unsigned tenants = draw(x, 3) ? 0 : SIM_TENANTS, lanes = tenants ? tenants : 1;
	if (m->version_count + lanes > SIM_VERSIONS)
		return;
	struct model_version v = {.id = ++m->last_version_id, .function = function, .memory_mb = sizes[draw(x, 6)],
	                          .single_use = draw(x, 4) == 0};
	x->current[function] = m->version_count;
	for (unsigned i = 0; i < lanes; i++) {
		v.tenant = tenants ? 1000 * v.id + i + 1 : 0;
		m->versions[m->version_count++] = v;
	}
}

static void invoke(struct sim *x)
{
	struct model *m = &x->m;
	if (m->call_count == SIM_INVOCATIONS)
		return;
	/* Some functions are busier than others. */
	unsigned f = (unsigned)draw(x, 1 + draw(x, SIM_FUNCTIONS)), v = x->current[f];
	uint64_t id = m->call_count++;
	if (m->versions[v].dropped)
		new_version(x, f);
	v = x->current[f];
	if (m->versions[v].dropped) { /* no more versions in this history */
		m->calls[id] = (struct model_call){.state = C_CANCELLED};
		return;
	}
	if (m->versions[v].tenant)
		v += (unsigned)draw(x, SIM_TENANTS);
	m->calls[id] = (struct model_call){.state = C_WAITING, .version = v, .arrived_ns = m->now_ns};
	m->was_quick = m->versions[v].quick;
	m->versions[v].quick = draw(x, 2);
	struct sched_version sv = {.version_id = m->versions[v].id, .tenant_id = m->versions[v].tenant, .function_id = f + 1, .memory_mb = m->versions[v].memory_mb,
	                           .reserved = m->functions[f].reserved, .single_use = m->versions[v].single_use,
	                           .quick = m->versions[v].quick};
	model_event(m, EV_INVOKE, id);
	model_trace(m, "    version %llu tenant %llu function %u", (unsigned long long)sv.version_id, (unsigned long long)sv.tenant_id, f + 1);
	sched_invoke(x->s, m->now_ns, id, &sv);
	settle(x);
}

static struct model_env *any_env(struct sim *x, unsigned states)
{
	struct model *m = &x->m;
	unsigned n = m->env_count - m->first_env, from = (unsigned)draw(x, n);
	for (unsigned i = 0; i < n; i++) {
		struct model_env *e = &m->envs[m->first_env + (from + i) % n];
		if (states >> e->state & 1)
			return e;
	}
	return NULL;
}

static void env_event(struct sim *x, struct model_env *e, enum model_event event)
{
	struct model *m = &x->m;
	uint64_t id = e->id;
	model_event(m, event, id);
	if (event == EV_READY)
		sched_env_ready(x->s, m->now_ns, id);
	else if (event == EV_ANSWERED)
		sched_env_answered(x->s, m->now_ns, id);
	else if (event == EV_IDLE)
		sched_env_idle(x->s, m->now_ns, id);
	else if (event == EV_STOPPING)
		sched_env_stopping(x->s, m->now_ns, id);
	else if (event == EV_DEAD)
		sched_env_dead(x->s, m->now_ns, id);
	else
		sched_env_failed(x->s, m->now_ns, id, event == EV_FAILED ? START_FINAL : event == EV_RETRY ? START_RETRY : START_OTHERWISE);
	settle(x);
}

static void go_on(struct sim *x, struct model_env *e)
{
	if (e->state == M_STARTING && draw(x, 100) < x->fault_percent) {
		static const enum model_event faults[] = {EV_FAILED, EV_RETRY, EV_DEAD, EV_OTHERWISE};
		env_event(x, e, faults[draw(x, 4)]);
	} else if (e->state == M_BUSY && draw(x, 100) < x->fault_percent / 2) {
		env_event(x, e, EV_STOPPING);
	} else if (e->state == M_BUSY && draw(x, 4) == 0) {
		env_event(x, e, EV_ANSWERED);
	} else {
		env_event(x, e, e->state == M_STARTING ? EV_READY : e->state == M_BUSY ? EV_IDLE : EV_DEAD);
	}
}

static void step_env(struct sim *x)
{
	struct model_env *e = any_env(x, 1u << M_STARTING | 1u << M_BUSY | 1u << M_STOPPING);
	if (e)
		go_on(x, e);
}

static void kill_env(struct sim *x)
{
	struct model_env *e = any_env(x, 1u << M_STARTING | 1u << M_BUSY | 1u << M_STOPPING | 1u << M_IDLE | 1u << M_FROZEN);
	if (e)
		env_event(x, e, EV_DEAD);
}

static void cancel(struct sim *x)
{
	struct model *m = &x->m;
	uint64_t id = draw(x, m->call_count);
	if (!m->call_count)
		return;
	bool waits = m->calls[id].state == C_WAITING;
	if (waits)
		m->calls[id].state = C_CANCELLED;
	model_event(m, EV_CANCEL, id);
	if (sched_cancel(x->s, m->now_ns, id) != waits)
		model_fail(m, "cancel says the opposite");
	settle(x);
}

static void drop(struct sim *x, unsigned v, bool reject)
{
	struct model *m = &x->m;
	for (unsigned i = v; i < m->version_count && m->versions[i].id == m->versions[v].id; i++)
		m->versions[i].dropped = true;
	model_event(m, reject ? EV_DROP_REJECT : EV_DROP, m->versions[v].id);
	sched_drop_version(x->s, m->now_ns, m->versions[v].id, reject);
	settle(x);
}

static void update(struct sim *x)
{
	unsigned f = (unsigned)draw(x, SIM_FUNCTIONS), old = x->current[f];
	new_version(x, f);
	if (x->current[f] != old)
		drop(x, old, draw(x, 3) == 0);
}

static void reserve(struct sim *x)
{
	struct model *m = &x->m;
	unsigned f = (unsigned)draw(x, SIM_FUNCTIONS), sum = 0;
	m->functions[f].reserved = (int)draw(x, 8) - 1;
	model_event(m, EV_RESERVED, f + 1);
	model_trace(m, "    to %d", m->functions[f].reserved);
	sched_set_reserved(x->s, m->now_ns, f + 1, m->functions[f].reserved);
	settle(x);
	for (unsigned i = 0; i < SIM_FUNCTIONS; i++)
		sum += m->functions[i].reserved > 0 ? (unsigned)m->functions[i].reserved : 0;
	m->unreserved = m->config.account_concurrency > sum ? m->config.account_concurrency - sum : 0;
	model_event(m, EV_UNRESERVED, m->unreserved);
	sched_set_unreserved(x->s, m->now_ns, m->unreserved);
	settle(x);
}

static void tick(struct sim *x)
{
	struct model *m = &x->m;
	model_event(m, EV_TICK, 0);
	sched_tick(x->s, m->now_ns);
	settle(x);
}

/* Time goes on; what is due on the way is done on time. */
static void pass_time(struct sim *x, uint64_t ns)
{
	struct model *m = &x->m;
	uint64_t until_ns = m->now_ns + ns;
	for (unsigned ticks = 0; sched_wake_ns(x->s) <= until_ns; ticks++) {
		if (ticks > 10000)
			model_fail(m, "ticks without end");
		if (sched_wake_ns(x->s) > m->now_ns)
			m->now_ns = sched_wake_ns(x->s);
		tick(x);
		if (sched_wake_ns(x->s) <= m->now_ns)
			model_fail(m, "something is still due after the tick");
	}
	m->now_ns = until_ns;
}

static void begin(struct sim *x, uint64_t seed, bool trace)
{
	static const uint64_t freezes[] = {50 * MS, 0, UINT64_MAX, 5 * MS};
	memset(x, 0, sizeof *x);
	x->random = seed * 0x9e3779b97f4a7c15ull | 1;
	for (int i = 0; i < 8; i++)
		draw(x, 2);
	x->m.seed = seed;
	x->m.trace = trace;
	x->m.now_ns = 1000 * MS;
	x->m.config = (struct sched_config){
		.account_concurrency = 5 + (unsigned)draw(x, 60), .max_environments = 1 + (unsigned)draw(x, 40),
		.memory_mb = 512 + draw(x, 8000), .keep_alive_ns = (1 + draw(x, 2000)) * MS, .freeze_after_ns = freezes[draw(x, 4)],
		.wait_ns = draw(x, 4) ? (1 + draw(x, 500)) * MS : 0, .max_starting = (unsigned)draw(x, 8),
		.max_quick = (unsigned)draw(x, 12),
		.start_burst = draw(x, 2) ? 1000 : 1 + (unsigned)draw(x, 30)};
	x->m.unreserved = x->m.config.account_concurrency;
	x->fault_percent = (unsigned)draw(x, 60);
	for (unsigned f = 0; f < SIM_FUNCTIONS; f++) {
		x->m.functions[f] = (struct model_function){.reserved = -1, .tokens = x->m.config.start_burst, .tokens_ns = x->m.now_ns};
		new_version(x, f);
	}
	x->s = sched_new(&x->m.config);
	ASSERT(x->s);
}

/* Everything that runs comes to its end, then all versions go: nothing may be left. */
static void drain(struct sim *x)
{
	struct model *m = &x->m;
	struct model_env *e;
	for (unsigned i = 0; i < 3 * SIM_INVOCATIONS; i++) {
		if (!(e = any_env(x, 1u << M_STARTING | 1u << M_BUSY | 1u << M_STOPPING)))
			break;
		go_on(x, e);
		pass_time(x, 1 * MS);
	}
	pass_time(x, m->config.wait_ns);
	while ((e = any_env(x, 1u << M_STARTING | 1u << M_BUSY | 1u << M_STOPPING)))
		go_on(x, e);
	for (unsigned v = 0; v < m->version_count; v++) {
		if (model_waiting(m, v))
			model_fail(m, "version %u still has waiting invocations", v);
		if (!m->versions[v].dropped)
			drop(x, v, false);
	}
	while ((e = any_env(x, 1u << M_STOPPING)))
		env_event(x, e, EV_DEAD);
	struct sched_counts c;
	sched_count(x->s, &c);
	if (c.waiting || c.starting || c.idle || c.frozen || c.busy || c.stopping || c.memory_mb)
		model_fail(m, "something is left at the end");
	if (sched_wake_ns(x->s) != UINT64_MAX)
		model_fail(m, "wakes for nothing");
}

static void act(struct sim *x, unsigned phase)
{
	/* Weights out of 100 of invoke, step, pass; the rest are rarer things. */
	static const unsigned weights[][3] = {{60, 25, 10}, {20, 55, 20}, {35, 35, 25}};
	unsigned n = (unsigned)draw(x, 100);
	const unsigned *w = weights[phase % 3];
	static void (*const rare[])(struct sim *) = {cancel, kill_env, update, reserve, tick};
	if (n < w[0])
		invoke(x);
	else if (n < w[0] + w[1])
		step_env(x);
	else if (n < w[0] + w[1] + w[2])
		pass_time(x, draw(x, draw(x, 20) ? 20 * MS : 2500 * MS));
	else
		rare[draw(x, 5)](x);
}

static void run(struct sim *x, uint64_t seed, bool trace)
{
	begin(x, seed, trace);
	unsigned steps = 100 + (unsigned)draw(x, 300), phase = 0;
	for (unsigned i = 0; i < steps; i++) {
		phase += draw(x, 40) == 0;
		act(x, phase);
		pass_time(x, draw(x, MS));
	}
	drain(x);
	sched_free(x->s);
}

int main(int argc, char **argv)
{
	unsigned long decisions[5] = {0}, rejects[REJECT_REASONS] = {0};
	struct sim *x = calloc(1, sizeof *x);
	ASSERT(x);
	uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1, last = argc > 1 ? first : SEEDS;
	for (uint64_t seed = first; seed <= last; seed++) {
		run(x, seed, argc > 1);
		for (int i = 0; i < 5; i++)
			decisions[i] += x->m.decisions[i];
		for (int i = 0; i < REJECT_REASONS; i++)
			rejects[i] += x->m.rejects[i];
	}
	free(x);
	printf("histories %llu: assign %lu start %lu freeze %lu stop %lu reject %lu (account %lu reserved %lu full %lu gone %lu start %lu)\n",
	       (unsigned long long)(last - first + 1), decisions[0], decisions[1], decisions[2], decisions[3], decisions[4],
	       rejects[0], rejects[1], rejects[2], rejects[3], rejects[4]);
	/* A simulation that never gets somewhere tests nothing there. */
	for (int i = 0; i < REJECT_REASONS && argc == 1; i++)
		ASSERT(rejects[i] > 100);
	return 0;
}
