/* Groups, streams, events that are put, retention and tags: across restarts, cut files, and with a clock that the test moves. */
#include "tests/unit/test.h"
#include "tests/unit/logs_fixture.h"

#include <sys/stat.h>

#include "control/logs/live_tail.h"
#include "control/logs/manage.h"
#include "control/logs/segment.h"

#define APP "/my/app"
#define DAY_MS 86400000ll

static void reopen(struct fixture *x)
{
	logs_free(x->logs);
	fixture_open_logs(x, 64u << 20);
}

static int make(struct fixture *x, const char *group, const char *stream)
{
	struct logs_new_group q = {.name = str_from(group)};
	if (logs_create_group(x->logs, &q, NULL) < 0)
		return -1;
	return stream ? logs_create_stream(x->logs, str_from(group), str_from(stream), NULL) : 0;
}

static int put(struct fixture *x, const char *group, const char *stream, int64_t ms, const char *text)
{
	struct logs_rejected r;
	struct error err = {0};
	char next[64];
	struct logs_event e = {ms, str_from(text)};
	return logs_put_events(x->logs, str_from(group), str_from(stream), &e, 1, &r, next, &err) < 0 ? -(int)err.code : 0;
}

/* All messages of a stream (or of all), one after the other; static, "-" when it is not there. */
static const char *text_of(struct fixture *x, const char *group, const char *stream)
{
	static char text[4096];
	struct log_page page;
	struct logs_get g = {.group = str_from(group), .stream = str_from(stream ? stream : ""), .from_head = true};
	struct logs_filter f = {.group = str_from(group)};
	if ((stream ? logs_get_events(x->logs, &g, &page, NULL) : logs_filter_events(x->logs, &f, &page, NULL)) < 0)
		return "-";
	CLEANUP_FREE char *all = fixture_text(&page);
	log_page_release(&page);
	ASSERT(str_copy(text, sizeof text, str_from(all)) == 0);
	return text;
}

static size_t count_groups(struct fixture *x, struct log_group_info *first)
{
	struct log_page page;
	struct logs_describe_groups q = {0};
	ASSERT(logs_describe_groups(x->logs, &q, &page, NULL) == 0);
	size_t n = page.count;
	if (n)
		*first = page.groups[0];
	log_page_release(&page);
	return n;
}

TEST(groups_come_and_go)
{
	struct fixture x;
	struct log_group_info g;
	fixture_init(&x, 64u << 20);
	CHECK_INT(count_groups(&x, &g), 0);
	CHECK_INT(make(&x, APP, "s"), 0);
	struct error err = {0};
	CHECK_INT(logs_create_group(x.logs, &(struct logs_new_group){.name = STR(APP)}, &err), -1);
	CHECK_INT(err.code, ERR_EXISTS);
	CHECK_INT(logs_create_stream(x.logs, STR(APP), STR("s"), &err), -1);
	CHECK_INT(err.code, ERR_EXISTS);
	CHECK_INT(logs_create_stream(x.logs, STR("/none"), STR("s"), &err), -1);
	CHECK_INT(err.code, ERR_NOT_FOUND);
	CHECK_INT(count_groups(&x, &g), 1);
	CHECK_INT(g.created_ms, fixture_now_ms);
	CHECK_INT(put(&x, APP, "s", fixture_now_ms, "one\n"), 0);
	CHECK_INT(put(&x, APP, "none", fixture_now_ms, "x"), -ERR_NOT_FOUND);
	CHECK_INT(put(&x, "/none", "s", fixture_now_ms, "x"), -ERR_NOT_FOUND);
	CHECK_INT(count_groups(&x, &g), 1); /* asking made none */
	reopen(&x);
	CHECK_STR(text_of(&x, APP, "s"), "one\n");
	CHECK_INT(logs_set_protected(x.logs, STR(APP), true, NULL), 0);
	CHECK_INT(logs_delete_group(x.logs, STR(APP), &err), -1);
	CHECK_INT(err.code, ERR_CONFLICT);
	CHECK_INT(logs_set_protected(x.logs, STR(APP), false, NULL), 0);
	CHECK_INT(logs_delete_group(x.logs, STR(APP), NULL), 0);
	CHECK_INT(logs_delete_group(x.logs, STR(APP), &err), -1);
	CHECK_INT(err.code, ERR_NOT_FOUND);
	CHECK_STR(text_of(&x, APP, "s"), "-");
	CHECK_INT(make(&x, APP, "s"), 0); /* anew, empty */
	CHECK_STR(text_of(&x, APP, "s"), "");
	fixture_release(&x);
}

