/* Counters, gauges and histograms: one table (metrics.def), Prometheus text out.
 *
 * A metric's series are fixed by its labels, whose values are rows of tables; the one open label is `function`, kept to
 * METRICS_FUNCTIONS names: later ones count as "other". Adding to a series is an array access: a whole invocation costs
 * some tens of nanoseconds. Durations go in as nanoseconds and come out as seconds. Everything on one loop's thread. */
#ifndef MAYFLY_METRICS_METRICS_H
#define MAYFLY_METRICS_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/str.h"

#define METRICS_FUNCTIONS 1000u

struct metrics;

enum metric {
#define M(id, kind, label1, label2, name, help) METRIC_##id,
#include "control/metrics/metrics.def"
#undef M
	METRIC_COUNT
};

/* Label values, by position in the tables of labels.c. */
enum metric_throttle { THROTTLE_ACCOUNT, THROTTLE_RESERVED, THROTTLE_FULL, THROTTLE_BUFFER, THROTTLES };
enum metric_error { METRIC_ERROR_FUNCTION, METRIC_ERROR_TIMEOUT, METRIC_ERROR_EXIT, METRIC_ERROR_INIT, METRIC_ERROR_PLATFORM,
                    METRIC_ERROR_KINDS };
enum metric_cold { METRIC_COLD_START, METRIC_COLD_RESTORE, METRIC_COLDS };
enum metric_state { METRIC_STARTING, METRIC_INITIALIZING, METRIC_IDLE, METRIC_FROZEN, METRIC_BUSY, METRIC_STOPPING, METRIC_STATES };
/* INIT of a plain start, RESTORE (after-restore hooks included) of a restored one; TOTAL: from submission to the end. */
enum metric_phase { PHASE_QUEUED, PHASE_SANDBOX, PHASE_INIT, PHASE_RESTORE, PHASE_FUNCTION, PHASE_RESPONSE, PHASE_TOTAL, PHASES };
/* Of asynchronous events: how they ended, why an attempt was put off. */
enum metric_outcome { OUTCOME_LABEL_SUCCESS, OUTCOME_LABEL_RETRIES, OUTCOME_LABEL_AGE, OUTCOME_LABEL_ZERO, OUTCOME_LABEL_RECURSION, OUTCOME_LABEL_DROPPED, METRIC_OUTCOMES };
enum metric_retry { RETRY_LABEL_FUNCTION, RETRY_LABEL_THROTTLE, RETRY_LABEL_SYSTEM, RETRY_LABEL_DELIVERY, METRIC_RETRIES };
enum metric_queue_state { QUEUE_LABEL_VISIBLE, QUEUE_LABEL_DELAYED, QUEUE_LABEL_LEASED, METRIC_QUEUE_STATES };
enum metric_message { MESSAGE_LABEL_DELETED, MESSAGE_LABEL_LEFT, MESSAGE_LABEL_FILTERED, MESSAGE_LABEL_BURIED, METRIC_MESSAGES };

struct metrics *metrics_new(void); /* NULL when out of memory */
void metrics_free(struct metrics *m);

/* The function's index for the calls below; makes it on first use; 0 is "other". The name is copied. */
unsigned metrics_function(struct metrics *m, struct str name);
/* label1, label2: function index or one of the enums above; 0 where the metric has no such label. */
void metrics_add(struct metrics *m, enum metric metric, unsigned label1, unsigned label2, uint64_t n);
void metrics_set(struct metrics *m, enum metric metric, unsigned label1, unsigned label2, uint64_t value); /* gauges */
void metrics_observe(struct metrics *m, enum metric metric, unsigned label1, unsigned label2, uint64_t ns);
uint64_t metrics_value(const struct metrics *m, enum metric metric, unsigned label1, unsigned label2); /* not histograms */

/* One finished invocation. Times of CLOCK_MONOTONIC, 0 where a phase was not reached. */
struct metrics_invocation {
	unsigned function;
	bool throttled, failed, cold;
	enum metric_throttle throttle; /* when throttled: then nothing else counts */
	enum metric_error error;       /* when failed */
	enum metric_cold cold_kind;    /* when cold */
	uint64_t submitted_ns, placed_ns;                       /* queued between them */
	uint64_t start_asked_ns, sandbox_done_ns, init_done_ns; /* when cold; a restored one's init is its restore */
	uint64_t sent_ns, answered_ns, done_ns;
};
void metrics_count_invocation(struct metrics *m, const struct metrics_invocation *inv);

/* Text format 0.0.4; appends. -1 when the buffer's maximum is reached. */
int metrics_text(const struct metrics *m, struct buf *out);

#endif
