/* Errors are values: one struct, last parameter, untouched on success.
 *
 * A function that can fail takes `struct error *err` last and returns -1 or NULL after filling it; `err` may be NULL when
 * the caller does not care. Callers add context on the way up with error_wrap. Codes are rows of errors.def, which also
 * give the HTTP status and AWS type. The message is for people: what is wrong, where, what to do. */
#ifndef MAYFLY_BASE_ERROR_H
#define MAYFLY_BASE_ERROR_H

enum error_code {
	ERR_OK = 0,
#define X(name, status, type, key) ERR_##name,
#include "core/base/errors.def"
#undef X
	ERR_COUNT
};

struct error {
	enum error_code code;
	int sys; /* errno, or 0 */
	char msg[240];
};

struct error_info {
	const char *name;     /* "NOT_FOUND" */
	int http_status;
	const char *aws_type; /* "ResourceNotFoundException" */
	const char *body_key; /* "message" or "Message" */
};

/* Row of a code; never NULL (an unknown code asserts). */
const struct error_info *error_info(enum error_code code);

/* All three return -1, so that `return error_set(...)` reads well. Too long a message is cut. */
int error_set(struct error *err, enum error_code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Appends ": <strerror(errno)>" and keeps errno; ENOSPC and EDQUOT become ERR_DISK_FULL. */
int error_sys(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Puts "context: " before the message that is there. */
int error_wrap(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
