/* Runtime management and scaling configurations: kept for each version and shown as they were put. Mayfly runs a version on the runtime
 * that is installed, and starts environments as they are needed, whatever they say. */
#include <string.h>

#include "control/api/api_priv.h"
#include "core/base/cleanup.h"
#include "core/json/value.h"

static void arn_of(const struct api_call *call, const struct function_ref *ref, char arn[FUNCTION_ARN_MAX])
{
	registry_arn(call->api->deps.registry, arn, ref->name, ref->qualifier);
}

/* ---- runtime management ---- */

static json_t *show_runtime(const struct api_call *call, const struct function_ref *ref, const json_t *row)
{
	char arn[FUNCTION_ARN_MAX];
	arn_of(call, ref, arn);
	json_t *shown = json_pack("{s:s, s:s}", "UpdateRuntimeOn", "Auto", "FunctionArn", arn);
	if (shown && row)
		json_object_update(shown, (json_t *)row);
	return shown;
}

void api_get_runtime_management_config(struct api_call *call)
{
	struct function_ref ref;
	if (api_existing(call, &ref))
		api_reply_new(call, 200, show_runtime(call, &ref, registry_kept(call->api->deps.registry, ref.name, ref.qualifier, KEPT_RUNTIME)));
}

static void on_runtime(void *arg, json_t *result, const struct error *err)
{
	struct api_call *call = arg;
	if (err)
		api_fail_error(call, err);
	else
		api_reply_new(call, 200, show_runtime(call, &call->ref, result));
}

void api_put_runtime_management_config(struct api_call *call)
{
	struct str mode = api_text(call, "UpdateRuntimeOn"), version = api_text(call, "RuntimeVersionArn");
	if (!api_existing(call, &call->ref))
		return;
	if (str_eqz(mode, "Manual") != (version.n > 0)) {
		api_fail(call, ERR_INVALID, version.n ? "RuntimeVersionArn can only be provided when UpdateRuntimeOn is Manual." :
		         "RuntimeVersionArn must be provided when UpdateRuntimeOn is Manual.");
		return;
	}
	CLEANUP_JSON json_t *row = json_pack("{s:o}", "UpdateRuntimeOn", json_value_new_str(mode));
	if (version.n)
		json_object_set_new(row, "RuntimeVersionArn", json_value_new_str(version));
	registry_keep(call->api->deps.registry, call->ref.name, call->ref.qualifier, KEPT_RUNTIME, row, on_runtime, call);
}

/* ---- scaling ---- */

void api_get_function_scaling_config(struct api_call *call)
{
	struct function_ref ref;
	char arn[FUNCTION_ARN_MAX];
	if (!api_existing(call, &ref))
		return;
	json_t *row = (json_t *)registry_kept(call->api->deps.registry, ref.name, ref.qualifier, KEPT_SCALING);
	arn_of(call, &ref, arn);
	if (row)
		api_reply_new(call, 200, json_pack("{s:s, s:O, s:O}", "FunctionArn", arn, "AppliedFunctionScalingConfig", row,
		              "RequestedFunctionScalingConfig", row));
	else
		api_fail(call, ERR_NOT_FOUND, "The resource you requested does not exist.");
}

static void on_scaling(void *arg, json_t *result, const struct error *err)
{
	if (err)
		api_fail_error(arg, err);
	else
		api_reply_new(arg, 202, json_pack("{s:s}", "FunctionState", "Active"));
}

void api_put_function_scaling_config(struct api_call *call)
{
	static const char *const names[] = {"MinExecutionEnvironments", "MaxExecutionEnvironments"};
	struct function_ref ref;
	const json_t *sent = json_object_get(call->json, "FunctionScalingConfig");
	if (!api_existing(call, &ref))
		return;
	CLEANUP_JSON json_t *row = json_object();
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const json_t *v = json_object_get(sent, names[i]);
		if (json_is_number(v))
			json_object_set_new(row, names[i], json_integer((json_int_t)json_number_value(v)));
	}
	const json_t *least = json_object_get(row, names[0]), *most = json_object_get(row, names[1]);
	if (least && most && json_integer_value(least) > json_integer_value(most)) {
		api_fail(call, ERR_INVALID, "MinExecutionEnvironments must be less than or equal to MaxExecutionEnvironments.");
		return;
	}
	/* None at all takes it away. */
	registry_keep(call->api->deps.registry, ref.name, ref.qualifier, KEPT_SCALING, json_object_size(row) ? row : NULL, on_scaling, call);
}
