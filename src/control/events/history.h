/* What became of each event, found by its request id. Segment files DIR/events/NNNNNNNN (newest last), one line of JSON a step, appended by
 * the pool's thread once a round, not synced: a history, not a promise; nothing waits for it. The oldest segment goes when all pass
 * --event-history MB. A search reads the segments on the pool (64 MB: some 50 ms).
 *
 * One loop. When the disk is full lines are dropped and counted. */
#ifndef MAYFLY_EVENTS_HISTORY_H
#define MAYFLY_EVENTS_HISTORY_H

#include <stdint.h>

#include "core/base/error.h"
#include "core/base/rand.h"
#include "core/base/str.h"
#include "core/ev/pool.h"

struct history;

enum history_step {
	HISTORY_ACCEPTED,  /* durable; sequence tells where */
	HISTORY_STARTED,   /* an attempt */
	HISTORY_SUCCEEDED,
	HISTORY_FAILED,    /* the attempt: text is the error's type and message */
	HISTORY_RETRY,     /* at next_ms */
	HISTORY_THROTTLED, /* again at next_ms */
	HISTORY_DEAD,      /* text says why: RetriesExhausted, ... */
	HISTORY_DELIVERED, /* to the destination or dead-letter queue that text names */
	HISTORY_UNDELIVERED, /* text: which, and why */
	HISTORY_DROPPED,   /* text: function deleted, ... */
	HISTORY_STEPS
};

struct history_line {
	enum history_step step;
	struct str request_id, function, text; /* text at most 512 bytes are kept */
	uint64_t sequence; /* 0: none */
	unsigned attempt;  /* 0: none */
	int64_t next_ms;   /* 0: none */
};

/* `dirfd`: DIR/events, stays the caller's. */
struct history *history_new(struct ev_loop *loop, struct ev_pool *pool, int dirfd, uint64_t max_bytes, struct error *err);
/* After the pool was freed, and when the loop is not run any more (or was run once more since): writes out what is buffered. */
void history_free(struct history *h);
void history_note(struct history *h, const struct history_line *line);

/* A JSON array of lines, oldest first. By request id (then all of them), or the latest `max` of a function
 * ("": of all functions; failures only, if asked). */
struct history_query {
	struct str request_id, function; /* one of them; the other p NULL */
	unsigned max;
	bool failures;
};
typedef void history_cb(void *arg, struct str json, const struct error *err);
void history_find(struct history *h, const struct history_query *q, history_cb *cb, void *arg);
uint64_t history_dropped(const struct history *h);

#endif
