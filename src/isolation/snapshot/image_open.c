#include "isolation/snapshot/image_open.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/base/io.h"
#include "isolation/snapshot/image_priv.h"

#define PAGES_AT_ONCE 256u

const struct image_table_rule image_table_rules[IMAGE_TABLES] = {
	[IMAGE_PROCESSES] = {"processes", sizeof(struct image_process), IMAGE_MAX_PROCESSES},
	[IMAGE_THREADS] = {"threads", sizeof(struct image_thread), IMAGE_MAX_THREADS},
	[IMAGE_VMAS] = {"mappings", sizeof(struct image_vma), IMAGE_MAX_VMAS},
	[IMAGE_RUNS] = {"runs", sizeof(struct image_run), IMAGE_MAX_RUNS},
	[IMAGE_FILES] = {"files", sizeof(struct image_file), IMAGE_MAX_FILES},
	[IMAGE_OBJECTS] = {"objects", sizeof(struct image_object), IMAGE_MAX_OBJECTS},
	[IMAGE_FDS] = {"descriptors", sizeof(struct image_fd), IMAGE_MAX_FDS},
	[IMAGE_WATCHES] = {"watches", sizeof(struct image_watch), IMAGE_MAX_WATCHES},
	[IMAGE_BLOB] = {"bytes", 1, IMAGE_MAX_BLOB},
	/* Names and heads of entries come on top of what the files hold. */
	[IMAGE_TMP] = {"/tmp", 1, IMAGE_MAX_TMP + (16u << 20)},
};

uint64_t image_head_sum(const struct image_head *head)
{
	struct image_head h = *head;
	h.head_sum = 0;
	return image_sum(0, &h, sizeof h);
}

static int damaged(struct error *err, const char *what)
{
	return error_set(err, ERR_INVALID, "the image is damaged: %s", what);
}

static int check_sections(const struct image_head *h, struct error *err)
{
	uint64_t end = sizeof *h;
	for (int i = 0; i < IMAGE_TABLES; i++) {
		const struct image_section *s = &h->tables[i];
		const struct image_table_rule *rule = &image_table_rules[i];
		if (s->size != rule->size || s->count > rule->max)
			return error_set(err, ERR_INVALID, "the image is damaged: %u rows of %u bytes of %s", s->count, s->size, rule->name);
		if (s->offset % 64 || s->offset < end || s->offset > h->pages_offset ||
		    (uint64_t)s->count * s->size > h->pages_offset - s->offset)
			return error_set(err, ERR_INVALID, "the image is damaged: the place of %s", rule->name);
		end = s->offset + (uint64_t)s->count * s->size;
	}
	return 0;
}

int image_check_head(const struct image_head *h, uint64_t file_bytes, struct error *err)
{
	if (h->magic != IMAGE_MAGIC)
		return error_set(err, ERR_INVALID, "this is not an image");
	if (h->format != IMAGE_FORMAT || h->head_bytes != sizeof *h)
		return error_set(err, ERR_STALE, "the image is of format %u, this server's is %u", h->format, IMAGE_FORMAT);
	if (h->head_sum != image_head_sum(h))
		return damaged(err, "its head's sum");
	if (h->file_bytes != file_bytes)
		return error_set(err, ERR_INVALID, "the image is damaged: it has %llu bytes instead of %llu",
			(unsigned long long)file_bytes, (unsigned long long)h->file_bytes);
	if (h->pages_offset % IMAGE_PAGE || h->pages_offset < sizeof *h || h->pages_offset > file_bytes ||
	    (file_bytes - h->pages_offset) % IMAGE_PAGE || (file_bytes - h->pages_offset) / IMAGE_PAGE != h->page_count)
		return damaged(err, "the place of its pages");
	if (h->park > 1 || h->connections == 0 || h->connections > IMAGE_MAX_CONNECTIONS)
		return damaged(err, "what it waits in");
	return check_sections(h, err);
}

