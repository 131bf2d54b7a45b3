#include "bin/mayflyd/control.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bin/mayflyd/server.h"
#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/io.h"
#include "core/base/log.h"
#include "isolation/sandbox/confine.h"
#include "isolation/sandbox/mnt.h"
#include "isolation/sandbox/root.h"

#define CONTROL_FD 3
#define USAGE_STATUS 2 /* control's: the settings, or what they name, cannot work */
#define EARLY_NS (10 * NS_PER_S)
#define EARLY_ENDS_MAX 5 /* before the first READY: then the server gives up */
#define RESTART_MIN_MS 20u
#define RESTART_MAX_MS 5000u
#define DRAIN_EXTRA_S 5u
#define CLOSED_WAIT_NS (2 * NS_PER_S) /* from closing its socket to its end */
#define ENV_MAX 64
#define CLOSE_RANGE_CLOEXEC_FLAG (1u << 2)

/* ---- start ---- */

/* Settings may come from variables, which control reads again; nothing else of our environment is its business. */
static char **its_environment(char *out[ENV_MAX])
{
	static const char *const prefixes[] = {"MAYFLY_", "ASAN_OPTIONS=", "UBSAN_OPTIONS=", "TSAN_OPTIONS=", "LSAN_OPTIONS="};
	size_t n = 0;
	for (char **e = environ; e && *e && n < ENV_MAX - 1; e++) {
		for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
			if (strncmp(*e, prefixes[i], strlen(prefixes[i])) == 0)
				out[n++] = *e;
		}
		n = n < ENV_MAX ? n : ENV_MAX - 1;
	}
	out[n] = NULL;
	return out;
}

static int arrange_descriptors(int sock, int *exe, struct error *err)
{
	CLEANUP_CLOSE int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	*exe = fcntl(*exe, F_DUPFD_CLOEXEC, 16);
	/* Standard output is the ready line's only; control logs to standard error. */
	if (null < 0 || *exe < 0 || dup2(null, 0) < 0 || dup2(2, 1) < 0)
		return error_sys(err, "cannot arrange descriptors");
	int rc = sock == CONTROL_FD ? io_set_cloexec(sock, 0) : dup2(sock, CONTROL_FD);
	if (rc < 0 || syscall(SYS_close_range, CONTROL_FD + 1, ~0u, CLOSE_RANGE_CLOEXEC_FLAG) < 0)
		return error_sys(err, "cannot arrange descriptors");
	return 0;
}

/* Rights that control keeps: none. It sees /data, /usr and a few generated files, and owns one socket. */
static int become_control(struct server *s, int sock, struct error *err)
{
	char scratch[sizeof s->data_path + 8];
	char *env[ENV_MAX];
	sigset_t none;
	int exe = s->control_exe;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	snprintf(scratch, sizeof scratch, "%s/run", s->data_path);
	if (unshare(CLONE_NEWNS | CLONE_NEWIPC) < 0)
		return error_sys(err, "cannot make control's namespaces");
	if (mnt_private(err) < 0 || root_enter_control(scratch, s->data_path, err) < 0)
		return -1;
	if (chdir("/data") < 0)
		return error_sys(err, "cannot enter /data");
	setsid();
	if (arrange_descriptors(sock, &exe, err) < 0 || confine_bound(err) < 0 ||
	    confine_identity(s->control_uid, s->control_gid, 0, err) < 0 || confine_no_rights(err) < 0 ||
	    confine_die_with_parent(err) < 0)
		return -1;
	s->argv[-1] = (char *)(uintptr_t) "mayfly-control"; /* our copy's; the options after it are the same */
	syscall(SYS_execveat, exe, "", s->argv - 1, its_environment(env), AT_EMPTY_PATH);
	return error_sys(err, "cannot start mayfly-control");
}

static void on_message(struct ev_io *io, unsigned events);

static int say_hello(struct server *s, struct error *err)
{
	struct ipc_hello hello = s->capacity;
	hello.version = IPC_VERSION;
	hello.restarted = s->control.lives > 1;
	const int fds[] = {s->listener, s->tls.good[TLS_CERT], s->tls.good[TLS_KEY]};
	return ipc_send(&s->control.ipc, IPC_HELLO, &hello, fds, s->tls.on ? 3 : 1, err);
}

