/* The operations that read. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control/logs/logs_api_priv.h"
#include "control/logs/logs_priv.h"
#include "control/logs/pattern.h"
#include "control/logs/read_priv.h"

#define STREAM_NAMES_MAX 100u
#define GROUP_NAMES_MAX 50u
#define TEST_MESSAGES_MAX 50u
#define LIST_GROUPS_MAX 1000u

/* ---- groups ---- */

static void write_group(const struct logs_request *q, const struct log_group_info *g)
{
	struct json_writer *w = q->w;
	json_write_object(w);
	json_write_key_str(w, "logGroupName", g->name);
	json_write_key_int(w, "creationTime", g->created_ms);
	if (g->retention_days)
		json_write_key_int(w, "retentionInDays", g->retention_days);
	json_write_key_int(w, "metricFilterCount", 0);
	logs_write_group_arn(q, "arn", g->name, ":*");
	json_write_key_int(w, "storedBytes", (int64_t)g->stored_bytes);
	if (g->kms_key.n)
		json_write_key_str(w, "kmsKeyId", g->kms_key);
	json_write_key_str(w, "logGroupClass", g->class_name);
	logs_write_group_arn(q, "logGroupArn", g->name, "");
	json_write_key_bool(w, "deletionProtectionEnabled", g->protected);
	json_write_close(w);
}

static int write_groups(const struct logs_request *q, const struct logs_describe_groups *d,
                        void (*write)(const struct logs_request *q, const struct log_group_info *g))
{
	struct log_page page;
	if (logs_describe_groups(q->logs, d, &page, q->err) < 0)
		return -1;
	json_write_key(q->w, "logGroups");
	json_write_array(q->w);
	for (size_t i = 0; i < page.count; i++)
		write(q, &page.groups[i]);
	json_write_close(q->w);
	logs_write_token(q->w, "nextToken", page.next);
	log_page_release(&page);
	return 0;
}

static int get_class(const struct logs_request *q, struct str *out)
{
	if (logs_member_text(q, "logGroupClass", 0, 64, LOGS_TEXT_ANY, out) < 0)
		return -1;
	if (!out->n || str_eqz(*out, "STANDARD") || str_eqz(*out, "INFREQUENT_ACCESS") || str_eqz(*out, "DELIVERY"))
		return 0;
	return logs_bad_member(q, "logGroupClass", *out, "Member must satisfy enum value set: [STANDARD, INFREQUENT_ACCESS, DELIVERY]");
}

int logs_DescribeLogGroups(const struct logs_request *q)
{
	struct str names[GROUP_NAMES_MAX];
	struct logs_describe_groups d = {.names = names};
	int n = logs_member_texts(q, "logGroupIdentifiers", 1, GROUP_NAMES_MAX, 2048, names);
	if (n < 0 || logs_member_text(q, "logGroupNamePrefix", 1, 512, LOGS_TEXT_GROUP, &d.prefix) < 0 ||
	    logs_member_text(q, "logGroupNamePattern", 0, 512, LOGS_TEXT_GROUP, &d.pattern) < 0 || get_class(q, &d.class_name) < 0 ||
	    logs_member_text(q, "nextToken", 1, 1024, LOGS_TEXT_ANY, &d.token) < 0 || logs_member_limit(q, LOGS_DESCRIBE_MAX, &d.limit) < 0)
		return -1;
	if (d.prefix.n && d.pattern.n)
		return error_set(q->err, ERR_INVALID, "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.");
	d.name_count = (size_t)n;
	for (int i = 0; i < n; i++)
		names[i] = logs_identifier_group(names[i]);
	return write_groups(q, &d, write_group);
}

static void write_summary(const struct logs_request *q, const struct log_group_info *g)
{
	json_write_object(q->w);
	json_write_key_str(q->w, "logGroupName", g->name);
	logs_write_group_arn(q, "logGroupArn", g->name, "");
	json_write_key_str(q->w, "logGroupClass", g->class_name);
	json_write_close(q->w);
}

/* "^/aws/lam|prod": pieces of names, or their beginnings. */
static bool name_fits(void *arg, const char *name)
{
	struct str rest = *(const struct str *)arg, piece;
	while (str_split(&rest, '|', &piece)) {
		struct str word = piece.n && piece.p[0] == '^' ? str_sub(piece, 1, piece.n) : piece;
		const char *at = memmem(name, strlen(name), word.p, word.n);
		if (at && (word.n == piece.n || str_starts(str_from(name), word)))
			return true;
	}
	return false;
}

static bool pattern_is_valid(struct str pattern)
{
	struct str piece;
	unsigned n = 0;
	while (str_split(&pattern, '|', &piece)) {
		if (piece.n && piece.p[0] == '^')
			piece = str_sub(piece, 1, piece.n);
		bool plain = piece.n >= 3 && piece.n <= 24 && !memchr(piece.p, '^', piece.n);
		if (!plain || ++n > 5)
			return false;
	}
	return n > 0;
}

