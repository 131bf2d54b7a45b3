/* Descriptors of all processes: each becomes a row, and each open file description behind them one object. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "isolation/snapshot/dump_priv.h"
#include "isolation/snapshot/image_priv.h"

#define MAX_INFO (1u << 20)
/* Set when a file is opened, of no meaning afterwards. */
#define OPENING_FLAGS (O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC)
#define MADE_WITHOUT_NAME O_TMPFILE /* of two bits, one of which is O_DIRECTORY's */

int dump_same_open(pid_t a, int a_fd, pid_t b, int b_fd, struct error *err)
{
	long rc = syscall(SYS_kcmp, a, b, KCMP_FILE, a_fd, b_fd);
	return rc < 0 ? error_sys(err, "cannot compare descriptors") : rc == 0;
}

int dump_copy_fd(const struct dump_process *p, int fd, struct error *err)
{
	int copy = (int)syscall(SYS_pidfd_getfd, p->pidfd, fd, 0);
	return copy < 0 ? error_sys(err, "cannot take descriptor %d of process %u", fd, p->inner) : copy;
}

static int compare_numbers(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Numbers of a process's descriptors in ascending order. */
static int list_fds(const struct dump_process *p, int numbers[IMAGE_MAX_FDS], uint32_t *n, struct error *err)
{
	int fd = openat(p->proc, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_DIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return error_sys(err, "cannot list the descriptors of process %u", p->inner);
	*n = 0;
	for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
		if (e->d_name[0] == '.')
			continue;
		if (*n == IMAGE_MAX_FDS)
			return dump_unsupported(p, err, "has more than %u descriptors", IMAGE_MAX_FDS);
		numbers[(*n)++] = atoi(e->d_name);
	}
	qsort(numbers, *n, sizeof *numbers, compare_numbers);
	return 0;
}

/* The object that is this open file already; -1: none, -2: error. */
static int64_t find_object(const struct dump *d, const struct dump_open *o, struct error *err)
{
	const struct dump_object *objects = (const void *)d->objects.data;
	for (size_t i = 0; i < d->objects.len / sizeof *objects; i++) {
		const struct dump_object *known = &objects[i];
		if (known->device != o->device || known->inode != o->inode || known->type != (o->mode & S_IFMT))
			continue;
		int same = dump_same_open(o->process->pid, o->fd, d->processes[known->process].pid, known->fd, err);
		if (same < 0)
			return -2;
		if (same)
			return (int64_t)i;
	}
	return -1;
}

static int64_t add_object(struct dump *d, uint32_t process, const struct dump_open *o, struct error *err)
{
	struct image_object row = {.peer = IMAGE_NONE};
	struct dump_object known = {.process = process, .fd = o->fd, .device = o->device, .inode = o->inode,
		.type = o->mode & S_IFMT};
	row.flags = (uint32_t)dump_number(o->info, "flags", 8) & ~(uint32_t)OPENING_FLAGS;
	if ((row.flags & MADE_WITHOUT_NAME) == MADE_WITHOUT_NAME)
		row.flags &= ~(uint32_t)MADE_WITHOUT_NAME;
	row.position = dump_number(o->info, "pos", 10);
	if (row.flags & O_ASYNC)
		return dump_unsupported(o->process, err, "asked for signals from descriptor %d (O_ASYNC)", o->fd);
	if (dump_field(o->info, "lock"))
		return dump_unsupported(o->process, err, "holds a lock on %s", o->link);
	if (dump_object(d, o, &row, err) < 0)
		return -1;
	if (buf_append(&d->objects, &known, sizeof known) < 0)
		return error_set(err, ERR_UNSUPPORTED, "has more than %u open files", IMAGE_MAX_OBJECTS);
	return image_add(&d->image, IMAGE_OBJECTS, &row, err);
}

static int save_fd(struct dump *d, uint32_t process, int fd, struct error *err)
{
	char path[64], link[4096 + 16];
	struct stat st;
	struct dump_process *p = &d->processes[process];
	if (fd >= (int)IMAGE_MAX_FD || (uint64_t)fd >= p->row.limits[7 /* RLIMIT_NOFILE */].hard)
		return dump_unsupported(p, err, "uses descriptor number %d", fd);
	snprintf(path, sizeof path, "fd/%d", fd);
	if (dump_link(p->proc, path, link, sizeof link, err) < 0)
		return -1;
	if (fstatat(p->proc, path, &st, 0) < 0)
		return error_sys(err, "cannot look at descriptor %d of process %u", fd, p->inner);
	snprintf(path, sizeof path, "fdinfo/%d", fd);
	CLEANUP_FREE char *info = dump_read(p->proc, path, MAX_INFO, err);
	if (!info)
		return -1;
	struct dump_open o = {.process = p, .fd = fd, .link = link, .info = info, .mode = st.st_mode, .device = st.st_dev,
		.inode = st.st_ino, .bytes = (uint64_t)st.st_size, .links = st.st_nlink};
	struct image_fd row = {.fd = (uint32_t)fd, .close_on_exec = (dump_number(info, "flags", 8) & O_CLOEXEC) != 0};
	int64_t object = find_object(d, &o, err);
	if (object == -1)
		object = add_object(d, process, &o, err);
	if (object < 0)
		return -1;
	row.object = (uint32_t)object;
	return image_add(&d->image, IMAGE_FDS, &row, err) < 0 ? -1 : 0;
}

static int save_process_fds(struct dump *d, uint32_t process, struct error *err)
{
	struct dump_process *p = &d->processes[process];
	uint32_t n;
	CLEANUP_FREE int *numbers = malloc(IMAGE_MAX_FDS * sizeof *numbers);
	if (!numbers)
		return error_set(err, ERR_NO_MEMORY, "no memory for descriptors");
	p->row.fd = image_built_count(&d->image, IMAGE_FDS);
	if (list_fds(p, numbers, &n, err) < 0)
		return -1;
	for (uint32_t i = 0; i < n; i++) {
		if (save_fd(d, process, numbers[i], err) < 0)
			return -1;
	}
	p->row.fd_count = n;
	return 0;
}

int dump_fds(struct dump *d, struct error *err)
{
	for (uint32_t i = 0; i < d->count; i++) {
		if (save_process_fds(d, i, err) < 0)
			return -1;
	}
	if (dump_pipes(d, err) < 0 || dump_unix_pairs(d, err) < 0)
		return -1;
	return dump_watches(d, err);
}
