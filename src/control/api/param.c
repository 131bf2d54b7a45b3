/* What a request says: path, query, headers, members of the body. */
#include <stdio.h>
#include <string.h>

#include "control/api/api_priv.h"
#include "core/json/value.h"

static struct str find(const struct api_param *list, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (str_eqz(list[i].name, name))
			return list[i].value;
	}
	return STR_NULL;
}

struct str api_param(const struct api_call *call, const char *name)
{
	return find(call->params, call->param_count, name);
}

struct str api_query(const struct api_call *call, const char *name)
{
	return find(call->query, call->query_count, name);
}

struct str api_header(const struct api_call *call, const char *name)
{
	struct http_request *req = call->conn ? http_conn_request(call->conn) : NULL;
	return req ? http_header(req, str_from(name)) : STR_NULL;
}

struct str api_text(const struct api_call *call, const char *key)
{
	return json_value_text(json_object_get(call->json, key));
}

bool api_flag(const struct api_call *call, const char *key)
{
	return json_is_true(json_object_get(call->json, key));
}

/* ---- functions ---- */

static void fail_account(struct api_call *call, const struct function_ref *ref)
{
	char arn[FUNCTION_ARN_MAX];
	const struct identity *who = identities_find(call->api->deps.identities, call->auth.access_key);
	snprintf(arn, sizeof arn, "arn:aws:lambda:%s:" STR_FMT ":function:" STR_FMT, call->api->deps.settings->region,
	         STR_ARG(ref->account), STR_ARG(ref->name));
	api_fail(call, ERR_ACCESS_DENIED, "User: %s is not authorized to perform: lambda:" STR_FMT " on resource: %s because no "
	         "resource-based policy allows the lambda:" STR_FMT " action", who ? who->arn : "anonymous",
	         STR_ARG(call->operation), arn, STR_ARG(call->operation));
}

bool api_function_ref(struct api_call *call, struct function_ref *ref)
{
	const struct settings *s = call->api->deps.settings;
	struct str text = api_param(call, "FunctionName"), qualifier = api_query(call, "Qualifier");
	if (!function_ref_parse(ref, text)) {
		api_fail(call, ERR_NOT_FOUND, "Function not found: " STR_FMT, STR_ARG(text));
		return false;
	}
	if (ref->region.p && !str_eqz(ref->region, s->region)) {
		api_fail(call, ERR_NOT_FOUND, "Functions from '" STR_FMT "' are not reachable in this region ('%s')",
		         STR_ARG(ref->region), s->region);
		return false;
	}
	if (ref->account.p && !str_eqz(ref->account, s->account)) {
		fail_account(call, ref);
		return false;
	}
	if (qualifier.p && ref->qualifier.p && !str_eq(qualifier, ref->qualifier)) {
		api_fail(call, ERR_INVALID, "The derived qualifier from the function name does not match the specified qualifier.");
		return false;
	}
	if (qualifier.n)
		ref->qualifier = qualifier;
	return true;
}

bool api_unqualified(struct api_call *call, struct function_ref *ref)
{
	if (!api_function_ref(call, ref))
		return false;
	if (!ref->qualifier.p)
		return true;
	api_fail(call, ERR_INVALID, "This operation is permitted on Lambda functions only. Aliases and versions do not support "
	         "this operation. Please specify either a function name or an unqualified function ARN.");
	return false;
}

bool api_wants_page(struct api_call *call, struct registry_page *page, char *next, size_t next_size, size_t most)
{
	struct str marker = api_query(call, "Marker");
	uint64_t max = most;
	str_to_u64(api_query(call, "MaxItems"), UINT32_MAX, &max);
	char *own = marker.n ? arena_alloc(&call->arena, marker.n) : NULL;
	size_t n = 0;
	/* Markers are handed out in base64, so that nobody builds on what is in them. */
	if (marker.n && (!own || base64_decode(own, &n, marker) < 0)) {
		api_fail(call, ERR_INVALID, "Invalid Marker: " STR_FMT, STR_ARG(marker));
		return false;
	}
	*page = (struct registry_page){.marker = n ? (struct str){own, n} : STR_NULL, .max = max < most ? max : most,
	                               .rows = json_array(), .next = next, .next_size = next_size};
	return true;
}
