/* AWS's subset of JSONPath over JSON text: $, .name, ["name"], ['name'], [3]. What is found is a piece of the text, so numbers and escapes
 * stay as the sender wrote them. The text must be valid JSON (json_check); on other text nothing is read outside of it.
 *
 * Pure; constant once parsed. */
#ifndef MAYFLY_SERVICES_EVENTS_TRANSFORM_PATH_H
#define MAYFLY_SERVICES_EVENTS_TRANSFORM_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/str.h"

#define TRANSFORM_PATH_STEPS_MAX 64u

struct transform_path {
	char *text; /* owns the names */
	struct transform_step {
		struct str name; /* p NULL: an index */
		size_t index;
	} *steps;
	size_t count;
};

int transform_path_parse(struct transform_path *path, struct str text); /* -1: not such a path, or no memory */
void transform_path_release(struct transform_path *path);
struct str transform_path_find(const struct transform_path *path, struct str json); /* p NULL: not there */

/* Walks an object's members: start with *rest = the object's text. `name` has no quotes, but its escapes. False: no more. */
bool transform_next_member(struct str *rest, struct str *name, struct str *value);

#endif
