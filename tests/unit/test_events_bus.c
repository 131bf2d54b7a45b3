#include "tests/unit/events_rig.h"

#define LAMBDA "arn:aws:lambda:us-east-1:000000000000:function:f"
#define QUEUE "arn:aws:sqs:us-east-1:000000000000:q"
#define DEAD "arn:aws:sqs:us-east-1:000000000000:dead"
#define RULE "arn:aws:events:us-east-1:000000000000:rule/r"
#define MINUTE 60000

static const char *put(const char *source, const char *detail)
{
	char body[4096];
	CLEANUP_JSON json_t *d = json_string(detail);
	CLEANUP_FREE char *escaped = json_dumps(d, JSON_ENCODE_ANY);
	snprintf(body, sizeof body, "{\"Entries\":[{\"Source\":\"%s\",\"DetailType\":\"t\",\"Detail\":%s}]}", source, escaped);
	return call("PutEvents", body);
}

static bool has(const char *text, const char *piece)
{
	if (strstr(text, piece))
		return true;
	printf("\"%s\" is not in \"%s\"\n", piece, text);
	return false;
}

static void make_rule(const char *more)
{
	char body[4096];
	call("PutRule", "{\"Name\":\"r\",\"EventPattern\":\"{\\\"source\\\":[\\\"s\\\"]}\"}");
	snprintf(body, sizeof body, "{\"Rule\":\"r\",\"Targets\":[{\"Id\":\"1\",\"Arn\":\"" LAMBDA "\"%s}]}", more);
	call("PutTargets", body);
}

TEST(rules_and_targets)
{
	CHECK(rig_start());
	CHECK_STR(call("PutRule", "{\"Name\":\"r\",\"EventPattern\":\"{\\\"source\\\":[\\\"s\\\"]}\",\"Description\":\"d\"}"),
	          "{\"RuleArn\":\"" RULE "\"}");
	CHECK_STR(call("DescribeRule", "{\"Name\":\"r\"}"), "{\"Name\":\"r\",\"Arn\":\"" RULE "\",\"EventBusName\":\"default\",\"EventPattern\":"
	          "\"{\\\"source\\\":[\\\"s\\\"]}\",\"Description\":\"d\",\"State\":\"ENABLED\",\"CreatedBy\":\"000000000000\"}");
	CHECK_STR(call("PutTargets", "{\"Rule\":\"r\",\"Targets\":[{\"Id\":\"1\",\"Arn\":\"" LAMBDA "\"},{\"Id\":\"2\",\"Arn\":\"" QUEUE "\"}]}"),
	          "{\"FailedEntryCount\":0,\"FailedEntries\":[]}");
	CHECK_STR(call("ListTargetsByRule", "{\"Rule\":\"r\"}"), "{\"Targets\":[{\"Id\":\"1\",\"Arn\":\"" LAMBDA "\"},{\"Id\":\"2\",\"Arn\":\"" QUEUE "\"}]}");
	CHECK_STR(call("ListRuleNamesByTarget", "{\"TargetArn\":\"" QUEUE "\"}"), "{\"RuleNames\":[\"r\"]}");
	CHECK(has(call("DeleteRule", "{\"Name\":\"r\"}"), "Rule can't be deleted since it has targets."));
	CHECK(has(call("RemoveTargets", "{\"Rule\":\"r\",\"Ids\":[\"1\",\"x\"]}"), "\"FailedEntryCount\":1"));
	CHECK(rig_restart(rig.wall_ms));
	CHECK_STR(call("ListTargetsByRule", "{\"Rule\":\"r\"}"), "{\"Targets\":[{\"Id\":\"2\",\"Arn\":\"" QUEUE "\"}]}");
	call("RemoveTargets", "{\"Rule\":\"r\",\"Ids\":[\"2\"]}");
	CHECK_STR(call("DeleteRule", "{\"Name\":\"r\"}"), "");
	CHECK_STR(call("ListRules", "{}"), "{\"Rules\":[]}");
	CHECK(rig_restart(rig.wall_ms));
	CHECK_STR(call("ListRules", "{}"), "{\"Rules\":[]}");
	rig_stop();
}

