/* Conditions of filter patterns: literals, comparisons, and what joins them. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "control/logs/pattern_priv.h"
#include "core/base/check.h"

#define NUMBER_MAX 64u

/* ---- reading ---- */

int scan_fail(struct scan *s, const char *what)
{
	return error_set(s->err, ERR_INVALID, PATTERN_INVALID "%s", what);
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

void scan_blanks(struct scan *s)
{
	size_t i = 0;
	while (i < s->rest.n && is_blank(s->rest.p[i]))
		i++;
	s->rest = str_sub(s->rest, i, s->rest.n);
}

bool scan_take(struct scan *s, const char *word)
{
	scan_blanks(s);
	if (!str_starts(s->rest, str_from(word)))
		return false;
	s->rest = str_sub(s->rest, strlen(word), s->rest.n);
	return true;
}

bool scan_word(struct scan *s, const char *word)
{
	size_t n = strlen(word);
	scan_blanks(s);
	if (s->rest.n < n || !str_case_eq(str_sub(s->rest, 0, n), str_from(word)) || (s->rest.n > n && isalnum((unsigned char)s->rest.p[n])))
		return false;
	s->rest = str_sub(s->rest, n, s->rest.n);
	return true;
}

bool text_is_number(struct str s, double *out)
{
	char text[NUMBER_MAX], *end;
	if (!s.n || str_copy(text, sizeof text, s) < 0 || strspn(text, "+-.0123456789eE") != s.n)
		return false;
	*out = strtod(text, &end);
	return *end == '\0';
}

static int quoted(struct scan *s, struct literal *out)
{
	char *text = arena_alloc(s->memory, s->rest.n);
	size_t n = 0, i = 1;
	if (!text)
		return -1;
	for (; i < s->rest.n && s->rest.p[i] != '"'; i++) {
		if (s->rest.p[i] == '\\' && i + 1 < s->rest.n)
			i++;
		text[n++] = s->rest.p[i];
	}
	if (i == s->rest.n)
		return scan_fail(s, "a quote is not closed");
	*out = (struct literal){.text = {text, n}, .quoted = true};
	s->rest = str_sub(s->rest, i + 1, s->rest.n);
	return 0;
}

/* The closing % is the last one before `ends`: an expression cannot hold one but as \%. */
static int regex_literal(struct scan *s, struct literal *out)
{
	size_t i = 1;
	while (i < s->rest.n && s->rest.p[i] != '%')
		i += s->rest.p[i] == '\\' ? 2 : 1;
	if (i >= s->rest.n)
		return scan_fail(s, "the % that ends a regular expression is missing");
	if (++s->regexes > PATTERN_REGEXES)
		return scan_fail(s, "more than 2 regular expressions");
	*out = (struct literal){.regex = regex_compile(s->memory, str_sub(s->rest, 1, i), s->err)};
	if (!out->regex)
		return -1;
	s->regex_positions += regex_positions(out->regex);
	s->rest = str_sub(s->rest, i + 1, s->rest.n);
	return 0;
}

int scan_literal(struct scan *s, const char *ends, struct literal *out)
{
	size_t i = 0;
	scan_blanks(s);
	if (s->rest.n && s->rest.p[0] == '"')
		return quoted(s, out);
	if (s->rest.n && s->rest.p[0] == '%')
		return regex_literal(s, out);
	while (i < s->rest.n && !is_blank(s->rest.p[i]) && !(s->rest.p[i] && strchr(ends, s->rest.p[i])))
		i++;
	if (!i)
		return scan_fail(s, s->rest.n ? "a value is missing" : "an empty term");
	*out = (struct literal){.text = str_sub(s->rest, 0, i)};
	out->numeric = text_is_number(out->text, &out->number);
	s->rest = str_sub(s->rest, i, s->rest.n);
	return 0;
}

/* ---- parsing ---- */

static const struct {
	const char *text;
	enum comparison comparison;
} operators[] = {{"!=", IS_NOT_EQUAL}, {"<=", IS_AT_MOST}, {">=", IS_AT_LEAST}, {"=", IS_EQUAL}, {"<", IS_LESS}, {">", IS_GREATER}};

static int parse_words(struct scan *s, struct test *t)
{
	static const struct {
		const char *word;
		enum comparison comparison;
	} words[] = {{"NULL", IS_NULL}, {"TRUE", IS_TRUE}, {"FALSE", IS_FALSE}};
	if (scan_word(s, "NOT")) {
		t->comparison = NOT_EXISTS;
		return scan_word(s, "EXISTS") ? 0 : scan_fail(s, "EXISTS is missing after NOT");
	}
	if (!scan_word(s, "IS"))
		return scan_fail(s, "a comparison is missing");
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (scan_word(s, words[i].word)) {
			t->comparison = words[i].comparison;
			return 0;
		}
	}
	return scan_fail(s, "IS takes NULL, TRUE or FALSE");
}

static int parse_test(struct scan *s, const struct subject_parser *sp, struct test *t)
{
	*t = (struct test){0};
	if (sp->parse(s, sp->arg, &t->subject) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(operators); i++) {
		if (!scan_take(s, operators[i].text))
			continue;
		t->comparison = operators[i].comparison;
		if (scan_literal(s, sp->ends, &t->literal) < 0)
			return -1;
		bool orders = t->comparison != IS_EQUAL && t->comparison != IS_NOT_EQUAL;
		return orders && !t->literal.numeric ? scan_fail(s, "<, >, <= and >= need a number") : 0;
	}
	return sp->words ? parse_words(s, t) : scan_fail(s, "a comparison is missing");
}

