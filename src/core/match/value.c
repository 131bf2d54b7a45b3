/* A value of an event against the rules of a leaf. Strings are decoded while they are compared. */
#include <arpa/inet.h>
#include <string.h>

#include "core/base/check.h"
#include "core/match/match_priv.h"

/* ---- texts ---- */

static unsigned hex4(const unsigned char *p)
{
	unsigned v = 0;
	for (int i = 0; i < 4; i++)
		v = v << 4 | ((p[i] <= '9' ? p[i] - '0' : (p[i] | 0x20) - 'a' + 10) & 0xF);
	return v;
}

/* The rest of a character, last byte first; gives the first byte. */
static int put_character(struct match_text *t, uint32_t c)
{
	if (c < 0x80)
		return (int)c;
	unsigned more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
	for (t->left = 0; t->left < more; c >>= 6)
		t->bytes[t->left++] = (uint8_t)(0x80 | (c & 0x3F));
	return (int)((0xFF00u >> (more + 1) & 0xFF) | c);
}

/* Behind "\u". Half a pair becomes a question mark, as in Java's UTF-8. */
static int unicode_escape(struct match_text *t)
{
	if (t->end - t->p < 4) {
		t->p = t->end;
		return -1;
	}
	uint32_t c = hex4(t->p);
	t->p += 4;
	if (c < 0xD800 || c > 0xDFFF)
		return put_character(t, c);
	uint32_t low = c < 0xDC00 && t->end - t->p >= 6 && t->p[0] == '\\' && t->p[1] == 'u' ? hex4(t->p + 2) : 0;
	if (low < 0xDC00 || low > 0xDFFF)
		return '?';
	t->p += 6;
	return put_character(t, 0x10000 + ((c & 0x3FF) << 10 | (low & 0x3FF)));
}

int match_text_byte(struct match_text *t)
{
	static const char escapes[] = "b\bf\fn\nr\rt\t";
	if (t->left)
		return t->bytes[--t->left];
	if (t->p >= t->end)
		return -1;
	int c = *t->p++;
	if (!t->escaped || c != '\\' || t->p >= t->end)
		return c;
	c = *t->p++;
	if (c == 'u')
		return unicode_escape(t);
	for (const char *e = escapes; *e; e += 2)
		if (c == *e)
			return e[1];
	return c;
}

static int32_t text_character(struct match_text *t)
{
	int b = match_text_byte(t);
	if (b < 0xC0)
		return b;
	int more = b >= 0xF0 ? 3 : b >= 0xE0 ? 2 : 1;
	int32_t c = b & (0x3F >> more);
	for (; more > 0; more--) {
		struct match_text mark = *t;
		int next = match_text_byte(t);
		if (next < 0 || (next & 0xC0) != 0x80) { /* not UTF-8 */
			*t = mark;
			return b;
		}
		c = c << 6 | (next & 0x3F);
	}
	return c;
}

int32_t match_text_folded(struct match_text *t)
{
	static const struct {
		int32_t from, to, add; /* add 0: pairs, the capital is the even one; -1: the odd one */
	} ranges[] = {
		{'A', 'Z', 32}, {0xC0, 0xD6, 32}, {0xD8, 0xDE, 32}, {0x100, 0x12F, 0}, {0x132, 0x137, 0}, {0x139, 0x148, -1}, {0x14A, 0x177, 0},
		{0x178, 0x178, -121}, {0x179, 0x17E, -1}, {0x386, 0x386, 38}, {0x388, 0x38A, 37}, {0x38C, 0x38C, 64}, {0x38E, 0x38F, 63},
		{0x391, 0x3A1, 32}, {0x3A3, 0x3AB, 32}, {0x3C2, 0x3C2, 1}, {0x400, 0x40F, 80}, {0x410, 0x42F, 32}, {0x460, 0x481, 0},
		{0x48A, 0x4BF, 0}, {0x4D0, 0x52F, 0}, {0x531, 0x556, 48}, {0x1E00, 0x1E95, 0}, {0x1EA0, 0x1EFF, 0}, {0xFF21, 0xFF3A, 32},
	};
	int32_t c = text_character(t);
	if (c < 'A' || (c > 'Z' && c < 0xC0))
		return c;
	for (size_t i = 0; i < ARRAY_LEN(ranges) && ranges[i].from <= c; i++)
		if (c <= ranges[i].to)
			return ranges[i].add == 0 ? c | 1 : ranges[i].add == -1 ? c + (c & 1) : c + ranges[i].add;
	return c;
}

