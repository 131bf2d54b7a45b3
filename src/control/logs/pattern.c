#include "control/logs/pattern.h"

#include <string.h>

static int refuse(const char *what, struct error *err)
{
	return error_set(err, ERR_UNSUPPORTED, "%s filter patterns are not supported; use terms, \"quoted phrases\", -exclusions "
	                 "and ?optional terms", what);
}

/* Cuts one term off: up to a blank, or up to the closing quote, where a backslash keeps the next character. */
static int cut_term(struct str *rest, char *dst, size_t *n, struct error *err)
{
	bool quoted = rest->n && rest->p[0] == '"';
	size_t i = quoted;
	*n = 0;
	for (; i < rest->n && rest->p[i] != (quoted ? '"' : ' '); i++) {
		if (quoted && rest->p[i] == '\\' && i + 1 < rest->n)
			i++;
		dst[(*n)++] = rest->p[i];
	}
	if (quoted && i == rest->n)
		return error_set(err, ERR_INVALID, "Invalid filter pattern: a quote is not closed");
	*rest = str_sub(*rest, i + quoted, rest->n);
	return 0;
}

int logs_pattern_parse(struct pattern *p, struct str text, struct error *err)
{
	size_t used = 0;
	*p = (struct pattern){0};
	if (text.n > sizeof p->memory)
		return error_set(err, ERR_INVALID, "1 validation error detected: Value at 'filterPattern' failed to satisfy constraint: "
		                 "Member must have length less than or equal to 1024");
	for (struct str rest = str_trim(text); rest.n; rest = str_trim(rest)) {
		if (p->count == 0 && (rest.p[0] == '{' || rest.p[0] == '[' || rest.p[0] == '%'))
			return refuse(rest.p[0] == '{' ? "JSON" : rest.p[0] == '[' ? "Space-delimited" : "Regular expression", err);
		if (p->count == PATTERN_TERMS)
			return error_set(err, ERR_INVALID, "Invalid filter pattern: more than %d terms", PATTERN_TERMS);
		enum pattern_kind kind = rest.p[0] == '-' ? PATTERN_MUST_NOT : rest.p[0] == '?' ? PATTERN_MAY : PATTERN_MUST;
		if (kind != PATTERN_MUST)
			rest = str_sub(rest, 1, rest.n);
		size_t n;
		if (cut_term(&rest, p->memory + used, &n, err) < 0)
			return -1;
		if (!n)
			return error_set(err, ERR_INVALID, "Invalid filter pattern: an empty term");
		p->terms[p->count].kind = kind;
		p->terms[p->count++].text = (struct str){p->memory + used, n};
		used += n;
		p->any_must |= kind == PATTERN_MUST;
		p->any_may |= kind == PATTERN_MAY;
	}
	return 0;
}

/* Beside required terms optional ones say nothing, as on AWS. */
bool logs_pattern_matches(const struct pattern *p, struct str message)
{
	bool may = p->any_must || !p->any_may;
	for (unsigned i = 0; i < p->count; i++) {
		bool found = memmem(message.p, message.n, p->terms[i].text.p, p->terms[i].text.n) != NULL;
		if ((p->terms[i].kind == PATTERN_MUST && !found) || (p->terms[i].kind == PATTERN_MUST_NOT && found))
			return false;
		may = may || (p->terms[i].kind == PATTERN_MAY && found);
	}
	return may;
}
