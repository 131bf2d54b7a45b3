#include "bin/mayfly/samples.h"

#include <stdlib.h>
#include <string.h>

static bool parse(struct str line, struct sample *s)
{
	char number[64];
	size_t open = str_find(line, '{'), name_end = open < line.n ? open : str_find(line, ' '), after = name_end;
	if (!line.n || *line.p == '#' || !name_end)
		return false;
	*s = (struct sample){.name = str_sub(line, 0, name_end)};
	if (open < line.n) {
		size_t close = line.n;
		while (close > open && line.p[close - 1] != '}')
			close--;
		if (close == open)
			return false;
		s->labels = str_sub(line, open + 1, close - 1);
		after = close;
	}
	struct str value = str_trim(str_sub(line, after, line.n));
	if (str_copy(number, sizeof number, str_sub(value, 0, str_find(value, ' '))) < 0)
		return false;
	char *end;
	s->value = strtod(number, &end);
	return end != number && !*end;
}

bool samples_next(struct str *text, struct sample *s)
{
	struct str line;
	while (str_split(text, '\n', &line)) {
		if (parse(line, s))
			return true;
	}
	return false;
}

struct str sample_label(const struct sample *s, const char *name)
{
	struct str rest = s->labels;
	while (rest.n) {
		size_t eq = str_find(rest, '='), at = eq + 2;
		struct str key = str_trim(str_sub(rest, 0, eq));
		while (at < rest.n && rest.p[at] != '"')
			at += rest.p[at] == '\\' ? 2 : 1;
		if (str_eqz(key, name))
			return str_sub(rest, eq + 2, at);
		rest = str_sub(rest, at + 1, rest.n);
		rest = str_sub(rest, rest.n && *rest.p == ',', rest.n);
	}
	return STR_NULL;
}
