/* Which functions are active, what is fetched for them, and how many run at a time. */
#include <stdlib.h>
#include <string.h>

#include "control/events/async_priv.h"
#include "core/base/clock.h"
#include "core/json/value.h"
#include "core/spec/limits.h"

#define LEASE_MS (24ull * 3600 * 1000) /* as long as the program runs, nearly; see async.h */
#define RETRY_NS (50 * NS_PER_MS)      /* when the store or the buffers are full */
#define FETCH_MAX 256u
#define HELD_MAX 2048u /* leases in memory of one function */
#define ACKS_AT_ONCE 64u

/* ---- functions ---- */

static struct async_function *find(const struct async *a, struct str name)
{
	return HASH_ENTRY(hash_get(&a->functions, name), struct async_function, by_name);
}

static void look_up_reserved(struct async_function *f)
{
	bool found;
	f->reserved = registry_reserved(f->async->deps.registry, str_from(f->name), &found);
}

struct async_function *async_function_get(struct async *a, struct str name)
{
	struct async_function *f = find(a, name);
	if (f || name.n > FUNCTION_NAME_MAX)
		return f;
	f = calloc(1, sizeof *f);
	ASSERT(f);
	f->async = a;
	f->limit = ASYNC_LIMIT_FIRST;
	f->metric = metrics_function(a->deps.metrics, name);
	list_init(&f->link);
	struct list *lists[] = {&f->waiting, &f->running, &f->ending, &f->acks, &f->naks};
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		list_init(lists[i]);
	str_copy(f->name, sizeof f->name, name);
	snprintf(f->queue, sizeof f->queue, ASYNC_PREFIX "%s", f->name);
	look_up_reserved(f);
	ASSERT(hash_put(&a->functions, &f->by_name, str_from(f->name)) == 0);
	return f;
}

static void free_items(struct list *items)
{
	struct list *link;
	while ((link = list_pop_front(items)))
		async_item_free(CONTAINER_OF(link, struct async_item, link));
}

void async_function_free(struct async_function *f)
{
	struct list *lists[] = {&f->waiting, &f->running, &f->ending, &f->acks, &f->naks};
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		free_items(lists[i]);
	list_remove(&f->link);
	hash_remove(&f->async->functions, &f->by_name);
	free(f);
}

static unsigned limit_of(const struct async_function *f)
{
	return f->reserved > 0 ? (unsigned)f->reserved : f->limit;
}

void async_wake(struct async_function *f)
{
	struct async *a = f->async;
	list_remove(&f->link);
	list_push_back(&a->active, &f->link);
	ev_defer_run(a->deps.loop, &a->turn);
}

static void wake_all(struct async *a, struct list *functions)
{
	struct list *link;
	while ((link = list_pop_front(functions)))
		async_wake(CONTAINER_OF(link, struct async_function, link));
}

/* ---- items ---- */

void async_item_uncount(struct async_item *item)
{
	struct async *a = item->f->async;
	if (!item->bytes)
		return;
	item->f->bytes -= item->bytes;
	a->bytes -= item->bytes;
	item->bytes = 0;
	if (!a->closing)
		wake_all(a, &a->blocked);
}

void async_item_free(struct async_item *item)
{
	struct async *a = item->f->async;
	if (item->done || a->closing) {
		function_version_unref(item->inv.version);
		http_blob_release(&item->inv.answer);
		free(item->inv.log_tail);
		http_blob_release(&item->inv.payload); /* of one that never came back */
	}
	async_sending_free(item->sending);
	http_blob_release(&item->body);
	queue_message_free(item->m);
	json_decref(item->head);
	async_item_uncount(item);
	free(item);
}

/* NULL: no room among the buffers now; the message stays the caller's. */
static struct async_item *item_new(struct async_function *f, struct queue_message *m)
{
	struct async *a = f->async;
	if (!http_pool_charge(a->deps.http_pool, m->body_len + 1))
		return NULL;
	struct async_item *item = calloc(1, sizeof *item);
	ASSERT(item);
	*item = (struct async_item){.f = f, .m = m, .bytes = m->body_len + m->head.n,
	                            .body = {.data = m->body, .len = m->body_len, .pool = a->deps.http_pool,
	                                     .charged_bytes = m->body_len + 1}};
	m->body = NULL;
	list_init(&item->link);
	item->head = json_value_load_object(m->head, &(struct json_limits){0}, NULL);
	item->qualifier = json_value_text(json_object_get(item->head, "Q"));
	async_id_text(item->request_id, m->id);
	async_note_read(&item->note, m->note);
	f->bytes += item->bytes;
	a->bytes += item->bytes;
	return item;
}

