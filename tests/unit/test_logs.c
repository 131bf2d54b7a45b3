/* Writing and reading of function logs. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "tests/unit/test.h"
#include "tests/unit/logs_fixture.h"

static char *read_head(struct fixture *x, const char *stream)
{
	struct log_page page;
	struct logs_get q = {.group = STR(GROUP), .stream = str_from(stream), .from_head = true};
	if (logs_get_events(x->logs, &q, &page, NULL) < 0)
		return strdup("(error)");
	char *text = fixture_text(&page);
	log_page_release(&page);
	return text;
}

TEST(lines_of_an_invocation_as_lambda_writes_them)
{
	struct fixture x;
	fixture_init(&x, 64u << 20);
	struct log_stream *s = logs_open_stream(x.logs, &x.version, NULL);
	CHECK(strncmp(log_stream_name(s), "2025/11/24/[$LATEST]", 20) == 0);
	CHECK_INT(strlen(log_stream_name(s)), 52);
	fixture_print(s, "starting\n");
	log_stream_start(s, ID1, "$LATEST", true);
	fixture_print(s, "hel");
	fixture_print(s, "lo\n[ERROR] E: x\rTraceback (most recent call last):\r  File\nno newline");
	log_stream_end(s, &(struct log_report){.request_id = ID1, .duration_ns = 3010000, .memory_mb = 128, .has_init = true,
	                                       .max_memory_bytes = 36u << 20, .init_ns = 110100000});
	size_t n;
	CLEANUP_FREE char *tail = log_stream_take_tail(s, &n);
	static const char want[] = "START RequestId: " ID1 " Version: $LATEST\nhello\n[ERROR] E: x\nTraceback (most recent call last):\n"
		"  File\nno newlineEND RequestId: " ID1 "\nREPORT RequestId: " ID1 "\tDuration: 3.01 ms\tBilled Duration: 114 ms\t"
		"Memory Size: 128 MB\tMax Memory Used: 36 MB\tInit Duration: 110.10 ms\t\n";
	CHECK(tail && n == sizeof want - 1 && memcmp(tail, want, n) == 0);
	CLEANUP_FREE char *all = read_head(&x, log_stream_name(s));
	CHECK(strncmp(all, "starting\n", 9) == 0);
	CHECK_STR(all + 9, want);
	struct log_page page;
	struct logs_get q = {.group = STR(GROUP), .stream = str_from(log_stream_name(s))};
	CHECK_INT(logs_get_events(x.logs, &q, &page, NULL), 0);
	CHECK_INT(page.count, 7);
	CHECK_INT(page.events[3].message.n, 55); /* the traceback is one event */
	log_page_release(&page);
	log_stream_close(s);
	fixture_release(&x);
}

TEST(faults_and_statuses)
{
	struct fixture x;
	fixture_init(&x, 64u << 20);
	struct log_stream *s = logs_open_stream(x.logs, &x.version, NULL);
	log_stream_init_report(s, 10009270000, false, "timeout", NULL);
	log_stream_start(s, ID1, "7", false);
	log_stream_fault(s, ID1, "Sandbox.Timedout", "RequestId: " ID1 " Error: Task timed out after 3.00 seconds");
	log_stream_end(s, &(struct log_report){.request_id = ID1, .duration_ns = 3000000000, .memory_mb = 128, .has_init = true,
	                                       .max_memory_bytes = 1, .init_ns = 67490000, .status = "timeout"});
	log_stream_start(s, ID2, "7", false);
	log_stream_fault(s, ID2, "Runtime.ExitError", "RequestId: " ID2 " Error: Runtime exited with error: signal: killed");
	log_stream_end(s, &(struct log_report){.request_id = ID2, .duration_ns = 1, .memory_mb = 128, .status = "error",
	                                       .error_type = "Runtime.OutOfMemory", .max_memory_bytes = 200u << 20,
	                                       .trace_id = "1-5f", .segment_id = "aa"});
	size_t n = 0;
	CHECK(log_stream_take_tail(s, &n) == NULL);
	CLEANUP_FREE char *all = read_head(&x, log_stream_name(s));
	CHECK_STR(all, "INIT_REPORT Init Duration: 10009.27 ms\tPhase: init\tStatus: timeout\n"
		"START RequestId: " ID1 " Version: 7\nEND RequestId: " ID1 "\nREPORT RequestId: " ID1 "\tDuration: 3000.00 ms\t"
		"Billed Duration: 3068 ms\tMemory Size: 128 MB\tMax Memory Used: 1 MB\tInit Duration: 67.49 ms\tStatus: timeout\n"
		"START RequestId: " ID2 " Version: 7\nRequestId: " ID2 " Error: Runtime exited with error: signal: killed\nRuntime.ExitError\n"
		"END RequestId: " ID2 "\nREPORT RequestId: " ID2 "\tDuration: 0.00 ms\tBilled Duration: 1 ms\tMemory Size: 128 MB\t"
		"Max Memory Used: 128 MB\tStatus: error\tError Type: Runtime.OutOfMemory\n"
		"XRAY TraceId: 1-5f\tSegmentId: aa\tSampled: true\t\n");
	log_stream_close(s);
	fixture_release(&x);
}

