/* The files that an image maps, found again by path and compared. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "isolation/snapshot/image_priv.h"

#define NS_PER_SECOND 1000000000ull

static uint64_t stamp_ns(const struct statx_timestamp *t)
{
	return (uint64_t)t->tv_sec * NS_PER_SECOND + t->tv_nsec;
}

int image_file_look(int fd, struct image_file *file, struct error *err)
{
	struct statx st;
	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &st) < 0)
		return error_sys(err, "cannot look at a mapped file");
	if (!S_ISREG(st.stx_mode))
		return error_set(err, ERR_INVALID, "not a regular file");
	file->device = (uint64_t)st.stx_dev_major << 32 | st.stx_dev_minor;
	file->inode = st.stx_ino;
	file->bytes = st.stx_size;
	file->changed_ns = stamp_ns(&st.stx_ctime);
	file->modified_ns = stamp_ns(&st.stx_mtime);
	return 0;
}

bool image_file_same(const struct image_file *was, const struct image_file *now)
{
	return (was->device == 0 || was->device == now->device) && was->inode == now->inode && was->bytes == now->bytes &&
	       was->changed_ns == now->changed_ns && was->modified_ns == now->modified_ns;
}

/* The path was resolved when it was written down, so that a link in it means that something changed. */
int image_file_open(int root, const char *path, int flags, struct error *err)
{
	int more = flags & O_PATH ? O_CLOEXEC : O_CLOEXEC | O_NOCTTY | O_NONBLOCK; /* O_PATH takes no others */
	struct open_how how = {.flags = (uint64_t)(flags | more),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS};
	int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
	return fd < 0 ? error_sys(err, "cannot open %s", path) : fd;
}

static int open_same(const struct image *image, int root, uint32_t i, struct error *err)
{
	const struct image_file *f = image_row(image, IMAGE_FILES, i);
	const char *path = image_string(image, f->path);
	struct image_file now = {0};
	CLEANUP_CLOSE int fd = image_file_open(root, path, f->writable ? O_RDWR : O_RDONLY, err);
	if (fd < 0 || image_file_look(fd, &now, err) < 0 || !image_file_same(f, &now))
		return error_set(err, ERR_STALE, "%s is not the file that it was when the image was taken", path);
	return STEAL_FD(fd);
}

int image_open_files(const struct image *image, int *fds, struct error *err)
{
	uint32_t n = image_count(image, IMAGE_FILES);
	CLEANUP_CLOSE int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return error_sys(err, "cannot open the root");
	for (uint32_t i = 0; i < n; i++) {
		fds[i] = open_same(image, root, i, err);
		if (fds[i] >= 0)
			continue;
		while (i-- > 0)
			close(fds[i]);
		return -1;
	}
	return 0;
}
