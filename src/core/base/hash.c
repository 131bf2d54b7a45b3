#include "core/base/hash.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/rand.h"

void hash_init(struct hash *h)
{
	*h = (struct hash){0};
	rand_bytes(&h->seed, sizeof h->seed);
}

void hash_release(struct hash *h)
{
	free(h->slots);
	h->slots = NULL;
	h->size = h->count = 0;
}

static uint64_t mix(uint64_t x)
{
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93u;
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93u;
	return x ^ x >> 32;
}

uint64_t hash_bytes(uint64_t seed, struct str key)
{
	uint64_t sum = seed ^ mix(key.n + 0x9e3779b97f4a7c15u);
	size_t i = 0;
	for (; i + 8 <= key.n; i += 8) {
		uint64_t word;
		memcpy(&word, key.p + i, 8);
		sum = mix(sum ^ mix(word ^ seed));
	}
	uint64_t tail = 0;
	for (; i < key.n; i++)
		tail = tail << 8 | (unsigned char)key.p[i];
	return mix(sum ^ mix(tail ^ seed));
}

struct hash_node *hash_get(const struct hash *h, struct str key)
{
	if (h->size == 0)
		return NULL;
	uint64_t sum = hash_bytes(h->seed, key);
	for (struct hash_node *n = h->slots[sum & (h->size - 1)]; n; n = n->next) {
		if (n->sum == sum && str_eq(n->key, key))
			return n;
	}
	return NULL;
}

static void link_node(struct hash *h, struct hash_node *n)
{
	struct hash_node **slot = &h->slots[n->sum & (h->size - 1)];
	n->next = *slot;
	*slot = n;
}

static int grow(struct hash *h)
{
	struct hash bigger = {.size = h->size ? h->size * 2 : 16, .count = h->count, .seed = h->seed};
	bigger.slots = calloc(bigger.size, sizeof(struct hash_node *));
	if (!bigger.slots)
		return -1;
	for (size_t i = 0; i < h->size; i++) {
		for (struct hash_node *n = h->slots[i], *next; n; n = next) {
			next = n->next;
			link_node(&bigger, n);
		}
	}
	free(h->slots);
	*h = bigger;
	return 0;
}

int hash_put(struct hash *h, struct hash_node *node, struct str key)
{
	ASSERT(!hash_get(h, key));
	if (h->count >= h->size && grow(h) < 0)
		return -1;
	node->key = key;
	node->sum = hash_bytes(h->seed, key);
	link_node(h, node);
	h->count++;
	return 0;
}

void hash_remove(struct hash *h, struct hash_node *node)
{
	ASSERT(h->size);
	struct hash_node **at = &h->slots[node->sum & (h->size - 1)];
	while (*at && *at != node)
		at = &(*at)->next;
	ASSERT(*at);
	*at = node->next;
	node->next = NULL;
	h->count--;
}

struct hash_node *hash_next(const struct hash *h, struct hash_node *node)
{
	if (node && node->next)
		return node->next;
	for (size_t i = node ? (node->sum & (h->size - 1)) + 1 : 0; i < h->size; i++) {
		if (h->slots[i])
			return h->slots[i];
	}
	return NULL;
}
