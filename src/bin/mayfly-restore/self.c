#include <linux/mman.h>

#include "bin/mayfly-restore/zygote.h"

#define USER_END 0x7ffffffff000ull
#define PAGE_UP(n) (((n) + IMAGE_PAGE - 1) & ~(uint64_t)(IMAGE_PAGE - 1))

/* Of the linker: where this program lies. */
extern char __executable_start[], _end[];

void *self_room(struct zygote *z, uint64_t bytes)
{
	if (!z->room)
		z->room = ARENA_BASE + PAGE_UP(sizeof *z);
	uint64_t at = z->room;
	if (at + bytes > SCRATCH_BASE)
		fail(z, RESTORE_TABLES, -12, 0);
	need(z, RESTORE_TABLES,
		 SYS(mmap, at, PAGE_UP(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0), 0);
	z->room = at + PAGE_UP(bytes);
	return (void *)at;
}

static void read_all(struct zygote *z, void *to, uint64_t bytes, uint64_t offset)
{
	for (uint64_t done = 0; done < bytes;) {
		long n = need(z, RESTORE_TABLES, SYS(pread64, z->image, (char *)to + done, bytes - done, offset + done), 0);
		if (n == 0)
			fail(z, RESTORE_TABLES, -5, 0);
		done += (uint64_t)n;
	}
}

/* Tables are copied to anonymous memory: a restored process reads them without a fault. What belongs into /tmp stays away:
 * it is the last of them. */
void self_load_tables(struct zygote *z)
{
	struct image_head *head = self_room(z, sizeof *head);
	read_all(z, head, sizeof *head, 0);
	uint64_t first = head->head_bytes, last = head->tables[IMAGE_TMP].offset;
	char *bytes = self_room(z, last);
	read_all(z, bytes + first, last - first, first);
	const struct {
		enum image_table table;
		const void **rows;
		uint32_t *count;
	} places[] = {
		{IMAGE_PROCESSES, (const void **)&z->processes, &z->process_count},
		{IMAGE_THREADS, (const void **)&z->threads, &z->thread_count},
		{IMAGE_VMAS, (const void **)&z->vmas, &z->vma_count},
		{IMAGE_RUNS, (const void **)&z->runs, NULL},
		{IMAGE_FILES, (const void **)&z->files, &z->file_count},
		{IMAGE_OBJECTS, (const void **)&z->objects, &z->object_count},
		{IMAGE_FDS, (const void **)&z->fds, &z->fd_count},
		{IMAGE_WATCHES, (const void **)&z->watches, &z->watch_count},
		{IMAGE_BLOB, (const void **)&z->blob, NULL},
	};
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		*places[i].rows = bytes + head->tables[places[i].table].offset;
		if (places[i].count)
			*places[i].count = head->tables[places[i].table].count;
	}
	z->head = head;
}

/* A program whose file is mapped cannot say that it is another one (memory_describe). */
static void move_program(struct zygote *z)
{
	uint64_t start = (uint64_t)__executable_start, bytes = PAGE_UP((uint64_t)_end - start);
	long copy = need(z, RESTORE_MAP, SYS(mmap, 0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 0);
	memcpy((void *)copy, __executable_start, (uint64_t)_end - start);
	need(z, RESTORE_MAP, SYS(mprotect, copy, bytes, PROT_READ | PROT_EXEC), 0);
	need(z, RESTORE_MAP, SYS(mremap, copy, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, start), 0);
}

static void move(struct zygote *z, uint64_t from, uint64_t to, uint64_t bytes)
{
	if (bytes && from != to)
		need(z, RESTORE_VDSO, SYS(mremap, from, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, to), 0);
}

/* The kernel's own mappings come in one block, the same in every process of one kernel. They are where the image's may be,
 * and the image's where they may be: both ways through a place that images leave free. */
void self_clear(struct zygote *z, const struct image_process *p, uint64_t own_vdso)
{
	const uint64_t parts[][2] = {{p->vvar_start, p->vvar_end}, {p->vclock_start, p->vclock_end}, {p->vdso_start, p->vdso_end}};
	static const uint64_t scratch[] = {SCRATCH_BASE, SCRATCH_BASE + 0x100000, SCRATCH_BASE + 0x200000};
	bool any = own_vdso && p->vdso_start;
	for (int i = 0; any && i < 3; i++)
		move(z, parts[i][0] - p->vdso_start + own_vdso, scratch[i], parts[i][1] - parts[i][0]);
	need(z, RESTORE_MAP, SYS(munmap, 0, RESTORER_BASE), 0);
	need(z, RESTORE_MAP, SYS(munmap, RESTORER_END, USER_END - RESTORER_END), 0);
	for (int i = 0; any && i < 3; i++)
		move(z, scratch[i], parts[i][0], parts[i][1] - parts[i][0]);
}

void self_move(struct zygote *z, uint64_t own_vdso)
{
	move_program(z);
	self_clear(z, z->processes, own_vdso);
}
