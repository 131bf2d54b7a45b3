/* Helpers: short-lived children of mayflyd that do one task that takes long, with all its rights, and report once.
 *
 * `work` runs in the child (it may block, join namespaces, and is killed with mayflyd); `done` in mayflyd, exactly once,
 * also when the child dies or takes longer than its time. A helper struct is embedded in its owner and busy from
 * helper_start to done. */
#ifndef MAYFLYD_HELPER_H
#define MAYFLYD_HELPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/error.h"
#include "core/ev/ev.h"

#define HELPER_FDS 8
#define HELPER_DATA 64

struct server;

/* What a helper hands back. code ERR_OK: it worked. Descriptors are the receiver's. */
struct helper_report {
	struct error err;
	int64_t value;
	unsigned char data[HELPER_DATA]; /* whatever the two agree on */
	int fds[HELPER_FDS];
	unsigned fd_count;
};

struct helper {
	int (*work)(struct server *s, struct helper *h, struct helper_report *report, struct error *err);
	void (*done)(struct server *s, struct helper *h, struct helper_report *report);
	unsigned timeout_ms;
	/* private */
	struct server *server;
	pid_t pid;
	int pidfd; /* for the timeout: the process may be reaped, and its number used again, at any time */
	struct ev_io io;
	struct ev_timer timer;
	bool busy;
};

/* group_fd: cgroup2 folder to be born in, or -1. `done` is not called when this fails. */
int helper_start(struct server *s, struct helper *h, int group_fd, struct error *err);
/* The same for a process that somebody else starts, who answers over the other end of the socket `fd` (which is taken, also on
 * failure) by helper_answer. h->work is not used, and nobody is ended when the time is over. */
int helper_expect(struct server *s, struct helper *h, int fd, struct error *err);
void helper_answer(int fd, const struct helper_report *report);
/* Ends a busy helper without `done`: at the server's end. */
void helper_forget(struct helper *h);
/* The same as helper_start, for startup: runs and waits. */
int helper_run(struct server *s, struct helper *h, struct helper_report *report, struct error *err);

#endif
