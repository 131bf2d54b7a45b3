#include <elf.h>
#include <linux/mman.h>

#include "bin/mayfly-restore/zygote.h"

_Noreturn void start(const uint64_t *stack);
_Noreturn void start_loading(struct zygote *z, uint64_t own_vdso);

__asm__(".globl _start\n"
	"_start:\n\t"
	"xor %ebp, %ebp\n\t"
	"mov %rsp, %rdi\n\t"
	"and $-16, %rsp\n\t"
	"call start\n\t"
	"ud2\n"
	".section .note.GNU-stack,\"\",@progbits\n"
	".text\n");

static uint64_t auxiliary(const uint64_t *stack, uint64_t what)
{
	const uint64_t *p = stack + 1 + stack[0] + 1;
	while (*p)
		p++;
	for (p++; p[0] != AT_NULL; p += 2) {
		if (p[0] == what)
			return p[1];
	}
	return 0;
}

_Noreturn void start_loading(struct zygote *z, uint64_t own_vdso)
{
	identity_of_zygote(z);
	limits_of_zygote(z);
	self_load_tables(z);
	self_move(z, own_vdso);
	memory_map(z, z->processes);
	const struct image_process *leader = z->processes;
	memory_describe(z, leader, memory_has_own_exe(z, leader) ? -1 : RESTORE_FILES_FD + (int)leader->exe);
	frame_make_all(z);
	limits_inherit(z);
	fds_keep_low(z);
	lesson_start(z);
	request_prepare(z);
	identity_filter(z);
	struct restore_reply ready = {.step = RESTORE_READY, .bytes = z->head->page_count * IMAGE_PAGE};
	z->request.reply = z->socket;
	reply_send(z, &ready);
	spare_loop(z);
}

_Noreturn void start(const uint64_t *stack)
{
	uint64_t own_vdso = auxiliary(stack, AT_SYSINFO_EHDR);
	long at = SYS(mmap, ARENA_BASE, (sizeof(struct zygote) + IMAGE_PAGE - 1) & ~(uint64_t)(IMAGE_PAGE - 1),
				  PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (at != (long)ARENA_BASE)
		SYS(exit_group, 1);
	struct zygote *z = (struct zygote *)at;
	z->socket = RESTORE_SOCKET_FD;
	z->image = RESTORE_IMAGE_FD;
	z->request.reply = RESTORE_SOCKET_FD;
	/* The stack we came with goes away: another one. */
	register uint64_t top __asm__("r12") = (uint64_t)z->main_stack + MAIN_STACK;
	__asm__ volatile("mov %0, %%rsp\n\t"
			 "call start_loading\n\t"
			 "ud2"
			 :
			 : "r"(top), "D"(z), "S"(own_vdso)
			 : "memory");
	__builtin_unreachable();
}
