/* The scheduler: state, event and time in, decisions out. No I/O, no clock of its own, no knowledge of sockets.
 *
 * Words: an *invocation* waits in its function version's own queue; the first *environment* of that version to become free
 * takes it, a warm one or a new one (late binding). New environments are started only for backlog that starting ones do not
 * cover yet. The newest idle environment is taken first, so that the oldest ones age out. Idle environments are frozen
 * after a while, and ended after a keep-alive time, or when memory is wanted by others (longest idle first). What does not
 * fit the machine waits a short time, then is refused.
 *
 * Use: call one of the sched_* events, then fetch decisions with sched_next until it returns false, and carry each out.
 * A decision is final: the scheduler has already counted it. sched_wake_ns says when sched_tick is due next.
 * Everything on one loop's thread. */
#ifndef MAYFLY_SCHED_SCHED_H
#define MAYFLY_SCHED_SCHED_H

#include <stdbool.h>
#include <stdint.h>

struct sched;

struct sched_config {
	unsigned account_concurrency;   /* concurrent invocations, all functions */
	unsigned max_environments;
	uint64_t memory_mb;             /* for all environments */
	uint64_t keep_alive_ns, freeze_after_ns; /* freeze_after_ns == UINT64_MAX: never */
	uint64_t wait_ns;               /* how long an invocation waits for room on a full machine */
	unsigned max_starting;          /* environments being started at a time (0: no bound): a burst must not choke the machine */
};

/* What the scheduler must know of a function version; given with each invocation, kept by value. */
struct sched_version {
	uint64_t version_id, function_id;
	unsigned memory_mb;
	int reserved; /* the function's reserved concurrency, -1 for none */
};

enum sched_reject {
	REJECT_ACCOUNT,  /* ConcurrentInvocationLimitExceeded */
	REJECT_RESERVED, /* ReservedFunctionConcurrentInvocationLimitExceeded */
	REJECT_FULL,     /* no room on the machine within wait_ns: ConcurrentInvocationLimitExceeded too */
	REJECT_GONE,     /* the version was dropped while it waited */
	REJECT_START     /* its environment could not be made; `reason` of sched_env_failed is the caller's to keep */
};

enum sched_decision_kind {
	DECIDE_ASSIGN, /* invocation -> environment (idle or just ready) */
	DECIDE_START,  /* make an environment of version_id, to be called env */
	DECIDE_FREEZE, /* an idle environment */
	DECIDE_STOP,   /* an idle environment: keep-alive over, memory wanted, version dropped */
	DECIDE_REJECT  /* invocation, with why */
};

struct sched_decision {
	enum sched_decision_kind kind;
	uint64_t env, invocation, version_id;
	enum sched_reject why;
	bool frozen; /* ASSIGN, STOP: the environment is frozen and must be thawed first */
};

struct sched *sched_new(const struct sched_config *config);
void sched_free(struct sched *s);

/* ---- events; all take now_ns and never fail but by running out of memory, which asserts ---- */
void sched_invoke(struct sched *s, uint64_t now_ns, uint64_t invocation, const struct sched_version *version);
/* The caller no longer wants an invocation that still waits. False when it does not wait (it was assigned or rejected). */
bool sched_cancel(struct sched *s, uint64_t now_ns, uint64_t invocation);
void sched_env_ready(struct sched *s, uint64_t now_ns, uint64_t env);  /* init done, waits for work */
void sched_env_idle(struct sched *s, uint64_t now_ns, uint64_t env);   /* its invocation is finished */
void sched_env_dead(struct sched *s, uint64_t now_ns, uint64_t env);   /* ended, for whatever reason, in whatever state */
/* It could not be started, or its init failed: as dead, and the oldest waiting invocation of its version is given back
 * (DECIDE_REJECT, REJECT_START), so that a function that can never start does not loop. With `retry` none is given back. */
void sched_env_failed(struct sched *s, uint64_t now_ns, uint64_t env, bool retry);
/* No invocation of this version will come again (updated or deleted): idle environments are stopped, busy ones when they
 * are done, waiting invocations still run unless `reject_waiting`. */
void sched_drop_version(struct sched *s, uint64_t now_ns, uint64_t version_id, bool reject_waiting);
void sched_set_reserved(struct sched *s, uint64_t now_ns, uint64_t function_id, int reserved);
/* Sum of all functions' reservations: what is left of the account is for the unreserved ones. */
void sched_set_unreserved(struct sched *s, uint64_t now_ns, unsigned unreserved);
void sched_tick(struct sched *s, uint64_t now_ns);

/* ---- decisions ---- */
bool sched_next(struct sched *s, struct sched_decision *d);
uint64_t sched_wake_ns(const struct sched *s); /* UINT64_MAX: nothing is due */

/* ---- for metrics and assertions ---- */
struct sched_counts {
	unsigned waiting, starting, idle, frozen, busy;
	uint64_t memory_mb;
};
void sched_count(const struct sched *s, struct sched_counts *out);
unsigned sched_busy(const struct sched *s, uint64_t function_id);

#endif
