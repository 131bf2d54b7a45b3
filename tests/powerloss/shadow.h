/* What a disk would still hold after a power cut.
 *
 * The real folder plays the page cache: every write, rename and unlink goes there and nowhere else. The shadow folder plays
 * the disk: it changes only when something is synced. It holds one file for every synced file or folder:
 *
 *   f-ID   a file's bytes at its latest sync
 *   d-ID   a folder's entries at its latest sync: "TYPE MODE ID NAME\0" each (TYPE f, d, or l with the target in place of ID)
 *
 * ID is the kernel's file handle (it holds a generation, so a number that is used again is another file). Names are durable
 * only when their folder was synced, which is stricter than most file systems are. */
#ifndef MAYFLY_POWERLOSS_SHADOW_H
#define MAYFLY_POWERLOSS_SHADOW_H

#include <stdbool.h>
#include <stddef.h>

enum { SHADOW_ID_SIZE = 96 };

/* Name NULL: the descriptor itself. -1 with errno. */
int shadow_id(char id[SHADOW_ID_SIZE], int dirfd, const char *name);
/* Takes a file's bytes, or a folder's entries, into the shadow as they are now. 0 also for what is neither. */
int shadow_sync(int shadow, int fd);

#endif
