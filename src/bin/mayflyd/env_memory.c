/* The watcher: a hand that holds restored environments to their memory. docs/design/snapshot-memory.md says why so.
 *
 * A restored environment's use is what its group is charged with and the pages of its image that it still shares, which the
 * zygote's group is charged with. The kernel limits the first; the sum is looked at from time to time: sooner the nearer it is
 * to the limit, seldom while nothing changes. `shared` is an upper bound until it is measured. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bin/mayflyd/env_priv.h"
#include "bin/mayflyd/server.h"
#include "bin/mayflyd/zygotes.h"
#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "isolation/sandbox/shared.h"

#define SMALL 64u /* an image smaller than this part of the memory is not worth watching: such is the tolerance */
#define BYTES_PER_MS (1u << 20) /* what a function may touch: memory is not written much faster by one who also computes */
#define LEAST_MS 4u
#define MOST_MS 250u
#define MEASURE_MAX_NS (200 * NS_PER_MS) /* of one environment: it holds up the others */
#define MEASURING_SHARE 20u /* of the time between two looks, at most so small a part is spent measuring */

struct order {
	uint32_t slot;
	bool watch; /* else forget */
	uint64_t id, memory_bytes, image_bytes;
};

struct word {
	uint32_t slot;
	uint64_t id, own_bytes, shared_bytes; /* together more than its memory */
};

/* ---- in the hand ---- */

struct watched {
	struct list link;
	struct order o;
	int usage_fd;
	uint64_t used, shared, next_ns;
	unsigned interval_ms;
};

/* The child's own; empty in mayflyd. */
static struct list *watch_list(struct hand *h)
{
	struct list *l = h->state;
	if (!l) {
		h->state = l = malloc(sizeof *l);
		ASSERT(l);
		list_init(l);
	}
	return l;
}

static void forget(struct watched *w)
{
	list_remove(&w->link);
	close(w->usage_fd);
	free(w);
}

static void work(struct server *s, struct hand *h, struct hand_task *t)
{
	struct list *all = watch_list(h);
	struct order o;
	ASSERT(t->n == sizeof o);
	memcpy(&o, t->packet.bytes, sizeof o);
	LIST_FOREACH(l, all) {
		struct watched *w = CONTAINER_OF(l, struct watched, link);
		if (w->o.slot == o.slot)
			forget(w);
	}
	int fd = o.watch ? cgroup_usage_fd(&s->base.cgroup, o.slot, NULL) : -1;
	struct watched *w = fd < 0 ? NULL : calloc(1, sizeof *w);
	if (!w)
		return;
	*w = (struct watched){.o = o, .usage_fd = fd, .shared = o.image_bytes};
	list_init(&w->link);
	list_push_back(all, &w->link);
}

static uint64_t read_usage(const struct watched *w)
{
	char text[32] = "";
	return pread(w->usage_fd, text, sizeof text - 1, 0) > 0 ? strtoull(text, NULL, 10) : 0;
}

/* Whether an order waits: what it says of an environment that ended comes before its groups may be another one's. */
static bool is_told_more(const struct hand *h)
{
	struct pollfd p = {.fd = h->io.fd, .events = POLLIN};
	return poll(&p, 1, 0) != 0;
}

/* true: it uses more than it may. Otherwise pages of files, which the kernel keeps while there is room, give way. */
static bool measure(struct server *s, struct hand *h, struct watched *w, struct word *out)
{
	const struct cgroup *cg = &s->base.cgroup;
	uint64_t shared = shared_bytes(cg, w->o.slot, ZYGOTE_GROUP, MEASURE_MAX_NS), cache = cgroup_cache_bytes(cg, w->o.slot);
	if (shared == SHARED_UNKNOWN)
		shared = w->o.image_bytes;
	uint64_t own = w->used > cache ? w->used - cache : 0;
	w->shared = shared;
	*out = (struct word){.slot = w->o.slot, .id = w->o.id, .own_bytes = own, .shared_bytes = shared};
	if (own + shared > w->o.memory_bytes)
		return true;
	if (w->used + shared > w->o.memory_bytes && !is_told_more(h))
		cgroup_shrink(cg, w->o.slot, w->o.memory_bytes - shared, w->o.memory_bytes);
	return false;
}

