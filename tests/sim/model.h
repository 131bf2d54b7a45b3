/* What the scheduler promises, kept apart from how it does it: a slow, plain model that is told every event and every
 * decision, and asserts after each that the decision was allowed and that nothing due was left undone. A breach prints the
 * seed and ends the program. */
#ifndef MAYFLY_SIM_MODEL_H
#define MAYFLY_SIM_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "control/sched/sched.h"

#define SIM_FUNCTIONS 6
#define SIM_VERSIONS 64  /* made in one history; each tenant of one counts */
#define SIM_TENANTS 3
#define SIM_ENVS 4096
#define SIM_INVOCATIONS 4096

enum model_env_state { M_NONE, M_STARTING, M_IDLE, M_FROZEN, M_BUSY, M_STOPPING, M_GONE };
enum model_call_state { C_NONE, C_WAITING, C_RUNNING, C_DONE, C_REJECTED, C_CANCELLED };

struct model_env {
	uint64_t id, invocation, idle_since_ns, order; /* order: of becoming idle */
	enum model_env_state state;
	unsigned version;
	bool used; /* has had an invocation */
	bool quick;
};

struct model_call {
	enum model_call_state state;
	unsigned version;
	uint64_t arrived_ns, env;
};

/* To the model each tenant of a version is a version of its own, `id` tells those of one version: that nothing passes from one to
 * the other is then the same promise for both. */
struct model_version {
	uint64_t id, tenant; /* as the scheduler is told; tenant 0: it has none */
	unsigned function, memory_mb, failures;
	bool dropped, single_use, quick;
};

struct model_function {
	int reserved;
	double tokens; /* starts its rate allows */
	uint64_t tokens_ns;
};

enum model_event { EV_INVOKE, EV_CANCEL, EV_READY, EV_ANSWERED, EV_IDLE, EV_STOPPING, EV_DEAD, EV_FAILED, EV_RETRY, EV_OTHERWISE, EV_DROP, EV_DROP_REJECT,
                   EV_RESERVED, EV_UNRESERVED, EV_TICK };

struct model {
	uint64_t seed;
	bool trace;
	struct sched_config config;
	uint64_t now_ns, order;
	unsigned unreserved;
	enum model_event event;   /* the latest one, and whom it names */
	uint64_t event_id;
	bool was_quick;           /* of the new invocation's version, before it */
	bool give_back;           /* it was a failed start that must give an invocation back, if one waits */
	unsigned give_back_version;
	struct model_function functions[SIM_FUNCTIONS];
	struct model_version versions[SIM_VERSIONS];
	unsigned version_count;
	uint64_t last_version_id;
	struct model_env envs[SIM_ENVS];
	unsigned env_count, first_env; /* those before first_env are gone */
	struct model_call calls[SIM_INVOCATIONS]; /* by invocation id */
	unsigned call_count, first_call; /* those before first_call are over */
	unsigned long decisions[5], rejects[REJECT_REASONS];
};

_Noreturn void model_fail(const struct model *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void model_trace(const struct model *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

struct model_env *model_env(struct model *m, uint64_t id); /* fails when unknown */
unsigned model_waiting(const struct model *m, unsigned version);
unsigned model_starting(const struct model *m, unsigned version);
unsigned model_concurrency(const struct model *m, unsigned function);

/* Before the event is given to the scheduler. */
void model_event(struct model *m, enum model_event event, uint64_t id);
/* Each decision, in order. */
void model_decision(struct model *m, const struct sched_decision *d);
/* After all decisions. */
void model_settled(struct model *m, const struct sched *s);

#endif
