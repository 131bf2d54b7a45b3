/* One open file description, by what its link in /proc/PID/fd says that it is. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/io.h"
#include "isolation/snapshot/dump_priv.h"
#include "isolation/snapshot/image_priv.h"

#define MAX_KEPT_FILE (16u << 20) /* a memory file, or a deleted one */
#define MEMORY_DEVICES 1          /* null, zero, full, random, urandom */
#define MEMFD_SEALS 0x1fu

static int save_eventfd(struct dump *d, const struct dump_open *o, struct image_object *row, struct error *err)
{
	row->kind = OBJECT_EVENTFD;
	row->position = dump_number(o->info, "eventfd-count", 16);
	if (dump_field(o->info, "eventfd-semaphore"))
		row->semaphore = (uint32_t)dump_number(o->info, "eventfd-semaphore", 10);
	return 0;
}

static int save_epoll(struct dump *d, const struct dump_open *o, struct image_object *row, struct error *err)
{
	row->kind = OBJECT_EPOLL;
	row->position = 0;
	return 0;
}

static int save_signalfd(struct dump *d, const struct dump_open *o, struct image_object *row, struct error *err)
{
	row->kind = OBJECT_SIGNALFD;
	row->position = dump_number(o->info, "sigmask", 16);
	return 0;
}

/* "(seconds, nanoseconds)" */
static uint64_t read_span(const char *info, const char *name)
{
	unsigned long long s = 0, ns = 0;
	const char *field = dump_field(info, name);
	if (field)
		sscanf(field, "(%llu, %llu)", &s, &ns);
	return s * NS_PER_S + ns;
}

