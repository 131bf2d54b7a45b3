#include "core/spec/launch.h"
#include "tests/unit/worker_rig.h"

#define NEXT "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"
#define ANSWER "POST /2018-06-01/runtime/invocation/" ID1 "/response HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n42"
#define LAYER(c) c c c c c c c c
#define LOWER LAYER("aaaaaaaa")
#define UPPER LAYER("bbbbbbbb")

static void put_file(struct rig *r, const char *path)
{
	int fd = openat(r->x.dir_fd, path, O_CREAT | O_WRONLY | O_CLOEXEC, 0755);
	ASSERT(fd >= 0);
	close(fd);
}

/* `agent` in both layers, `tool` below; what is a folder above is no extension any more. */
static void put_layers(struct rig *r)
{
	struct function_version *v = &r->x.version;
	static const char *const folders[] = {LOWER, LOWER "/extensions", LOWER "/extensions/folder", UPPER, UPPER "/extensions", UPPER "/extensions/gone"};
	for (size_t i = 0; i < ARRAY_LEN(folders); i++)
		ASSERT(mkdirat(r->x.dir_fd, folders[i], 0755) == 0);
	put_file(r, LOWER "/extensions/tool");
	put_file(r, LOWER "/extensions/agent");
	put_file(r, LOWER "/extensions/gone");
	put_file(r, UPPER "/extensions/agent");
	v->layer_count = 2;
	memcpy(v->layer_hex[0], LOWER, sizeof LOWER);
	memcpy(v->layer_hex[1], UPPER, sizeof UPPER);
}

static struct rig *rig_extended(void)
{
	struct rig *r = rig_new();
	put_layers(r);
	return r;
}

static struct worker *start(struct rig *r, bool inside)
{
	r->worker = worker_start(r->fleet, &r->x.version, 7, inside);
	return hear(r, IPC_ENV_START) ? r->worker : NULL;
}

/* Another connection to the environment's API. */
static int dial(struct rig *r)
{
	struct sockaddr_in at;
	socklen_t size = sizeof at;
	ASSERT(getpeername(r->runtime, (struct sockaddr *)&at, &size) == 0);
	return connect_to(&at);
}

