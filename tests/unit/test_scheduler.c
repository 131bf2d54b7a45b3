#include "tests/unit/events_rig.h"

#include "core/base/hash.h"

#define LAMBDA "arn:aws:lambda:us-east-1:000000000000:function:f"
#define QUEUE "arn:aws:sqs:us-east-1:000000000000:q"
#define DEAD "arn:aws:sqs:us-east-1:000000000000:dead"
#define ROLE "arn:aws:iam::000000000000:role/r"
#define ARN "arn:aws:scheduler:us-east-1:000000000000:schedule/default/s"
#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

static bool has(const char *text, const char *piece)
{
	if (strstr(text, piece))
		return true;
	printf("\"%s\" is not in \"%s\"\n", piece, text);
	return false;
}

static char body[8192];

static const char *with(const char *method, const char *name, const char *expression, const char *more, const char *target)
{
	char path[200];
	snprintf(path, sizeof path, "/schedules/%s", name);
	snprintf(body, sizeof body, "{\"ScheduleExpression\":\"%s\",\"FlexibleTimeWindow\":{\"Mode\":\"OFF\"},\"Target\":{\"Arn\":\"" LAMBDA "\","
	         "\"RoleArn\":\"" ROLE "\"%s}%s}", expression, target, more);
	return rest(method, path, "", body);
}

static const char *create(const char *expression, const char *more, const char *target)
{
	return with("POST", "s", expression, more, target);
}

/* The clock goes on, and the Scheduler looks at it (its timer waits at most 10 s of real time). */
static void pass(int64_t ms)
{
	rig.wall_ms += ms;
	with("PUT", "other", "rate(100 days)", ",\"StartDate\":4000000000", "");
	rig_settle(30);
}

static bool start(void)
{
	if (!rig_start())
		return false;
	with("POST", "other", "rate(100 days)", ",\"StartDate\":4000000000", "");
	return rig.status == 200;
}

TEST(a_schedule_is_kept)
{
	CHECK(start());
	CHECK_STR(create("cron(0 12 * * ? *)", ",\"Description\":\"d\"", ",\"Input\":\"{}\""), "{\"ScheduleArn\":\"" ARN "\"}");
	CHECK(rig_restart(rig.wall_ms));
	CLEANUP_JSON json_t *got = json_loads(rest("GET", "/schedules/s", "groupName=default", ""), 0, NULL);
	CLEANUP_JSON json_t *want = json_pack("{s:s, s:s, s:s, s:f, s:f, s:s, s:s, s:{s:s}, s:s, s:s, s:s, s:{s:s, s:s, s:s, s:{s:i, s:i}}}",
		"Arn", ARN, "GroupName", "default", "Name", "s", "CreationDate", 1784280600.0, "LastModificationDate", 1784280600.0,
		"State", "ENABLED", "Description", "d", "FlexibleTimeWindow", "Mode", "OFF", "ScheduleExpression", "cron(0 12 * * ? *)",
		"ScheduleExpressionTimezone", "UTC", "ActionAfterCompletion", "NONE", "Target", "Arn", LAMBDA, "RoleArn", ROLE, "Input", "{}",
		"RetryPolicy", "MaximumEventAgeInSeconds", 86400, "MaximumRetryAttempts", 185);
	CHECK(json_equal(got, want));
	CHECK(has(rest("GET", "/schedules", "NamePrefix=s&State=ENABLED&ScheduleGroup=default", ""), "\"Name\":\"s\""));
	CHECK(!strstr(rest("GET", "/schedules", "State=DISABLED", ""), "\"Name\""));
	CHECK_STR(rest("DELETE", "/schedules/s", "", ""), "{}");
	CHECK(has(rest("GET", "/schedules/s", "", ""), "Schedule s does not exist."));
	CHECK_INT(rig.status, 404);
	CHECK(rig_restart(rig.wall_ms));
	CHECK(has(rest("GET", "/schedules/s", "", ""), "Schedule s does not exist."));
	rig_stop();
}

