/* Image files: what was written is read again; whatever is damaged is refused, row by row. */
#include <fcntl.h>
#include <stddef.h>

#include "tests/unit/image_rig.h"
#include "tests/unit/test.h"

TEST(whole_image_opens)
{
	struct image_builder b;
	struct image image;
	struct error err = {0};
	rig_fill(&b);
	int fd = rig_write(&b, &err);
	CHECK_STR(err.msg, "");
	CHECK(fd >= 0);
	CHECK_INT(image_open(&image, fd, &err), 0);
	CHECK_INT(image_check_pages(&image, &err), 0);
	const struct image_process *p = image_row(&image, IMAGE_PROCESSES, 0);
	CHECK_STR(image_string(&image, p->cwd), "/var/task");
	CHECK_INT(image.head.tables[IMAGE_THREADS].count, 2);
	image_release(&image);
	image_builder_release(&b);
	close(fd);
}

/* Every single bit of head and tables is covered by a sum. */
TEST(flipped_bits_are_found)
{
	struct image_builder b;
	struct image image;
	size_t n;
	rig_fill(&b);
	int fd = rig_write(&b, NULL);
	unsigned char *bytes = rig_bytes(fd, &n);
	CHECK_INT(image_check(&image, bytes, n, NULL), 0);
	for (size_t i = 0; i < b.head.pages_offset; i += 3) {
		bytes[i] ^= 1 << i % 8;
		struct error err = {0};
		CHECK_INT(image_check(&image, bytes, n, &err), -1);
		CHECK(err.code == ERR_INVALID || err.code == ERR_STALE);
		bytes[i] ^= 1 << i % 8;
	}
	for (size_t cut = 0; cut < n; cut += 509)
		CHECK_INT(image_check(&image, bytes, cut, NULL), -1);
	free(bytes);
	image_builder_release(&b);
	close(fd);
}

TEST(flipped_page_is_found)
{
	struct image_builder b;
	struct image image;
	struct error err = {0};
	rig_fill(&b);
	int fd = rig_write(&b, NULL);
	CHECK_INT(pwrite(fd, "x", 1, (off_t)b.head.pages_offset + 5000), 1);
	CHECK_INT(image_open(&image, fd, &err), 0);
	CHECK_INT(image_check_pages(&image, &err), -1);
	CHECK_INT(err.code, ERR_INVALID);
	image_release(&image);
	image_builder_release(&b);
	close(fd);
}

TEST(image_of_another_machine_is_stale)
{
	struct {
		size_t at;
		const char *says;
	} parts[] = {{offsetof(struct image_machine, boot_id), "before the machine was started"}, {offsetof(struct image_machine, kernel), "kernel"},
		     {offsetof(struct image_machine, cpu), "CPU"}, {offsetof(struct image_machine, build), "version of the server"}};
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		struct image_builder b;
		struct image_head head;
		struct error err = {0};
		rig_fill(&b);
		int fd = rig_write(&b, NULL);
		((unsigned char *)&b.head.machine)[parts[i].at] ^= 1;
		b.head.head_sum = image_head_sum(&b.head);
		CHECK_INT(pwrite(fd, &b.head, sizeof b.head, 0), sizeof b.head);
		CHECK_INT(image_read_head(fd, &head, &err), -1);
		CHECK_INT(err.code, ERR_STALE);
		CHECK(strstr(err.msg, parts[i].says));
		image_builder_release(&b);
		close(fd);
	}
}

/* One field of one row, a value that it must not have, and a word of what is said. */
#define ROW(table, type, row, field, value, says) \
	{table, row, offsetof(struct type, field), sizeof((struct type){0}.field), (uint64_t)(value), says}

