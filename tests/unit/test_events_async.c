/* Asynchronous events: attempts, delays, ends, destinations, limits, fairness. */
#include "tests/unit/async_rig.h"

#define SQS(name) "arn:aws:sqs:us-east-1:000000000000:" name

TEST(an_event_is_invoked_with_its_id_and_acked)
{
	struct bench b;
	begin(&b);
	CHECK_INT(create(&b.rig, "f", "PK1", false), ERR_OK);
	send(&b, "f");
	CHECK_INT(b.accepted, 1);
	CHECK_INT(b.err.code, ERR_OK);
	CHECK_INT(b.invoke.running, 1);
	CHECK_STR(b.invoke.payload, "{\"n\":1}");
	CHECK_STR(first(&b)->request_id, b.id);
	CHECK_INT(waiting(&b, "async/f"), 1);
	succeed(&b);
	CHECK_INT(waiting(&b, "async/f"), 0);
	CHECK_INT(b.sent_count, 0);
	unsigned f = metrics_function(b.metrics, STR("f"));
	CHECK_INT(metrics_value(b.metrics, METRIC_ASYNC_ACCEPTED, f, 0), 1);
	CHECK_INT(metrics_value(b.metrics, METRIC_ASYNC_ENDED, f, OUTCOME_LABEL_SUCCESS), 1);
	end(&b);
}

TEST(failures_are_tried_again_after_60_and_120_seconds)
{
	struct bench b;
	char id[UUID_SIZE];
	begin(&b);
	CHECK_INT(create(&b.rig, "f", "PK1", false), ERR_OK);
	send(&b, "f");
	memcpy(id, b.id, sizeof id);
	fail(&b);
	advance_s(&b, 59);
	CHECK_INT(b.invoke.running, 0);
	advance_s(&b, 1);
	CHECK_INT(b.invoke.running, 1);
	CHECK_STR(first(&b)->request_id, id);
	CHECK_STR(b.invoke.payload, "{\"n\":1}");
	fail(&b);
	advance_s(&b, 119);
	CHECK_INT(b.invoke.running, 0);
	crash(&b); /* attempts are not forgotten */
	advance_s(&b, 1);
	CHECK_INT(b.invoke.running, 1);
	fail(&b);
	CHECK_INT(waiting(&b, "async/f"), 0);
	unsigned f = metrics_function(b.metrics, STR("f"));
	CHECK_INT(metrics_value(b.metrics, METRIC_ASYNC_ENDED, f, OUTCOME_LABEL_RETRIES), 1);
	CHECK_INT(metrics_value(b.metrics, METRIC_ASYNC_RETRIES, f, RETRY_LABEL_FUNCTION), 2);
	end(&b);
}

TEST(delays_are_scaled)
{
	struct bench b;
	begin(&b);
	b.rig.settings.retry_scale = 1;
	CHECK_INT(create(&b.rig, "f", "PK1", false), ERR_OK);
	send(&b, "f");
	fail(&b);
	fake_advance(&b.q, 599);
	settle(&b.rig);
	CHECK_INT(b.invoke.running, 0);
	fake_advance(&b.q, 1);
	settle(&b.rig);
	CHECK_INT(b.invoke.running, 1);
	end(&b);
}

TEST(what_was_running_at_a_crash_runs_again)
{
	struct bench b;
	begin(&b);
	CHECK_INT(create(&b.rig, "f", "PK1", false), ERR_OK);
	send(&b, "f");
	CHECK_INT(b.invoke.running, 1);
	crash(&b);
	CHECK_INT(b.invoke.running, 1);
	succeed(&b);
	CHECK_INT(waiting(&b, "async/f"), 0);
	end(&b);
}

