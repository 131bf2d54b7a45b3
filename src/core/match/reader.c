/* Tokens of a pattern. Places in refusals are those of Jackson's streaming parser, which AWS uses: a string is read lazily (the place is behind
 * its opening quote until its text is asked for), and with a name the beginning of its value is read. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/check.h"
#include "core/json/check.h"
#include "core/match/match_priv.h"

void match_reader_init(struct match_reader *r, struct str text, struct arena *arena, struct error *err)
{
	ASSERT(text.n <= MATCH_PATTERN_MAX);
	memset(r, 0, sizeof *r);
	r->text = text;
	r->arena = arena;
	r->err = err;
}

static void finish_string(struct match_reader *r)
{
	const char *p = r->text.p;
	if (!r->incomplete)
		return;
	while (r->at < r->text.n && p[r->at] != '"')
		r->at += p[r->at] == '\\' ? 2 : 1;
	r->at++;
	r->incomplete = false;
}

static bool in_object(const struct match_reader *r)
{
	return r->depth && r->scopes[(r->depth - 1) / 8] >> (r->depth - 1) % 8 & 1;
}

static void skip_blanks(struct match_reader *r)
{
	while (r->at < r->text.n && strchr(" \t\r\n,:", r->text.p[r->at]) && r->text.p[r->at])
		r->at++;
}

static void open_scope(struct match_reader *r, bool object)
{
	uint8_t bit = (uint8_t)(1u << r->depth % 8);
	if (object)
		r->scopes[r->depth / 8] |= bit;
	else
		r->scopes[r->depth / 8] &= (uint8_t)~bit;
	r->depth++;
	r->name_next = object;
}

static void close_scope(struct match_reader *r)
{
	r->depth--;
	r->name_next = in_object(r);
}

/* Reads the beginning of a token at `at`; `*start` is where its text begins. Scopes are the caller's. */
static enum match_token begin(struct match_reader *r, size_t *start)
{
	char c = r->text.p[r->at];
	*start = r->at;
	if (c == '"') {
		*start = ++r->at;
		r->incomplete = true;
		return TOKEN_STRING;
	}
	if (strchr("{}[]", c)) {
		r->at++;
		return c == '{' ? TOKEN_OBJECT : c == '}' ? TOKEN_OBJECT_END : c == '[' ? TOKEN_ARRAY : TOKEN_ARRAY_END;
	}
	while (r->at < r->text.n && !strchr(",:]} \t\r\n", r->text.p[r->at]))
		r->at++;
	return c == 't' ? TOKEN_TRUE : c == 'f' ? TOKEN_FALSE : c == 'n' ? TOKEN_NULL : TOKEN_NUMBER;
}

static enum match_token begin_name(struct match_reader *r)
{
	begin(r, &r->start);
	finish_string(r);
	skip_blanks(r);
	r->pending = begin(r, &r->pending_start);
	return TOKEN_NAME;
}

enum match_token match_reader_next(struct match_reader *r)
{
	if (r->pending) {
		r->token = r->pending;
		r->start = r->pending_start;
		r->pending = TOKEN_END;
		r->name_next = true;
	} else {
		finish_string(r);
		skip_blanks(r);
		if (r->at >= r->text.n)
			return r->token = TOKEN_END;
		r->token = r->name_next && r->text.p[r->at] == '"' ? begin_name(r) : begin(r, &r->start);
		if (r->token == TOKEN_NAME)
			return r->token;
	}
	if (r->token == TOKEN_OBJECT || r->token == TOKEN_ARRAY)
		open_scope(r, r->token == TOKEN_OBJECT);
	else if (r->token == TOKEN_OBJECT_END || r->token == TOKEN_ARRAY_END)
		close_scope(r);
	return r->token;
}

static size_t string_end(struct str text, size_t from)
{
	while (from < text.n && text.p[from] != '"')
		from += text.p[from] == '\\' ? 2 : 1;
	return from < text.n ? from : text.n;
}

