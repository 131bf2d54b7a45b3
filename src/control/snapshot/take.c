/* Taking images: one at a time, from an environment of its own, each proved before it counts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/snapshot/snapshot_priv.h"
#include "core/base/clock.h"
#include "core/json/value.h"

/* How long a tree is given to come to rest before its image is taken; four times that at each further try. */
#define SETTLE_NS (20 * NS_PER_MS)
#define SETTLE_MAX_NS (2 * NS_PER_S)
#define DUMP_MAX_NS (150 * NS_PER_S) /* workers see to it sooner */
#define TRIAL_MAX_NS (60 * NS_PER_S) /* and here */
#define GIVEN_UP_NS (600 * NS_PER_S)
#define GIVEN_UP_MAX 6u /* doublings */

/* What goes wrong, and how often it may until the version is given up. Pauses double. */
enum setback { SETBACK_BUSY, SETBACK_MACHINE, SETBACK_INIT, SETBACK_TRIAL, SETBACK_HOOKS, SETBACK_UNSUPPORTED, SETBACKS };

static const struct {
	unsigned tries;
	uint64_t pause_ns;
	bool for_good;
	const char *says;
} setbacks[SETBACKS] = {
	[SETBACK_BUSY] = {5, 250 * NS_PER_MS, true, "is never at rest after its init: "},
	[SETBACK_MACHINE] = {4, 2 * NS_PER_S, false, "the image could not be taken: "},
	[SETBACK_INIT] = {2, 1 * NS_PER_S, false, "the environment that was started for the image failed: "},
	[SETBACK_TRIAL] = {3, 500 * NS_PER_MS, false, "an environment restored from the image did not work: "},
	[SETBACK_HOOKS] = {1, 0, false, "its after-restore hooks failed: "},
	[SETBACK_UNSUPPORTED] = {1, 0, true, ""},
};
_Static_assert(SETBACKS <= sizeof((struct snapshot_version *)0)->tries / sizeof(unsigned), "tries by setback");

/* ---- those who wait for a published version ---- */

void snapshot_tell(struct ev_defer *defer)
{
	struct snapshots *s = CONTAINER_OF(defer, struct snapshots, tell);
	struct list *link;
	while ((link = list_pop_front(&s->told))) {
		struct snapshot_publish *p = CONTAINER_OF(link, struct snapshot_publish, link);
		p->cb(p->arg, p->version, p->has_failure ? &p->failure : NULL, p->has_why ? &p->why : NULL);
		http_blob_release(&p->failure.answer);
		function_version_unref(p->version);
		free(p);
	}
}

static void tell_later(struct snapshots *s, struct snapshot_publish *p)
{
	list_push_back(&s->told, &p->link);
	ev_defer_run(s->deps.loop, &s->tell);
}

void snapshot_publish_done(struct snapshots *s, struct snapshot_version *sv, struct worker_failure *failure, const struct error *why)
{
	struct snapshot_publish *p = sv->publish;
	if (!p)
		return;
	sv->publish = NULL;
	p->has_failure = failure != NULL;
	if (failure) {
		p->failure = *failure;
		failure->answer = (struct http_blob){0};
	}
	p->has_why = why != NULL;
	if (why)
		p->why = *why;
	tell_later(s, p);
}

void snapshots_publish(struct snapshots *s, struct function_version *v, snapshots_published_cb *cb, void *arg)
{
	struct snapshot_publish *p = calloc(1, sizeof *p);
	ASSERT(p);
	*p = (struct snapshot_publish){.version = function_version_ref(v), .cb = cb, .arg = arg};
	list_init(&p->link);
	struct snapshot_version *sv = snapshot_version_need(s, v);
	if (!sv || sv->publish) {
		p->has_why = true;
		error_set(&p->why, ERR_BUSY, "an image of this version is being taken already");
		tell_later(s, p);
		return;
	}
	sv->publish = p;
	if (sv->image)
		snapshot_publish_done(s, sv, NULL, NULL);
	else if (sv->state == SNAP_NONE || sv->state == SNAP_UNUSABLE)
		snapshot_want(s, sv);
}

