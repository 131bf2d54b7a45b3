#include <linux/prctl.h>
#include <signal.h>
#include <sys/socket.h>

#include "bin/mayfly-restore/zygote.h"

#define LEAST_BETWEEN_TID 30000u
#define MOST_FDS (4 + RESTORE_MAX_GROUPS + RESTORE_MAX_CONNECTIONS)

union fds_room {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int) * MOST_FDS)];
};

static uint32_t fds_of(const struct msghdr *msg, int *fds)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return 0;
	uint32_t n = (uint32_t)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	memcpy(fds, CMSG_DATA(c), n * sizeof(int));
	return n;
}

static bool fits(const struct restore_request *r, const struct image_head *head, uint32_t fds)
{
	return r->groups <= RESTORE_MAX_GROUPS && r->cgroup2 <= 1 && r->connections <= RESTORE_MAX_CONNECTIONS &&
	       r->connections == head->connections && fds == 3 + r->cgroup2 + r->groups + r->connections;
}

/* In the order of restore_wire.h. */
static void spread(struct request *r, const int *fds)
{
	r->reply = *fds++;
	r->init = *fds++;
	r->log = *fds++;
	r->group2 = r->wire.cgroup2 ? *fds++ : -1;
	for (uint32_t i = 0; i < r->wire.groups; i++)
		r->groups[i] = *fds++;
	for (uint32_t i = 0; i < r->wire.connections; i++)
		r->connections[i] = *fds++;
}

/* The kernel writes the leader's new id where the C library keeps it; elsewhere that word is not an id. */
static void find_tids(struct zygote *z)
{
	const struct image_process *p = z->processes;
	const uint32_t *cached = (const uint32_t *)(uintptr_t)z->threads[p->thread].tid_address;
	z->patch_tid = cached && *cached == p->pid && p->new_pid != p->pid;
	z->between_tid = LEAST_BETWEEN_TID;
	for (uint32_t i = 0; i < z->thread_count; i++) {
		if (z->threads[i].tid == z->between_tid || p->new_pid == z->between_tid) {
			z->between_tid++;
			i = ~0u;
		}
	}
}

static void be_quiet(struct zygote *z)
{
	/* Functions' handlers are set, for the restored to inherit: none may ever run in here. */
	uint64_t all = ALL_SIGNALS;
	SYS(rt_sigprocmask, SIG_SETMASK, &all, 0, sizeof all);
	SYS(prctl, PR_SET_NAME, "mayfly-restore", 0, 0, 0);
	for (int i = 0; i < (int)SIGNALS; i++) {
		/* Ended children of ours vanish by themselves. */
		static const uint64_t ignored[4] = {1};
		const void *action = i + 1 == SIGNAL_CHILD ? (const void *)ignored : &z->processes[0].actions[i];
		if (i + 1 != SIGKILL && i + 1 != SIGSTOP)
			need(z, RESTORE_SIGNALS, SYS(rt_sigaction, i + 1, action, 0, sizeof(uint64_t)), (uint32_t)i);
	}
}

void request_prepare(struct zygote *z)
{
	find_tids(z);
	be_quiet(z);
}

static void serve(struct zygote *z, const int *fds, uint32_t count)
{
	struct request *r = &z->request;
	r->reply = fds[0];
	/* From here on the zygote makes the next spare. */
	SYS(close, z->taken);
	if (!fits(&r->wire, z->head, count))
		fail(z, RESTORE_REQUEST, -22, count);
	spread(r, fds);
	enter_sandbox(z);
}

_Noreturn void request_serve(struct zygote *z)
{
	union fds_room room;
	int fds[MOST_FDS];
	struct iovec data = {&z->request.wire, sizeof z->request.wire};
	struct msghdr msg = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = room.bytes, .msg_controllen = sizeof room.bytes};
	long n = SYS(recvmsg, z->socket, &msg, MSG_CMSG_CLOEXEC);
	z->request.arrived_ns = sys_now_ns();
	uint32_t count = n > 0 ? fds_of(&msg, fds) : 0;
	if (n == (long)sizeof z->request.wire && count)
		serve(z, fds, count);
	SYS(exit_group, 0);
	__builtin_unreachable();
}
