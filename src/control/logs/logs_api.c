#include "control/logs/logs_api.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/json/value.h"
#include "core/json/write.h"
#include "control/logs/logs_priv.h"

#define REQUEST_MAX (1u << 20)
#define STREAM_NAMES_MAX 100u
#define ANSWER_MAX (32u << 20)

/* ---- members of requests ---- */

/* AWS's text for a value outside its limits. */
static int bad_member(const char *key, const char *what, struct error *err)
{
	return error_set(err, ERR_VALIDATION, "1 validation error detected: Value at '%s' failed to satisfy constraint: %s", key, what);
}

static int get_str(const json_t *body, const char *key, size_t min, size_t max, struct str *out, struct error *err)
{
	*out = (struct str){"", 0};
	int found = json_value_str(body, key, out, err);
	if (found < 0)
		return -1;
	char what[80];
	if (found && out->n < min)
		snprintf(what, sizeof what, "Member must have length greater than or equal to %zu", min);
	else if (found && out->n > max)
		snprintf(what, sizeof what, "Member must have length less than or equal to %zu", max);
	else
		return found;
	return bad_member(key, what, err);
}

static int get_limit(const json_t *body, int64_t max, unsigned *out, struct error *err)
{
	int64_t v = 0;
	char what[80];
	if (json_value_int(body, "limit", INT64_MIN, INT64_MAX, &v, err) < 0)
		return -1;
	const json_t *given = json_object_get(body, "limit");
	if (given && !json_is_null(given) && (v < 1 || v > max)) {
		snprintf(what, sizeof what, "Member must have value %s than or equal to %" PRId64, v < 1 ? "greater" : "less",
		         v < 1 ? (int64_t)1 : max);
		return bad_member("limit", what, err);
	}
	*out = (unsigned)v;
	return 0;
}

static int get_range(const json_t *body, struct log_range *r, struct error *err)
{
	int start = json_value_int(body, "startTime", 0, INT64_MAX, &r->start_ms, err);
	int end = start < 0 ? -1 : json_value_int(body, "endTime", 0, INT64_MAX, &r->end_ms, err);
	r->has_start = start > 0;
	r->has_end = end > 0;
	return end < 0 ? -1 : 0;
}

/* A name, or an identifier: a name too, or "arn:aws:logs:REGION:ACCOUNT:log-group:NAME", perhaps with ":*". */
static int get_group(const json_t *body, struct str *group, struct error *err)
{
	struct str name, id;
	int has_name = get_str(body, "logGroupName", 1, 512, &name, err);
	int has_id = has_name < 0 ? -1 : get_str(body, "logGroupIdentifier", 1, 2048, &id, err);
	if (has_id < 0)
		return -1;
	if (has_name + has_id != 1)
		return error_set(err, ERR_INVALID, has_name ? "LogGroup name and LogGroup ARN are mutually exclusive parameters."
		                                            : "Either LogGroup name or LogGroup ARN must be specified.");
	*group = has_name ? name : id;
	if (has_id && str_starts(id, STR("arn:"))) {
		struct str piece;
		for (int i = 0; i < 6; i++)
			str_split(&id, ':', &piece);
		*group = str_ends(id, STR(":*")) ? str_sub(id, 0, id.n - 2) : id;
	}
	return 0;
}

/* ---- operations ---- */

struct call {
	struct logs *logs;
	const json_t *body;
	struct json_writer *w;
	struct error *err;
};

static void write_token(struct json_writer *w, const char *key, const char *token)
{
	if (*token)
		json_write_key_z(w, key, token);
}

static void write_group_arn(const struct call *c, const char *key, struct str name, const char *rest)
{
	char text[LOG_GROUP_NAME_MAX + LOG_STREAM_NAME_MAX + 200];
	int n = snprintf(text, sizeof text, "arn:aws:logs:%s:%s:log-group:" STR_FMT "%s", c->logs->region, c->logs->account,
	                 STR_ARG(name), rest);
	json_write_key_str(c->w, key, (struct str){text, (size_t)n});
}

