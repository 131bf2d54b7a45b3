/* A few threads for work that would hold up an event loop: hashing, base64, unzipping headers, large JSON.
 *
 * A job is embedded in its owner. `work` runs on a pool thread and touches only the job; `done` runs on the loop that
 * submitted it. A submitted job cannot be taken back: its owner lives until `done`. */
#ifndef MAYFLY_EV_POOL_H
#define MAYFLY_EV_POOL_H

#include "core/ev/ev.h"

struct ev_pool;

struct ev_job {
	void (*work)(struct ev_job *job);
	void (*done)(struct ev_job *job);
	struct ev_loop *loop;
	struct ev_post post;
	struct ev_job *next;
};

struct ev_pool *ev_pool_new(unsigned threads, struct error *err);
void ev_pool_free(struct ev_pool *pool); /* waits for what is queued */
void ev_pool_submit(struct ev_pool *pool, struct ev_loop *loop, struct ev_job *job);

#endif
