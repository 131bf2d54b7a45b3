/* Mounts by descriptor: thin wrappers that add error texts. Flags are MOUNT_ATTR_*. */
#ifndef MAYFLY_SANDBOX_MNT_H
#define MAYFLY_SANDBOX_MNT_H

#include <stdint.h>

#include "core/base/error.h"

/* A detached copy of the mount under `path` below dirfd ("" for dirfd itself, which may be O_PATH) with `attr` set.
 * `recursive` takes the mounts below it too. Returns a descriptor. */
int mnt_clone(int dirfd, const char *path, uint64_t attr, int recursive, struct error *err);
/* A new filesystem, detached. options: "key=value" texts (or "key" for flags), NULL-terminated; may be NULL. */
int mnt_new(const char *fstype, const char *const *options, uint64_t attr, struct error *err);
int mnt_attach(int mount_fd, const char *path, struct error *err);
int mnt_set_attr(const char *path, uint64_t attr, struct error *err);
/* Makes the folder `root`, a mount point, the root of this mount namespace and forgets everything else. */
int mnt_pivot(const char *root, struct error *err);
/* Stops mounts made here from reaching others. */
int mnt_private(struct error *err);
/* The same, but what the machine unmounts is unmounted here too: a long-lived process must not hold on to its disks. */
int mnt_follow(struct error *err);

#endif
