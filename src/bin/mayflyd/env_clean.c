/* The cleaner: a hand (hand.h) that removes what ended environments were made of. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bin/mayflyd/env_priv.h"
#include "bin/mayflyd/server.h"
#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/log.h"

#define NAP_NS 50000
#define NAPS 40 /* before another one's turn comes */
#define AGAIN_MS 5u
#define GIVE_UP_NS (5 * NS_PER_S)

struct order {
	uint32_t slot;
	bool again, last;
};

struct answer {
	uint32_t slot;
	int32_t code; /* enum error_code */
	char msg[200];
};

/* Process 1 is gone, but others may still be on their way out of the groups, or of a restore that failed. */
static int remove_groups(struct server *s, const struct order *o, struct error *err)
{
	const struct cgroup *cg = &s->base.cgroup;
	int rc = -1;
	if (o->again)
		cgroup_kill(cg, o->slot);
	for (int i = 0; i < NAPS && rc < 0; i++) {
		if (i > 0)
			nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
		rc = cgroup_remove(cg, o->slot, err);
	}
	return rc;
}

static void work(struct server *s, struct hand *h, struct hand_task *t)
{
	struct order *o = (struct order *)(void *)t->packet.bytes;
	struct error err = {0};
	ASSERT(t->n == sizeof *o);
	int rc = remove_groups(s, o, &err);
	if (rc == 0 || o->last)
		tmp_remove(&s->base.tmp, o->slot);
	struct answer a = {.slot = o->slot, .code = rc < 0 ? (int32_t)err.code : 0};
	snprintf(a.msg, sizeof a.msg, "%.199s", err.msg);
	hand_answer(h, &a, sizeof a);
}

/* ---- in mayflyd ---- */

static void on_again(struct ev_timer *t)
{
	env_clean(CONTAINER_OF(t, struct env, late));
}

static void try_again(struct env *e)
{
	e->late = (struct ev_timer){.cb = on_again};
	ev_timer_after(e->server->loop, &e->late, AGAIN_MS * NS_PER_MS);
}

void env_clean(struct env *e)
{
	uint64_t ns = clock_mono_ns() - e->cleaning_ns;
	struct order o = {.slot = e->slot, .again = ns > AGAIN_MS * NS_PER_MS, .last = ns > GIVE_UP_NS};
	if (hand_give(&e->server->envs.cleaner, &o, sizeof o, NULL, 0, NULL) < 0)
		try_again(e);
}

static void answered(struct server *s, struct hand *h, const void *packet, size_t n)
{
	const struct answer *a = packet;
	ASSERT(n == sizeof *a && a->slot < s->envs.slot_count);
	struct env *e = s->envs.slots[a->slot];
	if (!e || e->state != ENV_CLEANING)
		return;
	bool over = clock_mono_ns() - e->cleaning_ns > GIVE_UP_NS;
	if (a->code && !over) {
		try_again(e);
		return;
	}
	if (a->code) /* swept at the next start */
		log_warn("environment slot %u: %s", e->slot, a->msg);
	env_free(e);
	envs_pump(s);
}

static void died(struct server *s, struct hand *h)
{
	LIST_FOREACH(l, &s->envs.states[ENV_CLEANING]) {
		struct env *e = CONTAINER_OF(l, struct env, link);
		if (!e->late.loop)
			env_clean(e);
	}
}

void env_cleaner_init(struct server *s)
{
	struct error err = {0};
	s->envs.cleaner = (struct hand){.name = "the process that cleans", .work = work, .answered = answered, .died = died,
	                                .keep = {-1, -1, -1, -1}};
	if (hand_start(s, &s->envs.cleaner, &err) < 0)
		log_error("%s: %s", s->envs.cleaner.name, err.msg);
}
