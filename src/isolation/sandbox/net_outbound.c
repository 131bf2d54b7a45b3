/* Outbound access of one environment; see net.h. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/base/io.h"
#include "isolation/sandbox/net.h"
#include "isolation/sandbox/net_priv.h"

/* 198.18.0.0/15 is set aside for tests of network gear: no real network uses it. A /30 for each slot. */
#define NETWORK 0xc6120000u
#define MASK 0xfffffffcu
#define INNER "eth0"
#define SCRIPT_MAX 4096

static const char *const nft_places[] = {"/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft", "/usr/local/sbin/nft"};

static const char *find_nft(void)
{
	for (size_t i = 0; i < ARRAY_LEN(nft_places); i++) {
		if (access(nft_places[i], X_OK) == 0)
			return nft_places[i];
	}
	return NULL;
}

static _Noreturn void become_nft(const char *nft, int input)
{
	static char *const env[] = {NULL};
	const char *const argv[] = {nft, "-f", "-", NULL};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	dup2(input, 0);
	dup2(null, 1);
	execve(nft, (char *const *)(uintptr_t)argv, env);
	_exit(127);
}

static int run_nft(const char *script, struct error *err)
{
	const char *nft = find_nft();
	int pipe_fds[2], status;
	if (!nft)
		return error_set(err, ERR_UNSUPPORTED, "the program nft is missing (apt-get install nftables)");
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return error_sys(err, "cannot make a pipe");
	pid_t pid = fork();
	if (pid == 0)
		become_nft(nft, pipe_fds[0]);
	close(pipe_fds[0]);
	/* Less than a pipe holds, so this does not wait for a program that may not have started. */
	int rc = pid < 0 ? -1 : io_write_full(pipe_fds[1], script, strlen(script));
	close(pipe_fds[1]);
	if (rc < 0 || waitpid(pid, &status, 0) != pid)
		return error_sys(err, "cannot run %s", nft);
	return status == 0 ? 0 : error_set(err, ERR_SYSTEM, "%s refuses the rules (status %#x)", nft, status);
}

static bool machine_forwards(void)
{
	CLEANUP_FREE char *text = io_read_file(AT_FDCWD, "/proc/sys/net/ipv4/ip_forward", 16, NULL, NULL);
	return text && *text == '1';
}

/* The whole table at once, so that it is there completely or not at all; repeating it does no harm. */
static int put_rules(const char *id, struct error *err)
{
	char script[SCRIPT_MAX];
	/* We switch forwarding on for single interfaces. On a machine that did not forward, nothing but ours may pass. */
	const char *others = machine_forwards() ? "" : "drop";
	int n = snprintf(script, sizeof script,
		"table inet mayfly_%1$s\n"
		"delete table inet mayfly_%1$s\n"
		"table inet mayfly_%1$s {\n"
		" chain input { type filter hook input priority -10; policy accept;\n"
		"  iifname \"mf%1$s-*\" drop\n"
		" }\n"
		" chain forward { type filter hook forward priority -10; policy accept;\n"
		"  iifname \"mf%1$s-*\" meta nfproto ipv6 drop\n"
		"  iifname \"mf%1$s-*\" oifname \"mf*\" drop\n"
		"  iifname \"mf%1$s-*\" ip daddr { 0.0.0.0/8, 127.0.0.0/8, 169.254.0.0/16, 198.18.0.0/15, 224.0.0.0/4, 240.0.0.0/4 } drop\n"
		"  iifname \"mf%1$s-*\" accept\n"
		"  oifname \"mf%1$s-*\" ct state established,related accept\n"
		"  oifname \"mf%1$s-*\" drop\n"
		"  %2$s\n"
		" }\n"
		" chain postrouting { type nat hook postrouting priority srcnat; policy accept;\n"
		"  ip saddr 198.18.0.0/15 oifname != \"mf*\" masquerade\n"
		" }\n"
		"}\n", id, others);
	ASSERT(n > 0 && (size_t)n < sizeof script);
	return run_nft(script, err);
}

static int set_forwarding(const char *family, const char *interface, const char *what, const char *value, struct error *err)
{
	char path[128];
	snprintf(path, sizeof path, "/proc/sys/net/%s/conf/%s/%s", family, interface, what);
	return io_put(AT_FDCWD, path, value, err);
}

/* Answers come in by the interfaces of the default routes. */
static int forward_from_uplinks(struct error *err)
{
	CLEANUP_FREE char *text = io_read_file(AT_FDCWD, "/proc/net/route", 1 << 20, NULL, err);
	char name[NET_NAME_MAX];
	unsigned long destination;
	if (!text)
		return -1;
	for (char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		if (sscanf(line, "%15s %lx", name, &destination) == 2 && destination == 0 && strcmp(name, "Iface") != 0 &&
		    set_forwarding("ipv4", name, "forwarding", "1", err) < 0)
			return -1;
	}
	return 0;
}

int net_connect(const char *id, unsigned slot, pid_t pid, bool have_rules, struct error *err)
{
	char outer[NET_NAME_MAX];
	uint32_t network = NETWORK + slot * 4;
	if (slot >= NET_SLOTS_MAX)
		return error_set(err, ERR_UNSUPPORTED, "no address is left for slot %u", slot);
	snprintf(outer, sizeof outer, "mf%s-%u", id, slot);
	CLEANUP_CLOSE int target = (int)syscall(SYS_pidfd_open, pid, 0);
	if (target < 0)
		return error_sys(err, "the sandbox is gone");
	/* Rules first: there is no moment without them. */
	if (!have_rules && (put_rules(id, err) < 0 || forward_from_uplinks(err) < 0))
		return -1;
	/* The kernel takes its time to end a dead sandbox's network, so the slot's last pair may still be there. */
	net_remove_link(outer);
	if (net_make_pair(outer, INNER, pid, err) < 0)
		return -1;
	/* A kernel without IPv6 has nothing to switch off. */
	set_forwarding("ipv6", outer, "disable_ipv6", "1", NULL);
	if (net_configure(outer, network + 1, MASK, err) < 0 || set_forwarding("ipv4", outer, "forwarding", "1", err) < 0)
		return -1;
	if (setns(target, CLONE_NEWNET) < 0)
		return error_sys(err, "cannot join the sandbox's network");
	return net_configure(INNER, network + 2, MASK, err) < 0 ? -1 : net_default_route(network + 1, err);
}

void net_sweep(const char *id)
{
	char script[128];
	/* Making it first makes deleting it succeed. */
	snprintf(script, sizeof script, "table inet mayfly_%1$s\ndelete table inet mayfly_%1$s\n", id);
	run_nft(script, NULL);
}
