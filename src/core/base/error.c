#include "core/base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/check.h"

static const struct error_info infos[ERR_COUNT] = {
	[ERR_OK] = {"OK", 200, "", "message"},
#define X(name, status, type, key) [ERR_##name] = {#name, status, type, key},
#include "core/base/errors.def"
#undef X
};

const struct error_info *error_info(enum error_code code)
{
	ASSERT((unsigned)code < ERR_COUNT);
	return &infos[code];
}

int error_set(struct error *err, enum error_code code, const char *fmt, ...)
{
	ASSERT(code != ERR_OK);
	if (!err)
		return -1;
	va_list ap;
	va_start(ap, fmt);
	err->code = code;
	err->sys = 0;
	vsnprintf(err->msg, sizeof err->msg, fmt, ap);
	va_end(ap);
	return -1;
}

int error_sys(struct error *err, const char *fmt, ...)
{
	int sys = errno;
	if (!err)
		return -1;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof err->msg, fmt, ap);
	va_end(ap);
	size_t n = strlen(err->msg);
	snprintf(err->msg + n, sizeof err->msg - n, ": %s", strerror(sys));
	err->code = sys == ENOSPC || sys == EDQUOT ? ERR_DISK_FULL : sys == ENOMEM ? ERR_NO_MEMORY : ERR_SYSTEM;
	err->sys = sys;
	errno = sys;
	return -1;
}

int error_wrap(struct error *err, const char *fmt, ...)
{
	if (!err)
		return -1;
	char inner[sizeof err->msg];
	memcpy(inner, err->msg, sizeof inner);
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof err->msg, fmt, ap);
	va_end(ap);
	size_t n = strlen(err->msg);
	snprintf(err->msg + n, sizeof err->msg - n, ": %s", inner);
	return -1;
}