/* ---- the queue ---- */

void snapshot_want(struct snapshots *s, struct snapshot_version *sv)
{
	memset(sv->tries, 0, sizeof sv->tries);
	sv->not_before_ns = 0;
	snapshot_set_state(s, sv, SNAP_WANTED);
	ev_defer_run(s->deps.loop, &s->advance);
}

/* The first whose time has come, published ones before others; *next_ns: when else there is one. */
static struct snapshot_version *choose_next(const struct snapshots *s, uint64_t now_ns, uint64_t *next_ns)
{
	struct snapshot_version *first = NULL;
	*next_ns = UINT64_MAX;
	LIST_FOREACH(link, &s->queue) {
		struct snapshot_version *sv = CONTAINER_OF(link, struct snapshot_version, link);
		if (sv->not_before_ns > now_ns) {
			*next_ns = sv->not_before_ns < *next_ns ? sv->not_before_ns : *next_ns;
			continue;
		}
		if (sv->publish)
			return sv;
		first = first ? first : sv;
	}
	return first;
}

static void failed(struct snapshots *s, enum setback what, const char *text, struct worker_failure *failure);

static void begin(struct snapshots *s, struct snapshot_version *sv)
{
	uint8_t key[IPC_IMAGE_KEY];
	struct error err = {0};
	uint64_t wall_ms = (uint64_t)clock_wall_ms();
	s->last_renewal = wall_ms > s->last_renewal ? wall_ms : s->last_renewal + 1;
	s->job = sv;
	snapshot_set_state(s, sv, SNAP_TEMPLATE);
	if (worker_image_key(s->deps.fleet, sv->version, s->last_renewal, key, &err) < 0) {
		failed(s, SETBACK_MACHINE, err.msg, NULL);
		return;
	}
	sv->next = snapshot_image_new(s, key);
	if (!sv->next) {
		failed(s, SETBACK_MACHINE, "no memory", NULL);
		return;
	}
	sv->next->owner = sv;
	sv->next->renewal = s->last_renewal;
	sv->next->closed = snapshot_closes(sv->version);
	s->worker = worker_start_image(s->deps.fleet, sv->version, 0, WORKER_TEMPLATE, key);
	s->alive++;
}

void snapshot_advance(struct ev_defer *defer)
{
	struct snapshots *s = CONTAINER_OF(defer, struct snapshots, advance);
	uint64_t next_ns;
	if (s->job || s->alive)
		return;
	struct snapshot_version *sv = choose_next(s, clock_mono_ns(), &next_ns);
	if (sv)
		begin(s, sv);
	else if (next_ns != UINT64_MAX)
		ev_timer_at(s->deps.loop, &s->next_try, next_ns);
}

void snapshot_next_try(struct ev_timer *timer)
{
	struct snapshots *s = CONTAINER_OF(timer, struct snapshots, next_try);
	snapshot_advance(&s->advance);
}

/* ---- the end of a try ---- */

static void let_worker_go(struct snapshots *s)
{
	struct worker *w = s->worker;
	s->worker = NULL;
	ev_timer_stop(&s->step);
	if (w && w->state != WORKER_STARTING) /* that one is ended when it comes up */
		worker_stop(w, 0);
}

void snapshot_abandon(struct snapshots *s, struct snapshot_version *sv)
{
	if (s->job != sv)
		return;
	s->job = NULL;
	let_worker_go(s);
	if (sv->next)
		snapshot_image_drop(s, sv->next);
	sv->next = NULL;
	ev_defer_run(s->deps.loop, &s->advance);
}

