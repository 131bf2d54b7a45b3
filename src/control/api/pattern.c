#include "control/api/pattern.h"

#include <stdint.h>
#include <string.h>

#include "core/base/check.h"

#define NODES_MAX 512
#define STEPS_MAX 200000
#define MANY 0xffff

enum kind { EMPTY, SET, CAT, ALT, REPEAT, UNLESS, NOT_AFTER, BEGIN, END };

struct node {
	uint8_t kind;
	uint16_t a, b;     /* children */
	uint16_t min, max; /* REPEAT */
	uint8_t set[32];
};

struct parser {
	const char *at;
	struct node nodes[NODES_MAX];
	unsigned count;
};

static uint16_t parse_alternatives(struct parser *p);

static uint16_t add(struct parser *p, enum kind kind, uint16_t a, uint16_t b)
{
	ASSERT(p->count < NODES_MAX);
	p->nodes[p->count] = (struct node){.kind = (uint8_t)kind, .a = a, .b = b};
	return (uint16_t)p->count++;
}

static void put(struct node *n, unsigned from, unsigned to)
{
	for (unsigned c = from; c <= to; c++)
		n->set[c / 8] |= (uint8_t)(1u << c % 8);
}

static void invert(struct node *n)
{
	for (size_t i = 0; i < sizeof n->set; i++)
		n->set[i] = (uint8_t)~n->set[i];
}

static void put_words(struct node *n)
{
	put(n, '0', '9');
	put(n, 'a', 'z');
	put(n, 'A', 'Z');
	put(n, '_', '_');
}

static void put_blanks(struct node *n)
{
	put(n, '\t', '\r');
	put(n, ' ', ' ');
}

/* What stands behind a backslash. */
static void put_escape(struct node *n, char c)
{
	switch (c) {
	case 'd':
		put(n, '0', '9');
		break;
	case 'w':
		put_words(n);
		break;
	case 's':
		put_blanks(n);
		break;
	case 'S':
		put_blanks(n);
		invert(n);
		break;
	default:
		put(n, (unsigned char)c, (unsigned char)c);
	}
}

static unsigned hex_digit(char c)
{
	return c >= '0' && c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

/* A member of a set that may begin a range: itself, or \xHH. */
static unsigned char parse_member(struct parser *p)
{
	if (p->at[0] == '\\' && p->at[1] == 'x') {
		p->at += 4;
		return (unsigned char)(hex_digit(p->at[-2]) << 4 | hex_digit(p->at[-1]));
	}
	return (unsigned char)*p->at++;
}

/* Behind the backslash. */
static void put_hex(struct parser *p, struct node *n)
{
	p->at--;
	unsigned char c = parse_member(p);
	put(n, c, c);
}

static uint16_t parse_set(struct parser *p)
{
	uint16_t at = add(p, SET, 0, 0);
	struct node *n = &p->nodes[at];
	bool negative = *p->at == '^';
	p->at += negative;
	while (*p->at != ']') {
		ASSERT(*p->at);
		bool escape = *p->at == '\\' && p->at[1] != 'x';
		unsigned char from = parse_member(p);
		if (escape) {
			put_escape(n, *p->at++);
		} else if (p->at[0] == '-' && p->at[1] != ']') {
			p->at++;
			put(n, from, parse_member(p));
		} else {
			put(n, from, from);
		}
	}
	p->at++;
	if (negative)
		invert(n);
	return at;
}

static uint16_t parse_group(struct parser *p)
{
	static const struct {
		const char *text;
		enum kind kind;
	} kinds[] = {{"?!", UNLESS}, {"?<!", NOT_AFTER}, {"?:", EMPTY}};
	enum kind kind = EMPTY;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (strncmp(p->at, kinds[i].text, strlen(kinds[i].text)) != 0)
			continue;
		kind = kinds[i].kind;
		p->at += strlen(kinds[i].text);
		break;
	}
	uint16_t inner = parse_alternatives(p);
	ASSERT(*p->at == ')');
	p->at++;
	return kind == EMPTY ? inner : add(p, kind, inner, 0);
}

static uint16_t parse_atom(struct parser *p)
{
	char c = *p->at++;
	uint16_t at;
	switch (c) {
	case '(':
		return parse_group(p);
	case '[':
		return parse_set(p);
	case '^':
		return add(p, BEGIN, 0, 0);
	case '$':
		return add(p, END, 0, 0);
	default:
		at = add(p, SET, 0, 0);
		if (c == '.')
			put(&p->nodes[at], 0, 255);
		else if (c == '\\' && *p->at == 'x')
			put_hex(p, &p->nodes[at]);
		else if (c == '\\')
			put_escape(&p->nodes[at], *p->at++);
		else
			put(&p->nodes[at], (unsigned char)c, (unsigned char)c);
		return at;
	}
}

static uint16_t parse_number(struct parser *p)
{
	unsigned v = 0;
	while (*p->at >= '0' && *p->at <= '9')
		v = v * 10 + (unsigned)(*p->at++ - '0');
	return (uint16_t)v;
}

