/* How environments end, and how what they were made of is given back. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bin/mayflyd/env_priv.h"
#include "bin/mayflyd/env_ready.h"
#include "bin/mayflyd/server.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/log.h"

void env_refuse(struct server *s, uint64_t id, const struct error *why)
{
	struct ipc_env_failed body = {.env_id = id, .code = why->code};
	memcpy(body.msg, why->msg, sizeof body.msg);
	control_send(s, IPC_ENV_FAILED, &body, NULL, 0);
}

void env_fail(struct env *e, const struct error *why)
{
	if (e->requested)
		env_refuse(e->server, e->id, why);
	env_set_requested(e, false);
	env_close_request(e);
}

/* ---- end ---- */

static void clean(struct env *e)
{
	struct envs *all = &e->server->envs;
	env_move(e, ENV_CLEANING);
	env_release_zygote(e, false);
	env_unwatch(e);
	ev_timer_stop(&e->grace);
	ev_timer_stop(&e->boost);
	/* Nothing lives in there, and nothing was changed from outside. */
	if (e->net_fd >= 0 && e->start.network == NETWORK_NONE && all->net_count < ENV_NETS_MAX)
		all->nets[all->net_count++] = STEAL_FD(e->net_fd);
	env_close_all(e);
	e->cleaning_ns = clock_mono_ns();
	env_clean(e);
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
	if (env_notes_end(e, &end) && (end.how == EXIT_CODE || end.how == EXIT_SIGNAL || end.how == EXIT_EXEC_FAILED)) {
		out->how = end.how;
		out->status = end.status;
	}
	if (e->ordered_dead)
		out->how = EXIT_KILLED;
	else if (e->out_of_memory || (out->how == EXIT_SIGNAL && out->status == SIGKILL && cgroup_oom(&e->server->base.cgroup, e->slot)))
		out->how = EXIT_OOM;
}

static void report_end(struct env *e)
{
	struct ipc_env_exited body = {.env_id = e->id, .peak_bytes = read_peak(e)};
	read_end(e, &body);
	control_send(e->server, IPC_ENV_EXITED, &body, NULL, 0);
	env_set_requested(e, false);
}

void env_conclude(struct env *e)
{
	struct error why = {0};
	error_set(&why, ERR_INTERNAL, "the environment ended before its runtime was started");
	if (e->requested && (e->started || e->ordered_dead))
		report_end(e);
	else
		env_fail(e, &why);
	clean(e);
}

void env_die(struct env *e)
{
	if (e->state == ENV_DYING || e->state == ENV_CLEANING)
		return;
	if (e->pid) {
		/* Process 1's end is everybody's; a group frozen by v1 must be thawed for it. */
		kill(e->pid, SIGKILL);
		if (!e->server->base.cgroup.freezer_v2)
			cgroup_thaw(&e->server->base.cgroup, e->slot);
	}
	/* A helper that works on it ends by itself, and finds it dying. */
	if (e->pid || env_is_worked_on(e))
		env_move(e, ENV_DYING);
	else
		env_conclude(e);
}

/* The init phase may use whole CPUs, as Lambda's does; at the latest its time limit ends that. */
void env_end_boost(struct env *e)
{
	struct error why = {0};
	ev_timer_stop(&e->boost);
	env_groups(e)->cpu_limited = true;
	if (cgroup_cpu(&e->server->base.cgroup, e->slot, e->start.memory_mb, &why) < 0)
		log_warn("environment slot %u has no CPU limit: %s", e->slot, why.msg);
}

static void on_end(struct env *e, int status)
{
	env_set_pid(e, 0);
	e->status = status;
	if (!env_is_worked_on(e))
		env_conclude(e);
	else if (e->state != ENV_DYING)
		env_move(e, ENV_DYING);
}

bool env_reaped(struct server *s, pid_t pid, int status)
{
	struct env *e = env_find_pid(s, pid);
	if (e)
		on_end(e, status);
	return e;
}

static void kill_where(struct server *s, bool requested_only)
{
	for (unsigned state = 0; state < ENV_DYING; state++) {
		LIST_FOREACH(l, &s->envs.states[state]) {
			struct env *e = CONTAINER_OF(l, struct env, link);
			if (requested_only && !e->requested)
				continue;
			env_set_requested(e, false);
			env_die(e);
		}
	}
}

void envs_orphan(struct server *s)
{
	env_ready_end(s, NULL);
	kill_where(s, true);
	LIST_FOREACH(l, &s->envs.states[ENV_DYING])
		env_set_requested(CONTAINER_OF(l, struct env, link), false);
	/* It may have frozen what it did not know to be another one's by now. */
	for (unsigned state = 0; state < ENV_DYING; state++) {
		LIST_FOREACH(l, &s->envs.states[state])
			cgroup_thaw(&s->base.cgroup, CONTAINER_OF(l, struct env, link)->slot);
	}
}

void envs_kill_all(struct server *s)
{
	kill_where(s, false);
}
