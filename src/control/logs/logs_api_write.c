/* The operations that change something. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/logs/logs_api_priv.h"
#include "control/logs/manage.h"
#include "control/logs/read_priv.h"

#define BATCH_EVENTS_MAX 10000u
#define TAG_KEYS_MAX 50u

/* ---- groups and streams ---- */

int logs_CreateLogGroup(const struct logs_request *q)
{
	struct logs_new_group g = {0};
	json_t *tags;
	if (logs_member_group(q, &g.name) < 0 || logs_member_text(q, "kmsKeyId", 0, 256, LOGS_TEXT_ANY, &g.kms_key) < 0 ||
	    logs_member_text(q, "logGroupClass", 0, 64, LOGS_TEXT_ANY, &g.class_name) < 0 || logs_member_tags(q, &tags) < 0 ||
	    logs_member_bool(q, "deletionProtectionEnabled", &g.protected) < 0)
		return -1;
	if (g.class_name.n && !str_eqz(g.class_name, "STANDARD") && !str_eqz(g.class_name, "INFREQUENT_ACCESS") && !str_eqz(g.class_name, "DELIVERY"))
		return logs_bad_member(q, "logGroupClass", g.class_name, "Member must satisfy enum value set: [STANDARD, INFREQUENT_ACCESS, DELIVERY]");
	if (str_starts(g.name, STR("aws/")))
		return error_set(q->err, ERR_INVALID, "Log groups starting with AWS/ are reserved for AWS.");
	g.tags = tags;
	return logs_create_group(q->logs, &g, q->err);
}

int logs_DeleteLogGroup(const struct logs_request *q)
{
	struct str group;
	return logs_member_group(q, &group) < 0 ? -1 : logs_delete_group(q->logs, group, q->err);
}

static int get_stream(const struct logs_request *q, struct str *group, struct str *stream)
{
	if (logs_member_group(q, group) < 0 || logs_need(q, "logStreamName") < 0)
		return -1;
	return logs_member_text(q, "logStreamName", 1, 512, LOGS_TEXT_STREAM, stream) < 0 ? -1 : 0;
}

int logs_CreateLogStream(const struct logs_request *q)
{
	struct str group, stream;
	return get_stream(q, &group, &stream) < 0 ? -1 : logs_create_stream(q->logs, group, stream, q->err);
}

int logs_DeleteLogStream(const struct logs_request *q)
{
	struct str group, stream;
	return get_stream(q, &group, &stream) < 0 ? -1 : logs_delete_stream(q->logs, group, stream, q->err);
}

/* ---- retention, protection ---- */

