/* Schedules and groups in memory: made, loaded, freed. */
#include "services/events/scheduler_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const scheduler_paths[] = {"schedules", "schedule-groups", "tags", NULL};

int64_t scheduler_wall_ms(const struct scheduler *s)
{
	return s->deps.wall_ms ? s->deps.wall_ms(s->deps.wall_arg) : clock_wall_ms();
}

void scheduler_count(const struct scheduler *s, struct scheduler_counts *out)
{
	*out = s->counts;
}

void scheduler_arn(const struct scheduler *s, const struct schedule *one, char dst[SCHEDULER_ARN_MAX])
{
	snprintf(dst, SCHEDULER_ARN_MAX, "arn:aws:scheduler:%s:%s:schedule/%s", s->deps.settings->region, s->deps.settings->account, one->key);
}

void scheduler_group_arn(const struct scheduler *s, const struct schedule_group *g, char dst[SCHEDULER_ARN_MAX])
{
	snprintf(dst, SCHEDULER_ARN_MAX, "arn:aws:scheduler:%s:%s:schedule-group/%s", s->deps.settings->region, s->deps.settings->account,
	         g->name);
}

/* ---- groups ---- */

struct schedule_group *scheduler_group(const struct scheduler *s, struct str name)
{
	return HASH_ENTRY(hash_get(&s->groups, name), struct schedule_group, node);
}

struct schedule_group *scheduler_add_group(struct scheduler *s, struct str name, json_t *record)
{
	struct schedule_group *g = calloc(1, sizeof *g);
	if (!g || str_copy(g->name, sizeof g->name, name) < 0 || hash_put(&s->groups, &g->node, str_from(g->name)) < 0) {
		free(g);
		json_decref(record);
		return NULL;
	}
	g->record = record;
	return g;
}

void scheduler_drop_group(struct scheduler *s, struct schedule_group *g)
{
	hash_remove(&s->groups, &g->node);
	json_decref(g->record);
	free(g);
}

/* ---- schedules ---- */

struct schedule *scheduler_find(const struct scheduler *s, struct str group, struct str name)
{
	char key[SCHEDULER_KEY_MAX];
	int n = snprintf(key, sizeof key, STR_FMT "/" STR_FMT, STR_ARG(group), STR_ARG(name));
	return n >= (int)sizeof key ? NULL : HASH_ENTRY(hash_get(&s->schedules, str_from(key)), struct schedule, node);
}

static void schedule_free(struct schedule *one)
{
	when_free(one->when);
	json_decref(one->record);
	free(one);
}

void scheduler_drop(struct scheduler *s, struct schedule *one)
{
	scheduler_unplan(s, one);
	hash_remove(&s->schedules, &one->node);
	one->group->count--;
	schedule_free(one);
}

struct when *scheduler_when(struct scheduler *s, const json_t *record, struct error *err)
{
	return when_parse(s->deps.zones, json_value_text(json_object_get(record, "ScheduleExpression")),
	                  json_value_text(json_object_get(record, "ScheduleExpressionTimezone")), WHEN_SCHEDULER, err);
}

static int64_t number(const json_t *record, const char *key, int64_t otherwise)
{
	const json_t *v = json_object_get(record, key);
	return json_is_integer(v) ? (int64_t)json_integer_value(v) : otherwise;
}

static void fill(struct schedule *one, json_t *record, struct when *when)
{
	const json_t *window = json_object_get(json_object_get(record, "FlexibleTimeWindow"), "MaximumWindowInMinutes");
	when_free(one->when);
	json_decref(one->record);
	one->record = record;
	one->when = when;
	one->enabled = !str_eqz(json_value_text(json_object_get(record, "State")), "DISABLED");
	one->deletes = str_eqz(json_value_text(json_object_get(record, "ActionAfterCompletion")), "DELETE");
	one->window_ms = json_integer_value(window) * 60000;
	one->from_ms = number(record, "From", 0);
	one->anchor_ms = number(record, "StartDate", one->from_ms) / 1000 * 1000;
	one->end_ms = number(record, "EndDate", INT64_MAX);
}

static struct schedule *add(struct scheduler *s, struct schedule_group *g, struct str name)
{
	struct schedule *one = calloc(1, sizeof *one);
	if (!one)
		return NULL;
	*one = (struct schedule){.group = g, .fired_ms = -1, .heap_at = SIZE_MAX, .due_ms = WHEN_NEVER, .nominal_ms = WHEN_NEVER};
	snprintf(one->key, sizeof one->key, "%s/" STR_FMT, g->name, STR_ARG(name));
	one->name = str_from(one->key + strlen(g->name) + 1);
	if (hash_put(&s->schedules, &one->node, str_from(one->key)) < 0) {
		free(one);
		return NULL;
	}
	g->count++;
	return one;
}

struct schedule *scheduler_put(struct scheduler *s, struct schedule_group *g, struct str name, json_t *record, struct error *err)
{
	struct when *when = scheduler_when(s, record, err);
	struct schedule *one = when ? scheduler_find(s, str_from(g->name), name) : NULL;
	if (when && !one && !(one = add(s, g, name)))
		error_set(err, ERR_NO_MEMORY, "no memory for a schedule");
	if (!one) {
		when_free(when);
		json_decref(record);
		return NULL;
	}
	fill(one, record, when);
	return one;
}

/* ---- life ---- */

static void on_clock(void *arg)
{
	scheduler_look_anew(arg);
}

