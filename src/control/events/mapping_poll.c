/* Receiving: one waiting receive at a time, messages into batches, and how many batches may be in flight. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/events/batch.h"
#include "control/events/mapping_priv.h"
#include "control/metrics/metrics.h"
#include "core/base/cleanup.h"

#define WAIT_MS 20000u
#define RECEIVE_MAX 1000u    /* messages of one receive */
#define PAUSE_SECONDS 2u     /* after an error */
#define LOOK_BACK_SECONDS 60 /* then the limit falls to what was used */
#define FILTER_WORK_MAX (UINT64_C(1) << 26) /* steps (match.h) that one message may take, with all filters: well below a second */

static struct mapping *mapping_of(struct mapping_poller *p)
{
	return CONTAINER_OF(p, struct mapping, poll);
}

/* ---- the limit ---- */

static void on_second(struct ev_timer *timer)
{
	struct mapping_poller *p = CONTAINER_OF(timer, struct mapping_poller, growth);
	struct mapping *m = mapping_of(p);
	const struct mapping_config *c = &m->config;
	bool grow = p->blocked;
	p->blocked = false;
	if (grow)
		p->limit = p->limit + MAPPING_LIMIT_STEP < c->limit_max ? p->limit + MAPPING_LIMIT_STEP : c->limit_max;
	if (++p->seconds >= LOOK_BACK_SECONDS) {
		if (p->limit > p->peak)
			p->limit = p->peak > c->limit_first ? p->peak : c->limit_first;
		p->peak = p->in_flight;
		p->seconds = 0;
	}
	if (p->in_flight || p->limit != c->limit_first)
		ev_timer_after(m->all->deps.loop, &p->growth, m->all->second_ns);
	mapping_poll_go(m);
}

/* The limit stands in the way: it grows if there is more than what is held. */
static void note_blocked(struct mapping *m)
{
	struct source_info info;
	struct mapping_poller *p = &m->poll;
	if (p->blocked)
		return;
	p->blocked = p->held_count ||
	             (m->config.source->ops->info(m->config.source->arg, str_from(m->config.arn), &info, NULL) == 0 && info.waiting > 0);
}

void mapping_poll_throttled(struct mapping *m)
{
	m->poll.limit = m->poll.limit > 1 ? m->poll.limit / 2 : 1;
	m->poll.blocked = false;
}

/* ---- batches ---- */

/* The first of what is held, as many as a batch may have. */
static void start_batch(struct mapping *m)
{
	struct mapping_poller *p = &m->poll;
	struct list batch;
	unsigned n = 0;
	size_t bytes = BATCH_FRAME_BYTES;
	list_init(&batch);
	LIST_FOREACH(link, &p->held) {
		size_t size = batch_record_size(CONTAINER_OF(link, struct source_message, link));
		if (n == m->config.batch_size || (n && bytes + size > BATCH_BYTES_MAX))
			break;
		list_remove(link);
		list_push_back(&batch, link);
		bytes += size;
		n++;
	}
	p->held_count -= n;
	p->held_bytes -= bytes - BATCH_FRAME_BYTES;
	p->in_flight++;
	p->peak = p->peak > p->in_flight ? p->peak : p->in_flight;
	if (!p->growth.loop)
		ev_timer_after(m->all->deps.loop, &p->growth, m->all->second_ns);
	mapping_run(m, &batch, n, bytes - BATCH_FRAME_BYTES);
}

static bool is_full(const struct mapping *m)
{
	const struct mapping_poller *p = &m->poll;
	return p->held_count >= m->config.batch_size || p->held_bytes + BATCH_FRAME_BYTES >= BATCH_BYTES_MAX;
}

/* What waited for so long that it is visible again belongs to whoever receives it next: invoked from here it would run twice. */
static void drop_stale(struct mapping *m)
{
	struct mapping_poller *p = &m->poll;
	struct source_info info;
	struct list stale;
	uint64_t now = ev_now_ns(m->all->deps.loop);
	if (!p->held_count || m->config.source->ops->info(m->config.source->arg, str_from(m->config.arn), &info, NULL) < 0)
		return;
	list_init(&stale);
	LIST_FOREACH(link, &p->held) {
		const struct source_message *message = CONTAINER_OF(link, struct source_message, link);
		size_t size = batch_record_size(message);
		if (now < message->received_ns + info.visibility_s * NS_PER_S)
			break; /* the oldest stand first */
		list_remove(link);
		list_push_back(&stale, link);
		p->held_count--;
		p->held_bytes -= size;
		m->all->held_bytes -= size;
	}
	p->rest &= p->held_count > 0;
	mapping_hand_back(m, &stale, WAY_LEAVE);
}

