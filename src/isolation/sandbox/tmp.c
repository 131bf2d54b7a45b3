#include "isolation/sandbox/tmp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "isolation/sandbox/mnt.h"

#define MB 1048576ull
#define SLACK_BYTES (2 * MB) /* the file system's own blocks count too; the size promised is for contents */
#define SIMPLE_QUOTA 4       /* BTRFS_QUOTA_CTL_ENABLE_SIMPLE_QUOTA, since Linux 6.7 */
#define TMP_ATTR (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)

static const char *const mkfs_places[] = {"/usr/sbin/mkfs.btrfs", "/sbin/mkfs.btrfs", "/usr/bin/mkfs.btrfs", "/usr/local/sbin/mkfs.btrfs"};

static const char *find_mkfs(void)
{
	for (size_t i = 0; i < ARRAY_LEN(mkfs_places); i++) {
		if (access(mkfs_places[i], X_OK) == 0)
			return mkfs_places[i];
	}
	return NULL;
}

static int open_image(int data_fd, uint64_t size_mb, struct error *err)
{
	/* A file that never has a name is gone with its last user. */
	CLEANUP_CLOSE int fd = openat(data_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0) {
		fd = openat(data_fd, "tmp.img", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0 || unlinkat(data_fd, "tmp.img", 0) < 0)
			return error_sys(err, "cannot make the image for /tmp");
	}
	if (ftruncate(fd, (off_t)(size_mb * MB)) < 0)
		return error_sys(err, "cannot size the image for /tmp");
	return STEAL_FD(fd);
}

/* Returns the device's descriptor: it detaches itself after the last use, which the mount then is. */
static int attach_loop(int image_fd, char device[32], struct error *err)
{
	CLEANUP_CLOSE int ctl = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (ctl < 0)
		return error_sys(err, "no loop devices");
	struct loop_config config = {.fd = (unsigned)image_fd, .info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO};
	for (int attempt = 0; attempt < 16; attempt++) {
		int n = ioctl(ctl, LOOP_CTL_GET_FREE);
		if (n < 0)
			return error_sys(err, "no free loop device");
		snprintf(device, 32, "/dev/loop%d", n);
		CLEANUP_CLOSE int fd = open(device, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			return error_sys(err, "cannot open %s", device);
		if (ioctl(fd, LOOP_CONFIGURE, &config) == 0)
			return STEAL_FD(fd);
		if (errno == EINVAL && (config.info.lo_flags & LO_FLAGS_DIRECT_IO))
			config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
		else if (errno != EBUSY) /* EBUSY: somebody else was faster */
			return error_sys(err, "cannot attach the image for /tmp to %s", device);
	}
	return error_set(err, ERR_SYSTEM, "no free loop device");
}

static int run_mkfs(const char *mkfs, const char *device, struct error *err)
{
	const char *const argv[] = {mkfs, "-q", "-f", "-K", "-d", "single", "-m", "single", device, NULL};
	static char *const env[] = {NULL};
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);
		dup2(null, 1);
		dup2(null, 2);
		execve(mkfs, (char *const *)(uintptr_t)argv, env);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return error_sys(err, "cannot run %s", mkfs);
	return status == 0 ? 0 : error_set(err, ERR_SYSTEM, "%s failed (status %#x)", mkfs, status);
}

static int enable_quota(const char *folder, struct error *err)
{
	CLEANUP_CLOSE int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct btrfs_ioctl_quota_ctl_args args = {.cmd = SIMPLE_QUOTA};
	if (fd < 0)
		return error_sys(err, "cannot open %s", folder);
	if (ioctl(fd, BTRFS_IOC_QUOTA_CTL, &args) == 0)
		return 0;
	args = (struct btrfs_ioctl_quota_ctl_args){.cmd = BTRFS_QUOTA_CTL_ENABLE};
	if (ioctl(fd, BTRFS_IOC_QUOTA_CTL, &args) < 0)
		return error_sys(err, "btrfs has no quotas");
	ioctl(fd, BTRFS_IOC_QUOTA_RESCAN_WAIT);
	return 0;
}

int tmp_make_image(int data_fd, const char *folder, uint64_t size_mb, struct error *err)
{
	char device[32];
	const char *mkfs = find_mkfs();
	if (!mkfs)
		return error_set(err, ERR_UNSUPPORTED, "mkfs.btrfs is missing (apt-get install btrfs-progs)");
	CLEANUP_CLOSE int image = open_image(data_fd, size_mb, err);
	if (image < 0)
		return -1;
	CLEANUP_CLOSE int loop = attach_loop(image, device, err);
	if (loop < 0 || run_mkfs(mkfs, device, err) < 0)
		return -1;
	/* Nothing in it outlives the server: no barriers. */
	if (mount(device, folder, "btrfs", MS_NOSUID | MS_NODEV | MS_NOATIME, "nobarrier") < 0)
		return error_sys(err, "cannot mount btrfs");
	if (enable_quota(folder, err) < 0) {
		umount2(folder, MNT_DETACH);
		return -1;
	}
	return 0;
}

