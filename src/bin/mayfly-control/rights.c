#include "bin/mayfly-control/rights.h"

#include <errno.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/base/check.h"

/* Never needed by an HTTP server with a database: what turns a bug in it into something worse. */
static const int denied[] = {
	SCMP_SYS(execve),       SCMP_SYS(execveat),     SCMP_SYS(ptrace),          SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev), SCMP_SYS(mount),   SCMP_SYS(umount2),         SCMP_SYS(pivot_root),
	SCMP_SYS(open_tree),    SCMP_SYS(move_mount),   SCMP_SYS(fsopen),          SCMP_SYS(fsmount),
	SCMP_SYS(chroot),       SCMP_SYS(setns),        SCMP_SYS(unshare),         SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open), SCMP_SYS(keyctl),    SCMP_SYS(add_key),         SCMP_SYS(request_key),
	SCMP_SYS(init_module),  SCMP_SYS(finit_module), SCMP_SYS(delete_module),   SCMP_SYS(kexec_load),
	SCMP_SYS(reboot),       SCMP_SYS(swapon),       SCMP_SYS(userfaultfd),     SCMP_SYS(io_uring_setup),
	SCMP_SYS(pidfd_getfd),  SCMP_SYS(setuid),       SCMP_SYS(setgid),          SCMP_SYS(setresuid),
	SCMP_SYS(setresgid),    SCMP_SYS(name_to_handle_at), SCMP_SYS(open_by_handle_at),
};

static int filter(struct error *err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	if (!ctx)
		return error_set(err, ERR_NO_MEMORY, "no memory for a seccomp filter");
	int r = 0;
	for (size_t i = 0; i < ARRAY_LEN(denied) && r == 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), denied[i], 0);
	if (r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	errno = -r;
	return r < 0 ? error_sys(err, "cannot load the seccomp filter") : 0;
}

int rights_drop(struct error *err)
{
	if (geteuid() == 0 || getuid() == 0)
		return error_set(err, ERR_USAGE, "mayfly-control never runs as root; start `mayfly server` instead");
	struct rlimit none = {0, 0};
	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return error_sys(err, "cannot turn core dumps off");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_sys(err, "cannot give up new privileges");
	return filter(err);
}
