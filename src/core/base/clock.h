/* Time. Durations and deadlines are nanoseconds of CLOCK_MONOTONIC; wall time is for people and protocols. */
#ifndef MAYFLY_BASE_CLOCK_H
#define MAYFLY_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define NS_PER_MS 1000000ull
#define NS_PER_S 1000000000ull

uint64_t clock_mono_ns(void);
int64_t clock_wall_ms(void); /* since 1970 */
/* strftime in UTC with milliseconds put where the format says %L. Returns dst. */
char *clock_format(char *dst, size_t size, const char *fmt, int64_t wall_ms);

#endif
