/* Asynchronous invocation: events are durable before they are accepted, then invoked, tried again, aged out, and handed to destinations.
 *
 * Store queue "async/FUNCTION" (plain name): one for each function, so that what waits for one is never in the way of another. A stored event:
 * id = request id, body = payload, head = JSON ({"Q": qualifier, "T": trace header, "S": source ARN, "N": tenant, "I": the function's incarnation}), note = what
 * became of it so far (attempts, throttles, last error). Accepted when it was published.
 *
 * The poller. A function with visible events is *active*: it has a limit of invocations in flight, and a window of events in memory of at most
 * twice that, in count, and, of those that were not started, ASYNC_WINDOW_BYTES (ASYNC_ALL_BYTES over all functions); the rest stays on disk. The limit is the
 * reservation where there is one; else it begins at ASYNC_LIMIT_FIRST, grows by one with each success at the limit, and is
 * halved when an event is throttled (not below one). Active functions are served in turn. Leases are not kept: they end with the server, as
 * the invocations do; so they are asked for a day, longer than any wait for room and timeout together.
 *
 * What an attempt leads to:
 *   answered                         -> OnSuccess, ack
 *   function error, timeout          -> attempt counted; MaximumRetryAttempts left and the next try (60 s, then 120 s, times --retry-scale)
 *                                       within MaximumEventAgeInSeconds: nak; else OnFailure and DLQ (RetriesExhausted, EventAgeExceeded), ack
 *   throttled, 5xx, not placed       -> not counted; 1 s doubling to 300 s (times --retry-scale), until the age is over
 *   reserved concurrency 0           -> OnFailure and DLQ at once (ZeroReservedConcurrency, approximateInvokeCount 0)
 *   recursion stopped                -> OnFailure and DLQ at once (RecursiveInvocation)
 *   function or qualifier gone       -> dropped (noted), as AWS
 * Ages and attempts are those configured for function and qualifier when the attempt ends. A destination is delivered to before the ack, so at
 * least once; one that refuses for good is counted and noted, for one that may do later the record becomes a message of its own in the function's queue, tried for 6 hours (1 s doubling to 300 s): the
 * event is over, its function is not run again, its neighbours do not wait.
 *
 * A function that is deleted takes its queue with it. One loop; callbacks from the loop, exactly once, never from inside the call. */
#ifndef MAYFLY_EVENTS_ASYNC_H
#define MAYFLY_EVENTS_ASYNC_H

#include "control/function/registry.h"
#include "control/invoke/invoke.h"
#include "core/base/rand.h"
#include "core/http/pool.h"
#include "core/spec/delivery.h"
#include "core/store/queue.h"

#define ASYNC_PREFIX "async/"
#define ASYNC_LIMIT_FIRST 5u
#define ASYNC_WINDOW_BYTES (4u << 20)
#define ASYNC_ALL_BYTES (32u << 20)

struct async;
struct history;
struct metrics;

struct async_deps {
	struct ev_loop *loop;
	struct queue *queue;
	struct registry *registry;
	struct invoke *invoke;
	struct metrics *metrics;
	struct history *history;
	struct http_pool *http_pool;     /* fetched payloads are charged to it */
	const struct settings *settings; /* retry_scale */
	struct deliverer deliverer;      /* destinations and dead-letter queues */
};

struct async *async_new(const struct async_deps *deps, struct error *err);
void async_free(struct async *a); /* after the queue was closed */
/* Begins to poll what the queue holds; once, when the registry is loaded. */
void async_start(struct async *a);
/* No new invocations; those that run go on. Their records and acks still happen: who stops the loop waits until nothing is busy, or what was
 * run is run again by the next server. `on_idle` is called (from the loop) whenever that is so during a drain. */
void async_drain(struct async *a);
void async_on_idle(struct async *a, void (*on_idle)(void *arg), void *arg);
bool async_busy(const struct async *a);

struct async_event {
	const struct function_ref *function; /* name and qualifier; texts live during the call */
	struct str payload;                  /* valid JSON or empty; lives, unchanged, until the callback. At most LIMIT_EVENT_BYTES */
	struct str tenant;                   /* of a function with tenants: checked, see function_version_check_tenant; p NULL: none */
	struct str trace_header;             /* p NULL: none; the lineage in it was checked, see trace.h */
	char request_id[UUID_SIZE];          /* "" : one is made */
	struct str source_arn;               /* of a service or function that sent it, for the history; p NULL: a client */
	struct str once;                     /* a second event with this key within 5 minutes is the first one; p NULL: none */
};
/* `request_id` lives during the call. err NULL: the event is durable. ERR_DISK_FULL, ERR_THROTTLED (store or buffers full): not accepted, try again. */
typedef void async_accepted_cb(void *arg, const char *request_id, const struct error *err);
/* The function is to exist (the caller has resolved it). */
void async_accept(struct async *a, const struct async_event *event, async_accepted_cb *cb, void *arg);

/* A delivery from a service or a destination to a function's ARN: permission (with d->service: the function's policy, source ARN and source account),
 * recursion, then as async_accept. This is the row "lambda" of the program's table of targets. */
void async_deliver(struct async *a, const struct delivery *d, delivery_cb *cb, void *arg);

/* What the registry reports. */
void async_function_deleted(struct async *a, struct str name);
void async_function_changed(struct async *a, struct str name); /* reservation, event-invoke-config: limits are looked at anew */

/* For /_mayfly/events and the command line: JSON of what waits and is retried of a function, oldest first (at most `max`):
 * [{"requestId","qualifier","accepted","attempts","throttles","nextAttempt","lastError","running","bytes"}], and of one event by request id. */
typedef void async_json_cb(void *arg, struct str json, const struct error *err);
void async_list(struct async *a, struct str function, unsigned max, async_json_cb *cb, void *arg);

struct async_counts {
	uint64_t waiting, running; /* events of all functions */
	int64_t oldest_age_ms;     /* 0: none waits */
	int64_t lag_ms;            /* how long the oldest visible event has been visible */
};
void async_count(const struct async *a, struct async_counts *out);

#endif
