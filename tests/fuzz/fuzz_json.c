/* The validator against jansson, and against itself with the input cut elsewhere.
 *
 * Known differences. Only the validator takes: half a surrogate pair, integers beyond 64 bits, numbers beyond a double, a
 * NUL in a key. Only jansson takes: nesting, numbers and names beyond the validator's limits, a NUL byte behind the value. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/json/check.h"
#include "core/json/write.h"
#include "tests/fuzz/fuzz.h"

static void feed_split(struct json_check *c, const uint8_t *data, size_t n, unsigned seed)
{
	json_check_init(c);
	for (size_t at = 0; at < n;) {
		seed = seed * 1103515245u + 12345u;
		size_t size = 1 + (seed >> 16) % 9;
		if (size > n - at)
			size = n - at;
		uint8_t *piece = malloc(size);
		ASSERT(piece);
		memcpy(piece, data + at, size);
		json_check_feed(c, piece, size);
		free(piece);
		at += size;
	}
	json_check_end(c);
}

static void check_same(const struct json_check *a, const struct json_check *b)
{
	char x[JSON_CHECK_MESSAGE_SIZE], y[JSON_CHECK_MESSAGE_SIZE];
	ASSERT(a->fault == b->fault);
	if (a->fault == JSON_OK)
		return;
	ASSERT(strcmp(json_check_message(a, x, sizeof x), json_check_message(b, y, sizeof y)) == 0);
	ASSERT(a->offset == b->offset && a->line == b->line && a->column == b->column && a->line >= 1);
}

static void compare(const struct json_check *c, const uint8_t *data, size_t n)
{
	json_error_t why;
	json_t *v = json_loadb((const char *)data, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
	if (v) {
		ASSERT(c->fault == JSON_OK || c->fault == JSON_FAULT_DEPTH || c->fault == JSON_FAULT_LONG || memchr(data, 0, n));
		json_decref(v);
	} else if (c->fault == JSON_OK) {
		enum json_error_code code = json_error_code(&why);
		ASSERT(code == json_error_numeric_overflow || code == json_error_null_byte_in_key || code == json_error_out_of_memory ||
		       memmem(data, n, "\\u", 2));
	}
}

/* Whatever the bytes are, a string written of them is JSON, and jansson reads it. */
static void write_back(const uint8_t *data, size_t n)
{
	struct buf b;
	struct json_check c;
	buf_init(&b, n * 6 + 64);
	ASSERT(json_escape(&b, (struct str){(const char *)data, n}) == 0);
	ASSERT(json_check_all(&c, b.data, b.len) == 0);
	json_t *v = json_loadb(b.data, b.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	ASSERT(v);
	json_decref(v);
	buf_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct json_check whole, split;
	json_check_all(&whole, data, n);
	for (unsigned seed = 0; seed < 3; seed++) {
		feed_split(&split, data, n, seed + (unsigned)n);
		check_same(&whole, &split);
	}
	compare(&whole, data, n);
	write_back(data, n);
	return 0;
}