static unsigned within(uint64_t ms)
{
	return ms < LEAST_MS ? LEAST_MS : ms > MOST_MS ? MOST_MS : (unsigned)ms;
}

/* Returns after how many milliseconds to look again; 0: not any more. */
static unsigned look(struct server *s, struct hand *h, struct watched *w, uint64_t now_ns)
{
	struct word word;
	uint64_t used = read_usage(w);
	bool same = used == w->used;
	w->used = used;
	uint64_t left = w->o.memory_bytes > used + w->shared ? w->o.memory_bytes - used - w->shared : 0;
	if (same || left)
		return within(same ? w->interval_ms * 2ull : left / BYTES_PER_MS);
	if (is_told_more(h))
		return LEAST_MS;
	if (measure(s, h, w, &word)) {
		hand_answer(h, &word, sizeof word);
		return 0;
	}
	uint64_t took_ms = (clock_mono_ns() - now_ns) / NS_PER_MS;
	return LEAST_MS + (unsigned)took_ms * MEASURING_SHARE;
}

static int idle(struct server *s, struct hand *h)
{
	uint64_t now_ns = clock_mono_ns(), next_ns = UINT64_MAX;
	LIST_FOREACH(l, watch_list(h)) {
		struct watched *w = CONTAINER_OF(l, struct watched, link);
		if (w->next_ns <= now_ns) {
			w->interval_ms = look(s, h, w, now_ns);
			w->next_ns = now_ns + w->interval_ms * NS_PER_MS;
		}
		if (!w->interval_ms)
			forget(w);
		else if (w->next_ns < next_ns)
			next_ns = w->next_ns;
	}
	now_ns = clock_mono_ns();
	return next_ns == UINT64_MAX ? -1 : next_ns <= now_ns ? 0 : (int)((next_ns - now_ns) / NS_PER_MS) + 1;
}

/* ---- in mayflyd ---- */

void env_watch(struct env *e)
{
	struct order o = {.slot = e->slot, .watch = true, .id = e->id, .memory_bytes = (uint64_t)e->start.memory_mb << 20, .image_bytes = e->image_bytes};
	if (e->server->base.tmp.kind != TMP_BTRFS) /* a tmpfs counts, too: see sandbox_attach */
		o.memory_bytes += (uint64_t)e->start.ephemeral_mb << 20;
	if (!e->image_bytes || e->image_bytes < o.memory_bytes / SMALL)
		return;
	e->watched = true;
	hand_give(&e->server->envs.watcher, &o, sizeof o, NULL, 0, NULL);
}

void env_unwatch(struct env *e)
{
	struct order o = {.slot = e->slot};
	if (!e->watched)
		return;
	e->watched = hand_give(&e->server->envs.watcher, &o, sizeof o, NULL, 0, NULL) < 0;
	/* It lowers a limit for a moment, and may die meanwhile. */
	env_groups(e)->memory_mb = 0;
}

static void answered(struct server *s, struct hand *h, const void *packet, size_t n)
{
	struct word word;
	ASSERT(n == sizeof word);
	memcpy(&word, packet, sizeof word);
	struct env *e = env_find(s, word.id);
	if (!e || e->state != ENV_RUNNING || !e->watched)
		return;
	e->out_of_memory = true;
	env_die(e);
}

/* What it watched is told again. */
static void died(struct server *s, struct hand *h)
{
	LIST_FOREACH(l, &s->envs.states[ENV_RUNNING]) {
		struct env *e = CONTAINER_OF(l, struct env, link);
		if (e->watched)
			env_watch(e);
	}
}

void env_watcher_init(struct server *s)
{
	struct error err = {0};
	s->envs.watcher = (struct hand){.name = "the process that watches memory", .work = work, .idle = idle, .answered = answered, .died = died,
	                                .keep = {-1, -1, -1, -1}};
	if (hand_start(s, &s->envs.watcher, &err) < 0)
		log_error("%s: %s", s->envs.watcher.name, err.msg);
}
