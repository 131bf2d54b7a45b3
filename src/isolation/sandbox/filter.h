/* The system call filter of functions, compiled by the build from filter.def. */
#ifndef MAYFLY_SANDBOX_FILTER_H
#define MAYFLY_SANDBOX_FILTER_H

#include <stddef.h>

/* The BPF program for confine_filter; *n in bytes. */
const void *filter_program(size_t *n);

#endif
