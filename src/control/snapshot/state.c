#include "control/snapshot/snapshot_priv.h"

#define TO(state) (1u << (state))

/* With an image in use the way leads to "ready" from wherever its renewal ends. */
static const struct {
	const char *name;
	unsigned next;
} states[SNAP_STATES] = {
	[SNAP_NONE] = {"none", TO(SNAP_WANTED) | TO(SNAP_READY)}, /* ready: one was found */
	[SNAP_WANTED] = {"wanted", TO(SNAP_TEMPLATE) | TO(SNAP_READY) | TO(SNAP_UNUSABLE) | TO(SNAP_NONE)},
	[SNAP_TEMPLATE] = {"template", TO(SNAP_DUMP) | TO(SNAP_WANTED) | TO(SNAP_READY) | TO(SNAP_UNUSABLE) | TO(SNAP_NONE)},
	[SNAP_DUMP] = {"dump", TO(SNAP_TRIAL) | TO(SNAP_WANTED) | TO(SNAP_READY) | TO(SNAP_UNUSABLE) | TO(SNAP_NONE)},
	[SNAP_TRIAL] = {"trial", TO(SNAP_READY) | TO(SNAP_WANTED) | TO(SNAP_UNUSABLE) | TO(SNAP_NONE)},
	[SNAP_READY] = {"ready", TO(SNAP_WANTED) | TO(SNAP_NONE) | TO(SNAP_UNUSABLE)},
	[SNAP_UNUSABLE] = {"unusable", TO(SNAP_WANTED)},
};

const char *snapshot_state_name(enum snapshot_state state)
{
	return states[state].name;
}

void snapshot_set_state(struct snapshots *s, struct snapshot_version *sv, enum snapshot_state state)
{
	ASSERT(states[sv->state].next & TO(state));
	list_remove(&sv->link);
	sv->state = state;
	if (state == SNAP_WANTED)
		list_push_back(&s->queue, &sv->link);
	ASSERT(state != SNAP_READY || sv->image);
	ASSERT(state != SNAP_UNUSABLE || !sv->image);
}