TEST(throttles_double_up_to_300_seconds_and_are_no_attempts)
{
	static const int delays_s[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300};
	struct bench b;
	begin(&b);
	CHECK_INT(create(&b.rig, "f", "PK1", false), ERR_OK);
	configure(&b, json_pack("{s:i, s:{s:{s:s}}}", "MaximumRetryAttempts", 0, "DestinationConfig", "OnFailure", "Destination", SQS("q")));
	send(&b, "f");
	for (size_t i = 0; i < ARRAY_LEN(delays_s); i++) {
		CHECK_INT(b.invoke.running, 1);
		throttle(&b);
		advance_s(&b, delays_s[i] - 1);
		CHECK_INT(b.invoke.running, 0);
		advance_s(&b, 1);
	}
	fail(&b); /* the first attempt, and no other is allowed */
	CHECK_INT(waiting(&b, "async/f"), 0);
	CHECK_INT(b.sent_count, 1);
	json_t *r = record(&b, 0);
	CHECK_STR(condition(r), "RetriesExhausted");
	CHECK_INT(json_integer_value(json_object_get(json_object_get(r, "requestContext"), "approximateInvokeCount")), 1);
	json_decref(r);
	end(&b);
}

TEST(the_age_test_looks_ahead)
{
	struct bench b;
	begin(&b);
	CHECK_INT(create(&b.rig, "f", "PK1", false), ERR_OK);
	configure(&b, json_pack("{s:i, s:{s:{s:s}}}", "MaximumEventAgeInSeconds", 60, "DestinationConfig", "OnFailure", "Destination",
	          SQS("q")));
	send(&b, "f");
	advance_s(&b, 1);
	fail(&b); /* the next attempt would be 61 s old */
	CHECK_INT(b.sent_count, 1);
	json_t *r = record(&b, 0);
	CHECK_STR(condition(r), "EventAgeExceeded");
	CHECK_STR(json_string_value(json_object_get(json_object_get(r, "responsePayload"), "errorMessage")), "as wanted");
	CHECK_INT(json_integer_value(json_object_get(json_object_get(r, "requestPayload"), "n")), 1);
	json_decref(r);
	/* And while it waits: never invoked. */
	for (int i = 0; i < 7; i++)
		send(&b, "f");
	unsigned running = b.invoke.running;
	CHECK_INT(running, 5);
	advance_s(&b, 61);
	for (unsigned i = 0; i < running; i++)
		succeed(&b);
	CHECK_INT(b.invoke.running, 0);
	CHECK_INT(waiting(&b, "async/f"), 0);
	CHECK_INT(b.sent_count, 3);
	r = record(&b, 2);
	CHECK_STR(condition(r), "EventAgeExceeded");
	CHECK(!json_object_get(r, "responseContext"));
	json_decref(r);
	end(&b);
}

TEST(destinations_and_dead_letter_queue)
{
	struct bench b;
	begin(&b);
	CHECK_INT(create(&b.rig, "f", "PK1", false), ERR_OK);
	json_t *dlq = json_pack("{s:{s:s}}", "DeadLetterConfig", "TargetArn", SQS("dlq"));
	struct registry_update what = {.name = STR("f"), .config = dlq};
	registry_update(b.rig.r, &what, on_done, &b.rig);
	json_decref(dlq);
	CHECK_INT(wait_done(&b.rig), ERR_OK);
	configure(&b, json_pack("{s:i, s:{s:{s:s}, s:{s:s}}}", "MaximumRetryAttempts", 0, "DestinationConfig", "OnSuccess", "Destination",
	          "arn:aws:events:us-east-1:000000000000:event-bus/b", "OnFailure", "Destination", SQS("q")));
	send(&b, "f");
	succeed(&b);
	CHECK_INT(b.sent_count, 1);
	CHECK_STR(b.sent[0].type, "Lambda Function Invocation Result - Success");
	json_t *r = record(&b, 0);
	CHECK_STR(condition(r), "Success");
	CHECK(json_is_true(json_object_get(json_object_get(r, "responsePayload"), "fine")));
	CHECK_INT(json_integer_value(json_object_get(json_object_get(r, "requestContext"), "approximateInvokeCount")), 1);
	CHECK_STR(json_string_value(json_object_get(json_object_get(r, "requestContext"), "functionArn")),
	          "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST");
	json_decref(r);
	send(&b, "f");
	fail(&b);
	CHECK_INT(b.sent_count, 3);
	CHECK_STR(b.sent[1].target, SQS("q"));
	CHECK_STR(b.sent[2].target, SQS("dlq"));
	CHECK_STR(b.sent[2].payload, "{\"n\":1}");
	CHECK_INT(b.sent[2].attributes, 3);
	CHECK_STR(b.sent[2].error, "as wanted");
	CHECK_INT(waiting(&b, "async/f"), 0);
	/* A target that says no for good is counted. */
	error_set(&b.refusal, ERR_NOT_FOUND, "no such queue");
	send(&b, "f");
	fail(&b);
	CHECK_INT(b.sent_count, 5);
	CHECK_INT(metrics_value(b.metrics, METRIC_ASYNC_DELIVERY_FAILURES, metrics_function(b.metrics, STR("f")), 0), 2);
	CHECK_INT(waiting(&b, "async/f"), 0);
	end(&b);
}

