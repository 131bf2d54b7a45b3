/* The other half of tmp_tree.h. The bytes are walked twice: first without touching anything. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/base/io.h"
#include "isolation/snapshot/tmp_tree.h"

#define MAX_NAME 256u
#define MAX_TARGET 4096u

struct reader {
	const unsigned char *p, *end;
	unsigned entries, depth;
};

struct entry {
	struct tmp_entry head;
	const char *name;
	const unsigned char *content;
};

static int damaged(struct error *err, const char *what)
{
	return error_set(err, ERR_INVALID, "the image is damaged: /tmp: %s", what);
}

static bool name_fits(const char *name, uint32_t n)
{
	return n >= 2 && n <= MAX_NAME && strnlen(name, n) == n - 1 && !strchr(name, '/') && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0;
}

static bool head_fits(const struct tmp_entry *e)
{
	if (e->kind >= TMP_KINDS || e->mode > 07777 || e->modified_ns >= 1000000000u)
		return false;
	if (e->kind == TMP_LINK)
		return e->bytes > 0 && e->bytes < MAX_TARGET;
	return e->kind == TMP_FILE || e->bytes == 0;
}

/* 1: an entry, 0: the end, -1: error. */
static int next(struct reader *r, struct entry *e, struct error *err)
{
	size_t left = (size_t)(r->end - r->p);
	if (left == 0)
		return r->depth == 0 ? 0 : damaged(err, "a folder without end");
	if (left < sizeof e->head)
		return damaged(err, "it is too short");
	memcpy(&e->head, r->p, sizeof e->head);
	r->p += sizeof e->head;
	left -= sizeof e->head;
	if (!head_fits(&e->head) || ++r->entries > 2 * TMP_MAX_ENTRIES)
		return damaged(err, "an entry");
	e->name = (const char *)r->p;
	e->content = r->p + e->head.name_bytes;
	if (e->head.kind == TMP_UP)
		return e->head.name_bytes == 0 && r->depth-- > 0 ? 1 : damaged(err, "the end of a folder");
	if (e->head.name_bytes > left || !name_fits(e->name, e->head.name_bytes))
		return damaged(err, "a name");
	left -= e->head.name_bytes;
	if (e->head.bytes > left || (e->head.kind == TMP_LINK && memchr(e->content, '\0', e->head.bytes)))
		return damaged(err, "a content");
	uint64_t used = sizeof e->head + e->head.name_bytes + e->head.bytes, padding = -used % 8;
	if (padding > left - e->head.bytes)
		return damaged(err, "it is too short");
	r->p += e->head.name_bytes + e->head.bytes + padding;
	if (e->head.kind == TMP_FOLDER && ++r->depth > TMP_MAX_DEPTH)
		return damaged(err, "folders too deep");
	return 1;
}

int tmp_check(const void *bytes, size_t n, struct error *err)
{
	struct reader r = {bytes, (const unsigned char *)bytes + n, 0, 0};
	struct entry e;
	int rc;
	do
		rc = next(&r, &e, err);
	while (rc > 0);
	return rc;
}

/* Folders on the way, and what is to be said of each when it is left. */
struct unpacking {
	int fds[TMP_MAX_DEPTH + 1]; /* 0: the caller's */
	struct tmp_entry heads[TMP_MAX_DEPTH + 1];
	unsigned depth;
	uid_t uid;
	gid_t gid;
};

static void unpacking_release(struct unpacking *u)
{
	for (; u->depth > 0; u->depth--)
		close(u->fds[u->depth]);
}

static struct timespec const *times(const struct tmp_entry *e, struct timespec t[2])
{
	t[0] = t[1] = (struct timespec){.tv_sec = e->modified_s, .tv_nsec = e->modified_ns};
	return t;
}

static int finish(const struct unpacking *u, int fd, const struct tmp_entry *e, struct error *err)
{
	struct timespec t[2];
	if (fchown(fd, u->uid, u->gid) < 0 || fchmod(fd, e->mode) < 0 || futimens(fd, times(e, t)) < 0)
		return error_sys(err, "cannot set the owner of a file in /tmp");
	return 0;
}

static int make_file(const struct unpacking *u, int dir, const struct entry *e, struct error *err)
{
	CLEANUP_CLOSE int fd = openat(dir, e->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || io_write_full(fd, e->content, e->head.bytes) < 0)
		return error_sys(err, "cannot make %s in /tmp", e->name);
	return finish(u, fd, &e->head, err);
}

static int make_link(const struct unpacking *u, int dir, const struct entry *e, struct error *err)
{
	char target[MAX_TARGET + 1];
	struct timespec t[2];
	memcpy(target, e->content, e->head.bytes);
	target[e->head.bytes] = '\0';
	if (symlinkat(target, dir, e->name) < 0 || fchownat(dir, e->name, u->uid, u->gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    utimensat(dir, e->name, times(&e->head, t), AT_SYMLINK_NOFOLLOW) < 0)
		return error_sys(err, "cannot make the link %s in /tmp", e->name);
	return 0;
}

/* Without opening it, which would wake or wait for somebody. Nobody else sees the folder yet, so the name is what we made. */
static int make_fifo(const struct unpacking *u, int dir, const struct entry *e, struct error *err)
{
	struct timespec t[2];
	if (mkfifoat(dir, e->name, 0600) < 0 || fchownat(dir, e->name, u->uid, u->gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchmodat(dir, e->name, e->head.mode, 0) < 0 || utimensat(dir, e->name, times(&e->head, t), AT_SYMLINK_NOFOLLOW) < 0)
		return error_sys(err, "cannot make the pipe %s in /tmp", e->name);
	return 0;
}

static int enter_folder(struct unpacking *u, int dir, const struct entry *e, struct error *err)
{
	if (mkdirat(dir, e->name, 0700) < 0)
		return error_sys(err, "cannot make the folder %s in /tmp", e->name);
	int fd = openat(dir, e->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, "cannot open the folder %s in /tmp", e->name);
	u->depth++;
	u->fds[u->depth] = fd;
	u->heads[u->depth] = e->head;
	return 0;
}

static int leave_folder(struct unpacking *u, struct error *err)
{
	ASSERT(u->depth > 0);
	int rc = finish(u, u->fds[u->depth], &u->heads[u->depth], err);
	close(u->fds[u->depth--]);
	return rc;
}

static int make(struct unpacking *u, const struct entry *e, struct error *err)
{
	int dir = u->fds[u->depth];
	switch (e->head.kind) {
	case TMP_UP:
		return leave_folder(u, err);
	case TMP_FOLDER:
		return enter_folder(u, dir, e, err);
	case TMP_FILE:
		return make_file(u, dir, e, err);
	case TMP_LINK:
		return make_link(u, dir, e, err);
	default:
		return make_fifo(u, dir, e, err);
	}
}

int tmp_unpack(int dir_fd, const void *bytes, size_t n, uid_t uid, gid_t gid, struct error *err)
{
	struct unpacking u CLEANUP(unpacking_release) = {.fds = {dir_fd}, .uid = uid, .gid = gid};
	struct reader r = {bytes, (const unsigned char *)bytes + n, 0, 0};
	struct entry e;
	int rc;
	if (tmp_check(bytes, n, err) < 0)
		return -1;
	while ((rc = next(&r, &e, err)) > 0) {
		if (make(&u, &e, err) < 0)
			return -1;
	}
	return rc;
}