TEST(restores)
{
	struct fixture x;
	fixture_init(&x, 64u << 20);
	struct log_stream *s = logs_open_stream(x.logs, &x.version, NULL);
	log_stream_restore_start(s, &x.version);
	log_stream_restore_report(s, 1234567, NULL, NULL);
	log_stream_start(s, ID1, "7", false);
	log_stream_end(s, &(struct log_report){.request_id = ID1, .duration_ns = 147156000, .memory_mb = 512, .has_restore = true,
	                                       .max_memory_bytes = 91u << 20, .restore_ns = 500795000, .billed_restore_ns = 52100000});
	log_stream_restore_report(s, 10000000000, "timeout", NULL);
	log_stream_restore_report(s, 2000000, "error", "Runtime.ExitError");
	log_stream_init_report(s, 1000000, true, "error", "Runtime.ExitError");
	CLEANUP_FREE char *all = read_head(&x, log_stream_name(s));
	const char *first = "RESTORE_START Runtime Version: python:3.11.v1\tRuntime Version ARN: arn:aws:lambda:us-east-1::runtime:";
	CHECK(strncmp(all, first, strlen(first)) == 0);
	CHECK_STR(strchr(all, '\n') + 1, "RESTORE_REPORT Restore Duration: 1.23 ms\nSTART RequestId: " ID1 " Version: 7\nEND RequestId: " ID1 "\n"
		"REPORT RequestId: " ID1 "\tDuration: 147.16 ms\tBilled Duration: 201 ms\tMemory Size: 512 MB\tMax Memory Used: 91 MB\t"
		"Restore Duration: 500.80 ms\tBilled Restore Duration: 53 ms\t\n"
		"RESTORE_REPORT Restore Duration: 10000.00 ms\tStatus: timeout\n"
		"RESTORE_REPORT Restore Duration: 2.00 ms\tStatus: error\tError Type: Runtime.ExitError\n"
		"INIT_REPORT Init Duration: 1.00 ms\tPhase: invoke\tStatus: error\tError Type: Runtime.ExitError\n");
	log_stream_close(s);
	x.version.log_format = LOG_FORMAT_JSON;
	x.version.system_log_level = "INFO";
	s = logs_open_stream(x.logs, &x.version, NULL);
	log_stream_restore_start(s, &x.version);
	log_stream_restore_report(s, 15190000, NULL, NULL);
	log_stream_start(s, ID1, "7", false);
	log_stream_end(s, &(struct log_report){.request_id = ID1, .duration_ns = 1500000, .memory_mb = 128, .max_memory_bytes = 1,
	                                       .has_restore = true, .restore_ns = 15190000, .billed_restore_ns = 1});
	log_stream_restore_report(s, 2000000, "error", "Runtime.ExitError");
	CLEANUP_FREE char *json = read_head(&x, log_stream_name(s));
	CHECK(strstr(json, "\"type\":\"platform.restoreStart\",\"record\":{\"runtimeVersion\":\"python:3.11.v1\""));
	CHECK(strstr(json, "\"type\":\"platform.restoreReport\",\"record\":{\"status\":\"success\",\"metrics\":{\"durationMs\":15.190}}}\n"));
	CHECK(strstr(json, "\"maxMemoryUsedMB\":1,\"restoreDurationMs\":15.190,\"billedRestoreDurationMs\":1}"));
	CHECK(strstr(json, "\"type\":\"platform.restoreRuntimeDone\",\"record\":{\"status\":\"error\",\"errorType\":\"Runtime.ExitError\"}}\n"));
	CHECK(!strstr(json, "\"type\":\"platform.restoreRuntimeDone\",\"record\":{\"status\":\"success\"")); /* only at DEBUG */
	log_stream_close(s);
	fixture_release(&x);
}

