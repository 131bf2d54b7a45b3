/* Intrusive hash table keyed by bytes. Members embed a `struct hash_node`; the key lives in the member and must not
 * change while it is in. Seeded with random bits, so that keys chosen from outside cannot make it slow. Grows by
 * doubling. Not thread safe. */
#ifndef MAYFLY_BASE_HASH_H
#define MAYFLY_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/check.h"
#include "core/base/str.h"

struct hash_node {
	struct hash_node *next;
	struct str key;
	uint64_t sum;
};

struct hash {
	struct hash_node **slots;
	size_t size, count; /* size: 0 or a power of two */
	uint64_t seed;
};

void hash_init(struct hash *h);
void hash_release(struct hash *h); /* members stay their owners' */
struct hash_node *hash_get(const struct hash *h, struct str key);
/* -1 when out of memory; asserts that the key is not in yet. */
int hash_put(struct hash *h, struct hash_node *node, struct str key);
void hash_remove(struct hash *h, struct hash_node *node);
/* Any order. Start with NULL; NULL ends. The current node may be removed after its successor was fetched. */
struct hash_node *hash_next(const struct hash *h, struct hash_node *node);

uint64_t hash_bytes(uint64_t seed, struct str key);

#define HASH_ENTRY(node, type, member) ((node) ? CONTAINER_OF((node), type, member) : NULL)
#define HASH_FOREACH(pos, h) \
	for (struct hash_node *pos = hash_next((h), NULL), *pos##_next = pos ? hash_next((h), pos) : NULL; pos; \
	     pos = pos##_next, pos##_next = pos ? hash_next((h), pos) : NULL)

#endif
