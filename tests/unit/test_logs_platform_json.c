/* The platform's events as JSON, for each schema version. */
#include "tests/unit/test.h"

#include "control/logs/platform_json.h"
#include "core/base/check.h"
#include "core/json/check.h"

static char *text_of(const struct platform_event *e, enum platform_schema schema)
{
	static char text[4096];
	struct buf b;
	struct json_check c;
	buf_init(&b, sizeof text - 1);
	ASSERT(platform_json_write(&b, e, schema) == 0);
	ASSERT(json_check_all(&c, b.data, b.len) == 0);
	ASSERT(str_copy(text, sizeof text, buf_str(&b)) == 0);
	buf_release(&b);
	return text;
}

#define HEAD(type) "{\"time\":\"2025-11-24T16:00:00.007Z\",\"type\":\"" type "\",\"record\":"

static const struct platform_span span = {"responseLatency", 1764000000000, 70500000};
static const struct platform_event report = {
	.kind = PLATFORM_REPORT, .wall_ms = 1764000000007, .request_id = "r-1", .has_duration = true, .duration_ns = 3010000, .has_billed = true,
	.billed_ms = 4, .memory_mb = 128, .max_memory_mb = 36, .has_init = true, .init_ns = 110100000, .trace = "Root=1-2", .span_id = "ab",
	.spans = &span, .span_count = 1,
};

TEST(a_report_in_each_version)
{
	CHECK_STR(text_of(&report, PLATFORM_2025_01_29), HEAD("platform.report") "{\"requestId\":\"r-1\",\"metrics\":{\"durationMs\":3.010,"
		"\"billedDurationMs\":4,\"memorySizeMB\":128,\"maxMemoryUsedMB\":36,\"initDurationMs\":110.100},\"tracing\":{\"spanId\":\"ab\","
		"\"type\":\"X-Amzn-Trace-Id\",\"value\":\"Root=1-2\"},\"spans\":[{\"name\":\"responseLatency\","
		"\"start\":\"2025-11-24T16:00:00.000Z\",\"durationMs\":70.500}],\"status\":\"success\"}}");
	CHECK_STR(text_of(&report, PLATFORM_2020_08_15), HEAD("platform.report") "{\"requestId\":\"r-1\",\"metrics\":{\"durationMs\":3.010,"
		"\"billedDurationMs\":4,\"memorySizeMB\":128,\"maxMemoryUsedMB\":36,\"initDurationMs\":110.100},\"tracing\":{"
		"\"type\":\"X-Amzn-Trace-Id\",\"value\":\"Root=1-2\"}}}");
}

TEST(inits_starts_and_ends)
{
	struct platform_event e = {.kind = PLATFORM_INIT_REPORT, .wall_ms = 1764000000007, .initialization_type = "on-demand", .phase = "init",
	                           .has_duration = true, .duration_ns = 125330000, .error_type = "Runtime.ExitError", .status = "error"};
	CHECK_STR(text_of(&e, PLATFORM_2022_12_13), HEAD("platform.initReport") "{\"initializationType\":\"on-demand\",\"phase\":\"init\","
		"\"status\":\"error\",\"errorType\":\"Runtime.ExitError\",\"metrics\":{\"durationMs\":125.330}}}");
	CHECK_STR(text_of(&e, PLATFORM_2022_07_01), HEAD("platform.initReport") "{\"initializationType\":\"on-demand\",\"phase\":\"init\","
		"\"metrics\":{\"durationMs\":125.330}}}");
	e = (struct platform_event){.kind = PLATFORM_START, .wall_ms = 1764000000007, .request_id = "r", .version = "$LATEST", .function_arn = "arn:x"};
	CHECK_STR(text_of(&e, PLATFORM_2025_01_29), HEAD("platform.start") "{\"requestId\":\"r\",\"functionArn\":\"arn:x\",\"version\":\"$LATEST\"}}");
	CHECK_STR(text_of(&e, PLATFORM_2022_07_01), HEAD("platform.start") "{\"requestId\":\"r\",\"version\":\"$LATEST\"}}");
	e = (struct platform_event){.kind = PLATFORM_RUNTIME_DONE, .wall_ms = 1764000000007, .request_id = "r", .status = "timeout", .has_duration = true,
	                            .has_produced = true, .produced_bytes = 17};
	CHECK_STR(text_of(&e, PLATFORM_2022_12_13), HEAD("platform.runtimeDone") "{\"requestId\":\"r\",\"status\":\"timeout\",\"metrics\":{\"durationMs\":0.000,"
		"\"producedBytes\":17}}}");
	CHECK_STR(text_of(&e, PLATFORM_2021_03_18), HEAD("platform.runtimeDone") "{\"requestId\":\"r\",\"status\":\"timeout\"}}");
	e = (struct platform_event){.kind = PLATFORM_FAULT, .wall_ms = 1764000000007, .text = "it \"broke\""};
	CHECK_STR(text_of(&e, PLATFORM_2020_08_15), HEAD("platform.fault") "\"it \\\"broke\\\"\"}");
}

