/* Private to control/snapshot.
 *
 *   snapshot.c  versions in service: whether to restore, what came of it      state.c   the state machine
 *   take.c      taking images: queue, template, dump, trial, trying again     keep.c    images that outlive the server, and whose they are
 *   report.c    JSON
 *
 * An image belongs to one version (its `image`, or `next` while it is being taken), or is loose until it is matched or dropped. */
#ifndef MAYFLY_SNAPSHOT_SNAPSHOT_PRIV_H
#define MAYFLY_SNAPSHOT_SNAPSHOT_PRIV_H

#include "control/snapshot/snapshot.h"
#include "core/base/hash.h"
#include "core/base/list.h"
#include "core/ev/ev.h"

enum snapshot_state {
	SNAP_NONE,
	SNAP_WANTED,   /* in the queue */
	SNAP_TEMPLATE, /* an environment is being started for it */
	SNAP_DUMP,     /* it waits: settling, or the image is being written */
	SNAP_TRIAL,
	SNAP_READY,
	SNAP_UNUSABLE,
	SNAP_STATES
};

#define SNAPSHOT_REASON_SIZE 300
#define SNAPSHOT_SAMPLES 512u /* restores that median and p99 are of */

struct snapshot_version;

struct snapshot_image {
	struct hash_node by_key;
	struct snapshot_version *owner; /* NULL: loose */
	uint8_t key[IPC_IMAGE_KEY];
	uint64_t renewal;            /* part of the key: makes each image's another one */
	uint64_t file_bytes, resident_bytes, dump_ns, taken_wall_ms;
	uint32_t park;               /* enum ipc_park */
	bool closed;                 /* connections that it had are closed ones in it: only for who allows that */
	bool written;                /* mayflyd has it */
	/* Until it belongs to a version: */
	struct list loose;
	bool recorded;               /* name, version and renewal are known */
	char *name, *version;
};

/* Somebody waits for a published version; told from the loop. */
struct snapshot_publish {
	struct list link; /* in snapshots.told */
	struct function_version *version;
	snapshots_published_cb *cb;
	void *arg;
	bool has_failure, has_why;
	struct worker_failure failure;
	struct error why;
};

struct snapshot_version {
	struct hash_node by_id;
	struct function_version *version;
	enum snapshot_state state;
	struct list link;               /* WANTED: in snapshots.queue */
	struct snapshot_image *image;   /* proved, in use; also while `next` is being taken */
	struct snapshot_image *next;
	struct snapshot_publish *publish;

	/* Taking one. */
	unsigned tries[6];              /* by enum setback, since it was wanted */
	uint64_t not_before_ns;         /* WANTED: its next try; NONE: not wanted before; READY: not renewed before */
	uint64_t retry_ns;              /* UNUSABLE: wanted again by a success after this; 0: never */
	unsigned given_up, gone;        /* how often, for longer and longer pauses */
	char reason[SNAPSHOT_REASON_SIZE]; /* why there is none, or what went wrong last; "" */

	/* In service. */
	uint64_t restores, image_restores, failed; /* image_restores: of this image */
	unsigned failed_in_row, died_in_row;
	uint64_t suspect_since_ns, plain_until_ns;
	bool comparing;                 /* restored ones died: what does a plain one do? */
	char died[160];                 /* how, the last one */
	uint32_t *samples_us;           /* ring of the latest restores */
	unsigned sample_count;
};

struct snapshots {
	struct snapshots_deps deps;
	struct hash versions, images;
	struct list queue, loose, told;
	struct snapshot_version *job;   /* the one whose image is being taken */
	struct worker *worker;          /* its TEMPLATE or TRIAL; NULL between them */
	unsigned alive;                 /* nobody's workers, those that are given up included */
	uint64_t last_renewal;
	struct snapshots_stats stats; /* what is counted, not what is there */
	bool loading, loaded, closed;
	bool asked;                     /* DUMP: for the image; else its template still settles */
	struct ev_timer next_try, step, tidy;
	struct ev_defer advance, match, tell;
};

/* state.c: the only place that changes a state; asserts the edge, moves the version into the queue or out of it. */
void snapshot_set_state(struct snapshots *s, struct snapshot_version *sv, enum snapshot_state state);
const char *snapshot_state_name(enum snapshot_state state);

/* snapshot.c */
struct snapshot_version *snapshot_version_find(const struct snapshots *s, uint64_t version_id);
struct snapshot_version *snapshot_version_need(struct snapshots *s, struct function_version *v); /* NULL: no memory */
void snapshot_use_image(struct snapshots *s, struct snapshot_version *sv, struct snapshot_image *image); /* takes it over; state READY */
bool snapshot_allowed(const struct function_version *v);
bool snapshot_closes(const struct function_version *v); /* connections: else they make it unusable */
void snapshot_note(struct snapshots *s, const struct snapshot_version *sv, const char *what);

/* take.c */
void snapshot_want(struct snapshots *s, struct snapshot_version *sv); /* from NONE, READY (renewal), UNUSABLE */
/* Lets go of what is under way for it, if anything; the state stays to be set. */
void snapshot_abandon(struct snapshots *s, struct snapshot_version *sv);
/* For sv->reason: UNUSABLE, or back to READY with the image it has. */
void snapshot_give_up(struct snapshots *s, struct snapshot_version *sv, bool for_good);
void snapshot_advance(struct ev_defer *defer);
void snapshot_next_try(struct ev_timer *timer);
void snapshot_step(struct ev_timer *timer);
void snapshot_tell(struct ev_defer *defer);
/* The one who waits for it, if any, is told in the next round. */
void snapshot_publish_done(struct snapshots *s, struct snapshot_version *sv, struct worker_failure *failure, const struct error *why);

/* keep.c */
struct snapshot_image *snapshot_image_new(struct snapshots *s, const uint8_t key[IPC_IMAGE_KEY]); /* in s->images; NULL: no memory */
void snapshot_image_free(struct snapshots *s, struct snapshot_image *image);
/* Forgets it, and has mayflyd delete it. */
void snapshot_image_drop(struct snapshots *s, struct snapshot_image *image);
void snapshot_image_record(struct snapshots *s, const struct snapshot_version *sv, const struct snapshot_image *image);
/* Its version is gone: the next round looks for one that would have the same image. */
void snapshot_image_loosen(struct snapshots *s, struct snapshot_version *sv);
void snapshot_match(struct ev_defer *defer);
void snapshot_tidy(struct ev_timer *timer);
void snapshot_watch_images(struct snapshots *s);

#endif
