#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <linux/signal.h>

#include "bin/mayfly-restore/zygote.h"
#include "isolation/sandbox/filter.h"

#define BIT(cap) (1ull << (cap))

/* Of the zygote, on the host. */
#define KEPT \
	(BIT(CAP_SYS_ADMIN)    /* setns into the sandbox's namespaces; PR_SET_MM_MAP with another program */ \
	 | BIT(CAP_SYS_CHROOT) /* setns into a mount namespace */ \
	 | BIT(CAP_SYS_PTRACE) /* setns by a pidfd of mayfly-init, which cannot be traced */)

/* Of a restored process while it makes threads, in the sandbox's user namespace only. */
#define WHILE_RESTORING BIT(CAP_CHECKPOINT_RESTORE) /* set_tid; PR_SET_MM_MAP with another program */

static long keep(uint64_t caps)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	uint32_t low = (uint32_t)caps, high = (uint32_t)(caps >> 32);
	struct __user_cap_data_struct data[2] = {{low, low, 0}, {high, high, 0}};
	return SYS(capset, &head, data);
}

void identity_of_zygote(struct zygote *z)
{
	while (SYS(prctl, PR_CAPBSET_READ, z->last_cap + 1, 0, 0, 0) >= 0)
		z->last_cap++;
	SYS(prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
	need(z, RESTORE_TABLES, SYS(setgroups, 0, 0), 1);
	need(z, RESTORE_TABLES, SYS(prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 2);
	need(z, RESTORE_TABLES, keep(KEPT), 3);
	need(z, RESTORE_TABLES, SYS(prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0), 4);
}

/* Joining the user namespace gave us every right in it, and none elsewhere. As confine.c does for a plain start, but at once
 * for all threads and children, who inherit it. */
void identity_give_up(struct zygote *z)
{
	static const long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED |
	                         SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
	uint32_t uid = z->request.wire.uid, gid = z->request.wire.gid;
	for (uint32_t cap = 0; cap <= z->last_cap; cap++)
		need(z, RESTORE_IDENTITY, SYS(prctl, PR_CAPBSET_DROP, cap, 0, 0, 0), cap);
	need(z, RESTORE_IDENTITY, SYS(prctl, PR_SET_SECUREBITS, bits, 0, 0, 0), 100);
	need(z, RESTORE_IDENTITY, SYS(setresgid, gid, gid, gid), 101);
	need(z, RESTORE_IDENTITY, SYS(setresuid, uid, uid, uid), 102);
	need(z, RESTORE_IDENTITY, keep(WHILE_RESTORING), 103);
	/* The change of identity closed /proc/self to its owner. */
	need(z, RESTORE_IDENTITY, SYS(prctl, PR_SET_DUMPABLE, z->processes[0].dumpable == 1, 0, 0, 0), 104);
}

void identity_nothing(struct zygote *z)
{
	need(z, RESTORE_IDENTITY, keep(0), 105);
}

void identity_filter(struct zygote *z)
{
	size_t bytes;
	const void *filter = filter_program(&bytes);
	struct sock_fprog program = {(unsigned short)(bytes / sizeof(struct sock_filter)), (struct sock_filter *)(uintptr_t)filter};
	long result = SYS(seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
	/* A thread that could not be changed is answered by its id. */
	need(z, RESTORE_FILTER, result > 0 ? -3 : result, (uint32_t)(result > 0 ? result : 0));
}
