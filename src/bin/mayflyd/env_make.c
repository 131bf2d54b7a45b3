/* Making empty sandboxes: for who waits, and for the pool. The makers are hands (hand.h), each with one child at a time that
 * becomes what a sandbox needs: it shares the maker's memory, and the maker waits for it. Being made by a small process that
 * holds few descriptors, however many environments there are, is worth half of the time. */
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bin/mayflyd/env_priv.h"
#include "bin/mayflyd/server.h"
#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "isolation/sandbox/confine.h"

#define MAKE_S 10u
#define STACK_BYTES (256u << 10)
#define POOL_FAILURES_MAX 3
#define POOL_RETRY_MS 5000
#define MADE_FDS 8
/* Beside the process number in a report's value. */
#define TMP_THERE (1ll << 32)
#define GROUPS_NEW (1ll << 33)

struct order {
	uint32_t slot;
	bool groups;
	enum tmp_kind tmp;
};

/* ---- in a maker ---- */

struct making {
	struct server *s;
	uint32_t slot;
	bool groups;
	int reply, net_fd;
};

static int make_one(const struct making *m, struct helper_report *report, struct error *err)
{
	struct sandbox_made made;
	if (sandbox_make(&m->s->base, m->slot, m->groups, m->net_fd, &made, err) < 0)
		return -1;
	*report = (struct helper_report){.value = made.pid | (made.tmp ? TMP_THERE : 0) | (made.groups_new ? GROUPS_NEW : 0),
	                                 .fd_count = MADE_FDS, .fds = {made.init_fd, made.api_fd, made.endpoint_fd, made.log_fd, made.log_write_fd, made.spare_fd, made.pidfd,
	                                         made.net_fd}};
	return 0;
}

/* A child of mayflyd's, so that the sandbox's first process is one, too. */
static int child(void *arg)
{
	const struct making *m = arg;
	struct helper_report report = {0};
	struct error err = {0};
	confine_die_with_parent(NULL);
	alarm(MAKE_S);
	if (make_one(m, &report, &err) < 0)
		report = (struct helper_report){.err = err};
	helper_answer(m->reply, &report);
	_exit(0);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
/* Sanitizers know no other process on their memory. */
static pid_t spawn(struct hand *h, struct making *m)
{
	struct clone_args args = {.flags = CLONE_PARENT};
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
	return pid == 0 ? child(m) : pid;
}
#else
static pid_t spawn(struct hand *h, struct making *m)
{
	if (!h->state)
		h->state = malloc(STACK_BYTES);
	ASSERT(h->state);
	return clone(child, (char *)h->state + STACK_BYTES, CLONE_VM | CLONE_VFORK | CLONE_PARENT | SIGCHLD, m);
}
#endif

static void work(struct server *s, struct hand *h, struct hand_task *t)
{
	struct helper_report report = {0};
	struct order o;
	ASSERT(t->n == sizeof o && t->fd_count >= 1);
	memcpy(&o, t->packet.bytes, sizeof o);
	struct making m = {.s = s, .slot = o.slot, .groups = o.groups, .reply = t->fds[0], .net_fd = t->fd_count > 1 ? t->fds[1] : -1};
	s->base.tmp.kind = o.tmp;
	if (spawn(h, &m) >= 0)
		return;
	error_sys(&report.err, "cannot start a process to make a sandbox");
	helper_answer(m.reply, &report);
}

/* ---- in mayflyd ---- */

static void answered(struct server *s, struct hand *h, const void *packet, size_t n)
{
}

/* The orders that it had lost their sockets with it. */
static void died(struct server *s, struct hand *h)
{
	envs_pump(s);
}

void env_makers_init(struct server *s)
{
	struct error err = {0};
	for (unsigned i = 0; i < ENV_MAKERS; i++) {
		struct hand *h = &s->envs.makers[i];
		*h = (struct hand){.name = "a process that makes sandboxes", .work = work, .answered = answered, .died = died,
		                   .keep = {s->base.root_ns, s->base.init_exe, -1, -1}};
		if (hand_start(s, h, &err) < 0)
			log_error("%s: %s", h->name, err.msg);
	}
}

/* Returns the socket that the answer comes over. */
static int give(struct env *e, struct error *err)
{
	struct envs *all = &e->server->envs;
	struct order o = {.slot = e->slot, .groups = env_groups(e)->whole, .tmp = e->server->base.tmp.kind};
	int sock[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock) < 0)
		return error_sys(err, "cannot make a socket");
	CLEANUP_CLOSE int mine = sock[0];
	CLEANUP_CLOSE int its = sock[1];
	int fds[] = {its, e->net_fd};
	all->turn = (all->turn + 1) % ENV_MAKERS;
	return hand_give(&all->makers[all->turn], &o, sizeof o, fds, e->net_fd < 0 ? 1 : 2, err) < 0 ? -1 : STEAL_FD(mine);
}

static void pool_pause(struct server *s, const struct error *why)
{
	if (++s->envs.pool_failures == POOL_FAILURES_MAX)
		log_error("no sandbox can be made: %s", why->msg);
	if (s->envs.pool_failures >= POOL_FAILURES_MAX)
		ev_timer_after(s->loop, &s->envs.pool_timer, POOL_RETRY_MS * NS_PER_MS);
}

/* What comes back is a descriptor of its own. */
static void close_old_net(struct env *e)
{
	if (e->net_fd >= 0)
		close(e->net_fd);
	e->net_fd = -1;
}

static void note_groups(struct env *e, const struct helper_report *report)
{
	struct env_groups *g = env_groups(e);
	if (report->value & GROUPS_NEW)
		*g = (struct env_groups){.made = g->made + 1};
	g->whole = report->err.code == ERR_OK;
}

static void make_done(struct server *s, struct helper *h, struct helper_report *report)
{
	struct env *e = CONTAINER_OF(h, struct env, helper);
	siginfo_t info;
	note_groups(e, report);
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
	int fd = give(e, &err);
	close_old_net(e);
	e->helper = (struct helper){.done = make_done, .timeout_ms = (MAKE_S + 1) * 1000};
	if (fd >= 0 && helper_expect(s, &e->helper, fd, &err) == 0)
		return;
	if (!e->requested)
		pool_pause(s, &err);
	env_fail(e, &err);
	env_die(e);
}
