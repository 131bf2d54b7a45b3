/* When schedules are due: a heap by wall time, one timer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/codec.h"
#include "services/events/scheduler_priv.h"

/* ---- heap ---- */

static void place(struct scheduler *s, struct schedule *one, size_t at)
{
	s->heap[at] = one;
	one->heap_at = at;
}

static void sift(struct scheduler *s, struct schedule *one, size_t at)
{
	while (at > 0 && s->heap[(at - 1) / 2]->due_ms > one->due_ms) {
		place(s, s->heap[(at - 1) / 2], at);
		at = (at - 1) / 2;
	}
	for (size_t child = 2 * at + 1; child < s->heap_count; child = 2 * at + 1) {
		if (child + 1 < s->heap_count && s->heap[child + 1]->due_ms < s->heap[child]->due_ms)
			child++;
		if (s->heap[child]->due_ms >= one->due_ms)
			break;
		place(s, s->heap[child], at);
		at = child;
	}
	place(s, one, at);
}

void scheduler_unplan(struct scheduler *s, struct schedule *one)
{
	size_t at = one->heap_at;
	if (at == SIZE_MAX)
		return;
	struct schedule *last = s->heap[--s->heap_count];
	one->heap_at = SIZE_MAX;
	if (last != one)
		sift(s, last, at);
}

static void enter(struct scheduler *s, struct schedule *one)
{
	if (s->heap_count == s->heap_size) {
		s->heap_size = s->heap_size ? 2 * s->heap_size : 64;
		s->heap = realloc(s->heap, s->heap_size * sizeof *s->heap);
		ASSERT(s->heap);
	}
	sift(s, one, s->heap_count++);
}

/* ---- next times ---- */

/* Within the flexible window; the same for the same time of the same schedule. */
static int64_t offset_ms(const struct schedule *one, int64_t nominal_ms)
{
	unsigned char sum[SHA256_SIZE];
	char text[SCHEDULER_KEY_MAX + 32];
	uint64_t n = 0;
	if (one->window_ms == 0)
		return 0;
	int len = snprintf(text, sizeof text, "%s@%lld", one->key, (long long)nominal_ms);
	sha256(sum, text, (size_t)len);
	memcpy(&n, sum, sizeof n);
	return (int64_t)(n % (uint64_t)one->window_ms);
}

static int64_t due_of(const struct schedule *one, int64_t nominal_ms)
{
	return nominal_ms == WHEN_NEVER ? WHEN_NEVER : nominal_ms + offset_ms(one, nominal_ms);
}

static int64_t next_nominal(const struct schedule *one)
{
	bool recurs = when_kind(one->when) != WHEN_AT; /* dates are for recurring schedules only */
	int64_t first = recurs && one->anchor_ms > one->from_ms ? one->anchor_ms : one->from_ms / 1000 * 1000;
	int64_t after = one->fired_ms >= first ? one->fired_ms : first - 1;
	int64_t next = one->enabled ? when_next(one->when, one->anchor_ms, after) : WHEN_NEVER;
	return recurs && next > one->end_ms ? WHEN_NEVER : next;
}

void scheduler_plan(struct scheduler *s, struct schedule *one)
{
	scheduler_unplan(s, one);
	one->nominal_ms = next_nominal(one);
	one->due_ms = due_of(one, one->nominal_ms);
	if (one->due_ms != WHEN_NEVER && !one->putting)
		enter(s, one);
}

void scheduler_postpone(struct scheduler *s, struct schedule *one)
{
	scheduler_unplan(s, one);
	if (one->nominal_ms == WHEN_NEVER)
		return;
	one->due_ms = scheduler_wall_ms(s) + SCHEDULER_AGAIN_MS;
	enter(s, one);
}

bool scheduler_is_complete(const struct schedule *one)
{
	return one->enabled && one->nominal_ms == WHEN_NEVER && !one->putting && one->under_way == 0;
}

/* ---- firing ---- */

