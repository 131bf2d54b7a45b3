/* What the files of the event buses share. See bus.h for the whole. */
#ifndef MAYFLY_SERVICES_EVENTS_BUS_PRIV_H
#define MAYFLY_SERVICES_EVENTS_BUS_PRIV_H

#include <jansson.h>

#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/base/rand.h"
#include "core/ev/clockset.h"
#include "core/json/value.h"
#include "core/match/match.h"
#include "services/events/bus.h"
#include "services/events/shape.h"
#include "services/events/target_queue.h"
#include "services/events/transform.h"

#define BUS_COUNT_MAX 100u
#define BUS_RULES_MAX 300u
#define BUS_TARGETS_MAX 5u
#define BUS_ENTRIES_BYTES (1u << 20)
#define BUS_EVENT_BYTES (BUS_ENTRIES_BYTES + 8192u)
#define BUS_PAYLOAD_BYTES ((1u << 20) + 4096u) /* what a template may make of an event: no target takes more than 1 MiB */
#define BUS_HELD_BYTES (64u << 20)             /* payloads of deliveries under way, in all; more are refused */
#define BUS_WORK_MAX (UINT64_C(1) << 30)        /* steps (match.h) that matching one event may take, with all rules: about a second */
#define BUS_REPLY_BYTES (16u << 20)
#define BUS_POLICY_MAX 10240u
#define BUS_RECORD_MAX ((size_t)KV_VALUE_MAX)
#define BUS_ARN_MAX 1024
#define BUS_ATTEMPTS_MAX 185u
#define BUS_AGE_MAX_S 86400u
#define BUS_LATE_MS 60000      /* a schedule's time is fired so late, but no later */
#define BUS_TICK_MS 10000
#define BUS_KEY "events/bus/"
#define BUS_RULE_KEY "events/rule/"
#define BUS_FIRED_KEY "events/fired/"

struct bus_target { /* texts are the record's */
	struct str id, arn, group, role, dead_letter;
	struct transform *transform;
	unsigned attempts_max;
	uint64_t age_max_ms;
	char mark[17]; /* of rule and id: makes `once` */
};

/* Constant once made, but for its schedule; counted: what is under way holds one. */
struct bus_rule {
	struct hash_node node;
	unsigned refs;
	struct str name;
	char bus_name[BUS_NAME_MAX + 1], arn[BUS_ARN_MAX];
	json_t *record;
	bool enabled;
	struct match *match;
	uint64_t *sources;  /* hashes of the only `source`s that can match; count 0: any */
	size_t source_count;
	struct bus_target targets[BUS_TARGETS_MAX];
	size_t target_count;
	struct when *when;
	int64_t anchor_ms, due_ms, fired_ms; /* due INT64_MIN: to be looked at */
};

struct event_bus {
	struct hash_node node;
	char name[BUS_NAME_MAX + 1];
	json_t *record; /* {"Format", "Created", "Modified", "Description", "Policy": {}, "Tags": {}, ...} */
	struct hash rules;
};

struct bus_request;

struct bus {
	struct bus_deps deps;
	struct hash buses;
	struct list changes;         /* requests that write: one after the other */
	struct bus_request *current; /* its write is under way */
	bool running;                /* the loop over `changes` is */
	struct target_queue *again;
	struct ev_clockset *clockset;
	struct ev_timer tick;
	int64_t looked_ms;           /* when bus_timer_run looked */
	struct bus_counts counts;
	size_t held_bytes;           /* of payloads of deliveries under way */
	uint64_t seed;               /* of the hashes of sources */
	struct {                     /* bus_load */
		bus_ready_cb *cb;
		void *arg;
		char last[KV_KEY_MAX + 1];
		unsigned step;
		size_t rules;
		struct ev_defer ready;
		struct error err;
	} load;
};

json_t *bus_tags_from(const json_t *list); /* [{"Key","Value"}] -> {}; new reference */

/* ---- bus.c, bus_rule.c ---- */

int64_t bus_wall_ms(const struct bus *b);
struct event_bus *bus_find(const struct bus *b, struct str name);
struct event_bus *bus_add(struct bus *b, struct str name, json_t *record); /* takes the record; NULL: no memory */
void bus_drop(struct bus *b, struct event_bus *e);
void bus_arn(const struct bus *b, struct str name, char dst[BUS_ARN_MAX]);

