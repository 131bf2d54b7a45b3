/* Which versions have an image, and what is being done about those that have none.
 *
 *   none -> wanted -> template (an environment that never gets an event) -> dump -> trial -> ready
 *                          \_________________\______________\__-> unusable, with the reason: plain starts
 *
 * One image is taken at a time, in the order of wanting; published SnapStart versions first. `invoke` asks snapshots_choose
 * before each start, tells what came of it, and passes on the events of workers whose sched_env is 0 (at most
 * LIMIT_IMAGE_ENVIRONMENTS at a time, which do not count as environments).
 *
 * What goes wrong: a tree that was not at rest, a fault of the machine and a trial that fails are tried again, a few times; what
 * cannot be restored makes the version unusable at once. A restore that fails in service makes the version start plainly for a
 * while (longer each time), so that the invocation it was for is served; after SNAPSHOT_FAILURES_MAX in a row, or when as many
 * first invocations of restored environments ended by a crash or a timeout and one of a plain environment went well, the image
 * is unusable. What is unusable for another reason than the function itself is tried again after a longer time.
 *
 * Images outlive the server: mayflyd says which it found, and "image/<key>" in the store whose they are. Those that are of no
 * version any more are dropped; so are those of a replaced version, unless the new one would give the same image. A record whose
 * image is gone (another kernel, say) makes a SnapStart version have a new one taken; others get it at their next success.
 *
 * The image of a version may be renewed (settings snapshot-renew-*): the old one serves until the new one is proved.
 * Versions are held by reference. All on the control loop; only the hooks for workers are called from within others' calls. */
#ifndef MAYFLY_SNAPSHOT_SNAPSHOT_H
#define MAYFLY_SNAPSHOT_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "control/function/version.h"
#include "control/worker/worker.h"
#include "core/base/buf.h"
#include "core/spec/limits.h"
#include "core/store/kv.h"

#define SNAPSHOT_FAILURES_MAX 3u

struct snapshots;

struct snapshots_deps {
	struct ev_loop *loop;
	struct fleet *fleet;
	struct launcher *launcher;
	struct kv *kv; /* NULL: images do not outlive this process (tests) */
	const struct settings *settings;
	/* What name:version runs now, borrowed; NULL when there is none, or not yet. */
	struct function_version *(*resolve)(void *arg, struct str name, struct str version);
	void *resolve_arg;
	/* A line for the program's log; may be NULL. */
	void (*note)(void *arg, const char *line);
	void *note_arg;
};

/* Since the start, but for the first three: what is there now. */
struct snapshots_stats {
	uint64_t images, file_bytes, resident_bytes; /* ready to restore from */
	uint64_t taken, not_taken; /* images; attempts that gave none */
	uint64_t restores, restores_failed;
};

struct snapshots *snapshots_new(const struct snapshots_deps *deps, struct error *err);
void snapshots_free(struct snapshots *s); /* after the store is closed; NULL is fine */
/* Once, when `resolve` can be asked: matches images to versions. */
void snapshots_load(struct snapshots *s);

/* ---- of versions in service ---- */

/* Fills key when the next environment of this version is to be restored. */
bool snapshots_choose(struct snapshots *s, struct function_version *v, uint8_t key[IPC_IMAGE_KEY]);
/* An invocation is over: the first success of a plain environment makes an image wanted; `inv->cold` ones are compared. */
void snapshots_finished(struct snapshots *s, const struct worker *w, const struct invocation *inv);
/* A restored environment is ready; or it was not, and why. */
void snapshots_restored(struct snapshots *s, const struct worker *w);
void snapshots_failed(struct snapshots *s, const struct worker *w, const struct worker_failure *failure);
/* No invocation of this version will come again: its image goes. */
void snapshots_drop_version(struct snapshots *s, uint64_t version_id);

/* SnapStart: takes the image now; cb comes once, later, from the loop. `failure`: init failed, or the runtime said so (its answer may be
 * taken); else `why`: no image, plain starts have to do; both NULL: ready. A version that is dropped meanwhile is told with `why`. */
typedef void snapshots_published_cb(void *arg, struct function_version *v, const struct worker_failure *failure, const struct error *why);
void snapshots_publish(struct snapshots *s, struct function_version *v, snapshots_published_cb *cb, void *arg);

/* ---- events of workers that are nobody's (kind TEMPLATE, TRIAL) ---- */

void snapshots_on_parked(struct snapshots *s, struct worker *w);
void snapshots_on_snapshot(struct snapshots *s, struct worker *w, const struct ipc_snapshot_done *done);
void snapshots_on_trial(struct snapshots *s, struct worker *w, const struct error *why);
void snapshots_on_dead(struct snapshots *s, struct worker *w, struct worker_failure *failure);

void snapshots_get_stats(const struct snapshots *s, struct snapshots_stats *out);
/* JSON for `mayfly info` and `mayfly images` (GET /_mayfly/snapshots):
 *
 *   {"default": "auto",                 (mode of functions that do not choose)
 *    "images": 2, "file_bytes": 31457280, "resident_bytes": 18874368, "wanted": 1,
 *    "versions": [{"function": "f", "version": "$LATEST", "mode": "auto"|"always"|"off", "snap_start": false, "single_use": false,
 *      "state": "none"|"wanted"|"template"|"dump"|"trial"|"ready"|"unusable",
 *      "reason": "holds a connection to 10.0.0.5:5432 that was opened during init",   (why there is none, or what went wrong last;
 *                                                                                     absent when nothing did)
 *      "retry_ms": 1795440000000,          (wall clock: not tried again before; absent when it is not, or any time)
 *      "plain_until_ms": 1795440000000,    (an image is there, but starts are plain until then: restores failed)
 *      "image": {"key": "<64 hex>", "taken_ms": 1795440000000, "file_bytes": n, "resident_bytes": n, "dump_ms": 21.4,
 *                "park": "invocation"|"restore"},                                    (absent without one)
 *      "restores": 1234, "failed_restores": 0, (of this server's life)
 *      "restore_ms": {"median": 1.9, "p99": 5.8} (from order to readiness, of the latest 512; absent when there were none)
 *    }]}
 *
 * "versions" are those that were invoked, published with SnapStart or found with an image in this server's life, in any order. An
 * image is there, and used, whenever "image" is, also while it is being renewed ("state" then is what the new one is in). */
void snapshots_report(struct snapshots *s, struct buf *out);

#endif
