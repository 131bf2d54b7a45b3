#include "control/logs/pattern_regex.h"

#include <ctype.h>
#include <string.h>

#include "core/base/codec.h"

#define INVALID "Invalid filter pattern: "

enum position_kind { MATCH_BYTE, AT_BEGIN, AT_END, ACCEPT };

struct position {
	enum position_kind kind;
	bool skip, loop;     /* may be left out; may match again */
	bool first;          /* begins an alternative */
	uint8_t bytes[32];   /* the set it matches, a bit a byte */
};

struct regex {
	unsigned count;
	bool anchored;       /* every alternative begins with ^ */
	bool quick;          /* a match begins with a byte of `start` */
	uint8_t start[32];
	struct position *positions;
};

/* ---- sets of bytes ---- */

static void set_add(uint8_t set[32], unsigned c)
{
	set[c / 8] |= (uint8_t)(1u << c % 8);
}

static bool set_has(const uint8_t set[32], unsigned c)
{
	return set[c / 8] >> c % 8 & 1;
}

static void set_range(uint8_t set[32], unsigned from, unsigned to)
{
	for (unsigned c = from; c <= to; c++)
		set_add(set, c);
}

static void set_invert(uint8_t set[32])
{
	for (unsigned i = 0; i < 32; i++)
		set[i] = (uint8_t)~set[i];
}

static void set_merge(uint8_t set[32], const uint8_t other[32])
{
	for (unsigned i = 0; i < 32; i++)
		set[i] |= other[i];
}

/* \d and its like; false when the letter names no class. */
static bool class_of(char letter, uint8_t set[32])
{
	memset(set, 0, 32);
	switch (tolower((unsigned char)letter)) {
	case 'd':
		set_range(set, '0', '9');
		break;
	case 'w':
		set_range(set, '0', '9');
		set_range(set, 'A', 'Z');
		set_range(set, 'a', 'z');
		set_add(set, '_');
		break;
	case 's':
		set_range(set, '\t', '\r');
		set_add(set, ' ');
		break;
	default:
		return false;
	}
	if (isupper((unsigned char)letter))
		set_invert(set);
	return true;
}

/* ---- parsing ---- */

struct parser {
	struct regex *r;
	struct str rest;
	struct error *err;
};

static struct position *add(struct parser *p, enum position_kind kind)
{
	if (p->r->count == REGEX_POSITIONS) {
		error_set(p->err, ERR_INVALID, INVALID "a regular expression is too long");
		return NULL;
	}
	struct position *at = &p->r->positions[p->r->count++];
	*at = (struct position){.kind = kind};
	return at;
}

static int next_byte(struct parser *p)
{
	if (!p->rest.n)
		return -1;
	unsigned char c = (unsigned char)p->rest.p[0];
	p->rest = str_sub(p->rest, 1, p->rest.n);
	return c;
}

static bool peek_is(const struct parser *p, char c)
{
	return p->rest.n && p->rest.p[0] == c;
}

/* What follows a backslash: a class into `set` (*single -1), or one byte. */
static int escape(struct parser *p, uint8_t set[32], int *single)
{
	static const char names[] = "trnf", values[] = "\t\r\n\f";
	unsigned char byte;
	int c = next_byte(p);
	*single = -1;
	if (c < 0)
		return error_set(p->err, ERR_INVALID, INVALID "a regular expression ends with a backslash");
	if (class_of((char)c, set))
		return 0;
	const char *name = strchr(names, c);
	if (name && c) {
		*single = values[name - names];
	} else if (c == 'x') {
		if (hex_decode(&byte, 1, str_sub(p->rest, 0, 2)) < 0)
			return error_set(p->err, ERR_INVALID, INVALID "\\x needs two hex digits");
		p->rest = str_sub(p->rest, 2, p->rest.n);
		*single = byte;
	} else if (isalnum(c)) {
		return error_set(p->err, ERR_INVALID, INVALID "\\%c is not supported in a regular expression", c);
	} else {
		*single = c;
	}
	memset(set, 0, 32);
	set_add(set, (unsigned)*single);
	return 0;
}

