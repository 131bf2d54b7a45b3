/* What a function's record holds about events: event-invoke-configs, the policy, the recursion config. */
#include "tests/unit/registry_rig.h"

static enum error_code put(struct rig *rig, const char *name, struct str qualifier, bool replace, json_t *config)
{
	registry_event_invoke_put(rig->r, str_from(name), qualifier, config, replace, on_done, rig);
	json_decref(config);
	return wait_done(rig);
}

static json_int_t number(const json_t *json, const char *key)
{
	return json_integer_value(json_object_get(json, key));
}

static const char *destination(const json_t *json, const char *which)
{
	return json_string_value(json_object_get(json_object_get(json_object_get(json, "DestinationConfig"), which), "Destination"));
}

TEST(configs_are_put_updated_and_kept_over_a_restart)
{
	struct rig rig;
	struct registry_async a;
	start(&rig);
	CHECK_INT(create(&rig, "f", "PK1", true), ERR_OK);
	CHECK_INT(registry_async(rig.r, STR("f"), STR_NULL, &a, NULL), 0);
	CHECK_INT(a.max_retries, 2);
	CHECK_INT(a.max_age_s, 21600);
	CHECK(!a.on_success.p && !a.on_failure.p && !a.dead_letter.p && a.reserved == -1 && a.incarnation.n == 16);

	CHECK_INT(put(&rig, "f", STR_NULL, false, json_pack("{s:i}", "MaximumRetryAttempts", 1)), ERR_NOT_FOUND);
	CHECK_STR(rig.err.msg, "The function arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST doesn't have an EventInvokeConfig");
	CHECK_INT(put(&rig, "g", STR_NULL, true, json_pack("{s:i}", "MaximumRetryAttempts", 1)), ERR_NOT_FOUND);
	CHECK_STR(rig.err.msg, "The function doesn't exist.");
	CHECK_INT(put(&rig, "f", STR("7"), true, json_pack("{s:i}", "MaximumRetryAttempts", 1)), ERR_NOT_FOUND);
	CHECK_INT(rig.async_changed, 0);

	CHECK_INT(put(&rig, "f", STR_NULL, true, json_pack("{s:i, s:{s:{s:s}}}", "MaximumRetryAttempts", 0, "DestinationConfig",
	          "OnFailure", "Destination", "arn:aws:sqs:us-east-1:000000000000:dead")), ERR_OK);
	CHECK_INT(rig.async_changed, 1);
	CHECK_STR(json_string_value(json_object_get(rig.result, "FunctionArn")), "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST");
	CHECK(json_real_value(json_object_get(rig.result, "LastModified")) > 1e9);
	CHECK(!json_object_get(rig.result, "MaximumEventAgeInSeconds") && !destination(rig.result, "OnSuccess"));
	CHECK_STR(destination(rig.result, "OnFailure"), "arn:aws:sqs:us-east-1:000000000000:dead");
	CHECK_INT(put(&rig, "f", STR("$LATEST"), false, json_pack("{s:i}", "MaximumEventAgeInSeconds", 60)), ERR_OK);
	CHECK_INT(number(rig.result, "MaximumEventAgeInSeconds"), 60);
	CHECK_INT(put(&rig, "f", STR("1"), true, json_pack("{s:i}", "MaximumRetryAttempts", 1)), ERR_OK);

	restart(&rig);
	CHECK_INT(registry_async(rig.r, STR("f"), STR("$LATEST"), &a, NULL), 0);
	CHECK_INT(a.max_retries, 0);
	CHECK_INT(a.max_age_s, 60);
	CHECK(str_eqz(a.on_failure, "arn:aws:sqs:us-east-1:000000000000:dead"));
	CHECK_INT(registry_async(rig.r, STR("f"), STR("1"), &a, NULL), 0);
	CHECK_INT(a.max_retries, 1);
	CHECK_INT(registry_async(rig.r, STR("f"), STR("2"), &a, &rig.err), -1);
	CHECK_INT(rig.err.code, ERR_NOT_FOUND);

	/* An update of one side of the destinations is about both. */
	CHECK_INT(put(&rig, "f", STR_NULL, true, json_pack("{s:i}", "MaximumRetryAttempts", 2)), ERR_OK);
	CHECK(!destination(rig.result, "OnFailure") && !json_object_get(rig.result, "MaximumEventAgeInSeconds"));
	stop(&rig);
}

