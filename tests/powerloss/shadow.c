#include "tests/powerloss/shadow.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PIECE = 64 * 1024 };

int shadow_id(char id[SHADOW_ID_SIZE], int dirfd, const char *name)
{
	union {
		struct file_handle h;
		char room[sizeof(struct file_handle) + 40];
	} u = {.h.handle_bytes = 40};
	int mount_id;
	if (name_to_handle_at(dirfd, name ? name : "", &u.h, &mount_id, name ? 0 : AT_EMPTY_PATH) < 0)
		return -1;
	int n = snprintf(id, SHADOW_ID_SIZE, "%x-", (unsigned)u.h.handle_type);
	for (unsigned i = 0; i < u.h.handle_bytes; i++)
		n += snprintf(id + n, (size_t)(SHADOW_ID_SIZE - n), "%02x", u.h.f_handle[i]);
	return 0;
}

/* Only pieces that differ are written: a WAL is synced often and changes little. */
static int copy_pieces(int from, int to)
{
	static __thread char a[PIECE], b[PIECE];
	off_t at = 0;
	ssize_t n;
	while ((n = pread(from, a, PIECE, at)) > 0) {
		ssize_t m = pread(to, b, (size_t)n, at);
		if ((m != n || memcmp(a, b, (size_t)n) != 0) && pwrite(to, a, (size_t)n, at) != n)
			return -1;
		at += n;
	}
	return n < 0 ? -1 : ftruncate(to, at);
}

static int sync_file(int shadow, int fd, const char *id)
{
	char name[SHADOW_ID_SIZE + 2], self[40];
	snprintf(name, sizeof name, "f-%s", id);
	snprintf(self, sizeof self, "/proc/self/fd/%d", fd); /* fd may be open for writing only */
	int from = open(self, O_RDONLY | O_CLOEXEC);
	int to = openat(shadow, name, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	int rc = from < 0 || to < 0 ? -1 : copy_pieces(from, to);
	close(from);
	close(to);
	return rc;
}

static int write_entry(FILE *out, int dirfd, const char *name)
{
	struct stat st;
	char id[SHADOW_ID_SIZE], target[4096];
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -1;
	if (S_ISLNK(st.st_mode)) {
		ssize_t n = readlinkat(dirfd, name, target, sizeof target - 1);
		if (n < 0)
			return -1;
		target[n] = 0;
		return fprintf(out, "l %o %s", st.st_mode & 07777, target) < 0 || fputc(0, out) < 0 ||
		       fprintf(out, "%s", name) < 0 || fputc(0, out) < 0 ? -1 : 0;
	}
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return 0;
	if (shadow_id(id, dirfd, name) < 0)
		return errno == ENOENT ? 0 : -1;
	fprintf(out, "%c %o %s", S_ISDIR(st.st_mode) ? 'd' : 'f', st.st_mode & 07777, id);
	fputc(0, out);
	fputs(name, out);
	return fputc(0, out) < 0 ? -1 : 0;
}

static int write_folder(int shadow, int fd, const char *temporary)
{
	int listing = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int to = openat(shadow, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	DIR *d = listing < 0 ? NULL : fdopendir(listing);
	FILE *out = to < 0 ? NULL : fdopen(to, "w");
	int rc = d && out ? 0 : -1;
	for (struct dirent *e; rc == 0 && (e = readdir(d));)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			rc = write_entry(out, dirfd(d), e->d_name);
	if (out && fclose(out) != 0)
		rc = -1;
	if (d)
		closedir(d);
	return rc;
}

/* At once, as a journal does it. */
static int sync_folder(int shadow, int fd, const char *id)
{
	char name[SHADOW_ID_SIZE + 2], temporary[SHADOW_ID_SIZE + 16];
	snprintf(name, sizeof name, "d-%s", id);
	snprintf(temporary, sizeof temporary, "t-%s-%ld", id, syscall(SYS_gettid));
	return write_folder(shadow, fd, temporary) < 0 ? -1 : renameat(shadow, temporary, shadow, name);
}

int shadow_sync(int shadow, int fd)
{
	struct stat st;
	char id[SHADOW_ID_SIZE];
	if (fstat(fd, &st) < 0)
		return -1;
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return 0;
	if (shadow_id(id, fd, NULL) < 0)
		return -1;
	/* One at a time, over threads and processes: an older look must never replace a newer one. */
	int lock = openat(shadow, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (lock < 0 || flock(lock, LOCK_EX) < 0)
		return -1;
	int rc = S_ISDIR(st.st_mode) ? sync_folder(shadow, fd, id) : sync_file(shadow, fd, id);
	close(lock);
	return rc;
}
