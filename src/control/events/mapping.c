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
