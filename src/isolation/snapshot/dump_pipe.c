/* Both ends of pipes, what waits in them, and the one whose other end is ours: the log. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/base/io.h"
#include "isolation/snapshot/dump_priv.h"

struct ends {
	uint32_t readers, writers;
	uint32_t reader, writer; /* the last of each */
};

static struct dump_object *object_of(struct dump *d, uint32_t i)
{
	return (struct dump_object *)(void *)d->objects.data + i;
}

static bool is_pipe(const struct image_object *row)
{
	return row->kind == OBJECT_PIPE_READ || row->kind == OBJECT_PIPE_WRITE || row->kind == OBJECT_LOG;
}

static struct ends find_ends(struct dump *d, uint64_t inode)
{
	struct ends e = {0};
	for (uint32_t i = 0; i < image_built_count(&d->image, IMAGE_OBJECTS); i++) {
		const struct image_object *row = image_built_row(&d->image, IMAGE_OBJECTS, i);
		if (!is_pipe(row) || object_of(d, i)->inode != inode)
			continue;
		if (row->kind == OBJECT_PIPE_READ) {
			e.readers++;
			e.reader = i;
		} else {
			e.writers++;
			e.writer = i;
		}
	}
	return e;
}

/* tee copies without taking: the tree may have to go on. */
static int peek_content(struct dump *d, const struct dump_process *p, int fd, uint32_t capacity, struct image_object *row,
	struct error *err)
{
	int waiting, ours[2];
	if (ioctl(fd, FIONREAD, &waiting) < 0)
		return error_sys(err, "cannot look into a pipe");
	if (waiting == 0)
		return 0;
	if (row->flags & O_DIRECT)
		return dump_unsupported(p, err, "left packets unread in a pipe");
	if (pipe2(ours, O_CLOEXEC | O_NONBLOCK) < 0)
		return error_sys(err, "cannot make a pipe");
	CLEANUP_CLOSE int from = ours[0];
	CLEANUP_CLOSE int to = ours[1];
	CLEANUP_FREE char *bytes = malloc((size_t)waiting);
	if (!bytes || fcntl(to, F_SETPIPE_SZ, (int)capacity) < 0 ||
	    tee(fd, to, (size_t)waiting, SPLICE_F_NONBLOCK) != waiting || io_read_full(from, bytes, (size_t)waiting) != waiting)
		return error_sys(err, "cannot copy what waits in a pipe");
	int64_t at = image_add_bytes(&d->image, bytes, (size_t)waiting, 1, err);
	row->data = (uint32_t)at;
	row->data_bytes = (uint32_t)waiting;
	return at < 0 ? -1 : 0;
}

/* An end whose other one is not in the tree: it is closed, or it is ours. */
static int save_lone(struct dump *d, const struct dump_process *p, int fd, struct image_object *row, uint64_t inode, uint64_t *log,
	struct error *err)
{
	struct pollfd state = {.fd = fd, .events = row->kind == OBJECT_PIPE_READ ? POLLIN : POLLOUT};
	if (poll(&state, 1, 0) < 0)
		return error_sys(err, "cannot look at a pipe");
	if (state.revents & (POLLERR | POLLHUP))
		return 0;
	if (row->kind == OBJECT_PIPE_READ)
		return dump_unsupported(p, err, "reads from a pipe whose writer is outside of the environment");
	if (*log && *log != inode)
		return dump_unsupported(p, err, "writes to a pipe whose reader is outside of the environment");
	*log = inode;
	row->kind = OBJECT_LOG;
	return 0;
}

static int save_end(struct dump *d, uint32_t i, uint64_t *log, struct error *err)
{
	struct image_object row = *(struct image_object *)image_built_row(&d->image, IMAGE_OBJECTS, i);
	const struct dump_object *o = object_of(d, i);
	const struct dump_process *p = &d->processes[o->process];
	struct ends e = find_ends(d, o->inode);
	CLEANUP_CLOSE int fd = dump_copy_fd(p, o->fd, err);
	if (fd < 0)
		return -1;
	int capacity = fcntl(fd, F_GETPIPE_SZ);
	if (capacity < 0)
		return error_sys(err, "cannot ask for a pipe's size");
	row.pipe_bytes = (uint32_t)capacity;
	/* The log may be opened several times through /dev/stderr; it is one pipe, and ours. */
	if (e.readers > 1 || (e.readers && e.writers > 1))
		return dump_unsupported(p, err, "opened one end of a pipe twice (through /proc)");
	if (e.readers && e.writers)
		row.peer = row.kind == OBJECT_PIPE_READ ? e.writer : e.reader;
	else if (save_lone(d, p, fd, &row, o->inode, log, err) < 0)
		return -1;
	if (row.kind == OBJECT_PIPE_READ && peek_content(d, p, fd, (uint32_t)capacity, &row, err) < 0)
		return -1;
	*(struct image_object *)image_built_row(&d->image, IMAGE_OBJECTS, i) = row;
	return 0;
}

int dump_pipes(struct dump *d, struct error *err)
{
	uint64_t log = 0;
	for (uint32_t i = 0; i < image_built_count(&d->image, IMAGE_OBJECTS); i++) {
		if (is_pipe(image_built_row(&d->image, IMAGE_OBJECTS, i)) && save_end(d, i, &log, err) < 0)
			return -1;
	}
	return 0;
}
