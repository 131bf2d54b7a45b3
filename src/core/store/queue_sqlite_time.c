/* The engine's time, and what passes with it: a queue's horizon (queue_sqlite_priv.h), moved by each touch and by its timer. */
#include <stdlib.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/store/queue_sqlite_priv.h"

enum {
	TIMER_MAX_MS = 60000, /* a machine that slept: timers did not count that */
	TIMER_MIN_MS = 2,     /* messages that become visible one after another are counted together */
	TEST_TIMER_MS = 5     /* a test's clock is looked at so often */
};

static uint64_t boot_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

void qs_clock_init(struct qs *qs)
{
	qs->boot_ns = boot_ns();
	qs->wall_ms = clock_wall_ms();
}

int64_t qs_now(struct qs *qs)
{
	int64_t wall = qs->now_ms ? qs->now_ms(qs->now_arg) : qs->wall_ms + (int64_t)((boot_ns() - qs->boot_ns) / NS_PER_MS);
	int64_t now = wall + qs->shift_ms;
	qs->last_ms = now > qs->last_ms ? now : qs->last_ms;
	return qs->last_ms;
}

int64_t qs_after(int64_t now_ms, uint64_t delay_ms)
{
	return now_ms + (int64_t)(delay_ms < QS_DELAY_MAX ? delay_ms : QS_DELAY_MAX);
}

struct tick {
	struct db_op op;
	struct qs_touch touch;
	int64_t from_ms, next_ms;
	bool all; /* counts anew */
	struct qs_counts counts;
};

static int count_passed(struct qs *qs, struct tick *tick)
{
	struct qs_touch *t = &tick->touch;
	int64_t items = 0, leased = 0, leases = 0;
	sqlite3_stmt *st = QS_BIND(qs, COUNT_PASSED, t->items, tick->from_ms, t->horizon_ms);
	int rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		items = sqlite3_column_int64(st, 0);
		leased = sqlite3_column_int64(st, 1);
	}
	rc = qs_end(st, rc);
	if (rc == SQLITE_OK)
		rc = qs_one(QS_BIND(qs, COUNT_LEASES, t->items, tick->from_ms, t->horizon_ms), &leases);
	t->change = (struct qs_counts){.visible = items + leases, .delayed = leased - items, .leased = -leased - leases};
	t->ready = items + leases > 0;
	return rc;
}

static int next_of(struct qs *qs, const struct qs_touch *t, int64_t *next_ms)
{
	int64_t lease_ms = QS_NEVER;
	*next_ms = QS_NEVER;
	int rc = qs_one(QS_BIND(qs, NEXT_VISIBLE, t->items, t->horizon_ms), next_ms);
	if (rc == SQLITE_OK)
		rc = qs_one(QS_BIND(qs, NEXT_LEASE, t->items, t->horizon_ms), &lease_ms);
	*next_ms = lease_ms < *next_ms ? lease_ms : *next_ms;
	return rc;
}

int qs_counts_read(struct qs *qs, struct qs_touch *t, struct qs_counts *counts, int64_t *next_ms)
{
	int64_t leases = 0;
	sqlite3_stmt *st = QS_BIND(qs, COUNT_ALL, t->items, t->horizon_ms);
	int rc = sqlite3_step(st);
	*counts = (struct qs_counts){0};
	if (rc == SQLITE_ROW)
		*counts = (struct qs_counts){sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 1), sqlite3_column_int64(st, 2)};
	rc = qs_end(st, rc);
	if (rc == SQLITE_OK)
		rc = qs_one(QS_BIND(qs, LEASES, t->items, t->horizon_ms), &leases);
	counts->visible -= leases;
	counts->leased += leases;
	if (rc == SQLITE_OK)
		rc = qs_oldest(qs, t);
	return rc == SQLITE_OK ? next_of(qs, t, next_ms) : rc;
}

static int run_tick(struct db_op *base, sqlite3 *sql)
{
	struct tick *tick = CONTAINER_OF(base, struct tick, op);
	struct qs *qs = tick->touch.queue->qs;
	tick->next_ms = QS_NEVER;
	tick->counts = (struct qs_counts){0};
	int rc = qs_find(qs, &tick->touch, false);
	if (rc != SQLITE_OK || !tick->touch.found)
		return rc;
	tick->touch.ready = tick->all;
	if (tick->all)
		return qs_counts_read(qs, &tick->touch, &tick->counts, &tick->next_ms);
	rc = count_passed(qs, tick);
	return rc == SQLITE_OK ? next_of(qs, &tick->touch, &tick->next_ms) : rc;
}

static void done_tick(struct db_op *base)
{
	struct tick *tick = CONTAINER_OF(base, struct tick, op);
	struct qs_queue *q = tick->touch.queue;
	bool fine = base->err.code == ERR_OK;
	q->ticks--;
	q->lost_count |= !fine;
	if (fine && tick->all)
		q->count = tick->counts;
	if (fine && tick->next_ms < q->next_ms)
		q->next_ms = tick->next_ms;
	qs_touch_end(&tick->touch, fine);
	free(tick);
}