/* ---- fetching ---- */

static void try_later(struct async_function *f)
{
	struct async *a = f->async;
	list_remove(&f->link);
	list_push_back(&a->later, &f->link);
	if (!a->retry.loop)
		ev_timer_after(a->deps.loop, &a->retry, RETRY_NS);
}

/* Takes over what there is room for; what is left in the ring goes back to the store. */
static bool take(struct async_function *f, struct list *messages, size_t *bytes)
{
	struct list *link;
	while ((link = list_pop_front(messages))) {
		struct queue_message *m = CONTAINER_OF(link, struct queue_message, link);
		size_t n = m->body_len + m->head.n;
		struct async_item *item = item_new(f, m);
		if (!item) {
			list_push_front(messages, link);
			return false;
		}
		*bytes += n;
		list_push_back(&f->waiting, &item->link);
		f->waiting_count++;
	}
	return true;
}

static void on_fetched(void *arg, struct list *messages, size_t n, const struct error *err)
{
	struct async_function *f = arg;
	size_t bytes = 0;
	f->fetch = NULL;
	if (err && err->code == ERR_CLOSED)
		return;
	if (err || !take(f, messages, &bytes)) {
		f->more = true;
		try_later(f);
		return;
	}
	/* Less than was asked for: the end, unless the next one was too large for the window. */
	f->more |= n == f->fetch_max || (n > 0 && bytes + LIMIT_EVENT_BYTES + QUEUE_HEAD_MAX > f->fetch_bytes);
	async_wake(f);
}

static unsigned room_of(const struct async_function *f)
{
	unsigned limit = limit_of(f), held = f->waiting_count + f->running_count + f->ending_count;
	if (f->waiting_count > limit / 2 || held >= HELD_MAX || held >= 2 * limit + 2)
		return 0;
	unsigned wanted = limit - f->waiting_count;
	wanted = wanted ? wanted : 1;
	wanted = wanted > HELD_MAX - held ? HELD_MAX - held : wanted;
	return wanted > FETCH_MAX ? FETCH_MAX : wanted;
}

enum turn { TURN_OVER, TURN_BLOCKED, TURN_LATER, TURN_AGAIN };

static enum turn fetch(struct async_function *f)
{
	struct async *a = f->async;
	struct error err = {0};
	if (!f->more || f->fetch || f->delete_due)
		return TURN_OVER;
	unsigned max = room_of(f);
	if (!max || f->bytes >= ASYNC_WINDOW_BYTES)
		return TURN_OVER; /* woken when an item of its own ends */
	if (a->bytes >= ASYNC_ALL_BYTES)
		return TURN_BLOCKED;
	size_t own = ASYNC_WINDOW_BYTES - f->bytes, all = ASYNC_ALL_BYTES - a->bytes;
	struct queue_fetch what = {.queue = str_from(f->queue), .max = max, .max_bytes = own < all ? own : all, .lease_ms = LEASE_MS};
	f->more = false;
	f->fetch_max = max;
	f->fetch_bytes = what.max_bytes;
	f->fetch = queue_fetch(a->deps.queue, &what, on_fetched, f, &err);
	if (f->fetch)
		return TURN_OVER;
	f->more = err.code != ERR_CLOSED;
	return f->more ? TURN_LATER : TURN_OVER;
}

/* ---- acks and naks ---- */

static void tell_idle(struct async *a)
{
	if (a->draining && !async_busy(a) && a->on_idle)
		a->on_idle(a->idle_arg);
}

void async_settled(struct async *a)
{
	a->settling--;
	tell_idle(a);
}

/* One call of the store. It is repeated when its commit failed: else the events would stay under their leases. */
struct async_tell {
	struct list link; /* of async.untold, or nowhere */
	struct async *async;
	char queue[sizeof ASYNC_PREFIX + FUNCTION_NAME_MAX];
	size_t n;
	struct queue_receipt receipts[ACKS_AT_ONCE];
	bool puts_off; /* the only one of them; else acks */
	uint64_t delay_ms;
	struct buf note;
};

static struct async_tell *tell_new(const struct async_function *f)
{
	struct async_tell *t = calloc(1, sizeof *t);
	ASSERT(t);
	t->async = f->async;
	list_init(&t->link);
	memcpy(t->queue, f->queue, sizeof t->queue);
	buf_init(&t->note, QUEUE_NOTE_MAX);
	return t;
}

