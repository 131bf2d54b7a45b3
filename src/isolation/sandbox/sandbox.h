/* Making an execution environment, in two steps that each run in a short-lived, single-threaded helper of mayflyd (root, all
 * capabilities), whose failure ends nothing else.
 *
 *   sandbox_make    an empty one: control groups, namespaces, root, loopback, listeners, mayfly-init waiting. It can be done
 *                   ahead (the pool).
 *   sandbox_attach  limits, code, layers, /tmp, network; then tells mayfly-init to start the runtime.
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
	/* To be closed by the receiver. */
	int init_fd, api_fd, endpoint_fd, log_fd;
};

/* Called in a helper that was cloned into cgroup_clone_fd(slot) where that is not -1. */
int sandbox_make(const struct sandbox_base *base, unsigned slot, struct sandbox_made *made, struct error *err);

struct sandbox_attach {
	unsigned slot;
	pid_t pid;
	int init_fd;
	int control_pidfd; /* its mount namespace is where the folders were opened */
	int launch_fd, code_fd;
	int layer_fds[LIMIT_LAYERS];
	unsigned layers;
	uint32_t memory_mb, ephemeral_mb;
	bool outbound;
};

int sandbox_attach(const struct sandbox_base *base, const struct sandbox_attach *a, struct error *err);

/* Sends an order to mayfly-init; fd -1 for none. */
int sandbox_order(int init_fd, unsigned order, int fd, struct error *err);

#endif