/* Counts what became visible up to now. Without memory the horizon stays where it is, until the next attempt. */
static void tick_start(struct qs_queue *q, int64_t now_ms)
{
	struct tick *tick = calloc(1, sizeof *tick);
	if (!tick)
		return;
	tick->op = (struct db_op){.bytes = sizeof *tick, .beyond_limits = true, .run = run_tick, .done = done_tick, .makes_room = true};
	tick->from_ms = q->horizon_ms;
	tick->all = q->lost_count;
	tick->touch = (struct qs_touch){.queue = q, .id = q->id, .now_ms = now_ms, .horizon_ms = now_ms};
	if (db_submit(q->qs->db, &tick->op, NULL) < 0) {
		free(tick);
		return;
	}
	q->holds++;
	q->ticks++;
	q->horizon_ms = now_ms;
	q->next_ms = QS_NEVER; /* what is there beyond is told when it is done */
	q->lost_count = false;
}

/* While a tick is under way nobody knows what lies beyond its horizon: that stays. */
static void advance(struct qs_queue *q, int64_t now_ms)
{
	if (q->ticks || now_ms <= q->horizon_ms)
		return;
	if (q->next_ms > now_ms && !q->lost_count)
		q->horizon_ms = now_ms;
	else
		tick_start(q, now_ms);
}

void qs_touch_begin(struct qs *qs, struct qs_queue *q, struct qs_touch *t)
{
	int64_t now_ms = qs_now(qs);
	advance(q, now_ms);
	*t = (struct qs_touch){.queue = q, .id = q->id, .now_ms = now_ms, .horizon_ms = q->horizon_ms};
	q->used_ms = now_ms;
	q->holds++;
}

void qs_touch_end(struct qs_touch *t, bool fine)
{
	struct qs_queue *q = t->queue;
	q->holds--;
	if (!fine) {
		qs_arm(q);
		return;
	}
	/* At the maximum of leases fetches find nothing, whatever is visible. */
	t->ready |= t->change.leased < 0 && q->count.leased >= QS_LEASES_MAX;
	q->count.visible += t->change.visible;
	q->count.delayed += t->change.delayed;
	q->count.leased += t->change.leased;
	if (t->oldest_known)
		q->oldest_ms = t->oldest_ms;
	else if (!q->oldest_ms && t->change.visible + t->change.delayed + t->change.leased > 0)
		q->oldest_ms = t->now_ms;
	qs_arm(q);
	if (!t->ready || q->count.visible <= 0)
		return;
	qs_hint(q);
	qs_wake(q);
}

int qs_submit(struct qs *qs, struct qs_queue *q, struct db_op *op, struct qs_touch *t, struct error *err)
{
	qs_touch_begin(qs, q, t);
	if (db_submit(qs->db, op, err) == 0)
		return 0;
	qs_touch_end(t, false);
	return -1;
}

void qs_expect(struct qs_queue *q, int64_t at_ms)
{
	q->next_ms = at_ms < q->next_ms ? at_ms : q->next_ms;
}

static int64_t expiry_ms(const struct qs_queue *q)
{
	if (!q->retention_ms || !q->oldest_ms || q->expiring)
		return QS_NEVER;
	int64_t at_ms = q->oldest_ms + q->retention_ms;
	return at_ms > q->expire_from_ms ? at_ms : q->expire_from_ms;
}

void qs_arm(struct qs_queue *q)
{
	int64_t at_ms = q->ticks ? QS_NEVER : q->lost_count ? qs_now(q->qs) + 1000 : q->next_ms, expiry = expiry_ms(q);
	at_ms = expiry < at_ms ? expiry : at_ms;
	if (at_ms == QS_NEVER || q->qs->closing) {
		ev_timer_stop(&q->timer);
		return;
	}
	int64_t delay_ms = at_ms - qs_now(q->qs);
	delay_ms = delay_ms > TIMER_MAX_MS ? TIMER_MAX_MS : delay_ms < TIMER_MIN_MS ? TIMER_MIN_MS : delay_ms;
	if (q->qs->now_ms)
		delay_ms = TEST_TIMER_MS;
	uint64_t at_ns = clock_mono_ns() + (uint64_t)delay_ms * NS_PER_MS;
	/* Busy queues are armed with each call: an earlier timer only looks too soon. */
	if (!q->timer.loop || q->timer.at_ns > at_ns)
		ev_timer_at(q->qs->loop, &q->timer, at_ns);
}

void qs_on_timer(struct ev_timer *timer)
{
	struct qs_queue *q = CONTAINER_OF(timer, struct qs_queue, timer);
	int64_t now_ms = qs_now(q->qs);
	if (q->next_ms <= now_ms || q->lost_count)
		advance(q, now_ms);
	if (expiry_ms(q) <= now_ms)
		qs_expire(q);
	qs_arm(q);
}
