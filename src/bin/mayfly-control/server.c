#include "bin/mayfly-control/server.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bin/mayfly-control/services.h"
#include "bin/mayfly-control/tls.h"
#include "control/api/api.h"
#include "control/function/domain.h"
#include "control/function/registry.h"
#include "control/identity/identity.h"
#include "control/invoke/dispatch.h"
#include "control/logs/logs.h"
#include "control/logs/logs_api.h"
#include "control/metrics/metrics.h"
#include "control/snapshot/snapshot.h"
#include "control/worker/fleet_report.h"
#include "control/worker/launcher.h"
#include "control/worker/worker.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/http/server.h"
#include "core/store/blob_dir.h"
#include "core/store/kv_sqlite.h"

#define DATA_FOLDER "/data"
#define POOL_THREADS 2

struct server {
	const struct settings *settings;
	struct ev_loop *loop;
	struct ev_pool *pool;
	struct http_pool http_pool;
	struct http_config http_config, inside_config;
	struct http_server front;
	struct http_server inside; /* the endpoint in environments: its loopback is no reason for trust */
	struct http_listener listener;
	struct front_tls tls;
	struct launcher *launcher;
	struct ipc_hello hello;
	int hello_fds[HELLO_FDS], data_fd, store_fd, code_fd, logs_fd;
	struct kv *kv;
	struct blob_store *blobs;
	struct identities *identities;
	struct logs *logs;
	struct metrics *metrics;
	struct registry *registry;
	struct domains *domains;
	struct invoke *invoke;
	struct snapshots *snapshots;
	struct services *services; /* NULL: built without queues */
	struct list publishing; /* versions whose image is being taken */
	struct api *api;
	bool draining;
	struct error failure; /* why the loop was stopped, unless it was asked for */
	struct ev_timer drain_limit, leave_check;
};

/* ---- glue between parts that do not know each other ---- */

static void unpack(void *arg, int zip_fd, int folder_fd, const unsigned char sha256[32], uint64_t max_bytes,
                   registry_unpacked_cb *cb, void *cb_arg)
{
	struct server *s = arg;
	launcher_unpack(s->launcher, zip_fd, folder_fd, sha256, max_bytes, cb, cb_arg);
}

static void on_version_dropped(void *arg, uint64_t version_id)
{
	struct server *s = arg;
	snapshots_drop_version(s->snapshots, version_id);
	invoke_version_dropped(s->invoke, version_id);
}

static struct function_version *resolve_version(void *arg, struct str name, struct str version)
{
	struct server *s = arg;
	struct registry_target target;
	return registry_resolve(s->registry, name, version, &target, NULL) == 0 ? target.version : NULL;
}

static void note_image(void *arg, const char *line)
{
	log_info("%s", line);
}

/* A version that is being published, and who is told when its image is there. */
struct published {
	struct list link;
	registry_image_cb *cb;
	void *arg;
};

static void on_published(void *arg, struct function_version *v, const struct worker_failure *failure, const struct error *why)
{
	struct published *p = arg;
	struct registry_image image = {.outcome = why ? REGISTRY_IMAGE_NONE : REGISTRY_IMAGE_READY, .reason = why ? why->msg : NULL};
	if (failure) {
		image.outcome = REGISTRY_IMAGE_INIT_FAILED;
		image.answer = (struct str){failure->answer.data, failure->answer.len};
		image.reason = failure->has_fault ? failure->fault.reason : NULL;
	}
	list_remove(&p->link);
	p->cb(p->arg, v, &image);
	free(p);
}

static void take_image(void *arg, struct function_version *v, registry_image_cb *cb, void *cb_arg)
{
	struct server *s = arg;
	struct published *p = calloc(1, sizeof *p);
	ASSERT(p);
	*p = (struct published){.cb = cb, .arg = cb_arg};
	list_init(&p->link);
	list_push_back(&s->publishing, &p->link);
	snapshots_publish(s->snapshots, v, on_published, p);
}

static void on_reserved(void *arg, uint64_t function_id, int reserved)
{
	invoke_set_reserved(((struct server *)arg)->invoke, function_id, reserved);
}

static void on_unreserved(void *arg, unsigned unreserved)
{
	invoke_set_unreserved(((struct server *)arg)->invoke, unreserved);
}