TEST(pages)
{
	CHECK(rig_start());
	char body[200];
	for (int i = 0; i < 5; i++) {
		snprintf(body, sizeof body, "{\"Name\":\"%c%d\",\"ScheduleExpression\":\"rate(1 day)\"}", i == 4 ? 'x' : 'r', i);
		call("PutRule", body);
	}
	CLEANUP_JSON json_t *first = json_loads(call("ListRules", "{\"NamePrefix\":\"r\",\"Limit\":3}"), 0, NULL);
	CHECK_INT(json_array_size(json_object_get(first, "Rules")), 3);
	snprintf(body, sizeof body, "{\"NamePrefix\":\"r\",\"Limit\":3,\"NextToken\":\"%s\"}", json_string_value(json_object_get(first, "NextToken")));
	CLEANUP_JSON json_t *second = json_loads(call("ListRules", body), 0, NULL);
	CHECK_INT(json_array_size(json_object_get(second, "Rules")), 1);
	CHECK_STR(json_string_value(json_object_get(json_array_get(json_object_get(second, "Rules"), 0), "Name")), "r3");
	CHECK(!json_object_get(second, "NextToken"));
	rig_stop();
}

TEST(an_event_as_targets_get_it)
{
	CHECK(rig_start());
	make_rule("");
	CHECK(has(put("s", "{\"a\" : [1.10, \"x y\"]}"), "\"FailedEntryCount\":0"));
	CHECK_INT(rig.count, 1);
	CLEANUP_JSON json_t *event = json_loads(rig.taken[0].payload, 0, NULL);
	CHECK(has(rig.taken[0].payload, "\"detail\":{\"a\":[1.10,\"x y\"]}}"));
	CHECK(has(rig.taken[0].payload, "\"time\":\"2026-07-17T09:30:00Z\",\"region\":\"us-east-1\",\"resources\":[]"));
	CHECK_STR(json_string_value(json_object_get(event, "detail-type")), "t");
	CHECK_STR(json_string_value(json_object_get(event, "account")), "000000000000");
	CHECK_STR(rig.taken[0].service, "events.amazonaws.com");
	CHECK_STR(rig.taken[0].source_arn, RULE);
	CHECK(strstr(rig.taken[0].once, json_string_value(json_object_get(event, "id"))) == rig.taken[0].once);
	put("other", "{}");
	CHECK_INT(rig.count, 1);
	call("DisableRule", "{\"Name\":\"r\"}");
	put("s", "{}");
	CHECK_INT(rig.count, 1);
	rig_stop();
}

TEST(entries_that_are_refused)
{
	CHECK(rig_start());
	CHECK(has(put("", "{}"), "Parameter Source is not valid. Reason: Source is a required argument."));
	CHECK(has(put("s", "{"), "\"ErrorCode\":\"MalformedDetail\""));
	CHECK(has(put("s", "[1]"), "Detail is malformed."));
	CHECK(has(put("aws.ec2", "{}"), "NotAuthorizedForSourceException"));
	CHECK(has(call("PutEvents", "{\"Entries\":[]}"), "1 validation error detected: Value '[]' at 'entries' failed to satisfy constraint: "
	          "Member must have length greater than or equal to 1"));
	CHECK(has(call("PutEvents", "{\"Entries\":[{\"Source\":7}]}"), "SerializationException"));
	CHECK_INT(rig.count, 0);
	rig_stop();
}

