/* Event source mappings: records, states, batches, limits, ends. */
#include "control/invoke/trace.h"
#include "tests/unit/mapping_rig.h"

TEST(defaults_and_states)
{
	CHECK(begin());
	rig.settings.settle_ms = 20;
	CHECK_INT(ask_create(MAP("")), ERR_OK);
	CHECK_STR(json_string_value(json_object_get(rig.result, "State")), "Creating");
	CHECK_STR(shown("BatchSize"), "10");
	CHECK_STR(shown("MaximumBatchingWindowInSeconds"), "0");
	CHECK_STR(shown("FunctionArn"), FUNCTION);
	CHECK_STR(shown("StateTransitionReason"), "USER_INITIATED");
	CHECK_STR(shown("Enabled"), "-");
	CHECK_INT(ask_update("{\"BatchSize\":3}"), ERR_IN_USE);
	CHECK_STR(rig.err.msg, "Cannot update the event source mapping because it is in use.");
	CHECK_INT(ask_delete(), ERR_IN_USE);
	UNTIL(strcmp(shown("State"), "Enabled") == 0);
	CHECK_INT(ask_update("{\"BatchSize\":3}"), ERR_OK);
	CHECK_STR(shown("State"), "Updating");
	UNTIL(strcmp(shown("State"), "Enabled") == 0);
	CHECK_STR(shown("BatchSize"), "3");
	CHECK_INT(ask_update("{\"Enabled\":false}"), ERR_OK);
	CHECK_STR(shown("State"), "Disabling");
	UNTIL(strcmp(shown("State"), "Disabled") == 0);
	CHECK_INT(ask_update("{\"Enabled\":true}"), ERR_OK);
	CHECK_STR(shown("State"), "Enabling");
	UNTIL(strcmp(shown("State"), "Enabled") == 0);
	CHECK_INT(ask_delete(), ERR_OK);
	CHECK_STR(json_string_value(json_object_get(rig.result, "State")), "Deleting");
	CHECK_INT(ask_delete(), ERR_IN_USE);
	UNTIL(strcmp(shown("State"), "none") == 0);
	CHECK_INT(ask_delete(), ERR_NOT_FOUND);
	finish();
}

TEST(rules)
{
	static const struct {
		const char *request;
		enum error_code code;
		const char *text;
	} cases[] = {
		{"{\"FunctionName\":\"f\"}", ERR_INVALID, "Unrecognized event source."},
		{"{\"EventSourceArn\":\"arn:aws:foo:us-east-1:000000000000:q\",\"FunctionName\":\"f\"}", ERR_INVALID, "Unrecognized event source."},
		{MAP(",\"BatchSize\":11"), ERR_INVALID,
		 "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"},
		{MAP(",\"StartingPosition\":\"LATEST\""), ERR_INVALID, "StartingPosition is not valid for SQS event sources."},
		{MAP(",\"DestinationConfig\":{\"OnFailure\":{}}"), ERR_INVALID,
		 "Unsupported DestinationConfig parameter for given event source mapping type."},
		{MAP(",\"FilterCriteria\":{\"Filters\":[{\"Pattern\":\"{\"}]}"), ERR_INVALID, "Invalid filter pattern definition."},
		{"{\"EventSourceArn\":\"" QUEUE "\",\"FunctionName\":\"g\"}", ERR_NOT_FOUND,
		 "Function not found: arn:aws:lambda:us-east-1:000000000000:function:g"},
	};
	CHECK(begin());
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CHECK_INT(ask_create(cases[i].request), cases[i].code);
		CHECK_STR(rig.err.msg, cases[i].text);
	}
	source.info.visibility_s = 4;
	CHECK_INT(ask_create(MAP("")), ERR_INVALID);
	CHECK_STR(rig.err.msg, "Queue visibility timeout: 4 seconds is less than Function timeout: 5 seconds");
	source.failure = ERR_NOT_FOUND;
	CHECK_INT(ask_create(MAP("")), ERR_INVALID);
	CHECK_STR(rig.err.msg, "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: "
	          "The specified queue does not exist.");
	source.failure = ERR_OK;
	source.info = (struct source_info){.visibility_s = 30, .ordered = true};
	CHECK_INT(ask_create(MAP(",\"MaximumBatchingWindowInSeconds\":1")), ERR_INVALID);
	CHECK_STR(rig.err.msg, "Batching window is not supported for FIFO queues");
	CHECK_INT(rig.memory.count, 1); /* the function alone */
	finish();
}

