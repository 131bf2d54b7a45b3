/* Hands: long-lived children of mayflyd, each doing one kind of small task for one after the other, with all its rights. What
 * is asked hundreds of times a second, and takes less than a fork would, is theirs; what changes the process for good, or may
 * take long, is a helper's (helper.h).
 *
 * `work` runs in the child, one packet after the other; the child holds no descriptor of ours but those of `keep` and those
 * of the packet. A hand that dies is started again, and `died` tells that tasks may be lost. A hand struct is embedded in its
 * owner; `started` until hand_stop. */
#ifndef MAYFLYD_HAND_H
#define MAYFLYD_HAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/error.h"
#include "core/ev/ev.h"

#define HAND_FDS 48
#define HAND_PACKET_MAX 2048
#define HAND_KEEP 4

struct server;
struct hand;

/* A task, as the child sees it. Descriptors are closed afterwards (set to -1 what was taken). */
struct hand_task {
	union {
		unsigned char bytes[HAND_PACKET_MAX];
		uint64_t align;
	} packet;
	size_t n;
	int fds[HAND_FDS];
	unsigned fd_count;
};

struct hand {
	const char *name;
	void (*work)(struct server *s, struct hand *h, struct hand_task *task);
	/* In the child, when its time has come: returns the milliseconds until the next time, or -1. May be NULL. Called once at
	 * first, and after each packet. */
	int (*idle)(struct server *s, struct hand *h);
	/* In mayflyd: what hand_answer sent. */
	void (*answered)(struct server *s, struct hand *h, const void *packet, size_t n);
	void (*died)(struct server *s, struct hand *h);
	int keep[HAND_KEEP]; /* -1: none */
	void *state;         /* the child's own */
	/* private */
	struct server *server;
	pid_t pid;
	int pidfd;
	struct ev_io io;
	struct ev_timer again;
	unsigned early_ends;
	uint64_t started_ns;
	bool started;
};

int hand_start(struct server *s, struct hand *h, struct error *err);
/* Neither waits nor queues: ERR_BUSY when the hand has too much to do already. */
int hand_give(struct hand *h, const void *packet, size_t n, const int *fds, unsigned fd_count, struct error *err);
/* In the child. */
void hand_answer(struct hand *h, const void *packet, size_t n);
/* Ends the process; it is started again. For one that hangs. */
void hand_kill(struct hand *h);
void hand_stop(struct hand *h);

#endif
