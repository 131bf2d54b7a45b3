/* A state for every place where the input can be cut; steps[] has the function that goes on from it. A step gets the bytes
 * [p, end), never none, and returns how far it came, or NULL after fail(). One machine in one file, though a long one: the
 * steps call each other, and across files the compiler would not inline them. */
#include "core/json/check.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "core/base/check.h"
#include "core/json/check_priv.h"

enum state {
	ST_VALUE,      /* root, after a colon, after a comma of an array */
	ST_FIRST,      /* after '[' */
	ST_FIRST_NAME, /* after '{' */
	ST_NAME,       /* after a comma of an object */
	ST_COLON,
	ST_NEXT, /* after a member */
	ST_END,  /* after the root value */
	ST_STRING,
	ST_UTF8,
	ST_ESCAPE,
	ST_HEX,
	ST_WORD,
	ST_WORD_UTF8,
	ST_CHAR, /* decodes a character only to complain about it */
	ST_PLUS,
	ST_MINUS,
	ST_ZERO,
	ST_INT,
	ST_POINT,
	ST_FRACTION,
	ST_EXPONENT,
	ST_EXPONENT_SIGN,
	ST_EXPONENT_DIGITS,
	ST_COUNT
};



static const uint8_t *fail_at(struct json_check *c, uint64_t offset, enum reason reason, uint32_t code)
{
	static const uint8_t kinds[] = {
#define X(name, kind, text, place) kind,
		JSON_REASONS(X)
#undef X
	};
	c->fault = kinds[reason];
	c->reason = reason;
	c->code = code;
	c->offset = offset;
	c->column = offset - c->line_start + 1;
	return NULL;
}

static uint64_t offset_of(const struct json_check *c, const uint8_t *p)
{
	return c->seen + (uint64_t)(p - c->piece);
}

static const uint8_t *fail(struct json_check *c, const uint8_t *p, enum reason reason, uint32_t code)
{
	return fail_at(c, offset_of(c, p), reason, code);
}

static bool in_object(const struct json_check *c)
{
	unsigned top = c->depth - 1u;
	return c->depth && c->in_object[top / 8] >> (top % 8) & 1;
}

static void newline(struct json_check *c, const uint8_t *p)
{
	uint64_t at = offset_of(c, p);
	if (*p == '\r')
		c->after_cr = at + 1;
	if (*p == '\r' || c->after_cr != at) /* CR LF is one end of a line */
		c->line++;
	c->line_start = at + 1;
}

/* First byte that is no white space, or end; NULL when it is a control character. */
static const uint8_t *skip_space(struct json_check *c, const uint8_t *p, const uint8_t *end)
{
	for (; p < end && *p <= ' '; p++) {
		if (*p == '\n' || *p == '\r')
			newline(c, p);
		else if (*p != ' ' && *p != '\t')
			return fail(c, p, REASON_SPACE, *p);
	}
	return p;
}

static bool is_digit(uint8_t b)
{
	return b >= '0' && b <= '9';
}

/* Sets what may follow a leading byte; false when it is none. */
static bool utf8_lead(struct json_check *c, uint8_t b)
{
	if (b < 0xC2 || b > 0xF4)
		return false;
	c->utf8_left = b < 0xE0 ? 1 : b < 0xF0 ? 2 : 3;
	c->utf8_min = b == 0xE0 ? 0xA0 : b == 0xF0 ? 0x90 : 0x80;
	c->utf8_max = b == 0xED ? 0x9F : b == 0xF4 ? 0x8F : 0xBF;
	c->partial = b & (0x3Fu >> c->utf8_left);
	return true;
}

static bool utf8_next(struct json_check *c, uint8_t b)
{
	if (b < c->utf8_min || b > c->utf8_max)
		return false;
	c->partial = c->partial << 6 | (b & 0x3Fu);
	c->utf8_min = 0x80;
	c->utf8_max = 0xBF;
	c->utf8_left--;
	return true;
}

/* Complains about the character at p, which may go on in the next piece. */
static const uint8_t *odd_char(struct json_check *c, const uint8_t *p, enum reason reason)
{
	if (*p < 0x80)
		return fail(c, p, reason, *p);
	if (!utf8_lead(c, *p))
		return fail(c, p + 1, REASON_START_BYTE, *p);
	c->char_reason = reason;
	c->state = ST_CHAR;
	return p + 1;
}

