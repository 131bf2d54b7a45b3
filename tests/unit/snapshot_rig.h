/* A world for control/snapshot, pretended at link time: fleet, mayflyd, store, clock and loop. Included by one program. */
#ifndef MAYFLY_SNAPSHOT_RIG_H
#define MAYFLY_SNAPSHOT_RIG_H

#include "control/snapshot/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/codec.h"
#include "core/base/hash.h"
#include "core/ev/ev.h"

#define S NS_PER_S
#define MS NS_PER_MS
#define WORKERS 64
#define IMAGES 64
#define VERSIONS 8

/* ---- the world ---- */

struct ev_loop {
	struct ev_timer *timers[16];
	struct list defers;
};

struct stored {
	char key[80], value[512];
};

static struct world {
	uint64_t now_ns;
	struct ev_loop loop;
	struct settings settings;
	struct snapshots *s;
	struct worker *workers[WORKERS]; /* nobody's, those that live */
	unsigned most_alive;
	uint8_t images[IMAGES][IPC_IMAGE_KEY]; /* mayflyd's */
	bool kept[IMAGES];
	unsigned image_count;
	struct stored stored[IMAGES];
	unsigned stored_count;
	struct kv kv;
	const struct launcher_image_events *image_events;
	void *image_arg;
	struct function_version *versions[VERSIONS]; /* what names are resolved to */
	unsigned asked;                               /* for a snapshot */
	bool closed_connections;
	char note[512];
	uint64_t ids;
} world;

uint64_t clock_mono_ns(void)
{
	return world.now_ns;
}

int64_t clock_wall_ms(void)
{
	return 1795000000000 + (int64_t)(world.now_ns / MS);
}

char *clock_format(char *dst, size_t size, const char *fmt, int64_t wall_ms)
{
	return dst;
}

void ev_timer_at(struct ev_loop *loop, struct ev_timer *timer, uint64_t at_ns)
{
	timer->at_ns = at_ns;
	if (timer->loop)
		return;
	timer->loop = loop;
	for (size_t i = 0; i < ARRAY_LEN(loop->timers); i++) {
		if (!loop->timers[i]) {
			loop->timers[i] = timer;
			return;
		}
	}
	abort();
}

void ev_timer_after(struct ev_loop *loop, struct ev_timer *timer, uint64_t delay_ns)
{
	ev_timer_at(loop, timer, world.now_ns + delay_ns);
}

void ev_timer_stop(struct ev_timer *timer)
{
	for (size_t i = 0; timer->loop && i < ARRAY_LEN(timer->loop->timers); i++) {
		if (timer->loop->timers[i] == timer)
			timer->loop->timers[i] = NULL;
	}
	timer->loop = NULL;
}

void ev_defer_init(struct ev_defer *defer, void (*cb)(struct ev_defer *))
{
	defer->cb = cb;
	list_init(&defer->link);
}

void ev_defer_run(struct ev_loop *loop, struct ev_defer *defer)
{
	if (list_empty(&defer->link))
		list_push_back(&loop->defers, &defer->link);
}

void ev_defer_cancel(struct ev_defer *defer)
{
	list_remove(&defer->link);
}

static void round_end(void)
{
	struct list *link;
	while ((link = list_pop_front(&world.loop.defers))) {
		struct ev_defer *d = CONTAINER_OF(link, struct ev_defer, link);
		d->cb(d);
	}
}

/* Time goes on, timers fire when they are due. */
static void pass(uint64_t ns)
{
	uint64_t until_ns = world.now_ns + ns;
	round_end();
	for (;;) {
		struct ev_timer *first = NULL;
		for (size_t i = 0; i < ARRAY_LEN(world.loop.timers); i++) {
			struct ev_timer *t = world.loop.timers[i];
			first = t && t->at_ns <= until_ns && (!first || t->at_ns < first->at_ns) ? t : first;
		}
		if (!first)
			break;
		world.now_ns = first->at_ns > world.now_ns ? first->at_ns : world.now_ns;
		ev_timer_stop(first);
		first->cb(first);
		round_end();
	}
	world.now_ns = until_ns;
}

/* ---- mayflyd ---- */