static int check_machine(const struct image_head *head, struct error *err)
{
	struct image_machine now;
	if (image_machine_now(&now, err) < 0)
		return -1;
	const struct image_machine *was = &head->machine;
	if (memcmp(was->boot_id, now.boot_id, sizeof now.boot_id) != 0)
		return error_set(err, ERR_STALE, "the image was taken before the machine was started");
	if (was->kernel != now.kernel)
		return error_set(err, ERR_STALE, "the image was taken on another kernel");
	if (was->cpu != now.cpu)
		return error_set(err, ERR_STALE, "the image was taken on another kind of CPU");
	if (was->build != now.build)
		return error_set(err, ERR_STALE, "the image was taken by another version of the server");
	return 0;
}

int image_read_head(int fd, struct image_head *head, struct error *err)
{
	struct image_head h;
	struct stat st;
	if (fstat(fd, &st) < 0)
		return error_sys(err, "cannot look at the image");
	ssize_t n = pread(fd, &h, sizeof h, 0);
	if (n < 0)
		return error_sys(err, "cannot read the image");
	if (n != (ssize_t)sizeof h)
		return damaged(err, "it is too short");
	if (image_check_head(&h, (uint64_t)st.st_size, err) < 0 || check_machine(&h, err) < 0)
		return -1;
	*head = h;
	return 0;
}

static int check_tables(const struct image *image, struct error *err)
{
	if (image_sum(0, image->tables, image->tables_bytes) != image->head.tables_sum)
		return damaged(err, "the sum of its tables");
	return image_check_rows(image, err);
}

int image_open(struct image *image, int fd, struct error *err)
{
	struct image found = {.fd = fd, .mapped = true};
	if (image_read_head(fd, &found.head, err) < 0)
		return -1;
	const unsigned char *base = mmap(NULL, found.head.pages_offset, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (base == MAP_FAILED)
		return error_sys(err, "cannot map the image");
	found.tables = base + sizeof found.head;
	found.tables_bytes = found.head.pages_offset - sizeof found.head;
	if (check_tables(&found, err) < 0) {
		image_release(&found);
		return -1;
	}
	*image = found;
	return 0;
}

int image_check(struct image *image, const void *bytes, size_t n, struct error *err)
{
	struct image found = {.fd = -1};
	ASSERT((uintptr_t)bytes % 64 == 0);
	if (n < sizeof found.head)
		return damaged(err, "it is too short");
	memcpy(&found.head, bytes, sizeof found.head);
	if (image_check_head(&found.head, n, err) < 0)
		return -1;
	found.tables = (const unsigned char *)bytes + sizeof found.head;
	found.tables_bytes = found.head.pages_offset - sizeof found.head;
	if (check_tables(&found, err) < 0)
		return -1;
	*image = found;
	return 0;
}

void image_release(struct image *image)
{
	if (image->mapped && image->tables)
		munmap((void *)(uintptr_t)(image->tables - sizeof image->head), image->head.pages_offset);
	*image = (struct image){.fd = -1};
}

int image_check_pages(const struct image *image, struct error *err)
{
	CLEANUP_FREE unsigned char *room = malloc((size_t)PAGES_AT_ONCE * IMAGE_PAGE);
	uint64_t sum = 0;
	if (!room)
		return error_set(err, ERR_NO_MEMORY, "no memory to check the image");
	for (uint64_t page = 0; page < image->head.page_count;) {
		uint64_t left = image->head.page_count - page, now = left < PAGES_AT_ONCE ? left : PAGES_AT_ONCE;
		off_t at = (off_t)(image->head.pages_offset + page * IMAGE_PAGE);
		ssize_t n = pread(image->fd, room, now * IMAGE_PAGE, at);
		if (n != (ssize_t)(now * IMAGE_PAGE))
			return n < 0 ? error_sys(err, "cannot read the image") : damaged(err, "it is too short");
		for (uint64_t i = 0; i < now; i++)
			sum = image_sum(sum, room + i * IMAGE_PAGE, IMAGE_PAGE);
		page += now;
	}
	return sum == image->head.pages_sum ? 0 : damaged(err, "the sum of its pages");
}

uint32_t image_count(const struct image *image, enum image_table table)
{
	return image->head.tables[table].count;
}

const void *image_row(const struct image *image, enum image_table table, uint32_t i)
{
	const struct image_section *s = &image->head.tables[table];
	ASSERT(i < s->count);
	return image->tables + (s->offset - sizeof image->head) + (uint64_t)i * s->size;
}

const char *image_string(const struct image *image, uint32_t offset)
{
	return image_row(image, IMAGE_BLOB, offset);
}