static const uint8_t *step_char(struct json_check *c, const uint8_t *p, const uint8_t *end)
{
	for (; p < end; p++) {
		if (!utf8_next(c, *p))
			return fail(c, p + 1, REASON_MIDDLE_BYTE, *p);
		if (c->utf8_left == 0)
			return fail(c, p, c->char_reason, c->partial & 0xFFFF); /* Java's char */
	}
	return p;
}

static bool value_done(struct json_check *c, enum token token)
{
	c->last = token;
	c->state = c->depth ? ST_NEXT : ST_END;
	return true;
}

/* The token that follows the root value is complete. */
static const uint8_t *fail_trailing(struct json_check *c, enum token token)
{
	c->last = token;
	c->line = c->second.line;
	fail_at(c, c->start, REASON_TRAILING, 0);
	c->column = c->second.column;
	return NULL;
}

static const uint8_t *open_scope(struct json_check *c, const uint8_t *p, bool object)
{
	if (c->trailing)
		return fail_trailing(c, object ? TOKEN_START_OBJECT : TOKEN_START_ARRAY);
	if (c->depth == JSON_CHECK_MAX_DEPTH)
		return fail(c, p, REASON_DEPTH, JSON_CHECK_MAX_DEPTH + 1);
	unsigned bit = 1u << (c->depth % 8);
	uint8_t *byte = &c->in_object[c->depth / 8];
	*byte = (uint8_t)(object ? *byte | bit : *byte & ~bit);
	c->opened[c->depth].line = (uint32_t)c->line;
	c->opened[c->depth].column = (uint32_t)(offset_of(c, p) - c->line_start + 1);
	c->depth++;
	c->last = object ? TOKEN_START_OBJECT : TOKEN_START_ARRAY;
	c->state = object ? ST_FIRST_NAME : ST_FIRST;
	return p + 1;
}

static const uint8_t *close_scope(struct json_check *c, const uint8_t *p)
{
	bool object = *p == '}';
	if (c->depth == 0 || in_object(c) != object)
		return fail(c, p, REASON_CLOSE, *p);
	c->depth--;
	value_done(c, object ? TOKEN_END_OBJECT : TOKEN_END_ARRAY);
	return p + 1;
}

static const uint8_t *open_string(struct json_check *c, const uint8_t *p, bool name)
{
	if (c->trailing)
		return fail_trailing(c, TOKEN_VALUE_STRING);
	c->is_name = name;
	c->start = offset_of(c, p);
	c->state = ST_STRING;
	return p + 1;
}

/* First byte that is not a plain ASCII character of a string. Signed comparison: bytes from 0x80 on are below 0x20 too. */
static const uint8_t *scan_plain(const uint8_t *p, const uint8_t *end)
{
#ifdef __SSE2__
	const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'), space = _mm_set1_epi8(' ');
	for (; end - p >= 16; p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		__m128i hit = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)), _mm_cmplt_epi8(v, space));
		unsigned mask = (unsigned)_mm_movemask_epi8(hit);
		if (mask)
			return p + __builtin_ctz(mask);
	}
#endif
	while (p < end && *p >= ' ' && *p < 0x80 && *p != '"' && *p != '\\')
		p++;
	return p;
}

static const uint8_t *close_string(struct json_check *c, const uint8_t *p)
{
	if (!c->is_name) {
		value_done(c, TOKEN_VALUE_STRING);
		return p + 1;
	}
	uint64_t n = offset_of(c, p) - c->start - 1;
	if (n > JSON_CHECK_MAX_NAME)
		return fail(c, p, REASON_LONG_NAME, n > UINT32_MAX ? UINT32_MAX : (uint32_t)n);
	c->last = TOKEN_FIELD_NAME;
	c->state = ST_COLON;
	return p + 1;
}

static const uint8_t *step_utf8(struct json_check *c, const uint8_t *p, const uint8_t *end)
{
	for (; p < end && c->utf8_left; p++)
		if (!utf8_next(c, *p))
			return fail(c, p + 1, REASON_MIDDLE_BYTE, *p);
	if (c->utf8_left == 0)
		c->state = ST_STRING;
	return p;
}

