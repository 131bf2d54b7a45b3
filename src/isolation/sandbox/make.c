/* Step one of sandbox.h. The helper is root; its order of steps:
 *
 *   control groups, /tmp -> own copy of the root -> the environment's host user, with capabilities -> log pipe, socket
 *   -> clone with all other namespaces -> map the user -> loopback, listeners and a spare socket -> /proc -> GO
 *
 * (in a network namespace that was there before, its sockets are made before the clone).
 *
 * The child waits for GO, gives up everything, and becomes mayfly-init. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/io.h"
#include "core/base/packet.h"
#include "isolation/sandbox/confine.h"
#include "isolation/sandbox/filter.h"
#include "isolation/sandbox/mnt.h"
#include "isolation/sandbox/net.h"
#include "isolation/sandbox/root.h"
#include "isolation/sandbox/sandbox.h"
#include "isolation/sandbox/wire.h"

/* CLONE_PARENT: mayflyd is the parent, so it learns of the end. */
#define CLONE_SANDBOX (CLONE_PARENT | CLONE_PIDFD | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

/* Descriptors of the helper while it works. */
struct making {
	int proc;          /* the host's /proc, which the new root does not show */
	int inner, outer;  /* the two ends of mayfly-init's socket */
	int log_read, log_write;
	int pidfd;
	bool joined;       /* a network namespace that was there before */
};

static void making_release(struct making *m)
{
	int *fds[] = {&m->proc, &m->inner, &m->outer, &m->log_read, &m->log_write, &m->pidfd};
	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
		cleanup_close(fds[i]);
}

/* Runs in the child with full rights over its own new namespaces, and over nothing else. */
static int become_init(const struct sandbox_base *base, const struct making *m, struct error *err)
{
	struct wire_order_packet order;
	size_t n;
	const void *filter = filter_program(&n);
	static char *const none[] = {NULL};
	static char *const argv[] = {(char *)(uintptr_t) "mayfly-init", NULL};
	if (recv(m->inner, &order, sizeof order, 0) != (ssize_t)sizeof order || order.order != WIRE_GO)
		return error_set(err, ERR_CLOSED, "the helper is gone");
	if (sethostname(SANDBOX_HOSTNAME, strlen(SANDBOX_HOSTNAME)) < 0)
		return error_sys(err, "cannot set the host name");
	/* dup3 drops close-on-exec on the two descriptors that stay; the rest goes. */
	int log = fcntl(m->log_write, F_DUPFD_CLOEXEC, 16), exe = fcntl(base->init_exe, F_DUPFD_CLOEXEC, 16);
	if (log < 0 || exe < 0 || dup3(m->inner, WIRE_SOCKET_FD, 0) < 0 || dup3(log, WIRE_LOG_FD, 0) < 0 || exe == WIRE_LOG_FD ||
	    syscall(SYS_close_range, WIRE_LOG_FD + 1, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return error_sys(err, "cannot arrange descriptors");
	int null = open("/dev/null", O_RDWR);
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 || close(null) < 0)
		return error_sys(err, "cannot open /dev/null");
	setsid();
	if (confine_bound(err) < 0 || confine_identity(SANDBOX_UID, SANDBOX_GID, 0, err) < 0 || confine_limits(err) < 0 ||
	    confine_no_rights(err) < 0 || confine_die_with_parent(err) < 0 || confine_filter(filter, n, err) < 0)
		return -1;
	syscall(SYS_execveat, exe, "", argv, none, AT_EMPTY_PATH);
	return error_sys(err, "cannot start mayfly-init");
}

static pid_t clone_init(const struct sandbox_base *base, unsigned slot, struct making *m, int group_fd, struct error *err)
{
	struct clone_args args = {.flags = CLONE_SANDBOX | (m->joined ? 0u : CLONE_NEWNET), .pidfd = (uint64_t)(uintptr_t)&m->pidfd};
	if (group_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)group_fd;
	}
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
	if (pid == 0) {
		struct error why = {0};
		become_init(base, m, &why);
		dprintf(m->log_write, "mayfly: %s\n", why.msg);
		_exit(125);
	}
	return pid < 0 ? error_sys(err, "cannot make the namespaces of slot %u", slot) : pid;
}

static int put_proc(int proc, pid_t pid, const char *file, const char *text, struct error *err)
{
	char path[64];
	snprintf(path, sizeof path, "%d/%s", pid, file);
	return io_put(proc, path, text, err);
}

