/* Operations that read what cannot be configured here yet: they answer as AWS does for a function without any, so that
 * tools that look at everything before they change something can do so. */
#include <string.h>

#include "control/api/api_priv.h"
#include "core/base/cleanup.h"
#include "core/json/value.h"

bool api_existing(struct api_call *call, struct function_ref *ref)
{
	struct error err = {0};
	if (!api_function_ref(call, ref))
		return false;
	CLEANUP_JSON json_t *config = registry_show(call->api->deps.registry, ref->name, ref->qualifier, &err);
	if (config)
		return true;
	api_fail_error(call, &err);
	return false;
}

static void reply_list(struct api_call *call, const char *key)
{
	api_reply_new(call, 200, json_pack("{s:[]}", key));
}

void api_get_function_code_signing_config(struct api_call *call)
{
	struct function_ref ref;
	if (api_existing(call, &ref))
		api_reply_new(call, 200, json_pack("{s:s#}", "FunctionName", ref.name.p, (int)ref.name.n));
}

/* A version or alias that is there; false: answered. */
static bool provisionable(struct api_call *call)
{
	struct function_ref ref;
	struct error err = {0};
	unsigned number;
	if (!api_function_ref(call, &ref))
		return false;
	if (function_qualifier_kind(ref.qualifier, &number) == QUALIFIER_LATEST) {
		api_fail(call, ERR_INVALID, "The function resource provided must be an alias or a published version.");
		return false;
	}
	if (function_qualifier_kind(ref.qualifier, &number) == QUALIFIER_ALIAS) {
		CLEANUP_JSON json_t *alias = registry_alias(call->api->deps.registry, ref.name, ref.qualifier, &err);
		if (!alias) {
			api_fail_error(call, &err);
			return false;
		}
	}
	return api_existing(call, &ref);
}

void api_get_provisioned_concurrency_config(struct api_call *call)
{
	if (provisionable(call))
		api_fail(call, ERR_PROVISIONED_NOT_FOUND, "No Provisioned Concurrency Config found for this function");
}

void api_delete_provisioned_concurrency_config(struct api_call *call)
{
	if (provisionable(call))
		api_reply_empty(call, 204);
}

void api_list_provisioned_concurrency_configs(struct api_call *call)
{
	struct function_ref ref;
	if (api_existing(call, &ref))
		reply_list(call, "ProvisionedConcurrencyConfigs");
}

void api_list_code_signing_configs(struct api_call *call)
{
	reply_list(call, "CodeSigningConfigs");
}

/* A function without one. */
void api_delete_function_code_signing_config(struct api_call *call)
{
	struct function_ref ref;
	if (api_existing(call, &ref))
		api_reply_empty(call, 204);
}

bool api_check_signing(struct api_call *call)
{
	struct str arn = api_text(call, "CodeSigningConfigArn");
	if (!arn.n)
		return true;
	char *text = arena_printf(&call->arena, "The code signing configuration cannot be found. Check that the provided configuration is "
	                          "not deleted: " STR_FMT ".", STR_ARG(arn));
	api_fail_type(call, 404, "CodeSigningConfigNotFoundException", "Message", text ? text : "", NULL);
	return false;
}

void api_put_function_code_signing_config(struct api_call *call)
{
	struct function_ref ref;
	if (!api_existing(call, &ref) || !api_check_signing(call))
		return;
	UNREACHABLE(); /* an ARN is required, and none is known */
}

/* Of Get, Update, Delete and ListFunctions: none was ever made. */
void api_get_code_signing_config(struct api_call *call)
{
	struct str arn = api_param(call, "CodeSigningConfigArn");
	api_fail(call, ERR_NOT_FOUND, "The Lambda code signing configuration " STR_FMT " can not be found.", STR_ARG(arn));
}

void api_list_capacity_providers(struct api_call *call)
{
	reply_list(call, "CapacityProviders");
}

/* Of Get, Update, Delete and ListFunctionVersions. */
void api_get_capacity_provider(struct api_call *call)
{
	const struct settings *s = call->api->deps.settings;
	struct str name = api_param(call, "CapacityProviderName");
	api_fail(call, ERR_NOT_FOUND, "Capacity provider not found: arn:aws:lambda:%s:%s:capacity-provider:" STR_FMT, s->region,
	         s->account, STR_ARG(name));
}

void api_list_durable_executions_by_function(struct api_call *call)
{
	struct function_ref ref;
	if (api_existing(call, &ref))
		reply_list(call, "DurableExecutions");
}

/* Of all operations on one execution: no function starts any. */
void api_get_durable_execution(struct api_call *call)
{
	api_fail(call, ERR_NOT_FOUND, "Durable execution not found: " STR_FMT, STR_ARG(api_param(call, "DurableExecutionArn")));
}

void api_checkpoint_durable_execution(struct api_call *call)
{
	api_fail(call, ERR_INVALID, "Invalid Checkpoint Token");
}

void api_send_durable_execution_callback(struct api_call *call)
{
	api_fail(call, ERR_INVALID, "Invalid callback ID: " STR_FMT, STR_ARG(api_param(call, "CallbackId")));
}
