/* The regular expressions of the API's model, matched as AWS (Java) does, whole text only: the text that a validation error
 * shows is the one that is enforced. Knows: sets, . \d \w \s \S and escapes, groups, |, ? * + {n} {n,m} {n,}, ^ $, (?!...).
 * Pure. */
#ifndef MAYFLY_API_PATTERN_H
#define MAYFLY_API_PATTERN_H

#include <stdbool.h>

#include "core/base/str.h"

/* A pattern that is not of that form asserts: patterns are ours. A match that takes too many steps counts as none. */
bool pattern_matches(const char *pattern, struct str text);

#endif
