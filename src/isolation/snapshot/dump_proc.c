/* Reading /proc of a process that is stopped. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/check.h"
#include "core/base/io.h"
#include "isolation/snapshot/dump_priv.h"

char *dump_read(int proc, const char *path, size_t max, struct error *err)
{
	size_t n;
	return io_read_file(proc, path, max, &n, err);
}

const char *dump_field(const char *text, const char *name)
{
	size_t n = strlen(name);
	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, n) == 0 && line[n] == ':')
			return line + n + 1 + strspn(line + n + 1, " \t");
	}
	return NULL;
}

uint64_t dump_number(const char *text, const char *name, int base)
{
	const char *field = dump_field(text, name);
	return field ? strtoull(field, NULL, base) : 0;
}

uint32_t dump_last_number(const char *text, const char *name, uint32_t *count)
{
	const char *field = dump_field(text, name);
	uint32_t last = 0;
	*count = 0;
	while (field && *field >= '0' && *field <= '9') {
		char *end;
		last = (uint32_t)strtoul(field, &end, 10);
		++*count;
		field = end + strspn(end, " \t");
	}
	return last;
}

int dump_link(int proc, const char *path, char *dst, size_t size, struct error *err)
{
	ssize_t n = readlinkat(proc, path, dst, size);
	if (n < 0)
		return error_sys(err, "cannot read the link %s of the process", path);
	if ((size_t)n >= size)
		return error_set(err, ERR_UNSUPPORTED, "uses a file whose path has more than %zu bytes", size);
	dst[n] = '\0';
	return 0;
}

static int say(const struct dump_process *p, struct error *err, enum error_code code, const char *fmt, va_list args)
{
	char what[sizeof err->msg];
	vsnprintf(what, sizeof what, fmt, args);
	return error_set(err, code, "process %u (%s) %s", p->inner, p->name, what);
}

int dump_unsupported(const struct dump_process *p, struct error *err, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	say(p, err, ERR_UNSUPPORTED, fmt, args);
	va_end(args);
	return -1;
}

int dump_busy(const struct dump_process *p, struct error *err, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	say(p, err, ERR_BUSY, fmt, args);
	va_end(args);
	return -1;
}

int dump_same_world(const struct dump *d, const struct dump_process *p, const char *status, struct error *err)
{
	static const char *const links[] = {"ns/mnt", "ns/net", "ns/user", "ns/ipc", "ns/uts", "ns/cgroup", "root"};
	CLEANUP_FREE char *init = dump_read(d->init_proc, "status", DUMP_MAX_STATUS, err);
	if (!init)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(links); i++) {
		struct stat ours, theirs;
		if (fstatat(d->init_proc, links[i], &ours, 0) < 0 || fstatat(p->proc, links[i], &theirs, 0) < 0)
			return error_sys(err, "cannot look at %s of process %u", links[i], p->inner);
		if (ours.st_dev != theirs.st_dev || ours.st_ino != theirs.st_ino)
			return dump_unsupported(p, err, "has a %s of its own", i + 1 < ARRAY_LEN(links) ? links[i] + 3 : "root folder");
	}
	if (dump_number(status, "Seccomp_filters", 10) > dump_number(init, "Seccomp_filters", 10))
		return dump_unsupported(p, err, "has a system call filter (seccomp) of its own");
	if (dump_field(status, "x86_Thread_features") && strstr(dump_field(status, "x86_Thread_features"), "shstk") )
		return dump_unsupported(p, err, "uses shadow stacks");
	return 0;
}
