/* Reading function logs, as CloudWatch Logs' operations do.
 *
 * Each call looks at no more than LOGS_SCAN_BYTES of records and answers what it found with a token to go on, so that a
 * huge log does not hold up the loop: a page may be short or empty and still have a next one. Results own their memory until
 * log_page_release. Errors: ERR_NOT_FOUND (the group or stream), ERR_INVALID (a parameter),
 * ERR_IO and ERR_SYSTEM. On the loop that owns the logs. */
#ifndef MAYFLY_LOGS_READ_H
#define MAYFLY_LOGS_READ_H

#include "control/logs/logs.h"
#include "core/base/arena.h"

#define LOGS_PAGE_BYTES 1048576u  /* of messages, and 26 for each, as AWS counts */
#define LOGS_PAGE_EVENTS 10000u
#define LOGS_SCAN_BYTES (8u << 20)
#define LOGS_TOKEN_SIZE 80
#define LOGS_DESCRIBE_MAX 50u

struct log_event {
	int64_t timestamp_ms, ingestion_ms;
	struct str stream, message;
	uint64_t segment, offset; /* where it is: its id */
};

struct log_group_info {
	struct str name, class_name, kms_key; /* kms_key n 0: none */
	int64_t created_ms;
	uint64_t stored_bytes;
	unsigned retention_days;              /* 0: none of its own */
	bool protected;
};

struct log_stream_info {
	struct str name;
	int64_t created_ms, first_event_ms, last_event_ms, last_ingestion_ms; /* event times -1 when it has none */
};

/* One answer; only the members of the call are filled. */
struct log_page {
	struct arena memory;
	struct log_event *events;
	struct log_group_info *groups;
	struct log_stream_info *streams;
	size_t count;
	char next[LOGS_TOKEN_SIZE];                  /* "" at the end */
	char end[LOGS_TOKEN_SIZE];                   /* filter: to go on from here later, also at the end; never "" */
	char forward[LOGS_TOKEN_SIZE], backward[LOGS_TOKEN_SIZE]; /* get: never "" */
};

void log_page_release(struct log_page *p); /* also fine on a zeroed struct */

struct log_range {
	bool has_start, has_end;
	int64_t start_ms, end_ms; /* start <= timestamp < end */
};

struct logs_get {
	struct str group, stream;
	struct log_range range;
	bool from_head;
	struct str token;  /* n 0: none */
	unsigned limit;    /* 0: LOGS_PAGE_EVENTS */
};
/* One stream's events: pages in the order in which they arrived, and within a page oldest first. Without a token: the newest page, or the oldest one if from_head. At
 * either end the token given back is the one that was passed. */
int logs_get_events(struct logs *l, const struct logs_get *q, struct log_page *out, struct error *err);

struct logs_filter {
	struct str group;
	const struct str *streams; /* stream_count 0: all, or those that begin with stream_prefix */
	size_t stream_count;
	struct str stream_prefix, pattern, token;
	const struct pattern *compiled; /* instead of `pattern`; NULL: none */
	struct log_range range;
	struct str request_id;     /* ours: only lines of this invocation, also those that do not say so */
	unsigned limit;
};
/* Events of a group in the same order. Pattern: see pattern.h. */
int logs_filter_events(struct logs *l, const struct logs_filter *q, struct log_page *out, struct error *err);

/* Names in byte order. `limit` 0: LOGS_DESCRIBE_MAX, which is also the most. */
struct logs_describe_groups {
	struct str prefix, pattern /* a substring, any case */, class_name, token;
	const struct str *names;  /* name_count 0: any; else only these */
	size_t name_count;
	bool (*wants)(void *arg, const char *name); /* NULL: all */
	void *arg;
	unsigned limit, most;     /* most: instead of LOGS_DESCRIBE_MAX; 0: that */
};
int logs_describe_groups(struct logs *l, const struct logs_describe_groups *q, struct log_page *out, struct error *err);

struct logs_describe_streams {
	struct str group, prefix, token;
	bool by_time, descending; /* by_time: by the last event, no prefix then */
	unsigned limit;
};
int logs_describe_streams(struct logs *l, const struct logs_describe_streams *q, struct log_page *out, struct error *err);

#endif
