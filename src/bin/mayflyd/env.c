#include "bin/mayflyd/env_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bin/mayflyd/server.h"
#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "isolation/sandbox/wire.h"

#define MAKING_MAX 8 /* helpers at a time */
#define MAKE_TIMEOUT_MS 10000
#define CLEAN_TIMEOUT_MS 10000
#define CLEAN_WAIT_MS 5000
#define POOL_FAILURES_MAX 3
#define POOL_RETRY_MS 5000

static const struct {
	const char *name;
	unsigned next; /* states that may follow, as bits */
} states[ENV_STATE_COUNT] = {
	[ENV_QUEUED] = {"queued", 1u << ENV_MAKING | 1u << ENV_CLEANING},
	[ENV_MAKING] = {"making", 1u << ENV_POOLED | 1u << ENV_DYING | 1u << ENV_CLEANING},
	[ENV_POOLED] = {"pooled", 1u << ENV_ATTACHING | 1u << ENV_DYING | 1u << ENV_CLEANING},
	[ENV_ATTACHING] = {"attaching", 1u << ENV_RUNNING | 1u << ENV_DYING | 1u << ENV_CLEANING},
	[ENV_RUNNING] = {"running", 1u << ENV_DYING | 1u << ENV_CLEANING},
	[ENV_DYING] = {"dying", 1u << ENV_CLEANING},
	[ENV_CLEANING] = {"cleaning", 0},
};

