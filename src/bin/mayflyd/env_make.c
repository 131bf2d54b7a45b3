/* Making empty sandboxes: for who waits, and for the pool. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bin/mayflyd/env_priv.h"
#include "bin/mayflyd/server.h"
#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/log.h"

#define MAKE_TIMEOUT_MS 10000
#define POOL_FAILURES_MAX 3
#define POOL_RETRY_MS 5000
#define MADE_FDS 8
#define TMP_THERE (1ll << 32) /* beside the process number in a report's value */

static int make_work(struct server *s, struct helper *h, struct helper_report *report, struct error *err)
{
	struct env *e = CONTAINER_OF(h, struct env, helper);
	struct sandbox_made made;
	if (sandbox_make(&s->base, e->slot, e->net_fd, &made, err) < 0)
		return -1;
	*report = (struct helper_report){.value = made.pid | (made.tmp ? TMP_THERE : 0), .fd_count = MADE_FDS,
	                                 .fds = {made.init_fd, made.api_fd, made.endpoint_fd, made.log_fd, made.log_write_fd, made.spare_fd, made.pidfd,
	                                         made.net_fd}};
	return 0;
}

static void pool_pause(struct server *s, const struct error *why)
{
	if (++s->envs.pool_failures == POOL_FAILURES_MAX)
		log_error("no sandbox can be made: %s", why->msg);
	if (s->envs.pool_failures >= POOL_FAILURES_MAX)
		ev_timer_after(s->loop, &s->envs.pool_timer, POOL_RETRY_MS * NS_PER_MS);
}

/* The helper has used it, or not: what comes back is a descriptor of its own. */
static void close_old_net(struct env *e)
{
	if (e->net_fd >= 0)
		close(e->net_fd);
	e->net_fd = -1;
}

static void make_done(struct server *s, struct helper *h, struct helper_report *report)
{
	struct env *e = CONTAINER_OF(h, struct env, helper);
	siginfo_t info;
	close_old_net(e);
	if (report->err.code == ERR_OK && report->fd_count == MADE_FDS) {
		pid_t pid = (pid_t)(report->value & INT32_MAX);
		int *const places[MADE_FDS] = {&e->init_fd, &e->api_fd, &e->endpoint_fd, &e->log_fd, &e->log_write_fd, &e->spare_fd, &e->pidfd,
		                                &e->net_fd};
		for (unsigned i = 0; i < MADE_FDS; i++)
			*places[i] = report->fds[i];
		e->tmp = report->value & TMP_THERE;
		/* It may have ended, and been reaped, before its number was known here. */
		if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0)
			env_set_pid(e, pid);
		else
			error_set(&report->err, ERR_INTERNAL, "mayfly-init ended at once");
	}
	if (e->state == ENV_DYING) {
		if (e->pid)
			kill(e->pid, SIGKILL);
		else
			env_conclude(e);
		return;
	}
	if (!e->pid) {
		if (!e->requested)
			pool_pause(s, &report->err);
		env_fail(e, &report->err);
		env_die(e);
		return;
	}
	s->envs.pool_failures = 0;
	e->restore_ns = clock_mono_ns();
	env_move(e, ENV_POOLED);
	envs_pump(s);
}

void env_make(struct env *e)
{
	struct server *s = e->server;
	struct error err = {0};
	env_move(e, ENV_MAKING);
	if (s->envs.net_count)
		e->net_fd = s->envs.nets[--s->envs.net_count];
	e->helper = (struct helper){.work = make_work, .done = make_done, .timeout_ms = MAKE_TIMEOUT_MS};
	if (helper_start(s, &e->helper, -1, &err) == 0)
		return;
	if (!e->requested)
		pool_pause(s, &err);
	env_fail(e, &err);
	env_die(e);
}
