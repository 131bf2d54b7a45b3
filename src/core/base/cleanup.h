/* Scope owns the resource; STEAL moves it out. No goto is needed.
 *
 *   CLEANUP_FREE char *name = strdup(x);     free()d at the end of the scope
 *   CLEANUP_CLOSE int fd = open(...);        close()d if >= 0
 *   return STEAL_PTR(name); / return STEAL_FD(fd);
 */
#ifndef MAYFLY_BASE_CLEANUP_H
#define MAYFLY_BASE_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_fclose(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void cleanup_closedir(DIR **d)
{
	if (*d)
		closedir(*d);
}

#define CLEANUP(fn) __attribute__((cleanup(fn)))
#define CLEANUP_FREE CLEANUP(cleanup_free)
#define CLEANUP_CLOSE CLEANUP(cleanup_close)
#define CLEANUP_FCLOSE CLEANUP(cleanup_fclose)
#define CLEANUP_DIR CLEANUP(cleanup_closedir)

#define STEAL_PTR(p) (__extension__({ __typeof__(p) steal_ = (p); (p) = NULL; steal_; }))
#define STEAL_FD(fd) (__extension__({ int steal_ = (fd); (fd) = -1; steal_; }))

#endif
