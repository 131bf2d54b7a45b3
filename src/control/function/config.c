/* Configurations: stored as the JSON that the API shows, less what follows from the rest. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/function/registry_priv.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/spec/limits.h"
#include "core/json/value.h"

#define TIME_FORMAT "%Y-%m-%dT%H:%M:%S.%L+0000"

struct config *config_new(struct function *f, unsigned number, const json_t *json, struct code *code, struct error *err)
{
	struct buf text;
	buf_init(&text, RECORD_LIMIT_BYTES);
	CLEANUP(buf_release) struct buf owned = {0};
	int rc = json_value_dump(json, &text, err);
	owned = text;
	if (rc < 0)
		return NULL;
	struct config *c = calloc(1, sizeof *c);
	char *copy = malloc(text.len + 1);
	if (!c || !copy) {
		free(c);
		free(copy);
		error_set(err, ERR_NO_MEMORY, "no memory for another version");
		return NULL;
	}
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	int64_t bytes = 0;
	json_value_int(json, "CodeSize", 0, INT64_MAX, &bytes, NULL);
	*c = (struct config){.function = f, .number = number, .json = copy, .len = text.len, .code = code_ref(code),
	                     .code_bytes = (uint64_t)bytes, .snap_start = number && snap_start_wanted(json),
	                     .state = snap_start_state(json)};
	if (layer_set_load(f->registry, json, &c->layers) == 0)
		return c;
	config_free(c);
	error_set(err, ERR_INVALID, "what the layers of function %s hold is not known", f->name);
	return NULL;
}

int config_set_text(struct config *c, const json_t *json, struct error *err)
{
	struct config *next = config_new(c->function, c->number, json, c->code, err);
	if (!next)
		return -1;
	free(c->json);
	c->json = STEAL_PTR(next->json);
	c->len = next->len;
	c->state = next->state;
	config_free(next);
	return 0;
}

void config_drop_version(struct config *c)
{
	if (!c->version)
		return;
	struct registry_deps *deps = &c->function->registry->deps;
	if (deps->on_version_dropped && !c->function->registry->closing)
		deps->on_version_dropped(deps->report_arg, c->version->id);
	function_version_unref(c->version);
	c->version = NULL;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	config_drop_version(c);
	code_unref(c->code);
	layer_set_release(&c->layers);
	free(c->json);
	free(c);
}

json_t *config_load(const struct config *c, struct error *err)
{
	return json_value_load_object((struct str){c->json, c->len}, &(struct json_limits){0}, err);
}

void config_stamp(json_t *json)
{
	char id[UUID_SIZE], time[40];
	uuid4(id);
	clock_format(time, sizeof time, TIME_FORMAT, clock_wall_ms());
	json_object_set_new(json, "RevisionId", json_string(id));
	json_object_set_new(json, "LastModified", json_string(time));
}

int config_set_code(json_t *json, const struct code *code, uint64_t bytes)
{
	char sum[BASE64_SIZE(SHA256_SIZE)];
	base64_encode(sum, code->id.sha256, SHA256_SIZE);
	if (json_object_set_new(json, "CodeSha256", json_string(sum)) < 0)
		return -1;
	return json_object_set_new(json, "CodeSize", json_integer((json_int_t)bytes));
}

/* ---- showing ---- */

/* Which AWS's tools poll; every state but those of SnapStart is reached at once, so that there are no reasons but these. */
static int show_state(const struct function *f, const struct config *c, json_t *shown)
{
	if (f->state == FUNCTION_PENDING)
		return json_object_update_new(shown, json_pack("{s:s, s:s, s:s}", "State", "Pending", "StateReason",
		                              "The function is being created.", "StateReasonCode", "Creating"));
	if (f->state == FUNCTION_UPDATING && c->number == 0)
		return json_object_update_new(shown, json_pack("{s:s, s:s, s:s, s:s}", "State", "Active", "LastUpdateStatus",
		                              "InProgress", "LastUpdateStatusReason", "The function is being created.",
		                              "LastUpdateStatusReasonCode", "Creating"));
	if (c->state != CONFIG_ACTIVE) {
		snap_start_show(c, shown);
		return 0;
	}
	return json_object_update_new(shown, json_pack("{s:s, s:s}", "State", "Active", "LastUpdateStatus", "Successful"));
}

