#include "bin/mayflyd/env_ready.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bin/mayflyd/attacher.h"
#include "bin/mayflyd/images.h"
#include "bin/mayflyd/server.h"
#include "bin/mayflyd/zygotes.h"
#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/packet.h"

#define PREPARE_TIMEOUT_MS 10000
#define FOLDERS (1 + LIMIT_LAYERS)

/* Which folder it is, as long as it is held open. */
struct folder {
	dev_t device;
	ino_t inode;
};

/* An image that is worth an environment. */
struct ready {
	struct list link;       /* of envs.ready: the longest unused first */
	struct zygote *zygote;  /* not held: it tells of its end */
	struct ipc_env_start start;
	struct folder folders[FOLDERS]; /* code, layers */
	int fds[FOLDERS];       /* until there is an environment; -1 afterwards */
	struct env *env;        /* NULL: none yet */
};

static struct ready *find(struct server *s, const uint8_t *key)
{
	LIST_FOREACH(l, &s->envs.ready) {
		struct ready *r = CONTAINER_OF(l, struct ready, link);
		if (memcmp(r->start.image, key, IPC_IMAGE_KEY) == 0)
			return r;
	}
	return NULL;
}

static void forget(struct ready *r)
{
	for (unsigned i = 0; i < FOLDERS; i++) {
		if (r->fds[i] >= 0)
			close(r->fds[i]);
	}
	list_remove(&r->link);
	free(r);
}

/* With its environment, which forgets it when it leaves its state. */
static void end(struct ready *r)
{
	if (r->env)
		env_die(r->env);
	else
		forget(r);
}

void env_ready_left(struct env *e)
{
	LIST_FOREACH(l, &e->server->envs.ready) {
		struct ready *r = CONTAINER_OF(l, struct ready, link);
		if (r->env == e)
			forget(r);
	}
}

void env_ready_end(struct server *s, const struct zygote *z)
{
	LIST_FOREACH(l, &s->envs.ready) {
		struct ready *r = CONTAINER_OF(l, struct ready, link);
		if (!z || r->zygote == z)
			end(r);
	}
}

static void close_wire(struct env_ahead *a)
{
	for (unsigned i = 0; i < a->fd_count; i++)
		close(a->fds[i]);
	a->fd_count = 0;
}

void env_ready_close(struct env *e)
{
	struct env_ahead *a = e->ahead;
	if (!a)
		return;
	close_wire(a);
	env_close_started(&a->started);
	free(a);
	e->ahead = NULL;
}

/* ---- what is worth it ---- */

static int identify(const int *fds, unsigned n, struct folder out[FOLDERS])
{
	struct stat st;
	for (unsigned i = 0; i < n; i++) {
		if (fstat(fds[i], &st) < 0)
			return -1;
		out[i] = (struct folder){st.st_dev, st.st_ino};
	}
	return 0;
}

/* Control names the image, but is not believed that the rest follows from it. */
static bool fits(const struct ready *r, const struct ipc_env_start *b, const struct folder *folders)
{
	const struct ipc_env_start *a = &r->start;
	if (a->memory_mb != b->memory_mb || a->ephemeral_mb != b->ephemeral_mb || a->network != b->network || a->layers != b->layers)
		return false;
	for (unsigned i = 0; i < 1 + a->layers; i++) {
		if (r->folders[i].device != folders[i].device || r->folders[i].inode != folders[i].inode)
			return false;
	}
	return true;
}

static bool is_hot(const struct env *e)
{
	const struct zygote *z = e->zygote;
	return e->start.how == START_RESTORE && e->start.network == NETWORK_NONE && e->requested && z && z->image && !z->once &&
	       !e->server->stops && e->server->settings.pool;
}

/* Those beyond what there may be have no environment, but the last one may still get one. */
static void limit(struct server *s)
{
	unsigned n = 0;
	LIST_FOREACH(l, &s->envs.ready)
		n++;
	LIST_FOREACH(l, &s->envs.ready) {
		struct ready *r = CONTAINER_OF(l, struct ready, link);
		if (n > s->settings.pool + 1 && !r->env) {
			forget(r);
			n--;
		}
	}
}

