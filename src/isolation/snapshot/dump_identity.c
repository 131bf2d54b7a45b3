/* Which number the runtime's process gets when it is restored.
 *
 * A library that wants to notice a fork compares process numbers: OpenSSL then seeds its generator anew, which clones need.
 * glibc keeps the first thread's number where the kernel clears it at the thread's end (set_tid_address), so the restorer can
 * change it there. Go keeps it in places of its own and sends signals to it: it stays, and so it does where other processes
 * know the number. */
#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "isolation/snapshot/dump_priv.h"

#define FIRST_NEW_PID 32000u /* far above what a sandbox that was just made has given out, below the smallest limit */
#define LAST_NEW_PID 32700u
#define TCB_BYTES 4096u /* of glibc's struct pthread, generously */
#define MAX_SECTIONS 256u
#define MAX_NAMES 16384u

/* A section that the Go linker writes into each program. */
static bool is_go(int exe)
{
	static const char mark[] = ".go.buildinfo";
	Elf64_Ehdr head;
	Elf64_Shdr sections[MAX_SECTIONS];
	char names[MAX_NAMES];
	if (pread(exe, &head, sizeof head, 0) != (ssize_t)sizeof head || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
	    head.e_shentsize != sizeof sections[0] || head.e_shnum > MAX_SECTIONS || head.e_shstrndx >= head.e_shnum)
		return false;
	ssize_t n = (ssize_t)(head.e_shnum * sizeof sections[0]);
	if (pread(exe, sections, (size_t)n, (off_t)head.e_shoff) != n)
		return false;
	const Elf64_Shdr *strings = &sections[head.e_shstrndx];
	size_t bytes = strings->sh_size < sizeof names ? strings->sh_size : sizeof names;
	return pread(exe, names, bytes, (off_t)strings->sh_offset) == (ssize_t)bytes && memmem(names, bytes, mark, sizeof mark);
}

static bool glibc_keeps_it(const struct dump_process *p, const struct image_thread *t)
{
	uint32_t kept;
	return t->tid_address >= t->fs_base && t->tid_address < t->fs_base + TCB_BYTES &&
	       dump_peek(p, t->tid_address, &kept, sizeof kept) == 0 && kept == t->tid;
}

static bool is_taken(struct dump *d, uint32_t pid)
{
	for (uint32_t i = 0; i < image_built_count(&d->image, IMAGE_THREADS); i++) {
		const struct image_thread *t = image_built_row(&d->image, IMAGE_THREADS, i);
		if (t->tid == pid)
			return true;
	}
	return false;
}

int dump_new_pid(struct dump *d, struct error *err)
{
	struct dump_process *p = &d->processes[0];
	const struct image_thread *leader = image_built_row(&d->image, IMAGE_THREADS, p->row.thread);
	CLEANUP_CLOSE int exe = openat(p->proc, "exe", O_RDONLY | O_CLOEXEC);
	if (exe < 0)
		return error_sys(err, "cannot open the program of process %u", p->inner);
	if (d->count > 1 || !glibc_keeps_it(p, leader) || is_go(exe))
		return 0;
	for (uint32_t pid = FIRST_NEW_PID; pid < LAST_NEW_PID; pid++) {
		if (!is_taken(d, pid)) {
			p->row.new_pid = pid;
			return 0;
		}
	}
	return 0;
}
