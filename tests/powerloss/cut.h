/* Around a power cut: before, the shadow is told that all there is now is durable; after, a folder is made from it. */
#ifndef MAYFLY_POWERLOSS_CUT_H
#define MAYFLY_POWERLOSS_CUT_H

/* Everything below `data` into `shadow`. -1 with errno. */
int cut_begin(const char *data, int shadow);
/* Makes `out` (a new folder) what a disk would hold. `luck`: percentage of the unsynced 4 KiB blocks that reached the disk
 * all the same, chosen by `seed`; they are taken from `data`, which must be as the dead process left it. */
int cut_end(const char *data, int shadow, const char *out, unsigned luck, unsigned seed);

#endif