size_t match_text_copy(struct match_text t, char *dst, size_t size)
{
	size_t n = 0;
	int b;
	while ((b = match_text_byte(&t)) >= 0) {
		if (n + 1 >= size)
			return SIZE_MAX;
		dst[n++] = (char)b;
	}
	dst[n] = '\0';
	return n;
}

/* ---- numbers and addresses ---- */

bool match_number(struct str text, int64_t *out)
{
	const int64_t limit = INT64_C(5000000000000000);
	const char *p = text.p, *end = text.p + text.n;
	bool minus = p < end && *p == '-', point = false, minus_exponent = false;
	int64_t value = 0, exponent = 0, digits_before = 0, index = 0;
	const char *digits = p += minus;
	for (; p < end && ((*p >= '0' && *p <= '9') || *p == '.'); p++) {
		point = point || *p == '.';
		digits_before += !point;
	}
	const char *digits_end = p;
	if (p < end && (*p | 0x20) == 'e') {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			minus_exponent = *p++ == '-';
		for (; p < end && *p >= '0' && *p <= '9'; p++)
			exponent = exponent > 100000 ? exponent : exponent * 10 + (*p - '0');
	}
	/* The first digit counts 10^place millionths. */
	int64_t place = digits_before - 1 + 6 + (minus_exponent ? -exponent : exponent);
	for (const char *d = digits; d < digits_end; d++) {
		if (*d == '.')
			continue;
		int64_t at = place - index++;
		if (*d == '0' || at < 0)
			continue;
		int64_t unit = *d - '0';
		if (at > 15)
			return false;
		while (at-- > 0)
			unit *= 10;
		value += unit;
		if (value > limit)
			return false;
	}
	*out = minus ? -value : value;
	return true;
}

unsigned match_address(struct str text, uint8_t out[16])
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
	char z[48];
	bool colon = false;
	for (size_t i = 0; i < text.n; i++)
		colon = colon || text.p[i] == ':';
	if (text.n < 2 || str_copy(z, sizeof z, text) < 0 || (colon && strchr(z, '.')))
		return 0;
	if (!colon)
		return inet_pton(AF_INET, z, out) == 1 ? 4 : 0;
	if (inet_pton(AF_INET6, z, out) != 1)
		return 0;
	if (memcmp(out, mapped, sizeof mapped) != 0)
		return 16;
	memmove(out, out + 12, 4); /* as Java's InetAddress */
	return 4;
}

/* ---- rules ---- */

static bool text_begins(struct match_text *t, struct str prefix)
{
	for (size_t i = 0; i < prefix.n; i++)
		if (match_text_byte(t) != (unsigned char)prefix.p[i])
			return false;
	return true;
}

static bool text_begins_folded(struct match_text *t, struct str prefix)
{
	struct match_text want = match_text_of(prefix, false);
	for (int32_t c; (c = match_text_folded(&want)) >= 0;)
		if (match_text_folded(t) != c)
			return false;
	return true;
}

static size_t count_bytes(struct match_text t)
{
	size_t n = 0;
	if (!t.escaped)
		return (size_t)(t.end - t.p);
	while (match_text_byte(&t) >= 0)
		n++;
	return n;
}

static size_t count_characters(struct match_text t)
{
	size_t n = 0;
	while (text_character(&t) >= 0)
		n++;
	return n;
}

static bool exact(struct match_text t, struct str text)
{
	if (!t.escaped)
		return (size_t)(t.end - t.p) == text.n && memcmp(t.p, text.p, text.n) == 0;
	return text_begins(&t, text) && match_text_byte(&t) < 0;
}

static bool prefix(struct match_text t, struct str text)
{
	return text_begins(&t, text);
}

static bool suffix(struct match_text t, struct str text)
{
	size_t n = count_bytes(t);
	if (n < text.n)
		return false;
	if (!t.escaped)
		t.p += n - text.n;
	else
		for (n -= text.n; n > 0; n--)
			match_text_byte(&t);
	return text_begins(&t, text);
}

static bool exact_folded(struct match_text t, struct str text)
{
	return text_begins_folded(&t, text) && match_text_byte(&t) < 0;
}

static bool prefix_folded(struct match_text t, struct str text)
{
	return text_begins_folded(&t, text);
}

static bool suffix_folded(struct match_text t, struct str text)
{
	size_t n = count_characters(t), want = count_characters(match_text_of(text, false));
	for (; n > want; n--)
		text_character(&t);
	return n == want && text_begins_folded(&t, text);
}

