/* A file that a process maps or executes: found by what is mapped, checked against what its path leads to. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <linux/magic.h>

#include "core/base/cleanup.h"
#include "isolation/snapshot/dump_priv.h"
#include "isolation/snapshot/image_priv.h"

/* A path that leads to the same file in every environment: code, layers, runtimes, the system. */
static bool is_lasting(const struct dump *d, const char *path, const struct image_file *mapped)
{
	struct image_file there = {0};
	if (strncmp(path, "/tmp/", 5) == 0)
		return false;
	CLEANUP_CLOSE int fd = image_file_open(d->root, path, O_RDONLY, NULL);
	return fd >= 0 && image_file_look(fd, &there, NULL) == 0 && image_file_same(mapped, &there);
}

static int64_t find_row(struct dump *d, const struct image_file *row)
{
	for (uint32_t i = 0; i < image_built_count(&d->image, IMAGE_FILES); i++) {
		const struct image_file *f = image_built_row(&d->image, IMAGE_FILES, i);
		if (f->inode == row->inode && f->device == row->device && f->changed_ns == row->changed_ns && f->bytes == row->bytes)
			return i;
	}
	return -1;
}

int dump_file(struct dump *d, struct dump_process *p, const char *link, const char *path, struct dump_file *file, struct error *err)
{
	struct image_file row = {0};
	struct statfs fs;
	CLEANUP_CLOSE int fd = openat(p->proc, link, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, "cannot look at %s, which process %u maps", path, p->inner);
	if (image_file_look(fd, &row, NULL) < 0)
		return dump_unsupported(p, err, "maps %s, which is not a regular file", path);
	file->vanished = !is_lasting(d, path, &row);
	if (file->vanished)
		return 0;
	/* An overlay (several layers) gets a new device number with each mount. */
	if (fstatfs(fd, &fs) == 0 && fs.f_type == OVERLAYFS_SUPER_MAGIC)
		row.device = 0;
	int64_t found = find_row(d, &row);
	if (found < 0) {
		int64_t at = image_add_string(&d->image, path, err);
		if (at < 0)
			return -1;
		row.path = (uint32_t)at;
		found = image_add(&d->image, IMAGE_FILES, &row, err);
	}
	file->row = (uint32_t)found;
	return found < 0 ? -1 : 0;
}