static void create_with_dead_letters(struct bench *b)
{
	json_t *dlq = json_pack("{s:{s:s}}", "DeadLetterConfig", "TargetArn", SQS("dlq"));
	struct registry_update what = {.name = STR("f"), .config = dlq};
	create(&b->rig, "f", "PK1", false);
	registry_update(b->rig.r, &what, on_done, &b->rig);
	json_decref(dlq);
	wait_done(&b->rig);
	configure(b, json_pack("{s:i}", "MaximumRetryAttempts", 0));
}

/* {"errorMessage": n times x, then the end} */
static void fail_with(struct bench *b, unsigned n, const char *x, const char *message_end)
{
	char text[4096] = "{\"errorMessage\":\"";
	while (n--)
		strcat(text, x);
	strcat(strcat(text, message_end), "\"}");
	answer_first(b, INVOKE_FUNCTION_ERROR, text, ERR_OK);
	settle(&b->rig);
}

TEST(a_long_error_is_cut_between_characters)
{
	struct bench b;
	begin(&b);
	create_with_dead_letters(&b);
	send(&b, "f");
	fail_with(&b, 1023, "x", "\xc3\xb6\xc3\xb6");
	CHECK_INT(b.sent_count, 1);
	CHECK_INT(b.sent[0].attributes, 3);
	CHECK_INT(strspn(b.sent[0].error, "x"), 1023);
	CHECK_INT(strlen(b.sent[0].error), 1023);
	end(&b);
}

TEST(an_error_that_fills_the_note_is_an_attempt_too)
{
	struct bench b;
	begin(&b);
	CHECK_INT(create(&b.rig, "f", "PK1", false), ERR_OK);
	send(&b, "f");
	for (int i = 0; i < 3; i++) {
		CHECK_INT(b.invoke.running, 1);
		fail_with(&b, 400, "\\u0001", "");
		advance_s(&b, 120);
	}
	CHECK_INT(b.invoke.running, 0);
	CHECK_INT(waiting(&b, "async/f"), 0);
	end(&b);
}

