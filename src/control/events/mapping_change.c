/* Changes of mappings, one after the other for each, and the states that they show. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/events/mapping_priv.h"
#include "core/json/value.h"

#define KEY_SIZE (sizeof MAPPING_PREFIX + UUID_SIZE)
#define IN_USE "Cannot %s the event source mapping because it is in use."

struct mapping_change {
	struct list link; /* of the mapping's changes, or of mappings.refused */
	struct mapping *m; /* NULL: refused at once */
	struct mappings *all;
	struct ev_defer defer;
	void (*start)(struct mapping_change *change); /* ends with write_record, write_nothing or finish */
	mapping_cb *cb;
	void *arg;
	json_t *request, *remove; /* references */
	json_t *draft;            /* the record that is being written; NULL: a deletion */
	struct mapping_config config; /* of the draft, until it is the mapping's */
	enum mapping_state before;
	struct error failure;
};

/* ---- states ---- */

const char *mapping_state_name(enum mapping_state state)
{
	static const char *const names[MAPPING_STATES] = {"Creating", "Enabled", "Disabled", "Enabling", "Disabling", "Updating", "Deleting"};
	return names[state];
}

void mapping_set_state(struct mapping *m, enum mapping_state state)
{
	ASSERT(m->state != MAPPING_DELETING || state == MAPPING_DELETING);
	m->state = state;
}

static bool is_settled(const struct mapping *m)
{
	return m->state == MAPPING_ENABLED || m->state == MAPPING_DISABLED;
}

static void leave_table(struct mapping *m)
{
	hash_remove(&m->all->by_uuid, &m->by_uuid);
	m->gone = true;
	mapping_free_unused(m);
}

void mapping_batch_over(struct mapping *m)
{
	if (m->gone)
		mapping_free_unused(m);
	else if (m->deleted && !m->settle.loop && list_empty(&m->poll.batches))
		leave_table(m);
}

static void on_settled(struct ev_timer *timer)
{
	struct mapping *m = CONTAINER_OF(timer, struct mapping, settle);
	if (m->state == MAPPING_DELETING) {
		mapping_batch_over(m);
		return;
	}
	mapping_set_state(m, m->config.enabled ? MAPPING_ENABLED : MAPPING_DISABLED);
	mapping_poll_start(m);
}

static void settle_later(struct mapping *m)
{
	m->settle.cb = on_settled;
	ev_timer_after(m->all->deps.loop, &m->settle, m->all->deps.settings->settle_ms * NS_PER_MS);
}

/* ---- changes ---- */

static void change_free(struct mapping_change *change)
{
	ev_defer_cancel(&change->defer);
	mapping_config_release(&change->config);
	json_decref(change->request);
	json_decref(change->remove);
	json_decref(change->draft);
	free(change);
}

static void finish(struct mapping_change *change, json_t *result, const struct error *err)
{
	struct mapping *m = change->m;
	list_remove(&change->link);
	change->cb(change->arg, err ? NULL : result, err);
	struct mapping_change *next = m ? LIST_FIRST(&m->changes, struct mapping_change, link) : NULL;
	if (next)
		ev_defer_run(change->all->deps.loop, &next->defer);
	change_free(change);
	if (m)
		mapping_free_unused(m);
}

static void on_turn(struct ev_defer *defer)
{
	struct mapping_change *change = CONTAINER_OF(defer, struct mapping_change, defer);
	if (change->m && change->m->gone)
		mapping_not_found(&change->failure);
	if (change->failure.code)
		finish(change, NULL, &change->failure);
	else
		change->start(change);
}

static struct mapping_change *change_new(struct mappings *all, void (*start)(struct mapping_change *), mapping_cb *cb, void *arg)
{
	struct mapping_change *change = calloc(1, sizeof *change);
	ASSERT(change);
	change->all = all;
	change->start = start;
	change->cb = cb;
	change->arg = arg;
	list_init(&change->link);
	ev_defer_init(&change->defer, on_turn);
	return change;
}

