/* The file tree that functions (and mayfly-control) see: read-only, made of the host's /usr and generated files.
 *
 * It is built once into a mount namespace of its own; a sandbox starts with a copy of that namespace, so that its root costs
 * one system call. Nothing of the host's /etc, /home or /var is in it but what root.c lists. */
#ifndef MAYFLY_SANDBOX_ROOT_H
#define MAYFLY_SANDBOX_ROOT_H

#include "core/base/error.h"

/* The calling process (a helper with a mount namespace of its own, single-threaded) gets the sandboxes' root. `scratch` is a
 * folder to mount on for the moment, `runtimes` that of the managed runtimes' bootstraps; both by path, since a descriptor from
 * another mount namespace cannot be mounted. */
int root_enter_sandbox(const char *scratch, const char *runtimes, struct error *err);
/* The same for mayfly-control: `data` becomes /data, writable; the host's /proc is visible. */
int root_enter_control(const char *scratch, const char *data, struct error *err);

/* Writes the generated /etc (etc.c) below the folder etc_fd. Private to this folder. */
int etc_write(int etc_fd, struct error *err);

#define SANDBOX_UID 993 /* the one user inside, as in Lambda */
#define SANDBOX_GID 990
#define SANDBOX_HOSTNAME "169.254.100.1"

#endif
