#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "core/ev/ev.h"

struct ev_signals {
	struct ev_io io;
	void (*cb)(void *arg, int signal);
	void *arg;
};

static void on_signal(struct ev_io *io, unsigned events)
{
	struct ev_signals *s = CONTAINER_OF(io, struct ev_signals, io);
	struct signalfd_siginfo info;
	/* One a call: the callback may free us. Level triggering brings the next. */
	if (read(io->fd, &info, sizeof info) == (ssize_t)sizeof info)
		s->cb(s->arg, (int)info.ssi_signo);
}

struct ev_signals *ev_signals_new(struct ev_loop *loop, const int *signals, size_t n, void (*cb)(void *arg, int signal),
                                  void *arg, struct error *err)
{
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < n; i++)
		sigaddset(&set, signals[i]);
	struct ev_signals *s = calloc(1, sizeof *s);
	if (!s) {
		error_set(err, ERR_NO_MEMORY, "no memory to watch signals");
		return NULL;
	}
	*s = (struct ev_signals){.io = {.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), .cb = on_signal}, .cb = cb, .arg = arg};
	if (s->io.fd < 0 || sigprocmask(SIG_BLOCK, &set, NULL) < 0) {
		error_sys(err, "cannot watch signals");
		ev_signals_free(s);
		return NULL;
	}
	if (ev_io_start(loop, &s->io, EV_READ, err) < 0) {
		ev_signals_free(s);
		return NULL;
	}
	return s;
}

void ev_signals_free(struct ev_signals *s)
{
	if (!s)
		return;
	ev_io_stop(&s->io);
	if (s->io.fd >= 0)
		close(s->io.fd);
	free(s);
}
