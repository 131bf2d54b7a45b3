#include "control/events/outcome.h"

#include "core/base/clock.h"
#include "core/json/check.h"
#include "core/json/write.h"

static const char *const conditions[] = {
	[OUTCOME_SUCCESS] = "Success",
	[OUTCOME_RETRIES_EXHAUSTED] = "RetriesExhausted",
	[OUTCOME_AGE_EXCEEDED] = "EventAgeExceeded",
	[OUTCOME_ZERO_CONCURRENCY] = "ZeroReservedConcurrency",
	[OUTCOME_RECURSION] = "RecursiveInvocation",
};

static void write_payload(struct json_writer *w, const char *key, struct str payload)
{
	struct json_check check;
	json_write_key(w, key);
	if (payload.n == 0)
		json_write_null(w);
	else if (json_check_all(&check, payload.p, payload.n) == 0)
		json_write_raw(w, payload);
	else
		json_write_str(w, payload);
}

static void write_request_context(struct json_writer *w, const struct outcome *r)
{
	json_write_key(w, "requestContext");
	json_write_object(w);
	json_write_key_str(w, "requestId", r->request_id);
	json_write_key_str(w, "functionArn", r->function_arn);
	json_write_key_z(w, "condition", conditions[r->condition]);
	json_write_key_int(w, "approximateInvokeCount", r->invoke_count);
	json_write_close(w);
}

static void write_response_context(struct json_writer *w, const struct outcome *r)
{
	json_write_key(w, "responseContext");
	json_write_object(w);
	json_write_key_int(w, "statusCode", 200);
	json_write_key_str(w, "executedVersion", r->executed_version);
	if (r->function_error)
		json_write_key_z(w, "functionError", "Unhandled");
	json_write_close(w);
}

int outcome_write(struct buf *out, const struct outcome *r, struct error *err)
{
	struct json_writer w;
	char time[40];
	json_write_init(&w, out);
	json_write_object(&w);
	json_write_key_z(&w, "version", "1.0");
	json_write_key_z(&w, "timestamp", clock_format(time, sizeof time, "%Y-%m-%dT%H:%M:%S.%LZ", r->now_ms));
	write_request_context(&w, r);
	write_payload(&w, "requestPayload", r->request_payload);
	if (r->executed_version.p) {
		write_response_context(&w, r);
		write_payload(&w, "responsePayload", r->response_payload);
	}
	json_write_close(&w);
	return json_write_done(&w) == 0 ? 0 : error_set(err, ERR_TOO_LARGE, "the record has more than %zu bytes", out->max);
}

void outcome_delivery(struct delivery *d, const struct outcome *r, struct str target, const struct buf *out, struct str resources[2])
{
	resources[0] = target;
	resources[1] = r->function_arn;
	*d = (struct delivery){.target = target, .payload = buf_str(out), .source_arn = r->function_arn, .bus_source = STR("lambda"),
	                       .bus_detail_type = r->condition == OUTCOME_SUCCESS ? STR("Lambda Function Invocation Result - Success")
	                                                                         : STR("Lambda Function Invocation Result - Failure"),
	                       .bus_resources = resources, .bus_resource_count = 2};
}

struct str outcome_cut(struct str s)
{
	if (s.n <= OUTCOME_ERROR_MAX)
		return s;
	size_t n = OUTCOME_ERROR_MAX;
	while (n > 0 && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n--;
	return str_sub(s, 0, n);
}

void outcome_dead_letter(struct delivery *d, const struct outcome *r, struct str target, struct str code, struct str message,
                         struct delivery_attribute attributes[3])
{
	attributes[0] = (struct delivery_attribute){"RequestID", "String", r->request_id};
	attributes[1] = (struct delivery_attribute){"ErrorCode", "Number", code};
	attributes[2] = (struct delivery_attribute){"ErrorMessage", "String", outcome_cut(message)};
	*d = (struct delivery){.target = target, .payload = r->request_payload.n ? r->request_payload : STR("{}"),
	                       .source_arn = r->function_arn, .attributes = attributes, .attribute_count = message.n ? 3 : 2};
}