TEST(refusals_of_operations)
{
	static const struct {
		const char *operation, *body, *want;
	} rows[] = {
		{"PutRule", "{\"Name\":\"a b\"}", "Value 'a b' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: "
		 "[\\\\.\\\\-_A-Za-z0-9]+"},
		{"PutRule", "{}", "Value null at 'name' failed to satisfy constraint: Member must not be null"},
		{"PutRule", "{\"Name\":\"a\"}", "Parameter(s) EventPattern or ScheduleExpression must be specified."},
		{"PutRule", "{\"Name\":\"a\",\"ScheduleExpression\":\"rate(x)\"}", "Parameter ScheduleExpression is not valid."},
		{"PutRule", "{\"Name\":\"a\",\"EventPattern\":\"{}x\"}", "InvalidEventPatternException"},
		{"PutRule", "{\"Name\":\"a\",\"EventPattern\":\"{}x\",\"EventBusName\":\"no\"}", "Event bus no does not exist."},
		{"PutRule", "{\"Name\":\"a\",\"ScheduleExpression\":\"rate(1 day)\",\"State\":\"ON\"}", "enum value set: [ENABLED, DISABLED, "},
		{"DescribeRule", "{\"Name\":\"a\"}", "Rule a does not exist on EventBus default."},
		{"PutTargets", "{\"Rule\":\"a\",\"Targets\":[{\"Id\":\"1\",\"Arn\":\"x\"}]}", "Rule a does not exist on EventBus default."},
		{"PutTargets", "{\"Rule\":\"a\",\"Targets\":[{\"Id\":\"\",\"Arn\":\"x\"}]}", "at 'targets.1.member.id'"},
		{"PutTargets", "{\"Rule\":\"a\",\"Targets\":[{\"Id\":\"1\",\"Arn\":\"x\",\"RetryPolicy\":{\"MaximumRetryAttempts\":186}}]}",
		 "Value '186' at 'targets.1.member.retryPolicy.maximumRetryAttempts'"},
		{"CreateEventBus", "{\"Name\":\"default\"}", "Event bus default already exists."},
		{"CreateEventBus", "{\"Name\":\"a/b\"}", "Event bus name must not contain '/'."},
		{"DeleteEventBus", "{\"Name\":\"default\"}", "Cannot delete event bus default."},
		{"DescribeEventBus", "{\"Name\":\"no\"}", "Event bus no does not exist."},
		{"PutPermission", "{}", "Parameter Principal must be specified."},
		{"RemovePermission", "{\"StatementId\":\"x\"}", "EventBus does not have a policy."},
		{"TestEventPattern", "{\"EventPattern\":\"{\\\"source\\\":[\\\"s\\\"]}\",\"Event\":\"{}\"}", "Parameter Event is not valid."},
		{"StartReplay", "{}", "UnknownOperationException"},
		{"ListRules", "[]", "SerializationException"},
		{"ListRules", "{\"NextToken\":\"%\"}", "Parameter NextToken is not valid."},
	};
	CHECK(rig_start());
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		CHECK(has(call(rows[i].operation, rows[i].body), rows[i].want));
		CHECK_INT(rig.status, 400);
	}
	rig_stop();
}

TEST(limits)
{
	char body[300];
	CHECK(rig_start());
	make_rule("");
	for (int i = 2; i <= 6; i++) {
		snprintf(body, sizeof body, "{\"Rule\":\"r\",\"Targets\":[{\"Id\":\"%d\",\"Arn\":\"" QUEUE "\"}]}", i);
		call("PutTargets", body);
		CHECK_INT(rig.status, i <= 5 ? 200 : 400);
	}
	CHECK_STR(rig.type, "LimitExceededException");
	CHECK(has(call("PutTargets", "{\"Rule\":\"r\",\"Targets\":[{\"Id\":\"1\",\"Arn\":\"arn:aws:logs:us-east-1:000000000000:log-group:x\"}]}"),
	          "no targets of the service logs"));
	CHECK(has(call("PutTargets", "{\"Rule\":\"r\",\"Targets\":[{\"Id\":\"1\",\"Arn\":\"" QUEUE ".fifo\"}]}"),
	          "Parameter(s) SqsParameters must be specified for target: 1."));
	rig_stop();
}