int logs_PutRetentionPolicy(const struct logs_request *q)
{
	static const int allowed[] = {1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653};
	struct str group;
	int64_t days = 0;
	char text[24];
	if (logs_member_group(q, &group) < 0 || logs_need(q, "retentionInDays") < 0 ||
	    json_value_int(q->body, "retentionInDays", INT32_MIN, INT32_MAX, &days, q->err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(allowed); i++) {
		if (days == allowed[i])
			return logs_set_retention(q->logs, group, (unsigned)days, q->err);
	}
	snprintf(text, sizeof text, "%d", (int)days);
	return logs_bad_member(q, "retentionInDays", str_from(text),
	                       "Member must satisfy enum value set: [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, "
	                       "2192, 2557, 2922, 3288, 3653]");
}

int logs_DeleteRetentionPolicy(const struct logs_request *q)
{
	struct str group;
	return logs_member_group(q, &group) < 0 ? -1 : logs_set_retention(q->logs, group, 0, q->err);
}

int logs_PutLogGroupDeletionProtection(const struct logs_request *q)
{
	struct str id;
	bool protected;
	if (logs_need(q, "logGroupIdentifier") < 0 || logs_need(q, "deletionProtectionEnabled") < 0 ||
	    logs_member_text(q, "logGroupIdentifier", 1, 2048, LOGS_TEXT_ANY, &id) < 0 ||
	    logs_member_bool(q, "deletionProtectionEnabled", &protected) < 0)
		return -1;
	return logs_set_protected(q->logs, logs_identifier_group(id), protected, q->err);
}

/* ---- tags ---- */

static int get_resource(const struct logs_request *q, struct str *group)
{
	struct str arn, piece, rest;
	if (logs_need(q, "resourceArn") < 0 || logs_member_text(q, "resourceArn", 1, 1011, LOGS_TEXT_ANY, &arn) < 0)
		return -1;
	rest = arn;
	for (int i = 0; i < 6; i++)
		str_split(&rest, ':', &piece);
	if (!str_starts(arn, STR("arn:")) || !str_eqz(piece, "log-group") || !rest.n)
		return logs_bad_member(q, "resourceArn", arn, "Member must be the ARN of a log group");
	*group = logs_identifier_group(arn);
	return 0;
}

static int add_tags(const struct logs_request *q, struct str group)
{
	json_t *tags;
	if (logs_need(q, "tags") < 0 || logs_member_tags(q, &tags) < 0)
		return -1;
	return logs_change_tags(q->logs, group, tags, NULL, q->err);
}

static int remove_tags(const struct logs_request *q, struct str group, const char *key)
{
	struct str keys[TAG_KEYS_MAX];
	if (logs_need(q, key) < 0 || logs_member_texts(q, key, 0, TAG_KEYS_MAX, 128, keys) < 0)
		return -1;
	return logs_change_tags(q->logs, group, NULL, json_object_get(q->body, key), q->err);
}

static int list_tags(const struct logs_request *q, struct str group)
{
	const char *key;
	json_t *value;
	CLEANUP_JSON json_t *tags = logs_tags(q->logs, group, q->err);
	if (!tags)
		return -1;
	json_write_key(q->w, "tags");
	json_write_object(q->w);
	json_object_foreach(tags, key, value)
		json_write_key_str(q->w, key, json_value_text(value));
	json_write_close(q->w);
	return 0;
}

int logs_TagResource(const struct logs_request *q)
{
	struct str group;
	return get_resource(q, &group) < 0 ? -1 : add_tags(q, group);
}

int logs_UntagResource(const struct logs_request *q)
{
	struct str group;
	return get_resource(q, &group) < 0 ? -1 : remove_tags(q, group, "tagKeys");
}

int logs_ListTagsForResource(const struct logs_request *q)
{
	struct str group;
	return get_resource(q, &group) < 0 ? -1 : list_tags(q, group);
}

int logs_TagLogGroup(const struct logs_request *q)
{
	struct str group;
	return logs_member_group(q, &group) < 0 ? -1 : add_tags(q, group);
}

int logs_UntagLogGroup(const struct logs_request *q)
{
	struct str group;
	return logs_member_group(q, &group) < 0 ? -1 : remove_tags(q, group, "tags");
}

int logs_ListTagsLogGroup(const struct logs_request *q)
{
	struct str group;
	return logs_member_group(q, &group) < 0 ? -1 : list_tags(q, group);
}

/* ---- events ---- */

static int get_event(const struct logs_request *q, const json_t *one, size_t i, struct logs_event *e)
{
	char key[64];
	const struct logs_request inner = {q->logs, one, q->w, q->err};
	bool has_time = json_is_number(json_object_get(one, "timestamp"));
	snprintf(key, sizeof key, "logEvents.%zu.member.%s", i + 1, has_time ? "message" : "timestamp");
	if (!has_time || !json_is_string(json_object_get(one, "message")))
		return logs_bad_member(q, key, STR_NULL, "Member must not be null");
	e->message = json_value_text(json_object_get(one, "message"));
	if (!e->message.n)
		return logs_bad_member(q, key, e->message, "Member must have length greater than or equal to 1");
	return logs_member_int(&inner, "timestamp", 0, INT64_MAX, &e->timestamp_ms) < 0 ? -1 : 0;
}

static void write_rejected(struct json_writer *w, const struct logs_rejected *r)
{
	const struct {
		const char *key;
		int64_t index;
	} members[] = {{"tooNewLogEventStartIndex", r->too_new_start}, {"tooOldLogEventEndIndex", r->too_old_end},
	               {"expiredLogEventEndIndex", r->expired_end}};
	if (r->too_new_start < 0 && r->too_old_end < 0 && r->expired_end < 0)
		return;
	json_write_key(w, "rejectedLogEventsInfo");
	json_write_object(w);
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		if (members[i].index >= 0)
			json_write_key_int(w, members[i].key, members[i].index);
	}
	json_write_close(w);
}

int logs_PutLogEvents(const struct logs_request *q)
{
	struct str group, stream;
	struct logs_rejected rejected;
	char next[64];
	json_t *array = NULL, *one;
	size_t i;
	if (get_stream(q, &group, &stream) < 0 || logs_need(q, "logEvents") < 0 || json_value_array(q->body, "logEvents", &array, q->err) < 0)
		return -1;
	size_t n = json_array_size(array);
	if (n < 1 || n > BATCH_EVENTS_MAX)
		return logs_bad_member(q, "logEvents", STR("[...]"), n ? "Member must have length less than or equal to 10000"
		                                                       : "Member must have length greater than or equal to 1");
	CLEANUP_FREE struct logs_event *events = calloc(n, sizeof *events);
	if (!events)
		return error_set(q->err, ERR_NO_MEMORY, "no memory for log events");
	json_array_foreach(array, i, one) {
		if (get_event(q, one, i, &events[i]) < 0)
			return -1;
	}
	if (logs_put_events(q->logs, group, stream, events, n, &rejected, next, q->err) < 0)
		return -1;
	json_write_key_z(q->w, "nextSequenceToken", next);
	write_rejected(q->w, &rejected);
	return 0;
}
