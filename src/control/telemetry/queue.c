#include "control/telemetry/queue.h"

#include <string.h>

#include "core/base/check.h"
#include "core/base/clock.h"

/* Records of two batches may wait while one is on its way. */
#define ROOM_BATCHES 2u
#define COMPACT_BYTES 65536u

void telemetry_queue_init(struct telemetry_queue *q, uint32_t max_items, uint32_t max_bytes, uint32_t timeout_ms)
{
	*q = (struct telemetry_queue){.max_items = max_items, .max_bytes = max_bytes, .timeout_ns = timeout_ms * NS_PER_MS,
	                              .room = (size_t)max_bytes * ROOM_BATCHES};
	/* Lengths stand beside the records, and as much that was taken may stand before them. */
	buf_init(&q->data, 2 * (q->room + (size_t)max_items * ROOM_BATCHES * sizeof(uint32_t)) + COMPACT_BYTES);
}

void telemetry_queue_release(struct telemetry_queue *q)
{
	buf_release(&q->data);
}

static struct str record_at(const struct telemetry_queue *q, size_t at)
{
	uint32_t n;
	memcpy(&n, q->data.data + at, sizeof n);
	return (struct str){q->data.data + at + sizeof n, n};
}

static void count(struct telemetry_count *c, size_t bytes)
{
	c->records++;
	c->bytes += bytes;
}

/* What was taken goes when it is the larger part: each byte is moved once on the average. */
static void compact(struct telemetry_queue *q)
{
	if (q->head < COMPACT_BYTES && q->head < q->data.len)
		return;
	if (q->head * 2 < q->data.len)
		return;
	buf_consume(&q->data, q->head);
	q->head = 0;
	buf_shrink(&q->data);
}

static void drop_oldest(struct telemetry_queue *q)
{
	struct str record = record_at(q, q->head);
	q->head += sizeof(uint32_t) + record.n;
	q->pending.records--;
	q->pending.bytes -= record.n;
	count(&q->dropped, record.n);
	compact(q);
}

static bool fits(const struct telemetry_queue *q, size_t n)
{
	return q->pending.bytes + n <= q->room && q->pending.records < (uint64_t)q->max_items * ROOM_BATCHES;
}

void telemetry_queue_add(struct telemetry_queue *q, struct str record, uint64_t now_ns)
{
	uint32_t n = (uint32_t)record.n;
	if (record.n > q->room) {
		count(&q->dropped, record.n);
		return;
	}
	while (!fits(q, record.n))
		drop_oldest(q);
	char *at = buf_reserve(&q->data, sizeof n + record.n);
	if (!at) { /* no memory */
		count(&q->dropped, record.n);
		return;
	}
	memcpy(at, &n, sizeof n);
	memcpy(at + sizeof n, record.p, record.n);
	q->data.len += sizeof n + record.n;
	if (!q->pending.records)
		q->oldest_ns = now_ns;
	count(&q->pending, record.n);
}

uint64_t telemetry_queue_due_ns(const struct telemetry_queue *q)
{
	if (!q->pending.records)
		return TELEMETRY_NEVER;
	if (q->flushed || q->pending.records >= q->max_items || q->pending.bytes >= q->max_bytes)
		return 0;
	return q->oldest_ns + q->timeout_ns;
}

void telemetry_queue_flush(struct telemetry_queue *q)
{
	q->flushed = q->pending.records > 0;
}

void telemetry_queue_skip(struct telemetry_queue *q, uint64_t ns)
{
	q->oldest_ns += ns;
}

/* How many of the oldest records make the next batch. */
static struct telemetry_count measure(const struct telemetry_queue *q)
{
	struct telemetry_count c = {0};
	for (size_t at = q->head; c.records < q->pending.records && c.records < q->max_items;) {
		struct str record = record_at(q, at);
		if (c.records && c.bytes + record.n > q->max_bytes)
			break;
		count(&c, record.n);
		at += sizeof(uint32_t) + record.n;
	}
	return c;
}

static int write_batch(const struct telemetry_queue *q, const struct telemetry_framing *framing, struct str first, uint64_t records,
                       struct buf *out)
{
	size_t at = q->head;
	buf_put(out, framing->open);
	buf_put(out, first);
	for (uint64_t i = 0; i < records; i++) {
		struct str record = record_at(q, at);
		if (i || first.n)
			buf_put(out, framing->between);
		buf_put(out, record);
		at += sizeof(uint32_t) + record.n;
	}
	buf_put(out, framing->close);
	return out->overflow ? -1 : 0;
}

int telemetry_queue_take(struct telemetry_queue *q, const struct telemetry_framing *framing, struct str first, uint64_t now_ns,
                         struct buf *out, struct telemetry_count *took)
{
	ASSERT(q->pending.records);
	struct telemetry_count batch = measure(q);
	if (write_batch(q, framing, first, batch.records, out) < 0)
		return -1;
	q->head += batch.bytes + batch.records * sizeof(uint32_t);
	q->pending.records -= batch.records;
	q->pending.bytes -= batch.bytes;
	q->flushed = q->flushed && q->pending.records;
	q->oldest_ns = now_ns; /* of what is left nothing older is known; it is most likely full again soon */
	compact(q);
	*took = batch;
	return 0;
}

void telemetry_queue_lose(struct telemetry_queue *q, struct telemetry_count lost)
{
	q->dropped.records += lost.records;
	q->dropped.bytes += lost.bytes;
}