TEST(one_mapping_a_pair)
{
	BEGIN("");
	char first[UUID_SIZE];
	memcpy(first, uuid, sizeof first);
	CHECK_INT(ask_create(MAP("")), ERR_EXISTS);
	CHECK_STR(rig.err.msg, first);
	CHECK_INT(ask_create("{\"EventSourceArn\":\"" QUEUE "\",\"FunctionName\":\"" FUNCTION ":$LATEST\",\"Enabled\":false}"), ERR_OK);
	CHECK_INT(ask_create("{\"EventSourceArn\":\"" OTHER "\",\"FunctionName\":\"f\",\"Enabled\":false}"), ERR_OK);
	settle(&rig);
	struct mapping_list list = {.source_arn = STR(QUEUE), .max = 1, .rows = json_array(), .next = (char[UUID_SIZE]){0}};
	mapping_list(all, &list);
	CHECK_INT(json_array_size(list.rows), 1);
	CHECK_INT(strlen(list.next), UUID_SIZE - 1);
	list.marker = str_from(strdup(list.next));
	mapping_list(all, &list);
	CHECK_INT(json_array_size(list.rows), 2);
	CHECK_STR(list.next, "");
	free((char *)(uintptr_t)list.marker.p);
	list = (struct mapping_list){.function = STR("f"), .rows = list.rows, .next = list.next};
	json_array_clear(list.rows);
	mapping_list(all, &list);
	CHECK_INT(json_array_size(list.rows), 2);
	json_decref(list.rows);
	finish();
}

TEST(restart)
{
	BEGIN(",\"BatchSize\":7,\"Tags\":{\"a\":\"1\"},\"FilterCriteria\":{\"Filters\":[{\"Pattern\":\"{\\\"body\\\":[\\\"x\\\"]}\"}]}");
	mappings_free(all);
	source.receiving.used = false;
	CHECK_INT(open_mappings(), 1);
	CHECK_STR(shown("BatchSize"), "7");
	CHECK_STR(shown("State"), "Enabled");
	CLEANUP_JSON json_t *tags = mapping_tags(all, str_from(uuid), NULL);
	CHECK_STR(json_string_value(json_object_get(tags, "a")), "1");
	send("x y");
	UNTIL(functions.count == 1);
	CHECK_STR(source.removed, "y ");
	finish();
}

TEST(writes_that_fail)
{
	BEGIN("");
	rig.memory.writes_left = 0;
	CHECK_INT(ask_update("{\"BatchSize\":3}"), ERR_DISK_FULL);
	CHECK_STR(shown("State"), "Enabled");
	CHECK_STR(shown("BatchSize"), "10");
	CHECK_INT(ask_delete(), ERR_DISK_FULL);
	CHECK_STR(shown("State"), "Enabled");
	CHECK_INT(ask_create("{\"EventSourceArn\":\"" OTHER "\",\"FunctionName\":\"f\"}"), ERR_DISK_FULL);
	rig.memory.writes_left = -1;
	CHECK_INT(ask_create("{\"EventSourceArn\":\"" OTHER "\",\"FunctionName\":\"f\"}"), ERR_OK);
	finish();
}

TEST(tags)
{
	BEGIN("");
	json_t *add = json_pack("{s:s, s:s}", "a", "1", "b", "2"), *gone = json_pack("[s]", "a");
	mapping_tag(all, str_from(uuid), add, NULL, on_done, &rig);
	ev_loop_run(rig.loop, NULL);
	mapping_tag(all, str_from(uuid), NULL, gone, on_done, &rig);
	ev_loop_run(rig.loop, NULL);
	CHECK_INT(rig.err.code, ERR_OK);
	CLEANUP_JSON json_t *tags = mapping_tags(all, str_from(uuid), NULL);
	CHECK_INT(json_object_size(tags), 1);
	CHECK_STR(json_string_value(json_object_get(tags, "b")), "2");
	CHECK_STR(shown("Tags"), "-");
	json_decref(add);
	json_decref(gone);
	finish();
}