TEST(refusals)
{
	static const struct {
		const char *expression, *more, *target, *want;
	} rows[] = {
		{"cron(0 12 * * * *)", "", "", "Invalid Schedule Expression cron(0 12 * * * *)."},
		{"rate(1 minute)", ",\"ScheduleExpressionTimezone\":\"Mars/Olympus\"", "", "Mars/Olympus"},
		{"rate(1 minute)", ",\"State\":\"ON\"", "", "Value 'ON' at 'state' failed to satisfy constraint: Member must satisfy enum value set: [ENABLED, DISABLED]"},
		{"rate(1 minute)", ",\"StartDate\":1784280000", "", "The StartDate you specify cannot be earlier than 5 minutes ago."},
		{"rate(1 minute)", ",\"EndDate\":1784280000", "", "The EndDate you specify cannot be earlier than now."},
		{"rate(1 minute)", ",\"StartDate\":1784290000,\"EndDate\":1784285000", "", "must come before the EndDate"},
		{"rate(1 minute)", ",\"FlexibleTimeWindow\":{\"Mode\":\"FLEXIBLE\"}", "", "MaximumWindowInMinutes must be specified"},
		{"rate(1 minute)", ",\"FlexibleTimeWindow\":{\"Mode\":\"OFF\",\"MaximumWindowInMinutes\":5}", "", "MaximumWindowInMinutes must not be"},
		{"rate(1 minute)", ",\"GroupName\":\"no\"", "", "Schedule group no does not exist."},
		{"rate(1 minute)", "", ",\"RetryPolicy\":{\"MaximumEventAgeInSeconds\":59}", "Value '59' at 'target.retryPolicy.maximumEventAgeInSeconds'"},
		{"rate(1 minute)", "", ",\"RoleArn\":\"x\"", "at 'target.roleArn' failed to satisfy constraint: Member must satisfy regular expression"},
		{"rate(1 minute)", "", ",\"Arn\":\"x\"", "Provided Arn is not in correct format."},
		{"rate(1 minute)", "", ",\"Arn\":\"arn:aws:ecs:us-east-1:000000000000:cluster/x\"", "no targets of the service ecs"},
		{"rate(1 minute)", "", ",\"Arn\":\"" QUEUE ".fifo\"", "MessageGroupId must be provided"},
		{"rate(1 minute)", "", ",\"Arn\":\"arn:aws:events:us-east-1:000000000000:event-bus/default\"", "EventBridgeParameters must be provided"},
		{"rate(1 minute)", "", ",\"Arn\":\"arn:aws:scheduler:::aws-sdk:ec2:runInstances\"", "not an API action that this server has"},
		{"rate(1 minute)", "", ",\"Arn\":\"arn:aws:scheduler:::aws-sdk:sqs:sendMessage\",\"Input\":\"{}\"", "The field 'QueueUrl' is required."},
		{"rate(1 minute)", "", ",\"DeadLetterConfig\":{\"Arn\":\"x\"}", "at 'target.deadLetterConfig.arn'"},
		{"rate(1 minute)", ",\"Name\":7", ",\"Input\":7", "NUMBER_VALUE can not be converted to a String"},
	};
	CHECK(start());
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		CHECK(has(create(rows[i].expression, rows[i].more, rows[i].target), rows[i].want));
		CHECK(rig.status == 400 || rig.status == 404);
	}
	CHECK(has(rest("POST", "/schedules/a%20b", "", "{}"), "4 validation errors detected: Value null at 'flexibleTimeWindow'"));
	CHECK(has(rest("PATCH", "/schedules/a", "", "{}"), "There is no such operation."));
	CHECK(has(rest("POST", "/schedules/a", "", "{"), "not a JSON object"));
	create("rate(1 day)", "", "");
	CHECK(has(create("rate(1 day)", "", ""), "Schedule s already exists."));
	CHECK_INT(rig.status, 409);
	CHECK_STR(rig.type, "ConflictException");
	rig_stop();
}

TEST(the_same_request_twice)
{
	CHECK(start());
	create("rate(1 day)", ",\"ClientToken\":\"t1\"", "");
	CHECK_STR(create("rate(1 day)", ",\"ClientToken\":\"t1\"", ""), "{\"ScheduleArn\":\"" ARN "\"}");
	CHECK(has(create("rate(1 day)", ",\"ClientToken\":\"t2\"", ""), "already exists"));
	rig_stop();
}