/* Whole characters of two and three bytes; leading bytes with rules of their own are left to step_utf8. */
static const uint8_t *scan_utf8(const uint8_t *p, const uint8_t *end)
{
	while (end - p >= 3) {
		if (p[0] >= 0xC2 && p[0] < 0xE0 && (p[1] & 0xC0) == 0x80)
			p += 2;
		else if (p[0] > 0xE0 && p[0] < 0xF0 && p[0] != 0xED && (p[1] & 0xC0) == 0x80 && (p[2] & 0xC0) == 0x80)
			p += 3;
		else
			break;
	}
	return p;
}

static const uint8_t *step_string(struct json_check *c, const uint8_t *p, const uint8_t *end)
{
	p = scan_utf8(scan_plain(p, end), end);
	while (p < end && *p >= 0x80) {
		if (!utf8_lead(c, *p))
			return fail(c, p + 1, REASON_START_BYTE, *p);
		c->state = ST_UTF8;
		p = step_utf8(c, p + 1, end);
		if (!p || c->state == ST_UTF8)
			return p;
	}
	if (p == end)
		return p;
	if (*p == '"')
		return close_string(c, p);
	if (*p < ' ')
		return fail(c, p, c->is_name ? REASON_RAW_NAME : REASON_RAW_STRING, *p);
	if (*p == '\\') {
		c->state = ST_ESCAPE;
		p++;
	}
	return p;
}

static const uint8_t *step_escape(struct json_check *c, const uint8_t *p, const uint8_t *end)
{
	if (*p == 'u') {
		c->escape_left = 4;
		c->state = ST_HEX;
	} else if (*p && strchr("\"\\/bfnrt", *p)) {
		c->state = ST_STRING;
	} else {
		return odd_char(c, p, REASON_ESCAPE);
	}
	return p + 1;
}

static const uint8_t *step_hex(struct json_check *c, const uint8_t *p, const uint8_t *end)
{
	for (; p < end && c->escape_left; p++) {
		uint8_t low = *p | 0x20;
		if (!is_digit(*p) && !(low >= 'a' && low <= 'f'))
			return fail(c, p, REASON_HEX, *p);
		c->escape_left--;
	}
	if (c->escape_left == 0)
		c->state = ST_STRING;
	return p;
}

static bool is_word(uint8_t b)
{
	uint8_t low = b | 0x20;
	return (low >= 'a' && low <= 'z') || is_digit(b) || b == '_';
}

/* Java counts these as parts of identifiers as well. */
static bool is_odd_word(uint8_t b)
{
	return b == '$' || b <= 8 || (b >= 0x0E && b <= 0x1B) || b == 0x7F;
}

static enum token word_token(const struct json_check *c)
{
	static const struct {
		char text[6];
		uint8_t len, token;
	} words[] = {{"true", 4, TOKEN_VALUE_TRUE}, {"false", 5, TOKEN_VALUE_FALSE}, {"null", 4, TOKEN_VALUE_NULL}};
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (c->token_len == words[i].len && memcmp(c->token, words[i].text, words[i].len) == 0)
			return words[i].token;
	return TOKEN_null;
}

/* The word ends before `offset`; `broken` when a character stands there. -1: fault. */
static int word_end(struct json_check *c, uint64_t offset, bool broken)
{
	enum token token = word_token(c);
	c->token[c->token_len] = '\0';
	if (token != TOKEN_null) {
		if (c->trailing)
			fail_trailing(c, token);
		else
			value_done(c, token);
	} else if (strcmp(c->token, "NaN") == 0 || strcmp(c->token, "Infinity") == 0 || strcmp(c->token, "-Infinity") == 0) {
		fail_at(c, offset, REASON_NOT_FINITE, 0);
	} else {
		fail_at(c, offset + broken, REASON_TOKEN, 0);
	}
	return c->fault ? -1 : 0;
}

static bool word_put(struct json_check *c, uint8_t b)
{
	c->token[c->token_len++] = (char)b;
	if (c->token_len < JSON_CHECK_TOKEN)
		return true;
	memcpy(c->token + c->token_len, "...", 4);
	return false;
}

