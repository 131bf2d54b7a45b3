/* Which pages restored processes need soon. A leader hands the zygote its /proc/self/pagemap (the functions' user may open it
 * for himself); a moment later the zygote reads in there what the function changed, and what it read of files. */
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
}

void lesson_give(struct zygote *z)
{
	union one_fd room = {0};
	char byte = 0;
	struct iovec data = {&byte, 1};
	struct msghdr msg = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = room.bytes, .msg_controllen = sizeof room.bytes};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	int pagemap = z->lesson_wanted ? (int)SYS(openat, AT_FDCWD, "/proc/self/pagemap", O_RDONLY | O_CLOEXEC) : -1;
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

static void add(struct zygote *z, uint32_t *pages, uint64_t address, bool written)
{
	struct hot *last = z->hot_count ? &z->hot[z->hot_count - 1] : NULL;
	uint64_t end = last ? last->address + (uint64_t)last->pages * IMAGE_PAGE : 0;
	if (*pages >= HOT_PAGES)
		return;
	if (last && last->written == written && address >= end && address - end <= (written ? 0 : GAP * IMAGE_PAGE)) {
		*pages += (uint32_t)((address - end) / IMAGE_PAGE) + 1;
		last->pages = (uint32_t)((address + IMAGE_PAGE - last->address) / IMAGE_PAGE);
	} else if (z->hot_count < HOT_RUNS) {
		z->hot[z->hot_count++] = (struct hot){address, 1, written};
		(*pages)++;
	}
}

/* False: there is nothing to be read, the process is gone. */
static bool look_at(struct zygote *z, uint32_t *pages, const struct image_vma *v, int pagemap)
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
				add(z, pages, at, written);
		}
	}
	return true;
}

/* Memory that is reserved and not used, as virtual machines have it by the gigabyte, takes long to look through. */
static bool is_worth_it(const struct image_vma *v)
{
	return v->kind != VMA_SHARED_ANON && !(v->flags & (VMA_SHARED | VMA_WIPE_ON_FORK | VMA_DROPPABLE | VMA_DONT_FORK)) &&
	       (v->protection & 1 /* PROT_READ */) && v->end - v->start <= HOT_MAPPING;
}

bool lesson_read(struct zygote *z, int pagemap)
{
	const struct image_process *p = z->processes;
	uint32_t pages = 0, before = z->hot_count;
	z->hot_count = 0;
	for (uint32_t i = p->vma; i < p->vma + p->vma_count; i++) {
		if (is_worth_it(&z->vmas[i]) && !look_at(z, &pages, &z->vmas[i], pagemap)) {
			z->hot_count = before; /* a part of the old ones may be overwritten by new ones: as good */
			return false;
		}
	}
	return true;
}