TEST(one_time)
{
	struct scheduler_counts counts;
	CHECK(start());
	create("at(2026-07-17T12:00:00)", "", ",\"Input\":\"{\\\"t\\\":\\\"<aws.scheduler.scheduled-time>\\\",\\\"a\\\":\\\"<aws.scheduler.schedule-arn>\\\","
	       "\\\"n\\\":<aws.scheduler.attempt-number>,\\\"x\\\":\\\"<b>\\\"}\"");
	pass(2 * HOUR);
	CHECK_INT(rig.count, 0);
	pass(30 * MINUTE);
	CHECK_INT(rig_wait(1), 1);
	CHECK_STR(rig.taken[0].payload, "{\"t\":\"2026-07-17T12:00:00Z\",\"a\":\"" ARN "\",\"n\":1,\"x\":\"<b>\"}");
	CHECK_STR(rig.taken[0].service, ROLE);
	CHECK_STR(rig.taken[0].source_arn, ARN);
	pass(DAY);
	CHECK_INT(rig.count, 1);
	CHECK(has(rest("GET", "/schedules/s", "", ""), "\"State\":\"ENABLED\""));
	scheduler_count(rig.scheduler, &counts);
	CHECK_INT(counts.fired, 1);
	rig_stop();
}

TEST(an_event_where_there_is_no_input)
{
	CHECK(start());
	create("at(2026-07-17T12:00:00)", "", "");
	pass(3 * HOUR);
	CHECK_INT(rig_wait(1), 1);
	CHECK(has(rig.taken[0].payload, "\"detail-type\":\"Scheduled Event\",\"source\":\"aws.scheduler\",\"account\":\"000000000000\","
	          "\"time\":\"2026-07-17T12:00:00Z\",\"region\":\"us-east-1\",\"resources\":[\"" ARN "\"],\"detail\":\"{}\"}"));
	rig_stop();
}

TEST(a_rate_begins_at_once)
{
	CHECK(start());
	create("rate(5 minutes)", "", "");
	CHECK_INT(rig_wait(1), 1);
	for (int i = 2; i < 5; i++) {
		pass(5 * MINUTE);
		CHECK_INT(rig_wait((size_t)i), i);
	}
	with("PUT", "s", "rate(5 minutes)", ",\"State\":\"DISABLED\"", "");
	pass(HOUR);
	CHECK_INT(rig.count, 4);
	rig_stop();
}

TEST(dates)
{
	CHECK(start());
	create("rate(1 hour)", ",\"StartDate\":1784289600,\"EndDate\":1784296800", ""); /* 12:00 to 14:00 */
	pass(HOUR);
	CHECK_INT(rig.count, 0);
	pass(HOUR + 30 * MINUTE);
	CHECK_INT(rig_wait(1), 1);
	pass(HOUR);
	pass(HOUR);
	CHECK_INT(rig_wait(3), 3);
	pass(5 * HOUR);
	CHECK_INT(rig.count, 3);
	rig_stop();
}

TEST(zones_and_summer_time)
{
	CHECK(start());
	create("cron(0 12 * * ? *)", ",\"ScheduleExpressionTimezone\":\"Europe/Berlin\"", "");
	pass(29 * MINUTE);
	CHECK_INT(rig.count, 0);
	pass(MINUTE); /* 10:00 UTC */
	CHECK_INT(rig_wait(1), 1);
	rig.wall_ms = 1796122800000; /* 2026-12-01T11:00Z: noon in winter; what was missed meanwhile is one fire, and it is this */
	pass(0);
	CHECK_INT(rig_wait(2), 2);
	pass(DAY - MINUTE);
	CHECK_INT(rig.count, 2);
	pass(MINUTE);
	CHECK_INT(rig_wait(3), 3);
	rig_stop();
}

TEST(missed_while_the_server_was_down)
{
	struct scheduler_counts counts;
	CHECK(start());
	create("rate(1 hour)", ",\"StartDate\":1784282400", ",\"Input\":\"\\\"<aws.scheduler.scheduled-time>\\\"\""); /* 10:00 */
	with("POST", "once", "at(2026-07-17T10:30:00)", "", ",\"Input\":\"\\\"once\\\"\"");
	with("POST", "short", "at(2026-07-17T10:30:00)", "", ",\"Input\":\"\\\"short\\\"\",\"RetryPolicy\":{\"MaximumEventAgeInSeconds\":600}");
	CHECK(rig_restart(rig.wall_ms + 5 * HOUR)); /* 14:30 */
	CHECK_INT(rig_wait(2), 2);
	bool first = strcmp(rig.taken[0].payload, "\"once\"") == 0;
	CHECK_STR(rig.taken[first ? 0 : 1].payload, "\"once\"");
	CHECK_STR(rig.taken[first ? 1 : 0].payload, "\"2026-07-17T14:00:00Z\"");
	scheduler_count(rig.scheduler, &counts);
	CHECK_INT(counts.missed, 2); /* the hours before 14:00, as one; and what was too old */
	pass(30 * MINUTE);
	CHECK_INT(rig_wait(3), 3);
	CHECK_STR(rig.taken[2].payload, "\"2026-07-17T15:00:00Z\"");
	rig_stop();
}