struct parsing {
	struct scan *scan;
	const struct subject_parser *sp;
	struct condition *c;
};

static int add_node(struct parsing *p, const struct node *node, unsigned *number)
{
	if (p->c->count == PATTERN_NODES)
		return scan_fail(p->scan, "too many comparisons");
	*number = p->c->count;
	p->c->nodes[p->c->count++] = *node;
	return 0;
}

static int parse_or(struct parsing *p, unsigned depth, unsigned *number);

static int parse_one(struct parsing *p, unsigned depth, unsigned *number)
{
	struct node node = {.kind = NODE_TEST};
	if (!scan_take(p->scan, "("))
		return parse_test(p->scan, p->sp, &node.test) < 0 ? -1 : add_node(p, &node, number);
	if (depth == PATTERN_DEPTH)
		return scan_fail(p->scan, "too many parentheses");
	if (parse_or(p, depth + 1, number) < 0)
		return -1;
	return scan_take(p->scan, ")") ? 0 : scan_fail(p->scan, "a parenthesis is not closed");
}

static int parse_and(struct parsing *p, unsigned depth, unsigned *number)
{
	if (parse_one(p, depth, number) < 0)
		return -1;
	while (scan_take(p->scan, "&&")) {
		struct node node = {.kind = NODE_AND, .left = *number};
		if (parse_one(p, depth, &node.right) < 0 || add_node(p, &node, number) < 0)
			return -1;
	}
	return 0;
}

static int parse_or(struct parsing *p, unsigned depth, unsigned *number)
{
	if (parse_and(p, depth, number) < 0)
		return -1;
	while (scan_take(p->scan, "||")) {
		struct node node = {.kind = NODE_OR, .left = *number};
		if (parse_and(p, depth, &node.right) < 0 || add_node(p, &node, number) < 0)
			return -1;
	}
	return 0;
}

int condition_parse(struct scan *s, const struct subject_parser *sp, struct condition *c, unsigned *root)
{
	return parse_or(&(struct parsing){s, sp, c}, 0, root);
}

/* ---- holding ---- */

bool condition_holds(const struct condition *c, unsigned root, bool (*holds)(void *arg, const struct test *t), void *arg)
{
	const struct node *n = &c->nodes[root];
	if (n->kind == NODE_TEST)
		return holds(arg, &n->test);
	bool left = condition_holds(c, n->left, holds, arg);
	if (left == (n->kind == NODE_OR))
		return left;
	return condition_holds(c, n->right, holds, arg);
}

/* Pieces between asterisks, one after the other: the first at the beginning, the last at the end. */
bool glob_matches(struct str glob, struct str text)
{
	size_t star = str_find(glob, '*');
	if (star == glob.n)
		return str_eq(glob, text);
	if (!str_starts(text, str_sub(glob, 0, star)))
		return false;
	text = str_sub(text, star, text.n);
	glob = str_sub(glob, star + 1, glob.n);
	for (; (star = str_find(glob, '*')) < glob.n; glob = str_sub(glob, star + 1, glob.n)) {
		const char *at = star ? memmem(text.p, text.n, glob.p, star) : text.p;
		if (!at)
			return false;
		text = str_sub(text, (size_t)(at - text.p) + star, text.n);
	}
	return str_ends(text, glob);
}

static bool text_passes(struct str text, const struct literal *l)
{
	return l->regex ? regex_search(l->regex, text) : glob_matches(l->text, text);
}

static bool equal(const struct value *v, const struct literal *l)
{
	static const char *const words[] = {[VALUE_TRUE] = "true", [VALUE_FALSE] = "false", [VALUE_NULL] = "null"};
	double number;
	switch (v->kind) {
	case VALUE_TEXT:
		if (v->loose && l->numeric && text_is_number(v->text, &number))
			return number == l->number;
		return text_passes(v->text, l);
	case VALUE_NUMBER:
		return l->numeric ? v->number == l->number : !l->quoted && text_passes(v->text, l);
	case VALUE_OTHER:
		return false;
	default:
		return !l->quoted && !l->regex && str_eqz(l->text, words[v->kind]);
	}
}

static bool ordered(double number, enum comparison comparison, double limit)
{
	switch (comparison) {
	case IS_LESS:
		return number < limit;
	case IS_GREATER:
		return number > limit;
	case IS_AT_MOST:
		return number <= limit;
	default:
		return number >= limit;
	}
}

bool value_passes(const struct value *v, const struct test *t)
{
	double number = v->number;
	switch (t->comparison) {
	case IS_EQUAL:
		return equal(v, &t->literal);
	case IS_NOT_EQUAL:
		return v->kind != VALUE_OTHER && !equal(v, &t->literal);
	case IS_NULL:
		return v->kind == VALUE_NULL;
	case IS_TRUE:
		return v->kind == VALUE_TRUE;
	case IS_FALSE:
		return v->kind == VALUE_FALSE;
	case NOT_EXISTS:
		return false;
	default:
		if (v->kind != VALUE_NUMBER && !(v->kind == VALUE_TEXT && v->loose && text_is_number(v->text, &number)))
			return false;
		return ordered(number, t->comparison, t->literal.number);
	}
}
