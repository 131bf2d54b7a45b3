#include <linux/close_range.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>

#include "bin/mayfly-restore/zygote.h"

#define RLIMIT_FILES 7 /* RLIMIT_NOFILE */

/* Every number that a process of the image uses is taken by something harmless: what we make, or are given, lies above. */
void fds_keep_low(struct zygote *z)
{
	uint32_t low = RESTORE_FILES_FD;
	for (uint32_t i = 0; i < z->fd_count; i++)
		low = z->fds[i].fd >= low ? z->fds[i].fd + 1 : low;
	z->low = low;
	int socket = (int)need(z, RESTORE_FDS, SYS(fcntl, z->socket, F_DUPFD_CLOEXEC, low), 0);
	z->request.reply = z->socket = socket;
	int image = (int)need(z, RESTORE_FDS, SYS(fcntl, z->image, F_DUPFD_CLOEXEC, low), 1);
	z->image = image;
	SYS(close_range, 0, low - 1, 0);
	/* Files of the image that came with higher numbers; ours may lie among them. */
	for (uint32_t fd = low; fd < RESTORE_FILES_FD + z->file_count; fd++) {
		if ((int)fd != socket && (int)fd != image)
			SYS(close, fd);
	}
	int filler = (int)need(z, RESTORE_FDS, SYS(eventfd2, 0, O_CLOEXEC), 2);
	for (uint32_t i = 0; i < low; i++) {
		if ((int)i != filler)
			need(z, RESTORE_FDS, SYS(dup3, filler, i, O_CLOEXEC), i);
	}
}

static void watch(struct zygote *z, const struct image_process *p)
{
	uint32_t process = (uint32_t)(p - z->processes);
	for (uint32_t i = 0; i < z->watch_count; i++) {
		const struct image_watch *w = &z->watches[i];
		struct epoll_event event = {w->events, w->data};
		if (w->process == process)
			need(z, RESTORE_FDS, SYS(epoll_ctl, z->object_fds[w->epoll], EPOLL_CTL_ADD, w->fd, &event), i);
	}
}

static void close_all_but(uint32_t from, uint32_t kept)
{
	if (kept > from)
		SYS(close_range, from, kept - 1, 0);
	SYS(close_range, kept + 1, ~0u, 0);
}

/* Afterwards there are the function's descriptors, and the request's socket. */
void fds_place(struct zygote *z, const struct image_process *p)
{
	uint32_t next = 0;
	for (uint32_t i = p->fd; i < p->fd + p->fd_count; i++) {
		const struct image_fd *f = &z->fds[i];
		if (f->fd > next)
			SYS(close_range, next, f->fd - 1, 0);
		need(z, RESTORE_FDS, SYS(dup3, z->object_fds[f->object], f->fd, f->close_on_exec ? O_CLOEXEC : 0), i);
		next = f->fd + 1;
	}
	if (next < z->low)
		SYS(close_range, next, z->low - 1, 0);
	watch(z, p);
	close_all_but(z->low, (uint32_t)z->request.reply);
}