static void add(struct env *e, const struct folder *folders)
{
	struct ready *r = malloc(sizeof *r);
	if (!r)
		return;
	*r = (struct ready){.zygote = e->zygote, .start = e->start};
	memcpy(r->folders, folders, sizeof r->folders);
	r->fds[0] = STEAL_FD(e->code_fd);
	for (unsigned i = 0; i < LIMIT_LAYERS; i++)
		r->fds[1 + i] = STEAL_FD(e->layer_fds[i]);
	list_init(&r->link);
	list_push_back(&e->server->envs.ready, &r->link);
	limit(e->server);
}

void env_ready_note(struct env *e)
{
	struct folder folders[FOLDERS] = {0};
	int fds[FOLDERS] = {e->code_fd};
	if (!is_hot(e))
		return;
	memcpy(fds + 1, e->layer_fds, sizeof e->layer_fds);
	if (identify(fds, 1 + e->start.layers, folders) < 0)
		return;
	struct ready *r = find(e->server, e->start.image);
	if (r && r->zygote == e->zygote && fits(r, &e->start, folders)) {
		list_remove(&r->link);
		list_push_back(&e->server->envs.ready, &r->link);
		return;
	}
	if (r)
		end(r);
	add(e, folders);
}

/* ---- preparing ---- */

static int take_prepared(struct env *e, ssize_t n, const void *packet, struct error *err)
{
	struct env_ahead *a = e->ahead;
	const struct attach_answer *failed = packet;
	if (n == (ssize_t)sizeof *failed)
		return error_set(err, ERR_INTERNAL, "%.*s", (int)sizeof failed->msg, failed->msg);
	if (n != (ssize_t)sizeof a->wire)
		return error_set(err, ERR_INTERNAL, "no answer");
	memcpy(&a->wire, packet, sizeof a->wire);
	a->complete = env_open_started(e, true, &a->started, err) == 0;
	return a->complete ? 0 : -1;
}

static void prepared(struct env *e, const struct error *why)
{
	env_forget_answer(e);
	if (why->code)
		env_note_start(e, false);
	if (e->state == ENV_DYING) {
		if (!e->pid)
			env_conclude(e);
	} else if (why->code) {
		log_info("an environment is not made ready ahead: %s", why->msg);
		env_die(e);
	}
	envs_pump(e->server);
}