static const struct {
	enum image_table table;
	uint32_t row;
	size_t offset, size;
	uint64_t value;
	const char *says;
} wrongs[] = {
	ROW(IMAGE_PROCESSES, image_process, 0, parent, 0, "process 0: parent"),
	ROW(IMAGE_PROCESSES, image_process, 0, pid, 1, "number"),
	ROW(IMAGE_PROCESSES, image_process, 0, pid, 5, "first thread"),
	ROW(IMAGE_PROCESSES, image_process, 0, new_pid, 3, "number"),
	ROW(IMAGE_PROCESSES, image_process, 0, thread_count, 1, "without a process"),
	ROW(IMAGE_PROCESSES, image_process, 0, thread_count, 3, "rows"),
	ROW(IMAGE_PROCESSES, image_process, 0, vma, 1, "rows"),
	ROW(IMAGE_PROCESSES, image_process, 0, fd_count, UINT32_MAX, "rows"),
	ROW(IMAGE_PROCESSES, image_process, 0, exe, 1, "program"),
	ROW(IMAGE_PROCESSES, image_process, 0, cwd, IMAGE_NONE, "working directory"),
	ROW(IMAGE_PROCESSES, image_process, 0, auxv_bytes, 1 << 30, "auxiliary vector"),
	ROW(IMAGE_PROCESSES, image_process, 0, umask, 01000, "attributes"),
	ROW(IMAGE_PROCESSES, image_process, 0, limits[3].soft, 2000, "attributes"),
	ROW(IMAGE_PROCESSES, image_process, 0, brk, 1, "layout"),
	ROW(IMAGE_PROCESSES, image_process, 0, vdso_end, 0x1000, "the kernel's mappings"),
	ROW(IMAGE_THREADS, image_thread, 1, tid, 2, "number twice"),
	ROW(IMAGE_THREADS, image_thread, 1, tid, 0, "number"),
	ROW(IMAGE_THREADS, image_thread, 1, ip, 1ull << 63, "address"),
	ROW(IMAGE_THREADS, image_thread, 0, fs_base, IMAGE_ADDRESS_END, "address"),
	ROW(IMAGE_THREADS, image_thread, 0, xstate, 1, "extended state"),
	ROW(IMAGE_THREADS, image_thread, 0, xstate_bytes, 100, "extended state"),
	ROW(IMAGE_THREADS, image_thread, 0, xstate_bytes, IMAGE_MAX_XSTATE + 8, "extended state"),
	ROW(IMAGE_THREADS, image_thread, 0, priority, 40, "attributes"),
	ROW(IMAGE_VMAS, image_vma, 0, start, 0x400001, "mapping 0: address"),
	ROW(IMAGE_VMAS, image_vma, 0, start, 0, "address"),
	ROW(IMAGE_VMAS, image_vma, 0, end, RIG_HEAP + 0x1000, "mapping 1: address"),
	ROW(IMAGE_VMAS, image_vma, 2, start, RESTORER_BASE, "address"),
	ROW(IMAGE_VMAS, image_vma, 2, end, 1ull << 48, "address"),
	ROW(IMAGE_VMAS, image_vma, 1, protection, 8, "kind"),
	ROW(IMAGE_VMAS, image_vma, 1, kind, 9, "kind"),
	ROW(IMAGE_VMAS, image_vma, 1, flags, VMA_SHARED, "kind"),
	ROW(IMAGE_VMAS, image_vma, 1, flags, VMA_WIPE_ON_FORK, "runs"),
	ROW(IMAGE_VMAS, image_vma, 0, file, 1, "kind"),
	ROW(IMAGE_VMAS, image_vma, 1, file, 0, "kind"),
	ROW(IMAGE_VMAS, image_vma, 0, file_offset, 1, "kind"),
	ROW(IMAGE_VMAS, image_vma, 1, run_count, 0, "runs"),
	ROW(IMAGE_VMAS, image_vma, 2, run_count, UINT32_MAX, "runs"),
	ROW(IMAGE_RUNS, image_run, 0, address, RIG_HEAP - 0x1000, "run 0: address"),
	ROW(IMAGE_RUNS, image_run, 0, pages, 100, "address"),
	ROW(IMAGE_RUNS, image_run, 0, pages, UINT64_MAX, "address"),
	ROW(IMAGE_RUNS, image_run, 1, page, 0, "pages"),
	ROW(IMAGE_RUNS, image_run, 0, page, UINT64_MAX, "pages"),
	ROW(IMAGE_FILES, image_file, 0, path, IMAGE_NONE, "file 0: path"),
	ROW(IMAGE_OBJECTS, image_object, 0, kind, OBJECT_KINDS, "kind"),
	ROW(IMAGE_OBJECTS, image_object, 0, kind, OBJECT_CONNECTION, "not one connection"),
	ROW(IMAGE_OBJECTS, image_object, 5, kind, OBJECT_NEXT, "port"),
	ROW(IMAGE_OBJECTS, image_object, 0, port, 65536, "port"),
	ROW(IMAGE_OBJECTS, image_object, 2, peer, 1, "other end"),
	ROW(IMAGE_OBJECTS, image_object, 2, peer, 2, "other end"),
	ROW(IMAGE_OBJECTS, image_object, 3, peer, 99, "other end"),
	ROW(IMAGE_OBJECTS, image_object, 4, peer, 5, "other end"),
	ROW(IMAGE_OBJECTS, image_object, 2, data, IMAGE_NONE, "content"),
	ROW(IMAGE_OBJECTS, image_object, 2, data_bytes, UINT32_MAX, "content"),
	ROW(IMAGE_OBJECTS, image_object, 5, data_bytes, 1, "content"),
	ROW(IMAGE_OBJECTS, image_object, 5, kind, OBJECT_PIDFD, "process"),
	ROW(IMAGE_OBJECTS, image_object, 6, path, IMAGE_NONE, "path"),
	ROW(IMAGE_FDS, image_fd, 1, fd, 2, "descriptor 1: number"),
	ROW(IMAGE_FDS, image_fd, 6, fd, 1024, "number"),
	ROW(IMAGE_FDS, image_fd, 6, object, 7, "object"),
	ROW(IMAGE_WATCHES, image_watch, 0, epoll, 5, "watch 0: epoll"),
	ROW(IMAGE_WATCHES, image_watch, 0, epoll, 100, "epoll"),
	ROW(IMAGE_WATCHES, image_watch, 0, fd, 100, "descriptor"),
	ROW(IMAGE_WATCHES, image_watch, 0, process, 1, "descriptor"),
};

