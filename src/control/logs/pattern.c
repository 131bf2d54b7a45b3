/* Filter patterns: the terms, and which kind a pattern is. */
#include <stdlib.h>
#include <string.h>

#include "control/logs/pattern_priv.h"

#define TERMS_MAX 128u
#define MEMORY_MAX (256u * 1024)
#define COST_JSON 8u       /* parsing an event against looking for a word in it */
#define COST_FIELDS 2u

struct pattern {
	struct arena memory;
	unsigned cost;
	struct terms *terms; /* one of the three, none: everything */
	struct fields *fields;
	struct members *members;
};

enum term_kind { TERM_MUST, TERM_MUST_NOT, TERM_MAY };

struct terms {
	struct {
		enum term_kind kind;
		struct str text;
		const struct regex *regex;
	} list[TERMS_MAX];
	unsigned count;
	bool any_must, any_may;
};

static int parse_term(struct scan *s, struct terms *t)
{
	struct literal literal;
	enum term_kind kind = s->rest.p[0] == '-' ? TERM_MUST_NOT : s->rest.p[0] == '?' ? TERM_MAY : TERM_MUST;
	if (kind != TERM_MUST)
		s->rest = str_sub(s->rest, 1, s->rest.n);
	if (t->count == TERMS_MAX)
		return scan_fail(s, "too many terms");
	if (scan_literal(s, "", &literal) < 0)
		return -1;
	t->list[t->count].kind = kind;
	t->list[t->count].text = literal.text;
	t->list[t->count++].regex = literal.regex;
	t->any_must |= kind == TERM_MUST;
	t->any_may |= kind == TERM_MAY;
	return 0;
}

struct terms *terms_parse(struct scan *s)
{
	struct terms *t = ARENA_NEW(s->memory, struct terms);
	for (scan_blanks(s); t && s->rest.n; scan_blanks(s)) {
		if (parse_term(s, t) < 0)
			return NULL;
	}
	return t;
}

/* Beside required terms optional ones say nothing, as on AWS. */
bool terms_match(const struct terms *t, struct str message)
{
	bool may = t->any_must || !t->any_may;
	for (unsigned i = 0; i < t->count; i++) {
		enum term_kind kind = t->list[i].kind;
		if (kind == TERM_MAY && may)
			continue;
		bool found = t->list[i].regex ? regex_search(t->list[i].regex, message)
		                              : memmem(message.p, message.n, t->list[i].text.p, t->list[i].text.n) != NULL;
		if ((kind == TERM_MUST && !found) || (kind == TERM_MUST_NOT && found))
			return false;
		may = may || found;
	}
	return may;
}

static int parse(struct pattern *p, struct scan *s)
{
	scan_blanks(s);
	if (!s->rest.n)
		return 0;
	p->cost = 1;
	if (s->rest.p[0] == '{') {
		p->members = members_parse(s);
		p->cost += COST_JSON;
	} else if (s->rest.p[0] == '[') {
		p->fields = fields_parse(s);
		p->cost += COST_FIELDS;
	} else {
		p->terms = terms_parse(s);
		p->cost += p->terms ? p->terms->count / 4 : 0;
	}
	p->cost += s->regex_positions; /* each may be looked at for each byte */
	return p->members || p->fields || p->terms ? 0 : -1;
}

struct pattern *logs_pattern_new(struct str text, struct error *err)
{
	struct error why = {0};
	struct pattern *p = NULL;
	if (text.n > LOGS_PATTERN_MAX)
		error_set(&why, ERR_INVALID, "1 validation error detected: Value at 'filterPattern' failed to satisfy constraint: Member "
		          "must have length less than or equal to %u", LOGS_PATTERN_MAX);
	else if ((p = calloc(1, sizeof *p))) {
		arena_init(&p->memory, MEMORY_MAX);
		p->cost = 1;
		const char *copy = arena_strdup(&p->memory, text);
		struct scan s = {.rest = {copy, text.n}, .memory = &p->memory, .err = &why};
		if (copy && parse(p, &s) == 0)
			return p;
	}
	if (!why.code)
		error_set(&why, ERR_NO_MEMORY, "no memory for a filter pattern");
	logs_pattern_free(p);
	if (err)
		*err = why;
	return NULL;
}

void logs_pattern_free(struct pattern *p)
{
	if (!p)
		return;
	arena_release(&p->memory);
	free(p);
}

bool logs_pattern_matches(const struct pattern *p, struct str message)
{
	if (p->terms)
		return terms_match(p->terms, message);
	if (p->fields)
		return fields_match(p->fields, message);
	return !p->members || members_match(p->members, message);
}

unsigned logs_pattern_cost(const struct pattern *p)
{
	return p->cost;
}

void logs_pattern_extract(const struct pattern *p, struct str message, struct json_writer *w)
{
	if (p->fields)
		fields_extract(p->fields, message, w);
	if (p->members)
		members_extract(p->members, message, w);
}