/* `m` NULL: fails with change->failure. */
static void submit(struct mapping_change *change, struct mapping *m)
{
	bool first = !m || list_empty(&m->changes);
	change->m = m;
	list_push_back(m ? &m->changes : &change->all->refused, &change->link);
	if (first)
		ev_defer_run(change->all->deps.loop, &change->defer);
}

void mapping_changes_release(struct mappings *all)
{
	struct list *link;
	while ((link = list_pop_front(&all->refused)))
		change_free(CONTAINER_OF(link, struct mapping_change, link));
	HASH_FOREACH(node, &all->by_uuid) {
		struct mapping *m = CONTAINER_OF(node, struct mapping, by_uuid);
		while ((link = list_pop_front(&m->changes)))
			change_free(CONTAINER_OF(link, struct mapping_change, link));
	}
}

/* ---- writing ---- */

static void write_draft(struct mapping_change *change, kv_cb *done)
{
	char key[KEY_SIZE];
	struct error err = {0};
	struct buf text;
	buf_init(&text, KV_VALUE_MAX);
	snprintf(key, sizeof key, MAPPING_PREFIX "%s", change->m->uuid);
	struct kv *kv = change->all->deps.kv;
	int rc = -1;
	if (!change->draft)
		rc = kv_delete(kv, str_from(key), KV_ANY, done, change, &err);
	else if (json_value_dump(change->draft, &text, &err) == 0)
		rc = kv_put(kv, str_from(key), buf_str(&text), KV_ANY, done, change, &err);
	buf_release(&text);
	if (rc < 0)
		done(change, NULL, &err);
}

/* The draft is the truth now. */
static void adopt(struct mapping_change *change)
{
	struct mapping *m = change->m;
	json_decref(m->record);
	m->record = STEAL_PTR(change->draft);
}

static void finish_with_view(struct mapping_change *change)
{
	CLEANUP_JSON json_t *view = mapping_view(change->m);
	finish(change, view, NULL);
}

/* ---- create ---- */

static void on_created(void *arg, const struct kv_entry *entry, const struct error *err)
{
	struct mapping_change *change = arg;
	struct mapping *m = change->m;
	if (err) {
		hash_remove(&change->all->by_uuid, &m->by_uuid);
		m->gone = true;
		finish(change, NULL, err);
		return;
	}
	adopt(change);
	m->stored = true;
	settle_later(m);
	finish_with_view(change);
}

static void start_create(struct mapping_change *change)
{
	write_draft(change, on_created);
}

void mapping_create(struct mappings *all, json_t *request, mapping_cb *cb, void *arg)
{
	struct mapping_change *change = change_new(all, start_create, cb, arg);
	struct mapping_config config = {0};
	struct mapping *m = NULL;
	char uuid[UUID_SIZE];
	uuid4(uuid);
	change->draft = mapping_record(all, NULL, str_from(uuid), request, &change->failure);
	if (change->draft && mapping_config_read(all, change->draft, &config, &change->failure) == 0 &&
	    mapping_config_check(all, &config, NULL, &change->failure) == 0)
		m = mapping_new(all, str_from(uuid), &change->failure);
	if (m) {
		m->config = config; /* at once, so that a second request for the same pair is refused */
		m->state = MAPPING_CREATING;
	} else {
		mapping_config_release(&config);
	}
	submit(change, m);
}

/* ---- update ---- */

static void on_updated(void *arg, const struct kv_entry *entry, const struct error *err)
{
	struct mapping_change *change = arg;
	struct mapping *m = change->m;
	if (err) {
		mapping_set_state(m, change->before);
		finish(change, NULL, err);
		return;
	}
	mapping_poll_stop(m);
	adopt(change);
	mapping_config_release(&m->config);
	m->config = change->config;
	change->config = (struct mapping_config){0};
	*m->result = '\0';
	settle_later(m);
	finish_with_view(change);
}

