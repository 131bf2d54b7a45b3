#include "bin/mayflyd/hand.h"

#include <errno.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bin/mayflyd/server.h"
#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/packet.h"
#include "isolation/sandbox/confine.h"

#define EARLY_NS NS_PER_S
#define RESTART_MAX_MS 5000u
#define BUFFER_BYTES (1 << 20)

/* ---- in the child ---- */

static bool receive(int fd, struct hand_task *t)
{
	ssize_t n;
	do {
		n = packet_recv(fd, t->packet.bytes, sizeof t->packet.bytes, t->fds, HAND_FDS, &t->fd_count, 0);
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		return false;
	t->n = (size_t)n;
	return true;
}

static int ascending(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* The ends of pipes and sockets that mayflyd holds at this moment must not live on in here: their other sides wait for them. */
static void close_others(const struct hand *h, int sock)
{
	int keep[HAND_KEEP + 1] = {sock};
	int from = 3;
	memcpy(keep + 1, h->keep, sizeof h->keep);
	qsort(keep, ARRAY_LEN(keep), sizeof *keep, ascending);
	for (size_t i = 0; i < ARRAY_LEN(keep); i++) {
		if (keep[i] < from)
			continue;
		if (keep[i] > from)
			syscall(SYS_close_range, from, keep[i] - 1, 0);
		from = keep[i] + 1;
	}
	syscall(SYS_close_range, from, ~0u, 0);
}

static bool wait_packet(struct server *s, struct hand *h, int sock)
{
	struct pollfd p = {.fd = sock, .events = POLLIN};
	int rc = 0;
	while (h->idle && rc == 0)
		rc = poll(&p, 1, h->idle(s, h));
	return rc >= 0 || errno == EINTR;
}

static _Noreturn void run_child(struct server *s, struct hand *h, int sock)
{
	static struct hand_task task;
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	confine_die_with_parent(NULL);
	setsid(); /* a terminal's signals are for mayflyd, which ends us after what it needs us for */
	close_others(h, sock);
	h->io.fd = sock;
	while (wait_packet(s, h, sock) && receive(sock, &task)) {
		h->work(s, h, &task);
		for (unsigned i = 0; i < task.fd_count; i++)
			cleanup_close(&task.fds[i]);
	}
	_exit(0);
}

void hand_answer(struct hand *h, const void *packet, size_t n)
{
	if (send(h->io.fd, packet, n, MSG_NOSIGNAL) < 0)
		_exit(1);
}

/* ---- in mayflyd ---- */

int hand_give(struct hand *h, const void *packet, size_t n, const int *fds, unsigned fd_count, struct error *err)
{
	if (h->io.loop && packet_send(h->io.fd, packet, n, fds, fd_count, MSG_DONTWAIT) >= 0)
		return 0;
	return error_set(err, ERR_BUSY, "%s has too much to do", h->name);
}

static void on_again(struct ev_timer *t)
{
	struct hand *h = CONTAINER_OF(t, struct hand, again);
	struct error err = {0};
	if (hand_start(h->server, h, &err) < 0) {
		log_error("%s: %s", h->name, err.msg);
		ev_timer_after(h->server->loop, t, RESTART_MAX_MS * NS_PER_MS);
	}
	h->died(h->server, h);
}

static void forget(struct hand *h)
{
	ev_io_stop(&h->io);
	close(h->io.fd);
	close(h->pidfd);
	h->started = false;
}

static void on_end(struct hand *h)
{
	unsigned wait_ms = 0;
	hand_kill(h);
	forget(h);
	h->early_ends = clock_mono_ns() - h->started_ns < EARLY_NS ? h->early_ends + 1 : 0;
	for (unsigned i = 1; i < h->early_ends && wait_ms < RESTART_MAX_MS; i++)
		wait_ms = wait_ms * 2 + 10;
	log_error("%s ended; it is started again", h->name);
	h->again.cb = on_again;
	ev_timer_after(h->server->loop, &h->again, wait_ms * NS_PER_MS);
}

static void on_packet(struct ev_io *io, unsigned events)
{
	struct hand *h = CONTAINER_OF(io, struct hand, io);
	union {
		unsigned char bytes[HAND_PACKET_MAX];
		uint64_t align;
	} packet;
	ssize_t n = 0;
	/* Bounded, so that others get their turn. */
	for (int i = 0; i < 64 && h->io.loop; i++) {
		n = recv(io->fd, packet.bytes, sizeof packet.bytes, MSG_DONTWAIT);
		if (n <= 0)
			break;
		h->answered(h->server, h, packet.bytes, (size_t)n);
	}
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		on_end(h);
}

int hand_start(struct server *s, struct hand *h, struct error *err)
{
	struct clone_args args = {.flags = CLONE_PIDFD, .pidfd = (uint64_t)(uintptr_t)&h->pidfd, .exit_signal = SIGCHLD};
	int sock[2], room = BUFFER_BYTES;
	ASSERT(!h->started);
	h->server = s;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock) < 0)
		return error_sys(err, "cannot make a socket");
	CLEANUP_CLOSE int mine = sock[0];
	CLEANUP_CLOSE int its = sock[1];
	setsockopt(mine, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
	h->pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
	if (h->pid == 0)
		run_child(s, h, its);
	if (h->pid < 0)
		return error_sys(err, "cannot start a process");
	h->io = (struct ev_io){.fd = STEAL_FD(mine), .cb = on_packet};
	h->started = true;
	h->started_ns = clock_mono_ns();
	if (ev_io_start(s->loop, &h->io, EV_READ, err) < 0) {
		hand_stop(h);
		return -1;
	}
	return 0;
}

void hand_kill(struct hand *h)
{
	if (h->started)
		syscall(SYS_pidfd_send_signal, h->pidfd, SIGKILL, NULL, 0);
}

void hand_stop(struct hand *h)
{
	ev_timer_stop(&h->again);
	if (!h->started)
		return;
	hand_kill(h);
	forget(h);
}
