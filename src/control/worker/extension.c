/* What a worker does with its environment's extensions: finds the external ones, starts the runtime behind them, waits for them when the
 * function has answered already, and gives them their time to leave. An environment without any has none of it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/worker/worker_priv.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"

/* Of these the last three are Lambda's; the first is how long an external extension that said it fails may take to end, since its
 * status explains more, and the second is past what mayfly-init gives the runtime. */
#define COMPLAINT_NS (200 * NS_PER_MS)
#define RUNTIME_LEFT_NS (700 * NS_PER_MS)
#define INTERNAL_MS 500u
#define EXTERNAL_MS 2000u
#define ENTRIES_MAX 256u /* of extensions/ in all layers together, folders too, that a start looks at: it is on the loop */

/* ---- which there are ---- */

/* Names found in the layers, sorted; one more than there may be, which is then the one too many. */
struct worker_names {
	unsigned count, seen;
	bool crowded; /* more than ENTRIES_MAX: the rest is not read, at least one name is noted */
	char name[LIMIT_EXTENSIONS + 1][EXTENSION_NAME_MAX + 1];
};

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void forget_name(struct worker_names *l, const char *name)
{
	for (unsigned i = 0; i < l->count; i++) {
		if (strcmp(l->name[i], name) == 0)
			memmove(l->name[i], l->name[--l->count], sizeof l->name[i]);
	}
}

/* As Lambda: whatever is not a folder is to be started, also what cannot be. */
static void note_names(struct worker_names *l, DIR *dir)
{
	for (struct dirent *d; !l->crowded && (d = readdir(dir));) {
		struct stat st;
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		forget_name(l, d->d_name); /* a lower layer's is hidden */
		l->crowded = ++l->seen > ENTRIES_MAX;
		if (l->count > LIMIT_EXTENSIONS)
			continue;
		if (l->crowded || (fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(st.st_mode)))
			snprintf(l->name[l->count++], sizeof l->name[0], "%s", d->d_name);
	}
}

