#include <asm/resource.h>

#include "bin/mayfly-restore/zygote.h"
#include "core/spec/limits.h"

static const struct {
	uint32_t what;
	uint64_t hard;
} sandbox[] = {
#define L(what, soft, hard) {what, hard},
#include "isolation/sandbox/confine_limits.def"
#undef L
};

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Ours is the most that can be set anyway; objects need numbers above the function's. */
void limits_of_zygote(struct zygote *z)
{
	for (uint32_t i = 0; i < LIMITS; i++) {
		need(z, RESTORE_TABLES, SYS(prlimit64, 0, i, 0, z->own_limits[i]), i);
		uint64_t *soft = &z->own_limits[i][0], hard = z->own_limits[i][1];
		if (i != RLIMIT_NOFILE || *soft == hard)
			continue;
		*soft = hard;
		need(z, RESTORE_TABLES, SYS(prlimit64, 0, i, z->own_limits[i], 0), i);
	}
}

static void wanted(const struct zygote *z, const struct image_process *p, uint32_t i, uint64_t limit[2])
{
	limit[1] = least(p->limits[i].hard, z->own_limits[i][1]);
	for (size_t k = 0; k < sizeof sandbox / sizeof *sandbox; k++)
		limit[1] = sandbox[k].what == i ? least(limit[1], sandbox[k].hard) : limit[1];
	limit[0] = least(p->limits[i].soft, limit[1]);
}

void limits_inherit(struct zygote *z)
{
	static const uint32_t harmless[] = {RLIMIT_CORE, RLIMIT_MEMLOCK, RLIMIT_STACK, RLIMIT_MSGQUEUE};
	for (size_t k = 0; k < sizeof harmless / sizeof *harmless; k++) {
		uint32_t i = harmless[k];
		/* A tree's processes have limits of their own: they are not to find lower ones. */
		if (z->process_count > 1)
			return;
		wanted(z, z->processes, i, z->own_limits[i]);
		need(z, RESTORE_TABLES, SYS(prlimit64, 0, i, z->own_limits[i], 0), i);
	}
}

void limits_apply(struct zygote *z, const struct image_process *p)
{
	for (uint32_t i = 0; i < LIMITS; i++) {
		uint64_t limit[2];
		wanted(z, p, i, limit);
		if (limit[0] != z->own_limits[i][0] || limit[1] != z->own_limits[i][1])
			need(z, RESTORE_SIGNALS, SYS(prlimit64, 0, i, limit, 0), i);
	}
}
