#include "control/telemetry/telemetry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/telemetry/delivery.h"
#include "control/telemetry/early.h"
#include "control/telemetry/line.h"
#include "control/telemetry/queue.h"
#include "core/base/check.h"
#include "core/base/clock.h"

/* The longest line, every byte of it escaped, and what stands around. */
#define RECORD_MAX_BYTES (6u * 262144u + 4096u)
#define SCRATCH_KEPT_BYTES 16384u
#define REASON "Consumer seems to have fallen behind as it has not acknowledged receipt of logs."

struct subscriber {
	struct list link;
	struct telemetry *owner;
	uint32_t number;
	char name[TELEMETRY_NAME_SIZE];
	struct telemetry_subscription to;
	struct telemetry_queue queue;
	struct telemetry_delivery delivery;
	struct telemetry_count sending, told; /* records of the batch on its way; losses that it tells of */
	struct ev_timer due;
	struct ev_defer pump; /* never from inside a callback of the delivery's */
};

struct telemetry {
	struct ev_loop *loop;
	const struct telemetry_events *events;
	void *arg;
	struct list subscribers;
	uint32_t last_number;
	unsigned count;
	unsigned types; /* that anybody wants */
	struct early_list early;
	bool closed, suspended, ending;
	struct buf scratch; /* one record */
	uint64_t suspended_ns;
};

/* ---- sending ---- */

static const struct telemetry_framing as_array = {STR("["), STR(","), STR("]")};
static const struct telemetry_framing as_lines = {STR(""), STR("\n"), STR("\n")};

/* platform.logsDropped, for who takes platform events, ahead of the batch. */
static struct str write_dropped(struct subscriber *s)
{
	struct platform_event e = {.kind = PLATFORM_LOGS_DROPPED, .wall_ms = clock_wall_ms(), .reason = REASON,
	                           .dropped_records = s->queue.dropped.records, .dropped_bytes = s->queue.dropped.bytes};
	struct buf *out = &s->owner->scratch;
	buf_clear(out);
	if (!s->queue.dropped.records || !(s->to.types & TELEMETRY_PLATFORM) || platform_json_write(out, &e, s->to.schema) < 0)
		return STR_NULL;
	s->told = s->queue.dropped;
	s->queue.dropped = (struct telemetry_count){0};
	return buf_str(out);
}

static void send_batch(struct subscriber *s, uint64_t now_ns)
{
	struct str first = write_dropped(s);
	buf_clear(&s->delivery.body);
	if (telemetry_queue_take(&s->queue, s->to.tcp ? &as_lines : &as_array, first, now_ns, &s->delivery.body, &s->sending) == 0) {
		telemetry_delivery_send(&s->delivery);
		return;
	}
	/* No memory now: later, when the next record comes. */
	telemetry_queue_lose(&s->queue, s->told);
	s->told = (struct telemetry_count){0};
}

static void pump(struct subscriber *s)
{
	uint64_t now_ns = clock_mono_ns(), due_ns = telemetry_queue_due_ns(&s->queue);
	ev_timer_stop(&s->due);
	if (s->owner->suspended || telemetry_delivery_busy(&s->delivery) || due_ns == TELEMETRY_NEVER)
		return;
	if (due_ns > now_ns)
		ev_timer_at(s->owner->loop, &s->due, due_ns);
	else
		send_batch(s, now_ns);
}

static void on_due(struct ev_timer *timer)
{
	pump(CONTAINER_OF(timer, struct subscriber, due));
}

static void on_pump(struct ev_defer *defer)
{
	pump(CONTAINER_OF(defer, struct subscriber, pump));
}

static void on_done(struct telemetry_delivery *d, bool delivered)
{
	struct subscriber *s = CONTAINER_OF(d, struct subscriber, delivery);
	if (!delivered) {
		telemetry_queue_lose(&s->queue, s->told);
		telemetry_queue_lose(&s->queue, s->sending);
	}
	s->told = s->sending = (struct telemetry_count){0};
	ev_defer_run(s->owner->loop, &s->pump);
}

static void on_want_socket(struct telemetry_delivery *d)
{
	struct subscriber *s = CONTAINER_OF(d, struct subscriber, delivery);
	s->owner->events->want_socket(s->owner->arg, s->number);
}

static const struct telemetry_delivery_events delivery_events = {.want_socket = on_want_socket, .done = on_done};

/* ---- records ---- */