/* Environments go on printing: their streams are made again, and nobody's number is mistaken for another's. */
TEST(a_function_outlives_its_log_group)
{
	struct fixture x;
	fixture_init(&x, 64u << 20);
	struct log_stream *a = logs_open_stream(x.logs, &x.version, NULL), *b = logs_open_stream(x.logs, &x.version, NULL);
	fixture_print(a, "old a\n");
	fixture_print(b, "old b\n");
	CHECK_INT(logs_delete_group(x.logs, STR(GROUP), NULL), 0);
	CHECK_STR(text_of(&x, GROUP, NULL), "-");
	fixture_print(b, "new b\n");
	CHECK_STR(text_of(&x, GROUP, log_stream_name(b)), "new b\n");
	CHECK_STR(text_of(&x, GROUP, log_stream_name(a)), "-");
	fixture_print(a, "new a\n");
	CHECK_STR(text_of(&x, GROUP, log_stream_name(a)), "new a\n");
	CHECK_INT(logs_delete_stream(x.logs, STR(GROUP), str_from(log_stream_name(a)), NULL), 0);
	CHECK_STR(text_of(&x, GROUP, log_stream_name(a)), "-");
	CHECK_STR(text_of(&x, GROUP, NULL), "new b\n");
	fixture_print(a, "again\n");
	CHECK_STR(text_of(&x, GROUP, log_stream_name(a)), "again\n");
	log_stream_close(a);
	log_stream_close(b);
	reopen(&x);
	CHECK_STR(text_of(&x, GROUP, NULL), "new b\nagain\n");
	fixture_release(&x);
}

/* Streams that lie in several segments, some of them with an index file, are deleted everywhere; a cut end does no harm. */
TEST(a_deleted_stream_is_gone_everywhere)
{
	struct fixture x;
	char big[1000], path[200];
	fixture_init(&x, 2u << 20); /* segments of 128 KB */
	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	CHECK_INT(make(&x, APP, "a"), 0);
	CHECK_INT(logs_create_stream(x.logs, STR(APP), STR("b"), NULL), 0);
	for (int i = 0; i < 400; i++)
		CHECK_INT(put(&x, APP, i % 2 ? "a" : "b", fixture_now_ms, big), 0);
	CHECK_INT(put(&x, APP, "b", fixture_now_ms, "kept"), 0);
	logs_free(x.logs);
	snprintf(path, sizeof path, "%s/+my+app/0000000000000001.log", x.path);
	struct stat before, after;
	CHECK_INT(stat(path, &before), 0);
	CHECK_INT(truncate(path, before.st_size - 5), 0);
	struct timespec old[] = {{1000000, 0}, {1000000, 0}};
	CHECK_INT(utimensat(AT_FDCWD, path, old, 0), 0);
	fixture_open_logs(&x, 2u << 20);
	CHECK_INT(logs_delete_stream(x.logs, STR(APP), STR("a"), NULL), 0);
	CHECK_INT(stat(path, &after), 0);
	CHECK_INT(after.st_mtim.tv_sec, 1000000); /* its age is what it was */
	CHECK_STR(text_of(&x, APP, "a"), "-");
	logs_free(x.logs);
	fixture_open_logs(&x, 2u << 20);
	struct log_page page;
	struct logs_filter f = {.group = STR(APP)};
	CHECK_INT(logs_filter_events(x.logs, &f, &page, NULL), 0);
	CHECK(page.count >= 200 && str_eqz(page.events[page.count - 1].message, "kept"));
	for (size_t i = 0; i < page.count; i++)
		CHECK(str_eqz(page.events[i].stream, "b"));
	log_page_release(&page);
	struct logs_describe_streams d = {.group = STR(APP)};
	CHECK_INT(logs_describe_streams(x.logs, &d, &page, NULL), 0);
	CHECK_INT(page.count, 1);
	log_page_release(&page);
	CHECK_INT(logs_create_stream(x.logs, STR(APP), STR("a"), NULL), 0);
	CHECK_STR(text_of(&x, APP, "a"), "");
	fixture_release(&x);
}

