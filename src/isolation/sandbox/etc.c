/* The generated /etc: fixed texts, and the few public files of the host that interpreters need. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/base/io.h"
#include "isolation/sandbox/root.h"

#define COPY_MAX (4u << 20)

static const struct {
	const char *name, *text;
} fixed[] = {
	{"passwd", "root:x:0:0:root:/root:/bin/sh\nsbx_user1051:x:993:990::/home/sbx_user1051:/sbin/nologin\n"
	           "nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n"},
	{"group", "root:x:0:\nsbx_user1051:x:990:\nnogroup:x:65534:\n"},
	{"hosts", "127.0.0.1 localhost sandbox.localdomain sandbox\n::1 localhost\n"},
	{"hostname", SANDBOX_HOSTNAME "\n"},
	{"nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n"},
	{"os-release", "NAME=\"Mayfly\"\nID=mayfly\nPRETTY_NAME=\"Mayfly execution environment\"\n"},
	{"host.conf", "multi on\n"},
};

/* Public files, copied as they are at the server's start where the host has them. */
static const char *const copied[] = {"ld.so.cache", "ld.so.conf", "services", "protocols", "mime.types", "ssl/openssl.cnf"};

static int put(int etc_fd, const char *name, const char *text, size_t n, struct error *err)
{
	CLEANUP_CLOSE int fd = openat(etc_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0 || io_write_full(fd, text, n) < 0 || fchmod(fd, 0644) < 0)
		return error_sys(err, "cannot write /etc/%s of the sandboxes", name);
	return 0;
}

static int copy(int etc_fd, const char *name, struct error *err)
{
	char path[128];
	size_t n;
	struct error why = {0};
	snprintf(path, sizeof path, "/etc/%s", name);
	CLEANUP_FREE char *text = io_read_file(AT_FDCWD, path, COPY_MAX, &n, &why);
	return text ? put(etc_fd, name, text, n, err) : 0;
}

/* The host's resolvers, but for those on its own loopback, which a sandbox cannot reach. */
static void take_nameservers(struct buf *out, const char *path)
{
	CLEANUP_FREE char *text = io_read_file(AT_FDCWD, path, 65536, NULL, NULL);
	struct str rest = str_from(text), line;
	while (text && str_split(&rest, '\n', &line)) {
		line = str_trim(line);
		struct str prefix = STR("nameserver ");
		if (!str_starts(line, prefix))
			continue;
		struct str address = str_trim(str_sub(line, prefix.n, line.n));
		if (!str_starts(address, STR("127.")) && !str_eqz(address, "::1"))
			buf_printf(out, STR_FMT "\n", STR_ARG(line));
	}
}

static int resolv_conf(int etc_fd, struct error *err)
{
	struct buf out CLEANUP(buf_release);
	buf_init(&out, 4096);
	take_nameservers(&out, "/etc/resolv.conf");
	if (out.len == 0) /* systemd-resolved: its stub is on loopback, the real ones are here */
		take_nameservers(&out, "/run/systemd/resolve/resolv.conf");
	buf_puts(&out, "options timeout:2 attempts:2\n");
	return put(etc_fd, "resolv.conf", out.data, out.len, err);
}

int etc_write(int etc_fd, struct error *err)
{
	/* What root.c mounts there. */
	static const char *const folders[] = {"ssl", "ssl/certs", "alternatives", "java-17-openjdk", "java-21-openjdk"};
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		if (mkdirat(etc_fd, folders[i], 0755) < 0 && errno != EEXIST)
			return error_sys(err, "cannot make folders in /etc of the sandboxes");
	}
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
		if (put(etc_fd, fixed[i].name, fixed[i].text, strlen(fixed[i].text), err) < 0)
			return -1;
	}
	for (size_t i = 0; i < ARRAY_LEN(copied); i++) {
		if (copy(etc_fd, copied[i], err) < 0)
			return -1;
	}
	/* Functions live in UTC, whatever the host's zone is. */
	if (symlinkat("/usr/share/zoneinfo/UTC", etc_fd, "localtime") < 0 && errno != EEXIST)
		return error_sys(err, "cannot make /etc/localtime of the sandboxes");
	return resolv_conf(etc_fd, err);
}
