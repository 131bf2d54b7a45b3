#include "control/logs/platform_json.h"

#include <stdio.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/json/write.h"

#define RECORD_FIELDS_MAX 12

struct writing {
	struct json_writer w;
	const struct platform_event *e;
	enum platform_schema schema;
};

typedef void field_writer(struct writing *x);

/* ---- values ---- */

static void put_text(struct writing *x, const char *key, const char *value)
{
	if (value)
		json_write_key_z(&x->w, key, value);
}

static void put_time(struct writing *x, const char *key, int64_t wall_ms)
{
	char text[32];
	clock_format(text, sizeof text, "%Y-%m-%dT%H:%M:%S.%LZ", wall_ms);
	json_write_key_z(&x->w, key, text);
}

/* Milliseconds with three decimals, from integers: exact, and cheaper than a double. */
static void put_ms(struct writing *x, const char *key, uint64_t ns)
{
	char text[40];
	int n = snprintf(text, sizeof text, "%llu.%03u", ns / NS_PER_MS, (unsigned)(ns % NS_PER_MS / 1000));
	json_write_key(&x->w, key);
	json_write_raw(&x->w, (struct str){text, (size_t)n});
}

static void put_count(struct writing *x, const char *key, uint64_t n)
{
	json_write_key(&x->w, key);
	json_write_uint(&x->w, n);
}

/* ---- fields of records ---- */

#define TEXT_FIELD(name, key) \
	static void name(struct writing *x) \
	{ \
		put_text(x, key, x->e->name); \
	}

TEXT_FIELD(initialization_type, "initializationType")
TEXT_FIELD(phase, "phase")
TEXT_FIELD(runtime_version, "runtimeVersion")
TEXT_FIELD(runtime_version_arn, "runtimeVersionArn")
TEXT_FIELD(function_name, "functionName")
TEXT_FIELD(function_version, "functionVersion")
TEXT_FIELD(instance_id, "instanceId")
TEXT_FIELD(request_id, "requestId")
TEXT_FIELD(version, "version")
TEXT_FIELD(tenant_id, "tenantId")
TEXT_FIELD(name, "name")
TEXT_FIELD(state, "state")
TEXT_FIELD(reason, "reason")

static void function_arn(struct writing *x)
{
	if (x->schema >= PLATFORM_2025_01_29)
		put_text(x, "functionArn", x->e->function_arn);
}

static void instance_memory(struct writing *x)
{
	if (x->e->instance_max_memory_bytes)
		put_count(x, "instanceMaxMemory", x->e->instance_max_memory_bytes);
}

static void status(struct writing *x)
{
	put_text(x, "status", x->e->status ? x->e->status : "success");
	if (x->schema >= PLATFORM_2022_07_01)
		put_text(x, "errorType", x->e->error_type);
}

/* Reports of the first Telemetry schema, and of the Logs API, have no status. */
static void report_status(struct writing *x)
{
	if (x->schema >= PLATFORM_2022_12_13 || (x->schema == PLATFORM_2022_07_01 && x->e->kind == PLATFORM_REPORT))
		status(x);
}

static void error_type(struct writing *x)
{
	put_text(x, "errorType", x->e->error_type);
}

static void metrics(struct writing *x)
{
	const struct platform_event *e = x->e;
	if (!e->has_duration || (e->kind == PLATFORM_RUNTIME_DONE && x->schema < PLATFORM_2022_07_01))
		return;
	json_write_key(&x->w, "metrics");
	json_write_object(&x->w);
	put_ms(x, "durationMs", e->duration_ns);
	if (e->has_produced)
		put_count(x, "producedBytes", e->produced_bytes);
	if (e->has_billed) {
		put_count(x, "billedDurationMs", e->billed_ms);
		put_count(x, "memorySizeMB", e->memory_mb);
		put_count(x, "maxMemoryUsedMB", e->max_memory_mb);
	}
	if (e->has_init)
		put_ms(x, "initDurationMs", e->init_ns);
	if (e->has_restore) {
		put_ms(x, "restoreDurationMs", e->restore_ns);
		put_count(x, "billedRestoreDurationMs", e->billed_restore_ms);
	}
	json_write_close(&x->w);
}

