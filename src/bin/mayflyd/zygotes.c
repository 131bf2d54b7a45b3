#include "bin/mayflyd/zygotes.h"

#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "bin/mayflyd/env_priv.h"
#include "bin/mayflyd/env_ready.h"
#include "bin/mayflyd/images.h"
#include "bin/mayflyd/server.h"
#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "isolation/sandbox/confine.h"
#include "isolation/snapshot/restore_wire.h"

#define LOAD_TIMEOUT_MS 10000u
#define LOAD_MS_PER_MB 20u /* large images take longer */
#define FAILURES_MAX 3u
#define BUFFER_BYTES (1 << 20)
#define LESSONS_MAX (2 * RESTORE_LESSONS)
#define LESSON_SPARE_MS 50u

static void destroy(struct zygote *z)
{
	ev_io_stop(&z->io);
	ev_timer_stop(&z->timer);
	/* Its end is reaped as any child's. */
	syscall(SYS_pidfd_send_signal, z->pidfd, SIGKILL, NULL, 0);
	close(z->sock);
	close(z->pidfd);
	list_remove(&z->link);
	free(z);
}

/* No longer its image's; gone when nobody uses it. */
static void retire(struct zygote *z)
{
	env_ready_end(z->server, z);
	if (z->image)
		z->image->zygote = NULL;
	z->image = NULL;
	if (!z->users)
		destroy(z);
}

static void fail_waiting(struct zygote *z, const struct error *why)
{
	/* Kept alive meanwhile: each environment gives its hold back. */
	z->users++;
	env_zygote_failed(z->server, z, why);
	z->users--;
	retire(z);
}

void zygote_end(struct server *s, struct zygote *z)
{
	struct error why = {0};
	error_set(&why, ERR_STALE, "the image is gone");
	if (z->ready)
		retire(z);
	else
		fail_waiting(z, &why);
}

/* The image is to blame at once when it is stale or damaged, else after some attempts. */
static void failed(struct zygote *z, const struct error *why)
{
	struct server *s = z->server;
	struct image_entry *image = z->image;
	if (!image) /* ending anyway */
		return;
	log_warn("a zygote failed: %s", why->msg);
	bool hopeless = why->code == ERR_STALE || why->code == ERR_INVALID || why->code == ERR_UNSUPPORTED;
	bool lost = ++image->failures >= FAILURES_MAX || hopeless;
	fail_waiting(z, why);
	if (lost)
		images_lose(s, image, why->msg);
}

void zygote_suspect(struct zygote *z, const char *why)
{
	struct error err = {0};
	error_set(&err, ERR_INTERNAL, "%s", why);
	syscall(SYS_pidfd_send_signal, z->pidfd, SIGKILL, NULL, 0);
	failed(z, &err);
}

void zygote_put(struct zygote *z, bool worked)
{
	ASSERT(z->users > 0);
	z->users--;
	if (worked && z->image)
		z->image->failures = 0;
	if (!z->users && z->once && z->ready)
		retire(z);
	else if (!z->users && !z->image)
		destroy(z);
}

/* Some may fail: their environments die early. */
uint64_t zygote_teach(struct zygote *z)
{
	uint64_t now_ns = clock_mono_ns();
	if (z->lessons == LESSONS_MAX || now_ns < z->lesson_ns)
		return 0;
	z->lessons++;
	z->lesson_ns = now_ns + (RESTORE_LESSON_MS + LESSON_SPARE_MS) * NS_PER_MS;
	return z->lesson_ns;
}

bool zygote_reaped(struct server *s, pid_t pid)
{
	struct error why = {0};
	LIST_FOREACH(l, &s->zygotes.all) {
		struct zygote *z = CONTAINER_OF(l, struct zygote, link);
		if (z->pid != pid)
			continue;
		error_set(&why, ERR_INTERNAL, "the process that holds the image ended");
		z->pid = 0;
		ev_io_stop(&z->io);
		failed(z, &why);
		return true;
	}
	return false;
}

/* ---- room ---- */

static void make_room(struct server *s, const struct zygote *but)
{
	for (;;) {
		struct zygote *oldest = NULL;
		uint64_t bytes = 0;
		LIST_FOREACH(l, &s->zygotes.all) {
			struct zygote *z = CONTAINER_OF(l, struct zygote, link);
			bytes += z->once ? 0 : z->bytes;
			if (z != but && z->image && z->ready && !z->once && (!oldest || z->used < oldest->used))
				oldest = z;
		}
		if (bytes <= s->zygotes.limit_bytes || !oldest)
			return;
		retire(oldest);
	}
}

/* ---- loading ---- */

static void on_word(struct zygote *z, const struct zygote_word *word)
{
	struct error err = {.code = word->code < ERR_COUNT ? (enum error_code)word->code : ERR_INTERNAL, .sys = word->sys};
	memcpy(err.msg, word->msg, sizeof err.msg);
	err.msg[sizeof err.msg - 1] = '\0';
	if (word->code)
		failed(z, &err);
	else
		z->facts = word->facts;
}

