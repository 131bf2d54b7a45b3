/* How environments are asked for: plainly, as a template of an image, or from one. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "control/worker/launch_env.h"
#include "control/worker/worker_priv.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/spec/limits.h"

/* A template's init; the function's time limit when that is longer. SnapStart's is Lambda's. Others can't start plainly either when
 * they take longer, and must not keep the one place that there is for templates; twice as long, since nobody waits for it. */
#define SNAP_START_INIT_NS (130 * NS_PER_S)
#define TEMPLATE_INIT_NS (2 * LIMIT_INIT_MS * NS_PER_MS)

/* A restored environment reads no settings: one empty file is sent with all of them. */
static int empty_launch(struct fleet *f, struct error *err)
{
	if (f->empty_launch_fd < 0)
		f->empty_launch_fd = launch_env_seal_empty(err);
	return f->empty_launch_fd;
}

/* Code, then layers in their order. */
struct folders {
	int fds[1 + LIMIT_LAYERS];
	unsigned count;
};

static void folders_close(struct folders *o)
{
	while (o->count)
		close(o->fds[--o->count]);
}

static int folders_open(struct folders *o, const struct fleet *f, const struct function_version *v, struct error *err)
{
	for (unsigned i = 0; i <= v->layer_count; i++) {
		int fd = openat(f->deps.code_fd, i ? v->layer_hex[i - 1] : v->code_hex, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return error_sys(err, "cannot open the unpacked %s of %s", i ? "layers" : "code", v->name);
		o->fds[o->count++] = fd;
	}
	return 0;
}

static int ask_launcher(struct worker *w, int launch_fd, int extensions, struct error *err)
{
	struct fleet *f = w->fleet;
	const struct function_version *v = w->version;
	struct folders folders CLEANUP(folders_close) = {.count = 0};
	if (folders_open(&folders, f, v, err) < 0)
		return -1;
	struct ipc_env_start start = {
		.env_id = w->env_id,
		.memory_mb = v->memory_mb,
		.ephemeral_mb = v->ephemeral_mb,
		.network = v->outbound ? NETWORK_OUTBOUND : NETWORK_NONE,
		.layers = v->layer_count,
		.extensions = (uint32_t)extensions,
		.how = w->kind == WORKER_RESTORED ? START_RESTORE : w->kind == WORKER_TRIAL ? START_TRIAL : START_PLAIN,
	};
	if (worker_is_restored(w))
		memcpy(start.image, w->image, sizeof start.image);
	int fds[2 + LIMIT_LAYERS] = {launch_fd};
	memcpy(fds + 1, folders.fds, sizeof folders.fds);
	return launcher_start(f->deps.launcher, &start, fds, 1 + folders.count, err);
}

static int begin_plain(struct worker *w, struct error *err)
{
	bool template = w->kind == WORKER_TEMPLATE;
	const char *names[LIMIT_EXTENSIONS + 1];
	int extensions = worker_find_extensions(w, names, err);
	if (extensions < 0)
		return -1;
	struct launch_env env = {
		.version = w->version,
		.identity = template ? NULL : w->identity,
		.log_stream = template ? NULL : log_stream_name(w->log),
		.settings = w->fleet->deps.settings,
		.template = template,
		.extensions = names,
	};
	struct runtime_found found;
	CLEANUP_CLOSE int launch = launch_env_seal(&env, &found, err);
	if (launch < 0 || ask_launcher(w, launch, extensions, err) < 0)
		return -1;
	log_stream_init_start(w->log, w->version, &found);
	return 0;
}

static int begin_restored(struct worker *w, struct error *err)
{
	int launch = empty_launch(w->fleet, err);
	if (launch < 0 || ask_launcher(w, launch, 0, err) < 0)
		return -1;
	ev_timer_at(w->fleet->deps.loop, &w->timer, w->asked_ns + RESTORE_MAX_NS);
	return 0;
}

static int begin(struct worker *w, struct error *err)
{
	struct fleet *f = w->fleet;
	if (w->kind != WORKER_TRIAL) { /* what a trial prints is nobody's business: it was printed before */
		w->log = logs_open_stream(f->deps.logs, w->version, err);
		if (!w->log)
			return -1;
	}
	w->identity = identities_issue(f->deps.identities, w->version, err);
	if (!w->identity)
		return -1;
	return worker_is_restored(w) ? begin_restored(w, err) : begin_plain(w, err);
}

static void begin_or_tell(struct worker *w)
{
	if (begin(w, &w->failure.refusal) == 0)
		return;
	ASSERT(w->failure.refusal.code != ERR_OK);
	ev_timer_after(w->fleet->deps.loop, &w->timer, 0); /* told by the loop, as every end is */
}

struct worker *worker_start(struct fleet *f, struct function_version *version, uint64_t sched_env, bool init_inside)
{
	struct worker *w = worker_new(f, version, WORKER_PLAIN);
	w->sched_env = sched_env;
	w->init_inside = init_inside;
	begin_or_tell(w);
	return w;
}

struct worker *worker_start_image(struct fleet *f, struct function_version *version, uint64_t sched_env, enum worker_kind kind,
                                  const uint8_t key[IPC_IMAGE_KEY])
{
	ASSERT(kind != WORKER_PLAIN);
	struct worker *w = worker_new(f, version, kind);
	w->sched_env = sched_env;
	memcpy(w->image, key, sizeof w->image);
	begin_or_tell(w);
	return w;
}

int worker_image_key(struct fleet *f, struct function_version *version, uint64_t renewal, uint8_t key[IPC_IMAGE_KEY], struct error *err)
{
	return launch_env_key(version, f->deps.settings, renewal, key, err);
}

/* ---- time limits of init and restore ---- */

uint64_t worker_init_limit_ns(const struct worker *w)
{
	uint64_t timeout_ns = w->version->timeout_s * NS_PER_S;
	uint64_t template_ns = w->version->snap_start ? SNAP_START_INIT_NS : TEMPLATE_INIT_NS;
	if (w->kind == WORKER_TEMPLATE)
		return timeout_ns > template_ns ? timeout_ns : template_ns;
	if (worker_is_restored(w)) /* a trial that steps has its own */
		return w->trial.fd < 0 ? RESTORE_MAX_NS : 0;
	return w->init_inside ? timeout_ns : LIMIT_INIT_MS * NS_PER_MS;
}

void worker_init_timeout_text(struct worker *w, struct fault_text *t)
{
	char reason[160];
	bool in_hooks = w->api_open && w->api.state == RUNTIME_RESTORING;
	if (in_hooks && w->version->snap_start && w->kind != WORKER_TRIAL)
		error_set(&w->failure.refusal, ERR_SNAP_START_TIMEOUT, "Lambda couldn't restore the snapshot within the timeout limit.");
	if (w->kind == WORKER_PLAIN) {
		fault_timeout(t, w->version->timeout_s);
		return;
	}
	if (w->kind == WORKER_TEMPLATE)
		snprintf(reason, sizeof reason, "init did not end within %llu seconds", (unsigned long long)(worker_init_limit_ns(w) / NS_PER_S));
	else if (w->state == WORKER_STARTING)
		snprintf(reason, sizeof reason, "the restore did not end within 10 seconds");
	else
		snprintf(reason, sizeof reason, "the restored runtime did not ask for work within 10 seconds; its after-restore hooks may hang");
	fault_simple(t, "Sandbox.Timedout", reason);
}
