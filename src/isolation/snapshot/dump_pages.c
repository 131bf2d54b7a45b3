/* Contents of memory. What is in the page tables and not of a file is read in large pieces, pages of zeros are left out, small
 * gaps are kept so that there are few runs, and all goes into the file behind the room planned for the tables. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "isolation/snapshot/dump_priv.h"
#include "isolation/snapshot/image_open.h"

#define GAP_PAGES 4u
#define ROOM_PAGES 256u /* what fits into a CPU's own cache, with what it is summed for */
#define REGIONS_AT_ONCE 2048u

/* linux/fs.h has these since 6.7. */
#ifndef PAGEMAP_SCAN
#define PAGE_IS_FILE 4u
#define PAGE_IS_PRESENT 8u
#define PAGE_IS_SWAPPED 16u
#define PAGE_IS_PFNZERO 32u
struct page_region {
	uint64_t start, end, categories;
};
struct pm_scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages, category_inverted, category_mask, category_anyof_mask,
		return_mask;
};
#define PAGEMAP_SCAN _IOWR('f', 16, struct pm_scan_arg)
#endif

/* A stretch of a mapping that has contents. */
struct region {
	uint64_t start, end;
	uint32_t vma;
};

struct pump {
	struct dump *dump;
	int fd;
	unsigned char *room; /* ROOM_PAGES, then GAP_PAGES */
	uint32_t fill;       /* pages in the room */
	uint64_t at, pages, sum; /* file offset of the room, pages before and in it */
	struct image_run run; /* pages 0: none yet */
};

static struct dump_memory *memory_of(struct dump *d, uint32_t vma)
{
	return (struct dump_memory *)(void *)d->memory.data + vma;
}

static int add_region(struct dump *d, struct buf *regions, uint32_t vma, uint64_t start, uint64_t end, struct error *err)
{
	struct region r = {start, end, vma};
	d->dirty_pages += (end - start) / IMAGE_PAGE;
	return buf_append(regions, &r, sizeof r) < 0 ? error_set(err, ERR_UNSUPPORTED, "has too fragmented memory") : 0;
}

static int scan_tables(struct dump *d, int pagemap, uint32_t vma, struct buf *regions, struct error *err)
{
	static const uint64_t not_these = PAGE_IS_FILE | PAGE_IS_PFNZERO;
	const struct image_vma *v = image_built_row(&d->image, IMAGE_VMAS, vma);
	struct page_region found[REGIONS_AT_ONCE];
	struct pm_scan_arg scan = {.size = sizeof scan, .start = v->start, .end = v->end, .vec = (uint64_t)(uintptr_t)found,
		.vec_len = REGIONS_AT_ONCE, .category_inverted = not_these, .category_mask = not_these,
		.category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED, .return_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED};
	while (scan.start < v->end) {
		long n = ioctl(pagemap, PAGEMAP_SCAN, &scan);
		if (n < 0)
			return errno == ENOTTY ? error_set(err, ERR_UNSUPPORTED, "needs Linux 6.7 or newer to be saved (PAGEMAP_SCAN)")
					       : error_sys(err, "cannot look at the page tables");
		for (long i = 0; i < n; i++) {
			if (add_region(d, regions, vma, found[i].start, found[i].end, err) < 0)
				return -1;
		}
		ASSERT(scan.walk_end > scan.start);
		scan.start = scan.walk_end;
	}
	return 0;
}