void snapshot_give_up(struct snapshots *s, struct snapshot_version *sv, bool for_good)
{
	unsigned doublings = sv->given_up < GIVEN_UP_MAX ? sv->given_up : GIVEN_UP_MAX;
	uint64_t again_ns = clock_mono_ns() + (GIVEN_UP_NS << doublings);
	sv->given_up++;
	if (sv->image) {
		sv->not_before_ns = again_ns;
		snapshot_set_state(s, sv, SNAP_READY);
		snapshot_note(s, sv, "its image could not be renewed");
		return;
	}
	sv->retry_ns = for_good ? 0 : again_ns;
	snapshot_set_state(s, sv, SNAP_UNUSABLE);
	snapshot_note(s, sv, "starts plainly");
}

/* The try of the present job is over. `failure`: of the init of its template. */
static void failed(struct snapshots *s, enum setback what, const char *text, struct worker_failure *failure)
{
	struct snapshot_version *sv = s->job;
	ASSERT(sv);
	s->stats.not_taken++;
	snprintf(sv->reason, sizeof sv->reason, "%s%s", setbacks[what].says, text);
	snapshot_abandon(s, sv);
	bool told_now = sv->publish && (failure || what == SETBACK_TRIAL); /* who publishes does not wait for a function that hangs */
	unsigned tries = ++sv->tries[what];
	if (tries < setbacks[what].tries && !told_now) {
		sv->not_before_ns = clock_mono_ns() + (setbacks[what].pause_ns << (tries - 1));
		snapshot_set_state(s, sv, SNAP_WANTED);
		return;
	}
	struct error why;
	error_set(&why, ERR_UNSUPPORTED, "%.230s", sv->reason);
	snapshot_give_up(s, sv, setbacks[what].for_good);
	snapshot_publish_done(s, sv, failure, failure ? NULL : &why);
}

static void proved(struct snapshots *s)
{
	struct snapshot_version *sv = s->job;
	struct snapshot_image *image = STEAL_PTR(sv->next);
	s->job = NULL;
	s->worker = NULL; /* ends by itself */
	ev_timer_stop(&s->step);
	launcher_keep_image(s->deps.launcher, image->key);
	s->stats.taken++;
	sv->reason[0] = '\0';
	sv->given_up = 0;
	snapshot_use_image(s, sv, image);
	snapshot_image_record(s, sv, image);
	snapshot_publish_done(s, sv, NULL, NULL);
	ev_defer_run(s->deps.loop, &s->advance);
}

/* ---- what the workers tell ---- */

static bool is_current(struct snapshots *s, struct worker *w)
{
	return s->job && s->worker == w;
}

void snapshots_on_parked(struct snapshots *s, struct worker *w)
{
	if (!is_current(s, w)) {
		worker_stop(w, 0);
		return;
	}
	uint64_t settle_ns = SETTLE_NS << (2 * s->job->tries[SETBACK_BUSY]);
	s->asked = false;
	snapshot_set_state(s, s->job, SNAP_DUMP);
	ev_timer_after(s->deps.loop, &s->step, settle_ns < SETTLE_MAX_NS ? settle_ns : SETTLE_MAX_NS);
}

void snapshot_step(struct ev_timer *timer)
{
	struct snapshots *s = CONTAINER_OF(timer, struct snapshots, step);
	ASSERT(s->job && s->worker);
	if (s->job->state == SNAP_TRIAL) {
		failed(s, SETBACK_TRIAL, "it hung", NULL);
	} else if (s->asked) {
		failed(s, SETBACK_MACHINE, "it took too long", NULL);
	} else {
		s->asked = true;
		ev_timer_after(s->deps.loop, &s->step, DUMP_MAX_NS);
		worker_snapshot(s->worker, s->job->next->closed);
	}
}

