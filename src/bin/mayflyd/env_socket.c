/* Sockets of an environment's own network, for control: telemetry goes to extensions, which listen inside. A socket belongs to the
 * network namespace that it was made in, whoever connects it; a hand (hand.h), which begins with the first that is asked for, enters
 * the namespace, makes one, and comes back. */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bin/mayflyd/env_priv.h"
#include "bin/mayflyd/server.h"
#include "core/base/cleanup.h"
#include "core/base/log.h"

#define SOCKETS_MAX 32u /* of one environment: more than it may have extensions */
#define ASKED_MAX 64u   /* at a time */
#define MAKE_MS 5000u

struct env_sockets {
	struct hand hand;
	struct list asked;
	unsigned count;
};

struct asked {
	struct list link;
	struct helper helper; /* for the answer */
	struct ipc_env_socket what;
};

/* ---- in the hand ---- */

static int make_one(int net, struct error *err)
{
	if (setns(net, CLONE_NEWNET) < 0)
		return error_sys(err, "cannot join the sandbox's network");
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return fd < 0 ? error_sys(err, "cannot make a socket") : fd;
}

static void work(struct server *s, struct hand *h, struct hand_task *t)
{
	struct helper_report report = {0};
	ASSERT(t->fd_count == 2);
	CLEANUP_CLOSE int fd = make_one(t->fds[1], &report.err);
	if (setns(s->net_ns, CLONE_NEWNET) < 0)
		_exit(1);
	if (fd >= 0) {
		report.fds[0] = fd;
		report.fd_count = 1;
	}
	helper_answer(t->fds[0], &report);
}

/* ---- in mayflyd ---- */

static void answered(struct server *s, struct hand *h, const void *packet, size_t n)
{
}

/* The sockets over which it was to answer tell of it. */
static void died(struct server *s, struct hand *h)
{
}

static struct env_sockets *begin(struct server *s, struct error *err)
{
	struct env_sockets *all = s->envs.sockets;
	if (all)
		return all;
	all = calloc(1, sizeof *all);
	if (!all) {
		error_set(err, ERR_NO_MEMORY, "no memory for sockets");
		return NULL;
	}
	list_init(&all->asked);
	all->hand = (struct hand){.name = "the process that makes sockets", .work = work, .answered = answered, .died = died,
	                          .keep = {s->net_ns, -1, -1, -1}};
	if (hand_start(s, &all->hand, err) < 0) {
		free(all);
		return NULL;
	}
	s->envs.sockets = all;
	return all;
}

static void forget(struct env_sockets *all, struct asked *a)
{
	list_remove(&a->link);
	all->count--;
	free(a);
}

static void reply(struct server *s, const struct ipc_env_socket *to, int fd, const struct error *why)
{
	struct ipc_env_socket_made body = {.env_id = to->env_id, .number = to->number, .code = why->code};
	memcpy(body.msg, why->msg, sizeof body.msg);
	control_send(s, IPC_ENV_SOCKET_MADE, &body, &fd, fd >= 0);
}

static void done(struct server *s, struct helper *h, struct helper_report *report)
{
	struct asked *a = CONTAINER_OF(h, struct asked, helper);
	CLEANUP_CLOSE int fd = report->fd_count ? report->fds[0] : -1;
	/* Its namespace may be given to another one, but control knows that it ended, by then, and closes this. */
	reply(s, &a->what, fd, &report->err);
	forget(s->envs.sockets, a);
}

static int order(struct server *s, const struct env *e, struct asked *a, struct error *err)
{
	int sock[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock) < 0)
		return error_sys(err, "cannot make a socket");
	CLEANUP_CLOSE int mine = sock[0];
	CLEANUP_CLOSE int its = sock[1];
	char packet = 's';
	int fds[] = {its, e->net_fd};
	a->helper = (struct helper){.done = done, .timeout_ms = MAKE_MS};
	if (hand_give(&s->envs.sockets->hand, &packet, sizeof packet, fds, 2, err) < 0)
		return -1;
	return helper_expect(s, &a->helper, STEAL_FD(mine), err);
}

static int ask(struct server *s, struct env *e, const struct ipc_env_socket *what, struct error *err)
{
	if (!e || e->state != ENV_RUNNING || e->net_fd < 0)
		return error_set(err, ERR_NOT_FOUND, "there is no such environment");
	struct env_sockets *all = begin(s, err);
	if (!all)
		return -1;
	if (e->sockets == SOCKETS_MAX || all->count == ASKED_MAX)
		return error_set(err, ERR_THROTTLED, "too many sockets were asked for");
	struct asked *a = calloc(1, sizeof *a);
	if (!a)
		return error_set(err, ERR_NO_MEMORY, "no memory for a socket");
	a->what = *what;
	list_init(&a->link);
	list_push_back(&all->asked, &a->link);
	all->count++;
	e->sockets++;
	if (order(s, e, a, err) == 0)
		return 0;
	forget(all, a);
	return -1;
}

int env_on_socket(struct server *s, struct ipc_message *m, struct error *err)
{
	const struct ipc_env_socket *what = &m->body.ipc_env_socket;
	struct error why = {0};
	if (ask(s, env_find(s, what->env_id), what, &why) < 0)
		reply(s, what, -1, &why);
	return 0;
}

void env_sockets_release(struct server *s)
{
	struct env_sockets *all = s->envs.sockets;
	if (!all)
		return;
	hand_stop(&all->hand);
	LIST_FOREACH(l, &all->asked) {
		struct asked *a = CONTAINER_OF(l, struct asked, link);
		helper_forget(&a->helper);
		forget(all, a);
	}
	free(all);
	s->envs.sockets = NULL;
}
