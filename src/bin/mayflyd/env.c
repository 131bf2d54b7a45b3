/* States, and what is to be done next; see env.h. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bin/mayflyd/attacher.h"
#include "bin/mayflyd/env_priv.h"
#include "bin/mayflyd/env_ready.h"
#include "bin/mayflyd/server.h"
#include "bin/mayflyd/zygotes.h"
#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/log.h"

#define MAKING_MAX 8 /* at a time */
#define REFILL_AFTER_MS 5u
#define REFILL_HURRIED 2u /* at a time, when half of the pool is gone */

static const struct {
	const char *name;
	unsigned next; /* states that may follow, as bits */
} states[ENV_STATE_COUNT] = {
	[ENV_QUEUED] = {"queued", 1u << ENV_MAKING | 1u << ENV_CLEANING},
	[ENV_MAKING] = {"making", 1u << ENV_POOLED | 1u << ENV_DYING | 1u << ENV_CLEANING},
	[ENV_POOLED] = {"pooled", 1u << ENV_READY | 1u << ENV_ATTACHING | 1u << ENV_DYING | 1u << ENV_CLEANING},
	[ENV_READY] = {"ready", 1u << ENV_ATTACHING | 1u << ENV_DYING | 1u << ENV_CLEANING},
	[ENV_ATTACHING] = {"attaching", 1u << ENV_RUNNING | 1u << ENV_DYING | 1u << ENV_CLEANING},
	[ENV_RUNNING] = {"running", 1u << ENV_DYING | 1u << ENV_CLEANING},
	[ENV_DYING] = {"dying", 1u << ENV_CLEANING},
	[ENV_CLEANING] = {"cleaning", 0},
};

