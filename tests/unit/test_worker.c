#include "core/spec/launch.h"
#include "tests/unit/worker_rig.h"

#define NEXT "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"
#define RESTORE_NEXT "GET /2018-06-01/runtime/restore/next HTTP/1.1\r\nHost: x\r\n\r\n"
#define RESTORE_ERROR \
	"POST /2018-06-01/runtime/restore/error HTTP/1.1\r\nHost: x\r\nContent-Length: 21\r\n" \
	"Lambda-Runtime-Function-Error-Type: Function.Hook\r\n\r\n{\"errorMessage\":\"no\"}"

static const uint8_t key[IPC_IMAGE_KEY] = {1, 2, 3};

static struct worker *start(struct rig *r, enum worker_kind kind)
{
	r->worker = kind == WORKER_PLAIN ? worker_start(r->fleet, &r->x.version, 7, false)
	                                 : worker_start_image(r->fleet, &r->x.version, kind == WORKER_RESTORED ? 7 : 0, kind, key);
	return r->worker;
}

/* All that was logged; malloc'd. */
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

TEST(restored_while_it_waits_for_work)
{
	struct rig *r = rig_new();
	struct worker *w = start(r, WORKER_RESTORED);
	CHECK(hear(r, IPC_ENV_START));
	CHECK_INT(r->got.body.ipc_env_start.how, START_RESTORE);
	CHECK(memcmp(r->got.body.ipc_env_start.image, key, sizeof key) == 0);
	struct invocation inv = {.version = &r->x.version, .invoked_arn = "arn:f", .request_id = ID1, .reserved = -1};
	r->work = &inv;
	tell_started(r, w, true, PARK_INVOCATION);
	CHECK(r->ready == 1 && w->state == WORKER_BUSY && has(read_runtime(r), "Lambda-Runtime-Aws-Request-Id: " ID1));
	CHECK(inv.cold && inv.restored && inv.phases.restore_ns > 0);
	CHECK_INT(inv.phases.sandbox_done_ns + inv.phases.restore_ns, inv.phases.init_done_ns);
	CHECK(hear(r, IPC_ENV_INITIALIZED));
	say(r, "POST /2018-06-01/runtime/invocation/" ID1 "/response HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n42" NEXT);
	CHECK(r->finished == 1 && inv.outcome == INVOKE_ANSWERED && w->state == WORKER_IDLE);
	CLEANUP_FREE char *log = log_text(r);
	CHECK(strncmp(log, "RESTORE_START Runtime Version: python:3.11.v1\t", 45) == 0 && has(log, "\nRESTORE_REPORT Restore Duration: "));
	CHECK(has(log, "Max Memory Used: 8 MB\tRestore Duration: ") && !has(log, "Init Duration")); /* 3 MiB and the image's 5 */
	http_blob_release(&inv.answer);
	rig_free(r);
}

TEST(restored_while_it_waits_for_its_restore)
{
	struct rig *r = rig_new();
	struct worker *w = start(r, WORKER_RESTORED);
	tell_started(r, w, true, PARK_RESTORE);
	CHECK(r->ready == 0 && w->state == WORKER_INITIALIZING);
	const char *got = read_runtime(r);
	CHECK(has(got, "HTTP/1.1 200") && has(got, "\"AWS_LAMBDA_LOG_STREAM_NAME\":\"2025/11/24/[$LATEST]"));
	CHECK(has(got, w->identity->access_key) && has(got, w->identity->session_token));
	CHECK(identities_find(r->identities, str_from(w->identity->access_key)) == w->identity);
	say(r, NEXT);
	CHECK(r->ready == 1 && w->state == WORKER_IDLE);
	rig_free(r);
}

/* Its own hooks are a SnapStart version's answer, however it was started; otherwise a plain start is, whose init says more. */
TEST(hooks_that_fail)
{
	for (int i = 0; i < 3; i++) {
		struct rig *r = rig_new();
		bool snap_start = r->x.version.snap_start = i > 0, plain = i > 1;
		struct worker *w = start(r, plain ? WORKER_PLAIN : WORKER_RESTORED);
		CHECK(hear(r, IPC_ENV_START));
		tell_started(r, w, !plain, PARK_RESTORE);
		if (plain)
			say(r, RESTORE_NEXT);
		say(r, RESTORE_ERROR);
		CHECK(r->ready == 0 && hear(r, IPC_ENV_KILL));
		tell_exited(r, w, EXIT_KILLED, 9);
		CHECK(r->dead == 1 && r->init_failed);
		CHECK_INT(r->refusal.code, snap_start ? ERR_SNAP_START : ERR_STALE);
		CHECK_STR(r->answer, snap_start ? "" : "{\"errorMessage\":\"no\"}");
		CLEANUP_FREE char *log = log_text(r);
		CHECK(has(log, "\tStatus: error\tError Type: Function.Hook\n"));
		rig_free(r);
	}
}

