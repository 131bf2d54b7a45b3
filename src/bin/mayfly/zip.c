#include "bin/mayfly/zip.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/base/check.h"
#include "core/base/cleanup.h"

#define ENTRIES_MAX 65535
#define LOCAL_MAGIC 0x04034b50u
#define CENTRAL_MAGIC 0x02014b50u
#define END_MAGIC 0x06054b50u
#define VERSION_NEEDED 20
#define MADE_BY_UNIX (3 << 8 | 30)
#define UTF8_NAMES 0x0800
#define METHOD_STORED 0
#define METHOD_DEFLATED 8
#define DATE_1980 0x0021 /* the earliest date that the format has */

static const uint32_t modes[] = {[ZIP_FILE] = 0100644, [ZIP_EXECUTABLE] = 0100755, [ZIP_FOLDER] = 040755, [ZIP_SYMLINK] = 0120777};

struct entry {
	const char *name;
	const void *stored;
	uint32_t crc, size, stored_size, offset;
	uint16_t method, name_len;
	enum zip_kind kind;
};

void zip_init(struct zip *z, size_t max)
{
	*z = (struct zip){0};
	buf_init(&z->out, max);
	buf_init(&z->directory, max);
}

void zip_release(struct zip *z)
{
	buf_release(&z->out);
	buf_release(&z->directory);
}

static void put16(struct buf *b, unsigned v)
{
	char bytes[2] = {(char)(v & 0xff), (char)(v >> 8 & 0xff)};
	buf_append(b, bytes, 2);
}

static void put32(struct buf *b, uint32_t v)
{
	put16(b, v & 0xffff);
	put16(b, v >> 16);
}

/* What the local header and the central directory have in common. */
static void put_common(struct buf *b, const struct entry *e)
{
	put16(b, VERSION_NEEDED);
	put16(b, UTF8_NAMES);
	put16(b, e->method);
	put16(b, 0); /* midnight */
	put16(b, DATE_1980);
	put32(b, e->crc);
	put32(b, e->stored_size);
	put32(b, e->size);
	put16(b, e->name_len);
	put16(b, 0); /* extra fields */
}

static void put_local(struct buf *b, const struct entry *e)
{
	put32(b, LOCAL_MAGIC);
	put_common(b, e);
	buf_append(b, e->name, e->name_len);
	buf_append(b, e->stored, e->stored_size);
}

static void put_central(struct buf *b, const struct entry *e)
{
	put32(b, CENTRAL_MAGIC);
	put16(b, MADE_BY_UNIX);
	put_common(b, e);
	put16(b, 0); /* comment */
	put16(b, 0); /* disk */
	put16(b, 0); /* internal attributes */
	put32(b, modes[e->kind] << 16 | (e->kind == ZIP_FOLDER ? 0x10 : 0));
	put32(b, e->offset);
	buf_append(b, e->name, e->name_len);
}

/* The deflated bytes, or NULL when they would not be fewer (or there is no memory: stored is always right). */
static void *deflated(const void *data, size_t n, uint32_t *size)
{
	z_stream s = {0};
	if (n < 16 || deflateInit2(&s, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return NULL;
	char *dst = malloc(n);
	s.next_in = (Bytef *)(uintptr_t)data;
	s.avail_in = (uInt)n;
	s.next_out = (Bytef *)dst;
	s.avail_out = (uInt)n - 1;
	int r = dst ? deflate(&s, Z_FINISH) : Z_MEM_ERROR;
	*size = (uint32_t)s.total_out;
	deflateEnd(&s);
	if (r == Z_STREAM_END)
		return dst;
	free(dst);
	return NULL;
}

static int check(const struct zip *z, const char *name, size_t n, struct error *err)
{
	if (z->count == ENTRIES_MAX)
		return error_set(err, ERR_TOO_LARGE, "more than %d files; leave some out with a .mayflyignore", ENTRIES_MAX);
	if (strlen(name) > UINT16_MAX || n > INT32_MAX)
		return error_set(err, ERR_TOO_LARGE, "%.150s is too large for a zip", name);
	return 0;
}

static int full(const struct zip *z, struct error *err)
{
	if (!z->out.overflow && !z->directory.overflow)
		return 0;
	return error_set(err, ERR_TOO_LARGE, "the package gets larger than %zu MB; leave files out with a .mayflyignore", z->out.max >> 20);
}

int zip_add(struct zip *z, enum zip_kind kind, const char *name, const void *data, size_t n, struct error *err)
{
	if (check(z, name, n, err) < 0)
		return -1;
	CLEANUP_FREE void *small = NULL;
	struct entry e = {.name = name, .stored = data, .size = (uint32_t)n, .stored_size = (uint32_t)n, .kind = kind,
	                  .offset = (uint32_t)z->out.len, .name_len = (uint16_t)strlen(name)};
	e.crc = (uint32_t)crc32(crc32(0, NULL, 0), data, (uInt)n);
	if (kind != ZIP_SYMLINK && (small = deflated(data, n, &e.stored_size))) {
		e.stored = small;
		e.method = METHOD_DEFLATED;
	} else {
		e.stored_size = e.size;
	}
	put_local(&z->out, &e);
	put_central(&z->directory, &e);
	z->count++;
	return full(z, err);
}

int zip_end(struct zip *z, struct error *err)
{
	uint32_t offset = (uint32_t)z->out.len;
	buf_put(&z->out, buf_str(&z->directory));
	put32(&z->out, END_MAGIC);
	put16(&z->out, 0); /* this disk */
	put16(&z->out, 0); /* disk of the directory */
	put16(&z->out, z->count);
	put16(&z->out, z->count);
	put32(&z->out, (uint32_t)z->directory.len);
	put32(&z->out, offset);
	put16(&z->out, 0); /* comment */
	return full(z, err);
}
