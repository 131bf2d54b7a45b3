/* Mappings, their pages, and the files behind them. */
#include <string.h>

#include "core/base/check.h"
#include "isolation/snapshot/image_priv.h"

#define VMA_FLAGS 1023u

/* Where a walk over all mappings is. */
struct walk {
	uint32_t run;   /* next row of IMAGE_RUNS */
	uint64_t page;  /* next page of the page section */
	uint64_t end;   /* of the mapping before, in the same process */
};

static bool range_fits(uint64_t start, uint64_t end)
{
	return start % IMAGE_PAGE == 0 && end % IMAGE_PAGE == 0 && start >= IMAGE_PAGE && start < end && end <= IMAGE_ADDRESS_END &&
	       (end <= RESTORER_BASE || start >= RESTORER_END);
}

static bool kind_fits(const struct image *image, const struct image_vma *v)
{
	bool shared = v->flags & VMA_SHARED;
	if (v->kind == VMA_FILE)
		return v->file < image_count(image, IMAGE_FILES) && v->file_offset % IMAGE_PAGE == 0 && v->file_offset <= INT64_MAX &&
		       (!shared || v->run_count == 0);
	if (v->file != IMAGE_NONE || v->file_offset)
		return false;
	return (v->kind == VMA_ANON && !shared) || (v->kind == VMA_STACK && !shared) || (v->kind == VMA_SHARED_ANON && shared);
}

static int check_run(const struct image *image, const struct image_vma *v, uint32_t i, struct walk *w, uint64_t *end, struct error *err)
{
	const struct image_run *r = image_row(image, IMAGE_RUNS, i);
	if (r->address % IMAGE_PAGE || r->address < *end || r->address >= v->end || r->pages == 0 ||
	    r->pages > (v->end - r->address) / IMAGE_PAGE)
		return image_bad(err, "run", i, "address");
	if (r->page != w->page || r->pages > image->head.page_count - w->page)
		return image_bad(err, "run", i, "pages");
	w->page += r->pages;
	*end = r->address + r->pages * IMAGE_PAGE;
	return 0;
}

static int check_vma(const struct image *image, uint32_t i, struct walk *w, struct error *err)
{
	const struct image_vma *v = image_row(image, IMAGE_VMAS, i);
	uint64_t end = v->start;
	if (!range_fits(v->start, v->end) || v->start < w->end)
		return image_bad(err, "mapping", i, "address");
	if (v->protection > 7 || (v->flags & ~VMA_FLAGS) || !kind_fits(image, v))
		return image_bad(err, "mapping", i, "kind");
	if (v->run != w->run || v->run_count > image_count(image, IMAGE_RUNS) - v->run ||
	    ((v->flags & (VMA_WIPE_ON_FORK | VMA_DROPPABLE)) && v->run_count))
		return image_bad(err, "mapping", i, "runs");
	for (uint32_t k = 0; k < v->run_count; k++) {
		if (check_run(image, v, v->run + k, w, &end, err) < 0)
			return -1;
	}
	w->run += v->run_count;
	w->end = v->end;
	return 0;
}

/* One of the kernel's own mappings, which the restorer moves: it must lie free. */
static bool special_fits(const struct image *image, const struct image_process *p, uint64_t start, uint64_t end)
{
	if (start == 0 && end == 0)
		return true;
	if (!range_fits(start, end) || end - start > 1u << 20)
		return false;
	for (uint32_t i = 0; i < p->vma_count; i++) {
		const struct image_vma *v = image_row(image, IMAGE_VMAS, p->vma + i);
		if (v->start < end && v->end > start)
			return false;
	}
	return true;
}

static bool disjoint(uint64_t a, uint64_t a_end, uint64_t b, uint64_t b_end)
{
	return a_end <= b || b_end <= a;
}

static int check_process_memory(const struct image *image, uint32_t i, struct walk *w, struct error *err)
{
	const struct image_process *p = image_row(image, IMAGE_PROCESSES, i);
	w->end = 0;
	for (uint32_t k = 0; k < p->vma_count; k++) {
		if (check_vma(image, p->vma + k, w, err) < 0)
			return -1;
	}
	if (!special_fits(image, p, p->vdso_start, p->vdso_end) || !special_fits(image, p, p->vvar_start, p->vvar_end) ||
	    !special_fits(image, p, p->vclock_start, p->vclock_end) ||
	    !disjoint(p->vdso_start, p->vdso_end, p->vvar_start, p->vvar_end) ||
	    !disjoint(p->vdso_start, p->vdso_end, p->vclock_start, p->vclock_end) ||
	    !disjoint(p->vvar_start, p->vvar_end, p->vclock_start, p->vclock_end))
		return image_bad(err, "process", i, "the kernel's mappings");
	return 0;
}

static int check_file(const struct image *image, uint32_t i, struct error *err)
{
	const struct image_file *f = image_row(image, IMAGE_FILES, i);
	if (!image_string_fits(image, f->path, true))
		return image_bad(err, "file", i, "path");
	return f->writable <= 1 ? 0 : image_bad(err, "file", i, "rights");
}

int image_check_memory(const struct image *image, struct error *err)
{
	struct walk w = {0};
	for (uint32_t i = 0; i < image_count(image, IMAGE_FILES); i++) {
		if (check_file(image, i, err) < 0)
			return -1;
	}
	for (uint32_t i = 0; i < image_count(image, IMAGE_PROCESSES); i++) {
		if (check_process_memory(image, i, &w, err) < 0)
			return -1;
	}
	if (w.run != image_count(image, IMAGE_RUNS) || w.page != image->head.page_count)
		return error_set(err, ERR_INVALID, "the image is damaged: pages without a mapping");
	return 0;
}
