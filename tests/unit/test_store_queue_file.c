/* The embedded engine alone: how its statements read the file, memory with much waiting, a full disk, counts that come from the file. */
#include <sched.h>
#include <sqlite3.h>
#include <sys/mount.h>

#include "core/base/cleanup.h"
#include "core/store/queue_sqlite_priv.h"
#include "tests/unit/queue_words.h"

enum { KEEP = QUEUE_KEEP_LEASE };

/* ---- no statement reads a table from end to end, or sorts ---- */

static bool may_scan(enum qs_statement s)
{
	static const enum qs_statement ONCE[] = {QS_QUEUES, QS_STATE, QS_NUMBERS, QS_RESERVE, QS_SHIFT, QS_PAGES, QS_PAGES_FREE,
	                                         QS_DEDUP_NEXT, QS_DEAD_FIND};
	for (size_t i = 0; i < ARRAY_LEN(ONCE); i++)
		if (ONCE[i] == s)
			return true;
	return false;
}

static bool is_search(sqlite3 *sql, enum qs_statement s)
{
	char text[2048];
	sqlite3_stmt *st = NULL;
	bool fine = true;
	snprintf(text, sizeof text, "EXPLAIN QUERY PLAN %s", QS_SQL[s]);
	if (sqlite3_prepare_v2(sql, text, -1, &st, NULL) != SQLITE_OK)
		return false;
	while (sqlite3_step(st) == SQLITE_ROW) {
		const char *detail = (const char *)sqlite3_column_text(st, 3);
		if ((strstr(detail, "SCAN") && !strstr(detail, "CONSTANT ROW")) || strstr(detail, "TEMP B-TREE")) {
			printf("%s: %s\n", QS_SQL[s], detail);
			fine = false;
		}
	}
	sqlite3_finalize(st);
	return fine;
}

TEST(statements_search_and_never_scan)
{
	sqlite3 *sql;
	unsigned scans = 0;
	CHECK_INT(sqlite3_open(":memory:", &sql), SQLITE_OK);
	CHECK_INT(sqlite3_exec(sql, QS_FORMAT.create, NULL, NULL, NULL), SQLITE_OK);
	CHECK_INT(sqlite3_exec(sql, QS_TEMPORARY, NULL, NULL, NULL), SQLITE_OK);
	for (enum qs_statement s = 0; s < QS_STATEMENTS; s++)
		scans += !may_scan(s) && !is_search(sql, s);
	sqlite3_close(sql);
	CHECK_INT(scans, 0);
}

/* ---- much that waits ---- */

static long resident_kb(void)
{
	long pages = 0, size = 0;
	CLEANUP_FCLOSE FILE *f = fopen("/proc/self/statm", "r");
	if (!f || fscanf(f, "%ld %ld", &size, &pages) != 2)
		return -1;
	return pages * 4;
}

static void on_many(void *arg, const struct queue_published *r, size_t n, const struct error *err)
{
	words.wrong += err != NULL;
	answered();
}

static void publish_many(const char *queue, unsigned n, size_t bytes, uint64_t delay_ms)
{
	static struct queue_publish m[QUEUE_BATCH_MAX];
	static char body[200];
	memset(body, 'x', sizeof body);
	for (unsigned i = 0; i < QUEUE_BATCH_MAX; i++)
		m[i] = (struct queue_publish){.queue = str_from(queue), .head = STR("head"), .body = {body, bytes}, .delay_ms = delay_ms};
	for (unsigned i = 0; i < n; i += QUEUE_BATCH_MAX) {
		words.waiting += queue_publish(words.rig.queue, m, QUEUE_BATCH_MAX, on_many, NULL, NULL) == 0;
		settle();
	}
}