int logs_ListLogGroups(const struct logs_request *q)
{
	static const char *const others[] = {"dataSources", "fieldIndexNames", "logGroupTags"};
	struct str pattern;
	struct logs_describe_groups d = {.most = LIST_GROUPS_MAX};
	int found = logs_member_text(q, "logGroupNamePattern", 3, 129, LOGS_TEXT_ANY, &pattern);
	if (found < 0 || get_class(q, &d.class_name) < 0 || logs_member_text(q, "nextToken", 1, 1024, LOGS_TEXT_ANY, &d.token) < 0 ||
	    logs_member_limit(q, LIST_GROUPS_MAX, &d.limit) < 0)
		return -1;
	if (found && !pattern_is_valid(pattern))
		return logs_bad_member(q, "logGroupNamePattern", pattern,
		                       "Member must satisfy regular expression pattern: words of 3 to 24 characters, up to 5, parted by |");
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		if (json_object_get(q->body, others[i]))
			return error_set(q->err, ERR_INVALID, "%s is not supported by this server.", others[i]);
	}
	d.limit = d.limit ? d.limit : LOGS_DESCRIBE_MAX;
	d.wants = found ? name_fits : NULL;
	d.arg = &pattern;
	return write_groups(q, &d, write_summary);
}

/* ---- streams ---- */

static void write_stream(const struct logs_request *q, struct str group, const struct log_stream_info *s)
{
	char rest[LOG_STREAM_NAME_MAX + 32];
	json_write_object(q->w);
	json_write_key_str(q->w, "logStreamName", s->name);
	json_write_key_int(q->w, "creationTime", s->created_ms);
	if (s->last_event_ms >= 0) {
		json_write_key_int(q->w, "firstEventTimestamp", s->first_event_ms);
		json_write_key_int(q->w, "lastEventTimestamp", s->last_event_ms);
		json_write_key_int(q->w, "lastIngestionTime", s->last_ingestion_ms);
	}
	snprintf(rest, sizeof rest, ":log-stream:" STR_FMT, STR_ARG(s->name));
	logs_write_group_arn(q, "arn", group, rest);
	json_write_key_int(q->w, "storedBytes", 0);
	json_write_close(q->w);
}

int logs_DescribeLogStreams(const struct logs_request *q)
{
	struct logs_describe_streams d = {0};
	struct log_page page;
	struct str order;
	if (logs_member_any_group(q, &d.group) < 0 || logs_member_text(q, "logStreamNamePrefix", 1, 512, LOGS_TEXT_STREAM, &d.prefix) < 0 ||
	    logs_member_text(q, "orderBy", 0, 64, LOGS_TEXT_ANY, &order) < 0 ||
	    logs_member_text(q, "nextToken", 1, 1024, LOGS_TEXT_ANY, &d.token) < 0 || logs_member_bool(q, "descending", &d.descending) < 0 ||
	    logs_member_limit(q, LOGS_DESCRIBE_MAX, &d.limit) < 0)
		return -1;
	d.by_time = str_eqz(order, "LastEventTime");
	if (order.n && !d.by_time && !str_eqz(order, "LogStreamName"))
		return logs_bad_member(q, "orderBy", order, "Member must satisfy enum value set: [LogStreamName, LastEventTime]");
	if (logs_describe_streams(q->logs, &d, &page, q->err) < 0)
		return -1;
	json_write_key(q->w, "logStreams");
	json_write_array(q->w);
	for (size_t i = 0; i < page.count; i++)
		write_stream(q, d.group, &page.streams[i]);
	json_write_close(q->w);
	logs_write_token(q->w, "nextToken", page.next);
	log_page_release(&page);
	return 0;
}

/* ---- events ---- */

int logs_GetLogEvents(const struct logs_request *q)
{
	struct logs_get g = {0};
	struct log_page page;
	if (logs_member_any_group(q, &g.group) < 0 || logs_need(q, "logStreamName") < 0 ||
	    logs_member_text(q, "logStreamName", 1, 512, LOGS_TEXT_STREAM, &g.stream) < 0 ||
	    logs_member_text(q, "nextToken", 1, 1024, LOGS_TEXT_ANY, &g.token) < 0 || logs_member_range(q, &g.range) < 0 ||
	    logs_member_bool(q, "startFromHead", &g.from_head) < 0 || logs_member_limit(q, LOGS_PAGE_EVENTS, &g.limit) < 0)
		return -1;
	if (logs_get_events(q->logs, &g, &page, q->err) < 0)
		return -1;
	json_write_key(q->w, "events");
	json_write_array(q->w);
	for (size_t i = 0; i < page.count; i++) {
		json_write_object(q->w);
		json_write_key_int(q->w, "timestamp", page.events[i].timestamp_ms);
		json_write_key_str(q->w, "message", page.events[i].message);
		json_write_key_int(q->w, "ingestionTime", page.events[i].ingestion_ms);
		json_write_close(q->w);
	}
	json_write_close(q->w);
	logs_write_token(q->w, "nextForwardToken", page.forward);
	logs_write_token(q->w, "nextBackwardToken", page.backward);
	log_page_release(&page);
	return 0;
}