TEST(json_format)
{
	struct fixture x;
	fixture_init(&x, 64u << 20);
	x.version.log_format = LOG_FORMAT_JSON;
	x.version.system_log_level = "DEBUG";
	struct log_stream *s = logs_open_stream(x.logs, &x.version, NULL);
	struct runtime_found found = {.interpreter = "/usr/bin/python3.11", .minor = 11};
	log_stream_init_start(s, &x.version, &found);
	log_stream_start(s, ID1, "$LATEST", false);
	log_stream_end(s, &(struct log_report){.request_id = ID1, .duration_ns = 1500000, .memory_mb = 128, .max_memory_bytes = 1});
	CLEANUP_FREE char *all = read_head(&x, log_stream_name(s));
	CHECK(strstr(all, "{\"time\":\"2025-11-24T16:00:00.000Z\",\"type\":\"platform.initStart\",\"record\":{\"initializationType\":\"on-demand\","
	                  "\"phase\":\"init\",\"runtimeVersion\":\"python:3.11.v1\""));
	CHECK(strstr(all, "\"type\":\"platform.start\",\"record\":{\"requestId\":\"" ID1 "\""));
	CHECK(strstr(all, "\"type\":\"platform.runtimeDone\",\"record\":{\"requestId\":\"" ID1 "\",\"status\":\"success\",\"metrics\":{\"durationMs\":1.500}}}\n"));
	CHECK(strstr(all, "\"metrics\":{\"durationMs\":1.500,\"billedDurationMs\":2,\"memorySizeMB\":128,\"maxMemoryUsedMB\":1},\"status\":\"success\"}}\n"));
	log_stream_close(s);
	x.version.system_log_level = "WARN";
	s = logs_open_stream(x.logs, &x.version, NULL);
	log_stream_start(s, ID1, "$LATEST", false);
	log_stream_end(s, &(struct log_report){.request_id = ID1, .status = "timeout"});
	CLEANUP_FREE char *few = read_head(&x, log_stream_name(s));
	CHECK(!strstr(few, "platform.start") && strstr(few, "platform.report"));
	log_stream_close(s);
	fixture_release(&x);
}

TEST(a_missing_runtime_is_said)
{
	struct fixture x;
	fixture_init(&x, 64u << 20);
	x.runtime = (struct runtime_row){.id = "python3.13", .family = RUNTIME_PYTHON, .minor = 13};
	struct log_stream *s = logs_open_stream(x.logs, &x.version, NULL);
	struct runtime_found found = {.interpreter = "/usr/bin/python3.11", .minor = 11};
	log_stream_init_start(s, &x.version, &found);
	CLEANUP_FREE char *all = read_head(&x, log_stream_name(s));
	CHECK(strstr(all, "INIT_START Runtime Version: python:3.13.v1\tRuntime Version ARN: arn:aws:lambda:us-east-1::runtime:"));
	CHECK(strstr(all, "WARNING: runtime python3.13 is not installed here; this function runs on /usr/bin/python3.11\n"));
	log_stream_close(s);
	fixture_release(&x);
}

