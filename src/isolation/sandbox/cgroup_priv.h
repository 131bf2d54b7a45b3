/* What the two versions of control groups differ in. Private to this folder. */
#ifndef MAYFLY_SANDBOX_CGROUP_PRIV_H
#define MAYFLY_SANDBOX_CGROUP_PRIV_H

#include "isolation/sandbox/cgroup.h"

/* What cgroup_renew looks at and sets back; the freezer's file is not of this table. */
enum cgroup_renew_file { CGROUP_RENEW_TASKS, CGROUP_RENEW_USAGE, CGROUP_RENEW_OOM, CGROUP_RENEW_PEAK, CGROUP_RENEW_FREEZE };

struct cgroup_file {
	const char *hierarchy, *name, *with_swap; /* with_swap: instead, where swap is accounted for */
	int flags;
};

struct cgroup_ops {
	/* Hierarchies below root that hold a group for each environment, besides `freezer`; NULL-terminated. "" is root itself. */
	const char *const *hierarchies;
	int (*prepare)(const struct cgroup *cg, unsigned slot, uint32_t pids, struct error *err);
	int (*limit)(const struct cgroup *cg, unsigned slot, const struct cgroup_limits *limits, struct error *err);
	int (*cpu)(const struct cgroup *cg, unsigned slot, uint32_t memory_mb, struct error *err);
	int (*cpu_free)(const struct cgroup *cg, unsigned slot, struct error *err); /* undoes `cpu` */
	const struct cgroup_file *renew; /* CGROUP_RENEW_FREEZE rows; NULL: groups cannot be renewed */
	const char *peak_hierarchy, *peak_file;
	const char *memory_hierarchy, *usage_file, *shrink_file, *stat_prefix;
	bool shrink_is_limit; /* else a limit of its own, "max" when there is none */
	const char *oom_hierarchy, *oom_file;
	const char *swap_hierarchy, *swap_file; /* there where swap is accounted for */
};

extern const struct cgroup_ops cgroup_v1, cgroup_v2;

/* Writes a number to <root>/<hierarchy>/<name>/e<slot>/<file>. */
int cgroup_put(const struct cgroup *cg, unsigned slot, const char *hierarchy, const char *file, uint64_t value,
               struct error *err);
int cgroup_put_text(const struct cgroup *cg, unsigned slot, const char *hierarchy, const char *file, const char *text,
                    struct error *err);
int cgroup_open_file(const struct cgroup *cg, unsigned slot, const char *hierarchy, const char *file, int flags, struct error *err);
/* Quota in microseconds for each period. */
uint64_t cgroup_quota_us(uint32_t memory_mb);

#endif
