/* Function logs: what functions print, and the platform's lines about them, as CloudWatch Logs keeps them.
 *
 * A *log group* is a folder below the data folder's logs/, a *log stream* belongs to one environment. All streams of a group
 * share one set of append-only segment files (see segment.h), so ten thousand environments do not mean ten thousand files.
 * A group exists from its first stream on, and outlives its function.
 *
 * Writing: appends go to the group's memory buffer, which is written out when it is large, within LOGS_FLUSH_NS, or before
 * anyone reads; nothing is synced, so the last moments before a power loss may be missing, a torn last record is skipped. A
 * disk that fails or is full costs log lines (counted), never an invocation: no append fails. Each group keeps at most
 * max_group_bytes (oldest segments go first) and retention_days. A line is one event; a stream holds at most one unfinished
 * line of LOG_LINE_MAX bytes. Whoever reads a pipe slows a function down by not reading; nothing here does.
 *
 * Streams refer to `logs`, which must outlive them. Everything on one loop's thread. */
#ifndef MAYFLY_LOGS_LOGS_H
#define MAYFLY_LOGS_LOGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/function/version.h"
#include "core/base/error.h"
#include "core/base/str.h"
#include "core/ev/ev.h"

#define LOG_LINE_MAX (256u * 1024) /* CloudWatch's limit of an event; longer lines are cut into several */
#define LOG_TAIL_BYTES 4096u       /* LogType=Tail */
#define LOG_STREAM_NAME_MAX 512u
#define LOG_GROUP_NAME_MAX 512u
#define LOGS_FLUSH_NS 50000000ull

struct logs;
struct log_stream;

struct logs_config {
	int dir_fd;                 /* the folder logs/; stays the caller's, must live as long as logs */
	uint64_t max_group_bytes;   /* setting log-max */
	unsigned retention_days;
	const char *region, *account; /* for ARNs; copied */
	struct ev_loop *loop;       /* for flushing and retention; NULL: the caller calls logs_flush and logs_sweep (tests) */
	int64_t (*wall_ms)(void);   /* NULL: the real clock */
};

struct logs_stats {
	uint64_t events, bytes;   /* accepted */
	uint64_t dropped_events;  /* lost to a failing disk or missing memory */
};

struct logs *logs_new(const struct logs_config *config, struct error *err);
void logs_free(struct logs *l); /* flushes; NULL is fine */
void logs_flush(struct logs *l);
/* Retention of some more groups; called by a timer where there is a loop. True when it went through all of them. */
bool logs_sweep(struct logs *l);
void logs_get_stats(const struct logs *l, struct logs_stats *out);

/* ---- writing ---- */

/* A new stream of the version's log group, named as Lambda does: YYYY/MM/DD/[version]<32 hex>, with the function's name
 * before the bracket in a log group that is not its own. The version is referenced. NULL only without memory, or when the
 * group's folder cannot be made because its name is impossible: a disk that refuses costs lines, not the environment. */
struct log_stream *logs_open_stream(struct logs *l, struct function_version *version, struct error *err);
void log_stream_close(struct log_stream *s); /* an unfinished line becomes an event; NULL is fine */
const char *log_stream_name(const struct log_stream *s);
/* Bytes as they come from the pipe. `\r` within a line is a line break inside the event, as Lambda's runtimes use it. */
void log_stream_output(struct log_stream *s, const void *data, size_t n);
/* The same of the environment's extensions, whose lines are in the same stream. */
void log_stream_extension_output(struct log_stream *s, const void *data, size_t n);

/* Somebody who hears what is written, as it happened: all platform events whatever the version's log format and level, and each line of
 * the function's or of an extension's. Called inside of what tells of it. */
struct platform_event;
struct log_observer {
	void (*platform)(void *arg, const struct platform_event *e);
	void (*line)(void *arg, int64_t wall_ms, bool extension, struct str line);
};
/* One, which must outlive the stream; NULL: nobody any more. */
void log_stream_observe(struct log_stream *s, const struct log_observer *observer, void *arg);