TEST(tail_is_the_last_4_kb)
{
	struct fixture x;
	fixture_init(&x, 64u << 20);
	struct log_stream *s = logs_open_stream(x.logs, &x.version, NULL);
	log_stream_start(s, ID1, "$LATEST", true);
	for (int i = 0; i < 5000; i++) {
		char line[32];
		snprintf(line, sizeof line, "line %d\n", i);
		fixture_print(s, line);
	}
	log_stream_end(s, &(struct log_report){.request_id = ID1});
	size_t n = 0;
	CLEANUP_FREE char *tail = log_stream_take_tail(s, &n);
	CHECK_INT(n, LOG_TAIL_BYTES);
	CHECK(memmem(tail, n, "line 4999\nEND", 13) && memmem(tail, n, "line 4700\n", 10) && !memmem(tail, n, "line 4000\n", 10));
	CHECK(tail[n - 1] == '\n');
	log_stream_close(s);
	fixture_release(&x);
}

TEST(long_lines_are_cut_and_memory_is_bounded)
{
	struct fixture x;
	fixture_init(&x, 64u << 20);
	struct log_stream *s = logs_open_stream(x.logs, &x.version, NULL);
	CLEANUP_FREE char *big = malloc(1000000);
	memset(big, 'x', 1000000);
	log_stream_output(s, big, 1000000); /* no newline */
	log_stream_output(s, "\n", 1);
	struct log_page page;
	struct logs_get q = {.group = STR(GROUP), .stream = str_from(log_stream_name(s)), .from_head = true};
	CHECK_INT(logs_get_events(x.logs, &q, &page, NULL), 0);
	CHECK_INT(page.count, 4);
	CHECK_INT(page.events[0].message.n, LOG_LINE_MAX);
	CHECK_INT(page.events[3].message.n, 1000001 - 3 * LOG_LINE_MAX);
	log_page_release(&page);
	log_stream_close(s);
	fixture_release(&x);
}

/* Numbered lines on two streams of one group, interleaved. */
static void write_numbers(struct log_stream *a, struct log_stream *b, int n)
{
	for (int i = 0; i < n; i++) {
		char line[64];
		fixture_now_ms += 1;
		snprintf(line, sizeof line, "a %d\n", i);
		fixture_print(a, line);
		snprintf(line, sizeof line, "b %d\n", i);
		fixture_print(b, line);
	}
}

static int count_all(struct fixture *x, const char *stream, bool from_head, unsigned limit, int *pages, bool *ordered)
{
	struct logs_get q = {.group = STR(GROUP), .stream = str_from(stream), .from_head = from_head, .limit = limit};
	char token[LOGS_TOKEN_SIZE] = "";
	int n = 0, last = from_head ? -1 : INT32_MAX;
	*ordered = true;
	for (*pages = 0; *pages < 100000; ++*pages) {
		struct log_page page;
		if (logs_get_events(x->logs, &q, &page, NULL) < 0)
			return -1;
		for (size_t k = 0; k < page.count; k++) {
			int number = atoi(page.events[from_head ? k : page.count - 1 - k].message.p + 2);
			*ordered = *ordered && number == last + (from_head ? 1 : -1) * (last != INT32_MAX) - (last == INT32_MAX) * (INT32_MAX - number);
			last = number;
		}
		n += (int)page.count;
		const char *next = from_head ? page.forward : page.backward;
		bool end = strcmp(next, token) == 0;
		strcpy(token, next);
		q.token = str_from(token);
		log_page_release(&page);
		if (end)
			return n;
	}
	return -1;
}

