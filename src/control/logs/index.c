/* Summaries of segments. */
#include <fcntl.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control/logs/segment.h"
#include "core/base/cleanup.h"
#include "core/base/hash.h"
#include "core/base/io.h"

#define MAGIC 0x31584449594c464dull /* "MFLYIDX1" */
#define CHECK_SEED 0x696e646578u
#define INDEX_FILE_MAX (256u << 20)
#define WORTH_SAVING_BYTES (256u * 1024) /* less is scanned faster than a file is made */
#define NAME_MAX_BYTES 1024u

struct wire_head {
	uint64_t magic, check, covered;
	int64_t first_ms, last_ms;
	uint32_t count, unused;
};

struct wire_stream {
	int64_t created_ms, first_ms, last_ms, last_ingestion_ms;
	uint64_t first_offset, last_end;
	uint32_t name_bytes, unused;
};

void index_init(struct index *x)
{
	*x = (struct index){.first_ms = -1, .last_ms = -1};
}

void index_release(struct index *x)
{
	for (unsigned i = 0; i < x->count; i++)
		free(x->streams[i].name);
	free(x->streams);
	index_init(x);
}

static int add_stream(struct index *x, struct index_stream s, struct str name)
{
	if (x->count == x->cap) {
		unsigned cap = x->cap ? x->cap * 2 : 8;
		struct index_stream *grown = reallocarray(x->streams, cap, sizeof s);
		if (!grown)
			return -1;
		x->streams = grown;
		x->cap = cap;
	}
	s.name = str_dup(name);
	if (!s.name)
		return -1;
	x->streams[x->count++] = s;
	return 0;
}

static void add_event(struct index *x, struct index_stream *s, const struct record *r)
{
	if (s->first_ms < 0) {
		s->first_ms = s->last_ms = r->timestamp_ms;
		s->first_offset = r->offset;
	}
	s->first_ms = r->timestamp_ms < s->first_ms ? r->timestamp_ms : s->first_ms;
	s->last_ms = r->timestamp_ms > s->last_ms ? r->timestamp_ms : s->last_ms;
	s->last_ingestion_ms = r->ingestion_ms;
	s->last_end = r->end;
	x->first_ms = x->first_ms < 0 || r->timestamp_ms < x->first_ms ? r->timestamp_ms : x->first_ms;
	x->last_ms = r->timestamp_ms > x->last_ms ? r->timestamp_ms : x->last_ms;
}

/* The entry stays, for the numbers of those behind it. */
static void drop_stream(struct index *x, struct str name)
{
	for (unsigned i = 0; i < x->count; i++) {
		struct index_stream *s = &x->streams[i];
		if (!str_eqz(name, s->name))
			continue;
		*s->name = '\0';
		s->first_ms = s->last_ms = s->last_ingestion_ms = -1;
	}
}

int index_add(struct index *x, const struct record *r)
{
	if (r->kind == RECORD_STREAM) {
		struct index_stream s = {.created_ms = r->timestamp_ms, .first_ms = -1, .last_ms = -1, .last_ingestion_ms = -1,
		                         .first_offset = r->end, .last_end = r->end};
		if (r->stream != x->count || r->message.n > NAME_MAX_BYTES || add_stream(x, s, r->message) < 0)
			return -1;
	} else if (r->kind == RECORD_GONE && r->message.n) {
		drop_stream(x, r->message);
	} else if (r->kind == RECORD_EVENT && r->stream < x->count) {
		add_event(x, &x->streams[r->stream], r);
	} else {
		return -1;
	}
	x->covered = r->end;
	return 0;
}

int index_number(const struct index *x, struct str name)
{
	if (!name.n)
		return -1;
	for (unsigned i = 0; i < x->count; i++) {
		if (str_eqz(name, x->streams[i].name))
			return (int)i;
	}
	return -1;
}

const struct index_stream *index_find(const struct index *x, struct str name)
{
	int i = index_number(x, name);
	return i < 0 ? NULL : &x->streams[i];
}

static uint64_t check_of(const struct wire_head *h, struct str rest)
{
	struct wire_head plain = *h;
	plain.check = 0;
	return hash_bytes(hash_bytes(CHECK_SEED, (struct str){(const char *)&plain, sizeof plain}), rest);
}

