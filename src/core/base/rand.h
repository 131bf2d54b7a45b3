/* Random bytes from the kernel, buffered per thread for small requests. Safe after fork: a child's first call refills. */
#ifndef MAYFLY_BASE_RAND_H
#define MAYFLY_BASE_RAND_H

#include <stddef.h>
#include <stdint.h>

void rand_bytes(void *dst, size_t n);
uint64_t rand_u64(void);

#define UUID_SIZE 37
/* Version 4, lower case, with NUL. */
void uuid4(char dst[UUID_SIZE]);
/* n characters out of `alphabet`, then NUL: dst needs n + 1 bytes. */
void rand_text(char *dst, size_t n, const char *alphabet);

#endif
