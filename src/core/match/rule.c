/* The rules of a pattern's leaf: what they may be, and AWS's words for what they may not be. */
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/match/match_priv.h"

static const struct {
	const char *name;
	enum match_op exact, folded; /* folded: with {"equals-ignore-case"} inside; OP_EXISTS: not allowed */
	const char *title;           /* in refusals of what is inside */
} text_rules[] = {
	{"exactly", OP_EXACT, OP_EXISTS, NULL},
	{"prefix", OP_PREFIX, OP_PREFIX_FOLD, "Prefix"},
	{"suffix", OP_SUFFIX, OP_SUFFIX_FOLD, "Suffix"},
	{"equals-ignore-case", OP_EXACT_FOLD, OP_EXISTS, NULL},
	{"wildcard", OP_WILDCARD, OP_EXISTS, NULL},
};

static int close_rule(struct match_reader *r)
{
	return match_reader_next(r) == TOKEN_OBJECT_END ? 0 : match_refuse(r, "Only one key allowed in match expression");
}

static int close_list(struct match_reader *r)
{
	return match_reader_next(r) == TOKEN_OBJECT_END ? 0 : match_refuse(r, "Too many elements in numeric expression");
}

static int one_text(struct match_reader *r, struct match_rule *rule, struct str text)
{
	struct str *copy = ARENA_NEW(r->arena, struct str);
	if (!copy || !text.p)
		return match_refuse(r, "no memory");
	*copy = text;
	rule->texts = copy;
	rule->text_count = 1;
	return 0;
}

static int read_folded(struct match_reader *r, struct match_rule *rule, size_t row)
{
	if (match_reader_next(r) != TOKEN_NAME)
		return match_refuse(r, "%s expression name not found", text_rules[row].title);
	struct str name = match_reader_text(r);
	if (!str_eqz(name, "equals-ignore-case"))
		return match_refuse(r, "Unsupported %s pattern: " STR_FMT, text_rules[row].name, STR_ARG(name));
	if (match_reader_next(r) != TOKEN_STRING)
		return match_refuse(r, "equals-ignore-case match pattern must be a string");
	rule->op = text_rules[row].folded;
	if (one_text(r, rule, match_reader_text(r)) < 0 || close_rule(r) < 0)
		return -1;
	return close_rule(r);
}

static int read_text_rule(struct match_reader *r, struct match_rule *rule, size_t row)
{
	enum match_token token = match_reader_next(r);
	if (token == TOKEN_OBJECT && text_rules[row].folded != OP_EXISTS)
		return read_folded(r, rule, row);
	if (token != TOKEN_STRING)
		return match_refuse(r, "%s match pattern must be a string", row == 0 ? "exact" : text_rules[row].name);
	struct str text = match_reader_text(r);
	rule->op = text_rules[row].exact;
	if (rule->op == OP_WILDCARD && match_wildcard_read(r, &text) < 0)
		return -1;
	return one_text(r, rule, text) < 0 ? -1 : close_rule(r);
}

/* ---- numeric ---- */

static const char out_of_range[] = "Value must be between -5.0E9 and 5.0E9, inclusive";

/* The number at the next token, in millionths. */
static int read_bound(struct match_reader *r, struct str op, int64_t *out)
{
	if (match_reader_next(r) != TOKEN_NUMBER)
		return match_refuse(r, "Value of " STR_FMT " must be numeric", STR_ARG(op));
	return match_number(match_reader_text(r), out) ? 0 : match_refuse(r, "%s", out_of_range);
}

static int read_upper_bound(struct match_reader *r, struct match_rule *rule)
{
	struct str op = match_reader_text(r);
	if (r->token != TOKEN_STRING)
		return match_refuse(r, "Bad value in numeric range: " STR_FMT, STR_ARG(op));
	if (!str_eqz(op, "<") && !str_eqz(op, "<="))
		return match_refuse(r, "Bad numeric range operator: " STR_FMT, STR_ARG(op));
	rule->open_high = op.n == 1;
	if (read_bound(r, op, &rule->high) < 0)
		return -1;
	if (match_reader_next(r) != TOKEN_ARRAY_END)
		return match_refuse(r, "Too many terms in numeric range expression");
	return rule->low < rule->high ? 0 : match_refuse(r, "Bottom must be less than top");
}

