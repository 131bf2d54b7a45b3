/* Configurations: the checks that AWS makes after those of the model, and what is stored. */
#include <stdio.h>
#include <string.h>

#include "control/api/api_priv.h"
#include "control/api/rules.h"
#include "control/function/layer.h"
#include "core/base/cleanup.h"
#include "core/json/value.h"
#include "core/spec/arn.h"
#include "core/spec/limits.h"

/* Members of requests that are not configuration; any other is kept and shown, also one that is newer than this program. */
static const char *const not_stored[] = {
	"FunctionName", "Code", "Publish", "PublishTo", "Tags", "DryRun", "RevisionId", "ZipFile", "S3Bucket", "S3Key",
	"S3ObjectVersion", "S3ObjectStorageMode", "ImageUri", "SourceKMSKeyArn", "CodeSigningConfigArn",
	/* empty: else they were refused */
	"ImageConfig", "CapacityProviderConfig", "DurableConfig",
	/* what the server says, not the client */
	"FunctionArn", "Version", "LastModified", "CodeSha256", "CodeSize", "ConfigSha256", "State", "StateReason",
	"StateReasonCode", "LastUpdateStatus", "LastUpdateStatusReason", "LastUpdateStatusReasonCode", "LatestDescription",
	"RuntimeVersionConfig", "MasterArn", "SigningProfileVersionArn", "SigningJobArn", "ImageConfigResponse",
};

/* Never changed by UpdateFunctionConfiguration. */
static const char *const for_good[] = {"PackageType", "Architectures", "TenancyConfig"};

/* AWS Lambda developer guide, "Defined runtime environment variables", those that cannot be set. */
static const char *const reserved_variables[] = {
	"_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_NAME",
	"AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_INITIALIZATION_TYPE",
	"AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID",
	"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR",
	"AWS_LAMBDA_MAX_CONCURRENCY", "AWS_LAMBDA_METADATA_API", "AWS_LAMBDA_METADATA_TOKEN",
};

static bool in_list(const char *const *list, size_t n, const char *s)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(list[i], s) == 0)
			return true;
	}
	return false;
}

/* ---- checks ---- */

static bool check_runtime(struct api_call *call)
{
	struct str runtime = api_text(call, "Runtime");
	if (!runtime.p)
		return true;
	const struct runtime_row *row = runtime_find(runtime);
	if (row && row->deprecated) {
		api_fail(call, ERR_INVALID, "The runtime parameter of %s is no longer supported for creating or updating AWS Lambda "
		         "functions. We recommend you use a supported runtime while creating or updating functions.", row->id);
		return false;
	}
	if (row)
		return true;
	api_fail(call, ERR_INVALID, "Value " STR_FMT " at 'runtime' failed to satisfy constraint: Member must satisfy enum value "
	         "set: [" RUNTIMES_SHOWN "] or be a valid ARN", STR_ARG(runtime));
	return false;
}

static bool check_variables(struct api_call *call)
{
	json_t *variables = json_object_get(json_object_get(call->json, "Environment"), "Variables");
	const char *name;
	json_t *value;
	struct buf list, text;
	buf_init(&list, 65536);
	buf_init(&text, API_JSON_BODY_MAX * 2);
	json_object_foreach(variables, name, value) {
		if (in_list(reserved_variables, ARRAY_LEN(reserved_variables), name))
			buf_printf(&list, "%s%s", list.len ? ", " : "", name);
	}
	int rc = variables ? json_value_dump(variables, &text, NULL) : 0;
	bool fine = false;
	if (list.len)
		api_fail(call, ERR_INVALID, "Lambda was unable to configure your environment variables because the environment "
		         "variables you have provided contains reserved keys that are currently not supported for modification. "
		         "Reserved keys used in this request: %.*s", (int)list.len, list.data);
	else if (rc < 0 || text.len > LIMIT_ENVIRONMENT_BYTES)
		api_fail(call, ERR_INVALID, "Lambda was unable to configure your environment variables because the environment "
		         "variables you have provided exceeded the 4KB limit. String measured: %.*s", (int)text.len, text.data);
	else
		fine = true;
	buf_release(&list);
	buf_release(&text);
	return fine;
}

