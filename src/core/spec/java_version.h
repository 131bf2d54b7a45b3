/* Which Java an interpreter is, and which one fits best, without running them: a JDK tells its version in the file
 * `release` beside its folder bin. */
#ifndef MAYFLY_SPEC_JAVA_VERSION_H
#define MAYFLY_SPEC_JAVA_VERSION_H

#include <stdbool.h>
#include <stddef.h>

/* Of the file that `interpreter` is in the end, behind all links; 0 when that can't be known. */
unsigned java_major(const char *interpreter);
/* The Java nearest to `wanted` among the folders in `folder` (/usr/lib/jvm), the newer of two; only versions that our
 * runtime is known to run on. `path` gets its bin/java; false when there is none. */
bool java_nearest(const char *folder, unsigned wanted, char *path, size_t size, unsigned *major);

#endif
