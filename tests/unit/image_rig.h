/* A small image that is whole, for tests that break it: one process of two threads, three mappings, two pages. */
#ifndef TESTS_IMAGE_RIG_H
#define TESTS_IMAGE_RIG_H

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/check.h"
#include "isolation/snapshot/image_build.h"
#include "isolation/snapshot/image_open.h"
#include "isolation/snapshot/image_priv.h"
#include "isolation/snapshot/tmp_tree.h"

#define RIG_HEAP 0x500000ull
#define RIG_STACK 0x7ffc00000000ull

static inline void rig_add(struct image_builder *b, enum image_table table, const void *row)
{
	ASSERT(image_add(b, table, row, NULL) >= 0);
}

static inline uint32_t rig_string(struct image_builder *b, const char *s)
{
	return (uint32_t)image_add_string(b, s, NULL);
}

static inline void rig_memory(struct image_builder *b)
{
	struct image_file file = {.path = rig_string(b, "/usr/bin/true"), .device = 1, .inode = 2, .bytes = 3, .changed_ns = 4};
	struct image_vma vmas[] = {
		{.start = 0x400000, .end = 0x402000, .protection = 5, .kind = VMA_FILE, .file_offset = 0x1000},
		{.start = RIG_HEAP, .end = RIG_HEAP + 0x4000, .protection = 3, .kind = VMA_ANON, .file = IMAGE_NONE, .run_count = 1},
		{.start = RIG_STACK, .end = RIG_STACK + 0x2000, .protection = 3, .kind = VMA_STACK, .file = IMAGE_NONE, .run = 1, .run_count = 1},
	};
	struct image_run runs[] = {{RIG_HEAP + 0x1000, 0, 1}, {RIG_STACK + 0x1000, 1, 1}};
	rig_add(b, IMAGE_FILES, &file);
	for (size_t i = 0; i < ARRAY_LEN(vmas); i++)
		rig_add(b, IMAGE_VMAS, &vmas[i]);
	for (size_t i = 0; i < ARRAY_LEN(runs); i++)
		rig_add(b, IMAGE_RUNS, &runs[i]);
}

static inline void rig_threads(struct image_builder *b)
{
	static const char state[832];
	for (uint32_t i = 0; i < 2; i++) {
		struct image_thread t = {.tid = 2 + i, .ip = 0x400100, .sp = RIG_STACK + 0x1800, .priority = 20, .name = "rig",
			.xstate_bytes = sizeof state};
		t.xstate = (uint32_t)image_add_bytes(b, state, sizeof state, 64, NULL);
		rig_add(b, IMAGE_THREADS, &t);
	}
}

static inline void rig_objects(struct image_builder *b)
{
	struct image_object objects[] = {
		{.kind = OBJECT_NEXT, .peer = IMAGE_NONE, .port = 9001, .local_port = 40000, .domain = 2, .type = 1, .protocol = 6},
		{.kind = OBJECT_LOG, .peer = IMAGE_NONE, .flags = 1},
		{.kind = OBJECT_PIPE_READ, .peer = 3, .pipe_bytes = 65536, .data_bytes = 5},
		{.kind = OBJECT_PIPE_WRITE, .peer = 2, .pipe_bytes = 65536},
		{.kind = OBJECT_EPOLL, .peer = IMAGE_NONE},
		{.kind = OBJECT_EVENTFD, .peer = IMAGE_NONE, .position = 7},
		{.kind = OBJECT_FILE, .peer = IMAGE_NONE, .path = rig_string(b, "/var/task")},
	};
	struct image_watch watch = {.epoll = 4, .process = 0, .fd = 7, .events = 1, .data = 5};
	objects[2].data = (uint32_t)image_add_bytes(b, "hello", 5, 1, NULL);
	for (uint32_t i = 0; i < ARRAY_LEN(objects); i++) {
		struct image_fd fd = {.fd = i + 2, .object = i};
		rig_add(b, IMAGE_OBJECTS, &objects[i]);
		rig_add(b, IMAGE_FDS, &fd);
	}
	rig_add(b, IMAGE_WATCHES, &watch);
}

static inline void rig_tmp(struct image_builder *b)
{
	static const struct tmp_entry folder = {.kind = TMP_FOLDER, .mode = 0755, .name_bytes = 2}, up = {.kind = TMP_UP},
				      file = {.kind = TMP_FILE, .mode = 0644, .bytes = 3, .name_bytes = 2};
	struct buf *out = &b->tables[IMAGE_TMP];
	buf_append(out, &folder, sizeof folder);
	buf_append(out, "a\0\0\0\0\0\0", 8);
	buf_append(out, &file, sizeof file);
	buf_append(out, "b\0abc\0\0", 8);
	buf_append(out, &up, sizeof up);
}

static inline void rig_fill(struct image_builder *b)
{
	image_builder_init(b);
	struct image_process p = {.parent = IMAGE_NONE, .pid = 2, .new_pid = 32000, .pgid = 2, .sid = 2, .thread_count = 2, .vma_count = 3,
		.fd_count = 7, .umask = 022, .dumpable = 1, .start_brk = RIG_HEAP, .brk = RIG_HEAP + 0x4000, .start_stack = RIG_STACK + 0x1f00};
	for (size_t i = 0; i < ARRAY_LEN(p.limits); i++)
		p.limits[i].soft = p.limits[i].hard = 1024;
	p.cwd = rig_string(b, "/var/task");
	rig_memory(b);
	rig_threads(b);
	rig_objects(b);
	rig_tmp(b);
	rig_add(b, IMAGE_PROCESSES, &p);
	b->head.connections = 1;
	b->head.memory_mb = 128;
}

/* Plans, writes pages and tables to a new memory file, which is returned; -1 when the builder says no. */
static inline int rig_write(struct image_builder *b, struct error *err)
{
	unsigned char pages[2 * IMAGE_PAGE];
	int fd = memfd_create("image", MFD_CLOEXEC);
	for (size_t i = 0; i < sizeof pages; i++)
		pages[i] = (unsigned char)(i * 7);
	b->head.pages_offset = image_plan_pages(b, image_built_count(b, IMAGE_RUNS));
	b->head.page_count = 2;
	b->head.pages_sum = image_sum(image_sum(0, pages, IMAGE_PAGE), pages + IMAGE_PAGE, IMAGE_PAGE);
	ASSERT(image_machine_now(&b->head.machine, NULL) == 0);
	ASSERT(pwrite(fd, pages, sizeof pages, (off_t)b->head.pages_offset) == (ssize_t)sizeof pages);
	if (image_write_tables(b, fd, err) == 0)
		return fd;
	close(fd);
	return -1;
}

/* The whole file, aligned as image_check wants it; the caller frees. */
static inline unsigned char *rig_bytes(int fd, size_t *n)
{
	struct stat st;
	ASSERT(fstat(fd, &st) == 0);
	*n = (size_t)st.st_size;
	unsigned char *bytes = aligned_alloc(64, (*n + 63) / 64 * 64);
	ASSERT(bytes && pread(fd, bytes, *n, 0) == (ssize_t)*n);
	return bytes;
}

/* Makes the sums right again after a change, so that the rows are looked at. */
static inline void rig_seal(unsigned char *bytes, size_t n)
{
	struct image_head h;
	memcpy(&h, bytes, sizeof h);
	if (h.pages_offset >= sizeof h && h.pages_offset <= n)
		h.tables_sum = image_sum(0, bytes + sizeof h, h.pages_offset - sizeof h);
	h.head_sum = image_head_sum(&h);
	memcpy(bytes, &h, sizeof h);
}

#endif
