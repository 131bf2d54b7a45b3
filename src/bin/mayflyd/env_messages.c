/* What control asks for: each message is checked as if it came from an attacker. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "bin/mayflyd/env_priv.h"
#include "bin/mayflyd/env_ready.h"
#include "bin/mayflyd/images.h"
#include "bin/mayflyd/server.h"
#include "bin/mayflyd/zygotes.h"
#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/spec/limits.h"
#include "isolation/sandbox/wire.h"

/* A restored runtime goes on with what a started one did in its init phase (its pages come as they are touched, its random
 * generators begin anew): a function of 128 MB has 1.4 ms of CPU in 20, and would wait for the rest of them. */
#define SETTLE_MS 20

static int check_folder(struct server *s, int fd, struct error *err)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || !(flags & O_PATH) || fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != s->control_uid)
		return error_set(err, ERR_INVALID, "a code or layer descriptor is not an O_PATH folder of control's user");
	return 0;
}

static int check_launch(int fd, struct error *err)
{
	static const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	int has = fcntl(fd, F_GET_SEALS);
	return has < 0 || (has & seals) != seals ? error_set(err, ERR_INVALID, "launch settings are not sealed") : 0;
}

static int check_start(struct server *s, const struct ipc_message *m, struct error *err)
{
	const struct ipc_env_start *b = &m->body.ipc_env_start;
	if (b->env_id == 0 || env_find(s, b->env_id))
		return error_set(err, ERR_INVALID, "environment id %llu is in use", (unsigned long long)b->env_id);
	if (b->memory_mb < LIMIT_MEMORY_MIN_MB || b->memory_mb > LIMIT_MEMORY_MAX_MB || b->ephemeral_mb < LIMIT_EPHEMERAL_MIN_MB ||
	    b->ephemeral_mb > LIMIT_EPHEMERAL_MAX_MB || b->network > NETWORK_OUTBOUND || b->layers > LIMIT_LAYERS ||
	    b->layers + 2 != m->fd_count || b->how > START_TRIAL || b->extensions > (b->how == START_PLAIN ? LIMIT_EXTENSIONS : 0))
		return error_set(err, ERR_INVALID, "ENV_START with settings out of range");
	if (check_launch(m->fds[0], err) < 0)
		return -1;
	for (unsigned i = 1; i < m->fd_count; i++) {
		if (check_folder(s, m->fds[i], err) < 0)
			return -1;
	}
	return 0;
}

static struct env *take_pooled(struct server *s)
{
	static const enum env_state from[] = {ENV_POOLED, ENV_MAKING};
	for (size_t i = 0; i < ARRAY_LEN(from); i++) {
		LIST_FOREACH(l, &s->envs.states[from[i]]) {
			struct env *e = CONTAINER_OF(l, struct env, link);
			if (!e->requested && (e->pid || from[i] == ENV_MAKING)) {
				e->pooled = from[i] == ENV_POOLED ? AHEAD_SANDBOX : AHEAD_NOTHING;
				return e;
			}
		}
	}
	return NULL;
}

/* Its image may have gone while the message was on its way. */
static int want_zygote(struct server *s, struct env *e, struct error *err)
{
	struct image_entry *image = images_find(s, e->start.image);
	struct sandbox_attach code = {.control_pidfd = s->control.pidfd, .code_fd = e->code_fd, .layers = e->start.layers};
	memcpy(code.layer_fds, e->layer_fds, sizeof code.layer_fds);
	if (!image || (e->start.how == START_RESTORE && !image->kept))
		return error_set(err, ERR_NOT_FOUND, "there is no such image");
	e->zygote = zygote_want(s, image, &code, err);
	return e->zygote ? 0 : -1;
}

static struct env *find_for(struct server *s, const struct ipc_message *m)
{
	if (s->stops || s->envs.requested >= s->capacity.max_environments + LIMIT_IMAGE_ENVIRONMENTS)
		return NULL;
	struct env *e = env_ready_take(s, m);
	if (e) {
		e->pooled = AHEAD_IMAGE;
		return e;
	}
	env_ready_give_way(s);
	e = take_pooled(s);
	return e ? e : env_new(s);
}

int env_on_start(struct server *s, struct ipc_message *m, struct error *err)
{
	struct error why = {0};
	uint64_t now_ns = clock_mono_ns();
	if (check_start(s, m, err) < 0)
		return -1;
	struct env *e = find_for(s, m);
	if (!e) {
		error_set(&why, ERR_THROTTLED, s->stops ? "the server is stopping" : "no room for another environment");
		env_refuse(s, m->body.ipc_env_start.env_id, &why);
		return 0;
	}
	e->asked_ns = e->restore_ns = s->envs.asked_ns = now_ns;
	e->start = m->body.ipc_env_start;
	e->id = e->start.env_id;
	env_set_requested(e, true);
	e->launch_fd = STEAL_FD(m->fds[0]);
	e->code_fd = STEAL_FD(m->fds[1]);
	for (unsigned i = 0; i < e->start.layers; i++)
		e->layer_fds[i] = STEAL_FD(m->fds[2 + i]);
	if (e->start.how != START_PLAIN && !e->zygote && want_zygote(s, e, &why) < 0) {
		env_fail(e, &why);
		/* A sandbox that nothing was done with is as good as before. */
	}
	envs_pump(s);
	return 0;
}

/* The first few that were restored from an image stay, frozen, until the zygote knows which pages they used. */
static bool stay_for_lesson(struct env *e)
{
	if (e->state != ENV_RUNNING || e->server->stops || clock_mono_ns() >= e->lesson_ns)
		return false;
	if (cgroup_freeze(&e->server->base.cgroup, e->slot) < 0)
		return false;
	ev_timer_at(e->server->loop, &e->grace, e->lesson_ns);
	return true;
}

static int order_end(const struct env *e, uint32_t leavers)
{
	return e->start.extensions ? sandbox_shutdown(e->init_fd, leavers, NULL) : sandbox_order(e->init_fd, WIRE_TERM, -1, NULL);
}

int env_on_kill(struct server *s, struct ipc_message *m, struct error *err)
{
	const struct ipc_env_kill *b = &m->body.ipc_env_kill;
	struct env *e = env_find(s, b->env_id);
	if (b->grace_ms > LIMIT_TIMEOUT_MAX_S * 1000 || b->leavers >= 1u << LIMIT_EXTENSIONS)
		return error_set(err, ERR_INVALID, "ENV_KILL with settings out of range");
	if (!e) /* it may have ended while the message was on its way */
		return 0;
	e->ordered_dead = true;
	if (e->state == ENV_RUNNING && b->grace_ms && order_end(e, b->leavers) == 0) {
		cgroup_thaw(&s->base.cgroup, e->slot);
		ev_timer_after(s->loop, &e->grace, b->grace_ms * NS_PER_MS);
		return 0;
	}
	if (!stay_for_lesson(e))
		env_die(e);
	return 0;
}

int env_on_initialized(struct server *s, struct ipc_message *m, struct error *err)
{
	struct env *e = env_find(s, m->body.ipc_env_initialized.env_id);
	if (!e || e->state != ENV_RUNNING)
		return 0;
	uint64_t at_ns = clock_mono_ns() + SETTLE_MS * NS_PER_MS;
	if (e->start.how == START_PLAIN)
		env_end_boost(e);
	else if (e->boost.loop && e->boost.at_ns > at_ns)
		ev_timer_at(s->loop, &e->boost, at_ns);
	return 0;
}
