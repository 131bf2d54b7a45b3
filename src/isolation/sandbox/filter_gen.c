/* Run by the build: compiles filter.def and prints the BPF program as a C array. libseccomp knows the numbers of the calls; its
 * own programs have four times as many instructions, which took 0.4 ms of every start. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define NAMESPACES \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)
#define TYPE_MASK 0xfu /* the rest of socket()'s type are flags */
#define FAMILY_LAST 64u
#define CALLS 512 /* above all numbers; one is in no list */
#define ARGUMENT(i) (offsetof(struct seccomp_data, args) + 8 * (i)) /* its lower half */

static const char *const allowed[] = {
#define A(name) #name,
#define D(name)
#include "isolation/sandbox/filter.def"
#undef A
#undef D
};

static const char *const refused[] = {
#define A(name)
#define D(name) #name,
#include "isolation/sandbox/filter.def"
#undef A
#undef D
};

static void must(int rc, const char *what)
{
	if (rc < 0) {
		fprintf(stderr, "filter_gen: %s: error %d\n", what, -rc);
		exit(1);
	}
}

/* What is done with a call; the last three look at its arguments. */
enum fate { UNKNOWN, ALLOWED, REFUSED, SOCKET, CLONE, PERSONALITY, FATES };

static enum fate fates[CALLS];

static void by_name(enum fate fate, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int nr = seccomp_syscall_resolve_name(names[i]);
		must(nr < CALLS ? 0 : -ERANGE, names[i]);
		/* Calls that this libseccomp does not know yet stay unknown to functions. */
		if (nr >= 0)
			fates[nr] = fate;
	}
}

/* The program: a binary search over ranges of numbers with one fate, then what looks at arguments, then the three answers. Each
 * instruction costs a start some time (the kernel compiles the program for every process), so there are as few as can be.
 * Jumps go to labels until all is laid out. */
struct insn {
	uint16_t code;
	uint32_t k;
	unsigned yes, no; /* labels; 0: the next instruction */
};

enum { LABELS = FATES + 1, INSNS_MAX = 250 }; /* a jump reaches 255 instructions */

static struct insn program[INSNS_MAX];
static unsigned length, places[LABELS];

static unsigned label_of(enum fate fate)
{
	return (unsigned)fate + 1;
}

static unsigned emit(uint16_t code, uint32_t k, unsigned yes, unsigned no)
{
	must(length < INSNS_MAX ? 0 : -E2BIG, "program");
	program[length] = (struct insn){code, k, yes, no};
	return length++;
}

static void place(enum fate fate)
{
	places[label_of(fate)] = length;
}

static void load(uint32_t offset)
{
	emit(BPF_LD | BPF_W | BPF_ABS, offset, 0, 0);
}

static void when(uint16_t test, uint32_t k, enum fate yes)
{
	emit((uint16_t)(BPF_JMP | test | BPF_K), k, label_of(yes), 0);
}

/* Ranges first..last; both arms of a test are either a fate or laid out behind it, the left one at once. */
static void search(const uint32_t *starts, unsigned first, unsigned last)
{
	unsigned middle = (first + last + 1) / 2;
	unsigned at = emit(BPF_JMP | BPF_JGE | BPF_K, starts[middle], 0, 0);
	if (middle - 1 == first)
		program[at].no = label_of(fates[starts[first]]);
	else
		search(starts, first, middle - 1);
	if (middle == last)
		program[at].yes = label_of(fates[starts[last]]);
	else {
		program[at].yes = LABELS + length; /* beyond the labels: a place */
		search(starts, middle, last);
	}
}

static void numbers(void)
{
	uint32_t starts[CALLS];
	unsigned n = 0;
	for (uint32_t nr = 0; nr < CALLS; nr++) {
		if (nr == 0 || fates[nr] != fates[nr - 1])
			starts[n++] = nr;
	}
	must(fates[CALLS - 1] == UNKNOWN ? 0 : -ERANGE, "numbers"); /* the last range goes on for ever: those of x32 are in it */
	search(starts, 0, n - 1);
}

static void conditions(void)
{
	static const uint32_t personalities[] = {0, 8, 0x20000, 0x20008, 0xffffffff};
	place(SOCKET);
	load(ARGUMENT(0));
	when(BPF_JEQ, AF_UNIX, ALLOWED);
	when(BPF_JGE, FAMILY_LAST, UNKNOWN);
	unsigned netlink = emit(BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 0, 0);
	unsigned inet = emit(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 0, 0);
	emit(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, label_of(REFUSED));
	program[inet].yes = LABELS + length;
	load(ARGUMENT(1));
	emit(BPF_ALU | BPF_AND | BPF_K, TYPE_MASK, 0, 0);
	when(BPF_JEQ, SOCK_STREAM, ALLOWED);
	emit(BPF_JMP | BPF_JEQ | BPF_K, SOCK_DGRAM, label_of(ALLOWED), label_of(REFUSED));
	program[netlink].yes = LABELS + length; /* getifaddrs needs the protocol of routes, which is 0 */
	load(ARGUMENT(2));
	emit(BPF_JMP | BPF_JEQ | BPF_K, 0, label_of(ALLOWED), label_of(REFUSED));
	place(CLONE);
	load(ARGUMENT(0));
	emit(BPF_JMP | BPF_JSET | BPF_K, NAMESPACES, label_of(REFUSED), label_of(ALLOWED));
	/* PER_LINUX, PER_LINUX32, with UNAME26, and the question. clone3 hides its flags in memory: as if it were not there. */
	place(PERSONALITY);
	load(ARGUMENT(0));
	for (size_t i = 0; i < sizeof personalities / sizeof *personalities; i++)
		when(BPF_JEQ, personalities[i], ALLOWED);
	place(UNKNOWN);
	emit(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS, 0, 0);
	place(ALLOWED);
	emit(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
	place(REFUSED);
	emit(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM, 0, 0);
}

static unsigned distance(unsigned from, unsigned label)
{
	if (label == 0)
		return 0;
	return (label > LABELS ? label - LABELS : places[label]) - from - 1;
}

static void print(void)
{
	printf("/* Generated from filter.def. */\n");
	for (unsigned i = 0; i < length; i++)
		printf("{%#x, %u, %u, %#x},\n", program[i].code, distance(i, program[i].yes), distance(i, program[i].no), program[i].k);
}

int main(void)
{
	by_name(ALLOWED, allowed, sizeof allowed / sizeof *allowed);
	by_name(REFUSED, refused, sizeof refused / sizeof *refused);
	fates[SYS_socket] = SOCKET;
	fates[SYS_clone] = CLONE;
	fates[SYS_personality] = PERSONALITY;
	load(offsetof(struct seccomp_data, arch));
	emit(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, label_of(UNKNOWN));
	load(offsetof(struct seccomp_data, nr));
	numbers();
	conditions();
	print();
	return 0;
}
