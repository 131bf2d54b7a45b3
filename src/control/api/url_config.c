/* Function URLs: the five operations on their configs. What arrives at a URL is url.c's. */
#include <string.h>

#include "control/api/api_priv.h"
#include "control/function/url.h"
#include "control/url/host.h"
#include "core/base/cleanup.h"
#include "core/json/value.h"

#define LIST_MOST 50
#define URL_MAX 400

/* As the client reaches this server: the port that it named, on the name that leads every machine to itself. */
static void set_url(struct api_call *call, json_t *config)
{
	const struct settings *s = call->api->deps.settings;
	const char *id = json_string_value(json_object_get(config, "FunctionUrl"));
	const struct http_request *req = call->conn ? http_conn_request(call->conn) : NULL;
	struct str host = req ? req->host : STR_NULL;
	bool https = call->conn && http_conn_secure(call->conn);
	unsigned port = url_host_port(host.n ? host : str_from(s->listen), https);
	char url[URL_MAX], number[16] = "";
	if (port != (https ? 443 : 80))
		snprintf(number, sizeof number, ":%u", port);
	snprintf(url, sizeof url, "%s://%s.lambda-url.%s.localhost%s/", https ? "https" : "http", id ? id : "", s->region, number);
	json_object_set_new(config, "FunctionUrl", json_string(url));
}

/* The function that the path names, and which alias; false: answered. */
static bool target_of(struct api_call *call, struct function_ref *ref)
{
	unsigned number;
	if (!api_function_ref(call, ref))
		return false;
	enum qualifier_kind kind = function_qualifier_kind(ref->qualifier, &number);
	if (kind == QUALIFIER_NONE || kind == QUALIFIER_ALIAS)
		return true;
	api_fail(call, ERR_VALIDATION, "1 validation error detected: Value '" STR_FMT "' at 'qualifier' failed to satisfy constraint: Member must "
	         "satisfy regular expression pattern: ((?!^\\d+$)^[0-9a-zA-Z-_]+$)", STR_ARG(ref->qualifier));
	return false;
}

static void reply_config(struct api_call *call, int status, json_t *result, const struct error *err)
{
	if (err) {
		api_fail_error(call, err);
		return;
	}
	set_url(call, result);
	api_reply_json(call, status, result);
}

static void on_created(void *arg, json_t *result, const struct error *err)
{
	reply_config(arg, 201, result, err);
}

static void on_updated(void *arg, json_t *result, const struct error *err)
{
	reply_config(arg, 200, result, err);
}

static void on_deleted(void *arg, json_t *result, const struct error *err)
{
	if (err)
		api_fail_error(arg, err);
	else
		api_reply_empty(arg, 204);
}

/* Members of Cors that are null are as if they were not there. */
static void tidy(json_t *config)
{
	json_t *cors = json_object_get(config, "Cors"), *v;
	const char *key;
	void *next;
	json_object_foreach_safe(cors, next, key, v) {
		if (json_is_null(v))
			json_object_del(cors, key);
	}
}

void api_create_function_url_config(struct api_call *call)
{
	struct function_ref ref;
	if (!target_of(call, &ref))
		return;
	if (api_has_tenants(call, &ref)) { /* who calls a URL names no tenant */
		api_fail(call, ERR_INVALID, "Function URLs are not supported for functions with tenancy configuration.");
		return;
	}
	tidy(call->json);
	registry_url_create(call->api->deps.registry, ref.name, ref.qualifier, call->json, on_created, call);
}

void api_update_function_url_config(struct api_call *call)
{
	struct function_ref ref;
	if (!target_of(call, &ref))
		return;
	tidy(call->json);
	registry_url_update(call->api->deps.registry, ref.name, ref.qualifier, call->json, on_updated, call);
}

void api_delete_function_url_config(struct api_call *call)
{
	struct function_ref ref;
	if (target_of(call, &ref))
		registry_url_delete(call->api->deps.registry, ref.name, ref.qualifier, on_deleted, call);
}

void api_get_function_url_config(struct api_call *call)
{
	struct function_ref ref;
	struct error err = {0};
	if (!target_of(call, &ref))
		return;
	CLEANUP_JSON json_t *config = registry_url_show(call->api->deps.registry, ref.name, ref.qualifier, &err);
	reply_config(call, 200, config, config ? NULL : &err);
}

void api_list_function_url_configs(struct api_call *call)
{
	struct function_ref ref;
	struct registry_page page;
	struct error err = {0};
	char next[FUNCTION_QUALIFIER_MAX + 2], marker[BASE64_SIZE(sizeof next)];
	size_t i;
	json_t *one;
	if (!api_function_ref(call, &ref) || !api_wants_page(call, &page, next, sizeof next, LIST_MOST))
		return;
	CLEANUP_JSON json_t *rows = page.rows;
	if (registry_url_list(call->api->deps.registry, ref.name, &page, &err) < 0) {
		api_fail_error(call, &err);
		return;
	}
	json_array_foreach(rows, i, one)
		set_url(call, one);
	json_t *answer = json_pack("{s:O}", "FunctionUrlConfigs", rows);
	if (answer && *next) {
		base64_encode(marker, next, strlen(next));
		json_object_set_new(answer, "NextMarker", json_string(marker));
	}
	api_reply_new(call, 200, answer);
}
