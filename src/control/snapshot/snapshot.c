#include "control/snapshot/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/snapshot/snapshot_priv.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"

/* How long a version starts plainly after a restore that failed; four times that after each further one in a row. */
#define SUSPECT_NS (250 * NS_PER_MS)

static struct str id_key(const uint64_t *id)
{
	return (struct str){(const char *)id, sizeof *id};
}

/* ---- versions ---- */

struct snapshot_version *snapshot_version_find(const struct snapshots *s, uint64_t version_id)
{
	return HASH_ENTRY(hash_get(&s->versions, id_key(&version_id)), struct snapshot_version, by_id);
}

struct snapshot_version *snapshot_version_need(struct snapshots *s, struct function_version *v)
{
	struct snapshot_version *sv = snapshot_version_find(s, v->id);
	if (sv)
		return sv;
	sv = calloc(1, sizeof *sv);
	if (!sv)
		return NULL;
	sv->version = v;
	list_init(&sv->link);
	if (hash_put(&s->versions, &sv->by_id, id_key(&v->id)) < 0) {
		free(sv);
		return NULL;
	}
	function_version_ref(v);
	return sv;
}

static void free_version(struct snapshots *s, struct snapshot_version *sv)
{
	hash_remove(&s->versions, &sv->by_id);
	list_remove(&sv->link);
	function_version_unref(sv->version);
	free(sv->samples_us);
	free(sv);
}

void snapshot_note(struct snapshots *s, const struct snapshot_version *sv, const char *what)
{
	char line[512];
	if (!s->deps.note)
		return;
	snprintf(line, sizeof line, "%s:%s %s%s%s", sv->version->name, sv->version->version, what, *sv->reason ? ": " : "", sv->reason);
	s->deps.note(s->deps.note_arg, line);
}

/* What was held against the image before it does not count for this one. */
void snapshot_use_image(struct snapshots *s, struct snapshot_version *sv, struct snapshot_image *image)
{
	char what[100];
	if (sv->image)
		snapshot_image_drop(s, sv->image);
	sv->image = image;
	image->owner = sv;
	sv->image_restores = 0;
	sv->failed_in_row = sv->died_in_row = 0;
	sv->plain_until_ns = sv->not_before_ns = 0;
	sv->comparing = false;
	snapshot_set_state(s, sv, SNAP_READY);
	snprintf(what, sizeof what, "starts from an image of %.1f MB", (double)image->file_bytes / 1048576);
	snapshot_note(s, sv, what);
}

/* SnapStart is asked for by name: it wins. */
bool snapshot_allowed(const struct function_version *v)
{
	return v->snapshot != SNAPSHOT_OFF || v->snap_start;
}

/* SnapStart's functions expect connections to be dead after a restore, as on AWS. */
bool snapshot_closes(const struct function_version *v)
{
	return v->snapshot == SNAPSHOT_ALWAYS || v->snap_start;
}

/* ---- before and after a start ---- */

bool snapshots_choose(struct snapshots *s, struct function_version *v, uint8_t key[IPC_IMAGE_KEY])
{
	struct snapshot_version *sv = snapshot_version_need(s, v);
	if (!sv || !sv->image || sv->comparing)
		return false;
	if (sv->plain_until_ns && clock_mono_ns() < sv->plain_until_ns)
		return false;
	memcpy(key, sv->image->key, IPC_IMAGE_KEY);
	return true;
}

/* The version whose image in use this environment was restored from. */
static struct snapshot_version *restored_of(const struct snapshots *s, const struct worker *w)
{
	struct snapshot_version *sv = snapshot_version_find(s, w->version->id);
	return sv && sv->image && memcmp(sv->image->key, w->image, IPC_IMAGE_KEY) == 0 ? sv : NULL;
}

