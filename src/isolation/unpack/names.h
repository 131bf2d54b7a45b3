/* Names inside a package, which somebody else chose. */
#ifndef MAYFLY_UNPACK_NAMES_H
#define MAYFLY_UNPACK_NAMES_H

#include <stddef.h>

#include "core/base/error.h"

#define NAME_PATH_MAX 1024
#define NAME_PART_MAX 255

/* Writes the entry's path below the package in plain form: no "." parts, no doubled or closing slashes. Refuses absolute
 * paths, "..", names too long or with control characters. An entry for the package itself gives "". */
int name_clean(char out[NAME_PATH_MAX], const char *name, struct error *err);
/* Whether a symbolic link at `path` (in plain form) to `target` stays below the package, as far as the texts tell: links in
 * the middle are checked against the finished folder. */
int name_check_link(const char *path, const char *target, struct error *err);

#endif
