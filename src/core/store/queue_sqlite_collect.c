/* The thread: which messages can be fetched, and what is in them. */
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/store/queue_sqlite_priv.h"

static int collect_plain(struct qs *qs, const struct qs_touch *t, struct qs_item *items, size_t *n)
{
	size_t max = *n;
	sqlite3_stmt *st = QS_BIND(qs, ITEMS_VISIBLE, t->items, t->horizon_ms, (int64_t)max);
	int rc;
	for (*n = 0; (rc = sqlite3_step(st)) == SQLITE_ROW; ++*n)
		qs_item_read(st, &items[*n]);
	return qs_end(st, rc);
}

/* The group's messages from its head, up to the first that is not visible. */
static int collect_run(struct qs *qs, const struct qs_touch *t, struct str group, struct qs_item *items, size_t *n)
{
	size_t max = *n;
	sqlite3_stmt *st = QS_BIND(qs, GROUP_ITEMS, t->items, (int64_t)max);
	int rc;
	qs_bind_bytes(st, 3, group.p ? group.p : "", group.n);
	for (*n = 0; (rc = sqlite3_step(st)) == SQLITE_ROW; ++*n) {
		qs_item_read(st, &items[*n]);
		if (qs_state(t, &items[*n]) != QS_VISIBLE)
			break;
	}
	return qs_end(st, rc);
}

static int collect_groups(struct qs *qs, const struct qs_touch *t, struct qs_item *items, size_t *n)
{
	size_t max = *n;
	sqlite3_stmt *st = QS_BIND(qs, GROUPS_READY, t->items, t->horizon_ms, (int64_t)max);
	int rc = SQLITE_OK;
	*n = 0;
	while (*n < max && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		size_t run = max - *n;
		const void *p = sqlite3_column_blob(st, 0);
		int found = collect_run(qs, t, (struct str){p, (size_t)sqlite3_column_bytes(st, 0)}, items + *n, &run);
		if (found != SQLITE_OK)
			return qs_end(st, found);
		*n += run;
	}
	return qs_end(st, rc);
}

int qs_collect(struct qs *qs, const struct qs_touch *t, struct qs_item *items, size_t *n)
{
	return t->ordered ? collect_groups(qs, t, items, n) : collect_plain(qs, t, items, n);
}

static char *copy(char *at, struct str *out, const void *p, size_t n)
{
	*out = (struct str){at, n};
	if (n)
		memcpy(at, p, n);
	return at + n;
}

/* Columns: id, head, body, note. */
static struct queue_message *message_new(sqlite3_stmt *st, const struct qs_item *item, size_t max_body)
{
	const void *id = sqlite3_column_blob(st, 0), *head = sqlite3_column_blob(st, 1), *body = sqlite3_column_blob(st, 2);
	const void *note = sqlite3_column_blob(st, 3);
	size_t head_n = (size_t)sqlite3_column_bytes(st, 1), body_n = (size_t)sqlite3_column_bytes(st, 2);
	size_t note_n = (size_t)sqlite3_column_bytes(st, 3);
	CLEANUP_FREE struct qs_message *own = calloc(1, sizeof *own + head_n + note_n + item->group_n);
	struct queue_message *m = own ? &own->m : NULL;
	if (!m || !id || (head_n && !head) || (body_n && !body) || (note_n && !note))
		return NULL;
	m->body_len = body_n < max_body ? body_n : max_body;
	m->body = malloc(m->body_len + 1);
	if (!m->body)
		return NULL;
	if (m->body_len)
		memcpy(m->body, body, m->body_len);
	m->body[m->body_len] = 0;
	memcpy(m->id, id, QUEUE_ID_SIZE);
	char *at = copy((char *)(own + 1), &m->head, head, head_n);
	at = copy(at, &m->note, note, note_n);
	if (item->grouped)
		copy(at, &m->group, item->group, item->group_n);
	list_init(&m->link);
	return &STEAL_PTR(own)->m;
}

/* Receipt, receives and times are as the row is. */
struct queue_message *qs_load(struct qs *qs, const struct qs_touch *t, const struct qs_item *item, size_t max_body, int *rc)
{
	sqlite3_stmt *st = QS_BIND(qs, ITEM_LOAD, t->items, item->seq);
	int step = sqlite3_step(st);
	struct queue_message *m = step == SQLITE_ROW ? message_new(st, item, max_body) : NULL;
	*rc = qs_end(st, step);
	if (!m) {
		*rc = *rc != SQLITE_OK ? *rc : step == SQLITE_ROW ? SQLITE_NOMEM : SQLITE_CORRUPT;
		return NULL;
	}
	m->sequence = (uint64_t)item->seq;
	m->receives = item->receives;
	m->published_ms = item->published_ms - qs->shift_ms;
	m->first_fetched_ms = item->first_ms ? item->first_ms - qs->shift_ms : 0;
	int64_t visible_ms = item->lease_until_ms > item->visible_ms ? item->lease_until_ms : item->visible_ms;
	m->visible_ms = visible_ms - qs->shift_ms;
	return m;
}