/* Takes the record. NULL: ERR_VALIDATION, ERR_INVALID (pattern) with AWS's text. */
struct bus_rule *bus_rule_new(struct bus *b, struct str bus_name, struct str name, json_t *record, struct error *err);
struct bus_rule *bus_rule_ref(struct bus_rule *r);
void bus_rule_unref(struct bus_rule *r);
struct bus_rule *bus_rule_find(const struct event_bus *e, struct str name);
void bus_rule_put(struct event_bus *e, struct bus_rule *r); /* instead of the one of that name; keeps what it fired */
void bus_rule_remove(struct event_bus *e, struct bus_rule *r);
bool bus_rule_matches(const struct bus_rule *r, uint64_t source_hash, struct str event, uint64_t *work); /* see match_event_within */

/* Timers of rules with schedules: bus_timer.c. */
void bus_timer_start(struct bus *b);
void bus_timer_run(struct bus *b); /* anything changed: looks at the schedules that are new or due, at all when the clock was set back */
void bus_timer_plan(struct bus *b, struct bus_rule *r); /* computes its next time */

/* ---- events on their way: bus_put.c ---- */

typedef void bus_sent_cb(void *arg, const struct error *err);
struct bus_event_in {
	const char *id; /* NULL: one is made */
	struct str source, detail_type, detail, trace_header;
	int64_t time_ms;
	const struct str *resources;
	size_t resource_count;
};
/* The texts are copied. `only` NULL: the bus's rules; else that rule, matched or not. `cb` may come at once; err: a delivery could not
 * be stored. `id` gets the event's. */
void bus_send_event(struct bus *b, struct event_bus *e, struct bus_rule *only, const struct bus_event_in *in, char id[UUID_SIZE],
                    bus_sent_cb *cb, void *arg);

/* ---- requests: bus_api.c ---- */

struct bus_request {
	struct list link;
	unsigned refs; /* its answer's, and one while its operation is being called */
	struct bus *b;
	const struct bus_op *op;
	struct service_call call; /* its texts live until the answer */
	service_answer_cb *cb;
	void *answer;
	json_t *input;
	/* While its write is under way. */
	struct event_bus *bus;
	struct bus_rule *rule;
	json_t *record;
	json_t *reply;
	char name[BUS_NAME_MAX + 1];
	void (*commit)(struct bus_request *r);
};

struct bus_op {
	const char *name;
	bool change; /* one at a time */
	const struct shape *input;
	void (*run)(struct bus_request *r);
};

/* Each ends the request. */
void bus_reply(struct bus_request *r, json_t *reply); /* takes it; NULL: an empty answer */
void bus_fail(struct bus_request *r, const char *type, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void bus_fail_error(struct bus_request *r, const struct error *err);
/* Writes `r->record` (NULL: deletes), then calls r->commit, which ends the request; a failed write ends it. */
void bus_write(struct bus_request *r, const char *key, void (*commit)(struct bus_request *r));

struct str bus_in(const struct bus_request *r, const char *key); /* a text of the input; p NULL: none */
/* EventBusName (or ARN) of the input; fails the request with "Event bus NAME does not exist." */
struct event_bus *bus_of(struct bus_request *r, const char *key);
struct bus_rule *bus_rule_of(struct bus_request *r, struct event_bus *e, const char *key);
void bus_copy(json_t *to, const json_t *from, const char *const *keys);
/* Names of a table in byte order, from NextToken and Limit and with NamePrefix; ends the page with NextToken in `reply`. */
struct bus_page {
	struct hash_node **nodes; /* free() */
	size_t n;
};
int bus_page(struct bus_request *r, const struct hash *all, bool (*fits)(const struct bus_request *r, struct hash_node *node), json_t *reply,
             struct bus_page *out);

extern const struct bus_op bus_ops[];

/* ---- operations, one file a group ---- */

void bus_create(struct bus_request *r);
void bus_delete(struct bus_request *r);
void bus_describe(struct bus_request *r);
void bus_list(struct bus_request *r);
void bus_update(struct bus_request *r);
void bus_put_permission(struct bus_request *r);
void bus_remove_permission(struct bus_request *r);
void bus_tag(struct bus_request *r);
void bus_untag(struct bus_request *r);
void bus_list_tags(struct bus_request *r);
void bus_put_rule(struct bus_request *r);
void bus_delete_rule(struct bus_request *r);
void bus_describe_rule(struct bus_request *r);
void bus_list_rules(struct bus_request *r);
void bus_enable_rule(struct bus_request *r);
void bus_disable_rule(struct bus_request *r);
void bus_list_rule_names(struct bus_request *r);
void bus_put_targets(struct bus_request *r);
void bus_remove_targets(struct bus_request *r);
void bus_list_targets(struct bus_request *r);
void bus_put_events(struct bus_request *r);
void bus_test_pattern(struct bus_request *r);

#endif
