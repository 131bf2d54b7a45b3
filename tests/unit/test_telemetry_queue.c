/* Which batches come of which records: by items, bytes and time, under an invented clock; what is dropped. */
#include <stdlib.h>

#include "control/telemetry/queue.h"
#include "core/base/check.h"
#include "core/base/clock.h"
#include "tests/unit/test.h"

static const struct telemetry_framing as_array = {STR("["), STR(","), STR("]")};

/* The next batch as text, malloc'd. */
static char *take(struct telemetry_queue *q, struct str first, uint64_t now_ns, struct telemetry_count *took)
{
	struct buf out;
	size_t n;
	buf_init(&out, 4 << 20);
	ASSERT(telemetry_queue_take(q, &as_array, first, now_ns, &out, took) == 0);
	char *text = buf_steal(&out, &n);
	ASSERT(text);
	buf_release(&out);
	return text;
}

static void add(struct telemetry_queue *q, const char *record, uint64_t now_ns)
{
	telemetry_queue_add(q, str_from(record), now_ns);
}

TEST(a_batch_is_due_by_time)
{
	struct telemetry_queue q;
	struct telemetry_count took;
	telemetry_queue_init(&q, 10, 1000, 25);
	CHECK(telemetry_queue_due_ns(&q) == TELEMETRY_NEVER);
	add(&q, "1", 100);
	add(&q, "2", 200);
	CHECK(telemetry_queue_due_ns(&q) == 100 + 25 * NS_PER_MS);
	telemetry_queue_skip(&q, 1000);
	CHECK(telemetry_queue_due_ns(&q) == 1100 + 25 * NS_PER_MS);
	char *text = take(&q, STR_NULL, 5000, &took);
	CHECK_STR(text, "[1,2]");
	CHECK_INT(took.records, 2);
	CHECK_INT(took.bytes, 2);
	free(text);
	CHECK(telemetry_queue_due_ns(&q) == TELEMETRY_NEVER);
	add(&q, "3", 7000);
	CHECK(telemetry_queue_due_ns(&q) == 7000 + 25 * NS_PER_MS);
	telemetry_queue_release(&q);
}

TEST(a_batch_is_due_by_items)
{
	struct telemetry_queue q;
	struct telemetry_count took;
	telemetry_queue_init(&q, 3, 1000, 1000);
	add(&q, "1", 1);
	add(&q, "2", 1);
	CHECK(telemetry_queue_due_ns(&q) != 0);
	add(&q, "3", 1);
	CHECK_INT(telemetry_queue_due_ns(&q), 0);
	add(&q, "4", 1);
	char *text = take(&q, STR("0"), 9, &took);
	CHECK_STR(text, "[0,1,2,3]");
	free(text);
	CHECK(telemetry_queue_due_ns(&q) == 9 + 1000 * NS_PER_MS);
	telemetry_queue_release(&q);
}

TEST(a_batch_is_due_by_bytes)
{
	struct telemetry_queue q;
	struct telemetry_count took;
	telemetry_queue_init(&q, 100, 10, 1000);
	add(&q, "aaaa", 1);
	add(&q, "bbbb", 1);
	CHECK(telemetry_queue_due_ns(&q) != 0);
	add(&q, "cccc", 1);
	CHECK_INT(telemetry_queue_due_ns(&q), 0);
	char *text = take(&q, STR_NULL, 1, &took);
	CHECK_STR(text, "[aaaa,bbbb]");
	free(text);
	text = take(&q, STR_NULL, 1, &took);
	CHECK_STR(text, "[cccc]");
	free(text);
	add(&q, "ddddddddddddddd", 1); /* larger than a batch: alone */
	add(&q, "e", 1);
	CHECK_INT(telemetry_queue_due_ns(&q), 0);
	text = take(&q, STR_NULL, 1, &took);
	CHECK_STR(text, "[ddddddddddddddd]");
	free(text);
	telemetry_queue_release(&q);
}

TEST(a_flush_is_for_what_is_there)
{
	struct telemetry_queue q;
	struct telemetry_count took;
	telemetry_queue_init(&q, 10, 1000, 1000);
	telemetry_queue_flush(&q);
	CHECK(telemetry_queue_due_ns(&q) == TELEMETRY_NEVER);
	add(&q, "1", 1);
	telemetry_queue_flush(&q);
	CHECK_INT(telemetry_queue_due_ns(&q), 0);
	free(take(&q, STR_NULL, 1, &took));
	add(&q, "2", 1);
	CHECK(telemetry_queue_due_ns(&q) != 0);
	telemetry_queue_release(&q);
}

TEST(the_oldest_are_dropped_and_counted)
{
	struct telemetry_queue q;
	struct telemetry_count took;
	char record[8];
	telemetry_queue_init(&q, 4, 1000, 1000); /* room for 8 */
	for (int i = 0; i < 20; i++) {
		snprintf(record, sizeof record, "%d", i);
		add(&q, record, 1);
	}
	CHECK_INT(q.dropped.records, 12);
	CHECK_INT(q.dropped.bytes, 14); /* ten of one byte, two of two */
	char *text = take(&q, STR_NULL, 1, &took);
	CHECK_STR(text, "[12,13,14,15]");
	free(text);
	telemetry_queue_lose(&q, took);
	CHECK_INT(q.dropped.records, 16);
	telemetry_queue_release(&q);
}

TEST(memory_is_bounded)
{
	struct telemetry_queue q;
	struct telemetry_count took;
	static char record[70000];
	uint64_t records = 0, taken = 0;
	telemetry_queue_init(&q, 1000, 262144, 1000);
	for (unsigned round = 0; round < 2000; round++) {
		size_t n = 1 + round * 7919u % (sizeof record - 1);
		memset(record, 'a' + (int)(round % 26), n);
		telemetry_queue_add(&q, (struct str){record, n}, round);
		records++;
		CHECK(q.pending.bytes <= q.room);
		CHECK(q.data.cap <= q.data.max);
		if (round % 13 == 0) {
			struct buf out;
			buf_init(&out, 4 << 20);
			CHECK_INT(telemetry_queue_take(&q, &as_array, STR_NULL, round, &out, &took), 0);
			CHECK(took.bytes <= 262144 && out.len == took.bytes + took.records + 1);
			taken += took.records;
			buf_release(&out);
		}
	}
	CHECK_INT(records, taken + q.pending.records + q.dropped.records);
	memset(record, 'x', sizeof record);
	static char huge[600000];
	telemetry_queue_add(&q, (struct str){huge, sizeof huge}, 1); /* never fits: lost alone */
	CHECK_INT(records + 1, taken + q.pending.records + q.dropped.records);
	CHECK(q.pending.records > 0);
	while (q.pending.records) {
		free(take(&q, STR_NULL, 1, &took));
		taken += took.records;
	}
	CHECK_INT(q.data.cap, 0); /* given back */
	telemetry_queue_release(&q);
}

TESTS(T(a_batch_is_due_by_time), T(a_batch_is_due_by_items), T(a_batch_is_due_by_bytes), T(a_flush_is_for_what_is_there),
      T(the_oldest_are_dropped_and_counted), T(memory_is_bounded))
