/* Operations on functions and versions. */
#include <stdio.h>
#include <string.h>

#include "control/api/api_priv.h"
#include "core/base/cleanup.h"
#include "core/json/value.h"
#include "core/spec/limits.h"

#define PAGE_MAX 50
#define MARKER_SIZE 160

/* The registry's answer is the operation's: each with its status. */
static void done(struct api_call *call, int status, json_t *result, const struct error *err)
{
	if (err)
		api_fail_error(call, err);
	else if (status == 204)
		api_reply_empty(call, status);
	else
		api_reply_json(call, status, result);
}

static void done_200(void *arg, json_t *result, const struct error *err)
{
	done(arg, 200, result, err);
}

static void done_201(void *arg, json_t *result, const struct error *err)
{
	done(arg, 201, result, err);
}

static void done_204(void *arg, json_t *result, const struct error *err)
{
	done(arg, 204, result, err);
}

/* ---- code ---- */

/* Where the package comes from; false: answered. */
static bool check_source(struct api_call *call, const json_t *source)
{
	if (json_value_text(json_object_get(source, "S3Bucket")).p || json_value_text(json_object_get(source, "S3Key")).p)
		api_fail(call, ERR_UNSUPPORTED, "Code from S3 is not implemented by this server: it holds no buckets. Send the package as ZipFile.");
	else if (!call->has_zip)
		api_fail(call, ERR_INVALID, "Please provide a source for function code.");
	else
		return true;
	return false;
}

static struct http_blob take_zip(struct api_call *call)
{
	struct http_blob zip = call->zip;
	call->zip = (struct http_blob){0};
	return zip;
}

/* ---- create ---- */

static bool create_ref(struct api_call *call, struct function_ref *ref)
{
	struct str name = api_text(call, "FunctionName");
	call->params[call->param_count++] = (struct api_param){STR("FunctionName"), name};
	if (!api_unqualified(call, ref))
		return false;
	if (ref->name.n <= FUNCTION_NAME_MAX)
		return true;
	api_fail(call, ERR_INVALID, "1 validation error detected: Value '" STR_FMT "' at 'functionName' failed to satisfy constraint: "
	         "Member must have length less than or equal to %d", STR_ARG(ref->name), FUNCTION_NAME_MAX);
	return false;
}

void api_create_function(struct api_call *call)
{
	struct function_ref ref;
	if (!create_ref(call, &ref) || !api_check_configuration(call, &ref, true) ||
	    !check_source(call, json_object_get(call->json, "Code")))
		return;
	CLEANUP_JSON json_t *config = api_configuration(call, ref.name, NULL);
	struct registry_create create = {.name = ref.name, .config = config, .tags = json_object_get(call->json, "Tags"),
	                                 .zip = take_zip(call), .publish = api_flag(call, "Publish")};
	registry_create(call->api->deps.registry, &create, done_201, call);
}

/* ---- read ---- */

static json_t *code_section(struct api_call *call, const struct function_ref *ref, struct error *err)
{
	struct blob_id id;
	if (registry_package(call->api->deps.registry, ref->name, ref->qualifier, &id, err) < 0)
		return NULL;
	const char *link = api_link(call, &id);
	json_t *code = json_pack("{s:s, s:s}", "RepositoryType", "S3", "Location", link ? link : "");
	CLEANUP_JSON json_t *key = registry_source_key(call->api->deps.registry, ref->name, ref->qualifier);
	if (code && key)
		json_object_set(code, "SourceKMSKeyArn", key);
	return code;
}

void api_get_function(struct api_call *call)
{
	struct function_ref ref;
	struct error err = {0};
	struct registry *r = call->api->deps.registry;
	bool found;
	if (!api_function_ref(call, &ref))
		return;
	CLEANUP_JSON json_t *config = registry_show(r, ref.name, ref.qualifier, &err);
	CLEANUP_JSON json_t *code = config ? code_section(call, &ref, &err) : NULL;
	CLEANUP_JSON json_t *tags = code ? registry_tags(r, ref.name, &err) : NULL;
	if (!tags) {
		api_fail_error(call, &err);
		return;
	}
	json_t *answer = json_pack("{s:O, s:O}", "Configuration", config, "Code", code);
	if (json_object_size(tags))
		json_object_set(answer, "Tags", tags);
	int reserved = registry_reserved(r, ref.name, &found);
	if (reserved >= 0)
		json_object_set_new(answer, "Concurrency", json_pack("{s:i}", "ReservedConcurrentExecutions", reserved));
	api_reply_new(call, 200, answer);
}

void api_get_function_configuration(struct api_call *call)
{
	struct function_ref ref;
	struct error err = {0};
	if (!api_function_ref(call, &ref))
		return;
	json_t *config = registry_show(call->api->deps.registry, ref.name, ref.qualifier, &err);
	if (config)
		api_reply_new(call, 200, config);
	else
		api_fail_error(call, &err);
}

/* Takes page->rows. */
static void reply_page(struct api_call *call, struct registry_page *page, const char *key, int rc, const struct error *err)
{
	CLEANUP_JSON json_t *rows = page->rows;
	char next[BASE64_SIZE(MARKER_SIZE)];
	if (rc < 0) {
		api_fail_error(call, err);
		return;
	}
	json_t *answer = json_pack("{s:O}", key, rows);
	if (*page->next) {
		base64_encode(next, page->next, strlen(page->next));
		json_object_set_new(answer, "NextMarker", json_string(next));
	}
	api_reply_new(call, 200, answer);
}

