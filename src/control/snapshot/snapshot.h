/* Which versions have an image, and what is being done about those that have none.
 *
 *   none -> wanted -> template (an environment that never gets an event) -> dump -> trial -> ready
 *                          \_________________\______________\__-> unusable, with the reason: plain starts
 *
 * One template or trial at a time, in the order of wanting; published SnapStart versions first. `invoke` asks snapshots_choose
 * before each start, tells what came of it, and passes on the events of workers whose sched_env is 0. Images found at start
 * (mayflyd's) are matched by key; those of functions that are gone are dropped. All on the control loop. */
#ifndef MAYFLY_SNAPSHOT_SNAPSHOT_H
#define MAYFLY_SNAPSHOT_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "control/function/version.h"
#include "control/worker/worker.h"
#include "core/base/buf.h"
#include "core/store/kv.h"

struct snapshots;
struct metrics;

struct snapshots_deps {
	struct ev_loop *loop;
	struct fleet *fleet;
	struct launcher *launcher;
	struct kv *kv; /* "image/<key>": whose it is */
	const struct settings *settings;
	struct metrics *metrics;
};

struct snapshots *snapshots_new(const struct snapshots_deps *deps, struct error *err);
void snapshots_free(struct snapshots *s);

/* Fills key when the next environment of this version is to be restored. */
bool snapshots_choose(struct snapshots *s, struct function_version *v, uint8_t key[IPC_IMAGE_KEY]);
/* An invocation of a plainly started environment of v succeeded: an image is wanted now (auto). */
void snapshots_succeeded(struct snapshots *s, struct function_version *v);
/* A restored environment is ready, after so long; or it was not, and why: too many of those make the image unusable. */
void snapshots_restored(struct snapshots *s, const struct worker *w);
void snapshots_failed(struct snapshots *s, const struct worker *w, const struct error *why);
/* No invocation of this version will come again: its image goes. */
void snapshots_drop_version(struct snapshots *s, uint64_t version_id);

/* SnapStart: takes the image now; cb comes once, later: why NULL when it is ready (or a plain start has to do: see report). */
typedef void snapshots_published_cb(void *arg, struct function_version *v, const struct worker_failure *failure, const struct error *why);
void snapshots_publish(struct snapshots *s, struct function_version *v, snapshots_published_cb *cb, void *arg);

/* Events of workers that are nobody's (kind TEMPLATE, TRIAL). */
void snapshots_on_parked(struct snapshots *s, struct worker *w);
void snapshots_on_snapshot(struct snapshots *s, struct worker *w, const struct ipc_snapshot_done *done);
void snapshots_on_trial(struct snapshots *s, struct worker *w, const struct error *why);
void snapshots_on_dead(struct snapshots *s, struct worker *w, struct worker_failure *failure);

/* JSON: every version with its state, reason, size, times, restores, median and p99. For `mayfly info` and `mayfly images`. */
void snapshots_report(struct snapshots *s, struct buf *out);

#endif
