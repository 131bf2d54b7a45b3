#include "isolation/snapshot/tmp_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "isolation/snapshot/image.h"

#define READ_BYTES 262144u
#define MAX_TARGET 4096u

struct packing {
	struct buf *out;
	unsigned entries, depth;
	uint64_t bytes;
};

static int pack_folder(struct packing *p, int dir_fd, struct error *err);

static int too_much(struct error *err)
{
	return error_set(err, ERR_UNSUPPORTED, "keeps more than %llu MB or %u files in /tmp", IMAGE_MAX_TMP >> 20, TMP_MAX_ENTRIES);
}

static int put(struct packing *p, const void *bytes, size_t n, struct error *err)
{
	return buf_append(p->out, bytes, n) < 0 ? too_much(err) : 0;
}

static int pad(struct packing *p, struct error *err)
{
	static const char zeros[8];
	return put(p, zeros, -p->out->len % sizeof zeros, err);
}

static int put_head(struct packing *p, enum tmp_entry_kind kind, const char *name, const struct stat *st, uint64_t bytes,
	struct error *err)
{
	struct tmp_entry e = {.kind = kind, .mode = st->st_mode & 07777, .bytes = bytes, .modified_s = st->st_mtim.tv_sec,
		.modified_ns = (uint32_t)st->st_mtim.tv_nsec, .name_bytes = (uint32_t)strlen(name) + 1};
	p->bytes += bytes;
	if (++p->entries > TMP_MAX_ENTRIES || p->bytes > IMAGE_MAX_TMP)
		return too_much(err);
	return put(p, &e, sizeof e, err) < 0 ? -1 : put(p, name, e.name_bytes, err);
}

static int pack_file(struct packing *p, int dir_fd, const char *name, const struct stat *st, struct error *err)
{
	uint64_t left = (uint64_t)st->st_size;
	CLEANUP_CLOSE int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, "cannot open %s in /tmp", name);
	if (put_head(p, TMP_FILE, name, st, left, err) < 0)
		return -1;
	while (left) {
		size_t want = left < READ_BYTES ? (size_t)left : READ_BYTES;
		char *to = buf_reserve(p->out, want);
		ssize_t n = to ? read(fd, to, want) : 0;
		if (!to)
			return too_much(err);
		if (n <= 0)
			return n < 0 ? error_sys(err, "cannot read %s in /tmp", name) : error_set(err, ERR_BUSY, "%s in /tmp became shorter", name);
		p->out->len += (size_t)n;
		left -= (uint64_t)n;
	}
	return pad(p, err);
}

static int pack_link(struct packing *p, int dir_fd, const char *name, const struct stat *st, struct error *err)
{
	char target[MAX_TARGET];
	ssize_t n = readlinkat(dir_fd, name, target, sizeof target);
	if (n < 0 || n == (ssize_t)sizeof target)
		return error_sys(err, "cannot read the link %s in /tmp", name);
	if (put_head(p, TMP_LINK, name, st, (uint64_t)n, err) < 0 || put(p, target, (size_t)n, err) < 0)
		return -1;
	return pad(p, err);
}

static int pack_sub(struct packing *p, int dir_fd, const char *name, const struct stat *st, struct error *err)
{
	static const struct tmp_entry up = {.kind = TMP_UP};
	CLEANUP_CLOSE int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, "cannot open the folder %s in /tmp", name);
	if (++p->depth > TMP_MAX_DEPTH)
		return error_set(err, ERR_UNSUPPORTED, "has folders more than %u deep in /tmp", TMP_MAX_DEPTH);
	if (put_head(p, TMP_FOLDER, name, st, 0, err) < 0 || pad(p, err) < 0 || pack_folder(p, fd, err) < 0)
		return -1;
	p->depth--;
	return put(p, &up, sizeof up, err);
}

static int pack_entry(struct packing *p, int dir_fd, const char *name, struct error *err)
{
	struct stat st;
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_sys(err, "cannot look at %s in /tmp", name);
	switch (st.st_mode & S_IFMT) {
	case S_IFREG:
		return pack_file(p, dir_fd, name, &st, err);
	case S_IFDIR:
		return pack_sub(p, dir_fd, name, &st, err);
	case S_IFLNK:
		return pack_link(p, dir_fd, name, &st, err);
	case S_IFIFO:
		return put_head(p, TMP_FIFO, name, &st, 0, err) < 0 ? -1 : pad(p, err);
	case S_IFSOCK:
		return error_set(err, ERR_UNSUPPORTED, "has a Unix socket in /tmp (%s)", name);
	default:
		return error_set(err, ERR_UNSUPPORTED, "has a device in /tmp (%s)", name);
	}
}

static int pack_folder(struct packing *p, int dir_fd, struct error *err)
{
	int own = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_DIR DIR *dir = own < 0 ? NULL : fdopendir(own);
	if (!dir)
		return error_sys(err, "cannot list a folder in /tmp");
	errno = 0;
	for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (pack_entry(p, dir_fd, e->d_name, err) < 0)
			return -1;
		errno = 0;
	}
	return errno ? error_sys(err, "cannot list a folder in /tmp") : 0;
}

int tmp_pack(int dir_fd, struct buf *out, struct error *err)
{
	struct packing p = {.out = out};
	return pack_folder(&p, dir_fd, err);
}
