/* A fleet with its launcher, and the test in mayflyd's place at the other end of the message socket. */
#ifndef MAYFLY_TEST_WORKER_RIG_H
#define MAYFLY_TEST_WORKER_RIG_H

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "control/worker/worker.h"
#include "core/base/clock.h"
#include "tests/unit/logs_fixture.h"
#include "tests/unit/test.h"

#define CODE "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct rig {
	struct fixture x;
	struct ev_loop *loop;
	struct ev_timer timer;
	struct http_pool pool;
	struct http_server front;
	struct identities *identities;
	struct settings settings;
	struct launcher *launcher;
	struct fleet *fleet;
	struct ipc mayflyd; /* our end */
	struct ipc_message got;
	int runtime;        /* the function's end of its connection */
	int log_end;
	unsigned rounds;
	/* What was told. */
	unsigned ready, dead, parked, snapshots, trials, finished, found, gone;
	bool init_failed;
	struct worker *worker;
	struct error refusal, why;
	char answer[128];
	struct ipc_snapshot_done snapshot;
	struct invocation *work; /* given to who becomes ready */
};

static void on_ready(void *arg, struct worker *w)
{
	struct rig *r = arg;
	r->ready++;
	if (r->work)
		worker_assign(w, r->work);
}

static void on_idle(void *arg, struct worker *w)
{
}

static void on_stopping(void *arg, struct worker *w)
{
}

static void on_finished(void *arg, struct worker *w, struct invocation *inv)
{
	((struct rig *)arg)->finished++;
}

static void on_parked(void *arg, struct worker *w)
{
	((struct rig *)arg)->parked++;
}

static void on_snapshot(void *arg, struct worker *w, const struct ipc_snapshot_done *done)
{
	struct rig *r = arg;
	r->snapshots++;
	r->snapshot = *done;
}

static void on_trial(void *arg, struct worker *w, const struct error *why)
{
	struct rig *r = arg;
	r->trials++;
	r->why = why ? *why : (struct error){0};
}

static void on_dead(void *arg, struct worker *w, bool init_failed, struct worker_failure *failure)
{
	struct rig *r = arg;
	r->dead++;
	r->init_failed = init_failed;
	r->refusal = failure->refusal;
	snprintf(r->answer, sizeof r->answer, "%.*s", (int)failure->answer.len, failure->answer.data ? failure->answer.data : "");
	r->worker = NULL;
}

static const struct worker_events worker_events = {
	.on_ready = on_ready, .on_idle = on_idle, .on_stopping = on_stopping, .on_finished = on_finished, .on_parked = on_parked,
	.on_snapshot = on_snapshot, .on_trial = on_trial, .on_dead = on_dead};

static void on_request(struct http_conn *conn, struct http_request *req)
{
	http_abort(conn);
}

static const struct http_handler front_handler = {.on_request = on_request};

static int listener(struct sockaddr_in *at)
{
	socklen_t size = sizeof *at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	*at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	ASSERT(bind(fd, (struct sockaddr *)at, size) == 0 && listen(fd, 8) == 0 && getsockname(fd, (struct sockaddr *)at, &size) == 0);
	return fd;
}

static int connect_to(const struct sockaddr_in *at)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ASSERT(connect(fd, (const struct sockaddr *)at, sizeof *at) == 0);
	return fd;
}

static struct launcher *launch(struct rig *r)
{
	int pair[2], fds[HELLO_FDS];
	struct sockaddr_in at;
	struct ipc_hello hello = {.version = IPC_VERSION};
	ASSERT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
	ipc_init(&r->mayflyd, pair[0], FROM_MAYFLYD);
	int public = listener(&at);
	ASSERT(ipc_send(&r->mayflyd, IPC_HELLO, &hello, &public, 1, NULL) == 0);
	close(public);
	struct launcher *l = launcher_new(r->loop, pair[1], &hello, fds, NULL);
	ASSERT(l);
	ASSERT(fds[HELLO_TLS_CERT] == -1 && fds[HELLO_TLS_KEY] == -1);
	close(fds[HELLO_LISTENER]);
	return l;
}

static struct rig *rig_new(void)
{
	struct rig *r = calloc(1, sizeof *r);
	fixture_init(&r->x, 64u << 20);
	ASSERT(mkdirat(r->x.dir_fd, CODE, 0700) == 0);
	struct function_version *v = &r->x.version;
	memcpy(v->code_hex, CODE, sizeof CODE);
	v->role = "arn:aws:iam::000000000000:role/r";
	v->handler = "app.handler";
	v->memory_mb = 128;
	v->ephemeral_mb = 512;
	v->timeout_s = 3;
	char *none[] = {NULL};
	ASSERT(settings_parse(&r->settings, 0, none, none, NULL) == 0);
	snprintf(r->settings.python, sizeof r->settings.python, "/bin/sh"); /* never run */
	r->loop = ev_loop_new(NULL);
	http_pool_init(&r->pool, 64 << 20);
	http_server_init(&r->front, r->loop, &http_config_default, &front_handler, &r->pool, r);
	r->identities = identities_new("000000000000", NULL);
	r->launcher = launch(r);
	struct fleet_deps deps = {.loop = r->loop, .launcher = r->launcher, .pool = &r->pool, .front = &r->front, .identities = r->identities,
	                          .logs = r->x.logs, .settings = &r->settings, .code_fd = r->x.dir_fd};
	r->fleet = fleet_new(&deps, &worker_events, r, NULL);
	r->runtime = r->log_end = -1;
	ASSERT(r->fleet);
	return r;
}

