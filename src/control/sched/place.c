/* Who gets a new environment, and what is stopped to make room for it. */
#include "control/sched/sched_priv.h"

/* Versions looked at in one event. Those passed over go to the end, so all have their turn. */
#define SCAN_MAX 64u
#define SCAN_AGAIN_NS 10000000ull /* when there are more */

/* Room that environments about to end will give, and what this round has promised of it already. */
struct round {
	uint64_t claimed_mb;
	unsigned claimed;
};

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static unsigned min_unsigned(uint64_t a, unsigned b)
{
	return a < b ? (unsigned)a : b;
}

/* Starts that the function's rate allows now. Where each invocation is a start, its concurrency is the bound. */
static unsigned rate_left(const struct sched *s, const struct sched_queue *q)
{
	const struct sched_function *f = q->function;
	if (q->single_use)
		return UINT32_MAX;
	uint64_t burst_ns = s->start_cost_ns * s->config.start_burst;
	uint64_t due_ns = max_u64(f->start_due_ns, s->now_ns) - s->now_ns;
	return due_ns >= burst_ns ? 0 : (unsigned)((burst_ns - due_ns) / s->start_cost_ns);
}

static void hold_back(struct sched *s, const struct sched_function *f)
{
	uint64_t burst_ns = s->start_cost_ns * s->config.start_burst;
	uint64_t at_ns = f->start_due_ns + s->start_cost_ns - burst_ns;
	if (at_ns < s->retry_ns)
		s->retry_ns = at_ns;
}

static unsigned starting_left(const struct sched *s, bool quick)
{
	unsigned most = quick ? s->config.max_quick : s->config.max_starting;
	unsigned now = quick ? s->quick_starting : s->count[ENV_STARTING] - s->quick_starting;
	if (!most)
		return UINT32_MAX;
	return now < most ? most - now : 0;
}

/* How many environments of `mb` fit into what is free, plus what `extra` gives, less what is promised. */
static unsigned fits(const struct sched *s, const struct round *r, unsigned mb, uint64_t extra_mb, unsigned extra)
{
	uint64_t memory = s->config.memory_mb - sched_memory_used(s) + extra_mb;
	unsigned slots = s->config.max_environments - sched_env_total(s) + extra;
	if (memory < r->claimed_mb || slots < r->claimed)
		return 0;
	return min_unsigned((memory - r->claimed_mb) / mb, slots - r->claimed);
}

static unsigned fits_when_stopped(const struct sched *s, const struct round *r, unsigned mb)
{
	return fits(s, r, mb, s->memory_mb[ENV_STOPPING], s->count[ENV_STOPPING]);
}

static void start(struct sched *s, struct sched_queue *q)
{
	struct sched_function *f = q->function;
	if (!q->single_use)
		f->start_due_ns = max_u64(f->start_due_ns, s->now_ns) + s->start_cost_ns;
	struct sched_env *e = sched_env_new(s, q);
	sched_decide(s, (struct sched_decision){.kind = DECIDE_START, .env = e->id, .version_id = q->id.version,
	                                        .tenant_id = q->id.tenant});
	sched_queue_cover(s, q);
}

/* Promises this version what its uncovered invocations need, as far as stopping idle environments can give it. */
static void make_room(struct sched *s, struct round *r, struct sched_queue *q)
{
	uint64_t idle_mb = s->memory_mb[ENV_IDLE] + s->memory_mb[ENV_FROZEN] + s->memory_mb[ENV_STOPPING];
	unsigned idle = s->count[ENV_IDLE] + s->count[ENV_FROZEN] + s->count[ENV_STOPPING];
	unsigned want = min_unsigned(rate_left(s, q), q->uncovered_count);
	want = min_unsigned(starting_left(s, q->quick), want);
	want = min_unsigned(want, fits(s, r, q->memory_mb, idle_mb, idle));
	r->claimed_mb += (uint64_t)want * q->memory_mb;
	r->claimed += want;
	if (!want)
		return;
	while (s->config.memory_mb - sched_memory_used(s) + s->memory_mb[ENV_STOPPING] < r->claimed_mb ||
	       s->config.max_environments - sched_env_total(s) + s->count[ENV_STOPPING] < r->claimed) {
		struct sched_env *oldest = sched_env_oldest_idle(s);
		ASSERT(oldest);
		sched_stop_env(s, oldest);
	}
}

/* True when an environment was started. */
static bool serve(struct sched *s, struct round *r, struct sched_queue *q)
{
	if (!rate_left(s, q)) {
		hold_back(s, q->function);
		return false;
	}
	if (!starting_left(s, q->quick))
		return false;
	struct round nobody = {0};
	if (fits(s, &nobody, q->memory_mb, 0, 0) && fits_when_stopped(s, r, q->memory_mb)) {
		start(s, q);
		return true;
	}
	make_room(s, r, q);
	return false;
}

static void serve_list(struct sched *s, struct round *r, struct list *head, const unsigned *count)
{
	unsigned misses = 0;
	while (misses < *count && misses < SCAN_MAX && (starting_left(s, false) || starting_left(s, true))) {
		struct sched_queue *q = LIST_FIRST(head, struct sched_queue, link);
		misses = serve(s, r, q) ? 0 : misses + 1;
		if (LIST_FIRST(head, struct sched_queue, link) == q) {
			list_remove(&q->link);
			list_push_back(head, &q->link);
		}
	}
	if (misses == SCAN_MAX && *count > SCAN_MAX && s->now_ns + SCAN_AGAIN_NS < s->retry_ns)
		s->retry_ns = s->now_ns + SCAN_AGAIN_NS;
}

void sched_place(struct sched *s)
{
	struct round r = {0};
	s->retry_ns = UINT64_MAX;
	if (!s->barren_count && !s->hungry_count)
		return;
	serve_list(s, &r, &s->barren, &s->barren_count);
	serve_list(s, &r, &s->hungry, &s->hungry_count);
}

/* Only when this one's end is enough: otherwise stopping it would take from one and not give to the other. */
bool sched_place_should_yield(const struct sched *s, const struct sched_env *e)
{
	const struct sched_queue *q = LIST_FIRST(&s->barren, struct sched_queue, link);
	if (!q || !rate_left(s, q) || !starting_left(s, q->quick))
		return false;
	const struct sched_waiter *w = LIST_FIRST(&q->uncovered, struct sched_waiter, link);
	if (s->now_ns - w->arrived_ns < s->config.wait_ns / 2)
		return false;
	struct round nobody = {0};
	uint64_t mb = s->memory_mb[ENV_STOPPING];
	unsigned n = s->count[ENV_STOPPING];
	return !fits(s, &nobody, q->memory_mb, mb, n) &&
	       fits(s, &nobody, q->memory_mb, mb + e->queue->memory_mb, n + 1);
}
