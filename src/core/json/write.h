/* Writes JSON text into a struct buf: commas and escapes are automatic. For hot answers and logs.
 *
 *   struct json_writer w;
 *   json_write_init(&w, &buf);
 *   json_write_object(&w); json_write_key_str(&w, "Name", name); json_write_key(&w, "Sizes"); json_write_array(&w); ...
 *   json_write_close(&w); json_write_close(&w);
 *   if (json_write_done(&w) < 0) ... the buffer's maximum was reached
 *
 * Calls out of order (a value without its key, a key outside an object) assert. Bytes that are not UTF-8 become U+FFFD,
 * so that the text is always valid. Nothing fails until json_write_done says so. */
#ifndef MAYFLY_JSON_WRITE_H
#define MAYFLY_JSON_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/str.h"

#define JSON_WRITE_MAX_DEPTH 64

struct json_writer {
	struct buf *out;
	unsigned depth;
	bool has_key;    /* a key was written, its value is due */
	uint64_t object; /* bit d: level d is an object */
	uint64_t filled; /* bit d: level d has a member already */
};

void json_write_init(struct json_writer *w, struct buf *out);
void json_write_object(struct json_writer *w);
void json_write_array(struct json_writer *w);
void json_write_close(struct json_writer *w); /* the innermost object or array */
int json_write_done(const struct json_writer *w); /* asserts that all is closed; -1 when the buffer overflowed */

void json_write_key(struct json_writer *w, const char *key);
void json_write_key_bytes(struct json_writer *w, struct str key);
void json_write_str(struct json_writer *w, struct str s); /* p NULL writes null */
void json_write_z(struct json_writer *w, const char *z);  /* NULL writes null */
void json_write_int(struct json_writer *w, int64_t v);
void json_write_uint(struct json_writer *w, uint64_t v);
void json_write_double(struct json_writer *w, double v); /* shortest text that reads back the same; not finite: null */
void json_write_bool(struct json_writer *w, bool v);
void json_write_null(struct json_writer *w);
void json_write_raw(struct json_writer *w, struct str json); /* finished JSON text, taken as it is */

static inline void json_write_key_str(struct json_writer *w, const char *key, struct str v)
{
	json_write_key(w, key);
	json_write_str(w, v);
}

static inline void json_write_key_z(struct json_writer *w, const char *key, const char *v)
{
	json_write_key(w, key);
	json_write_z(w, v);
}

static inline void json_write_key_int(struct json_writer *w, const char *key, int64_t v)
{
	json_write_key(w, key);
	json_write_int(w, v);
}

static inline void json_write_key_bool(struct json_writer *w, const char *key, bool v)
{
	json_write_key(w, key);
	json_write_bool(w, v);
}

/* One string with its quotes, without a writer; -1 on overflow (then part of it may stand in the buffer). */
int json_escape(struct buf *out, struct str s);

#endif
