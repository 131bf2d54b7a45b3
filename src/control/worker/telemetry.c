/* A worker's telemetry: who subscribes, what they hear of (whatever is written to the environment's log stream), and the sockets that
 * lead to them. An environment without subscribers, and without extensions that may become some, has none of it. */
#include <sys/resource.h>
#include <unistd.h>

#include "control/telemetry/telemetry.h"
#include "control/worker/worker_priv.h"
#include "core/base/cleanup.h"

/* In control, of all environments together: capacity is counted without them, so they may take only a small part of the descriptors. */
#define SOCKETS_MAX 512u
#define SOCKETS_PART 32u

/* ---- what happens ---- */

static void on_platform(void *arg, const struct platform_event *e)
{
	struct worker *w = arg;
	telemetry_platform(w->telemetry, e);
}

static void on_line(void *arg, int64_t wall_ms, bool extension, struct str line)
{
	struct worker *w = arg;
	telemetry_line(w->telemetry, wall_ms, extension, w->version->log_format == LOG_FORMAT_JSON, line);
}

static const struct log_observer observer = {.platform = on_platform, .line = on_line};

/* ---- sockets ---- */

static bool may_have_socket(const struct fleet *f)
{
	struct rlimit files;
	bool known = getrlimit(RLIMIT_NOFILE, &files) == 0;
	return f->telemetry_sockets < SOCKETS_MAX && known && f->telemetry_sockets < files.rlim_cur / SOCKETS_PART;
}

static void on_want_socket(void *arg, uint32_t number)
{
	struct worker *w = arg;
	struct fleet *f = w->fleet;
	if (!may_have_socket(f) || launcher_socket(f->deps.launcher, w->env_id, number, NULL) < 0)
		telemetry_socket(w->telemetry, number, -1);
}

void worker_env_socket(struct worker *w, struct ipc_message *m)
{
	if (!w->telemetry)
		return;
	if (m->fd_count) {
		w->telemetry_sockets++;
		w->fleet->telemetry_sockets++;
	}
	telemetry_socket(w->telemetry, (uint32_t)m->body.ipc_env_socket_made.number, m->fd_count ? STEAL_FD(m->fds[0]) : -1);
}

static const struct telemetry_events events = {.want_socket = on_want_socket};

/* ---- life ---- */

void worker_begin_telemetry(struct worker *w, bool early)
{
	if (!w->log)
		return;
	w->telemetry = telemetry_new(w->fleet->deps.loop, &events, w, early);
	if (w->telemetry) /* without memory there is none, as without a subscriber */
		log_stream_observe(w->log, &observer, w);
}

void worker_end_telemetry(struct worker *w)
{
	if (w->log)
		log_stream_observe(w->log, NULL, NULL);
	telemetry_free(STEAL_PTR(w->telemetry));
	w->fleet->telemetry_sockets -= w->telemetry_sockets;
	w->telemetry_sockets = 0;
}

int worker_subscribe(struct runtime_api *api, const struct extension *e, bool logs_api, struct str body, struct error *err)
{
	struct worker *w = api->arg;
	bool closed = w->init_ns || w->state > WORKER_INITIALIZING;
	if (!w->telemetry && !closed)
		worker_begin_telemetry(w, false); /* an internal extension's */
	if (w->telemetry)
		return telemetry_subscribe(w->telemetry, e->name, logs_api ? TELEMETRY_LOGS_API : TELEMETRY_API, body, err);
	if (closed)
		return error_set(err, ERR_ACCESS_DENIED, "%s API subscription is closed%s", logs_api ? "Logs" : "Telemetry", logs_api ? " already" : "");
	return error_set(err, ERR_NO_MEMORY, "no memory for a subscription");
}

void worker_suspend_telemetry(struct worker *w, bool suspend)
{
	if (!w->telemetry)
		return;
	if (suspend)
		telemetry_suspend(w->telemetry);
	else
		telemetry_resume(w->telemetry);
}

void worker_flush_telemetry(struct worker *w)
{
	if (w->telemetry)
		telemetry_end(w->telemetry);
}

/* ---- init ---- */

void worker_tell_extension(struct worker *w, const struct extension *e)
{
	static const char *const names[] = {"INVOKE", "SHUTDOWN"};
	const char *list[2];
	struct log_extension x = {.name = e->name, .state = extension_state_name(e->state), .events = list,
	                          .error_type = *e->error_type ? e->error_type : NULL};
	for (unsigned i = 0; i < 2; i++) {
		if (e->events & 1u << i)
			list[x.event_count++] = names[i];
	}
	if (w->log)
		log_stream_extension(w->log, &x);
}

void worker_tell_init_done(struct worker *w)
{
	const struct extensions *x = w->api.extensions;
	worker_drain_log_before_answer(w);
	for (unsigned i = 0; x && i < x->count; i++)
		worker_tell_extension(w, &x->items[i]);
	if (w->kind == WORKER_PLAIN)
		log_stream_init_done(w->log, w->init_ns - w->sandbox_ns, w->init_inside);
	if (!w->telemetry)
		return;
	telemetry_close(w->telemetry);
	if (!telemetry_has_subscribers(w->telemetry)) /* and there will be none */
		worker_end_telemetry(w);
}
