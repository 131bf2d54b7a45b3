/* Removes a folder with all that is in it, never through a symbolic link. Blocks. */
#ifndef MAYFLY_FUNCTION_REMOVE_H
#define MAYFLY_FUNCTION_REMOVE_H

/* Moved aside first, so that nobody finds it half gone. What is not there is no error. -1 with errno. */
int remove_tree(int dirfd, const char *name);

#endif
