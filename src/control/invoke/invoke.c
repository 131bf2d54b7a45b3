#include "control/invoke/invoke.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/invoke/account.h"
#include "control/invoke/dispatch.h"
#include "control/invoke/tenants.h"
#include "control/invoke/trace.h"
#include "core/base/clock.h"
#include "core/ev/ev.h"

/* A burst must not choke the machine; inits that only wait (for a database, say) must not wait for each other either. Restores
 * stand in mayflyd's queue, where they cost nothing; but what stands there is served in turn, whatever function waits behind. */
#define STARTS_PER_CPU 16u
#define RESTORES_PER_CPU 64u

/* A version the scheduler may ask environments for: known from its first invocation until it was dropped and nobody waits. */
struct slot {
	struct hash_node node; /* key: the version id's bytes */
	struct function_version *version;
	struct list waiters;   /* invocations in the scheduler's queue, oldest first */
	struct list renewal;   /* in invoke.renewals: dropped, its waiters are to be asked for their new version */
	unsigned inits_failed; /* in a row; the second one inside an invocation is the answer */
	bool quick;            /* its latest start was a restore */
	unsigned plain_owed;   /* restores that failed: as many starts are plain, whatever else is known of the image */
	bool dropped;
	struct worker_failure failure; /* of the latest init */
};

struct invoke {
	struct invoke_deps deps;
	struct fleet *fleet;
	struct sched *sched;
	struct snapshots *snapshots; /* borrowed; NULL: all starts are plain */
	struct hash slots;
	struct hash envs; /* sched env id -> struct env */
	struct tenants tenants; /* of invocations that are not done, and of environments */
	struct worker *dying;     /* inside on_dead: the one whose failed init may be an answer */
	struct ev_timer tick;
	struct list rejected;     /* invocations that were refused, until their callers are told */
	struct ev_defer tell;     /* never from inside invoke_submit */
	struct list renewals;     /* slots whose version was dropped in this round */
	struct ev_defer renew;    /* when the registry has the new version in place */
	unsigned running; /* submitted, not done */
	void (*on_drained)(void *arg);
	void *drained_arg;
};

/* The scheduler's environments are numbered by it; a worker is found by that number. */
struct env {
	struct hash_node node;
	uint64_t id;
	struct worker *worker;
	struct tenant *tenant; /* NULL: none */
	struct ev_defer stop; /* behind the answer to the caller, which is sent at the end of the round, too */
};

static struct str id_key(const uint64_t *id)
{
	return (struct str){(const char *)id, sizeof *id};
}

static struct invocation *inv_of(uint64_t id)
{
	return (struct invocation *)(uintptr_t)id;
}

/* ---- slots ---- */

static struct slot *find_slot(struct invoke *in, uint64_t version_id)
{
	return HASH_ENTRY(hash_get(&in->slots, id_key(&version_id)), struct slot, node);
}

static struct slot *need_slot(struct invoke *in, struct function_version *v)
{
	struct slot *s = find_slot(in, v->id);
	if (s)
		return s;
	s = calloc(1, sizeof *s);
	ASSERT(s);
	s->version = function_version_ref(v);
	list_init(&s->waiters);
	list_init(&s->renewal);
	ASSERT(hash_put(&in->slots, &s->node, id_key(&s->version->id)) == 0);
	return s;
}

static void drop_slot_if_unused(struct invoke *in, struct slot *s)
{
	if (!s->dropped || !list_empty(&s->waiters))
		return;
	list_remove(&s->renewal);
	hash_remove(&in->slots, &s->node);
	http_blob_release(&s->failure.answer);
	function_version_unref(s->version);
	free(s);
}

/* ---- the end of an invocation ---- */

static void finish(struct invoke *in, struct invocation *inv)
{
	inv->phases.done_ns = clock_mono_ns();
	in->running--;
	account_invocation(in->deps.metrics, inv);
	http_blob_release(&inv->payload);
	tenants_unref(&in->tenants, inv->tenant_ref);
	inv->tenant_ref = NULL;
	inv->done(inv);
	if (in->running == 0 && in->on_drained)
		in->on_drained(in->drained_arg);
}

static void refuse_throttled(struct invocation *inv, const char *reason)
{
	inv->outcome = INVOKE_REFUSED;
	inv->throttle_reason = reason;
	error_set(&inv->refusal, ERR_THROTTLED, "Rate Exceeded.");
}