TEST(a_record_waits_for_its_destination_and_the_function_is_not_run_again)
{
	struct bench b;
	begin(&b);
	CHECK_INT(create(&b.rig, "f", "PK1", false), ERR_OK);
	configure(&b, json_pack("{s:{s:{s:s}}}", "DestinationConfig", "OnSuccess", "Destination", SQS("q")));
	error_set(&b.refusal, ERR_DISK_FULL, "full");
	send(&b, "f");
	succeed(&b);
	CHECK_INT(waiting(&b, "async/f"), 1);
	crash(&b);
	advance_s(&b, 1);
	CHECK_INT(b.sent_count, 2);
	advance_s(&b, 2);
	CHECK_INT(b.sent_count, 3);
	b.refusal.code = ERR_OK;
	advance_s(&b, 4);
	CHECK_INT(b.sent_count, 4);
	CHECK_STR(b.sent[3].payload, b.sent[0].payload);
	CHECK_STR(b.sent[3].type, b.sent[0].type);
	CHECK_INT(b.invoke.running, 0);
	CHECK_INT(waiting(&b, "async/f"), 0);
	/* Nowhere any room: the event stays. */
	b.refusal.code = ERR_DISK_FULL;
	send(&b, "f");
	b.q.fail_publish = ERR_DISK_FULL;
	succeed(&b);
	CHECK_INT(waiting(&b, "async/f"), 1);
	b.q.fail_publish = ERR_OK;
	b.refusal.code = ERR_OK;
	advance_s(&b, 1);
	succeed(&b);
	CHECK_INT(b.sent_count, 6);
	CHECK_INT(waiting(&b, "async/f"), 0);
	end(&b);
}

TEST(a_record_too_large_to_wait_is_given_up_and_the_function_is_not_run_again)
{
	struct bench b;
	begin(&b);
	CHECK_INT(create(&b.rig, "f", "PK1", false), ERR_OK);
	configure(&b, json_pack("{s:{s:{s:s}}}", "DestinationConfig", "OnSuccess", "Destination", SQS("q")));
	error_set(&b.refusal, ERR_DISK_FULL, "full");
	send(&b, "f");
	char *text = malloc(QUEUE_BODY_MAX + 3);
	memset(text, 'x', QUEUE_BODY_MAX + 2);
	text[0] = text[QUEUE_BODY_MAX + 1] = '"';
	text[QUEUE_BODY_MAX + 2] = '\0';
	answer_first(&b, INVOKE_ANSWERED, text, ERR_OK);
	free(text);
	settle(&b.rig);
	CHECK_INT(b.sent_count, 1);
	CHECK_INT(waiting(&b, "async/f"), 0);
	CHECK_INT(metrics_value(b.metrics, METRIC_ASYNC_DELIVERY_FAILURES, metrics_function(b.metrics, STR("f")), 0), 1);
	advance_s(&b, 3600);
	CHECK_INT(b.invoke.running, 0);
	end(&b);
}

TEST(reservation_zero_and_recursion_are_over_at_once)
{
	struct bench b;
	begin(&b);
	CHECK_INT(create(&b.rig, "f", "PK1", false), ERR_OK);
	configure(&b, json_pack("{s:{s:{s:s}}}", "DestinationConfig", "OnFailure", "Destination", SQS("q")));
	registry_reserve(b.rig.r, STR("f"), 0, on_done, &b.rig);
	CHECK_INT(wait_done(&b.rig), ERR_OK);
	async_function_changed(b.async, STR("f"));
	send(&b, "f");
	CHECK_INT(b.invoke.running, 0);
	CHECK_INT(b.sent_count, 1);
	json_t *r = record(&b, 0);
	CHECK_STR(condition(r), "ZeroReservedConcurrency");
	CHECK_INT(json_integer_value(json_object_get(json_object_get(r, "requestContext"), "approximateInvokeCount")), 0);
	json_decref(r);
	registry_reserve(b.rig.r, STR("f"), -1, on_done, &b.rig);
	CHECK_INT(wait_done(&b.rig), ERR_OK);
	unsigned char sum[SHA256_SIZE];
	char hex[9], trace[100];
	static const char arn[] = "arn:aws:lambda:us-east-1:000000000000:function:f";
	sha256(sum, arn, strlen(arn));
	hex_encode(hex, sum, 4);
	snprintf(trace, sizeof trace, "Root=1-2;Lineage=20:%s:15", hex);
	send_to(&b, "f", NULL, "{}", trace);
	CHECK_INT(b.invoke.running, 1);
	CHECK_STR(b.invoke.trace, trace);
	succeed(&b);
	snprintf(trace, sizeof trace, "Root=1-2;Lineage=20:%s:16", hex);
	send_to(&b, "f", NULL, "{}", trace);
	CHECK_INT(b.invoke.running, 0);
	CHECK_INT(b.sent_count, 2);
	r = record(&b, 1);
	CHECK_STR(condition(r), "RecursiveInvocation");
	json_decref(r);
	registry_recursion_put(b.rig.r, STR("f"), true, on_done, &b.rig);
	CHECK_INT(wait_done(&b.rig), ERR_OK);
	send_to(&b, "f", NULL, "{}", trace);
	CHECK_INT(b.invoke.running, 1);
	succeed(&b);
	end(&b);
}