/* Greedy: a star takes as little as it can, and one byte more each time that what follows does not fit. */
static bool wildcard(struct match_text t, struct str text)
{
	const unsigned char *want = (const unsigned char *)text.p;
	size_t at = 0, behind_star = 0;
	struct match_text mark = t;
	for (;;) {
		if (at < text.n && want[at] == MATCH_STAR) {
			behind_star = ++at;
			mark = t;
			if (at == text.n)
				return true;
			continue;
		}
		int b = match_text_byte(&t);
		if (b < 0 && at == text.n)
			return true;
		if (b >= 0 && at < text.n && want[at] == b) {
			at++;
			continue;
		}
		if (b < 0 || !behind_star || match_text_byte(&mark) < 0)
			return false;
		t = mark;
		at = behind_star;
	}
}

static bool (*const text_ops[])(struct match_text t, struct str text) = {
	[OP_EXACT] = exact,
	[OP_PREFIX] = prefix,
	[OP_SUFFIX] = suffix,
	[OP_EXACT_FOLD] = exact_folded,
	[OP_PREFIX_FOLD] = prefix_folded,
	[OP_SUFFIX_FOLD] = suffix_folded,
	[OP_WILDCARD] = wildcard,
};

static bool number_holds(const struct match_rule *rule, const struct match_value *v)
{
	int64_t n = v->number;
	if (rule->op == OP_NUMBER) /* one that cannot be compared: others were looked up */
		return str_eq(v->text, rule->texts[0]);
	return v->comparable && (rule->open_low ? n > rule->low : n >= rule->low) && (rule->open_high ? n < rule->high : n <= rule->high);
}

static bool address_holds(const struct match_rule *rule, const struct match_value *v)
{
	char z[48];
	uint8_t address[16];
	size_t n = match_text_copy(match_text_of(v->text, v->escaped), z, sizeof z);
	if (n == SIZE_MAX || match_address((struct str){z, n}, address) != rule->address_size)
		return false;
	return memcmp(address, rule->first, rule->address_size) >= 0 && memcmp(address, rule->last, rule->address_size) <= 0;
}

static bool anything_but(const struct match_rule *rule, const struct match_value *v)
{
	if (v->kind == 's')
		for (unsigned i = 0; i < rule->text_count; i++)
			if (text_ops[rule->op](match_text_of(v->text, v->escaped), rule->texts[i]))
				return false;
	if (v->comparable)
		for (unsigned i = 0; i < rule->number_count; i++)
			if (rule->numbers[i] == v->number)
				return false;
	return true;
}

static bool rule_holds(const struct match_rule *rule, const struct match_value *v)
{
	if (rule->op == OP_EXISTS)
		return !rule->not;
	if (rule->not)
		return anything_but(rule, v);
	if (rule->op == OP_WORD)
		return v->kind == 'w' && str_eq(v->text, rule->texts[0]);
	if (rule->op == OP_NUMBER || rule->op == OP_RANGE)
		return v->kind == 'n' && number_holds(rule, v);
	if (v->kind != 's')
		return false;
	return rule->op == OP_ADDRESS ? address_holds(rule, v) : text_ops[rule->op](match_text_of(v->text, v->escaped), rule->texts[0]);
}

/* ---- leaves ---- */

static bool has_number(const struct match_rule *rules, unsigned count, int64_t number)
{
	unsigned low = 0, high = count;
	while (low < high) {
		unsigned middle = (low + high) / 2;
		if (rules[middle].low == number)
			return true;
		if (rules[middle].low < number)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static bool has_text(const struct match_rule *rules, unsigned count, struct str text)
{
	unsigned low = 0, high = count;
	while (low < high) {
		unsigned middle = (low + high) / 2;
		int order = match_text_order(&rules[middle].texts[0], &text);
		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/* What is too long for the room is in no pattern. */
static __attribute__((noinline)) bool has_escaped(const struct match_rule *rules, unsigned count, struct str raw)
{
	char text[MATCH_PATTERN_MAX];
	size_t n = match_text_copy(match_text_of(raw, true), text, sizeof text);
	return n != SIZE_MAX && has_text(rules, count, (struct str){text, n});
}

bool match_leaf_holds(const struct match_leaf *leaf, const struct match_value *given)
{
	struct match_value v = *given;
	const struct match_rule *texts = leaf->rules + leaf->plain_numbers;
	v.comparable = v.kind == 'n' && match_number(v.text, &v.number);
	if (v.comparable && has_number(leaf->rules, leaf->plain_numbers, v.number))
		return true;
	if (v.kind == 's' && leaf->plain_texts &&
	    (v.escaped ? has_escaped(texts, leaf->plain_texts, v.text) : has_text(texts, leaf->plain_texts, v.text)))
		return true;
	for (unsigned i = leaf->plain_numbers + leaf->plain_texts; i < leaf->rule_count; i++)
		if (rule_holds(&leaf->rules[i], &v))
			return true;
	return false;
}