static void on_deleted(void *arg, struct str name)
{
	struct server *s = arg;
	if (s->services)
		services_function_deleted(s->services, name);
}

static void on_async_changed(void *arg, struct str name)
{
	struct server *s = arg;
	if (s->services)
		services_async_changed(s->services, name);
}

static void refresh_image_gauges(struct server *s)
{
	struct snapshots_stats stats;
	snapshots_get_stats(s->snapshots, &stats);
	metrics_set(s->metrics, METRIC_IMAGES, 0, 0, stats.images);
	metrics_set(s->metrics, METRIC_IMAGE_BYTES, 0, 0, stats.file_bytes);
	metrics_set(s->metrics, METRIC_IMAGE_RESIDENT, 0, 0, stats.resident_bytes);
	metrics_set(s->metrics, METRIC_IMAGES_TAKEN, 0, 0, stats.taken);
	metrics_set(s->metrics, METRIC_IMAGE_FAILURES, 0, 0, stats.not_taken);
	metrics_set(s->metrics, METRIC_RESTORES, 0, 0, stats.restores);
	metrics_set(s->metrics, METRIC_RESTORE_FAILURES, 0, 0, stats.restores_failed);
}

static void refresh_gauges(struct server *s)
{
	struct sched_counts counts;
	struct logs_stats logs;
	const struct http_stats *http = &s->http_pool.stats;
	struct fleet *fleet = invoke_fleet(s->invoke);
	invoke_counts(s->invoke, &counts);
	logs_get_stats(s->logs, &logs);
	for (unsigned state = 0; state < METRIC_STATES; state++) /* the metric's states are the worker's, in order */
		metrics_set(s->metrics, METRIC_ENVIRONMENTS, state, 0, fleet_count(fleet, (enum worker_state)state));
	metrics_set(s->metrics, METRIC_CONCURRENCY, 0, 0, invoke_running(s->invoke));
	metrics_set(s->metrics, METRIC_WAITING, 0, 0, counts.waiting);
	metrics_set(s->metrics, METRIC_ENV_MEMORY, 0, 0, counts.memory_mb << 20);
	metrics_set(s->metrics, METRIC_ENV_MEMORY_MAX, 0, 0, s->hello.memory_mb << 20);
	metrics_set(s->metrics, METRIC_BUFFER_BYTES, 0, 0, s->http_pool.used_bytes);
	metrics_set(s->metrics, METRIC_FUNCTIONS, 0, 0, registry_count(s->registry));
	metrics_set(s->metrics, METRIC_HTTP_CONNECTIONS, 0, 0, s->front.conn_count + s->inside.conn_count);
	metrics_set(s->metrics, METRIC_HTTP_REQUESTS, 0, 0, http->requests);
	metrics_set(s->metrics, METRIC_TLS_HANDSHAKES, 0, 0, http->handshakes);
	metrics_set(s->metrics, METRIC_TLS_FAILURES, 0, 0, http->handshakes_failed);
	metrics_set(s->metrics, METRIC_TLS_LEFT, 0, 0, front_tls_left_s(&s->tls));
	metrics_set(s->metrics, METRIC_LOG_EVENTS, 0, 0, logs.events);
	metrics_set(s->metrics, METRIC_LOG_BYTES, 0, 0, logs.bytes);
	metrics_set(s->metrics, METRIC_LOG_DROPS, 0, 0, logs.dropped_events);
	refresh_image_gauges(s);
	if (s->services)
		services_gauges(s->services);
}

static void metrics_text_cb(void *arg, struct buf *out)
{
	struct server *s = arg;
	refresh_gauges(s);
	metrics_text(s->metrics, out);
}

static void environments_json(void *arg, struct buf *out)
{
	struct server *s = arg;
	fleet_report(invoke_fleet(s->invoke), out);
}

static void snapshots_json(void *arg, struct buf *out)
{
	struct server *s = arg;
	snapshots_report(s->snapshots, out);
}

/* ---- drain and end ---- */

static void stop(struct server *s)
{
	ev_loop_stop(s->loop);
}

static void on_drain_limit(struct ev_timer *timer)
{
	struct server *s = CONTAINER_OF(timer, struct server, drain_limit);
	log_warn("%u invocations still ran after %llu s; they are ended", invoke_running(s->invoke),
	         (unsigned long long)s->settings->drain_seconds);
	stop(s);
}