/* The platform's own lines, in the version's log format; an unfinished line of the function's is ended before each.
 * In JSON format they are subject to the version's system log level. */
struct runtime_found;
void log_stream_init_start(struct log_stream *s, const struct function_version *version, const struct runtime_found *found);
/* How an init went: status NULL (success), "timeout" or "error", type NULL or "Runtime.ExitError"... `inside`: it ran as a part
 * of an invocation. */
void log_stream_init_report(struct log_stream *s, uint64_t duration_ns, bool inside, const char *status, const char *error_type);
/* A plain start's init that went well, which the text format does not tell of. */
void log_stream_init_done(struct log_stream *s, uint64_t duration_ns, bool inside);
/* An extension is ready, or failed (error_type: how). */
struct log_extension {
	const char *name, *state;
	const char *const *events; /* that it registered for */
	size_t event_count;
	const char *error_type;    /* NULL: none */
};
void log_stream_extension(struct log_stream *s, const struct log_extension *e);
/* RESTORE_START, and RESTORE_REPORT with the same meaning of status and type. */
void log_stream_restore_start(struct log_stream *s, const struct function_version *version);
void log_stream_restore_report(struct log_stream *s, uint64_t duration_ns, const char *status, const char *error_type);
/* START: from here on lines carry the request id, and the tail is collected if wanted. */
void log_stream_start(struct log_stream *s, const char *request_id, const char *version, bool tail);
/* Whose environment this is, told by its platform.start records from now on; of a version with tenants, once. */
void log_stream_tenant(struct log_stream *s, struct str tenant);
/* What X-Ray knows the next invocation by: the value of X-Amzn-Trace-Id, until its log_stream_end. NULL, or not sampled: none. */
void log_stream_trace(struct log_stream *s, const char *trace);
/* What the platform says about a failed invocation: "<message>\n<type>". A timeout says nothing but in its REPORT. */
void log_stream_fault(struct log_stream *s, const char *request_id, const char *type, const char *message);

struct log_report {
	const char *request_id;
	uint64_t duration_ns;
	unsigned memory_mb;
	uint64_t max_memory_bytes;
	bool has_init;           /* a cold start whose init ran before: billed too, as AWS does since August 2025 */
	uint64_t init_ns;
	bool has_restore;        /* a cold start from an image, instead of has_init */
	uint64_t restore_ns, billed_restore_ns; /* all of it; what the function's own process took, its hooks: billed too */
	const char *status;      /* NULL: success; "timeout", "error", "failure" */
	const char *error_type;  /* with a status; NULL: none */
	const char *trace_id, *segment_id; /* X-Ray, when sampled; NULL otherwise */
};

uint64_t log_report_billed_ms(const struct log_report *r);
/* The runtime has answered, or cannot any more, while extensions may still be at it: platform.runtimeDone. */
struct log_done {
	const char *request_id;
	const char *status, *error_type; /* as in log_report; and "error" where the function answered with one */
	uint64_t duration_ns;
	uint64_t latency_ns, response_ns; /* until the answer began; from then on until its end */
	int64_t answer_wall_ms;           /* when it began; 0: there was no answer, and none of these and produced_bytes */
	uint64_t produced_bytes;
};
void log_stream_runtime_done(struct log_stream *s, const struct log_done *done);
/* END and REPORT (JSON: platform.report, after platform.runtimeDone when log_stream_runtime_done was not called). Lines after it carry no request id. */
void log_stream_end(struct log_stream *s, const struct log_report *report);
/* After log_stream_end: the last LOG_TAIL_BYTES from START to REPORT, malloc'd, no closing NUL; NULL when none were asked
 * for or there is no memory. */
char *log_stream_take_tail(struct log_stream *s, size_t *len);

#endif