TEST(configs_are_listed_and_deleted)
{
	struct rig rig;
	char next[100];
	start(&rig);
	CHECK_INT(create(&rig, "f", "PK1", true), ERR_OK);
	struct registry_page page = {.max = 1, .rows = json_array(), .next = next, .next_size = sizeof next};
	CHECK_INT(registry_event_invoke_list(rig.r, STR("g"), &page, &rig.err), -1);
	CHECK_STR(rig.err.msg, "The function doesn't exist.");
	CHECK_INT(registry_event_invoke_list(rig.r, STR("f"), &page, NULL), 0);
	CHECK_INT(json_array_size(page.rows), 0);
	CHECK_INT(put(&rig, "f", STR("1"), true, json_pack("{s:i}", "MaximumRetryAttempts", 1)), ERR_OK);
	CHECK_INT(put(&rig, "f", STR_NULL, true, json_pack("{s:i}", "MaximumRetryAttempts", 0)), ERR_OK);
	CHECK_INT(registry_event_invoke_list(rig.r, STR("f"), &page, NULL), 0);
	CHECK_INT(json_array_size(page.rows), 1);
	CHECK_INT(number(json_array_get(page.rows, 0), "MaximumRetryAttempts"), 0);
	CHECK_STR(next, "$LATEST");
	json_array_clear(page.rows);
	page.marker = STR("$LATEST");
	CHECK_INT(registry_event_invoke_list(rig.r, STR("f"), &page, NULL), 0);
	CHECK_INT(number(json_array_get(page.rows, 0), "MaximumRetryAttempts"), 1);
	CHECK_STR(next, "");
	json_decref(page.rows);

	registry_event_invoke_delete(rig.r, STR("f"), STR_NULL, on_done, &rig);
	CHECK_INT(wait_done(&rig), ERR_OK);
	registry_event_invoke_delete(rig.r, STR("f"), STR_NULL, on_done, &rig);
	CHECK_INT(wait_done(&rig), ERR_NOT_FOUND);
	CHECK(!registry_event_invoke(rig.r, STR("f"), STR_NULL, &rig.err));
	json_t *one = registry_event_invoke(rig.r, STR("f"), STR("1"), NULL);
	CHECK_INT(number(one, "MaximumRetryAttempts"), 1);
	json_decref(one);
	stop(&rig);
}

static json_t *statement(const char *sid, const char *source_arn)
{
	return json_pack("{s:s, s:s, s:{s:s}, s:s, s:s, s:{s:{s:s}}}", "Sid", sid, "Effect", "Allow", "Principal", "Service",
	                 "events.amazonaws.com", "Action", "lambda:InvokeFunction", "Resource",
	                 "arn:aws:lambda:us-east-1:000000000000:function:f", "Condition", "ArnLike", "AWS:SourceArn", source_arn);
}

static enum error_code permit(struct rig *rig, struct str qualifier, const char *revision, json_t *what)
{
	registry_permission_add(rig->r, STR("f"), qualifier, str_from(revision), what, on_done, rig);
	json_decref(what);
	return wait_done(rig);
}

static enum error_code forbid(struct rig *rig, struct str qualifier, struct str sid)
{
	registry_permission_remove(rig->r, STR("f"), qualifier, sid, STR_NULL, on_done, rig);
	return wait_done(rig);
}

TEST(statements_are_added_shown_and_removed)
{
	struct rig rig;
	start(&rig);
	CHECK_INT(create(&rig, "f", "PK1", true), ERR_OK);
	CHECK(!registry_policy(rig.r, STR("f"), STR_NULL, &rig.err));
	CHECK_STR(rig.err.msg, "The resource you requested does not exist.");
	CHECK_INT(forbid(&rig, STR_NULL, STR("a")), ERR_NOT_FOUND);
	CHECK_STR(rig.err.msg, "No policy is associated with the given resource.");
	CHECK_INT(permit(&rig, STR_NULL, NULL, statement("a", "arn:aws:events:us-east-1:000000000000:rule/r")), ERR_OK);
	CHECK_INT(permit(&rig, STR_NULL, NULL, statement("a", "arn:aws:events:us-east-1:000000000000:rule/r")), ERR_EXISTS);
	CHECK_STR(rig.err.msg, "The statement id (a) provided already exists. Please provide a new statement id, or remove the existing "
	          "statement.");
	CHECK_INT(permit(&rig, STR_NULL, "another", statement("b", "arn:aws:events:us-east-1:000000000000:rule/r")), ERR_REVISION);
	restart(&rig);
	json_t *shown = registry_policy(rig.r, STR("f"), STR_NULL, NULL);
	const char *text = json_string_value(json_object_get(shown, "Policy"));
	CHECK(text && strstr(text, "{\"Version\":\"2012-10-17\",\"Id\":\"default\",\"Statement\":[{\"Sid\":\"a\",") == text);
	CHECK_INT(permit(&rig, STR_NULL, json_string_value(json_object_get(shown, "RevisionId")),
	          statement("b", "arn:aws:events:us-east-1:000000000000:rule/r")), ERR_OK);
	json_decref(shown);
	CHECK_INT(forbid(&rig, STR_NULL, STR("c")), ERR_NOT_FOUND);
	CHECK_STR(rig.err.msg, "Statement c is not found in resource policy.");
	CHECK_INT(forbid(&rig, STR_NULL, STR("a")), ERR_OK);
	CHECK_INT(forbid(&rig, STR_NULL, STR("b")), ERR_OK);
	CHECK(!registry_policy(rig.r, STR("f"), STR_NULL, &rig.err));
	char long_arn[12000];
	memset(long_arn, 'x', sizeof long_arn);
	long_arn[sizeof long_arn - 1] = '\0';
	CHECK_INT(permit(&rig, STR_NULL, NULL, statement("a", long_arn)), ERR_OK);
	CHECK_INT(permit(&rig, STR_NULL, NULL, statement("b", long_arn)), ERR_POLICY_LENGTH);
	stop(&rig);
}

