/* Condition operators. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/policy/policy_priv.h"

struct policy_operator {
	const char *name;
	bool (*holds)(struct str pattern, struct str value);
	bool negated;
	bool (*good)(struct str pattern); /* NULL: any text */
};

/* ---- wildcards ---- */

static unsigned char fold(char c, bool folded)
{
	return (unsigned char)(folded && c >= 'A' && c <= 'Z' ? c + 32 : c);
}

static size_t character_size(struct str text, size_t at)
{
	size_t n = 1;
	while (at + n < text.n && ((unsigned char)text.p[at + n] & 0xC0) == 0x80)
		n++;
	return n;
}

static bool like(struct str pattern, struct str text, bool folded)
{
	size_t p = 0, t = 0, behind_star = 0, mark = 0;
	while (t < text.n) {
		if (p < pattern.n && pattern.p[p] == '*') {
			behind_star = ++p;
			mark = t;
		} else if (p < pattern.n && pattern.p[p] == '?') {
			p++;
			t += character_size(text, t);
		} else if (p < pattern.n && fold(pattern.p[p], folded) == fold(text.p[t], folded)) {
			p++;
			t++;
		} else if (behind_star) {
			p = behind_star;
			t = ++mark;
		} else {
			return false;
		}
	}
	while (p < pattern.n && pattern.p[p] == '*')
		p++;
	return p == pattern.n;
}

bool policy_like(struct str pattern, struct str text)
{
	return like(pattern, text, false);
}

bool policy_like_folded(struct str pattern, struct str text)
{
	return like(pattern, text, true);
}

/* arn:partition:service:region:account:resource, part by part, so that a star does not reach over a colon but in the last. */
static bool arn_like(struct str pattern, struct str text)
{
	if (str_eqz(pattern, "*"))
		return true;
	for (int i = 0; i < 5; i++) {
		size_t p = str_find(pattern, ':'), t = str_find(text, ':');
		if (p == pattern.n || t == text.n || !policy_like(str_sub(pattern, 0, p), str_sub(text, 0, t)))
			return false;
		pattern = str_sub(pattern, p + 1, pattern.n);
		text = str_sub(text, t + 1, text.n);
	}
	return policy_like(pattern, text);
}

/* ---- numbers, addresses ---- */

static bool number_of(struct str s, double *out)
{
	char z[64], *end;
	if (str_copy(z, sizeof z, s) < 0 || !z[0] || !strchr("+-.0123456789", z[0]))
		return false;
	*out = strtod(z, &end);
	return *end == '\0';
}

static bool is_number(struct str s)
{
	double v;
	return number_of(s, &v);
}

/* -1, 0, 1; 2: one of them is no number. */
static int compare(struct str pattern, struct str value)
{
	double want, have;
	if (!number_of(pattern, &want) || !number_of(value, &have))
		return 2;
	return have < want ? -1 : have > want ? 1 : 0;
}

static bool number_equal(struct str pattern, struct str value)
{
	return compare(pattern, value) == 0;
}

static bool number_less(struct str pattern, struct str value)
{
	return compare(pattern, value) == -1;
}

static bool number_less_equal(struct str pattern, struct str value)
{
	return compare(pattern, value) <= 0;
}

static bool number_greater(struct str pattern, struct str value)
{
	return compare(pattern, value) == 1;
}

static bool number_greater_equal(struct str pattern, struct str value)
{
	int order = compare(pattern, value);
	return order == 0 || order == 1;
}

/* 4 or 16 bytes and the mask's bits; 0: no address. */
static unsigned address_of(struct str s, unsigned char out[16], unsigned *bits)
{
	char z[64];
	uint64_t mask;
	size_t slash = str_find(s, '/');
	if (str_copy(z, sizeof z, str_sub(s, 0, slash)) < 0)
		return 0;
	unsigned size = inet_pton(AF_INET, z, out) == 1 ? 4 : inet_pton(AF_INET6, z, out) == 1 ? 16 : 0;
	*bits = size * 8;
	if (slash < s.n) {
		if (str_to_u64(str_sub(s, slash + 1, s.n), *bits, &mask) < 0)
			return 0;
		*bits = (unsigned)mask;
	}
	return size;
}

