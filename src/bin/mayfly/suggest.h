/* The nearest name to a mistyped one, by edit distance with neighbouring letters swapped counted once.
 *
 *   struct suggestion s;
 *   suggest_init(&s, "depoly");
 *   suggest_try(&s, "deploy"); ...
 *   suggest_best(&s)      NULL when nothing is near enough to be what was meant */
#ifndef MAYFLY_BIN_SUGGEST_H
#define MAYFLY_BIN_SUGGEST_H

#include <stddef.h>

struct suggestion {
	const char *typed, *best; /* borrowed */
	size_t distance;
};

void suggest_init(struct suggestion *s, const char *typed); /* leading dashes are left out */
void suggest_try(struct suggestion *s, const char *name);
const char *suggest_best(const struct suggestion *s);

#endif
