#include "control/function/remove.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/rand.h"

#define DEPTH_MAX 128

static int remove_at(int dirfd, const char *name, unsigned depth);

static int empty(int dirfd, const char *name, unsigned depth)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -1;
	fchmod(fd, 0700); /* unpacked folders may be read-only */
	CLEANUP_DIR DIR *dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -1;
	}
	int rc = 0;
	for (struct dirent *e; (e = readdir(dir));) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			rc |= remove_at(fd, e->d_name, depth + 1);
	}
	return rc;
}

static int remove_at(int dirfd, const char *name, unsigned depth)
{
	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if ((errno != EISDIR && errno != EPERM) || depth >= DEPTH_MAX)
		return -1;
	empty(dirfd, name, depth);
	return unlinkat(dirfd, name, AT_REMOVEDIR);
}

int remove_tree(int dirfd, const char *name)
{
	char aside[64];
	snprintf(aside, sizeof aside, "removed-%016llx", (unsigned long long)rand_u64());
	if (renameat(dirfd, name, dirfd, aside) < 0)
		return errno == ENOENT ? 0 : -1;
	return remove_at(dirfd, aside, 0);
}
