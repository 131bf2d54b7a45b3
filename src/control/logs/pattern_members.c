/* Patterns for JSON events: { $.level = "ERROR" && $.items[*].price >= 10 }. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "control/logs/pattern_priv.h"
#include "core/json/value.h"
#include "core/json/write.h"

#define SELECTORS_MAX PATTERN_NODES
#define STEPS_MAX 16u
#define WILDCARDS_MAX 3u
#define EVENT_DEPTH_MAX 128u
#define ENDS "&|)}(=!<>"
#define VALUE_TEXT_MAX 1024u

enum step_kind { STEP_NAME, STEP_NUMBER, STEP_ALL };

struct step {
	enum step_kind kind;
	const char *name;
	size_t number;
};

struct selector {
	struct str text; /* as it was written */
	struct step steps[STEPS_MAX];
	unsigned count;
};

struct members {
	struct selector *selectors[SELECTORS_MAX];
	unsigned count, root, wildcards;
	struct condition condition;
};

/* ---- parsing ---- */

static int wildcard(struct scan *s, struct members *m, const struct selector *sel)
{
	for (unsigned i = 0; i + 1 < sel->count; i++) {
		if (sel->steps[i].kind == STEP_ALL)
			return scan_fail(s, "more than one wildcard in a selector");
	}
	return ++m->wildcards > WILDCARDS_MAX ? scan_fail(s, "more than 3 wildcards") : 0;
}

/* [3], [*], ['a name'], ["a name"]; behind the bracket. */
static int parse_bracket(struct scan *s, struct members *m, struct selector *sel, struct step *step)
{
	char quote = s->rest.n ? s->rest.p[0] : '\0';
	if (quote == '\'' || quote == '"') {
		struct str name = str_sub(s->rest, 1, s->rest.n);
		size_t n = str_find(name, quote);
		step->kind = STEP_NAME;
		step->name = arena_strdup(s->memory, str_sub(name, 0, n));
		s->rest = str_sub(name, n + 1, name.n);
	} else if (scan_take(s, "*")) {
		step->kind = STEP_ALL;
		if (wildcard(s, m, sel) < 0)
			return -1;
	} else {
		uint64_t number;
		size_t n = str_find(s->rest, ']');
		if (str_to_u64(str_sub(s->rest, 0, n), 1000000, &number) < 0)
			return scan_fail(s, "an index must be a number");
		step->kind = STEP_NUMBER;
		step->number = number;
		s->rest = str_sub(s->rest, n, s->rest.n);
	}
	return scan_take(s, "]") ? 0 : scan_fail(s, "a ] is missing in a selector");
}

static int parse_name(struct scan *s, struct members *m, struct selector *sel, struct step *step)
{
	size_t n = 0;
	while (n < s->rest.n && !isspace((unsigned char)s->rest.p[n]) && !strchr(".[" ENDS, s->rest.p[n]))
		n++;
	struct str name = str_sub(s->rest, 0, n);
	s->rest = str_sub(s->rest, n, s->rest.n);
	if (!n)
		return scan_fail(s, "a name is missing in a selector");
	if (str_eqz(name, "*")) {
		step->kind = STEP_ALL;
		return wildcard(s, m, sel);
	}
	step->kind = STEP_NAME;
	step->name = arena_strdup(s->memory, name);
	return 0;
}

static int parse_steps(struct scan *s, struct members *m, struct selector *sel)
{
	while (s->rest.n && (s->rest.p[0] == '.' || s->rest.p[0] == '[')) {
		bool bracket = s->rest.p[0] == '[';
		s->rest = str_sub(s->rest, 1, s->rest.n);
		if (!bracket && s->rest.n && s->rest.p[0] == '[') /* $.['a'] */
			continue;
		if (sel->count == STEPS_MAX)
			return scan_fail(s, "a selector is too deep");
		struct step *step = &sel->steps[sel->count++];
		if ((bracket ? parse_bracket : parse_name)(s, m, sel, step) < 0)
			return -1;
	}
	return sel->count ? 0 : scan_fail(s, "a selector must be like $.name");
}

static int parse_subject(struct scan *s, void *arg, unsigned *subject)
{
	struct members *m = arg;
	scan_blanks(s);
	const char *begin = s->rest.p;
	if (!scan_take(s, "$"))
		return scan_fail(s, "a selector must begin with $");
	struct selector *sel = ARENA_NEW(s->memory, struct selector);
	if (!sel)
		return -1;
	if (m->count == SELECTORS_MAX)
		return scan_fail(s, "too many comparisons");
	if (parse_steps(s, m, sel) < 0)
		return -1;
	const char *text = arena_strdup(s->memory, (struct str){begin, (size_t)(s->rest.p - begin)});
	if (!text)
		return -1;
	sel->text = str_from(text);
	*subject = m->count;
	m->selectors[m->count++] = sel;
	return 0;
}