TEST(restores_that_fail_are_stale)
{
	struct rig *r = rig_new();
	struct ipc_env_failed failed = {.env_id = start(r, WORKER_RESTORED)->env_id, .code = ERR_NOT_FOUND, .msg = "there is no such image"};
	tell(r, IPC_ENV_FAILED, &failed, NULL, 0);
	CHECK(r->dead == 1 && r->init_failed && r->refusal.code == ERR_STALE);
	CHECK_STR(r->refusal.msg, "there is no such image");
	failed = (struct ipc_env_failed){.env_id = start(r, WORKER_RESTORED)->env_id, .code = ERR_THROTTLED, .msg = "full"};
	tell(r, IPC_ENV_FAILED, &failed, NULL, 0);
	CHECK_INT(r->refusal.code, ERR_THROTTLED);
	struct worker *w = start(r, WORKER_RESTORED);
	tell_started(r, w, true, PARK_RESTORE);
	tell_exited(r, w, EXIT_SIGNAL, 11);
	CHECK(r->dead == 3 && r->init_failed && r->refusal.code == ERR_STALE);
	CHECK_STR(r->refusal.msg, "Runtime exited with error: signal: segmentation fault");
	close(r->runtime);
	close(r->log_end);
	w = start(r, WORKER_RESTORED); /* not restored, whatever it is */
	tell_started(r, w, false, PARK_INVOCATION);
	CHECK(w->state == WORKER_STOPPING);
	tell_exited(r, w, EXIT_KILLED, 9);
	CHECK(r->dead == 4 && r->init_failed && r->refusal.code == ERR_STALE);
	rig_free(r);
}

static const char *variable(const struct launch *l, const char *name)
{
	size_t n = strlen(name);
	for (char **at = l->envp; *at; at++) {
		if (strncmp(*at, name, n) == 0 && (*at)[n] == '=')
			return *at + n + 1;
	}
	return NULL;
}

TEST(a_template_has_nothing_of_its_own)
{
	struct rig *r = rig_new();
	struct launch l;
	struct worker *w = start(r, WORKER_TEMPLATE);
	CHECK(hear(r, IPC_ENV_START) && r->got.body.ipc_env_start.how == START_PLAIN);
	CHECK_INT(launch_read_fd(&l, r->got.fds[0], NULL), 0);
	CHECK(!variable(&l, "AWS_ACCESS_KEY_ID") && !variable(&l, "AWS_SECRET_ACCESS_KEY") && !variable(&l, "AWS_SESSION_TOKEN"));
	CHECK(!variable(&l, "AWS_LAMBDA_LOG_STREAM_NAME"));
	CHECK_STR(variable(&l, "AWS_LAMBDA_LOG_GROUP_NAME"), GROUP);
	CHECK_STR(variable(&l, "AWS_CONTAINER_CREDENTIALS_FULL_URI"), "http://127.0.0.1:9001/2021-04-23/credentials");
	CHECK_STR(variable(&l, "AWS_LAMBDA_INITIALIZATION_TYPE"), "on-demand");
	CHECK_STR(variable(&l, "_MAYFLY_SNAPSHOT"), "1");
	launch_release(&l);
	/* Its init may use services all the same. */
	tell_started(r, w, false, PARK_INVOCATION);
	const char *got = say(r, "GET /2021-04-23/credentials HTTP/1.1\r\nHost: x\r\n\r\n");
	CHECK(has(got, "\"Expiration\":\"") && has(got, w->identity->access_key));
	rig_free(r);

	r = rig_new();
	r->x.version.snap_start = true;
	r->x.runtime = (struct runtime_row){.id = "provided.al2023", .family = RUNTIME_PROVIDED};
	start(r, WORKER_TEMPLATE);
	CHECK(hear(r, IPC_ENV_START));
	CHECK_INT(launch_read_fd(&l, r->got.fds[0], NULL), 0);
	CHECK_STR(variable(&l, "AWS_LAMBDA_INITIALIZATION_TYPE"), "snap-start");
	CHECK(!variable(&l, "_MAYFLY_SNAPSHOT"));
	CHECK_STR(variable(&l, "AWS_LAMBDA_LOG_STREAM_NAME"), "[$LATEST]restored");
	launch_release(&l);
	rig_free(r);
}