static int read_range(struct match_reader *r, struct match_rule *rule)
{
	if (match_reader_next(r) != TOKEN_STRING)
		return match_refuse(r, "Invalid member in numeric match: " STR_FMT, STR_ARG(match_reader_text(r)));
	struct str op = match_reader_text(r);
	static const char *const operators[] = {"=", ">=", ">", "<=", "<"};
	size_t i = 0;
	while (i < ARRAY_LEN(operators) && !str_eqz(op, operators[i]))
		i++;
	if (i == ARRAY_LEN(operators)) {
		match_reader_next(r);
		return match_refuse(r, "Unrecognized numeric range operator: " STR_FMT, STR_ARG(op));
	}
	int64_t bound;
	if (read_bound(r, str_eqz(op, "=") ? STR("equals") : op, &bound) < 0)
		return -1;
	rule->op = OP_RANGE;
	rule->low = op.p[0] == '<' ? INT64_MIN : bound;
	rule->high = op.p[0] == '>' ? INT64_MAX : bound;
	rule->open_low = str_eqz(op, ">");
	rule->open_high = str_eqz(op, "<");
	if (match_reader_next(r) == TOKEN_ARRAY_END)
		return 0;
	if (op.p[0] != '>')
		return match_refuse(r, "Too many elements in numeric expression");
	return read_upper_bound(r, rule);
}

static int read_numeric(struct match_reader *r, struct match_rule *rule)
{
	if (match_reader_next(r) != TOKEN_ARRAY)
		return match_refuse(r, "Value of numeric must be an array.");
	return read_range(r, rule) < 0 ? -1 : close_list(r);
}

/* ---- cidr ---- */

static void spread_mask(struct match_rule *rule, unsigned bits)
{
	for (unsigned i = 0; i < rule->address_size; i++) {
		unsigned keep = bits >= (i + 1) * 8 ? 8 : bits > i * 8 ? bits - i * 8 : 0;
		uint8_t host = (uint8_t)(0xFFu >> keep);
		rule->first[i] &= (uint8_t)~host;
		rule->last[i] |= host;
	}
}

static int read_cidr(struct match_reader *r, struct match_rule *rule)
{
	uint64_t bits;
	if (match_reader_next(r) != TOKEN_STRING)
		return match_refuse(r, "prefix match pattern must be a string");
	struct str text = match_reader_text(r);
	size_t slash = str_find(text, '/');
	struct str mask = str_sub(text, slash + 1, text.n), address = str_sub(text, 0, slash);
	if (slash == text.n || mask.n == 0 || str_find(mask, '/') < mask.n)
		return match_refuse_plain(r, "Malformed CIDR, one '/' required");
	if (mask.p[0] == '-' && str_to_u64(str_sub(mask, 1, mask.n), INT32_MAX, &bits) == 0 && bits)
		return match_refuse_plain(r, "Malformed CIDR, mask bits must not be negative");
	if (str_to_u64(mask, INT32_MAX, &bits) < 0)
		return match_refuse_plain(r, "Malformed CIDR, mask bits must be an integer");
	rule->op = OP_ADDRESS;
	rule->address_size = (uint8_t)match_address(address, rule->first);
	if (!rule->address_size)
		return match_refuse_plain(r, "Nonstandard IP address: " STR_FMT, STR_ARG(address));
	if (bits > rule->address_size * 8u - 1)
		return match_refuse_plain(r, "IPv%s mask bits must be < %u", rule->address_size == 4 ? "4" : "6", rule->address_size * 8u);
	memcpy(rule->last, rule->first, sizeof rule->last);
	spread_mask(rule, (unsigned)bits);
	return close_rule(r);
}

/* ---- anything-but ---- */

struct list {
	struct str *texts;
	int64_t *numbers;
	unsigned text_count, number_count;
};

/* How many values the array at the reader's place has; it is valid JSON. */
static unsigned count_values(const struct match_reader *r)
{
	struct match_reader look = *r;
	unsigned depth = look.depth, count = 0;
	while (match_reader_next(&look) != TOKEN_END && look.depth >= depth) {
		bool opens = look.token == TOKEN_OBJECT || look.token == TOKEN_ARRAY;
		bool closes = look.token == TOKEN_OBJECT_END || look.token == TOKEN_ARRAY_END;
		count += look.depth - opens == depth && !closes;
	}
	return count;
}

