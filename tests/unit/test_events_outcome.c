/* Records of events that are over. */
#include <jansson.h>

#include "control/events/outcome.h"
#include "tests/unit/test.h"

static struct outcome example(enum outcome_condition condition)
{
	return (struct outcome){.condition = condition, .now_ms = 1573755365568, .request_id = STR("e4b46cbf-b738-xmpl-8880-a18cdf61200e"),
	                        .function_arn = STR("arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST"), .invoke_count = 3,
	                        .request_payload = STR("{\"ORDER_IDS\": [1.50]}"), .executed_version = STR("$LATEST"),
	                        .response_payload = STR("{\"errorMessage\": \"x\"}"), .function_error = true};
}

TEST(a_failure_has_all_members_and_payloads_as_they_were)
{
	struct buf out;
	struct outcome r = example(OUTCOME_RETRIES_EXHAUSTED);
	buf_init(&out, 4096);
	CHECK_INT(outcome_write(&out, &r, NULL), 0);
	buf_putc(&out, '\0');
	CHECK_STR(out.data, "{\"version\":\"1.0\",\"timestamp\":\"2019-11-14T18:16:05.568Z\",\"requestContext\":{\"requestId\":"
	          "\"e4b46cbf-b738-xmpl-8880-a18cdf61200e\",\"functionArn\":\"arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST\","
	          "\"condition\":\"RetriesExhausted\",\"approximateInvokeCount\":3},\"requestPayload\":{\"ORDER_IDS\": [1.50]},"
	          "\"responseContext\":{\"statusCode\":200,\"executedVersion\":\"$LATEST\",\"functionError\":\"Unhandled\"},"
	          "\"responsePayload\":{\"errorMessage\": \"x\"}}");
	buf_release(&out);
}

TEST(what_did_not_run_has_no_response_what_is_no_json_is_text)
{
	struct buf out;
	struct outcome r = example(OUTCOME_ZERO_CONCURRENCY);
	r.executed_version = STR_NULL;
	r.request_payload = STR("");
	buf_init(&out, 4096);
	CHECK_INT(outcome_write(&out, &r, NULL), 0);
	json_t *json = json_loadb(out.data, out.len, 0, NULL);
	CHECK(json && !json_object_get(json, "responseContext") && !json_object_get(json, "responsePayload"));
	CHECK(json_is_null(json_object_get(json, "requestPayload")));
	json_decref(json);
	buf_clear(&out);
	r = example(OUTCOME_SUCCESS);
	r.function_error = false;
	r.response_payload = STR("not \"JSON\"");
	CHECK_INT(outcome_write(&out, &r, NULL), 0);
	json = json_loadb(out.data, out.len, 0, NULL);
	CHECK_STR(json_string_value(json_object_get(json, "responsePayload")), "not \"JSON\"");
	CHECK(!json_object_get(json_object_get(json, "responseContext"), "functionError"));
	json_decref(json);
	buf_release(&out);
	struct error err = {0};
	buf_init(&out, 100);
	CHECK_INT(outcome_write(&out, &r, &err), -1);
	CHECK_INT(err.code, ERR_TOO_LARGE);
	buf_release(&out);
}

TEST(deliveries)
{
	struct delivery d;
	struct str resources[2];
	struct delivery_attribute attributes[3];
	struct outcome r = example(OUTCOME_AGE_EXCEEDED);
	struct buf out;
	char message[2000];
	buf_init(&out, 100);
	buf_puts(&out, "record");
	outcome_delivery(&d, &r, STR("arn:aws:events:us-east-1:000000000000:event-bus/b"), &out, resources);
	CHECK(str_eqz(d.payload, "record") && str_eqz(d.bus_source, "lambda") && !d.service.p && d.bus_resource_count == 2);
	CHECK(str_eqz(d.bus_detail_type, "Lambda Function Invocation Result - Failure"));
	CHECK(str_eq(d.bus_resources[0], d.target) && str_eq(d.bus_resources[1], r.function_arn));
	r.condition = OUTCOME_SUCCESS;
	outcome_delivery(&d, &r, STR("arn:aws:events:us-east-1:000000000000:event-bus/b"), &out, resources);
	CHECK(str_eqz(d.bus_detail_type, "Lambda Function Invocation Result - Success"));
	memset(message, 'x', sizeof message);
	memcpy(message + 1023, "\xc3\xa4", 2); /* a character over the limit is not cut in two */
	outcome_dead_letter(&d, &r, STR("arn:aws:sqs:us-east-1:000000000000:q"), STR("200"), (struct str){message, sizeof message}, attributes);
	CHECK(str_eq(d.payload, r.request_payload) && d.attribute_count == 3);
	CHECK_STR(d.attributes[0].name, "RequestID");
	CHECK_STR(d.attributes[1].type, "Number");
	CHECK_INT(d.attributes[2].value.n, 1023);
	buf_release(&out);
}

TESTS(T(a_failure_has_all_members_and_payloads_as_they_were), T(what_did_not_run_has_no_response_what_is_no_json_is_text), T(deliveries))