TEST(a_template_is_saved)
{
	struct rig *r = rig_new();
	struct worker *w = start(r, WORKER_TEMPLATE);
	hear(r, IPC_ENV_START);
	tell_started(r, w, false, PARK_INVOCATION);
	CHECK_STR(say(r, RESTORE_NEXT), "");
	CHECK(r->parked == 1 && w->park == PARK_RESTORE && r->ready == 0);
	worker_snapshot(w, true);
	CHECK(hear(r, IPC_SNAPSHOT));
	const struct ipc_snapshot *order = &r->got.body.ipc_snapshot;
	struct sockaddr_in own;
	socklen_t size = sizeof own;
	CHECK_INT(getsockname(r->runtime, (struct sockaddr *)&own, &size), 0);
	CHECK(order->env_id == w->env_id && memcmp(order->key, key, sizeof key) == 0 && order->park == PARK_RESTORE && order->close_connections);
	CHECK_INT(order->next_port, ntohs(own.sin_port));
	struct ipc_snapshot_done done = {.env_id = w->env_id, .file_bytes = 77};
	tell(r, IPC_SNAPSHOT_DONE, &done, NULL, 0);
	CHECK(r->snapshots == 1 && r->snapshot.file_bytes == 77 && w->state == WORKER_STOPPING);
	tell(r, IPC_SNAPSHOT_DONE, &done, NULL, 0);
	CHECK_INT(r->snapshots, 1);
	tell_exited(r, w, EXIT_KILLED, 9);
	CHECK(r->dead == 1 && !r->init_failed);
	rig_free(r);
}

TEST(a_template_that_hangs_up_is_not_saved)
{
	struct rig *r = rig_new();
	struct worker *w = start(r, WORKER_TEMPLATE);
	hear(r, IPC_ENV_START);
	tell_started(r, w, false, PARK_INVOCATION);
	say(r, NEXT);
	CHECK(r->parked == 1 && w->park == PARK_INVOCATION);
	shutdown(r->runtime, SHUT_RDWR);
	run(r);
	worker_snapshot(w, false);
	CHECK_INT(r->snapshots, 0); /* told by the loop only */
	run(r);
	CHECK(r->snapshots == 1 && r->snapshot.code == ERR_UNSUPPORTED && has(r->snapshot.msg, "hung up"));
	CHECK(hear(r, IPC_ENV_KILL));
	rig_free(r);
}

TEST(a_trial_reads_its_answer_and_lives)
{
	struct rig *r = rig_new();
	struct worker *w = start(r, WORKER_TRIAL);
	CHECK(hear(r, IPC_ENV_START) && r->got.body.ipc_env_start.how == START_TRIAL);
	tell_started(r, w, true, PARK_INVOCATION);
	CHECK(write(r->log_end, "again\n", 6) == 6);
	for (int i = 0; i < 5; i++) {
		run(r);
		usleep(10000);
	}
	CHECK_INT(r->trials, 0); /* nothing was read yet */
	CHECK_STR(read_runtime(r), "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n");
	run_until(r, &r->trials);
	CHECK(r->trials == 1 && r->why.code == ERR_OK && hear(r, IPC_ENV_KILL));
	tell_exited(r, w, EXIT_KILLED, 9);
	CHECK(r->dead == 1 && !r->init_failed);
	CLEANUP_FREE char *log = log_text(r);
	CHECK_STR(log, "");
	rig_free(r);
}

TEST(trials_that_fail)
{
	struct rig *r = rig_new();
	struct worker *w = start(r, WORKER_TRIAL);
	tell_started(r, w, true, PARK_INVOCATION);
	read_runtime(r);
	shutdown(r->runtime, SHUT_RDWR);
	run_until(r, &r->trials);
	CHECK(r->trials == 1 && r->why.code == ERR_CLOSED);
	tell_exited(r, w, EXIT_KILLED, 9);
	close(r->runtime);
	close(r->log_end);
	w = start(r, WORKER_TRIAL);
	tell_started(r, w, true, PARK_RESTORE);
	CHECK(has(read_runtime(r), "AWS_SESSION_TOKEN"));
	tell_exited(r, w, EXIT_CODE, 3);
	CHECK(r->trials == 1 && r->dead == 2 && r->init_failed);
	rig_free(r);
}

TEST(a_trial_asks_for_work)
{
	struct rig *r = rig_new();
	struct worker *w = start(r, WORKER_TRIAL);
	tell_started(r, w, true, PARK_RESTORE);
	read_runtime(r);
	say(r, NEXT);
	CHECK(r->trials == 1 && r->why.code == ERR_OK && w->state == WORKER_STOPPING && r->ready == 0);
	rig_free(r);
}