TEST(what_belongs_to_a_version_or_alias_goes_with_it)
{
	struct rig rig;
	struct registry_async a;
	start(&rig);
	CHECK_INT(create(&rig, "f", "PK1", true), ERR_OK);
	struct registry_alias_change live = {.name = STR("f"), .alias = STR("live"), .version = STR("$LATEST")};
	registry_alias_create(rig.r, &live, on_done, &rig);
	CHECK_INT(wait_done(&rig), ERR_OK);
	CHECK_INT(put(&rig, "f", STR("live"), true, json_pack("{s:i}", "MaximumRetryAttempts", 0)), ERR_OK);
	CHECK_INT(put(&rig, "f", STR("1"), true, json_pack("{s:i}", "MaximumRetryAttempts", 0)), ERR_OK);
	CHECK_INT(permit(&rig, STR("live"), NULL, statement("a", "*")), ERR_OK);
	registry_alias_delete(rig.r, STR("f"), STR("live"), on_done, &rig);
	CHECK_INT(wait_done(&rig), ERR_OK);
	registry_alias_create(rig.r, &live, on_done, &rig);
	CHECK_INT(wait_done(&rig), ERR_OK);
	CHECK_INT(registry_async(rig.r, STR("f"), STR("live"), &a, NULL), 0);
	CHECK_INT(a.max_retries, 2);
	CHECK(!registry_policy(rig.r, STR("f"), STR("live"), NULL));
	CHECK_INT(delete(&rig, "f", STR("1")), ERR_OK);
	CHECK(!registry_event_invoke(rig.r, STR("f"), STR("1"), NULL));
	restart(&rig);
	CHECK(!registry_event_invoke(rig.r, STR("f"), STR("1"), NULL));
	CHECK_INT(rig.deleted, 0);
	char before[20];
	CHECK_INT(registry_async(rig.r, STR("f"), STR_NULL, &a, NULL), 0);
	CHECK_INT(str_copy(before, sizeof before, a.incarnation), 0);
	CHECK_INT(delete(&rig, "f", STR_NULL), ERR_OK);
	CHECK_INT(rig.deleted, 1);
	CHECK_INT(create(&rig, "f", "PK1", false), ERR_OK);
	CHECK_INT(registry_async(rig.r, STR("f"), STR_NULL, &a, NULL), 0);
	CHECK(!str_eqz(a.incarnation, before));
	stop(&rig);
}

TEST(recursion_reservation_and_dead_letter_queue)
{
	struct rig rig;
	struct registry_async a;
	bool allow = true;
	start(&rig);
	CHECK_INT(create(&rig, "f", "PK1", false), ERR_OK);
	CHECK_INT(registry_recursion(rig.r, STR("f"), &allow, NULL), 0);
	CHECK(!allow);
	registry_recursion_put(rig.r, STR("f"), true, on_done, &rig);
	CHECK_INT(wait_done(&rig), ERR_OK);
	CHECK_STR(json_string_value(json_object_get(rig.result, "RecursiveLoop")), "Allow");
	unsigned before = rig.async_changed;
	registry_reserve(rig.r, STR("f"), 3, on_done, &rig);
	CHECK_INT(wait_done(&rig), ERR_OK);
	CHECK_INT(rig.async_changed, before + 1);
	json_t *config = json_pack("{s:{s:s}}", "DeadLetterConfig", "TargetArn", "arn:aws:sqs:us-east-1:000000000000:dlq");
	struct registry_update what = {.name = STR("f"), .config = config};
	registry_update(rig.r, &what, on_done, &rig);
	json_decref(config);
	CHECK_INT(wait_done(&rig), ERR_OK);
	restart(&rig);
	CHECK_INT(registry_recursion(rig.r, STR("f"), &allow, NULL), 0);
	CHECK(allow);
	CHECK_INT(registry_async(rig.r, STR("f"), STR_NULL, &a, NULL), 0);
	CHECK_INT(a.reserved, 3);
	CHECK(str_eqz(a.dead_letter, "arn:aws:sqs:us-east-1:000000000000:dlq"));
	stop(&rig);
}

TESTS(T(configs_are_put_updated_and_kept_over_a_restart), T(configs_are_listed_and_deleted), T(statements_are_added_shown_and_removed),
      T(what_belongs_to_a_version_or_alias_goes_with_it), T(recursion_reservation_and_dead_letter_queue))