static int parse(struct index *x, struct str text)
{
	struct wire_head h;
	if (text.n < sizeof h)
		return -1;
	memcpy(&h, text.p, sizeof h);
	struct str rest = str_sub(text, sizeof h, text.n);
	if (h.magic != MAGIC || h.check != check_of(&h, rest))
		return -1;
	for (uint32_t i = 0; i < h.count; i++) {
		struct wire_stream w;
		if (rest.n < sizeof w)
			return -1;
		memcpy(&w, rest.p, sizeof w);
		rest = str_sub(rest, sizeof w, rest.n);
		if (rest.n < w.name_bytes || w.name_bytes > NAME_MAX_BYTES)
			return -1;
		struct index_stream s = {.created_ms = w.created_ms, .first_ms = w.first_ms, .last_ms = w.last_ms,
		                         .last_ingestion_ms = w.last_ingestion_ms, .first_offset = w.first_offset,
		                         .last_end = w.last_end};
		if (add_stream(x, s, str_sub(rest, 0, w.name_bytes)) < 0)
			return -1;
		rest = str_sub(rest, w.name_bytes, rest.n);
	}
	x->covered = h.covered;
	x->first_ms = h.first_ms;
	x->last_ms = h.last_ms;
	return 0;
}

int index_load(struct index *x, int dir_fd, const char *folder, uint64_t seq, struct error *err)
{
	char path[SEGMENT_PATH_SIZE];
	size_t n = 0;
	struct reader r;
	if (reader_open(&r, dir_fd, folder, seq, err) < 0) {
		reader_close(&r);
		return -1;
	}
	segment_path(path, folder, seq, "idx");
	CLEANUP_FREE char *text = io_read_file(dir_fd, path, INDEX_FILE_MAX, &n, NULL);
	index_init(x);
	if (text && (parse(x, (struct str){text, n}) < 0 || x->covered > r.size))
		index_release(x);
	struct record rec;
	while (reader_next(&r, x->covered, &rec) && index_add(x, &rec) == 0)
		;
	if (r.scanned_bytes > WORTH_SAVING_BYTES)
		index_save(x, dir_fd, folder, seq, NULL);
	reader_close(&r);
	return 0;
}

int index_save(const struct index *x, int dir_fd, const char *folder, uint64_t seq, struct error *err)
{
	if (x->covered <= WORTH_SAVING_BYTES)
		return 0;
	struct buf out;
	char path[SEGMENT_PATH_SIZE], temporary[SEGMENT_PATH_SIZE];
	struct wire_head h = {.magic = MAGIC, .covered = x->covered, .first_ms = x->first_ms, .last_ms = x->last_ms,
	                      .count = x->count};
	buf_init(&out, INDEX_FILE_MAX);
	buf_append(&out, &h, sizeof h);
	for (unsigned i = 0; i < x->count; i++) {
		const struct index_stream *s = &x->streams[i];
		struct wire_stream w = {.created_ms = s->created_ms, .first_ms = s->first_ms, .last_ms = s->last_ms,
		                        .last_ingestion_ms = s->last_ingestion_ms, .first_offset = s->first_offset,
		                        .last_end = s->last_end, .name_bytes = (uint32_t)strlen(s->name)};
		buf_append(&out, &w, sizeof w);
		buf_puts(&out, s->name);
	}
	int result = out.overflow ? error_set(err, ERR_NO_MEMORY, "no memory for the index of a log segment") : 0;
	if (result == 0) {
		h.check = check_of(&h, str_sub(buf_str(&out), sizeof h, out.len));
		memcpy(out.data, &h, sizeof h);
		segment_path(path, folder, seq, "idx");
		segment_path(temporary, folder, seq, "tmp");
		/* No sync: the index can be made again from its segment. */
		CLEANUP_CLOSE int fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0 || io_write_full(fd, out.data, out.len) < 0 || renameat(dir_fd, temporary, dir_fd, path) < 0) {
			result = error_sys(err, "cannot write %s", path);
			unlinkat(dir_fd, temporary, 0);
		}
	}
	buf_release(&out);
	return result;
}
