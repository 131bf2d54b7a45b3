#include "core/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){.max = max};
}

void buf_release(struct buf *b)
{
	free(b->data);
	*b = (struct buf){.max = b->max};
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->overflow = false;
}

void buf_shrink(struct buf *b)
{
	if (b->len == 0)
		buf_release(b);
}

char *buf_reserve(struct buf *b, size_t n)
{
	if (b->len > b->max || n > b->max - b->len) {
		b->overflow = true;
		return NULL;
	}
	if (b->cap - b->len >= n && b->data)
		return b->data + b->len;
	size_t cap = b->cap ? b->cap : 256;
	while (cap - b->len < n)
		cap *= 2;
	if (cap > b->max)
		cap = b->max;
	char *data = realloc(b->data, cap ? cap : 1);
	if (!data) {
		b->overflow = true;
		return NULL;
	}
	b->data = data;
	b->cap = cap;
	return b->data + b->len;
}

int buf_append(struct buf *b, const void *data, size_t n)
{
	char *at = buf_reserve(b, n);
	if (!at)
		return -1;
	if (n)
		memcpy(at, data, n);
	b->len += n;
	return 0;
}

int buf_puts(struct buf *b, const char *z)
{
	return buf_append(b, z, strlen(z));
}

int buf_put(struct buf *b, struct str s)
{
	return buf_append(b, s.p, s.n);
}

int buf_putc(struct buf *b, char c)
{
	return buf_append(b, &c, 1);
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
	char small[256];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(small, sizeof small, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -1;
	if ((size_t)n < sizeof small)
		return buf_append(b, small, (size_t)n);
	char *big = malloc((size_t)n + 1);
	if (!big) {
		b->overflow = true;
		return -1;
	}
	va_start(ap, fmt);
	vsnprintf(big, (size_t)n + 1, fmt, ap);
	va_end(ap);
	int r = buf_append(b, big, (size_t)n);
	free(big);
	return r;
}

void buf_consume(struct buf *b, size_t n)
{
	ASSERT(n <= b->len);
	if (n && n < b->len)
		memmove(b->data, b->data + n, b->len - n);
	b->len -= n;
}

struct str buf_str(const struct buf *b)
{
	return (struct str){b->data, b->len};
}

char *buf_steal(struct buf *b, size_t *len)
{
	char *data = realloc(b->data, b->len + 1);
	if (!data)
		return NULL;
	data[b->len] = '\0';
	if (len)
		*len = b->len;
	*b = (struct buf){.max = b->max};
	return data;
}
