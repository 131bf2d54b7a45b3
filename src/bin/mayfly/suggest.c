#include "bin/mayfly/suggest.h"

#include <stdint.h>
#include <string.h>

#define LENGTH_MAX 40

static size_t least(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;
	return m < c ? m : c;
}

/* Optimal string alignment distance. */
static size_t distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b), d[LENGTH_MAX + 1][LENGTH_MAX + 1];
	if (n > LENGTH_MAX || m > LENGTH_MAX)
		return SIZE_MAX;
	for (size_t i = 0; i <= n; i++)
		d[i][0] = i;
	for (size_t j = 0; j <= m; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		for (size_t j = 1; j <= m; j++) {
			d[i][j] = least(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < d[i][j])
				d[i][j] = d[i - 2][j - 2] + 1;
		}
	}
	return d[n][m];
}

void suggest_init(struct suggestion *s, const char *typed)
{
	*s = (struct suggestion){.typed = typed + strspn(typed, "-"), .distance = SIZE_MAX};
}

void suggest_try(struct suggestion *s, const char *name)
{
	size_t d = distance(s->typed, name);
	/* "inv" surely means invoke, however many letters are missing. */
	if (strlen(s->typed) >= 2 && strncmp(name, s->typed, strlen(s->typed)) == 0)
		d = d ? 1 : 0;
	if (d < s->distance) {
		s->distance = d;
		s->best = name;
	}
}

const char *suggest_best(const struct suggestion *s)
{
	size_t allowed = strlen(s->typed) / 3 + 1;
	return s->best && s->distance <= allowed ? s->best : NULL;
}
