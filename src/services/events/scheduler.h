/* EventBridge Scheduler: schedules and groups, a REST API, over core/when; targets through the same table as the buses'.
 *
 * Where things are. kv "scheduler/group/NAME" ("default" is always there), "scheduler/schedule/GROUP/NAME": the schedule as the API has it, with
 * "Format", "Created", "Modified", "From" (since when its times count: made, or its times or state changed) and the client's "Token"; kv
 * "scheduler/fired/GROUP/NAME": the latest time that was dealt with. In memory a heap by next fire.
 *
 * A fire: due at when_next, plus a random part of the flexible window (chosen once, from the name and the time, so that a restart chooses the
 * same). What is due is published to the store queue "fire/schedule" (dedup: schedule, time; head: a copy of what the target then was),
 * then "fired" is written: so it survives from there on, and no time fires twice while the server runs. At least once: where "fired" could
 * not be written (the disk was full just then) and no later time of the schedule was, a restart fires that time anew, with the same
 * execution id; within five minutes the store knows it by its dedup id. target_queue.h takes it from there: it delivers, tries
 * again with growing delays as RetryPolicy says (MaximumRetryAttempts 185, MaximumEventAgeInSeconds 86400), then gives it to the DeadLetterConfig's
 * queue with AWS's attributes, or drops it (counted).
 *
 * Missed while the server was down, or jumped over by the clock: at() fires late, recurring ones fire once for the latest time missed, both only within
 * the retry policy's age; older ones are dropped (counted). A clock that is set back makes nothing fire twice. ActionAfterCompletion
 * DELETE removes a schedule when nothing will come any more and the last delivery is over. A rate's first fire is its start.
 *
 * Targets: functions, queues, buses, and the universal ones "arn:aws:scheduler:::aws-sdk:lambda:invoke" and "...:sqs:sendMessage"; Input as given, with
 * <aws.scheduler.schedule-arn>, <aws.scheduler.scheduled-time>, <aws.scheduler.execution-id>, <aws.scheduler.attempt-number> put in.
 * One loop. */
#ifndef MAYFLY_SERVICES_EVENTS_SCHEDULER_H
#define MAYFLY_SERVICES_EVENTS_SCHEDULER_H

#include "services/events/bus.h"

struct scheduler;

struct scheduler_counts {
	uint64_t fired, retried, dead, missed; /* dead: also those that were dropped */
};

struct scheduler *scheduler_new(const struct bus_deps *deps, struct error *err); /* the same parts */
void scheduler_free(struct scheduler *s);
/* As target_queue_drain and target_queue_busy say of the deliveries that waited in the store. */
void scheduler_drain(struct scheduler *s, void (*on_idle)(void *arg), void *arg);
bool scheduler_busy(const struct scheduler *s);
typedef void scheduler_ready_cb(void *arg, size_t schedules, const struct error *err);
void scheduler_load(struct scheduler *s, scheduler_ready_cb *cb, void *arg);

/* REST: /schedules, /schedules/{Name}, /schedule-groups, /schedule-groups/{Name}, /tags/{ResourceArn}. Errors {"Message"}, name in
 * x-amzn-ErrorType. */
service_answer_fn scheduler_answer;
extern const char *const scheduler_paths[]; /* "schedules", "schedule-groups", "tags", NULL */

void scheduler_count(const struct scheduler *s, struct scheduler_counts *out);

#endif