static const uint8_t *step_word(struct json_check *c, const uint8_t *p, const uint8_t *end)
{
	for (; p < end; p++) {
		if (*p >= 0x80) {
			if (!utf8_lead(c, *p))
				return fail(c, p + 1, REASON_START_BYTE, *p);
			c->state = ST_WORD_UTF8;
			return word_put(c, *p) ? p + 1 : fail(c, p + 1, REASON_TOKEN, 0);
		}
		if (!is_word(*p) && !(is_odd_word(*p) && word_token(c) == TOKEN_null))
			return word_end(c, offset_of(c, p), true) < 0 ? NULL : p;
		if (!word_put(c, *p))
			return fail(c, p + 1, REASON_TOKEN, 0);
	}
	return p;
}

static const uint8_t *step_word_utf8(struct json_check *c, const uint8_t *p, const uint8_t *end)
{
	for (; p < end && c->utf8_left; p++) {
		if (!utf8_next(c, *p))
			return fail(c, p + 1, REASON_MIDDLE_BYTE, *p);
		if (!word_put(c, *p))
			return fail(c, p + 1, REASON_TOKEN, 0);
	}
	if (c->utf8_left == 0)
		c->state = ST_WORD;
	return p;
}

static const uint8_t *open_word(struct json_check *c, const uint8_t *p)
{
	c->token_len = 0;
	if (*p >= 0x80) { /* Jackson takes the raw byte for a Latin-1 letter here */
		word_put(c, (uint8_t)(0xC0 | *p >> 6));
		word_put(c, 0x80 | (*p & 0x3F));
	} else {
		word_put(c, *p);
	}
	c->state = ST_WORD;
	return p + 1;
}

static bool starts_word(uint8_t b)
{
	if (b < 0x80)
		return (is_word(b) && !is_digit(b)) || b == '$';
	return (b >= 0xC0 && b != 0xD7 && b != 0xF7) || (b >= 0xA2 && b <= 0xA5) || b == 0xAA || b == 0xB5 || b == 0xBA;
}

static const uint8_t *open_number(struct json_check *c, const uint8_t *p)
{
	c->is_float = false;
	c->digits = *p != '-';
	c->state = *p == '-' ? ST_MINUS : *p == '0' ? ST_ZERO : ST_INT;
	return p + 1;
}

/* A value must begin at p. */
static const uint8_t *value_at(struct json_check *c, const uint8_t *p)
{
	uint8_t b = *p;
	if (b == '"')
		return open_string(c, p, false);
	if (b == '{' || b == '[')
		return open_scope(c, p, b == '{');
	if (is_digit(b) || b == '-')
		return open_number(c, p);
	if (starts_word(b))
		return open_word(c, p);
	if (b == '+') {
		c->state = ST_PLUS;
		return p + 1;
	}
	if (b == '/')
		return fail(c, p, REASON_COMMENT, b);
	if (b == ',' || b == '}' || (b == ']' && c->depth && !in_object(c)))
		return fail(c, p, REASON_EXPECTED, b);
	return fail(c, p, REASON_VALUE, b);
}

static const uint8_t *step_value(struct json_check *c, const uint8_t *p, const uint8_t *end)
{
	p = skip_space(c, p, end);
	if (!p || p == end)
		return p;
	if (c->depth == 0 && (*p == '}' || *p == ']'))
		return close_scope(c, p);
	return value_at(c, p);
}

static const uint8_t *step_first(struct json_check *c, const uint8_t *p, const uint8_t *end)
{
	p = skip_space(c, p, end);
	if (!p || p == end)
		return p;
	return *p == ']' || *p == '}' ? close_scope(c, p) : value_at(c, p);
}

static const uint8_t *step_name(struct json_check *c, const uint8_t *p, const uint8_t *end)
{
	p = skip_space(c, p, end);
	if (!p || p == end)
		return p;
	if (*p == '"')
		return open_string(c, p, true);
	if (c->state == ST_FIRST_NAME && (*p == '}' || *p == ']'))
		return close_scope(c, p);
	return odd_char(c, p, *p == '/' ? REASON_COMMENT : REASON_NAME);
}

static const uint8_t *step_colon(struct json_check *c, const uint8_t *p, const uint8_t *end)
{
	p = skip_space(c, p, end);
	if (!p || p == end)
		return p;
	if (*p != ':')
		return fail(c, p, *p == '/' ? REASON_COMMENT : REASON_COLON, *p);
	c->state = ST_VALUE;
	return p + 1;
}