TEST(limits_are_learnt_or_reserved)
{
	struct bench b;
	begin(&b);
	CHECK_INT(create(&b.rig, "f", "PK1", false), ERR_OK);
	for (int i = 0; i < 40; i++)
		send(&b, "f");
	CHECK_INT(b.invoke.running, ASYNC_LIMIT_FIRST);
	CHECK_INT(b.http.used_bytes < 20 * 10, 1); /* at most twice the limit is in memory */
	succeed(&b);
	CHECK_INT(b.invoke.running, ASYNC_LIMIT_FIRST + 1);
	succeed(&b);
	CHECK_INT(b.invoke.running, ASYNC_LIMIT_FIRST + 2);
	throttle(&b);
	CHECK_INT(b.invoke.running, 6);
	while (b.invoke.running > 3)
		fail(&b);
	CHECK_INT(b.invoke.running, 3); /* 7 / 2 */
	throttle(&b);
	throttle(&b);
	CHECK_INT(b.invoke.running, 1);
	throttle(&b);
	CHECK_INT(b.invoke.running, 1);
	registry_reserve(b.rig.r, STR("f"), 2, on_done, &b.rig);
	CHECK_INT(wait_done(&b.rig), ERR_OK);
	async_function_changed(b.async, STR("f"));
	settle(&b.rig);
	CHECK_INT(b.invoke.running, 2);
	b.invoke.most = 0;
	for (int i = 0; i < 10; i++)
		succeed(&b);
	CHECK_INT(b.invoke.most, 2);
	end(&b);
}

TEST(a_backlog_does_not_delay_another_function)
{
	struct bench b;
	begin(&b);
	CHECK_INT(create(&b.rig, "f", "PK1", false), ERR_OK);
	CHECK_INT(create(&b.rig, "g", "PK1", false), ERR_OK);
	for (int i = 0; i < 50; i++)
		send(&b, "f");
	unsigned before = b.invoke.running;
	send(&b, "g");
	CHECK_INT(b.invoke.running, before + 1);
	CHECK_STR(LIST_LAST(&b.invoke.list, struct invocation, link)->version->name, "g");
	end(&b);
}

TEST(full_buffers_and_a_busy_store_mean_waiting)
{
	struct bench b;
	begin(&b);
	CHECK_INT(create(&b.rig, "f", "PK1", false), ERR_OK);
	CHECK(http_pool_charge(&b.http, b.http.max_bytes - 4));
	send(&b, "f");
	CHECK_INT(b.err.code, ERR_OK);
	CHECK_INT(b.invoke.running, 0);
	CHECK_INT(waiting(&b, "async/f"), 1);
	http_pool_credit(&b.http, b.http.max_bytes - 4);
	for (int i = 0; i < 200 && !b.invoke.running; i++)
		settle(&b.rig);
	CHECK_INT(b.invoke.running, 1);
	b.q.refuse_acks = 3;
	succeed(&b);
	CHECK_INT(waiting(&b, "async/f"), 1);
	for (int i = 0; i < 200 && waiting(&b, "async/f"); i++)
		settle(&b.rig);
	CHECK_INT(waiting(&b, "async/f"), 0);
	b.q.fail_publish = ERR_DISK_FULL;
	send(&b, "f");
	CHECK_INT(b.err.code, ERR_DISK_FULL);
	b.q.fail_publish = ERR_THROTTLED;
	send(&b, "f");
	CHECK_INT(b.err.code, ERR_THROTTLED);
	CHECK_INT(b.accepted, 3);
	end(&b);
}