/* A digest over all that was configured, for clients that look for drift. */
static int show_digest(json_t *shown, const struct config *c)
{
	unsigned char sum[SHA256_SIZE];
	char text[BASE64_SIZE(SHA256_SIZE)];
	struct buf plain;
	buf_init(&plain, RECORD_LIMIT_BYTES);
	CLEANUP_JSON json_t *json = c->snap_start ? config_load(c, NULL) : NULL;
	if (json) {
		snap_start_strip(json);
		json_value_dump(json, &plain, NULL);
		sha256(sum, plain.data, plain.len);
	} else {
		sha256(sum, c->json, c->len);
	}
	buf_release(&plain);
	base64_encode(text, sum, sizeof sum);
	return json_object_set_new(shown, "ConfigSha256", json_string(text));
}

json_t *config_show(const struct config *c, struct str qualifier, struct error *err)
{
	const struct function *f = c->function;
	CLEANUP_JSON json_t *shown = config_load(c, err);
	if (!shown)
		return NULL;
	char arn[FUNCTION_ARN_MAX], version[16] = "$LATEST";
	registry_arn(f->registry, arn, str_from(f->name), qualifier);
	if (c->number)
		snprintf(version, sizeof version, "%u", c->number);
	json_object_del(shown, "LatestDescription");
	json_object_del(shown, REGISTRY_SOURCE_KEY);
	layer_set_show(shown);
	int rc = json_object_set_new(shown, "FunctionName", json_string(f->name));
	rc |= json_object_set_new(shown, "FunctionArn", json_string(arn));
	rc |= json_object_set_new(shown, "Version", json_string(version));
	rc |= show_state(f, c, shown);
	rc |= show_digest(shown, c);
	if (rc != 0) {
		error_set(err, ERR_NO_MEMORY, "no memory to show function %s", f->name);
		return NULL;
	}
	return STEAL_PTR(shown);
}

json_t *registry_source_key(const struct registry *r, struct str name, struct str qualifier)
{
	const struct function *f = function_find(r, name);
	const struct config *c = f ? function_config(f, qualifier, NULL) : NULL;
	CLEANUP_JSON json_t *json = c ? config_load(c, NULL) : NULL;
	return json_incref(json_object_get(json, REGISTRY_SOURCE_KEY));
}

/* ---- the runnable form ---- */

/* Copies texts behind the struct: first run counts (at NULL), second run writes. */
struct packer {
	char *at;
	size_t bytes;
};

static const char *pack(struct packer *p, const char *text)
{
	size_t n = strlen(text) + 1;
	p->bytes += n;
	if (!p->at)
		return NULL;
	char *copy = memcpy(p->at, text, n);
	p->at += n;
	return copy;
}

static const char *text_of(const json_t *json, const char *group, const char *key, const char *otherwise)
{
	const json_t *object = group ? json_object_get(json, group) : json;
	const char *s = json_string_value(json_object_get(object, key));
	return s ? s : otherwise;
}

static unsigned number_of(const json_t *json, const char *group, const char *key, unsigned otherwise)
{
	const json_t *object = group ? json_object_get(json, group) : json;
	const json_t *v = json_object_get(object, key);
	return json_is_integer(v) ? (unsigned)json_integer_value(v) : otherwise;
}

static const char *tag_of(const struct function *f, const char *name, const char *otherwise)
{
	const char *tag = json_string_value(json_object_get(f->truth.tags, name));
	return tag ? tag : otherwise;
}

static enum function_snapshot snapshot_of(const char *text)
{
	return strcmp(text, "off") == 0 ? SNAPSHOT_OFF : strcmp(text, "always") == 0 ? SNAPSHOT_ALWAYS : SNAPSHOT_AUTO;
}

/* How tags, else the server's settings, say that the function is run. */
static void apply_tags(struct function_version *v, const struct function *f)
{
	const struct settings *s = f->registry->deps.settings;
	v->outbound = strcmp(tag_of(f, FUNCTION_TAG_NETWORK, s->network), "outbound") == 0;
	v->snapshot = snapshot_of(tag_of(f, FUNCTION_TAG_SNAPSHOT, s->snapshot_default));
	v->single_use = strcmp(tag_of(f, FUNCTION_TAG_ISOLATION, ""), "invocation") == 0;
}

bool config_fits_tags(const struct config *c)
{
	struct function_version now = {0};
	const struct function_version *v = c->version;
	apply_tags(&now, c->function);
	return !v || (v->outbound == now.outbound && v->snapshot == now.snapshot && v->single_use == now.single_use);
}

