/* Deliveries that wait in the store: all fires of schedules, and what a rule's target did not take at once. One object, one store queue
 * ("fire/rule", "fire/schedule").
 *
 * A fire is tried; when the target may take it later it is tried again with growing delays (1 s doubling to 512 s, a quarter more or less, times
 * --retry-scale) until its attempts or its age are over. Then, and when the target refuses for good, it goes to the dead-letter queue, if
 * it has one, with AWS's attributes, else it is dropped. A crash brings it back: at least once, with the same `once`.
 *
 * In memory: at most TARGET_QUEUE_WINDOW fires that are being delivered. One loop. */
#ifndef MAYFLY_SERVICES_EVENTS_TARGET_QUEUE_H
#define MAYFLY_SERVICES_EVENTS_TARGET_QUEUE_H

#include "core/ev/ev.h"
#include "core/spec/delivery.h"
#include "core/store/queue.h"

#define TARGET_QUEUE_WINDOW 32u
#define TARGET_MARKS_MAX 4u
#define TARGET_ATTEMPT_WORD "<aws.scheduler.attempt-number>"

struct target_queue;

enum target_end { TARGET_DELIVERED, TARGET_DEAD, TARGET_DROPPED };

struct target_queue_deps {
	struct ev_loop *loop;
	struct queue *queue;
	const char *name;             /* lives as long as the object */
	const struct deliverer *deliverer;
	unsigned retry_percent;       /* of AWS's delays */
	/* A fire is over; `owner` as it was put. NULL: nobody asks. */
	void (*over)(void *arg, struct str owner, enum target_end end, unsigned attempts);
	void *over_arg;
};

struct target_queue *target_queue_new(const struct target_queue_deps *deps, struct error *err);
void target_queue_free(struct target_queue *q); /* after the queue was closed */
int target_queue_start(struct target_queue *q, struct error *err);
/* Nothing more is tried. `on_idle` (NULL: nobody asks any more): the fires under way are over, and the store has kept it. */
void target_queue_drain(struct target_queue *q, void (*on_idle)(void *arg), void *arg);
bool target_queue_busy(const struct target_queue *q);

/* Texts live until the callback of target_queue_put. */
struct target_fire {
	struct str target, payload, role, group; /* as in struct delivery */
	struct str service, source_arn, source_account;
	struct str once, trace_header;
	struct str bus_source, bus_detail_type;  /* to an event bus; its resources are source_arn */
	struct str dead_letter;      /* a queue's ARN; p NULL: none */
	struct str dead_body;        /* what goes there; p NULL: the payload */
	struct delivery_attribute marks[TARGET_MARKS_MAX]; /* and these with it, beside TARGET_ARN, ERROR_CODE, ERROR_MESSAGE, ... */
	size_t mark_count;
	struct str owner;
	unsigned attempts;           /* made before */
	unsigned attempts_max;       /* further ones behind the first */
	uint64_t age_max_ms;
	const struct error *failed;  /* refused for good already: only the dead letter is left; NULL: no */
	bool has_attempt_word;       /* TARGET_ATTEMPT_WORD in the payload is replaced at each attempt */
};

/* `dedup` p NULL: none. The first try comes after `delay_ms`. `cb` as queue.h says. -1: nothing was put, no callback. */
int target_queue_put(struct target_queue *q, const struct target_fire *fire, struct str dedup, uint64_t delay_ms, queue_simple_cb *cb,
                     void *arg, struct error *err);
uint64_t target_queue_delay_ms(const struct target_queue *q, unsigned attempts); /* before the next one */

/* ERROR_CODE of a dead letter: "NO_RESOURCE", "NO_PERMISSIONS", ... */
const char *target_error_name(enum error_code code);

#endif