static void on_prepared(struct ev_io *io, unsigned events)
{
	struct env *e = CONTAINER_OF(io, struct env, answer);
	struct env_ahead *a = e->ahead;
	struct error why = {0};
	union {
		struct restore_request wire;
		struct attach_answer failed;
	} in;
	ssize_t n = packet_recv(io->fd, &in, sizeof in, a->fds, ARRAY_LEN(a->fds), &a->fd_count, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (e->state == ENV_READY)
		take_prepared(e, n, &in, &why);
	prepared(e, &why);
}

static void on_late(struct ev_timer *t)
{
	struct env *e = CONTAINER_OF(t, struct env, late);
	struct error why = {0};
	error_set(&why, ERR_TIMEOUT, "it takes too long");
	hand_kill(&e->server->envs.attacher);
	prepared(e, &why);
}

static struct env *find_empty(struct server *s)
{
	LIST_FOREACH(l, &s->envs.states[ENV_POOLED]) {
		struct env *e = CONTAINER_OF(l, struct env, link);
		if (!e->requested && e->pid)
			return e;
	}
	return NULL;
}

static int give(struct env *e, const struct zygote *z, struct error *err)
{
	struct env_ahead *a = e->ahead = calloc(1, sizeof *e->ahead);
	if (!a)
		return error_set(err, ERR_NO_MEMORY, "no memory");
	a->started = (struct env_started_fds){-1, -1, -1};
	e->answer = (struct ev_io){.fd = env_order_ahead(e, z, err), .cb = on_prepared};
	e->late = (struct ev_timer){.cb = on_late};
	if (e->answer.fd < 0)
		return -1;
	if (ev_io_start(e->server->loop, &e->answer, EV_READ, err) < 0) {
		close(e->answer.fd);
		return -1;
	}
	ev_timer_after(e->server->loop, &e->late, PREPARE_TIMEOUT_MS * NS_PER_MS);
	return 0;
}

static void prepare(struct ready *r, struct env *e)
{
	struct error err = {0};
	e->start = r->start;
	e->code_fd = STEAL_FD(r->fds[0]);
	for (unsigned i = 0; i < LIMIT_LAYERS; i++)
		e->layer_fds[i] = STEAL_FD(r->fds[1 + i]);
	r->env = e;
	env_move(e, ENV_READY);
	if (give(e, r->zygote, &err) < 0)
		prepared(e, &err);
}

/* The image used last that has none. */
static struct ready *next_wanted(struct server *s)
{
	struct ready *last = NULL;
	LIST_FOREACH(l, &s->envs.ready) {
		struct ready *r = CONTAINER_OF(l, struct ready, link);
		if (r->env && r->env->answer.loop) /* one at a time */
			return NULL;
		last = r->env ? last : r;
	}
	return last;
}

/* Ends the longest unused, unless it was used later than `r`. */
static bool make_place(struct server *s, const struct ready *r)
{
	if (s->envs.counts[ENV_READY] < s->settings.pool)
		return true;
	LIST_FOREACH(l, &s->envs.ready) {
		struct ready *other = CONTAINER_OF(l, struct ready, link);
		if (other == r)
			return false;
		if (other->env) {
			end(other);
			return true;
		}
	}
	return false;
}

static bool is_full(const struct server *s, unsigned beside)
{
	return s->envs.requested + s->envs.counts[ENV_READY] >= s->capacity.max_environments + beside;
}

void env_ready_prepare(struct server *s)
{
	struct ready *r = next_wanted(s);
	struct env *e = r ? find_empty(s) : NULL;
	if (e && !is_full(s, 0) && env_is_quiet(s) && make_place(s, r))
		prepare(r, e);
}

void env_ready_give_way(struct server *s)
{
	if (!is_full(s, LIMIT_IMAGE_ENVIRONMENTS))
		return;
	LIST_FOREACH(l, &s->envs.ready) {
		struct ready *r = CONTAINER_OF(l, struct ready, link);
		if (r->env) {
			end(r);
			return;
		}
	}
}

/* ---- taking ---- */

/* As the attacher says it to a zygote where nothing was made ahead. Returns the socket on which the answer comes. */
static int ask_zygote(struct env *e, struct zygote *z, struct error *err)
{
	struct env_ahead *a = e->ahead;
	int sock[2], fds[3 + ARRAY_LEN(a->fds)];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock) < 0)
		return error_sys(err, "cannot make a socket");
	CLEANUP_CLOSE int mine = sock[0];
	CLEANUP_CLOSE int its = sock[1];
	fds[0] = its;
	fds[1] = e->pidfd;
	fds[2] = e->log_write_fd;
	memcpy(fds + 3, a->fds, a->fd_count * sizeof *fds);
	e->lesson_ns = zygote_teach(z);
	a->wire.teach = e->lesson_ns > 0;
	if (packet_send(z->sock, &a->wire, sizeof a->wire, fds, 3 + a->fd_count, MSG_DONTWAIT) < 0)
		return error_sys(err, "the zygote does not listen");
	close_wire(a);
	return STEAL_FD(mine);
}

struct env *env_ready_take(struct server *s, const struct ipc_message *m)
{
	const struct ipc_env_start *b = &m->body.ipc_env_start;
	struct folder folders[FOLDERS] = {0};
	struct error err = {0};
	struct ready *r = b->how == START_RESTORE ? find(s, b->image) : NULL;
	struct env *e = r ? r->env : NULL;
	if (!e || !e->ahead->complete || identify(m->fds + 1, 1 + b->layers, folders) < 0 || !fits(r, b, folders))
		return NULL;
	struct image_entry *image = r->zygote->image;
	ASSERT(image && image->zygote == r->zygote);
	int fd = ask_zygote(e, r->zygote, &err);
	if (fd < 0 || env_expect(e, fd, &err) < 0) {
		env_die(e);
		return NULL;
	}
	e->zygote = zygote_want(s, image, NULL, NULL);
	env_close_request(e);
	env_move(e, ENV_ATTACHING);
	return e;
}