TEST(a_clock_that_is_set_back)
{
	CHECK(start());
	create("cron(0 * * * ? *)", "", "");
	pass(30 * MINUTE);
	CHECK_INT(rig_wait(1), 1);
	pass(-2 * HOUR);
	pass(HOUR);
	pass(HOUR);
	CHECK_INT(rig.count, 1);
	CHECK(rig_restart(rig.wall_ms - HOUR));
	pass(HOUR);
	CHECK_INT(rig.count, 0);
	pass(HOUR);
	CHECK_INT(rig_wait(1), 1);
	rig_stop();
}

static void on_done(void *arg, const struct kv_entry *entry, const struct error *err)
{
	*(bool *)arg = !err;
	ev_loop_stop(rig.loop);
}

TEST(a_crash_before_it_is_remembered)
{
	bool deleted = false;
	CHECK(start());
	create("at(2026-07-17T10:00:00)", "", "");
	pass(30 * MINUTE);
	CHECK_INT(rig_wait(1), 1);
	kv_delete(rig.kv, STR("scheduler/fired/default/s"), KV_ANY, on_done, &deleted, NULL);
	rig_finish(&deleted);
	CHECK(deleted);
	CHECK(rig_restart(rig.wall_ms + 5000));
	rig_settle(100);
	CHECK_INT(rig.count, 0); /* the store knows the fire */
	rig_stop();
}

TEST(the_flexible_window_is_the_same_after_a_restart)
{
	int64_t fired[2];
	for (int again = 0; again < 2; again++) {
		CHECK(start());
		rest("POST", "/schedules/s", "", "{\"ScheduleExpression\":\"at(2026-07-17T10:00:00)\",\"FlexibleTimeWindow\":{\"Mode\":\"FLEXIBLE\","
		     "\"MaximumWindowInMinutes\":60},\"Target\":{\"Arn\":\"" LAMBDA "\",\"RoleArn\":\"" ROLE "\"}}");
		CHECK_INT(rig.status, 200);
		for (int64_t minutes = 0; rig.count == 0 && minutes < 100; minutes += 2) {
			if (again)
				CHECK(rig_restart(rig.wall_ms + 2 * MINUTE));
			else
				pass(2 * MINUTE);
			rig_settle(30);
		}
		fired[again] = rig.wall_ms;
		CHECK_INT(rig.count, 1);
		rig_stop();
	}
	CHECK(fired[0] > 1784282400000 && fired[0] <= 1784282400000 + 62 * MINUTE);
	CHECK_INT(fired[0], fired[1]);
}

TEST(retries_and_the_dead_letter)
{
	struct scheduler_counts counts;
	CHECK(start());
	strcpy(rig.refuse_only, LAMBDA);
	rig.refuse = (struct error){.code = ERR_THROTTLED, .msg = "busy"};
	create("at(2026-07-17T10:00:00)", "", ",\"Input\":\"<aws.scheduler.attempt-number>\",\"RetryPolicy\":{\"MaximumRetryAttempts\":2},"
	       "\"DeadLetterConfig\":{\"Arn\":\"" DEAD "\"}");
	pass(30 * MINUTE);
	CHECK_INT(rig_wait(4), 4);
	CHECK_STR(rig.taken[2].payload, "3");
	CHECK_STR(rig.taken[3].target, DEAD);
	CHECK(has(rig.taken[3].attributes, "SCHEDULE_ARN=" ARN ";SCHEDULED_TIME=2026-07-17T10:00:00Z;EXECUTION_ID="));
	CHECK(has(rig.taken[3].attributes, ";TARGET_ARN=" LAMBDA ";ERROR_CODE=THROTTLING;ERROR_MESSAGE=busy;RETRY_ATTEMPTS=2;"
	          "EXHAUSTED_RETRY_CONDITION=MaximumRetryAttempts;"));
	scheduler_count(rig.scheduler, &counts);
	CHECK_INT(counts.dead, 1);
	CHECK_INT(counts.retried, 2);
	rig_stop();
}

