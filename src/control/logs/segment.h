/* Segment files, private to control/logs: `<16 hex digits>.log` in the group's folder, records one after the other, and beside
 * it `.idx`, a summary that spares reading it all.
 *
 * Every record carries its size at both ends (so that it is read in both directions) and a checksum. Streams are numbered
 * within a segment; a stream's first event there follows a record that names it, so that any segment can be deleted alone.
 * RECORD_GONE names a stream that was deleted: what stands before it in the segment counts no more, its number is not used again.
 * An index covers the first `covered` bytes; what comes after is scanned. The numbers are the machine's byte order: logs do
 * not travel. */
#ifndef MAYFLY_LOGS_SEGMENT_H
#define MAYFLY_LOGS_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/error.h"
#include "core/base/str.h"

#define SEGMENT_PATH_SIZE 300 /* <folder>/<16 hex>.log */

enum record_kind { RECORD_EVENT = 1, RECORD_STREAM = 2, RECORD_GONE = 3 };

struct record {
	enum record_kind kind;
	uint32_t stream;
	int64_t timestamp_ms, ingestion_ms; /* RECORD_STREAM: when it was created */
	unsigned char request[16];          /* of the invocation; zeros: none */
	struct str message;                 /* RECORD_STREAM, RECORD_GONE: the name */
	uint64_t offset, end;               /* where it stands; set by readers */
};

#define RECORD_MAX ((1u << 20) + 1024) /* PutLogEvents takes events of 1 MiB */

/* Appends the record to out; its size, or 0 when there is no room. */
size_t record_put(struct buf *out, const struct record *r);
size_t record_size(const struct record *r);

struct index_stream {
	char *name; /* "": deleted */
	int64_t created_ms, first_ms, last_ms, last_ingestion_ms; /* first_ms -1: no event here */
	uint64_t first_offset, last_end;
};

struct index {
	struct index_stream *streams;
	unsigned count, cap;
	uint64_t covered;
	int64_t first_ms, last_ms; /* of events; first_ms -1: none */
};

void index_init(struct index *x);
void index_release(struct index *x);
/* Takes note of a record that ends at r->end. -1 when out of memory, or when it does not fit what came before. */
int index_add(struct index *x, const struct record *r);
const struct index_stream *index_find(const struct index *x, struct str name);
int index_number(const struct index *x, struct str name); /* -1: not here */
/* Of segment `seq` in `folder` below dir_fd: from its .idx file, and the rest by scanning. Stops at a torn record:
 * x->covered is the end of the last good one. -1 only when the segment cannot be read. */
int index_load(struct index *x, int dir_fd, const char *folder, uint64_t seq, struct error *err);
/* Does nothing for a small segment. */
int index_save(const struct index *x, int dir_fd, const char *folder, uint64_t seq, struct error *err);

/* Reads records of one segment in either direction. */
struct reader {
	int fd;
	uint64_t size, at; /* at: where `window` begins */
	struct buf window;
	uint64_t scanned_bytes;
};

int reader_open(struct reader *r, int dir_fd, const char *folder, uint64_t seq, struct error *err);
void reader_close(struct reader *r); /* also fine when zeroed or not opened */
/* The record that begins at / ends at `offset`. False at the end (the beginning), or where bytes are no record. Its message
 * lives until the next call. */
bool reader_next(struct reader *r, uint64_t offset, struct record *out);
bool reader_prev(struct reader *r, uint64_t offset, struct record *out);

void segment_path(char dst[SEGMENT_PATH_SIZE], const char *folder, uint64_t seq, const char *suffix);

struct segment {
	uint64_t seq, size;
	int64_t modified_ms;
};
/* Of a folder, oldest first; malloc'd. -1 with err; no folder is ERR_NOT_FOUND. */
int segments_list(int dir_fd, const char *folder, struct segment **out, size_t *n, struct error *err);
void segment_delete(int dir_fd, const char *folder, uint64_t seq);
/* Tells an older segment that a stream is gone, if it has it. Its time of change, by which retention goes, stays. */
int segment_drop_stream(int dir_fd, const char *folder, uint64_t seq, struct str name, struct error *err);

/* A log group's name as a folder's; -1 only for the empty one. A name that is too long for a folder becomes '=' and its hash: such
 * a folder has to say whose it is (meta.h), folder_decode is -1 there. */
int folder_encode(char dst[256], struct str group);
bool folder_is_hash(const char *folder);
int folder_decode(char *dst, size_t size, const char *folder);

#endif