void env_move(struct env *e, enum env_state to)
{
	struct envs *all = &e->server->envs;
	ASSERT(states[e->state].next & 1u << to);
	if (e->state == ENV_READY)
		env_ready_left(e);
	list_remove(&e->link);
	all->counts[e->state]--;
	e->state = to;
	list_push_back(&all->states[to], &e->link);
	all->counts[to]++;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* What only the start needs. */
void env_close_request(struct env *e)
{
	close_fd(&e->launch_fd);
	close_fd(&e->code_fd);
	for (unsigned i = 0; i < LIMIT_LAYERS; i++)
		close_fd(&e->layer_fds[i]);
}

void env_close_channels(struct env *e)
{
	close_fd(&e->api_fd);
	close_fd(&e->endpoint_fd);
	close_fd(&e->log_fd);
	close_fd(&e->extension_log_fd);
	close_fd(&e->log_write_fd);
	close_fd(&e->spare_fd);
	close_fd(&e->pidfd);
	env_ready_close(e);
}

void env_close_all(struct env *e)
{
	env_close_request(e);
	env_close_channels(e);
	ev_io_stop(&e->notes);
	close_fd(&e->init_fd);
	close_fd(&e->net_fd);
}

/* Ends that the other sides wait to see closed. */
void envs_forked(struct server *s)
{
	static const enum env_state with[] = {ENV_POOLED, ENV_READY, ENV_ATTACHING};
	if (!s->envs.slots) /* helpers of the start come before */
		return;
	for (size_t i = 0; i < ARRAY_LEN(with); i++) {
		LIST_FOREACH(l, &s->envs.states[with[i]]) {
			struct env *e = CONTAINER_OF(l, struct env, link);
			close_fd(&e->log_write_fd);
			close_fd(&e->spare_fd);
			env_ready_close(e);
		}
	}
}

bool env_is_worked_on(const struct env *e)
{
	return e->helper.busy || e->answer.loop;
}

static int take_slot(struct envs *all)
{
	for (unsigned i = all->slot_from; i < all->slot_count; i++) {
		if (!all->slots[i]) {
			all->slot_from = i + 1;
			return (int)i;
		}
	}
	return -1;
}

static void give_slot(struct envs *all, unsigned slot)
{
	all->slots[slot] = NULL;
	all->slot_from = slot < all->slot_from ? slot : all->slot_from;
}

static void on_grace(struct ev_timer *t)
{
	env_die(CONTAINER_OF(t, struct env, grace));
}

static void on_boost(struct ev_timer *t)
{
	env_end_boost(CONTAINER_OF(t, struct env, boost));
}

struct env *env_new(struct server *s)
{
	struct env *e = calloc(1, sizeof *e);
	int slot = e ? take_slot(&s->envs) : -1;
	if (slot < 0) {
		free(e);
		return NULL;
	}
	*e = (struct env){.slot = (unsigned)slot, .server = s, .launch_fd = -1, .code_fd = -1, .init_fd = -1, .api_fd = -1,
	                  .endpoint_fd = -1, .log_fd = -1, .log_write_fd = -1, .spare_fd = -1, .extension_log_fd = -1, .pidfd = -1, .net_fd = -1, .grace.cb = on_grace, .boost.cb = on_boost};
	for (unsigned i = 0; i < LIMIT_LAYERS; i++)
		e->layer_fds[i] = -1;
	s->envs.slots[slot] = e;
	list_init(&e->link);
	list_init(&e->id_link);
	list_init(&e->pid_link);
	list_push_back(&s->envs.states[ENV_QUEUED], &e->link);
	s->envs.counts[ENV_QUEUED]++;
	return e;
}

void env_free(struct env *e)
{
	struct envs *all = &e->server->envs;
	if (e->state == ENV_READY)
		env_ready_left(e);
	helper_forget(&e->helper);
	env_forget_answer(e);
	ev_timer_stop(&e->grace);
	ev_timer_stop(&e->boost);
	env_set_requested(e, false);
	env_set_pid(e, 0);
	env_close_all(e);
	free(e->dump);
	list_remove(&e->link);
	all->counts[e->state]--;
	give_slot(all, e->slot);
	free(e);
}

/* ---- what to do next ---- */

static bool can_start(const struct server *s, const struct env *e)
{
	/* Network rules are not made while a predecessor's are being removed. */
	bool network = e->start.network != NETWORK_OUTBOUND || !s->sweep_helper.busy;
	return s->base.tmp.kind != TMP_UNDECIDED && network && (!e->zygote || e->zygote->ready);
}

static void start_waiting(struct server *s)
{
	LIST_FOREACH(l, &s->envs.states[ENV_POOLED]) {
		struct env *e = CONTAINER_OF(l, struct env, link);
		if (e->requested && e->pid && can_start(s, e) && !env_start(e))
			return;
	}
}

static unsigned empty_count(struct server *s)
{
	unsigned n = 0;
	static const enum env_state counted[] = {ENV_MAKING, ENV_POOLED};
	for (size_t i = 0; i < ARRAY_LEN(counted); i++) {
		LIST_FOREACH(l, &s->envs.states[counted[i]])
			n += !CONTAINER_OF(l, struct env, link)->requested;
	}
	return n;
}

bool env_is_quiet(struct server *s)
{
	uint64_t quiet_ns = s->envs.asked_ns + REFILL_AFTER_MS * NS_PER_MS;
	if (clock_mono_ns() >= quiet_ns)
		return true;
	ev_timer_at(s->loop, &s->envs.refill_timer, quiet_ns);
	return false;
}

/* While requests come the pool is filled a moment after the last one, which is served first; but before it is empty. */
static void refill(struct server *s)
{
	unsigned empty = empty_count(s), pool = (unsigned)s->settings.pool;
	if (empty >= pool) {
		env_ready_prepare(s);
		return;
	}
	if (empty * 2 >= pool && empty > 0 && !env_is_quiet(s))
		return;
	unsigned most = empty * 2 < pool ? REFILL_HURRIED : 1;
	for (; s->envs.counts[ENV_MAKING] < most && empty < pool && !s->envs.pool_timer.loop; empty++) {
		struct env *e = env_new(s);
		if (!e)
			return;
		env_make(e);
	}
}

void envs_pump(struct server *s)
{
	start_waiting(s);
	while (s->envs.counts[ENV_MAKING] < MAKING_MAX && !list_empty(&s->envs.states[ENV_QUEUED]))
		env_make(LIST_FIRST(&s->envs.states[ENV_QUEUED], struct env, link));
	if (!s->stops && !s->envs.pool_timer.loop && s->announced)
		refill(s);
}

static void on_refill(struct ev_timer *t)
{
	envs_pump(CONTAINER_OF(t, struct server, envs.refill_timer));
}

unsigned envs_left(const struct server *s)
{
	unsigned n = 0;
	for (unsigned state = 0; state < ENV_STATE_COUNT; state++)
		n += s->envs.counts[state];
	return n;
}

static void on_pool_timer(struct ev_timer *t)
{
	struct server *s = CONTAINER_OF(t, struct server, envs.pool_timer);
	s->envs.pool_failures = 0;
	envs_pump(s);
}

int envs_init(struct server *s, unsigned max, struct error *err)
{
	struct envs *all = &s->envs;
	for (unsigned state = 0; state < ENV_STATE_COUNT; state++)
		list_init(&all->states[state]);
	list_init(&all->ready);
	env_index_init(all);
	all->pool_timer.cb = on_pool_timer;
	all->refill_timer.cb = on_refill;
	/* Dead ones keep their slot until they are cleaned; as many as the pool has may be ready. */
	all->slot_count = max * 2 + 2 * (unsigned)s->settings.pool;
	all->slots = calloc(all->slot_count, sizeof *all->slots);
	all->groups = calloc(all->slot_count, sizeof *all->groups);
	return all->slots && all->groups ? 0 : error_set(err, ERR_NO_MEMORY, "no memory for %u environments", max);
}

void envs_prepare(struct server *s)
{
	env_makers_init(s);
}

void envs_begin(struct server *s)
{
	attacher_init(s);
	env_cleaner_init(s);
	env_watcher_init(s);
	envs_pump(s);
}

void envs_release(struct server *s)
{
	for (unsigned i = 0; i < ENV_MAKERS; i++)
		hand_stop(&s->envs.makers[i]);
	hand_stop(&s->envs.attacher);
	hand_stop(&s->envs.cleaner);
	hand_stop(&s->envs.watcher);
	env_sockets_release(s);
	while (s->envs.net_count)
		close(s->envs.nets[--s->envs.net_count]);
	for (unsigned state = 0; state < ENV_STATE_COUNT; state++) {
		LIST_FOREACH(l, &s->envs.states[state])
			env_free(CONTAINER_OF(l, struct env, link));
	}
	env_ready_end(s, NULL);
	ev_timer_stop(&s->envs.pool_timer);
	ev_timer_stop(&s->envs.refill_timer);
	free(s->envs.slots);
	free(s->envs.groups);
}
