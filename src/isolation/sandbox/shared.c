#include "isolation/sandbox/shared.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/clock.h"

#define PAGE 4096ull
#define PAGES_MAX (16u << 20) /* of one group: 64 GB */
#define BATCH 4096u
/* Of a pagemap entry (Documentation/admin-guide/mm/pagemap.rst). */
#define PRESENT (1ull << 63)
#define FILE_OR_SHARED (1ull << 61)
#define EXCLUSIVE (1ull << 56)
#define FRAME ((1ull << 55) - 1)

struct frames {
	uint64_t *all;
	size_t n, room;
	uint64_t until_ns; /* of our processor time */
};

static uint64_t spent_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void frames_release(struct frames *f)
{
	free(f->all);
}

static bool add(struct frames *f, uint64_t frame)
{
	if (f->n == f->room) {
		size_t room = f->room ? f->room * 2 : BATCH;
		uint64_t *all = room > PAGES_MAX ? NULL : realloc(f->all, room * sizeof *all);
		if (!all)
			return false;
		f->all = all;
		f->room = room;
	}
	f->all[f->n++] = frame;
	return true;
}

/* Anonymous pages of start..end that somebody else maps too. false: there is too much. */
static bool take_range(int pagemap, uint64_t start, uint64_t end, struct frames *f)
{
	uint64_t entries[BATCH];
	for (uint64_t at = start / PAGE; at < end / PAGE;) {
		if (spent_ns() > f->until_ns)
			return false;
		uint64_t want = end / PAGE - at < BATCH ? end / PAGE - at : BATCH;
		ssize_t got = pread(pagemap, entries, want * sizeof *entries, (off_t)(at * sizeof *entries));
		if (got <= 0)
			return true; /* it is gone */
		uint64_t n = (uint64_t)got / sizeof *entries;
		for (uint64_t i = 0; i < n; i++) {
			if ((entries[i] & (PRESENT | FILE_OR_SHARED | EXCLUSIVE)) == PRESENT && !add(f, entries[i] & FRAME))
				return false;
		}
		at += n;
	}
	return true;
}

static bool take_process(long pid, struct frames *f)
{
	char path[64], line[512], access[8];
	uint64_t start, end;
	snprintf(path, sizeof path, "/proc/%ld/maps", pid);
	CLEANUP_FCLOSE FILE *maps = fopen(path, "re");
	snprintf(path, sizeof path, "/proc/%ld/pagemap", pid);
	CLEANUP_CLOSE int pagemap = open(path, O_RDONLY | O_CLOEXEC);
	bool fits = true;
	while (fits && maps && pagemap >= 0 && fgets(line, sizeof line, maps)) {
		fits = spent_ns() <= f->until_ns;
		/* What nothing may touch was given back, or holds nothing. */
		if (fits && sscanf(line, "%lx-%lx %7s", &start, &end, access) == 3 && access[3] == 'p' && strncmp(access, "---", 3) != 0)
			fits = take_range(pagemap, start, end, f);
	}
	return fits;
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

/* Frames in a row are asked for together. */
static uint64_t count_owned(int kpagecgroup, const struct frames *f, uint64_t owner)
{
	uint64_t groups[BATCH];
	uint64_t count = 0;
	for (size_t i = 0; i < f->n;) {
		size_t run = 1;
		while (i + run < f->n && run < BATCH && f->all[i + run] == f->all[i] + run)
			run++;
		ssize_t got = pread(kpagecgroup, groups, run * sizeof *groups, (off_t)(f->all[i] * sizeof *groups));
		for (size_t k = 0; got > 0 && k < (size_t)got / sizeof *groups; k++)
			count += groups[k] == owner;
		i += run;
	}
	return count;
}

uint64_t shared_bytes(const struct cgroup *cg, unsigned slot, unsigned owner, uint64_t limit_ns)
{
	struct frames f CLEANUP(frames_release) = {.until_ns = spent_ns() + limit_ns};
	CLEANUP_FREE char *list = cgroup_processes(cg, slot);
	CLEANUP_CLOSE int kpagecgroup = open("/proc/kpagecgroup", O_RDONLY | O_CLOEXEC);
	uint64_t number = cgroup_memory_number(cg, owner);
	if (!list || kpagecgroup < 0 || !number)
		return 0;
	for (char *at = list, *end; *at; at = *end ? end + 1 : end) {
		long pid = strtol(at, &end, 10);
		if (end == at)
			break;
		if (pid > 0 && !take_process(pid, &f))
			return SHARED_UNKNOWN;
	}
	if (!f.n)
		return 0;
	qsort(f.all, f.n, sizeof *f.all, ascending);
	size_t unique = 1;
	for (size_t i = 1; i < f.n; i++) {
		if (f.all[i] != f.all[unique - 1])
			f.all[unique++] = f.all[i];
	}
	f.n = unique;
	return count_owned(kpagecgroup, &f, number) * PAGE;
}