static pid_t fork_control(struct server *s, int sock, struct error *err)
{
	struct clone_args args = {.flags = CLONE_PIDFD, .pidfd = (uint64_t)(uintptr_t)&s->control.pidfd, .exit_signal = SIGCHLD};
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
	if (pid == 0) {
		struct error why = {0};
		become_control(s, sock, &why);
		log_error("mayfly-control: %s", why.msg);
		_exit(126);
	}
	return pid < 0 ? error_sys(err, "cannot start mayfly-control") : pid;
}

int control_start(struct server *s, struct error *err)
{
	struct control *c = &s->control;
	int sock[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sock) < 0)
		return error_sys(err, "cannot make control's socket");
	CLEANUP_CLOSE int mine = sock[0];
	CLEANUP_CLOSE int its = sock[1];
	c->pid = fork_control(s, its, err);
	if (c->pid < 0) {
		c->pid = 0;
		return -1;
	}
	c->lives++;
	c->ready = c->draining = false;
	c->started_ns = clock_mono_ns();
	ipc_init(&c->ipc, STEAL_FD(mine), FROM_MAYFLYD);
	c->io = (struct ev_io){.fd = c->ipc.fd, .cb = on_message};
	if (say_hello(s, err) < 0 || ev_io_start(s->loop, &c->io, EV_READ, err) < 0)
		return -1;
	tls_tell(s);
	images_tell(s);
	return 0;
}

/* ---- messages ---- */

static int on_ready(struct server *s, struct ipc_message *m, struct error *err)
{
	s->control.ready = true;
	if (s->announced)
		return 0;
	s->announced = true;
	printf("mayfly: ready on %s://%s:%u\n", settings_scheme(&s->settings), s->host, s->port);
	fflush(stdout);
	envs_pump(s);
	return 0;
}

typedef int handler(struct server *s, struct ipc_message *m, struct error *err);

static handler *const handlers[IPC_TYPE_COUNT] = {
	[IPC_ENV_START] = env_on_start,
	[IPC_ENV_INITIALIZED] = env_on_initialized,
	[IPC_ENV_BEGIN] = env_on_begin,
	[IPC_ENV_KILL] = env_on_kill,
	[IPC_ENV_SOCKET] = env_on_socket,
	[IPC_UNPACK] = unpack_on_message,
	[IPC_SNAPSHOT] = env_on_snapshot,
	[IPC_IMAGE_KEEP] = images_on_keep,
	[IPC_IMAGE_DROP] = images_on_drop,
	[IPC_TLS_DONE] = tls_on_done,
	[IPC_READY] = on_ready,
};

static void on_drained(struct ev_timer *t);

/* Control broke the rules or cannot be reached: it is ended, and its end starts the next. */
static void give_up(struct server *s, const struct error *why)
{
	if (!s->control.pid || !s->control.io.loop)
		return;
	ev_io_stop(&s->control.io);
	if (why->code == ERR_CLOSED || why->sys == EPIPE || why->sys == ECONNRESET) { /* it is ending by itself, and its status may say why */
		s->control.drain.cb = on_drained;
		ev_timer_after(s->loop, &s->control.drain, CLOSED_WAIT_NS);
		return;
	}
	log_error("mayfly-control is ended: %s", why->msg);
	kill(s->control.pid, SIGKILL);
}

static void read_messages(struct server *s)
{
	struct error err = {0};
	int rc = 1;
	/* Bounded, so that signals and helpers get their turn. */
	for (int i = 0; i < 64 && rc > 0; i++) {
		struct ipc_message m;
		rc = ipc_recv(&s->control.ipc, &m, &err);
		if (rc <= 0)
			break;
		handler *h = handlers[m.type];
		rc = h && h(s, &m, &err) == 0 ? 1 : -1;
		if (rc < 0)
			error_wrap(&err, "%s", ipc_type_name(m.type));
		ipc_message_close(&m);
	}
	if (rc < 0)
		give_up(s, &err);
}

static void on_message(struct ev_io *io, unsigned events)
{
	struct server *s = CONTAINER_OF(io, struct server, control.io);
	struct error err = {0};
	if ((events & EV_WRITE) && ipc_flush(&s->control.ipc, &err) < 0)
		give_up(s, &err);
	if (io->loop && (events & (EV_READ | EV_HANGUP)))
		read_messages(s);
	if (io->loop)
		ev_io_want(io, EV_READ | (ipc_wants_write(&s->control.ipc) ? EV_WRITE : 0u));
}