/* Extensions get their time to leave. */
#define LEAVE_CHECK_NS (10 * NS_PER_MS)

static void check_drained(struct server *s)
{
	bool busy = s->front.conn_count > 0 || invoke_running(s->invoke) > 0 || (s->services && services_busy(s->services));
	if (!s->draining || busy)
		return;
	if (fleet_leave(invoke_fleet(s->invoke)) == 0)
		stop(s);
	else
		ev_timer_after(s->loop, &s->leave_check, LEAVE_CHECK_NS);
}

static void on_leave_check(struct ev_timer *timer)
{
	check_drained(CONTAINER_OF(timer, struct server, leave_check));
}

static void on_idle(void *arg)
{
	check_drained(arg);
}

static void on_front_drained(struct http_server *front)
{
	check_drained(CONTAINER_OF(front, struct server, front));
}

static void on_drain(void *arg)
{
	struct server *s = arg;
	if (s->draining)
		return;
	s->draining = true;
	s->drain_limit.cb = on_drain_limit;
	s->leave_check.cb = on_leave_check;
	ev_timer_after(s->loop, &s->drain_limit, s->settings->drain_seconds * NS_PER_S);
	invoke_drain(s->invoke, on_idle, s);
	if (s->services)
		services_drain(s->services, on_idle, s);
	http_server_drain(&s->front);
	check_drained(s);
}

static void on_mayflyd_gone(void *arg)
{
	struct server *s = arg;
	error_set(&s->failure, ERR_CLOSED, "mayflyd is gone");
	stop(s);
}

/* ---- start ---- */

static int open_folder(int dirfd, const char *name, struct error *err)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? error_sys(err, "cannot open the folder %s of the data folder", name) : fd;
}

static int open_data(struct server *s, struct error *err)
{
	s->data_fd = open_folder(AT_FDCWD, DATA_FOLDER, err);
	if (s->data_fd < 0)
		return -1;
	s->code_fd = open_folder(s->data_fd, "code", err);
	s->logs_fd = open_folder(s->data_fd, "logs", err);
	if (s->code_fd < 0 || s->logs_fd < 0)
		return -1;
	s->store_fd = open_folder(s->data_fd, "store", err);
	s->kv = s->store_fd < 0 ? NULL : kv_sqlite_open(s->loop, s->store_fd, NULL, err);
	s->blobs = s->kv ? blob_dir_open(s->loop, s->pool, s->data_fd, err) : NULL;
	s->identities = s->blobs ? identities_new(s->settings->account, err) : NULL;
	return s->identities ? identities_load(s->identities, s->data_fd, err) : -1;
}

/* Client connections take what environments and the program itself leave over. */
static unsigned connections_max(const struct server *s)
{
	struct rlimit limit;
	if (s->settings->connections)
		return (unsigned)s->settings->connections;
	getrlimit(RLIMIT_NOFILE, &limit);
	uint64_t taken = 7ull * s->hello.max_environments + 200;
	return limit.rlim_cur > taken + 100 ? (unsigned)(limit.rlim_cur - taken) : 100;
}

static int open_logs(struct server *s, struct error *err)
{
	struct logs_config config = {
		.dir_fd = s->logs_fd,
		.max_group_bytes = s->settings->log_max_mb << 20,
		.retention_days = (unsigned)s->settings->log_retention_days,
		.region = s->settings->region,
		.account = s->settings->account,
		.loop = s->loop,
	};
	s->logs = logs_new(&config, err);
	s->metrics = s->logs ? metrics_new() : NULL;
	if (s->logs && !s->metrics)
		error_set(err, ERR_NO_MEMORY, "no memory for metrics");
	if (!s->metrics)
		return -1;
	metrics_set(s->metrics, METRIC_PROCESS_START, 0, 0, (uint64_t)(clock_wall_ms() / 1000));
	return 0;
}