TEST(what_targets_are_given)
{
	CHECK(rig_start());
	make_rule(",\"InputTransformer\":{\"InputPathsMap\":{\"n\":\"$.detail.n\"},\"InputTemplate\":\"{\\\"n\\\":<n>,\\\"r\\\":\\\"<aws.events.rule-name>\\\"}\"}");
	put("s", "{\"n\":7}");
	CHECK_STR(rig.taken[0].payload, "{\"n\":7,\"r\":\"r\"}");
	make_rule(",\"Input\":\"\\\"fixed\\\"\"");
	put("s", "{}");
	CHECK_STR(rig.taken[1].payload, "\"fixed\"");
	rig_stop();
}

TEST(a_target_that_takes_it_later)
{
	CHECK(rig_start());
	make_rule("");
	rig.refuse = (struct error){.code = ERR_DISK_FULL, .msg = "full"};
	rig.refusals = 3;
	CHECK(has(put("s", "{\"k\":1}"), "\"FailedEntryCount\":0"));
	CHECK_INT(rig_wait(4), 4);
	CHECK_STR(rig.taken[3].payload, rig.taken[0].payload);
	CHECK_STR(rig.taken[3].once, rig.taken[0].once);
	rig_settle(100);
	CHECK_INT(rig.count, 4);
	rig_stop();
}

TEST(retries_survive_a_restart)
{
	CHECK(rig_start());
	make_rule("");
	rig.settings.retry_scale = 30; /* 300 ms */
	CHECK(rig_restart(rig.wall_ms));
	rig.refuse = (struct error){.code = ERR_THROTTLED, .msg = "busy"};
	put("s", "{\"k\":1}");
	CHECK_INT(rig.count, 1);
	rig.refuse.code = ERR_OK;
	CHECK(rig_restart(rig.wall_ms));
	CHECK_INT(rig_wait(1), 1);
	CHECK(has(rig.taken[0].payload, "\"detail\":{\"k\":1}"));
	rig_stop();
}

TEST(an_entry_that_can_be_stored_nowhere_fails)
{
	CHECK(rig_start());
	make_rule("");
	rig.store_bytes = 16;
	CHECK(rig_restart(rig.wall_ms));
	rig.refuse = (struct error){.code = ERR_DISK_FULL, .msg = "full"};
	CHECK(has(put("s", "{\"k\":1}"), "{\"FailedEntryCount\":1,\"Entries\":[{\"ErrorCode\":\"InternalFailure\""));
	rig.refuse.code = ERR_OK;
	CHECK(has(put("s", "{\"k\":1}"), "\"FailedEntryCount\":0"));
	rig_stop();
}

TEST(dead_letters)
{
	CHECK(rig_start());
	make_rule(",\"InputPath\":\"$.detail\",\"RetryPolicy\":{\"MaximumRetryAttempts\":2},\"DeadLetterConfig\":{\"Arn\":\"" DEAD "\"}");
	strcpy(rig.refuse_only, LAMBDA);
	rig.refuse = (struct error){.code = ERR_THROTTLED, .msg = "busy"};
	put("s", "{\"k\":1}");
	CHECK_INT(rig_wait(4), 4);
	CHECK_STR(rig.taken[2].target, LAMBDA);
	CHECK_STR(rig.taken[3].target, DEAD);
	CHECK(has(rig.taken[3].payload, "\"detail\":{\"k\":1}}"));
	CHECK_STR(rig.taken[3].attributes, "RULE_ARN=" RULE ";TARGET_ARN=" LAMBDA ";ERROR_CODE=THROTTLING;ERROR_MESSAGE=busy;RETRY_ATTEMPTS=2;"
	          "EXHAUSTED_RETRY_CONDITION=MaximumRetryAttempts;");
	rig_clear();
	rig.refuse = (struct error){.code = ERR_ACCESS_DENIED, .msg = "no"};
	put("s", "{\"k\":2}");
	CHECK_INT(rig_wait(2), 2);
	CHECK_STR(rig.taken[1].attributes, "RULE_ARN=" RULE ";TARGET_ARN=" LAMBDA ";ERROR_CODE=NO_PERMISSIONS;ERROR_MESSAGE=no;RETRY_ATTEMPTS=0;");
	rig_stop();
}