/* Of several times that have passed, the latest alone. */
static int64_t latest(const struct schedule *one, int64_t now_ms)
{
	int64_t end = one->end_ms < now_ms && when_kind(one->when) != WHEN_AT ? one->end_ms : now_ms;
	int64_t last = when_previous(one->when, one->anchor_ms, end);
	return last > one->nominal_ms && due_of(one, last) <= now_ms ? last : one->nominal_ms;
}

static void fire(struct scheduler *s, struct schedule *one, int64_t now_ms)
{
	int64_t nominal = latest(one, now_ms), late_ms = now_ms - due_of(one, nominal), age_ms = (int64_t)scheduler_age_max_ms(one);
	s->counts.missed += nominal != one->nominal_ms;
	one->fired_ms = nominal;
	if (late_ms < age_ms) {
		scheduler_fire(s, one, nominal, (uint64_t)(age_ms - late_ms));
	} else {
		s->counts.missed++;
		scheduler_plan(s, one);
	}
}

void scheduler_run(struct scheduler *s)
{
	int64_t now_ms = scheduler_wall_ms(s), next_ms = now_ms + SCHEDULER_TICK_MS;
	if (now_ms < s->last_wall_ms - 1000) { /* nobody told */
		s->last_wall_ms = now_ms;
		scheduler_look_anew(s);
		return;
	}
	s->last_wall_ms = now_ms;
	while (s->heap_count > 0 && s->heap[0]->due_ms <= now_ms) {
		struct schedule *one = s->heap[0];
		scheduler_unplan(s, one);
		fire(s, one, now_ms);
	}
	if (s->heap_count > 0 && s->heap[0]->due_ms < next_ms)
		next_ms = s->heap[0]->due_ms;
	ev_timer_after(s->deps.loop, &s->tick, (uint64_t)(next_ms - now_ms) * NS_PER_MS);
}

void scheduler_look_anew(struct scheduler *s)
{
	HASH_FOREACH(node, &s->schedules) {
		struct schedule *one = CONTAINER_OF(node, struct schedule, node);
		if (!one->putting)
			scheduler_plan(s, one);
	}
	s->last_wall_ms = scheduler_wall_ms(s);
	scheduler_run(s);
}

/* ---- what is over ---- */

static void on_deleted(void *arg, const struct kv_entry *entry, const struct error *err)
{
}

void scheduler_delete_complete(struct scheduler *s, struct schedule *one)
{
	char key[KV_KEY_MAX];
	snprintf(key, sizeof key, SCHEDULER_SCHEDULE_PREFIX "%s", one->key);
	if (kv_delete(s->deps.kv, str_from(key), KV_ANY, on_deleted, NULL, NULL) < 0)
		return; /* the next look does it */
	snprintf(key, sizeof key, SCHEDULER_FIRED_PREFIX "%s", one->key);
	(void)kv_delete(s->deps.kv, str_from(key), KV_ANY, on_deleted, NULL, NULL);
	scheduler_drop(s, one);
}

/* Once nothing waits in the store, whatever is complete is so for good: also what was fired before a restart. */
static void delete_leftovers(struct scheduler *s)
{
	struct queue_stats stats;
	queue_stat(s->deps.queue, STR("fire/schedule"), &stats);
	if (stats.visible + stats.delayed + stats.leased > 0 || s->current)
		return;
	HASH_FOREACH(node, &s->schedules) {
		struct schedule *one = CONTAINER_OF(node, struct schedule, node);
		if (one->deletes && scheduler_is_complete(one))
			scheduler_delete_complete(s, one);
	}
}

/* Groups whose deletion the store could not take at once, or that a restart cut off. */
static void sweep_groups(struct scheduler *s)
{
	HASH_FOREACH(node, &s->groups)
		scheduler_sweep_group(s, CONTAINER_OF(node, struct schedule_group, node));
}

static void on_tick(struct ev_timer *timer)
{
	struct scheduler *s = CONTAINER_OF(timer, struct scheduler, tick);
	delete_leftovers(s);
	sweep_groups(s);
	scheduler_run(s);
}

void scheduler_start(struct scheduler *s)
{
	s->tick.cb = on_tick;
	sweep_groups(s);
	scheduler_look_anew(s);
}
