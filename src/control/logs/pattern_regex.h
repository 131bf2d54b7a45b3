/* The regular expressions of filter patterns, private to control/logs: no groups, bytes only. Matching takes a step for each
 * byte and position of the expression, whatever both are. */
#ifndef MAYFLY_LOGS_PATTERN_REGEX_H
#define MAYFLY_LOGS_PATTERN_REGEX_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/error.h"
#include "core/base/str.h"

#define REGEX_POSITIONS 256u /* after counted repetitions are written out */

struct regex;

/* Lives in the arena. NULL with err. */
struct regex *regex_compile(struct arena *memory, struct str text, struct error *err);
bool regex_search(const struct regex *r, struct str text); /* anywhere in the text, unless ^ or $ say where */
unsigned regex_positions(const struct regex *r);

#endif