TEST(pages_lead_through_a_stream_both_ways_over_segments)
{
	struct fixture x;
	fixture_init(&x, 16 * 128 * 1024);
	struct log_stream *a = logs_open_stream(x.logs, &x.version, NULL), *b = logs_open_stream(x.logs, &x.version, NULL);
	write_numbers(a, b, 5000); /* about five segments */
	int pages;
	bool ordered;
	CHECK_INT(count_all(&x, log_stream_name(a), true, 700, &pages, &ordered), 5000);
	CHECK(ordered && pages >= 7);
	CHECK_INT(count_all(&x, log_stream_name(b), false, 700, &pages, &ordered), 5000);
	CHECK(ordered && pages >= 7);
	/* The newest page first; its forward token finds what comes later. */
	struct log_page page, later;
	struct logs_get q = {.group = STR(GROUP), .stream = str_from(log_stream_name(a)), .limit = 3};
	CHECK_INT(logs_get_events(x.logs, &q, &page, NULL), 0);
	CLEANUP_FREE char *text = fixture_text(&page);
	CHECK_STR(text, "a 4997\na 4998\na 4999\n");
	q.token = str_from(page.forward);
	CHECK_INT(logs_get_events(x.logs, &q, &later, NULL), 0);
	CHECK_INT(later.count, 0);
	CHECK_STR(later.forward, page.forward);
	log_page_release(&later);
	fixture_print(a, "new\n");
	CHECK_INT(logs_get_events(x.logs, &q, &later, NULL), 0);
	CHECK_INT(later.count, 1);
	log_page_release(&later);
	log_page_release(&page);
	log_stream_close(a);
	log_stream_close(b);
	fixture_release(&x);
}

TEST(disk_use_is_bounded_by_rotation)
{
	struct fixture x;
	fixture_init(&x, 16 * 128 * 1024);
	struct log_stream *s = logs_open_stream(x.logs, &x.version, NULL);
	static char block[65536];
	memset(block, 'y', sizeof block);
	for (size_t i = 99; i < sizeof block; i += 100)
		block[i] = '\n';
	for (int i = 0; i < 320; i++) /* 20 MB */
		log_stream_output(s, block, sizeof block);
	struct log_page page;
	struct logs_describe_groups q = {0};
	CHECK_INT(logs_describe_groups(x.logs, &q, &page, NULL), 0);
	CHECK_INT(page.count, 1);
	CHECK(page.groups[0].stored_bytes <= 16 * 128 * 1024 && page.groups[0].stored_bytes > 14 * 128 * 1024);
	log_page_release(&page);
	struct logs_stats stats;
	logs_get_stats(x.logs, &stats);
	CHECK_INT(stats.dropped_events, 0);
	CHECK_INT(stats.bytes, 320 * 65536 - 36); /* the last line is not finished */
	log_stream_close(s);
	fixture_release(&x);
}

TEST(everything_is_there_after_a_restart)
{
	struct fixture x;
	fixture_init(&x, 64u << 20);
	struct log_stream *a = logs_open_stream(x.logs, &x.version, NULL), *b = logs_open_stream(x.logs, &x.version, NULL);
	char name[LOG_STREAM_NAME_MAX];
	strcpy(name, log_stream_name(a));
	write_numbers(a, b, 5000);
	log_stream_close(a);
	log_stream_close(b);
	logs_free(x.logs);
	fixture_open_logs(&x, 64u << 20);
	CLEANUP_FREE char *before = read_head(&x, name);
	CHECK(strncmp(before, "a 0\na 1\n", 8) == 0 && strstr(before, "a 4999\n"));
	char path[200];
	snprintf(path, sizeof path, "%s/+aws+lambda+thumb/0000000000000001.idx", x.path);
	CHECK(access(path, F_OK) == 0);
	struct log_stream *c = logs_open_stream(x.logs, &x.version, NULL);
	fixture_print(c, "again\n");
	CLEANUP_FREE char *after = read_head(&x, log_stream_name(c));
	CHECK_STR(after, "again\n");
	CLEANUP_FREE char *still = read_head(&x, name);
	CHECK_STR(still, before);
	log_stream_close(c);
	logs_free(x.logs);
	int fd = open(path, O_WRONLY); /* a damaged summary is not believed */
	CHECK(fd >= 0 && pwrite(fd, "x", 1, 60) == 1);
	close(fd);
	fixture_open_logs(&x, 64u << 20);
	CLEANUP_FREE char *scanned = read_head(&x, name);
	CHECK_STR(scanned, before);
	fixture_release(&x);
}

