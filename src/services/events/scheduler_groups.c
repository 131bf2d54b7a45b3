/* Operations on groups, and their tags. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/spec/arn.h"
#include "services/events/bus_priv.h"
#include "services/events/scheduler_priv.h"

#define TAGS_MAX 200u

static void key_of(char key[KV_KEY_MAX], const char *name)
{
	snprintf(key, KV_KEY_MAX, SCHEDULER_GROUP_PREFIX "%.*s", SCHEDULER_NAME_MAX, name);
}

static void reply_arn(struct scheduler_request *r, const struct schedule_group *g)
{
	char arn[SCHEDULER_ARN_MAX];
	scheduler_group_arn(r->s, g, arn);
	scheduler_reply(r, json_pack("{s:s}", "ScheduleGroupArn", arn));
}

static struct schedule_group *group_of(struct scheduler_request *r, struct str name)
{
	struct schedule_group *g = scheduler_group(r->s, name);
	if (!g)
		scheduler_fail(r, SCHEDULER_NOT_FOUND, "Schedule group " STR_FMT " does not exist.", STR_ARG(name));
	return g;
}

/* For changes, which come one after the other: a group that is being deleted may be gone before the change is written. */
static struct schedule_group *group_to_change(struct scheduler_request *r, struct str name)
{
	struct schedule_group *g = group_of(r, name);
	if (!g || !str_eqz(json_value_text(json_object_get(g->record, "State")), "DELETING"))
		return g;
	scheduler_fail(r, SCHEDULER_CONFLICT, "Schedule group %s is being deleted.", g->name);
	return NULL;
}

/* ---- create ---- */

static void commit_create(struct scheduler_request *r)
{
	struct schedule_group *g = scheduler_add_group(r->s, str_from(r->name), json_incref(r->record));
	if (g)
		reply_arn(r, g);
	else
		scheduler_fail(r, SCHEDULER_INTERNAL, "no memory for a schedule group");
}

void scheduler_create_group(struct scheduler_request *r)
{
	struct schedule_group *old = scheduler_group(r->s, str_from(r->name));
	struct str token = scheduler_in(r, "ClientToken");
	json_int_t now = scheduler_wall_ms(r->s);
	char key[KV_KEY_MAX];
	if (old && token.p && str_eq(token, json_value_text(json_object_get(old->record, "Token")))) {
		reply_arn(r, old);
		return;
	}
	if (old) {
		scheduler_fail(r, SCHEDULER_CONFLICT, "Schedule group %s already exists.", r->name);
		return;
	}
	if (r->s->groups.count >= SCHEDULER_GROUPS_MAX) {
		scheduler_fail(r, SCHEDULER_QUOTA, "The maximum number of schedule groups (%u) has been reached.", SCHEDULER_GROUPS_MAX);
		return;
	}
	r->record = json_pack("{s:i, s:I, s:I, s:s, s:o}", "Format", 1, "Created", now, "Modified", now, "State", "ACTIVE", "Tags",
	                      bus_tags_from(json_object_get(r->input, "Tags")));
	if (token.p)
		json_object_set(r->record, "Token", json_object_get(r->input, "ClientToken"));
	key_of(key, r->name);
	scheduler_write(r, key, commit_create);
}

/* ---- delete: the group is marked, then its schedules go, then it ---- */

struct sweeping {
	struct scheduler *s;
	char name[SCHEDULER_NAME_MAX + 1];
};

static void on_gone(void *arg, const struct kv_entry *entry, const struct error *err)
{
	struct sweeping *w = arg;
	struct schedule_group *g = scheduler_group(w->s, str_from(w->name));
	if (!err && g && g->count == 0)
		scheduler_drop_group(w->s, g);
	free(w);
}

static void on_one_gone(void *arg, const struct kv_entry *entry, const struct error *err)
{
}

static int forget(struct scheduler *s, const char *prefix, const char *name)
{
	char key[KV_KEY_MAX];
	snprintf(key, sizeof key, "%s%s", prefix, name);
	return kv_delete(s->deps.kv, str_from(key), KV_ANY, on_one_gone, NULL, NULL);
}

/* As many as the store takes now; -1: the rest with the next look (scheduler_time.c). */
static int sweep_schedules(struct scheduler *s, struct schedule_group *g)
{
	HASH_FOREACH(node, &s->schedules) {
		struct schedule *one = CONTAINER_OF(node, struct schedule, node);
		if (one->group != g)
			continue;
		(void)forget(s, SCHEDULER_FIRED_PREFIX, one->key);
		if (forget(s, SCHEDULER_SCHEDULE_PREFIX, one->key) < 0)
			return -1;
		scheduler_drop(s, one);
	}
	return 0;
}