static void cut_batches(struct mapping *m)
{
	struct mapping_poller *p = &m->poll;
	drop_stale(m);
	while (p->held_count && (p->due || is_full(m))) {
		if (p->rest && p->in_flight)
			return;
		if (p->in_flight >= p->limit) {
			note_blocked(m);
			return;
		}
		start_batch(m);
		p->rest = p->ordered && p->held_count;
	}
	if (p->held_count)
		return;
	p->due = false;
	ev_timer_stop(&p->window);
}

static void on_window(struct ev_timer *timer)
{
	struct mapping_poller *p = CONTAINER_OF(timer, struct mapping_poller, window);
	p->due = true;
	mapping_poll_go(mapping_of(p));
}

/* ---- what was received ---- */

/* What does not fit is deleted: when matching takes too long to know, the function gets the message. */
static bool fits(struct mapping *m, const struct source_message *message)
{
	struct buf *text = &m->all->scratch;
	uint64_t work = FILTER_WORK_MAX;
	if (!m->config.filter_count)
		return true;
	buf_clear(text);
	if (batch_write_filtered(text, message) < 0)
		return false;
	for (size_t i = 0; i < m->config.filter_count; i++) {
		if (match_event_within(m->config.filters[i], buf_str(text), &work) || work == 0)
			return true;
	}
	return false;
}

static void take_messages(struct mapping *m, struct list *messages)
{
	struct mapping_poller *p = &m->poll;
	struct list dropped, *link;
	uint64_t drops = 0;
	list_init(&dropped);
	while ((link = list_pop_front(messages))) {
		struct source_message *message = CONTAINER_OF(link, struct source_message, link);
		if (!fits(m, message)) {
			list_push_back(&dropped, link);
			drops++;
			continue;
		}
		message->received_ns = ev_now_ns(m->all->deps.loop);
		list_push_back(&p->held, link);
		p->held_count++;
		p->held_bytes += batch_record_size(message);
		m->all->held_bytes += batch_record_size(message);
	}
	m->all->totals.filtered += drops;
	mapping_count(m, MESSAGE_LABEL_FILTERED, drops);
	mapping_hand_back(m, &dropped, WAY_REMOVE);
}

static void on_received(void *arg, struct list *messages, size_t n, const struct error *err)
{
	struct mapping *m = arg;
	struct mapping_poller *p = &m->poll;
	p->receiving = NULL;
	if (err) {
		mapping_poll_pause(m, err->msg);
		return;
	}
	*m->result = '\0';
	take_messages(m, messages);
	if (!m->config.window_s)
		p->due = true;
	else if (p->held_count && !p->due && !p->window.loop)
		ev_timer_after(m->all->deps.loop, &p->window, m->config.window_s * NS_PER_S);
	mapping_poll_go(m);
}

/* ---- receiving ---- */

void mapping_poll_pause(struct mapping *m, const char *why)
{
	snprintf(m->result, sizeof m->result, "PROBLEM: %s", why);
	if (m->poll.running)
		ev_timer_after(m->all->deps.loop, &m->poll.pause, PAUSE_SECONDS * m->all->second_ns);
}

static void on_pause(struct ev_timer *timer)
{
	mapping_poll_go(mapping_of(CONTAINER_OF(timer, struct mapping_poller, pause)));
}

/* A mapping without any message always has room for a batch. */
static bool has_memory(struct mapping *m)
{
	struct mapping_poller *p = &m->poll;
	if (m->all->held_bytes < MAPPING_BYTES_MAX || (!p->in_flight && !p->held_count))
		return true;
	if (list_empty(&p->starved))
		list_push_back(&m->all->starved, &p->starved);
	return false;
}

/* As long as the window leaves. */
static uint64_t wait_ms(const struct mapping *m)
{
	uint64_t now = ev_now_ns(m->all->deps.loop), end = m->poll.window.at_ns;
	if (!m->poll.window.loop || end > now + WAIT_MS * NS_PER_MS)
		return WAIT_MS;
	return end > now ? (end - now) / NS_PER_MS + 1 : 1;
}

