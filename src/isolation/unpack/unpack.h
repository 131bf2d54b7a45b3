/* A deployment package becomes a folder: checked, normalised, synced, and there as a whole or not at all.
 *
 * Runs in mayfly-unpack, without rights. Everything in the package is hostile: sizes are counted as they are read, names go
 * through names.h, writing goes through openat2(RESOLVE_BENEATH), symbolic links are made last and proved against the finished
 * folder. Files get 0644 or 0755, folders 0755, all one time stamp. */
#ifndef MAYFLY_UNPACK_UNPACK_H
#define MAYFLY_UNPACK_UNPACK_H

#include <stdint.h>

#include "core/base/error.h"

#define UNPACK_ENTRIES_MAX 100000u
#define UNPACK_LINKS_MAX 20000u
#define UNPACK_STAGE_PREFIX ".new-" /* of unfinished folders: to be removed at the server's start */

/* Makes the folder `name` below folder_fd from the zip in zip_fd, at most max_bytes unzipped. Already there: done. */
int unpack_package(int zip_fd, int folder_fd, const char *name, uint64_t max_bytes, uint64_t *unzipped, struct error *err);

#endif