struct str match_reader_text(struct match_reader *r)
{
	struct str raw;
	if (r->token != TOKEN_STRING && r->token != TOKEN_NAME) {
		size_t end = r->start + 1;
		while (end < r->text.n && !strchr(",:]} \t\r\n", r->text.p[end]))
			end++;
		if (strchr("{}[]", r->text.p[r->start]))
			end = r->start + 1;
		raw = str_sub(r->text, r->start, end);
		return (struct str){arena_strdup(r->arena, raw), raw.n};
	}
	if (r->token == TOKEN_STRING)
		finish_string(r);
	raw = str_sub(r->text, r->start, string_end(r->text, r->start));
	char *copy = arena_alloc(r->arena, raw.n + 1);
	if (!copy)
		return STR_NULL;
	return (struct str){copy, match_text_copy(match_text_of(raw, true), copy, raw.n + 1)};
}

/* ---- refusals ---- */

struct place {
	unsigned line, column;
};

/* Columns count UTF-16 units, as Java does. */
static struct place place_of(struct str text, size_t at)
{
	struct place p = {1, 1};
	for (size_t i = 0; i < at && i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		if (c == '\n' || (c == '\r' && !(i + 1 < text.n && text.p[i + 1] == '\n'))) {
			p.line++;
			p.column = 1;
		} else if (c != '\r') {
			p.column += (c & 0xC0) != 0x80;
			p.column += c >= 0xF0;
		}
	}
	return p;
}

/* " at [Source: ...]" with as much of the pattern as there is room for. */
static void put_place(char *dst, size_t size, struct str text, struct place at)
{
	char tail[64], cut[40] = "";
	int tail_n = snprintf(tail, sizeof tail, "; line: %u, column: %u]", at.line, at.column);
	size_t fixed = strlen("\n at [Source: (String)\"\"") + (size_t)tail_n, show = text.n < 500 ? text.n : 500;
	if (fixed + 32 >= size)
		return;
	if (show < text.n || fixed + show >= size) {
		if (show > size - fixed - 32)
			show = size - fixed - 32;
		while (show && ((unsigned char)text.p[show] & 0xC0) == 0x80)
			show--;
		snprintf(cut, sizeof cut, "[truncated %zu chars]", text.n - show);
	}
	snprintf(dst, size, "\n at [Source: (String)\"%.*s\"%s%s", (int)show, text.p, cut, tail);
}

static int refuse(struct match_reader *r, int places, const char *fmt, va_list ap)
{
	char msg[sizeof ((struct error *)0)->msg];
	int n = vsnprintf(msg, sizeof msg, fmt, ap);
	struct place at = place_of(r->text, r->at);
	if (r->arena->overflow)
		return error_set(r->err, ERR_NO_MEMORY, "no memory for a pattern");
	for (; places > 0 && n >= 0 && (size_t)n < sizeof msg; places--) {
		put_place(msg + n, sizeof msg - (size_t)n, r->text, at);
		n += (int)strlen(msg + n);
	}
	return error_set(r->err, ERR_INVALID, "%s", msg);
}

int match_refuse(struct match_reader *r, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int result = refuse(r, 1, fmt, ap);
	va_end(ap);
	return result;
}

int match_refuse_plain(struct match_reader *r, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int result = refuse(r, 0, fmt, ap);
	va_end(ap);
	return result;
}

int match_refuse_twice(struct match_reader *r, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int result = refuse(r, 2, fmt, ap);
	va_end(ap);
	return result;
}

/* json_check has the places of Jackson's byte parser; the one for characters, which AWS uses here, stays behind an unknown word. */
static size_t fault_at(const struct json_check *check, struct str text)
{
	size_t at = check->offset < text.n ? (size_t)check->offset : text.n;
	if (check->fault == JSON_FAULT_TOKEN && at && strchr(" \t,:]}\"", text.p[at - 1]))
		at--;
	return at;
}

int match_refuse_json(struct str text, struct error *err)
{
	struct json_check check;
	char msg[JSON_CHECK_MESSAGE_SIZE], place[200] = "";
	if (json_check_all(&check, text.p, text.n) == 0)
		return 0;
	if (check.fault == JSON_FAULT_EMPTY) {
		snprintf(msg, sizeof msg, "Filter is not an object");
	} else {
		json_check_message(&check, msg, sizeof msg);
		char *own = strstr(msg, "\n at [Source");
		if (own)
			*own = '\0';
	}
	size_t n = strlen(msg), room = sizeof ((struct error *)0)->msg;
	if (n < room)
		put_place(place, room - n < sizeof place ? room - n : sizeof place, text, place_of(text, fault_at(&check, text)));
	return error_set(err, ERR_INVALID, "%s%s", msg, place);
}