/* The folders are there, and ours; one that cannot be read starts nothing, and says why when it is mounted. */
static struct worker_names *find_names(const struct fleet *f, const struct function_version *v)
{
	struct worker_names *l = NULL;
	for (unsigned i = 0; i < v->layer_count; i++) {
		char path[sizeof v->layer_hex[0] + sizeof "/extensions"];
		snprintf(path, sizeof path, "%s/extensions", v->layer_hex[i]);
		int fd = openat(f->deps.code_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		DIR *dir = fd < 0 ? NULL : fdopendir(fd);
		if (!dir)
			continue;
		if (!l)
			l = calloc(1, sizeof *l);
		ASSERT(l);
		note_names(l, dir);
		closedir(dir);
	}
	if (l)
		qsort(l->name, l->count, sizeof l->name[0], by_name);
	return l;
}

int worker_find_extensions(struct worker *w, const char *names[LIMIT_EXTENSIONS + 1], struct error *err)
{
	unsigned n = 0;
	w->names = find_names(w->fleet, w->version);
	for (; w->names && n < w->names->count && n < LIMIT_EXTENSIONS; n++)
		names[n] = w->names->name[n];
	names[n] = NULL;
	if (!n)
		return 0;
	if (w->kind == WORKER_TEMPLATE)
		return error_set(err, ERR_UNSUPPORTED, "it has extensions");
	worker_begin_telemetry(w, true);
	return (int)n;
}

/* ---- faults ---- */

static const char *end_text(char text[160], const struct extension *e, const struct ipc_env_process_ended *m)
{
	if (m->how == EXIT_EXEC_FAILED) {
		const char *why = strerror(m->status);
		snprintf(text, 160, "fork/exec /opt/extensions/%.80s: %c%s", e->name, *why | 0x20, why + 1);
	} else if (m->how != EXIT_CODE) {
		snprintf(text, 160, "signal: %s", fault_signal_text(m->how == EXIT_SIGNAL ? m->status : SIGKILL));
	} else if (m->status) {
		snprintf(text, 160, "exit status %d", m->status);
	} else {
		snprintf(text, 160, "exit code 0");
	}
	return text;
}

static const char *fault_type(const struct extension *e)
{
	static const char *const types[EXTENSION_STATES] = {
		[EXTENSION_INIT_ERROR] = "Extension.InitError",
		[EXTENSION_EXIT_ERROR] = "Extension.ExitError",
		[EXTENSION_LAUNCH_ERROR] = "Extension.LaunchError",
	};
	return types[e->state] ? types[e->state] : "Extension.Crash";
}

/* How far each came, as it was when the init failed. */
static void tell_states(struct worker *w)
{
	const struct extensions *x = w->api.extensions;
	for (unsigned i = 0; x && i < x->count; i++)
		worker_tell_extension(w, &x->items[i]);
}

/* Whatever goes on in there is over. */
static void fail(struct worker *w, const struct fault_text *t, const char *log_type)
{
	if (w->kept)
		worker_report_late(w, "error", log_type);
	else if (w->invocation)
		worker_finish_fault(w, t, "error", log_type);
	else if (w->state == WORKER_INITIALIZING)
		worker_fail_init(w, t, "error", log_type);
	worker_kill(w, false, 0);
}

static void fail_by_extension(struct worker *w, const struct extension *e, const char *reason)
{
	struct fault_text t;
	fault_simple(&t, fault_type(e), reason);
	fail(w, &t, t.type);
}

/* Timer: it said that it fails, and has not ended since. */
void worker_accuse(struct worker *w)
{
	fail_by_extension(w, w->accused, *w->accused->error_type ? w->accused->error_type : "exit code 0");
}

void worker_extension_failed(struct runtime_api *api, struct extension *e)
{
	struct worker *w = api->arg;
	if (w->accused)
		return;
	w->accused = e;
	if (w->state == WORKER_IDLE || w->state == WORKER_FROZEN) { /* work that came meanwhile would be lost */
		worker_accuse(w);
		return;
	}
	w->doomed = true;
	ev_timer_after(w->fleet->deps.loop, &w->timer, e->external ? COMPLAINT_NS : 0);
}

/* ---- beginning ---- */

static void refuse_too_many(struct worker *w)
{
	struct extension e = {.state = EXTENSION_LAUNCH_ERROR, .error_type = "TooManyExtensions"};
	struct fault_text t;
	memcpy(e.name, w->names->name[w->names->count - 1], sizeof e.name);
	worker_tell_extension(w, &e);
	fault_simple(&t, "Extension.LaunchError", "ErrTooManyExtensions");
	fail(w, &t, t.type);
}

void worker_take_extensions(struct worker *w)
{
	for (unsigned i = 0; w->names && i < w->names->count && i < LIMIT_EXTENSIONS; i++)
		runtime_api_launch(&w->api, str_from(w->names->name[i]));
}

/* After its time limit was set. */
void worker_check_extensions(struct worker *w)
{
	if (w->names && (w->names->crowded || w->names->count > LIMIT_EXTENSIONS))
		refuse_too_many(w);
	free(STEAL_PTR(w->names));
}

void worker_extensions_registered(struct runtime_api *api)
{
	struct worker *w = api->arg;
	if (w->begun || w->state != WORKER_INITIALIZING || w->doomed)
		return;
	w->begun = true;
	launcher_begin(w->fleet->deps.launcher, w->env_id);
}

void worker_describe(struct runtime_api *api, struct runtime_function *out)
{
	const struct worker *w = api->arg;
	*out = (struct runtime_function){.name = w->version->name, .version = w->version->version, .handler = w->version->handler,
	                                 .account = w->fleet->deps.settings->account};
}

/* ---- an invocation that was answered while they are at it ---- */

struct worker_late {
	struct log_report report;
	uint64_t since_ns;
	char request_id[UUID_SIZE];
};

bool worker_extensions_busy(const struct worker *w)
{
	return w->api.extensions && !extensions_ready(w->api.extensions);
}

void worker_keep_report(struct worker *w, const struct log_report *report)
{
	struct worker_late *late = calloc(1, sizeof *late);
	ASSERT(late && !w->kept);
	late->report = *report;
	late->since_ns = clock_mono_ns() - report->duration_ns;
	snprintf(late->request_id, sizeof late->request_id, "%s", report->request_id);
	late->report.request_id = late->request_id;
	w->kept = late;
}

void worker_report_late(struct worker *w, const char *status, const char *log_type)
{
	struct worker_late *late = w->kept;
	if (!late)
		return;
	uint64_t now = clock_mono_ns();
	w->kept = NULL;
	late->report.duration_ns = now - late->since_ns;
	late->report.max_memory_bytes = worker_peak_bytes(w, now);
	if (status) {
		late->report.status = status;
		late->report.error_type = log_type;
	}
	worker_drain_log(w);
	log_stream_end(w->log, &late->report);
	free(late);
	if (w->invocation) /* it waits for the log's tail */
		worker_let_go(w);
}

/* ---- end ---- */

static void tell_shutdown(struct worker *w)
{
	ev_timer_stop(&w->timer);
	runtime_api_tell_shutdown(&w->api, w->reason, w->leave_by_wall_ms);
}

void worker_shutdown_late(struct worker *w)
{
	tell_shutdown(w);
}

/* They are told when the runtime has ended: what it did last is theirs to report. */
bool worker_plan_end(struct worker *w, uint32_t *grace_ms, uint32_t *leavers)
{
	const struct extensions *x = w->api.extensions;
	if (!w->api_open || !x || !x->count)
		return false;
	*leavers = extensions_leavers(x);
	*grace_ms = extensions_external(x) ? EXTERNAL_MS : INTERNAL_MS;
	w->leave_by_wall_ms = clock_wall_ms() + *grace_ms;
	if (!w->reason)
		w->reason = w->ordered ? "spindown" : "failure";
	return true;
}

/* The API stays: a runtime that handles SIGTERM is not to see it go. */
void worker_begin_end(struct worker *w)
{
	runtime_api_mute(&w->api);
	if (!extensions_leavers(w->api.extensions))
		return;
	if (w->begun && !w->runtime_ended)
		ev_timer_after(w->fleet->deps.loop, &w->timer, RUNTIME_LEFT_NS);
	else
		tell_shutdown(w);
}

static void extension_ended(struct worker *w, struct extension *e, const struct ipc_env_process_ended *m)
{
	char text[160];
	bool launch = m->how == EXIT_EXEC_FAILED;
	const char *log_name = m->status == EACCES ? "PermissionDenied" : "UnknownError";
	if (w->state == WORKER_STOPPING) {
		extension_end(e, EXTENSION_EXITED, "");
		return;
	}
	if (launch)
		extension_end(e, EXTENSION_LAUNCH_ERROR, log_name);
	if (w->state == WORKER_INITIALIZING)
		tell_states(w);
	const char *type = fault_type(e);
	extension_end(e, EXTENSION_EXITED, "");
	struct fault_text t;
	fault_simple(&t, type, end_text(text, e, m));
	fail(w, &t, t.type);
}

static void runtime_ended(struct worker *w, const struct ipc_env_process_ended *m)
{
	struct ipc_env_exited how = {.how = m->how, .status = m->status};
	struct fault_text t;
	const char *log_type;
	w->runtime_ended = true;
	if (w->state == WORKER_STOPPING) {
		tell_shutdown(w);
		return;
	}
	if (w->state == WORKER_INITIALIZING)
		tell_states(w);
	fault_exit(&t, &how, &log_type);
	fail(w, &t, log_type);
}

void worker_process_ended(struct worker *w, const struct ipc_env_process_ended *m)
{
	struct extensions *x = w->api.extensions;
	if (!w->api_open || !x || m->who > extensions_external(x))
		return;
	worker_drain_log(w);
	if (m->who)
		extension_ended(w, &x->items[m->who - 1], m);
	else
		runtime_ended(w, m);
}

void worker_free_extensions(struct worker *w)
{
	free(STEAL_PTR(w->names));
	free(STEAL_PTR(w->kept));
}

/* ---- the server ends ---- */

static bool has_extensions(const struct worker *w)
{
	return w->api_open && w->api.extensions && w->api.extensions->count;
}

/* Telling of one may move others from list to list. */
static struct worker *next_to_leave(struct fleet *f)
{
	static const enum worker_state states[] = {WORKER_IDLE, WORKER_FROZEN};
	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		LIST_FOREACH(link, &f->states[states[i]]) {
			struct worker *w = CONTAINER_OF(link, struct worker, by_state);
			if (has_extensions(w))
				return w;
		}
	}
	return NULL;
}

unsigned fleet_leave(struct fleet *f)
{
	unsigned left = 0;
	struct worker *w;
	while ((w = next_to_leave(f))) {
		worker_stop(w, 0);
		f->events->on_stopping(f->arg, w);
	}
	LIST_FOREACH(link, &f->states[WORKER_STOPPING])
		left += CONTAINER_OF(link, struct worker, by_state)->leaving;
	LIST_FOREACH(link, &f->states[WORKER_BUSY]) /* still at it after the answer */
		left += has_extensions(CONTAINER_OF(link, struct worker, by_state));
	return left;
}
