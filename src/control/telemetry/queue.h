/* What one subscriber is still to get: finished JSON records, oldest first, within a bounded memory, and when a batch of them is due.
 * Pure: time comes from the caller (nanoseconds of one clock that never goes back).
 *
 * A batch is due when its subscription's first limit is reached: items, bytes, or the time since its oldest record came. Without
 * room the oldest go first; who was dropped is counted until a batch has told of it. */
#ifndef MAYFLY_TELEMETRY_QUEUE_H
#define MAYFLY_TELEMETRY_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/str.h"

#define TELEMETRY_NEVER UINT64_MAX

struct telemetry_count {
	uint64_t records, bytes;
};

struct telemetry_queue {
	uint32_t max_items, max_bytes;
	uint64_t timeout_ns;
	size_t room;         /* of pending records' bytes */
	struct buf data;     /* each record behind its length */
	size_t head;         /* where the oldest begins */
	struct telemetry_count pending;
	struct telemetry_count dropped; /* not told yet */
	uint64_t oldest_ns;  /* when the batch that is next was begun */
	bool flushed;        /* due whatever the time */
};

void telemetry_queue_init(struct telemetry_queue *q, uint32_t max_items, uint32_t max_bytes, uint32_t timeout_ms);
void telemetry_queue_release(struct telemetry_queue *q);
void telemetry_queue_add(struct telemetry_queue *q, struct str record, uint64_t now_ns);
/* When a batch is due: TELEMETRY_NEVER when there is nothing, 0 when it is now. */
uint64_t telemetry_queue_due_ns(const struct telemetry_queue *q);
/* What is there now is due at once. */
void telemetry_queue_flush(struct telemetry_queue *q);
/* No time passed between the two for who has to get it (the environment was frozen). */
void telemetry_queue_skip(struct telemetry_queue *q, uint64_t ns);
/* How the records of a batch stand together. */
struct telemetry_framing {
	struct str open, between, close;
};
/* The next batch, taken out: `first` (n 0: none), then up to max_items and max_bytes of records, one at least. Only while something is
 * pending. -1: no memory; nothing is taken. */
int telemetry_queue_take(struct telemetry_queue *q, const struct telemetry_framing *framing, struct str first, uint64_t now_ns,
                         struct buf *out, struct telemetry_count *took);
/* A batch that nobody took is lost. */
void telemetry_queue_lose(struct telemetry_queue *q, struct telemetry_count lost);

#endif
