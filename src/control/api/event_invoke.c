/* Event-invoke-configs: what becomes of asynchronous events. The records are the registry's. */
#include <string.h>

#include "control/api/api_priv.h"
#include "core/base/cleanup.h"
#include "core/json/value.h"
#include "core/spec/arn.h"

#define LIST_MOST 50

static void on_changed(void *arg, json_t *result, const struct error *err)
{
	if (err)
		api_fail_error(arg, err);
	else
		api_reply_json(arg, 200, result);
}

static void on_deleted(void *arg, json_t *result, const struct error *err)
{
	if (err)
		api_fail_error(arg, err);
	else
		api_reply_empty(arg, 204);
}

/* ---- destinations ---- */

static struct str destination(const struct api_call *call, const char *which)
{
	const json_t *config = json_object_get(call->json, "DestinationConfig");
	struct str arn = json_value_text(json_object_get(json_object_get(config, which), "Destination"));
	return arn.n ? arn : STR_NULL;
}

enum verdict { FINE, WRONG_KIND, ANSWERED };

static enum verdict check_function(struct api_call *call, const struct function_ref *ref, struct str arn)
{
	struct function_ref target;
	if (!function_ref_parse(&target, arn) || !registry_exists(call->api->deps.registry, target.name)) {
		api_fail(call, ERR_INVALID, "The destination ARN " STR_FMT " is invalid.", STR_ARG(arn));
		return ANSWERED;
	}
	if (str_eq(target.name, ref->name)) {
		api_fail(call, ERR_INVALID, "You can't specify the function as a destination for itself.");
		return ANSWERED;
	}
	return FINE;
}

/* Queues and buses may come later than what names them; functions may not. */
static enum verdict check_one(struct api_call *call, const struct function_ref *ref, struct str text)
{
	static const char *const kinds[] = {"sqs", "sns", "events", "s3"};
	struct arn arn;
	if (!text.p)
		return FINE;
	if (!arn_parse(&arn, text))
		return WRONG_KIND;
	if (str_eqz(arn.service, "lambda"))
		return check_function(call, ref, text);
	if (str_eqz(arn.service, "sqs") && str_ends(arn.resource, STR(".fifo"))) /* records have no group */
		return WRONG_KIND;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (str_eqz(arn.service, kinds[i]))
			return FINE;
	}
	return WRONG_KIND;
}

static const char *shown(struct api_call *call, const char *type, struct str arn)
{
	const char *text = arn.p ? arena_printf(&call->arena, "%s(destination=" STR_FMT ")", type, STR_ARG(arn)) : "null";
	return text ? text : "null";
}

static bool check_destinations(struct api_call *call, const struct function_ref *ref)
{
	struct str success = destination(call, "OnSuccess"), failure = destination(call, "OnFailure");
	enum verdict of_failure = check_one(call, ref, failure);
	enum verdict of_success = of_failure == ANSWERED ? ANSWERED : check_one(call, ref, success);
	if (of_success == ANSWERED)
		return false;
	if (of_failure == FINE && of_success == FINE)
		return true;
	api_fail(call, ERR_INVALID, "The provided destination config DestinationConfig(onSuccess=%s, onFailure=%s) is invalid.",
	         shown(call, "OnSuccess", success), shown(call, "OnFailure", failure));
	return false;
}

/* ---- operations ---- */

static bool says_something(const struct api_call *call)
{
	static const char *const members[] = {"MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig"};
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		const json_t *v = json_object_get(call->json, members[i]);
		if (v && !json_is_null(v))
			return true;
	}
	return false;
}

static void put(struct api_call *call, bool replace)
{
	struct function_ref ref;
	if (!api_function_ref(call, &ref))
		return;
	if (!says_something(call))
		api_fail(call, ERR_INVALID, "You must specify at least one of error handling or destination setting.");
	else if (!registry_exists(call->api->deps.registry, ref.name))
		api_fail(call, ERR_NOT_FOUND, "The function doesn't exist.");
	else if (check_destinations(call, &ref))
		registry_event_invoke_put(call->api->deps.registry, ref.name, ref.qualifier, call->json, replace, on_changed, call);
}

void api_put_function_event_invoke_config(struct api_call *call)
{
	put(call, true);
}

void api_update_function_event_invoke_config(struct api_call *call)
{
	put(call, false);
}

void api_delete_function_event_invoke_config(struct api_call *call)
{
	struct function_ref ref;
	if (api_function_ref(call, &ref))
		registry_event_invoke_delete(call->api->deps.registry, ref.name, ref.qualifier, on_deleted, call);
}

void api_get_function_event_invoke_config(struct api_call *call)
{
	struct function_ref ref;
	struct error err = {0};
	if (!api_function_ref(call, &ref))
		return;
	json_t *config = registry_event_invoke(call->api->deps.registry, ref.name, ref.qualifier, &err);
	if (config)
		api_reply_new(call, 200, config);
	else
		api_fail_error(call, &err);
}

void api_list_function_event_invoke_configs(struct api_call *call)
{
	struct function_ref ref;
	struct registry_page page;
	struct error err = {0};
	char next[FUNCTION_QUALIFIER_MAX + 1], marker[BASE64_SIZE(sizeof next)];
	if (!api_function_ref(call, &ref) || !api_wants_page(call, &page, next, sizeof next, LIST_MOST))
		return;
	CLEANUP_JSON json_t *rows = page.rows;
	if (registry_event_invoke_list(call->api->deps.registry, ref.name, &page, &err) < 0) {
		api_fail_error(call, &err);
		return;
	}
	json_t *answer = json_pack("{s:O}", "FunctionEventInvokeConfigs", rows);
	if (answer && *next) {
		base64_encode(marker, next, strlen(next));
		json_object_set_new(answer, "NextMarker", json_string(marker));
	}
	api_reply_new(call, 200, answer);
}