TEST(a_plain_start_that_comes_for_its_restore_goes_on)
{
	struct rig *r = rig_new();
	struct worker *w = start(r, WORKER_PLAIN);
	tell_started(r, w, false, PARK_INVOCATION);
	CHECK(has(say(r, RESTORE_NEXT), w->identity->access_key));
	say(r, NEXT);
	CHECK_INT(r->ready, 1);
	rig_free(r);
}

/* A key is of all that the image depends on, and of nothing else. */
TEST(image_keys)
{
	struct rig *r = rig_new();
	struct function_version *v = &r->x.version;
	const struct function_variable variables[] = {{"A", "1"}};
	uint8_t first[IPC_IMAGE_KEY], k[IPC_IMAGE_KEY], layered[IPC_IMAGE_KEY];
	CHECK_INT(worker_image_key(r->fleet, v, 1, first, NULL), 0);
	CHECK(worker_image_key(r->fleet, v, 1, k, NULL) == 0 && memcmp(k, first, sizeof k) == 0);
	v->timeout_s = 9;
	CHECK(worker_image_key(r->fleet, v, 1, k, NULL) == 0 && memcmp(k, first, sizeof k) == 0);
	CHECK(worker_image_key(r->fleet, v, 2, k, NULL) == 0 && memcmp(k, first, sizeof k) != 0);
#define DIFFERS(field, value) \
	do { \
		__typeof__(v->field) before = v->field; \
		v->field = value; \
		CHECK(worker_image_key(r->fleet, v, 1, k, NULL) == 0 && memcmp(k, first, sizeof k) != 0); \
		v->field = before; \
	} while (0)
	DIFFERS(memory_mb, 256);
	DIFFERS(ephemeral_mb, 1024);
	DIFFERS(outbound, true);
	DIFFERS(handler, "app.other");
	DIFFERS(version, "2");
	DIFFERS(role, "arn:aws:iam::000000000000:role/other");
	DIFFERS(snap_start, true);
	DIFFERS(snapshot, SNAPSHOT_ALWAYS);
	v->variables = variables;
	DIFFERS(variable_count, 1);
	DIFFERS(layer_count, 1);
	v->layer_count = 2;
	strcpy(v->layer_hex[0], "a");
	strcpy(v->layer_hex[1], "b");
	CHECK(worker_image_key(r->fleet, v, 1, layered, NULL) == 0);
	strcpy(v->layer_hex[0], "b"); /* the same ones in another order are another /opt */
	strcpy(v->layer_hex[1], "a");
	CHECK(worker_image_key(r->fleet, v, 1, k, NULL) == 0 && memcmp(k, layered, sizeof k) != 0);
	v->layer_count = 0;
	v->code_hex[0]++;
	CHECK(worker_image_key(r->fleet, v, 1, k, NULL) == 0 && memcmp(k, first, sizeof k) != 0);
	rig_free(r);
}

static void on_found(void *arg, const struct ipc_image_found *m)
{
	struct rig *r = arg;
	r->found = r->found * 10 + m->key[0];
}

static void on_gone(void *arg, const struct ipc_image_gone *m)
{
	struct rig *r = arg;
	r->gone = r->found * 10 + m->key[0];
}

TEST(images_found_early_are_told_in_order)
{
	static const struct launcher_image_events images = {.on_found = on_found, .on_gone = on_gone};
	struct rig *r = rig_new();
	tell(r, IPC_IMAGE_FOUND, &(struct ipc_image_found){.key = {1}}, NULL, 0);
	tell(r, IPC_IMAGE_FOUND, &(struct ipc_image_found){.key = {2}}, NULL, 0);
	tell(r, IPC_IMAGE_GONE, &(struct ipc_image_gone){.key = {1}}, NULL, 0);
	launcher_set_image_events(r->launcher, &images, r);
	CHECK_INT(r->found, 0);
	tell(r, IPC_IMAGE_FOUND, &(struct ipc_image_found){.key = {3}}, NULL, 0);
	CHECK_INT(r->found, 123);
	CHECK_INT(r->gone, 121);
	rig_free(r);
}

TESTS(T(restored_while_it_waits_for_work), T(restored_while_it_waits_for_its_restore), T(hooks_that_fail), T(restores_that_fail_are_stale),
      T(a_template_has_nothing_of_its_own), T(a_template_is_saved), T(a_template_that_hangs_up_is_not_saved),
      T(a_trial_reads_its_answer_and_lives), T(trials_that_fail), T(a_trial_asks_for_work),
      T(a_plain_start_that_comes_for_its_restore_goes_on), T(image_keys), T(images_found_early_are_told_in_order))
