#include "core/base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 4096u
#define ALIGN_UP(n) (((n) + 15u) & ~(size_t)15u)

struct arena_block {
	struct arena_block *next;
	size_t size, used;
	_Alignas(16) char data[];
};

void arena_init(struct arena *a, size_t max_bytes)
{
	*a = (struct arena){.max_bytes = max_bytes};
}

static void free_blocks(struct arena_block *b)
{
	while (b) {
		struct arena_block *next = b->next;
		free(b);
		b = next;
	}
}

void arena_release(struct arena *a)
{
	free_blocks(a->head);
	*a = (struct arena){.max_bytes = a->max_bytes};
}

void arena_reset(struct arena *a)
{
	if (a->head) {
		free_blocks(a->head->next);
		a->head->next = NULL;
		a->head->used = 0;
	}
	a->used_bytes = 0;
	a->overflow = false;
}

static struct arena_block *new_block(struct arena *a, size_t need)
{
	size_t size = need > BLOCK_BYTES - sizeof(struct arena_block) ? need : BLOCK_BYTES - sizeof(struct arena_block);
	struct arena_block *b = malloc(sizeof *b + size);
	if (!b)
		return NULL;
	b->size = size;
	b->used = 0;
	b->next = a->head;
	a->head = b;
	return b;
}

void *arena_alloc(struct arena *a, size_t size)
{
	if (size > SIZE_MAX - 16 || ALIGN_UP(size) > a->max_bytes - a->used_bytes) {
		a->overflow = true;
		return NULL;
	}
	size = ALIGN_UP(size);
	struct arena_block *b = a->head;
	if (!b || b->size - b->used < size)
		b = new_block(a, size);
	if (!b) {
		a->overflow = true;
		return NULL;
	}
	void *p = b->data + b->used;
	b->used += size;
	a->used_bytes += size;
	memset(p, 0, size);
	return p;
}

char *arena_strdup(struct arena *a, struct str s)
{
	char *z = arena_alloc(a, s.n + 1);
	if (z && s.n)
		memcpy(z, s.p, s.n);
	return z;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	char *z = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
	if (!z)
		return NULL;
	va_start(ap, fmt);
	vsnprintf(z, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return z;
}
