#include "core/base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/cleanup.h"

ssize_t io_read_full(int fd, void *dst, size_t n)
{
	size_t done = 0;
	while (done < n) {
		ssize_t r = read(fd, (char *)dst + done, n - done);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -1;
		if (r == 0)
			break;
		done += (size_t)r;
	}
	return (ssize_t)done;
}

int io_write_full(int fd, const void *src, size_t n)
{
	size_t done = 0;
	while (done < n) {
		ssize_t r = write(fd, (const char *)src + done, n - done);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -1;
		done += (size_t)r;
	}
	return 0;
}

char *io_read_file(int dirfd, const char *path, size_t max, size_t *len, struct error *err)
{
	CLEANUP_CLOSE int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		error_sys(err, "cannot open %s", path);
		return NULL;
	}
	size_t cap = 4096, n = 0;
	CLEANUP_FREE char *data = NULL;
	for (;;) {
		char *bigger = realloc(data, cap + 1);
		if (!bigger) {
			error_set(err, ERR_NO_MEMORY, "no memory to read %s", path);
			return NULL;
		}
		data = bigger;
		ssize_t r = io_read_full(fd, data + n, cap - n);
		if (r < 0) {
			error_sys(err, "cannot read %s", path);
			return NULL;
		}
		n += (size_t)r;
		if (n > max) {
			error_set(err, ERR_TOO_LARGE, "%s is larger than %zu bytes", path, max);
			return NULL;
		}
		if (n < cap)
			break;
		cap *= 2;
	}
	data[n] = '\0';
	if (len)
		*len = n;
	return STEAL_PTR(data);
}

int io_write_file(int dirfd, const char *path, const void *src, size_t n, unsigned mode, struct error *err)
{
	char tmp[512], parent[512];
	if ((size_t)snprintf(tmp, sizeof tmp, "%s.tmp", path) >= sizeof tmp)
		return error_set(err, ERR_INVALID, "path too long: %.100s", path);
	snprintf(parent, sizeof parent, "%s", path);
	char *slash = strrchr(parent, '/');
	snprintf(slash ? slash + 1 : parent, sizeof parent - (size_t)(slash ? slash + 1 - parent : 0), ".");

	CLEANUP_CLOSE int fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return error_sys(err, "cannot create %s", tmp);
	if (io_write_full(fd, src, n) < 0 || fsync(fd) < 0)
		return error_sys(err, "cannot write %s", tmp);
	if (renameat(dirfd, tmp, dirfd, path) < 0)
		return error_sys(err, "cannot rename %s", tmp);
	CLEANUP_CLOSE int dir = openat(dirfd, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || fsync(dir) < 0)
		return error_sys(err, "cannot sync the folder of %s", path);
	return 0;
}

int io_put(int dirfd, const char *path, const char *text, struct error *err)
{
	CLEANUP_CLOSE int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return error_sys(err, "cannot write '%s' to %s", text, path);
	return 0;
}

int io_set_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0)
		return -1;
	return flags & O_NONBLOCK ? 0 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

int io_set_cloexec(int fd, int on)
{
	int flags = fcntl(fd, F_GETFD);
	return flags < 0 ? -1 : fcntl(fd, F_SETFD, on ? flags | FD_CLOEXEC : flags & ~FD_CLOEXEC);
}

int io_fill_standard(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		/* The lowest free number is taken, and the loop came past all lower ones. */
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return -1;
	}
	return 0;
}
