#include "control/worker/worker_priv.h"

#define BIT(s) (1u << (s))

/* Allowed edges: the row's state may become one of the bits. */
static const unsigned edges[WORKER_STATES] = {
	[WORKER_STARTING] = BIT(WORKER_INITIALIZING) | BIT(WORKER_STOPPING) | BIT(WORKER_DEAD),
	[WORKER_INITIALIZING] = BIT(WORKER_IDLE) | BIT(WORKER_STOPPING) | BIT(WORKER_DEAD),
	[WORKER_IDLE] = BIT(WORKER_BUSY) | BIT(WORKER_FROZEN) | BIT(WORKER_STOPPING) | BIT(WORKER_DEAD),
	[WORKER_FROZEN] = BIT(WORKER_IDLE) | BIT(WORKER_STOPPING) | BIT(WORKER_DEAD),
	[WORKER_BUSY] = BIT(WORKER_IDLE) | BIT(WORKER_STOPPING) | BIT(WORKER_DEAD),
	[WORKER_STOPPING] = BIT(WORKER_DEAD),
};

const char *worker_state_name(enum worker_state state)
{
	static const char *const names[WORKER_STATES] = {"starting", "initializing", "idle", "frozen", "busy", "stopping", "dead"};
	return names[state];
}

const char *worker_kind_name(enum worker_kind kind)
{
	static const char *const names[] = {
		[WORKER_PLAIN] = "plain", [WORKER_RESTORED] = "restored", [WORKER_TEMPLATE] = "template", [WORKER_TRIAL] = "trial"};
	return names[kind];
}

void worker_set_state(struct worker *w, enum worker_state state)
{
	struct fleet *f = w->fleet;
	ASSERT(edges[w->state] & BIT(state));
	list_remove(&w->by_state);
	f->counts[w->state]--;
	w->state = state;
	list_push_back(&f->states[state], &w->by_state);
	f->counts[state]++;
}

unsigned fleet_count(const struct fleet *f, enum worker_state state)
{
	return f->counts[state];
}
