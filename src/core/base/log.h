/* The programs' own log: one line on standard error. Library folders never log; programs and the API do. Lines never
 * hold secrets, payloads or whole requests. */
#ifndef MAYFLY_BASE_LOG_H
#define MAYFLY_BASE_LOG_H

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* `program` is kept by reference; lines below `level` are dropped. Called once, before threads start. */
void log_init(const char *program, enum log_level level);
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)

#endif
