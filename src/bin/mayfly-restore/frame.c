#include <asm/sigcontext.h>
#include <asm/signal.h>
#include <asm/ucontext.h>

#include "bin/mayfly-restore/zygote.h"

#define USER_CS 0x33
#define USER_SS 0x2b
#define UP_64(n) (((n) + 63) & ~63ull)
/* Where the kernel's copy of the extended state keeps which of its parts are there. */
#define XSTATE_FEATURES 464

static uint64_t frame_bytes(const struct image_thread *t)
{
	return UP_64(t->xstate_bytes + FP_XSTATE_MAGIC2_SIZE) + UP_64(sizeof(struct ucontext));
}

static void put_xstate(unsigned char *at, const void *state, uint32_t bytes)
{
	struct _fpx_sw_bytes *words = (struct _fpx_sw_bytes *)(at + XSTATE_FEATURES);
	const uint32_t end = FP_XSTATE_MAGIC2;
	uint64_t features;
	memcpy(at, state, bytes);
	memcpy(&features, at + XSTATE_FEATURES, sizeof features);
	*words = (struct _fpx_sw_bytes){.magic1 = FP_XSTATE_MAGIC1,
									.extended_size = bytes + FP_XSTATE_MAGIC2_SIZE,
									.xfeatures = features,
									.xstate_size = bytes};
	memcpy(at + bytes, &end, sizeof end);
}

static void put_registers(struct sigcontext *c, const struct image_thread *t)
{
	*c = (struct sigcontext){.r8 = t->r8,
							 .r9 = t->r9,
							 .r10 = t->r10,
							 .r11 = t->r11,
							 .r12 = t->r12,
							 .r13 = t->r13,
							 .r14 = t->r14,
							 .r15 = t->r15,
							 .rdi = t->di,
							 .rsi = t->si,
							 .rbp = t->bp,
							 .rbx = t->bx,
							 .rdx = t->dx,
							 .rax = t->ax,
							 .rcx = t->cx,
							 .rsp = t->sp,
							 .rip = t->ip,
							 .eflags = t->flags,
							 .cs = USER_CS,
							 .ss = USER_SS};
}

static uint64_t make(const struct zygote *z, const struct image_thread *t, unsigned char *at)
{
	struct ucontext *u = (struct ucontext *)(at + UP_64(t->xstate_bytes + FP_XSTATE_MAGIC2_SIZE));
	put_xstate(at, z->blob + t->xstate, t->xstate_bytes);
	u->uc_flags = UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
	u->uc_stack.ss_sp = (void *)(uintptr_t)t->altstack;
	u->uc_stack.ss_flags = (int)t->altstack_flags;
	u->uc_stack.ss_size = t->altstack_bytes;
	put_registers(&u->uc_mcontext, t);
	u->uc_mcontext.fpstate = (void *)at;
	u->uc_sigmask = t->sigmask;
	return (uint64_t)u;
}

void frame_make_all(struct zygote *z)
{
	uint64_t bytes = 0;
	for (uint32_t i = 0; i < z->thread_count; i++)
		bytes += frame_bytes(&z->threads[i]);
	unsigned char *at = self_room(z, bytes);
	for (uint32_t i = 0; i < z->thread_count; i++) {
		z->frames[i] = make(z, &z->threads[i], at);
		at += frame_bytes(&z->threads[i]);
	}
	z->thread_stacks = self_room(z, (uint64_t)z->thread_count * THREAD_STACK);
}