static int make_invoke(struct server *s, struct error *err)
{
	struct invoke_deps deps = {
		.fleet = {
			.loop = s->loop,
			.launcher = s->launcher,
			.pool = &s->http_pool,
			.front = &s->inside,
			.identities = s->identities,
			.logs = s->logs,
			.settings = s->settings,
			.code_fd = s->code_fd,
		},
		.metrics = s->metrics,
		.max_environments = s->hello.max_environments,
		.memory_mb = s->hello.memory_mb,
	};
	s->invoke = invoke_new(&deps, err);
	return s->invoke ? 0 : -1;
}

static int make_snapshots(struct server *s, struct error *err)
{
	struct snapshots_deps deps = {
		.loop = s->loop,
		.fleet = invoke_fleet(s->invoke),
		.launcher = s->launcher,
		.kv = s->kv,
		.settings = s->settings,
		.resolve = resolve_version,
		.resolve_arg = s,
		.note = note_image,
	};
	s->snapshots = snapshots_new(&deps, err);
	if (!s->snapshots)
		return -1;
	invoke_use_snapshots(s->invoke, s->snapshots);
	return 0;
}

static int make_registry(struct server *s, struct error *err)
{
	struct registry_deps deps = {
		.loop = s->loop,
		.pool = s->pool,
		.kv = s->kv,
		.blobs = s->blobs,
		.data_dirfd = s->data_fd,
		.settings = s->settings,
		.unpack = unpack,
		.unpack_arg = s,
		.take_image = take_image,
		.take_image_arg = s,
		.on_version_dropped = on_version_dropped,
		.on_reserved = on_reserved,
		.on_unreserved = on_unreserved,
		.on_deleted = on_deleted,
		.on_async_changed = on_async_changed,
		.report_arg = s,
	};
	s->registry = registry_new(&deps, err);
	s->domains = s->registry ? domains_new(s->kv, err) : NULL;
	return s->domains ? 0 : -1;
}

static int make_services(struct server *s, struct error *err)
{
	struct services_deps deps = {
		.loop = s->loop,
		.pool = s->pool,
		.http_pool = &s->http_pool,
		.kv = s->kv,
		.store_dirfd = s->store_fd,
		.data_dirfd = s->data_fd,
		.settings = s->settings,
		.registry = s->registry,
		.invoke = s->invoke,
		.metrics = s->metrics,
	};
	struct error why = {0};
	s->services = services_new(&deps, &why);
	if (s->services)
		return 0;
	if (why.code != ERR_UNSUPPORTED) {
		*err = why;
		return -1;
	}
	log_warn("no asynchronous invocation, no event sources: %s", why.msg);
	return 0;
}

static int make_api(struct server *s, struct error *err)
{
	struct api_deps deps = {
		.loop = s->loop,
		.pool = s->pool,
		.http_pool = &s->http_pool,
		.blobs = s->blobs,
		.settings = s->settings,
		.identities = s->identities,
		.registry = s->registry,
		.invoke = s->invoke,
		.logs_call = logs_api_answer,
		.logs_arg = s->logs,
		.logs = s->logs,
		.metrics_text = metrics_text_cb,
		.metrics_arg = s,
		.environments_json = environments_json,
		.environments_arg = s,
		.snapshots_json = snapshots_json,
		.snapshots_arg = s,
		.domains = s->domains,
		.metrics = s->metrics,
	};
	if (s->services)
		services_join_api(s->services, &deps);
	s->api = api_new(&deps, err);
	return s->api ? 0 : -1;
}

static void open_front(struct server *s)
{
	if (http_server_listen(&s->front, &s->listener, STEAL_FD(s->hello_fds[HELLO_LISTENER]), &s->failure) < 0) {
		stop(s);
		return;
	}
	launcher_ready(s->launcher);
}

static void on_services(void *arg, const struct error *err)
{
	struct server *s = arg;
	if (err) {
		s->failure = *err;
		stop(s);
		return;
	}
	open_front(s);
}

static void on_loaded(void *arg, const struct registry_loaded *loaded, const struct error *err)
{
	struct server *s = arg;
	if (err) {
		s->failure = *err;
		stop(s);
		return;
	}
	log_info("%zu functions, %zu versions; swept %zu records and %zu packages of interrupted changes; %zu damaged", loaded->functions,
	         loaded->versions, loaded->swept_keys, loaded->swept_packages, loaded->damaged);
	snapshots_load(s->snapshots);
	registry_resume_images(s->registry);
	if (s->services)
		services_load(s->services, on_services, s);
	else
		open_front(s);
}

