#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <linux/signal.h>

#include "bin/mayfly-restore/zygote.h"
#include "isolation/sandbox/filter.h"

#define BIT(cap) (1ull << (cap))

/* Of the zygote, on the host. */
#define KEPT \
	(BIT(CAP_SYS_ADMIN)    /* setns into the sandbox's namespaces; PR_SET_MM_MAP with another program */ \
	 | BIT(CAP_SYS_CHROOT) /* setns into a mount namespace */ \
	 | BIT(CAP_SYS_PTRACE) /* setns by a pidfd of mayfly-init, which cannot be traced */)

/* Of a restored process while it makes threads, in the sandbox's user namespace only. */
#define WHILE_RESTORING BIT(CAP_CHECKPOINT_RESTORE) /* set_tid; PR_SET_MM_MAP with another program */

static long keep(uint64_t caps)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	uint32_t low = (uint32_t)caps, high = (uint32_t)(caps >> 32);
	struct __user_cap_data_struct data[2] = {{low, low, 0}, {high, high, 0}};
	return SYS(capset, &head, data);
}

void identity_of_zygote(struct zygote *z)
{
	while (SYS(prctl, PR_CAPBSET_READ, z->last_cap + 1, 0, 0, 0) >= 0)
		z->last_cap++;
	SYS(prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
	need(z, RESTORE_TABLES, SYS(setgroups, 0, 0), 1);
	need(z, RESTORE_TABLES, SYS(prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 2);
	need(z, RESTORE_TABLES, keep(KEPT), 3);
	need(z, RESTORE_TABLES, SYS(prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0), 4);
}

/* Joining the user namespace gave us every right in it, and none elsewhere. As confine.c does for a plain start, but at once
 * for all threads and children, who inherit it. */
void identity_give_up(struct zygote *z)
{
	static const long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED |
	                         SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
	uint32_t uid = z->request.wire.uid, gid = z->request.wire.gid;
	for (uint32_t cap = 0; cap <= z->last_cap; cap++)
		need(z, RESTORE_IDENTITY, SYS(prctl, PR_CAPBSET_DROP, cap, 0, 0, 0), cap);
	need(z, RESTORE_IDENTITY, SYS(prctl, PR_SET_SECUREBITS, bits, 0, 0, 0), 100);
	need(z, RESTORE_IDENTITY, SYS(setresgid, gid, gid, gid), 101);
	need(z, RESTORE_IDENTITY, SYS(setresuid, uid, uid, uid), 102);
	need(z, RESTORE_IDENTITY, keep(WHILE_RESTORING), 103);
	/* The change of identity closed /proc/self to its owner. */
	need(z, RESTORE_IDENTITY, SYS(prctl, PR_SET_DUMPABLE, z->processes[0].dumpable == 1, 0, 0, 0), 104);
}

void identity_nothing(struct zygote *z)
{
	need(z, RESTORE_IDENTITY, keep(0), 105);
}

#define ARGUMENT(i, half) ((uint32_t)(offsetof(struct seccomp_data, args) + 8 * (i) + 4 * (half)))
#define LOAD BPF_LD | BPF_W | BPF_ABS
#define KEY_WORDS 4u

/* Loading the filter takes longer than all the rest of a restore, so it is loaded once, here, and inherited. What a restore
 * needs beyond it, setns and clone3, is allowed to who knows a key of 128 random bits, which no function ever sees. All words
 * are compared, so that the time taken tells nothing. */
static uint32_t put_exception(struct sock_filter *f, const struct sys_key *key)
{
	uint32_t words[KEY_WORDS], n = 0;
	memcpy(words, key->words, sizeof words);
	f[n++] = (struct sock_filter)BPF_STMT(LOAD, offsetof(struct seccomp_data, nr));
	f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_setns, 1, 0);
	f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_clone3, 0, 3 + 4 * KEY_WORDS);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_LDX | BPF_W | BPF_IMM, 0);
	for (uint32_t i = 0; i < KEY_WORDS; i++) {
		f[n++] = (struct sock_filter)BPF_STMT(LOAD, ARGUMENT(4 + i / 2, i % 2));
		f[n++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_XOR | BPF_K, words[i]);
		f[n++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_OR | BPF_X, 0);
		f[n++] = (struct sock_filter)BPF_STMT(BPF_MISC | BPF_TAX, 0);
	}
	f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	memset(words, 0, sizeof words);
	return n;
}

/* What is left of the key on the stack. */
static __attribute__((noinline)) void forget(void)
{
	char room[8192];
	memset(room, 0, sizeof room);
	__asm__ volatile("" : : "r"(room) : "memory");
}

static __attribute__((noinline)) void load_filter(struct zygote *z)
{
	size_t bytes;
	const void *filter = filter_program(&bytes);
	uint64_t room = bytes + 64 * sizeof(struct sock_filter);
	struct sock_filter *whole = (struct sock_filter *)need(z, RESTORE_FILTER, SYS(mmap, 0, room, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 0);
	if (need(z, RESTORE_FILTER, SYS(getrandom, &z->key, sizeof z->key, 0), 1) != (long)sizeof z->key)
		fail(z, RESTORE_FILTER, -5, 1);
	uint32_t n = put_exception(whole, &z->key);
	memcpy(whole + n, filter, bytes);
	struct sock_fprog program = {(unsigned short)(n + bytes / sizeof *whole), whole};
	need(z, RESTORE_FILTER, SYS(seccomp, SECCOMP_SET_MODE_FILTER, 0, &program), 2);
	SYS(munmap, whole, room);
}

void identity_filter(struct zygote *z)
{
	load_filter(z);
	forget();
}