TEST(batches_have_limits)
{
	struct fixture x;
	struct logs_rejected r;
	char next[64];
	struct error err = {0};
	fixture_init(&x, 64u << 20);
	CHECK_INT(make(&x, APP, "s"), 0);
	int64_t now = fixture_now_ms;
	struct logs_event backwards[] = {{now, STR("b")}, {now - 1, STR("a")}};
	CHECK_INT(logs_put_events(x.logs, STR(APP), STR("s"), backwards, 2, &r, next, &err), -1);
	CHECK_STR(err.msg, "Log events in a single PutLogEvents request must be in chronological order.");
	struct logs_event wide[] = {{now - DAY_MS - 1, STR("a")}, {now, STR("b")}};
	CHECK_INT(logs_put_events(x.logs, STR(APP), STR("s"), wide, 2, &r, next, &err), -1);
	CHECK(strstr(err.msg, "cannot span more than 24 hours"));
	CLEANUP_FREE char *big = malloc(1 << 20);
	ASSERT(big);
	memset(big, 'x', 1 << 20);
	struct logs_event large = {now, {big, (1 << 20) - 25}};
	CHECK_INT(logs_put_events(x.logs, STR(APP), STR("s"), &large, 1, &r, next, &err), -1);
	CHECK_STR(err.msg, "Log event too large: 1048577 bytes exceeds limit of 1048576");
	struct logs_event two[] = {{now, {big, 600000}}, {now, {big, 600000}}};
	CHECK_INT(logs_put_events(x.logs, STR(APP), STR("s"), two, 2, &r, next, &err), -1);
	CHECK_STR(err.msg, "Upload too large: 1200052 bytes exceeds limit of 1048576");
	CHECK_STR(text_of(&x, APP, "s"), "");
	large.message.n = (1 << 20) - 26; /* the largest is read back in both directions */
	CHECK_INT(logs_put_events(x.logs, STR(APP), STR("s"), &large, 1, &r, next, &err), 0);
	CHECK_INT(put(&x, APP, "s", now, "behind"), 0);
	struct log_page page;
	struct logs_get g = {.group = STR(APP), .stream = STR("s"), .from_head = true, .limit = 1};
	CHECK_INT(logs_get_events(x.logs, &g, &page, NULL), 0);
	CHECK(page.count == 1 && page.events[0].message.n == large.message.n);
	log_page_release(&page);
	g.from_head = false;
	CHECK_INT(logs_get_events(x.logs, &g, &page, NULL), 0);
	CHECK(page.count == 1 && str_eqz(page.events[0].message, "behind"));
	char token[LOGS_TOKEN_SIZE];
	strcpy(token, page.backward);
	log_page_release(&page);
	g.token = str_from(token);
	CHECK_INT(logs_get_events(x.logs, &g, &page, NULL), 0);
	CHECK(page.count == 1 && page.events[0].message.n == large.message.n);
	log_page_release(&page);
	fixture_release(&x);
}

TEST(events_out_of_their_time_are_rejected)
{
	struct fixture x;
	struct logs_rejected r;
	char next[64];
	fixture_init(&x, 64u << 20);
	CHECK_INT(make(&x, APP, "s"), 0);
	int64_t now = fixture_now_ms, edge = now - 14 * DAY_MS;
	struct logs_event old[] = {{edge - 2, STR("a")}, {edge - 1, STR("b")}, {edge, STR("c")}};
	CHECK_INT(logs_put_events(x.logs, STR(APP), STR("s"), old, 3, &r, next, NULL), 0);
	CHECK(r.too_old_end == 2 && r.too_new_start == -1 && r.expired_end == -1);
	struct logs_event new[] = {{now + 7200000, STR("d")}, {now + 7200001, STR("e")}};
	CHECK_INT(logs_put_events(x.logs, STR(APP), STR("s"), new, 2, &r, next, NULL), 0);
	CHECK(r.too_new_start == 1 && r.too_old_end == -1);
	CHECK_INT(logs_set_retention(x.logs, STR(APP), 1, NULL), 0);
	struct logs_event expired[] = {{now - DAY_MS - 1, STR("f")}, {now - DAY_MS, STR("g")}};
	CHECK_INT(logs_put_events(x.logs, STR(APP), STR("s"), expired, 2, &r, next, NULL), 0);
	CHECK_INT(r.expired_end, 1);
	CHECK_STR(text_of(&x, APP, "s"), "cgd"); /* in order of time, not as they came */
	fixture_release(&x);
}

static void age(struct fixture *x, unsigned segment, int64_t ms)
{
	char path[200];
	snprintf(path, sizeof path, "%s/+my+app/%016x.log", x->path, segment);
	struct timespec t = {ms / 1000, 0};
	ASSERT(utimensat(AT_FDCWD, path, (struct timespec[]){t, t}, 0) == 0);
}