TEST(what_the_store_failed_to_write_is_told_again)
{
	struct bench b;
	begin(&b);
	CHECK_INT(create(&b.rig, "f", "PK1", false), ERR_OK);
	send(&b, "f");
	b.q.fail_acks = 2;
	fail(&b);
	CHECK(async_busy(b.async));
	for (int i = 0; i < 200 && async_busy(b.async); i++)
		settle(&b.rig);
	CHECK_INT(b.q.fail_acks, 0);
	advance_s(&b, 60);
	CHECK_INT(b.invoke.running, 1);
	b.q.fail_acks = 2;
	succeed(&b);
	CHECK_INT(waiting(&b, "async/f"), 1);
	for (int i = 0; i < 200 && async_busy(b.async); i++)
		settle(&b.rig);
	CHECK_INT(waiting(&b, "async/f"), 0);
	end(&b);
}

TEST(large_events_wait_on_disk)
{
	enum { BYTES = 900000, FUNCTIONS = 14, EACH = 12 };
	struct bench b;
	char *payload = malloc(BYTES + 1), name[16], queue[24];
	size_t most = 0;
	begin(&b);
	memset(payload, '1', BYTES);
	payload[BYTES] = '\0';
	for (int i = 0; i < FUNCTIONS; i++) {
		snprintf(name, sizeof name, "f%d", i);
		CHECK_INT(create(&b.rig, name, "PK1", false), ERR_OK);
		registry_reserve(b.rig.r, str_from(name), 1, on_done, &b.rig);
		CHECK_INT(wait_done(&b.rig), ERR_OK);
		b.rig.settings.concurrency = 1000;
		for (int k = 0; k < EACH; k++)
			send_to(&b, name, NULL, payload, NULL);
	}
	registry_reserve(b.rig.r, STR("f0"), 8, on_done, &b.rig);
	CHECK_INT(wait_done(&b.rig), ERR_OK);
	async_function_changed(b.async, STR("f0"));
	for (int i = 0; i < 100 && b.invoke.running < FUNCTIONS + 7; i++)
		settle(&b.rig);
	CHECK_INT(b.invoke.running, FUNCTIONS + 7); /* what runs is not held up by the window */
	for (int i = 0; i < FUNCTIONS * EACH; i++) {
		CHECK(b.invoke.running > 0);
		size_t held = b.http.used_bytes - b.invoke.running * (size_t)(BYTES + 1);
		most = held > most ? held : most;
		succeed(&b);
	}
	CHECK(most <= ASYNC_ALL_BYTES + BYTES);
	for (int i = 0; i < FUNCTIONS; i++) {
		snprintf(queue, sizeof queue, "async/f%d", i);
		CHECK_INT(waiting(&b, queue), 0);
	}
	free(payload);
	end(&b);
}

