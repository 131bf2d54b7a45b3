#include "isolation/sandbox/mnt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/str.h"

int mnt_clone(int dirfd, const char *path, uint64_t attr, int recursive, struct error *err)
{
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0u);
	CLEANUP_CLOSE int fd = open_tree(dirfd, path, flags);
	if (fd < 0)
		return error_sys(err, "cannot take the mount of '%s'", path);
	struct mount_attr set = {.attr_set = attr, .propagation = MS_PRIVATE};
	/* Code is opened where nothing can be executed: in control's /data. */
	if (!recursive)
		set.attr_clr = MOUNT_ATTR_NOEXEC & ~attr;
	if (mount_setattr(fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0u), &set, sizeof set) < 0)
		return error_sys(err, "cannot restrict the mount of '%s'", path);
	return STEAL_FD(fd);
}

static int configure(int fs, const char *option)
{
	char key[512];
	if (str_copy(key, sizeof key, str_from(option)) < 0) {
		errno = ENAMETOOLONG;
		return -1;
	}
	char *value = strchr(key, '=');
	if (!value)
		return fsconfig(fs, FSCONFIG_SET_FLAG, key, NULL, 0);
	*value++ = '\0';
	return fsconfig(fs, FSCONFIG_SET_STRING, key, value, 0);
}

int mnt_new(const char *fstype, const char *const *options, uint64_t attr, struct error *err)
{
	CLEANUP_CLOSE int fs = fsopen(fstype, FSOPEN_CLOEXEC);
	if (fs < 0)
		return error_sys(err, "cannot use filesystem %s", fstype);
	for (; options && *options; options++) {
		if (configure(fs, *options) < 0)
			return error_sys(err, "%s does not take '%s'", fstype, *options);
	}
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return error_sys(err, "cannot create a %s", fstype);
	int fd = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)attr);
	return fd < 0 ? error_sys(err, "cannot mount a %s", fstype) : fd;
}

int mnt_attach(int mount_fd, const char *path, struct error *err)
{
	if (move_mount(mount_fd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return error_sys(err, "cannot mount at %s", path);
	return 0;
}

int mnt_set_attr(const char *path, uint64_t attr, struct error *err)
{
	struct mount_attr set = {.attr_set = attr};
	if (mount_setattr(AT_FDCWD, path, 0, &set, sizeof set) < 0)
		return error_sys(err, "cannot restrict the mount at %s", path);
	return 0;
}

int mnt_pivot(const char *root, struct error *err)
{
	/* The old root ends up on top of the new one, and is taken off. */
	if (chdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return error_sys(err, "cannot change the root to %s", root);
	return 0;
}

int mnt_private(struct error *err)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return error_sys(err, "cannot make mounts private");
	return 0;
}

int mnt_follow(struct error *err)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return error_sys(err, "cannot make mounts follow the machine's");
	return 0;
}
