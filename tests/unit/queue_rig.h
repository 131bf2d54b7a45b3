/* A queue on a folder of its own, with a clock that a test sets: for every test of what is built on core/store/queue.h. The engine is
 * chosen here and nowhere else. A test's clock is looked at every few ms of real time, so waits for it are short. */
#ifndef MAYFLY_QUEUE_RIG_H
#define MAYFLY_QUEUE_RIG_H

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/store/queue_sqlite.h"

struct queue_rig {
	char path[64];
	int dirfd;
	struct ev_loop *loop;
	struct queue *queue;
	bool real_clock;
	int64_t now_ms; /* the wall clock that the engine sees; the test's to change */
	struct queue_sqlite_options options;
	struct error err;
};

static inline int64_t queue_rig_now(void *arg)
{
	return ((struct queue_rig *)arg)->now_ms;
}

static inline bool queue_rig_open(struct queue_rig *rig)
{
	struct queue_sqlite_options o = rig->options;
	if (!rig->real_clock) {
		o.now_ms = queue_rig_now;
		o.now_arg = rig;
	}
	rig->queue = queue_sqlite_open(rig->loop, rig->dirfd, &o, &rig->err);
	return rig->queue != NULL;
}

/* `loop` NULL: one of its own. `options` may be NULL. */
static inline bool queue_rig_start(struct queue_rig *rig, struct ev_loop *loop, const struct queue_sqlite_options *options)
{
	*rig = (struct queue_rig){.path = "/tmp/mayfly-queue-XXXXXX", .now_ms = 1700000000000, .loop = loop};
	if (options)
		rig->options = *options;
	if (!mkdtemp(rig->path))
		return false;
	rig->dirfd = open(rig->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	rig->loop = loop ? loop : ev_loop_new(NULL);
	return queue_rig_open(rig);
}

static inline bool queue_rig_reopen(struct queue_rig *rig)
{
	queue_close(rig->queue);
	return queue_rig_open(rig);
}

static inline int queue_rig_remove(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

/* The loop is freed when it is the rig's own. */
static inline void queue_rig_stop(struct queue_rig *rig, bool own_loop)
{
	queue_close(rig->queue);
	if (own_loop)
		ev_loop_free(rig->loop);
	close(rig->dirfd);
	nftw(rig->path, queue_rig_remove, 8, FTW_DEPTH | FTW_PHYS);
}

#endif