/* Shared memory has pages that no page table shows: its own file tells. */
static int scan_shared(struct dump *d, uint32_t vma, struct buf *regions, struct error *err)
{
	const struct image_vma *v = image_built_row(&d->image, IMAGE_VMAS, vma);
	const struct dump_memory *m = memory_of(d, vma);
	uint64_t end = m->shared_at + (v->end - v->start);
	for (uint64_t at = m->shared_at; at < end;) {
		off_t data = lseek(m->shared_fd, (off_t)at, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			return 0;
		off_t hole = data < 0 ? -1 : lseek(m->shared_fd, data, SEEK_HOLE);
		if (hole < 0)
			return error_sys(err, "cannot look at shared memory");
		if ((uint64_t)data >= end)
			return 0;
		uint64_t stop = (uint64_t)hole < end ? (uint64_t)hole : end;
		if (add_region(d, regions, vma, v->start + ((uint64_t)data - m->shared_at), v->start + (stop - m->shared_at), err) < 0)
			return -1;
		at = stop;
	}
	return 0;
}

/* Restored, each mapping of shared memory is one of its own. */
static int check_shared(struct dump *d, uint32_t vma, struct error *err)
{
	const struct image_vma *v = image_built_row(&d->image, IMAGE_VMAS, vma);
	const struct dump_memory *m = memory_of(d, vma);
	struct stat own, other;
	if (fstat(m->shared_fd, &own) < 0)
		return error_sys(err, "cannot look at shared memory");
	for (uint32_t i = 0; i < vma; i++) {
		const struct dump_memory *o = memory_of(d, i);
		const struct image_vma *w = image_built_row(&d->image, IMAGE_VMAS, i);
		if (o->shared_fd < 0 || fstat(o->shared_fd, &other) < 0 || other.st_ino != own.st_ino || other.st_dev != own.st_dev)
			continue;
		if (o->process != m->process)
			return dump_unsupported(&d->processes[m->process], err, "shares memory with another process");
		if (o->shared_at < m->shared_at + (v->end - v->start) && m->shared_at < o->shared_at + (w->end - w->start))
			return dump_unsupported(&d->processes[m->process], err, "maps the same shared memory twice");
	}
	return 0;
}

static int scan_vma(struct dump *d, int pagemap, uint32_t vma, struct buf *regions, struct error *err)
{
	const struct image_vma *v = image_built_row(&d->image, IMAGE_VMAS, vma);
	const struct dump_memory *m = memory_of(d, vma);
	if ((v->flags & (VMA_WIPE_ON_FORK | VMA_DROPPABLE)) || (v->kind == VMA_FILE && (v->flags & VMA_SHARED)))
		return 0;
	if (m->whole)
		return add_region(d, regions, vma, v->start, v->start + m->whole, err);
	if (v->kind == VMA_SHARED_ANON)
		return check_shared(d, vma, err) < 0 ? -1 : scan_shared(d, vma, regions, err);
	return scan_tables(d, pagemap, vma, regions, err);
}

static int scan(struct dump *d, struct buf *regions, struct error *err)
{
	for (uint32_t i = 0; i < d->count; i++) {
		const struct dump_process *p = &d->processes[i];
		CLEANUP_CLOSE int pagemap = openat(p->proc, "pagemap", O_RDONLY | O_CLOEXEC);
		if (pagemap < 0)
			return error_sys(err, "cannot open the page tables of process %u", p->inner);
		for (uint32_t k = 0; k < p->row.vma_count; k++) {
			if (scan_vma(d, pagemap, p->row.vma + k, regions, err) < 0)
				return -1;
		}
	}
	return 0;
}

static int too_much(const struct dump *d, struct error *err)
{
	return error_set(err, ERR_UNSUPPORTED, "holds more than %llu MB of memory", (unsigned long long)(d->request->max_bytes >> 20));
}

static int flush(struct pump *p, struct error *err)
{
	size_t n = (size_t)p->fill * IMAGE_PAGE;
	if (p->at + n > p->dump->request->max_bytes)
		return too_much(p->dump, err);
	for (uint32_t i = 0; i < p->fill; i++)
		p->sum = image_sum(p->sum, p->room + (size_t)i * IMAGE_PAGE, IMAGE_PAGE);
	for (size_t done = 0; done < n;) {
		ssize_t w = pwrite(p->fd, p->room + done, n - done, (off_t)(p->at + done));
		if (w <= 0)
			return error_sys(err, "cannot write the image");
		done += (size_t)w;
	}
	p->at += n;
	p->fill = 0;
	return 0;
}

static int read_memory(struct pump *p, uint32_t vma, uint64_t address, void *dst, size_t n, struct error *err)
{
	const struct image_vma *v = image_built_row(&p->dump->image, IMAGE_VMAS, vma);
	const struct dump_memory *m = memory_of(p->dump, vma);
	const struct dump_process *process = &p->dump->processes[m->process];
	struct iovec to = {dst, n}, from = {(void *)(uintptr_t)address, n};
	if (m->shared_fd >= 0) {
		if (pread(m->shared_fd, dst, n, (off_t)(m->shared_at + (address - v->start))) == (ssize_t)n)
			return 0;
	} else if (process_vm_readv(process->pid, &to, 1, &from, 1, 0) == (ssize_t)n || dump_peek(process, address, dst, n) == 0) {
		return 0; /* the second way reads what the process itself may not */
	}
	return dump_unsupported(process, err, "has memory that cannot be read (at 0x%llx)", (unsigned long long)address);
}

static bool is_zero(const unsigned char *page)
{
	static const unsigned char zeros[IMAGE_PAGE];
	uint64_t first;
	memcpy(&first, page, sizeof first);
	return first == 0 && memcmp(page, zeros, IMAGE_PAGE) == 0;
}

static int end_run(struct pump *p, uint32_t vma, struct error *err)
{
	struct image_vma *v = image_built_row(&p->dump->image, IMAGE_VMAS, vma);
	if (p->run.pages == 0)
		return 0;
	v->run_count++;
	int rc = image_add(&p->dump->image, IMAGE_RUNS, &p->run, err) < 0 ? -1 : 0;
	p->run.pages = 0;
	return rc;
}

/* Pages of zeros between the run and `address` that make them one; UINT32_MAX when a new run is due. Zeros must not hide what
 * a file has. */
static uint32_t join(const struct pump *p, const struct image_vma *v, uint64_t address)
{
	uint64_t end = p->run.address + p->run.pages * IMAGE_PAGE, gap = (address - end) / IMAGE_PAGE;
	return p->run.pages && gap <= (v->kind == VMA_FILE ? 0 : GAP_PAGES) ? (uint32_t)gap : UINT32_MAX;
}

/* Takes `n` pages that were read to `from`, which lies in the room at or behind its fill. */
static int take_pages(struct pump *p, uint32_t vma, uint64_t address, const unsigned char *from, uint32_t n, struct error *err)
{
	const struct image_vma *v = image_built_row(&p->dump->image, IMAGE_VMAS, vma);
	for (uint32_t i = 0; i < n; i++, address += IMAGE_PAGE, from += IMAGE_PAGE) {
		if (v->kind != VMA_FILE && is_zero(from))
			continue;
		uint32_t gap = join(p, v, address);
		if (gap == UINT32_MAX) {
			if (end_run(p, vma, err) < 0)
				return -1;
			p->run = (struct image_run){.address = address, .page = p->pages};
			gap = 0;
		}
		unsigned char *to = p->room + (size_t)p->fill * IMAGE_PAGE;
		ASSERT(to + (size_t)gap * IMAGE_PAGE <= from);
		memset(to, 0, (size_t)gap * IMAGE_PAGE);
		if (to + (size_t)gap * IMAGE_PAGE != from)
			memmove(to + (size_t)gap * IMAGE_PAGE, from, IMAGE_PAGE);
		p->fill += gap + 1;
		p->pages += gap + 1;
		p->run.pages += gap + 1;
	}
	return 0;
}

static int take_region(struct pump *p, const struct region *r, struct error *err)
{
	const struct image_vma *v = image_built_row(&p->dump->image, IMAGE_VMAS, r->vma);
	for (uint64_t address = r->start; address < r->end;) {
		if (p->fill + GAP_PAGES >= ROOM_PAGES && flush(p, err) < 0)
			return -1;
		/* Where the first page will lie when it is not zero: mostly nothing has to be moved. */
		uint32_t gap = join(p, v, address), lead = gap == UINT32_MAX ? 0 : gap;
		uint64_t left = (r->end - address) / IMAGE_PAGE, n = ROOM_PAGES - p->fill - lead;
		n = left < n ? left : n;
		unsigned char *to = p->room + (size_t)(p->fill + lead) * IMAGE_PAGE;
		if (read_memory(p, r->vma, address, to, n * IMAGE_PAGE, err) < 0 || take_pages(p, r->vma, address, to, (uint32_t)n, err) < 0)
			return -1;
		address += n * IMAGE_PAGE;
	}
	return 0;
}

static int pump_all(struct pump *p, const struct region *regions, size_t n, struct error *err)
{
	struct image_builder *image = &p->dump->image;
	size_t k = 0;
	for (uint32_t vma = 0; vma < image_built_count(image, IMAGE_VMAS); vma++) {
		((struct image_vma *)image_built_row(image, IMAGE_VMAS, vma))->run = image_built_count(image, IMAGE_RUNS);
		for (; k < n && regions[k].vma == vma; k++) {
			if (take_region(p, &regions[k], err) < 0)
				return -1;
		}
		if (end_run(p, vma, err) < 0)
			return -1;
	}
	return flush(p, err);
}

int dump_pages(struct dump *d, int out_fd, struct error *err)
{
	struct buf regions CLEANUP(buf_release);
	buf_init(&regions, IMAGE_MAX_RUNS * sizeof(struct region));
	CLEANUP_FREE unsigned char *room = aligned_alloc(64, (size_t)(ROOM_PAGES + GAP_PAGES) * IMAGE_PAGE);
	if (!room)
		return error_set(err, ERR_NO_MEMORY, "no memory to read pages into");
	if (scan(d, &regions, err) < 0)
		return -1;
	size_t n = regions.len / sizeof(struct region);
	/* Within a region each further run begins behind more zeros than are joined. */
	uint64_t runs = n + d->dirty_pages / (GAP_PAGES + 2) + 1;
	d->image.head.pages_offset = image_plan_pages(&d->image, runs < IMAGE_MAX_RUNS ? runs : IMAGE_MAX_RUNS);
	/* Blocks taken at once cost a third less than one by one. Where that is not possible, writing will tell. */
	uint64_t most = d->image.head.pages_offset + d->dirty_pages * IMAGE_PAGE;
	(void)fallocate(out_fd, 0, 0, (off_t)(most < d->request->max_bytes ? most : d->request->max_bytes));
	struct pump p = {.dump = d, .fd = out_fd, .room = room, .at = d->image.head.pages_offset};
	if (pump_all(&p, (const struct region *)(const void *)regions.data, n, err) < 0)
		return -1;
	d->image.head.page_count = p.pages;
	d->image.head.pages_sum = p.sum;
	return ftruncate(out_fd, (off_t)p.at) < 0 ? error_sys(err, "cannot cut the image to its size") : 0;
}
