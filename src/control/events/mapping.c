/* The table of mappings: loading, reading, counting. */
#include <stdlib.h>
#include <string.h>

#include "control/events/mapping_priv.h"
#include "control/metrics/metrics.h"
#include "core/json/value.h"

#define SCRATCH_MAX (4u << 20) /* a message and its record */
#define LIST_MAX 10000u

/* ---- objects ---- */

struct mapping *mapping_find(const struct mappings *all, struct str uuid)
{
	struct mapping *m = HASH_ENTRY(hash_get(&all->by_uuid, uuid), struct mapping, by_uuid);
	return m && m->stored ? m : NULL;
}

int mapping_not_found(struct error *err)
{
	return error_set(err, ERR_NOT_FOUND, "The resource you requested does not exist.");
}

struct mapping *mapping_new(struct mappings *all, struct str uuid, struct error *err)
{
	struct mapping *m = calloc(1, sizeof *m);
	if (!m || str_copy(m->uuid, sizeof m->uuid, uuid) < 0 || hash_put(&all->by_uuid, &m->by_uuid, str_from(m->uuid)) < 0) {
		free(m);
		error_set(err, ERR_NO_MEMORY, "no memory for the mapping");
		return NULL;
	}
	m->all = all;
	list_init(&m->changes);
	mapping_poll_init(m);
	return m;
}

static void mapping_free(struct mapping *m)
{
	ev_timer_stop(&m->settle);
	mapping_poll_release(m);
	mapping_config_release(&m->config);
	json_decref(m->record);
	free(m);
}

void mapping_free_unused(struct mapping *m)
{
	if (m->gone && list_empty(&m->changes) && list_empty(&m->poll.batches))
		mapping_free(m);
}

/* ---- life ---- */

struct mappings *mappings_new(const struct mappings_deps *deps, struct error *err)
{
	struct mappings *all = calloc(1, sizeof *all);
	if (!all) {
		error_set(err, ERR_NO_MEMORY, "no memory for event source mappings");
		return NULL;
	}
	all->deps = *deps;
	all->second_ns = NS_PER_S * deps->settings->retry_scale / 100;
	hash_init(&all->by_uuid);
	list_init(&all->starved);
	list_init(&all->refused);
	buf_init(&all->scratch, SCRATCH_MAX);
	return all;
}

void mappings_free(struct mappings *all)
{
	if (!all)
		return;
	all->closing = true;
	mapping_changes_release(all);
	HASH_FOREACH(node, &all->by_uuid) {
		hash_remove(&all->by_uuid, node);
		mapping_free(CONTAINER_OF(node, struct mapping, by_uuid));
	}
	hash_release(&all->by_uuid);
	buf_release(&all->scratch);
	free(all);
}

void mappings_drain(struct mappings *all)
{
	all->draining = true;
	HASH_FOREACH(node, &all->by_uuid)
		mapping_poll_stop(CONTAINER_OF(node, struct mapping, by_uuid));
}

bool mappings_busy(const struct mappings *all)
{
	bool busy = all->giving > 0;
	HASH_FOREACH(node, &all->by_uuid)
		busy |= CONTAINER_OF(node, struct mapping, by_uuid)->poll.in_flight > 0;
	return busy;
}

void mappings_on_idle(struct mappings *all, void (*on_idle)(void *arg), void *arg)
{
	all->on_idle = on_idle;
	all->idle_arg = arg;
}

void mapping_tell_idle(struct mappings *all)
{
	if (all->draining && all->on_idle && !mappings_busy(all))
		all->on_idle(all->idle_arg);
}

void mappings_source_changed(struct mappings *all, struct str arn)
{
	HASH_FOREACH(node, &all->by_uuid) {
		struct mapping *m = CONTAINER_OF(node, struct mapping, by_uuid);
		if (!m->config.arn || !str_eqz(arn, m->config.arn) || !m->poll.pause.loop)
			continue;
		ev_timer_stop(&m->poll.pause);
		mapping_poll_go(m);
	}
}

/* ---- loading ---- */

/* A record that cannot be read stays where it is, and is not shown. */
static void take_record(struct mappings *all, const struct kv_entry *entry)
{
	struct mapping_config config;
	CLEANUP_JSON json_t *record = json_value_load_object(entry->value, NULL, NULL);
	struct str uuid = str_sub(entry->key, strlen(MAPPING_PREFIX), entry->key.n);
	if (!record || mapping_config_read(all, record, &config, NULL) < 0)
		return;
	struct mapping *m = mapping_new(all, uuid, NULL);
	if (!m) {
		mapping_config_release(&config);
		return;
	}
	m->record = STEAL_PTR(record);
	m->config = config;
	m->stored = true;
	m->state = config.enabled ? MAPPING_ENABLED : MAPPING_DISABLED;
}

