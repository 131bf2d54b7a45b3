/* Event source mappings: the operations, and their tags. */
#include <string.h>

#include "control/api/api_priv.h"
#include "control/events/mapping.h"
#include "core/base/cleanup.h"
#include "core/json/value.h"

#define PAGE_MAX 100
#define ARN_PART ":event-source-mapping:"

/* A server without mappings (NULL) answers as one that has none; false: answered. */
static bool can_change(struct api_call *call)
{
	if (call->api->deps.mappings)
		return true;
	api_fail(call, ERR_UNSUPPORTED, "The operation " STR_FMT " is not implemented by this server.", STR_ARG(call->operation));
	return false;
}

static void fail_none(struct api_call *call)
{
	api_fail(call, ERR_NOT_FOUND, "The resource you requested does not exist.");
}

/* err->msg is the UUID of the mapping that is there already. */
static void fail_exists(struct api_call *call, const struct error *err)
{
	const char *source, *function;
	CLEANUP_JSON json_t *other = mapping_show(call->api->deps.mappings, str_from(err->msg), NULL);
	source = json_string_value(json_object_get(other, "EventSourceArn"));
	function = json_string_value(json_object_get(other, "FunctionArn"));
	const char *name = function ? strstr(function, ":function:") : NULL;
	api_fail(call, ERR_EXISTS, "An event source mapping with SQS arn (\" %s \") and function (\" %s \") already exists. Please update or delete "
	         "the existing mapping with UUID %s", source ? source : "", name ? name + strlen(":function:") : "", err->msg);
}

static void on_changed(void *arg, json_t *result, const struct error *err)
{
	struct api_call *call = arg;
	if (!err)
		api_reply_json(call, 202, result);
	else if (err->code == ERR_EXISTS)
		fail_exists(call, err);
	else
		api_fail_error(call, err);
}

/* Messages name no tenant. */
static bool check_tenancy(struct api_call *call)
{
	struct function_ref ref;
	struct str name = api_text(call, "FunctionName");
	if (!name.n || !function_ref_parse(&ref, name) || !api_has_tenants(call, &ref))
		return true;
	api_fail(call, ERR_INVALID, "Event source mappings are not supported for functions with tenancy configuration.");
	return false;
}

void api_create_event_source_mapping(struct api_call *call)
{
	json_t *tags = json_object_get(call->json, "Tags");
	if (can_change(call) && check_tenancy(call) && (!tags || api_check_tags(call, tags)))
		mapping_create(call->api->deps.mappings, call->json, on_changed, call);
}

void api_update_event_source_mapping(struct api_call *call)
{
	if (can_change(call) && check_tenancy(call))
		mapping_update(call->api->deps.mappings, api_param(call, "UUID"), call->json, on_changed, call);
}

void api_delete_event_source_mapping(struct api_call *call)
{
	if (can_change(call))
		mapping_delete(call->api->deps.mappings, api_param(call, "UUID"), on_changed, call);
}

void api_get_event_source_mapping(struct api_call *call)
{
	struct mappings *mappings = call->api->deps.mappings;
	json_t *view = mappings ? mapping_show(mappings, api_param(call, "UUID"), NULL) : NULL;
	if (view)
		api_reply_new(call, 200, view);
	else
		fail_none(call);
}

void api_list_event_source_mappings(struct api_call *call)
{
	struct registry_page page;
	char next[UUID_SIZE] = "", marker[BASE64_SIZE(UUID_SIZE)];
	if (!api_wants_page(call, &page, next, sizeof next, PAGE_MAX))
		return;
	CLEANUP_JSON json_t *rows = page.rows;
	struct mapping_list list = {.source_arn = api_query(call, "EventSourceArn"), .function = api_query(call, "FunctionName"),
	                            .marker = page.marker, .max = page.max, .rows = rows, .next = next};
	if (call->api->deps.mappings)
		mapping_list(call->api->deps.mappings, &list);
	json_t *answer = json_pack("{s:O}", "EventSourceMappings", rows);
	if (*next) {
		base64_encode(marker, next, strlen(next));
		json_object_set_new(answer, "NextMarker", json_string(marker));
	}
	api_reply_new(call, 200, answer);
}

/* ---- tags, for the operations on all kinds of resources ---- */

struct str api_mapping_uuid(struct str arn)
{
	const char *part = memmem(arn.p, arn.n, ARN_PART, strlen(ARN_PART));
	return part ? str_sub(arn, (size_t)(part - arn.p) + strlen(ARN_PART), arn.n) : STR_NULL;
}

static void fail_resource(struct api_call *call)
{
	struct str arn = api_param(call, "Resource");
	api_fail(call, ERR_NOT_FOUND, "Event source mapping not found: " STR_FMT, STR_ARG(arn));
}

static void on_tagged(void *arg, json_t *result, const struct error *err)
{
	struct api_call *call = arg;
	if (!err)
		api_reply_empty(call, 204);
	else if (err->code == ERR_NOT_FOUND)
		fail_resource(call);
	else
		api_fail_error(call, err);
}

void api_mapping_list_tags(struct api_call *call, struct str uuid)
{
	struct mappings *mappings = call->api->deps.mappings;
	json_t *tags = mappings ? mapping_tags(mappings, uuid, NULL) : NULL;
	if (tags)
		api_reply_new(call, 200, json_pack("{s:o}", "Tags", tags));
	else
		fail_resource(call);
}

void api_mapping_tag(struct api_call *call, struct str uuid, json_t *add, json_t *remove_keys)
{
	struct mappings *mappings = call->api->deps.mappings;
	if (mappings)
		mapping_tag(mappings, uuid, add, remove_keys, on_tagged, call);
	else
		fail_resource(call);
}