static void segment_file(const struct fixture *x, char path[200])
{
	snprintf(path, 200, "%s/+aws+lambda+thumb/0000000000000001.log", x->path);
}

TEST(a_torn_record_is_skipped_and_written_over)
{
	struct fixture x;
	char path[200], name[LOG_STREAM_NAME_MAX];
	fixture_init(&x, 64u << 20);
	struct log_stream *a = logs_open_stream(x.logs, &x.version, NULL);
	strcpy(name, log_stream_name(a));
	fixture_print(a, "one\ntwo\nthree\n");
	log_stream_close(a);
	logs_free(x.logs);
	segment_file(&x, path);
	struct stat st;
	CHECK(stat(path, &st) == 0 && truncate(path, st.st_size - 5) == 0);
	fixture_open_logs(&x, 64u << 20);
	CLEANUP_FREE char *torn = read_head(&x, name);
	CHECK_STR(torn, "one\ntwo\n");
	struct log_stream *b = logs_open_stream(x.logs, &x.version, NULL);
	fixture_print(b, "four\n");
	CLEANUP_FREE char *four = read_head(&x, log_stream_name(b));
	CHECK_STR(four, "four\n");
	CLEANUP_FREE char *again = read_head(&x, name);
	CHECK_STR(again, "one\ntwo\n");
	log_stream_close(b);
	fixture_release(&x);
}

TEST(filters)
{
	struct fixture x;
	fixture_init(&x, 64u << 20);
	struct log_stream *a = logs_open_stream(x.logs, &x.version, NULL), *b = logs_open_stream(x.logs, &x.version, NULL);
	log_stream_start(a, ID1, "$LATEST", false);
	fixture_print(a, "ERROR disk is full\nwarn: memory\nall is well\n");
	fixture_now_ms += 1000;
	log_stream_start(b, ID2, "$LATEST", false);
	fixture_print(b, "ERROR memory is full\n");
	const struct {
		const char *pattern, *want;
	} cases[] = {{"ERROR", "ERROR disk is full\nERROR memory is full\n"}, {"ERROR memory", "ERROR memory is full\n"},
	             {"\"is full\" -disk", "ERROR memory is full\n"}, {"?warn ?well", "warn: memory\nall is well\n"},
	             {"error", ""}, {"-ERROR -START", "warn: memory\nall is well\n"}};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct log_page page;
		struct logs_filter q = {.group = STR(GROUP), .pattern = str_from(cases[i].pattern)};
		CHECK_INT(logs_filter_events(x.logs, &q, &page, NULL), 0);
		CLEANUP_FREE char *text = fixture_text(&page);
		CHECK_STR(text, cases[i].want);
		CHECK_STR(page.next, "");
		log_page_release(&page);
	}
	struct log_page page;
	struct logs_filter q = {.group = STR(GROUP), .request_id = STR(ID2)};
	CHECK_INT(logs_filter_events(x.logs, &q, &page, NULL), 0);
	CHECK_INT(page.count, 2);
	CHECK(str_eqz(page.events[1].stream, log_stream_name(b)));
	log_page_release(&page);
	q = (struct logs_filter){.group = STR(GROUP), .range = {.has_end = true, .end_ms = fixture_now_ms}};
	CHECK_INT(logs_filter_events(x.logs, &q, &page, NULL), 0);
	CHECK_INT(page.count, 4);
	log_page_release(&page);
	struct str only = str_from(log_stream_name(b));
	q = (struct logs_filter){.group = STR(GROUP), .streams = &only, .stream_count = 1, .limit = 1};
	CHECK_INT(logs_filter_events(x.logs, &q, &page, NULL), 0);
	CHECK_INT(page.count, 1);
	char token[LOGS_TOKEN_SIZE];
	strcpy(token, page.next);
	log_page_release(&page);
	q.token = str_from(token);
	CHECK_INT(logs_filter_events(x.logs, &q, &page, NULL), 0);
	CHECK(page.count == 1 && str_eqz(page.events[0].message, "ERROR memory is full\n"));
	log_page_release(&page);
	struct error err = {0};
	q = (struct logs_filter){.group = STR(GROUP), .pattern = STR("{ $.level = \"ERROR\" }")};
	CHECK_INT(logs_filter_events(x.logs, &q, &page, NULL), 0);
	CHECK_INT(page.count, 0);
	log_page_release(&page);
	q.pattern = STR("\"open");
	CHECK_INT(logs_filter_events(x.logs, &q, &page, &err), -1);
	CHECK_INT(err.code, ERR_INVALID);
	log_stream_close(a);
	log_stream_close(b);
	fixture_release(&x);
}

