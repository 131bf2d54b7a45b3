/* The environment's log pipe: one for standard output and error, and one for those of external extensions. Reading is bounded a round, so that a function that writes
 * without end slows down itself and nobody else. */
#include <errno.h>
#include <unistd.h>

#include "control/worker/worker_priv.h"
#include "core/base/io.h"

#define READ_BYTES 65536u
#define DRAIN_READS 64 /* 4 MiB: what can stand before END is bounded too */

/* False when there is nothing more now. */
static bool read_some(struct worker *w)
{
	char data[READ_BYTES];
	ssize_t n = read(w->log_io.fd, data, sizeof data);
	w->log_more = n == (ssize_t)sizeof data;
	if (n > 0) {
		if (w->log) /* a trial has none */
			log_stream_output(w->log, data, (size_t)n);
		return w->log_more;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		ev_io_stop(&w->log_io); /* all writers have gone */
	return false;
}

static void on_output(struct ev_io *io, unsigned events)
{
	read_some(CONTAINER_OF(io, struct worker, log_io));
}

/* What extensions print: nothing waits for it but the environment's end. */
static bool read_extensions(struct worker *w)
{
	char data[READ_BYTES];
	ssize_t n = read(w->extension_io.fd, data, sizeof data);
	if (n > 0 && w->log)
		log_stream_extension_output(w->log, data, (size_t)n);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		ev_io_stop(&w->extension_io);
	return n == (ssize_t)sizeof data;
}

static void on_extensions(struct ev_io *io, unsigned events)
{
	read_extensions(CONTAINER_OF(io, struct worker, extension_io));
}

int worker_open_extension_log(struct worker *w, int fd, struct error *err)
{
	w->extension_io = (struct ev_io){.fd = fd, .cb = on_extensions};
	if (io_set_nonblock(fd) < 0)
		return error_sys(err, "cannot use the log pipe of extensions");
	return ev_io_start(w->fleet->deps.loop, &w->extension_io, EV_READ, err);
}

int worker_open_log(struct worker *w, int fd, struct error *err)
{
	w->log_io = (struct ev_io){.fd = fd, .cb = on_output};
	if (io_set_nonblock(fd) < 0)
		return error_sys(err, "cannot use the log pipe of an environment");
	return ev_io_start(w->fleet->deps.loop, &w->log_io, EV_READ, err);
}

void worker_drain_log(struct worker *w)
{
	if (w->log_io.fd < 0)
		return;
	for (int i = 0; i < DRAIN_READS && read_some(w); i++)
		;
	for (int i = 0; w->extension_io.fd >= 0 && i < DRAIN_READS && read_extensions(w); i++)
		;
}

void worker_drain_log_before_answer(struct worker *w)
{
	if (w->log_more)
		worker_drain_log(w);
}

void worker_close_log(struct worker *w)
{
	ev_io_stop(&w->log_io);
	if (w->log_io.fd >= 0)
		close(w->log_io.fd);
	w->log_io.fd = -1;
	ev_io_stop(&w->extension_io);
	if (w->extension_io.fd >= 0)
		close(w->extension_io.fd);
	w->extension_io.fd = -1;
	log_stream_close(w->log);
	w->log = NULL;
}
