/* The thread's side of a fetch: picks, leases and loads messages; what was received too often goes to the dead letters. */
#include <stdlib.h>

#include "core/base/rand.h"
#include "core/store/queue_sqlite_take.h"

enum { MAX_BYTES = 8 << 20, DEAD_MAX = QUEUE_BATCH_MAX };

static uint64_t nonce_new(void)
{
	return (rand_u64() >> 1) | 1;
}

void qs_take_forget(struct qs_take *take)
{
	struct list *pos;
	while ((pos = list_pop_front(&take->messages)))
		queue_message_free(CONTAINER_OF(pos, struct queue_message, link));
	take->n = 0;
	take->bytes = 0;
	take->again = false;
}

static int lease_kept(struct qs *qs, struct qs_take *take, struct qs_item *item, uint64_t nonce)
{
	const struct qs_touch *t = &take->touch;
	int64_t until_ms = take->lease_ms ? qs_after(t->now_ms, take->lease_ms) : t->horizon_ms;
	int rc = qs_lease_end(qs, item);
	item->lease_nonce = 0;
	item->lease_until_ms = 0;
	item->visible_ms = until_ms;
	item->leased = true;
	item->first_ms = item->first_ms ? item->first_ms : t->now_ms;
	item->receives++;
	return rc == SQLITE_OK ? qs_run(QS_BIND(qs, ITEM_KEEP, t->items, item->seq, until_ms, (int64_t)nonce, item->first_ms)) : rc;
}

static int lease_unkept(struct qs *qs, struct qs_take *take, struct qs_item *item, uint64_t nonce)
{
	const struct qs_touch *t = &take->touch;
	item->lease_until_ms = take->lease_ms ? qs_after(t->now_ms, take->lease_ms) : t->horizon_ms;
	sqlite3_stmt *st = QS_BIND(qs, LEASE_ADD, item->seq, t->items, (int64_t)nonce, item->lease_until_ms);
	qs_bind_bytes(st, 5, t->ordered ? item->group : NULL, item->group_n);
	return qs_run(st);
}

static int take_one(struct qs *qs, struct qs_take *take, struct qs_item *item)
{
	uint64_t nonce = nonce_new();
	int64_t visible_ms = item->visible_ms;
	enum qs_state before = qs_state(&take->touch, item);
	int rc = take->kept ? lease_kept(qs, take, item, nonce) : lease_unkept(qs, take, item, nonce);
	if (rc != SQLITE_OK)
		return rc;
	qs_change(&take->touch, before, qs_state(&take->touch, item));
	struct queue_message *m = qs_load(qs, &take->touch, item, SIZE_MAX, &rc);
	if (!m)
		return rc;
	m->receipt = (struct queue_receipt){(uint64_t)item->seq, nonce};
	CONTAINER_OF(m, struct qs_message, m)->before_ms = visible_ms;
	take->n++;
	take->bytes += (size_t)item->size;
	list_push_back(&take->messages, &m->link);
	return SQLITE_OK;
}

static bool same_group(const struct qs_item *a, const struct qs_item *b)
{
	return str_eq((struct str){a->group, a->group_n}, (struct str){b->group, b->group_n});
}

/* Kept leases of a run end at the group's row: only then it is in the file that the group is busy. */
static int close_run(struct qs *qs, struct qs_take *take, const struct qs_item *last)
{
	if (!take->touch.ordered || !take->kept)
		return SQLITE_OK;
	sqlite3_stmt *st = QS_BIND(qs, GROUP_RUN, take->touch.items, last->seq);
	qs_bind_bytes(st, 3, last->group, last->group_n);
	int rc = qs_run(st);
	return rc == SQLITE_OK ? qs_group(qs, &take->touch, last) : rc;
}

static bool has_room(const struct qs_take *take, const struct qs_item *item)
{
	size_t max = take->max_bytes ? take->max_bytes : MAX_BYTES;
	return !take->n || take->bytes + (size_t)item->size <= max;
}

/* `*full`: no more may be taken. */
static int take_items(struct qs *qs, struct qs_take *take, struct qs_item *items, size_t n, bool *full)
{
	const struct qs_item *last = NULL;
	int rc = SQLITE_OK;
	for (size_t i = 0; rc == SQLITE_OK && i < n && !*full; i++) {
		struct qs_item *item = &items[i];
		if (last && !same_group(last, item)) {
			rc = close_run(qs, take, last);
			last = NULL;
			if (rc != SQLITE_OK)
				return rc;
		}
		if (take->max_receives && item->receives >= take->max_receives) {
			rc = qs_item_move(qs, &take->touch, &take->dead, item, STR(""), false);
			take->dead_n++;
			continue;
		}
		*full = !has_room(take, item);
		if (*full)
			break;
		rc = take_one(qs, take, item);
		last = item;
		*full = take->n == take->max;
	}
	return rc == SQLITE_OK && last ? close_run(qs, take, last) : rc;
}

/* How many leases there may be yet. */
static int room_for_leases(struct qs *qs, const struct qs_take *take, size_t *n)
{
	int64_t leases = 0;
	int rc = take->kept ? SQLITE_OK : qs_one(QS_BIND(qs, LEASES, take->touch.items, take->touch.horizon_ms), &leases);
	size_t room = leases < QS_LEASES_MAX ? (size_t)(QS_LEASES_MAX - leases) : 0;
	*n = room < take->max ? room : take->max;
	return rc;
}

/* Until there is enough, or nothing more: dead letters make place for others. */
static int take_all(struct qs *qs, struct qs_take *take)
{
	size_t n;
	bool full = false;
	int rc = room_for_leases(qs, take, &n);
	struct qs_item *items = rc == SQLITE_OK && n ? calloc(n, sizeof *items) : NULL;
	if (!items)
		return rc != SQLITE_OK || !n ? rc : SQLITE_NOMEM;
	for (size_t want = n, found = n; rc == SQLITE_OK && !full && found == want && take->n < n; ) {
		size_t dead = take->dead_n;
		found = want = n - take->n;
		rc = qs_collect(qs, &take->touch, items, &found);
		if (rc == SQLITE_OK)
			rc = take_items(qs, take, items, found, &full);
		take->again = take->dead_n > DEAD_MAX;
		if (take->again || take->dead_n == dead)
			break;
	}
	free(items);
	return rc;
}

int qs_take_run(struct qs *qs, struct qs_take *take)
{
	qs_take_forget(take);
	take->dead_n = 0;
	int rc = qs_find(qs, &take->touch, false);
	if (rc == SQLITE_OK && take->max_receives)
		rc = qs_find(qs, &take->dead, true);
	if (rc != SQLITE_OK || !take->touch.found)
		return rc;
	rc = take_all(qs, take);
	if (rc != SQLITE_OK || !take->dead_n)
		return rc;
	rc = qs_oldest(qs, &take->dead);
	return rc == SQLITE_OK ? qs_oldest(qs, &take->touch) : rc;
}