static bool check_layer(struct api_call *call, struct str arn)
{
	const struct settings *s = call->api->deps.settings;
	struct layer_ref ref;
	bool known = layer_ref_parse(&ref, arn);
	if (known && !str_eqz(ref.account, s->account))
		api_layer_denied(call, arn);
	else if (known && !str_eqz(ref.region, s->region))
		api_fail(call, ERR_INVALID, "Layers are not in the same region as the function. Layers are expected to be in region %s.", s->region);
	else if (!known || !registry_layer_exists(call->api->deps.registry, ref.name, ref.number))
		api_fail(call, ERR_INVALID, "Layer version " STR_FMT " does not exist.", STR_ARG(arn));
	else
		return true;
	return false;
}

/* "...:layer:NAME:VERSION": the same but for what is behind the last colon. */
static bool same_layer(struct str a, struct str b)
{
	while (a.n && a.p[a.n - 1] != ':')
		a.n--;
	while (b.n && b.p[b.n - 1] != ':')
		b.n--;
	return str_eq(a, b);
}

static bool check_layers(struct api_call *call)
{
	const json_t *layers = json_object_get(call->json, "Layers");
	size_t i;
	json_t *one;
	if (json_array_size(layers) > LIMIT_LAYERS) {
		api_fail(call, ERR_INVALID, "Cannot reference more than %u layers.", LIMIT_LAYERS);
		return false;
	}
	json_array_foreach(layers, i, one) {
		if (!check_layer(call, json_value_text(one)))
			return false;
		for (size_t k = 0; k < i; k++) {
			struct str before = json_value_text(json_array_get(layers, k));
			if (!same_layer(before, json_value_text(one)))
				continue;
			api_fail(call, ERR_INVALID, "Two different versions of the same layer are not allowed to be referenced in the same function. "
			         STR_FMT " and %s are versions of the same layer.", STR_ARG(before), json_string_value(one));
			return false;
		}
	}
	return true;
}

bool api_check_tags(struct api_call *call, const json_t *tags)
{
	struct error err = {0};
	if (registry_tag_check(tags, &err) == 0)
		return true;
	api_fail_error(call, &err);
	return false;
}

static bool check_package(struct api_call *call)
{
	const json_t *code = json_object_get(call->json, "Code");
	if (str_eqz(api_text(call, "PackageType"), "Image") || json_value_text(json_object_get(code, "ImageUri")).p) {
		api_fail(call, ERR_UNSUPPORTED, "Container images are not implemented by this server. Send the code as ZipFile; native programs and "
		         "other languages run with the runtime provided.al2023.");
		return false;
	}
	if (!api_text(call, "Runtime").p || !api_text(call, "Handler").n) {
		api_fail(call, ERR_INVALID, "Runtime and Handler are mandatory parameters for functions created with deployment "
		         "packages.");
		return false;
	}
	return true;
}

bool api_check_offered(struct api_call *call)
{
	static const struct {
		const char *member;
		enum error_code code;
		const char *text;
	} rows[] = {
		{"ImageConfig", ERR_INVALID, "ImageConfig is only supported for functions created with container images."},
		{"CapacityProviderConfig", ERR_UNSUPPORTED, "Capacity providers are not implemented by this server: functions run on this machine. Leave "
		 "CapacityProviderConfig out."},
		{"DurableConfig", ERR_UNSUPPORTED, "Durable functions are not implemented by this server. Leave DurableConfig out; asynchronous "
		 "invocations are tried again on their own."},
		{"PublishTo", ERR_UNSUPPORTED, "Publishing to $LATEST.PUBLISHED is not implemented by this server, which has no capacity providers. Leave "
		 "PublishTo out, and publish a version."},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const json_t *v = json_object_get(call->json, rows[i].member);
		if (json_object_size(v) == 0 && !json_is_string(v))
			continue;
		api_fail(call, rows[i].code, "%s", rows[i].text);
		return false;
	}
	return true;
}

static struct str tenancy_of(const json_t *config)
{
	return json_value_text(json_object_get(json_object_get(config, "TenancyConfig"), "TenantIsolationMode"));
}

bool api_has_tenants(struct api_call *call, const struct function_ref *ref)
{
	CLEANUP_JSON json_t *config = registry_show(call->api->deps.registry, ref->name, STR_NULL, NULL);
	return tenancy_of(config).n > 0;
}