TEST(retries_survive_a_restart)
{
	CHECK(start());
	rig.settings.retry_scale = 30;
	CHECK(rig_restart(rig.wall_ms));
	rig.refuse = (struct error){.code = ERR_DISK_FULL, .msg = "full"};
	create("at(2026-07-17T10:00:00)", ",\"ActionAfterCompletion\":\"DELETE\"", ",\"Input\":\"1\"");
	pass(30 * MINUTE);
	CHECK_INT(rig.count, 1);
	CHECK(has(rest("GET", "/schedules/s", "", ""), ARN)); /* it is not over */
	rig.refuse.code = ERR_OK;
	CHECK(rig_restart(rig.wall_ms));
	CHECK_INT(rig_wait(1), 1);
	CHECK_STR(rig.taken[0].payload, "1");
	CHECK(has(rest("GET", "/schedules/s", "", ""), "Schedule s does not exist."));
	rig_stop();
}

TEST(a_fire_that_cannot_be_stored_yet)
{
	struct scheduler_counts counts;
	CHECK(start());
	create("at(2026-07-17T10:00:00)", ",\"ActionAfterCompletion\":\"DELETE\"", "");
	rig.store_bytes = 16;
	CHECK(rig_restart(rig.wall_ms));
	pass(30 * MINUTE);
	pass(MINUTE);
	CHECK_INT(rig.count, 0);
	scheduler_count(rig.scheduler, &counts);
	CHECK_INT(counts.fired, 0);
	rig.store_bytes = 0;
	CHECK(rig_restart(rig.wall_ms));
	CHECK_INT(rig_wait(1), 1);
	CHECK(has(rest("GET", "/schedules/s", "", ""), "Schedule s does not exist."));
	rig_stop();
}

TEST(deleted_after_completion)
{
	CHECK(start());
	create("at(2026-07-17T10:00:00)", ",\"ActionAfterCompletion\":\"DELETE\"", "");
	pass(30 * MINUTE);
	CHECK_INT(rig_wait(1), 1);
	CHECK(has(rest("GET", "/schedules/s", "", ""), "Schedule s does not exist."));
	CHECK(rig_restart(rig.wall_ms));
	CHECK(has(rest("GET", "/schedules/s", "", ""), "Schedule s does not exist."));
	rig_stop();
}

TEST(universal_targets_and_buses)
{
	CHECK(start());
	create("at(2026-07-17T10:00:00)", "", ",\"Arn\":\"arn:aws:scheduler:::aws-sdk:lambda:invoke\",\"Input\":\"{\\\"FunctionName\\\":\\\"g\\\","
	       "\\\"Payload\\\":\\\"{\\\\\\\"a\\\\\\\":1}\\\"}\"");
	CHECK_INT(rig.status, 200);
	pass(30 * MINUTE);
	CHECK_INT(rig_wait(1), 1);
	CHECK_STR(rig.taken[0].target, "arn:aws:lambda:us-east-1:000000000000:function:g");
	CHECK_STR(rig.taken[0].payload, "{\"a\":1}");
	with("POST", "q", "at(2026-07-17T11:00:00)", "", ",\"Arn\":\"arn:aws:scheduler:::aws-sdk:sqs:sendMessage\",\"Input\":\"{\\\"QueueUrl\\\":"
	     "\\\"http://127.0.0.1:4566/000000000000/jobs\\\",\\\"MessageBody\\\":\\\"hello\\\"}\"");
	pass(HOUR);
	CHECK_INT(rig_wait(2), 2);
	CHECK_STR(rig.taken[1].target, "arn:aws:sqs:us-east-1:000000000000:jobs");
	CHECK_STR(rig.taken[1].payload, "hello");
	with("POST", "b", "at(2026-07-17T12:00:00)", "", ",\"Arn\":\"arn:aws:events:us-east-1:000000000000:event-bus/default\",\"Input\":\"{}\","
	     "\"EventBridgeParameters\":{\"DetailType\":\"tick\",\"Source\":\"clock\"}");
	pass(HOUR);
	CHECK_INT(rig_wait(3), 3);
	CHECK_STR(rig.taken[2].type, "tick");
	rig_stop();
}