TEST(wrong_rows_are_refused)
{
	struct image_builder b;
	size_t n;
	rig_fill(&b);
	int fd = rig_write(&b, NULL);
	for (size_t i = 0; i < ARRAY_LEN(wrongs); i++) {
		struct image image;
		struct error err = {0};
		unsigned char *bytes = rig_bytes(fd, &n);
		const struct image_section *s = &b.head.tables[wrongs[i].table];
		memcpy(bytes + s->offset + (size_t)wrongs[i].row * s->size + wrongs[i].offset, &wrongs[i].value, wrongs[i].size);
		rig_seal(bytes, n);
		int rc = image_check(&image, bytes, n, &err);
		if (rc == 0 || !strstr(err.msg, wrongs[i].says))
			printf("row %zu of the table of wrongs: \"%s\" instead of \"%s\"\n", i, err.msg, wrongs[i].says);
		CHECK(rc < 0 && err.code == ERR_INVALID && strstr(err.msg, wrongs[i].says));
		free(bytes);
	}
	image_builder_release(&b);
	close(fd);
}

TEST(wrong_heads_are_refused)
{
	struct image_builder b;
	size_t n;
	rig_fill(&b);
	int fd = rig_write(&b, NULL);
	struct image_head heads[] = {b.head, b.head, b.head, b.head, b.head, b.head, b.head};
	heads[0].format++;
	heads[1].pages_offset += IMAGE_PAGE;
	heads[2].page_count = UINT64_MAX;
	heads[3].tables[IMAGE_VMAS].count = UINT32_MAX;
	heads[4].tables[IMAGE_VMAS].offset = UINT64_MAX - 63;
	heads[5].tables[IMAGE_BLOB].offset = heads[5].tables[IMAGE_VMAS].offset;
	heads[6].connections = 2;
	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		struct image image;
		unsigned char *bytes = rig_bytes(fd, &n);
		memcpy(bytes, &heads[i], sizeof heads[i]);
		rig_seal(bytes, n);
		CHECK_INT(image_check(&image, bytes, n, NULL), -1);
		free(bytes);
	}
	image_builder_release(&b);
	close(fd);
}

TEST(builder_refuses_what_a_reader_would)
{
	struct image_builder b;
	struct error err = {0};
	rig_fill(&b);
	((struct image_object *)image_built_row(&b, IMAGE_OBJECTS, 2))->peer = 9;
	CHECK_INT(rig_write(&b, &err), -1);
	CHECK_INT(err.code, ERR_INTERNAL);
	image_builder_release(&b);
}

TEST(mapped_files_are_compared)
{
	struct image_builder b;
	struct image image;
	struct error err = {0};
	int fds[1], own = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	char path[4096];
	ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
	CHECK(length > 0);
	path[length] = '\0';
	rig_fill(&b);
	struct image_file *file = image_built_row(&b, IMAGE_FILES, 0);
	CHECK_INT(image_file_look(own, file, NULL), 0);
	file->path = rig_string(&b, path);
	int fd = rig_write(&b, NULL);
	CHECK_INT(image_open(&image, fd, &err), 0);
	CHECK_INT(image_open_files(&image, fds, &err), 0);
	CHECK(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
	close(fds[0]);
	image_release(&image);
	close(fd);
	((struct image_file *)image_built_row(&b, IMAGE_FILES, 0))->changed_ns++;
	fd = rig_write(&b, NULL);
	CHECK_INT(image_open(&image, fd, &err), 0);
	CHECK_INT(image_open_files(&image, fds, &err), -1);
	CHECK_INT(err.code, ERR_STALE);
	CHECK(strstr(err.msg, path));
	image_release(&image);
	image_builder_release(&b);
	close(fd);
	close(own);
}

TEST(sums_depend_on_each_byte_and_the_seed)
{
	unsigned char bytes[100] = {0};
	uint64_t zero = image_sum(0, bytes, sizeof bytes);
	CHECK(zero != image_sum(1, bytes, sizeof bytes));
	CHECK(zero != image_sum(0, bytes, sizeof bytes - 1));
	for (size_t i = 0; i < sizeof bytes; i++) {
		bytes[i] = 1;
		CHECK(zero != image_sum(0, bytes, sizeof bytes));
		bytes[i] = 0;
	}
}

TESTS(T(whole_image_opens), T(flipped_bits_are_found), T(flipped_page_is_found), T(image_of_another_machine_is_stale), T(wrong_rows_are_refused),
      T(wrong_heads_are_refused), T(builder_refuses_what_a_reader_would), T(mapped_files_are_compared), T(sums_depend_on_each_byte_and_the_seed))