void api_list_functions(struct api_call *call)
{
	struct registry_page page;
	struct error err = {0};
	char next[MARKER_SIZE] = "";
	if (!api_wants_page(call, &page, next, sizeof next, PAGE_MAX))
		return;
	bool all = api_query(call, "FunctionVersion").n > 0;
	int rc = registry_list(call->api->deps.registry, all, &page, &err);
	reply_page(call, &page, "Functions", rc, &err);
}

void api_list_versions_by_function(struct api_call *call)
{
	struct function_ref ref;
	struct registry_page page;
	struct error err = {0};
	char next[MARKER_SIZE] = "";
	if (!api_function_ref(call, &ref) || !api_wants_page(call, &page, next, sizeof next, PAGE_MAX))
		return;
	int rc = registry_list_versions(call->api->deps.registry, ref.name, &page, &err);
	reply_page(call, &page, "Versions", rc, &err);
}

/* ---- change ---- */

void api_delete_function(struct api_call *call)
{
	struct function_ref ref;
	if (api_function_ref(call, &ref))
		registry_delete(call->api->deps.registry, ref.name, ref.qualifier, done_204, call);
}

void api_update_function_code(struct api_call *call)
{
	struct function_ref ref;
	struct registry *r = call->api->deps.registry;
	if (!api_unqualified(call, &ref))
		return;
	if (!registry_exists(r, ref.name)) {
		api_not_found(call, &ref);
		return;
	}
	if (api_text(call, "ImageUri").p) {
		api_fail(call, ERR_INVALID, "Please don't provide ImageUri when updating a function with packageType Zip.");
		return;
	}
	if (!api_check_offered(call) || !check_source(call, call->json))
		return;
	const json_t *architectures = json_object_get(call->json, "Architectures");
	CLEANUP_JSON json_t *patch = architectures ? json_pack("{s:O}", "Architectures", architectures) : json_object();
	api_put_source_key(call, patch, call->json);
	struct registry_update update = {.name = ref.name, .revision = api_text(call, "RevisionId"), .config = patch,
	                                 .has_code = true, .zip = take_zip(call), .publish = api_flag(call, "Publish"),
	                                 .dry_run = api_flag(call, "DryRun")};
	registry_update(r, &update, done_200, call);
}

void api_update_function_configuration(struct api_call *call)
{
	struct function_ref ref;
	struct error err = {0};
	struct registry *r = call->api->deps.registry;
	if (!api_unqualified(call, &ref))
		return;
	CLEANUP_JSON json_t *now = registry_show(r, ref.name, STR_NULL, &err);
	if (!now) {
		api_fail_error(call, &err);
		return;
	}
	if (!api_check_configuration(call, &ref, false))
		return;
	CLEANUP_JSON json_t *patch = api_configuration(call, ref.name, now);
	struct registry_update update = {.name = ref.name, .revision = api_text(call, "RevisionId"), .config = patch};
	registry_update(r, &update, done_200, call);
}

void api_publish_version(struct api_call *call)
{
	struct function_ref ref;
	if (!api_unqualified(call, &ref) || !api_check_offered(call))
		return;
	struct registry_publish publish = {.name = ref.name, .code_sha256 = api_text(call, "CodeSha256"),
	                                   .revision = api_text(call, "RevisionId"),
	                                   .description = api_text(call, "Description")};
	registry_publish(call->api->deps.registry, &publish, done_201, call);
}

/* ---- aliases ---- */

static bool alias_change(struct api_call *call, struct registry_alias_change *change)
{
	struct function_ref ref;
	if (!api_unqualified(call, &ref))
		return false;
	*change = (struct registry_alias_change){
		.name = ref.name,
		.alias = api_param(call, "Name").p ? api_param(call, "Name") : api_text(call, "Name"),
		.version = api_text(call, "FunctionVersion"),
		.description = api_text(call, "Description"),
		.revision = api_text(call, "RevisionId"),
		.weights = json_object_get(json_object_get(call->json, "RoutingConfig"), "AdditionalVersionWeights"),
	};
	return true;
}

void api_create_alias(struct api_call *call)
{
	struct registry_alias_change change;
	if (alias_change(call, &change))
		registry_alias_create(call->api->deps.registry, &change, done_201, call);
}

void api_update_alias(struct api_call *call)
{
	struct registry_alias_change change;
	if (alias_change(call, &change))
		registry_alias_update(call->api->deps.registry, &change, done_200, call);
}

void api_delete_alias(struct api_call *call)
{
	struct function_ref ref;
	if (api_unqualified(call, &ref))
		registry_alias_delete(call->api->deps.registry, ref.name, api_param(call, "Name"), done_204, call);
}

void api_get_alias(struct api_call *call)
{
	struct function_ref ref;
	struct error err = {0};
	if (!api_unqualified(call, &ref))
		return;
	json_t *alias = registry_alias(call->api->deps.registry, ref.name, api_param(call, "Name"), &err);
	if (alias)
		api_reply_new(call, 200, alias);
	else
		api_fail_error(call, &err);
}

void api_list_aliases(struct api_call *call)
{
	struct function_ref ref;
	struct registry_page page;
	struct error err = {0};
	char next[MARKER_SIZE] = "";
	if (!api_unqualified(call, &ref) || !api_wants_page(call, &page, next, sizeof next, 10000))
		return;
	int rc = registry_list_aliases(call->api->deps.registry, ref.name, api_query(call, "FunctionVersion"), &page, &err);
	reply_page(call, &page, "Aliases", rc, &err);
}