/* The dead letter, not taken at first, is all that is left to be tried: of an error whose text grows most when it is noted. */
TEST(a_dead_letter_that_is_taken_later)
{
	CHECK(rig_start());
	make_rule(",\"RetryPolicy\":{\"MaximumRetryAttempts\":2},\"DeadLetterConfig\":{\"Arn\":\"" DEAD "\"}");
	rig.refuse = (struct error){.code = ERR_THROTTLED};
	memset(rig.refuse.msg, '\x1b', sizeof rig.refuse.msg - 1);
	rig.refusals = 4;
	put("s", "{}");
	CHECK_INT(rig_wait(5), 5);
	CHECK_STR(rig.taken[3].target, DEAD);
	CHECK_STR(rig.taken[4].target, DEAD);
	CHECK_STR(rig.taken[4].attributes, rig.taken[3].attributes);
	CHECK(has(rig.taken[4].attributes, "\x1b;RETRY_ATTEMPTS=2;EXHAUSTED_RETRY_CONDITION=MaximumRetryAttempts;"));
	rig_stop();
}

TEST(a_refusal_for_good_is_dropped_and_counted)
{
	struct bus_counts counts;
	CHECK(rig_start());
	make_rule("");
	rig.refuse = (struct error){.code = ERR_ACCESS_DENIED, .msg = "no"};
	CHECK(has(put("s", "{}"), "\"FailedEntryCount\":0"));
	rig_settle(100);
	CHECK_INT(rig.count, 1);
	bus_count(rig.bus, &counts);
	CHECK_INT(counts.failed, 1);
	CHECK_INT(counts.matched, 1);
	rig_stop();
}

TEST(from_bus_to_bus)
{
	CHECK(rig_start());
	call("CreateEventBus", "{\"Name\":\"two\"}");
	make_rule("");
	call("PutTargets", "{\"Rule\":\"r\",\"Targets\":[{\"Id\":\"1\",\"Arn\":\"arn:aws:events:us-east-1:000000000000:event-bus/two\"}]}");
	call("PutRule", "{\"Name\":\"q\",\"EventBusName\":\"two\",\"EventPattern\":\"{\\\"account\\\":[\\\"000000000000\\\"]}\"}");
	call("PutTargets", "{\"Rule\":\"q\",\"EventBusName\":\"two\",\"Targets\":[{\"Id\":\"1\",\"Arn\":\"" QUEUE "\"},"
	     "{\"Id\":\"2\",\"Arn\":\"arn:aws:events:us-east-1:000000000000:event-bus/two\"}]}");
	put("s", "{}");
	CHECK_INT(rig.count, BUS_HOPS_MAX); /* the bus that sends to itself is stopped */
	CHECK_STR(rig.taken[0].source_arn, "arn:aws:events:us-east-1:000000000000:rule/two/q");
	CHECK(has(call("DeleteEventBus", "{\"Name\":\"two\"}"), "can't be deleted since it has rules."));
	rig_stop();
}

/* Ten rules that each send to their own bus five times: 50^5 deliveries, if nobody counted. */
TEST(buses_that_multiply_an_event_are_stopped)
{
	struct bus_counts counts;
	char text[1024];
	CHECK(rig_start());
	for (int rule = 0; rule < 10; rule++) {
		snprintf(text, sizeof text, "{\"Name\":\"m%d\",\"EventPattern\":\"{\\\"source\\\":[\\\"s\\\"]}\"}", rule);
		call("PutRule", text);
		size_t n = (size_t)snprintf(text, sizeof text, "{\"Rule\":\"m%d\",\"Targets\":[", rule);
		for (int target = 0; target < 5; target++)
			n += (size_t)snprintf(text + n, sizeof text - n, "%s{\"Id\":\"%d\",\"Arn\":\"arn:aws:events:us-east-1:000000000000:event-bus/default\"}",
			                      target ? "," : "", target);
		snprintf(text + n, sizeof text - n, "]}");
		call("PutTargets", text);
	}
	CHECK(has(put("s", "{}"), "\"FailedEntryCount\":0"));
	bus_count(rig.bus, &counts);
	CHECK_INT(counts.delivered, BUS_VISITS_MAX);
	CHECK(counts.failed > 0);
	rig_stop();
}