static enum mapping_state state_of_update(const struct mapping_config *from, const struct mapping_config *to)
{
	if (from->enabled == to->enabled)
		return MAPPING_UPDATING;
	return to->enabled ? MAPPING_ENABLING : MAPPING_DISABLING;
}

static void start_update(struct mapping_change *change)
{
	struct mapping *m = change->m;
	struct error err = {0};
	if (!is_settled(m)) {
		error_set(&err, ERR_IN_USE, IN_USE, "update");
		finish(change, NULL, &err);
		return;
	}
	change->draft = mapping_record(change->all, m->record, str_from(m->uuid), change->request, &err);
	if (!change->draft || mapping_config_read(change->all, change->draft, &change->config, &err) < 0 ||
	    mapping_config_check(change->all, &change->config, m, &err) < 0) {
		finish(change, NULL, &err);
		return;
	}
	change->before = m->state;
	mapping_set_state(m, state_of_update(&m->config, &change->config));
	write_draft(change, on_updated);
}

static void submit_to(struct mapping_change *change, struct str uuid)
{
	struct mapping *m = mapping_find(change->all, uuid);
	if (!m)
		mapping_not_found(&change->failure);
	submit(change, m);
}

void mapping_update(struct mappings *all, struct str uuid, json_t *request, mapping_cb *cb, void *arg)
{
	struct mapping_change *change = change_new(all, start_update, cb, arg);
	change->request = json_incref(request);
	submit_to(change, uuid);
}

/* ---- delete ---- */

static void on_deleted(void *arg, const struct kv_entry *entry, const struct error *err)
{
	struct mapping_change *change = arg;
	struct mapping *m = change->m;
	if (err) {
		m->state = change->before;
		finish(change, NULL, err);
		return;
	}
	mapping_poll_stop(m);
	settle_later(m);
	m->deleted = true;
	finish_with_view(change);
}

static void start_delete(struct mapping_change *change)
{
	struct mapping *m = change->m;
	struct error err = {0};
	if (!is_settled(m)) {
		error_set(&err, ERR_IN_USE, IN_USE, "delete");
		finish(change, NULL, &err);
		return;
	}
	change->before = m->state;
	mapping_set_state(m, MAPPING_DELETING);
	write_draft(change, on_deleted);
}

void mapping_delete(struct mappings *all, struct str uuid, mapping_cb *cb, void *arg)
{
	submit_to(change_new(all, start_delete, cb, arg), uuid);
}

/* ---- tags ---- */

static void on_tagged(void *arg, const struct kv_entry *entry, const struct error *err)
{
	struct mapping_change *change = arg;
	if (!err)
		adopt(change);
	finish(change, NULL, err);
}

static void start_tag(struct mapping_change *change)
{
	const json_t *now = json_object_get(change->m->record, "Tags");
	json_t *tags = now ? json_copy((json_t *)now) : json_object(), *key;
	struct error err = {0};
	size_t i;
	if (change->request)
		json_object_update(tags, change->request);
	json_array_foreach(change->remove, i, key)
		json_object_del(tags, json_string_value(key) ? json_string_value(key) : "");
	change->draft = json_copy(change->m->record);
	json_object_set_new(change->draft, "Tags", tags);
	if (change->m->state == MAPPING_DELETING) {
		mapping_not_found(&err);
		finish(change, NULL, &err);
	} else if (json_object_size(tags) > FUNCTION_TAGS_MAX) {
		error_set(&err, ERR_INVALID, "Number of tags exceeds resource tag limit.");
		finish(change, NULL, &err);
	} else {
		write_draft(change, on_tagged);
	}
}

void mapping_tag(struct mappings *all, struct str uuid, json_t *add, json_t *remove_keys, mapping_cb *cb, void *arg)
{
	struct mapping_change *change = change_new(all, start_tag, cb, arg);
	change->request = json_incref(add);
	change->remove = json_incref(remove_keys);
	submit_to(change, uuid);
}
