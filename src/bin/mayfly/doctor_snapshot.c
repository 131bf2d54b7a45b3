/* What images of initialised processes need; without it functions start plainly. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bin/mayfly/doctor.h"
#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/base/io.h"

#define TEXT_MAX 65536

/* Linux 6.7; not in older headers. */
struct scan {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages, category_inverted, category_mask, category_anyof_mask, return_mask;
};
#define SCAN_IOCTL _IOWR('f', 16, struct scan)
#define SCAN_PRESENT (1u << 3)

static char *read_text(const char *path)
{
	size_t n;
	return io_read_file(AT_FDCWD, path, TEXT_MAX, &n, NULL);
}

static void check_pages(struct finding *f, const struct settings *settings)
{
	CLEANUP_CLOSE int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	struct scan scan = {.size = sizeof scan, .category_mask = SCAN_PRESENT, .return_mask = SCAN_PRESENT}; /* of nothing */
	if (fd >= 0 && ioctl(fd, SCAN_IOCTL, &scan) >= 0) {
		finding_set(f, FINDING_GOOD, "PAGEMAP_SCAN tells which pages a process has");
		return;
	}
	finding_set(f, FINDING_WARN, "no PAGEMAP_SCAN (%s): no images, every environment is a plain start", strerror(errno));
	finding_remedy(f, "use Linux 6.7 or newer; Debian 12 has one in bookworm-backports");
}

static void check_kcmp(struct finding *f, const struct settings *settings)
{
	if (syscall(SYS_kcmp, getpid(), getpid(), KCMP_VM, 0, 0) == 0) {
		finding_set(f, FINDING_GOOD, "kcmp tells which descriptors are the same open file");
		return;
	}
	finding_set(f, FINDING_WARN, "kcmp does not work (%s): no images of processes that share open files", strerror(errno));
	finding_remedy(f, "use a kernel with CONFIG_KCMP, as Debian's has");
}

static uint64_t bounding_set(void)
{
	CLEANUP_FREE char *text = read_text("/proc/self/status");
	const char *at = text ? strstr(text, "\nCapBnd:") : NULL;
	return at ? strtoull(at + strlen("\nCapBnd:"), NULL, 16) : 0;
}

/* The server is started by root: what root may have here is what counts, not what the caller of this has. */
static void check_rights(struct finding *f, const struct settings *settings)
{
	static const struct {
		unsigned bit;
		const char *name;
	} needed[] = {{18, "CAP_SYS_CHROOT"}, {19, "CAP_SYS_PTRACE"}, {21, "CAP_SYS_ADMIN"}};
	uint64_t set = bounding_set();
	CLEANUP_FREE char *scope = read_text("/proc/sys/kernel/yama/ptrace_scope");
	finding_set(f, FINDING_GOOD, "root may trace processes and restore them");
	for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
		if (!(set & 1ull << needed[i].bit)) {
			finding_set(f, FINDING_WARN, "root lacks %s here: no images", needed[i].name);
			finding_remedy(f, "give the container or service that capability (systemd: CapabilityBoundingSet=)");
			return;
		}
	}
	if (scope && *scope == '3') {
		finding_set(f, FINDING_WARN, "kernel.yama.ptrace_scope is 3, which forbids tracing to all: no images");
		finding_remedy(f, "leave it at 2 or below in /etc/sysctl.d and start the machine again");
	}
}

/* "always [madvise] never": the one in brackets. */
static void check_huge_pages(struct finding *f, const struct settings *settings)
{
	CLEANUP_FREE char *text = read_text("/sys/kernel/mm/transparent_hugepage/enabled");
	const char *open = text ? strchr(text, '[') : NULL, *close = open ? strchr(open, ']') : NULL;
	int n = close ? (int)(close - open - 1) : 0;
	if (n && strncmp(open, "[never]", 7) != 0) {
		finding_set(f, FINDING_GOOD, "%.*s: large images are restored with few page tables", n, open + 1);
		return;
	}
	finding_set(f, FINDING_NOTE, "switched off; images of some 100 MB take longer to restore");
	finding_remedy(f, "echo madvise >/sys/kernel/mm/transparent_hugepage/enabled");
}

static const struct doctor_row rows[] = {
	{"page scan", "images of initialised processes: which pages they hold", check_pages},
	{"kcmp", "images of initialised processes: which descriptors are one file", check_kcmp},
	{"image rights", "images of initialised processes: tracing and restoring them", check_rights},
	{"huge pages", "fast restores of large images", check_huge_pages},
};

const struct doctor_row *doctor_snapshot_rows(size_t *count)
{
	*count = ARRAY_LEN(rows);
	return rows;
}