static unsigned image_at(const uint8_t *key)
{
	unsigned i = 0;
	while (i < world.image_count && memcmp(world.images[i], key, IPC_IMAGE_KEY) != 0)
		i++;
	return i;
}

static bool image_there(const uint8_t *key)
{
	return image_at(key) < world.image_count;
}

void launcher_set_image_events(struct launcher *l, const struct launcher_image_events *events, void *arg)
{
	world.image_events = events;
	world.image_arg = arg;
}

void launcher_keep_image(struct launcher *l, const uint8_t key[IPC_IMAGE_KEY])
{
	world.kept[image_at(key)] = true;
}

void launcher_drop_image(struct launcher *l, const uint8_t key[IPC_IMAGE_KEY])
{
	unsigned i = image_at(key);
	if (i == world.image_count)
		return;
	world.image_count--;
	memmove(world.images[i], world.images[world.image_count], IPC_IMAGE_KEY);
	world.kept[i] = world.kept[world.image_count];
}

static void image_lost(unsigned i, const char *why)
{
	struct ipc_image_gone m = {0};
	memcpy(m.key, world.images[i], sizeof m.key);
	snprintf(m.msg, sizeof m.msg, "%s", why);
	launcher_drop_image(NULL, m.key);
	world.image_events->on_gone(world.image_arg, &m);
}

/* ---- the fleet ---- */

int worker_image_key(struct fleet *f, struct function_version *v, uint64_t renewal, uint8_t key[IPC_IMAGE_KEY], struct error *err)
{
	char text[200];
	int n = snprintf(text, sizeof text, "%s %s %s %u %llu", v->name, v->version, v->code_hex, v->memory_mb, (unsigned long long)renewal);
	sha256(key, text, (size_t)n);
	return 0;
}

static struct worker *new_worker(struct function_version *v, enum worker_kind kind, const uint8_t *key)
{
	struct worker *w = calloc(1, sizeof *w);
	w->version = function_version_ref(v);
	w->kind = kind;
	w->state = WORKER_STARTING;
	w->asked_ns = world.now_ns;
	if (key)
		memcpy(w->image, key, IPC_IMAGE_KEY);
	return w;
}

static unsigned alive(void)
{
	unsigned n = 0;
	for (unsigned i = 0; i < WORKERS; i++)
		n += world.workers[i] != NULL;
	return n;
}

struct worker *worker_start_image(struct fleet *f, struct function_version *v, uint64_t sched_env, enum worker_kind kind,
                                  const uint8_t key[IPC_IMAGE_KEY])
{
	struct worker *w = new_worker(v, kind, key);
	unsigned i = 0;
	while (world.workers[i])
		i++;
	world.workers[i] = w;
	world.most_alive = alive() > world.most_alive ? alive() : world.most_alive;
	return w;
}

void worker_snapshot(struct worker *w, bool close_connections)
{
	if (w->kind != WORKER_TEMPLATE || w->state != WORKER_IDLE)
		abort();
	world.asked++;
	world.closed_connections = close_connections;
}

void worker_stop(struct worker *w, uint32_t grace_ms)
{
	if (w->state == WORKER_STARTING)
		abort();
	w->state = WORKER_STOPPING;
}

static struct worker *of_kind(enum worker_kind kind)
{
	for (unsigned i = 0; i < WORKERS; i++) {
		if (world.workers[i] && world.workers[i]->kind == kind)
			return world.workers[i];
	}
	return NULL;
}

static void die(struct worker *w, enum error_code code, const char *message, const char *answer)
{
	struct worker_failure f = {0};
	if (code)
		error_set(&f.refusal, code, "%s", message);
	if (answer)
		f.answer = (struct http_blob){.data = strdup(answer), .len = strlen(answer)};
	for (unsigned i = 0; i < WORKERS; i++)
		world.workers[i] = world.workers[i] == w ? NULL : world.workers[i];
	snapshots_on_dead(world.s, w, &f);
	free(f.answer.data);
	function_version_unref(w->version);
	free(w);
	round_end();
}

static void park(struct worker *w)
{
	w->state = WORKER_IDLE;
	w->park = PARK_RESTORE;
	snapshots_on_parked(world.s, w);
}