TEST(groups)
{
	CHECK(start());
	CHECK_STR(rest("POST", "/schedule-groups/g", "", "{\"Tags\":[{\"Key\":\"a\",\"Value\":\"1\"}]}"),
	          "{\"ScheduleGroupArn\":\"arn:aws:scheduler:us-east-1:000000000000:schedule-group/g\"}");
	CHECK(has(rest("POST", "/schedule-groups/g", "", "{}"), "Schedule group g already exists."));
	create("rate(1 day)", ",\"GroupName\":\"g\",\"State\":\"DISABLED\"", "");
	CHECK(has(rest("GET", "/schedules/s", "groupName=g", ""), "\"GroupName\":\"g\""));
	CHECK(has(rest("GET", "/schedules", "ScheduleGroup=g", ""), "schedule/g/s"));
	CHECK(has(rest("GET", "/schedule-groups", "MaxResults=1", ""), "NextToken"));
	CHECK_STR(rest("GET", "/tags/arn%3Aaws%3Ascheduler%3Aus-east-1%3A000000000000%3Aschedule-group%2Fg", "", ""),
	          "{\"Tags\":[{\"Key\":\"a\",\"Value\":\"1\"}]}");
	rest("POST", "/tags/arn:aws:scheduler:us-east-1:000000000000:schedule-group/g", "", "{\"Tags\":[{\"Key\":\"b\",\"Value\":\"2\"}]}");
	rest("DELETE", "/tags/arn:aws:scheduler:us-east-1:000000000000:schedule-group/g", "TagKeys=a", "");
	CHECK(rig_restart(rig.wall_ms));
	CHECK_STR(rest("GET", "/tags/arn:aws:scheduler:us-east-1:000000000000:schedule-group/g", "", ""), "{\"Tags\":[{\"Key\":\"b\",\"Value\":\"2\"}]}");
	CHECK_STR(rest("DELETE", "/schedule-groups/g", "", ""), "{}");
	/* It may be gone before a change of it is written. */
	const char *again = rest("DELETE", "/schedule-groups/g", "", "");
	CHECK(has(again, "Schedule group g is being deleted.") || has(again, "Schedule group g does not exist."));
	rig_settle(50);
	CHECK(has(rest("GET", "/schedule-groups/g", "", ""), "Schedule group g does not exist."));
	CHECK(rig_restart(rig.wall_ms));
	CHECK(has(rest("GET", "/schedule-groups/g", "", ""), "Schedule group g does not exist."));
	CHECK(has(rest("DELETE", "/schedule-groups/default", "", ""), "cannot be deleted"));
	rig_stop();
}

/* The heap over many schedules: each fires once, in the order of its time. */
TEST(many)
{
	char name[20], expression[60];
	CHECK(start());
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof name, "m%d", i);
		snprintf(expression, sizeof expression, "at(2026-07-17T%02d:%02d:00)", 10 + i * 7 % 40 / 20, i * 7 % 40 % 20 * 3);
		with("POST", name, expression, "", ",\"Input\":\"\\\"<aws.scheduler.scheduled-time>\\\"\"");
		CHECK_INT(rig.status, 200);
	}
	for (int i = 0; i < 100; i++)
		pass(2 * MINUTE);
	CHECK_INT(rig_wait(40), 40);
	for (size_t i = 1; i < rig.count; i++)
		CHECK(strcmp(rig.taken[i - 1].payload, rig.taken[i].payload) <= 0);
	rig_stop();
}

TESTS(T(a_schedule_is_kept), T(refusals), T(the_same_request_twice), T(one_time), T(an_event_where_there_is_no_input), T(a_rate_begins_at_once),
      T(dates), T(zones_and_summer_time), T(missed_while_the_server_was_down), T(a_clock_that_is_set_back), T(a_crash_before_it_is_remembered),
      T(the_flexible_window_is_the_same_after_a_restart), T(retries_and_the_dead_letter), T(retries_survive_a_restart),
      T(a_fire_that_cannot_be_stored_yet), T(deleted_after_completion), T(universal_targets_and_buses), T(groups), T(many))