static void tracing(struct writing *x)
{
	if (!x->e->trace)
		return;
	json_write_key(&x->w, "tracing");
	json_write_object(&x->w);
	if (x->schema >= PLATFORM_2022_07_01)
		put_text(x, "spanId", x->e->span_id);
	put_text(x, "type", "X-Amzn-Trace-Id");
	put_text(x, "value", x->e->trace);
	json_write_close(&x->w);
}

static void spans(struct writing *x)
{
	if (!x->e->span_count || x->schema < PLATFORM_2022_07_01)
		return;
	json_write_key(&x->w, "spans");
	json_write_array(&x->w);
	for (size_t i = 0; i < x->e->span_count; i++) {
		const struct platform_span *s = &x->e->spans[i];
		json_write_object(&x->w);
		put_text(x, "name", s->name);
		put_time(x, "start", s->start_ms);
		put_ms(x, "durationMs", s->duration_ns);
		json_write_close(&x->w);
	}
	json_write_close(&x->w);
}

static void put_list(struct writing *x, const char *key)
{
	json_write_key(&x->w, key);
	json_write_array(&x->w);
	for (size_t i = 0; i < x->e->list_count; i++)
		json_write_z(&x->w, x->e->list[i]);
	json_write_close(&x->w);
}

static void events(struct writing *x)
{
	put_list(x, "events");
}

static void types(struct writing *x)
{
	put_list(x, "types");
}

static void dropped(struct writing *x)
{
	put_count(x, "droppedRecords", x->e->dropped_records);
	put_count(x, "droppedBytes", x->e->dropped_bytes);
}

/* ---- kinds ---- */

/* A kind that reports success is said at `good`, any other outcome at `bad`. */
static const struct {
	const char *type, *old_type; /* old_type: of the Logs API, when it differs */
	enum platform_schema first, last;
	enum platform_level good, bad;
	field_writer *fields[RECORD_FIELDS_MAX];
} kinds[PLATFORM_KINDS] = {
	[PLATFORM_INIT_START] = {"platform.initStart", NULL, PLATFORM_2022_07_01, PLATFORM_NEWEST, PLATFORM_INFO, PLATFORM_INFO,
		{initialization_type, phase, runtime_version, runtime_version_arn, function_name, function_version, instance_id,
		 instance_memory}},
	[PLATFORM_INIT_RUNTIME_DONE] = {"platform.initRuntimeDone", NULL, PLATFORM_2022_07_01, PLATFORM_NEWEST, PLATFORM_DEBUG, PLATFORM_WARN,
		{initialization_type, phase, status, spans}},
	[PLATFORM_INIT_REPORT] = {"platform.initReport", NULL, PLATFORM_2022_07_01, PLATFORM_NEWEST, PLATFORM_DEBUG, PLATFORM_WARN,
		{initialization_type, phase, report_status, metrics, spans}},
	[PLATFORM_RESTORE_START] = {"platform.restoreStart", NULL, PLATFORM_2022_12_13, PLATFORM_NEWEST, PLATFORM_INFO, PLATFORM_INFO,
		{runtime_version, runtime_version_arn, function_name, function_version, instance_id, instance_memory}},
	[PLATFORM_RESTORE_RUNTIME_DONE] = {"platform.restoreRuntimeDone", NULL, PLATFORM_2022_12_13, PLATFORM_NEWEST, PLATFORM_DEBUG,
		PLATFORM_WARN, {status, spans}},
	[PLATFORM_RESTORE_REPORT] = {"platform.restoreReport", NULL, PLATFORM_2022_12_13, PLATFORM_NEWEST, PLATFORM_INFO, PLATFORM_WARN,
		{status, metrics, spans}},
	[PLATFORM_START] = {"platform.start", NULL, PLATFORM_2020_08_15, PLATFORM_NEWEST, PLATFORM_INFO, PLATFORM_INFO,
		{request_id, function_arn, version, tenant_id, tracing}},
	[PLATFORM_RUNTIME_DONE] = {"platform.runtimeDone", NULL, PLATFORM_2021_03_18, PLATFORM_NEWEST, PLATFORM_DEBUG, PLATFORM_WARN,
		{request_id, status, metrics, tracing, spans}},
	[PLATFORM_REPORT] = {"platform.report", NULL, PLATFORM_2020_08_15, PLATFORM_NEWEST, PLATFORM_INFO, PLATFORM_WARN,
		{request_id, metrics, tracing, spans, report_status}},
	[PLATFORM_END] = {"platform.end", NULL, PLATFORM_2020_08_15, PLATFORM_2021_03_18, PLATFORM_INFO, PLATFORM_INFO, {request_id}},
	[PLATFORM_FAULT] = {"platform.fault", NULL, PLATFORM_2020_08_15, PLATFORM_2021_03_18, PLATFORM_WARN, PLATFORM_WARN, {NULL}},
	[PLATFORM_EXTENSION] = {"platform.extension", NULL, PLATFORM_2020_08_15, PLATFORM_NEWEST, PLATFORM_INFO, PLATFORM_WARN,
		{name, state, events, error_type}},
	[PLATFORM_SUBSCRIPTION] = {"platform.telemetrySubscription", "platform.logsSubscription", PLATFORM_2020_08_15, PLATFORM_NEWEST,
		PLATFORM_INFO, PLATFORM_INFO, {name, state, types}},
	[PLATFORM_LOGS_DROPPED] = {"platform.logsDropped", NULL, PLATFORM_2020_08_15, PLATFORM_NEWEST, PLATFORM_WARN, PLATFORM_WARN,
		{reason, dropped}},
};