static void snapshot_done(struct worker *w, enum error_code code, const char *message)
{
	struct ipc_snapshot_done done = {.code = code, .file_bytes = 2 << 20, .resident_bytes = 1 << 20, .dump_ns = 20 * MS};
	memcpy(done.key, w->image, sizeof done.key);
	snprintf(done.msg, sizeof done.msg, "%s", message);
	if (code == ERR_OK) {
		world.kept[world.image_count] = false;
		memcpy(world.images[world.image_count++], w->image, IPC_IMAGE_KEY);
	}
	snapshots_on_snapshot(world.s, w, &done);
	w->state = WORKER_STOPPING;
	round_end();
}

static void trial_over(struct worker *w, const char *why)
{
	struct error err;
	error_set(&err, ERR_TIMEOUT, "%s", why ? why : "");
	snapshots_on_trial(world.s, w, why ? &err : NULL);
	w->state = WORKER_STOPPING;
	round_end();
}

/* ---- the store ---- */

static int kv_put_(struct kv *kv, struct str key, struct str value, uint64_t expected, kv_cb *cb, void *arg, struct error *err)
{
	struct stored *e = &world.stored[world.stored_count++];
	str_copy(e->key, sizeof e->key, key);
	str_copy(e->value, sizeof e->value, value);
	return 0;
}

static int kv_del_(struct kv *kv, struct str key, uint64_t expected, kv_cb *cb, void *arg, struct error *err)
{
	for (unsigned i = 0; i < world.stored_count; i++) {
		if (str_eqz(key, world.stored[i].key))
			world.stored[i--] = world.stored[--world.stored_count];
	}
	return 0;
}

static int kv_list_(struct kv *kv, const struct kv_list *what, kv_list_cb *cb, void *arg, struct error *err)
{
	struct kv_entry entries[IMAGES];
	struct stored copy[IMAGES]; /* what is called back may delete */
	unsigned n = world.stored_count;
	memcpy(copy, world.stored, sizeof copy);
	for (unsigned i = 0; i < n; i++)
		entries[i] = (struct kv_entry){.key = str_from(copy[i].key), .value = str_from(copy[i].value)};
	cb(arg, entries, n, false, NULL);
	return 0;
}

static const struct kv_ops kv_ops = {.put = kv_put_, .del = kv_del_, .list = kv_list_};

/* ---- functions ---- */

static struct function_version *resolve(void *arg, struct str name, struct str version)
{
	for (unsigned i = 0; i < VERSIONS; i++) {
		struct function_version *v = world.versions[i];
		if (v && str_eqz(name, v->name) && str_eqz(version, v->version))
			return v;
	}
	return NULL;
}

static struct function_version *new_version(unsigned at, const char *name, const char *code)
{
	struct function_version *v = calloc(1, sizeof *v);
	v->refs = 1;
	v->id = ++world.ids;
	v->name = name;
	v->version = "$LATEST";
	v->memory_mb = 128;
	snprintf(v->code_hex, sizeof v->code_hex, "%s", code);
	world.versions[at] = v;
	return v;
}

static void drop(unsigned at)
{
	struct function_version *v = world.versions[at];
	world.versions[at] = NULL;
	snapshots_drop_version(world.s, v->id);
	function_version_unref(v);
}

static void note(void *arg, const char *line)
{
	snprintf(world.note, sizeof world.note, "%s", line);
}

/* ---- a server's life ---- */

static void start_server(void)
{
	struct snapshots_deps deps = {.loop = &world.loop, .settings = &world.settings, .kv = &world.kv, .resolve = resolve, .note = note};
	world.s = snapshots_new(&deps, NULL);
}

static void begin(void)
{
	memset(&world, 0, sizeof world);
	world.now_ns = 1000 * S;
	list_init(&world.loop.defers);
	world.kv.ops = &kv_ops;
	start_server();
	snapshots_load(world.s);
	pass(30 * S);
}

static void end_server(void)
{
	snapshots_free(world.s);
	for (unsigned i = 0; i < WORKERS; i++) {
		if (world.workers[i]) {
			function_version_unref(world.workers[i]->version);
			free(world.workers[i]);
		}
		world.workers[i] = NULL;
	}
}