TEST(a_deleted_function_takes_its_events_with_it)
{
	struct bench b;
	begin(&b);
	CHECK_INT(create(&b.rig, "f", "PK1", false), ERR_OK);
	configure(&b, json_pack("{s:{s:{s:s}}}", "DestinationConfig", "OnSuccess", "Destination", SQS("q")));
	for (int i = 0; i < 20; i++)
		send(&b, "f");
	CHECK_INT(delete(&b.rig, "f", STR_NULL), ERR_OK);
	async_function_deleted(b.async, STR("f"));
	settle(&b.rig);
	CHECK_INT(waiting(&b, "async/f"), 0);
	CHECK_INT(create(&b.rig, "f", "PK1", false), ERR_OK);
	unsigned old = b.invoke.running;
	CHECK_INT(old, 5);
	send(&b, "f");
	while (old--)
		succeed(&b);
	CHECK_INT(b.sent_count, 0);
	CHECK_INT(b.invoke.running, 1);
	succeed(&b);
	CHECK_INT(waiting(&b, "async/f"), 0);
	/* The server was killed between the function's end and its queue's: the new one's events are told apart. */
	send(&b, "f");
	CHECK_INT(delete(&b.rig, "f", STR_NULL), ERR_OK);
	CHECK_INT(create(&b.rig, "f", "PK1", false), ERR_OK);
	crash(&b);
	CHECK_INT(b.invoke.running, 0);
	CHECK_INT(waiting(&b, "async/f"), 0);
	CHECK_INT(metrics_value(b.metrics, METRIC_ASYNC_ENDED, metrics_function(b.metrics, STR("f")), OUTCOME_LABEL_DROPPED), 6);
	/* And of one that is not there any more. */
	send(&b, "f");
	CHECK_INT(delete(&b.rig, "f", STR_NULL), ERR_OK);
	crash(&b);
	CHECK_INT(waiting(&b, "async/f"), 0);
	end(&b);
}

TEST(the_store_is_busy_when_a_function_is_deleted)
{
	struct bench b;
	begin(&b);
	CHECK_INT(create(&b.rig, "f", "PK1", false), ERR_OK);
	for (int i = 0; i < 20; i++)
		send(&b, "f");
	CHECK_INT(delete(&b.rig, "f", STR_NULL), ERR_OK);
	b.q.refuse_acks = 2;
	async_function_deleted(b.async, STR("f"));
	settle(&b.rig);
	CHECK_INT(waiting(&b, "async/f"), 20);
	for (int i = 0; i < 200 && waiting(&b, "async/f"); i++)
		settle(&b.rig);
	CHECK_INT(waiting(&b, "async/f"), 0);
	end(&b);
}

static void on_idle(void *arg)
{
	++*(unsigned *)arg;
}

TEST(draining_starts_nothing_and_acks_what_ends)
{
	struct bench b;
	begin(&b);
	CHECK_INT(create(&b.rig, "f", "PK1", false), ERR_OK);
	for (int i = 0; i < 8; i++)
		send(&b, "f");
	async_drain(b.async);
	async_on_idle(b.async, on_idle, &b.idle);
	CHECK(async_busy(b.async));
	for (int i = 0; i < 4; i++)
		succeed(&b);
	CHECK_INT(b.idle, 0);
	answer_first(&b, INVOKE_ANSWERED, "1", ERR_OK);
	CHECK(async_busy(b.async) && b.idle == 0); /* the ack is not durable yet */
	settle(&b.rig);
	CHECK_INT(b.idle, 1);
	CHECK(!async_busy(b.async));
	CHECK_INT(b.invoke.running, 0);
	CHECK_INT(waiting(&b, "async/f"), 3);
	end(&b);
}

static void on_delivery(void *arg, const struct error *err)
{
	struct bench *b = arg;
	b->err = err ? *err : (struct error){0};
	b->accepted++;
}

static enum error_code arrive(struct bench *b, const char *target, const char *service, const char *once, const char *payload)
{
	struct delivery d = {.target = str_from(target), .payload = str_from(payload), .service = str_from(service), .once = str_from(once),
	                     .source_arn = STR("arn:aws:events:us-east-1:000000000000:rule/r")};
	async_deliver(b->async, &d, on_delivery, b);
	settle(&b->rig);
	return b->err.code;
}