/* One member of [...]: a byte, an escape, or a class; *single as above. */
static int set_member(struct parser *p, uint8_t set[32], int *single)
{
	int c = next_byte(p);
	if (c == '\\')
		return escape(p, set, single);
	if (c < 0)
		return error_set(p->err, ERR_INVALID, INVALID "a [ in a regular expression is not closed");
	memset(set, 0, 32);
	set_add(set, (unsigned)c);
	*single = c;
	return 0;
}

static int parse_set(struct parser *p, uint8_t set[32])
{
	bool invert = peek_is(p, '^'), any = false;
	if (invert)
		next_byte(p);
	while (!peek_is(p, ']') || !any) {
		uint8_t member[32], high[32];
		int from, to;
		if (set_member(p, member, &from) < 0)
			return -1;
		any = true;
		set_merge(set, member);
		if (from < 0 || !peek_is(p, '-') || p->rest.n < 2 || p->rest.p[1] == ']')
			continue;
		next_byte(p);
		if (set_member(p, high, &to) < 0)
			return -1;
		if (to < from)
			return error_set(p->err, ERR_INVALID, INVALID "a range in a regular expression runs backwards");
		set_range(set, (unsigned)from, (unsigned)to);
	}
	next_byte(p);
	if (invert)
		set_invert(set);
	return 0;
}

static int parse_atom(struct parser *p, struct position *at)
{
	int single, c = next_byte(p);
	switch (c) {
	case '^':
	case '$':
		at->kind = c == '^' ? AT_BEGIN : AT_END;
		return 0;
	case '.':
		set_add(at->bytes, '\n');
		set_invert(at->bytes);
		return 0;
	case '[':
		return parse_set(p, at->bytes);
	case '\\':
		return escape(p, at->bytes, &single);
	case '(':
	case ')':
		return error_set(p->err, ERR_INVALID, INVALID "parentheses are not supported in regular expressions");
	case '*':
	case '+':
	case '?':
	case '{':
		return error_set(p->err, ERR_INVALID, INVALID "nothing to repeat before %c in a regular expression", c);
	default:
		set_add(at->bytes, (unsigned)c);
		return 0;
	}
}

static unsigned parse_number(struct parser *p, bool *any)
{
	unsigned n = 0;
	*any = false;
	for (; p->rest.n && isdigit((unsigned char)p->rest.p[0]); *any = true) {
		n = n * 10 + (unsigned)(next_byte(p) - '0');
		n = n > REGEX_POSITIONS ? REGEX_POSITIONS + 1 : n;
	}
	return n;
}

#define NO_MOST 0xffffffffu

/* {n}, {n,}, {n,m}, behind the brace. */
static int parse_count(struct parser *p, unsigned *least, unsigned *most)
{
	bool has_least, has_most = false;
	*least = *most = parse_number(p, &has_least);
	if (peek_is(p, ',')) {
		next_byte(p);
		*most = parse_number(p, &has_most);
		*most = has_most ? *most : NO_MOST;
	}
	if (!has_least || next_byte(p) != '}' || *most < *least || !*most)
		return error_set(p->err, ERR_INVALID, INVALID "a repetition in a regular expression must be {n}, {n,} or {n,m}");
	return 0;
}

static int parse_repeat(struct parser *p, unsigned *least, unsigned *most)
{
	*least = *most = 1;
	if (!p->rest.n)
		return 0;
	char c = p->rest.p[0];
	if (c != '*' && c != '+' && c != '?' && c != '{')
		return 0;
	next_byte(p);
	if (c == '{')
		return parse_count(p, least, most);
	*least = c == '+';
	*most = c == '?' ? 1 : NO_MOST;
	return 0;
}

/* The atom that was added last, written out `least` to `most` times. */
static int repeat(struct parser *p, unsigned least, unsigned most)
{
	struct position *at = &p->r->positions[p->r->count - 1], one = *at;
	unsigned copies = most != NO_MOST ? most : least ? least : 1;
	if (one.kind != MATCH_BYTE && (least != 1 || most != 1))
		return error_set(p->err, ERR_INVALID, INVALID "^ and $ cannot be repeated");
	for (unsigned i = 0; i < copies; i++) {
		if (i > 0)
			at = add(p, MATCH_BYTE);
		if (!at)
			return -1;
		*at = one;
		at->first = i == 0 && one.first;
		at->skip = i >= least;
		at->loop = most == NO_MOST && i + 1 == copies;
	}
	return 0;
}