static const uint8_t *step_next(struct json_check *c, const uint8_t *p, const uint8_t *end)
{
	p = skip_space(c, p, end);
	if (!p || p == end)
		return p;
	if (*p == '}' || *p == ']')
		return close_scope(c, p);
	if (*p != ',')
		return fail(c, p, *p == '/' ? REASON_COMMENT : REASON_COMMA, *p);
	c->state = in_object(c) ? ST_NAME : ST_VALUE;
	return p + 1;
}

static const uint8_t *step_end(struct json_check *c, const uint8_t *p, const uint8_t *end)
{
	p = skip_space(c, p, end);
	if (!p || p == end)
		return p;
	if (*p == '}' || *p == ']')
		return close_scope(c, p);
	c->trailing = true;
	c->start = offset_of(c, p);
	c->second.line = (uint32_t)c->line;
	c->second.column = (uint32_t)(c->start - c->line_start + 1);
	return value_at(c, p);
}

static const uint8_t *step_plus(struct json_check *c, const uint8_t *p, const uint8_t *end)
{
	return fail(c, p, REASON_PLUS, '+');
}

/* -1: fault. `next` is the byte behind the number, or a blank at the end of the input. */
static int number_end(struct json_check *c, uint64_t offset, uint8_t next)
{
	if (c->digits > JSON_CHECK_MAX_NUMBER)
		fail_at(c, offset, REASON_LONG_NUMBER, c->digits > UINT32_MAX ? UINT32_MAX : (uint32_t)c->digits);
	else if (c->depth == 0 && next != ' ' && next != '\t' && next != '\r' && next != '\n')
		fail_at(c, offset, REASON_ROOT_SPACE, next);
	else if (c->trailing)
		fail_trailing(c, c->is_float ? TOKEN_VALUE_NUMBER_FLOAT : TOKEN_VALUE_NUMBER_INT);
	else
		value_done(c, c->is_float ? TOKEN_VALUE_NUMBER_FLOAT : TOKEN_VALUE_NUMBER_INT);
	return c->fault ? -1 : 0;
}

/* Behind digits at p: a fraction, an exponent or the end of the number. */
static const uint8_t *after_digits(struct json_check *c, const uint8_t *p, bool point, bool exponent)
{
	if ((point && *p == '.') || (exponent && (*p | 0x20) == 'e')) {
		c->is_float = true;
		c->state = *p == '.' ? ST_POINT : ST_EXPONENT;
		return p + 1;
	}
	return number_end(c, offset_of(c, p), *p) < 0 ? NULL : p;
}

static const uint8_t *step_minus(struct json_check *c, const uint8_t *p, const uint8_t *end)
{
	if (*p == 'I') {
		c->token_len = 0;
		word_put(c, '-');
		c->state = ST_WORD;
		return p;
	}
	if (!is_digit(*p))
		return fail(c, p, REASON_MINUS, *p);
	c->digits = 1;
	c->state = *p == '0' ? ST_ZERO : ST_INT;
	return p + 1;
}

static const uint8_t *step_zero(struct json_check *c, const uint8_t *p, const uint8_t *end)
{
	if (is_digit(*p))
		return fail(c, p, REASON_LEADING_ZERO, *p);
	return after_digits(c, p, true, true);
}

static const uint8_t *step_digits(struct json_check *c, const uint8_t *p, const uint8_t *end)
{
	const uint8_t *from = p;
	while (p < end && is_digit(*p))
		p++;
	c->digits += (uint64_t)(p - from);
	if (p == end)
		return p;
	return after_digits(c, p, c->state == ST_INT, c->state != ST_EXPONENT_DIGITS);
}

static const uint8_t *step_point(struct json_check *c, const uint8_t *p, const uint8_t *end)
{
	if (!is_digit(*p))
		return fail(c, p, REASON_POINT, *p);
	c->state = ST_FRACTION;
	return p;
}

static const uint8_t *step_exponent(struct json_check *c, const uint8_t *p, const uint8_t *end)
{
	if (c->state == ST_EXPONENT && (*p == '+' || *p == '-')) {
		c->state = ST_EXPONENT_SIGN;
		return p + 1;
	}
	if (!is_digit(*p))
		return fail(c, p, REASON_EXPONENT, *p);
	c->state = ST_EXPONENT_DIGITS;
	return p;
}

