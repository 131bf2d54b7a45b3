/* The making of the centre, for the program's wiring; callers of functions include invoke.h only. */
#ifndef MAYFLY_INVOKE_DISPATCH_H
#define MAYFLY_INVOKE_DISPATCH_H

#include "control/invoke/invoke.h"
#include "control/sched/sched.h"

struct fleet;
struct http_server;
struct identities;
struct launcher;
struct logs;
struct metrics;
struct settings;
struct ev_loop;

struct invoke_deps {
	struct ev_loop *loop;
	struct launcher *launcher;
	struct http_pool *pool;
	struct http_server *front; /* serves the endpoint inside environments */
	struct identities *identities;
	struct logs *logs;
	struct metrics *metrics;
	const struct settings *settings;
	unsigned max_environments;
	uint64_t memory_mb;
	int code_fd; /* the folder of unpacked packages; stays the caller's */
};

struct invoke *invoke_new(const struct invoke_deps *deps, struct error *err);
void invoke_free(struct invoke *in);
/* on_drained is called (from the loop) when the last running invocation is done. */
void invoke_drain(struct invoke *in, void (*on_drained)(void *arg), void *arg);
unsigned invoke_running(const struct invoke *in);
struct fleet *invoke_fleet(const struct invoke *in);
void invoke_counts(const struct invoke *in, struct sched_counts *out);

#endif