static int copy_blob(struct http_blob *to, const struct http_blob *from, struct http_pool *pool)
{
	char *data = malloc(from->len + 1);
	if (!data || !http_pool_charge(pool, from->len + 1)) {
		free(data);
		return -1;
	}
	memcpy(data, from->data, from->len);
	data[from->len] = '\0';
	*to = (struct http_blob){.data = data, .len = from->len, .pool = pool, .charged_bytes = from->len + 1};
	return 0;
}

static bool hooks_failed(const struct worker_failure *failure)
{
	return failure->refusal.code == ERR_SNAP_START || failure->refusal.code == ERR_SNAP_START_TIMEOUT;
}

/* The environment could not be made, or its init failed: the caller gets what the runtime (or the platform) said. */
static void refuse_start(struct invoke *in, struct slot *s, struct invocation *inv)
{
	const struct worker_failure *failure = &s->failure;
	inv->cold = true;
	inv->outcome = INVOKE_FUNCTION_ERROR;
	inv->failure = FAILURE_INIT;
	if (hooks_failed(failure)) {
		inv->outcome = INVOKE_REFUSED;
		inv->refusal = failure->refusal;
		return;
	}
	if (failure->answer.data && copy_blob(&inv->answer, &failure->answer, in->deps.fleet.pool) == 0)
		return;
	if (failure->has_fault) {
		fault_body(&inv->answer, &failure->fault, inv->request_id);
		return;
	}
	inv->outcome = INVOKE_REFUSED;
	inv->failure = FAILURE_NONE;
	inv->refusal = failure->refusal;
	if (inv->refusal.code == ERR_OK)
		error_set(&inv->refusal, ERR_INTERNAL, "the environment could not be started");
}

static void reject(struct invoke *in, const struct sched_decision *d)
{
	struct invocation *inv = inv_of(d->invocation);
	struct slot *s = find_slot(in, inv->version->id);
	ASSERT(s);
	switch (d->why) {
	case REJECT_RESERVED:
		refuse_throttled(inv, "ReservedFunctionConcurrentInvocationLimitExceeded");
		break;
	case REJECT_START:
		refuse_start(in, s, inv);
		if (in->dying)
			worker_log_failed_start(in->dying, inv);
		break;
	case REJECT_GONE:
		inv->outcome = INVOKE_REFUSED;
		error_set(&inv->refusal, ERR_NOT_FOUND, "Function not found: %s", inv->invoked_arn);
		break;
	default:
		refuse_throttled(inv, "ConcurrentInvocationLimitExceeded");
	}
	list_remove(&inv->link);
	drop_slot_if_unused(in, s);
	list_push_back(&in->rejected, &inv->link);
	ev_defer_run(in->deps.fleet.loop, &in->tell);
}

static void tell_rejected(struct ev_defer *defer)
{
	struct invoke *in = CONTAINER_OF(defer, struct invoke, tell);
	struct list *link;
	while ((link = list_pop_front(&in->rejected)))
		finish(in, CONTAINER_OF(link, struct invocation, link));
}

/* ---- decisions ---- */

static struct env *env_of(struct invoke *in, uint64_t env)
{
	struct env *e = HASH_ENTRY(hash_get(&in->envs, id_key(&env)), struct env, node);
	ASSERT(e);
	return e;
}

static struct worker *worker_of(struct invoke *in, uint64_t env)
{
	return env_of(in, env)->worker;
}

static void on_stop(struct ev_defer *defer)
{
	worker_stop(CONTAINER_OF(defer, struct env, stop)->worker, 0);
}

static bool choose_image(struct invoke *in, struct slot *s, uint8_t image[IPC_IMAGE_KEY])
{
	if (s->plain_owed) {
		s->plain_owed--;
		return false;
	}
	return in->snapshots && !s->dropped && snapshots_choose(in->snapshots, s->version, image);
}

static void start(struct invoke *in, const struct sched_decision *d)
{
	uint8_t image[IPC_IMAGE_KEY];
	struct slot *s = find_slot(in, d->version_id);
	ASSERT(s);
	struct env *e = calloc(1, sizeof *e);
	ASSERT(e);
	e->id = d->env;
	e->tenant = tenants_find(&in->tenants, d->tenant_id);
	ev_defer_init(&e->stop, on_stop);
	ASSERT(hash_put(&in->envs, &e->node, id_key(&e->id)) == 0);
	s->quick = choose_image(in, s, image);
	if (s->quick)
		e->worker = worker_start_image(in->fleet, s->version, d->env, WORKER_RESTORED, image);
	else
		e->worker = worker_start(in->fleet, s->version, d->env, s->inits_failed > 0);
}

