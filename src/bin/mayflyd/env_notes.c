/* What mayfly-init says of the processes that it started. Where there are extensions it lives on when one of them ends, and control is
 * told; else it says one thing, and ends. */
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>

#include "bin/mayflyd/env_priv.h"
#include "bin/mayflyd/server.h"
#include "isolation/sandbox/sandbox.h"

/* Each of its processes ends once. */
#define NOTES_MAX (1 + LIMIT_EXTENSIONS)

static void tell(struct env *e, const struct wire_end *end)
{
	struct ipc_env_process_ended body = {.env_id = e->id, .who = end->who, .how = end->how, .status = end->status};
	if (end->how == EXIT_SIGNAL && end->status == SIGKILL && !e->ordered_dead && cgroup_oom(&e->server->base.cgroup, e->slot))
		body.how = EXIT_OOM;
	if (e->requested)
		control_send(e->server, IPC_ENV_PROCESS_ENDED, &body, NULL, 0);
}

static bool is_sound(const struct env *e, const struct wire_end *end)
{
	return end->who <= e->start.extensions && (end->how == EXIT_CODE || end->how == EXIT_SIGNAL || end->how == EXIT_EXEC_FAILED);
}

/* 1: there may be more; 0: not now; -1: nothing more will come. */
static int read_note(struct env *e)
{
	struct wire_end end;
	ssize_t n = recv(e->init_fd, &end, sizeof end, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n != (ssize_t)sizeof end || e->note_count++ > NOTES_MAX || !is_sound(e, &end))
		return -1;
	if (end.last) {
		e->end = end;
		e->has_end = true;
		return -1;
	}
	tell(e, &end);
	return 1;
}

static void on_notes(struct ev_io *io, unsigned events)
{
	struct env *e = CONTAINER_OF(io, struct env, notes);
	int rc;
	while ((rc = read_note(e)) > 0)
		continue;
	if (rc < 0)
		ev_io_stop(&e->notes); /* it ends, or lies: then control's time limits end it */
}

void env_notes_begin(struct env *e)
{
	struct error err = {0};
	if (!e->start.extensions)
		return;
	e->notes = (struct ev_io){.fd = e->init_fd, .cb = on_notes};
	if (ev_io_start(e->server->loop, &e->notes, EV_READ, &err) < 0)
		env_die(e);
}

bool env_notes_end(struct env *e, struct wire_end *out)
{
	while (!e->has_end && read_note(e) > 0)
		continue;
	*out = e->end;
	return e->has_end;
}

int env_on_begin(struct server *s, struct ipc_message *m, struct error *err)
{
	struct env *e = env_find(s, m->body.ipc_env_begin.env_id);
	if (e && !e->start.extensions)
		return error_set(err, ERR_INVALID, "ENV_BEGIN of an environment without extensions");
	/* One that does not hear it is ending. */
	if (e && e->state == ENV_RUNNING)
		(void)sandbox_order(e->init_fd, WIRE_BEGIN, -1, NULL);
	return 0;
}
