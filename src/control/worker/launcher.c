#include "control/worker/launcher.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/io.h"

struct unpack_job {
	struct list link;
	uint64_t id;
	launcher_unpacked_cb *cb;
	void *arg;
	struct error err; /* set when the request could not even be sent */
};

/* An image event that came before anybody listened. */
struct early_image {
	struct list link;
	enum ipc_type type;
	union ipc_body body;
};

#define EARLY_IMAGES_MAX 65536u /* more images than that are not told, and so never used */

struct launcher {
	struct ev_loop *loop;
	struct ipc ipc;
	struct ev_io io;
	const struct launcher_events *events;
	void *arg;
	void (*on_drain)(void *arg);
	void (*on_gone)(void *arg);
	void *server_arg;
	bool (*on_tls)(void *arg, int cert_fd, int key_fd);
	void *tls_arg;
	struct list jobs, unsent;
	uint64_t next_job;
	struct ev_defer defer; /* reports jobs that could not be sent */
	const struct launcher_image_events *image_events;
	void *image_arg;
	struct list early; /* struct early_image, oldest first */
	unsigned early_count;
	struct ev_defer tell_early;
};

static void update_want(struct launcher *l)
{
	ev_io_want(&l->io, EV_READ | (ipc_wants_write(&l->ipc) ? EV_WRITE : 0u));
}

static void finish_job(struct unpack_job *job, uint64_t bytes, const struct error *err)
{
	list_remove(&job->link);
	job->cb(job->arg, bytes, err);
	free(job);
}

static void on_unpack_done(struct launcher *l, const struct ipc_unpack_done *m)
{
	LIST_FOREACH(link, &l->jobs) {
		struct unpack_job *job = CONTAINER_OF(link, struct unpack_job, link);
		if (job->id != m->job_id)
			continue;
		struct error err = {0};
		if (m->code != ERR_OK)
			error_set(&err, m->code < ERR_COUNT ? (enum error_code)m->code : ERR_INTERNAL, "%.*s", (int)sizeof m->msg, m->msg);
		finish_job(job, m->unzipped_bytes, m->code == ERR_OK ? NULL : &err);
		return;
	}
}

static void tell_image(struct launcher *l, enum ipc_type type, const union ipc_body *body)
{
	if (type == IPC_IMAGE_FOUND)
		l->image_events->on_found(l->image_arg, &body->ipc_image_found);
	else
		l->image_events->on_gone(l->image_arg, &body->ipc_image_gone);
}

/* In the order of arrival, whoever listens since when. */
static void on_image(struct launcher *l, const struct ipc_message *m)
{
	if (l->image_events && !l->early_count) {
		tell_image(l, m->type, &m->body);
		return;
	}
	struct early_image *early = l->early_count < EARLY_IMAGES_MAX ? malloc(sizeof *early) : NULL;
	if (!early)
		return;
	early->type = m->type;
	early->body = m->body;
	list_init(&early->link);
	list_push_back(&l->early, &early->link);
	l->early_count++;
}

static void on_tell_early(struct ev_defer *defer)
{
	struct launcher *l = CONTAINER_OF(defer, struct launcher, tell_early);
	while (l->image_events && !list_empty(&l->early)) {
		struct early_image *early = LIST_FIRST(&l->early, struct early_image, link);
		list_remove(&early->link);
		l->early_count--;
		tell_image(l, early->type, &early->body);
		free(early);
	}
}

static void on_tls_files(struct launcher *l, struct ipc_message *m)
{
	struct ipc_tls_done done = {.generation = m->body.ipc_tls_files.generation};
	done.good = l->on_tls && l->on_tls(l->tls_arg, m->fds[0], m->fds[1]);
	(void)ipc_send(&l->ipc, IPC_TLS_DONE, &done, NULL, 0, NULL); /* a socket that is gone is noticed by the reader */
}

