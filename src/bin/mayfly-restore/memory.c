#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/prctl.h>

#include "bin/mayfly-restore/zygote.h"

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#define HUGE_PAGE 0x200000ull
#define HUGE_PAGES (HUGE_PAGE / IMAGE_PAGE)
/* A huge page is worth its memory when so much of it was in use. */
#define HUGE_LEAST (HUGE_PAGES * 3 / 4)
#define SPANS 256u

struct span {
	uint64_t at, bytes;
};

/* Pages that are read with one call: they follow each other in the file. */
struct batch {
	struct span spans[SPANS];
	uint32_t count;
	uint64_t page, next; /* first; the one after the last */
};

static const struct {
	uint32_t flag;
	int advice;
	bool late; /* would keep the mapping from the restored process, or is not inherited by it */
} advices[] = {
	{VMA_WIPE_ON_FORK, MADV_WIPEONFORK, false}, {VMA_HUGE, MADV_HUGEPAGE, false},       {VMA_NO_HUGE, MADV_NOHUGEPAGE, false},
	{VMA_DONT_DUMP, MADV_DONTDUMP, false},      {VMA_MERGEABLE, MADV_MERGEABLE, false}, {VMA_DONT_FORK, MADV_DONTFORK, true},
};

/* Shared memory would be shared by all environments, and /tmp is each environment's own. */
static bool is_late(const struct zygote *z, const struct image_vma *v)
{
	if (v->kind == VMA_SHARED_ANON)
		return true;
	if (v->kind != VMA_FILE)
		return false;
	const struct image_file *file = &z->files[v->file];
	return ((v->flags & VMA_SHARED) && (file->writable || (v->protection & PROT_WRITE))) ||
		   text_starts(z->blob + file->path, "/tmp/");
}

static int map_flags(const struct image_vma *v)
{
	int flags = MAP_FIXED_NOREPLACE;
	if (v->kind == VMA_SHARED_ANON || (v->flags & VMA_SHARED))
		flags |= MAP_SHARED;
	else
		flags |= v->flags & VMA_DROPPABLE ? MAP_DROPPABLE : MAP_PRIVATE;
	if (v->kind != VMA_FILE)
		flags |= MAP_ANONYMOUS;
	if (v->kind == VMA_STACK)
		flags |= MAP_GROWSDOWN;
	if (v->flags & VMA_NORESERVE)
		flags |= MAP_NORESERVE;
	return flags;
}

/* Memory that a fork finds empty needs no pages. */
static bool has_pages(const struct image_vma *v)
{
	return v->run_count && !(v->flags & (VMA_WIPE_ON_FORK | VMA_DROPPABLE));
}

static bool is_opened_up(const struct image_vma *v)
{
	return has_pages(v) && !(v->protection & PROT_WRITE);
}

static void map_one(struct zygote *z, uint32_t row, int fd)
{
	const struct image_vma *v = &z->vmas[row];
	int protection = (int)v->protection | (has_pages(v) ? PROT_READ | PROT_WRITE : 0);
	uint64_t offset = v->kind == VMA_FILE ? v->file_offset : 0;
	need(z, RESTORE_MAP, SYS(mmap, v->start, v->end - v->start, protection, map_flags(v), fd, offset), row);
}

static void advise(struct zygote *z, uint32_t row, bool late)
{
	const struct image_vma *v = &z->vmas[row];
	for (size_t i = 0; i < sizeof advices / sizeof *advices; i++) {
		/* Kernels built without huge pages or merging know no such advice, and need none. */
		if (advices[i].late == late && (v->flags & advices[i].flag))
			SYS(madvise, v->start, v->end - v->start, advices[i].advice);
	}
}

static void batch_read(struct zygote *z, struct batch *b)
{
	struct span *span = b->spans, *end = b->spans + b->count;
	uint64_t offset = z->head->pages_offset + b->page * IMAGE_PAGE;
	while (span < end) {
		long n = need(z, RESTORE_PAGES, SYS(preadv, z->image, span, end - span, offset), (uint32_t)b->page);
		if (n == 0)
			fail(z, RESTORE_PAGES, -5, (uint32_t)b->page);
		offset += (uint64_t)n;
		for (uint64_t left = (uint64_t)n; left;) {
			uint64_t taken = left < span->bytes ? left : span->bytes;
			span->at += taken;
			span->bytes -= taken;
			left -= taken;
			if (!span->bytes)
				span++;
		}
	}
	b->count = 0;
}

static void batch_add(struct zygote *z, struct batch *b, const struct image_run *run)
{
	if (b->count == SPANS || (b->count && run->page != b->next))
		batch_read(z, b);
	if (!b->count)
		b->page = run->page;
	b->spans[b->count++] = (struct span){run->address, run->pages * IMAGE_PAGE};
	b->next = run->page + run->pages;
}

static void read_pages(struct zygote *z, const struct image_process *p, bool late)
{
	struct batch batch = {.count = 0};
	for (uint32_t i = p->vma; i < p->vma + p->vma_count; i++) {
		const struct image_vma *v = &z->vmas[i];
		for (uint32_t k = v->run; has_pages(v) && is_late(z, v) == late && k < v->run + v->run_count; k++)
			batch_add(z, &batch, &z->runs[k]);
	}
	batch_read(z, &batch);
}

