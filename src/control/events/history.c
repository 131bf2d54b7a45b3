#include "control/events/history.h"

#include <stdlib.h>

struct history {
	struct ev_loop *loop;
};

struct history *history_new(struct ev_loop *loop, struct ev_pool *pool, int dirfd, uint64_t max_bytes, struct error *err)
{
	struct history *h = calloc(1, sizeof *h);
	if (h)
		h->loop = loop;
	else
		error_set(err, ERR_NO_MEMORY, "no memory for the history of events");
	return h;
}

void history_free(struct history *h)
{
	free(h);
}

void history_note(struct history *h, const struct history_line *line)
{
}

void history_find(struct history *h, const struct history_query *q, history_cb *cb, void *arg)
{
	cb(arg, STR("[]"), NULL);
}

uint64_t history_dropped(const struct history *h)
{
	return 0;
}
