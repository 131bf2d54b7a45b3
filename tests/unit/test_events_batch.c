/* Batches: the event that a function gets, and which messages its answer leaves. */
#include "tests/unit/test.h"

#include <stdlib.h>

#include "control/events/batch.h"
#include "core/json/value.h"

#define MESSAGES 4

static struct source_message rows[MESSAGES];
static struct list ring, good;

static void fill(const char *groups)
{
	static const char *const ids[MESSAGES] = {"a", "b", "c", "d"};
	static const char *const bodies[MESSAGES] = {"1", "two \"2\"\n", "{\"n\":3}", "\xf0\x9f\x98\x80"};
	list_init(&ring);
	list_init(&good);
	for (size_t i = 0; i < MESSAGES; i++) {
		rows[i] = (struct source_message){.id = str_from(ids[i]), .body = str_from(bodies[i]), .record = STR("\"messageId\":\"m\"")};
		if (groups)
			rows[i].group = (struct str){groups + i, 1};
		list_init(&rows[i].link);
		list_push_back(&ring, &rows[i].link);
	}
}

static const char *ids_of(const struct list *l)
{
	static char text[2][MESSAGES + 1];
	static unsigned turn;
	char *out = text[turn++ % 2];
	size_t n = 0;
	for (const struct list *p = l->next; p != l; p = p->next)
		out[n++] = *CONTAINER_OF((struct list *)(uintptr_t)p, struct source_message, link)->id.p;
	out[n] = '\0';
	return out;
}

TEST(event)
{
	struct buf out;
	fill(NULL);
	buf_init(&out, BATCH_BYTES_MAX + 1000);
	CHECK_INT(batch_write(&out, &ring, NULL), 0);
	CLEANUP_JSON json_t *json = json_value_load(buf_str(&out), NULL, NULL);
	json_t *records = json_object_get(json, "Records");
	CHECK_INT(json_array_size(records), MESSAGES);
	for (size_t i = 0; i < MESSAGES; i++) {
		CHECK(str_eq(json_value_text(json_object_get(json_array_get(records, i), "body")), rows[i].body));
		CHECK_STR(json_string_value(json_object_get(json_array_get(records, i), "messageId")), "m");
	}
	size_t sum = BATCH_FRAME_BYTES;
	for (size_t i = 0; i < MESSAGES; i++)
		sum += batch_record_size(&rows[i]);
	CHECK(sum >= out.len);
	buf_release(&out);
}

TEST(event_too_large)
{
	struct buf out;
	struct error err = {0};
	char *big = malloc(BATCH_BYTES_MAX / 2);
	memset(big, '"', BATCH_BYTES_MAX / 2);
	fill(NULL);
	rows[2].body = (struct str){big, BATCH_BYTES_MAX / 2};
	buf_init(&out, 2 * BATCH_BYTES_MAX);
	CHECK_INT(batch_write(&out, &ring, &err), -1);
	CHECK_INT(err.code, ERR_TOO_LARGE);
	CHECK(batch_record_size(&rows[2]) > BATCH_BYTES_MAX);
	buf_release(&out);
	free(big);
}

TEST(filtered_record)
{
	static const struct {
		const char *body, *want;
	} cases[] = {
		{"{\"a\": [1]}", "{\"messageId\":\"m\",\"body\":{\"a\": [1]}}"},
		{" [1]", "{\"messageId\":\"m\",\"body\": [1]}"},
		{"{\"a\": ", "{\"messageId\":\"m\",\"body\":\"{\\\"a\\\": \"}"},
		{"12", "{\"messageId\":\"m\",\"body\":\"12\"}"},
		{"", "{\"messageId\":\"m\",\"body\":\"\"}"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct source_message m = {.body = str_from(cases[i].body), .record = STR("\"messageId\":\"m\"")};
		struct buf out;
		buf_init(&out, 4096);
		CHECK_INT(batch_write_filtered(&out, &m), 0);
		buf_putc(&out, '\0');
		CHECK_STR(out.data, cases[i].want);
		buf_release(&out);
	}
}

TEST(all_good)
{
	static const char *const answers[] = {"null", "{}", "[]", "\"ok\"", "{\"batchItemFailures\":[]}", "{\"batchItemFailures\":null}", "{\"foo\":1}"};
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		fill(NULL);
		CHECK_INT(batch_split(&ring, &good, str_from(answers[i]), false), 0);
		CHECK_STR(ids_of(&good), "abcd");
		CHECK_STR(ids_of(&ring), "");
	}
}

TEST(some_failed)
{
	fill(NULL);
	CHECK_INT(batch_split(&ring, &good, STR("{\"batchItemFailures\":[{\"itemIdentifier\":\"b\"},{\"itemIdentifier\":\"d\"},{\"itemIdentifier\":\"b\"}]}"),
	                      false), 0);
	CHECK_STR(ids_of(&good), "ac");
	CHECK_STR(ids_of(&ring), "bd");
}

TEST(whole_batch_failed)
{
	static const char *const answers[] = {
		"", "(no json", "{\"batchItemFailures\":\"b\"}", "{\"batchItemFailures\":{}}", "{\"batchItemFailures\":[{\"itemIdentifier\":\"\"}]}",
		"{\"batchItemFailures\":[{\"itemIdentifier\":null}]}", "{\"batchItemFailures\":[{\"id\":\"b\"}]}", "{\"batchItemFailures\":[\"b\"]}",
		"{\"batchItemFailures\":[{\"itemIdentifier\":\"b\"},{\"itemIdentifier\":\"zz\"}]}", "{\"batchItemFailures\":[{\"itemIdentifier\":7}]}",
	};
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		fill(NULL);
		CHECK_INT(batch_split(&ring, &good, str_from(answers[i]), false), -1);
		CHECK_STR(ids_of(&good), "");
		CHECK_INT(strlen(ids_of(&ring)), MESSAGES);
	}
}

TEST(ordered_groups)
{
	fill("xyxx"); /* a and c, d are one group, b another */
	CHECK_INT(batch_split(&ring, &good, STR("{\"batchItemFailures\":[{\"itemIdentifier\":\"c\"}]}"), true), 0);
	CHECK_STR(ids_of(&good), "ab");
	CHECK_STR(ids_of(&ring), "cd");
	fill("xyxx");
	CHECK_INT(batch_split(&ring, &good, STR("{\"batchItemFailures\":[{\"itemIdentifier\":\"a\"}]}"), true), 0);
	CHECK_STR(ids_of(&good), "b");
	CHECK_STR(ids_of(&ring), "acd");
}

TESTS(T(event), T(event_too_large), T(filtered_record), T(all_good), T(some_failed), T(whole_batch_failed), T(ordered_groups))
