/* Private to the mappings: their objects, and who does what with them.
 *
 * mapping.c: the table and its reading calls. mapping_record.c: what a mapping is made of, checked. mapping_change.c: changes and states.
 * mapping_poll.c: receiving and cutting batches. mapping_run.c: a batch's invocation and what follows from it.
 *
 * A mapping leaves the table when it is deleted; its memory goes when it has neither batches nor changes any more. */
#ifndef MAYFLY_EVENTS_MAPPING_PRIV_H
#define MAYFLY_EVENTS_MAPPING_PRIV_H

#include "control/events/mapping.h"
#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/base/rand.h"
#include "core/match/match.h"
#include "core/spec/settings.h"

#define MAPPING_PREFIX "mapping/"
#define MAPPING_FILTERS_MAX 10u
#define MAPPING_RESULT_MAX 240
#define MAPPING_BATCH_DEFAULT 10u
#define MAPPING_FIFO_BATCH_MAX 10u
#define MAPPING_LIMIT_FIRST 5u   /* batches in flight at first */
#define MAPPING_LIMIT_STEP 5u    /* more of them each second */
#define MAPPING_LIMIT_MAX 1000u
#define MAPPING_BATCHES_PER_POLLER 10u /* with ProvisionedPollerConfig */
#define MAPPING_BYTES_MAX (64u << 20)  /* messages in memory, of all mappings: beyond it each has one batch at a time */

enum mapping_state { MAPPING_CREATING, MAPPING_ENABLED, MAPPING_DISABLED, MAPPING_ENABLING, MAPPING_DISABLING, MAPPING_UPDATING,
                     MAPPING_DELETING, MAPPING_STATES };

/* What a record says, as the poller needs it. */
struct mapping_config {
	char *arn, *function;    /* of the source; of the function, qualified as it was named */
	struct function_ref ref; /* views into `function` */
	const struct source_row *source;
	unsigned batch_size, window_s;
	unsigned limit_first, limit_max;
	bool enabled, partial;   /* partial: ReportBatchItemFailures */
	struct match *filters[MAPPING_FILTERS_MAX];
	size_t filter_count;
};

struct mapping_poller {
	bool running;
	struct source_receiving *receiving;
	struct list held; /* struct source_message: the batch that fills */
	unsigned held_count;
	size_t held_bytes;
	bool due;         /* what is held waits for room only */
	bool ordered;     /* the source, when it was asked last */
	bool rest;        /* ordered, and what is held came with messages that are being invoked: it waits for their end */
	struct ev_timer window, pause, growth;
	struct ev_defer go;
	struct list starved; /* of mappings.starved, or alone */
	struct list batches; /* struct mapping_batch */
	unsigned in_flight, limit, peak, seconds;
	bool blocked;        /* the limit stood in the way since the last look at it */
};

struct mapping {
	struct hash_node by_uuid;
	struct mappings *all;
	char uuid[UUID_SIZE];
	json_t *record; /* as stored */
	struct mapping_config config;
	enum mapping_state state;
	bool stored;    /* it was durable once */
	bool deleted;   /* durably: it goes when it is settled and its batches are over */
	bool gone;      /* out of the table */
	char result[MAPPING_RESULT_MAX]; /* LastProcessingResult; "": none */
	struct ev_timer settle;
	struct list changes; /* struct mapping_change, the first at work */
	struct mapping_poller poll;
};

struct mappings {
	struct mappings_deps deps;
	struct hash by_uuid;
	struct list starved, refused; /* refused: changes that fail at once, before their callbacks */
	size_t held_bytes;            /* of all messages in memory */
	uint64_t second_ns;           /* of throttles, pauses and growth: a second, times --retry-scale */
	struct buf scratch;           /* records for filters */
	unsigned giving;              /* calls of sources that are not over: messages deleted, buried, made visible */
	void (*on_idle)(void *arg);
	void *idle_arg;
	bool draining, closing;
	struct mappings_counts totals; /* of batches and messages */
	mappings_ready_cb *ready;
	void *ready_arg;
	char after[sizeof MAPPING_PREFIX + UUID_SIZE]; /* loading: the last key that was read */
};

/* ---- mapping.c ---- */
struct mapping *mapping_find(const struct mappings *all, struct str uuid); /* stored ones only */
struct mapping *mapping_new(struct mappings *all, struct str uuid, struct error *err); /* in the table */
void mapping_free_unused(struct mapping *m); /* when it is gone and nothing needs it */
json_t *mapping_view(const struct mapping *m); /* new reference: as the API shows it */
int mapping_not_found(struct error *err);

void mapping_tell_idle(struct mappings *all);

/* ---- mapping_record.c ---- */
/* Record out of a request, and out of what there was (`now` NULL: a new one); new reference, or NULL: AWS's error. */
json_t *mapping_record(struct mappings *all, const json_t *now, struct str uuid, const json_t *request, struct error *err);
/* Reads a record that was checked once. */
int mapping_config_read(struct mappings *all, const json_t *record, struct mapping_config *out, struct error *err);
/* What depends on others: source, function, and that there is no other such mapping but `self`. */
int mapping_config_check(struct mappings *all, const struct mapping_config *c, const struct mapping *self, struct error *err);
void mapping_config_release(struct mapping_config *c);
void mapping_stamp(json_t *record);
/* "name" or "name:alias" out of what a client wrote, as the qualified ARN; malloc'd. */
char *mapping_function_arn(struct mappings *all, struct str text, struct error *err);

/* ---- mapping_change.c ---- */
void mapping_set_state(struct mapping *m, enum mapping_state state);
const char *mapping_state_name(enum mapping_state state);
void mapping_changes_release(struct mappings *all); /* at the end: those whose turn never came */
void mapping_batch_over(struct mapping *m); /* a deletion may wait for it */

/* ---- mapping_poll.c ---- */
void mapping_poll_init(struct mapping *m);
void mapping_poll_start(struct mapping *m);
void mapping_poll_stop(struct mapping *m);    /* gives back what is held; batches that run go on */
void mapping_poll_release(struct mapping *m); /* at the end */
void mapping_poll_go(struct mapping *m);      /* whatever can be done now */
void mapping_poll_pause(struct mapping *m, const char *why); /* a second or so; `why` becomes the mapping's result */
void mapping_poll_throttled(struct mapping *m);
void mapping_poll_ended(struct mapping *m, size_t bytes); /* one batch less */
void mapping_count(struct mapping *m, unsigned label, uint64_t n); /* enum metric_message */

/* ---- mapping_run.c ---- */
enum mapping_way { WAY_REMOVE, WAY_BURY, WAY_LEAVE, WAY_RETURN }; /* LEAVE: to their visibility; RETURN: visible at once */
void mapping_hand_back(struct mapping *m, struct list *messages, enum mapping_way way); /* takes them; until the source has done it the mappings are busy */
/* Takes the messages (n of them) and sees to their end. */
void mapping_run(struct mapping *m, struct list *messages, unsigned n, size_t bytes);
void mapping_run_stop(struct mapping *m);    /* batches that wait to be tried again are given back */
void mapping_run_release(struct mapping *m); /* at the end, after the sources were closed */

#endif