static void move(struct env *e, enum env_state to)
{
	struct envs *all = &e->server->envs;
	ASSERT(states[e->state].next & 1u << to);
	list_remove(&e->link);
	all->counts[e->state]--;
	e->state = to;
	list_push_back(&all->states[to], &e->link);
	all->counts[to]++;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* What only the start needs. */
static void close_request(struct env *e)
{
	close_fd(&e->launch_fd);
	close_fd(&e->code_fd);
	for (unsigned i = 0; i < LIMIT_LAYERS; i++)
		close_fd(&e->layer_fds[i]);
}

static void close_channels(struct env *e)
{
	close_fd(&e->api_fd);
	close_fd(&e->endpoint_fd);
	close_fd(&e->log_fd);
}

static int take_slot(struct envs *all)
{
	for (unsigned i = 0; i < all->slot_count; i++) {
		if (!(all->slots[i / 64] & 1ull << i % 64)) {
			all->slots[i / 64] |= 1ull << i % 64;
			return (int)i;
		}
	}
	return -1;
}

static void on_grace(struct ev_timer *t);
static void on_boost(struct ev_timer *t);

struct env *env_new(struct server *s)
{
	struct env *e = calloc(1, sizeof *e);
	int slot = e ? take_slot(&s->envs) : -1;
	if (slot < 0) {
		free(e);
		return NULL;
	}
	*e = (struct env){.slot = (unsigned)slot, .server = s, .launch_fd = -1, .code_fd = -1, .init_fd = -1, .api_fd = -1,
	                  .endpoint_fd = -1, .log_fd = -1, .grace.cb = on_grace, .boost.cb = on_boost};
	for (unsigned i = 0; i < LIMIT_LAYERS; i++)
		e->layer_fds[i] = -1;
	list_init(&e->link);
	list_push_back(&s->envs.states[ENV_QUEUED], &e->link);
	s->envs.counts[ENV_QUEUED]++;
	return e;
}

static void env_free(struct env *e)
{
	struct envs *all = &e->server->envs;
	helper_forget(&e->helper);
	ev_timer_stop(&e->grace);
	ev_timer_stop(&e->boost);
	close_request(e);
	close_channels(e);
	close_fd(&e->init_fd);
	list_remove(&e->link);
	all->counts[e->state]--;
	all->slots[e->slot / 64] &= ~(1ull << e->slot % 64);
	free(e);
}

void env_refuse(struct server *s, uint64_t id, const struct error *why)
{
	struct ipc_env_failed body = {.env_id = id, .code = why->code};
	memcpy(body.msg, why->msg, sizeof body.msg);
	control_send(s, IPC_ENV_FAILED, &body, NULL, 0);
}

/* Tells control once; afterwards the environment is nobody's. */
static void fail(struct env *e, const struct error *why)
{
	if (e->requested)
		env_refuse(e->server, e->id, why);
	e->requested = false;
	close_request(e);
}

/* ---- end ---- */

static int clean_work(struct server *s, struct helper *h, struct helper_report *report, struct error *err)
{
	struct env *e = CONTAINER_OF(h, struct env, helper);
	int rc = -1;
	for (unsigned ms = 0; ms < CLEAN_WAIT_MS && rc < 0; ms++) {
		if (ms > 0)
			nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
		if (ms > 0)
			cgroup_kill(&s->base.cgroup, e->slot);
		rc = cgroup_remove(&s->base.cgroup, e->slot, err);
	}
	tmp_remove(&s->base.tmp, e->slot);
	return rc;
}

static void clean_done(struct server *s, struct helper *h, struct helper_report *report)
{
	struct env *e = CONTAINER_OF(h, struct env, helper);
	if (report->err.code)
		log_warn("environment slot %u: %s", e->slot, report->err.msg);
	env_free(e);
	envs_pump(s);
}

static void clean(struct env *e)
{
	struct error err = {0};
	move(e, ENV_CLEANING);
	close_request(e);
	close_channels(e);
	close_fd(&e->init_fd);
	ev_timer_stop(&e->grace);
	ev_timer_stop(&e->boost);
	e->helper = (struct helper){.work = clean_work, .done = clean_done, .timeout_ms = CLEAN_TIMEOUT_MS};
	if (helper_start(e->server, &e->helper, -1, &err) < 0) {
		/* Without a process to spare, what is left is swept at the next start. */
		log_error("environment slot %u is not cleaned: %s", e->slot, err.msg);
		env_free(e);
	}
}

static uint64_t read_peak(struct env *e)
{
	char text[32] = "";
	CLEANUP_CLOSE int fd = cgroup_peak_fd(&e->server->base.cgroup, e->slot, NULL);
	return fd >= 0 && read(fd, text, sizeof text - 1) > 0 ? strtoull(text, NULL, 10) : 0;
}

/* The words of mayfly-init are a hint: the function runs beside it. Out of memory and our own kill are known first-hand. */
static void read_end(struct env *e, struct ipc_env_exited *out)
{
	struct wire_end end;
	out->how = WIFSIGNALED(e->status) ? EXIT_SIGNAL : EXIT_CODE;
	out->status = WIFSIGNALED(e->status) ? WTERMSIG(e->status) : WEXITSTATUS(e->status);
	if (recv(e->init_fd, &end, sizeof end, MSG_DONTWAIT) == (ssize_t)sizeof end &&
	    (end.how == EXIT_CODE || end.how == EXIT_SIGNAL || end.how == EXIT_EXEC_FAILED)) {
		out->how = end.how;
		out->status = end.status;
	}
	if (e->ordered_dead)
		out->how = EXIT_KILLED;
	else if (out->how == EXIT_SIGNAL && out->status == SIGKILL && cgroup_oom(&e->server->base.cgroup, e->slot))
		out->how = EXIT_OOM;
}

static void report_end(struct env *e)
{
	struct ipc_env_exited body = {.env_id = e->id, .peak_bytes = read_peak(e)};
	read_end(e, &body);
	control_send(e->server, IPC_ENV_EXITED, &body, NULL, 0);
	e->requested = false;
}

/* Nothing of it lives and no helper works for it: tells control how it ended, and cleans. */
static void conclude(struct env *e)
{
	struct error why = {0};
	error_set(&why, ERR_INTERNAL, "the environment ended before its runtime was started");
	if (e->requested && (e->started || e->ordered_dead))
		report_end(e);
	else
		fail(e, &why);
	clean(e);
}

void env_die(struct env *e)
{
	if (e->state == ENV_DYING || e->state == ENV_CLEANING)
		return;
	if (e->pid) {
		/* Process 1's end is everybody's; a group frozen by v1 must be thawed for it. */
		kill(e->pid, SIGKILL);
		cgroup_thaw(&e->server->base.cgroup, e->slot);
	}
	/* A helper that works on it ends by itself, and finds it dying. */
	if (e->pid || e->helper.busy)
		move(e, ENV_DYING);
	else
		conclude(e);
}

/* ---- attach ---- */

static int attach_work(struct server *s, struct helper *h, struct helper_report *report, struct error *err)
{
	struct env *e = CONTAINER_OF(h, struct env, helper);
	struct sandbox_attach a = {
		.slot = e->slot, .pid = e->pid, .init_fd = e->init_fd, .control_pidfd = s->control.pidfd, .launch_fd = e->launch_fd,
		.code_fd = e->code_fd, .layers = e->start.layers, .memory_mb = e->start.memory_mb,
		.ephemeral_mb = e->start.ephemeral_mb, .outbound = e->start.network == NETWORK_OUTBOUND};
	memcpy(a.layer_fds, e->layer_fds, sizeof a.layer_fds);
	return sandbox_attach(&s->base, &a, err);
}

static int send_started(struct env *e, struct error *err)
{
	struct server *s = e->server;
	CLEANUP_CLOSE int freeze = cgroup_freeze_fd(&s->base.cgroup, e->slot, err);
	CLEANUP_CLOSE int peak = freeze < 0 ? -1 : cgroup_peak_fd(&s->base.cgroup, e->slot, err);
	if (peak < 0)
		return -1;
	struct ipc_env_started body = {.env_id = e->id, .sandbox_ns = clock_mono_ns() - e->asked_ns, .pid = (uint32_t)e->pid,
	                               .cgroup_v2 = s->base.cgroup.freezer_v2, .pooled = e->pooled};
	int fds[] = {e->api_fd, e->endpoint_fd, e->log_fd, freeze, peak};
	control_send(s, IPC_ENV_STARTED, &body, fds, ARRAY_LEN(fds));
	return 0;
}

static void attach_done(struct server *s, struct helper *h, struct helper_report *report)
{
	struct env *e = CONTAINER_OF(h, struct env, helper);
	if (report->err.code == ERR_OK && e->requested && !e->ordered_dead)
		e->started = send_started(e, &report->err) == 0;
	if (report->err.code && !e->ordered_dead)
		fail(e, &report->err);
	if (!report->err.code && e->start.network == NETWORK_OUTBOUND)
		s->base.net_ready = true;
	close_request(e);
	close_channels(e);
	if (e->state == ENV_DYING) {
		if (!e->pid)
			conclude(e);
	} else if (report->err.code) {
		env_die(e);
	} else {
		move(e, ENV_RUNNING);
		ev_timer_after(s->loop, &e->boost, LIMIT_INIT_MS * NS_PER_MS);
	}
}

static void attach(struct env *e)
{
	struct error err = {0};
	move(e, ENV_ATTACHING);
	e->helper = (struct helper){.work = attach_work, .done = attach_done, .timeout_ms = MAKE_TIMEOUT_MS};
	if (helper_start(e->server, &e->helper, -1, &err) < 0) {
		fail(e, &err);
		env_die(e);
	}
}

/* ---- make ---- */

static int make_work(struct server *s, struct helper *h, struct helper_report *report, struct error *err)
{
	struct env *e = CONTAINER_OF(h, struct env, helper);
	struct sandbox_made made;
	if (sandbox_make(&s->base, e->slot, &made, err) < 0)
		return -1;
	*report = (struct helper_report){.value = made.pid, .fds = {made.init_fd, made.api_fd, made.endpoint_fd, made.log_fd}, .fd_count = 4};
	return 0;
}

static void pool_pause(struct server *s, const struct error *why)
{
	if (++s->envs.pool_failures == POOL_FAILURES_MAX)
		log_error("no sandbox can be made: %s", why->msg);
	if (s->envs.pool_failures >= POOL_FAILURES_MAX)
		ev_timer_after(s->loop, &s->envs.pool_timer, POOL_RETRY_MS * NS_PER_MS);
}

static void make_done(struct server *s, struct helper *h, struct helper_report *report)
{
	struct env *e = CONTAINER_OF(h, struct env, helper);
	siginfo_t info;
	if (report->err.code == ERR_OK && report->fd_count == 4) {
		e->init_fd = report->fds[0];
		e->api_fd = report->fds[1];
		e->endpoint_fd = report->fds[2];
		e->log_fd = report->fds[3];
		/* It may have ended, and been reaped, before its number was known here. */
		if (waitid(P_PID, (id_t)report->value, &info, WEXITED | WNOHANG | WNOWAIT) == 0)
			e->pid = (pid_t)report->value;
		else
			error_set(&report->err, ERR_INTERNAL, "mayfly-init ended at once");
	}
	if (e->state == ENV_DYING) {
		if (e->pid)
			kill(e->pid, SIGKILL);
		else
			conclude(e);
		return;
	}
	if (!e->pid) {
		if (!e->requested)
			pool_pause(s, &report->err);
		fail(e, &report->err);
		env_die(e);
		return;
	}
	s->envs.pool_failures = 0;
	move(e, ENV_POOLED);
	envs_pump(s);
}

static void make(struct env *e)
{
	struct server *s = e->server;
	struct error err = {0};
	move(e, ENV_MAKING);
	int group = cgroup_add(&s->base.cgroup, e->slot, &err) < 0 ? -2 : cgroup_clone_fd(&s->base.cgroup, e->slot);
	e->helper = (struct helper){.work = make_work, .done = make_done, .timeout_ms = MAKE_TIMEOUT_MS};
	int rc = group == -2 ? -1 : helper_start(s, &e->helper, group, &err);
	if (group >= 0)
		close(group);
	if (rc == 0)
		return;
	if (!e->requested)
		pool_pause(s, &err);
	fail(e, &err);
	env_die(e);
}

/* ---- what to do next ---- */

static void attach_waiting(struct server *s)
{
	LIST_FOREACH(l, &s->envs.states[ENV_POOLED]) {
		struct env *e = CONTAINER_OF(l, struct env, link);
		/* Network rules are not made while a predecessor's are being removed. */
		bool wait = s->base.tmp.kind == TMP_UNDECIDED || (e->start.network == NETWORK_OUTBOUND && s->sweep_helper.busy);
		if (e->requested && !wait)
			attach(e);
	}
}

static unsigned empty_count(struct server *s)
{
	unsigned n = 0;
	static const enum env_state counted[] = {ENV_MAKING, ENV_POOLED};
	for (size_t i = 0; i < ARRAY_LEN(counted); i++) {
		LIST_FOREACH(l, &s->envs.states[counted[i]])
			n += !CONTAINER_OF(l, struct env, link)->requested;
	}
	return n;
}

void envs_pump(struct server *s)
{
	attach_waiting(s);
	while (s->envs.counts[ENV_MAKING] < MAKING_MAX && !list_empty(&s->envs.states[ENV_QUEUED]))
		make(LIST_FIRST(&s->envs.states[ENV_QUEUED], struct env, link));
	if (s->stops || s->envs.pool_timer.loop || !s->announced)
		return;
	/* One at a time, so that refilling does not slow what was asked for. */
	if (s->envs.counts[ENV_MAKING] == 0 && empty_count(s) < s->settings.pool) {
		struct env *e = env_new(s);
		if (e)
			make(e);
	}
}

/* ---- timers, ends ---- */

static void on_grace(struct ev_timer *t)
{
	env_die(CONTAINER_OF(t, struct env, grace));
}

/* The init phase may use whole CPUs, as Lambda's does; at the latest its time limit ends that. */
void env_end_boost(struct env *e)
{
	struct error why = {0};
	ev_timer_stop(&e->boost);
	if (cgroup_cpu(&e->server->base.cgroup, e->slot, e->start.memory_mb, &why) < 0)
		log_warn("environment slot %u has no CPU limit: %s", e->slot, why.msg);
}

static void on_boost(struct ev_timer *t)
{
	env_end_boost(CONTAINER_OF(t, struct env, boost));
}

static void on_end(struct env *e, int status)
{
	e->pid = 0;
	e->status = status;
	if (!e->helper.busy)
		conclude(e);
	else if (e->state != ENV_DYING)
		move(e, ENV_DYING);
}

bool env_reaped(struct server *s, pid_t pid, int status)
{
	for (unsigned state = 0; state < ENV_STATE_COUNT; state++) {
		LIST_FOREACH(l, &s->envs.states[state]) {
			struct env *e = CONTAINER_OF(l, struct env, link);
			if (e->pid == pid) {
				on_end(e, status);
				return true;
			}
		}
	}
	return false;
}

static void kill_where(struct server *s, bool requested_only)
{
	for (unsigned state = 0; state < ENV_DYING; state++) {
		LIST_FOREACH(l, &s->envs.states[state]) {
			struct env *e = CONTAINER_OF(l, struct env, link);
			if (requested_only && !e->requested)
				continue;
			e->requested = false;
			env_die(e);
		}
	}
}

void envs_orphan(struct server *s)
{
	kill_where(s, true);
	LIST_FOREACH(l, &s->envs.states[ENV_DYING])
		CONTAINER_OF(l, struct env, link)->requested = false;
}

void envs_kill_all(struct server *s)
{
	kill_where(s, false);
}

unsigned envs_left(const struct server *s)
{
	unsigned n = 0;
	for (unsigned state = 0; state < ENV_STATE_COUNT; state++)
		n += s->envs.counts[state];
	return n;
}

static void on_pool_timer(struct ev_timer *t)
{
	struct server *s = CONTAINER_OF(t, struct server, envs.pool_timer);
	s->envs.pool_failures = 0;
	envs_pump(s);
}

int envs_init(struct server *s, unsigned max, struct error *err)
{
	struct envs *all = &s->envs;
	for (unsigned state = 0; state < ENV_STATE_COUNT; state++)
		list_init(&all->states[state]);
	all->pool_timer.cb = on_pool_timer;
	/* Dead ones keep their slot until they are cleaned. */
	all->slot_count = max * 2 + (unsigned)s->settings.pool;
	all->slots = calloc(all->slot_count / 64 + 1, sizeof *all->slots);
	return all->slots ? 0 : error_set(err, ERR_NO_MEMORY, "no memory for %u environments", max);
}

void envs_release(struct server *s)
{
	for (unsigned state = 0; state < ENV_STATE_COUNT; state++) {
		LIST_FOREACH(l, &s->envs.states[state])
			env_free(CONTAINER_OF(l, struct env, link));
	}
	ev_timer_stop(&s->envs.pool_timer);
	free(s->envs.slots);
}
