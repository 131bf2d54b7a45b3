/* The thread's side of one message: its row, its state, its group. */
#include <stdlib.h>
#include <string.h>

#include "core/store/queue_sqlite_priv.h"

enum { SEQ_STEP = 65536 };

int qs_find(struct qs *qs, struct qs_touch *t, bool make)
{
	t->found = t->ordered = t->ready = t->oldest_known = false;
	t->change = (struct qs_counts){0};
	sqlite3_stmt *st = QS_BIND(qs, QUEUE_FIND, t->id);
	int rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		t->found = true;
		t->items = sqlite3_column_int64(st, 0);
		t->dedups = sqlite3_column_int64(st, 1);
		t->ordered = sqlite3_column_int(st, 2);
	}
	rc = qs_end(st, rc);
	if (rc != SQLITE_OK || t->found || !make)
		return rc;
	t->found = true;
	t->items = qs->next_number++;
	t->dedups = qs->next_number++;
	st = QS_BIND(qs, QUEUE_MAKE, t->id, t->items, t->dedups);
	qs_bind_bytes(st, 4, t->queue->name.p, t->queue->name.n);
	return qs_run(st);
}

/* Numbers of a transaction that is undone are not given again. */
int qs_next_seq(struct qs *qs, int64_t *seq)
{
	*seq = qs->next_seq++;
	if (*seq < qs->reserved)
		return SQLITE_OK;
	qs->reserved = *seq + SEQ_STEP;
	return qs_run(QS_BIND(qs, RESERVE, qs->reserved));
}

static void read_group(sqlite3_stmt *st, int column, struct qs_item *item)
{
	const void *p = sqlite3_column_blob(st, column);
	item->grouped = sqlite3_column_type(st, column) != SQLITE_NULL;
	item->group_n = (size_t)sqlite3_column_bytes(st, column);
	ASSERT(item->group_n <= sizeof item->group);
	if (item->group_n)
		memcpy(item->group, p, item->group_n);
}

void qs_item_read(sqlite3_stmt *st, struct qs_item *item)
{
	item->seq = sqlite3_column_int64(st, 0);
	item->visible_ms = sqlite3_column_int64(st, 1);
	item->leased = sqlite3_column_int(st, 2);
	item->published_ms = sqlite3_column_int64(st, 3);
	item->first_ms = sqlite3_column_int64(st, 4);
	item->receives = (unsigned)sqlite3_column_int64(st, 5);
	item->nonce = (uint64_t)sqlite3_column_int64(st, 6);
	item->body = sqlite3_column_int64(st, 7);
	item->size = sqlite3_column_int64(st, 8);
	read_group(st, 9, item);
	item->lease_nonce = (uint64_t)sqlite3_column_int64(st, 10);
	item->lease_until_ms = sqlite3_column_int64(st, 11);
}

int qs_item(struct qs *qs, const struct qs_touch *t, int64_t seq, struct qs_item *item, bool *found)
{
	sqlite3_stmt *st = QS_BIND(qs, ITEM_FIND, t->items, seq);
	int rc = sqlite3_step(st);
	*found = rc == SQLITE_ROW;
	if (*found)
		qs_item_read(st, item);
	return qs_end(st, rc);
}

enum qs_state qs_state(const struct qs_touch *t, const struct qs_item *item)
{
	if (item->lease_until_ms > t->horizon_ms)
		return QS_LEASED;
	if (item->visible_ms > t->horizon_ms)
		return item->leased ? QS_LEASED : QS_DELAYED;
	return QS_VISIBLE;
}

static int64_t *counter(struct qs_counts *c, enum qs_state state)
{
	return state == QS_VISIBLE ? &c->visible : state == QS_DELAYED ? &c->delayed : &c->leased;
}

void qs_change(struct qs_touch *t, enum qs_state from, enum qs_state to)
{
	if (from != QS_GONE)
		--*counter(&t->change, from);
	if (to != QS_GONE)
		++*counter(&t->change, to);
	t->ready |= to == QS_VISIBLE || t->ordered;
}

int qs_lease_end(struct qs *qs, const struct qs_item *item)
{
	return item->lease_nonce ? qs_run(QS_BIND(qs, LEASE_DROP, item->seq)) : SQLITE_OK;
}