static void start_all(struct mappings *all)
{
	HASH_FOREACH(node, &all->by_uuid)
		mapping_poll_start(CONTAINER_OF(node, struct mapping, by_uuid));
}

static int load_page(struct mappings *all, struct error *err);

static void on_page(void *arg, const struct kv_entry *entries, size_t n, bool more, const struct error *err)
{
	struct mappings *all = arg;
	struct error failure = {0};
	for (size_t i = 0; !err && i < n; i++)
		take_record(all, &entries[i]);
	if (!err && more && n && str_copy(all->after, sizeof all->after, entries[n - 1].key) == 0) {
		if (load_page(all, &failure) == 0)
			return;
		err = &failure;
	}
	all->ready(all->ready_arg, all->by_uuid.count, err);
	if (!err)
		start_all(all);
}

static int load_page(struct mappings *all, struct error *err)
{
	return kv_list(all->deps.kv, &(struct kv_list){.prefix = STR(MAPPING_PREFIX), .after = {all->after, strlen(all->after)}}, on_page, all, err);
}

void mappings_load(struct mappings *all, mappings_ready_cb *cb, void *arg)
{
	struct error err = {0};
	all->ready = cb;
	all->ready_arg = arg;
	if (load_page(all, &err) < 0)
		cb(arg, 0, &err);
}

/* ---- reading ---- */

json_t *mapping_view(const struct mapping *m)
{
	json_t *view = json_copy(m->record);
	static const char *const hidden[] = {"Format", "Enabled", "Tags"};
	for (size_t i = 0; i < ARRAY_LEN(hidden); i++)
		json_object_del(view, hidden[i]);
	json_object_set_new(view, "State", json_string(mapping_state_name(m->state)));
	if (*m->result)
		json_object_set_new(view, "LastProcessingResult", json_string(m->result));
	return view;
}

json_t *mapping_show(struct mappings *all, struct str uuid, struct error *err)
{
	const struct mapping *m = mapping_find(all, uuid);
	if (m)
		return mapping_view(m);
	mapping_not_found(err);
	return NULL;
}

json_t *mapping_tags(struct mappings *all, struct str uuid, struct error *err)
{
	const struct mapping *m = mapping_find(all, uuid);
	json_t *tags = m ? json_object_get(m->record, "Tags") : NULL;
	if (m)
		return tags ? json_copy(tags) : json_object();
	mapping_not_found(err);
	return NULL;
}

static int by_uuid(const void *a, const void *b)
{
	return strcmp((*(struct mapping *const *)a)->uuid, (*(struct mapping *const *)b)->uuid);
}

static bool is_asked_for(const struct mapping *m, const struct mapping_list *list, const char *function)
{
	return m->stored && (!list->source_arn.n || str_eqz(list->source_arn, m->config.arn)) &&
	       (!list->function.n || (function && strcmp(function, m->config.function) == 0)) &&
	       (!list->marker.n || str_cmp(str_from(m->uuid), list->marker) > 0);
}

/* Those that are asked for, in the order of their UUIDs; malloc'd. */
static struct mapping **collect(struct mappings *all, const struct mapping_list *list, size_t *n)
{
	struct mapping **found = calloc(all->by_uuid.count + 1, sizeof *found);
	CLEANUP_FREE char *function = list->function.n ? mapping_function_arn(all, list->function, NULL) : NULL;
	*n = 0;
	HASH_FOREACH(node, &all->by_uuid) {
		struct mapping *m = CONTAINER_OF(node, struct mapping, by_uuid);
		if (found && is_asked_for(m, list, function))
			found[(*n)++] = m;
	}
	if (*n)
		qsort(found, *n, sizeof *found, by_uuid);
	return found;
}

void mapping_list(struct mappings *all, struct mapping_list *list)
{
	size_t n, most = list->max && list->max < LIST_MAX ? list->max : LIST_MAX;
	CLEANUP_FREE struct mapping **found = collect(all, list, &n);
	*list->next = '\0';
	for (size_t i = 0; i < n && i < most; i++)
		json_array_append_new(list->rows, mapping_view(found[i]));
	if (n > most)
		memcpy(list->next, found[most - 1]->uuid, UUID_SIZE);
}

void mapping_count(struct mapping *m, unsigned label, uint64_t n)
{
	struct metrics *metrics = m->all->deps.metrics;
	if (metrics && n)
		metrics_add(metrics, METRIC_MAPPING_MESSAGES, metrics_function(metrics, m->config.ref.name), label, n);
}

void mappings_count(const struct mappings *all, struct mappings_counts *out)
{
	*out = all->totals;
	HASH_FOREACH(node, &all->by_uuid) {
		const struct mapping *m = CONTAINER_OF(node, struct mapping, by_uuid);
		out->mappings += m->stored;
		out->enabled += m->state == MAPPING_ENABLED;
		out->in_flight += m->poll.in_flight;
	}
}