void control_send(struct server *s, enum ipc_type type, const void *body, const int *fds, unsigned fd_count)
{
	struct error err = {0};
	if (!s->control.pid || !s->control.io.loop)
		return;
	if (ipc_send(&s->control.ipc, type, body, fds, fd_count, &err) < 0)
		give_up(s, &err);
	else
		ev_io_want(&s->control.io, EV_READ | (ipc_wants_write(&s->control.ipc) ? EV_WRITE : 0u));
}

/* ---- end ---- */

static void on_again(struct ev_timer *t)
{
	struct server *s = CONTAINER_OF(t, struct server, control.again);
	struct error err = {0};
	if (control_start(s, &err) < 0) {
		log_error("%s", err.msg);
		s->exit_status = 1;
		ev_loop_stop(s->loop);
	}
}

static void describe(int status, char out[64])
{
	if (WIFSIGNALED(status))
		snprintf(out, 64, "signal %d", WTERMSIG(status));
	else
		snprintf(out, 64, "status %d", WEXITSTATUS(status));
}

static void start_again(struct server *s, int status)
{
	struct control *c = &s->control;
	char how[64];
	c->early_ends = clock_mono_ns() - c->started_ns < EARLY_NS ? c->early_ends + 1 : 0;
	unsigned wait_ms = RESTART_MIN_MS;
	for (unsigned i = 1; i < c->early_ends && wait_ms < RESTART_MAX_MS; i++)
		wait_ms *= 2;
	wait_ms = wait_ms > RESTART_MAX_MS ? RESTART_MAX_MS : wait_ms;
	describe(status, how);
	if (!s->announced && WIFEXITED(status) && WEXITSTATUS(status) == USAGE_STATUS) {
		s->exit_status = USAGE_STATUS; /* it has said what is wrong, and another try would not change it */
		ev_loop_stop(s->loop);
		return;
	}
	if (!s->announced && c->early_ends >= EARLY_ENDS_MAX) {
		log_error("mayfly-control ended %u times (last with %s) without becoming ready", c->early_ends, how);
		s->exit_status = 1;
		ev_loop_stop(s->loop);
		return;
	}
	log_error("mayfly-control ended with %s; starting it again in %u ms", how, wait_ms);
	c->again.cb = on_again;
	ev_timer_after(s->loop, &c->again, wait_ms * NS_PER_MS);
}

bool control_reaped(struct server *s, pid_t pid, int status)
{
	struct control *c = &s->control;
	if (!c->pid || pid != c->pid)
		return false;
	ev_io_stop(&c->io);
	ev_timer_stop(&c->drain);
	ipc_release(&c->ipc);
	close(c->ipc.fd);
	close(c->pidfd);
	c->pid = 0;
	envs_orphan(s);
	unpack_orphan(s);
	images_orphan(s);
	if (s->stops)
		ev_loop_stop(s->loop);
	else
		start_again(s, status);
	return true;
}

static void on_drained(struct ev_timer *t)
{
	struct server *s = CONTAINER_OF(t, struct server, control.drain);
	if (!s->control.pid)
		return;
	log_warn("mayfly-control did not end in time");
	kill(s->control.pid, SIGKILL);
}

void control_stop(struct server *s)
{
	struct control *c = &s->control;
	ev_timer_stop(&c->again);
	if (!c->pid) {
		ev_loop_stop(s->loop);
	} else if (s->stops > 1 || c->draining) {
		kill(c->pid, SIGKILL);
	} else {
		struct ipc_drain body = {0};
		c->draining = true;
		c->drain.cb = on_drained;
		ev_timer_after(s->loop, &c->drain, (s->settings.drain_seconds + DRAIN_EXTRA_S) * NS_PER_S);
		control_send(s, IPC_DRAIN, &body, NULL, 0);
	}
}

void control_release(struct server *s)
{
	struct control *c = &s->control;
	ev_timer_stop(&c->again);
	ev_timer_stop(&c->drain);
	if (!c->pid)
		return;
	ev_io_stop(&c->io);
	ipc_release(&c->ipc);
	kill(c->pid, SIGKILL);
}