static void end(void)
{
	end_server();
	for (unsigned i = 0; i < VERSIONS; i++)
		function_version_unref(world.versions[i]);
}

/* A version that was never asked for is not known: as invoke does, each start asks. */
static bool restores(struct function_version *v, uint8_t key[IPC_IMAGE_KEY])
{
	return snapshots_choose(world.s, v, key);
}

static bool is_restored(struct function_version *v)
{
	uint8_t key[IPC_IMAGE_KEY];
	return restores(v, key) && image_there(key);
}

static void finish(struct function_version *v, enum worker_kind kind, const uint8_t *key, enum invoke_outcome outcome,
                   enum invoke_failure failure)
{
	static char crash[] = "{\"errorType\":\"Runtime.ExitError\",\"errorMessage\":"
	                      "\"RequestId: 1 Error: Runtime exited with error: signal: segmentation fault\"}";
	struct invocation inv = {.outcome = outcome, .failure = failure, .cold = true};
	struct worker *w = new_worker(v, kind, key);
	if (outcome == INVOKE_FUNCTION_ERROR)
		inv.answer = (struct http_blob){.data = crash, .len = strlen(crash)};
	snapshots_finished(world.s, w, &inv);
	function_version_unref(w->version);
	free(w);
	round_end();
}

static void succeed_plainly(struct function_version *v)
{
	uint8_t key[IPC_IMAGE_KEY];
	restores(v, key);
	finish(v, WORKER_PLAIN, NULL, INVOKE_ANSWERED, FAILURE_NONE);
}

static void restored(struct function_version *v, const uint8_t *key, uint64_t took_ns)
{
	struct worker *w = new_worker(v, WORKER_RESTORED, key);
	world.now_ns += took_ns;
	w->init_ns = world.now_ns;
	snapshots_restored(world.s, w);
	function_version_unref(w->version);
	free(w);
	round_end();
}

static void restore_fails(struct function_version *v, const uint8_t *key, uint64_t asked_ns)
{
	struct worker *w = new_worker(v, WORKER_RESTORED, key);
	struct worker_failure f = {0};
	w->asked_ns = asked_ns;
	error_set(&f.refusal, ERR_STALE, "the zygote died");
	snapshots_failed(world.s, w, &f);
	function_version_unref(w->version);
	free(w);
	round_end();
}

/* From wanted to ready. False when somewhere nothing happens. */
static bool take(void)
{
	struct worker *template = of_kind(WORKER_TEMPLATE);
	if (!template)
		return false;
	park(template);
	pass(1 * S);
	snapshot_done(template, ERR_OK, "");
	struct worker *trial = of_kind(WORKER_TRIAL);
	if (!trial)
		return false;
	trial_over(trial, NULL);
	die(template, ERR_OK, NULL, NULL);
	die(trial, ERR_OK, NULL, NULL);
	return true;
}

static const char *report(void)
{
	static char text[8192];
	struct buf out;
	buf_init(&out, sizeof text - 1);
	snapshots_report(world.s, &out);
	memcpy(text, out.data, out.len);
	text[out.len] = '\0';
	buf_release(&out);
	return text;
}

static bool reports(const char *what)
{
	return strstr(report(), what) != NULL;
}

/* ---- SnapStart ---- */

static struct published {
	unsigned times;
	bool failed, has_why;
	char text[300];
} published;

static void on_published(void *arg, struct function_version *v, const struct worker_failure *failure, const struct error *why)
{
	published.times++;
	published.failed = failure != NULL;
	published.has_why = why != NULL;
	snprintf(published.text, sizeof published.text, "%.*s%s", failure ? (int)failure->answer.len : 0, failure ? failure->answer.data : "",
	         why ? why->msg : "");
}

static struct function_version *publish(unsigned at, const char *name)
{
	struct function_version *v = new_version(at, name, "c1");
	v->snap_start = true;
	memset(&published, 0, sizeof published);
	snapshots_publish(world.s, v, on_published, NULL);
	return v;
}

#endif