static int save_timerfd(struct dump *d, const struct dump_open *o, struct image_object *row, struct error *err)
{
	const unsigned absolute = 1; /* TFD_TIMER_ABSTIME */
	struct timespec now;
	row->kind = OBJECT_TIMERFD;
	row->position = 0;
	row->clock = (uint32_t)dump_number(o->info, "clockid", 10);
	row->timer_ticks = dump_number(o->info, "ticks", 10);
	row->timer_flags = (uint32_t)dump_number(o->info, "settime flags", 8);
	row->timer_value_ns = read_span(o->info, "it_value");
	row->timer_interval_ns = read_span(o->info, "it_interval");
	/* A repeating one that expired stands still until it is read: it expires anew at once, and goes on. */
	if (row->timer_ticks && row->timer_interval_ns && !row->timer_value_ns) {
		row->timer_value_ns = 1;
		row->timer_ticks = 0;
	}
	/* The kernel tells what is left, and takes what is meant. */
	if (row->timer_value_ns && (row->timer_flags & absolute)) {
		if (clock_gettime((clockid_t)row->clock, &now) < 0)
			return error_sys(err, "cannot read clock %u", row->clock);
		row->timer_value_ns += (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
	}
	return 0;
}

static int save_pidfd(struct dump *d, const struct dump_open *o, struct image_object *row, struct error *err)
{
	uint32_t levels;
	row->kind = OBJECT_PIDFD;
	row->position = dump_last_number(o->info, "NSpid", &levels);
	for (uint32_t i = 0; i < d->count; i++) {
		if (levels && d->processes[i].inner == row->position)
			return 0;
	}
	return dump_unsupported(o->process, err, "holds a pidfd of a process that is not its own or has ended");
}

static int save_pipe(struct dump *d, const struct dump_open *o, struct image_object *row, struct error *err)
{
	int way = (int)row->flags & O_ACCMODE;
	row->kind = way == O_RDONLY ? OBJECT_PIPE_READ : OBJECT_PIPE_WRITE;
	row->position = 0;
	return way == O_RDWR ? dump_unsupported(o->process, err, "opened a pipe for reading and writing at once") : 0;
}

/* Reads all of a file through our own copy of the descriptor, whose position is not moved. */
static int save_content(struct dump *d, const struct dump_open *o, struct image_object *row, struct error *err)
{
	if (o->bytes > MAX_KEPT_FILE)
		return dump_unsupported(o->process, err, "holds %s, which has more than %u MB", o->link, MAX_KEPT_FILE >> 20);
	CLEANUP_CLOSE int copy = dump_copy_fd(o->process, o->fd, err);
	char path[64];
	snprintf(path, sizeof path, "/proc/self/fd/%d", copy);
	/* It may have been opened for writing only. */
	CLEANUP_CLOSE int fd = copy < 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	CLEANUP_FREE char *bytes = malloc(o->bytes + 1);
	if (copy < 0)
		return -1;
	if (fd < 0 || !bytes || io_read_full(fd, bytes, o->bytes) != (ssize_t)o->bytes)
		return error_sys(err, "cannot read %s of process %u", o->link, o->process->inner);
	int64_t at = image_add_bytes(&d->image, bytes, o->bytes, 1, err);
	row->data = (uint32_t)at;
	row->data_bytes = (uint32_t)o->bytes;
	return at < 0 ? -1 : 0;
}

/* What is kept as a copy can't be shared by two descriptions that were opened one by one. */
static int check_single(const struct dump *d, const struct dump_open *o, struct error *err)
{
	const struct dump_object *objects = (const void *)d->objects.data;
	for (size_t i = 0; i < d->objects.len / sizeof *objects; i++) {
		if (objects[i].device == o->device && objects[i].inode == o->inode)
			return dump_unsupported(o->process, err, "opened %s twice", o->link);
	}
	return 0;
}

static int save_name(struct dump *d, struct image_object *row, const char *name, struct error *err)
{
	int64_t at = image_add_string(&d->image, name, err);
	row->path = (uint32_t)at;
	return at < 0 ? -1 : 0;
}

static int save_memfd(struct dump *d, const struct dump_open *o, struct image_object *row, struct error *err)
{
	char name[256];
	const char *start = strchr(o->link, ':') + 1, *end = strrchr(start, ' ');
	snprintf(name, sizeof name, "%.*s", end ? (int)(end - start) : 0, start);
	CLEANUP_CLOSE int copy = dump_copy_fd(o->process, o->fd, err);
	int seals = copy < 0 ? -1 : fcntl(copy, F_GET_SEALS);
	if (copy < 0)
		return -1;
	if (seals < 0 || ((unsigned)seals & ~MEMFD_SEALS))
		return dump_unsupported(o->process, err, "holds a memory file of an unknown kind");
	row->kind = OBJECT_MEMFD;
	row->seals = (uint32_t)seals;
	return check_single(d, o, err) < 0 || save_name(d, row, name, err) < 0 ? -1 : save_content(d, o, row, err);
}

/* A file that has no name any more and is not mapped is as good as a memory file. */
static int save_deleted(struct dump *d, const struct dump_open *o, struct image_object *row, struct error *err)
{
	/* What was opened as a place only (O_PATH) must not become readable. */
	if (!S_ISREG(o->mode) || (row->flags & O_PATH))
		return dump_unsupported(o->process, err, "holds %s", o->link);
	row->kind = OBJECT_MEMFD;
	return check_single(d, o, err) < 0 || save_name(d, row, "deleted", err) < 0 ? -1 : save_content(d, o, row, err);
}

/* Files of /proc: the process's own are its own again, whatever its number; another's would be the wrong one's. */
static int save_proc_file(struct dump *d, const struct dump_open *o, struct image_object *row, struct error *err)
{
	char own[32], path[4096];
	const char *rest = o->link + strlen("/proc/");
	int n = snprintf(own, sizeof own, "%u", o->process->inner);
	row->kind = OBJECT_FILE;
	if (*rest < '0' || *rest > '9')
		return save_name(d, row, o->link, err);
	if (strncmp(rest, own, (size_t)n) != 0 || (rest[n] && rest[n] != '/'))
		return dump_unsupported(o->process, err, "holds %s, a file of another process", o->link);
	snprintf(path, sizeof path, "/proc/self%s", rest + n);
	return save_name(d, row, path, err);
}

static int save_path(struct dump *d, const struct dump_open *o, struct image_object *row, struct error *err)
{
	struct stat there;
	row->kind = OBJECT_FILE;
	if (strncmp(o->link, "/proc/", 6) == 0)
		return save_proc_file(d, o, row, err);
	CLEANUP_CLOSE int fd = image_file_open(d->root, o->link, O_PATH, NULL);
	if (fd < 0 || fstat(fd, &there) < 0 || there.st_dev != o->device || there.st_ino != o->inode)
		return save_deleted(d, o, row, err);
	if (S_ISREG(o->mode) || S_ISDIR(o->mode) || (S_ISCHR(o->mode) && major(there.st_rdev) == MEMORY_DEVICES))
		return save_name(d, row, o->link, err);
	return dump_unsupported(o->process, err, "holds %s, which is %s", o->link, S_ISFIFO(o->mode) ? "a named pipe" : "a device");
}

/* By the beginning of the link; the first row that fits. */
static const struct {
	const char *prefix;
	int (*save)(struct dump *d, const struct dump_open *o, struct image_object *row, struct error *err);
	const char *why;
} links[] = {
	{"socket:[", dump_socket, NULL},
	{"pipe:[", save_pipe, NULL},
	{"anon_inode:[eventfd]", save_eventfd, NULL},
	{"anon_inode:[eventpoll]", save_epoll, NULL},
	{"anon_inode:[timerfd]", save_timerfd, NULL},
	{"anon_inode:[signalfd]", save_signalfd, NULL},
	{"anon_inode:[pidfd]", save_pidfd, NULL},
	{"pidfd:[", save_pidfd, NULL},
	{"/memfd:", save_memfd, NULL},
	{"anon_inode:[io_uring]", NULL, "uses io_uring"},
	{"anon_inode:inotify", NULL, "watches files (inotify)"},
	{"anon_inode:[fanotify]", NULL, "watches files (fanotify)"},
	{"anon_inode:[userfaultfd]", NULL, "handles page faults (userfaultfd)"},
	{"anon_inode:[perf_event]", NULL, "measures performance events (perf)"},
	{"anon_inode:bpf", NULL, "uses BPF"},
	{"anon_inode:seccomp notify", NULL, "handles system calls of others (seccomp)"},
	{"net:[", NULL, "holds a namespace"}, {"mnt:[", NULL, "holds a namespace"}, {"pid:[", NULL, "holds a namespace"},
	{"user:[", NULL, "holds a namespace"}, {"ipc:[", NULL, "holds a namespace"}, {"uts:[", NULL, "holds a namespace"},
	{"/dev/pts/", NULL, "uses a terminal"}, {"/dev/tty", NULL, "uses a terminal"},
	{"/", save_path, NULL},
};

int dump_object(struct dump *d, const struct dump_open *o, struct image_object *row, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(links); i++) {
		if (strncmp(o->link, links[i].prefix, strlen(links[i].prefix)) != 0)
			continue;
		return links[i].save ? links[i].save(d, o, row, err) : dump_unsupported(o->process, err, "%s", links[i].why);
	}
	return dump_unsupported(o->process, err, "holds a kernel object that is not known here (%s)", o->link);
}
