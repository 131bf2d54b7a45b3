#include "bin/mayflyd/helper.h"

#include <errno.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bin/mayflyd/server.h"
#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/packet.h"
#include "isolation/sandbox/confine.h"

struct wire {
	int32_t code, sys;
	int64_t value;
	unsigned char data[HELPER_DATA];
	char msg[240];
};

void helper_answer(int fd, const struct helper_report *r)
{
	struct wire wire = {.code = (int32_t)r->err.code, .sys = r->err.sys, .value = r->value};
	memcpy(wire.msg, r->err.msg, sizeof wire.msg);
	memcpy(wire.data, r->data, sizeof wire.data);
	packet_send(fd, &wire, sizeof wire, r->fds, r->fd_count, 0);
}

/* false: the helper ended without a word. */
static bool receive_report(int fd, struct helper_report *r)
{
	struct wire wire;
	*r = (struct helper_report){.err.code = ERR_INTERNAL, .err.msg = "the helper process ended without an answer"};
	if (packet_recv(fd, &wire, sizeof wire, r->fds, HELPER_FDS, &r->fd_count, MSG_DONTWAIT) != (ssize_t)sizeof wire)
		return false;
	r->err.code = (enum error_code)wire.code;
	r->err.sys = wire.sys;
	r->value = wire.value;
	memcpy(r->err.msg, wire.msg, sizeof r->err.msg);
	memcpy(r->data, wire.data, sizeof r->data);
	return true;
}

static _Noreturn void run_child(struct server *s, struct helper *h, int fd)
{
	struct helper_report report = {0};
	struct error err = {0};
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	confine_die_with_parent(NULL);
	envs_forked(s);
	if (h->work(s, h, &report, &err) < 0)
		report = (struct helper_report){.err = err, .value = report.value};
	helper_answer(fd, &report);
	_exit(0);
}

/* fork, but born in a cgroup2 group: moving there later would wait for a grace period. */
static pid_t fork_into(int group_fd, int *pidfd)
{
	struct clone_args args = {.flags = CLONE_PIDFD, .pidfd = (uint64_t)(uintptr_t)pidfd, .exit_signal = SIGCHLD};
	if (group_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)group_fd;
	}
	return (pid_t)syscall(SYS_clone3, &args, sizeof args);
}

static int launch(struct server *s, struct helper *h, int group_fd, struct error *err)
{
	int sock[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock) < 0)
		return error_sys(err, "cannot make a helper's socket");
	CLEANUP_CLOSE int mine = sock[0];
	CLEANUP_CLOSE int its = sock[1];
	(void)its; /* clang does not count the cleanup as a use */
	pid_t pid = fork_into(group_fd, &h->pidfd);
	if (pid == 0) {
		close(sock[0]);
		run_child(s, h, sock[1]);
	}
	if (pid < 0)
		return error_sys(err, "cannot start a helper process");
	h->server = s;
	h->pid = pid;
	return STEAL_FD(mine);
}

void helper_forget(struct helper *h)
{
	if (!h->busy)
		return;
	ev_timer_stop(&h->timer);
	ev_io_stop(&h->io);
	if (h->pidfd >= 0) {
		/* It has said all it had to, or nobody wants to know. */
		syscall(SYS_pidfd_send_signal, h->pidfd, SIGKILL, NULL, 0);
		close(h->pidfd);
	}
	close(h->io.fd);
	h->busy = false;
}

static void finish(struct helper *h)
{
	struct helper_report report;
	bool late = h->timeout_ms && h->timer.loop == NULL;
	if (!receive_report(h->io.fd, &report) && late)
		error_set(&report.err, ERR_TIMEOUT, "the helper process took longer than %u ms", h->timeout_ms);
	helper_forget(h);
	h->done(h->server, h, &report);
}

static void on_report(struct ev_io *io, unsigned events)
{
	finish(CONTAINER_OF(io, struct helper, io));
}

static void on_timeout(struct ev_timer *timer)
{
	struct helper *h = CONTAINER_OF(timer, struct helper, timer);
	/* An ended one's socket closes, which is reported. */
	if (h->pidfd < 0)
		finish(h);
	else
		syscall(SYS_pidfd_send_signal, h->pidfd, SIGKILL, NULL, 0);
}

static int watch(struct server *s, struct helper *h, int fd, struct error *err)
{
	h->server = s;
	h->io = (struct ev_io){.fd = fd, .cb = on_report};
	h->timer = (struct ev_timer){.cb = on_timeout};
	if (ev_io_start(s->loop, &h->io, EV_READ, err) < 0) {
		close(fd);
		cleanup_close(&h->pidfd);
		return -1;
	}
	h->busy = true;
	if (h->timeout_ms)
		ev_timer_after(s->loop, &h->timer, h->timeout_ms * NS_PER_MS);
	return 0;
}

int helper_start(struct server *s, struct helper *h, int group_fd, struct error *err)
{
	ASSERT(!h->busy && h->work && h->done);
	int fd = launch(s, h, group_fd, err);
	return fd < 0 ? -1 : watch(s, h, fd, err);
}

int helper_expect(struct server *s, struct helper *h, int fd, struct error *err)
{
	ASSERT(!h->busy && h->done);
	h->pidfd = -1;
	return watch(s, h, fd, err);
}

int helper_run(struct server *s, struct helper *h, struct helper_report *report, struct error *err)
{
	CLEANUP_CLOSE int fd = launch(s, h, -1, err);
	if (fd < 0)
		return -1;
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	int ready = poll(&wait, 1, h->timeout_ms ? (int)h->timeout_ms : -1);
	if (ready <= 0)
		kill(h->pid, SIGKILL);
	bool answered = ready > 0 && receive_report(fd, report);
	waitpid(h->pid, NULL, 0);
	close(h->pidfd);
	if (!answered)
		return error_set(err, ERR_INTERNAL, "a helper process ended without an answer");
	if (report->err.code) {
		*err = report->err;
		return -1;
	}
	return 0;
}
