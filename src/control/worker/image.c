/* Templates, trials and restored environments: what they do that plainly started ones do not. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "control/worker/worker_priv.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"

#define DUMP_MAX_NS (120 * NS_PER_S)    /* of an image, as mayflyd may need for many gigabytes */
#define TEMPLATE_CREDENTIALS_MS 60000   /* told to SDKs, so that those in an image ask for others soon */
#define CREDENTIALS_MS (6 * 3600 * 1000)

bool worker_is_restored(const struct worker *w)
{
	return w->kind == WORKER_RESTORED || w->kind == WORKER_TRIAL;
}

/* ---- templates ---- */

void worker_parked(struct worker *w, enum ipc_park park)
{
	ASSERT(w->kind == WORKER_TEMPLATE);
	ev_timer_stop(&w->timer);
	w->init_ns = clock_mono_ns();
	w->park = park;
	worker_drain_log(w);
	if (w->version->snap_start) /* as Lambda: the only place that says what the init took */
		log_stream_init_report(w->log, w->init_ns - w->sandbox_ns, false, NULL, NULL);
	worker_set_state(w, WORKER_IDLE);
	w->fleet->events->on_parked(w->fleet->arg, w);
}

void worker_snapshot(struct worker *w, bool close_connections)
{
	ASSERT(w->kind == WORKER_TEMPLATE && w->state == WORKER_IDLE && !w->snapshot_asked);
	struct ipc_snapshot order = {
		.env_id = w->env_id,
		.park = w->park,
		.next_port = runtime_api_next_port(&w->api),
		.close_connections = close_connections,
	};
	memcpy(order.key, w->image, sizeof order.key);
	w->snapshot_asked = true;
	if (w->api.extensions && w->api.extensions->count)
		error_set(&w->failure.refusal, ERR_UNSUPPORTED, "it has extensions");
	else if (!order.next_port)
		error_set(&w->failure.refusal, ERR_UNSUPPORTED, "its runtime hung up while it waited for work");
	else
		launcher_snapshot(w->fleet->deps.launcher, &order, &w->failure.refusal);
	ev_timer_after(w->fleet->deps.loop, &w->timer, w->failure.refusal.code ? 0 : DUMP_MAX_NS);
}

void worker_snapshot_done(struct worker *w, const struct ipc_snapshot_done *m)
{
	if (!w->snapshot_asked || w->snapshot_told)
		return;
	w->snapshot_told = true;
	ev_timer_stop(&w->timer);
	w->fleet->events->on_snapshot(w->fleet->arg, w, m);
	worker_kill(w, true, 0);
}

void worker_snapshot_late(struct worker *w)
{
	ASSERT(w->kind == WORKER_TEMPLATE);
	const struct error *why = &w->failure.refusal;
	struct ipc_snapshot_done done = {.env_id = w->env_id, .code = why->code ? why->code : ERR_TIMEOUT};
	memcpy(done.key, w->image, sizeof done.key);
	snprintf(done.msg, sizeof done.msg, "%s", why->code ? why->msg : "the image was not written in time");
	worker_snapshot_done(w, &done);
}

/* ---- restored ones ---- */

uint64_t worker_restore_ns(const struct worker *w, uint64_t until_ns)
{
	uint64_t ns = w->restore_ns + until_ns - w->sandbox_ns, most = until_ns - w->asked_ns;
	return w->sandbox_ns && ns < most ? ns : most;
}

int worker_take_restored(struct worker *w, struct ipc_message *m, struct error *err)
{
	const struct ipc_env_started *b = &m->body.ipc_env_started;
	unsigned least = w->kind == WORKER_TRIAL && b->park == PARK_INVOCATION ? 7 : 6;
	if (!b->restored || m->fd_count < least)
		return error_set(err, ERR_INTERNAL, "the environment was not restored");
	w->restore_ns = b->restore_ns;
	w->image_bytes = b->image_bytes;
	w->park = b->park == PARK_RESTORE ? PARK_RESTORE : PARK_INVOCATION;
	if (least == 7)
		return worker_trial_begin(w, STEAL_FD(m->fds[5]), STEAL_FD(m->fds[6]), err);
	if (w->log)
		log_stream_restore_start(w->log, w->version);
	return runtime_api_adopt(&w->api, STEAL_FD(m->fds[5]), w->park == PARK_RESTORE, err);
}

/* A runtime that comes for its restore though it was started plainly (a SnapStart version that has no image) goes on at once. */
void worker_answer_restore(struct worker *w)
{
	struct runtime_restored r = {.log_group = w->version->log_group, .log_stream = w->log ? log_stream_name(w->log) : ""};
	worker_credentials(w, &r.credentials);
	runtime_api_restore(&w->api, &r);
	if (w->kind == WORKER_PLAIN && !w->init_inside)
		ev_timer_after(w->fleet->deps.loop, &w->timer, RESTORE_MAX_NS);
}

void worker_credentials(struct worker *w, struct runtime_credentials *c)
{
	*c = (struct runtime_credentials){
		.access_key = w->identity->access_key,
		.secret = w->identity->secret,
		.token = w->identity->session_token,
		.expires_wall_ms = clock_wall_ms() + (w->kind == WORKER_TEMPLATE ? TEMPLATE_CREDENTIALS_MS : CREDENTIALS_MS),
	};
}

/* ---- trials ---- */

/* A runtime that waits for work must not get any: it is sent the beginning of an answer, and whether it lives after it has
 * read that is what there is to see. */
#define TRIAL_READ_NS (5 * NS_PER_S)
#define TRIAL_LIVE_NS (100 * NS_PER_MS)
#define TRIAL_STEP_NS (5 * NS_PER_MS)

void worker_trial_over(struct worker *w, const struct error *why)
{
	ev_timer_stop(&w->timer);
	w->fleet->events->on_trial(w->fleet->arg, w, why);
	worker_kill(w, true, 0);
}

int worker_trial_begin(struct worker *w, int fd, int peer_fd, struct error *err)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
	w->trial.fd = fd;
	w->trial.peer_fd = peer_fd;
	w->trial.until_ns = w->sandbox_ns + TRIAL_READ_NS;
	if (send(fd, head, sizeof head - 1, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)sizeof head - 1)
		return error_sys(err, "nothing can be sent to the restored runtime");
	ev_timer_after(w->fleet->deps.loop, &w->timer, TRIAL_STEP_NS);
	return 0;
}

static bool hung_up(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

void worker_trial_step(struct worker *w)
{
	uint64_t now = clock_mono_ns();
	struct error err = {0};
	int unread = 0;
	if (hung_up(w->trial.fd))
		error_set(&err, ERR_CLOSED, "the restored runtime hung up instead of reading its answer");
	else if (!w->trial.was_read && ioctl(w->trial.peer_fd, FIONREAD, &unread) < 0)
		error_sys(&err, "cannot see whether the restored runtime reads");
	else if (!w->trial.was_read && unread > 0 && now >= w->trial.until_ns)
		error_set(&err, ERR_TIMEOUT, "the restored runtime did not read an answer within 5 seconds");
	if (!err.code && !w->trial.was_read && unread == 0) {
		w->trial.was_read = true;
		w->trial.until_ns = now + TRIAL_LIVE_NS;
	}
	if (err.code || (w->trial.was_read && now >= w->trial.until_ns))
		worker_trial_over(w, err.code ? &err : NULL);
	else
		ev_timer_after(w->fleet->deps.loop, &w->timer, TRIAL_STEP_NS);
}