TEST(deliveries_need_permission_and_come_once)
{
	static const char arn[] = "arn:aws:lambda:us-east-1:000000000000:function:f";
	struct bench b;
	begin(&b);
	CHECK_INT(create(&b.rig, "f", "PK1", false), ERR_OK);
	CHECK_INT(arrive(&b, arn, "events.amazonaws.com", NULL, "{}"), ERR_ACCESS_DENIED);
	CHECK_INT(arrive(&b, arn, NULL, NULL, "{}"), ERR_OK); /* with a role's rights */
	CHECK_INT(arrive(&b, "arn:aws:lambda:us-east-1:000000000000:function:g", NULL, NULL, "{}"), ERR_NOT_FOUND);
	CHECK_INT(arrive(&b, "arn:aws:lambda:eu-west-1:000000000000:function:f", NULL, NULL, "{}"), ERR_NOT_FOUND);
	CHECK_INT(arrive(&b, arn, NULL, NULL, "{"), ERR_INVALID);
	CHECK_INT(b.invoke.running, 1);
	char key[300];
	memset(key, 'k', sizeof key);
	key[sizeof key - 1] = '\0';
	CHECK_INT(arrive(&b, arn, NULL, key, "{}"), ERR_OK);
	CHECK_INT(arrive(&b, arn, NULL, key, "{}"), ERR_OK);
	CHECK_INT(b.invoke.running, 2);
	CHECK_INT(b.accepted, 7);
	end(&b);
}

static void on_list(void *arg, struct str json, const struct error *err)
{
	json_t **out = arg;
	*out = json_loadb(json.p, json.n, 0, NULL);
}

TEST(what_waits_is_listed_and_counted)
{
	struct bench b;
	struct async_counts c;
	json_t *list = NULL;
	begin(&b);
	CHECK_INT(create(&b.rig, "f", "PK1", true), ERR_OK);
	send_to(&b, "f", "1", "{}", NULL);
	fail(&b);
	send(&b, "f");
	advance_s(&b, 2);
	async_list(b.async, STR("f"), 10, on_list, &list);
	settle(&b.rig);
	CHECK_INT(json_array_size(list), 2);
	json_t *one = json_array_get(list, 0);
	CHECK_STR(json_string_value(json_object_get(one, "qualifier")), "1");
	CHECK_STR(json_string_value(json_object_get(one, "lastError")), "E: as wanted");
	CHECK_INT(json_integer_value(json_object_get(one, "attempts")), 1);
	CHECK_INT(json_integer_value(json_object_get(one, "nextAttempt")), b.q.now_ms + 58000);
	CHECK(json_is_true(json_object_get(json_array_get(list, 1), "running")));
	json_decref(list);
	async_count(b.async, &c);
	CHECK_INT(c.waiting, 2);
	CHECK_INT(c.running, 1);
	CHECK_INT(c.oldest_age_ms, 2000);
	end(&b);
}

TESTS(T(an_event_is_invoked_with_its_id_and_acked), T(failures_are_tried_again_after_60_and_120_seconds), T(delays_are_scaled),
      T(what_was_running_at_a_crash_runs_again), T(throttles_double_up_to_300_seconds_and_are_no_attempts), T(the_age_test_looks_ahead),
      T(destinations_and_dead_letter_queue), T(a_long_error_is_cut_between_characters),
      T(an_error_that_fills_the_note_is_an_attempt_too),
      T(a_record_waits_for_its_destination_and_the_function_is_not_run_again),
      T(a_record_too_large_to_wait_is_given_up_and_the_function_is_not_run_again),
      T(reservation_zero_and_recursion_are_over_at_once), T(limits_are_learnt_or_reserved), T(a_backlog_does_not_delay_another_function),
      T(full_buffers_and_a_busy_store_mean_waiting), T(what_the_store_failed_to_write_is_told_again), T(large_events_wait_on_disk), T(a_deleted_function_takes_its_events_with_it),
      T(the_store_is_busy_when_a_function_is_deleted), T(draining_starts_nothing_and_acks_what_ends),
      T(deliveries_need_permission_and_come_once), T(what_waits_is_listed_and_counted))