TEST(batches_end)
{
	BEGIN("");
	send("a b");
	UNTIL(functions.count == 1);
	CHECK_STR(functions.payload, "{\"Records\":[{\"messageId\":\"x\",\"body\":\"a\"},{\"messageId\":\"x\",\"body\":\"b\"}]}");
	succeed("\"anything\"");
	CHECK_STR(source.removed, "a b ");
	send("c");
	UNTIL(functions.count == 1);
	end_one(INVOKE_FUNCTION_ERROR, ERR_OK, "{}");
	CHECK_STR(source.left, "c ");
	CHECK_STR(source.removed, "a b ");
	struct mappings_counts counts;
	mappings_count(all, &counts);
	CHECK_INT(counts.batches, 2);
	CHECK_INT(counts.messages, 3);
	CHECK_INT(counts.failed, 1);
	CHECK_INT(counts.in_flight, 0);
	CHECK_INT(memory_pool.used_bytes, 0);
	finish();
}

TEST(partial_answers)
{
	BEGIN(",\"FunctionResponseTypes\":[\"ReportBatchItemFailures\"]");
	send("a b c");
	UNTIL(functions.count == 1);
	succeed("{\"batchItemFailures\":[{\"itemIdentifier\":\"b\"}]}");
	CHECK_STR(source.removed, "a c ");
	CHECK_STR(source.left, "b ");
	send("d e");
	UNTIL(functions.count == 1);
	succeed("{\"batchItemFailures\":[{\"itemIdentifier\":\"zz\"}]}");
	CHECK_STR(source.removed, "a c ");
	CHECK_STR(source.left, "b d e ");
	finish();
}

TEST(partial_answers_keep_the_order_of_groups)
{
	CHECK(begin());
	source.info.ordered = true;
	CHECK_INT(ask_create(MAP(",\"FunctionResponseTypes\":[\"ReportBatchItemFailures\"]")), ERR_OK);
	send_body("a", strdup("1"), 1, "x");
	send_body("b", strdup("2"), 1, "y");
	send_body("c", strdup("3"), 1, "x");
	UNTIL(functions.count == 1);
	succeed("{\"batchItemFailures\":[{\"itemIdentifier\":\"a\"}]}");
	CHECK_STR(source.removed, "b ");
	CHECK_STR(source.left, "a c ");
	finish();
}

TEST(filters_delete)
{
	BEGIN(",\"FilterCriteria\":{\"Filters\":[{\"Pattern\":\"{\\\"body\\\":{\\\"n\\\":[1]}}\"},{\"Pattern\":\"{\\\"body\\\":[\\\"plain\\\"]}\"}]}");
	send_body("a", strdup("{\"n\":1}"), 7, "");
	send_body("b", strdup("{\"n\":2}"), 7, "");
	send_body("c", strdup("plain"), 5, "");
	send_body("d", strdup("{\"n\":"), 5, "");
	UNTIL(functions.count == 1);
	CHECK_STR(source.removed, "b d ");
	succeed("null");
	CHECK_STR(source.removed, "b d a c ");
	struct mappings_counts counts;
	mappings_count(all, &counts);
	CHECK_INT(counts.filtered, 2);
	finish();
}

/* 380 beginnings of 250 KB: whether it fits takes too long to find out, and deleting it would lose it. */
TEST(a_filter_that_takes_too_long_deletes_nothing)
{
	char filter[8192], *body = malloc(250001);
	size_t n = (size_t)snprintf(filter, sizeof filter, "{\\\"body\\\":[{\\\"anything-but\\\":{\\\"prefix\\\":[\\\"z\\\"");
	for (int i = 0; i < 380; i++)
		n += (size_t)snprintf(filter + n, sizeof filter - n, ",\\\"z%d\\\"", i);
	snprintf(filter + n, sizeof filter - n, ",\\\"a\\\"]}}]}");
	char ask[9000];
	snprintf(ask, sizeof ask, "%.*s,\"FilterCriteria\":{\"Filters\":[{\"Pattern\":\"%s\"}]}}", (int)strlen(MAP("")) - 1, MAP(""), filter);
	CHECK(begin());
	CHECK_INT(ask_create(ask), ERR_OK);
	settle(&rig);
	memset(body, 'a', 250000);
	body[250000] = '\0';
	send_body("a", strdup("aa"), 2, "");
	send_body("b", body, 250000, "");
	UNTIL(functions.count == 1);
	CHECK_STR(source.removed, "a ");
	succeed("null");
	CHECK_STR(source.removed, "a b ");
	finish();
}

