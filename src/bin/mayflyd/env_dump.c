/* SNAPSHOT: a helper writes the image of a parked environment, which ends with it. */
#include <string.h>
#include <unistd.h>

#include "bin/mayflyd/env_priv.h"
#include "bin/mayflyd/images.h"
#include "bin/mayflyd/server.h"
#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "isolation/snapshot/dump.h"

#define TIMEOUT_MS 10000u
#define TIMEOUT_MS_PER_MB 10u /* of the environment's memory */

/* What was asked; waits in the environment until the helper is done. */
struct env_dump {
	struct ipc_snapshot ask;
	unsigned life; /* of control, which asked */
};

static void answer(struct server *s, const struct env_dump *d, const struct dump_result *result, const struct error *err)
{
	struct ipc_snapshot_done body = {.env_id = d->ask.env_id, .code = err->code};
	memcpy(body.key, d->ask.key, sizeof body.key);
	memcpy(body.msg, err->msg, sizeof body.msg);
	if (!err->code) {
		body.file_bytes = result->file_bytes;
		body.resident_bytes = result->resident_bytes;
		body.dump_ns = result->dump_ns;
	}
	if (d->life == s->control.lives)
		control_send(s, IPC_SNAPSHOT_DONE, &body, NULL, 0);
}

static int dump_work(struct server *s, struct helper *h, struct helper_report *report, struct error *err)
{
	struct env *e = CONTAINER_OF(h, struct env, helper);
	const struct ipc_snapshot *ask = &e->dump->ask;
	struct dump_request request = {.init_pid = e->pid, .park = ask->park, .next_port = ask->next_port, .memory_mb = e->start.memory_mb,
	                               .max_bytes = s->settings.snapshot_disk_mb << 20, .close_connections = ask->close_connections};
	struct dump_result result = {0};
	memcpy(request.key, ask->key, sizeof request.key);
	CLEANUP_CLOSE int fd = images_create_file(s, ask->key, err);
	if (fd < 0)
		return -1;
	/* An idle environment is frozen. */
	cgroup_thaw(&s->base.cgroup, e->slot);
	if (dump_tree(&request, fd, &result, err) < 0)
		return -1;
	memcpy(report->data, &result, sizeof result);
	return 0;
}

static void dump_done(struct server *s, struct helper *h, struct helper_report *report)
{
	struct env *e = CONTAINER_OF(h, struct env, helper);
	struct env_dump *d = e->dump;
	struct dump_result result;
	_Static_assert(sizeof result <= sizeof report->data, "a dump's result fits a report");
	memcpy(&result, report->data, sizeof result);
	struct ipc_snapshot_done done = {.file_bytes = result.file_bytes, .resident_bytes = result.resident_bytes};
	memcpy(done.key, d->ask.key, sizeof done.key);
	if (!report->err.code && d->life != s->control.lives)
		error_set(&report->err, ERR_CLOSED, "nobody waits for it any more");
	if (report->err.code)
		images_discard(s, d->ask.key);
	else if (!images_add(s, &done, d->ask.park))
		error_set(&report->err, ERR_NO_MEMORY, "no memory for an image's entry");
	answer(s, d, &result, &report->err);
	/* It was stopped and looked into: it serves nobody any more. */
	e->ordered_dead = true;
	if (e->state == ENV_DYING && !e->pid)
		env_conclude(e);
	else
		env_die(e);
}

static int begin(struct server *s, struct env *e, struct env_dump *d, struct error *err)
{
	if (s->images.fd < 0)
		return error_set(err, ERR_UNSUPPORTED, "this machine takes no images: %s", s->images.off);
	if (!e || e->state != ENV_RUNNING || env_is_worked_on(e))
		return error_set(err, ERR_NOT_FOUND, "the environment has ended");
	if (images_busy(s, d->ask.key))
		return error_set(err, ERR_EXISTS, "there is an image of that key");
	e->dump = d;
	e->helper = (struct helper){.work = dump_work, .done = dump_done, .timeout_ms = TIMEOUT_MS + e->start.memory_mb * TIMEOUT_MS_PER_MB};
	return helper_start(s, &e->helper, -1, err);
}

int env_on_snapshot(struct server *s, struct ipc_message *m, struct error *err)
{
	struct env_dump *d = calloc(1, sizeof *d);
	struct error why = {0};
	ASSERT(d);
	d->ask = m->body.ipc_snapshot;
	d->life = s->control.lives;
	struct env *e = env_find(s, d->ask.env_id);
	if (d->ask.park > PARK_RESTORE) {
		free(d);
		return error_set(err, ERR_INVALID, "SNAPSHOT of an environment that waits for nothing known");
	}
	if (begin(s, e, d, &why) == 0)
		return 0;
	answer(s, d, NULL, &why);
	if (e) {
		if (e->dump == d) /* not one under way */
			e->dump = NULL;
		e->ordered_dead = true;
		env_die(e);
	}
	free(d);
	return 0;
}