static void add_sample(struct snapshot_version *sv, uint64_t ns)
{
	uint64_t us = ns / 1000;
	if (!sv->samples_us)
		sv->samples_us = calloc(SNAPSHOT_SAMPLES, sizeof *sv->samples_us);
	if (sv->samples_us)
		sv->samples_us[sv->sample_count++ % SNAPSHOT_SAMPLES] = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

void snapshots_restored(struct snapshots *s, const struct worker *w)
{
	struct snapshot_version *sv = restored_of(s, w);
	uint64_t most = s->deps.settings->snapshot_renew_restores;
	s->stats.restores++;
	if (!sv)
		return;
	sv->restores++;
	sv->image_restores++;
	add_sample(sv, w->init_ns - w->asked_ns);
	if (w->asked_ns > sv->suspect_since_ns) {
		sv->failed_in_row = 0;
		sv->plain_until_ns = 0;
	}
	if (most && sv->image_restores >= most && sv->state == SNAP_READY && sv->not_before_ns <= w->init_ns)
		snapshot_want(s, sv);
}

/* Of the image in use, for sv->reason. A new one that is under way goes on. */
static void spoil(struct snapshots *s, struct snapshot_version *sv, bool for_good)
{
	snapshot_image_drop(s, STEAL_PTR(sv->image));
	if (sv->state == SNAP_READY)
		snapshot_give_up(s, sv, for_good);
}

/* Those that were under way when suspicion fell on the image tell nothing new. */
void snapshots_failed(struct snapshots *s, const struct worker *w, const struct worker_failure *failure)
{
	struct snapshot_version *sv = restored_of(s, w);
	s->stats.restores_failed++;
	if (!sv)
		return;
	sv->failed++;
	if (w->asked_ns <= sv->suspect_since_ns)
		return;
	uint64_t now_ns = clock_mono_ns();
	sv->failed_in_row++;
	sv->suspect_since_ns = now_ns;
	sv->plain_until_ns = now_ns + (SUSPECT_NS << (2 * sv->failed_in_row - 2));
	const char *why = failure->has_fault ? failure->fault.reason : "it ended";
	snprintf(sv->reason, sizeof sv->reason, "a restore failed: %s", failure->refusal.code ? failure->refusal.msg : why);
	snapshot_note(s, sv, "starts plainly for a moment");
	if (sv->failed_in_row >= SNAPSHOT_FAILURES_MAX)
		spoil(s, sv, false);
}

/* ---- after an invocation ---- */

static bool died(const struct invocation *inv)
{
	return inv->outcome == INVOKE_FUNCTION_ERROR && (inv->failure == FAILURE_EXIT || inv->failure == FAILURE_TIMEOUT);
}

/* {"errorType":...,"errorMessage":"RequestId: ... Error: Runtime exited with ..."}: what stands after "Error: ". */
static void keep_death(struct snapshot_version *sv, const struct invocation *inv)
{
	static const char mark[] = "Error: ";
	const char *end = inv->answer.data ? inv->answer.data + inv->answer.len : NULL;
	const char *p = end ? memmem(inv->answer.data, inv->answer.len, mark, sizeof mark - 1) : NULL;
	size_t n = 0;
	for (p = p ? p + sizeof mark - 1 : end; p < end && *p != '"' && n + 1 < sizeof sv->died; p++)
		sv->died[n++] = *p;
	sv->died[n] = '\0';
}

static void compare(struct snapshots *s, struct snapshot_version *sv, const struct worker *w, const struct invocation *inv)
{
	if (w->kind == WORKER_PLAIN && sv->comparing && sv->image) {
		sv->comparing = false;
		sv->died_in_row = 0;
		if (died(inv))
			return; /* the function does that by itself */
		snprintf(sv->reason, sizeof sv->reason, "restored environments crash or hang: %s", sv->died);
		spoil(s, sv, true);
	} else if (w->kind == WORKER_RESTORED && restored_of(s, w)) {
		sv->died_in_row = died(inv) ? sv->died_in_row + 1 : 0;
		if (!sv->died_in_row)
			return;
		keep_death(sv, inv);
		sv->comparing = sv->comparing || sv->died_in_row >= SNAPSHOT_FAILURES_MAX;
	}
}

static void consider(struct snapshots *s, struct snapshot_version *sv)
{
	uint64_t now_ns = clock_mono_ns();
	if (!snapshot_allowed(sv->version))
		return;
	if (sv->state == SNAP_NONE ? sv->not_before_ns <= now_ns : sv->state == SNAP_UNUSABLE && sv->retry_ns && sv->retry_ns <= now_ns)
		snapshot_want(s, sv);
}

void snapshots_finished(struct snapshots *s, const struct worker *w, const struct invocation *inv)
{
	if (!inv->cold && w->kind != WORKER_PLAIN)
		return;
	struct snapshot_version *sv = snapshot_version_find(s, w->version->id);
	if (!sv)
		return;
	if (inv->cold)
		compare(s, sv, w, inv);
	if (w->kind == WORKER_PLAIN && inv->outcome == INVOKE_ANSWERED)
		consider(s, sv);
}

void snapshots_drop_version(struct snapshots *s, uint64_t version_id)
{
	struct snapshot_version *sv = snapshot_version_find(s, version_id);
	if (!sv)
		return;
	struct error why;
	error_set(&why, ERR_CLOSED, "the version was deleted");
	snapshot_abandon(s, sv);
	snapshot_publish_done(s, sv, NULL, &why);
	snapshot_image_loosen(s, sv);
	free_version(s, sv);
}

/* ---- life ---- */

struct snapshots *snapshots_new(const struct snapshots_deps *deps, struct error *err)
{
	struct snapshots *s = calloc(1, sizeof *s);
	if (!s) {
		error_set(err, ERR_NO_MEMORY, "no memory for images");
		return NULL;
	}
	s->deps = *deps;
	hash_init(&s->versions);
	hash_init(&s->images);
	list_init(&s->queue);
	list_init(&s->loose);
	list_init(&s->told);
	s->next_try.cb = snapshot_next_try;
	s->step.cb = snapshot_step;
	s->tidy.cb = snapshot_tidy;
	ev_defer_init(&s->advance, snapshot_advance);
	ev_defer_init(&s->match, snapshot_match);
	ev_defer_init(&s->tell, snapshot_tell);
	snapshot_watch_images(s);
	return s;
}

static void free_publish(struct snapshot_publish *p)
{
	http_blob_release(&p->failure.answer);
	function_version_unref(p->version);
	free(p);
}

void snapshots_free(struct snapshots *s)
{
	if (!s)
		return;
	struct list *link;
	s->closed = true;
	ev_timer_stop(&s->next_try);
	ev_timer_stop(&s->step);
	ev_timer_stop(&s->tidy);
	ev_defer_cancel(&s->advance);
	ev_defer_cancel(&s->match);
	ev_defer_cancel(&s->tell);
	while ((link = list_pop_front(&s->told)))
		free_publish(CONTAINER_OF(link, struct snapshot_publish, link));
	HASH_FOREACH(node, &s->versions) {
		struct snapshot_version *sv = HASH_ENTRY(node, struct snapshot_version, by_id);
		if (sv->publish)
			free_publish(sv->publish);
		free_version(s, sv);
	}
	HASH_FOREACH(node, &s->images)
		snapshot_image_free(s, HASH_ENTRY(node, struct snapshot_image, by_key));
	hash_release(&s->versions);
	hash_release(&s->images);
	free(s);
}
