/* What epoll instances watch. A registration belongs to an open file and to the number it had then; that the number still
 * stands for the file is asked of the kernel (kcmp). */
#include <errno.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "isolation/snapshot/dump_priv.h"

#define MAX_INFO (1u << 20)

struct registration {
	int fd;
	uint32_t nth; /* of those with the same number */
	uint32_t events;
	uint64_t data;
};

static bool is_watched(const struct dump *d, const struct dump_object *epoll, const struct registration *r, uint32_t process, int fd)
{
	struct kcmp_epoll_slot slot = {.efd = (uint32_t)epoll->fd, .tfd = (uint32_t)r->fd, .toff = r->nth};
	return syscall(SYS_kcmp, d->processes[process].pid, d->processes[epoll->process].pid, KCMP_EPOLL_TFD, fd, &slot) == 0;
}

/* As registered by one of the processes, or else by whatever number the file has now. */
static bool find_watched(struct dump *d, const struct dump_object *epoll, const struct registration *r, struct image_watch *w)
{
	for (int any = 0; any < 2; any++) {
		for (uint32_t i = 0; i < d->count; i++) {
			const struct dump_process *p = &d->processes[i];
			for (uint32_t k = 0; k < p->row.fd_count; k++) {
				const struct image_fd *f = image_built_row(&d->image, IMAGE_FDS, p->row.fd + k);
				if ((!any && (int)f->fd != r->fd) || !is_watched(d, epoll, r, i, (int)f->fd))
					continue;
				w->process = i;
				w->fd = f->fd;
				return true;
			}
		}
	}
	return false;
}

static int save_watch(struct dump *d, uint32_t object, const struct dump_object *epoll, const struct registration *r, struct error *err)
{
	struct image_watch w = {.epoll = object, .events = r->events, .data = r->data};
	if (!find_watched(d, epoll, r, &w))
		return dump_unsupported(&d->processes[epoll->process], err, "watches a descriptor (epoll) that it closed");
	return image_add(&d->image, IMAGE_WATCHES, &w, err) < 0 ? -1 : 0;
}

static int save_epoll(struct dump *d, uint32_t object, const struct dump_object *epoll, struct error *err)
{
	char path[64];
	int last = -1;
	uint32_t nth = 0;
	snprintf(path, sizeof path, "fdinfo/%d", epoll->fd);
	CLEANUP_FREE char *info = dump_read(d->processes[epoll->process].proc, path, MAX_INFO, err);
	if (!info)
		return -1;
	for (const char *line = strstr(info, "tfd:"); line; line = strstr(line + 1, "tfd:")) {
		struct registration r;
		unsigned long long data;
		if (sscanf(line, "tfd: %d events: %x data: %llx", &r.fd, &r.events, &data) != 3)
			return error_set(err, ERR_SYSTEM, "/proc/PID/fdinfo of an epoll instance is not understood");
		/* Equal numbers stand next to each other. */
		nth = r.fd == last ? nth + 1 : 0;
		last = r.fd;
		r.nth = nth;
		r.data = data;
		if (save_watch(d, object, epoll, &r, err) < 0)
			return -1;
	}
	return 0;
}

int dump_watches(struct dump *d, struct error *err)
{
	for (uint32_t i = 0; i < image_built_count(&d->image, IMAGE_OBJECTS); i++) {
		const struct image_object *row = image_built_row(&d->image, IMAGE_OBJECTS, i);
		if (row->kind == OBJECT_EPOLL && save_epoll(d, i, (struct dump_object *)(void *)d->objects.data + i, err) < 0)
			return -1;
	}
	return 0;
}