static void slot_name(char name[24], unsigned slot)
{
	snprintf(name, 24, "e%u", slot);
}

static int destroy(int folder, const char *name)
{
	struct btrfs_ioctl_vol_args args = {0};
	snprintf(args.name, sizeof args.name, "%s", name);
	return ioctl(folder, BTRFS_IOC_SNAP_DESTROY, &args);
}

static int create(int folder, const char *name)
{
	struct btrfs_ioctl_vol_args args = {0};
	snprintf(args.name, sizeof args.name, "%s", name);
	return ioctl(folder, BTRFS_IOC_SUBVOL_CREATE, &args);
}

static bool is_empty(int subvolume)
{
	int copy = openat(subvolume, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_DIR DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	bool empty = dir;
	for (struct dirent *e; empty && (e = readdir(dir));)
		empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
	return empty;
}

/* Empty, and without the marks that its owner may put on a folder. */
static bool is_untouched(int subvolume)
{
	long flags = 0;
	return is_empty(subvolume) && flistxattr(subvolume, NULL, 0) == 0 && ioctl(subvolume, FS_IOC_GETFLAGS, &flags) == 0 && !flags;
}

static int open_existing(int folder, const char *name)
{
	return openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

static int limit(int subvolume, uint64_t bytes)
{
	/* Group 0 is the one of the subvolume itself. */
	struct btrfs_ioctl_qgroup_limit_args args = {.lim = {.flags = BTRFS_QGROUP_LIMIT_MAX_RFER, .max_rfer = bytes}};
	return ioctl(subvolume, BTRFS_IOC_QGROUP_LIMIT, &args);
}

static int open_subvolume(const struct tmp *tmp, unsigned slot, uint32_t size_mb, uid_t uid, struct error *err)
{
	char name[24];
	slot_name(name, slot);
	CLEANUP_CLOSE int folder = open(tmp->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_CLOSE int subvolume = folder < 0 ? -1 : open_existing(folder, name);
	if (subvolume >= 0 && !is_untouched(subvolume)) {
		close(STEAL_FD(subvolume));
		destroy(folder, name);
	}
	if (subvolume < 0 && (folder < 0 || create(folder, name) < 0 || (subvolume = open_existing(folder, name)) < 0))
		return error_sys(err, "cannot make a subvolume");
	if (limit(subvolume, size_mb * MB + SLACK_BYTES) < 0 || fchown(subvolume, uid, (gid_t)uid) < 0 || fchmod(subvolume, 0700) < 0)
		return error_sys(err, "cannot limit a subvolume");
	return mnt_clone(subvolume, "", TMP_ATTR, 0, err);
}

int tmp_resize(const struct tmp *tmp, unsigned slot, uint32_t size_mb, struct error *err)
{
	char name[24];
	slot_name(name, slot);
	ASSERT(tmp->kind == TMP_BTRFS);
	CLEANUP_CLOSE int folder = open(tmp->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_CLOSE int subvolume = folder < 0 ? -1 : open_existing(folder, name);
	return subvolume < 0 || limit(subvolume, size_mb * MB + SLACK_BYTES) < 0 ? error_sys(err, "cannot limit a subvolume") : 0;
}

static int open_tmpfs(uint32_t size_mb, uid_t uid, struct error *err)
{
	char size[32], owner[32], group[32];
	snprintf(size, sizeof size, "size=%um", size_mb);
	snprintf(owner, sizeof owner, "uid=%u", uid);
	snprintf(group, sizeof group, "gid=%u", uid);
	const char *const options[] = {size, owner, group, "mode=0700", NULL};
	return mnt_new("tmpfs", options, TMP_ATTR, err);
}

int tmp_open(const struct tmp *tmp, unsigned slot, uint32_t size_mb, uid_t uid, struct error *err)
{
	ASSERT(tmp->kind != TMP_UNDECIDED);
	return tmp->kind == TMP_BTRFS ? open_subvolume(tmp, slot, size_mb, uid, err) : open_tmpfs(size_mb, uid, err);
}

void tmp_remove(const struct tmp *tmp, unsigned slot)
{
	char name[24];
	if (tmp->kind != TMP_BTRFS)
		return;
	slot_name(name, slot);
	CLEANUP_CLOSE int folder = open(tmp->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_CLOSE int subvolume = folder < 0 ? -1 : open_existing(folder, name);
	if (subvolume >= 0 && !is_untouched(subvolume))
		destroy(folder, name);
}