static bool is_network(struct str s)
{
	unsigned char address[16];
	unsigned bits;
	return address_of(s, address, &bits) != 0;
}

static bool in_network(struct str pattern, struct str value)
{
	unsigned char net[16], address[16];
	unsigned bits, all, size = address_of(pattern, net, &bits);
	if (size == 0 || address_of(value, address, &all) != size || all != size * 8)
		return false;
	unsigned whole = bits / 8, rest = bits % 8;
	return memcmp(net, address, whole) == 0 && (rest == 0 || (net[whole] ^ address[whole]) >> (8 - rest) == 0);
}

static bool is_bool(struct str s)
{
	return str_case_eq(s, STR("true")) || str_case_eq(s, STR("false"));
}

/* ---- operators ---- */

static const char null_name[] = "Null";

static const struct policy_operator operators[] = {
	{"StringEquals", str_eq, false, NULL},
	{"StringNotEquals", str_eq, true, NULL},
	{"StringEqualsIgnoreCase", str_case_eq, false, NULL},
	{"StringNotEqualsIgnoreCase", str_case_eq, true, NULL},
	{"StringLike", policy_like, false, NULL},
	{"StringNotLike", policy_like, true, NULL},
	{"ArnEquals", arn_like, false, NULL},
	{"ArnNotEquals", arn_like, true, NULL},
	{"ArnLike", arn_like, false, NULL},
	{"ArnNotLike", arn_like, true, NULL},
	{"Bool", str_case_eq, false, is_bool},
	{"NumericEquals", number_equal, false, is_number},
	{"NumericNotEquals", number_equal, true, is_number},
	{"NumericLessThan", number_less, false, is_number},
	{"NumericLessThanEquals", number_less_equal, false, is_number},
	{"NumericGreaterThan", number_greater, false, is_number},
	{"NumericGreaterThanEquals", number_greater_equal, false, is_number},
	{"IpAddress", in_network, false, is_network},
	{"NotIpAddress", in_network, true, is_network},
	{null_name, str_case_eq, false, is_bool},
};

int policy_condition_operator(struct policy_condition *c, struct str name)
{
	static const struct {
		struct str prefix;
		enum policy_set set;
	} sets[] = {{{"ForAnyValue:", 12}, SET_ANY}, {{"ForAllValues:", 13}, SET_ALL}};
	for (size_t i = 0; i < ARRAY_LEN(sets); i++)
		if (c->set == SET_NONE && str_starts(name, sets[i].prefix)) {
			c->set = sets[i].set;
			name = str_sub(name, sets[i].prefix.n, name.n);
		}
	c->if_exists = str_ends(name, STR("IfExists"));
	if (c->if_exists)
		name = str_sub(name, 0, name.n - 8);
	for (size_t i = 0; i < ARRAY_LEN(operators); i++)
		if (str_eqz(name, operators[i].name))
			c->op = &operators[i];
	return c->op && !(c->op->name == null_name && (c->if_exists || c->set)) ? 0 : -1;
}

bool policy_condition_good(const struct policy_condition *c)
{
	for (size_t i = 0; c->op->good && i < c->values.n; i++)
		if (!c->op->good(c->values.v[i]))
			return false;
	return true;
}

static bool value_fits(const struct policy_condition *c, struct str value)
{
	for (size_t i = 0; i < c->values.n; i++)
		if (c->op->holds(c->values.v[i], value))
			return !c->op->negated;
	return c->op->negated;
}

bool policy_condition_holds(const struct policy_condition *c, const struct policy_question *q)
{
	size_t there = 0, fit = 0;
	for (size_t i = 0; i < q->context_count; i++) {
		if (!q->context[i].value.p || !str_case_eq(c->key, str_from(q->context[i].key)))
			continue;
		there++;
		fit += value_fits(c, q->context[i].value);
	}
	if (c->op->name == null_name)
		return value_fits(c, there ? STR("false") : STR("true"));
	if (there == 0)
		return c->if_exists || c->set == SET_ALL || (c->op->negated && c->set == SET_NONE);
	bool all = c->set == SET_ALL || (c->set == SET_NONE && c->op->negated);
	return all ? fit == there : fit > 0;
}