static void on_reply(struct zygote *z, const struct restore_reply *reply)
{
	struct error err = {0};
	if (reply->failed || z->ready || !z->facts.leader_pid) {
		error_set(&err, ERR_INTERNAL, "cannot load an image: %s%s%s", restore_step_name(reply->step), reply->sys ? ": " : "",
		          reply->sys ? strerror(reply->sys) : "");
		failed(z, &err);
		return;
	}
	ev_timer_stop(&z->timer);
	z->ready = true;
	z->facts.resident_bytes = z->bytes = reply->bytes;
	if (!z->users && z->once) {
		retire(z);
		return;
	}
	make_room(z->server, z);
	envs_pump(z->server);
}

static void on_packet(struct ev_io *io, unsigned events)
{
	struct zygote *z = CONTAINER_OF(io, struct zygote, io);
	struct error err = {0};
	union {
		struct zygote_word word;
		struct restore_reply reply;
	} in;
	ssize_t n = recv(io->fd, &in, sizeof in, MSG_DONTWAIT);
	if (n == (ssize_t)sizeof in.word && !z->ready) {
		on_word(z, &in.word);
	} else if (n == (ssize_t)sizeof in.reply) {
		on_reply(z, &in.reply);
	} else if (n >= 0 || (errno != EAGAIN && errno != EINTR)) {
		ev_io_stop(&z->io);
		error_set(&err, ERR_INTERNAL, "the process that holds the image ended");
		failed(z, &err);
	}
}

static void on_late(struct ev_timer *t)
{
	zygote_suspect(CONTAINER_OF(t, struct zygote, timer), "loading the image took too long");
}

static _Noreturn void run_child(struct server *s, const struct zygote *z, const struct sandbox_attach *code, int sock, int image_fd)
{
	struct zygote_word word = {0};
	struct error err = {0};
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	confine_die_with_parent(NULL);
	setsid(); /* a terminal's signals are for mayflyd */
	envs_forked(s);
	zygote_become(s, z, code, sock, image_fd, &err);
	word.code = (int32_t)err.code;
	word.sys = err.sys;
	memcpy(word.msg, err.msg, sizeof word.msg);
	send(sock, &word, sizeof word, MSG_NOSIGNAL);
	_exit(1);
}

static int fork_loader(struct server *s, struct zygote *z, const struct sandbox_attach *code, int image_fd, struct error *err)
{
	struct clone_args args = {.flags = CLONE_PIDFD, .pidfd = (uint64_t)(uintptr_t)&z->pidfd, .exit_signal = SIGCHLD};
	int sock[2], room = BUFFER_BYTES;
	if (cgroup_add(&s->base.cgroup, ZYGOTE_GROUP, err) < 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock) < 0)
		return error_sys(err, "cannot make a zygote's socket");
	CLEANUP_CLOSE int mine = sock[0];
	CLEANUP_CLOSE int its = sock[1];
	CLEANUP_CLOSE int group = cgroup_clone_fd(&s->base.cgroup, ZYGOTE_GROUP);
	setsockopt(mine, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
	if (group >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)group;
	}
	z->pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
	if (z->pid == 0)
		run_child(s, z, code, its, image_fd);
	if (z->pid < 0)
		return error_sys(err, "cannot start a zygote");
	z->sock = STEAL_FD(mine);
	return 0;
}

static struct zygote *load(struct server *s, struct image_entry *image, const struct sandbox_attach *code, struct error *err)
{
	struct zygote *z = calloc(1, sizeof *z);
	CLEANUP_CLOSE int fd = images_open_file(s, image, err);
	if (!z || fd < 0 || fork_loader(s, z, code, fd, err) < 0) {
		if (!z)
			error_set(err, ERR_NO_MEMORY, "no memory for a zygote");
		free(z);
		return NULL;
	}
	z->server = s;
	z->image = image;
	z->bytes = image->resident_bytes;
	z->once = z->bytes > s->zygotes.limit_bytes;
	z->asked_ns = clock_mono_ns();
	z->io = (struct ev_io){.fd = z->sock, .cb = on_packet};
	z->timer = (struct ev_timer){.cb = on_late};
	list_init(&z->link);
	list_push_back(&s->zygotes.all, &z->link);
	s->zygotes.loads++;
	if (ev_io_start(s->loop, &z->io, EV_READ, err) < 0) {
		destroy(z);
		return NULL;
	}
	ev_timer_after(s->loop, &z->timer, (LOAD_TIMEOUT_MS + (z->bytes >> 20) * LOAD_MS_PER_MB) * NS_PER_MS);
	image->zygote = z;
	return z;
}

struct zygote *zygote_want(struct server *s, struct image_entry *image, const struct sandbox_attach *code, struct error *err)
{
	struct zygote *z = image->zygote ? image->zygote : load(s, image, code, err);
	if (!z)
		return NULL;
	images_used(s, image);
	z->used = image->used;
	z->users++;
	return z;
}

void zygotes_init(struct server *s)
{
	struct sysinfo info = {0};
	sysinfo(&info);
	list_init(&s->zygotes.all);
	s->zygotes.limit_bytes = s->settings.snapshot_memory_mb << 20;
	if (!s->settings.snapshot_memory_mb)
		s->zygotes.limit_bytes = (uint64_t)info.totalram * info.mem_unit / 10;
}

void zygotes_release(struct server *s)
{
	LIST_FOREACH(l, &s->zygotes.all)
		destroy(CONTAINER_OF(l, struct zygote, link));
}