static void tell_free(struct async_tell *t)
{
	list_remove(&t->link);
	buf_release(&t->note);
	free(t);
}

static void tell_over(struct async_tell *t)
{
	struct async *a = t->async;
	tell_free(t);
	a->calls--;
	tell_idle(a);
}

static void tell_again(struct async_tell *t)
{
	struct async *a = t->async;
	list_push_back(&a->untold, &t->link);
	if (!a->retry.loop)
		ev_timer_after(a->deps.loop, &a->retry, RETRY_NS);
}

static void on_told(void *arg, const enum error_code *results, size_t n, const struct error *err)
{
	struct async_tell *t = arg;
	if (err && err->code != ERR_CLOSED && !t->async->draining)
		tell_again(t);
	else
		tell_over(t);
}

static int tell(struct async_tell *t, struct error *err)
{
	struct queue *q = t->async->deps.queue;
	struct queue_nak nak = {.receipt = t->receipts[0], .delay_ms = t->delay_ms, .note = buf_str(&t->note)};
	return t->puts_off ? queue_nak(q, str_from(t->queue), &nak, 1, on_told, t, err)
	                   : queue_ack(q, str_from(t->queue), t->receipts, t->n, on_told, t, err);
}

/* The first call, for items that then go; false: they stay, the store is busy. */
static bool tell_first(struct async_tell *t)
{
	struct async *a = t->async;
	struct error err = {0};
	size_t n = t->n;
	if (tell(t, &err) == 0) {
		a->calls++;
	} else {
		tell_free(t);
		if (err.code != ERR_CLOSED)
			return false;
	}
	a->settling -= (unsigned)n;
	return true;
}

static void tell_untold(struct async *a)
{
	struct list now, *link;
	list_init(&now);
	while ((link = list_pop_front(&a->untold)))
		list_push_back(&now, link);
	while ((link = list_pop_front(&now))) {
		struct async_tell *t = CONTAINER_OF(link, struct async_tell, link);
		struct error err = {0};
		if (tell(t, &err) == 0)
			continue;
		if (err.code == ERR_CLOSED)
			tell_over(t);
		else
			tell_again(t);
	}
}

void async_untold_free(struct async *a)
{
	struct list *link;
	while ((link = list_pop_front(&a->untold)))
		tell_free(CONTAINER_OF(link, struct async_tell, link));
}

static bool flush_acks(struct async_function *f)
{
	while (!list_empty(&f->acks)) {
		struct async_tell *t = tell_new(f);
		LIST_FOREACH(link, &f->acks) {
			if (t->n == ACKS_AT_ONCE)
				break;
			t->receipts[t->n++] = CONTAINER_OF(link, struct async_item, link)->m->receipt;
		}
		size_t n = t->n;
		if (!tell_first(t))
			return false;
		while (n--)
			async_item_free(CONTAINER_OF(list_pop_front(&f->acks), struct async_item, link));
	}
	return true;
}

static bool flush_naks(struct async_function *f)
{
	LIST_FOREACH(link, &f->naks) {
		struct async_item *item = CONTAINER_OF(link, struct async_item, link);
		struct async_tell *t = tell_new(f);
		t->receipts[t->n++] = item->m->receipt;
		t->puts_off = true;
		t->delay_ms = item->delay_ms;
		ASSERT(async_note_write(&t->note, &item->note) == 0);
		if (!tell_first(t))
			return false;
		list_remove(&item->link);
		async_item_free(item);
	}
	return true;
}

/* ---- turns ---- */

static enum turn start(struct async_function *f)
{
	while (f->running_count < limit_of(f) && !list_empty(&f->waiting)) {
		struct async_item *item = CONTAINER_OF(list_pop_front(&f->waiting), struct async_item, link);
		f->waiting_count--;
		async_item_start(item);
	}
	return TURN_OVER;
}

static void delete_queue(struct async_function *f);

static enum turn take_turn(struct async_function *f)
{
	if (f->delete_due)
		delete_queue(f);
	if (!flush_acks(f) || !flush_naks(f) || f->delete_due)
		return TURN_LATER;
	if (f->async->draining)
		return TURN_OVER;
	start(f);
	if (!flush_acks(f) || !flush_naks(f)) /* of those that were over at once */
		return TURN_LATER;
	return fetch(f);
}

