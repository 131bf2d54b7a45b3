/* LD_PRELOAD library: a sync reaches the shadow folder (see shadow.h) and nothing else; so it is fast, too.
 *
 *   MAYFLY_POWERLOSS_SHADOW=DIR  the shadow, on any file system; or
 *   MAYFLY_POWERLOSS_FD=N        its descriptor, for a program that cannot walk there
 *   MAYFLY_POWERLOSS_CUT=N       the process kills itself in place of its Nth sync: every point can be tried in turn
 *
 * Without the first two nothing is changed. Writes, renames and unlinks need no interception: what was not synced is simply
 * never taken. sync(), syncfs() and O_SYNC count as nothing, which errs on the strict side. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/powerloss/shadow.h"

static int shadow = -1;
static atomic_long left = -1;

__attribute__((constructor)) static void start(void)
{
	const char *dir = getenv("MAYFLY_POWERLOSS_SHADOW"), *fd = getenv("MAYFLY_POWERLOSS_FD");
	const char *cut = getenv("MAYFLY_POWERLOSS_CUT");
	if (dir)
		shadow = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	else if (fd)
		shadow = atoi(fd);
	if ((dir || fd) && shadow < 0) {
		perror("power loss: cannot open the shadow");
		_exit(99);
	}
	if (cut)
		left = atol(cut);
}

static int real_sync(const char *name, int fd)
{
	union {
		void *p;
		int (*call)(int);
	} u = {.p = dlsym(RTLD_NEXT, name)};
	return u.call(fd);
}

static int on_sync(const char *name, int fd)
{
	if (shadow < 0)
		return real_sync(name, fd);
	if (left > 0 && atomic_fetch_sub(&left, 1) == 1)
		raise(SIGKILL);
	if (shadow_sync(shadow, fd) == 0)
		return 0;
	perror("power loss: cannot write the shadow");
	_exit(99);
}

int fsync(int fd)
{
	return on_sync("fsync", fd);
}

int fdatasync(int fd)
{
	return on_sync("fdatasync", fd);
}
