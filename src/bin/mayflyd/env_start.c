/* From an empty sandbox to a runtime that is on its way (a plain start) or waits for work (a restore). The work is the
 * attacher's and the zygote's; here orders are given, and answers turned into ENV_STARTED or ENV_FAILED. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bin/mayflyd/attacher.h"
#include "bin/mayflyd/env_priv.h"
#include "bin/mayflyd/env_ready.h"
#include "bin/mayflyd/images.h"
#include "bin/mayflyd/server.h"
#include "bin/mayflyd/zygotes.h"
#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/io.h"
#include "core/base/log.h"

#define ANSWER_TIMEOUT_MS 10000

const char *restore_step_name(uint32_t step)
{
	static const char *const names[RESTORE_STEPS] = {
		[RESTORE_READY] = "ready", [RESTORE_TABLES] = "reading tables", [RESTORE_MAP] = "mapping memory",
		[RESTORE_PAGES] = "filling memory", [RESTORE_VDSO] = "moving the vdso", [RESTORE_REQUEST] = "reading the request",
		[RESTORE_CGROUP] = "joining control groups", [RESTORE_NAMESPACES] = "joining namespaces", [RESTORE_CLONE] = "making a process",
		[RESTORE_MM] = "describing memory", [RESTORE_OBJECTS] = "making open files", [RESTORE_FDS] = "placing descriptors",
		[RESTORE_CHILDREN] = "making child processes", [RESTORE_SIGNALS] = "restoring signals", [RESTORE_THREADS] = "making threads",
		[RESTORE_IDENTITY] = "giving up rights", [RESTORE_FILTER] = "loading the system call filter",
	};
	return step < RESTORE_STEPS && names[step] ? names[step] : "an unknown step";
}

void env_forget_answer(struct env *e)
{
	ev_timer_stop(&e->late);
	if (!e->answer.loop)
		return;
	ev_io_stop(&e->answer);
	close(e->answer.fd);
}

void env_release_zygote(struct env *e, bool worked)
{
	struct zygote *z = e->zygote;
	e->zygote = NULL;
	if (z)
		zygote_put(z, worked);
}

/* ---- ENV_STARTED ---- */

