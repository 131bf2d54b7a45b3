#include "tests/sim/model.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const event_names[] = {"invoke", "cancel", "ready", "answered", "idle", "stopping", "dead", "failed", "retry", "otherwise", "drop",
                                          "drop+reject", "reserved", "unreserved", "tick"};
static const char *const decision_names[] = {"ASSIGN", "START", "FREEZE", "STOP", "REJECT"};

void model_fail(const struct model *m, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	printf("FAILED seed %llu at %llu us, event %s %llx: ", (unsigned long long)m->seed,
	       (unsigned long long)m->now_ns / 1000, event_names[m->event], (unsigned long long)m->event_id);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\nreplay with: sim %llu\n", (unsigned long long)m->seed);
	exit(1);
}

void model_trace(const struct model *m, const char *fmt, ...)
{
	if (!m->trace)
		return;
	va_list ap;
	va_start(ap, fmt);
	printf("%10llu us  ", (unsigned long long)m->now_ns / 1000);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

#define MUST(cond, ...) \
	do { \
		if (!(cond)) \
			model_fail(m, __VA_ARGS__); \
	} while (0)

struct model_env *model_env(struct model *m, uint64_t id)
{
	for (unsigned i = m->first_env; i < m->env_count; i++) {
		if (m->envs[i].id == id)
			return &m->envs[i];
	}
	model_fail(m, "environment %llx is unknown", (unsigned long long)id);
}

static struct model_call *call_of(struct model *m, uint64_t id)
{
	MUST(id < m->call_count, "invocation %llu is unknown", (unsigned long long)id);
	return &m->calls[id];
}

unsigned model_waiting(const struct model *m, unsigned version)
{
	unsigned n = 0;
	for (unsigned i = m->first_call; i < m->call_count; i++)
		n += m->calls[i].state == C_WAITING && m->calls[i].version == version;
	return n;
}

unsigned model_starting(const struct model *m, unsigned version)
{
	unsigned n = 0;
	for (unsigned i = m->first_env; i < m->env_count; i++)
		n += m->envs[i].state == M_STARTING && m->envs[i].version == version;
	return n;
}

unsigned model_concurrency(const struct model *m, unsigned function)
{
	unsigned n = 0;
	for (unsigned i = m->first_call; i < m->call_count; i++) {
		const struct model_call *c = &m->calls[i];
		n += (c->state == C_WAITING || c->state == C_RUNNING) && m->versions[c->version].function == function;
	}
	return n;
}

static bool alive(const struct model_env *e)
{
	return e->state != M_NONE && e->state != M_GONE;
}

static bool starts_full(const struct model *m, bool quick)
{
	unsigned most = quick ? m->config.max_quick : m->config.max_starting, starting = 0;
	for (unsigned i = m->first_env; i < m->env_count; i++)
		starting += m->envs[i].state == M_STARTING && m->envs[i].quick == quick;
	return most && starting >= most;
}

static uint64_t memory_used(const struct model *m, unsigned *count, unsigned *starting)
{
	uint64_t sum = 0;
	*count = *starting = 0;
	for (unsigned i = m->first_env; i < m->env_count; i++) {
		const struct model_env *e = &m->envs[i];
		sum += alive(e) ? m->versions[e->version].memory_mb : 0;
		*count += alive(e);
		*starting += e->state == M_STARTING;
	}
	return sum;
}

static void refill(struct model *m, struct model_function *f)
{
	double burst = m->config.start_burst;
	f->tokens += (double)(m->now_ns - f->tokens_ns) * burst / (double)SCHED_START_PERIOD_NS;
	f->tokens = f->tokens > burst ? burst : f->tokens;
	f->tokens_ns = m->now_ns;
}

static void end_call(struct model *m, struct model_env *e, enum model_call_state state)
{
	if (e->state == M_BUSY)
		call_of(m, e->invocation)->state = state;
}

static void start_over(struct model *m, struct model_env *e, bool give_back)
{
	struct model_version *v = &m->versions[e->version];
	m->give_back = give_back || v->failures >= SCHED_START_RETRIES;
	m->give_back_version = e->version;
	v->failures++;
}

void model_event(struct model *m, enum model_event event, uint64_t id)
{
	m->event = event;
	m->event_id = id;
	m->give_back = false;
	model_trace(m, "%s %llx", event_names[event], (unsigned long long)id);
	if (event < EV_READY || event > EV_OTHERWISE)
		return;
	struct model_env *e = model_env(m, id);
	if (event == EV_READY)
		m->versions[e->version].failures = 0;
	if (event == EV_ANSWERED) {
		end_call(m, e, C_DONE);
		return;
	}
	if (event == EV_READY || event == EV_IDLE) {
		end_call(m, e, C_DONE);
		e->state = M_IDLE;
		e->idle_since_ns = m->now_ns;
		e->order = ++m->order;
		return;
	}
	if (e->state == M_STARTING && event != EV_OTHERWISE)
		start_over(m, e, event == EV_FAILED);
	end_call(m, e, C_DONE);
	e->state = event == EV_STOPPING ? M_STOPPING : M_GONE;
}

/* Covered: among the oldest `starting` ones. */
static bool is_covered(const struct model *m, uint64_t id)
{
	unsigned before = 0;
	for (unsigned i = m->first_call; i < id; i++)
		before += m->calls[i].state == C_WAITING && m->calls[i].version == m->calls[id].version;
	return before < model_starting(m, m->calls[id].version);
}

static bool is_oldest(const struct model *m, uint64_t id)
{
	for (unsigned i = m->first_call; i < id; i++) {
		if (m->calls[i].state == C_WAITING && m->calls[i].version == m->calls[id].version)
			return false;
	}
	return true;
}

static bool is_new(const struct model *m, uint64_t id)
{
	return m->event == EV_INVOKE && m->event_id == id;
}

static bool is_of(const struct model *m, const struct sched_decision *d, unsigned version)
{
	return d->version_id == m->versions[version].id && d->tenant_id == m->versions[version].tenant;
}

static void on_assign(struct model *m, const struct sched_decision *d)
{
	struct model_env *e = model_env(m, d->env);
	struct model_call *c = call_of(m, d->invocation);
	if (is_new(m, d->invocation)) /* it did not wait */
		m->versions[c->version].quick = m->was_quick;
	MUST(c->state == C_WAITING, "invocation %llu was answered already", (unsigned long long)d->invocation);
	MUST(e->state == M_IDLE || e->state == M_FROZEN, "assigned to an environment that is not idle");
	MUST(e->version == c->version && is_of(m, d, c->version), "assigned across versions or tenants");
	MUST(d->frozen == (e->state == M_FROZEN), "wrong about frozen");
	MUST(is_oldest(m, d->invocation), "an older invocation waits");
	for (unsigned i = m->first_env; i < m->env_count; i++) {
		const struct model_env *o = &m->envs[i];
		MUST(o == e || o->version != e->version || (o->state != M_IDLE && o->state != M_FROZEN) || o->order < e->order,
		     "a newer environment is idle");
	}
	MUST(!e->used || !m->versions[e->version].single_use, "a second invocation for an environment of single use");
	e->state = M_BUSY;
	e->used = true;
	e->invocation = d->invocation;
	c->state = C_RUNNING;
	c->env = e->id;
}

static void on_start(struct model *m, const struct sched_decision *d)
{
	MUST(m->env_count < SIM_ENVS, "too many environments for one history");
	unsigned version = 0, count, starting;
	while (version < m->version_count && !is_of(m, d, version))
		version++;
	MUST(version < m->version_count, "unknown version or tenant");
	struct model_function *f = &m->functions[m->versions[version].function];
	uint64_t used = memory_used(m, &count, &starting);
	for (unsigned i = 0; i < m->env_count; i++)
		MUST(m->envs[i].id != d->env && d->env, "environment id used twice");
	MUST(model_waiting(m, version) > model_starting(m, version), "started without uncovered backlog");
	MUST(used + m->versions[version].memory_mb <= m->config.memory_mb, "memory limit passed");
	MUST(count < m->config.max_environments, "too many environments");
	MUST(!starts_full(m, m->versions[version].quick), "too many starting");
	refill(m, f);
	if (!m->versions[version].single_use) {
		MUST(f->tokens > 1 - 1e-6, "start rate passed");
		f->tokens -= 1;
	}
	m->envs[m->env_count++] = (struct model_env){.id = d->env, .state = M_STARTING, .version = version,
	                                              .quick = m->versions[version].quick};
}

static bool used_up(const struct model *m, const struct model_env *e)
{
	return e->used && m->versions[e->version].single_use;
}

static void on_freeze(struct model *m, const struct sched_decision *d)
{
	struct model_env *e = model_env(m, d->env);
	MUST(e->state == M_IDLE && !used_up(m, e), "froze an environment that is not idle");
	MUST(m->now_ns - e->idle_since_ns >= m->config.freeze_after_ns, "frozen too early");
	e->state = M_FROZEN;
}

static bool others_want_room(const struct model *m, unsigned version)
{
	for (unsigned v = 0; v < m->version_count; v++) {
		if (v != version && model_waiting(m, v) > model_starting(m, v))
			return true;
	}
	return false;
}

static void on_stop(struct model *m, const struct sched_decision *d)
{
	struct model_env *e = model_env(m, d->env);
	MUST(e->state == M_IDLE || e->state == M_FROZEN, "stopped an environment that is not idle");
	MUST(d->frozen == (e->state == M_FROZEN) && is_of(m, d, e->version), "wrong about frozen, version or tenant");
	bool aged = m->now_ns - e->idle_since_ns >= m->config.keep_alive_ns, wanted = others_want_room(m, e->version);
	MUST(aged || wanted || m->versions[e->version].dropped || used_up(m, e), "stopped without a reason");
	bool yields = m->event == EV_IDLE && m->event_id == e->id;
	for (unsigned i = m->first_env; i < m->env_count && !m->versions[e->version].dropped && !yields; i++) {
		const struct model_env *o = &m->envs[i];
		MUST((o->state != M_IDLE && o->state != M_FROZEN) || o->order >= e->order, "an older environment is idle");
	}
	e->state = M_STOPPING;
}

static bool over_limit(const struct model *m, unsigned function)
{
	int reserved = m->functions[function].reserved;
	if (reserved >= 0)
		return model_concurrency(m, function) > (unsigned)reserved; /* the new one is counted already */
	unsigned sum = 0;
	for (unsigned i = 0; i < SIM_FUNCTIONS; i++)
		sum += m->functions[i].reserved < 0 ? model_concurrency(m, i) : 0;
	return sum > m->unreserved;
}

static void on_reject(struct model *m, const struct sched_decision *d)
{
	struct model_call *c = call_of(m, d->invocation);
	MUST(c->state == C_WAITING, "invocation %llu was answered already", (unsigned long long)d->invocation);
	struct model_version *v = &m->versions[c->version];
	bool new = is_new(m, d->invocation), never_fits = v->memory_mb > m->config.memory_mb;
	if (new && (d->why != REJECT_FULL || never_fits))
		v->quick = m->was_quick;
	int reserved = m->functions[v->function].reserved;
	bool allowed[REJECT_REASONS] = {
		[REJECT_ACCOUNT] = new && reserved < 0 && over_limit(m, v->function),
		[REJECT_RESERVED] = reserved == 0 || (new && reserved > 0 && over_limit(m, v->function)),
		[REJECT_FULL] = never_fits ||
		                (!is_covered(m, d->invocation) && m->now_ns - c->arrived_ns >= m->config.wait_ns),
		[REJECT_GONE] = v->dropped && (new || m->event == EV_DROP_REJECT),
		[REJECT_START] = m->give_back && c->version == m->give_back_version && is_oldest(m, d->invocation) &&
		                 d->env == m->event_id,
	};
	MUST(allowed[d->why], "rejected for reason %d, which does not hold", (int)d->why);
	if (d->why == REJECT_START)
		m->give_back = false;
	c->state = C_REJECTED;
	m->rejects[d->why]++;
}

void model_decision(struct model *m, const struct sched_decision *d)
{
	static void (*const handlers[])(struct model *, const struct sched_decision *) = {on_assign, on_start, on_freeze, on_stop,
	                                                                                 on_reject};
	model_trace(m, "    %s env %llx invocation %llu version %llu why %d%s", decision_names[d->kind],
	            (unsigned long long)d->env, (unsigned long long)d->invocation, (unsigned long long)d->version_id,
	            (int)d->why, d->frozen ? " frozen" : "");
	m->decisions[d->kind]++;
	handlers[d->kind](m, d);
}

/* An uncovered invocation may wait only for a reason; when it is the only version that wants room, the reason is a limit. */
static void check_waiting(struct model *m, unsigned version)
{
	unsigned waiting = model_waiting(m, version), starting = model_starting(m, version), count, all_starting;
	const struct model_version *v = &m->versions[version];
	if (!waiting)
		return;
	for (unsigned i = m->first_env; i < m->env_count; i++)
		MUST(m->envs[i].version != version || (m->envs[i].state != M_IDLE && m->envs[i].state != M_FROZEN),
		     "waits beside an idle environment");
	for (unsigned i = m->first_call; i < m->call_count; i++)
		MUST(m->calls[i].state != C_WAITING || m->calls[i].version != version || is_covered(m, i) ||
		     m->now_ns - m->calls[i].arrived_ns < m->config.wait_ns, "invocation %u waited too long", i);
	if (waiting <= starting || others_want_room(m, version))
		return;
	uint64_t used = memory_used(m, &count, &all_starting);
	struct model_function *f = &m->functions[v->function];
	refill(m, f);
	bool held_back = !v->single_use && f->tokens < 1 + 1e-6;
	MUST(used + v->memory_mb > m->config.memory_mb || count >= m->config.max_environments || held_back ||
	     starts_full(m, v->quick), "waits although there is room");
	/* Nor may idle ones be in the way: then some environment must be stopping. */
	uint64_t idle_mb = 0, stopping = 0;
	for (unsigned i = m->first_env; i < m->env_count; i++) {
		const struct model_env *e = &m->envs[i];
		idle_mb += e->state == M_IDLE || e->state == M_FROZEN ? m->versions[e->version].memory_mb : 0;
		stopping += e->state == M_STOPPING;
	}
	MUST(stopping || used - idle_mb + v->memory_mb > m->config.memory_mb || !idle_mb || held_back ||
	     starts_full(m, v->quick), "waits although idle ones could go");
}

static void check_due(struct model *m, const struct sched *s)
{
	uint64_t wake_ns = sched_wake_ns(s);
	for (unsigned i = m->first_env; i < m->env_count; i++) {
		const struct model_env *e = &m->envs[i];
		if (e->state != M_IDLE && e->state != M_FROZEN)
			continue;
		MUST(!m->versions[e->version].dropped, "an environment of a dropped version is idle");
		MUST(!used_up(m, e), "an environment of single use is idle after its invocation");
		uint64_t age_ns = m->now_ns - e->idle_since_ns;
		MUST(m->event != EV_TICK || age_ns < m->config.keep_alive_ns, "kept too long");
		MUST(m->event != EV_TICK || e->state == M_FROZEN || age_ns < m->config.freeze_after_ns, "not frozen in time");
		MUST(wake_ns <= e->idle_since_ns + m->config.keep_alive_ns, "wakes too late to stop");
		MUST(e->state == M_FROZEN || m->config.freeze_after_ns == UINT64_MAX ||
		     wake_ns <= e->idle_since_ns + m->config.freeze_after_ns, "wakes too late to freeze");
	}
	for (unsigned i = m->first_call; i < m->call_count; i++)
		MUST(m->calls[i].state != C_WAITING || is_covered(m, i) || wake_ns <= m->calls[i].arrived_ns + m->config.wait_ns,
		     "wakes too late to refuse");
}

static void check_counts(struct model *m, const struct sched *s)
{
	struct sched_counts got, want = {0};
	unsigned count, busy[SIM_FUNCTIONS] = {0};
	sched_count(s, &got);
	want.memory_mb = memory_used(m, &count, &want.starting);
	for (unsigned i = m->first_env; i < m->env_count; i++) {
		want.idle += m->envs[i].state == M_IDLE;
		want.frozen += m->envs[i].state == M_FROZEN;
		want.busy += m->envs[i].state == M_BUSY;
		want.stopping += m->envs[i].state == M_STOPPING;
		busy[m->versions[m->envs[i].version].function] += m->envs[i].state == M_BUSY &&
		                                                  m->calls[m->envs[i].invocation].state == C_RUNNING;
	}
	for (unsigned v = 0; v < m->version_count; v++)
		want.waiting += model_waiting(m, v);
	MUST(got.waiting == want.waiting && got.starting == want.starting && got.idle == want.idle &&
	     got.frozen == want.frozen && got.busy == want.busy && got.stopping == want.stopping &&
	     got.memory_mb == want.memory_mb, "counts differ");
	for (unsigned f = 0; f < SIM_FUNCTIONS; f++) {
		MUST(sched_busy(s, f + 1) == busy[f], "busy count of a function differs");
		MUST(sched_concurrency(s, f + 1) == model_concurrency(m, f), "concurrency of a function differs");
	}
}

/* A tenant without environments and invocations is not known any more, nor are its failed starts. */
static void forget_tenants(struct model *m)
{
	unsigned envs[SIM_VERSIONS] = {0};
	for (unsigned i = m->first_env; i < m->env_count; i++)
		envs[m->envs[i].version] += alive(&m->envs[i]);
	for (unsigned v = 0; v < m->version_count; v++) {
		if (m->versions[v].tenant && !envs[v] && !model_waiting(m, v))
			m->versions[v].failures = 0;
	}
}

void model_settled(struct model *m, const struct sched *s)
{
	MUST(!m->give_back || !model_waiting(m, m->give_back_version), "a failed start gave no invocation back");
	while (m->first_env < m->env_count && m->envs[m->first_env].state == M_GONE)
		m->first_env++;
	forget_tenants(m);
	while (m->first_call < m->call_count && m->calls[m->first_call].state > C_RUNNING)
		m->first_call++;
	if (m->event == EV_INVOKE) {
		const struct model_call *c = &m->calls[m->event_id];
		MUST(c->state == C_REJECTED || !over_limit(m, m->versions[c->version].function), "concurrency limit passed");
	}
	for (unsigned v = 0; v < m->version_count; v++)
		check_waiting(m, v);
	check_due(m, s);
	check_counts(m, s);
}
