#include "core/json/write.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"

void json_write_init(struct json_writer *w, struct buf *out)
{
	*w = (struct json_writer){.out = out};
}

static bool top_is_object(const struct json_writer *w)
{
	return w->depth && w->object >> w->depth & 1;
}

/* Before any value: its comma, or the end of its key. */
static void begin_value(struct json_writer *w)
{
	uint64_t bit = 1ull << w->depth;
	ASSERT(w->has_key == top_is_object(w));
	ASSERT(w->depth || !(w->filled & bit));
	if (!w->has_key && w->filled & bit)
		buf_putc(w->out, ',');
	w->filled |= bit;
	w->has_key = false;
}

static void open_scope(struct json_writer *w, bool object)
{
	begin_value(w);
	ASSERT(w->depth < JSON_WRITE_MAX_DEPTH - 1);
	uint64_t bit = 1ull << ++w->depth;
	w->object = object ? w->object | bit : w->object & ~bit;
	w->filled &= ~bit;
	buf_putc(w->out, object ? '{' : '[');
}

void json_write_object(struct json_writer *w)
{
	open_scope(w, true);
}

void json_write_array(struct json_writer *w)
{
	open_scope(w, false);
}

void json_write_close(struct json_writer *w)
{
	ASSERT(w->depth && !w->has_key);
	buf_putc(w->out, top_is_object(w) ? '}' : ']');
	w->depth--;
}

int json_write_done(const struct json_writer *w)
{
	ASSERT(w->depth == 0 && w->filled & 1);
	return w->out->overflow ? -1 : 0;
}

void json_write_key_bytes(struct json_writer *w, struct str key)
{
	uint64_t bit = 1ull << w->depth;
	ASSERT(top_is_object(w) && !w->has_key);
	if (w->filled & bit)
		buf_putc(w->out, ',');
	w->filled |= bit;
	json_escape(w->out, key);
	buf_putc(w->out, ':');
	w->has_key = true;
}

void json_write_key(struct json_writer *w, const char *key)
{
	json_write_key_bytes(w, str_from(key));
}

void json_write_str(struct json_writer *w, struct str s)
{
	begin_value(w);
	if (s.p)
		json_escape(w->out, s);
	else
		buf_puts(w->out, "null");
}

void json_write_z(struct json_writer *w, const char *z)
{
	json_write_str(w, str_from(z));
}

void json_write_int(struct json_writer *w, int64_t v)
{
	begin_value(w);
	buf_printf(w->out, "%lld", (long long)v);
}

void json_write_uint(struct json_writer *w, uint64_t v)
{
	begin_value(w);
	buf_printf(w->out, "%llu", (unsigned long long)v);
}

void json_write_double(struct json_writer *w, double v)
{
	char text[40] = "null";
	begin_value(w);
	for (int precision = 15; isfinite(v) && precision <= 17; precision++) {
		snprintf(text, sizeof text, "%.*g", precision, v);
		if (strtod(text, NULL) == v)
			break;
	}
	buf_puts(w->out, text);
}

void json_write_bool(struct json_writer *w, bool v)
{
	begin_value(w);
	buf_puts(w->out, v ? "true" : "false");
}

void json_write_null(struct json_writer *w)
{
	begin_value(w);
	buf_puts(w->out, "null");
}

void json_write_raw(struct json_writer *w, struct str json)
{
	ASSERT(json.n);
	begin_value(w);
	buf_put(w->out, json);
}

/* Bytes of the well-formed character at the front (2 to 4), or 0. */
static size_t utf8_size(const unsigned char *p, size_t n)
{
	unsigned char b = p[0];
	size_t size = b < 0xC2 ? 0 : b < 0xE0 ? 2 : b < 0xF0 ? 3 : b < 0xF5 ? 4 : 0;
	unsigned char min = b == 0xE0 ? 0xA0 : b == 0xF0 ? 0x90 : 0x80, max = b == 0xED ? 0x9F : b == 0xF4 ? 0x8F : 0xBF;
	if (size == 0 || size > n || p[1] < min || p[1] > max)
		return 0;
	for (size_t i = 2; i < size; i++)
		if ((p[i] & 0xC0) != 0x80)
			return 0;
	return size;
}

static void put_escape(struct buf *out, unsigned char b)
{
	static const char names[] = "\"\"\\\\\bb\ff\nn\rr\tt"; /* byte and letter in turn */
	for (size_t i = 0; i < sizeof names - 1; i += 2)
		if ((unsigned char)names[i] == b) {
			buf_append(out, (char[]){'\\', names[i + 1]}, 2);
			return;
		}
	buf_printf(out, "\\u%04x", b);
}

int json_escape(struct buf *out, struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p, *end = p + s.n, *from = p;
	buf_putc(out, '"');
	while (p < end) {
		size_t size = *p < 0x80 ? 1 : utf8_size(p, (size_t)(end - p));
		if (size && *p >= ' ' && *p != '"' && *p != '\\') {
			p += size;
			continue;
		}
		buf_append(out, from, (size_t)(p - from));
		if (size)
			put_escape(out, *p);
		else
			buf_puts(out, "\xEF\xBF\xBD");
		from = ++p;
	}
	buf_append(out, from, (size_t)(p - from));
	buf_putc(out, '"');
	return out->overflow ? -1 : 0;
}
