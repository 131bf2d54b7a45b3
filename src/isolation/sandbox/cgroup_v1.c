/* Limits by cgroup v1's controllers. */
#include <fcntl.h>
#include <stddef.h>

#include "core/spec/limits.h"
#include "isolation/sandbox/cgroup_priv.h"

static const char *const hierarchies[] = {"memory", "cpu", "pids", NULL};

static int prepare(const struct cgroup *cg, unsigned slot, uint32_t pids, struct error *err)
{
	if (cgroup_put(cg, slot, "pids", "pids.max", pids, err) < 0)
		return -1;
	/* Without swap accounting there is no memsw file; then nothing of the group may be swapped. */
	return cg->swap ? 0 : cgroup_put(cg, slot, "memory", "memory.swappiness", 0, err);
}

/* The limit of memory may never be above that of memory and swap: in a group that had lower ones the latter is first. */
static int limit_memory(const struct cgroup *cg, unsigned slot, uint64_t bytes, struct error *err)
{
	static const char both[] = "memory.memsw.limit_in_bytes", memory[] = "memory.limit_in_bytes";
	if (!cg->swap)
		return cgroup_put(cg, slot, "memory", memory, bytes, err);
	if (cgroup_put(cg, slot, "memory", memory, bytes, NULL) == 0)
		return cgroup_put(cg, slot, "memory", both, bytes, err);
	return cgroup_put(cg, slot, "memory", both, bytes, err) < 0 ? -1 : cgroup_put(cg, slot, "memory", memory, bytes, err);
}

static int limit(const struct cgroup *cg, unsigned slot, const struct cgroup_limits *l, struct error *err)
{
	if (limit_memory(cg, slot, l->memory_bytes, err) < 0)
		return -1;
	return cgroup_put(cg, slot, "cpu", "cpu.shares", 2 + 1024ull * l->memory_mb_for_cpu / MEMORY_MB_PER_VCPU, err);
}

static int cpu(const struct cgroup *cg, unsigned slot, uint32_t memory_mb, struct error *err)
{
	if (cgroup_put(cg, slot, "cpu", "cpu.cfs_period_us", CGROUP_PERIOD_US, err) < 0)
		return -1;
	return cgroup_put(cg, slot, "cpu", "cpu.cfs_quota_us", cgroup_quota_us(memory_mb), err);
}

static int cpu_free(const struct cgroup *cg, unsigned slot, struct error *err)
{
	return cgroup_put_text(cg, slot, "cpu", "cpu.cfs_quota_us", "-1", err);
}

static const struct cgroup_file renew[CGROUP_RENEW_FREEZE] = {
	[CGROUP_RENEW_TASKS] = {"pids", "pids.current", NULL, O_RDONLY},
	[CGROUP_RENEW_USAGE] = {"memory", "memory.usage_in_bytes", "memory.memsw.usage_in_bytes", O_RDONLY},
	[CGROUP_RENEW_OOM] = {"memory", "memory.oom_control", NULL, O_RDONLY},
	[CGROUP_RENEW_PEAK] = {"memory", "memory.max_usage_in_bytes", NULL, O_WRONLY},
};

const struct cgroup_ops cgroup_v1 = {
	.hierarchies = hierarchies,
	.prepare = prepare,
	.limit = limit,
	.cpu = cpu,
	.cpu_free = cpu_free,
	.renew = renew,
	.peak_hierarchy = "memory",
	.peak_file = "memory.max_usage_in_bytes",
	.memory_hierarchy = "memory",
	.usage_file = "memory.usage_in_bytes",
	.shrink_file = "memory.limit_in_bytes",
	.stat_prefix = "total_",
	.shrink_is_limit = true,
	.oom_hierarchy = "memory",
	.oom_file = "memory.oom_control",
	.swap_hierarchy = "memory",
	.swap_file = "memory.memsw.limit_in_bytes",
};
