/* What storm writes follows from (round, key, n) alone, so that the test can tell what must be there. */
#ifndef MAYFLY_POWERLOSS_STORM_H
#define MAYFLY_POWERLOSS_STORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { STORM_KEYS = 16, STORM_BLOBS = 64, STORM_VALUE_MAX = 40000, STORM_ACKS = 1500 };

/* One line of its standard output, written after the store said so. */
struct storm_ack {
	enum { STORM_KEY, STORM_BLOB } what;
	uint32_t at, n; /* key and its n-th write (from 1), or blob */
	uint64_t revision;
};

static inline uint64_t storm_mix(uint64_t round, uint64_t key, uint64_t n)
{
	uint64_t x = (round << 40 ^ key << 24 ^ n) * 0x9e3779b97f4a7c15ull;
	x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9ull;
	return x ^ x >> 32;
}

/* Every fourth write is a deletion, more or less; before the first the key is not there. */
static inline bool storm_is_put(uint64_t round, uint64_t key, uint64_t n)
{
	return n && storm_mix(round, key, n) % 4;
}

/* Returns the size. */
static inline size_t storm_value(char *dst, uint64_t round, uint64_t key, uint64_t n)
{
	uint64_t x = storm_mix(round, key, n);
	size_t size = x % 16 ? 40 + x % 3000 : STORM_VALUE_MAX;
	for (size_t i = 0; i < size; i++) {
		x = x * 6364136223846793005ull + 1442695040888963407ull;
		dst[i] = (char)(x >> 56);
	}
	return size;
}

#endif
