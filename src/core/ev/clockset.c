#include "core/ev/clockset.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define FAR_SECONDS (1000000000) /* 31 years: only the clock's being set ends the wait */

struct ev_clockset {
	struct ev_io io;
	void (*cb)(void *arg);
	void *arg;
};

static int arm(int fd)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	const struct itimerspec far = {.it_value.tv_sec = now.tv_sec + FAR_SECONDS};
	return timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &far, NULL);
}

static void on_set(struct ev_io *io, unsigned events)
{
	struct ev_clockset *c = CONTAINER_OF(io, struct ev_clockset, io);
	uint64_t times;
	if (read(io->fd, &times, sizeof times) < 0 && errno != ECANCELED)
		return;
	(void)arm(io->fd); /* ECANCELED here: set once more, which is told again */
	c->cb(c->arg);
}

struct ev_clockset *ev_clockset_new(struct ev_loop *loop, void (*cb)(void *arg), void *arg, struct error *err)
{
	struct ev_clockset *c = calloc(1, sizeof *c);
	if (!c) {
		error_set(err, ERR_NO_MEMORY, "no memory to watch the clock");
		return NULL;
	}
	*c = (struct ev_clockset){.io = {.fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK), .cb = on_set}, .cb = cb, .arg = arg};
	if (c->io.fd < 0 || arm(c->io.fd) < 0) {
		error_sys(err, "cannot watch the clock");
		ev_clockset_free(c);
		return NULL;
	}
	if (ev_io_start(loop, &c->io, EV_READ, err) < 0) {
		ev_clockset_free(c);
		return NULL;
	}
	return c;
}

void ev_clockset_free(struct ev_clockset *c)
{
	if (!c)
		return;
	ev_io_stop(&c->io);
	if (c->io.fd >= 0)
		close(c->io.fd);
	free(c);
}