void scheduler_sweep_group(struct scheduler *s, struct schedule_group *g)
{
	char key[KV_KEY_MAX];
	if (!str_eqz(json_value_text(json_object_get(g->record, "State")), "DELETING") || sweep_schedules(s, g) < 0)
		return;
	struct sweeping *w = calloc(1, sizeof *w);
	ASSERT(w);
	w->s = s;
	memcpy(w->name, g->name, sizeof w->name);
	key_of(key, g->name);
	if (kv_delete(s->deps.kv, str_from(key), KV_ANY, on_gone, w, NULL) < 0)
		free(w);
}

static void commit_record(struct scheduler_request *r)
{
	struct scheduler *s = r->s;
	struct schedule_group *g = r->group;
	json_decref(g->record);
	g->record = json_incref(r->record);
	scheduler_sweep_group(s, g);
	scheduler_reply(r, NULL);
}

static void begin_change(struct scheduler_request *r, struct schedule_group *g)
{
	r->group = g;
	r->record = json_deep_copy(g->record);
	json_object_set_new(r->record, "Modified", json_integer(scheduler_wall_ms(r->s)));
}

static void save(struct scheduler_request *r)
{
	char key[KV_KEY_MAX];
	key_of(key, r->group->name);
	scheduler_write(r, key, commit_record);
}

void scheduler_delete_group(struct scheduler_request *r)
{
	struct schedule_group *g = group_to_change(r, str_from(r->name));
	if (g && strcmp(g->name, "default") == 0) {
		scheduler_fail(r, SCHEDULER_INVALID, "The default schedule group cannot be deleted.");
	} else if (g) {
		begin_change(r, g);
		json_object_set_new(r->record, "State", json_string("DELETING"));
		save(r);
	}
}

/* ---- reading ---- */

static json_t *show(const struct scheduler *s, const struct schedule_group *g)
{
	char arn[SCHEDULER_ARN_MAX];
	scheduler_group_arn(s, g, arn);
	json_t *out = json_pack("{s:s, s:s}", "Arn", arn, "Name", g->name);
	scheduler_show_time(out, "CreationDate", g->record, "Created");
	scheduler_show_time(out, "LastModificationDate", g->record, "Modified");
	json_object_set(out, "State", json_object_get(g->record, "State"));
	return out;
}

void scheduler_get_group(struct scheduler_request *r)
{
	struct schedule_group *g = group_of(r, str_from(r->name));
	if (g)
		scheduler_reply(r, show(r->s, g));
}

void scheduler_list_groups(struct scheduler_request *r)
{
	json_t *reply = json_object(), *all = json_array();
	struct scheduler_page page;
	json_object_set_new(reply, "ScheduleGroups", all);
	if (scheduler_page(r, &r->s->groups, NULL, reply, &page) < 0) {
		json_decref(reply);
		return;
	}
	for (size_t i = 0; i < page.n; i++)
		json_array_append_new(all, show(r->s, CONTAINER_OF(page.nodes[i], struct schedule_group, node)));
	free(page.nodes);
	scheduler_reply(r, reply);
}

/* ---- tags ---- */

static struct str tagged_name(const struct scheduler_request *r)
{
	struct str name = str_from(r->name), piece;
	while (str_find(name, '/') < name.n)
		str_split(&name, '/', &piece);
	return name;
}

/* The tags of the new record; NULL: the request has failed. */
static json_t *begin_tags(struct scheduler_request *r)
{
	struct schedule_group *g = group_to_change(r, tagged_name(r));
	if (!g)
		return NULL;
	begin_change(r, g);
	json_t *tags = json_object_get(r->record, "Tags");
	if (!tags) {
		tags = json_object();
		json_object_set_new(r->record, "Tags", tags);
	}
	return tags;
}

void scheduler_tag(struct scheduler_request *r)
{
	json_t *tags = begin_tags(r), *one;
	size_t i;
	if (!tags)
		return;
	json_array_foreach(json_object_get(r->input, "Tags"), i, one)
		json_object_set(tags, json_string_value(json_object_get(one, "Key")), json_object_get(one, "Value"));
	if (json_object_size(tags) > TAGS_MAX)
		scheduler_fail(r, SCHEDULER_INVALID, "The number of tags exceeds the maximum of %u.", TAGS_MAX);
	else
		save(r);
}

void scheduler_untag(struct scheduler_request *r)
{
	json_t *tags = begin_tags(r), *key;
	size_t i;
	if (!tags)
		return;
	json_array_foreach(json_object_get(r->input, "TagKeys"), i, key)
		json_object_del(tags, json_string_value(key));
	save(r);
}

void scheduler_list_tags(struct scheduler_request *r)
{
	struct schedule_group *g = group_of(r, tagged_name(r));
	const char *key;
	json_t *value, *list;
	if (!g)
		return;
	list = json_array();
	json_object_foreach(json_object_get(g->record, "Tags"), key, value)
		json_array_append_new(list, json_pack("{s:s, s:O}", "Key", key, "Value", value));
	scheduler_reply(r, json_pack("{s:o}", "Tags", list));
}
