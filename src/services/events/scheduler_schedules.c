/* Operations on schedules. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/events/event_time.h"
#include "services/events/scheduler_priv.h"

#define START_LATE_MS (5 * 60000)

static const char *const members[] = {"ActionAfterCompletion", "Description", "FlexibleTimeWindow", "KmsKeyArn", "ScheduleExpression",
                                      "ScheduleExpressionTimezone", "State", NULL};

static void key_of(char key[KV_KEY_MAX], const struct schedule_group *g, struct str name)
{
	snprintf(key, KV_KEY_MAX, SCHEDULER_SCHEDULE_PREFIX "%s/" STR_FMT, g->name, STR_ARG(name));
}

static struct str group_name(const struct scheduler_request *r)
{
	struct str name = scheduler_in(r, "GroupName");
	return name.p ? name : STR("default");
}

static bool is_active(const struct schedule_group *g)
{
	return !str_eqz(json_value_text(json_object_get(g->record, "State")), "DELETING");
}

static struct schedule_group *group_of(struct scheduler_request *r)
{
	struct schedule_group *g = scheduler_group(r->s, group_name(r));
	if (!g)
		scheduler_fail(r, SCHEDULER_NOT_FOUND, "Schedule group " STR_FMT " does not exist.", STR_ARG(group_name(r)));
	return g;
}

static struct schedule *schedule_of(struct scheduler_request *r)
{
	struct schedule *one = scheduler_find(r->s, group_name(r), str_from(r->name));
	if (!one)
		scheduler_fail(r, SCHEDULER_NOT_FOUND, "Schedule %s does not exist.", r->name);
	return one;
}

/* ---- what is asked for ---- */

static int take_date(struct scheduler_request *r, const char *key, int64_t *ms)
{
	const json_t *given = json_object_get(r->input, key);
	if (!given || json_is_null(given))
		return 0;
	if (events_time_read(given, ms) < 0) {
		scheduler_fail(r, SCHEDULER_INVALID, "Invalid %s.", key);
		return -1;
	}
	json_object_set_new(r->record, key, json_integer(*ms));
	return 0;
}

static int take_dates(struct scheduler_request *r, int64_t now_ms)
{
	int64_t start = -1, end = INT64_MAX;
	if (take_date(r, "StartDate", &start) < 0 || take_date(r, "EndDate", &end) < 0)
		return -1;
	if (str_starts(scheduler_in(r, "ScheduleExpression"), STR("at(")))
		return 0; /* ignored there */
	if (start >= 0 && start < now_ms - START_LATE_MS)
		scheduler_fail(r, SCHEDULER_INVALID, "The StartDate you specify cannot be earlier than 5 minutes ago.");
	else if (end < now_ms)
		scheduler_fail(r, SCHEDULER_INVALID, "The EndDate you specify cannot be earlier than now.");
	else if (start >= end)
		scheduler_fail(r, SCHEDULER_INVALID, "The StartDate you specify must come before the EndDate.");
	else
		return 0;
	return -1;
}

static int check_window(struct scheduler_request *r)
{
	const json_t *window = json_object_get(r->input, "FlexibleTimeWindow");
	bool flexible = str_eqz(json_value_text(json_object_get(window, "Mode")), "FLEXIBLE");
	bool given = json_object_get(window, "MaximumWindowInMinutes") != NULL;
	if (flexible == given)
		return 0;
	scheduler_fail(r, SCHEDULER_INVALID, flexible ? "MaximumWindowInMinutes must be specified when the mode of the flexible time window is FLEXIBLE."
	                                              : "MaximumWindowInMinutes must not be specified when the mode of the flexible time window is OFF.");
	return -1;
}

/* Targets without a retry policy are shown with AWS's own. */
static json_t *target_of(const struct scheduler_request *r)
{
	json_t *target = json_deep_copy(json_object_get(r->input, "Target")), *retry = json_object_get(target, "RetryPolicy");
	if (!json_is_object(retry)) {
		retry = json_object();
		json_object_set_new(target, "RetryPolicy", retry);
	}
	if (!json_object_get(retry, "MaximumEventAgeInSeconds"))
		json_object_set_new(retry, "MaximumEventAgeInSeconds", json_integer(SCHEDULER_AGE_MAX_S));
	if (!json_object_get(retry, "MaximumRetryAttempts"))
		json_object_set_new(retry, "MaximumRetryAttempts", json_integer(SCHEDULER_ATTEMPTS_MAX));
	return target;
}

