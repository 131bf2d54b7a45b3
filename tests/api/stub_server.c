/* Control's API with everything around it replaced: a package is not unpacked (its folder is made, and its first bytes must
 * be a zip's), and an invocation answers what was sent. For tests of the API alone; needs no rights.
 *
 *   stub_server server --data DIR --listen 127.0.0.1:0 [--option value ...]      as `mayfly server`: MAYFLY_BIN may name it */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "control/api/api.h"
#include "control/events/async.h"
#include "control/function/domain.h"
#include "core/base/clock.h"
#include "core/base/io.h"
#include "core/store/blob_dir.h"
#include "core/store/kv_sqlite.h"
#include "tests/api/stub_mappings.h"

#define CREDENTIALS "[default]\naws_access_key_id = AKIAMAYFLYTESTROOT00\n" \
	"aws_secret_access_key = stub/secret/of/the/test/root/key00000000\n"

/* ---- invocations ---- */

struct invoke {
	struct ev_loop *loop;
	struct identities *identities;
};

struct echo {
	struct ev_defer defer;
	struct invocation *inv;
};

/* Handler "error.x" fails; "throttle.x" is refused; others echo ("stream.x" in pieces, "stream.error" with an error behind them), and
 * "identity.x" shows new credentials of the function. */
static void on_echo(struct ev_defer *defer)
{
	struct echo *e = CONTAINER_OF(defer, struct echo, defer);
	struct invocation *inv = e->inv;
	const char *handler = inv->version->handler;
	struct invoke *invoke = (struct invoke *)(void *)inv->worker;
	inv->answer = inv->payload;
	inv->payload = (struct http_blob){0};
	inv->outcome = strncmp(handler, "error.", 6) == 0 ? INVOKE_FUNCTION_ERROR : INVOKE_ANSWERED;
	if (strncmp(handler, "throttle.", 9) == 0 || inv->reserved == 0) {
		inv->outcome = INVOKE_REFUSED;
		error_set(&inv->refusal, ERR_THROTTLED, "Rate Exceeded.");
		inv->throttle_reason = "ReservedFunctionConcurrentInvocationLimitExceeded";
	}
	if (strncmp(handler, "identity.", 9) == 0) {
		const struct identity *id = identities_issue(invoke->identities, inv->version, NULL);
		http_blob_release(&inv->answer);
		int n = asprintf(&inv->answer.data, "[\"%s\", \"%s\", \"%s\", \"%s\"]", id->access_key, id->secret, id->session_token,
		                 inv->invoked_arn);
		inv->answer.len = n > 0 ? (size_t)n : 0;
	}
	if (inv->sink && strncmp(handler, "stream", 6) == 0) {
		inv->streamed = true;
		inv->sink->begin(inv, STR("text/plain"));
		inv->sink->data(inv, STR("one "));
		inv->sink->data(inv, (struct str){inv->answer.data, inv->answer.len});
		http_blob_release(&inv->answer);
		if (strcmp(handler, "stream.error") == 0) {
			inv->outcome = INVOKE_FUNCTION_ERROR;
			inv->answer.data = strdup("{\"errorMessage\":\"no\"}");
			inv->answer.len = strlen(inv->answer.data);
			snprintf(inv->stream_error, sizeof inv->stream_error, "My.Type");
		}
	}
	if (inv->tail) {
		inv->log_tail = strdup("START\nEND\n");
		inv->log_tail_len = strlen(inv->log_tail);
	}
	free(e);
	inv->done(inv);
}

void invoke_submit(struct invoke *invoke, struct invocation *inv)
{
	struct echo *e = calloc(1, sizeof *e);
	ASSERT(e);
	e->inv = inv;
	if (!*inv->request_id)
		uuid4(inv->request_id);
	snprintf(inv->trace_id, sizeof inv->trace_id, "Root=1-00000000-000000000000000000000000");
	inv->worker = (struct worker *)(void *)invoke;
	ev_defer_init(&e->defer, on_echo);
	ev_defer_run(invoke->loop, &e->defer);
}

void invoke_renew(struct invocation *inv)
{
}

void invoke_stream_resume(struct invocation *inv)
{
}

int invoke_check_recursion(struct registry *registry, struct str function, struct str trace_header, struct error *err)
{
	return 0;
}

/* ---- events: accepted at once, unless the function's name begins with "full" ---- */

struct async {
	struct ev_loop *loop;
};

struct acceptance {
	struct ev_defer defer;
	async_accepted_cb *cb;
	void *arg;
	char request_id[UUID_SIZE];
	bool full;
};

static void on_acceptance(struct ev_defer *defer)
{
	struct acceptance *a = CONTAINER_OF(defer, struct acceptance, defer);
	struct error err = {.code = ERR_DISK_FULL, .msg = "the disk is full"};
	a->cb(a->arg, a->request_id, a->full ? &err : NULL);
	free(a);
}

void async_accept(struct async *async, const struct async_event *event, async_accepted_cb *cb, void *arg)
{
	struct acceptance *a = calloc(1, sizeof *a);
	ASSERT(a);
	*a = (struct acceptance){.cb = cb, .arg = arg, .full = str_starts(event->function->name, STR("full"))};
	memcpy(a->request_id, event->request_id, sizeof a->request_id);
	ev_defer_init(&a->defer, on_acceptance);
	ev_defer_run(async->loop, &a->defer);
}

/* ---- packages ---- */

struct unpack {
	struct ev_defer defer;
	registry_unpacked_cb *cb;
	void *arg;
	struct error err;
};

static void on_unpack(struct ev_defer *defer)
{
	struct unpack *u = CONTAINER_OF(defer, struct unpack, defer);
	u->cb(u->arg, 0, u->err.code ? &u->err : NULL);
	free(u);
}

