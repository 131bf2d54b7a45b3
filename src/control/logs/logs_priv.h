/* Private to control/logs: groups that are being written, and streams.
 *
 * A group is in memory while it has open streams, and for a while after (LRU of GROUPS_KEPT); its file is open only while
 * among the FILES_KEPT that were written last. */
#ifndef MAYFLY_LOGS_LOGS_PRIV_H
#define MAYFLY_LOGS_LOGS_PRIV_H

#include <dirent.h>

#include "control/logs/logs.h"
#include "control/logs/segment.h"
#include "core/base/buf.h"
#include "core/base/hash.h"
#include "core/base/list.h"

#define GROUPS_KEPT 128u
#define FILES_KEPT 64u
#define FLUSH_BYTES 65536u

struct logs {
	struct logs_config config;
	char region[64], account[32];
	struct hash groups;          /* struct log_group by name */
	struct list dirty, files, unused; /* files, unused: least recently used first */
	unsigned file_count, unused_count;
	struct logs_stats stats;
	struct ev_timer flush_timer, sweep_timer;
	DIR *sweep;                  /* where retention is */
};

struct log_group {
	struct logs *logs;
	struct hash_node by_name;
	struct list dirty_link, file_link, unused_link;
	char name[LOG_GROUP_NAME_MAX + 1], folder[256];
	unsigned streams;            /* open ones */
	int fd;                      /* -1: not open now */
	struct buf pending;
	unsigned pending_events;
	uint64_t seq, written, older_bytes; /* of the segment being written; what is in its file; all others together */
	struct index index;          /* of that segment, pending records included */
	unsigned retention_days;     /* the group's own; 0: the server's */
	int64_t since_ms;            /* when that segment was begun; 0: not yet */
};

struct log_stream {
	struct log_group *group;
	struct function_version *version;
	char name[LOG_STREAM_NAME_MAX];
	char *tenant;                /* NULL: none */
	int64_t created_ms;
	uint64_t segment;            /* the one in which it has `number`; 0: none yet */
	uint32_t number;
	unsigned char request[16];
	bool active, wants_tail;     /* active: between START and REPORT */
	bool runtime_done, failed;   /* told of; with an error, as the function answered it */
	char failed_type[128];       /* its type; "": none was given */
	char trace[256];             /* X-Ray's, of the invocation when it is sampled; else "" */
	const struct log_observer *observer; /* NULL: nobody */
	void *observer_arg;
	struct buf line, extension_line, tail; /* unfinished lines; the end of this invocation's log */
};

int64_t logs_wall_ms(const struct logs *l);
uint64_t logs_segment_bytes(const struct logs *l); /* rotation size */
/* The group for writing; made when there is none. */
struct log_group *logs_group(struct logs *l, struct str name, struct error *err);
void log_group_unref(struct log_group *g); /* a stream has gone */
void log_group_append(struct log_group *g, struct log_stream *s, int64_t timestamp_ms, struct str message);
/* The stream's name stands in the segment that is being written. False without memory. */
bool log_group_name_stream(struct log_group *g, struct log_stream *s);
bool log_group_drop_stream(struct log_group *g, struct str name); /* of the segment that is being written */
void log_group_forget(struct log_group *g); /* its folder is about to go; open streams begin anew */
void log_group_flush(struct log_group *g);
struct log_group *logs_group_in_memory(const struct logs *l, struct str name); /* NULL: not there */
void logs_sweep_group(struct logs *l, const char *folder);
/* Before reading: what is pending is in the file. NULL folder when the name is impossible. */
int logs_prepare_read(struct logs *l, struct str group, char folder[256], struct error *err);

/* level.c: whether the version's application log level lets a line of its own through. */
bool log_line_wanted(const struct function_version *v, struct str line);
/* stream.c: one event, past the line splitter; also collected in the tail. Not told to the observer. */
void log_stream_event(struct log_stream *s, struct str message);
void log_stream_end_line(struct log_stream *s);

#endif
