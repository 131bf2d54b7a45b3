/* A growing byte buffer with a hard maximum.
 *
 * The owner sets the maximum once; an append that would pass it (or that finds no memory) changes nothing, returns -1 and
 * sets `overflow`, which stays set until buf_clear. Bytes in use are data[0..len). Not thread safe. */
#ifndef MAYFLY_BASE_BUF_H
#define MAYFLY_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/str.h"

struct buf {
	char *data;
	size_t len, cap, max;
	bool overflow;
};

void buf_init(struct buf *b, size_t max);
void buf_release(struct buf *b); /* also fine on a zeroed struct */
void buf_clear(struct buf *b);   /* keeps the memory */
void buf_shrink(struct buf *b);  /* empty buffers give their memory back */
int buf_append(struct buf *b, const void *data, size_t n);
int buf_puts(struct buf *b, const char *z);
int buf_put(struct buf *b, struct str s);
int buf_putc(struct buf *b, char c);
int buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Room for `n` more bytes at data + len; NULL on overflow. The caller adds to len what it wrote. */
char *buf_reserve(struct buf *b, size_t n);
void buf_consume(struct buf *b, size_t n); /* drops the first n bytes */
struct str buf_str(const struct buf *b);
/* Moves the bytes out (caller frees), NUL-terminated; the buffer is empty after. NULL when out of memory. */
char *buf_steal(struct buf *b, size_t *len);

#endif
