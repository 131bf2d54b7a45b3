#include "core/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "core/base/clock.h"

/* The one exception to "no mutable globals": where a process logs to is a property of the process. */
static const char *log_program = "mayfly";
static enum log_level log_least = LOG_INFO;

void log_init(const char *program, enum log_level level)
{
	log_program = program;
	log_least = level;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	static const char *const names[] = {"debug", "info", "warning", "error"};
	if (level < log_least)
		return;
	int saved = errno;
	char line[1024], when[40];
	clock_format(when, sizeof when, "%Y-%m-%dT%H:%M:%S.%LZ", clock_wall_ms());
	int n = snprintf(line, sizeof line - 1, "%s %s %s: ", when, log_program, names[level]);
	va_list ap;
	va_start(ap, fmt);
	errno = saved;
	int m = vsnprintf(line + n, sizeof line - 1 - (size_t)n, fmt, ap);
	va_end(ap);
	size_t len = (size_t)n + (m < 0 ? 0 : (size_t)m);
	if (len > sizeof line - 2)
		len = sizeof line - 2;
	for (size_t i = (size_t)n; i < len; i++) {
		if ((unsigned char)line[i] < ' ')
			line[i] = ' '; /* a hostile name cannot start a line of its own */
	}
	line[len++] = '\n';
	ssize_t ignored = write(STDERR_FILENO, line, len);
	(void)ignored;
	errno = saved;
}