TEST(window)
{
	BEGIN(",\"BatchSize\":20,\"MaximumBatchingWindowInSeconds\":1");
	send("a");
	UNTIL(source.receives == 2);
	send("b");
	UNTIL(source.receives == 3);
	CHECK_INT(functions.begun, 0);
	UNTIL(functions.count == 1);
	succeed("null");
	CHECK_STR(source.removed, "a b ");
	finish();
}

TEST(full_batch_ends_the_window)
{
	BEGIN(",\"BatchSize\":2,\"MaximumBatchingWindowInSeconds\":300");
	send("a");
	UNTIL(source.receives == 2);
	send("b c");
	UNTIL(functions.count == 1);
	succeed("null");
	CHECK_STR(source.removed, "a b ");
	CHECK_INT(functions.begun, 1);
	finish();
	CHECK_STR(source.forgotten, "c ");
}

TEST(batches_have_room)
{
	BEGIN("");
	for (unsigned i = 0; i < 7; i++) {
		char *body = malloc(1u << 20);
		memset(body, 'x', 1u << 20);
		send_body("m", body, 1u << 20, "");
	}
	UNTIL(functions.count == 3);
	CHECK(functions.running[0]->payload.len <= 6291456);
	succeed("null");
	CHECK_STR(source.removed, "m m m m m ");
	succeed("null");
	succeed("null");
	CHECK_STR(source.removed, "m m m m m m m ");
	finish();
}

TEST(ordered_messages_of_one_receive_never_run_beside_each_other)
{
	CHECK(begin());
	source.info.ordered = true;
	CHECK_INT(ask_create(MAP("")), ERR_OK);
	for (unsigned i = 0; i < 6; i++) {
		char *body = malloc(1u << 20);
		memset(body, 'x', 1u << 20);
		send_body(i < 5 ? "a" : "b", body, 1u << 20, "g");
	}
	UNTIL(functions.count == 1);
	settle(&rig);
	CHECK_INT(functions.begun, 1);
	succeed("null");
	UNTIL(functions.count == 1);
	CHECK_STR(source.removed, "a a a a a ");
	succeed("null");
	CHECK_STR(source.removed, "a a a a a b ");
	finish();
}

TEST(several_batches_of_one_receive)
{
	BEGIN(",\"BatchSize\":2");
	send("a b c d e f g h i j k");
	UNTIL(functions.count == 5);
	CHECK_INT(source.receives, 1);
	succeed("null");
	CHECK_STR(source.removed, "a b ");
	UNTIL(functions.count == 5);
	finish();
}

TEST(concurrency_grows)
{
	BEGIN(",\"BatchSize\":1");
	send_many(100);
	UNTIL(functions.count == 5);
	UNTIL(functions.count >= 20);
	CHECK_INT(functions.count % 5, 0);
	finish();
}

TEST(concurrency_is_limited)
{
	BEGIN(",\"BatchSize\":1,\"ScalingConfig\":{\"MaximumConcurrency\":2}");
	send_many(30);
	for (unsigned i = 0; i < 20; i++) {
		UNTIL(functions.count == 2);
		succeed("null");
	}
	settle(&rig);
	CHECK_INT(functions.most, 2);
	finish();
}

TEST(throttled_batches_wait)
{
	BEGIN("");
	send("a");
	UNTIL(functions.count == 1);
	end_one(INVOKE_REFUSED, ERR_THROTTLED, NULL);
	CHECK_STR(source.left, "");
	UNTIL(functions.count == 1); /* again, with the same messages */
	CHECK_STR(functions.payload, "{\"Records\":[{\"messageId\":\"x\",\"body\":\"a\"}]}");
	end_one(INVOKE_REFUSED, ERR_INTERNAL, NULL);
	UNTIL(functions.count == 1);
	succeed("null");
	CHECK_STR(source.removed, "a ");
	send("b");
	for (unsigned i = 0; i < 10 && !*source.left; i++) {
		UNTIL(functions.count == 1 || *source.left);
		if (functions.count)
			end_one(INVOKE_REFUSED, ERR_THROTTLED, NULL);
	}
	CHECK_STR(source.left, "b "); /* a third of the visibility is over */
	finish();
}

