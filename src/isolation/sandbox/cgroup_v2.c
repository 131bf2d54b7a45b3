/* Limits by cgroup v2's controllers. */
#include <stddef.h>
#include <stdio.h>

#include "core/spec/limits.h"
#include "isolation/sandbox/cgroup_priv.h"

static const char *const hierarchies[] = {NULL}; /* the one that freezes holds everything */

static uint64_t weight(uint32_t memory_mb)
{
	uint64_t w = 100ull * memory_mb / MEMORY_MB_PER_VCPU;
	return w < 1 ? 1 : w > 10000 ? 10000 : w;
}

static int prepare(const struct cgroup *cg, unsigned slot, uint32_t pids, struct error *err)
{
	if (cgroup_put(cg, slot, "", "memory.oom.group", 1, err) < 0 || cgroup_put(cg, slot, "", "pids.max", pids, err) < 0)
		return -1;
	return cg->swap ? cgroup_put(cg, slot, "", "memory.swap.max", 0, err) : 0;
}

static int limit(const struct cgroup *cg, unsigned slot, const struct cgroup_limits *l, struct error *err)
{
	if (cgroup_put(cg, slot, "", "memory.max", l->memory_bytes, err) < 0)
		return -1;
	return cgroup_put(cg, slot, "", "cpu.weight", weight(l->memory_mb_for_cpu), err);
}

static int cpu(const struct cgroup *cg, unsigned slot, uint32_t memory_mb, struct error *err)
{
	char text[48];
	snprintf(text, sizeof text, "%llu %u", (unsigned long long)cgroup_quota_us(memory_mb), CGROUP_PERIOD_US);
	return cgroup_put_text(cg, slot, "", "cpu.max", text, err);
}

const struct cgroup_ops cgroup_v2 = {
	.hierarchies = hierarchies,
	.prepare = prepare,
	.limit = limit,
	.cpu = cpu,
	.peak_hierarchy = "",
	.peak_file = "memory.peak",
	.memory_hierarchy = "",
	.usage_file = "memory.current",
	.shrink_file = "memory.high",
	.stat_prefix = "",
	.oom_hierarchy = "",
	.oom_file = "memory.events",
	.swap_hierarchy = "",
	.swap_file = "memory.swap.max",
};