static const char *const schemas[PLATFORM_SCHEMAS] = {"2020-08-15", "2021-03-18", "2022-07-01", "2022-12-13", "2025-01-29"};

const char *platform_schema_name(enum platform_schema schema)
{
	ASSERT(schema < PLATFORM_SCHEMAS);
	return schemas[schema];
}

int platform_schema_find(struct str name_, enum platform_schema *out)
{
	for (size_t i = 0; i < PLATFORM_SCHEMAS; i++) {
		if (str_eqz(name_, schemas[i])) {
			*out = (enum platform_schema)i;
			return 0;
		}
	}
	return -1;
}

const char *platform_type(enum platform_kind kind, enum platform_schema schema)
{
	ASSERT(kind < PLATFORM_KINDS);
	return schema < PLATFORM_2022_07_01 && kinds[kind].old_type ? kinds[kind].old_type : kinds[kind].type;
}

bool platform_schema_has(enum platform_schema schema, enum platform_kind kind)
{
	ASSERT(kind < PLATFORM_KINDS);
	return schema >= kinds[kind].first && schema <= kinds[kind].last;
}

enum platform_level platform_level(const struct platform_event *e)
{
	ASSERT(e->kind < PLATFORM_KINDS);
	bool starts = e->kind == PLATFORM_INIT_START || e->kind == PLATFORM_RESTORE_START;
	if (e->error_type || (e->status && strcmp(e->status, "success") != 0))
		return kinds[e->kind].bad;
	if (starts && !e->runtime_version)
		return PLATFORM_DEBUG;
	if (e->kind == PLATFORM_INIT_REPORT && e->initialization_type && strcmp(e->initialization_type, "on-demand") != 0)
		return PLATFORM_INFO;
	return kinds[e->kind].good;
}

int platform_json_write(struct buf *out, const struct platform_event *e, enum platform_schema schema)
{
	struct writing x = {.e = e, .schema = schema};
	json_write_init(&x.w, out);
	json_write_object(&x.w);
	put_time(&x, "time", e->wall_ms);
	put_text(&x, "type", platform_type(e->kind, schema));
	json_write_key(&x.w, "record");
	if (e->kind == PLATFORM_FAULT) {
		json_write_z(&x.w, e->text);
	} else {
		json_write_object(&x.w);
		for (size_t i = 0; i < RECORD_FIELDS_MAX && kinds[e->kind].fields[i]; i++)
			kinds[e->kind].fields[i](&x);
		json_write_close(&x.w);
	}
	json_write_close(&x.w);
	return json_write_done(&x.w);
}