static void write_filtered(const struct logs_request *q, const struct log_event *e)
{
	char id[64];
	snprintf(id, sizeof id, "%024" PRIu64 "%032" PRIu64, e->segment, e->offset);
	json_write_object(q->w);
	json_write_key_str(q->w, "logStreamName", e->stream);
	json_write_key_int(q->w, "timestamp", e->timestamp_ms);
	json_write_key_str(q->w, "message", e->message);
	json_write_key_int(q->w, "ingestionTime", e->ingestion_ms);
	json_write_key_z(q->w, "eventId", id);
	json_write_close(q->w);
}

/* A first page says when a stream that was named is none. */
static int check_streams(const struct logs_request *q, const struct logs_filter *f)
{
	int64_t created_ms;
	for (size_t i = 0; i < f->stream_count && !f->token.n; i++) {
		int found = logs_find_stream(q->logs, f->group, f->streams[i], &created_ms, q->err);
		if (found <= 0)
			return found < 0 ? -1 : error_set(q->err, ERR_NOT_FOUND, "The specified log stream does not exist.");
	}
	return 0;
}

int logs_FilterLogEvents(const struct logs_request *q)
{
	struct str names[STREAM_NAMES_MAX];
	struct logs_filter f = {.streams = names};
	struct log_page page;
	int n = -1;
	if (logs_member_any_group(q, &f.group) < 0 || (n = logs_member_texts(q, "logStreamNames", 1, STREAM_NAMES_MAX, 512, names)) < 0 ||
	    logs_member_text(q, "logStreamNamePrefix", 1, 512, LOGS_TEXT_STREAM, &f.stream_prefix) < 0 ||
	    logs_member_text(q, "filterPattern", 0, LOGS_PATTERN_MAX, LOGS_TEXT_ANY, &f.pattern) < 0 ||
	    logs_member_text(q, "nextToken", 1, 1024, LOGS_TEXT_ANY, &f.token) < 0 ||
	    logs_member_text(q, "mayflyRequestId", 1, 64, LOGS_TEXT_ANY, &f.request_id) < 0 || logs_member_range(q, &f.range) < 0 ||
	    logs_member_limit(q, LOGS_PAGE_EVENTS, &f.limit) < 0)
		return -1;
	f.stream_count = (size_t)n;
	if (f.stream_count && f.stream_prefix.n)
		return error_set(q->err, ERR_INVALID, "logStreamNamePrefix and logStreamNames are mutually exclusive parameters.");
	if (check_streams(q, &f) < 0 || logs_filter_events(q->logs, &f, &page, q->err) < 0)
		return -1;
	json_write_key(q->w, "events");
	json_write_array(q->w);
	for (size_t i = 0; i < page.count; i++)
		write_filtered(q, &page.events[i]);
	json_write_close(q->w);
	json_write_key(q->w, "searchedLogStreams"); /* AWS leaves it empty since 2019 */
	json_write_array(q->w);
	json_write_close(q->w);
	logs_write_token(q->w, "nextToken", page.next);
	log_page_release(&page);
	return 0;
}

static void write_match(const struct logs_request *q, const struct pattern *p, unsigned number, struct str message)
{
	json_write_object(q->w);
	json_write_key_int(q->w, "eventNumber", number);
	json_write_key_str(q->w, "eventMessage", message);
	json_write_key(q->w, "extractedValues");
	json_write_object(q->w);
	logs_pattern_extract(p, message, q->w);
	json_write_close(q->w);
	json_write_close(q->w);
}

/* All messages are matched at once, on the loop. */
static bool too_much(const struct pattern *p, const struct str *messages, int n)
{
	uint64_t bytes = 0;
	for (int i = 0; i < n; i++)
		bytes += messages[i].n;
	return n > 1 && bytes * logs_pattern_cost(p) > LOGS_SCAN_BYTES;
}

int logs_TestMetricFilter(const struct logs_request *q)
{
	struct str text, messages[TEST_MESSAGES_MAX];
	int n = -1;
	if (logs_need(q, "filterPattern") < 0 || logs_need(q, "logEventMessages") < 0 ||
	    logs_member_text(q, "filterPattern", 0, LOGS_PATTERN_MAX, LOGS_TEXT_ANY, &text) < 0 ||
	    (n = logs_member_texts(q, "logEventMessages", 1, TEST_MESSAGES_MAX, LOG_LINE_MAX, messages)) < 0)
		return -1;
	struct pattern *p = logs_pattern_new(text, q->err);
	if (!p)
		return -1;
	if (too_much(p, messages, n)) {
		logs_pattern_free(p);
		return error_set(q->err, ERR_INVALID, "The messages are too long to be tested together with this pattern: send fewer or shorter ones.");
	}
	json_write_key(q->w, "matches");
	json_write_array(q->w);
	for (int i = 0; i < n; i++) {
		if (logs_pattern_matches(p, messages[i]))
			write_match(q, p, (unsigned)i + 1, messages[i]);
	}
	json_write_close(q->w);
	logs_pattern_free(p);
	return 0;
}
