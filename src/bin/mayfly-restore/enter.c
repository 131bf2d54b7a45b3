/* zygote -> helper -> between -> leader. The helper and the one between share our memory and descriptors and live for a
 * fraction of a millisecond, while we wait (vfork); the leader is a copy of the zygote's memory.
 *
 * The helper joins what the leader inherits. The one between exists because only a child is in a joined pid namespace: it is
 * in there, so when it ends, the leader becomes a child of mayfly-init, and its end a SIGCHLD there. Neither is waited for:
 * SIGCHLD is ignored, so they leave nothing behind. */
#include <linux/sched.h>
#include <linux/signal.h>

#include "bin/mayfly-restore/zygote.h"

#define NAMESPACES (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP)
#define BORROW (CLONE_VM | CLONE_VFORK | CLONE_FILES)

static void between(void *argument)
{
	struct zygote *z = argument;
	const struct image_process *p = z->processes;
	const struct image_thread *t = &z->threads[p->thread];
	int tid = (int)p->new_pid;
	/* The kernel writes the new id to where the C library keeps its own. */
	uint64_t id_flags = t->tid_address ? CLONE_CHILD_CLEARTID | (z->patch_tid ? CLONE_CHILD_SETTID : 0) : 0;
	struct clone_args args = {.flags = CLONE_SETTLS | id_flags, .child_tid = t->tid_address, .tls = t->fs_base,
		.exit_signal = SIGCHLD, .set_tid = (uint64_t)&tid, .set_tid_size = 1};
	long pid = sys_clone(&z->key, &args);
	if (pid == 0) {
		z->inside = true;
		reached(z, RESTORE_AT_CLONED);
		process_restore(z, 0);
	}
	need(z, RESTORE_CLONE, pid, 0);
	SYS(exit_group, 0);
}

static void join_groups(struct zygote *z)
{
	/* Of the v1 files, "tasks" moves who writes a 0; "cgroup.procs" would wait for a grace period of RCU. */
	for (uint32_t i = 0; i < z->request.wire.groups; i++)
		need(z, RESTORE_CGROUP, SYS(write, z->request.groups[i], "0", 1), i);
}

static void helper(void *argument)
{
	struct zygote *z = argument;
	int tid = (int)z->between_tid;
	join_groups(z);
	need(z, RESTORE_NAMESPACES, sys_keyed(&z->key, __NR_setns, z->request.init, NAMESPACES), 0);
	reached(z, RESTORE_AT_JOINED);
	struct clone_args args = {.flags = BORROW, .exit_signal = SIGCHLD, .stack = (uint64_t)z->between_stack,
		.stack_size = sizeof z->between_stack, .set_tid = (uint64_t)&tid, .set_tid_size = 1};
	need(z, RESTORE_CLONE, sys_spawn(&z->key, &args, between, z), 1);
	SYS(exit_group, 0);
}

void enter_sandbox(struct zygote *z)
{
	struct clone_args args = {.flags = BORROW, .exit_signal = SIGCHLD, .stack = (uint64_t)z->helper_stack,
		.stack_size = sizeof z->helper_stack};
	if (z->request.group2 >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)z->request.group2;
	}
	long pid = sys_spawn(&z->key, &args, helper, z);
	if (pid < 0) {
		struct restore_reply why = {.failed = 1, .step = RESTORE_CGROUP, .sys = (int32_t)-pid, .detail = RESTORE_MAX_GROUPS};
		reply_send(z, &why);
	}
}