static void on_turn(struct ev_defer *defer)
{
	struct async *a = CONTAINER_OF(defer, struct async, turn);
	struct list now;
	list_init(&now);
	if (list_empty(&a->active))
		return;
	list_push_front(&a->active, &now); /* the ring without its head is the round's */
	list_remove(&a->active);
	struct list *link;
	while ((link = list_pop_front(&now))) {
		struct async_function *f = CONTAINER_OF(link, struct async_function, link);
		switch (take_turn(f)) {
		case TURN_BLOCKED:
			list_remove(&f->link);
			list_push_back(&a->blocked, &f->link);
			break;
		case TURN_LATER:
			try_later(f);
			break;
		default:
			break;
		}
	}
}

static void on_retry(struct ev_timer *timer)
{
	struct async *a = CONTAINER_OF(timer, struct async, retry);
	tell_untold(a);
	wake_all(a, &a->later);
}

static void on_visible(void *arg, struct str name)
{
	struct async *a = arg;
	struct async_function *f = async_function_get(a, str_sub(name, strlen(ASYNC_PREFIX), name.n));
	if (!f)
		return;
	f->more = true;
	async_wake(f);
}

void async_init_poll(struct async *a)
{
	hash_init(&a->functions);
	list_init(&a->active);
	list_init(&a->blocked);
	list_init(&a->later);
	list_init(&a->untold);
	ev_defer_init(&a->turn, on_turn);
	a->retry.cb = on_retry;
}

/* ---- the start, and what the registry reports ---- */

struct names {
	char **list;
	size_t n, cap;
	const struct async *async;
};

static bool collect_orphan(void *arg, struct str name, const struct queue_stats *stats)
{
	struct names *names = arg;
	if (registry_exists(names->async->deps.registry, str_sub(name, strlen(ASYNC_PREFIX), name.n)))
		return true;
	if (names->n == names->cap) {
		names->cap = names->cap ? 2 * names->cap : 16;
		names->list = reallocarray(names->list, names->cap, sizeof *names->list);
		ASSERT(names->list);
	}
	names->list[names->n++] = str_dup(name);
	return true;
}

static void ignore(void *arg, const struct error *err)
{
}

void async_start(struct async *a)
{
	struct names orphans = {.async = a};
	queue_list(a->deps.queue, STR(ASYNC_PREFIX), STR_NULL, collect_orphan, &orphans);
	for (size_t i = 0; i < orphans.n; i++) {
		queue_delete(a->deps.queue, str_from(orphans.list[i]), ignore, NULL, NULL);
		free(orphans.list[i]);
	}
	free(orphans.list);
	a->started = true;
	a->watch = queue_watch(a->deps.queue, STR(ASYNC_PREFIX), on_visible, a, NULL);
}

/* Events of a function that was made anew meanwhile must not go with those of its predecessor: these are told apart by their
 * incarnation when they are fetched. */
static void delete_queue(struct async_function *f)
{
	struct error err = {0};
	struct async *a = f->async;
	bool back = registry_exists(a->deps.registry, str_from(f->name));
	f->delete_due = !back && queue_delete(a->deps.queue, str_from(f->queue), ignore, NULL, &err) < 0 && err.code != ERR_CLOSED;
}

static void forget(struct list *items)
{
	LIST_FOREACH(link, items)
		CONTAINER_OF(link, struct async_item, link)->gone = true;
}

static void settle_all(struct list *items)
{
	struct list *link;
	while ((link = list_pop_front(items))) {
		struct async_item *item = CONTAINER_OF(link, struct async_item, link);
		async_settled(item->f->async);
		async_item_free(item);
	}
}

void async_function_deleted(struct async *a, struct str name)
{
	struct async_function *f = async_function_get(a, name);
	if (!f)
		return;
	if (f->fetch)
		queue_fetch_cancel(a->deps.queue, f->fetch);
	f->fetch = NULL;
	f->more = false;
	f->limit = ASYNC_LIMIT_FIRST;
	free_items(&f->waiting);
	f->waiting_count = 0;
	forget(&f->running);
	forget(&f->ending);
	settle_all(&f->acks);
	settle_all(&f->naks);
	f->delete_due = true;
	delete_queue(f);
	if (f->delete_due)
		async_wake(f);
}

void async_function_changed(struct async *a, struct str name)
{
	struct async_function *f = find(a, name);
	if (!f)
		return;
	look_up_reserved(f);
	async_wake(f);
}