/* An image is taken before any tenant is known, but AWS offers SnapStart to functions without tenants only. */
static bool check_tenancy(struct api_call *call, const struct function_ref *ref, bool create)
{
	struct str snap = json_value_text(json_object_get(json_object_get(call->json, "SnapStart"), "ApplyOn"));
	if (!str_eqz(snap, "PublishedVersions") || (create ? !tenancy_of(call->json).n : !api_has_tenants(call, ref)))
		return true;
	api_fail(call, ERR_INVALID, "SnapStart is not supported for functions with tenancy configuration.");
	return false;
}

/* As destinations of events, which cannot be checked for whether they are there: they may come later. */
static bool check_dead_letter(struct api_call *call)
{
	struct str text = json_value_text(json_object_get(json_object_get(call->json, "DeadLetterConfig"), "TargetArn"));
	const struct settings *s = call->api->deps.settings;
	struct arn arn;
	if (!text.n)
		return true;
	if (!arn_parse(&arn, text) || !(str_eqz(arn.service, "sqs") || str_eqz(arn.service, "sns")))
		api_fail(call, ERR_INVALID, "The provided dead letter queue target ARN " STR_FMT " is invalid. Only SQS queues and SNS topics are "
		         "supported.", STR_ARG(text));
	else if (str_ends(arn.resource, STR(".fifo")))
		api_fail(call, ERR_INVALID, "FIFO queues and topics are not supported as dead letter queue targets: " STR_FMT, STR_ARG(text));
	else if (!str_eqz(arn.account, s->account) || !str_eqz(arn.region, s->region))
		api_fail(call, ERR_INVALID, "The dead letter queue target must be in the function's own account and region: " STR_FMT, STR_ARG(text));
	else
		return true;
	return false;
}

static struct str logging_of(const json_t *config, const char *key)
{
	return json_value_text(json_object_get(json_object_get(config, "LoggingConfig"), key));
}

/* Levels belong to the format JSON, which an update need not name again. */
static bool check_logging(struct api_call *call, const struct function_ref *ref, bool create)
{
	struct str format = logging_of(call->json, "LogFormat");
	if (!logging_of(call->json, "ApplicationLogLevel").p && !logging_of(call->json, "SystemLogLevel").p)
		return true;
	CLEANUP_JSON json_t *now = create || format.p ? NULL : registry_show(call->api->deps.registry, ref->name, STR_NULL, NULL);
	if (str_eqz(format.p ? format : logging_of(now, "LogFormat"), "JSON") || (!create && !format.p && !now)) /* no function: said later */
		return true;
	api_fail(call, ERR_INVALID, "LogLevel is not supported when LogFormat is set to \"Text\". Remove LogLevel from your request or change the "
	         "LogFormat to \"Json\" and try again.");
	return false;
}

bool api_check_configuration(struct api_call *call, const struct function_ref *ref, bool create)
{
	return (!create || (check_package(call) && api_check_signing(call))) && api_check_offered(call) && check_runtime(call) &&
	       check_variables(call) && check_layers(call) && check_logging(call, ref, create) && check_dead_letter(call) &&
	       check_tenancy(call, ref, create) && api_check_tags(call, json_object_get(call->json, "Tags"));
}

/* ---- what is stored ---- */

static void set_default(json_t *config, const char *key, json_t *value)
{
	if (json_object_get(config, key))
		json_decref(value);
	else
		json_object_set_new(config, key, value);
}

static void put_defaults(json_t *config)
{
	set_default(config, "Description", json_string(""));
	set_default(config, "Timeout", json_integer(3));
	set_default(config, "MemorySize", json_integer(LIMIT_MEMORY_MIN_MB));
	set_default(config, "PackageType", json_string("Zip"));
	set_default(config, "Architectures", json_pack("[s]", "x86_64"));
	set_default(config, "EphemeralStorage", json_pack("{s:i}", "Size", LIMIT_EPHEMERAL_MIN_MB));
	set_default(config, "TracingConfig", json_pack("{s:s}", "Mode", "PassThrough"));
	set_default(config, "SnapStart", json_pack("{s:s}", "ApplyOn", "None"));
	set_default(config, "LoggingConfig", json_object());
}

/* A name for what runs the function, the same for all functions of one runtime. */
static void put_runtime_version(const struct api_call *call, json_t *config)
{
	char hex[SHA256_HEX_SIZE], arn[160];
	const char *id = json_string_value(json_object_get(config, "Runtime"));
	if (!id)
		return;
	sha256_hex(hex, id, strlen(id));
	snprintf(arn, sizeof arn, "arn:aws:lambda:%.32s::runtime:%s", call->api->deps.settings->region, hex);
	json_object_set_new(config, "RuntimeVersionConfig", json_pack("{s:s}", "RuntimeVersionArn", arn));
}

