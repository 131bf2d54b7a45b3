/* What a restored process needed: a request of kind RESTORE_LEARN brings its /proc/PID/pagemap, opened by who may. Runs in a
 * spare, which then ends without having restored anything. */
#include "bin/mayfly-restore/zygote.h"

#define ENTRIES 512u
#define PRESENT (1ull << 63)
#define OF_FILE (1ull << 61)   /* or shared memory */
#define EXCLUSIVE (1ull << 56) /* mapped by this process only: it is not the zygote's any more */
#define GAP 2u                 /* pages between two runs that are worth one call less */

struct learning {
	struct zygote *z;
	struct hot *out;
	uint32_t count, pages;
};

static void add(struct learning *l, uint64_t address, bool written)
{
	struct hot *last = l->count ? &l->out[l->count - 1] : NULL;
	uint64_t end = last ? last->address + (uint64_t)last->pages * IMAGE_PAGE : 0;
	if (l->pages >= HOT_PAGES)
		return;
	if (last && last->written == written && address >= end && address - end <= (written ? 0 : GAP * IMAGE_PAGE)) {
		l->pages += (uint32_t)((address - end) / IMAGE_PAGE) + 1;
		last->pages = (uint32_t)((address + IMAGE_PAGE - last->address) / IMAGE_PAGE);
		return;
	}
	if (l->count == HOT_RUNS)
		return;
	l->out[l->count++] = (struct hot){address, 1, written};
	l->pages++;
}

static void look_at(struct learning *l, const struct image_vma *v, int pagemap)
{
	uint64_t entries[ENTRIES];
	bool writable = v->protection & 2 /* PROT_WRITE */;
	for (uint64_t at = v->start; at < v->end;) {
		uint64_t want = (v->end - at) / IMAGE_PAGE < ENTRIES ? (v->end - at) / IMAGE_PAGE : ENTRIES;
		long got = SYS(pread64, pagemap, entries, want * 8, at / IMAGE_PAGE * 8);
		if (got < 8)
			return;
		for (uint64_t i = 0; i < (uint64_t)got / 8; i++, at += IMAGE_PAGE) {
			if (!(entries[i] & PRESENT))
				continue;
			if (entries[i] & OF_FILE)
				add(l, at, false);
			else if ((entries[i] & EXCLUSIVE) && writable)
				add(l, at, true);
		}
	}
}

/* Memory that is reserved and not used, as virtual machines have it by the gigabyte, takes long to look through. */
static bool is_worth_it(const struct image_vma *v)
{
	return v->kind != VMA_SHARED_ANON && !(v->flags & (VMA_SHARED | VMA_WIPE_ON_FORK | VMA_DROPPABLE | VMA_DONT_FORK)) &&
	       (v->protection & 1 /* PROT_READ */) && v->end - v->start <= HOT_MAPPING;
}

void learn(struct zygote *z, int pagemap)
{
	struct learning l = {z, z->learned, 0, 0};
	const struct image_process *p = z->processes;
	for (uint32_t i = p->vma; i < p->vma + p->vma_count; i++) {
		if (is_worth_it(&z->vmas[i]))
			look_at(&l, &z->vmas[i], pagemap);
	}
	const unsigned char *from = (const unsigned char *)z->learned;
	for (uint64_t n = l.count * sizeof *z->learned; n;) {
		long put = SYS(write, z->taken, from, n);
		if (put <= 0)
			return;
		from += put;
		n -= (uint64_t)put;
	}
}
