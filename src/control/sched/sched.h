/* The scheduler: state, event and time in, decisions out. No I/O, no clock of its own, no knowledge of sockets.
 *
 * Words: an *invocation* waits in its function version's own queue; the first *environment* of that version to become free
 * takes it, a warm one or a new one (late binding). A starting environment *covers* one waiting invocation, the oldest
 * that is not covered; new environments are started only for invocations that are not covered. The newest idle environment
 * is taken first, so that the oldest ones age out. Idle environments are frozen after a while, and ended after a keep-alive
 * time, or when other versions want their memory (longest idle first).
 *
 * Who gets room when there is too little: versions without any environment first, then the others in turn, one
 * environment each; what does not fit is passed over, it does not hold up smaller ones. An invocation that is not covered
 * for wait_ns after its arrival is refused (REJECT_FULL); one whose version can never fit is refused at once. A version
 * without any environment is not starved by another's backlog: when its oldest invocation has waited half of wait_ns, the
 * next environment that finishes, and whose end makes the room, is stopped for it.
 *
 * Failed starts: sched_env_failed gives one waiting invocation back, so a function that can never start costs one start an
 * invocation and does not loop. With START_RETRY, and by deaths before sched_env_ready, none is given back, but only
 * SCHED_START_RETRIES times in a row for one version (a ready environment begins anew); after that they do too. A restore that
 * failed (START_OTHERWISE) gives none back and is not counted: the caller starts the next one plainly.
 *
 * Single use: an environment of such a version serves one invocation and is then stopped, never idle again. Each invocation
 * waits for an environment of its own, and the rate of starts does not hold them back.
 *
 * Tenants: environments of one tenant of a version never serve another's. What is said above of a version holds for each of its
 * tenants, who have queues of their own; concurrency and the rate of starts are the function's.
 *
 * Concurrency is counted as Lambda does: an invocation counts from sched_invoke until its environment is idle, dead or
 * stopping, waiting time included. A reservation is a cap, and a guarantee since the functions without one share what
 * sched_set_unreserved gives them. 0 refuses all. A lowered limit refuses new invocations until the count is below it.
 *
 * Use: call one of the sched_* events, then fetch decisions with sched_next until it returns false, and carry each out.
 * A decision is final: the scheduler has already counted it. Events may be reported while decisions are being carried out
 * (a start that fails at once); the decisions they lead to are added to the queue. A decision may then name an environment
 * that the caller has reported dead meanwhile: STOP and FREEZE are skipped, an ASSIGN's invocation has failed.
 * sched_wake_ns says when sched_tick is due next; earlier or later calls do no harm. `now_ns` never goes back.
 * Environment ids are the scheduler's, never 0, never used again; events for one that is not alive assert, as do events
 * that its state does not allow. Events cost O(log n) at most (a reservation set to 0, and a version of tenants dropped: all queues); a warm one allocates nothing.
 * Everything on one loop's thread. */
#ifndef MAYFLY_SCHED_SCHED_H
#define MAYFLY_SCHED_SCHED_H

#include <stdbool.h>
#include <stdint.h>

#define SCHED_START_RETRIES 3u
#define SCHED_START_BURST 1000u /* Lambda: 1,000 new environments in 10 s for each function, not accumulated beyond that */
#define SCHED_START_PERIOD_NS 10000000000ull

struct sched;

struct sched_config {
	unsigned account_concurrency;   /* concurrent invocations, all functions */
	unsigned max_environments;
	uint64_t memory_mb;             /* for all environments */
	uint64_t keep_alive_ns, freeze_after_ns; /* freeze_after_ns == UINT64_MAX: never */
	uint64_t wait_ns;               /* how long an invocation waits for room on a full machine */
	unsigned max_starting;          /* environments being started at a time (0: no bound): a burst must not choke the machine */
	unsigned max_quick;             /* the same of versions that start quickly: they never wait for slow inits of others */
	unsigned start_burst;           /* environments a function may start in SCHED_START_PERIOD_NS; 0: SCHED_START_BURST */
};

/* What the scheduler must know of a function version; given with each invocation, kept by value. */
struct sched_version {
	uint64_t version_id, function_id;
	uint64_t tenant_id; /* 0: the version has no tenants; else unique, never used again for another */
	unsigned memory_mb; /* of one environment; never changes for a version_id */
	int reserved;       /* the function's reserved concurrency now, -1 for none; the latest one given counts */
	bool single_use;    /* never changes for a version_id */
	bool quick;         /* it starts quickly, as far as is known now; the one of the latest that waits counts */
};

