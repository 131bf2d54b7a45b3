/* What the files of the Scheduler share. See scheduler.h for the whole. */
#ifndef MAYFLY_SERVICES_EVENTS_SCHEDULER_PRIV_H
#define MAYFLY_SERVICES_EVENTS_SCHEDULER_PRIV_H

#include <jansson.h>

#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/ev/clockset.h"
#include "core/json/value.h"
#include "services/events/scheduler.h"
#include "services/events/shape.h"
#include "services/events/target_queue.h"

#define SCHEDULER_NAME_MAX 64
#define SCHEDULER_KEY_MAX (2 * SCHEDULER_NAME_MAX + 2) /* "GROUP/NAME" */
#define SCHEDULER_ARN_MAX 1024
#define SCHEDULER_GROUPS_MAX 500u
#define SCHEDULER_SCHEDULES_MAX 1000000u
#define SCHEDULER_ATTEMPTS_MAX 185u
#define SCHEDULER_AGE_MAX_S 86400u
#define SCHEDULER_TICK_MS 10000
#define SCHEDULER_AGAIN_MS 1000 /* after a fire that could not be stored */
#define SCHEDULER_INPUT_MAX (1u << 20)
#define SCHEDULER_REPLY_BYTES (16u << 20)
#define SCHEDULER_GROUP_PREFIX "scheduler/group/"
#define SCHEDULER_SCHEDULE_PREFIX "scheduler/schedule/"
#define SCHEDULER_FIRED_PREFIX "scheduler/fired/"

struct schedule_group {
	struct hash_node node;
	char name[SCHEDULER_NAME_MAX + 1];
	json_t *record; /* {"Format", "Created", "Modified", "State", "Tags"} */
	size_t count;   /* of its schedules */
};

struct schedule {
	struct hash_node node;
	char key[SCHEDULER_KEY_MAX];
	struct schedule_group *group;
	struct str name; /* of `key` */
	json_t *record;
	struct when *when;
	bool enabled, deletes; /* ActionAfterCompletion */
	int64_t anchor_ms, from_ms, end_ms, window_ms;
	int64_t fired_ms;      /* the latest nominal time that was dealt with; -1: none */
	int64_t nominal_ms, due_ms; /* the next; WHEN_NEVER */
	size_t heap_at;
	unsigned under_way;    /* fires that were put and are not over, since the start */
	bool putting;          /* one is being stored: no other meanwhile */
};

struct scheduler_request;

struct scheduler {
	struct bus_deps deps;
	struct hash groups, schedules;
	struct schedule **heap; /* by due_ms */
	size_t heap_count, heap_size;
	struct target_queue *fires;
	struct ev_clockset *clockset;
	struct ev_timer tick;
	int64_t last_wall_ms;
	struct scheduler_counts counts;
	struct list changes;
	struct scheduler_request *current;
	bool running;
	struct {
		scheduler_ready_cb *cb;
		void *arg;
		char last[KV_KEY_MAX + 1];
		unsigned step;
		struct ev_defer ready;
		struct error err;
	} load;
};

/* ---- scheduler.c ---- */

int64_t scheduler_wall_ms(const struct scheduler *s);
struct schedule_group *scheduler_group(const struct scheduler *s, struct str name);
struct schedule_group *scheduler_add_group(struct scheduler *s, struct str name, json_t *record); /* takes the record; NULL: no memory */
void scheduler_drop_group(struct scheduler *s, struct schedule_group *g);
struct schedule *scheduler_find(const struct scheduler *s, struct str group, struct str name);
/* Takes the record. The one of that name is replaced, what it fired is kept. NULL: ERR_VALIDATION with AWS's text, or no memory. */
struct schedule *scheduler_put(struct scheduler *s, struct schedule_group *g, struct str name, json_t *record, struct error *err);
void scheduler_drop(struct scheduler *s, struct schedule *one);
struct when *scheduler_when(struct scheduler *s, const json_t *record, struct error *err);
void scheduler_arn(const struct scheduler *s, const struct schedule *one, char dst[SCHEDULER_ARN_MAX]);
void scheduler_group_arn(const struct scheduler *s, const struct schedule_group *g, char dst[SCHEDULER_ARN_MAX]);

