/* Open file descriptions, descriptors and epoll registrations. */
#include <stddef.h>

#include "core/base/check.h"
#include "isolation/snapshot/image_priv.h"

#define MAX_PIPE_BYTES (64u << 20)
#define MAX_ADDRESS_BYTES 128u
#define NOFILE 7 /* RLIMIT_NOFILE */

/* What a kind's row must hold. */
enum need { NEED_PATH = 1, NEED_PEER = 2, MAY_PEER = 4, MAY_DATA = 8, MAY_ADDRESS = 16, NEED_PORT = 32, NEED_PID = 64 };

static const struct {
	unsigned needs;
	uint32_t peer_kind;
} kinds[OBJECT_KINDS] = {
	[OBJECT_LOG] = {0, 0},
	[OBJECT_NEXT] = {NEED_PORT, 0},
	[OBJECT_CONNECTION] = {NEED_PORT, 0},
	[OBJECT_FILE] = {NEED_PATH, 0},
	[OBJECT_PIPE_READ] = {MAY_PEER | MAY_DATA, OBJECT_PIPE_WRITE},
	[OBJECT_PIPE_WRITE] = {MAY_PEER, OBJECT_PIPE_READ},
	[OBJECT_EVENTFD] = {0, 0},
	[OBJECT_EPOLL] = {0, 0},
	[OBJECT_TIMERFD] = {0, 0},
	[OBJECT_SIGNALFD] = {0, 0},
	[OBJECT_UNIX_PAIR] = {NEED_PEER | MAY_DATA, OBJECT_UNIX_PAIR},
	[OBJECT_LISTENER] = {MAY_ADDRESS, 0},
	[OBJECT_SOCKET] = {MAY_ADDRESS, 0},
	[OBJECT_MEMFD] = {NEED_PATH | MAY_DATA, 0},
	[OBJECT_PIDFD] = {NEED_PID, 0},
	[OBJECT_CLOSED] = {0, 0},
};

static bool peer_fits(const struct image *image, uint32_t i, const struct image_object *o)
{
	unsigned needs = kinds[o->kind].needs;
	if (o->peer == IMAGE_NONE)
		return !(needs & NEED_PEER);
	if (!(needs & (NEED_PEER | MAY_PEER)) || o->peer >= image_count(image, IMAGE_OBJECTS) || o->peer == i)
		return false;
	const struct image_object *peer = image_row(image, IMAGE_OBJECTS, o->peer);
	return peer->kind == kinds[o->kind].peer_kind && peer->peer == i;
}

static bool data_fits(const struct image *image, const struct image_object *o)
{
	unsigned needs = kinds[o->kind].needs;
	if (o->data_bytes == 0)
		return true;
	if (!image_blob_fits(image, o->data, o->data_bytes))
		return false;
	if (needs & MAY_ADDRESS)
		return o->data % 8 == 0 && o->data_bytes <= MAX_ADDRESS_BYTES && o->data_bytes >= sizeof(uint16_t);
	return needs & MAY_DATA;
}

static bool pid_is_known(const struct image *image, uint64_t pid)
{
	for (uint32_t i = 0; i < image_count(image, IMAGE_PROCESSES); i++) {
		const struct image_process *p = image_row(image, IMAGE_PROCESSES, i);
		if (p->pid == pid)
			return true;
	}
	return false;
}

static int check_object(const struct image *image, uint32_t i, uint32_t *nexts, uint32_t *connections, struct error *err)
{
	const struct image_object *o = image_row(image, IMAGE_OBJECTS, i);
	if (o->kind >= OBJECT_KINDS)
		return image_bad(err, "object", i, "kind");
	unsigned needs = kinds[o->kind].needs;
	if ((needs & NEED_PATH) && !image_string_fits(image, o->path, o->kind == OBJECT_FILE))
		return image_bad(err, "object", i, "path");
	if (!peer_fits(image, i, o))
		return image_bad(err, "object", i, "other end");
	if (!data_fits(image, o) || o->pipe_bytes > MAX_PIPE_BYTES)
		return image_bad(err, "object", i, "content");
	if (o->port > 65535 || o->local_port > 65535 || ((needs & NEED_PORT) && (o->port == 0 || o->local_port == 0)))
		return image_bad(err, "object", i, "port");
	if ((needs & NEED_PID) && !pid_is_known(image, o->position))
		return image_bad(err, "object", i, "process");
	if (o->position > INT64_MAX && o->kind != OBJECT_EVENTFD && o->kind != OBJECT_SIGNALFD)
		return image_bad(err, "object", i, "position");
	*nexts += o->kind == OBJECT_NEXT;
	*connections += o->kind == OBJECT_NEXT || o->kind == OBJECT_CONNECTION;
	return 0;
}

static int check_fds(const struct image *image, uint32_t process, struct error *err)
{
	const struct image_process *p = image_row(image, IMAGE_PROCESSES, process);
	uint64_t lowest = 0;
	for (uint32_t i = 0; i < p->fd_count; i++) {
		const struct image_fd *f = image_row(image, IMAGE_FDS, p->fd + i);
		if (f->fd < lowest || f->fd >= IMAGE_MAX_FD || f->fd >= p->limits[NOFILE].hard || f->close_on_exec > 1)
			return image_bad(err, "descriptor", p->fd + i, "number");
		if (f->object >= image_count(image, IMAGE_OBJECTS))
			return image_bad(err, "descriptor", p->fd + i, "object");
		lowest = (uint64_t)f->fd + 1;
	}
	return 0;
}

static bool has_fd(const struct image *image, const struct image_process *p, uint32_t fd)
{
	uint32_t low = 0, high = p->fd_count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct image_fd *f = image_row(image, IMAGE_FDS, p->fd + middle);
		if (f->fd == fd)
			return true;
		if (f->fd < fd)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static int check_watch(const struct image *image, uint32_t i, struct error *err)
{
	const struct image_watch *w = image_row(image, IMAGE_WATCHES, i);
	if (w->epoll >= image_count(image, IMAGE_OBJECTS) ||
	    ((const struct image_object *)image_row(image, IMAGE_OBJECTS, w->epoll))->kind != OBJECT_EPOLL)
		return image_bad(err, "watch", i, "epoll");
	if (w->process >= image_count(image, IMAGE_PROCESSES) || !has_fd(image, image_row(image, IMAGE_PROCESSES, w->process), w->fd))
		return image_bad(err, "watch", i, "descriptor");
	return 0;
}

int image_check_objects(const struct image *image, struct error *err)
{
	uint32_t nexts = 0, connections = 0;
	for (uint32_t i = 0; i < image_count(image, IMAGE_OBJECTS); i++) {
		if (check_object(image, i, &nexts, &connections, err) < 0)
			return -1;
	}
	if (nexts != 1 || connections != image->head.connections)
		return error_set(err, ERR_INVALID, "the image is damaged: it has not one connection that waits");
	for (uint32_t i = 0; i < image_count(image, IMAGE_PROCESSES); i++) {
		if (check_fds(image, i, err) < 0)
			return -1;
	}
	for (uint32_t i = 0; i < image_count(image, IMAGE_WATCHES); i++) {
		if (check_watch(image, i, err) < 0)
			return -1;
	}
	return 0;
}