static const char *say_on(struct rig *r, int fd, const char *text)
{
	static char got[4096];
	ASSERT(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
	run(r);
	ssize_t n = recv(fd, got, sizeof got - 1, MSG_DONTWAIT);
	got[n > 0 ? n : 0] = '\0';
	return got;
}

static bool enroll(struct rig *r, int fd, const char *name, const char *body)
{
	char text[512];
	snprintf(text, sizeof text, "POST /2020-01-01/extension/register HTTP/1.1\r\nHost: x\r\nLambda-Extension-Name: %s\r\n"
	         "Content-Length: %zu\r\n\r\n%s", name, strlen(body), body);
	return has(say_on(r, fd, text), "HTTP/1.1 200");
}

static const char *ask(struct rig *r, struct worker *w, int fd, unsigned place)
{
	char text[256];
	snprintf(text, sizeof text, "GET /2020-01-01/extension/event/next HTTP/1.1\r\nHost: x\r\nLambda-Extension-Identifier: %s\r\n\r\n",
	         w->api.extensions->items[place].id);
	return say_on(r, fd, text);
}

static const char *heard_on(struct rig *r, int fd)
{
	return say_on(r, fd, "");
}

static void tell_ended(struct rig *r, const struct worker *w, unsigned who, enum ipc_exit how, int status)
{
	struct ipc_env_process_ended ended = {.env_id = w->env_id, .who = who, .how = how, .status = status};
	tell(r, IPC_ENV_PROCESS_ENDED, &ended, NULL, 0);
}

/* Both wait for events: agent (place 0) for both kinds, tool for none. */
static struct worker *ready_worker(struct rig *r, int fds[2])
{
	struct worker *w = start(r, false);
	if (!w)
		return NULL;
	tell_started(r, w, false, PARK_INVOCATION);
	fds[0] = dial(r);
	fds[1] = dial(r);
	if (!enroll(r, fds[0], "agent", "{\"events\":[\"INVOKE\",\"SHUTDOWN\"]}") || hear(r, IPC_ENV_BEGIN) ||
	    !enroll(r, fds[1], "tool", "{}") || !hear(r, IPC_ENV_BEGIN))
		return NULL;
	ask(r, w, fds[0], 0);
	ask(r, w, fds[1], 1);
	say(r, NEXT);
	return r->ready == 1 && hear(r, IPC_ENV_INITIALIZED) ? w : NULL;
}

static void done(struct rig *r, int fds[2])
{
	close(fds[0]);
	close(fds[1]);
	rig_free(r);
}

static char *log_text(struct rig *r)
{
	struct log_page page;
	struct logs_filter q = {.group = STR(GROUP)};
	if (logs_filter_events(r->x.logs, &q, &page, NULL) < 0)
		return strdup("");
	char *text = fixture_text(&page);
	log_page_release(&page);
	return text;
}

TEST(external_ones_are_found_in_the_layers)
{
	struct rig *r = rig_extended();
	struct launch l;
	CHECK(start(r, false));
	CHECK_INT(r->got.body.ipc_env_start.extensions, 2);
	CHECK_INT(launch_read_fd(&l, r->got.fds[0], NULL), 0);
	CHECK_INT(l.extensions, 2);
	CHECK_STR(l.extension[0], "agent");
	CHECK_STR(l.extension[1], "tool");
	launch_release(&l);
	rig_free(r);
}

TEST(the_runtime_starts_behind_them)
{
	struct rig *r = rig_extended();
	int fds[2];
	struct worker *w = ready_worker(r, fds);
	CHECK(w && w->state == WORKER_IDLE);
	CLEANUP_FREE char *log = log_text(r);
	CHECK(has(log, "EXTENSION\tName: agent\tState: Ready\tEvents: [INVOKE,SHUTDOWN]\nEXTENSION\tName: tool\tState: Ready\tEvents: []\n"));
	done(r, fds);
}

TEST(shutdown_comes_after_the_runtime)
{
	struct rig *r = rig_extended();
	int fds[2];
	struct worker *w = ready_worker(r, fds);
	CHECK(w);
	worker_freeze(w);
	worker_stop(w, 0);
	CHECK(hear(r, IPC_ENV_KILL));
	CHECK(r->got.body.ipc_env_kill.grace_ms == 2000 && r->got.body.ipc_env_kill.leavers == 1);
	CHECK_STR(heard_on(r, fds[0]), "");
	CHECK_INT(fleet_leave(r->fleet), 1);
	tell_ended(r, w, 0, EXIT_SIGNAL, 15);
	CHECK(has(heard_on(r, fds[0]), "\"shutdownReason\":\"spindown\""));
	CHECK_STR(heard_on(r, fds[1]), "");
	tell_ended(r, w, 2, EXIT_SIGNAL, 9);
	tell_ended(r, w, 1, EXIT_CODE, 0);
	tell_exited(r, w, EXIT_KILLED, 0);
	CHECK(r->dead == 1 && !r->init_failed && fleet_leave(r->fleet) == 0);
	done(r, fds);
}

TEST(shutdown_does_not_wait_for_ever)
{
	struct rig *r = rig_extended();
	int fds[2];
	unsigned told = 0;
	struct worker *w = ready_worker(r, fds);
	CHECK(w && fleet_leave(r->fleet) == 1);
	for (int i = 0; i < 1000 && !told; i++) {
		told = has(heard_on(r, fds[0]), "SHUTDOWN");
		usleep(10000);
	}
	CHECK(told);
	done(r, fds);
}

TEST(a_report_waits_for_them)
{
	for (int tail = 0; tail < 2; tail++) {
		struct rig *r = rig_extended();
		struct invocation inv = {.version = &r->x.version, .invoked_arn = "arn:f", .request_id = ID1, .reserved = -1, .tail = tail};
		int fds[2];
		struct worker *w = ready_worker(r, fds);
		CHECK(w);
		worker_assign(w, &inv);
		CHECK(has(heard_on(r, fds[0]), "\"requestId\":\"" ID1 "\""));
		say(r, ANSWER NEXT);
		CLEANUP_FREE char *before = log_text(r);
		CHECK(r->finished == !tail && w->state == WORKER_BUSY && !has(before, "END RequestId"));
		ask(r, w, fds[0], 0);
		CLEANUP_FREE char *after = log_text(r);
		CHECK(r->finished == 1 && inv.outcome == INVOKE_ANSWERED && w->state == WORKER_IDLE);
		CHECK(has(after, "END RequestId: " ID1 "\nREPORT RequestId: " ID1 "\tDuration: ") && has(after, "\tInit Duration: "));
		CHECK(!tail || (inv.log_tail && memmem(inv.log_tail, inv.log_tail_len, "REPORT", 6)));
		free(inv.log_tail);
		http_blob_release(&inv.answer);
		done(r, fds);
	}
}

TEST(one_that_ends_ends_all)
{
	struct rig *r = rig_extended();
	struct invocation inv = {.version = &r->x.version, .invoked_arn = "arn:f", .request_id = ID1, .reserved = -1};
	int fds[2];
	struct worker *w = ready_worker(r, fds);
	CHECK(w);
	worker_assign(w, &inv);
	heard_on(r, fds[0]);
	tell_ended(r, w, 3, EXIT_CODE, 0); /* there is none */
	CHECK_INT(w->state, WORKER_BUSY);
	tell_ended(r, w, 2, EXIT_SIGNAL, 11);
	CHECK(r->finished == 1 && inv.outcome == INVOKE_FUNCTION_ERROR && w->state == WORKER_STOPPING);
	CHECK_STR(inv.answer.data, "{\"errorType\":\"Extension.Crash\",\"errorMessage\":\"RequestId: " ID1 " Error: signal: segmentation fault\"}");
	CHECK(hear(r, IPC_ENV_KILL) && r->got.body.ipc_env_kill.leavers == 1);
	tell_ended(r, w, 0, EXIT_SIGNAL, 15);
	CHECK(has(ask(r, w, fds[0], 0), "\"shutdownReason\":\"failure\""));
	http_blob_release(&inv.answer);
	done(r, fds);
}

TEST(a_crash_behind_the_answer)
{
	struct rig *r = rig_extended();
	struct invocation inv = {.version = &r->x.version, .invoked_arn = "arn:f", .request_id = ID1, .reserved = -1};
	int fds[2];
	struct worker *w = ready_worker(r, fds);
	CHECK(w);
	worker_assign(w, &inv);
	say(r, ANSWER NEXT);
	CHECK(r->finished == 1 && inv.outcome == INVOKE_ANSWERED);
	tell_ended(r, w, 1, EXIT_CODE, 1);
	CLEANUP_FREE char *log = log_text(r);
	CHECK(has(log, "\tStatus: error\tError Type: Extension.Crash\n") && w->state == WORKER_STOPPING && r->finished == 1);
	http_blob_release(&inv.answer);
	done(r, fds);
}

TEST(one_that_never_registers_is_a_timeout)
{
	struct rig *r = rig_extended();
	r->x.version.timeout_s = 1;
	struct worker *w = start(r, true);
	CHECK(w);
	tell_started(r, w, false, PARK_INVOCATION);
	for (unsigned i = 0; i < 1000 && w->state != WORKER_STOPPING; i++) {
		run(r);
		usleep(10000);
	}
	CHECK(hear(r, IPC_ENV_KILL) && r->got.body.ipc_env_kill.leavers == 0);
	tell_exited(r, w, EXIT_KILLED, 0);
	CHECK(r->dead == 1 && r->init_failed);
	CLEANUP_FREE char *log = log_text(r);
	CHECK(has(log, "\tPhase: invoke\tStatus: timeout\n"));
	rig_free(r);
}

TEST(the_eleventh_is_too_many)
{
	struct rig *r = rig_extended();
	for (int i = 0; i < 9; i++) {
		char path[sizeof UPPER + 32];
		snprintf(path, sizeof path, UPPER "/extensions/x%d", i);
		put_file(r, path);
	}
	struct worker *w = start(r, false);
	CHECK(w && r->got.body.ipc_env_start.extensions == 10);
	tell_started(r, w, false, PARK_INVOCATION);
	CHECK(w->state == WORKER_STOPPING);
	CHECK_STR(w->failure.fault.type, "Extension.LaunchError");
	CLEANUP_FREE char *log = log_text(r);
	CHECK(has(log, "EXTENSION\tName: x8\tState: LaunchError\tEvents: []\tError Type: TooManyExtensions\n"));
	rig_free(r);
}

/* Folders are none, but each start would look at all of them. */
TEST(a_crowd_of_folders_is_too_many)
{
	for (int more = 0; more < 2; more++) {
		struct rig *r = rig_extended(); /* has six entries, four by name */
		for (int i = 0; i < 250 + more; i++) {
			char path[sizeof LOWER + 32];
			snprintf(path, sizeof path, LOWER "/extensions/d%d", i);
			ASSERT(mkdirat(r->x.dir_fd, path, 0755) == 0);
		}
		struct worker *w = start(r, false);
		CHECK(w);
		tell_started(r, w, false, PARK_INVOCATION);
		CHECK_INT(w->state == WORKER_STOPPING, more);
		CLEANUP_FREE char *log = log_text(r);
		CHECK_INT(has(log, "Error Type: TooManyExtensions\n"), more);
		rig_free(r);
	}
}

static const char *complain(struct rig *r, struct worker *w, int fd, unsigned place, const char *what)
{
	char text[384];
	snprintf(text, sizeof text, "POST /2020-01-01/extension/%s/error HTTP/1.1\r\nHost: x\r\nLambda-Extension-Identifier: %s\r\n"
	         "Lambda-Extension-Function-Error-Type: Extension.Mine\r\nContent-Length: 0\r\n\r\n", what, w->api.extensions->items[place].id);
	return say_on(r, fd, text);
}

TEST(one_that_says_it_fails)
{
	struct rig *r = rig_extended();
	struct worker *w = start(r, false);
	CHECK(w);
	tell_started(r, w, false, PARK_INVOCATION);
	int fds[2] = {dial(r), dial(r)};
	CHECK(enroll(r, fds[0], "agent", "{}"));
	CHECK(has(complain(r, w, fds[0], 0, "init"), "202"));
	for (unsigned i = 0; i < 1000 && w->state != WORKER_STOPPING; i++) { /* it does not end, though it should */
		run(r);
		usleep(10000);
	}
	CHECK_STR(w->failure.fault.type, "Extension.InitError");
	CHECK_STR(w->failure.fault.reason, "Extension.Mine");
	CHECK(hear(r, IPC_ENV_KILL) && r->got.body.ipc_env_kill.leavers == 0);
	done(r, fds);

	r = rig_extended();
	w = ready_worker(r, fds);
	CHECK(w);
	int other = dial(r);
	complain(r, w, other, 0, "exit");
	CHECK(w->state == WORKER_STOPPING && hear(r, IPC_ENV_KILL));
	close(other);
	done(r, fds);
}

TEST(no_image_is_taken_of_them)
{
	static const uint8_t key[IPC_IMAGE_KEY] = {1};
	struct rig *r = rig_extended();
	unsigned *dead = &r->dead;
	r->worker = worker_start_image(r->fleet, &r->x.version, 0, WORKER_TEMPLATE, key);
	run_until(r, dead);
	CHECK_INT(r->refusal.code, ERR_UNSUPPORTED);
	CHECK_STR(r->refusal.msg, "it has extensions");
	rig_free(r);

	r = rig_new(); /* an internal one shows itself later */
	struct worker *w = r->worker = worker_start_image(r->fleet, &r->x.version, 0, WORKER_TEMPLATE, key);
	CHECK(hear(r, IPC_ENV_START) && r->got.body.ipc_env_start.extensions == 0);
	tell_started(r, w, false, PARK_INVOCATION);
	int fds[2] = {dial(r), dial(r)};
	CHECK(enroll(r, fds[0], "within", "{}"));
	ask(r, w, fds[0], 0);
	say(r, NEXT);
	CHECK_INT(r->parked, 1);
	worker_snapshot(w, false);
	run_until(r, &r->snapshots);
	CHECK_INT(r->snapshot.code, ERR_UNSUPPORTED);
	CHECK_STR(r->snapshot.msg, "it has extensions");
	CHECK(hear(r, IPC_ENV_KILL) && r->got.body.ipc_env_kill.grace_ms == 500);
	done(r, fds);
}

TESTS(T(external_ones_are_found_in_the_layers), T(the_runtime_starts_behind_them), T(shutdown_comes_after_the_runtime),
      T(shutdown_does_not_wait_for_ever), T(a_report_waits_for_them), T(one_that_ends_ends_all), T(a_crash_behind_the_answer),
      T(one_that_never_registers_is_a_timeout), T(the_eleventh_is_too_many), T(a_crowd_of_folders_is_too_many),
      T(one_that_says_it_fails), T(no_image_is_taken_of_them))