TEST(a_call_looks_at_a_bounded_part)
{
	struct fixture x;
	fixture_init(&x, 256u << 20);
	struct log_stream *s = logs_open_stream(x.logs, &x.version, NULL);
	static char block[65536];
	memset(block, 'y', sizeof block);
	for (size_t i = 999; i < sizeof block; i += 1000)
		block[i] = '\n';
	for (int i = 0; i < 320; i++) /* 20 MB */
		log_stream_output(s, block, sizeof block);
	log_stream_output(s, "\nneedle\n", 8);
	struct logs_filter q = {.group = STR(GROUP), .pattern = STR("needle")};
	char token[LOGS_TOKEN_SIZE] = "";
	int calls = 0, found = 0;
	do {
		struct log_page page;
		q.token = str_from(token);
		CHECK_INT(logs_filter_events(x.logs, &q, &page, NULL), 0);
		found += (int)page.count;
		strcpy(token, page.next);
		log_page_release(&page);
		calls++;
	} while (*token && calls < 100);
	CHECK_INT(found, 1);
	CHECK_INT(calls, 3);
	log_stream_close(s);
	fixture_release(&x);
}

TEST(streams_are_described)
{
	struct fixture x;
	fixture_init(&x, 64u << 20);
	struct log_page page;
	struct error err = {0};
	struct logs_describe_streams q = {.group = STR(GROUP)};
	CHECK_INT(logs_describe_streams(x.logs, &q, &page, &err), -1);
	CHECK_INT(err.code, ERR_NOT_FOUND);
	char last[LOG_STREAM_NAME_MAX] = "";
	for (int i = 0; i < 120; i++) {
		struct log_stream *s = logs_open_stream(x.logs, &x.version, NULL);
		fixture_now_ms += 10;
		fixture_print(s, "x\n");
		strcpy(last, log_stream_name(s));
		log_stream_close(s);
	}
	q.by_time = q.descending = true;
	int pages = 0, n = 0;
	char token[LOGS_TOKEN_SIZE] = "";
	do {
		q.token = str_from(token);
		CHECK_INT(logs_describe_streams(x.logs, &q, &page, NULL), 0);
		if (!pages)
			CHECK(str_eqz(page.streams[0].name, last) && page.streams[0].last_event_ms == fixture_now_ms);
		n += (int)page.count;
		strcpy(token, page.next);
		log_page_release(&page);
	} while (*token && ++pages < 10);
	CHECK_INT(n, 120);
	CHECK_INT(pages, 2);
	fixture_release(&x);
}

TEST(old_logs_go)
{
	struct fixture x;
	fixture_init(&x, 64u << 20);
	int64_t began = fixture_now_ms = 4102444800000; /* long after the files' own times */
	struct log_stream *s = logs_open_stream(x.logs, &x.version, NULL);
	fixture_print(s, "old\n");
	log_stream_close(s);
	logs_flush(x.logs);
	CHECK(logs_sweep(x.logs));
	struct log_page page;
	struct logs_describe_groups q = {0};
	CHECK_INT(logs_describe_groups(x.logs, &q, &page, NULL), 0);
	CHECK_INT(page.count, 1); /* the group stays */
	CHECK_INT(page.groups[0].stored_bytes, 0);
	log_page_release(&page);
	s = logs_open_stream(x.logs, &x.version, NULL);
	fixture_print(s, "new\n");
	CLEANUP_FREE char *text = read_head(&x, log_stream_name(s));
	CHECK_STR(text, "new\n");
	log_stream_close(s);
	fixture_now_ms = began;
	fixture_release(&x);
}