/* The attacher connected it first, and nothing runs in there that could have been faster. */
static int take_parked(const struct env *e, struct error *err)
{
	int fd = accept4(e->api_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	return fd < 0 ? error_sys(err, "the connection that waits for work is not there") : fd;
}

int env_open_started(const struct env *e, bool restored, struct env_started_fds *out, struct error *err)
{
	const struct cgroup *cg = &e->server->base.cgroup;
	*out = (struct env_started_fds){-1, -1, -1};
	out->parked = restored ? take_parked(e, err) : -1;
	if (restored && out->parked < 0)
		return -1;
	out->freeze = cgroup_freeze_fd(cg, e->slot, err);
	out->peak = out->freeze < 0 ? -1 : cgroup_peak_fd(cg, e->slot, err);
	if (out->peak >= 0)
		return 0;
	env_close_started(out);
	return -1;
}

void env_close_started(struct env_started_fds *fds)
{
	cleanup_close(&fds->freeze);
	cleanup_close(&fds->peak);
	cleanup_close(&fds->parked);
	*fds = (struct env_started_fds){-1, -1, -1};
}

static void describe_restored(const struct env *e, uint64_t now_ns, struct ipc_env_started *body)
{
	body->restored = 1;
	body->park = (uint8_t)e->zygote->facts.park;
	body->restore_ns = now_ns - e->restore_ns;
	body->image_bytes = e->image_bytes;
}

static int send_started(struct env *e, struct error *err)
{
	struct server *s = e->server;
	uint64_t now_ns = clock_mono_ns();
	struct env_started_fds f = e->ahead ? e->ahead->started : (struct env_started_fds){-1, -1, -1};
	if (!e->ahead && env_open_started(e, e->zygote, &f, err) < 0)
		return -1;
	struct ipc_env_started body = {.env_id = e->id, .sandbox_ns = now_ns - e->asked_ns, .pid = (uint32_t)e->pid,
	                               .cgroup_v2 = s->base.cgroup.freezer_v2, .pooled = e->pooled};
	if (e->zygote)
		e->image_bytes = e->zygote->facts.resident_bytes;
	if (e->zygote)
		describe_restored(e, now_ns, &body);
	bool plain = e->start.how == START_PLAIN;
	int fds[] = {e->api_fd, e->endpoint_fd, e->log_fd, f.freeze, f.peak, plain ? e->extension_log_fd : f.parked, e->spare_fd};
	static const unsigned counts[] = {[START_PLAIN] = 5, [START_RESTORE] = 6, [START_TRIAL] = 7};
	control_send(s, IPC_ENV_STARTED, &body, fds, counts[e->start.how] + (plain && e->extension_log_fd >= 0));
	if (!e->ahead)
		env_close_started(&f);
	return 0;
}

/* ---- answers ---- */

static int read_attach(const struct attach_answer *a, struct error *err)
{
	if (a->code == 0)
		return 0;
	return error_set(err, a->code < ERR_COUNT ? (enum error_code)a->code : ERR_INTERNAL, "%.*s", (int)sizeof a->msg, a->msg);
}

static int read_restore(const struct restore_reply *r, struct error *err)
{
	if (!r->failed)
		return 0;
	return error_set(err, ERR_INTERNAL, "cannot restore: %s (row %u)%s%s", restore_step_name(r->step), r->detail, r->sys ? ": " : "",
	                 r->sys ? strerror(r->sys) : "");
}

/* 0: done; -1: failed; 1: not there yet. */
static int read_answer(struct env *e, struct error *err)
{
	union {
		struct attach_answer attach;
		struct restore_reply restore;
	} in;
	ssize_t n = recv(e->answer.fd, &in, sizeof in, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 1;
	if (n == (ssize_t)sizeof in.attach && (!e->zygote || in.attach.code))
		return read_attach(&in.attach, err);
	if (n == (ssize_t)sizeof in.restore && e->zygote)
		return read_restore(&in.restore, err);
	return error_set(err, ERR_INTERNAL, "the process that %s the runtime ended without an answer", e->zygote ? "restored" : "started");
}

static void finish(struct env *e, struct error *why)
{
	struct server *s = e->server;
	env_forget_answer(e);
	env_note_start(e, !why->code);
	if (!why->code && e->requested && !e->ordered_dead)
		e->started = send_started(e, why) == 0;
	if (!why->code)
		env_ready_note(e);
	env_release_zygote(e, !why->code);
	if (why->code && !e->ordered_dead)
		env_fail(e, why);
	if (!why->code && e->start.network == NETWORK_OUTBOUND)
		s->base.net_ready = true;
	env_close_request(e);
	env_close_channels(e);
	if (e->state == ENV_DYING) {
		if (!e->pid)
			env_conclude(e);
	} else if (why->code) {
		env_die(e);
	} else {
		env_move(e, ENV_RUNNING);
		env_watch(e);
		env_notes_begin(e);
		ev_timer_after(s->loop, &e->boost, LIMIT_INIT_MS * NS_PER_MS);
	}
	envs_pump(s);
}

static void on_answer(struct ev_io *io, unsigned events)
{
	struct env *e = CONTAINER_OF(io, struct env, answer);
	struct error why = {0};
	if (read_answer(e, &why) != 1)
		finish(e, &why);
}

static void on_late(struct ev_timer *t)
{
	struct env *e = CONTAINER_OF(t, struct env, late);
	struct error why = {0};
	error_set(&why, ERR_TIMEOUT, "the runtime was not %s within %u s", e->zygote ? "restored" : "started", ANSWER_TIMEOUT_MS / 1000);
	/* Either may hang, and others wait for it. */
	struct zygote *z = e->zygote;
	if (z)
		z->users++;
	else
		hand_kill(&e->server->envs.attacher);
	finish(e, &why);
	if (z) {
		zygote_suspect(z, why.msg);
		zygote_put(z, false);
	}
}

/* ---- orders ---- */

static void fill(const struct env *e, const struct zygote *z, struct attach_order *o)
{
	o->sandbox = (struct sandbox_attach){
		.slot = e->slot, .pid = e->pid, .pidfd = e->pidfd, .control_pidfd = e->server->control.pidfd, .code_fd = e->code_fd,
		.layers = e->start.layers, .memory_mb = e->start.memory_mb, .ephemeral_mb = e->start.ephemeral_mb,
		.outbound = e->start.network == NETWORK_OUTBOUND, .tmp = e->tmp, .limited = env_is_limited(e)};
	o->groups_made = env_groups(e)->made;
	memcpy(o->sandbox.layer_fds, e->layer_fds, sizeof o->sandbox.layer_fds);
	o->net_ready = e->server->base.net_ready;
	if (!z)
		return;
	o->restore = true;
	o->image = z->facts;
	o->teach = e->lesson_ns;
}

/* The environment's user may open it again, as the function's; returns the end that is written to. */
static int extension_pipe(struct env *e, struct error *err)
{
	uid_t uid = e->server->base.uid_base + e->slot;
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_sys(err, "cannot make the log pipe of extensions");
	cleanup_close(&e->extension_log_fd);
	e->extension_log_fd = ends[0];
	if (fchown(ends[1], uid, (gid_t)uid) == 0 && io_set_nonblock(ends[0]) == 0)
		return ends[1];
	close(ends[1]);
	return error_sys(err, "cannot set up the log pipe of extensions");
}

static int order(struct env *e, const struct zygote *z, bool ahead, struct error *err)
{
	struct server *s = e->server;
	struct attach_order o = {.ahead = ahead};
	fill(e, z, &o);
	bool tmp = o.restore && o.image.tmp_bytes && z->image;
	CLEANUP_CLOSE int image = tmp ? images_open_file(s, z->image, err) : -1;
	if (tmp && image < 0)
		return -1;
	CLEANUP_CLOSE int log = -1;
	if (!z && e->start.extensions && (log = extension_pipe(e, err)) < 0)
		return -1;
	struct attach_fds with = {.init = e->init_fd, .launch = z ? -1 : e->launch_fd, .log_write = !z ? log : ahead ? -1 : e->log_write_fd,
	                          .spare = z ? e->spare_fd : -1, .zygote = z && !ahead ? z->sock : -1, .image = image};
	return attacher_give(s, &o, &with, err);
}

int env_order_ahead(struct env *e, const struct zygote *z, struct error *err)
{
	return order(e, z, true, err);
}

int env_expect(struct env *e, int fd, struct error *err)
{
	e->answer = (struct ev_io){.fd = fd, .cb = on_answer};
	e->late = (struct ev_timer){.cb = on_late};
	if (ev_io_start(e->server->loop, &e->answer, EV_READ, err) < 0) {
		close(fd);
		return -1;
	}
	ev_timer_after(e->server->loop, &e->late, ANSWER_TIMEOUT_MS * NS_PER_MS);
	return 0;
}

bool env_start(struct env *e)
{
	struct error err = {0};
	if (e->start.how == START_RESTORE && e->zygote)
		e->lesson_ns = zygote_teach(e->zygote);
	int fd = order(e, e->zygote, false, &err);
	if (fd < 0 && err.code == ERR_BUSY && e->server->envs.attacher.started)
		return false;
	env_move(e, ENV_ATTACHING);
	if (fd < 0 || env_expect(e, fd, &err) < 0) {
		env_release_zygote(e, false);
		env_fail(e, &err);
		env_die(e);
	}
	return true;
}

void env_zygote_failed(struct server *s, struct zygote *z, const struct error *why)
{
	static const enum env_state waiting[] = {ENV_QUEUED, ENV_MAKING, ENV_POOLED};
	for (size_t i = 0; i < ARRAY_LEN(waiting); i++) {
		LIST_FOREACH(l, &s->envs.states[waiting[i]]) {
			struct env *e = CONTAINER_OF(l, struct env, link);
			if (e->zygote != z)
				continue;
			env_release_zygote(e, false);
			env_fail(e, why);
			env_die(e);
		}
	}
}
