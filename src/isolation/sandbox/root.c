#include "isolation/sandbox/root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "isolation/sandbox/mnt.h"

#define READ_ONLY (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)

enum { FOR_SANDBOX = 1, FOR_CONTROL = 2, FOR_BOTH = 3 };

static const struct folder {
	const char *path;
	unsigned whom, mode;
} folders[] = {
	{"usr", FOR_BOTH, 0755},         {"etc", FOR_BOTH, 0755},         {"dev", FOR_BOTH, 0755},
	{"proc", FOR_BOTH, 0555},        {"tmp", FOR_BOTH, 0755},         {"var", FOR_BOTH, 0755},
	{"var/task", FOR_SANDBOX, 0755}, {"var/runtime", FOR_SANDBOX, 0755}, {"opt", FOR_SANDBOX, 0755},
	{"data", FOR_CONTROL, 0755},
};

/* Folders of the host, read-only; one that is missing is left out. */
static const char *const binds[] = {"/usr", "/etc/ssl/certs", "/etc/alternatives", "/etc/java-17-openjdk", "/etc/java-21-openjdk"};
/* Links into /usr where the host has them so, mounts where they are folders of their own. */
static const char *const system_names[] = {"bin", "sbin", "lib", "lib64", "lib32"};

static const struct {
	const char *name;
	unsigned minor;
} devices[] = {{"null", 3}, {"zero", 5}, {"full", 7}, {"random", 8}, {"urandom", 9}};

struct name_link {
	const char *name, *target;
};

static const struct name_link dev_links[] = {
	{"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"},
};
/* ES modules know nothing of NODE_PATH: above /var/task they find the layers' modules, then the runtime's. */
static const struct name_link module_links[] = {
	{"var/node_modules", "/opt/nodejs/node_modules"}, {"node_modules", "/var/runtime/node_modules"},
};

static int attach_at(int mount_fd, const char *root, const char *path, struct error *err)
{
	char at[512];
	snprintf(at, sizeof at, "%s%s", root, path);
	return mnt_attach(mount_fd, at, err);
}

static int bind(const char *root, const char *path, struct error *err)
{
	if (access(path, F_OK) < 0)
		return 0;
	CLEANUP_CLOSE int fd = mnt_clone(AT_FDCWD, path, READ_ONLY, 1, err);
	return fd < 0 ? -1 : attach_at(fd, root, path, err);
}

static int make_folders(const char *root, int root_fd, unsigned whom, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		if ((folders[i].whom & whom) && mkdirat(root_fd, folders[i].path, folders[i].mode) < 0)
			return error_sys(err, "cannot make %s/%s", root, folders[i].path);
	}
	return 0;
}

static int make_system_names(const char *root, int root_fd, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(system_names); i++) {
		char path[32], target[256];
		snprintf(path, sizeof path, "/%s", system_names[i]);
		ssize_t n = readlink(path, target, sizeof target - 1);
		if (n < 0 && errno == ENOENT)
			continue;
		if (n >= 0) {
			target[n] = '\0';
			if (symlinkat(target, root_fd, system_names[i]) < 0)
				return error_sys(err, "cannot link %s", path);
		} else if (mkdirat(root_fd, system_names[i], 0755) < 0 || bind(root, path, err) < 0) {
			return error_sys(err, "cannot make %s", path);
		}
	}
	return 0;
}

static int make_links(int folder, const struct name_link *links, size_t count, struct error *err)
{
	for (size_t i = 0; i < count; i++) {
		if (symlinkat(links[i].target, folder, links[i].name) < 0)
			return error_sys(err, "cannot make the link %s", links[i].name);
	}
	return 0;
}

static int make_dev(const char *root, struct error *err)
{
	static const char *const options[] = {"mode=0755", "size=64k", NULL};
	char path[512];
	CLEANUP_CLOSE int fd = mnt_new("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, err);
	if (fd < 0 || attach_at(fd, root, "/dev", err) < 0)
		return -1;
	snprintf(path, sizeof path, "%s/dev", root);
	CLEANUP_CLOSE int dev = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < ARRAY_LEN(devices); i++) {
		if (mknodat(dev, devices[i].name, S_IFCHR | 0666, makedev(1, devices[i].minor)) < 0 ||
		    fchmodat(dev, devices[i].name, 0666, 0) < 0)
			return error_sys(err, "cannot make /dev/%s", devices[i].name);
	}
	if (make_links(dev, dev_links, ARRAY_LEN(dev_links), err) < 0)
		return -1;
	return mnt_set_attr(path, MOUNT_ATTR_RDONLY, err);
}

static int build(const char *root, unsigned whom, struct error *err)
{
	static const char *const options[] = {"mode=0755", "size=16m", NULL};
	CLEANUP_CLOSE int fd = mnt_new("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, err);
	if (fd < 0 || mnt_attach(fd, root, err) < 0)
		return -1;
	CLEANUP_CLOSE int root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		return error_sys(err, "cannot open %s", root);
	if (make_folders(root, root_fd, whom, err) < 0 || make_system_names(root, root_fd, err) < 0)
		return -1;
	if ((whom & FOR_SANDBOX) && make_links(root_fd, module_links, ARRAY_LEN(module_links), err) < 0)
		return -1;
	CLEANUP_CLOSE int etc = openat(root_fd, "etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (etc_write(etc, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(binds); i++) {
		if (bind(root, binds[i], err) < 0)
			return -1;
	}
	return make_dev(root, err);
}

static int finish(const char *root, struct error *err)
{
	if (mnt_set_attr(root, MOUNT_ATTR_RDONLY, err) < 0)
		return -1;
	return mnt_pivot(root, err);
}

int root_enter_sandbox(const char *scratch, const char *runtimes, struct error *err)
{
	umask(022);
	if (build(scratch, FOR_SANDBOX, err) < 0)
		return -1;
	CLEANUP_CLOSE int fd = mnt_clone(AT_FDCWD, runtimes, READ_ONLY, 0, err);
	if (fd < 0 || attach_at(fd, scratch, "/var/runtime", err) < 0)
		return error_wrap(err, "the folder of runtimes");
	return finish(scratch, err);
}

int root_enter_control(const char *scratch, const char *data, struct error *err)
{
	umask(022);
	/* Taken before anything is mounted at `scratch`, which lies in the data folder. */
	CLEANUP_CLOSE int fd = mnt_clone(AT_FDCWD, data, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, 0, err);
	if (fd < 0)
		return error_wrap(err, "the data folder");
	CLEANUP_CLOSE int proc = mnt_clone(AT_FDCWD, "/proc", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, 1, err);
	if (proc < 0 || build(scratch, FOR_CONTROL, err) < 0 || attach_at(fd, scratch, "/data", err) < 0 ||
	    attach_at(proc, scratch, "/proc", err) < 0)
		return -1;
	return finish(scratch, err);
}