static void assign(struct invoke *in, const struct sched_decision *d)
{
	struct invocation *inv = inv_of(d->invocation);
	struct slot *s = find_slot(in, inv->version->id);
	ASSERT(s);
	list_remove(&inv->link);
	worker_assign(worker_of(in, d->env), inv);
	drop_slot_if_unused(in, s);
}

static void carry_out(struct invoke *in)
{
	struct sched_decision d;
	while (sched_next(in->sched, &d)) {
		switch (d.kind) {
		case DECIDE_ASSIGN:
			assign(in, &d);
			break;
		case DECIDE_START:
			start(in, &d);
			break;
		case DECIDE_FREEZE:
			worker_freeze(worker_of(in, d.env));
			break;
		case DECIDE_STOP:
			ev_defer_run(in->deps.fleet.loop, &env_of(in, d.env)->stop);
			break;
		case DECIDE_REJECT:
			reject(in, &d);
			break;
		}
	}
	uint64_t at = sched_wake_ns(in->sched);
	if (at == UINT64_MAX)
		ev_timer_stop(&in->tick);
	else if (!in->tick.loop || in->tick.at_ns != at)
		ev_timer_at(in->deps.fleet.loop, &in->tick, at);
}

static void on_tick(struct ev_timer *timer)
{
	struct invoke *in = CONTAINER_OF(timer, struct invoke, tick);
	sched_tick(in->sched, clock_mono_ns());
	carry_out(in);
}

/* ---- what workers tell ---- */

static void on_ready(void *arg, struct worker *w)
{
	struct invoke *in = arg;
	struct slot *s = find_slot(in, w->version->id);
	if (s)
		s->inits_failed = 0;
	if (w->kind == WORKER_RESTORED)
		snapshots_restored(in->snapshots, w);
	sched_env_ready(in->sched, clock_mono_ns(), w->sched_env);
	carry_out(in);
}

static void on_idle(void *arg, struct worker *w)
{
	struct invoke *in = arg;
	sched_env_idle(in->sched, clock_mono_ns(), w->sched_env);
	carry_out(in);
}

static void on_stopping(void *arg, struct worker *w)
{
	struct invoke *in = arg;
	if (!w->sched_env)
		return;
	sched_env_stopping(in->sched, clock_mono_ns(), w->sched_env);
	carry_out(in);
}

static void on_finished(void *arg, struct worker *w, struct invocation *inv)
{
	struct invoke *in = arg;
	if (in->snapshots)
		snapshots_finished(in->snapshots, w, inv);
	sched_env_answered(in->sched, inv->phases.answered_ns, w->sched_env);
	finish(in, inv);
}

static void keep_failure(struct slot *s, struct worker_failure *failure)
{
	http_blob_release(&s->failure.answer);
	s->failure = *failure;
	failure->answer = (struct http_blob){0};
}

/* The first failed init is tried again inside the invocation that waits for it, as Lambda does; the second is the answer. */
static void init_failed(struct invoke *in, struct worker *w, struct worker_failure *failure)
{
	struct slot *s = find_slot(in, w->version->id);
	bool retry = s && !w->init_inside && (failure->answer.data || failure->has_fault);
	if (s) {
		s->inits_failed++;
		keep_failure(s, failure);
	}
	sched_env_failed(in->sched, clock_mono_ns(), w->sched_env, retry ? START_RETRY : START_FINAL);
}

/* The caller never sees it: a plain start follows. But a SnapStart version's own hooks are the function's, and the answer. */
static void restore_failed(struct invoke *in, struct worker *w, struct worker_failure *failure)
{
	struct slot *s = find_slot(in, w->version->id);
	bool answer = hooks_failed(failure);
	if (s && answer)
		keep_failure(s, failure);
	else if (s)
		s->plain_owed++;
	if (!answer && failure->refusal.code != ERR_THROTTLED) /* that was no room, not the image */
		snapshots_failed(in->snapshots, w, failure);
	sched_env_failed(in->sched, clock_mono_ns(), w->sched_env, answer ? START_FINAL : START_OTHERWISE);
}