static void dispatch(struct launcher *l, struct ipc_message *m)
{
	switch (m->type) {
	case IPC_ENV_STARTED:
		l->events->on_env_started(l->arg, m);
		break;
	case IPC_ENV_FAILED:
		l->events->on_env_failed(l->arg, &m->body.ipc_env_failed);
		break;
	case IPC_ENV_EXITED:
		l->events->on_env_exited(l->arg, &m->body.ipc_env_exited);
		break;
	case IPC_ENV_PROCESS_ENDED:
		l->events->on_process_ended(l->arg, &m->body.ipc_env_process_ended);
		break;
	case IPC_UNPACK_DONE:
		on_unpack_done(l, &m->body.ipc_unpack_done);
		break;
	case IPC_ENV_SOCKET_MADE:
		l->events->on_env_socket(l->arg, m);
		break;
	case IPC_SNAPSHOT_DONE:
		l->events->on_snapshot_done(l->arg, &m->body.ipc_snapshot_done);
		break;
	case IPC_IMAGE_FOUND:
	case IPC_IMAGE_GONE:
		on_image(l, m);
		break;
	case IPC_TLS_FILES:
		on_tls_files(l, m);
		break;
	case IPC_DRAIN:
		if (l->on_drain)
			l->on_drain(l->server_arg);
		break;
	default: /* HELLO comes once, before the loop runs */
		break;
	}
}

static void gone(struct launcher *l)
{
	ev_io_stop(&l->io);
	if (l->on_gone)
		l->on_gone(l->server_arg);
}

static void on_io(struct ev_io *io, unsigned events)
{
	struct launcher *l = CONTAINER_OF(io, struct launcher, io);
	struct error err;
	for (int i = 0; i < 64; i++) {
		struct ipc_message m;
		int got = ipc_recv(&l->ipc, &m, &err);
		if (got < 0) {
			gone(l);
			return;
		}
		if (got == 0)
			break;
		dispatch(l, &m);
		ipc_message_close(&m);
	}
	if (ipc_flush(&l->ipc, &err) < 0)
		gone(l);
	else
		update_want(l);
}

static void on_unsent(struct ev_defer *defer)
{
	struct launcher *l = CONTAINER_OF(defer, struct launcher, defer);
	while (!list_empty(&l->unsent)) {
		struct unpack_job *job = LIST_FIRST(&l->unsent, struct unpack_job, link);
		struct error err = job->err;
		finish_job(job, 0, &err);
	}
}

static int wait_hello(int fd, struct ipc *ipc, struct ipc_hello *hello, int fds[HELLO_FDS], struct error *err)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	struct ipc_message m;
	if (poll(&p, 1, 10000) != 1)
		return error_set(err, ERR_TIMEOUT, "mayflyd did not say hello; this program is started by mayflyd, not by hand");
	int got = ipc_recv(ipc, &m, err);
	if (got <= 0)
		return got < 0 ? -1 : error_set(err, ERR_CLOSED, "mayflyd said nothing");
	bool fits = m.type == IPC_HELLO && m.body.ipc_hello.version == IPC_VERSION;
	if (fits) {
		*hello = m.body.ipc_hello;
		for (unsigned i = 0; i < HELLO_FDS; i++)
			fds[i] = i < m.fd_count ? STEAL_FD(m.fds[i]) : -1;
	}
	ipc_message_close(&m);
	return fits ? 0 : error_set(err, ERR_INVALID, "mayflyd is of another version; install all programs of one version");
}

struct launcher *launcher_new(struct ev_loop *loop, int fd, struct ipc_hello *hello, int fds[HELLO_FDS], struct error *err)
{
	struct launcher *l = calloc(1, sizeof *l);
	if (!l) {
		error_set(err, ERR_NO_MEMORY, "no memory for the message socket");
		return NULL;
	}
	l->loop = loop;
	ipc_init(&l->ipc, fd, FROM_CONTROL);
	list_init(&l->jobs);
	list_init(&l->unsent);
	list_init(&l->early);
	ev_defer_init(&l->defer, on_unsent);
	ev_defer_init(&l->tell_early, on_tell_early);
	l->io = (struct ev_io){.fd = fd, .cb = on_io};
	if (io_set_nonblock(fd) < 0 || io_set_cloexec(fd, 1) < 0 || wait_hello(fd, &l->ipc, hello, fds, err) < 0 ||
	    ev_io_start(loop, &l->io, EV_READ, err) < 0) {
		launcher_free(l);
		return NULL;
	}
	return l;
}

void launcher_free(struct launcher *l)
{
	if (!l)
		return;
	ev_io_stop(&l->io);
	ev_defer_cancel(&l->defer);
	ev_defer_cancel(&l->tell_early);
	LIST_FOREACH(link, &l->early)
		free(CONTAINER_OF(link, struct early_image, link));
	ipc_release(&l->ipc);
	close(l->ipc.fd);
	LIST_FOREACH(link, &l->jobs)
		free(CONTAINER_OF(link, struct unpack_job, link));
	LIST_FOREACH(link, &l->unsent)
		free(CONTAINER_OF(link, struct unpack_job, link));
	free(l);
}