static int describe_groups(const struct call *c)
{
	struct logs_describe_groups q;
	struct log_page page;
	if (get_str(c->body, "logGroupNamePrefix", 1, 512, &q.prefix, c->err) < 0 ||
	    get_str(c->body, "logGroupNamePattern", 0, 512, &q.pattern, c->err) < 0 ||
	    get_str(c->body, "nextToken", 1, 1024, &q.token, c->err) < 0 ||
	    get_limit(c->body, LOGS_DESCRIBE_MAX, &q.limit, c->err) < 0)
		return -1;
	if (q.prefix.n && q.pattern.n)
		return error_set(c->err, ERR_INVALID, "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.");
	if (logs_describe_groups(c->logs, &q, &page, c->err) < 0)
		return -1;
	json_write_key(c->w, "logGroups");
	json_write_array(c->w);
	for (size_t i = 0; i < page.count; i++) {
		const struct log_group_info *g = &page.groups[i];
		json_write_object(c->w);
		json_write_key_str(c->w, "logGroupName", g->name);
		json_write_key_int(c->w, "creationTime", g->created_ms);
		json_write_key_int(c->w, "retentionInDays", c->logs->config.retention_days);
		json_write_key_int(c->w, "metricFilterCount", 0);
		write_group_arn(c, "arn", g->name, ":*");
		json_write_key_int(c->w, "storedBytes", (int64_t)g->stored_bytes);
		json_write_key_z(c->w, "logGroupClass", "STANDARD");
		write_group_arn(c, "logGroupArn", g->name, "");
		json_write_close(c->w);
	}
	json_write_close(c->w);
	write_token(c->w, "nextToken", page.next);
	log_page_release(&page);
	return 0;
}

static void write_stream(const struct call *c, struct str group, const struct log_stream_info *s)
{
	char rest[LOG_STREAM_NAME_MAX + 32];
	json_write_object(c->w);
	json_write_key_str(c->w, "logStreamName", s->name);
	json_write_key_int(c->w, "creationTime", s->created_ms);
	if (s->last_event_ms >= 0) {
		json_write_key_int(c->w, "firstEventTimestamp", s->first_event_ms);
		json_write_key_int(c->w, "lastEventTimestamp", s->last_event_ms);
		json_write_key_int(c->w, "lastIngestionTime", s->last_ingestion_ms);
	}
	snprintf(rest, sizeof rest, ":log-stream:" STR_FMT, STR_ARG(s->name));
	write_group_arn(c, "arn", group, rest);
	json_write_key_int(c->w, "storedBytes", 0);
	json_write_close(c->w);
}

static int describe_streams(const struct call *c)
{
	struct logs_describe_streams q = {0};
	struct log_page page;
	struct str order;
	if (get_group(c->body, &q.group, c->err) < 0 || get_str(c->body, "logStreamNamePrefix", 1, 512, &q.prefix, c->err) < 0 ||
	    get_str(c->body, "orderBy", 0, 64, &order, c->err) < 0 || get_str(c->body, "nextToken", 1, 1024, &q.token, c->err) < 0 ||
	    json_value_bool(c->body, "descending", &q.descending, c->err) < 0 ||
	    get_limit(c->body, LOGS_DESCRIBE_MAX, &q.limit, c->err) < 0)
		return -1;
	q.by_time = str_eqz(order, "LastEventTime");
	if (order.n && !q.by_time && !str_eqz(order, "LogStreamName"))
		return bad_member("orderBy", "Member must satisfy enum value set: [LogStreamName, LastEventTime]", c->err);
	if (logs_describe_streams(c->logs, &q, &page, c->err) < 0)
		return -1;
	json_write_key(c->w, "logStreams");
	json_write_array(c->w);
	for (size_t i = 0; i < page.count; i++)
		write_stream(c, q.group, &page.streams[i]);
	json_write_close(c->w);
	write_token(c->w, "nextToken", page.next);
	log_page_release(&page);
	return 0;
}