/* A fork copies one entry for a huge page in place of 512, and memory that is only read stays so. */
static void collapse(const struct zygote *z, const struct image_vma *v)
{
	uint32_t run = v->run, end = v->run + v->run_count;
	if (v->kind != VMA_ANON || !has_pages(v) || (v->flags & VMA_NO_HUGE))
		return;
	for (uint64_t at = (v->start + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1); at + HUGE_PAGE <= v->end; at += HUGE_PAGE) {
		uint64_t present = 0;
		while (run < end && z->runs[run].address + z->runs[run].pages * IMAGE_PAGE <= at)
			run++;
		for (uint32_t k = run; k < end && z->runs[k].address < at + HUGE_PAGE; k++) {
			uint64_t from = z->runs[k].address, to = from + z->runs[k].pages * IMAGE_PAGE;
			present += ((to < at + HUGE_PAGE ? to : at + HUGE_PAGE) - (from > at ? from : at)) / IMAGE_PAGE;
		}
		if (present >= HUGE_LEAST)
			SYS(madvise, at, HUGE_PAGE, MADV_COLLAPSE); /* where the kernel can */
	}
}

static void close_up(struct zygote *z, uint32_t row)
{
	const struct image_vma *v = &z->vmas[row];
	if (is_opened_up(v))
		need(z, RESTORE_MAP, SYS(mprotect, v->start, v->end - v->start, v->protection), row);
}

/* In the sandbox, as the function's own user. */
static void map_by_path(struct zygote *z, uint32_t row)
{
	const struct image_vma *v = &z->vmas[row];
	int fd = -1;
	if (v->kind == VMA_FILE) {
		const struct image_file *file = &z->files[v->file];
		bool shared = v->flags & VMA_SHARED;
		fd = (int)need(z, RESTORE_MAP,
					   SYS(openat, AT_FDCWD, z->blob + file->path, (shared && file->writable ? O_RDWR : O_RDONLY) | O_CLOEXEC),
					   row);
	}
	map_one(z, row, fd);
	if (fd >= 0)
		SYS(close, fd);
}

/* A fork inherits them. */
static void register_barriers(struct zygote *z, const struct image_process *p)
{
	for (uint32_t left = p->membarrier; left; left &= left - 1)
		need(z, RESTORE_MM, SYS(membarrier, left & -left, 0, 0), left);
}

void memory_map(struct zygote *z, const struct image_process *p)
{
	uint32_t end = p->vma + p->vma_count;
	register_barriers(z, p);
	for (uint32_t i = p->vma; i < end; i++) {
		if (is_late(z, &z->vmas[i]) || (z->vmas[i].flags & (VMA_DONT_FORK | VMA_LOCKED)))
			z->any_late = true;
		if (is_late(z, &z->vmas[i]))
			continue;
		if (z->inside)
			map_by_path(z, i);
		else
			map_one(z, i, z->vmas[i].kind == VMA_FILE ? RESTORE_FILES_FD + (int)z->vmas[i].file : -1);
	}
	read_pages(z, p, false);
	for (uint32_t i = p->vma; i < end; i++) {
		if (is_late(z, &z->vmas[i]))
			continue;
		close_up(z, i);
		advise(z, i, false);
		if (!z->inside)
			collapse(z, &z->vmas[i]);
	}
}

bool memory_has_own_exe(const struct zygote *z, const struct image_process *p)
{
	return p->exe != IMAGE_NONE && !text_starts(z->blob + z->files[p->exe].path, "/usr/");
}

/* The code folder is mounted anew for each environment; the program's path is to be true in this one. */
static void describe_exe(struct zygote *z, const struct image_process *p)
{
	int exe = (int)need(z, RESTORE_MM, SYS(openat, AT_FDCWD, z->blob + z->files[p->exe].path, O_RDONLY | O_CLOEXEC), p->exe);
	memory_describe(z, p, exe);
	SYS(close, exe);
}

void memory_late(struct zygote *z, const struct image_process *p)
{
	uint32_t end = p->vma + p->vma_count;
	if (memory_has_own_exe(z, p))
		describe_exe(z, p);
	if (p->thp_disabled)
		SYS(prctl, PR_SET_THP_DISABLE, 1, 0, 0, 0);
	if (!z->any_late && p == z->processes)
		return;
	for (uint32_t i = p->vma; i < end; i++) {
		if (is_late(z, &z->vmas[i]))
			map_by_path(z, i);
	}
	read_pages(z, p, true);
	for (uint32_t i = p->vma; i < end; i++) {
		if (is_late(z, &z->vmas[i])) {
			close_up(z, i);
			advise(z, i, false);
		}
		advise(z, i, true);
		if (z->vmas[i].flags & VMA_LOCKED)
			SYS(mlock, z->vmas[i].start, z->vmas[i].end - z->vmas[i].start);
	}
}

void memory_describe(struct zygote *z, const struct image_process *p, int exe)
{
	struct prctl_mm_map map = {
		.start_code = p->start_code,
		.end_code = p->end_code,
		.start_data = p->start_data,
		.end_data = p->end_data,
		.start_brk = p->start_brk,
		.brk = p->brk,
		.start_stack = p->start_stack,
		.arg_start = p->arg_start,
		.arg_end = p->arg_end,
		.env_start = p->env_start,
		.env_end = p->env_end,
		.auxv = (__u64 *)(uintptr_t)(z->blob + p->auxv),
		.auxv_size = p->auxv_bytes,
		.exe_fd = exe < 0 ? ~0u : (uint32_t)exe,
	};
	need(z, RESTORE_MM, SYS(prctl, PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0), 0);
}
