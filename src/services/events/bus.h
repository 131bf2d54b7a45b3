/* EventBridge: buses, rules with event patterns or schedules, targets with input transformers, PutEvents. Stands alone: targets are reached
 * through a table that the program hands in (core/spec/delivery.h).
 *
 * Where things are. kv "events/bus/NAME" (the bus "default" is always there, without a key), "events/rule/BUS/NAME": {"Format":1, "EventPattern" or
 * "ScheduleExpression", "State", "Description", "Created", "Enabled" (rates count from it), "Targets":[...], "Tags":{}}: a rule and its targets are one record.
 * In memory: each bus has its rules with their compiled patterns; where a pattern fixes `source` its hash is looked at first, so that a put
 * walks the event for few rules.
 *
 * PutEvents: an event is made (id, time, account, region, resources), matched against the bus's rules, and delivered to every target of each that
 * matches; the entry is answered when each delivery is durable at its target, or in the store queue "fire/rule": there goes what a target
 * may take later, to be tried again as the target's RetryPolicy says (target_queue.h), and what it refused for good where there is a
 * DeadLetterConfig (AWS's attributes RULE_ARN, TARGET_ARN, ERROR_CODE, ERROR_MESSAGE, ...; the body is the event). Refused for good without
 * one: counted and dropped, as on AWS. An entry fails (InternalFailure) only when even that could not be stored: the client sends it again.
 * Events to a bus that is not there are accepted and gone, as on AWS.
 * A target bus (event-bus ARN) is delivered to at once, at most BUS_HOPS_MAX deep. Matching one event takes a bounded
 * number of steps (about a second); an event that needs more fails as a whole, though the rules before may have sent it.
 *
 * Scheduled rules: due at wall time; delivered with time, source "aws.events", detail-type "Scheduled Event", resources [rule ARN].
 * A time is fired up to a minute late; fires that were missed by more (the server was down, the clock jumped forward) are not made up for, as AWS
 * rules do not; a clock set back makes no time fire twice (the last one is remembered, kv "events/fired/BUS/NAME", written after the
 * delivery; deliveries carry `once`, made of rule, target and time, so a crash between the two is not seen either).
 *
 * One loop. */
#ifndef MAYFLY_SERVICES_EVENTS_BUS_H
#define MAYFLY_SERVICES_EVENTS_BUS_H

#include <stdbool.h>

#include "core/base/error.h"
#include "core/ev/ev.h"
#include "core/spec/delivery.h"
#include "core/spec/service.h"
#include "core/spec/settings.h"
#include "core/store/kv.h"
#include "core/store/queue.h"
#include "core/when/when.h"

#define BUS_NAME_MAX 256
#define BUS_HOPS_MAX 5u
#define BUS_VISITS_MAX 100u /* buses that one event passes, the same one several times included */

struct bus; /* all buses of the account */

struct bus_counts {
	uint64_t put, matched, delivered, failed; /* entries, (entry, rule) pairs, deliveries */
	uint64_t scheduled, missed, looked; /* looked: at schedules, whether they are due */
};

struct bus_deps {
	struct ev_loop *loop;
	struct kv *kv;
	struct queue *queue;
	struct when_zones *zones;
	const struct settings *settings;
	struct deliverer deliverer;
	int64_t (*wall_ms)(void *arg); /* for tests; NULL: clock_wall_ms */
	void *wall_arg;
};

struct bus *bus_new(const struct bus_deps *deps, struct error *err);
void bus_free(struct bus *b);
/* As target_queue_drain and target_queue_busy say of the deliveries that waited in the store. */
void bus_drain(struct bus *b, void (*on_idle)(void *arg), void *arg);
bool bus_busy(const struct bus *b);
typedef void bus_ready_cb(void *arg, size_t rules, const struct error *err);
void bus_load(struct bus *b, bus_ready_cb *cb, void *arg); /* schedules run from its callback on */

/* One event from another part of the program (destinations), as a PutEvents entry: d->bus_source, bus_detail_type, payload = Detail,
 * target = the bus's ARN. */
void bus_deliver(struct bus *b, const struct delivery *d, delivery_cb *cb, void *arg);

/* X-Amz-Target AWSEvents.*, JSON 1.1; `service` is the struct bus. Errors {"__type","message"}. Operations that are there: Create-, Delete-, Describe-,
 * ListEventBus(es), Put-, Delete-, Describe-, List-, Enable-, DisableRule(s), ListRuleNamesByTarget, Put-, RemoveTargets, ListTargetsByRule,
 * PutEvents, TestEventPattern, Tag-, UntagResource, ListTagsForResource, PutPermission, RemovePermission (kept and shown: there is one account only), UpdateEventBus. */
service_answer_fn bus_answer;
extern const char bus_target[]; /* "AWSEvents." */

void bus_count(const struct bus *b, struct bus_counts *out);

#endif