static void unpack(void *arg, int zip_fd, int folder_fd, const unsigned char sum[32], uint64_t max_bytes,
                   registry_unpacked_cb *cb, void *cb_arg)
{
	struct unpack *u = calloc(1, sizeof *u);
	char hex[SHA256_HEX_SIZE], magic[2] = "";
	ASSERT(u);
	*u = (struct unpack){.cb = cb, .arg = cb_arg};
	hex_encode(hex, sum, SHA256_SIZE);
	if (read(zip_fd, magic, 2) != 2 || memcmp(magic, "PK", 2) != 0)
		error_set(&u->err, ERR_INVALID, "Could not unzip uploaded file. Please check your file, then try to upload again.");
	else if (mkdirat(folder_fd, hex, 0755) < 0 && errno != EEXIST)
		error_sys(&u->err, "mkdir");
	ev_defer_init(&u->defer, on_unpack);
	ev_defer_run(arg, &u->defer);
}

/* ---- the program ---- */

struct stub {
	struct http_server server;
	struct http_listener listener;
	struct error err;
	unsigned port;
};

static int listen_on(unsigned *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)*port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t n = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, (struct sockaddr *)&a, n) < 0 || listen(fd, 512) < 0 || getsockname(fd, (struct sockaddr *)&a, &n) < 0)
		return -1;
	*port = ntohs(a.sin_port);
	return fd;
}

static void on_loaded(void *arg, const struct registry_loaded *loaded, const struct error *err)
{
	struct stub *s = arg;
	int fd = listen_on(&s->port);
	if (err || fd < 0 || http_server_listen(&s->server, &s->listener, fd, &s->err) < 0) {
		fprintf(stderr, "stub: %s\n", err ? err->msg : "cannot listen");
		exit(1);
	}
	fprintf(stderr, "stub: %zu functions, %zu versions, swept %zu keys and %zu packages, %zu damaged\n", loaded->functions,
	        loaded->versions, loaded->swept_keys, loaded->swept_packages, loaded->damaged);
	printf("mayfly: ready on http://127.0.0.1:%u\n", s->port);
	fflush(stdout);
}

static void on_signal(void *arg, int signal)
{
	ev_loop_stop(arg);
}

static void logs_call(void *arg, struct str operation, const json_t *body, api_answer_cb *cb, void *answer)
{
	if (str_eqz(operation, "DescribeLogStreams"))
		cb(answer, 200, NULL, STR("{\"logStreams\":[]}"));
	else
		cb(answer, 400, "ResourceNotFoundException", STR("The specified log group does not exist."));
}

static void metrics_text(void *arg, struct buf *out)
{
	buf_puts(out, "mayfly_up 1\n");
}

#define MUST(x) \
	do { \
		if (!(x)) { \
			fprintf(stderr, "stub: %s: %s\n", #x, s.err.msg); \
			return 1; \
		} \
	} while (0)

int main(int argc, char **argv)
{
	static struct stub s;
	static struct settings settings;
	char *none[] = {NULL};
	static const int stop[] = {SIGTERM, SIGINT};
	uint16_t port = 0;
	char host[64];
	if (argc < 2 || settings_parse(&settings, argc - 2, argv + 2, none, &s.err) < 0 ||
	    settings_listen(&settings, host, &port, &s.err) < 0) {
		fprintf(stderr, "usage: stub_server server [--option value ...]: %s\n", s.err.msg);
		return 2;
	}
	s.port = port;
	int dir = open(settings.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	MUST(dir >= 0 && io_write_file(dir, IDENTITY_FILE, CREDENTIALS, strlen(CREDENTIALS), 0600, &s.err) == 0);
	struct ev_loop *loop = ev_loop_new(&s.err);
	struct ev_signals *signals = ev_signals_new(loop, stop, ARRAY_LEN(stop), on_signal, loop, &s.err);
	struct ev_pool *pool = ev_pool_new(2, &s.err);
	struct kv *kv = kv_sqlite_open(loop, dir, NULL, &s.err);
	MUST(loop && signals && pool && kv);
	struct blob_store *blobs = blob_dir_open(loop, pool, dir, &s.err);
	struct identities *ids = identities_new(settings.account, &s.err);
	MUST(blobs && ids && identities_load(ids, dir, &s.err) == 0);
	struct registry_deps rd = {.loop = loop, .pool = pool, .kv = kv, .blobs = blobs, .data_dirfd = dir, .settings = &settings,
	                           .unpack = unpack, .unpack_arg = loop};
	struct registry *registry = registry_new(&rd, &s.err);
	struct domains *domains = domains_new(kv, &s.err);
	struct http_pool http;
	http_pool_init(&http, settings.buffer_mb << 20);
	struct invoke invoke = {.loop = loop, .identities = ids};
	struct async async = {.loop = loop};
	struct api_deps ad = {.loop = loop, .pool = pool, .http_pool = &http, .blobs = blobs, .settings = &settings,
	                      .identities = ids, .registry = registry, .invoke = &invoke, .async = &async, .logs_call = logs_call,
	                      .metrics_text = metrics_text, .domains = domains};
	struct api *api = api_new(&ad, &s.err);
	MUST(registry && domains && api);
	http_server_init(&s.server, loop, &http_config_default, &api_http_handler, &http, api);
	registry_load(registry, on_loaded, &s);
	ev_loop_run(loop, &s.err);
	http_server_release(&s.server);
	domains_free(domains);
	kv_close(kv);
	ev_pool_free(pool);
	api_free(api);
	registry_free(registry);
	identities_free(ids);
	blob_close(blobs);
	http_pool_release(&http);
	ev_signals_free(signals);
	ev_loop_free(loop);
	close(dir);
	return 0;
}
