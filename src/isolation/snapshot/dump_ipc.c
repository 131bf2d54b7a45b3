/* System V semaphores, queues and shared memory live in the namespace, not in a process: whoever made some cannot be restored. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "isolation/snapshot/dump_priv.h"

#define MAX_LIST 65536u

/* Of the namespace that the caller is in. One line is the heading. */
static int check_lists(const struct dump_process *p, struct error *err)
{
	static const struct {
		const char *path, *what;
	} lists[] = {{"/proc/sysvipc/shm", "shared memory"}, {"/proc/sysvipc/sem", "semaphores"}, {"/proc/sysvipc/msg", "message queues"}};
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		CLEANUP_FREE char *text = dump_read(AT_FDCWD, lists[i].path, MAX_LIST, NULL);
		const char *line = text ? strchr(text, '\n') : NULL;
		if (line && line[1])
			return dump_unsupported(p, err, "made System V %s", lists[i].what);
	}
	return 0;
}

int dump_ipc(const struct dump *d, struct error *err)
{
	struct stat a, b;
	CLEANUP_CLOSE int own = open("/proc/self/ns/ipc", O_RDONLY | O_CLOEXEC);
	CLEANUP_CLOSE int theirs = openat(d->init_proc, "ns/ipc", O_RDONLY | O_CLOEXEC);
	if (own < 0 && errno == ENOENT)
		return 0;
	if (own < 0 || theirs < 0 || fstat(own, &a) < 0 || fstat(theirs, &b) < 0)
		return error_sys(err, "cannot open the IPC namespace");
	if (a.st_ino == b.st_ino)
		return 0;
	if (setns(theirs, CLONE_NEWIPC) < 0)
		return error_sys(err, "cannot join the IPC namespace");
	int rc = check_lists(&d->processes[0], err);
	if (setns(own, CLONE_NEWIPC) < 0)
		return error_sys(err, "cannot leave the IPC namespace");
	return rc;
}