/* Constant after this; the front end's handler is the API's with the end of a drain added. */
static struct http_handler front_handler(void)
{
	struct http_handler h = api_http_handler;
	h.on_drained = on_front_drained;
	return h;
}

/* Of the connections environments have a part of their own: they cannot take those of clients outside. */
static void make_front(struct server *s, const struct http_handler *handler)
{
	unsigned most = connections_max(s);
	s->http_config = s->inside_config = http_config_default;
	s->inside_config.conns_max = most / 4 + 1;
	s->inside_config.local = true;
	s->http_config.conns_max = s->settings->connections ? most : most - most / 4;
	http_server_init(&s->front, s->loop, &s->http_config, handler, &s->http_pool, NULL);
	http_server_init(&s->inside, s->loop, &s->inside_config, &api_inside_http_handler, &s->http_pool, NULL);
}

static int make_parts(struct server *s, int message_fd, struct error *err)
{
	static struct http_handler handler; /* written once, before the loop runs */
	handler = front_handler();
	s->loop = ev_loop_new(err);
	s->pool = s->loop ? ev_pool_new(POOL_THREADS, err) : NULL;
	s->launcher = s->pool ? launcher_new(s->loop, message_fd, &s->hello, s->hello_fds, err) : NULL;
	if (!s->launcher)
		return -1;
	launcher_set_server_events(s->launcher, on_drain, on_mayflyd_gone, s);
	http_pool_init(&s->http_pool, s->settings->buffer_mb << 20);
	make_front(s, &handler);
	if (front_tls_init(&s->tls, &s->front, s->launcher, s->hello_fds, err) < 0)
		return -1;
	if (open_data(s, err) < 0 || open_logs(s, err) < 0 || make_invoke(s, err) < 0 || make_snapshots(s, err) < 0 || make_registry(s, err) < 0 ||
	    make_services(s, err) < 0 || make_api(s, err) < 0)
		return -1;
	s->front.arg = s->inside.arg = s->api;
	registry_load(s->registry, on_loaded, s);
	return 0;
}

struct server *server_new(const struct settings *settings, int message_fd, struct error *err)
{
	struct server *s = calloc(1, sizeof *s);
	if (!s) {
		error_set(err, ERR_NO_MEMORY, "no memory for the server");
		return NULL;
	}
	s->settings = settings;
	list_init(&s->publishing);
	memset(s->hello_fds, 0xff, sizeof s->hello_fds); /* -1 each */
	s->data_fd = s->store_fd = s->code_fd = s->logs_fd = -1;
	if (make_parts(s, message_fd, err) < 0) {
		server_free(s);
		return NULL;
	}
	return s;
}

int server_run(struct server *s, struct error *err)
{
	if (ev_loop_run(s->loop, err) < 0)
		return -1;
	if (s->failure.code == ERR_OK)
		return 0;
	*err = s->failure;
	return -1;
}

static void close_fds(struct server *s)
{
	int *fds[] = {&s->hello_fds[HELLO_LISTENER], &s->hello_fds[HELLO_TLS_CERT], &s->hello_fds[HELLO_TLS_KEY], &s->data_fd, &s->store_fd,
	              &s->code_fd, &s->logs_fd};
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
	}
}

void server_free(struct server *s)
{
	if (!s)
		return;
	ev_timer_stop(&s->drain_limit);
	ev_timer_stop(&s->leave_check);
	http_server_release(&s->front);
	front_tls_release(&s->tls);
	http_server_release(&s->inside);
	invoke_free(s->invoke);
	ev_pool_free(s->pool);
	services_close(s->services);
	domains_free(s->domains);
	kv_close(s->kv);
	services_free(s->services);
	snapshots_free(s->snapshots);
	LIST_FOREACH(link, &s->publishing)
		free(CONTAINER_OF(link, struct published, link));
	registry_free(s->registry);
	api_free(s->api);
	blob_close(s->blobs);
	identities_free(s->identities);
	logs_free(s->logs);
	metrics_free(s->metrics);
	launcher_free(s->launcher);
	http_pool_release(&s->http_pool);
	ev_loop_free(s->loop);
	close_fds(s);
	free(s);
}
