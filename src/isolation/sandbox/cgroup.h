/* Control groups of environments, v1 and v2 behind one table of functions.
 *
 * A server's groups are named `mayfly-<id>/e<slot>` (slots from CGROUP_ZYGOTES on: z0, z1, ...), where `id` comes from the data folder, so that a successor finds what a
 * dead predecessor left. On v1 there is such a folder in each controller's hierarchy; freezing and killing use a cgroup2
 * hierarchy wherever one is mounted (`<root>/unified`), else the v1 freezer. Every call is a few short reads or writes of
 * control files. A group may stay for the slot's next environment (cgroup_renew); whoever asks for that numbers the slot's
 * groups, with another number (never 0) whenever they were made anew. Calls that move a process (cgroup_join) are for single-threaded helpers. */
#ifndef MAYFLY_SANDBOX_CGROUP_H
#define MAYFLY_SANDBOX_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/error.h"

#define CGROUP_PATH_MAX 384
#define CGROUP_NAME_MAX 32
#define CGROUP_HIERARCHIES_MAX 8
#define CGROUP_ZYGOTES 1000000u /* the first slot that is no environment's */
#define CGROUP_KEPT_SLOTS 128u /* groups of the slots below may serve one environment after the other */
#define CGROUP_JOINS_MAX (CGROUP_HIERARCHIES_MAX + 1)
#define CGROUP_PERIOD_US 20000u /* Lambda's: short, so that a small function is slowed evenly */

struct cgroup_limits {
	uint64_t memory_bytes;
	uint32_t memory_mb_for_cpu; /* CPU time is proportional to the function's memory */
};

struct cgroup_ops;

struct cgroup {
	const struct cgroup_ops *ops;
	char root[CGROUP_PATH_MAX];    /* where the hierarchies are mounted */
	char freezer[CGROUP_PATH_MAX]; /* hierarchy that freezes: cgroup2's root, or the v1 freezer's */
	char name[CGROUP_NAME_MAX];
	bool v2;         /* controllers are cgroup2's */
	bool freezer_v2; /* `freezer` is a cgroup2 hierarchy */
	bool swap;       /* swap is accounted for */
};

/* Finds out what the machine has and makes the server's own groups. The error says what is missing and the remedy. */
int cgroup_open(struct cgroup *cg, const char *root, const char *name, struct error *err);
int cgroup_add(const struct cgroup *cg, unsigned slot, struct error *err);
/* Open folder for CLONE_INTO_CGROUP, or -1 when there is no cgroup2 hierarchy. */
int cgroup_clone_fd(const struct cgroup *cg, unsigned slot);
/* Moves the calling process into the v1 groups (cgroup2 is done by CLONE_INTO_CGROUP). */
int cgroup_join(const struct cgroup *cg, unsigned slot, struct error *err);
/* Limits that are the same for every environment. */
int cgroup_prepare(const struct cgroup *cg, unsigned slot, uint32_t pids, struct error *err);
/* The others but the CPU quota, which cgroup_cpu sets once the init phase (which may use whole CPUs) is over. */
int cgroup_limit(const struct cgroup *cg, unsigned slot, const struct cgroup_limits *limits, struct error *err);
int cgroup_cpu(const struct cgroup *cg, unsigned slot, uint32_t memory_mb, struct error *err);
int cgroup_freeze_fd(const struct cgroup *cg, unsigned slot, struct error *err); /* writable */
int cgroup_peak_fd(const struct cgroup *cg, unsigned slot, struct error *err);   /* readable */
/* The v1 groups' "tasks" files, writable, for a process that joins by itself; returns how many. cgroup2 groups are joined by
 * cgroup_clone_fd. */
int cgroup_task_fds(const struct cgroup *cg, unsigned slot, int fds[CGROUP_HIERARCHIES_MAX], struct error *err);
int cgroup_usage_fd(const struct cgroup *cg, unsigned slot, struct error *err); /* readable: bytes in use now */
/* Of these, what the kernel can take back: pages of files. */
uint64_t cgroup_cache_bytes(const struct cgroup *cg, unsigned slot);
/* Makes the kernel take pages of files back until no more than `bytes` are in use; `limit_bytes` is the group's limit, before
 * and after. */
void cgroup_shrink(const struct cgroup *cg, unsigned slot, uint64_t bytes, uint64_t limit_bytes);
/* The group's number in /proc/kpagecgroup; 0: not known. */
uint64_t cgroup_memory_number(const struct cgroup *cg, unsigned slot);
/* The group's process numbers, one a line; NULL: none, or not known. Freed by the caller. */
char *cgroup_processes(const struct cgroup *cg, unsigned slot);
int cgroup_freeze(const struct cgroup *cg, unsigned slot);
int cgroup_thaw(const struct cgroup *cg, unsigned slot);
/* Whether the kernel ended a process of it for want of memory. */
bool cgroup_oom(const struct cgroup *cg, unsigned slot);
/* Signals every process, then thaws. */
void cgroup_kill(const struct cgroup *cg, unsigned slot);
/* Open control files of slots' groups, for a process that needs them again and again: opening one costs ten times what reading
 * or writing it does. At most CGROUP_JOINS_MAX for each slot below CGROUP_KEPT_SLOTS; those of an older number are closed. A
 * table is for one of the two calls below, and for one thread. NULL: no memory. */
struct cgroup_kept;
struct cgroup_kept *cgroup_kept_new(void);
void cgroup_kept_free(struct cgroup_kept *k);
/* cgroup_clone_fd's, where there is one, then cgroup_task_fds'; they stay the table's, until its next call. Returns how many. */
int cgroup_kept_joins(struct cgroup_kept *k, const struct cgroup *cg, unsigned slot, uint32_t made, int fds[CGROUP_JOINS_MAX],
                      struct error *err);
/* Whether groups of this slot can be renewed at all: cgroup2's cannot, whose counters are not set back. */
bool cgroup_can_renew(const struct cgroup *cg, unsigned slot);
/* Makes the groups of an ended environment as new as cgroup_add and cgroup_prepare leave them, but for the limits of
 * cgroup_limit. cpu_limited: cgroup_cpu was called. -1 with EBUSY in err->sys while processes are left; any other error: not
 * possible, or not worth it (memory is still charged, a process was killed for want of it): they are to be removed. */
int cgroup_renew(struct cgroup_kept *k, const struct cgroup *cg, unsigned slot, uint32_t made, bool cpu_limited, struct error *err);
/* -1 with EBUSY in err->sys while processes are left. */
int cgroup_remove(const struct cgroup *cg, unsigned slot, struct error *err);
/* Kills and removes what a dead server of this name left; waits up to `wait_ms`. Returns how many groups there were. */
unsigned cgroup_sweep(const struct cgroup *cg, unsigned wait_ms);
/* Removes the server's own, empty groups. */
void cgroup_close(const struct cgroup *cg);

#endif