static void on_dead(void *arg, struct worker *w, bool failed, struct worker_failure *failure)
{
	struct invoke *in = arg;
	if (!w->sched_env) {
		snapshots_on_dead(in->snapshots, w, failure);
		return;
	}
	struct env *e = env_of(in, w->sched_env);
	hash_remove(&in->envs, &e->node);
	ev_defer_cancel(&e->stop);
	struct tenant *tenant = e->tenant;
	free(e);
	if (failed && w->kind == WORKER_RESTORED)
		restore_failed(in, w, failure);
	else if (failed)
		init_failed(in, w, failure);
	else
		sched_env_dead(in->sched, clock_mono_ns(), w->sched_env);
	tenants_unref(&in->tenants, tenant);
	in->dying = w;
	carry_out(in);
	in->dying = NULL;
}

/* Of workers that are nobody's: only whoever makes images starts such. */
static void on_parked(void *arg, struct worker *w)
{
	snapshots_on_parked(((struct invoke *)arg)->snapshots, w);
}

static void on_snapshot(void *arg, struct worker *w, const struct ipc_snapshot_done *done)
{
	snapshots_on_snapshot(((struct invoke *)arg)->snapshots, w, done);
}

static void on_trial(void *arg, struct worker *w, const struct error *why)
{
	snapshots_on_trial(((struct invoke *)arg)->snapshots, w, why);
}

static const struct worker_events worker_events = {
	.on_ready = on_ready, .on_idle = on_idle, .on_stopping = on_stopping, .on_finished = on_finished,
	.on_parked = on_parked, .on_snapshot = on_snapshot, .on_trial = on_trial, .on_dead = on_dead};

/* ---- submitting ---- */

/* The caller's trace when it sent one, else a new root; the function is counted in its lineage. */
static void set_trace(struct invocation *inv)
{
	_Static_assert(sizeof inv->trace_id == TRACE_MAX, "a trace header fits");
	trace_next(inv->trace_id, inv->trace_header, str_from(inv->version->arn));
}

static void set_tenant(struct invoke *in, struct invocation *inv)
{
	ASSERT(inv->version->per_tenant == (inv->tenant.n > 0)); /* function_version_check_tenant */
	inv->tenant_ref = inv->tenant.n ? tenants_ref(&in->tenants, inv->tenant) : NULL;
	inv->tenant_id = inv->tenant_ref ? inv->tenant_ref->id : 0;
}

static void wait_for_environment(struct invoke *in, struct invocation *inv)
{
	struct sched_version v = {
		.version_id = inv->version->id,
		.function_id = inv->version->function_id,
		.tenant_id = inv->tenant_id,
		.memory_mb = inv->version->memory_mb,
		.reserved = inv->reserved,
		.single_use = inv->version->single_use,
	};
	struct slot *s = need_slot(in, inv->version);
	v.quick = s->quick;
	list_push_back(&s->waiters, &inv->link);
	sched_invoke(in->sched, clock_mono_ns(), (uint64_t)(uintptr_t)inv, &v);
}

void invoke_submit(struct invoke *in, struct invocation *inv)
{
	if (!*inv->request_id)
		uuid4(inv->request_id);
	set_trace(inv);
	list_init(&inv->link);
	inv->streamed = false;
	*inv->stream_error = '\0';
	inv->failure = FAILURE_NONE;
	set_tenant(in, inv);
	inv->phases = (struct invoke_phases){.submitted_ns = clock_mono_ns()};
	in->running++;
	wait_for_environment(in, inv);
	carry_out(in);
}

void invoke_stream_resume(struct invocation *inv)
{
	if (inv->worker)
		worker_stream_resume(inv->worker);
}

/* ---- versions that are replaced ---- */

/* Waiting for environments of code that nobody will call again would only take room from the new code's. Who has one on its
 * way takes it: else updates that come faster than a start would keep everybody waiting. */
static void renew_waiters(struct invoke *in, struct slot *s)
{
	LIST_FOREACH(link, &s->waiters) {
		struct invocation *inv = CONTAINER_OF(link, struct invocation, link);
		if (sched_covered(in->sched, (uint64_t)(uintptr_t)inv))
			continue;
		if (inv->renew)
			inv->renew(inv);
		if (inv->version->id == s->version->id || !sched_cancel(in->sched, clock_mono_ns(), (uint64_t)(uintptr_t)inv))
			continue;
		list_remove(&inv->link);
		wait_for_environment(in, inv);
	}
}

