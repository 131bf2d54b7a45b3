#include <linux/fcntl.h>
#include <linux/futex.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/signal.h>
#include <linux/time.h>

#include "bin/mayfly-restore/zygote.h"

#define TIMERS 3 /* ITIMER_* */

uint32_t process_pid(const struct zygote *z, uint32_t old)
{
	for (uint32_t i = 0; i < z->process_count; i++) {
		if (z->processes[i].pid == old)
			return z->processes[i].new_pid;
	}
	return old;
}

/* Before there are children, who inherit it. */
static void lead(struct zygote *z, const struct image_process *p, uint32_t row)
{
	if (p->sid == p->pid)
		need(z, RESTORE_SIGNALS, SYS(setsid, 0), row);
	else if (p->pgid == p->pid)
		need(z, RESTORE_SIGNALS, SYS(setpgid, 0, 0), row);
}

static void join_group(struct zygote *z, const struct image_process *p, uint32_t row)
{
	if (p->pgid == p->pid || p->parent == IMAGE_NONE || p->pgid == z->processes[p->parent].pgid)
		return;
	/* Its leader may still be on its way. */
	const struct __kernel_timespec moment = {0, 1000000};
	long result = -1;
	for (int tries = 0; tries < 1000 && result < 0; tries++) {
		result = SYS(setpgid, 0, process_pid(z, p->pgid));
		if (result < 0)
			SYS(nanosleep, &moment, 0);
	}
	need(z, RESTORE_SIGNALS, result, row);
}

/* A copy of its parent's memory, of which nothing is kept. */
static _Noreturn void become_child(struct zygote *z, uint32_t row)
{
	const struct image_process *p = &z->processes[row];
	const struct image_thread *t = &z->threads[p->thread];
	int exe = -1;
	self_clear(z, p, z->processes[p->parent].vdso_start);
	if (p->exe != IMAGE_NONE)
		exe = (int)need(z, RESTORE_MM, SYS(openat, AT_FDCWD, z->blob + z->files[p->exe].path, O_RDONLY | O_CLOEXEC), p->exe);
	memory_describe(z, p, exe);
	if (exe >= 0)
		SYS(close, exe);
	memory_map(z, p);
	if (t->tid_address)
		SYS(set_tid_address, t->tid_address);
	process_restore(z, row);
}

static void clone_children(struct zygote *z, uint32_t row)
{
	for (uint32_t i = row + 1; i < z->process_count; i++) {
		int tid = (int)z->processes[i].new_pid;
		struct clone_args args = {.flags = CLONE_SETTLS,
								  .tls = z->threads[z->processes[i].thread].fs_base,
								  .exit_signal = SIGCHLD,
								  .set_tid = (uint64_t)&tid,
								  .set_tid_size = 1};
		if (z->processes[i].parent != row)
			continue;
		if (need(z, RESTORE_CHILDREN, sys_clone(&z->key, &args), i) == 0)
			become_child(z, i);
	}
}

static void set_signals(struct zygote *z, const struct image_process *p, uint32_t row)
{
	/* The zygote set the leader's, but for its own children. */
	for (int i = 0; i < (int)SIGNALS; i++) {
		int signal = i + 1;
		if (signal == SIGKILL || signal == SIGSTOP || (row == 0 && signal != SIGCHLD))
			continue;
		need(z, RESTORE_SIGNALS, SYS(rt_sigaction, signal, &p->actions[i], 0, sizeof(uint64_t)), (uint32_t)i);
	}
	for (int i = 0; i < TIMERS; i++) {
		if (p->timers[i].value_s || p->timers[i].value_us)
			need(z, RESTORE_SIGNALS, SYS(setitimer, i, &p->timers[i], 0), SIGNALS + (uint32_t)i);
	}
}

/* Descriptors that all processes share exist before there are children; each then keeps its own. */
static void start_tree(struct zygote *z)
{
	if (z->process_count == 1)
		return;
	z->tree = (struct tree *)need(z, RESTORE_CHILDREN, SYS(mmap, TREE_BASE, IMAGE_PAGE, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0), 0);
}

_Noreturn void process_restore(struct zygote *z, uint32_t row)
{
	const struct image_process *p = &z->processes[row];
	SYS(umask, p->umask);
	if (row == 0) {
		identity_give_up(z);
		reached(z, RESTORE_AT_IDENTITY);
		start_tree(z);
		objects_build(z);
		reached(z, RESTORE_AT_OBJECTS);
	}
	if (p->dumpable != z->processes[0].dumpable)
		SYS(prctl, PR_SET_DUMPABLE, p->dumpable == 1, 0, 0, 0);
	memory_late(z, p);
	lead(z, p, row);
	clone_children(z, row);
	objects_build_late(z);
	if (row == 0)
		lesson_give(z);
	fds_place(z, p);
	need(z, RESTORE_SIGNALS, SYS(chdir, z->blob + p->cwd), row);
	limits_apply(z, p);
	join_group(z, p, row);
	set_signals(z, p, row);
	if (p->personality)
		SYS(personality, p->personality);
	if (p->subreaper)
		need(z, RESTORE_SIGNALS, SYS(prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), row);
	reached(z, RESTORE_AT_PLACED);
	threads_run(z, p);
}
