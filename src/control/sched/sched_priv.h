/* Private to control/sched: the records, and what its files give each other.
 *
 *   sched.c  events and decisions        env.c    the environments' state machine
 *   queue.c  functions, versions, queues place.c  who gets a new environment, and room for it
 *   heap.c   deadlines of uncovered invocations
 *
 * Invariants between events: a version with waiting invocations has no idle environment; covered ==
 * min(starting, waiting); a version is in `barren` or `hungry` exactly when it has uncovered invocations. */
#ifndef MAYFLY_SCHED_SCHED_PRIV_H
#define MAYFLY_SCHED_SCHED_PRIV_H

#include "control/sched/sched.h"
#include "core/base/hash.h"
#include "core/base/list.h"

enum env_state { ENV_FREE, ENV_STARTING, ENV_IDLE, ENV_FROZEN, ENV_BUSY, ENV_STOPPING, ENV_STATES };

struct sched_function {
	uint64_t id;
	struct hash_node by_id;
	int reserved;          /* -1: none */
	unsigned concurrency, busy, versions;
	struct list link;      /* in sched.stale while it has no version and its starts are not paid */
	uint64_t start_due_ns; /* when all starts so far will be "paid", at one each start_cost_ns: bounds the rate */
};

struct sched_queue_id {
	uint64_t version, tenant;
};

struct sched_queue { /* one function version, or one tenant of it; the latter goes when it is empty */
	struct sched_queue_id id;
	struct hash_node by_id;
	struct sched_function *function;
	unsigned memory_mb;
	bool single_use, quick;
	bool dropped, listed_barren;     /* listed_barren: `link` is in sched.barren */
	unsigned failures;             /* starts that failed in a row */
	unsigned envs, starting;       /* envs: all states */
	unsigned covered_count, uncovered_count;
	struct list covered, uncovered; /* waiters, oldest first; all covered ones are older */
	struct list idle;              /* environments, idle and frozen, newest first */
	struct list link;              /* in sched.barren (no environment at all) or sched.hungry */
};

struct sched_waiter {
	uint64_t invocation, arrived_ns;
	struct sched_queue *queue;
	bool covered;
	size_t heap_at;                /* while not covered */
	struct list link;              /* covered, uncovered, or the pool */
	struct hash_node by_id;
};

struct sched_env {
	uint64_t id; /* generation << 32 | slot */
	enum env_state state;
	struct sched_queue *queue;
	uint64_t idle_since_ns;
	bool counted;                  /* its invocation counts: busy, and not answered yet */
	bool quick;                    /* as its version was when it was started */
	struct list state_link;        /* in sched.states[state] */
	struct list idle_link;         /* in queue->idle */
};

struct sched_heap {
	struct sched_waiter **items;
	size_t count, cap;
};

struct sched {
	struct sched_config config;
	uint64_t now_ns;
	unsigned unreserved_limit, unreserved_used, waiting;
	uint64_t start_cost_ns, retry_ns; /* retry_ns: when a start that the rate held back may go on */
	struct hash functions, queues, waiters;
	unsigned tenant_queues;           /* of queues */
	struct list barren, hungry, stale;
	unsigned barren_count, hungry_count;
	struct sched_heap uncovered;      /* by arrival: the oldest is refused first */
	struct list pool;                 /* waiters that are not in use */
	struct list states[ENV_STATES];   /* each in order of entry: idle and frozen ones oldest first */
	unsigned count[ENV_STATES], quick_starting; /* quick_starting: of count[ENV_STARTING] */
	uint64_t memory_mb[ENV_STATES];
	struct sched_env **envs;          /* by slot */
	unsigned env_slots, env_cap;
	struct sched_decision *ring;
	unsigned ring_cap, ring_head, ring_count; /* ring_cap is a power of two */
};

/* heap.c */
void sched_heap_push(struct sched_heap *h, struct sched_waiter *w);
void sched_heap_remove(struct sched_heap *h, struct sched_waiter *w);

/* env.c */
struct sched_env *sched_env_new(struct sched *s, struct sched_queue *q); /* state ENV_STARTING */
struct sched_env *sched_env_get(const struct sched *s, uint64_t id);
/* The only place that changes a state: asserts that the edge is allowed, moves the environment to that state's list, and
 * counts it. To ENV_FREE the record may be used again. */
void sched_env_move(struct sched *s, struct sched_env *e, enum env_state to);
void sched_env_uncount(struct sched *s, struct sched_env *e); /* its invocation is over, at the latest when it leaves ENV_BUSY */
struct sched_env *sched_env_oldest_idle(const struct sched *s); /* frozen or not; NULL */
uint64_t sched_memory_used(const struct sched *s);
unsigned sched_env_total(const struct sched *s);

/* queue.c */
struct sched_function *sched_function_get(const struct sched *s, uint64_t id);
struct sched_queue *sched_queue_get(const struct sched *s, uint64_t version_id, uint64_t tenant_id);
struct sched_queue *sched_queue_new(struct sched *s, const struct sched_version *v);
void sched_queue_try_free(struct sched *s, struct sched_queue *q); /* when empty, and dropped or a tenant's */
void sched_queue_list(struct sched *s, struct sched_queue *q); /* to barren, hungry or neither, by what it has */
void sched_queue_cover(struct sched *s, struct sched_queue *q); /* restores covered == min(starting, waiting) */
void sched_function_reserve(struct sched *s, struct sched_function *f, int reserved);
void sched_function_count(struct sched *s, struct sched_function *f, int by); /* concurrency */
void sched_wait(struct sched *s, struct sched_queue *q, uint64_t invocation);
struct sched_waiter *sched_waiter_get(const struct sched *s, uint64_t invocation);
struct sched_waiter *sched_waiter_oldest(const struct sched_queue *q);
uint64_t sched_waiter_take(struct sched *s, struct sched_waiter *w); /* forgets it; returns the invocation */

/* place.c */
void sched_place(struct sched *s); /* starts environments for uncovered invocations, or makes room for them */
bool sched_place_should_yield(const struct sched *s, const struct sched_env *e);

/* sched.c */
void sched_decide(struct sched *s, struct sched_decision d);
void sched_stop_env(struct sched *s, struct sched_env *e);

#endif
