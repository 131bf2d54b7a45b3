/* Image files: whatever the bytes say, the check ends in an answer, and what it lets through can be read without a bound. Sums are
 * made right first, or nothing but sums would ever be tried. */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/image_rig.h"

/* As the restorer does: strings, ranges and indices are followed without a look. */
static uint64_t follow(const struct image *image)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < image_count(image, IMAGE_PROCESSES); i++) {
		const struct image_process *p = image_row(image, IMAGE_PROCESSES, i);
		ASSERT(i == 0 || p->parent < i);
		sum += strlen(image_string(image, p->cwd));
		for (uint32_t k = 0; k < p->vma_count; k++) {
			const struct image_vma *v = image_row(image, IMAGE_VMAS, p->vma + k);
			ASSERT(v->start < v->end && (v->end <= RESTORER_BASE || v->start >= RESTORER_END));
			for (uint32_t r = 0; r < v->run_count; r++) {
				const struct image_run *run = image_row(image, IMAGE_RUNS, v->run + r);
				ASSERT(run->address >= v->start && run->address + run->pages * IMAGE_PAGE <= v->end);
				ASSERT(run->page + run->pages <= image->head.page_count);
			}
		}
		for (uint32_t k = 0; k < p->fd_count; k++) {
			const struct image_fd *f = image_row(image, IMAGE_FDS, p->fd + k);
			const struct image_object *o = image_row(image, IMAGE_OBJECTS, f->object);
			if (o->data_bytes)
				sum = image_sum(sum, image_string(image, o->data), o->data_bytes);
			if (o->kind == OBJECT_FILE || o->kind == OBJECT_MEMFD)
				sum += strlen(image_string(image, o->path));
		}
	}
	for (uint32_t i = 0; i < image_count(image, IMAGE_THREADS); i++) {
		const struct image_thread *t = image_row(image, IMAGE_THREADS, i);
		sum = image_sum(sum, image_string(image, t->xstate), t->xstate_bytes);
	}
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct image image;
	struct image_head head;
	struct error err = {0};
	if (n < sizeof head || n > 1 << 20)
		return 0;
	unsigned char *bytes = aligned_alloc(64, (n + 63) / 64 * 64);
	ASSERT(bytes);
	memcpy(bytes, data, n);
	memcpy(&head, bytes, sizeof head);
	head.magic = IMAGE_MAGIC;
	head.format = IMAGE_FORMAT;
	head.head_bytes = sizeof head;
	head.file_bytes = n;
	memcpy(bytes, &head, sizeof head);
	rig_seal(bytes, n);
	if (image_check(&image, bytes, n, &err) == 0) {
		volatile uint64_t sum = follow(&image);
		(void)sum;
	} else {
		ASSERT(err.code != ERR_OK && err.msg[0]);
	}
	free(bytes);
	return 0;
}