int qs_item_drop(struct qs *qs, struct qs_touch *t, const struct qs_item *item, bool body)
{
	qs_change(t, qs_state(t, item), QS_GONE);
	int rc = qs_run(QS_BIND(qs, ITEM_DROP, t->items, item->seq));
	if (rc == SQLITE_OK && body)
		rc = qs_run(QS_BIND(qs, BODY_DROP, item->body));
	return rc == SQLITE_OK ? qs_lease_end(qs, item) : rc;
}

int qs_item_move(struct qs *qs, struct qs_touch *from, struct qs_touch *to, const struct qs_item *item, struct str group, bool keep_counts)
{
	int64_t seq;
	struct str own = item->grouped ? (struct str){item->group, item->group_n} : to->ordered ? group : STR_NULL;
	int rc = qs_next_seq(qs, &seq);
	if (rc != SQLITE_OK)
		return rc;
	sqlite3_stmt *st = QS_BIND(qs, ITEM_COPY, from->items, item->seq, to->items, seq, to->horizon_ms, keep_counts);
	qs_bind_bytes(st, 7, own.p, own.n);
	rc = qs_run(st);
	if (rc == SQLITE_OK && to->ordered)
		rc = qs_group_add(qs, to, own, seq, to->horizon_ms);
	if (rc == SQLITE_OK)
		rc = qs_item_drop(qs, from, item, false);
	if (rc == SQLITE_OK)
		rc = qs_group(qs, from, item);
	qs_change(to, QS_GONE, QS_VISIBLE);
	return rc;
}

/* ---- groups: a row each, with its first message and the time from which that can be fetched ---- */

int qs_group_add(struct qs *qs, const struct qs_touch *t, struct str group, int64_t seq, int64_t visible_ms)
{
	sqlite3_stmt *st = QS_BIND(qs, GROUP_ADD, t->items, seq, visible_ms);
	qs_bind_bytes(st, 4, group.p ? group.p : "", group.n);
	return qs_run(st);
}

static int group_head(struct qs *qs, const struct qs_touch *t, const struct qs_item *item, int64_t *seq, int64_t *ready_ms)
{
	sqlite3_stmt *st = QS_BIND(qs, GROUP_HEAD, t->items);
	qs_bind_bytes(st, 2, item->group, item->group_n);
	int rc = sqlite3_step(st);
	*seq = 0;
	if (rc == SQLITE_ROW) {
		*seq = sqlite3_column_int64(st, 0);
		*ready_ms = sqlite3_column_int64(st, 1);
	}
	return qs_end(st, rc);
}

/* While one message of the latest run is leased the next does not come, even when the head came back: their order would be lost. */
int qs_group(struct qs *qs, const struct qs_touch *t, const struct qs_item *item)
{
	int64_t head, ready_ms = 0, busy_ms = 0;
	if (!t->ordered)
		return SQLITE_OK;
	int rc = group_head(qs, t, item, &head, &ready_ms);
	if (rc != SQLITE_OK)
		return rc;
	if (!head) {
		sqlite3_stmt *drop = QS_BIND(qs, GROUP_DROP, t->items);
		qs_bind_bytes(drop, 2, item->group, item->group_n);
		return qs_run(drop);
	}
	sqlite3_stmt *st = QS_BIND(qs, GROUP_BUSY, t->items);
	qs_bind_bytes(st, 2, item->group, item->group_n);
	rc = qs_one(st, &busy_ms);
	if (rc != SQLITE_OK)
		return rc;
	st = QS_BIND(qs, GROUP_SET, t->items, head, ready_ms > busy_ms ? ready_ms : busy_ms);
	qs_bind_bytes(st, 4, item->group, item->group_n);
	return qs_run(st);
}

int qs_oldest(struct qs *qs, struct qs_touch *t)
{
	int64_t first = 0, moved = 0;
	int rc = qs_one(QS_BIND(qs, FIRST_PUBLISHED, t->items), &first);
	if (rc == SQLITE_OK)
		rc = qs_one(QS_BIND(qs, FIRST_MOVED, t->items), &moved);
	t->oldest_known = true;
	t->oldest_ms = moved && moved < first ? moved : first;
	return rc;
}