TEST(retention_deletes_what_is_older)
{
	struct fixture x;
	struct log_group_info g;
	int64_t start = fixture_now_ms;
	fixture_init(&x, 64u << 20);
	CHECK_INT(make(&x, APP, "s"), 0);
	CHECK_INT(logs_set_retention(x.logs, STR(APP), 3, NULL), 0);
	for (unsigned day = 0; day < 5; day++) { /* a segment lasts an eighth of the retention at most: each day begins one */
		fixture_now_ms = start + day * DAY_MS;
		CHECK_INT(put(&x, APP, "s", fixture_now_ms, (char[]){(char)('0' + day), '\0'}), 0);
		age(&x, day + 1, fixture_now_ms);
	}
	CHECK_STR(text_of(&x, APP, "s"), "01234");
	reopen(&x); /* the policy is the group's, not the process's */
	CHECK_INT(count_groups(&x, &g), 1);
	CHECK_INT(g.retention_days, 3);
	fixture_now_ms = start + 4 * DAY_MS + 1000;
	while (!logs_sweep(x.logs))
		;
	CHECK_STR(text_of(&x, APP, "s"), "234");
	CHECK_INT(logs_set_retention(x.logs, STR(APP), 1, NULL), 0); /* at once */
	CHECK_STR(text_of(&x, APP, "s"), "4");
	CHECK_INT(logs_set_retention(x.logs, STR(APP), 0, NULL), 0);
	CHECK_INT(count_groups(&x, &g), 1);
	CHECK_INT(g.retention_days, 0);
	fixture_now_ms = start + 30 * DAY_MS;
	while (!logs_sweep(x.logs))
		;
	CHECK_STR(text_of(&x, APP, "s"), "-"); /* the server's own, 14 days */
	CHECK_INT(count_groups(&x, &g), 1);    /* the group stays */
	fixture_now_ms = start;
	fixture_release(&x);
}

TEST(tags_are_kept)
{
	struct fixture x;
	struct error err = {0};
	fixture_init(&x, 64u << 20);
	json_t *first = json_pack("{s:s, s:s}", "team", "a", "stage", "dev"), *more = json_pack("{s:s}", "team", "b"), *keys = json_pack("[s]", "stage");
	CHECK_INT(logs_create_group(x.logs, &(struct logs_new_group){.name = STR(APP), .tags = first, .class_name = STR("INFREQUENT_ACCESS")}, NULL), 0);
	reopen(&x);
	CHECK_INT(logs_change_tags(x.logs, STR(APP), more, NULL, NULL), 0);
	CHECK_INT(logs_change_tags(x.logs, STR(APP), NULL, keys, NULL), 0);
	json_t *tags = logs_tags(x.logs, STR(APP), NULL);
	CHECK(tags && json_object_size(tags) == 1 && strcmp(json_string_value(json_object_get(tags, "team")), "b") == 0);
	json_decref(tags);
	json_t *many = json_object();
	for (int i = 0; i < 50; i++) {
		char key[16];
		snprintf(key, sizeof key, "k%d", i);
		json_object_set_new(many, key, json_string(""));
	}
	CHECK_INT(logs_change_tags(x.logs, STR(APP), many, NULL, &err), -1);
	CHECK_INT(err.code, ERR_CODE_STORAGE);
	CHECK(!logs_tags(x.logs, STR("/none"), &err) && err.code == ERR_NOT_FOUND);
	json_decref(first);
	json_decref(more);
	json_decref(keys);
	json_decref(many);
	fixture_release(&x);
}

/* A name of 512 characters, '#' counting as three in a readable folder's name: made, found, listed and read after a restart. */
TEST(long_names_work)
{
	struct fixture x;
	struct log_group_info g;
	char name[513];
	memset(name, '#', 512);
	name[512] = '\0';
	fixture_init(&x, 64u << 20);
	CHECK_INT(make(&x, name, "s"), 0);
	CHECK_INT(put(&x, name, "s", fixture_now_ms, "hello"), 0);
	reopen(&x);
	CHECK_STR(text_of(&x, name, "s"), "hello");
	CHECK_INT(count_groups(&x, &g), 1);
	CHECK_INT(logs_delete_group(x.logs, str_from(name), NULL), 0);
	CHECK_INT(count_groups(&x, &g), 0);
	x.version.log_group = name; /* a function's, which nobody made */
	struct log_stream *s = logs_open_stream(x.logs, &x.version, NULL);
	fixture_print(s, "from a function\n");
	log_stream_close(s);
	reopen(&x);
	CHECK_INT(count_groups(&x, &g), 1);
	CHECK_STR(text_of(&x, name, NULL), "from a function\n");
	char command[200]; /* the server was killed between making the folder and saying whose it is */
	snprintf(command, sizeof command, "rm %s/=*/group.json", x.path);
	ASSERT(system(command) == 0);
	reopen(&x);
	CHECK_INT(count_groups(&x, &g), 0);
	CHECK_INT(make(&x, name, NULL), 0);
	CHECK_INT(count_groups(&x, &g), 1);
	ASSERT(system(command) == 0);
	s = logs_open_stream(x.logs, &x.version, NULL);
	CHECK_INT(count_groups(&x, &g), 1);
	log_stream_close(s);
	fixture_release(&x);
}