static void complete_logging(json_t *config, struct str name, const json_t *now)
{
	json_t *logging = json_object_get(config, "LoggingConfig");
	if (!logging)
		return;
	char group[FUNCTION_NAME_MAX + 16];
	const json_t *before = json_object_get(now, "LoggingConfig");
	const char *key;
	json_t *value;
	snprintf(group, sizeof group, "/aws/lambda/" STR_FMT, STR_ARG(name));
	json_object_foreach((json_t *)before, key, value)
		set_default(logging, key, json_incref(value));
	set_default(logging, "LogFormat", json_string("Text"));
	set_default(logging, "LogGroup", json_string(group));
	if (str_eqz(json_value_text(json_object_get(logging, "LogFormat")), "JSON")) {
		set_default(logging, "ApplicationLogLevel", json_string("INFO"));
		set_default(logging, "SystemLogLevel", json_string("INFO"));
	} else {
		json_object_del(logging, "ApplicationLogLevel");
		json_object_del(logging, "SystemLogLevel");
	}
}

static void complete_groups(json_t *config)
{
	json_t *snap = json_object_get(config, "SnapStart"), *vpc = json_object_get(config, "VpcConfig");
	json_t *environment = json_object_get(config, "Environment");
	if (json_is_object(snap)) {
		set_default(snap, "ApplyOn", json_string("None"));
		json_object_set_new(snap, "OptimizationStatus", json_string("Off"));
	}
	if (json_is_object(vpc)) {
		set_default(vpc, "SubnetIds", json_array());
		set_default(vpc, "SecurityGroupIds", json_array());
		set_default(vpc, "VpcId", json_string(""));
		set_default(vpc, "Ipv6AllowedForDualStack", json_false());
	}
	if (json_is_object(environment))
		set_default(environment, "Variables", json_object());
}

/* An empty text, list or group stands for "none": null tells the registry to take the member away. */
static void put_nulls(json_t *config)
{
	static const char *const texts[] = {"KMSKeyArn"}, *const lists[] = {"Layers", "FileSystemConfigs"};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct str text = json_value_text(json_object_get(config, texts[i]));
		if (text.p && text.n == 0)
			json_object_set_new(config, texts[i], json_null());
	}
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		const json_t *list = json_object_get(config, lists[i]);
		if (json_is_array(list) && json_array_size(list) == 0)
			json_object_set_new(config, lists[i], json_null());
	}
	const json_t *letter = json_object_get(config, "DeadLetterConfig");
	if (json_is_object(letter) && json_value_text(json_object_get(letter, "TargetArn")).n == 0)
		json_object_set_new(config, "DeadLetterConfig", json_null());
}

static void drop_nulls(json_t *config)
{
	const char *key;
	json_t *value;
	void *next;
	json_object_foreach_safe(config, next, key, value) {
		if (json_is_null(value))
			json_object_del(config, key);
	}
}

void api_put_source_key(struct api_call *call, json_t *config, const json_t *code)
{
	struct str key = json_value_text(json_object_get(code, "SourceKMSKeyArn"));
	json_object_set_new(config, REGISTRY_SOURCE_KEY, key.n ? json_value_new_str(key) : json_null());
}

json_t *api_configuration(struct api_call *call, struct str name, const json_t *now)
{
	CLEANUP_JSON json_t *config = call->json ? json_deep_copy(call->json) : json_object();
	if (!config)
		return NULL;
	drop_nulls(config); /* as if they had not been sent */
	for (size_t i = 0; i < ARRAY_LEN(not_stored); i++)
		json_object_del(config, not_stored[i]);
	for (size_t i = 0; now && i < ARRAY_LEN(for_good); i++)
		json_object_del(config, for_good[i]);
	if (!now)
		put_defaults(config);
	if (!now)
		api_put_source_key(call, config, json_object_get(call->json, "Code"));
	put_runtime_version(call, config);
	complete_logging(config, name, now);
	complete_groups(config);
	put_nulls(config);
	if (!now)
		drop_nulls(config);
	return STEAL_PTR(config);
}
