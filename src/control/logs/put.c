/* PutLogEvents: a batch into a stream that exists. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control/logs/manage.h"
#include "control/logs/read_priv.h"

#define EVENT_OVERHEAD 26u
#define HOUR_MS 3600000ll
#define DAY_MS (24 * HOUR_MS)
#define NEWEST_MS (2 * HOUR_MS)
#define OLDEST_MS (14 * DAY_MS)

static int check_batch(const struct logs_event *e, size_t n, struct error *err)
{
	size_t bytes = 0;
	for (size_t i = 0; i < n; i++) {
		if (e[i].message.n > LOGS_EVENT_MAX - EVENT_OVERHEAD)
			return error_set(err, ERR_INVALID, "Log event too large: %zu bytes exceeds limit of %u", e[i].message.n + EVENT_OVERHEAD,
			                 LOGS_EVENT_MAX);
		bytes += e[i].message.n + EVENT_OVERHEAD;
		if (i > 0 && e[i].timestamp_ms < e[i - 1].timestamp_ms)
			return error_set(err, ERR_INVALID, "Log events in a single PutLogEvents request must be in chronological order.");
	}
	if (bytes > LOGS_BATCH_MAX)
		return error_set(err, ERR_INVALID, "Upload too large: %zu bytes exceeds limit of %u", bytes, LOGS_BATCH_MAX);
	if (n && e[n - 1].timestamp_ms - e[0].timestamp_ms > DAY_MS)
		return error_set(err, ERR_INVALID, "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.");
	return 0;
}

/* Which of them are taken: [*from, *to). */
static void choose(const struct log_group *g, const struct logs_event *e, size_t n, struct logs_rejected *r, size_t *from, size_t *to)
{
	int64_t now_ms = logs_wall_ms(g->logs);
	*r = (struct logs_rejected){-1, -1, -1};
	*from = 0;
	*to = n;
	while (*from < n && e[*from].timestamp_ms < now_ms - OLDEST_MS)
		r->too_old_end = (int64_t)++*from;
	while (g->retention_days && *from < n && e[*from].timestamp_ms < now_ms - (int64_t)g->retention_days * DAY_MS)
		r->expired_end = (int64_t)++*from;
	while (*to > *from && e[*to - 1].timestamp_ms > now_ms + NEWEST_MS)
		r->too_new_start = (int64_t)--*to;
}

static int find_stream(struct logs *l, struct log_group *g, struct str name, struct log_stream *s, struct error *err)
{
	*s = (struct log_stream){.group = g};
	if (str_copy(s->name, sizeof s->name, name) < 0)
		return error_set(err, ERR_NOT_FOUND, "The specified log stream does not exist.");
	int number = index_number(&g->index, name);
	if (number >= 0) {
		s->segment = g->seq;
		s->number = (uint32_t)number;
		s->created_ms = g->index.streams[number].created_ms; /* in case the segment ends */
		return 0;
	}
	int found = logs_find_stream(l, str_from(g->name), name, &s->created_ms, err);
	return found > 0 ? 0 : found < 0 ? -1 : error_set(err, ERR_NOT_FOUND, "The specified log stream does not exist.");
}

int logs_put_events(struct logs *l, struct str group, struct str stream, const struct logs_event *events, size_t n,
                    struct logs_rejected *rejected, char next[64], struct error *err)
{
	struct view v;
	struct log_stream s;
	size_t from, to;
	if (view_open(&v, l, group, err) < 0) /* only to see that it exists: the next call would make it */
		return -1;
	view_release(&v);
	struct log_group *g = logs_group(l, group, err);
	if (!g)
		return -1;
	int result = find_stream(l, g, stream, &s, err);
	if (result == 0)
		result = check_batch(events, n, err);
	if (result == 0) {
		uint64_t dropped = l->stats.dropped_events;
		choose(g, events, n, rejected, &from, &to);
		for (size_t i = from; i < to; i++)
			log_group_append(g, &s, events[i].timestamp_ms, events[i].message);
		log_group_flush(g);
		snprintf(next, 64, "%024" PRIu64 "%032" PRIu64, g->seq, g->written);
		if (l->stats.dropped_events != dropped)
			result = error_set(err, ERR_IO, "The events could not be written.");
	}
	log_group_unref(g);
	return result;
}