TEST(subscriptions_and_lost_lines)
{
	static const char *const types[] = {"platform", "function"};
	struct platform_event e = {.kind = PLATFORM_SUBSCRIPTION, .wall_ms = 1764000000007, .name = "agent", .state = "Subscribed", .list = types,
	                           .list_count = 2};
	CHECK_STR(text_of(&e, PLATFORM_2022_12_13),
	          HEAD("platform.telemetrySubscription") "{\"name\":\"agent\",\"state\":\"Subscribed\",\"types\":[\"platform\",\"function\"]}}");
	CHECK(strstr(text_of(&e, PLATFORM_2020_08_15), "platform.logsSubscription"));
	e = (struct platform_event){.kind = PLATFORM_LOGS_DROPPED, .wall_ms = 1764000000007, .reason = "slow", .dropped_records = 3, .dropped_bytes = 99};
	CHECK_STR(text_of(&e, PLATFORM_2022_07_01), HEAD("platform.logsDropped") "{\"reason\":\"slow\",\"droppedRecords\":3,\"droppedBytes\":99}}");
}

TEST(versions_and_levels)
{
	enum platform_schema s = PLATFORM_SCHEMAS;
	CHECK_INT(platform_schema_find(STR("2022-12-13"), &s), 0);
	CHECK_INT(s, PLATFORM_2022_12_13);
	CHECK_INT(platform_schema_find(STR("2022-12-14"), &s), -1);
	CHECK(!platform_schema_has(PLATFORM_2022_07_01, PLATFORM_RESTORE_START) && platform_schema_has(PLATFORM_2022_12_13, PLATFORM_RESTORE_START));
	CHECK(platform_schema_has(PLATFORM_2020_08_15, PLATFORM_END) && !platform_schema_has(PLATFORM_2022_07_01, PLATFORM_END));
	CHECK(!platform_schema_has(PLATFORM_2020_08_15, PLATFORM_RUNTIME_DONE));
	static const struct {
		struct platform_event e;
		enum platform_level level;
	} cases[] = {
		{{.kind = PLATFORM_INIT_START, .runtime_version = "x"}, PLATFORM_INFO},
		{{.kind = PLATFORM_INIT_START}, PLATFORM_DEBUG},
		{{.kind = PLATFORM_INIT_REPORT, .initialization_type = "on-demand"}, PLATFORM_DEBUG},
		{{.kind = PLATFORM_INIT_REPORT, .initialization_type = "snap-start"}, PLATFORM_INFO},
		{{.kind = PLATFORM_INIT_REPORT, .status = "error"}, PLATFORM_WARN},
		{{.kind = PLATFORM_RUNTIME_DONE, .status = "success"}, PLATFORM_DEBUG},
		{{.kind = PLATFORM_RUNTIME_DONE, .status = "timeout"}, PLATFORM_WARN},
		{{.kind = PLATFORM_REPORT}, PLATFORM_INFO},
		{{.kind = PLATFORM_REPORT, .error_type = "x"}, PLATFORM_WARN},
		{{.kind = PLATFORM_LOGS_DROPPED}, PLATFORM_WARN},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		CHECK_INT(platform_level(&cases[i].e), cases[i].level);
}

TESTS(T(a_report_in_each_version), T(inits_starts_and_ends), T(subscriptions_and_lost_lines), T(versions_and_levels))