static int map_ids(const struct making *m, pid_t pid, uid_t host_uid, struct error *err)
{
	char users[64], groups[64];
	snprintf(users, sizeof users, "%d %u 1", SANDBOX_UID, host_uid);
	snprintf(groups, sizeof groups, "%d %u 1", SANDBOX_GID, host_uid);
	if (put_proc(m->proc, pid, "uid_map", users, err) < 0 || put_proc(m->proc, pid, "setgroups", "deny", err) < 0 ||
	    put_proc(m->proc, pid, "gid_map", groups, err) < 0)
		return -1;
	return 0;
}

/* In the child, which shares the helper's memory until it ends. */
static _Noreturn void mount_proc_here(const struct making *m)
{
	static const char *const options[] = {NULL};
	int fd = mnt_new("proc", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, NULL);
	int rc = fd < 0 || mnt_attach(fd, "/proc", NULL) < 0 ? errno : 0;
	/* We were process 2 in there; the next one, the runtime, is to be it. Kernels without the file count on. */
	io_put(m->proc, "sys/kernel/ns_last_pid", "1", NULL);
	_exit(rc);
}

/* /proc shows the pid namespace of the process that mounts it, and only a child is in the one joined. */
static int mount_proc(const struct making *m, struct error *err)
{
	if (setns(m->pidfd, CLONE_NEWPID) < 0)
		return error_sys(err, "cannot join the process namespace");
	pid_t pid = vfork();
	if (pid == 0)
		mount_proc_here(m);
	int status;
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return error_sys(err, "cannot start a process in the sandbox");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	errno = WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
	return error_sys(err, "cannot mount /proc");
}

/* In the sandbox's network namespace. */
static int open_sockets(const struct making *m, struct sandbox_made *made, struct error *err)
{
	CLEANUP_CLOSE int api = net_listen_loopback(RUNTIME_API_PORT, err);
	CLEANUP_CLOSE int endpoint = api < 0 ? -1 : net_listen_loopback(ENDPOINT_PORT, err);
	if (endpoint < 0)
		return -1;
	CLEANUP_CLOSE int spare = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CLEANUP_CLOSE int net = openat(m->proc, "self/ns/net", O_RDONLY | O_CLOEXEC);
	if (spare < 0 || net < 0)
		return error_sys(err, "cannot make a socket");
	made->api_fd = STEAL_FD(api);
	made->endpoint_fd = STEAL_FD(endpoint);
	made->spare_fd = STEAL_FD(spare);
	made->net_fd = STEAL_FD(net);
	return 0;
}

/* Of the network namespace that we are in: closed connections are forgotten at once, not kept for a minute (TIME_WAIT), where
 * the next environment that has the namespace would see them, and find their ports taken; nor is kept how fast they were. */
static int forget_closed(const struct making *m)
{
	if (io_put(m->proc, "sys/net/ipv4/tcp_no_metrics_save", "1", NULL) < 0)
		return -1;
	return io_put(m->proc, "sys/net/ipv4/tcp_max_tw_buckets", "0", NULL);
}

/* The sockets of whoever had it may not be closed everywhere yet: then a new one is made. */
static void join_network(int net_fd, struct making *m, struct sandbox_made *made)
{
	m->joined = net_fd >= 0 && setns(net_fd, CLONE_NEWNET) == 0 && forget_closed(m) == 0 && open_sockets(m, made, NULL) == 0;
}

static int new_network(const struct making *m, struct sandbox_made *made, struct error *err)
{
	if (setns(m->pidfd, CLONE_NEWNET) < 0)
		return error_sys(err, "cannot join the network namespace");
	forget_closed(m); /* else it serves only once */
	return net_loopback_up(err) < 0 ? -1 : open_sockets(m, made, err);
}

/* The pipe is made by the environment's user: it is charged to it, and /dev/stderr can be opened again. */
static int open_channels(struct making *m, struct error *err)
{
	int log[2], sock[2];
	if (pipe2(log, O_CLOEXEC) < 0)
		return error_sys(err, "cannot make the log pipe");
	m->log_read = log[0];
	m->log_write = log[1];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock) < 0)
		return error_sys(err, "cannot make the socket of mayfly-init");
	m->outer = sock[0];
	m->inner = sock[1];
	return io_set_nonblock(m->log_read) < 0 || io_set_nonblock(m->outer) < 0 ? error_sys(err, "cannot set up channels") : 0;
}