static void fill_record(struct scheduler_request *r, const struct schedule *old, int64_t now_ms)
{
	static const struct {
		const char *key, *otherwise;
	} initial[] = {{"State", "ENABLED"}, {"ScheduleExpressionTimezone", "UTC"}, {"ActionAfterCompletion", "NONE"}};
	json_int_t created = old ? json_integer_value(json_object_get(old->record, "Created")) : now_ms;
	r->record = json_pack("{s:i, s:I, s:I}", "Format", 1, "Created", created, "Modified", (json_int_t)now_ms);
	for (const char *const *key = members; *key; key++) {
		json_t *v = json_object_get(r->input, *key);
		if (v && !json_is_null(v))
			json_object_set(r->record, *key, v);
	}
	for (size_t i = 0; i < ARRAY_LEN(initial); i++) {
		if (!json_object_get(r->record, initial[i].key))
			json_object_set_new(r->record, initial[i].key, json_string(initial[i].otherwise));
	}
	json_object_set_new(r->record, "Target", target_of(r));
}

/* Since when its times count: a change of what they are begins anew. */
static void fill_from(struct scheduler_request *r, const struct schedule *old, int64_t now_ms)
{
	static const char *const timing[] = {"ScheduleExpression", "ScheduleExpressionTimezone", "State", "StartDate"};
	bool same = old != NULL;
	for (size_t i = 0; i < ARRAY_LEN(timing) && same; i++)
		same = json_equal(json_object_get(r->record, timing[i]), json_object_get(old->record, timing[i])) ||
		       json_object_get(r->record, timing[i]) == json_object_get(old->record, timing[i]);
	json_object_set_new(r->record, "From", json_integer(same ? (json_int_t)old->from_ms : (json_int_t)now_ms));
}

/* Fills r->record; -1: the request has failed. */
static int take_schedule(struct scheduler_request *r, const struct schedule *old)
{
	int64_t now_ms = scheduler_wall_ms(r->s);
	struct error err = {0};
	fill_record(r, old, now_ms);
	if (check_window(r) < 0 || take_dates(r, now_ms) < 0)
		return -1;
	struct when *when = scheduler_when(r->s, r->record, &err);
	if (!when || scheduler_check_target(json_object_get(r->record, "Target"), &err) < 0) {
		when_free(when);
		scheduler_fail(r, err.code == ERR_VALIDATION ? SCHEDULER_INVALID : SCHEDULER_INTERNAL, "%s", err.msg);
		return -1;
	}
	when_free(when);
	fill_from(r, old, now_ms);
	return 0;
}

/* ---- changing ---- */

static void reply_arn(struct scheduler_request *r, const struct schedule *one)
{
	char arn[SCHEDULER_ARN_MAX];
	scheduler_arn(r->s, one, arn);
	scheduler_reply(r, json_pack("{s:s}", "ScheduleArn", arn));
}

static void commit(struct scheduler_request *r)
{
	struct error err = {0};
	struct schedule *one = scheduler_put(r->s, r->group, str_from(r->name), json_incref(r->record), &err);
	struct scheduler *s = r->s;
	if (!one) {
		scheduler_fail(r, SCHEDULER_INTERNAL, "%s", err.msg);
		return;
	}
	scheduler_plan(s, one);
	reply_arn(r, one);
	scheduler_run(s);
}

static void save(struct scheduler_request *r, struct schedule_group *g)
{
	char key[KV_KEY_MAX];
	key_of(key, g, str_from(r->name));
	r->group = g;
	scheduler_write(r, key, commit);
}

