/* The history of events: lines are found again, segments are bounded, a full disk costs lines only. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "control/events/history.h"
#include "control/function/remove.h"
#include "core/base/clock.h"
#include "core/base/io.h"
#include "tests/unit/test.h"

struct rig {
	struct ev_loop *loop;
	struct ev_pool *pool;
	struct history *h;
	char dir[40];
	int dirfd;
	uint64_t max_bytes;
	json_t *found;
};

static void open_history(struct rig *rig)
{
	rig->pool = ev_pool_new(1, NULL);
	rig->h = history_new(rig->loop, rig->pool, rig->dirfd, rig->max_bytes, NULL);
	ASSERT(rig->h);
}

static void start(struct rig *rig, uint64_t max_bytes)
{
	*rig = (struct rig){.dir = "/tmp/mayfly-test-XXXXXX", .max_bytes = max_bytes};
	ASSERT(mkdtemp(rig->dir));
	rig->dirfd = open(rig->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rig->loop = ev_loop_new(NULL);
	open_history(rig);
}

static void close_history(struct rig *rig)
{
	ev_pool_free(rig->pool);
	history_free(rig->h);
}

static void stop(struct rig *rig)
{
	close_history(rig);
	json_decref(rig->found);
	ev_loop_free(rig->loop);
	close(rig->dirfd);
	remove_tree(AT_FDCWD, rig->dir);
}

static void on_found(void *arg, struct str json, const struct error *err)
{
	struct rig *rig = arg;
	json_decref(rig->found);
	rig->found = json_loadb(json.p, json.n, 0, NULL);
	ev_loop_stop(rig->loop);
}

static size_t find(struct rig *rig, const char *id, const char *function, unsigned max, bool failures)
{
	struct history_query q = {.request_id = str_from(id), .function = str_from(function), .max = max, .failures = failures};
	history_find(rig->h, &q, on_found, rig);
	ev_loop_run(rig->loop, NULL);
	return json_array_size(rig->found);
}

static const char *text_at(struct rig *rig, size_t i, const char *key)
{
	return json_string_value(json_object_get(json_array_get(rig->found, i), key));
}

static void note(struct rig *rig, enum history_step step, const char *id, const char *function, const char *text, unsigned attempt)
{
	struct history_line line = {.step = step, .request_id = str_from(id), .function = str_from(function), .text = str_from(text),
	                            .sequence = 7, .attempt = attempt};
	history_note(rig->h, &line);
}

TEST(lines_are_found_by_request_and_by_function)
{
	struct rig rig;
	start(&rig, 1 << 20);
	CHECK_INT(find(&rig, "id-1", NULL, 0, false), 0);
	note(&rig, HISTORY_ACCEPTED, "id-1", "f", NULL, 0);
	note(&rig, HISTORY_ACCEPTED, "id-2", "g", NULL, 0);
	note(&rig, HISTORY_FAILED, "id-1", "f", "Error: \"requestId\":\"id-2\"\n", 1);
	note(&rig, HISTORY_SUCCEEDED, "id-1", "f", NULL, 2);
	CHECK_INT(find(&rig, "id-1", NULL, 0, false), 3);
	CHECK_STR(text_at(&rig, 0, "step"), "accepted");
	CHECK_STR(text_at(&rig, 1, "text"), "Error: \"requestId\":\"id-2\"\n");
	CHECK_INT(json_integer_value(json_object_get(json_array_get(rig.found, 2), "attempt")), 2);
	CHECK_INT(find(&rig, "id-2", NULL, 0, false), 1);
	CHECK_INT(find(&rig, NULL, "f", 2, false), 2);
	CHECK_STR(text_at(&rig, 0, "step"), "failed");
	CHECK_STR(text_at(&rig, 1, "step"), "succeeded");
	CHECK_INT(find(&rig, NULL, "f", 9, true), 1);
	close_history(&rig);
	open_history(&rig);
	CHECK_INT(find(&rig, "id-1", NULL, 0, false), 3);
	note(&rig, HISTORY_DEAD, "id-1", "f", "x", 2);
	close_history(&rig); /* what is buffered is written */
	open_history(&rig);
	CHECK_INT(find(&rig, "id-1", NULL, 0, false), 4);
	stop(&rig);
}

TEST(old_segments_go)
{
	struct rig rig;
	char id[20], text[400];
	start(&rig, 300000);
	memset(text, 'x', sizeof text);
	text[sizeof text - 1] = '\0';
	for (int i = 0; i < 3000; i++) {
		snprintf(id, sizeof id, "id-%d", i);
		note(&rig, HISTORY_FAILED, id, "f", text, 1);
		if (i % 100 == 0)
			CHECK_INT(find(&rig, id, NULL, 0, false), 1); /* so that it is written in pieces */
	}
	CHECK_INT(find(&rig, "id-2999", NULL, 0, false), 1);
	CHECK_INT(find(&rig, "id-0", NULL, 0, false), 0);
	CHECK_INT(find(&rig, NULL, "f", 150, false), 150);
	CHECK_STR(text_at(&rig, 149, "requestId"), "id-2999");
	CHECK_STR(text_at(&rig, 0, "requestId"), "id-2850");
	long long bytes = 0;
	for (int i = 1; i < 100; i++) {
		struct stat st;
		snprintf(id, sizeof id, "%08d", i);
		bytes += fstatat(rig.dirfd, id, &st, 0) == 0 ? st.st_size : 0;
	}
	CHECK(bytes > 100000 && bytes < 400000);
	CHECK_INT(history_dropped(rig.h), 0);
	stop(&rig);
}

TEST(a_disk_that_takes_nothing_costs_lines)
{
	struct rig rig;
	start(&rig, 1 << 20);
	note(&rig, HISTORY_ACCEPTED, "id-1", "f", NULL, 0);
	CHECK_INT(find(&rig, "id-1", NULL, 0, false), 1);
	close_history(&rig);
	CHECK_INT(unlinkat(rig.dirfd, "00000001", 0), 0);
	CHECK_INT(symlinkat("/dev/full", rig.dirfd, "00000001"), 0);
	open_history(&rig);
	note(&rig, HISTORY_ACCEPTED, "id-2", "f", NULL, 0);
	find(&rig, "id-2", NULL, 0, false);
	CHECK_INT(history_dropped(rig.h), 1);
	CHECK_INT(unlinkat(rig.dirfd, "00000001", 0), 0);
	stop(&rig);
}

TEST(an_unfinished_line_is_not_shown)
{
	struct rig rig;
	static const char text[] = "{\"requestId\":\"id-1\",\"function\":\"f\",\"step\":\"dead\"}\n{\"requestId\":\"id-1\",\"func";
	start(&rig, 1 << 20);
	close_history(&rig);
	CHECK_INT(io_write_file(rig.dirfd, "00000003", text, strlen(text), 0600, NULL), 0);
	open_history(&rig);
	CHECK_INT(find(&rig, "id-1", NULL, 0, false), 1);
	CHECK_INT(find(&rig, NULL, "f", 5, true), 1);
	note(&rig, HISTORY_ACCEPTED, "id-9", "f", NULL, 0);
	CHECK_INT(find(&rig, "id-9", NULL, 0, false), 1);
	stop(&rig);
}

TESTS(T(lines_are_found_by_request_and_by_function), T(old_segments_go), T(a_disk_that_takes_nothing_costs_lines),
      T(an_unfinished_line_is_not_shown))
