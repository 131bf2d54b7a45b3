/* The platform's events as JSON, {"time", "type", "record": {...}}: one record for the log in JSON format and for subscribers of
 * the Telemetry API, whose schema versions differ in a few fields.
 *
 * Pure: an event is plain data that the caller fills; strings are borrowed for the call. What is NULL (or not `has_`) is not
 * written. Any thread. */
#ifndef MAYFLY_LOGS_PLATFORM_JSON_H
#define MAYFLY_LOGS_PLATFORM_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"

/* In the order of their age: the first two are those of the older Logs API. */
enum platform_schema {
	PLATFORM_2020_08_15,
	PLATFORM_2021_03_18,
	PLATFORM_2022_07_01,
	PLATFORM_2022_12_13,
	PLATFORM_2025_01_29,
	PLATFORM_SCHEMAS
};
#define PLATFORM_NEWEST PLATFORM_2025_01_29

/* "2022-12-13"; and back: -1 when there is no such version. */
const char *platform_schema_name(enum platform_schema schema);
int platform_schema_find(struct str name, enum platform_schema *out);

enum platform_kind {
	PLATFORM_INIT_START,
	PLATFORM_INIT_RUNTIME_DONE,
	PLATFORM_INIT_REPORT,
	PLATFORM_RESTORE_START,
	PLATFORM_RESTORE_RUNTIME_DONE,
	PLATFORM_RESTORE_REPORT,
	PLATFORM_START,
	PLATFORM_RUNTIME_DONE,
	PLATFORM_REPORT,
	PLATFORM_END,           /* Logs API only */
	PLATFORM_FAULT,         /* Logs API only: the record is `text` */
	PLATFORM_EXTENSION,
	PLATFORM_SUBSCRIPTION,  /* platform.telemetrySubscription, platform.logsSubscription */
	PLATFORM_LOGS_DROPPED,
	PLATFORM_KINDS
};

enum platform_level { PLATFORM_DEBUG, PLATFORM_INFO, PLATFORM_WARN };

struct platform_span {
	const char *name; /* "responseLatency", "responseDuration", "runtimeOverhead" */
	int64_t start_ms; /* wall clock */
	uint64_t duration_ns;
};

struct platform_event {
	enum platform_kind kind;
	int64_t wall_ms;

	const char *initialization_type; /* "on-demand", "snap-start" */
	const char *phase;               /* "init", "invoke" */
	const char *runtime_version, *runtime_version_arn;
	const char *function_name, *function_version, *function_arn;
	const char *instance_id;
	uint64_t instance_max_memory_bytes; /* 0: not said */

	const char *request_id, *tenant_id;
	const char *version;             /* of PLATFORM_START */
	const char *status;              /* NULL: "success" */
	const char *error_type;

	bool has_duration;
	uint64_t duration_ns;
	bool has_produced;
	uint64_t produced_bytes;
	bool has_billed;                 /* PLATFORM_REPORT: billed_ms and the two of memory */
	uint64_t billed_ms, memory_mb, max_memory_mb;
	bool has_init, has_restore;
	uint64_t init_ns, restore_ns, billed_restore_ms;

	const char *span_id, *trace;     /* with a trace: the value of X-Amzn-Trace-Id */
	const struct platform_span *spans;
	size_t span_count;

	const char *name, *state;        /* an extension's or subscriber's */
	const char *const *list;         /* events it registered for; types it subscribed to */
	size_t list_count;
	const char *reason;              /* PLATFORM_LOGS_DROPPED */
	uint64_t dropped_bytes, dropped_records;
	const char *text;
};

/* "platform.initStart"... */
const char *platform_type(enum platform_kind kind, enum platform_schema schema);
/* Whether a subscriber of that version gets such events at all. */
bool platform_schema_has(enum platform_schema schema, enum platform_kind kind);
/* What the system log level is compared with. */
enum platform_level platform_level(const struct platform_event *e);
/* Appends the object without a newline; -1 when the buffer is full. */
int platform_json_write(struct buf *out, const struct platform_event *e, enum platform_schema schema);

#endif
