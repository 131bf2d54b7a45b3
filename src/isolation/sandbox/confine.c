#include "isolation/sandbox/confine.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/spec/limits.h"

#define LAST_CAP 63

static int cap_set(const struct __user_cap_data_struct data[2], struct error *err)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	if (syscall(SYS_capset, &head, data) < 0)
		return error_sys(err, "cannot set capabilities");
	return 0;
}

/* After a change of identity the permitted set is kept, and the effective one is empty. */
static int raise_kept(struct error *err)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	if (syscall(SYS_capget, &head, data) < 0)
		return error_sys(err, "cannot read capabilities");
	for (int i = 0; i < 2; i++)
		data[i].effective = data[i].permitted;
	return cap_set(data, err);
}

int confine_identity(uid_t uid, gid_t gid, int keep_caps, struct error *err)
{
	if (keep_caps && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return error_sys(err, "cannot keep capabilities");
	/* A user namespace with one group in its map forbids setgroups; it has none to drop. */
	if ((setgroups(0, NULL) < 0 && errno != EPERM) || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return error_sys(err, "cannot become user %u", uid);
	return keep_caps ? raise_kept(err) : 0;
}

int confine_bound(struct error *err)
{
	static const unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED |
	                                  SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
	for (int cap = 0; cap <= LAST_CAP; cap++) {
		/* EINVAL: the kernel knows no more of them. */
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0) {
			if (errno == EINVAL)
				break;
			return error_sys(err, "cannot give up capability %d", cap);
		}
	}
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 || prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) < 0)
		return error_sys(err, "cannot give up capabilities");
	return 0;
}

int confine_no_rights(struct error *err)
{
	static const struct __user_cap_data_struct none[2];
	if (cap_set(none, err) < 0)
		return -1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_sys(err, "cannot forbid new privileges");
	return 0;
}

int confine_limits(struct error *err)
{
	static const struct {
		int what;
		rlim_t soft, hard;
	} rows[] = {
#define L(what, soft, hard) {what, soft, hard},
#include "isolation/sandbox/confine_limits.def"
#undef L
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rlimit now, want = {rows[i].soft, rows[i].hard};
		/* A limit that is lower already stays. */
		if (getrlimit((__rlimit_resource_t)rows[i].what, &now) < 0)
			return error_sys(err, "cannot read a resource limit");
		want.rlim_max = want.rlim_max > now.rlim_max ? now.rlim_max : want.rlim_max;
		want.rlim_cur = want.rlim_cur > want.rlim_max ? want.rlim_max : want.rlim_cur;
		if (setrlimit((__rlimit_resource_t)rows[i].what, &want) < 0)
			return error_sys(err, "cannot set a resource limit");
	}
	return 0;
}

int confine_die_with_parent(struct error *err)
{
	return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ? error_sys(err, "cannot tie a process to its parent") : 0;
}

int confine_filter(const void *bytes, size_t n, struct error *err)
{
	/* The kernel copies the program and does not write it. */
	struct sock_fprog program = {(unsigned short)(n / sizeof(struct sock_filter)), (struct sock_filter *)(uintptr_t)bytes};
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		return error_sys(err, "cannot load the system call filter");
	return 0;
}