static enum setback setback_of(uint32_t code, enum setback usual)
{
	static const struct {
		enum error_code code;
		enum setback what;
	} rows[] = {
		{ERR_UNSUPPORTED, SETBACK_UNSUPPORTED}, {ERR_TOO_LARGE, SETBACK_UNSUPPORTED}, {ERR_BUSY, SETBACK_BUSY},
		{ERR_THROTTLED, SETBACK_MACHINE},       {ERR_NO_MEMORY, SETBACK_MACHINE},     {ERR_DISK_FULL, SETBACK_MACHINE},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].code == code)
			return rows[i].what;
	}
	return usual;
}

void snapshots_on_snapshot(struct snapshots *s, struct worker *w, const struct ipc_snapshot_done *done)
{
	if (!is_current(s, w)) {
		if (done->code == ERR_OK)
			launcher_drop_image(s->deps.launcher, w->image);
		return;
	}
	if (done->code != ERR_OK) {
		char text[sizeof done->msg];
		snprintf(text, sizeof text, "%.*s", (int)sizeof done->msg, done->msg);
		s->worker = NULL; /* ends by itself */
		failed(s, setback_of(done->code, SETBACK_MACHINE), text, NULL);
		return;
	}
	struct snapshot_image *image = s->job->next;
	image->written = true;
	image->file_bytes = done->file_bytes;
	image->resident_bytes = done->resident_bytes;
	image->dump_ns = done->dump_ns;
	image->taken_wall_ms = (uint64_t)clock_wall_ms();
	image->park = (uint32_t)w->park;
	snapshot_set_state(s, s->job, SNAP_TRIAL);
	ev_timer_after(s->deps.loop, &s->step, TRIAL_MAX_NS);
	s->worker = worker_start_image(s->deps.fleet, s->job->version, 0, WORKER_TRIAL, image->key);
	s->alive++;
}

void snapshots_on_trial(struct snapshots *s, struct worker *w, const struct error *why)
{
	if (!is_current(s, w))
		return;
	if (!why && s->job->next->written) {
		proved(s);
		return;
	}
	s->worker = NULL; /* ends by itself */
	if (why)
		failed(s, setback_of(why->code, SETBACK_TRIAL), why->msg, NULL);
	else
		failed(s, SETBACK_MACHINE, "it was deleted during its trial", NULL);
}

/* "errorType: errorMessage" of what the runtime said, else what the platform saw. */
static void describe(const struct worker_failure *f, char *dst, size_t size)
{
	struct str type = STR("init"), message = STR("failed");
	struct str text = {f->answer.data, f->answer.len};
	CLEANUP_JSON json_t *said = text.p ? json_value_load_object(text, &(struct json_limits){.max_bytes = 1 << 20}, NULL) : NULL;
	if (said) {
		json_value_str(said, "errorType", &type, NULL);
		json_value_str(said, "errorMessage", &message, NULL);
		snprintf(dst, size, "%.60s: %.180s", type.n ? type.p : "", message.n ? message.p : "");
	} else if (f->has_fault) {
		snprintf(dst, size, "%s: %s", f->fault.type, f->fault.reason);
	} else {
		snprintf(dst, size, "%s", f->refusal.code ? f->refusal.msg : "it ended");
	}
}

void snapshots_on_dead(struct snapshots *s, struct worker *w, struct worker_failure *failure)
{
	ASSERT(s->alive > 0);
	s->alive--;
	ev_defer_run(s->deps.loop, &s->advance);
	if (!is_current(s, w))
		return;
	char text[SNAPSHOT_REASON_SIZE];
	s->worker = NULL;
	describe(failure, text, sizeof text);
	bool said = failure->answer.data || failure->has_fault;
	if (w->kind == WORKER_TRIAL)
		failed(s, failure->answer.data ? SETBACK_HOOKS : setback_of(failure->refusal.code, SETBACK_TRIAL), text, NULL);
	else if (said)
		failed(s, SETBACK_INIT, text, failure);
	else
		failed(s, setback_of(failure->refusal.code, SETBACK_MACHINE), text, NULL);
}