static const uint8_t *(*const steps[ST_COUNT])(struct json_check *c, const uint8_t *p, const uint8_t *end) = {
	[ST_VALUE] = step_value,
	[ST_FIRST] = step_first,
	[ST_FIRST_NAME] = step_name,
	[ST_NAME] = step_name,
	[ST_COLON] = step_colon,
	[ST_NEXT] = step_next,
	[ST_END] = step_end,
	[ST_STRING] = step_string,
	[ST_UTF8] = step_utf8,
	[ST_ESCAPE] = step_escape,
	[ST_HEX] = step_hex,
	[ST_WORD] = step_word,
	[ST_WORD_UTF8] = step_word_utf8,
	[ST_CHAR] = step_char,
	[ST_PLUS] = step_plus,
	[ST_MINUS] = step_minus,
	[ST_ZERO] = step_zero,
	[ST_INT] = step_digits,
	[ST_POINT] = step_point,
	[ST_FRACTION] = step_digits,
	[ST_EXPONENT] = step_exponent,
	[ST_EXPONENT_SIGN] = step_exponent,
	[ST_EXPONENT_DIGITS] = step_digits,
};

void json_check_init(struct json_check *c)
{
	memset(c, 0, offsetof(struct json_check, token));
	c->line = 1;
	c->after_cr = UINT64_MAX;
}

int json_check_feed(struct json_check *c, const void *data, size_t n)
{
	const uint8_t *p = data, *end;
	if (c->fault)
		return -1;
	if (n == 0)
		return 0;
	end = p + n;
	c->piece = p;
	while (p && p < end)
		p = steps[c->state](c, p, end);
	c->seen += n;
	return p ? 0 : -1;
}

/* What an input that ends in a state lacks; NONE: nothing. Words and numbers are asked themselves. */
static const uint8_t missing[ST_COUNT] = {
	[ST_VALUE] = REASON_END_BETWEEN,  [ST_FIRST] = REASON_END_CLOSE, [ST_FIRST_NAME] = REASON_END_CLOSE,
	[ST_NAME] = REASON_END_BETWEEN,   [ST_COLON] = REASON_END_BETWEEN, [ST_NEXT] = REASON_END_CLOSE,
	[ST_STRING] = REASON_END_STRING,  [ST_UTF8] = REASON_END_STRING, [ST_ESCAPE] = REASON_END_ESCAPE,
	[ST_HEX] = REASON_END_ESCAPE,     [ST_WORD_UTF8] = REASON_END_TOKEN, [ST_CHAR] = REASON_END_TOKEN,
	[ST_PLUS] = REASON_END_PLUS,      [ST_MINUS] = REASON_END_TOKEN, [ST_EXPONENT] = REASON_END_TOKEN,
	[ST_EXPONENT_SIGN] = REASON_END_TOKEN,
};

int json_check_end(struct json_check *c)
{
	if (c->fault)
		return -1;
	uint8_t reason = missing[c->state];
	if (c->state == ST_VALUE && c->depth == 0)
		reason = REASON_EMPTY;
	if (c->is_name && (c->state == ST_STRING || c->state == ST_UTF8))
		reason = c->seen == c->start + 1 ? REASON_END_NAME_START : REASON_END_NAME;
	if (reason) {
		fail_at(c, c->seen, reason, 0);
		return -1;
	}
	if (c->state == ST_POINT) {
		fail_at(c, c->seen - 1, REASON_POINT, '.');
		return -1;
	}
	if (c->state == ST_WORD && word_end(c, c->seen, false) < 0)
		return -1;
	if ((c->state >= ST_ZERO && c->state <= ST_EXPONENT_DIGITS) && number_end(c, c->seen, ' ') < 0)
		return -1;
	/* A word or a number inside of something that was never closed. */
	if (c->state == ST_NEXT)
		fail_at(c, c->seen, REASON_END_CLOSE, 0);
	return c->fault ? -1 : 0;
}

int json_check_all(struct json_check *c, const void *data, size_t n)
{
	json_check_init(c);
	return json_check_feed(c, data, n) < 0 ? -1 : json_check_end(c);
}
