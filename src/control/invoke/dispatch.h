/* The making of the centre, for the program's wiring; callers of functions include invoke.h only. */
#ifndef MAYFLY_INVOKE_DISPATCH_H
#define MAYFLY_INVOKE_DISPATCH_H

#include "control/invoke/invoke.h"
#include "control/sched/sched.h"
#include "control/snapshot/snapshot.h"
#include "control/worker/worker.h"

struct metrics;

struct invoke_deps {
	struct fleet_deps fleet; /* what environments need */
	struct metrics *metrics;
	unsigned max_environments;
	uint64_t memory_mb;
};

struct invoke *invoke_new(const struct invoke_deps *deps, struct error *err);
void invoke_free(struct invoke *in);
/* on_drained is called (from the loop) when the last running invocation is done. */
void invoke_drain(struct invoke *in, void (*on_drained)(void *arg), void *arg);
unsigned invoke_running(const struct invoke *in);
/* Before the first invocation; it is asked before each start, and lives longer. */
void invoke_use_snapshots(struct invoke *in, struct snapshots *snapshots);
struct fleet *invoke_fleet(const struct invoke *in);
void invoke_counts(const struct invoke *in, struct sched_counts *out);

#endif
