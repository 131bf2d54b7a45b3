#include "control/events/mapping.h"

#include <stdlib.h>
#include <string.h>

struct mappings {
	struct mappings_deps deps;
	struct ev_defer ready;
	mappings_ready_cb *ready_cb;
	void *ready_arg;
};

static void on_ready(struct ev_defer *defer)
{
	struct mappings *m = CONTAINER_OF(defer, struct mappings, ready);
	m->ready_cb(m->ready_arg, 0, NULL);
}

struct mappings *mappings_new(const struct mappings_deps *deps, struct error *err)
{
	struct mappings *m = calloc(1, sizeof *m);
	if (!m) {
		error_set(err, ERR_NO_MEMORY, "no memory for event source mappings");
		return NULL;
	}
	m->deps = *deps;
	ev_defer_init(&m->ready, on_ready);
	return m;
}

void mappings_free(struct mappings *m)
{
	if (m)
		ev_defer_cancel(&m->ready);
	free(m);
}

void mappings_load(struct mappings *m, mappings_ready_cb *cb, void *arg)
{
	m->ready_cb = cb;
	m->ready_arg = arg;
	ev_defer_run(m->deps.loop, &m->ready);
}

void mappings_count(const struct mappings *m, struct mappings_counts *out)
{
	memset(out, 0, sizeof *out);
}

static const struct error not_yet = {.code = ERR_UNSUPPORTED, .msg = "event source mappings are not there yet"};

void mappings_drain(struct mappings *m)
{
}

void mappings_source_changed(struct mappings *m, struct str arn)
{
}

void mapping_create(struct mappings *m, json_t *request, mapping_cb *cb, void *arg)
{
	cb(arg, NULL, &not_yet);
}

void mapping_update(struct mappings *m, struct str uuid, json_t *request, mapping_cb *cb, void *arg)
{
	cb(arg, NULL, &not_yet);
}

void mapping_delete(struct mappings *m, struct str uuid, mapping_cb *cb, void *arg)
{
	cb(arg, NULL, &not_yet);
}

json_t *mapping_show(struct mappings *m, struct str uuid, struct error *err)
{
	error_set(err, ERR_NOT_FOUND, "The resource you requested does not exist.");
	return NULL;
}

void mapping_list(struct mappings *m, struct mapping_list *list)
{
	*list->next = '\0';
}

json_t *mapping_tags(struct mappings *m, struct str uuid, struct error *err)
{
	return mapping_show(m, uuid, err);
}

void mapping_tag(struct mappings *m, struct str uuid, json_t *add, json_t *remove_keys, mapping_cb *cb, void *arg)
{
	cb(arg, NULL, &not_yet);
}