/* A body with n bytes between two pieces. */
static const char *call_large(const char *operation, const char *before, size_t n, const char *behind)
{
	CLEANUP_FREE char *body = malloc(strlen(before) + n + strlen(behind) + 1);
	size_t at = strlen(before);
	memcpy(body, before, at);
	memset(body + at, 'y', n);
	strcpy(body + at + n, behind);
	return call(operation, body);
}

/* Each of five rules asks for 300 beginnings of a text of 900 KB. */
TEST(matching_one_event_is_bounded)
{
	static const char before[] = "{\"Entries\":[{\"Source\":\"s\",\"DetailType\":\"t\",\"Detail\":\"{\\\"a\\\":\\\"", behind[] = "\\\"}\"}]}";
	char text[8192];
	struct bus_counts counts;
	CHECK(rig_start());
	for (int rule = 0; rule < 5; rule++) {
		size_t n = (size_t)snprintf(text, sizeof text, "{\"Name\":\"m%d\",\"EventPattern\":\"{\\\"detail\\\":{\\\"a\\\":[{\\\"anything-but\\\":"
		                            "{\\\"prefix\\\":[\\\"z\\\"", rule);
		for (int i = 0; i < 300; i++)
			n += (size_t)snprintf(text + n, sizeof text - n, ",\\\"z%d\\\"", i);
		strcpy(text + n, "]}}]}}\"}");
		CHECK(has(call("PutRule", text), "RuleArn"));
	}
	CHECK(has(call_large("PutEvents", before, 900000, behind), "\"FailedEntryCount\":1"));
	CHECK(has(rig.body, "too large for the rules"));
	CHECK(has(call_large("PutEvents", before, 9000, behind), "\"FailedEntryCount\":0"));
	bus_count(rig.bus, &counts);
	CHECK_INT(counts.failed, 1);
	rig_stop();
}

TEST(a_pattern_is_tested_with_events_that_can_be_sent)
{
	static const char before[] = "{\"EventPattern\":\"{\\\"source\\\":[\\\"s\\\"]}\",\"Event\":\"{\\\"id\\\":\\\"1\\\",\\\"account\\\":\\\"1\\\","
		"\\\"source\\\":\\\"s\\\",\\\"time\\\":\\\"t\\\",\\\"region\\\":\\\"r\\\",\\\"resources\\\":[],\\\"detail-type\\\":\\\"t\\\",\\\"detail\\\":\\\"";
	CHECK(rig_start());
	CHECK_STR(call_large("TestEventPattern", before, 1 << 20, "\\\"}\"}"), "{\"Result\":true}");
	CHECK(has(call_large("TestEventPattern", before, (1 << 20) + 8192, "\\\"}\"}"), "Parameter Event is not valid."));
	rig_stop();
}

static int inside_result;

static void on_inside_done(void *arg, const struct error *err)
{
	inside_result = err ? (int)err->code : 0;
}

TEST(from_inside)
{
	CHECK(rig_start());
	make_rule("");
	struct delivery d = {.target = STR("arn:aws:events:us-east-1:000000000000:event-bus/default"), .payload = STR("{\"x\":1}"),
	                     .bus_source = STR("s"), .bus_detail_type = STR("Lambda")};
	inside_result = -1;
	bus_deliver(rig.bus, &d, on_inside_done, NULL);
	CHECK_INT(inside_result, -1); /* never from inside the call */
	rig_settle(20);
	CHECK_INT(inside_result, 0);
	CHECK(has(rig.taken[0].payload, "\"detail-type\":\"Lambda\""));
	d.target = STR("arn:aws:events:us-east-1:000000000000:event-bus/no");
	bus_deliver(rig.bus, &d, on_inside_done, NULL);
	rig_settle(20);
	CHECK_INT(inside_result, ERR_NOT_FOUND);
	rig_stop();
}

