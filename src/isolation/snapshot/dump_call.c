/* System calls made by a stopped thread: its registers are replaced, it takes one step over a syscall instruction, and is
 * stopped again. What a process alone can ask about itself is read in this way. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/clock.h"
#include "isolation/snapshot/dump_priv.h"

#define STEP_LIMIT_NS (5 * NS_PER_S)
#define SCRATCH_BYTES 256u
#define MAX_VDSO 65536u

int dump_wait(pid_t tid, int *status, uint64_t limit_ns)
{
	/* Whoever ignores SIGCHLD does not get it: then this is a slow poll. */
	const struct timespec step = {.tv_nsec = 2000000};
	uint64_t start = clock_mono_ns();
	sigset_t child;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	for (;;) {
		pid_t rc = waitpid(tid, status, __WALL | WNOHANG);
		if (rc == tid)
			return 0;
		if (rc < 0 && errno != EINTR)
			return -1;
		if (clock_mono_ns() - start > limit_ns) {
			errno = ETIMEDOUT;
			return -1;
		}
		sigtimedwait(&child, NULL, &step);
	}
}

int dump_peek(const struct dump_process *p, uint64_t address, void *dst, size_t n)
{
	return pread(p->mem, dst, n, (off_t)address) == (ssize_t)n ? 0 : -1;
}

int dump_poke(const struct dump_process *p, uint64_t address, const void *src, size_t n)
{
	return pwrite(p->mem, src, n, (off_t)address) == (ssize_t)n ? 0 : -1;
}

/* The vdso falls back to real calls, so it has the instruction; two bytes within another one do as well. */
static uint64_t find_syscall(const struct dump_process *p)
{
	uint8_t code[4096];
	uint64_t end = p->row.vdso_end;
	for (uint64_t at = p->row.vdso_start; at < end && at - p->row.vdso_start < MAX_VDSO; at += sizeof code) {
		if (dump_peek(p, at, code, sizeof code) < 0)
			break;
		for (size_t i = 0; i + 1 < sizeof code; i++) {
			if (code[i] == 0x0f && code[i + 1] == 0x05)
				return at + i;
		}
	}
	return 0;
}

int dump_call_prepare(struct dump_process *p, const struct image_vma *vmas, uint32_t n, struct error *err)
{
	const unsigned write = 2;
	p->call_at = find_syscall(p);
	if (!p->call_at)
		return dump_unsupported(p, err, "has no vdso");
	for (uint32_t i = 0; i < n; i++) {
		const struct image_vma *v = &vmas[i];
		bool fits = (v->protection & write) && !(v->flags & (VMA_SHARED | VMA_DROPPABLE | VMA_WIPE_ON_FORK));
		/* The end of the first stack is there in every program, and used. */
		if (fits && (v->kind == VMA_STACK || (v->kind == VMA_ANON && !p->scratch)))
			p->scratch = v->end - 2 * SCRATCH_BYTES;
	}
	return p->scratch ? 0 : dump_unsupported(p, err, "has no memory that can be written");
}

int dump_call(struct dump_process *p, struct dump_thread *t, long number, const uint64_t args[4], long *result, struct error *err)
{
	int status;
	struct user_regs_struct regs = t->regs;
	regs.rip = p->call_at;
	regs.rax = (uint64_t)number;
	regs.orig_rax = (uint64_t)-1; /* so that the call that was interrupted is not begun again */
	regs.rdi = args[0];
	regs.rsi = args[1];
	regs.rdx = args[2];
	regs.r10 = args[3];
	t->moved = true;
	if (ptrace(PTRACE_SETREGS, t->tid, NULL, &regs) < 0 || ptrace(PTRACE_SINGLESTEP, t->tid, NULL, NULL) < 0)
		return error_sys(err, "cannot make thread %d call", t->tid);
	if (dump_wait(t->tid, &status, STEP_LIMIT_NS) < 0)
		return errno != ETIMEDOUT ? error_sys(err, "cannot make thread %d call", t->tid)
					  : error_set(err, ERR_TIMEOUT, "process %u (%s) does not run; is its control group frozen?",
						    p->inner, p->name);
	if (!WIFSTOPPED(status))
		return error_set(err, ERR_CLOSED, "process %u (%s) ended while it was looked at", p->inner, p->name);
	if (WSTOPSIG(status) != SIGTRAP || status >> 16) {
		t->deliver = status >> 16 ? 0 : WSTOPSIG(status);
		return dump_busy(p, err, "was interrupted while it was looked at");
	}
	errno = 0;
	*result = ptrace(PTRACE_PEEKUSER, t->tid, (void *)offsetof(struct user_regs_struct, rax), NULL);
	return 0;
}

int dump_call_done(struct dump_thread *t, struct error *err)
{
	if (!t->moved)
		return 0;
	t->moved = false;
	return ptrace(PTRACE_SETREGS, t->tid, NULL, &t->regs) < 0 ? error_sys(err, "cannot restore thread %d", t->tid) : 0;
}

int dump_call_read(struct dump_process *p, struct dump_thread *t, long number, uint64_t args[4], int where, void *dst, size_t n,
	struct error *err)
{
	uint8_t saved[SCRATCH_BYTES];
	long result;
	ASSERT(n <= sizeof saved);
	args[where] = p->scratch;
	if (dump_peek(p, p->scratch, saved, n) < 0)
		return error_sys(err, "cannot read the memory of process %u", p->inner);
	int rc = dump_call(p, t, number, args, &result, err);
	int read = dump_peek(p, p->scratch, dst, n);
	if (dump_poke(p, p->scratch, saved, n) < 0 || read < 0)
		return rc < 0 ? -1 : error_sys(err, "cannot use the memory of process %u", p->inner);
	if (rc < 0)
		return -1;
	errno = (int)-result;
	return result < 0 ? error_sys(err, "call %ld in process %u", number, p->inner) : 0;
}
