/* CloudWatch Logs' JSON, as the AWS tools send and expect it. */
#include "tests/unit/test.h"
#include "tests/unit/logs_fixture.h"

#include "control/logs/pattern.h"
#include "control/logs/segment.h"
#include "core/json/value.h"

struct answer {
	int status, calls;
	char type[64];
	char *body;
};

static void on_answer(void *arg, int status, const char *type, struct str body)
{
	struct answer *a = arg;
	a->status = status;
	a->calls++;
	snprintf(a->type, sizeof a->type, "%s", type ? type : "");
	free(a->body);
	a->body = str_dup(body);
}

static void call(struct fixture *x, struct answer *a, const char *operation, const char *body)
{
	CLEANUP_JSON json_t *root = json_value_load_object(str_from(body), NULL, NULL);
	ASSERT(root);
	logs_api_answer(x->logs, str_from(operation), root, on_answer, a);
}

static void release(struct answer *a)
{
	free(a->body);
}

static const char *text_at(json_t *root, const char *list, size_t i, const char *key)
{
	const char *z = json_string_value(json_object_get(json_array_get(json_object_get(root, list), i), key));
	return z ? z : "(none)";
}

TEST(operations_answer)
{
	struct fixture x;
	struct answer a = {0};
	char body[1024];
	fixture_init(&x, 64u << 20);
	struct log_stream *s = logs_open_stream(x.logs, &x.version, NULL);
	log_stream_start(s, ID1, "$LATEST", false);
	fixture_print(s, "caf\xc3\xa9 \xff\n");
	call(&x, &a, "DescribeLogGroups", "{}");
	CHECK_INT(a.status, 200);
	CLEANUP_JSON json_t *groups = json_value_load(str_from(a.body), NULL, NULL);
	CHECK_STR(text_at(groups, "logGroups", 0, "logGroupName"), GROUP);
	CHECK_STR(text_at(groups, "logGroups", 0, "arn"), "arn:aws:logs:us-east-1:000000000000:log-group:" GROUP ":*");
	call(&x, &a, "DescribeLogStreams", "{\"logGroupName\":\"" GROUP "\",\"orderBy\":\"LastEventTime\",\"descending\":true,\"limit\":5}");
	CLEANUP_JSON json_t *streams = json_value_load(str_from(a.body), NULL, NULL);
	CHECK_STR(text_at(streams, "logStreams", 0, "logStreamName"), log_stream_name(s));
	CHECK(!json_object_get(streams, "nextToken"));
	snprintf(body, sizeof body, "{\"logGroupIdentifier\":\"arn:aws:logs:us-east-1:000000000000:log-group:" GROUP ":*\","
	         "\"logStreamName\":\"%s\",\"startFromHead\":true}", log_stream_name(s));
	call(&x, &a, "GetLogEvents", body);
	CLEANUP_JSON json_t *events = json_value_load(str_from(a.body), NULL, NULL);
	CHECK_STR(text_at(events, "events", 1, "message"), "caf\xc3\xa9 \xef\xbf\xbd\n");
	CHECK(json_object_get(events, "nextForwardToken") && json_object_get(events, "nextBackwardToken"));
	CHECK_INT(json_integer_value(json_object_get(json_array_get(json_object_get(events, "events"), 0), "timestamp")), fixture_now_ms);
	call(&x, &a, "FilterLogEvents", "{\"logGroupName\":\"" GROUP "\",\"filterPattern\":\"caf\",\"mayflyRequestId\":\"" ID1 "\"}");
	CLEANUP_JSON json_t *found = json_value_load(str_from(a.body), NULL, NULL);
	CHECK_INT(json_array_size(json_object_get(found, "events")), 1);
	CHECK_INT(strlen(text_at(found, "events", 0, "eventId")), 56);
	CHECK_INT(a.calls, 4);
	release(&a);
	log_stream_close(s);
	fixture_release(&x);
}

TEST(errors_are_aws_errors)
{
	struct fixture x;
	struct answer a = {0};
	fixture_init(&x, 64u << 20);
	struct log_stream *s = logs_open_stream(x.logs, &x.version, NULL);
	fixture_print(s, "x\n");
	static const struct {
		const char *operation, *body, *type, *text;
	} cases[] = {
		{"DescribeLogStreams", "{\"logGroupName\":\"/none\"}", "ResourceNotFoundException", "The specified log group does not exist."},
		{"GetLogEvents", "{\"logGroupName\":\"" GROUP "\",\"logStreamName\":\"none\"}", "ResourceNotFoundException",
		 "The specified log stream does not exist."},
		{"GetLogEvents", "{\"logGroupName\":\"" GROUP "\"}", "InvalidParameterException", "logStreamName"},
		{"GetLogEvents", "{\"logGroupName\":\"" GROUP "\",\"logStreamName\":\"x\",\"nextToken\":\"zz\"}", "InvalidParameterException",
		 "The specified nextToken is invalid."},
		{"FilterLogEvents", "{}", "InvalidParameterException", "Either LogGroup name or LogGroup ARN must be specified."},
		{"FilterLogEvents", "{\"logGroupName\":\"" GROUP "\",\"limit\":10001}", "InvalidParameterException",
		 "1 validation error detected: Value '10001' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 10000"},
		{"FilterLogEvents", "{\"logGroupName\":\"" GROUP "\",\"filterPattern\":\"{ $.a = }\"}", "InvalidParameterException",
		 "Invalid filter pattern: a value is missing"},
		{"DescribeLogStreams", "{\"logGroupName\":\"a b\"}", "InvalidParameterException",
		 "1 validation error detected: Value 'a b' at 'logGroupName' failed to satisfy constraint: Member must satisfy regular expression"},
		{"DescribeLogStreams", "{\"logGroupName\":\"../../etc\"}", "ResourceNotFoundException", "The specified log group"},
		{"DescribeLogStreams", "{\"logGroupName\":\"" GROUP "\",\"orderBy\":\"LastEventTime\",\"logStreamNamePrefix\":\"2\"}",
		 "InvalidParameterException", "Cannot order by LastEventTime with a logStreamNamePrefix."},
		{"PutLogEvents", "{}", "InvalidParameterException",
		 "1 validation error detected: Value null at 'logGroupName' failed to satisfy constraint: Member must not be null"},
		{"StartQuery", "{}", "UnknownOperationException", "StartQuery"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		call(&x, &a, cases[i].operation, cases[i].body);
		CHECK_INT(a.status, 400);
		CHECK_STR(a.type, cases[i].type);
		CHECK(strstr(a.body, cases[i].text));
	}
	release(&a);
	log_stream_close(s);
	fixture_release(&x);
}

TEST(folder_names_are_safe_and_reversible)
{
	static const char *const names[] = {"/aws/lambda/f", "a", "..", ".hidden", "x/../y", "#a.b-c_d", "+odd%"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char folder[256], back[600];
		CHECK_INT(folder_encode(folder, str_from(names[i])), 0);
		CHECK(folder[0] != '.' && !strchr(folder, '/'));
		CHECK_INT(folder_decode(back, sizeof back, folder), 0);
		CHECK_STR(back, names[i]);
	}
	char folder[256], big[600];
	memset(big, 'a', sizeof big);
	CHECK_INT(folder_encode(folder, (struct str){big, 512}), 0);
	CHECK(folder_is_hash(folder) && strlen(folder) == 65 && folder_decode(big, sizeof big, folder) == -1);
	CHECK_INT(folder_encode(folder, STR("")), -1);
}

TESTS(T(operations_answer), T(errors_are_aws_errors), T(folder_names_are_safe_and_reversible))
