/* /tmp of environments: size-limited, and not charged to the function's memory.
 *
 * One btrfs image in the data folder, on a loop device, with a subvolume and a quota group for each environment. The image
 * is a file without a name and the loop device detaches itself, so that nothing is left when the server dies. Where that is
 * not possible (no btrfs, no mkfs.btrfs, no loop device) each environment gets a tmpfs and its memory limit is raised by the
 * size: `why` says so. All calls may take milliseconds: for helpers. */
#ifndef MAYFLY_SANDBOX_TMP_H
#define MAYFLY_SANDBOX_TMP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/error.h"

enum tmp_kind { TMP_UNDECIDED, TMP_BTRFS, TMP_TMPFS };

struct tmp {
	enum tmp_kind kind;
	char folder[320]; /* where the image is mounted, in mayflyd's mount namespace */
};

/* Makes the image of `size_mb` in the folder data_fd and mounts it at `folder`, in the caller's mount namespace. */
int tmp_make_image(int data_fd, const char *folder, uint64_t size_mb, struct error *err);
/* A detached mount for the environment's /tmp, empty, owned by uid. */
int tmp_open(const struct tmp *tmp, unsigned slot, uint32_t size_mb, uid_t uid, struct error *err);
/* Another size for what tmp_open made, where it is TMP_BTRFS. */
int tmp_resize(const struct tmp *tmp, unsigned slot, uint32_t size_mb, struct error *err);
/* Frees what tmp_open took; fine when there is nothing. A folder that is as it was made is left for the slot's next
 * environment. Nobody may use it any more. */
void tmp_remove(const struct tmp *tmp, unsigned slot);

#endif