TEST(no_memory_for_the_event)
{
	BEGIN("");
	memory_pool.max_bytes = 10;
	send("a");
	UNTIL(source.receives == 2);
	settle(&rig);
	CHECK_INT(functions.begun, 0);
	memory_pool.max_bytes = 64u << 20;
	UNTIL(functions.count == 1);
	finish();
}

TEST(recursion)
{
	BEGIN("");
	functions.failure = ERR_RECURSION;
	send("a");
	UNTIL(*source.buried);
	CHECK_STR(source.buried, "a ");
	CHECK_STR(source.left, "");
	finish();
}

TEST(deletion_waits_for_batches)
{
	BEGIN("");
	send("a");
	UNTIL(functions.count == 1);
	CHECK_INT(ask_delete(), ERR_OK);
	send("b");
	settle(&rig);
	settle(&rig);
	CHECK_STR(shown("State"), "Deleting");
	CHECK_INT(functions.begun, 1);
	succeed("null");
	CHECK_STR(source.removed, "a ");
	CHECK_STR(shown("State"), "none");
	finish();
}

TEST(what_is_held_is_given_back)
{
	BEGIN(",\"BatchSize\":20,\"MaximumBatchingWindowInSeconds\":300");
	send("a b");
	UNTIL(source.receives == 2);
	CHECK_INT(ask_update("{\"Enabled\":false}"), ERR_OK);
	CHECK_STR(source.at_once, "a b ");
	CHECK(!source.receiving.used);
	settle(&rig);
	CHECK_INT(ask_update("{\"Enabled\":true,\"BatchSize\":1,\"MaximumBatchingWindowInSeconds\":0}"), ERR_OK);
	send("c d");
	UNTIL(functions.count == 2);
	mappings_drain(all);
	CHECK(!source.receiving.used);
	send("e");
	succeed("null");
	succeed("null");
	CHECK_STR(source.removed, "c d ");
	settle(&rig);
	CHECK_INT(functions.begun, 2);
	finish();
}

static void count_idle(void *arg)
{
	++*(unsigned *)arg;
}

TEST(a_drain_waits_for_what_the_source_has_not_kept)
{
	unsigned idle = 0;
	BEGIN(",\"BatchSize\":1");
	CHECK(!mappings_busy(all));
	mappings_on_idle(all, count_idle, &idle);
	source.slow = true;
	send("a");
	UNTIL(functions.count == 1);
	mappings_drain(all);
	CHECK(mappings_busy(all));
	succeed("null");
	settle(&rig);
	CHECK_STR(source.removed, "a ");
	CHECK(mappings_busy(all));
	CHECK_INT(idle, 0);
	tell_owed();
	CHECK(!mappings_busy(all));
	CHECK_INT(idle, 1);
	finish();
}

TEST(what_is_visible_again_is_not_invoked)
{
	BEGIN(",\"BatchSize\":2,\"MaximumBatchingWindowInSeconds\":1");
	send("a");
	UNTIL(source.receives == 2);
	source.info.visibility_s = 0;
	send("b"); /* the batch would be full */
	UNTIL(strcmp(source.left, "a b ") == 0);
	CHECK_INT(functions.begun, 0);
	source.info.visibility_s = 30;
	send("c d");
	UNTIL(functions.count == 1);
	succeed("null");
	CHECK_STR(source.removed, "c d ");
	finish();
}

TEST(a_loop_is_seen_behind_other_messages)
{
	char once[TRACE_MAX], twice[TRACE_MAX];
	BEGIN(",\"BatchSize\":3,\"MaximumBatchingWindowInSeconds\":1");
	trace_next(once, STR_NULL, str_from(FUNCTION));
	CHECK_INT(trace_next(twice, str_from(once), str_from(FUNCTION)), 2);
	send_traced("a", "Root=1-5759e988-bd862e3fe1be46a994272793");
	send_traced("b", twice);
	send_traced("c", once);
	UNTIL(functions.count == 1);
	CHECK_STR(functions.trace, twice);
	finish();
}