static void enqueue(struct subscriber *s)
{
	struct buf *record = &s->owner->scratch;
	if (record->overflow)
		telemetry_queue_lose(&s->queue, (struct telemetry_count){1, record->len});
	else
		telemetry_queue_add(&s->queue, buf_str(record), clock_mono_ns());
	if (s->owner->ending)
		telemetry_queue_flush(&s->queue);
	/* A burst of records is one look at the queue. */
	if (!telemetry_delivery_busy(&s->delivery) && !s->owner->suspended)
		ev_defer_run(s->owner->loop, &s->pump);
}

static void put_event(struct subscriber *s, const struct platform_event *e)
{
	struct platform_event older = *e;
	if (!(s->to.types & TELEMETRY_PLATFORM) || !platform_schema_has(s->to.schema, e->kind))
		return;
	/* The older API has one word for what is not a timeout. */
	if (s->to.schema < PLATFORM_2022_07_01 && e->status && strcmp(e->status, "error") == 0)
		older.status = "failure";
	buf_clear(&s->owner->scratch);
	platform_json_write(&s->owner->scratch, &older, s->to.schema);
	enqueue(s);
}

static void put_line(struct subscriber *s, int64_t wall_ms, bool extension, struct str line, bool object)
{
	if (!(s->to.types & (extension ? TELEMETRY_EXTENSION : TELEMETRY_FUNCTION)))
		return;
	buf_clear(&s->owner->scratch);
	telemetry_line_write(&s->owner->scratch, wall_ms, extension, line, object && s->to.schema >= PLATFORM_2022_12_13);
	enqueue(s);
}

static void tidy(struct telemetry *t)
{
	if (t->scratch.cap > SCRATCH_KEPT_BYTES)
		buf_release(&t->scratch);
}

void telemetry_platform(struct telemetry *t, const struct platform_event *e)
{
	early_keep_event(&t->early, e);
	LIST_FOREACH(l, &t->subscribers)
		put_event(CONTAINER_OF(l, struct subscriber, link), e);
	tidy(t);
}

void telemetry_line(struct telemetry *t, int64_t wall_ms, bool extension, bool json, struct str line)
{
	early_keep_line(&t->early, wall_ms, extension, json, line);
	if (!(t->types & (extension ? TELEMETRY_EXTENSION : TELEMETRY_FUNCTION)))
		return;
	bool object = json && telemetry_line_is_object(line);
	LIST_FOREACH(l, &t->subscribers)
		put_line(CONTAINER_OF(l, struct subscriber, link), wall_ms, extension, line, object);
	tidy(t);
}

static void put_early(struct subscriber *s)
{
	const struct early_list *list = &s->owner->early;
	for (const struct early *e = list->first; e; e = e->next) {
		if (e->is_line)
			put_line(s, e->line.wall_ms, e->line.extension, e->line.text, e->line.json && telemetry_line_is_object(e->line.text));
		else
			put_event(s, &e->event);
	}
	telemetry_queue_lose(&s->queue, (struct telemetry_count){list->lost_records, list->lost_bytes});
}

/* ---- subscribers ---- */

static struct subscriber *find(struct telemetry *t, const char *name)
{
	LIST_FOREACH(l, &t->subscribers) {
		struct subscriber *s = CONTAINER_OF(l, struct subscriber, link);
		if (strcmp(s->name, name) == 0)
			return s;
	}
	return NULL;
}

static void remove_subscriber(struct subscriber *s)
{
	s->owner->count--;
	ev_timer_stop(&s->due);
	ev_defer_cancel(&s->pump);
	telemetry_delivery_release(&s->delivery);
	telemetry_queue_release(&s->queue);
	list_remove(&s->link);
	free(s);
}

static struct subscriber *add_subscriber(struct telemetry *t, const char *name, const struct telemetry_subscription *to)
{
	struct subscriber *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->owner = t;
	s->number = ++t->last_number;
	snprintf(s->name, sizeof s->name, "%s", name);
	s->to = *to;
	s->due.cb = on_due;
	ev_defer_init(&s->pump, on_pump);
	telemetry_queue_init(&s->queue, to->max_items, to->max_bytes, to->timeout_ms);
	/* A batch has records of max_bytes at most, or a single one that is larger. */
	telemetry_delivery_init(&s->delivery, t->loop, &s->to, s->queue.room + to->max_items + RECORD_MAX_BYTES, &delivery_events);
	list_init(&s->link);
	list_push_back(&t->subscribers, &s->link);
	t->count++;
	return s;
}

static void tell_subscribed(struct telemetry *t, const struct subscriber *s)
{
	const char *types[TELEMETRY_TYPES];
	struct platform_event e = {.kind = PLATFORM_SUBSCRIPTION, .wall_ms = clock_wall_ms(), .name = s->name, .state = "Subscribed",
	                           .list = types};
	for (unsigned i = 0; i < TELEMETRY_TYPES; i++) {
		if (s->to.types & 1u << i)
			types[e.list_count++] = telemetry_type_name(i);
	}
	telemetry_platform(t, &e);
}