TEST(tags_and_permissions)
{
	CHECK(rig_start());
	make_rule("");
	CHECK_STR(call("TagResource", "{\"ResourceARN\":\"" RULE "\",\"Tags\":[{\"Key\":\"a\",\"Value\":\"1\"},{\"Key\":\"b\",\"Value\":\"2\"}]}"), "");
	call("UntagResource", "{\"ResourceARN\":\"" RULE "\",\"TagKeys\":[\"a\"]}");
	CHECK_STR(call("ListTagsForResource", "{\"ResourceARN\":\"" RULE "\"}"), "{\"Tags\":[{\"Key\":\"b\",\"Value\":\"2\"}]}");
	call("PutPermission", "{\"Action\":\"events:PutEvents\",\"Principal\":\"111111111111\",\"StatementId\":\"s\"}");
	CHECK(rig_restart(rig.wall_ms));
	CHECK_STR(call("ListTagsForResource", "{\"ResourceARN\":\"" RULE "\"}"), "{\"Tags\":[{\"Key\":\"b\",\"Value\":\"2\"}]}");
	CHECK(has(call("DescribeEventBus", "{}"), "arn:aws:iam::111111111111:root"));
	CHECK_STR(call("RemovePermission", "{\"StatementId\":\"s\"}"), "");
	CHECK(!strstr(call("DescribeEventBus", "{}"), "Policy"));
	rig_stop();
}

/* ---- schedules ---- */

static void make_schedule(const char *expression)
{
	char body[300];
	snprintf(body, sizeof body, "{\"Name\":\"r\",\"ScheduleExpression\":\"%s\"}", expression);
	call("PutRule", body);
	call("PutTargets", "{\"Rule\":\"r\",\"Targets\":[{\"Id\":\"1\",\"Arn\":\"" LAMBDA "\"}]}");
}

/* The clock goes on, and something makes the bus look at it (its timer waits at most 10 s of real time). */
static void pass(int64_t ms)
{
	rig.wall_ms += ms;
	call("EnableRule", "{\"Name\":\"r\"}");
	rig_settle(20);
}

TEST(a_scheduled_event)
{
	CHECK(rig_start());
	make_schedule("rate(1 minute)");
	CHECK_INT(rig.count, 0);
	pass(MINUTE);
	CHECK_INT(rig.count, 1);
	CHECK(has(rig.taken[0].payload, "\"detail-type\":\"Scheduled Event\",\"source\":\"aws.events\""));
	CHECK(has(rig.taken[0].payload, "\"time\":\"2026-07-17T09:31:00Z\",\"region\":\"us-east-1\",\"resources\":[\"" RULE "\"],\"detail\":{}}"));
	pass(MINUTE / 2);
	CHECK_INT(rig.count, 1);
	pass(MINUTE / 2);
	CHECK_INT(rig.count, 2);
	call("DisableRule", "{\"Name\":\"r\"}");
	rig.wall_ms += 2 * MINUTE;
	call("DisableRule", "{\"Name\":\"r\"}");
	CHECK_INT(rig.count, 2);
	rig_stop();
}

TEST(missed_fires_are_not_made_up_for)
{
	struct bus_counts counts;
	CHECK(rig_start());
	make_schedule("cron(0 12 * * ? *)"); /* in 150 minutes */
	CHECK(rig_restart(rig.wall_ms + 152 * MINUTE));
	rig_settle(20);
	CHECK_INT(rig.count, 0);
	bus_count(rig.bus, &counts);
	CHECK_INT(counts.missed, 1);
	pass(24 * 60 * MINUTE - 2 * MINUTE);
	CHECK_INT(rig.count, 1);
	pass(2 * 24 * 60 * MINUTE + 5 * MINUTE); /* the clock jumped over two of them */
	CHECK_INT(rig.count, 1);
	rig_stop();
}

