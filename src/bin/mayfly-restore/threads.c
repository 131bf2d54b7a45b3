#include <asm/prctl.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <linux/time.h>

#include "bin/mayfly-restore/zygote.h"

#define THREAD_FLAGS (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS)
#define NICE_0 20u
#define WAIT_S 10

/* Waits until *word is `value`. Shared: between processes. */
static void wait_for(struct zygote *z, uint32_t *word, uint32_t value, bool shared)
{
	const struct __kernel_timespec limit = {WAIT_S, 0};
	for (;;) {
		uint32_t now = __atomic_load_n(word, __ATOMIC_ACQUIRE);
		if (now == value)
			return;
		long result = SYS(futex, word, shared ? FUTEX_WAIT : FUTEX_WAIT_PRIVATE, now, &limit);
		if (result == -110)
			fail(z, RESTORE_THREADS, result, now);
	}
}

static void wake_all(uint32_t *word, bool shared)
{
	SYS(futex, word, shared ? FUTEX_WAKE : FUTEX_WAKE_PRIVATE, INT32_MAX);
}

static _Noreturn void become(uint64_t frame)
{
	__asm__ volatile("mov %0, %%rsp\n\t"
			 "syscall\n\t"
			 "ud2"
			 :
			 : "r"(frame), "a"(__NR_rt_sigreturn)
			 : "memory");
	__builtin_unreachable();
}

static bool same_name(const char *a, const char *b)
{
	return memcmp(a, b, sizeof((struct image_thread *)0)->name) == 0;
}

static void set_death_signal(struct zygote *z, const struct image_thread *t, uint32_t row)
{
	/* Until the one between is gone, init is not our parent. */
	for (int tries = 0; row == 0 && tries < 10000 && SYS(getppid, 0) != 1; tries++)
		SYS(sched_yield, 0);
	need(z, RESTORE_THREADS, SYS(prctl, PR_SET_PDEATHSIG, t->death_signal, 0, 0, 0), row);
}

/* What a thread can only do for itself. */
static void set_up(struct zygote *z, uint32_t row, bool needs_name)
{
	const struct image_thread *t = &z->threads[row];
	if (t->robust)
		need(z, RESTORE_THREADS, SYS(set_robust_list, t->robust, t->robust_bytes), row);
	if (t->rseq)
		need(z, RESTORE_THREADS, SYS(rseq, t->rseq, t->rseq_bytes, 0, t->rseq_signature), row);
	if (t->gs_base)
		need(z, RESTORE_THREADS, SYS(arch_prctl, ARCH_SET_GS, t->gs_base), row);
	if (needs_name)
		SYS(prctl, PR_SET_NAME, t->name, 0, 0, 0);
	/* Processors may be others now. */
	for (size_t i = 0; i < sizeof t->affinity / sizeof *t->affinity; i++) {
		if (t->affinity[i]) {
			SYS(sched_setaffinity, 0, sizeof t->affinity, t->affinity);
			break;
		}
	}
	if (t->priority != NICE_0)
		SYS(setpriority, 0, 0, (int)t->priority - (int)NICE_0);
	if (t->death_signal)
		set_death_signal(z, t, row);
	identity_nothing(z);
}

/* On the new thread's little stack: where it finds its row. */
struct entry {
	struct zygote *z;
	uint32_t row;
	bool needs_name;
};

static void thread(void *argument)
{
	struct entry *e = argument;
	struct zygote *z = e->z;
	set_up(z, e->row, e->needs_name);
	wait_for(z, &z->go, 1, false);
	become(z->frames[e->row]);
}

static void spawn(struct zygote *z, const struct image_process *p, uint32_t row)
{
	const struct image_thread *t = &z->threads[row];
	int tid = (int)t->tid;
	unsigned char *stack = z->thread_stacks + (uint64_t)row * THREAD_STACK;
	struct entry *e = (struct entry *)(stack + THREAD_STACK - 64);
	*e = (struct entry){z, row, !same_name(t->name, z->threads[p->thread].name)};
	struct clone_args args = {.flags = THREAD_FLAGS | (t->tid_address ? CLONE_CHILD_CLEARTID : 0),
							  .child_tid = t->tid_address,
							  .tls = t->fs_base,
							  .stack = (uint64_t)stack,
							  .stack_size = THREAD_STACK - 64,
							  .set_tid = (uint64_t)&tid,
							  .set_tid_size = 1};
	need(z, RESTORE_THREADS, sys_spawn(&z->key, &args, thread, e), row);
}

/* All processes leave together. */
static void wait_for_tree(struct zygote *z, bool leader)
{
	uint32_t others = z->process_count - 1;
	if (!z->tree)
		return;
	if (leader) {
		wait_for(z, &z->tree->ready, others, true);
		return;
	}
	if (__atomic_add_fetch(&z->tree->ready, 1, __ATOMIC_ACQ_REL) == others)
		wake_all(&z->tree->ready, true);
	wait_for(z, &z->tree->go, 1, true);
}

static void say_done(struct zygote *z)
{
	struct restore_reply done = {.step = RESTORE_STEPS, .ns = sys_now_ns() - z->request.arrived_ns};
	memcpy(done.at_us, z->request.at_us, sizeof done.at_us);
	reply_send(z, &done);
	if (!z->tree)
		return;
	__atomic_store_n(&z->tree->go, 1, __ATOMIC_RELEASE);
	wake_all(&z->tree->go, true);
}

/* Nothing of the function runs before the spare is gone, which has more rights and the same memory. Each thread gives up its
 * own rights before it is the function; they are not waited for: a machine that is busy runs them when it can. */
_Noreturn void threads_run(struct zygote *z, const struct image_process *p)
{
	bool leader = p == z->processes;
	z->go = 0;
	SYS(prctl, PR_SET_NAME, z->threads[p->thread].name, 0, 0, 0);
	for (uint32_t i = 1; i < p->thread_count; i++)
		spawn(z, p, p->thread + i);
	z->key = (struct sys_key){{0, 0}};
	set_up(z, p->thread, false);
	if (leader)
		wait_for(z, &z->spare, 0, true);
	reached(z, RESTORE_AT_THREADS);
	wait_for_tree(z, leader);
	if (leader)
		say_done(z);
	SYS(close, z->request.reply);
	if (p->thread_count > 1) {
		__atomic_store_n(&z->go, 1, __ATOMIC_RELEASE);
		wake_all(&z->go, false);
	}
	become(z->frames[p->thread]);
}
