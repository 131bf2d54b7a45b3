/* spare -> between -> leader, all in the same memory, which is the leader's alone when the other two have ended: no page
 * table is copied while somebody waits.
 *
 * The one between joins what the leader inherits. It exists because only a child is in a joined pid namespace: it is in
 * there, so when it ends, the leader becomes a child of mayfly-init, and its end a SIGCHLD there. SIGCHLD is ignored, so that
 * neither leaves anything behind. */
#include <linux/sched.h>
#include <linux/signal.h>
#include <linux/wait.h>

#include "bin/mayfly-restore/zygote.h"

#define NAMESPACES (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP)

static void leader(void *argument)
{
	struct zygote *z = argument;
	z->inside = true;
	reached(z, RESTORE_AT_CLONED);
	process_restore(z, 0);
}

static void join_groups(struct zygote *z)
{
	/* Of the v1 files, "tasks" moves who writes a 0; "cgroup.procs" would wait for a grace period of RCU. */
	for (uint32_t i = 0; i < z->request.wire.groups; i++)
		need(z, RESTORE_CGROUP, SYS(write, z->request.groups[i], "0", 1), i);
}

static void between(void *argument)
{
	struct zygote *z = argument;
	const struct image_process *p = z->processes;
	const struct image_thread *t = &z->threads[p->thread];
	int tid = (int)p->new_pid;
	/* The kernel writes the new id to where the C library keeps its own. */
	uint64_t id_flags = t->tid_address ? CLONE_CHILD_CLEARTID | (z->patch_tid ? CLONE_CHILD_SETTID : 0) : 0;
	/* Its own descriptors: a table that is shared waits for RCU when it grows. */
	struct clone_args args = {.flags = CLONE_VM | CLONE_SETTLS | id_flags, .child_tid = t->tid_address, .tls = t->fs_base,
		.exit_signal = SIGCHLD, .stack = (uint64_t)z->leader_stack, .stack_size = sizeof z->leader_stack,
		.set_tid = (uint64_t)&tid, .set_tid_size = 1};
	join_groups(z);
	need(z, RESTORE_NAMESPACES, sys_keyed(&z->key, __NR_setns, z->request.init, NAMESPACES), 1);
	reached(z, RESTORE_AT_JOINED);
	need(z, RESTORE_CLONE, sys_spawn(&z->key, &args, leader, z), 0);
	SYS(exit_group, 0);
}

void enter_sandbox(struct zygote *z)
{
	int tid = (int)z->between_tid;
	need(z, RESTORE_NAMESPACES, sys_keyed(&z->key, __NR_setns, z->request.init, CLONE_NEWPID), 0);
	struct clone_args args = {.flags = CLONE_VM | CLONE_VFORK | CLONE_FILES,
							  .exit_signal = SIGCHLD,
							  .stack = (uint64_t)z->between_stack,
							  .stack_size = sizeof z->between_stack,
							  .set_tid = (uint64_t)&tid,
							  .set_tid_size = 1};
	/* Before namespaces: cgroup2 takes nobody in by a path that his own would hide. */
	if (z->request.group2 >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)z->request.group2;
	}
	long pid = need(z, RESTORE_CLONE, sys_spawn(&z->key, &args, between, z), 1);
	/* Until nothing is left of it: else it would be left to the host's process 1, and hold up the end of the sandbox. */
	SYS(wait4, pid, 0, __WALL, 0);
}
