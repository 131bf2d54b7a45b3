#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/check.h"
#include "core/json/check.h"
#include "core/json/check_priv.h"

#define SOURCE "[Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: %llu, column: %llu]"

struct out {
	char *dst;
	size_t size, len; /* size includes the closing NUL */
};

static void put(struct out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void put(struct out *o, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(o->dst + o->len, o->size - o->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		o->len = o->len + (size_t)n < o->size ? o->len + (size_t)n : o->size - 1;
}

/* As Java writes a char: half a surrogate pair becomes a question mark. */
static void put_utf8(struct out *o, uint32_t ch)
{
	if (ch >= 0xD800 && ch <= 0xDFFF)
		put(o, "?");
	else if (ch < 0x80)
		put(o, "%c", (int)ch);
	else if (ch < 0x800)
		put(o, "%c%c", (int)(0xC0 | ch >> 6), (int)(0x80 | (ch & 0x3F)));
	else
		put(o, "%c%c%c", (int)(0xE0 | ch >> 12), (int)(0x80 | (ch >> 6 & 0x3F)), (int)(0x80 | (ch & 0x3F)));
}

static void put_char(struct out *o, uint32_t ch)
{
	if (ch < 0x20 || (ch >= 0x7F && ch <= 0x9F)) {
		put(o, "(CTRL-CHAR, code %u)", ch);
		return;
	}
	put(o, "'");
	put_utf8(o, ch);
	put(o, ch > 255 ? "' (code %u / 0x%x)" : "' (code %u)", ch, ch);
}

static bool top_is_object(const struct json_check *c)
{
	return c->depth && c->in_object[(c->depth - 1) / 8] >> ((c->depth - 1) % 8) & 1;
}

static const char *scope_name(const struct json_check *c)
{
	return c->depth == 0 ? "root" : top_is_object(c) ? "Object" : "Array";
}

static void put_start(struct out *o, const struct json_check *c)
{
	unsigned long long line = 1, column = 0; /* Jackson's place of the root */
	if (c->depth) {
		line = c->opened[c->depth - 1].line;
		column = c->opened[c->depth - 1].column;
	}
	put(o, SOURCE, line, column);
}

static void put_field(struct out *o, const struct json_check *c, char field)
{
	static const char *const tokens[] = {
#define X(name) #name,
		JSON_TOKENS(X)
#undef X
	};
	if (field == 'c')
		put_char(o, c->code);
	else if (field == 'x')
		put(o, "%x", c->code);
	else if (field == 'n')
		put(o, "%u", c->code);
	else if (field == 't')
		put(o, "%s", c->token);
	else if (field == 'l')
		put(o, "%s", tokens[c->last]);
	else if (field == 'd')
		put(o, "%s", scope_name(c));
	else if (field == 's')
		put_start(o, c);
	else if (field == 'm') {
		put(o, "%c': expected '%c' (for %s starting at ", (int)c->code, c->code == '}' ? ']' : '}', scope_name(c));
		put_start(o, c);
		put(o, ")");
	}
}

char *json_check_message(const struct json_check *c, char *dst, size_t size)
{
	static const struct {
		const char *text;
		bool place;
	} rows[] = {
#define X(name, kind, text, place) {text, place},
		JSON_REASONS(X)
#undef X
	};
	struct out o = {dst, size, 0};
	ASSERT(size > 0);
	dst[0] = '\0';
	for (const char *p = rows[c->reason].text; *p; p++) {
		size_t plain = strcspn(p, "%");
		put(&o, "%.*s", (int)plain, p);
		p += plain;
		if (!*p || !p[1])
			break;
		put_field(&o, c, *++p);
	}
	if (rows[c->reason].place)
		put(&o, "\n at " SOURCE, (unsigned long long)c->line, (unsigned long long)c->column);
	return dst;
}
