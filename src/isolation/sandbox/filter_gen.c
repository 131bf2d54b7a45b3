/* Run by the build: compiles filter.def with libseccomp and prints the BPF program as a C array, so that the server neither
 * links libseccomp nor spends time on it at start. */
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define NAMESPACES \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)
#define TYPE_MASK 0xfu /* the rest of socket()'s type are flags */
#define FAMILY_LAST 64u

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

static void by_name(scmp_filter_ctx ctx, uint32_t action, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int nr = seccomp_syscall_resolve_name(names[i]);
		/* Calls that this libseccomp does not know yet stay unknown to functions. */
		if (nr >= 0)
			must(seccomp_rule_add_array(ctx, action, nr, 0, NULL), names[i]);
	}
}

static void socket_family(scmp_filter_ctx ctx, uint32_t family)
{
	const struct scmp_arg_cmp is = SCMP_A0_32(SCMP_CMP_EQ, family);
	if (family == AF_UNIX) {
		must(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, is), "socket");
	} else if (family == AF_INET || family == AF_INET6) {
		for (uint32_t type = 0; type <= TYPE_MASK; type++) {
			uint32_t action = type == SOCK_STREAM || type == SOCK_DGRAM ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM);
			must(seccomp_rule_add(ctx, action, SCMP_SYS(socket), 2, is, SCMP_A1_32(SCMP_CMP_MASKED_EQ, TYPE_MASK, type)), "socket");
		}
	} else if (family == AF_NETLINK) { /* getifaddrs needs the protocol of routes, which is 0 */
		must(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2, is, SCMP_A2_32(SCMP_CMP_EQ, 0)), "socket");
		must(seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 2, is, SCMP_A2_32(SCMP_CMP_GE, 1)), "socket");
	} else {
		must(seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1, is), "socket");
	}
}

static void conditions(scmp_filter_ctx ctx)
{
	for (uint32_t family = 0; family < FAMILY_LAST; family++)
		socket_family(ctx, family);
	must(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, NAMESPACES, 0)), "clone");
	for (unsigned bit = 0; bit < 32; bit++) {
		uint64_t flag = 1ull << bit;
		if (flag & NAMESPACES)
			must(seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, flag, flag)), "clone");
	}
	/* PER_LINUX, PER_LINUX32, with UNAME26, and the question. clone3 hides its flags in memory: as if it were not there. */
	static const uint32_t personalities[] = {0, 8, 0x20000, 0x20008, 0xffffffff};
	for (size_t i = 0; i < sizeof personalities / sizeof *personalities; i++)
		must(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(personality), 1, SCMP_A0_32(SCMP_CMP_EQ, personalities[i])), "personality");
}

static void print(int fd)
{
	struct {
		uint16_t code;
		uint8_t jt, jf;
		uint32_t k;
	} insn;
	printf("/* Generated from filter.def. */\n");
	while (read(fd, &insn, sizeof insn) == (ssize_t)sizeof insn)
		printf("{%#x, %u, %u, %#x},\n", insn.code, insn.jt, insn.jf, insn.k);
}

int main(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int fd = memfd_create("filter", 0);
	if (!ctx || fd < 0)
		return 1;
	must(seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS)), "foreign architectures");
	must(seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2), "binary tree");
	by_name(ctx, SCMP_ACT_ALLOW, allowed, sizeof allowed / sizeof *allowed);
	by_name(ctx, SCMP_ACT_ERRNO(EPERM), refused, sizeof refused / sizeof *refused);
	conditions(ctx);
	must(seccomp_export_bpf(ctx, fd), "export");
	lseek(fd, 0, SEEK_SET);
	print(fd);
	seccomp_release(ctx);
	close(fd);
	return 0;
}