static uint16_t parse_repeat(struct parser *p)
{
	uint16_t inner = parse_atom(p), min = 1, max = 1;
	switch (*p->at) {
	case '?':
		min = 0;
		break;
	case '*':
		min = 0, max = MANY;
		break;
	case '+':
		max = MANY;
		break;
	case '{':
		p->at++;
		min = max = parse_number(p);
		if (*p->at == ',') {
			p->at++;
			max = *p->at == '}' ? MANY : parse_number(p);
		}
		ASSERT(*p->at == '}');
		break;
	default:
		return inner;
	}
	p->at++;
	uint16_t at = add(p, REPEAT, inner, 0);
	p->nodes[at].min = min;
	p->nodes[at].max = max;
	return at;
}

static uint16_t parse_alternatives(struct parser *p)
{
	uint16_t all = add(p, EMPTY, 0, 0);
	while (*p->at && *p->at != '|' && *p->at != ')') {
		uint16_t next = parse_repeat(p);
		all = add(p, CAT, all, next);
	}
	if (*p->at != '|')
		return all;
	p->at++;
	uint16_t other = parse_alternatives(p);
	return add(p, ALT, all, other);
}

/* ---- matching: backtracking, with what must follow handed on ---- */

struct rest {
	const struct rest *next;
	const char *from; /* where a repetition began: one that consumed nothing ends */
	uint16_t node, count;
	bool again;       /* node is a REPEAT that has matched count times */
};

struct run {
	const struct node *nodes;
	const char *begin, *end;
	unsigned steps;
	bool prefix; /* inside (?!...): need not reach the end */
};

static bool match(struct run *r, uint16_t node, const char *s, const struct rest *rest);

static bool match_again(struct run *r, uint16_t node, unsigned count, const char *s, const struct rest *rest);

static bool match_rest(struct run *r, const char *s, const struct rest *rest)
{
	if (!rest)
		return r->prefix || s == r->end;
	if (!rest->again)
		return match(r, rest->node, s, rest->next);
	if (s == rest->from)
		return match_rest(r, s, rest->next);
	return match_again(r, rest->node, rest->count, s, rest->next);
}

static bool in_set(const struct node *n, char c)
{
	unsigned char u = (unsigned char)c;
	return n->set[u / 8] >> u % 8 & 1;
}

/* A repeated set needs no recursion. */
static bool match_run(struct run *r, const struct node *n, const char *s, const struct rest *rest)
{
	const struct node *set = &r->nodes[n->a];
	size_t most = 0, left = (size_t)(r->end - s);
	while (most < left && most < n->max && in_set(set, s[most]))
		most++;
	for (size_t k = most + 1; k-- > n->min;) {
		if (++r->steps < STEPS_MAX && match_rest(r, s + k, rest))
			return true;
	}
	return false;
}

static bool match_again(struct run *r, uint16_t node, unsigned count, const char *s, const struct rest *rest)
{
	const struct node *n = &r->nodes[node];
	struct rest more = {.next = rest, .from = s, .node = node, .count = (uint16_t)(count + 1), .again = true};
	if (count < n->max && match(r, n->a, s, &more))
		return true;
	return count >= n->min && match_rest(r, s, rest);
}

static bool match(struct run *r, uint16_t node, const char *s, const struct rest *rest)
{
	const struct node *n = &r->nodes[node];
	struct rest after = {.next = rest, .node = n->b};
	if (++r->steps > STEPS_MAX)
		return false;
	switch ((enum kind)n->kind) {
	case EMPTY:
		return match_rest(r, s, rest);
	case SET:
		return s < r->end && in_set(n, *s) && match_rest(r, s + 1, rest);
	case CAT:
		return match(r, n->a, s, &after);
	case ALT:
		return match(r, n->a, s, rest) || match(r, n->b, s, rest);
	case REPEAT:
		return r->nodes[n->a].kind == SET ? match_run(r, n, s, rest) : match_again(r, node, 0, s, rest);
	case UNLESS: {
		struct run inner = *r;
		inner.prefix = true;
		return !match(&inner, n->a, s, NULL) && match_rest(r, s, rest);
	}
	case NOT_AFTER: { /* of one character: others are not needed */
		struct run before = *r;
		before.prefix = false;
		before.end = s;
		return (s == r->begin || !match(&before, n->a, s - 1, NULL)) && match_rest(r, s, rest);
	}
	case BEGIN:
		return s == r->begin && match_rest(r, s, rest);
	case END:
		return s == r->end && match_rest(r, s, rest);
	}
	return false;
}

bool pattern_matches(const char *pattern, struct str text)
{
	struct parser p = {.at = pattern};
	uint16_t root = parse_alternatives(&p);
	ASSERT(*p.at == '\0');
	const char *s = text.p ? text.p : "";
	struct run r = {.nodes = p.nodes, .begin = s, .end = s + text.n};
	return match(&r, root, s, NULL);
}