void scheduler_create(struct scheduler_request *r)
{
	struct schedule_group *g = group_of(r);
	struct str token = scheduler_in(r, "ClientToken");
	if (!g)
		return;
	struct schedule *old = scheduler_find(r->s, str_from(g->name), str_from(r->name));
	if (old && token.p && str_eq(token, json_value_text(json_object_get(old->record, "Token")))) {
		reply_arn(r, old); /* the same request once more */
	} else if (old) {
		scheduler_fail(r, SCHEDULER_CONFLICT, "Schedule %s already exists.", r->name);
	} else if (!is_active(g)) {
		scheduler_fail(r, SCHEDULER_CONFLICT, "Schedule group %s is being deleted.", g->name);
	} else if (r->s->schedules.count >= SCHEDULER_SCHEDULES_MAX) {
		scheduler_fail(r, SCHEDULER_QUOTA, "The maximum number of schedules (%u) has been reached.", SCHEDULER_SCHEDULES_MAX);
	} else if (take_schedule(r, NULL) == 0) {
		if (token.p)
			json_object_set(r->record, "Token", json_object_get(r->input, "ClientToken"));
		save(r, g);
	}
}

void scheduler_update(struct scheduler_request *r)
{
	struct schedule_group *g = group_of(r);
	struct schedule *old = g ? schedule_of(r) : NULL;
	if (old && take_schedule(r, old) == 0)
		save(r, g);
}

static void commit_delete(struct scheduler_request *r)
{
	struct schedule *one = scheduler_find(r->s, group_name(r), str_from(r->name));
	if (one)
		scheduler_drop(r->s, one);
	scheduler_reply(r, NULL);
}

static void on_forgotten(void *arg, const struct kv_entry *entry, const struct error *err)
{
}

void scheduler_delete(struct scheduler_request *r)
{
	struct schedule_group *g = group_of(r);
	struct schedule *one = g ? schedule_of(r) : NULL;
	char key[KV_KEY_MAX];
	if (!one)
		return;
	snprintf(key, sizeof key, SCHEDULER_FIRED_PREFIX "%s", one->key);
	(void)kv_delete(r->s->deps.kv, str_from(key), KV_ANY, on_forgotten, NULL, NULL);
	key_of(key, g, one->name);
	scheduler_write(r, key, commit_delete);
}

/* ---- reading ---- */

static json_t *show(const struct scheduler *s, const struct schedule *one)
{
	char arn[SCHEDULER_ARN_MAX];
	scheduler_arn(s, one, arn);
	json_t *out = json_pack("{s:s, s:s, s:s%}", "Arn", arn, "GroupName", one->group->name, "Name", one->name.p, one->name.n);
	scheduler_show_time(out, "CreationDate", one->record, "Created");
	scheduler_show_time(out, "LastModificationDate", one->record, "Modified");
	json_object_set(out, "State", json_object_get(one->record, "State"));
	return out;
}

void scheduler_get(struct scheduler_request *r)
{
	struct schedule_group *g = group_of(r);
	struct schedule *one = g ? schedule_of(r) : NULL;
	if (!one)
		return;
	json_t *out = show(r->s, one);
	for (const char *const *key = members; *key; key++) {
		json_t *v = json_object_get(one->record, *key);
		if (v)
			json_object_set(out, *key, v);
	}
	json_object_set(out, "Target", json_object_get(one->record, "Target"));
	scheduler_show_time(out, "StartDate", one->record, "StartDate");
	scheduler_show_time(out, "EndDate", one->record, "EndDate");
	scheduler_reply(r, out);
}

static bool fits(const struct scheduler_request *r, struct hash_node *node)
{
	const struct schedule *one = CONTAINER_OF(node, struct schedule, node);
	struct str group = scheduler_in(r, "GroupName"), state = scheduler_in(r, "State");
	return (!group.p || str_eqz(group, one->group->name)) &&
	       (!state.p || str_eq(state, json_value_text(json_object_get(one->record, "State"))));
}

void scheduler_list(struct scheduler_request *r)
{
	json_t *reply, *all;
	struct scheduler_page page;
	if (scheduler_in(r, "GroupName").p && !group_of(r))
		return;
	reply = json_object();
	json_object_set_new(reply, "Schedules", all = json_array());
	if (scheduler_page(r, &r->s->schedules, fits, reply, &page) < 0) {
		json_decref(reply);
		return;
	}
	for (size_t i = 0; i < page.n; i++) {
		const struct schedule *one = CONTAINER_OF(page.nodes[i], struct schedule, node);
		json_t *shown = show(r->s, one), *target = json_object_get(one->record, "Target");
		json_object_set_new(shown, "Target", json_pack("{s:O}", "Arn", json_object_get(target, "Arn")));
		json_array_append_new(all, shown);
	}
	free(page.nodes);
	scheduler_reply(r, reply);
}