/* What a start that failed means for who waits. */
enum sched_start_fault {
	START_FINAL,    /* one waiting invocation is given back */
	START_RETRY,    /* none is: a fault of the machine, or an init that is tried again */
	START_OTHERWISE /* none is: a restore, which the caller follows by a plain start */
};

enum sched_reject {
	REJECT_ACCOUNT,  /* ConcurrentInvocationLimitExceeded */
	REJECT_RESERVED, /* ReservedFunctionConcurrentInvocationLimitExceeded */
	REJECT_FULL,     /* no room on the machine within wait_ns: ConcurrentInvocationLimitExceeded too */
	REJECT_GONE,     /* the version was dropped */
	REJECT_START,    /* its environment, named in the decision, could not be made; why is the caller's to keep */
	REJECT_REASONS
};

enum sched_decision_kind {
	DECIDE_ASSIGN, /* invocation -> environment (idle or just ready) */
	DECIDE_START,  /* make an environment of version_id, to be called env */
	DECIDE_FREEZE, /* an idle environment */
	DECIDE_STOP,   /* an idle environment: keep-alive over, memory wanted, version dropped, used up; sched_env_dead when it is gone */
	DECIDE_REJECT  /* invocation, with why */
};

struct sched_decision {
	enum sched_decision_kind kind;
	uint64_t env, invocation, version_id, tenant_id;
	enum sched_reject why;
	bool frozen; /* ASSIGN, STOP: the environment is frozen and must be thawed first */
};

/* NULL when out of memory. */
struct sched *sched_new(const struct sched_config *config);
void sched_free(struct sched *s); /* NULL is fine; whatever waits or runs is forgotten */

/* ---- events; all take now_ns and never fail but by running out of memory, which asserts ---- */
/* `invocation`: the caller's id, unique among those that wait. */
void sched_invoke(struct sched *s, uint64_t now_ns, uint64_t invocation, const struct sched_version *version);
/* The caller no longer wants an invocation that still waits. False when it does not wait (it was assigned or rejected). */
bool sched_cancel(struct sched *s, uint64_t now_ns, uint64_t invocation);
/* It waits, and an environment is being started for it. */
bool sched_covered(const struct sched *s, uint64_t invocation);
void sched_env_ready(struct sched *s, uint64_t now_ns, uint64_t env);  /* init done, waits for work */
/* Its invocation is over and no longer counts; the environment takes no other until it is idle. Optional before idle. */
void sched_env_answered(struct sched *s, uint64_t now_ns, uint64_t env);
void sched_env_idle(struct sched *s, uint64_t now_ns, uint64_t env);   /* wants work again */
/* The caller ends it (timeout, broken protocol): its invocation is over and no longer counts, no work goes there any more;
 * its memory counts until sched_env_dead. From any state but starting (that is sched_env_failed's). */
void sched_env_stopping(struct sched *s, uint64_t now_ns, uint64_t env);
void sched_env_dead(struct sched *s, uint64_t now_ns, uint64_t env);   /* gone, for whatever reason, in whatever state */
/* It could not be started, or its init failed, and it is gone: as dead, and the oldest waiting invocation of its version
 * is given back (DECIDE_REJECT, REJECT_START) as far as `fault` says, see above. */
void sched_env_failed(struct sched *s, uint64_t now_ns, uint64_t env, enum sched_start_fault fault);
/* No invocation of this version will come again (updated or deleted): idle environments are stopped, busy ones when they
 * are done, waiting invocations still run unless `reject_waiting`. Unknown versions are fine. */
void sched_drop_version(struct sched *s, uint64_t now_ns, uint64_t version_id, bool reject_waiting);
/* At a change, so that what waits is seen to: 0 refuses the waiting ones too. Unknown functions are fine. */
void sched_set_reserved(struct sched *s, uint64_t now_ns, uint64_t function_id, int reserved);
/* What is left of the account for functions without a reservation: account - sum of reservations. At first: all of it. */
void sched_set_unreserved(struct sched *s, uint64_t now_ns, unsigned unreserved);
void sched_tick(struct sched *s, uint64_t now_ns);

/* ---- decisions ---- */
bool sched_next(struct sched *s, struct sched_decision *d);
uint64_t sched_wake_ns(const struct sched *s); /* UINT64_MAX: nothing is due */

/* ---- for metrics and assertions ---- */
struct sched_counts {
	unsigned waiting, starting, idle, frozen, busy, stopping; /* idle: not frozen */
	uint64_t memory_mb; /* of all environments, stopping ones included */
};
void sched_count(const struct sched *s, struct sched_counts *out);
unsigned sched_busy(const struct sched *s, uint64_t function_id);        /* environments that serve an unanswered invocation */
unsigned sched_concurrency(const struct sched *s, uint64_t function_id); /* and invocations that wait */

#endif