/* Our copy of the namespace with the finished root, owned by the host's user namespace like the original. tmp_fd: see below. */
static int enter_root(const struct sandbox_base *base, int tmp_fd, struct error *err)
{
	if (setns(base->root_ns, CLONE_NEWNS) < 0 || unshare(CLONE_NEWNS) < 0)
		return error_sys(err, "cannot copy the root of sandboxes");
	return tmp_fd < 0 ? 0 : mnt_attach(tmp_fd, "/tmp", err);
}

static int make_groups(const struct sandbox_base *base, unsigned slot, bool there, struct sandbox_made *made, struct error *err)
{
	if (there && cgroup_join(&base->cgroup, slot, NULL) == 0)
		return 0;
	made->groups_new = true;
	if (cgroup_add(&base->cgroup, slot, err) < 0 || cgroup_prepare(&base->cgroup, slot, LIMIT_PROCESSES, err) < 0)
		return -1;
	return cgroup_join(&base->cgroup, slot, err);
}

static int make(const struct sandbox_base *base, unsigned slot, int net_fd, struct making *m, struct sandbox_made *made,
                struct error *err)
{
	uid_t uid = base->uid_base + slot;
	m->proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (m->proc < 0)
		return error_sys(err, "cannot open /proc");
	CLEANUP_CLOSE int group = cgroup_clone_fd(&base->cgroup, slot);
	/* A tmpfs has its size from the start: it is made when the function is known. */
	made->tmp = base->tmp.kind == TMP_BTRFS;
	CLEANUP_CLOSE int tmp = made->tmp ? tmp_open(&base->tmp, slot, LIMIT_EPHEMERAL_MIN_MB, uid, err) : -1;
	if (made->tmp && tmp < 0)
		return error_wrap(err, "/tmp of the environment");
	if (enter_root(base, tmp, err) < 0 || confine_identity(uid, (gid_t)uid, 1, err) < 0 || open_channels(m, err) < 0)
		return -1;
	join_network(net_fd, m, made);
	pid_t pid = clone_init(base, slot, m, group, err);
	if (pid < 0)
		return -1;
	made->pid = pid;
	if (map_ids(m, pid, uid, err) < 0 || (!m->joined && new_network(m, made, err) < 0) || mount_proc(m, err) < 0 ||
	    sandbox_order(m->outer, WIRE_GO, -1, err) < 0) {
		kill(pid, SIGKILL);
		return -1;
	}
	made->init_fd = STEAL_FD(m->outer);
	made->log_fd = STEAL_FD(m->log_read);
	made->log_write_fd = STEAL_FD(m->log_write);
	made->pidfd = STEAL_FD(m->pidfd);
	return 0;
}

int sandbox_make(const struct sandbox_base *base, unsigned slot, bool groups, int net_fd, struct sandbox_made *made, struct error *err)
{
	struct making m CLEANUP(making_release) = {-1, -1, -1, -1, -1, -1, false};
	made->groups_new = false;
	if (make_groups(base, slot, groups, made, err) < 0)
		return -1;
	return make(base, slot, net_fd, &m, made, err);
}

static int send_order(int init_fd, const struct wire_order_packet *packet, int fd, struct error *err)
{
	return packet_send(init_fd, packet, sizeof *packet, &fd, fd >= 0, MSG_DONTWAIT) < 0 ? error_sys(err, "mayfly-init does not listen") : 0;
}

int sandbox_start(int init_fd, int launch_fd, int extension_log_fd, struct error *err)
{
	struct wire_order_packet packet = {.order = WIRE_START};
	int fds[] = {launch_fd, extension_log_fd};
	unsigned n = extension_log_fd < 0 ? 1 : 2;
	return packet_send(init_fd, &packet, sizeof packet, fds, n, MSG_DONTWAIT) < 0 ? error_sys(err, "mayfly-init does not listen") : 0;
}

int sandbox_order(int init_fd, unsigned order, int fd, struct error *err)
{
	struct wire_order_packet packet = {.order = order};
	return send_order(init_fd, &packet, fd, err);
}

int sandbox_adopt(int init_fd, pid_t pid, struct error *err)
{
	struct wire_order_packet packet = {.order = WIRE_RUNTIME, .pid = pid};
	return send_order(init_fd, &packet, -1, err);
}

int sandbox_shutdown(int init_fd, uint32_t leavers, struct error *err)
{
	struct wire_order_packet packet = {.order = WIRE_SHUTDOWN, .leavers = leavers};
	return send_order(init_fd, &packet, -1, err);
}
