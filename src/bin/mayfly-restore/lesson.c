/* Which pages restored processes need soon. A leader hands the zygote its /proc/self/pagemap (the functions' user may open it
 * for himself); a moment later the zygote reads in there what the function changed, and what it read of files.
 *
 * Nothing is prepared until all lessons are there, since what was prepared looks as if the function had changed it; then what
 * all lessons saw changed is, and what any of them saw read. */
#include <fcntl.h>
#include <sys/socket.h>

#include "bin/mayfly-restore/zygote.h"

#define ENTRIES 512u
#define PRESENT (1ull << 63)
#define OF_FILE (1ull << 61)   /* or shared memory */
#define EXCLUSIVE (1ull << 56) /* mapped by this process only: it is not the zygote's any more */
#define GAP 2u                 /* pages between two runs that are worth one call less */

union one_fd {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int))];
};

void lesson_start(struct zygote *z)
{
	need(z, RESTORE_FDS, SYS(socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, z->lesson), 3);
	z->lessons = self_room(z, RESTORE_LESSONS * sizeof *z->lessons);
}

void lesson_give(struct zygote *z)
{
	union one_fd room = {0};
	char byte = 0;
	struct iovec data = {&byte, 1};
	struct msghdr msg = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = room.bytes, .msg_controllen = sizeof room.bytes};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	int pagemap = z->request.wire.teach ? (int)SYS(openat, AT_FDCWD, "/proc/self/pagemap", O_RDONLY | O_CLOEXEC) : -1;
	if (pagemap < 0)
		return;
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof pagemap);
	memcpy(CMSG_DATA(c), &pagemap, sizeof pagemap);
	SYS(sendmsg, z->lesson[1], &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int lesson_receive(struct zygote *z)
{
	union one_fd room;
	char byte;
	int fd = -1;
	struct iovec data = {&byte, 1};
	struct msghdr msg = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = room.bytes, .msg_controllen = sizeof room.bytes};
	if (SYS(recvmsg, z->lesson[0], &msg, MSG_CMSG_CLOEXEC) > 0 && CMSG_FIRSTHDR(&msg))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof fd);
	return fd;
}

static void add(struct hot_pages *hot, uint64_t address, bool written)
{
	struct hot *last = hot->count ? &hot->runs[hot->count - 1] : NULL;
	uint64_t end = last ? last->address + (uint64_t)last->pages * IMAGE_PAGE : 0;
	if (hot->pages[written] >= HOT_PAGES)
		return;
	if (last && last->written == written && address >= end && address - end <= (written ? 0 : GAP * IMAGE_PAGE)) {
		hot->pages[written] += (uint32_t)((address - end) / IMAGE_PAGE) + 1;
		last->pages = (uint32_t)((address + IMAGE_PAGE - last->address) / IMAGE_PAGE);
	} else if (hot->count < HOT_RUNS) {
		hot->runs[hot->count++] = (struct hot){address, 1, written};
		hot->pages[written]++;
	}
}

/* False: there is nothing to be read, the process is gone. */
static bool look_at(struct hot_pages *lesson, const struct image_vma *v, int pagemap)
{
	uint64_t entries[ENTRIES];
	bool writable = v->protection & 2 /* PROT_WRITE */;
	for (uint64_t at = v->start; at < v->end;) {
		uint64_t want = (v->end - at) / IMAGE_PAGE < ENTRIES ? (v->end - at) / IMAGE_PAGE : ENTRIES;
		long got = SYS(pread64, pagemap, entries, want * sizeof *entries, at / IMAGE_PAGE * sizeof *entries);
		if (got < (long)sizeof *entries)
			return false;
		for (uint64_t i = 0; i < (uint64_t)got / sizeof *entries; i++, at += IMAGE_PAGE) {
			bool written = (entries[i] & EXCLUSIVE) && writable && !(entries[i] & OF_FILE);
			if ((entries[i] & PRESENT) && (written || (entries[i] & OF_FILE)))
				add(lesson, at, written);
		}
	}
	return true;
}

/* Memory that is reserved and not used, as virtual machines have it by the gigabyte, takes long to look through. */
static bool is_worth_it(const struct image_vma *v)
{
	return v->kind != VMA_SHARED_ANON && !(v->flags & (VMA_SHARED | VMA_WIPE_ON_FORK | VMA_DROPPABLE)) &&
	       (v->protection & 1 /* PROT_READ */) && v->end - v->start <= HOT_MAPPING;
}

/* ---- what they have in common ---- */

struct vote {
	unsigned written, seen;
};

/* Runs are in the order of addresses; `at` holds each lesson's place. */
static struct vote vote_on(const struct zygote *z, uint32_t at[RESTORE_LESSONS], uint64_t page, uint64_t *next)
{
	struct vote v = {0};
	*next = UINT64_MAX;
	for (unsigned i = 0; i < RESTORE_LESSONS; i++) {
		const struct hot_pages *l = &z->lessons[i];
		while (at[i] < l->count && l->runs[at[i]].address + (uint64_t)l->runs[at[i]].pages * IMAGE_PAGE <= page)
			at[i]++;
		if (at[i] == l->count)
			continue;
		const struct hot *run = &l->runs[at[i]];
		bool in = run->address <= page;
		v.seen += in;
		v.written += in && run->written;
		uint64_t then = in ? page + IMAGE_PAGE : run->address;
		*next = then < *next ? then : *next;
	}
	return v;
}

static void publish(struct zygote *z)
{
	uint32_t at[RESTORE_LESSONS] = {0};
	for (uint64_t page = 0, next; page != UINT64_MAX; page = next) {
		struct vote v = vote_on(z, at, page, &next);
		if (v.written == RESTORE_LESSONS)
			add(&z->hot, page, true);
		else if (v.seen > v.written)
			add(&z->hot, page, false);
	}
}

void lesson_read(struct zygote *z, int pagemap)
{
	const struct image_process *p = z->processes;
	struct hot_pages *lesson = &z->lessons[z->lesson_count];
	if (z->lesson_count == RESTORE_LESSONS)
		return;
	lesson->count = lesson->pages[0] = lesson->pages[1] = 0;
	for (uint32_t i = p->vma; i < p->vma + p->vma_count; i++) {
		if (is_worth_it(&z->vmas[i]) && !look_at(lesson, &z->vmas[i], pagemap))
			return;
	}
	if (++z->lesson_count == RESTORE_LESSONS)
		publish(z);
}
