/* What belongs to a thread: registers, extended state, and what the kernel knows of it. */
#include <elf.h>
#include <errno.h>
#include <linux/prctl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "isolation/snapshot/dump_priv.h"

#define USER_CS 0x33 /* 64-bit code */

#ifndef PTRACE_GET_RSEQ_CONFIGURATION
#define PTRACE_GET_RSEQ_CONFIGURATION 0x420f
#endif

struct rseq_configuration {
	uint64_t pointer;
	uint32_t size, signature, flags, pad;
};

/* struct rseq's cs, and what it points to: linux/rseq.h. */
#define RSEQ_CS_OFFSET 8
struct critical_section {
	uint32_t version, flags;
	uint64_t start, length, abort;
};

/* Results that the kernel itself turns into a restart. */
enum { RESTART_SYS = 512, RESTART_NO_INTERRUPT = 513, RESTART_NO_HANDLER = 514, RESTART_BLOCK = 516 };

/* Calls that say EINTR after any stop. They waited and had done nothing, or they would have said how much. */
static const uint64_t plain_waits[] = {SYS_epoll_wait, SYS_epoll_pwait, 441 /* epoll_pwait2 */, SYS_rt_sigtimedwait, SYS_semop,
	SYS_semtimedop, SYS_io_getevents, 333 /* io_pgetevents */, 449 /* futex_waitv */, SYS_read, SYS_readv, SYS_recvfrom, SYS_recvmsg,
	SYS_recvmmsg, SYS_accept, SYS_accept4, SYS_write, SYS_writev, SYS_sendto, SYS_sendmsg, SYS_poll, SYS_ppoll, SYS_select,
	SYS_pselect6, SYS_nanosleep, SYS_clock_nanosleep, SYS_futex, SYS_msgrcv, SYS_msgsnd, SYS_pause, SYS_wait4, SYS_waitid,
	SYS_flock, SYS_mq_timedreceive, SYS_mq_timedsend};

static bool begins_again(uint64_t call, int64_t result)
{
	if (result == -RESTART_SYS || result == -RESTART_NO_INTERRUPT || result == -RESTART_NO_HANDLER || result == -RESTART_BLOCK)
		return true;
	for (size_t i = 0; result == -EINTR && i < ARRAY_LEN(plain_waits); i++) {
		if (plain_waits[i] == call)
			return true;
	}
	return false;
}

/* A restored thread makes the call anew that the stop interrupted; waits with a relative limit begin from its start. */
static void begin_again(struct user_regs_struct *r)
{
	if ((int64_t)r->orig_rax < 0 || !begins_again(r->orig_rax, (int64_t)r->rax))
		return;
	r->rax = r->orig_rax;
	r->rip -= 2;
	r->orig_rax = (uint64_t)-1;
}

static void save_registers(struct dump_thread *t, struct image_thread *row)
{
	struct user_regs_struct r = t->regs;
	begin_again(&r);
	*row = (struct image_thread){.r15 = r.r15, .r14 = r.r14, .r13 = r.r13, .r12 = r.r12, .bp = r.rbp, .bx = r.rbx, .r11 = r.r11,
		.r10 = r.r10, .r9 = r.r9, .r8 = r.r8, .ax = r.rax, .cx = r.rcx, .dx = r.rdx, .si = r.rsi, .di = r.rdi, .ip = r.rip,
		.flags = r.eflags, .sp = r.rsp, .fs_base = r.fs_base, .gs_base = r.gs_base};
	/* The kernel sees to the others when the tree goes on. This one the function would see. */
	if ((int64_t)t->regs.rax == -EINTR) {
		t->moved = r.rip != t->regs.rip;
		t->regs = r;
	}
}

static int read_registers(struct dump_process *p, struct dump_thread *t, struct error *err)
{
	struct iovec io = {&t->regs, sizeof t->regs};
	if (ptrace(PTRACE_GETREGSET, t->tid, (void *)NT_PRSTATUS, &io) < 0)
		return error_sys(err, "cannot read the registers of thread %d", t->tid);
	if (io.iov_len != sizeof t->regs || t->regs.cs != USER_CS)
		return dump_unsupported(p, err, "executes 32-bit code");
	return 0;
}

static int save_xstate(struct dump *d, const struct dump_thread *t, struct image_thread *row, struct error *err)
{
	unsigned char state[IMAGE_MAX_XSTATE] __attribute__((aligned(64)));
	struct iovec io = {state, sizeof state};
	if (ptrace(PTRACE_GETREGSET, t->tid, (void *)NT_X86_XSTATE, &io) < 0)
		return error_sys(err, "cannot read the extended state of thread %d", t->tid);
	int64_t at = image_add_bytes(&d->image, state, io.iov_len, 64, err);
	row->xstate = (uint32_t)at;
	row->xstate_bytes = (uint32_t)io.iov_len;
	return at < 0 ? -1 : 0;
}

/* The kernel makes a thread that lost its CPU within a critical section leave it; a restored one has lost its CPU. */
static void leave_critical_section(const struct dump_process *p, struct image_thread *row)
{
	uint64_t at;
	struct critical_section cs;
	if (dump_peek(p, row->rseq + RSEQ_CS_OFFSET, &at, sizeof at) == 0 && at && dump_peek(p, at, &cs, sizeof cs) == 0 &&
	    row->ip - cs.start < cs.length)
		row->ip = cs.abort;
}