static int list_room(struct match_reader *r, struct list *list, bool one)
{
	size_t max = one ? 1 : count_values(r) + 1u;
	list->texts = arena_alloc(r->arena, max * sizeof *list->texts);
	list->numbers = arena_alloc(r->arena, max * sizeof *list->numbers);
	return list->texts && list->numbers ? 0 : match_refuse(r, "no memory");
}

/* One of the values of {"anything-but": [...]}; inside of a list AWS says the place twice. */
static int plain_value(struct match_reader *r, struct list *list, bool inside)
{
	if (r->token == TOKEN_STRING) {
		list->texts[list->text_count++] = match_reader_text(r);
		return 0;
	}
	if (r->token != TOKEN_NUMBER)
		return match_refuse_twice(r, "Inside anything but list, start|null|boolean is not supported.");
	if (match_number(match_reader_text(r), &list->numbers[list->number_count])) {
		list->number_count++;
		return 0;
	}
	return inside ? match_refuse(r, "%s", out_of_range) : match_refuse_plain(r, "%s", out_of_range);
}

static int ruled_value(struct match_reader *r, struct list *list, enum match_op op, bool inside)
{
	int (*say)(struct match_reader *, const char *, ...) = inside ? match_refuse_twice : match_refuse;
	if (r->token != TOKEN_STRING)
		return say(r, "%s", op == OP_EXACT_FOLD ? "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported."
		                    : op == OP_WILDCARD ? "wildcard match pattern must be a string"
		                                        : "prefix/suffix match pattern must be a string");
	struct str text = match_reader_text(r);
	if (text.n == 0 && (op == OP_PREFIX || op == OP_SUFFIX))
		return say(r, "%s", "Null prefix/suffix not allowed");
	if (op == OP_WILDCARD && match_wildcard_read(r, &text) < 0)
		return -1;
	list->texts[list->text_count++] = text;
	return 0;
}

static int anything_but_values(struct match_reader *r, struct match_rule *rule, bool plain)
{
	struct list list = {0};
	bool inside = r->token == TOKEN_ARRAY;
	if (!inside && r->token != TOKEN_STRING && r->token != TOKEN_NUMBER)
		return match_refuse(r, "Value of anything-but must be an array or single string/number value.");
	if (list_room(r, &list, !inside) < 0)
		return -1;
	if (!inside && (plain ? plain_value(r, &list, false) : ruled_value(r, &list, rule->op, false)) < 0)
		return -1;
	while (inside && match_reader_next(r) != TOKEN_ARRAY_END)
		if ((plain ? plain_value(r, &list, true) : ruled_value(r, &list, rule->op, true)) < 0)
			return -1;
	if (plain && !list.text_count == !list.number_count)
		return match_refuse(r, "Inside anything but list, either all values are number or string, mixed type is not supported");
	rule->texts = list.texts;
	rule->text_count = list.text_count;
	rule->numbers = list.numbers;
	rule->number_count = list.number_count;
	return 0;
}

static int read_anything_but(struct match_reader *r, struct match_rule *rule)
{
	bool plain = match_reader_next(r) != TOKEN_OBJECT;
	rule->not = true;
	rule->op = OP_EXACT;
	if (!plain) {
		if (match_reader_next(r) != TOKEN_NAME)
			return match_refuse(r, "Anything-But expression name not found");
		struct str name = match_reader_text(r);
		size_t i = 1; /* "exactly" cannot be denied */
		while (i < ARRAY_LEN(text_rules) && !str_eqz(name, text_rules[i].name))
			i++;
		if (i == ARRAY_LEN(text_rules))
			return match_refuse(r, "Unsupported anything-but pattern: " STR_FMT, STR_ARG(name));
		rule->op = text_rules[i].exact;
		match_reader_next(r);
	}
	if (anything_but_values(r, rule, plain) < 0 || close_list(r) < 0)
		return -1;
	return plain ? 0 : close_list(r);
}

/* ---- a leaf ---- */

