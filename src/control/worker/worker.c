#include "control/worker/worker.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/worker/worker_priv.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/spec/limits.h"

/* ---- beginning and end of a worker ---- */

static struct worker *find(struct fleet *f, uint64_t env_id)
{
	struct str key = {(const char *)&env_id, sizeof env_id};
	return HASH_ENTRY(hash_get(&f->by_id, key), struct worker, by_id);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void close_endpoint(struct worker *w)
{
	if (!w->endpoint)
		return;
	http_listener_close(w->endpoint);
	free(STEAL_PTR(w->endpoint));
}

static void release(struct worker *w)
{
	ev_timer_stop(&w->timer);
	ev_defer_cancel(&w->initialized);
	ev_defer_cancel(&w->late);
	if (w->api_open)
		runtime_api_release(&w->api);
	close_endpoint(w);
	worker_close_log(w);
	worker_end_telemetry(w);
	worker_free_extensions(w);
	close_fd(&w->freeze_fd);
	close_fd(&w->memory_fd);
	close_fd(&w->channels.api);
	close_fd(&w->channels.endpoint);
	close_fd(&w->channels.log);
	close_fd(&w->trial.fd);
	close_fd(&w->trial.peer_fd);
	http_blob_release(&w->failure.answer);
	if (w->identity)
		identities_revoke(w->fleet->deps.identities, w->identity);
	hash_remove(&w->fleet->by_id, &w->by_id);
	list_remove(&w->by_state);
	w->fleet->counts[w->state]--;
	function_version_unref(w->version);
	free(w);
}

/* What a failed init means to whoever waits for it. A SnapStart version's own hooks are the answer, as the exception that Lambda
 * has for them (what they said is in the log). A restore that failed otherwise is followed by a plain start. */
static void settle_failure(struct worker *w)
{
	struct worker_failure *failure = &w->failure;
	enum error_code code = failure->refusal.code;
	if (code == ERR_SNAP_START || code == ERR_SNAP_START_TIMEOUT) {
		http_blob_release(&failure->answer);
		failure->has_fault = false;
		return;
	}
	if (w->kind != WORKER_RESTORED || code == ERR_THROTTLED) /* a full machine is not the image's fault */
		return;
	if (code == ERR_OK)
		error_set(&failure->refusal, ERR_STALE, "%s", failure->has_fault ? failure->fault.reason : "its after-restore hooks failed");
	failure->refusal.code = ERR_STALE;
}

static void die(struct worker *w)
{
	struct fleet *f = w->fleet;
	bool init_failed = w->init_ns == 0 && !w->ordered;
	ASSERT(!w->invocation);
	worker_set_state(w, WORKER_DEAD);
	if (init_failed)
		settle_failure(w);
	f->events->on_dead(f->arg, w, init_failed, &w->failure);
	release(w);
}

static void on_timer(struct ev_timer *timer);
static void on_late(struct ev_defer *defer);

struct worker *worker_new(struct fleet *f, struct function_version *version, enum worker_kind kind)
{
	struct worker *w = calloc(1, sizeof *w);
	ASSERT(w);
	w->fleet = f;
	w->kind = kind;
	w->env_id = ++f->next_env_id;
	w->version = function_version_ref(version);
	w->freeze_fd = w->memory_fd = w->log_io.fd = w->extension_io.fd = w->trial.fd = w->trial.peer_fd = -1;
	w->channels.api = w->channels.endpoint = w->channels.log = -1;
	w->timer.cb = on_timer;
	ev_defer_init(&w->initialized, worker_tell_initialized);
	ev_defer_init(&w->late, on_late);
	w->asked_ns = clock_mono_ns();
	list_init(&w->by_state);
	list_push_back(&f->states[WORKER_STARTING], &w->by_state);
	f->counts[WORKER_STARTING]++;
	ASSERT(hash_put(&f->by_id, &w->by_id, (struct str){(const char *)&w->env_id, sizeof w->env_id}) == 0);
	return w;
}

/* ---- what mayflyd tells ---- */

/* Of all that environments may have open together; SDKs take 50 at most when they are not told otherwise. */
#define ENDPOINT_CONNS_MAX 64

/* Who comes to the environment's listeners, and what it prints, is heard from here on. */
static int open_channels(struct worker *w, struct error *err)
{
	struct fleet *f = w->fleet;
	int endpoint = STEAL_FD(w->channels.endpoint);
	int r = worker_open_log(w, STEAL_FD(w->channels.log), err);
	if (runtime_api_listen(&w->api, STEAL_FD(w->channels.api), err) < 0)
		r = -1;
	w->endpoint = calloc(1, sizeof *w->endpoint);
	ASSERT(w->endpoint);
	if (http_server_listen(f->deps.front, w->endpoint, endpoint, err) < 0) {
		close(endpoint);
		free(STEAL_PTR(w->endpoint));
		return -1;
	}
	return http_listener_limit(w->endpoint, ENDPOINT_CONNS_MAX, err) < 0 ? -1 : r;
}

static void on_late(struct ev_defer *defer)
{
	struct worker *w = CONTAINER_OF(defer, struct worker, late);
	if (w->state >= WORKER_STOPPING || open_channels(w, &w->failure.refusal) == 0)
		return;
	worker_kill(w, false, 0);
}

/* What mayflyd sent becomes the worker's. A restored runtime's answer goes out before anything else is done. */
static int take_environment(struct worker *w, struct ipc_message *m, struct error *err)
{
	struct fleet *f = w->fleet;
	w->channels.api = STEAL_FD(m->fds[0]);
	w->channels.endpoint = STEAL_FD(m->fds[1]);
	w->channels.log = STEAL_FD(m->fds[2]);
	w->freeze_fd = STEAL_FD(m->fds[3]);
	w->memory_fd = STEAL_FD(m->fds[4]);
	w->freeze_v2 = m->body.ipc_env_started.cgroup_v2;
	runtime_api_init(&w->api, f->deps.loop, f->deps.pool, worker_api_events(), w);
	w->api_open = true;
	worker_take_extensions(w);
	if (!worker_is_restored(w) && m->fd_count > 5 && worker_open_extension_log(w, STEAL_FD(m->fds[5]), err) < 0)
		return -1;
	if (!worker_is_restored(w))
		return open_channels(w, err);
	int r = worker_take_restored(w, m, err);
	ev_defer_run(f->deps.loop, &w->late);
	return r;
}

static void on_env_started(void *arg, struct ipc_message *m)
{
	struct fleet *f = arg;
	struct worker *w = find(f, m->body.ipc_env_started.env_id);
	if (!w)
		return;
	if (w->state != WORKER_STARTING) /* stopped meanwhile: its end is on the way */
		return;
	w->sandbox_ns = clock_mono_ns();
	struct error err = {0};
	worker_set_state(w, WORKER_INITIALIZING);
	if (take_environment(w, m, &err) < 0) {
		w->failure.refusal = err;
		worker_kill(w, false, 0);
		return;
	}
	uint64_t limit_ns = worker_init_limit_ns(w);
	if (w->init_inside)
		w->deadline_ns = w->sandbox_ns + limit_ns;
	if (limit_ns)
		ev_timer_at(f->deps.loop, &w->timer, w->sandbox_ns + limit_ns);
	worker_check_extensions(w);
}

static void on_env_failed(void *arg, const struct ipc_env_failed *m)
{
	struct fleet *f = arg;
	struct worker *w = find(f, m->env_id);
	if (!w)
		return;
	error_set(&w->failure.refusal, m->code < ERR_COUNT && m->code ? (enum error_code)m->code : ERR_INTERNAL, "%.*s",
	          (int)sizeof m->msg - 1, m->msg);
	die(w);
}

static void on_env_exited(void *arg, const struct ipc_env_exited *m)
{
	struct fleet *f = arg;
	struct worker *w = find(f, m->env_id);
	if (!w)
		return;
	struct fault_text t;
	const char *log_type;
	worker_drain_log(w);
	if (m->peak_bytes && m->peak_bytes + w->image_bytes > w->peak_bytes)
		w->peak_bytes = m->peak_bytes + w->image_bytes;
	close_fd(&w->memory_fd); /* the group may be another one's */
	if (w->state == WORKER_FROZEN)
		worker_set_frozen(w, false);
	fault_exit(&t, m, &log_type);
	if (w->kept) {
		worker_report_late(w, "error", log_type);
	} else if (w->invocation) {
		worker_finish_fault(w, &t, "error", log_type);
	} else if (w->state == WORKER_INITIALIZING || w->state == WORKER_STARTING) {
		worker_fail_init(w, &t, "error", log_type);
	}
	die(w);
}

static void on_process_ended(void *arg, const struct ipc_env_process_ended *m)
{
	struct worker *w = find(arg, m->env_id);
	if (w)
		worker_process_ended(w, m);
}

static void on_snapshot_done(void *arg, const struct ipc_snapshot_done *m)
{
	struct fleet *f = arg;
	struct worker *w = find(f, m->env_id);
	if (w)
		worker_snapshot_done(w, m);
}

static void on_env_socket(void *arg, struct ipc_message *m)
{
	struct worker *w = find(arg, m->body.ipc_env_socket_made.env_id);
	if (w)
		worker_env_socket(w, m);
}

static const struct launcher_events launcher_events = {
	.on_env_started = on_env_started, .on_env_failed = on_env_failed, .on_env_exited = on_env_exited,
	.on_process_ended = on_process_ended,
	.on_snapshot_done = on_snapshot_done, .on_env_socket = on_env_socket};

/* ---- time limits ---- */

void worker_kill(struct worker *w, bool ordered, uint32_t grace_ms)
{
	if (w->state == WORKER_STOPPING)
		return;
	w->ordered = ordered;
	worker_flush_telemetry(w);
	if (w->kind == WORKER_TEMPLATE && ordered) { /* what it says about its connection's end would puzzle whoever reads it */
		worker_drain_log(w);
		worker_close_log(w);
	}
	uint32_t leavers = 0;
	w->leaving = worker_plan_end(w, &grace_ms, &leavers);
	if (w->api_open && !w->leaving)
		runtime_api_release(&w->api);
	w->api_open = w->leaving;
	ev_timer_stop(&w->timer);
	if (w->state == WORKER_FROZEN && grace_ms)
		worker_set_frozen(w, false);
	worker_set_state(w, WORKER_STOPPING);
	launcher_kill(w->fleet->deps.launcher, w->env_id, grace_ms, leavers);
	if (w->leaving)
		worker_begin_end(w);
	if (!ordered && w->init_ns)
		w->fleet->events->on_stopping(w->fleet->arg, w);
}

void worker_kill_soon(struct worker *w)
{
	w->doomed = true;
	ev_timer_after(w->fleet->deps.loop, &w->timer, 0);
}

static void on_init_timeout(struct worker *w)
{
	struct fault_text t;
	worker_init_timeout_text(w, &t);
	w->reason = "timeout";
	worker_fail_init(w, &t, "timeout", NULL);
	worker_kill(w, false, 0);
}

static void on_busy_timeout(struct worker *w)
{
	struct fault_text t;
	if (!w->truncated)
		w->reason = "timeout";
	if (w->kept) {
		worker_report_late(w, "timeout", NULL);
	} else if (w->invocation && w->truncated) {
		fault_simple(&t, "Runtime.TruncatedResponse", "Runtime response was truncated");
		worker_finish_fault(w, &t, "error", t.type);
	} else if (w->invocation) {
		fault_timeout(&t, w->version->timeout_s);
		worker_finish_fault(w, &t, "timeout", NULL);
	} /* else it was answered, but has not asked for the next until its time was over */
	worker_kill(w, false, 0);
}

static void on_timer(struct ev_timer *timer)
{
	struct worker *w = CONTAINER_OF(timer, struct worker, timer);
	if (w->accused && w->state < WORKER_STOPPING) {
		worker_accuse(w);
		return;
	}
	switch (w->state) {
	case WORKER_STARTING: /* it was never asked for, or its restore takes too long */
		if (w->failure.refusal.code)
			die(w);
		else
			on_init_timeout(w);
		break;
	case WORKER_INITIALIZING:
		if (w->trial.fd >= 0)
			worker_trial_step(w);
		else
			on_init_timeout(w);
		break;
	case WORKER_IDLE: /* a template */
		worker_snapshot_late(w);
		break;
	case WORKER_BUSY:
		on_busy_timeout(w);
		break;
	case WORKER_STOPPING:
		worker_shutdown_late(w);
		break;
	default:
		UNREACHABLE();
	}
}

/* ---- orders ---- */

void worker_assign(struct worker *w, struct invocation *inv)
{
	ASSERT(!w->invocation && (w->state == WORKER_IDLE || w->state == WORKER_FROZEN));
	if (w->state == WORKER_FROZEN) {
		worker_set_frozen(w, false);
		worker_suspend_telemetry(w, false);
		worker_set_state(w, WORKER_IDLE);
	}
	worker_set_state(w, WORKER_BUSY);
	uint64_t now = clock_mono_ns(), deadline = now + w->version->timeout_s * NS_PER_S;
	if (w->deadline_ns) {
		deadline = w->deadline_ns;
		w->deadline_ns = 0;
	}
	w->invocation = inv;
	inv->worker = w;
	inv->phases.placed_ns = inv->phases.sent_ns = now;
	inv->cold = !w->first_done;
	if (inv->cold) {
		w->first_done = true;
		w->tenant_id = inv->tenant_id;
		if (inv->tenant.p)
			log_stream_tenant(w->log, inv->tenant);
		inv->restored = w->kind == WORKER_RESTORED;
		inv->phases.start_asked_ns = w->asked_ns;
		inv->phases.sandbox_done_ns = w->sandbox_ns;
		inv->phases.init_done_ns = w->init_ns;
	}
	if (inv->restored) {
		inv->phases.restore_ns = worker_restore_ns(w, w->init_ns);
		inv->phases.sandbox_done_ns = w->init_ns - inv->phases.restore_ns;
	}
	ASSERT(w->tenant_id == inv->tenant_id); /* what one tenant left behind is never another's, whatever the scheduler says */
	ev_timer_at(w->fleet->deps.loop, &w->timer, deadline);
	log_stream_trace(w->log, inv->trace_id);
	log_stream_start(w->log, inv->request_id, w->version->version, inv->tail);
	struct runtime_event event = {
		.request_id = inv->request_id,
		.function_arn = inv->invoked_arn,
		.trace_id = inv->trace_id,
		.client_context = inv->client_context,
		.tenant_id = inv->tenant,
		.stream = inv->sink != NULL,
		.deadline_wall_ms = clock_wall_ms() + (int64_t)((deadline - now) / NS_PER_MS),
		.payload = &inv->payload,
	};
	runtime_api_deliver(&w->api, &event);
}

void worker_freeze(struct worker *w)
{
	worker_set_state(w, WORKER_FROZEN);
	worker_drain_log(w);
	worker_suspend_telemetry(w, true);
	worker_set_frozen(w, true);
}

void worker_stop(struct worker *w, uint32_t grace_ms)
{
	worker_kill(w, true, grace_ms);
}

/* ---- the fleet ---- */

struct fleet *fleet_new(const struct fleet_deps *deps, const struct worker_events *events, void *arg, struct error *err)
{
	struct fleet *f = calloc(1, sizeof *f);
	if (!f) {
		error_set(err, ERR_NO_MEMORY, "no memory for environments");
		return NULL;
	}
	f->deps = *deps;
	f->events = events;
	f->arg = arg;
	f->empty_launch_fd = -1;
	/* Ids of an earlier control process in mayflyd's life must not come again. */
	f->next_env_id = (uint64_t)clock_wall_ms() << 20;
	hash_init(&f->by_id);
	for (int i = 0; i < WORKER_STATES; i++)
		list_init(&f->states[i]);
	launcher_set_env_events(deps->launcher, &launcher_events, f);
	return f;
}

void fleet_free(struct fleet *f)
{
	if (!f)
		return;
	HASH_FOREACH(n, &f->by_id)
		release(HASH_ENTRY(n, struct worker, by_id));
	hash_release(&f->by_id);
	close_fd(&f->empty_launch_fd);
	free(f);
}