TEST(a_clock_that_is_set_back_fires_nothing_twice)
{
	CHECK(rig_start());
	make_schedule("cron(31 9 * * ? *)");
	pass(MINUTE);
	CHECK_INT(rig.count, 1);
	pass(-10 * MINUTE);
	pass(10 * MINUTE);
	CHECK_INT(rig.count, 1);
	CHECK(rig_restart(rig.wall_ms - 5 * MINUTE));
	pass(5 * MINUTE);
	CHECK_INT(rig.count, 0);
	pass(24 * 60 * MINUTE);
	CHECK_INT(rig.count, 1);
	rig_stop();
}

static void on_deleted(void *arg, const struct kv_entry *entry, const struct error *err)
{
	*(bool *)arg = !err;
	ev_loop_stop(rig.loop);
}

/* With 20 rules, a change of one looks at that one. */
TEST(schedules_are_looked_at_when_due)
{
	struct bus_counts counts;
	char text[200];
	CHECK(rig_start());
	for (int i = 0; i < 20; i++) {
		snprintf(text, sizeof text, "{\"Name\":\"r%d\",\"ScheduleExpression\":\"rate(%d minutes)\"}", i, i + 2);
		call("PutRule", text);
	}
	bus_count(rig.bus, &counts);
	CHECK_INT(counts.looked, 20);
	rig.wall_ms += 4 * MINUTE;
	call("PutRule", "{\"Name\":\"r19\",\"ScheduleExpression\":\"rate(1 day)\"}");
	bus_count(rig.bus, &counts);
	CHECK_INT(counts.looked, 24); /* those of 2, 3 and 4 minutes, and the new one */
	CHECK_INT(counts.scheduled + counts.missed, 3);
	rig.wall_ms -= MINUTE;
	call("PutRule", "{\"Name\":\"r19\",\"ScheduleExpression\":\"rate(1 day)\"}");
	bus_count(rig.bus, &counts);
	CHECK_INT(counts.looked, 44);
	rig_stop();
}

TEST(a_crash_before_it_is_remembered)
{
	bool deleted = false;
	char once[100];
	CHECK(rig_start());
	make_schedule("cron(31 9 * * ? *)");
	pass(MINUTE);
	CHECK_INT(rig.count, 1);
	strcpy(once, rig.taken[0].once);
	kv_delete(rig.kv, STR("events/fired/default/r"), KV_ANY, on_deleted, &deleted, NULL);
	rig_finish(&deleted);
	CHECK(deleted);
	CHECK(rig_restart(rig.wall_ms + 5000));
	CHECK_INT(rig_wait(1), 1); /* the target sees that it is the same */
	CHECK_STR(rig.taken[0].once, once);
	rig_stop();
}

TESTS(T(rules_and_targets), T(pages), T(an_event_as_targets_get_it), T(entries_that_are_refused), T(refusals_of_operations), T(limits),
      T(what_targets_are_given), T(a_target_that_takes_it_later), T(retries_survive_a_restart),
      T(an_entry_that_can_be_stored_nowhere_fails), T(dead_letters),
      T(a_refusal_for_good_is_dropped_and_counted), T(from_bus_to_bus), T(a_dead_letter_that_is_taken_later), T(matching_one_event_is_bounded), T(a_pattern_is_tested_with_events_that_can_be_sent),
      T(buses_that_multiply_an_event_are_stopped), T(from_inside), T(tags_and_permissions), T(a_scheduled_event),
      T(missed_fires_are_not_made_up_for), T(a_clock_that_is_set_back_fires_nothing_twice), T(schedules_are_looked_at_when_due),
      T(a_crash_before_it_is_remembered))