static int make_parts(struct scheduler *s, struct error *err)
{
	struct target_queue_deps fires = {.loop = s->deps.loop, .queue = s->deps.queue, .name = "fire/schedule", .deliverer = &s->deps.deliverer,
	                                  .retry_percent = (unsigned)s->deps.settings->retry_scale, .over = scheduler_over, .over_arg = s};
	if (!scheduler_add_group(s, STR("default"), json_pack("{s:i, s:s}", "Format", 1, "State", "ACTIVE")))
		return error_set(err, ERR_NO_MEMORY, "no memory for schedules");
	s->fires = target_queue_new(&fires, err);
	s->clockset = s->fires ? ev_clockset_new(s->deps.loop, on_clock, s, err) : NULL;
	return s->clockset ? 0 : -1;
}

struct scheduler *scheduler_new(const struct bus_deps *deps, struct error *err)
{
	struct scheduler *s = calloc(1, sizeof *s);
	if (!s) {
		error_set(err, ERR_NO_MEMORY, "no memory for schedules");
		return NULL;
	}
	s->deps = *deps;
	hash_init(&s->groups);
	hash_init(&s->schedules);
	list_init(&s->changes);
	if (make_parts(s, err) == 0)
		return s;
	scheduler_free(s);
	return NULL;
}

void scheduler_drain(struct scheduler *s, void (*on_idle)(void *arg), void *arg)
{
	target_queue_drain(s->fires, on_idle, arg);
}

bool scheduler_busy(const struct scheduler *s)
{
	return target_queue_busy(s->fires);
}

void scheduler_free(struct scheduler *s)
{
	if (!s)
		return;
	ev_timer_stop(&s->tick);
	ev_clockset_free(s->clockset);
	target_queue_free(s->fires);
	HASH_FOREACH(node, &s->schedules)
		scheduler_drop(s, CONTAINER_OF(node, struct schedule, node));
	HASH_FOREACH(node, &s->groups)
		scheduler_drop_group(s, CONTAINER_OF(node, struct schedule_group, node));
	hash_release(&s->schedules);
	hash_release(&s->groups);
	free(s->heap);
	free(s);
}

/* ---- loading: one kind of keys after the other ---- */

static int load_group(struct scheduler *s, struct str key, struct str value, struct error *err)
{
	json_t *record = json_value_load_object(value, NULL, err);
	struct schedule_group *g = scheduler_group(s, key);
	if (!record)
		return -1;
	if (g) { /* "default" */
		json_decref(g->record);
		g->record = record;
		return 0;
	}
	return scheduler_add_group(s, key, record) ? 0 : error_set(err, ERR_NO_MEMORY, "no memory for schedules");
}

static int load_schedule(struct scheduler *s, struct str key, struct str value, struct error *err)
{
	struct str name = key, group;
	json_t *record = json_value_load_object(value, NULL, err);
	struct schedule_group *g = str_split(&name, '/', &group) ? scheduler_group(s, group) : NULL;
	if (!record)
		return -1;
	if (!g) {
		json_decref(record);
		return error_set(err, ERR_IO, "there is no such schedule group");
	}
	return scheduler_put(s, g, name, record, err) ? 0 : -1;
}

static int load_fired(struct scheduler *s, struct str key, struct str value, struct error *err)
{
	struct schedule *one = HASH_ENTRY(hash_get(&s->schedules, key), struct schedule, node);
	uint64_t ms;
	if (one && str_to_u64(value, INT64_MAX, &ms) == 0)
		one->fired_ms = (int64_t)ms;
	return 0; /* of a schedule that was deleted: its key may outlive it by a crash */
}

static const struct {
	const char *prefix;
	int (*load)(struct scheduler *s, struct str key, struct str value, struct error *err);
} steps[] = {{SCHEDULER_GROUP_PREFIX, load_group}, {SCHEDULER_SCHEDULE_PREFIX, load_schedule}, {SCHEDULER_FIRED_PREFIX, load_fired}};

static void list_more(struct scheduler *s);

static void end_load(struct scheduler *s)
{
	struct error *err = &s->load.err;
	if (err->code == 0 && target_queue_start(s->fires, err) == 0)
		scheduler_start(s);
	s->load.cb(s->load.arg, s->schedules.count, err->code ? err : NULL);
}

static void on_end_load(struct ev_defer *defer)
{
	end_load(CONTAINER_OF(defer, struct scheduler, load.ready));
}

static void on_list(void *arg, const struct kv_entry *entries, size_t n, bool more, const struct error *err)
{
	struct scheduler *s = arg;
	const char *prefix = steps[s->load.step].prefix;
	int rc = err ? -1 : 0;
	if (err)
		s->load.err = *err;
	for (size_t i = 0; i < n && rc == 0; i++) {
		rc = steps[s->load.step].load(s, str_sub(entries[i].key, strlen(prefix), entries[i].key.n), entries[i].value, &s->load.err);
		if (rc < 0)
			error_wrap(&s->load.err, "record " STR_FMT, STR_ARG(entries[i].key));
	}
	if (rc == 0 && more)
		str_copy(s->load.last, sizeof s->load.last, entries[n - 1].key);
	else
		s->load.last[0] = 0;
	s->load.step += !more;
	if (rc < 0 || s->load.step == ARRAY_LEN(steps))
		end_load(s);
	else
		list_more(s);
}

static void list_more(struct scheduler *s)
{
	struct kv_list what = {.prefix = str_from(steps[s->load.step].prefix), .after = str_from(s->load.last)};
	if (kv_list(s->deps.kv, &what, on_list, s, &s->load.err) < 0)
		ev_defer_run(s->deps.loop, &s->load.ready);
}

void scheduler_load(struct scheduler *s, scheduler_ready_cb *cb, void *arg)
{
	s->load.cb = cb;
	s->load.arg = arg;
	ev_defer_init(&s->load.ready, on_end_load);
	list_more(s);
}