static int check_open(const struct telemetry *t, enum telemetry_api api, struct error *err)
{
	if (!t->closed)
		return 0;
	return error_set(err, ERR_ACCESS_DENIED, api == TELEMETRY_API ? "Telemetry API subscription is closed" : "Logs API subscription is closed already");
}

/* The older subscription goes; its socket stays for the new one. */
static void replace(struct subscriber *s, struct subscriber *by)
{
	if (telemetry_delivery_busy(&s->delivery) && s->delivery.state == DELIVERY_SOCKET)
		by->number = s->number; /* what was asked for comes to the successor */
	else
		telemetry_delivery_socket(&by->delivery, telemetry_delivery_take_socket(&s->delivery));
	remove_subscriber(s);
}

int telemetry_subscribe(struct telemetry *t, const char *name, enum telemetry_api api, struct str body, struct error *err)
{
	struct telemetry_subscription to;
	if (check_open(t, api, err) < 0 || telemetry_subscription_parse(&to, api, body, err) < 0)
		return -1;
	struct subscriber *older = find(t, name), *s;
	if (older && older->to.api != api)
		return error_set(err, ERR_INVALID, "the extension has subscribed to the %s API already", api == TELEMETRY_API ? "Logs" : "Telemetry");
	if (!older && t->count == TELEMETRY_SUBSCRIBERS_MAX)
		return error_set(err, ERR_ACCESS_DENIED, "there are %u subscriptions already", t->count);
	s = add_subscriber(t, name, &to);
	if (!s)
		return error_set(err, ERR_NO_MEMORY, "no memory for a subscription");
	if (older)
		replace(older, s);
	t->types = 0;
	LIST_FOREACH(l, &t->subscribers)
		t->types |= CONTAINER_OF(l, struct subscriber, link)->to.types;
	put_early(s);
	tell_subscribed(t, s);
	return 0;
}

void telemetry_close(struct telemetry *t)
{
	t->closed = true;
	early_close(&t->early);
}

bool telemetry_has_subscribers(const struct telemetry *t)
{
	return t->count > 0;
}

void telemetry_socket(struct telemetry *t, uint32_t number, int fd)
{
	LIST_FOREACH(l, &t->subscribers) {
		struct subscriber *s = CONTAINER_OF(l, struct subscriber, link);
		if (s->number != number)
			continue;
		telemetry_delivery_socket(&s->delivery, fd);
		return;
	}
	if (fd >= 0)
		close(fd);
}

/* ---- the whole ---- */

struct telemetry *telemetry_new(struct ev_loop *loop, const struct telemetry_events *events, void *arg, bool early)
{
	struct telemetry *t = calloc(1, sizeof *t);
	if (!t)
		return NULL;
	t->loop = loop;
	t->events = events;
	t->arg = arg;
	list_init(&t->subscribers);
	early_init(&t->early, early);
	buf_init(&t->scratch, RECORD_MAX_BYTES);
	return t;
}

void telemetry_free(struct telemetry *t)
{
	if (!t)
		return;
	LIST_FOREACH(l, &t->subscribers)
		remove_subscriber(CONTAINER_OF(l, struct subscriber, link));
	early_close(&t->early);
	buf_release(&t->scratch);
	free(t);
}

void telemetry_end(struct telemetry *t)
{
	telemetry_close(t);
	telemetry_resume(t);
	t->ending = true;
	LIST_FOREACH(l, &t->subscribers) {
		struct subscriber *s = CONTAINER_OF(l, struct subscriber, link);
		telemetry_queue_flush(&s->queue);
		ev_defer_run(t->loop, &s->pump);
	}
}

void telemetry_suspend(struct telemetry *t)
{
	if (t->suspended)
		return;
	t->suspended = true;
	t->suspended_ns = clock_mono_ns();
	LIST_FOREACH(l, &t->subscribers) {
		struct subscriber *s = CONTAINER_OF(l, struct subscriber, link);
		ev_timer_stop(&s->due);
		telemetry_delivery_suspend(&s->delivery);
	}
}

void telemetry_resume(struct telemetry *t)
{
	if (!t->suspended)
		return;
	t->suspended = false;
	LIST_FOREACH(l, &t->subscribers) {
		struct subscriber *s = CONTAINER_OF(l, struct subscriber, link);
		telemetry_queue_skip(&s->queue, clock_mono_ns() - t->suspended_ns);
		telemetry_delivery_resume(&s->delivery);
		ev_defer_run(t->loop, &s->pump);
	}
}
