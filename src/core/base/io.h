/* Small helpers over read, write and open. */
#ifndef MAYFLY_BASE_IO_H
#define MAYFLY_BASE_IO_H

#include <stddef.h>
#include <sys/types.h>

#include "core/base/error.h"

/* All of n bytes, through EINTR; read stops early only at the end of the file. -1 with errno. */
ssize_t io_read_full(int fd, void *dst, size_t n);
int io_write_full(int fd, const void *src, size_t n);
/* Whole file below dirfd (AT_FDCWD for a plain path), at most `max` bytes; malloc'd with a closing NUL. */
char *io_read_file(int dirfd, const char *path, size_t max, size_t *len, struct error *err);
/* Writes path.tmp, syncs, renames over path, syncs the folder. */
int io_write_file(int dirfd, const char *path, const void *src, size_t n, unsigned mode, struct error *err);
/* One short write to an existing file such as a cgroup control. */
int io_put(int dirfd, const char *path, const char *text, struct error *err);
int io_set_nonblock(int fd);
int io_set_cloexec(int fd, int on);
/* For programs that were started without descriptor 0, 1 or 2: /dev/null takes the place, lest what is printed goes into the
 * first file that is opened. */
int io_fill_standard(void);

#endif