struct members *members_parse(struct scan *s)
{
	struct members *m = ARENA_NEW(s->memory, struct members);
	const struct subject_parser sp = {.parse = parse_subject, .arg = m, .ends = ENDS, .words = true};
	if (!m)
		return NULL;
	scan_take(s, "{");
	if (condition_parse(s, &sp, &m->condition, &m->root) < 0)
		return NULL;
	if (!scan_take(s, "}")) {
		scan_fail(s, "the closing } is missing");
		return NULL;
	}
	scan_blanks(s);
	if (s->rest.n) {
		scan_fail(s, "text after the closing }");
		return NULL;
	}
	return m;
}

/* ---- events ---- */

typedef bool value_fn(void *arg, const json_t *v);

/* Calls fn for what a selector selects until it says true. */
static bool select_values(const json_t *v, const struct step *steps, unsigned count, value_fn *fn, void *arg)
{
	for (; v && count; steps++, count--) {
		if (steps->kind == STEP_NAME) {
			v = json_object_get(v, steps->name);
		} else if (steps->kind == STEP_NUMBER) {
			v = json_array_get(v, steps->number);
		} else {
			const char *key;
			json_t *one;
			size_t i;
			json_array_foreach(v, i, one) {
				if (select_values(one, steps + 1, count - 1, fn, arg))
					return true;
			}
			json_object_foreach((json_t *)v, key, one) {
				if (select_values(one, steps + 1, count - 1, fn, arg))
					return true;
			}
			return false;
		}
	}
	return v && fn(arg, v);
}

static struct value value_of(const json_t *v, char text[VALUE_TEXT_MAX])
{
	static const enum value_kind kinds[] = {[JSON_TRUE] = VALUE_TRUE, [JSON_FALSE] = VALUE_FALSE, [JSON_NULL] = VALUE_NULL};
	int n;
	switch (json_typeof(v)) {
	case JSON_STRING:
		return (struct value){.kind = VALUE_TEXT, .text = json_value_text(v)};
	case JSON_INTEGER:
		n = snprintf(text, VALUE_TEXT_MAX, "%lld", (long long)json_integer_value(v));
		return (struct value){.kind = VALUE_NUMBER, .text = {text, (size_t)n}, .number = (double)json_integer_value(v)};
	case JSON_REAL:
		n = snprintf(text, VALUE_TEXT_MAX, "%.17g", json_real_value(v));
		return (struct value){.kind = VALUE_NUMBER, .text = {text, (size_t)n}, .number = json_real_value(v)};
	case JSON_OBJECT:
	case JSON_ARRAY:
		return (struct value){.kind = VALUE_OTHER};
	default:
		return (struct value){.kind = kinds[json_typeof(v)]};
	}
}

static bool passes(void *arg, const json_t *v)
{
	char text[VALUE_TEXT_MAX];
	struct value value = value_of(v, text);
	return value_passes(&value, arg);
}

static bool exists(void *arg, const json_t *v)
{
	(void)arg;
	(void)v;
	return true;
}

struct event {
	const struct members *m;
	const json_t *root;
};

static bool holds(void *arg, const struct test *t)
{
	const struct event *e = arg;
	const struct selector *sel = e->m->selectors[t->subject];
	if (t->comparison == NOT_EXISTS)
		return !select_values(e->root, sel->steps, sel->count, exists, NULL);
	struct test copy = *t;
	return select_values(e->root, sel->steps, sel->count, passes, &copy);
}

static json_t *load(struct str message)
{
	static const struct json_limits limits = {.max_depth = EVENT_DEPTH_MAX};
	size_t i = 0;
	while (i < message.n && isspace((unsigned char)message.p[i]))
		i++;
	if (i == message.n || (message.p[i] != '{' && message.p[i] != '['))
		return NULL;
	return json_value_load(message, &limits, NULL);
}

bool members_match(const struct members *m, struct str message)
{
	CLEANUP_JSON json_t *root = load(message);
	struct event e = {m, root};
	return root && condition_holds(&m->condition, m->root, holds, &e);
}

struct extraction {
	struct json_writer *w;
	const char *key;
};

static bool extract(void *arg, const json_t *v)
{
	const struct extraction *x = arg;
	static const char *const words[] = {[VALUE_TRUE] = "true", [VALUE_FALSE] = "false", [VALUE_NULL] = "null"};
	char text[VALUE_TEXT_MAX];
	struct value value = value_of(v, text);
	if (value.kind == VALUE_OTHER)
		return false;
	json_write_key(x->w, x->key);
	if (value.kind == VALUE_TEXT || value.kind == VALUE_NUMBER)
		json_write_str(x->w, value.text);
	else
		json_write_z(x->w, words[value.kind]);
	return true;
}

void members_extract(const struct members *m, struct str message, struct json_writer *w)
{
	CLEANUP_JSON json_t *root = load(message);
	for (unsigned i = 0; root && i < m->count; i++) {
		const struct selector *sel = m->selectors[i];
		bool again = false;
		for (unsigned k = 0; k < i; k++)
			again = again || str_eq(m->selectors[k]->text, sel->text);
		struct extraction x = {w, sel->text.p};
		if (!again)
			select_values(root, sel->steps, sel->count, extract, &x);
	}
}
