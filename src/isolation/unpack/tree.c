#include "isolation/unpack/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/cleanup.h"

static DIR *open_folder(int folder, const char *name)
{
	int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

int tree_remove(int folder, const char *name, struct error *err)
{
	if (unlinkat(folder, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return error_sys(err, "cannot remove %s", name);
	CLEANUP_DIR DIR *dir = open_folder(folder, name);
	if (!dir)
		return error_sys(err, "cannot open %s", name);
	for (struct dirent *e; (e = readdir(dir));) {
		if (!is_dots(e->d_name) && tree_remove(dirfd(dir), e->d_name, err) < 0)
			return -1;
	}
	return unlinkat(folder, name, AT_REMOVEDIR) < 0 ? error_sys(err, "cannot remove %s", name) : 0;
}

int tree_bytes(int folder, const char *name, uint64_t *bytes, struct error *err)
{
	struct stat st;
	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_sys(err, "cannot read %s", name);
	if (S_ISREG(st.st_mode))
		*bytes += (uint64_t)st.st_size;
	if (!S_ISDIR(st.st_mode))
		return 0;
	CLEANUP_DIR DIR *dir = open_folder(folder, name);
	if (!dir)
		return error_sys(err, "cannot open %s", name);
	for (struct dirent *e; (e = readdir(dir));) {
		if (!is_dots(e->d_name) && tree_bytes(dirfd(dir), e->d_name, bytes, err) < 0)
			return -1;
	}
	return 0;
}

int tree_remove_matching(int folder, const char *prefix, struct error *err)
{
	CLEANUP_DIR DIR *dir = open_folder(folder, ".");
	if (!dir)
		return error_sys(err, "cannot open a folder");
	for (struct dirent *e; (e = readdir(dir));) {
		if (strncmp(e->d_name, prefix, strlen(prefix)) == 0 && tree_remove(dirfd(dir), e->d_name, err) < 0)
			return -1;
	}
	return 0;
}
