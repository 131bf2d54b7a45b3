/* Patterns for events of fields that are parted by blanks: [ip, user, ..., status = 4* && status != 404, bytes]. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "control/logs/pattern_priv.h"
#include "core/json/write.h"

#define FIELDS_MAX 128u
#define NO_CONDITION 0xffffffffu
#define ENDS ",]&|)("

struct fields {
	struct {
		struct str name;
		unsigned condition;
	} list[FIELDS_MAX];
	unsigned count, before; /* before: fields in front of the ellipsis */
	bool ellipsis;
	struct condition condition;
};

/* An event cut into fields. Those behind an ellipsis are counted from the end. */
struct cut {
	const struct fields *f;
	struct str first[FIELDS_MAX], last[FIELDS_MAX]; /* last: a ring of the newest */
	size_t total;
};

/* ---- parsing ---- */

static struct str scan_name(struct scan *s)
{
	size_t i = 0;
	scan_blanks(s);
	while (i < s->rest.n && (isalnum((unsigned char)s->rest.p[i]) || strchr("_-@.$#:/", s->rest.p[i])) && s->rest.p[i])
		i++;
	struct str name = str_sub(s->rest, 0, i);
	s->rest = str_sub(s->rest, i, s->rest.n);
	return name;
}

/* A comparison names the field it stands in. */
static int parse_subject(struct scan *s, void *arg, unsigned *subject)
{
	struct fields *f = arg;
	struct str name = scan_name(s), own = f->list[f->count].name;
	if (!name.n)
		return scan_fail(s, "a field's name is missing");
	if (!own.n)
		f->list[f->count].name = name;
	else if (!str_eq(name, own))
		return scan_fail(s, "a condition names another field than its own");
	*subject = f->count;
	return 0;
}

static bool at_end_of_field(struct scan *s)
{
	scan_blanks(s);
	return s->rest.n && (s->rest.p[0] == ',' || s->rest.p[0] == ']');
}

static int parse_field(struct scan *s, struct fields *f)
{
	const struct subject_parser sp = {.parse = parse_subject, .arg = f, .ends = ENDS};
	if (f->count == FIELDS_MAX)
		return scan_fail(s, "too many fields");
	f->list[f->count].name = STR_NULL;
	f->list[f->count].condition = NO_CONDITION;
	struct scan ahead = *s;
	struct str name = scan_name(&ahead);
	if (at_end_of_field(&ahead)) {
		s->rest = ahead.rest;
		if (str_eqz(name, "...")) {
			if (f->ellipsis)
				return scan_fail(s, "more than one ellipsis");
			f->ellipsis = true;
			f->before = f->count;
			return 0;
		}
		f->list[f->count].name = name;
	} else if (condition_parse(s, &sp, &f->condition, &f->list[f->count].condition) < 0) {
		return -1;
	}
	f->count++;
	return 0;
}

struct fields *fields_parse(struct scan *s)
{
	struct fields *f = ARENA_NEW(s->memory, struct fields);
	if (!f)
		return NULL;
	scan_take(s, "[");
	do {
		if (parse_field(s, f) < 0)
			return NULL;
	} while (scan_take(s, ","));
	if (!scan_take(s, "]")) {
		scan_fail(s, "the closing ] is missing");
		return NULL;
	}
	scan_blanks(s);
	if (s->rest.n) {
		scan_fail(s, "text after the closing ]");
		return NULL;
	}
	if (!f->ellipsis)
		f->before = f->count;
	return f;
}

/* ---- events ---- */

/* The next field: up to a blank, or what stands in [brackets] or "quotes". */
static bool next_field(struct str *rest, struct str *field)
{
	size_t i = 0, end;
	while (i < rest->n && isspace((unsigned char)rest->p[i]))
		i++;
	if (i == rest->n)
		return false;
	char close = rest->p[i] == '[' ? ']' : rest->p[i] == '"' ? '"' : '\0';
	struct str after = str_sub(*rest, i + 1, rest->n);
	if (close && (end = str_find(after, close)) < after.n) {
		*field = str_sub(after, 0, end);
		*rest = str_sub(after, end + 1, after.n);
		return true;
	}
	for (end = i; end < rest->n && !isspace((unsigned char)rest->p[end]); end++)
		;
	*field = str_sub(*rest, i, end);
	*rest = str_sub(*rest, end, rest->n);
	return true;
}

static bool cut_message(struct cut *c, const struct fields *f, struct str message)
{
	struct str field;
	c->f = f;
	c->total = 0;
	while (next_field(&message, &field)) {
		if (!f->ellipsis && c->total == f->count)
			return false;
		if (c->total < FIELDS_MAX)
			c->first[c->total] = field;
		c->last[c->total++ % FIELDS_MAX] = field;
	}
	return f->ellipsis ? c->total >= f->count : c->total == f->count;
}

static struct str field_at(const struct cut *c, unsigned i)
{
	if (i < c->f->before)
		return c->first[i];
	return c->last[(c->total - (c->f->count - i)) % FIELDS_MAX];
}

static bool holds(void *arg, const struct test *t)
{
	const struct cut *c = arg;
	struct value v = {.kind = VALUE_TEXT, .text = field_at(c, t->subject), .loose = true};
	return value_passes(&v, t);
}

bool fields_match(const struct fields *f, struct str message)
{
	struct cut c;
	if (!cut_message(&c, f, message))
		return false;
	for (unsigned i = 0; i < f->count; i++) {
		unsigned root = f->list[i].condition;
		if (root != NO_CONDITION && !condition_holds(&f->condition, root, holds, &c))
			return false;
	}
	return true;
}

void fields_extract(const struct fields *f, struct str message, struct json_writer *w)
{
	struct cut c;
	char key[128];
	if (!cut_message(&c, f, message))
		return;
	for (unsigned i = 0; i < f->count; i++) {
		if (f->list[i].name.n)
			snprintf(key, sizeof key, "$" STR_FMT, STR_ARG(str_sub(f->list[i].name, 0, 100)));
		else
			snprintf(key, sizeof key, "$%u", i + 1);
		json_write_key_str(w, key, field_at(&c, i));
	}
}
