/* The operations of CloudWatch Logs behind their protocol, private to control/logs.
 *
 * An operation reads members of the request and writes members of the answer, an object that is open. */
#ifndef MAYFLY_LOGS_LOGS_API_PRIV_H
#define MAYFLY_LOGS_LOGS_API_PRIV_H

#include "control/logs/logs_api.h"
#include "core/json/value.h"
#include "core/json/write.h"

struct logs_request {
	struct logs *logs;
	const json_t *body; /* an object */
	struct json_writer *w;
	struct error *err;
};

/* "1 validation error detected: Value '<value>' at '<key>' failed to satisfy constraint: <what>"; value p NULL: null. */
int logs_bad_member(const struct logs_request *q, const char *key, struct str value, const char *what);

enum logs_text { LOGS_TEXT_ANY, LOGS_TEXT_GROUP, LOGS_TEXT_STREAM };

/* As json_value_str, with limits and AWS's texts; `*out` is "" when it was not sent. */
int logs_member_text(const struct logs_request *q, const char *key, size_t min, size_t max, enum logs_text kind, struct str *out);
int logs_member_int(const struct logs_request *q, const char *key, int64_t min, int64_t max, int64_t *out);
int logs_member_limit(const struct logs_request *q, int64_t max, unsigned *out);
int logs_member_bool(const struct logs_request *q, const char *key, bool *out);
int logs_member_range(const struct logs_request *q, struct log_range *r);
/* Strings, least to most of them, `each_max` bytes each: how many, -1 on error; 0 when not sent. */
int logs_member_texts(const struct logs_request *q, const char *key, unsigned least, unsigned most, size_t each_max, struct str *out);
/* An object of tags; *out NULL when not sent. */
int logs_member_tags(const struct logs_request *q, json_t **out);
int logs_need(const struct logs_request *q, const char *key); /* that it was sent */
int logs_member_group(const struct logs_request *q, struct str *out);     /* logGroupName */
int logs_member_any_group(const struct logs_request *q, struct str *out); /* logGroupName or logGroupIdentifier */
/* The group's name in an identifier: a name, or "arn:aws:logs:REGION:ACCOUNT:log-group:NAME", perhaps with ":*". */
struct str logs_identifier_group(struct str id);

void logs_write_token(struct json_writer *w, const char *key, const char *token);
void logs_write_group_arn(const struct logs_request *q, const char *key, struct str name, const char *rest);

/* One function for each row of operations.def. */
#define L(operation, note) int logs_##operation(const struct logs_request *q);
#include "control/logs/operations.def"
#undef L

#endif
