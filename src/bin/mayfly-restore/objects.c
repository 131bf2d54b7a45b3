/* Open files of all processes. The numbers below z->low are taken while we do this, so whatever is made lies above them. */
#include <linux/fcntl.h>
#include <linux/memfd.h>
#include <linux/signal.h>
#include <linux/time.h>
#include <linux/timerfd.h>

#include "bin/mayfly-restore/zygote.h"

#define NS 1000000000ull
#define EVENT_SEMAPHORE 1 /* EFD_SEMAPHORE */
/* What F_SETFL can change. */
#define SETTABLE (O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME | FASYNC)
#define AT_CREATION (O_CREAT | O_EXCL | O_TRUNC | O_NOCTTY)

typedef long object_builder(struct zygote *z, const struct image_object *o, uint32_t row);

static long build_log(struct zygote *z, const struct image_object *o, uint32_t row)
{
	return SYS(fcntl, z->request.log, F_DUPFD_CLOEXEC, z->low);
}

static long build_file(struct zygote *z, const struct image_object *o, uint32_t row)
{
	long fd = SYS(openat, AT_FDCWD, z->blob + o->path, (o->flags & ~(uint32_t)AT_CREATION) | O_CLOEXEC);
	if (fd >= 0 && o->position)
		need(z, RESTORE_OBJECTS, SYS(lseek, fd, o->position, 0), row);
	return fd;
}

static long build_eventfd(struct zygote *z, const struct image_object *o, uint32_t row)
{
	uint64_t count = o->position;
	long fd = SYS(eventfd2, 0, O_CLOEXEC | O_NONBLOCK | (o->semaphore ? EVENT_SEMAPHORE : 0));
	if (fd >= 0 && count)
		need(z, RESTORE_OBJECTS, SYS(write, fd, &count, sizeof count), row);
	return fd;
}

static long build_epoll(struct zygote *z, const struct image_object *o, uint32_t row)
{
	return SYS(epoll_create1, O_CLOEXEC);
}

static struct __kernel_timespec spec(uint64_t ns)
{
	return (struct __kernel_timespec){(long long)(ns / NS), (long long)(ns % NS)};
}

static long build_timerfd(struct zygote *z, const struct image_object *o, uint32_t row)
{
	struct __kernel_itimerspec when = {spec(o->timer_interval_ns), spec(o->timer_value_ns)};
	uint64_t ticks = o->timer_ticks;
	long fd = SYS(timerfd_create, o->clock, TFD_CLOEXEC);
	if (fd < 0)
		return fd;
	if (o->timer_value_ns)
		need(z, RESTORE_OBJECTS, SYS(timerfd_settime, fd, o->timer_flags, &when, 0), row);
	if (ticks)
		need(z, RESTORE_OBJECTS, SYS(ioctl, fd, TFD_IOC_SET_TICKS, &ticks), row);
	return fd;
}

static long build_signalfd(struct zygote *z, const struct image_object *o, uint32_t row)
{
	uint64_t mask = o->position;
	return SYS(signalfd4, -1, &mask, sizeof mask, O_CLOEXEC);
}

static long build_memfd(struct zygote *z, const struct image_object *o, uint32_t row)
{
	long fd = SYS(memfd_create, z->blob + o->path, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return fd;
	for (uint64_t done = 0; done < o->data_bytes;)
		done += (uint64_t)need(z, RESTORE_OBJECTS, SYS(write, fd, z->blob + o->data + done, o->data_bytes - done), row);
	need(z, RESTORE_OBJECTS, SYS(lseek, fd, o->position, 0), row);
	if (o->seals)
		need(z, RESTORE_OBJECTS, SYS(fcntl, fd, F_ADD_SEALS, o->seals), row);
	return fd;
}

static object_builder *const builders[OBJECT_KINDS] = {
	[OBJECT_LOG] = build_log,
	[OBJECT_NEXT] = object_connection,
	[OBJECT_CONNECTION] = object_connection,
	[OBJECT_FILE] = build_file,
	[OBJECT_PIPE_READ] = object_pipe,
	[OBJECT_PIPE_WRITE] = object_pipe,
	[OBJECT_EVENTFD] = build_eventfd,
	[OBJECT_EPOLL] = build_epoll,
	[OBJECT_TIMERFD] = build_timerfd,
	[OBJECT_SIGNALFD] = build_signalfd,
	[OBJECT_UNIX_PAIR] = object_pair,
	[OBJECT_LISTENER] = object_listener,
	[OBJECT_SOCKET] = object_socket,
	[OBJECT_MEMFD] = build_memfd,
	[OBJECT_CLOSED] = object_closed,
};

static void set_flags(struct zygote *z, uint32_t row)
{
	const struct image_object *o = &z->objects[row];
	int fd = z->object_fds[row];
	/* Files got theirs when they were opened; of what we make most have none. */
	if (o->kind == OBJECT_FILE || o->kind == OBJECT_EPOLL)
		return;
	uint32_t made_with = o->kind == OBJECT_EVENTFD ? O_NONBLOCK : 0;
	bool given = o->kind == OBJECT_LOG || o->kind == OBJECT_NEXT || o->kind == OBJECT_CONNECTION;
	if (((o->flags ^ made_with) & SETTABLE) || given)
		need(z, RESTORE_OBJECTS, SYS(fcntl, fd, F_SETFL, o->flags & SETTABLE), row);
}

void objects_build(struct zygote *z)
{
	for (uint32_t i = 0; i < z->object_count; i++)
		z->object_fds[i] = -1;
	for (uint32_t i = 0; i < z->object_count; i++) {
		const struct image_object *o = &z->objects[i];
		/* The second end of a pipe or pair came with the first; processes come later. */
		if (z->object_fds[i] < 0 && builders[o->kind])
			z->object_fds[i] = (int)need(z, RESTORE_OBJECTS, builders[o->kind](z, o, i), i);
	}
	for (uint32_t i = 0; i < z->object_count; i++) {
		if (builders[z->objects[i].kind])
			set_flags(z, i);
	}
}

void objects_build_late(struct zygote *z)
{
	for (uint32_t i = 0; i < z->object_count; i++) {
		const struct image_object *o = &z->objects[i];
		if (o->kind == OBJECT_PIDFD)
			z->object_fds[i] =
				(int)need(z, RESTORE_OBJECTS, SYS(pidfd_open, process_pid(z, (uint32_t)o->position), o->flags & O_NONBLOCK), i);
	}
}
