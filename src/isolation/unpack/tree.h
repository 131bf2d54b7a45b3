/* Whole folders below a descriptor; links are never followed. Depth is bounded by the longest path a package may have. */
#ifndef MAYFLY_UNPACK_TREE_H
#define MAYFLY_UNPACK_TREE_H

#include <stdint.h>

#include "core/base/error.h"

int tree_remove(int folder, const char *name, struct error *err);
/* Bytes in regular files. */
int tree_bytes(int folder, const char *name, uint64_t *bytes, struct error *err);
/* Removes every entry of the folder whose name starts with `prefix`. */
int tree_remove_matching(int folder, const char *prefix, struct error *err);

#endif