/* ---- scheduler_time.c ---- */

void scheduler_plan(struct scheduler *s, struct schedule *one); /* computes its next time, and its place in the heap */
void scheduler_postpone(struct scheduler *s, struct schedule *one); /* what could not be stored: a little later */
void scheduler_unplan(struct scheduler *s, struct schedule *one);
void scheduler_run(struct scheduler *s);      /* fires what is due */
void scheduler_look_anew(struct scheduler *s); /* the clock was set */
void scheduler_start(struct scheduler *s);
/* Nothing will come of it any more. */
bool scheduler_is_complete(const struct schedule *one);
void scheduler_delete_complete(struct scheduler *s, struct schedule *one);

/* ---- scheduler_fire.c ---- */

/* Stores the fire of `nominal_ms`; `one` is told by scheduler_plan when that is done. */
void scheduler_fire(struct scheduler *s, struct schedule *one, int64_t nominal_ms, uint64_t age_max_ms);
/* target_queue's `over`. */
void scheduler_over(void *arg, struct str owner, enum target_end end, unsigned attempts);
uint64_t scheduler_age_max_ms(const struct schedule *one);
/* Whether this server can deliver to the record's Target; -1: ERR_VALIDATION. */
int scheduler_check_target(const json_t *target, struct error *err);

/* ---- scheduler_api.c ---- */

struct scheduler_request {
	struct list link;
	unsigned refs; /* its answer's, and one while its operation is being called */
	struct scheduler *s;
	const struct scheduler_op *op;
	struct service_call call;
	service_answer_cb *cb;
	void *answer;
	char name[1100];    /* of the path, decoded: a name or an ARN */
	json_t *input;      /* body, and the members of the query */
	json_t *record, *reply;
	struct schedule_group *group;
	void (*commit)(struct scheduler_request *r);
};

struct scheduler_op {
	const char *method, *path; /* first segment */
	bool named;                /* a second one follows */
	bool change;               /* one at a time */
	const char *path_member;   /* what the second one is called in errors: "Name" */
	const struct shape *input;
	void (*run)(struct scheduler_request *r);
};
extern const struct scheduler_op scheduler_ops[];

void scheduler_reply(struct scheduler_request *r, json_t *reply);
enum scheduler_fault { SCHEDULER_INVALID, SCHEDULER_NOT_FOUND, SCHEDULER_CONFLICT, SCHEDULER_QUOTA, SCHEDULER_INTERNAL };
void scheduler_fail(struct scheduler_request *r, enum scheduler_fault fault, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Writes r->record (NULL: deletes), then calls commit, which ends the request. */
void scheduler_write(struct scheduler_request *r, const char *key, void (*commit)(struct scheduler_request *r));
struct str scheduler_in(const struct scheduler_request *r, const char *key);
/* Names in byte order, from NextToken, at most MaxResults, with NamePrefix (of the text behind the last slash). `nodes` is to be freed. */
struct scheduler_page {
	struct hash_node **nodes;
	size_t n;
};
int scheduler_page(struct scheduler_request *r, const struct hash *all,
                   bool (*fits)(const struct scheduler_request *r, struct hash_node *node), json_t *reply, struct scheduler_page *out);
void scheduler_show_time(json_t *to, const char *shown, const json_t *record, const char *stored);

void scheduler_create(struct scheduler_request *r);
void scheduler_update(struct scheduler_request *r);
void scheduler_get(struct scheduler_request *r);
void scheduler_delete(struct scheduler_request *r);
void scheduler_list(struct scheduler_request *r);
void scheduler_create_group(struct scheduler_request *r);
void scheduler_get_group(struct scheduler_request *r);
void scheduler_delete_group(struct scheduler_request *r);
void scheduler_list_groups(struct scheduler_request *r);
void scheduler_tag(struct scheduler_request *r);
void scheduler_untag(struct scheduler_request *r);
void scheduler_list_tags(struct scheduler_request *r);
/* Goes on with the deletion of groups that are DELETING. */
void scheduler_sweep_group(struct scheduler *s, struct schedule_group *g);

#endif
