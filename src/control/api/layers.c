/* Layers: versions, and their policies. */
#include <stdlib.h>
#include <string.h>

#include "control/api/api_priv.h"
#include "control/function/layer.h"
#include "core/base/cleanup.h"
#include "core/json/value.h"

#define PAGE_MAX 50
#define MARKER_SIZE 160

/* ---- which one ---- */

void api_layer_denied(struct api_call *call, struct str arn)
{
	const struct identity *who = identities_find(call->api->deps.identities, call->auth.access_key);
	struct str action = str_eqz(call->operation, "GetLayerVersionByArn") || !memmem(call->operation.p, call->operation.n, "Layer", 5)
	                            ? STR("GetLayerVersion") : call->operation;
	api_fail(call, ERR_ACCESS_DENIED, "User: %s is not authorized to perform: lambda:" STR_FMT " on resource: " STR_FMT " because no "
	         "resource-based policy allows the lambda:" STR_FMT " action", who ? who->arn : "anonymous", STR_ARG(action), STR_ARG(arn),
	         STR_ARG(action));
}

/* Of this account and region; false: answered. */
static bool is_ours(struct api_call *call, const struct layer_ref *ref, struct str text)
{
	const struct settings *s = call->api->deps.settings;
	if (ref->region.p && !str_eqz(ref->region, s->region)) {
		api_fail(call, ERR_NOT_FOUND, "Layers from '" STR_FMT "' are not reachable in this region ('%s')", STR_ARG(ref->region), s->region);
		return false;
	}
	if (!ref->account.p || str_eqz(ref->account, s->account))
		return true;
	api_layer_denied(call, text);
	return false;
}

/* The layer that the path names; false: answered. */
static bool layer_of(struct api_call *call, struct layer_ref *ref)
{
	struct str text = api_param(call, "LayerName");
	if (layer_ref_parse(ref, text))
		return is_ours(call, ref, text);
	api_fail(call, ERR_NOT_FOUND, "The resource you requested does not exist.");
	return false;
}

/* Moreover its version. */
static bool version_of(struct api_call *call, struct layer_ref *ref)
{
	uint64_t number = 0;
	if (!layer_of(call, ref))
		return false;
	if (str_to_u64(api_param(call, "VersionNumber"), UINT32_MAX - 1, &number) < 0 || number == 0) {
		api_fail(call, ERR_INVALID, "Layer Version Cannot be less than 1");
		return false;
	}
	ref->number = (unsigned)number;
	return true;
}

/* ---- versions ---- */

/* As the registry shows it (borrowed), with a link to its package. */
static void reply_version(struct api_call *call, int status, const json_t *version)
{
	CLEANUP_JSON json_t *answer = json_copy((json_t *)version), *content = json_copy(json_object_get(version, "Content"));
	struct str sum = json_value_text(json_object_get(content, "CodeSha256"));
	unsigned char bytes[64];
	struct blob_id id;
	size_t n = 0;
	if (sum.n == BASE64_SIZE(SHA256_SIZE) - 1 && base64_decode(bytes, &n, sum) == 0 && n == SHA256_SIZE) {
		memcpy(id.sha256, bytes, SHA256_SIZE);
		const char *link = api_link(call, &id);
		json_object_set_new(content, "Location", json_string(link ? link : ""));
	}
	json_object_set(answer, "Content", content);
	api_reply_json(call, status, answer);
}

static void on_published(void *arg, json_t *result, const struct error *err)
{
	if (err)
		api_fail_error(arg, err);
	else
		reply_version(arg, 201, result);
}

/* What is kept of the request; empty lists and texts say nothing, but for the description. */
static json_t *about(const struct api_call *call)
{
	static const char *const members[] = {"Description", "CompatibleRuntimes", "LicenseInfo", "CompatibleArchitectures"};
	json_t *json = json_pack("{s:s}", "Description", "");
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		json_t *value = json_object_get(call->json, members[i]);
		if (json_array_size(value) || json_string_length(value))
			json_object_set(json, members[i], value);
	}
	return json;
}

void api_publish_layer_version(struct api_call *call)
{
	struct layer_ref ref;
	if (!layer_of(call, &ref))
		return;
	const json_t *content = json_object_get(call->json, "Content");
	if (json_value_text(json_object_get(content, "S3Bucket")).p || json_value_text(json_object_get(content, "S3Key")).p) {
		api_fail(call, ERR_UNSUPPORTED, "Layers from S3 are not implemented by this server: it holds no buckets. Send the package as ZipFile.");
		return;
	}
	if (!call->has_zip) {
		api_fail(call, ERR_INVALID, "Please provide a source for layer content.");
		return;
	}
	CLEANUP_JSON json_t *json = about(call);
	struct registry_layer_publish publish = {.name = ref.name, .about = json, .zip = call->zip};
	call->zip = (struct http_blob){0};
	registry_layer_publish(call->api->deps.registry, &publish, on_published, call);
}