static const char *update(struct live_tail *t)
{
	static char text[4096];
	struct buf out;
	buf_init(&out, LIVE_TAIL_JSON_MAX);
	ASSERT(live_tail_update(t, &out) == 0 && str_copy(text, sizeof text, buf_str(&out)) == 0);
	buf_release(&out);
	return text;
}

#define NOTHING "{\"sessionResults\":[],\"sessionMetadata\":{\"sampled\":false}}"

TEST(a_live_tail_sees_what_comes)
{
	struct fixture x;
	struct error err = {0};
	fixture_init(&x, 64u << 20);
	CHECK_INT(make(&x, APP, "s"), 0);
	CHECK_INT(make(&x, "/other", "s"), 0);
	CHECK_INT(put(&x, APP, "s", fixture_now_ms, "ERROR before"), 0);
	json_t *body = json_pack("{s:[s,s], s:s}", "logGroupIdentifiers", "arn:aws:logs:us-east-1:000000000000:log-group:" APP, "/other",
	                         "logEventFilterPattern", "ERROR");
	struct live_tail *t = live_tail_new(x.logs, body, NULL);
	CHECK(t);
	CHECK_STR(update(t), NOTHING);
	CHECK_INT(put(&x, APP, "s", fixture_now_ms, "fine"), 0);
	CHECK_INT(put(&x, "/other", "s", fixture_now_ms, "ERROR now"), 0);
	CHECK_STR(update(t), "{\"sessionResults\":[{\"logStreamName\":\"s\",\"logGroupIdentifier\":\"000000000000:/other\",\"message\":\"ERROR now\","
	                     "\"timestamp\":1764000000000,\"ingestionTime\":1764000000000}],\"sessionMetadata\":{\"sampled\":false}}");
	CHECK_STR(update(t), NOTHING);
	CHECK_INT(logs_delete_group(x.logs, STR(APP), NULL), 0);
	CHECK_STR(update(t), NOTHING);
	CHECK_INT(make(&x, APP, "s"), 0);
	CHECK_INT(put(&x, APP, "s", fixture_now_ms, "ERROR anew"), 0);
	CHECK(strstr(update(t), "ERROR anew"));
	for (int i = 0; i < 600; i++)
		CHECK_INT(put(&x, APP, "s", fixture_now_ms, "ERROR x"), 0);
	struct buf out;
	buf_init(&out, LIVE_TAIL_JSON_MAX);
	CHECK_INT(live_tail_update(t, &out), 0);
	CHECK(str_ends(buf_str(&out), STR("\"sampled\":true}}")));
	buf_release(&out);
	CHECK_STR(update(t), NOTHING);
	live_tail_free(t);
	json_object_set_new(body, "logStreamNames", json_pack("[s]", "s"));
	CHECK(!live_tail_new(x.logs, body, &err) && err.code == ERR_INVALID);
	json_object_set_new(body, "logGroupIdentifiers", json_pack("[s]", "/none"));
	CHECK(!live_tail_new(x.logs, body, &err) && err.code == ERR_NOT_FOUND);
	json_object_set_new(body, "logGroupIdentifiers", json_pack("[s]", APP));
	json_object_set_new(body, "logEventFilterPattern", json_string("{"));
	CHECK(!live_tail_new(x.logs, body, &err) && err.code == ERR_INVALID);
	json_decref(body);
	fixture_release(&x);
}

TESTS(T(a_live_tail_sees_what_comes), T(groups_come_and_go), T(a_function_outlives_its_log_group), T(a_deleted_stream_is_gone_everywhere), T(batches_have_limits),
      T(events_out_of_their_time_are_rejected), T(retention_deletes_what_is_older), T(tags_are_kept), T(long_names_work))