static void rig_free(struct rig *r)
{
	fleet_free(r->fleet);
	launcher_free(r->launcher);
	ipc_message_close(&r->got);
	ipc_release(&r->mayflyd);
	close(r->mayflyd.fd);
	if (r->runtime >= 0)
		close(r->runtime);
	if (r->log_end >= 0)
		close(r->log_end);
	http_server_release(&r->front);
	http_pool_release(&r->pool);
	identities_free(r->identities);
	ev_timer_stop(&r->timer);
	ev_loop_free(r->loop);
	fixture_release(&r->x);
	free(r);
}

static void on_timer(struct ev_timer *timer)
{
	struct rig *r = CONTAINER_OF(timer, struct rig, timer);
	if (r->rounds-- == 0)
		ev_loop_stop(r->loop);
	else
		ev_timer_at(r->loop, timer, ev_now_ns(r->loop) + 1); /* in the next round */
}

static void run(struct rig *r)
{
	r->rounds = 8;
	r->timer.cb = on_timer;
	ev_timer_at(r->loop, &r->timer, 0);
	ev_loop_run(r->loop, NULL);
}

/* Until *what is not 0: bounded, since what is waited for takes time. */
static inline void run_until(struct rig *r, const unsigned *what)
{
	for (unsigned i = 0; i < 1000 && !*what; i++) {
		run(r);
		usleep(10000);
	}
}

/* The next message to mayflyd, or false. */
static bool hear(struct rig *r, enum ipc_type type)
{
	ipc_message_close(&r->got);
	r->got.fd_count = 0;
	return ipc_recv(&r->mayflyd, &r->got, NULL) == 1 && r->got.type == type;
}

static void tell(struct rig *r, enum ipc_type type, const void *body, const int *fds, unsigned fd_count)
{
	ASSERT(ipc_send(&r->mayflyd, type, body, fds, fd_count, NULL) == 0);
	run(r);
}

/* The environment is there, with a connection of its runtime; restored ones: the one on which it waits. */
static void tell_started(struct rig *r, struct worker *w, bool restored, enum ipc_park park)
{
	int pipe_ends[2];
	struct sockaddr_in api, endpoint;
	struct ipc_env_started started = {.env_id = w->env_id, .restored = restored, .park = (uint8_t)park, .restore_ns = restored ? 700000 : 0,
	                                  .image_bytes = restored ? 5u << 20 : 0};
	ASSERT(pipe2(pipe_ends, O_CLOEXEC) == 0);
	r->log_end = pipe_ends[1];
	char peak[] = "/tmp/mayfly-test-peak-XXXXXX";
	int memory = mkostemp(peak, O_CLOEXEC);
	unlink(peak);
	ASSERT(write(memory, "3145728\n", 8) == 8);
	int fds[7] = {listener(&api), listener(&endpoint), pipe_ends[0], open("/dev/null", O_RDWR | O_CLOEXEC), memory, -1, -1};
	r->runtime = connect_to(&api);
	unsigned n = 5;
	if (restored) {
		fds[n++] = accept4(fds[0], NULL, NULL, SOCK_CLOEXEC);
		if (w->kind == WORKER_TRIAL)
			fds[n++] = dup(r->runtime);
	}
	tell(r, IPC_ENV_STARTED, &started, fds, n);
	for (unsigned i = 0; i < n; i++)
		close(fds[i]);
}

static inline void tell_exited(struct rig *r, const struct worker *w, enum ipc_exit how, int status)
{
	struct ipc_env_exited exited = {.env_id = w->env_id, .how = how, .status = status};
	tell(r, IPC_ENV_EXITED, &exited, NULL, 0);
}

/* What the platform sent to the runtime until now. */
static const char *read_runtime(struct rig *r)
{
	static char text[8192];
	ssize_t n = recv(r->runtime, text, sizeof text - 1, MSG_DONTWAIT);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static const char *say(struct rig *r, const char *text)
{
	ASSERT(send(r->runtime, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
	run(r);
	return read_runtime(r);
}

static bool has(const char *text, const char *piece)
{
	return strstr(text, piece) != NULL;
}

#endif
