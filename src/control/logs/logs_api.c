/* Requests' members, the table of operations, errors. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control/logs/logs_api_priv.h"
#include "control/logs/logs_priv.h"

#define ANSWER_MAX (32u << 20)
#define VALUE_SHOWN 60u
#define TAG_KEY_MAX 128u
#define TAG_VALUE_MAX 256u
#define TAGS_MAX 50u

/* ---- members of requests ---- */

int logs_bad_member(const struct logs_request *q, const char *key, struct str value, const char *what)
{
	const char *quote = value.p ? "'" : "";
	struct str shown = value.p ? str_sub(value, 0, VALUE_SHOWN) : STR("null");
	return error_set(q->err, ERR_VALIDATION, "1 validation error detected: Value %s" STR_FMT "%s at '%s' failed to satisfy constraint: %s",
	                 quote, STR_ARG(shown), quote, key, what);
}

int logs_need(const struct logs_request *q, const char *key)
{
	const json_t *v = json_object_get(q->body, key);
	return v && !json_is_null(v) ? 0 : logs_bad_member(q, key, STR_NULL, "Member must not be null");
}

static bool fits(struct str s, enum logs_text kind)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (kind == LOGS_TEXT_GROUP && !isalnum((unsigned char)c) && (!c || !strchr(".-_/#", c)))
			return false;
		if (kind == LOGS_TEXT_STREAM && (c == ':' || c == '*'))
			return false;
	}
	return true;
}

int logs_member_text(const struct logs_request *q, const char *key, size_t min, size_t max, enum logs_text kind, struct str *out)
{
	static const char *const patterns[] = {[LOGS_TEXT_GROUP] = "[\\.\\-_/#A-Za-z0-9]+", [LOGS_TEXT_STREAM] = "[^:*]*"};
	char what[100];
	*out = STR("");
	int found = json_value_str(q->body, key, out, q->err);
	if (found <= 0)
		return found;
	if (out->n < min)
		snprintf(what, sizeof what, "Member must have length greater than or equal to %zu", min);
	else if (out->n > max)
		snprintf(what, sizeof what, "Member must have length less than or equal to %zu", max);
	else if (!fits(*out, kind))
		snprintf(what, sizeof what, "Member must satisfy regular expression pattern: %s", patterns[kind]);
	else
		return 1;
	return logs_bad_member(q, key, *out, what);
}

int logs_member_int(const struct logs_request *q, const char *key, int64_t min, int64_t max, int64_t *out)
{
	int64_t v = 0;
	char what[80], text[32];
	int found = json_value_int(q->body, key, INT64_MIN, INT64_MAX, &v, q->err);
	if (found <= 0)
		return found;
	if (v < min || v > max) {
		snprintf(what, sizeof what, "Member must have value %s than or equal to %" PRId64, v < min ? "greater" : "less",
		         v < min ? min : max);
		snprintf(text, sizeof text, "%" PRId64, v);
		return logs_bad_member(q, key, str_from(text), what);
	}
	*out = v;
	return 1;
}

int logs_member_limit(const struct logs_request *q, int64_t max, unsigned *out)
{
	int64_t v = 0;
	if (logs_member_int(q, "limit", 1, max, &v) < 0)
		return -1;
	*out = (unsigned)v;
	return 0;
}

int logs_member_bool(const struct logs_request *q, const char *key, bool *out)
{
	*out = false;
	return json_value_bool(q->body, key, out, q->err);
}

int logs_member_range(const struct logs_request *q, struct log_range *r)
{
	int start = logs_member_int(q, "startTime", 0, INT64_MAX, &r->start_ms);
	int end = start < 0 ? -1 : logs_member_int(q, "endTime", 0, INT64_MAX, &r->end_ms);
	r->has_start = start > 0;
	r->has_end = end > 0;
	return end < 0 ? -1 : 0;
}

int logs_member_texts(const struct logs_request *q, const char *key, unsigned least, unsigned most, size_t each_max, struct str *out)
{
	json_t *array = NULL;
	char what[100];
	int found = json_value_array(q->body, key, &array, q->err);
	if (found <= 0)
		return found;
	size_t n = json_array_size(array);
	snprintf(what, sizeof what, "Member must have length %s than or equal to %u", n < least ? "greater" : "less", n < least ? least : most);
	if (n < least || n > most)
		return logs_bad_member(q, key, STR("[...]"), what);
	for (size_t i = 0; i < n; i++) {
		out[i] = json_value_text(json_array_get(array, i));
		if (!out[i].p || out[i].n < 1 || out[i].n > each_max) {
			snprintf(what, sizeof what, "Member must have length greater than or equal to 1, and less than or equal to %zu", each_max);
			return logs_bad_member(q, key, out[i], what);
		}
	}
	return (int)n;
}

