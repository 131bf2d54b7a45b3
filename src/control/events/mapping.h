/* Event source mappings: their records, their states, and the pollers that run them.
 *
 * kv "mapping/UUID": {"Format":1, and the mapping as the API shows it, without State}. A mapping outlives its function and its source, as on
 * AWS: then it stands there with LastProcessingResult "PROBLEM: ...".
 *
 * States: Creating -> Enabled | Disabled (Enabling, Disabling between), Updating, Deleting; a change shows its state for --settle-ms, then the poller
 * has it. Deleting waits for the batches that are being invoked.
 *
 * The poller of an SQS mapping. One waiting receive at a time; a batch is full (BatchSize, 6 MiB of records), or its window is over, or (window 0) has what
 * a receive gave. Without a window a receive asks for as much as all batches that may begin take, since each costs a commit; of a FIFO queue for one batch,
 * and what does not fit in that one waits for its end. Messages that no filter pattern fits are deleted at once, before the batch. Batches in
 * flight: up to 5 at first, 5 more each second while the limit stands in the way (300 a minute), to 1,000 or MaximumConcurrency (10 for each of
 * ProvisionedPollerConfig's pollers); back to what was used after a minute; halved when throttled. FIFO sources: one batch for each group at a time is
 * what the queue itself sees to. Messages of all mappings in memory: 64 MiB, beyond that one batch each.
 * The batch's invocation: success deletes, minus batchItemFailures (of FIFO: the failed and all later ones of their groups are left);
 * a function error, a bad response or a timeout leaves all to their visibility; throttles and failures of the platform make the batch
 * wait in memory (1 s doubling, times --retry-scale, at most a third of the visibility), then it is left. Recursion stopped: buried in the source's dead-letter queue.
 * Trace header of the batch: the first message's, with its lineage, or that of a message whose lineage has this function more often.
 *
 * Function timeout > visibility is refused when it is made and updated, with AWS's text. One loop. */
#ifndef MAYFLY_EVENTS_MAPPING_H
#define MAYFLY_EVENTS_MAPPING_H

#include <jansson.h>

#include "control/events/source.h"
#include "control/function/registry.h"
#include "control/invoke/invoke.h"
#include "core/http/pool.h"
#include "core/store/kv.h"

struct mappings;
struct metrics;

struct mappings_deps {
	struct ev_loop *loop;
	struct kv *kv;
	struct registry *registry;
	struct invoke *invoke;
	struct metrics *metrics;
	struct http_pool *http_pool;
	const struct settings *settings;
	const struct source_row *sources; /* ended by a row without service */
};

struct mappings *mappings_new(const struct mappings_deps *deps, struct error *err);
void mappings_free(struct mappings *m);
typedef void mappings_ready_cb(void *arg, size_t count, const struct error *err);
void mappings_load(struct mappings *m, mappings_ready_cb *cb, void *arg); /* pollers run from its callback on */
void mappings_drain(struct mappings *m); /* no new batches */
/* Batches are being invoked, or the source has not yet kept what became of them. */
bool mappings_busy(const struct mappings *m);
void mappings_on_idle(struct mappings *m, void (*on_idle)(void *arg), void *arg); /* NULL: nobody asks any more; told while draining */
/* A source was made, changed or deleted. */
void mappings_source_changed(struct mappings *m, struct str arn);

/* ---- the API's operations; members as in AWS's model. `result` borrowed. Errors: ERR_NOT_FOUND, ERR_EXISTS (the pair exists; the text is
 * that mapping's UUID alone: AWS's text is longer than a struct error), ERR_INVALID, ERR_IN_USE (a state that allows no change) ---- */
typedef void mapping_cb(void *arg, json_t *result, const struct error *err);
void mapping_create(struct mappings *m, json_t *request, mapping_cb *cb, void *arg);
void mapping_update(struct mappings *m, struct str uuid, json_t *request, mapping_cb *cb, void *arg);
void mapping_delete(struct mappings *m, struct str uuid, mapping_cb *cb, void *arg);
json_t *mapping_show(struct mappings *m, struct str uuid, struct error *err); /* new reference */
struct mapping_list {
	struct str source_arn, function, marker; /* p NULL: any, from the start */
	size_t max;
	json_t *rows;   /* filled */
	char *next;     /* UUID_SIZE; "" at the end */
};
void mapping_list(struct mappings *m, struct mapping_list *list);
json_t *mapping_tags(struct mappings *m, struct str uuid, struct error *err);
void mapping_tag(struct mappings *m, struct str uuid, json_t *add, json_t *remove_keys, mapping_cb *cb, void *arg);

struct mappings_counts {
	unsigned mappings, enabled, in_flight; /* batches */
	uint64_t batches, messages, filtered, failed;
};
void mappings_count(const struct mappings *m, struct mappings_counts *out);

#endif