static int get_events(const struct call *c)
{
	struct logs_get q = {0};
	struct log_page page;
	int has_stream = -1;
	if (get_group(c->body, &q.group, c->err) < 0 ||
	    (has_stream = get_str(c->body, "logStreamName", 1, 512, &q.stream, c->err)) < 0 ||
	    get_str(c->body, "nextToken", 1, 1024, &q.token, c->err) < 0 || get_range(c->body, &q.range, c->err) < 0 ||
	    json_value_bool(c->body, "startFromHead", &q.from_head, c->err) < 0 ||
	    get_limit(c->body, LOGS_PAGE_EVENTS, &q.limit, c->err) < 0)
		return -1;
	if (!has_stream)
		return bad_member("logStreamName", "Member must not be null", c->err);
	if (logs_get_events(c->logs, &q, &page, c->err) < 0)
		return -1;
	json_write_key(c->w, "events");
	json_write_array(c->w);
	for (size_t i = 0; i < page.count; i++) {
		json_write_object(c->w);
		json_write_key_int(c->w, "timestamp", page.events[i].timestamp_ms);
		json_write_key_str(c->w, "message", page.events[i].message);
		json_write_key_int(c->w, "ingestionTime", page.events[i].ingestion_ms);
		json_write_close(c->w);
	}
	json_write_close(c->w);
	write_token(c->w, "nextForwardToken", page.forward);
	write_token(c->w, "nextBackwardToken", page.backward);
	log_page_release(&page);
	return 0;
}

static int get_stream_names(const struct call *c, struct str names[STREAM_NAMES_MAX], size_t *n)
{
	json_t *array = NULL;
	int found = json_value_array(c->body, "logStreamNames", &array, c->err);
	if (found <= 0)
		return found;
	*n = json_array_size(array);
	if (*n < 1 || *n > STREAM_NAMES_MAX)
		return bad_member("logStreamNames", "Member must have length between 1 and 100", c->err);
	for (size_t i = 0; i < *n; i++) {
		names[i] = json_value_text(json_array_get(array, i));
		if (!names[i].p)
			return bad_member("logStreamNames", "Member must be a string", c->err);
	}
	return 0;
}

static void write_filtered(const struct call *c, const struct log_event *e)
{
	char id[64];
	snprintf(id, sizeof id, "%024" PRIu64 "%032" PRIu64, e->segment, e->offset);
	json_write_object(c->w);
	json_write_key_str(c->w, "logStreamName", e->stream);
	json_write_key_int(c->w, "timestamp", e->timestamp_ms);
	json_write_key_str(c->w, "message", e->message);
	json_write_key_int(c->w, "ingestionTime", e->ingestion_ms);
	json_write_key_z(c->w, "eventId", id);
	json_write_close(c->w);
}

static int filter_events(const struct call *c)
{
	struct str names[STREAM_NAMES_MAX];
	struct logs_filter q = {.streams = names};
	struct log_page page;
	if (get_group(c->body, &q.group, c->err) < 0 || get_stream_names(c, names, &q.stream_count) < 0 ||
	    get_str(c->body, "logStreamNamePrefix", 1, 512, &q.stream_prefix, c->err) < 0 ||
	    get_str(c->body, "filterPattern", 0, 1024, &q.pattern, c->err) < 0 ||
	    get_str(c->body, "nextToken", 1, 1024, &q.token, c->err) < 0 ||
	    get_str(c->body, "mayflyRequestId", 1, 64, &q.request_id, c->err) < 0 ||
	    get_range(c->body, &q.range, c->err) < 0 || get_limit(c->body, LOGS_PAGE_EVENTS, &q.limit, c->err) < 0)
		return -1;
	if (q.stream_count && q.stream_prefix.n)
		return error_set(c->err, ERR_INVALID, "logStreamNamePrefix and logStreamNames are mutually exclusive parameters.");
	if (logs_filter_events(c->logs, &q, &page, c->err) < 0)
		return -1;
	json_write_key(c->w, "events");
	json_write_array(c->w);
	for (size_t i = 0; i < page.count; i++)
		write_filtered(c, &page.events[i]);
	json_write_close(c->w);
	json_write_key(c->w, "searchedLogStreams"); /* AWS leaves it empty since 2019 */
	json_write_array(c->w);
	json_write_close(c->w);
	write_token(c->w, "nextToken", page.next);
	log_page_release(&page);
	return 0;
}