int logs_member_tags(const struct logs_request *q, json_t **out)
{
	const char *key;
	json_t *value;
	*out = NULL;
	int found = json_value_str_map(q->body, "tags", out, q->err);
	if (found <= 0)
		return found;
	if (json_object_size(*out) < 1 || json_object_size(*out) > TAGS_MAX)
		return logs_bad_member(q, "tags", STR("{...}"), "Member must have length between 1 and 50, inclusive");
	json_object_foreach(*out, key, value) {
		struct str k = str_from(key), v = json_value_text(value);
		if (k.n < 1 || k.n > TAG_KEY_MAX || v.n > TAG_VALUE_MAX)
			return logs_bad_member(q, "tags", k, "keys have 1 to 128 characters, values 0 to 256");
		if (str_case_eq(str_sub(k, 0, 4), STR("aws:")))
			return error_set(q->err, ERR_INVALID, "aws: prefixed tag key names are not allowed for external use.");
	}
	return 1;
}

int logs_member_group(const struct logs_request *q, struct str *out)
{
	if (logs_need(q, "logGroupName") < 0)
		return -1;
	return logs_member_text(q, "logGroupName", 1, 512, LOGS_TEXT_GROUP, out) < 0 ? -1 : 0;
}

struct str logs_identifier_group(struct str id)
{
	struct str piece;
	if (!str_starts(id, STR("arn:")))
		return id;
	for (int i = 0; i < 6; i++)
		str_split(&id, ':', &piece);
	return str_ends(id, STR(":*")) ? str_sub(id, 0, id.n - 2) : id;
}

int logs_member_any_group(const struct logs_request *q, struct str *out)
{
	struct str name, id;
	int has_name = logs_member_text(q, "logGroupName", 1, 512, LOGS_TEXT_GROUP, &name);
	int has_id = has_name < 0 ? -1 : logs_member_text(q, "logGroupIdentifier", 1, 2048, LOGS_TEXT_ANY, &id);
	if (has_id < 0)
		return -1;
	if (has_name + has_id != 1)
		return error_set(q->err, ERR_INVALID, has_name ? "LogGroup name and LogGroup ARN are mutually exclusive parameters."
		                                               : "Either LogGroup name or LogGroup ARN must be specified.");
	*out = has_name ? name : logs_identifier_group(id);
	return 0;
}

/* ---- members of answers ---- */

void logs_write_token(struct json_writer *w, const char *key, const char *token)
{
	if (*token)
		json_write_key_z(w, key, token);
}

void logs_write_group_arn(const struct logs_request *q, const char *key, struct str name, const char *rest)
{
	char text[LOG_GROUP_NAME_MAX + LOG_STREAM_NAME_MAX + 200];
	int n = snprintf(text, sizeof text, "arn:aws:logs:%s:%s:log-group:" STR_FMT "%s", q->logs->region, q->logs->account,
	                 STR_ARG(name), rest);
	json_write_key_str(q->w, key, (struct str){text, (size_t)n});
}

/* ---- calls ---- */

static const struct {
	const char *name;
	int (*run)(const struct logs_request *q);
} operations[] = {
#define L(operation, note) {#operation, logs_##operation},
#include "control/logs/operations.def"
#undef L
};

static int run(struct logs *l, struct str operation, const json_t *body, struct buf *out, struct error *err)
{
	struct json_writer w;
	for (size_t i = 0; i < ARRAY_LEN(operations); i++) {
		if (!str_eqz(operation, operations[i].name))
			continue;
		json_write_init(&w, out);
		json_write_object(&w);
		if (operations[i].run(&(struct logs_request){l, body, &w, err}) < 0)
			return -1;
		json_write_close(&w);
		return json_write_done(&w) < 0 ? error_set(err, ERR_NO_MEMORY, "the answer is too large") : 0;
	}
	return error_set(err, ERR_UNKNOWN_OPERATION, "Mayfly does not have the operation " STR_FMT " of CloudWatch Logs",
	                 STR_ARG(str_sub(operation, 0, 64)));
}

const char *logs_api_error_type(const struct error *err, int *http_status)
{
	static const struct {
		enum error_code code;
		const char *type;
	} types[] = {
		{ERR_NOT_FOUND, "ResourceNotFoundException"}, {ERR_EXISTS, "ResourceAlreadyExistsException"},
		{ERR_INVALID, "InvalidParameterException"}, {ERR_VALIDATION, "InvalidParameterException"},
		{ERR_CONFLICT, "ValidationException"}, {ERR_CODE_STORAGE, "TooManyTagsException"},
		{ERR_THROTTLED, "LimitExceededException"}, {ERR_BAD_PAYLOAD, "SerializationException"},
		{ERR_UNKNOWN_OPERATION, "UnknownOperationException"}};
	*http_status = 400;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (types[i].code == err->code)
			return types[i].type;
	}
	*http_status = 503;
	return "ServiceUnavailableException";
}

void logs_api_answer(void *logs, struct str operation, const json_t *body,
                     void (*answer_cb)(void *answer, int status, const char *type, struct str body), void *answer)
{
	struct buf out;
	struct error err = {0};
	CLEANUP_JSON json_t *none = body ? NULL : json_object();
	buf_init(&out, ANSWER_MAX);
	if (run(logs, operation, body ? body : none, &out, &err) == 0) {
		answer_cb(answer, 200, NULL, str_eqz(buf_str(&out), "{}") ? STR("") : buf_str(&out));
	} else {
		int status;
		const char *type = logs_api_error_type(&err, &status);
		answer_cb(answer, status, type, str_from(err.msg));
	}
	buf_release(&out);
}