static int parse_alternative(struct parser *p)
{
	bool first = true;
	unsigned least, most;
	while (p->rest.n && !peek_is(p, '|')) {
		struct position *at = add(p, MATCH_BYTE);
		if (!at)
			return -1;
		at->first = first;
		if (parse_atom(p, at) < 0)
			return -1;
		if (first && at->kind != AT_BEGIN)
			p->r->anchored = false;
		if (parse_repeat(p, &least, &most) < 0 || repeat(p, least, most) < 0)
			return -1;
		first = false;
	}
	if (first)
		return error_set(p->err, ERR_INVALID, INVALID "an empty regular expression");
	return add(p, ACCEPT) ? 0 : -1;
}

unsigned regex_positions(const struct regex *r)
{
	return r->count;
}

/* ---- matching: the set of positions that may come next, byte by byte ---- */

struct active {
	uint8_t on[REGEX_POSITIONS + 1];
};

/* Positions are in order, so one pass also follows what may be left out. True when an alternative is complete. */
static bool follow(const struct regex *r, struct active *a, bool begin, bool end)
{
	for (unsigned i = 0; i < r->count; i++) {
		const struct position *at = &r->positions[i];
		if (at->first && (begin || !r->anchored))
			a->on[i] = 1;
		if (!a->on[i])
			continue;
		if (at->kind == ACCEPT)
			return true;
		if (at->skip || (at->kind == AT_BEGIN && begin) || (at->kind == AT_END && end))
			a->on[i + 1] = 1;
	}
	return false;
}

static bool step(const struct regex *r, const struct active *from, struct active *to, unsigned char c)
{
	bool any = false;
	memset(to->on, 0, r->count + 1);
	for (unsigned i = 0; i < r->count; i++) {
		const struct position *at = &r->positions[i];
		if (!from->on[i] || at->kind != MATCH_BYTE || !set_has(at->bytes, c))
			continue;
		to->on[i + 1] = 1;
		if (at->loop)
			to->on[i] = 1;
		any = true;
	}
	return any;
}

static void find_start(struct regex *r)
{
	struct active a = {0};
	r->quick = !r->anchored && !follow(r, &a, true, false);
	for (unsigned i = 0; i < r->count && r->quick; i++) {
		if (a.on[i])
			set_merge(r->start, r->positions[i].bytes);
		r->quick = !a.on[i] || r->positions[i].kind == MATCH_BYTE;
	}
}

struct regex *regex_compile(struct arena *memory, struct str text, struct error *err)
{
	struct regex *r = ARENA_NEW(memory, struct regex);
	if (r)
		r->positions = arena_alloc(memory, REGEX_POSITIONS * sizeof *r->positions);
	if (!r || !r->positions) {
		error_set(err, ERR_NO_MEMORY, "no memory for a regular expression");
		return NULL;
	}
	r->anchored = true;
	struct parser p = {.r = r, .rest = text, .err = err};
	do {
		if (parse_alternative(&p) < 0)
			return NULL;
	} while (next_byte(&p) == '|');
	find_start(r);
	return r;
}

/* A last newline is not part of the text that $ ends: functions' lines have one. */
static bool at_end(struct str text, size_t i)
{
	return i == text.n || (i + 1 == text.n && text.p[i] == '\n');
}

bool regex_search(const struct regex *r, struct str text)
{
	struct active a, b;
	struct active *now = &a, *next = &b;
	bool any = false; /* a match has begun */
	memset(now->on, 0, r->count + 1);
	for (size_t i = 0;; i++) {
		while (r->quick && !any && i < text.n && !set_has(r->start, (unsigned char)text.p[i]))
			i++;
		if (follow(r, now, i == 0, at_end(text, i)))
			return true;
		if (i == text.n)
			return false;
		any = step(r, now, next, (unsigned char)text.p[i]);
		if (!any && r->anchored)
			return false;
		struct active *swap = now;
		now = next;
		next = swap;
	}
}
