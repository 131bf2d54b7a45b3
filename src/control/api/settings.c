/* Reserved concurrency, tags, account settings. */
#include <string.h>

#include "control/api/api_priv.h"
#include "core/base/cleanup.h"
#include "core/json/value.h"
#include "core/spec/limits.h"

static void done_204(void *arg, json_t *result, const struct error *err)
{
	if (err)
		api_fail_error(arg, err);
	else
		api_reply_empty(arg, 204);
}

/* ---- concurrency ---- */

static void on_reserved(void *arg, json_t *result, const struct error *err)
{
	struct api_call *call = arg;
	if (err)
		api_fail_error(call, err);
	else
		api_reply_json(call, 200, call->json);
}

void api_put_function_concurrency(struct api_call *call)
{
	struct function_ref ref;
	const json_t *v = json_object_get(call->json, "ReservedConcurrentExecutions");
	if (!api_unqualified(call, &ref))
		return;
	int reserved = (int)json_number_value(v);
	/* The answer is the request, less what it does not know. */
	json_t *answer = json_pack("{s:i}", "ReservedConcurrentExecutions", reserved);
	json_decref(call->json);
	call->json = answer;
	registry_reserve(call->api->deps.registry, ref.name, reserved, on_reserved, call);
}

void api_delete_function_concurrency(struct api_call *call)
{
	struct function_ref ref;
	if (api_unqualified(call, &ref))
		registry_reserve(call->api->deps.registry, ref.name, -1, done_204, call);
}

void api_get_function_concurrency(struct api_call *call)
{
	struct function_ref ref;
	bool found;
	if (!api_unqualified(call, &ref))
		return;
	int reserved = registry_reserved(call->api->deps.registry, ref.name, &found);
	if (!found)
		api_not_found(call, &ref);
	else
		api_reply_new(call, 200, reserved < 0 ? json_object() : json_pack("{s:i}", "ReservedConcurrentExecutions", reserved));
}

/* ---- tags ---- */

/* Resources of other kinds, of which there are none. */
static void fail_other(struct api_call *call, struct str arn)
{
	static const struct {
		const char *part, *name;
	} kinds[] = {{":capacity-provider:", "Capacity provider"}};
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (memmem(arn.p, arn.n, kinds[i].part, strlen(kinds[i].part))) {
			api_fail(call, ERR_NOT_FOUND, "%s not found: " STR_FMT, kinds[i].name, STR_ARG(arn));
			return;
		}
	}
	api_fail(call, ERR_NOT_FOUND, "The resource you requested does not exist.");
}

/* The function that an ARN in the path names; false: answered. */
static bool tagged(struct api_call *call, struct function_ref *ref)
{
	struct str arn = api_param(call, "Resource");
	call->params[call->param_count++] = (struct api_param){STR("FunctionName"), arn};
	if (!memmem(arn.p, arn.n, ":function:", strlen(":function:")) || !function_ref_parse(ref, arn)) {
		fail_other(call, arn);
		return false;
	}
	if (ref->qualifier.p) {
		api_fail(call, ERR_INVALID, "Tags on function aliases and versions are not supported. Please specify a function ARN.");
		return false;
	}
	return api_function_ref(call, ref);
}

void api_list_tags(struct api_call *call)
{
	struct function_ref ref;
	struct error err = {0};
	struct str mapping = api_mapping_uuid(api_param(call, "Resource"));
	if (mapping.p) {
		api_mapping_list_tags(call, mapping);
		return;
	}
	if (!tagged(call, &ref))
		return;
	json_t *tags = registry_tags(call->api->deps.registry, ref.name, &err);
	if (tags)
		api_reply_new(call, 200, json_pack("{s:o}", "Tags", tags));
	else
		api_fail_error(call, &err);
}

void api_tag_resource(struct api_call *call)
{
	struct function_ref ref;
	struct str mapping = api_mapping_uuid(api_param(call, "Resource"));
	json_t *tags = json_object_get(call->json, "Tags");
	if (mapping.p && api_check_tags(call, tags))
		api_mapping_tag(call, mapping, tags, NULL);
	else if (!mapping.p && tagged(call, &ref) && api_check_tags(call, tags))
		registry_tag(call->api->deps.registry, ref.name, tags, done_204, call);
}

void api_untag_resource(struct api_call *call)
{
	struct function_ref ref;
	struct str mapping = api_mapping_uuid(api_param(call, "Resource"));
	if (!mapping.p && !tagged(call, &ref))
		return;
	CLEANUP_JSON json_t *keys = json_array();
	for (size_t i = 0; i < call->query_count; i++) {
		if (str_eqz(call->query[i].name, "tagKeys"))
			json_array_append_new(keys, json_value_new_str(call->query[i].value));
	}
	if (mapping.p)
		api_mapping_tag(call, mapping, NULL, keys);
	else
		registry_untag(call->api->deps.registry, ref.name, keys, done_204, call);
}

/* ---- account ---- */

void api_get_account_settings(struct api_call *call)
{
	struct registry_totals totals;
	const struct api_deps *deps = &call->api->deps;
	registry_total(deps->registry, &totals);
	api_reply_new(call, 200, json_pack("{s:{s:I, s:I, s:I, s:I, s:I}, s:{s:I, s:I}}",
	              "AccountLimit",
	              "TotalCodeSize", (json_int_t)LIMIT_CODE_STORAGE_BYTES,
	              "CodeSizeUnzipped", (json_int_t)LIMIT_UNZIPPED_BYTES,
	              "CodeSizeZipped", (json_int_t)LIMIT_ZIP_BYTES,
	              "ConcurrentExecutions", (json_int_t)deps->settings->concurrency,
	              "UnreservedConcurrentExecutions", (json_int_t)registry_unreserved(deps->registry),
	              "AccountUsage",
	              "TotalCodeSize", (json_int_t)totals.code_bytes,
	              "FunctionCount", (json_int_t)totals.functions));
}