static int read_exists(struct match_reader *r, struct match_rule *rule)
{
	enum match_token token = match_reader_next(r);
	if (token != TOKEN_TRUE && token != TOKEN_FALSE)
		return match_refuse(r, "exists match pattern must be either true or false.");
	rule->op = OP_EXISTS;
	rule->not = token == TOKEN_FALSE;
	return close_rule(r);
}

static int read_rule(struct match_reader *r, struct match_rule *rule)
{
	static const struct {
		const char *name;
		int (*read)(struct match_reader *r, struct match_rule *rule);
	} others[] = {{"numeric", read_numeric}, {"anything-but", read_anything_but}, {"exists", read_exists}, {"cidr", read_cidr}};
	if (match_reader_next(r) != TOKEN_NAME)
		return match_refuse(r, "Match expression name not found");
	struct str name = match_reader_text(r);
	for (size_t i = 0; i < ARRAY_LEN(text_rules); i++)
		if (str_eqz(name, text_rules[i].name))
			return read_text_rule(r, rule, i);
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (str_eqz(name, others[i].name))
			return others[i].read(r, rule);
	return match_refuse(r, "Unrecognized match type " STR_FMT, STR_ARG(name));
}

static int read_value(struct match_reader *r, struct match_rule *rule)
{
	if (r->token == TOKEN_OBJECT)
		return read_rule(r, rule);
	if (r->token == TOKEN_ARRAY)
		return match_refuse(r, "Match value must be String, number, true, false, or null");
	struct str text = match_reader_text(r);
	rule->op = r->token == TOKEN_STRING ? OP_EXACT : r->token == TOKEN_NUMBER ? OP_NUMBER : OP_WORD;
	if (rule->op == OP_EXACT && (rule->address_size = (uint8_t)match_address(text, rule->first))) {
		rule->op = OP_ADDRESS;
		memcpy(rule->last, rule->first, sizeof rule->last);
	}
	if (rule->op == OP_NUMBER)
		rule->comparable = match_number(text, &rule->low);
	return one_text(r, rule, text);
}

enum { PLAIN_NUMBER, PLAIN_TEXT, OTHER };

static int class_of(const struct match_rule *rule)
{
	if (rule->not)
		return OTHER;
	return rule->op == OP_NUMBER && rule->comparable ? PLAIN_NUMBER : rule->op == OP_EXACT ? PLAIN_TEXT : OTHER;
}

static int by_class(const void *a, const void *b)
{
	const struct match_rule *x = a, *y = b;
	int class = class_of(x), other = class_of(y);
	if (class != other || class == OTHER)
		return class - other;
	return class == PLAIN_NUMBER ? (x->low > y->low) - (x->low < y->low) : match_text_order(&x->texts[0], &y->texts[0]);
}

static void sort_rules(struct match_leaf *leaf)
{
	qsort(leaf->rules, leaf->rule_count, sizeof *leaf->rules, by_class);
	for (unsigned i = 0; i < leaf->rule_count; i++) {
		leaf->plain_numbers += class_of(&leaf->rules[i]) == PLAIN_NUMBER;
		leaf->plain_texts += class_of(&leaf->rules[i]) == PLAIN_TEXT;
	}
}

int match_leaf_read(struct match_reader *r, struct match_leaf *leaf)
{
	unsigned max = count_values(r);
	*leaf = (struct match_leaf){.rules = arena_alloc(r->arena, (max + 1) * sizeof *leaf->rules)};
	if (!leaf->rules)
		return match_refuse(r, "no memory");
	while (match_reader_next(r) != TOKEN_ARRAY_END) {
		ASSERT(leaf->rule_count < max);
		struct match_rule *rule = &leaf->rules[leaf->rule_count++];
		if (read_value(r, rule) < 0)
			return -1;
		leaf->absent = leaf->absent || (rule->op == OP_EXISTS && rule->not);
	}
	sort_rules(leaf);
	for (unsigned i = leaf->plain_numbers + leaf->plain_texts; i < leaf->rule_count; i++)
		leaf->rest += 1 + leaf->rules[i].text_count + leaf->rules[i].number_count;
	return leaf->rule_count ? 0 : match_refuse(r, "Empty arrays are not allowed");
}