TEST(a_folder_that_refuses_costs_lines_only)
{
	struct fixture x;
	char path[200];
	fixture_init(&x, 64u << 20);
	snprintf(path, sizeof path, "%s/+aws+lambda+thumb", x.path);
	int fd = open(path, O_WRONLY | O_CREAT, 0600); /* a file where the group's folder should be */
	CHECK(fd >= 0);
	close(fd);
	struct log_stream *s = logs_open_stream(x.logs, &x.version, NULL);
	CHECK(s);
	fixture_print(s, "lost\nlost too\n");
	logs_flush(x.logs);
	struct logs_stats stats;
	logs_get_stats(x.logs, &stats);
	CHECK_INT(stats.dropped_events, 2);
	CHECK(unlink(path) == 0);
	fixture_print(s, "kept\n"); /* and it recovers */
	CLEANUP_FREE char *text = read_head(&x, log_stream_name(s));
	CHECK_STR(text, "kept\n");
	log_stream_close(s);
	fixture_release(&x);
}

/* A limit on file sizes stands for a full disk: writes are cut short, then fail. */
TEST(a_full_disk_costs_lines_only)
{
	struct fixture x;
	fixture_init(&x, 64u << 20);
	struct log_stream *s = logs_open_stream(x.logs, &x.version, NULL);
	fixture_print(s, "first\n");
	logs_flush(x.logs);
	struct rlimit before, small;
	CHECK_INT(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = (struct rlimit){.rlim_cur = 1000, .rlim_max = before.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	CHECK_INT(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (int i = 0; i < 5000; i++)
		fixture_print(s, "this line finds no room at all\n");
	logs_flush(x.logs);
	CHECK_INT(setrlimit(RLIMIT_FSIZE, &before), 0);
	signal(SIGXFSZ, SIG_DFL);
	struct logs_stats stats;
	logs_get_stats(x.logs, &stats);
	CHECK_INT(stats.dropped_events, 5000);
	fixture_print(s, "last\n");
	CLEANUP_FREE char *text = read_head(&x, log_stream_name(s));
	CHECK_STR(text, "first\nlast\n");
	log_stream_close(s);
	fixture_release(&x);
}

TEST(many_groups_need_few_files)
{
	struct fixture x;
	fixture_init(&x, 64u << 20);
	static char names[300][64];
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 300; i++) {
			snprintf(names[i], sizeof names[i], "/aws/lambda/f%d", i);
			x.version.log_group = names[i];
			struct log_stream *s = logs_open_stream(x.logs, &x.version, NULL);
			fixture_print(s, round ? "second\n" : "first\n");
			log_stream_close(s);
		}
		logs_flush(x.logs);
	}
	int next = dup(x.dir_fd); /* the lowest free number tells how many are open */
	CHECK(next < 100);
	close(next);
	struct log_page page;
	struct logs_filter q = {.group = STR("/aws/lambda/f7")};
	CHECK_INT(logs_filter_events(x.logs, &q, &page, NULL), 0);
	CHECK_INT(page.count, 2);
	log_page_release(&page);
	fixture_release(&x);
}

TESTS(T(lines_of_an_invocation_as_lambda_writes_them), T(faults_and_statuses), T(restores), T(json_format), T(a_missing_runtime_is_said),
      T(tail_is_the_last_4_kb), T(long_lines_are_cut_and_memory_is_bounded),
      T(pages_lead_through_a_stream_both_ways_over_segments), T(disk_use_is_bounded_by_rotation),
      T(everything_is_there_after_a_restart), T(a_torn_record_is_skipped_and_written_over), T(filters),
      T(a_call_looks_at_a_bounded_part), T(streams_are_described), T(old_logs_go), T(a_folder_that_refuses_costs_lines_only),
      T(a_full_disk_costs_lines_only), T(many_groups_need_few_files))
