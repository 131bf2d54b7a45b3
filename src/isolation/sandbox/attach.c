/* Step two of sandbox.h: what makes an empty sandbox one function's environment. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "isolation/sandbox/mnt.h"
#include "isolation/sandbox/net.h"
#include "isolation/sandbox/sandbox.h"

#define CODE_ATTR (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
#define MB 1048576ull

static int set_limits(const struct sandbox_base *base, const struct sandbox_attach *a, struct error *err)
{
	if (a->limited)
		return 0;
	/* A tmpfs is charged to whom touches it: the function's memory stays its own by raising the limit. */
	uint64_t tmp_mb = base->tmp.kind == TMP_BTRFS ? 0 : a->ephemeral_mb;
	struct cgroup_limits limits = {
		.memory_bytes = (a->memory_mb + tmp_mb) * MB, .memory_mb_for_cpu = a->memory_mb};
	return cgroup_limit(&base->cgroup, a->slot, &limits, err);
}

/* Layers above each other, the last one on top. Made while in the mount namespace that the folders belong to. */
static int open_layers(const struct sandbox_attach *a, struct error *err)
{
	char lower[64 * LIMIT_LAYERS] = "lowerdir=";
	if (a->layers == 1)
		return mnt_clone(a->layer_fds[0], "", CODE_ATTR, 0, err);
	for (unsigned i = a->layers; i-- > 0;) {
		size_t n = strlen(lower);
		snprintf(lower + n, sizeof lower - n, "/proc/self/fd/%d%s", a->layer_fds[i], i ? ":" : "");
	}
	const char *const options[] = {lower, NULL};
	return mnt_new("overlay", options, CODE_ATTR, err);
}

/* Folders that control opened can be taken only from within its mount namespace. */
static int open_code(const struct sandbox_attach *a, int *code, int *opt, struct error *err)
{
	if (setns(a->control_pidfd, CLONE_NEWNS) < 0)
		return error_sys(err, "cannot join control's mount namespace");
	CLEANUP_CLOSE int c = mnt_clone(a->code_fd, "", CODE_ATTR, 0, err);
	if (c < 0)
		return error_wrap(err, "the code folder");
	CLEANUP_CLOSE int o = a->layers ? open_layers(a, err) : -1;
	if (a->layers && o < 0)
		return error_wrap(err, "the layers");
	*code = STEAL_FD(c);
	*opt = STEAL_FD(o);
	return 0;
}

static int mount_code(int code, int opt, struct error *err)
{
	if (mnt_attach(code, "/var/task", err) < 0)
		return -1;
	return opt < 0 ? 0 : mnt_attach(opt, "/opt", err);
}

/* Nothing to do where the pool did it, and the size is the usual one. */
static int open_tmp(const struct sandbox_base *base, const struct sandbox_attach *a, int *tmp, struct error *err)
{
	if (a->tmp)
		return a->ephemeral_mb == LIMIT_EPHEMERAL_MIN_MB ? 0 : tmp_resize(&base->tmp, a->slot, a->ephemeral_mb, err);
	*tmp = tmp_open(&base->tmp, a->slot, a->ephemeral_mb, base->uid_base + a->slot, err);
	return *tmp < 0 ? -1 : 0;
}

int sandbox_attach(const struct sandbox_base *base, const struct sandbox_attach *a, struct error *err)
{
	CLEANUP_CLOSE int code = -1;
	CLEANUP_CLOSE int opt = -1;
	CLEANUP_CLOSE int tmp = -1;
	if (set_limits(base, a, err) < 0)
		return -1;
	if (open_tmp(base, a, &tmp, err) < 0)
		return error_wrap(err, "/tmp of the environment");
	if (a->outbound && net_connect(base->id, a->slot, a->pid, base->net_ready, err) < 0)
		return error_wrap(err, "outbound network");
	if (open_code(a, &code, &opt, err) < 0)
		return -1;
	if (setns(a->pidfd, CLONE_NEWNS) < 0)
		return error_sys(err, "cannot join the sandbox");
	return mount_code(code, opt, err) < 0 || (tmp >= 0 && mnt_attach(tmp, "/tmp", err) < 0) ? -1 : 0;
}

int sandbox_enter_code(const struct sandbox_base *base, const struct sandbox_attach *a, struct error *err)
{
	CLEANUP_CLOSE int code = -1;
	CLEANUP_CLOSE int opt = -1;
	if (open_code(a, &code, &opt, err) < 0)
		return -1;
	if (setns(base->root_ns, CLONE_NEWNS) < 0 || unshare(CLONE_NEWNS) < 0)
		return error_sys(err, "cannot copy the root of sandboxes");
	return mount_code(code, opt, err);
}
