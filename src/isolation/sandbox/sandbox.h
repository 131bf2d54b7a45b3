/* Making an execution environment, in steps that run in single-threaded helpers of mayflyd (root, all capabilities), whose
 * failure ends nothing else.
 *
 *   sandbox_make    an empty one: control groups, namespaces, root, loopback, listeners, /tmp, mayfly-init waiting. It can be
 *                   done ahead (the pool), in a short-lived helper: it changes who the process is.
 *   sandbox_attach  limits, code, layers, network: what is one function's. May be done for one sandbox after the other.
 *   then either sandbox_start, and mayfly-init starts the runtime, or sandbox_adopt, and somebody restores it.
 *
 * Who owns what: the mount namespace belongs to the host's user namespace, so that nothing inside can ever change a mount;
 * the others belong to a user namespace that the environment's host user (uid_base + slot) makes, so that limits counted by
 * user are its own. docs/design/sandbox.md has the order and its reasons. */
#ifndef MAYFLY_SANDBOX_SANDBOX_H
#define MAYFLY_SANDBOX_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/error.h"
#include "core/spec/limits.h"
#include "isolation/sandbox/cgroup.h"
#include "isolation/sandbox/tmp.h"

/* What every sandbox of a server shares; filled at start, read-only after. */
struct sandbox_base {
	struct cgroup cgroup;
	struct tmp tmp;
	int root_ns;   /* mount namespace with the root of root.h */
	int init_exe;  /* mayfly-init */
	uid_t uid_base;
	bool net_ready; /* net.h's table is there */
	char id[16];   /* of the server: names its control groups, interfaces and nftables table */
};

struct sandbox_made {
	pid_t pid; /* of mayfly-init: a child of the helper's parent */
	bool tmp;  /* /tmp is there, of the least size */
	bool groups_new; /* the slot's control groups were made */
	/* To be closed by the receiver. log_write_fd, spare_fd (a TCP socket of the sandbox's network, not connected yet) and
	 * pidfd (of mayfly-init) are for the start. */
	int init_fd, api_fd, endpoint_fd, log_fd, log_write_fd, spare_fd, pidfd;
	int net_fd; /* the network namespace, for a later sandbox when everything in this one has ended */
};

/* groups: the slot's control groups are there, as new (cgroup_renew); else, or when they are not after all, they are made.
 * net_fd: a network namespace that had no outbound access and that nobody uses
 * any more, or -1: making one costs more than all the rest. Nothing inside has a right over it, so it is as it was made (its
 * counters go on); one whose ports are not free again is not used. */
int sandbox_make(const struct sandbox_base *base, unsigned slot, bool groups, int net_fd, struct sandbox_made *made, struct error *err);

struct sandbox_attach {
	unsigned slot;
	pid_t pid;
	int pidfd;
	int control_pidfd; /* its mount namespace is where the folders were opened */
	int code_fd;
	int layer_fds[LIMIT_LAYERS];
	unsigned layers;
	uint32_t memory_mb, ephemeral_mb;
	bool outbound;
	bool tmp;          /* sandbox_made's */
	bool limited;      /* the groups have its limits already */
};

/* Leaves the process in the sandbox's mount namespace (after a failure, in any), and with `outbound` in its network. */
int sandbox_attach(const struct sandbox_base *base, const struct sandbox_attach *a, struct error *err);
/* Code at /var/task and layers at /opt of the calling process's own mount namespace, root_ns's copy. */
int sandbox_enter_code(const struct sandbox_base *base, const struct sandbox_attach *a, struct error *err);

/* Has the extensions started, or without any the runtime. extension_log_fd: what extensions print goes there; -1: there are none. */
int sandbox_start(int init_fd, int launch_fd, int extension_log_fd, struct error *err);
/* Sends an order to mayfly-init; fd -1 for none. */
int sandbox_order(int init_fd, unsigned order, int fd, struct error *err);
/* Tells mayfly-init that process `pid` in there will be the runtime; to be said before it can exist. */
int sandbox_adopt(int init_fd, pid_t pid, struct error *err);
/* WIRE_SHUTDOWN, of a sandbox that was started with extensions. */
int sandbox_shutdown(int init_fd, uint32_t leavers, struct error *err);

#endif
