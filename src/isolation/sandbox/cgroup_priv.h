/* What the two versions of control groups differ in. Private to this folder. */
#ifndef MAYFLY_SANDBOX_CGROUP_PRIV_H
#define MAYFLY_SANDBOX_CGROUP_PRIV_H

#include "isolation/sandbox/cgroup.h"

struct cgroup_ops {
	/* Hierarchies below root that hold a group for each environment, besides `freezer`; NULL-terminated. "" is root itself. */
	const char *const *hierarchies;
	int (*prepare)(const struct cgroup *cg, unsigned slot, uint32_t pids, struct error *err);
	int (*limit)(const struct cgroup *cg, unsigned slot, const struct cgroup_limits *limits, struct error *err);
	int (*cpu)(const struct cgroup *cg, unsigned slot, uint32_t memory_mb, struct error *err);
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
/* Quota in microseconds for each period. */
uint64_t cgroup_quota_us(uint32_t memory_mb);

#endif