static int save_rseq(const struct dump_process *p, const struct dump_thread *t, struct image_thread *row, struct error *err)
{
	struct rseq_configuration rseq = {0};
	long rc = ptrace(PTRACE_GET_RSEQ_CONFIGURATION, t->tid, (void *)sizeof rseq, &rseq);
	if (rc < 0 && errno == EIO)
		return 0; /* a kernel without */
	if (rc < 0)
		return error_sys(err, "cannot read the restartable sequences of thread %d", t->tid);
	row->rseq = rseq.pointer;
	row->rseq_bytes = rseq.size;
	row->rseq_signature = rseq.signature;
	if (row->rseq)
		leave_critical_section(p, row);
	return 0;
}

static int save_name(const struct dump_process *p, const struct dump_thread *t, struct image_thread *row, struct error *err)
{
	char path[64];
	snprintf(path, sizeof path, "task/%d/comm", t->tid);
	CLEANUP_FREE char *name = dump_read(p->proc, path, 256, err);
	if (!name)
		return -1;
	snprintf(row->name, sizeof row->name, "%.*s", (int)strcspn(name, "\n"), name);
	return 0;
}

static int save_status(struct dump_process *p, struct dump_thread *t, struct image_thread *row, struct error *err)
{
	char path[64];
	uint32_t levels;
	snprintf(path, sizeof path, "task/%d/status", t->tid);
	CLEANUP_FREE char *status = dump_read(p->proc, path, DUMP_MAX_STATUS, err);
	if (!status)
		return -1;
	if (dump_number(status, "SigPnd", 16) || dump_number(status, "ShdPnd", 16))
		return dump_busy(p, err, "has a signal that waits to be delivered");
	row->tid = t->inner = dump_last_number(status, "NSpid", &levels);
	return save_name(p, t, row, err);
}

/* What another process may ask. */
static int save_scheduling(const struct dump *d, const struct dump_thread *t, struct image_thread *row, struct error *err)
{
	cpu_set_t common, own;
	void *robust;
	size_t bytes;
	_Static_assert(sizeof own == sizeof row->affinity, "as many CPUs as the C library's sets");
	CPU_ZERO(&common);
	CPU_ZERO(&own);
	errno = 0;
	int nice = getpriority(PRIO_PROCESS, (id_t)t->tid);
	if (errno || sched_getaffinity(d->request->init_pid, sizeof common, &common) < 0 || sched_getaffinity(t->tid, sizeof own, &own) < 0 ||
	    syscall(SYS_get_robust_list, t->tid, &robust, &bytes) < 0)
		return error_sys(err, "cannot ask about thread %d", t->tid);
	row->priority = (uint32_t)(nice + 20);
	row->robust = (uint64_t)(uintptr_t)robust;
	row->robust_bytes = robust ? bytes : 0;
	if (memcmp(&common, &own, sizeof own) != 0)
		memcpy(row->affinity, &own, sizeof own);
	return 0;
}

/* What only the thread itself may ask. */
static int save_own(struct dump_process *p, struct dump_thread *t, struct image_thread *row, struct error *err)
{
	stack_t stack;
	int signal;
	uint64_t args[3][4] = {{PR_GET_TID_ADDRESS}, {0}, {PR_GET_PDEATHSIG}};
	if (dump_call_read(p, t, SYS_prctl, args[0], 1, &row->tid_address, sizeof row->tid_address, err) < 0 ||
	    dump_call_read(p, t, SYS_sigaltstack, args[1], 1, &stack, sizeof stack, err) < 0 ||
	    dump_call_read(p, t, SYS_prctl, args[2], 1, &signal, sizeof signal, err) < 0)
		return -1;
	row->altstack = (uint64_t)(uintptr_t)stack.ss_sp;
	row->altstack_bytes = stack.ss_size;
	row->altstack_flags = (uint32_t)stack.ss_flags;
	row->death_signal = (uint32_t)signal;
	return dump_call_done(t, err);
}

static int save_thread(struct dump *d, struct dump_process *p, struct dump_thread *t, struct error *err)
{
	struct image_thread row;
	if (read_registers(p, t, err) < 0)
		return -1;
	save_registers(t, &row);
	if (ptrace(PTRACE_GETSIGMASK, t->tid, (void *)sizeof row.sigmask, &row.sigmask) < 0)
		return error_sys(err, "cannot read the signal mask of thread %d", t->tid);
	if (save_xstate(d, t, &row, err) < 0 || save_rseq(p, t, &row, err) < 0 || save_status(p, t, &row, err) < 0 ||
	    save_scheduling(d, t, &row, err) < 0 || save_own(p, t, &row, err) < 0)
		return -1;
	return image_add(&d->image, IMAGE_THREADS, &row, err) < 0 ? -1 : 0;
}

int dump_threads(struct dump *d, uint32_t process, struct error *err)
{
	struct dump_process *p = &d->processes[process];
	const struct image_vma *vmas = image_built_row(&d->image, IMAGE_VMAS, p->row.vma);
	if (dump_call_prepare(p, vmas, p->row.vma_count, err) < 0)
		return -1;
	p->row.thread = image_built_count(&d->image, IMAGE_THREADS);
	p->row.thread_count = p->thread_count;
	for (uint32_t i = 0; i < p->thread_count; i++) {
		if (save_thread(d, p, &p->threads[i], err) < 0)
			return -1;
	}
	return 0;
}
