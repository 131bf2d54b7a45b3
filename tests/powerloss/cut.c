#include "tests/powerloss/cut.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/io.h"
#include "tests/powerloss/shadow.h"

enum { BLOCK = 4096, FOLDER_MAX = 64 << 20 };

static int begin_at(int dirfd, const char *name, int shadow)
{
	CLEANUP_CLOSE int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	if (fd < 0)
		return errno == ELOOP || errno == ENXIO ? 0 : -1; /* a link, a socket */
	if (fstat(fd, &st) < 0 || shadow_sync(shadow, fd) < 0)
		return -1;
	if (!S_ISDIR(st.st_mode))
		return 0;
	int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_DIR DIR *d = again < 0 ? NULL : fdopendir(again);
	int rc = d ? 0 : -1;
	for (struct dirent *e; rc == 0 && (e = readdir(d));)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			rc = begin_at(fd, e->d_name, shadow);
	return rc;
}

int cut_begin(const char *data, int shadow)
{
	return begin_at(AT_FDCWD, data, shadow);
}

/* A file of the dead process, found by its id: it may bear any name now, or none. */
struct live {
	char id[SHADOW_ID_SIZE];
	char *path;
};

struct cut {
	int shadow;
	unsigned luck, seed;
	struct live *live;
	size_t n;
};

static int find_live(struct cut *cut, const char *folder)
{
	CLEANUP_DIR DIR *d = opendir(folder);
	for (struct dirent *e; d && (e = readdir(d));) {
		char *path;
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (asprintf(&path, "%s/%s", folder, e->d_name) < 0)
			return -1;
		if (e->d_type == DT_DIR && find_live(cut, path) < 0)
			return -1;
		cut->live = reallocarray(cut->live, cut->n + 1, sizeof *cut->live);
		struct live *l = &cut->live[cut->n++];
		l->path = path;
		if (shadow_id(l->id, AT_FDCWD, path) < 0)
			return -1;
	}
	return 0;
}

static int open_live(const struct cut *cut, const char *id)
{
	for (size_t i = 0; i < cut->n; i++)
		if (strcmp(cut->live[i].id, id) == 0)
			return open(cut->live[i].path, O_RDONLY | O_CLOEXEC);
	return -1;
}

/* Unsynced blocks of `live` that the disk took nevertheless, in any order; the file's size may have come along or not. */
static int mix(struct cut *cut, int live, int out)
{
	struct stat st;
	char a[BLOCK], b[BLOCK];
	if (fstat(live, &st) < 0)
		return -1;
	for (off_t at = 0; at < st.st_size; at += BLOCK) {
		ssize_t n = pread(live, a, BLOCK, at), m = pread(out, b, BLOCK, at);
		if (n < 0 || m < 0)
			return -1;
		if (n == m && memcmp(a, b, (size_t)n) == 0)
			continue;
		if ((unsigned)rand_r(&cut->seed) % 100 < cut->luck && pwrite(out, a, (size_t)n, at) != n)
			return -1;
	}
	return 0;
}

static int make_file(struct cut *cut, const char *id, int dirfd, const char *name, unsigned mode)
{
	char source[SHADOW_ID_SIZE + 2], piece[BLOCK];
	snprintf(source, sizeof source, "f-%s", id);
	CLEANUP_CLOSE int out = openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	CLEANUP_CLOSE int in = openat(cut->shadow, source, O_RDONLY | O_CLOEXEC); /* none: never synced, so empty */
	CLEANUP_CLOSE int live = cut->luck ? open_live(cut, id) : -1;
	ssize_t n = 0;
	if (out < 0)
		return -1;
	while (in >= 0 && (n = read(in, piece, sizeof piece)) > 0)
		if (io_write_full(out, piece, (size_t)n) < 0)
			return -1;
	return n < 0 ? -1 : live < 0 ? 0 : mix(cut, live, out);
}

static int make_folder(struct cut *cut, const char *id, int dirfd);

/* `head`: "TYPE MODE ID". */
static int make_entry(struct cut *cut, const char *head, int dirfd, const char *name)
{
	char *rest;
	unsigned mode = (unsigned)strtoul(head + 2, &rest, 8);
	const char *id = rest + 1;
	if (head[0] == 'f')
		return make_file(cut, id, dirfd, name, mode);
	if (head[0] == 'l')
		return symlinkat(id, dirfd, name);
	if (mkdirat(dirfd, name, mode) < 0)
		return -1;
	CLEANUP_CLOSE int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -1 : make_folder(cut, id, fd);
}

static int make_folder(struct cut *cut, const char *id, int dirfd)
{
	char source[SHADOW_ID_SIZE + 2];
	size_t len = 0;
	snprintf(source, sizeof source, "d-%s", id);
	if (faccessat(cut->shadow, source, F_OK, 0) < 0)
		return 0; /* never synced, so empty */
	CLEANUP_FREE char *entries = io_read_file(cut->shadow, source, FOLDER_MAX, &len, NULL);
	if (!entries)
		return -1;
	for (size_t at = 0; at < len;) {
		const char *head = entries + at, *name = head + strlen(head) + 1;
		if (make_entry(cut, head, dirfd, name) < 0)
			return -1;
		at = (size_t)(name + strlen(name) + 1 - entries);
	}
	return 0;
}

int cut_end(const char *data, int shadow, const char *out, unsigned luck, unsigned seed)
{
	struct cut cut = {.shadow = shadow, .luck = luck, .seed = seed};
	char id[SHADOW_ID_SIZE];
	if (mkdir(out, 0700) < 0)
		return -1;
	CLEANUP_CLOSE int fd = open(out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd < 0 || shadow_id(id, AT_FDCWD, data) < 0 || find_live(&cut, data) < 0 ? -1 : make_folder(&cut, id, fd);
	for (size_t i = 0; i < cut.n; i++)
		free(cut.live[i].path);
	free(cut.live);
	return rc;
}