static bool can_receive(struct mapping *m, struct error *err)
{
	const struct mapping_config *c = &m->config;
	struct registry_target target;
	struct source_info info = {0};
	if (registry_resolve(m->all->deps.registry, c->ref.name, c->ref.qualifier, &target, err) < 0 && err->code == ERR_NOT_FOUND)
		return false;
	if (c->source->ops->info(c->source->arg, str_from(c->arn), &info, err) < 0)
		return false;
	m->poll.ordered = info.ordered;
	return true;
}

/* Several batches at once where neither a window nor an order forbids it: a receive costs a commit. */
static unsigned room_for(const struct mapping *m)
{
	const struct mapping_poller *p = &m->poll;
	unsigned batches = m->config.window_s || p->ordered ? 1 : p->limit - p->in_flight;
	uint64_t room = (uint64_t)batches * m->config.batch_size - p->held_count;
	return room < RECEIVE_MAX ? (unsigned)room : RECEIVE_MAX;
}

static void receive(struct mapping *m)
{
	struct mapping_poller *p = &m->poll;
	const struct mapping_config *c = &m->config;
	struct error err = {0};
	if (can_receive(m, &err))
		p->receiving = c->source->ops->receive(c->source->arg, str_from(c->arn), room_for(m), BATCH_BYTES_MAX - p->held_bytes, wait_ms(m), on_received, m, &err);
	if (!p->receiving)
		mapping_poll_pause(m, err.msg);
}

static void on_go(struct ev_defer *defer)
{
	struct mapping_poller *p = CONTAINER_OF(defer, struct mapping_poller, go);
	struct mapping *m = mapping_of(p);
	if (!p->running)
		return;
	cut_batches(m);
	if (p->receiving || p->pause.loop || p->due || is_full(m))
		return;
	if (p->in_flight >= p->limit)
		note_blocked(m);
	else if (has_memory(m))
		receive(m);
}

/* From the end of the round: callers are in the middle of something, and one look does for all of them. */
void mapping_poll_go(struct mapping *m)
{
	if (m->poll.running)
		ev_defer_run(m->all->deps.loop, &m->poll.go);
}

void mapping_poll_ended(struct mapping *m, size_t bytes)
{
	struct mappings *all = m->all;
	struct list *link;
	m->poll.in_flight--;
	all->held_bytes -= bytes;
	mapping_poll_go(m);
	while (all->held_bytes < MAPPING_BYTES_MAX && (link = list_pop_front(&all->starved)))
		mapping_poll_go(CONTAINER_OF(link, struct mapping, poll.starved));
}

/* ---- life ---- */

void mapping_poll_init(struct mapping *m)
{
	struct mapping_poller *p = &m->poll;
	list_init(&p->held);
	list_init(&p->starved);
	list_init(&p->batches);
	p->window.cb = on_window;
	p->pause.cb = on_pause;
	p->growth.cb = on_second;
	ev_defer_init(&p->go, on_go);
}

void mapping_poll_start(struct mapping *m)
{
	struct mapping_poller *p = &m->poll;
	if (p->running || !m->config.enabled || m->all->draining || m->state != MAPPING_ENABLED)
		return;
	p->running = true;
	p->limit = m->config.limit_first;
	p->peak = p->in_flight;
	p->seconds = 0;
	mapping_poll_go(m);
}

static void stop_timers(struct mapping_poller *p)
{
	ev_timer_stop(&p->window);
	ev_timer_stop(&p->pause);
	ev_timer_stop(&p->growth);
	ev_defer_cancel(&p->go);
	list_remove(&p->starved);
}

void mapping_poll_stop(struct mapping *m)
{
	struct mapping_poller *p = &m->poll;
	const struct source_row *source = m->config.source;
	if (!p->running)
		return;
	p->running = p->due = p->rest = false;
	stop_timers(p);
	if (p->receiving)
		source->ops->receive_cancel(source->arg, STEAL_PTR(p->receiving));
	m->all->held_bytes -= p->held_bytes;
	mapping_hand_back(m, &p->held, WAY_RETURN);
	p->held_count = 0;
	p->held_bytes = 0;
	mapping_run_stop(m);
}

void mapping_poll_release(struct mapping *m)
{
	const struct source_row *source = m->config.source;
	stop_timers(&m->poll);
	if (!list_empty(&m->poll.held))
		source->ops->forget(source->arg, &m->poll.held);
	mapping_run_release(m);
}