TEST(a_throttled_batch_is_given_back_when_it_is_disabled)
{
	BEGIN("");
	send("a");
	UNTIL(functions.count == 1);
	rig.settings.settle_ms = 0;
	all->second_ns = NS_PER_S; /* its next turn is far away */
	end_one(INVOKE_REFUSED, ERR_THROTTLED, NULL);
	CHECK_INT(ask_update("{\"Enabled\":false}"), ERR_OK);
	CHECK_STR(source.at_once, "a ");
	finish();
}

TEST(sources_that_fail)
{
	BEGIN("");
	source.failure = ERR_NOT_FOUND;
	struct list none;
	list_init(&none);
	source.receiving.used = false;
	source.receiving.cb(source.receiving.arg, &none, 0, &(struct error){.code = ERR_NOT_FOUND, .msg = "The specified queue does not exist."});
	settle(&rig);
	CHECK_STR(shown("LastProcessingResult"), "PROBLEM: The specified queue does not exist.");
	CHECK_STR(shown("State"), "Enabled");
	all->second_ns = 1000 * NS_PER_S;
	mapping_poll_pause(mapping_find(all, str_from(uuid)), "The specified queue does not exist.");
	source.failure = ERR_OK;
	mappings_source_changed(all, STR(QUEUE));
	send("a");
	UNTIL(functions.count == 1);
	CHECK_STR(shown("LastProcessingResult"), "-");
	finish();
}

TEST(a_mapping_without_its_queue_can_be_switched_off)
{
	BEGIN("");
	source.failure = ERR_NOT_FOUND;
	CHECK_INT(ask_update("{\"BatchSize\":2}"), ERR_INVALID);
	CHECK_INT(ask_update("{\"Enabled\":false}"), ERR_OK);
	settle(&rig);
	CHECK_STR(shown("State"), "Disabled");
	CHECK_INT(ask_update("{\"Enabled\":true}"), ERR_INVALID);
	CHECK_INT(ask_update("{\"BatchSize\":11}"), ERR_INVALID);
	CHECK_STR(shown("State"), "Disabled");
	CHECK_INT(ask_delete(), ERR_OK);
	finish();
}

TEST(functions_that_are_gone)
{
	BEGIN("");
	send("a");
	UNTIL(functions.count == 1);
	CHECK_INT(delete(&rig, "f", STR_NULL), ERR_OK);
	end_one(INVOKE_REFUSED, ERR_NOT_FOUND, NULL);
	CHECK_STR(source.left, "a ");
	source.receives = 0;
	if (source.receiving.used)
		fake_cancel(NULL, &source.receiving);
	struct mapping *m = mapping_find(all, str_from(uuid));
	m->poll.receiving = NULL;
	UNTIL(strstr(shown("LastProcessingResult"), "Function not found") != NULL);
	send("b");
	settle(&rig);
	CHECK_INT(source.receives, 0);
	CHECK_INT(create(&rig, "f", "code", false), ERR_OK);
	UNTIL(functions.count == 1);
	finish();
}

TESTS(T(defaults_and_states), T(rules), T(one_mapping_a_pair), T(restart), T(writes_that_fail), T(tags), T(batches_end), T(partial_answers),
      T(partial_answers_keep_the_order_of_groups), T(filters_delete), T(a_filter_that_takes_too_long_deletes_nothing), T(window), T(full_batch_ends_the_window), T(batches_have_room),
      T(ordered_messages_of_one_receive_never_run_beside_each_other), T(several_batches_of_one_receive), T(concurrency_grows), T(concurrency_is_limited), T(throttled_batches_wait), T(no_memory_for_the_event), T(recursion),
      T(deletion_waits_for_batches), T(what_is_held_is_given_back), T(a_loop_is_seen_behind_other_messages), T(what_is_visible_again_is_not_invoked), T(a_drain_waits_for_what_the_source_has_not_kept), T(a_throttled_batch_is_given_back_when_it_is_disabled),
      T(sources_that_fail), T(a_mapping_without_its_queue_can_be_switched_off), T(functions_that_are_gone))
