/* A function's resource-based policy: statements out of AddPermission's parameters, as AWS writes them. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "control/api/api_priv.h"
#include "core/base/cleanup.h"
#include "core/json/value.h"
#include "core/spec/arn.h"

#define ACCOUNT_DIGITS 12
#define URL_ACTION "lambda:InvokeFunctionUrl"

/* ---- the statement ---- */

static bool is_account(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (!isdigit((unsigned char)s.p[i]))
			return false;
	}
	return s.n == ACCOUNT_DIGITS;
}

static bool is_service(struct str s)
{
	static const char *const ends[] = {".amazonaws.com", ".amazonaws.com.cn", ".amazon.com"};
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		if (s.n > strlen(ends[i]) && str_ends(s, str_from(ends[i])))
			return true;
	}
	return false;
}

/* NULL: it is none. */
static json_t *principal_of(struct str s)
{
	struct arn arn;
	if (str_eqz(s, "*"))
		return json_string("*");
	if (is_account(s))
		return json_pack("{s:o}", "AWS", json_sprintf("arn:aws:iam::" STR_FMT ":root", STR_ARG(s)));
	if (is_service(s))
		return json_pack("{s:o}", "Service", json_value_new_str(s));
	if (arn_parse(&arn, s) && (str_eqz(arn.service, "iam") || str_eqz(arn.service, "sts")))
		return json_pack("{s:o}", "AWS", json_value_new_str(s));
	return NULL;
}

static void add_condition(json_t *conditions, const char *operator, const char *key, json_t *value)
{
	json_t *group = json_object_get(conditions, operator);
	if (!group) {
		group = json_object();
		json_object_set_new(conditions, operator, group);
	}
	json_object_set(group, key, value);
}

static json_t *conditions_of(const struct api_call *call)
{
	static const struct {
		const char *member, *operator, *key;
	} rows[] = {
		{"SourceAccount", "StringEquals", "AWS:SourceAccount"},
		{"EventSourceToken", "StringEquals", "lambda:EventSourceToken"},
		{"PrincipalOrgID", "StringEquals", "aws:PrincipalOrgID"},
		{"FunctionUrlAuthType", "StringEquals", "lambda:FunctionUrlAuthType"},
		{"SourceArn", "ArnLike", "AWS:SourceArn"},
	};
	json_t *conditions = json_object();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_t *value = json_object_get(call->json, rows[i].member);
		if (json_string_length(value))
			add_condition(conditions, rows[i].operator, rows[i].key, value);
	}
	if (api_flag(call, "InvokedViaFunctionUrl")) {
		CLEANUP_JSON json_t *yes = json_string("true");
		add_condition(conditions, "Bool", "lambda:InvokedViaFunctionUrl", yes);
	}
	return conditions;
}

/* NULL: answered. */
static json_t *statement_of(struct api_call *call, const struct function_ref *ref)
{
	char arn[FUNCTION_ARN_MAX];
	json_t *principal = principal_of(api_text(call, "Principal"));
	if (!principal) {
		api_fail(call, ERR_INVALID, "The provided principal was invalid. Please check the principal and try again.");
		return NULL;
	}
	registry_arn(call->api->deps.registry, arn, ref->name, ref->qualifier);
	json_t *statement = json_pack("{s:O, s:s, s:o, s:O, s:s}", "Sid", json_object_get(call->json, "StatementId"), "Effect", "Allow",
	                              "Principal", principal, "Action", json_object_get(call->json, "Action"), "Resource", arn);
	CLEANUP_JSON json_t *conditions = conditions_of(call);
	if (json_object_size(conditions))
		json_object_set(statement, "Condition", conditions);
	return statement;
}

/* ---- the operations ---- */

static void on_added(void *arg, json_t *result, const struct error *err)
{
	struct api_call *call = arg;
	if (err) {
		api_fail_error(call, err);
		return;
	}
	CLEANUP_FREE char *text = json_dumps(result, JSON_COMPACT);
	api_reply_new(call, 201, json_pack("{s:s}", "Statement", text ? text : ""));
}

static bool is_latest(const struct function_ref *ref)
{
	unsigned number;
	return ref->qualifier.p && function_qualifier_kind(ref->qualifier, &number) == QUALIFIER_LATEST;
}

void api_add_permission(struct api_call *call)
{
	struct function_ref ref;
	if (!api_function_ref(call, &ref))
		return;
	if (is_latest(&ref)) {
		api_fail(call, ERR_INVALID, "We currently do not support adding policies for $LATEST.");
		return;
	}
	if (api_text(call, "FunctionUrlAuthType").n && !str_eqz(api_text(call, "Action"), URL_ACTION)) {
		api_fail(call, ERR_INVALID, "FunctionUrlAuthType is only supported for the action " URL_ACTION ".");
		return;
	}
	CLEANUP_JSON json_t *statement = statement_of(call, &ref);
	struct str revision = api_text(call, "RevisionId");
	if (statement)
		registry_permission_add(call->api->deps.registry, ref.name, ref.qualifier, revision.n ? revision : STR_NULL, statement, on_added, call);
}

static void on_removed(void *arg, json_t *result, const struct error *err)
{
	if (err)
		api_fail_error(arg, err);
	else
		api_reply_empty(arg, 204);
}

void api_remove_permission(struct api_call *call)
{
	struct function_ref ref;
	struct str revision = api_query(call, "RevisionId");
	if (api_function_ref(call, &ref))
		registry_permission_remove(call->api->deps.registry, ref.name, ref.qualifier, api_param(call, "StatementId"),
		                           revision.n ? revision : STR_NULL, on_removed, call);
}

void api_get_policy(struct api_call *call)
{
	struct function_ref ref;
	struct error err = {0};
	if (!api_function_ref(call, &ref))
		return;
	json_t *policy = registry_policy(call->api->deps.registry, ref.name, ref.qualifier, &err);
	if (policy)
		api_reply_new(call, 200, policy);
	else
		api_fail_error(call, &err);
}