static void show(struct api_call *call, const struct layer_ref *ref)
{
	struct error err = {0};
	CLEANUP_JSON json_t *version = registry_layer(call->api->deps.registry, ref->name, ref->number, &err);
	if (version)
		reply_version(call, 200, version);
	else
		api_fail_error(call, &err);
}

void api_get_layer_version(struct api_call *call)
{
	struct layer_ref ref;
	if (version_of(call, &ref))
		show(call, &ref);
}

void api_get_layer_version_by_arn(struct api_call *call)
{
	struct layer_ref ref;
	struct str arn = api_query(call, "Arn");
	if (!layer_ref_parse(&ref, arn))
		api_fail(call, ERR_NOT_FOUND, "The resource you requested does not exist.");
	else if (is_ours(call, &ref, arn))
		show(call, &ref);
}

static void done_204(void *arg, json_t *result, const struct error *err)
{
	if (err)
		api_fail_error(arg, err);
	else
		api_reply_empty(arg, 204);
}

void api_delete_layer_version(struct api_call *call)
{
	struct layer_ref ref;
	if (version_of(call, &ref))
		registry_layer_delete(call->api->deps.registry, ref.name, ref.number, done_204, call);
}

/* ---- lists ---- */

/* `name` p NULL: of layers. */
static void reply_list(struct api_call *call, struct str name, const char *key)
{
	struct registry *r = call->api->deps.registry;
	struct registry_page page;
	struct error err = {0};
	char next[MARKER_SIZE] = "", marker[BASE64_SIZE(MARKER_SIZE)];
	if (!api_wants_page(call, &page, next, sizeof next, PAGE_MAX))
		return;
	struct registry_layer_filter filter = {api_query(call, "CompatibleRuntime"), api_query(call, "CompatibleArchitecture")};
	int rc = name.p ? registry_layer_list_versions(r, name, &filter, &page, &err) : registry_layer_list(r, &filter, &page, &err);
	CLEANUP_JSON json_t *answer = json_pack("{s:o}", key, page.rows);
	if (rc < 0) {
		api_fail_error(call, &err);
		return;
	}
	if (*next) {
		base64_encode(marker, next, strlen(next));
		json_object_set_new(answer, "NextMarker", json_string(marker));
	}
	api_reply_json(call, 200, answer);
}

void api_list_layers(struct api_call *call)
{
	reply_list(call, STR_NULL, "Layers");
}

void api_list_layer_versions(struct api_call *call)
{
	struct layer_ref ref;
	if (layer_of(call, &ref))
		reply_list(call, ref.name, "LayerVersions");
}

/* ---- policies ---- */

static json_t *statement_of(const struct api_call *call, const struct layer_ref *ref)
{
	char arn[LAYER_ARN_MAX];
	struct str principal = api_text(call, "Principal");
	json_t *who = str_eqz(principal, "*") ? json_string("*")
	              : str_starts(principal, STR("arn:")) ? json_pack("{s:s#}", "AWS", principal.p, (int)principal.n)
	              : json_pack("{s:o}", "AWS", json_sprintf("arn:aws:iam::" STR_FMT ":root", STR_ARG(principal)));
	registry_layer_arn(call->api->deps.registry, arn, ref->name, ref->number);
	json_t *statement = json_pack("{s:O, s:s, s:o, s:O, s:s}", "Sid", json_object_get(call->json, "StatementId"), "Effect", "Allow",
	                              "Principal", who, "Action", json_object_get(call->json, "Action"), "Resource", arn);
	if (api_text(call, "OrganizationId").n)
		json_object_set_new(statement, "Condition", json_pack("{s:{s:O}}", "StringEquals", "aws:PrincipalOrgID",
		                    json_object_get(call->json, "OrganizationId")));
	return statement;
}

static struct str revision_of(const struct api_call *call)
{
	struct str revision = api_query(call, "RevisionId");
	return revision.n ? revision : STR_NULL;
}

static void on_added(void *arg, json_t *result, const struct error *err)
{
	if (err)
		api_fail_error(arg, err);
	else
		api_reply_json(arg, 201, result);
}

void api_add_layer_version_permission(struct api_call *call)
{
	struct layer_ref ref;
	if (!version_of(call, &ref))
		return;
	CLEANUP_JSON json_t *statement = statement_of(call, &ref);
	registry_layer_permission_add(call->api->deps.registry, ref.name, ref.number, revision_of(call), statement, on_added, call);
}

void api_remove_layer_version_permission(struct api_call *call)
{
	struct layer_ref ref;
	if (version_of(call, &ref))
		registry_layer_permission_remove(call->api->deps.registry, ref.name, ref.number, api_param(call, "StatementId"), revision_of(call),
		                                 done_204, call);
}

void api_get_layer_version_policy(struct api_call *call)
{
	struct layer_ref ref;
	struct error err = {0};
	if (!version_of(call, &ref))
		return;
	json_t *policy = registry_layer_policy(call->api->deps.registry, ref.name, ref.number, &err);
	if (policy)
		api_reply_new(call, 200, policy);
	else
		api_fail_error(call, &err);
}