static void on_renew(struct ev_defer *defer)
{
	struct invoke *in = CONTAINER_OF(defer, struct invoke, renew);
	struct list *link;
	while ((link = list_pop_front(&in->renewals))) {
		struct slot *s = CONTAINER_OF(link, struct slot, renewal);
		renew_waiters(in, s);
		drop_slot_if_unused(in, s);
	}
	carry_out(in);
}

void invoke_version_dropped(struct invoke *in, uint64_t version_id)
{
	struct slot *s = find_slot(in, version_id);
	if (!s || s->dropped)
		return;
	s->dropped = true;
	sched_drop_version(in->sched, clock_mono_ns(), version_id, false);
	if (!list_empty(&s->waiters)) {
		list_push_back(&in->renewals, &s->renewal);
		ev_defer_run(in->deps.fleet.loop, &in->renew);
	}
	drop_slot_if_unused(in, s);
	carry_out(in);
}

void invoke_set_reserved(struct invoke *in, uint64_t function_id, int reserved)
{
	sched_set_reserved(in->sched, clock_mono_ns(), function_id, reserved);
	carry_out(in);
}

void invoke_set_unreserved(struct invoke *in, unsigned unreserved)
{
	sched_set_unreserved(in->sched, clock_mono_ns(), unreserved);
	carry_out(in);
}

/* ---- life ---- */

static struct sched_config sched_settings(const struct invoke_deps *deps)
{
	const struct settings *s = deps->fleet.settings;
	return (struct sched_config){
		.account_concurrency = (unsigned)s->concurrency,
		.max_environments = deps->max_environments,
		.memory_mb = deps->memory_mb,
		.keep_alive_ns = s->keep_alive_seconds * NS_PER_S,
		.freeze_after_ns = s->freeze_after_ms * NS_PER_MS,
		.wait_ns = s->wait_ms * NS_PER_MS,
		.max_starting = STARTS_PER_CPU * (unsigned)sysconf(_SC_NPROCESSORS_ONLN),
		.max_quick = RESTORES_PER_CPU * (unsigned)sysconf(_SC_NPROCESSORS_ONLN),
	};
}

struct invoke *invoke_new(const struct invoke_deps *deps, struct error *err)
{
	struct invoke *in = calloc(1, sizeof *in);
	if (!in) {
		error_set(err, ERR_NO_MEMORY, "no memory for invocations");
		return NULL;
	}
	in->deps = *deps;
	in->tick.cb = on_tick;
	list_init(&in->rejected);
	ev_defer_init(&in->tell, tell_rejected);
	list_init(&in->renewals);
	ev_defer_init(&in->renew, on_renew);
	hash_init(&in->slots);
	hash_init(&in->envs);
	tenants_init(&in->tenants);
	struct sched_config config = sched_settings(deps);
	in->sched = sched_new(&config);
	in->fleet = fleet_new(&in->deps.fleet, &worker_events, in, err);
	if (!in->fleet) {
		invoke_free(in);
		return NULL;
	}
	return in;
}

void invoke_free(struct invoke *in)
{
	if (!in)
		return;
	ev_timer_stop(&in->tick);
	ev_defer_cancel(&in->tell);
	ev_defer_cancel(&in->renew);
	fleet_free(in->fleet);
	sched_free(in->sched);
	HASH_FOREACH(n, &in->slots) {
		struct slot *s = HASH_ENTRY(n, struct slot, node);
		s->dropped = true;
		list_init(&s->waiters);
		drop_slot_if_unused(in, s);
	}
	HASH_FOREACH(n, &in->envs) {
		struct env *e = HASH_ENTRY(n, struct env, node);
		hash_remove(&in->envs, n);
		ev_defer_cancel(&e->stop);
		free(e);
	}
	hash_release(&in->slots);
	hash_release(&in->envs);
	tenants_release(&in->tenants);
	free(in);
}

void invoke_drain(struct invoke *in, void (*on_drained)(void *arg), void *arg)
{
	in->on_drained = on_drained;
	in->drained_arg = arg;
}

unsigned invoke_running(const struct invoke *in)
{
	return in->running;
}

void invoke_use_snapshots(struct invoke *in, struct snapshots *snapshots)
{
	in->snapshots = snapshots;
}

struct fleet *invoke_fleet(const struct invoke *in)
{
	return in->fleet;
}

void invoke_counts(const struct invoke *in, struct sched_counts *out)
{
	sched_count(in->sched, out);
}