TEST(a_hundred_thousand_waiting_cost_no_memory)
{
	CHECK(words_start(&(struct queue_sqlite_options){.unsafe_no_sync = true}));
	publish_many("big", 10000, 200, 0);
	long before_kb = resident_kb();
	publish_many("big", 60000, 200, 0);
	publish_many("big", 30000, 200, 5000);
	CHECK_STR(stat_of("big"), "70000/30000/0");
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* those keep what is freed */
	CHECK(resident_kb() - before_kb < 8192);
#else
	CHECK(before_kb > 0);
#endif
	words.rig.now_ms += 5000;
	publish("small", "x");
	fetch("small", 16, 1000, KEEP);
	CHECK_STR(take_log(), "+x k:x ");
	fetch("big", 0 + 1, 1000, 0);
	settle();
	CHECK_STR(stat_of("big"), "99999/0/1");
	CHECK(queue_rig_reopen(&words.rig));
	CHECK_STR(stat_of("big"), "100000/0/0");
	CHECK_INT(words.wrong, 0);
	words_stop();
}

TEST(leases_that_are_not_kept_have_a_maximum)
{
	CHECK(words_start(&(struct queue_sqlite_options){.unsafe_no_sync = true}));
	publish_many("q", 5000, 5, 0);
	for (int i = 0; i < 6; i++)
		fetch("q", 1000, 10000, 0);
	settle();
	clear();
	char expected[32];
	snprintf(expected, sizeof expected, "%d/0/%d", 5000 - QS_LEASES_MAX, QS_LEASES_MAX);
	CHECK_STR(stat_of("q"), expected);
	fetch_full(&(struct queue_fetch){.queue = STR("q"), .max = 1, .lease_ms = 1000, .wait_ms = 60000}, "w");
	nap(20);
	CHECK_STR(words.log, "");
	ack("q", words.held[0].name);
	CHECK(strstr(take_log(), "w:"));
	words_stop();
}

/* ---- what is dropped leaves the file ---- */

static bool ask_file(const char *text, int64_t *out)
{
	char path[128];
	sqlite3 *sql;
	sqlite3_stmt *st = NULL;
	snprintf(path, sizeof path, "%s/queue.db", words.rig.path);
	bool fine = sqlite3_open(path, &sql) == SQLITE_OK && sqlite3_prepare_v2(sql, text, -1, &st, NULL) == SQLITE_OK &&
	            sqlite3_step(st) == SQLITE_ROW;
	*out = fine ? sqlite3_column_int64(st, 0) : -1;
	sqlite3_finalize(st);
	sqlite3_close(sql);
	return fine;
}

TEST(purged_and_acked_rows_leave_the_file)
{
	int64_t rows = 0, pages = 0;
	CHECK(words_start(&(struct queue_sqlite_options){.unsafe_no_sync = true}));
	publish_many("big", 60000, 200, 0);
	configure("f", 0, true);
	publish_full("f", "a", 0, "g", "d");
	fetch("f", 1, 1000, KEEP);
	settle();
	words.waiting += queue_purge(words.rig.queue, STR("big"), on_simple, tag("purge"), NULL) == 0;
	words.waiting += queue_delete(words.rig.queue, STR("f"), on_simple, tag("delete"), NULL) == 0;
	publish("other", "o");
	fetch("other", 1, 1000, 0);
	settle();
	ack("other", "o");
	settle();
	for (int i = 0; i < 200; i++) {
		nap(50);
		queue_close(words.rig.queue);
		CHECK(ask_file("SELECT (SELECT count(*) FROM item)+(SELECT count(*) FROM body)+(SELECT count(*) FROM grp)+"
		               "(SELECT count(*) FROM dedup)+(SELECT count(*) FROM dead)", &rows));
		CHECK(ask_file("PRAGMA page_count", &pages));
		CHECK(queue_rig_open(&words.rig));
		if (!rows && pages < 5000)
			break;
	}
	CHECK_INT(rows, 0);
	CHECK(pages < 5000); /* 60,000 took more than 8,000 */
	words_stop();
}

/* ---- a full disk: a mount of this program's own ---- */