void launcher_set_env_events(struct launcher *l, const struct launcher_events *events, void *arg)
{
	l->events = events;
	l->arg = arg;
}

void launcher_set_server_events(struct launcher *l, void (*on_drain)(void *arg), void (*on_gone)(void *arg), void *arg)
{
	l->on_drain = on_drain;
	l->on_gone = on_gone;
	l->server_arg = arg;
}

void launcher_set_tls_event(struct launcher *l, bool (*on_files)(void *arg, int cert_fd, int key_fd), void *arg)
{
	l->on_tls = on_files;
	l->tls_arg = arg;
}

static int send_message(struct launcher *l, enum ipc_type type, const void *body, const int *fds, unsigned fd_count,
                        struct error *err)
{
	int r = ipc_send(&l->ipc, type, body, fds, fd_count, err);
	if (l->io.loop)
		update_want(l);
	return r;
}

void launcher_ready(struct launcher *l)
{
	struct ipc_ready ready = {0};
	send_message(l, IPC_READY, &ready, NULL, 0, NULL);
}

int launcher_start(struct launcher *l, const struct ipc_env_start *start, const int *fds, unsigned fd_count, struct error *err)
{
	return send_message(l, IPC_ENV_START, start, fds, fd_count, err);
}

void launcher_initialized(struct launcher *l, uint64_t env_id)
{
	struct ipc_env_initialized m = {.env_id = env_id};
	send_message(l, IPC_ENV_INITIALIZED, &m, NULL, 0, NULL);
}

void launcher_set_image_events(struct launcher *l, const struct launcher_image_events *events, void *arg)
{
	l->image_events = events;
	l->image_arg = arg;
	if (events && l->early_count)
		ev_defer_run(l->loop, &l->tell_early);
}

int launcher_snapshot(struct launcher *l, const struct ipc_snapshot *order, struct error *err)
{
	return send_message(l, IPC_SNAPSHOT, order, NULL, 0, err);
}

void launcher_keep_image(struct launcher *l, const uint8_t key[IPC_IMAGE_KEY])
{
	struct ipc_image_keep m;
	memcpy(m.key, key, sizeof m.key);
	send_message(l, IPC_IMAGE_KEEP, &m, NULL, 0, NULL);
}

void launcher_drop_image(struct launcher *l, const uint8_t key[IPC_IMAGE_KEY])
{
	struct ipc_image_drop m;
	memcpy(m.key, key, sizeof m.key);
	send_message(l, IPC_IMAGE_DROP, &m, NULL, 0, NULL);
}

int launcher_socket(struct launcher *l, uint64_t env_id, uint64_t number, struct error *err)
{
	struct ipc_env_socket m = {.env_id = env_id, .number = number};
	return send_message(l, IPC_ENV_SOCKET, &m, NULL, 0, err);
}

void launcher_begin(struct launcher *l, uint64_t env_id)
{
	struct ipc_env_begin begin = {.env_id = env_id};
	send_message(l, IPC_ENV_BEGIN, &begin, NULL, 0, NULL);
}

void launcher_kill(struct launcher *l, uint64_t env_id, uint32_t grace_ms, uint32_t leavers)
{
	struct ipc_env_kill kill = {.env_id = env_id, .grace_ms = grace_ms, .leavers = leavers};
	send_message(l, IPC_ENV_KILL, &kill, NULL, 0, NULL);
}

void launcher_unpack(struct launcher *l, int zip_fd, int folder_fd, const unsigned char sha256[32], uint64_t max_bytes,
                     launcher_unpacked_cb *cb, void *arg)
{
	struct unpack_job *job = calloc(1, sizeof *job);
	ASSERT(job);
	*job = (struct unpack_job){.id = ++l->next_job, .cb = cb, .arg = arg};
	list_init(&job->link);
	struct ipc_unpack m = {.job_id = job->id, .max_bytes = max_bytes};
	memcpy(m.sha256, sha256, sizeof m.sha256);
	int fds[] = {zip_fd, folder_fd};
	if (send_message(l, IPC_UNPACK, &m, fds, 2, &job->err) == 0) {
		list_push_back(&l->jobs, &job->link);
		return;
	}
	list_push_back(&l->unsent, &job->link);
	ev_defer_run(l->loop, &l->defer);
}
