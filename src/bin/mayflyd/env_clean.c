/* The cleaner: a hand (hand.h) that removes what ended environments were made of. Control groups stay for the slot's next one
 * where they can be made as new: making and removing them costs more than anything else of a small environment. */
#include <errno.h>
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
	uint32_t slot, groups_made;
	bool renew, cpu_limited;
	bool again, last;
};

struct answer {
	uint32_t slot;
	bool renewed;
	int32_t code; /* enum error_code */
	char msg[200];
};

static int renew(const struct cgroup *cg, struct hand *h, const struct order *o, struct error *err)
{
	if (!h->state)
		h->state = cgroup_kept_new();
	if (!h->state)
		return error_set(err, ERR_NO_MEMORY, "no memory for descriptors");
	return cgroup_renew(h->state, cg, o->slot, o->groups_made, o->cpu_limited, err);
}

/* Process 1 is gone, but others may still be on their way out of the groups, or of a restore that failed. */
static int clear_groups(const struct cgroup *cg, struct hand *h, struct order *o, struct error *err)
{
	int rc = -1;
	if (o->again)
		cgroup_kill(cg, o->slot);
	for (int i = 0; i < NAPS && rc < 0; i++) {
		if (i > 0)
			nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
		*err = (struct error){0};
		if (o->renew)
			rc = renew(cg, h, o, err);
		if (rc < 0 && err->sys != EBUSY) {
			o->renew = false;
			rc = cgroup_remove(cg, o->slot, err);
		}
	}
	return rc;
}

static void work(struct server *s, struct hand *h, struct hand_task *t)
{
	struct order *o = (struct order *)(void *)t->packet.bytes;
	struct error err = {0};
	ASSERT(t->n == sizeof *o);
	int rc = clear_groups(&s->base.cgroup, h, o, &err);
	if (rc == 0 || o->last)
		tmp_remove(&s->base.tmp, o->slot);
	struct answer a = {.slot = o->slot, .renewed = rc == 0 && o->renew, .code = rc < 0 ? (int32_t)err.code : 0};
	snprintf(a.msg, sizeof a.msg, "%.199s", err.msg);
	hand_answer(h, &a, sizeof a);
}

/* ---- in mayflyd ---- */

struct env_groups *env_groups(const struct env *e)
{
	return &e->server->envs.groups[e->slot];
}

bool env_is_limited(const struct env *e)
{
	struct env_groups *g = env_groups(e);
	bool known = g->memory_mb == e->start.memory_mb && g->ephemeral_mb == e->start.ephemeral_mb;
	if (!known)
		g->memory_mb = g->ephemeral_mb = 0;
	return known;
}

void env_note_start(struct env *e, bool worked)
{
	struct env_groups *g = env_groups(e);
	g->memory_mb = worked ? e->start.memory_mb : 0;
	g->ephemeral_mb = worked ? e->start.ephemeral_mb : 0;
	g->whole = g->whole && worked;
}

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
	const struct env_groups *g = env_groups(e);
	bool again = ns > AGAIN_MS * NS_PER_MS;
	/* Not of one that the watcher was told of: it may write to the groups still. Nor where cgroup.kill is used: kernels (6.18 among
	 * them) end whatever is then cloned into that group, since they compare its count of kills with that of the caller's own. */
	bool renew = g->whole && !e->watched && !again && cgroup_can_renew(&e->server->base.cgroup, e->slot);
	struct order o = {.slot = e->slot, .groups_made = g->made, .cpu_limited = g->cpu_limited, .renew = renew, .again = again,
	                  .last = ns > GIVE_UP_NS};
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
	env_groups(e)->whole = a->renewed;
	env_groups(e)->cpu_limited = false;
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
