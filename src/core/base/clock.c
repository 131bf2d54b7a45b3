#include "core/base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

uint64_t clock_mono_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

int64_t clock_wall_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

char *clock_format(char *dst, size_t size, const char *fmt, int64_t wall_ms)
{
	time_t s = (time_t)(wall_ms / 1000);
	struct tm tm;
	gmtime_r(&s, &tm);
	char with_ms[96];
	const char *at = strstr(fmt, "%L");
	if (at)
		snprintf(with_ms, sizeof with_ms, "%.*s%03d%s", (int)(at - fmt), fmt, (int)(wall_ms % 1000), at + 2);
	if (strftime(dst, size, at ? with_ms : fmt, &tm) == 0 && size)
		dst[0] = '\0';
	return dst;
}
