/* The log of tests that write what is answered into one text and compare it at the end. */
#ifndef MAYFLY_WORD_LOG_H
#define MAYFLY_WORD_LOG_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Appends to `log` of `size` bytes, of which *n are used; a log that is full ends the program. */
static inline void word_log(char *log, size_t size, size_t *n, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
static inline void word_log(char *log, size_t size, size_t *n, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	*n += (size_t)vsnprintf(log + *n, size - *n, fmt, ap);
	va_end(ap);
	if (*n >= size)
		abort();
}

#endif