static char *ballast_path(void)
{
	static char path[128];
	snprintf(path, sizeof path, "%s/ballast", words.rig.path);
	return path;
}

static bool small_disk(const char *size)
{
	queue_close(STEAL_PTR(words.rig.queue));
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", words.rig.path, "tmpfs", 0, size) < 0) {
		printf("skipped: no right to mount\n");
		return false;
	}
	close(words.rig.dirfd);
	words.rig.dirfd = open(words.rig.path, O_PATH | O_DIRECTORY);
	return queue_rig_open(&words.rig);
}

static int big_publish(unsigned at)
{
	static char big[100000];
	static struct queue_publish m;
	snprintf(big, sizeof big, "%u", at);
	m = (struct queue_publish){.queue = STR("q"), .head = STR("head"), .body = {big, sizeof big}};
	words.rig.err.code = ERR_OK;
	struct words_publish *p = calloc(1, sizeof *p);
	words.waiting += queue_publish(words.rig.queue, &m, 1, on_publish, p, NULL) == 0;
	settle();
	return words.rig.err.code;
}

static void fill_disk(void)
{
	static char zeros[4096];
	CLEANUP_CLOSE int fd = open(ballast_path(), O_WRONLY | O_CREAT | O_APPEND, 0600);
	while (write(fd, zeros, sizeof zeros) > 0)
		;
}

TEST(full_disk_refuses_publishes_and_goes_on_with_the_rest)
{
	CHECK(words_start(NULL));
	if (!small_disk("size=16m")) {
		words_stop();
		return;
	}
	unsigned stored = 0;
	while (stored < 400 && big_publish(stored) == ERR_OK)
		stored++;
	CHECK_INT(words.rig.err.code, ERR_DISK_FULL);
	CHECK(strstr(words.rig.err.msg, "disk is full"));
	CHECK(stored > 10);
	fill_disk(); /* to the brim: only the reserve is left */
	clear();
	/* Leases, naks and acks go on, to the last message. */
	for (unsigned i = 0; i < stored; i++) {
		fetch("q", 1, 1000, KEEP);
		settle();
		char name[16];
		snprintf(name, sizeof name, "%u", i);
		if (i == 3)
			nak("q", name, 3600000, "a note");
		else
			ack("q", name);
		const char *log = take_log();
		CHECK(!strstr(log, "DISK_FULL") && !strstr(log, "none"));
		if (i == 5)
			CHECK_INT(big_publish(9999), ERR_DISK_FULL);
		clear();
	}
	CHECK_STR(stat_of("q"), "0/1/0");
	/* The file's own pages are free now: small ones fit again, though the disk is as full as before. */
	CHECK_INT(big_publish(10000), ERR_OK);
	CHECK_INT(unlink(ballast_path()), 0);
	for (unsigned i = 0; i < 10; i++)
		CHECK_INT(big_publish(20000 + i), ERR_OK);
	CHECK(queue_rig_reopen(&words.rig));
	CHECK_STR(stat_of("q"), "11/1/0");
	queue_close(STEAL_PTR(words.rig.queue));
	close(words.rig.dirfd);
	words.rig.dirfd = -1;
	umount2(words.rig.path, MNT_DETACH);
	words_stop();
}

TEST(second_engine_on_the_file_is_refused)
{
	struct error err = {0};
	CHECK(words_start(NULL));
	CHECK(!queue_sqlite_open(words.rig.loop, words.rig.dirfd, NULL, &err));
	CHECK_INT(err.code, ERR_IN_USE);
	CHECK(strstr(err.msg, "queue.db is in use"));
	words_stop();
}

TESTS(T(statements_search_and_never_scan), T(a_hundred_thousand_waiting_cost_no_memory),
      T(leases_that_are_not_kept_have_a_maximum), T(purged_and_acked_rows_leave_the_file),
      T(full_disk_refuses_publishes_and_goes_on_with_the_rest), T(second_engine_on_the_file_is_refused))