static const struct {
	const char *operation;
	int (*run)(const struct call *c);
} operations[] = {{"DescribeLogGroups", describe_groups}, {"DescribeLogStreams", describe_streams},
                  {"GetLogEvents", get_events}, {"FilterLogEvents", filter_events}};

int logs_api_call(struct logs *l, struct str operation, struct str body, struct buf *out, struct error *err)
{
	static const struct json_limits limits = {.max_bytes = REQUEST_MAX};
	for (size_t i = 0; i < ARRAY_LEN(operations); i++) {
		if (!str_eqz(operation, operations[i].operation))
			continue;
		struct json_writer w;
		CLEANUP_JSON json_t *root = json_value_load_object(body.n ? body : STR("{}"), &limits, err);
		if (!root) {
			if (err && err->code == ERR_INVALID)
				err->code = ERR_BAD_PAYLOAD;
			return -1;
		}
		json_write_init(&w, out);
		json_write_object(&w);
		if (operations[i].run(&(struct call){l, root, &w, err}) < 0)
			return -1;
		json_write_close(&w);
		return json_write_done(&w) < 0 ? error_set(err, ERR_NO_MEMORY, "the answer is too large") : 0;
	}
	return error_set(err, ERR_UNKNOWN_OPERATION, "Mayfly does not have the operation " STR_FMT " of CloudWatch Logs",
	                 STR_ARG(str_sub(operation, 0, 64)));
}

/* ---- errors ---- */

static const struct {
	enum error_code code;
	const char *type;
	int status;
} error_types[] = {
	{ERR_NOT_FOUND, "ResourceNotFoundException", 400}, {ERR_INVALID, "InvalidParameterException", 400},
	{ERR_VALIDATION, "InvalidParameterException", 400}, {ERR_UNSUPPORTED, "InvalidParameterException", 400},
	{ERR_BAD_PAYLOAD, "SerializationException", 400}, {ERR_TOO_LARGE, "SerializationException", 400},
	{ERR_UNKNOWN_OPERATION, "UnknownOperationException", 400}};

const char *logs_api_error(const struct error *err, int *http_status, struct buf *out)
{
	const char *type = "ServiceUnavailableException";
	struct json_writer w;
	*http_status = 500;
	for (size_t i = 0; i < ARRAY_LEN(error_types); i++) {
		if (error_types[i].code == err->code) {
			type = error_types[i].type;
			*http_status = error_types[i].status;
		}
	}
	buf_clear(out);
	json_write_init(&w, out);
	json_write_object(&w);
	json_write_key_z(&w, "__type", type);
	json_write_key_z(&w, "message", err->msg);
	json_write_close(&w);
	return type;
}

void logs_api_answer(void *logs, struct str operation, struct str body,
                     void (*answer_cb)(void *answer, int status, const char *type, struct str body), void *answer)
{
	struct buf out;
	struct error err = {0};
	buf_init(&out, ANSWER_MAX);
	if (logs_api_call(logs, operation, body, &out, &err) == 0) {
		answer_cb(answer, 200, NULL, buf_str(&out));
	} else {
		int status;
		const char *type = logs_api_error(&err, &status, &out);
		answer_cb(answer, status, type, str_from(err.msg));
	}
	buf_release(&out);
}