static void pack_version(struct packer *p, struct function_version *v, struct function_variable *variables,
                         const struct config *c, const json_t *json)
{
	const struct function *f = c->function;
	char arn[FUNCTION_ARN_MAX], qualified[FUNCTION_ARN_MAX], number[16] = "$LATEST", group[FUNCTION_NAME_MAX + 16];
	if (c->number)
		snprintf(number, sizeof number, "%u", c->number);
	registry_arn(f->registry, arn, str_from(f->name), STR_NULL);
	registry_arn(f->registry, qualified, str_from(f->name), str_from(number));
	snprintf(group, sizeof group, "/aws/lambda/%s", f->name);
	v->name = pack(p, f->name);
	v->version = pack(p, number);
	v->arn = pack(p, arn);
	v->qualified_arn = pack(p, qualified);
	v->role = pack(p, text_of(json, NULL, "Role", ""));
	v->handler = pack(p, text_of(json, NULL, "Handler", ""));
	if (*text_of(json, "DeadLetterConfig", "TargetArn", ""))
		v->dead_letter = pack(p, text_of(json, "DeadLetterConfig", "TargetArn", ""));
	v->log_group = pack(p, text_of(json, "LoggingConfig", "LogGroup", group));
	v->log_format = strcmp(text_of(json, "LoggingConfig", "LogFormat", "Text"), "JSON") == 0 ? LOG_FORMAT_JSON
	                                                                                       : LOG_FORMAT_TEXT;
	if (v->log_format == LOG_FORMAT_JSON) {
		v->app_log_level = pack(p, text_of(json, "LoggingConfig", "ApplicationLogLevel", "INFO"));
		v->system_log_level = pack(p, text_of(json, "LoggingConfig", "SystemLogLevel", "INFO"));
	}
	const char *name;
	json_t *value;
	size_t i = 0;
	json_object_foreach(json_object_get(json_object_get(json, "Environment"), "Variables"), name, value) {
		struct function_variable one = {pack(p, name), pack(p, json_string_value(value) ? json_string_value(value) : "")};
		if (variables)
			variables[i++] = one;
	}
}

static void on_version_free(struct function_version *v)
{
	code_unref(v->code);
	for (unsigned i = 0; i < v->layer_count; i++)
		code_unref(v->layers[i]);
}

struct function_version *config_version(struct config *c, struct error *err)
{
	if (c->version)
		return c->version;
	CLEANUP_JSON json_t *json = config_load(c, err);
	if (!json)
		return NULL;
	const struct runtime_row *runtime = runtime_find(str_from(text_of(json, NULL, "Runtime", "")));
	if (!runtime) {
		error_set(err, ERR_UNSUPPORTED, "function %s has a runtime that this server does not know", c->function->name);
		return NULL;
	}
	struct function_version probe = {0};
	struct packer count = {0};
	pack_version(&count, &probe, NULL, c, json);
	size_t n = json_object_size(json_object_get(json_object_get(json, "Environment"), "Variables"));
	struct function_version *v = calloc(1, sizeof *v + n * sizeof(struct function_variable) + count.bytes);
	if (!v) {
		error_set(err, ERR_NO_MEMORY, "no memory for function %s", c->function->name);
		return NULL;
	}
	struct function_variable *variables = (struct function_variable *)(v + 1);
	struct packer write = {.at = (char *)(variables + n)};
	v->refs = 1;
	v->id = ++c->function->registry->last_id;
	v->function_id = c->function->id;
	v->runtime = runtime;
	v->memory_mb = number_of(json, NULL, "MemorySize", LIMIT_MEMORY_MIN_MB);
	v->timeout_s = number_of(json, NULL, "Timeout", 3);
	v->ephemeral_mb = number_of(json, "EphemeralStorage", "Size", LIMIT_EPHEMERAL_MIN_MB);
	v->variables = variables;
	v->variable_count = n;
	v->snap_start = c->snap_start;
	v->per_tenant = strcmp(text_of(json, "TenancyConfig", "TenantIsolationMode", ""), "PER_TENANT") == 0;
	apply_tags(v, c->function);
	memcpy(v->code_hex, c->code->hex, sizeof v->code_hex);
	for (unsigned i = 0; i < c->layers.count; i++) {
		memcpy(v->layer_hex[i], c->layers.codes[i]->hex, sizeof v->layer_hex[i]);
		v->layers[v->layer_count++] = code_ref(c->layers.codes[i]);
	}
	pack_version(&write, v, variables, c, json);
	v->on_free = on_version_free;
	v->owner = c->function->registry;
	v->code = code_ref(c->code);
	return c->version = v;
}
