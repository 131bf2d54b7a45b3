/* Memory of one request: allocated piece by piece, freed at once, capped.
 *
 * Invariants: pieces are aligned to 16 bytes and zeroed; the sum never passes `max_bytes`. When it would (or malloc
 * fails) the call returns NULL and `overflow` stays set, so that a caller may check once at the end. Not thread safe. */
#ifndef MAYFLY_BASE_ARENA_H
#define MAYFLY_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/str.h"

struct arena_block;

struct arena {
	struct arena_block *head;
	size_t used_bytes, max_bytes;
	bool overflow;
};

void arena_init(struct arena *a, size_t max_bytes);
void arena_release(struct arena *a); /* also fine on a zeroed struct */
void arena_reset(struct arena *a);   /* keeps the newest block for reuse */
void *arena_alloc(struct arena *a, size_t size);
char *arena_strdup(struct arena *a, struct str s); /* NUL-terminated */
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define ARENA_NEW(a, type) ((type *)arena_alloc((a), sizeof(type)))

#endif
