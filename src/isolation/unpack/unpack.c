#include "isolation/unpack/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/base/io.h"
#include "core/base/rand.h"
#include "isolation/unpack/names.h"
#include "isolation/unpack/tree.h"

#define READ_BLOCK 65536
#define STAMP 315532800 /* 1980-01-01, the first day that a zip can name */
#define NOT_A_ZIP "Could not unzip uploaded file. Please check your file, then try to upload again."

struct link {
	char *path, *target;
};

struct unpack {
	struct archive *zip;
	int root; /* the folder being made */
	uint64_t bytes, max_bytes;
	unsigned entries, link_count;
	struct link *links;
};

static void unpack_release(struct unpack *u)
{
	if (u->zip)
		archive_read_free(u->zip);
	cleanup_close(&u->root);
	for (unsigned i = 0; i < u->link_count; i++) {
		free(u->links[i].path);
		free(u->links[i].target);
	}
	free(u->links);
}

static int not_a_zip(struct error *err)
{
	return error_set(err, ERR_INVALID, "%s", NOT_A_ZIP);
}

static int open_beneath(int root, const char *path, int flags, unsigned mode)
{
	struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC), .mode = mode, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
	return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

/* Makes the folder `path` and those above it. Nothing below root is a link yet. */
static int make_folders(const struct unpack *u, const char *path, struct error *err)
{
	char part[NAME_PATH_MAX];
	for (size_t n = 0; path[n]; n++) {
		if (path[n + 1] && path[n + 1] != '/')
			continue;
		memcpy(part, path, n + 1);
		part[n + 1] = '\0';
		if (mkdirat(u->root, part, 0755) == 0)
			continue;
		struct stat st;
		if (errno != EEXIST)
			return error_sys(err, "cannot make a folder of the package");
		if (fstatat(u->root, part, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
			return error_set(err, ERR_INVALID, "the package has both a file and a folder named %.100s", part);
	}
	return 0;
}

static int make_parents(const struct unpack *u, const char *path, struct error *err)
{
	char parent[NAME_PATH_MAX];
	const char *slash = strrchr(path, '/');
	if (!slash)
		return 0;
	memcpy(parent, path, (size_t)(slash - path));
	parent[slash - path] = '\0';
	return make_folders(u, parent, err);
}

static int count_bytes(struct unpack *u, uint64_t n, struct error *err)
{
	u->bytes += n;
	return u->bytes <= u->max_bytes ? 0 : error_set(err, ERR_INVALID, "Unzipped size must be smaller than %llu bytes",
	                                                (unsigned long long)u->max_bytes);
}

static int copy_contents(struct unpack *u, int fd, struct error *err)
{
	static char block[READ_BLOCK];
	for (;;) {
		la_ssize_t n = archive_read_data(u->zip, block, sizeof block);
		if (n == 0)
			return 0;
		if (n < 0) /* also a wrong checksum, or a password */
			return not_a_zip(err);
		/* Before writing: a bomb costs no more than the limit. */
		if (count_bytes(u, (uint64_t)n, err) < 0)
			return -1;
		if (io_write_full(fd, block, (size_t)n) < 0)
			return error_sys(err, "cannot write the package");
	}
}

static const struct timespec stamps[2] = {{.tv_sec = STAMP}, {.tv_sec = STAMP}};

static int make_file(struct unpack *u, const char *path, struct archive_entry *entry, struct error *err)
{
	unsigned mode = archive_entry_perm(entry) & 0111 ? 0755 : 0644;
	if (make_parents(u, path, err) < 0)
		return -1;
	/* The same name twice: the later one counts. */
	unlinkat(u->root, path, 0);
	CLEANUP_CLOSE int fd = open_beneath(u->root, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd < 0 && (errno == EEXIST || errno == EISDIR))
		return error_set(err, ERR_INVALID, "the package has both a file and a folder named %.100s", path);
	if (fd < 0)
		return error_sys(err, "cannot make a file of the package");
	if (copy_contents(u, fd, err) < 0)
		return -1;
	return fchmod(fd, mode) < 0 || futimens(fd, stamps) < 0 ? error_sys(err, "cannot finish a file of the package") : 0;
}

static int remember_link(struct unpack *u, const char *path, const char *target, struct error *err)
{
	if (name_check_link(path, target, err) < 0)
		return -1;
	if (u->link_count == UNPACK_LINKS_MAX)
		return error_set(err, ERR_INVALID, "the package has more than %u symbolic links", UNPACK_LINKS_MAX);
	if (!u->links)
		u->links = calloc(UNPACK_LINKS_MAX, sizeof *u->links);
	struct link new = {strdup(path), strdup(target)};
	if (!u->links || !new.path || !new.target) {
		free(new.path);
		free(new.target);
		return error_set(err, ERR_NO_MEMORY, "no memory to unpack");
	}
	u->links[u->link_count++] = new;
	return 0;
}

static int take_entry(struct unpack *u, struct archive_entry *entry, struct error *err)
{
	char path[NAME_PATH_MAX];
	const char *name = archive_entry_pathname(entry);
	if (!name)
		name = archive_entry_pathname_utf8(entry);
	if (++u->entries > UNPACK_ENTRIES_MAX)
		return error_set(err, ERR_INVALID, "the package has more than %u entries", UNPACK_ENTRIES_MAX);
	if (archive_entry_is_encrypted(entry) || archive_entry_hardlink(entry))
		return not_a_zip(err);
	if (name_clean(path, name, err) < 0)
		return -1;
	if (!*path)
		return 0;
	switch (archive_entry_filetype(entry)) {
	case AE_IFDIR:
		return make_folders(u, path, err);
	case AE_IFREG:
		return make_file(u, path, entry, err);
	case AE_IFLNK:
		return remember_link(u, path, archive_entry_symlink(entry), err);
	default:
		return error_set(err, ERR_INVALID, "the package has a device or another special file: %.100s", path);
	}
}

static int make_links(struct unpack *u, struct error *err)
{
	for (unsigned i = 0; i < u->link_count; i++) {
		const struct link *l = &u->links[i];
		if (make_parents(u, l->path, err) < 0)
			return -1;
		if (symlinkat(l->target, u->root, l->path) < 0)
			return error_set(err, ERR_INVALID, "the package cannot have the symbolic link %.100s", l->path);
	}
	/* Texts can be fooled by links in the middle of others; the kernel cannot. */
	for (unsigned i = 0; i < u->link_count; i++) {
		CLEANUP_CLOSE int fd = open_beneath(u->root, u->links[i].path, O_PATH, 0);
		if (fd < 0 && errno != ENOENT)
			return error_set(err, ERR_INVALID, "the package has a symbolic link that leaves it: %.100s", u->links[i].path);
	}
	return 0;
}

static int read_entries(struct unpack *u, struct error *err)
{
	struct archive_entry *entry;
	int rc;
	while ((rc = archive_read_next_header(u->zip, &entry)) == ARCHIVE_OK || rc == ARCHIVE_WARN) {
		if (take_entry(u, entry, err) < 0)
			return -1;
	}
	return rc == ARCHIVE_EOF ? make_links(u, err) : not_a_zip(err);
}

static int open_zip(struct unpack *u, int zip_fd, struct error *err)
{
	char magic[4];
	/* libarchive also finds a zip in the middle of other things; Lambda does not take everything that it does. */
	if (pread(zip_fd, magic, sizeof magic, 0) != sizeof magic || memcmp(magic, "PK", 2) != 0)
		return not_a_zip(err);
	if (memcmp(magic, "PK\5\6", sizeof magic) == 0)
		return error_set(err, ERR_INVALID, "Uploaded file must be a non-empty zip");
	u->zip = archive_read_new();
	if (!u->zip)
		return error_set(err, ERR_NO_MEMORY, "no memory to unpack");
	if (archive_read_support_format_zip_seekable(u->zip) != ARCHIVE_OK ||
	    archive_read_open_fd(u->zip, zip_fd, READ_BLOCK) != ARCHIVE_OK)
		return not_a_zip(err);
	return 0;
}

static int fill(struct unpack *u, int zip_fd, int folder_fd, const char *stage, struct error *err)
{
	u->root = openat(folder_fd, stage, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (u->root < 0)
		return error_sys(err, "cannot open %s", stage);
	if (open_zip(u, zip_fd, err) < 0 || read_entries(u, err) < 0)
		return -1;
	/* One sync for thousands of files. */
	if (fchmod(u->root, 0755) < 0 || futimens(u->root, stamps) < 0 || syncfs(u->root) < 0)
		return error_sys(err, "cannot sync the package");
	return 0;
}

/* 1: another one was there first. */
static int publish(int folder_fd, const char *stage, const char *name, struct error *err)
{
	CLEANUP_CLOSE int folder = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return error_sys(err, "cannot open the folder of packages");
	if (renameat(folder_fd, stage, folder_fd, name) < 0) {
		if (errno == EEXIST || errno == ENOTEMPTY)
			return 1;
		return error_sys(err, "cannot publish the package");
	}
	return fsync(folder) < 0 ? error_sys(err, "cannot sync the folder of packages") : 0;
}

static bool is_there(int folder_fd, const char *name)
{
	struct stat st;
	return fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

int unpack_package(int zip_fd, int folder_fd, const char *name, uint64_t max_bytes, uint64_t *unzipped, struct error *err)
{
	struct unpack u CLEANUP(unpack_release) = {.root = -1, .max_bytes = max_bytes};
	char stage[64], random[17];
	uint64_t bytes = 0;
	if (is_there(folder_fd, name)) {
		if (tree_bytes(folder_fd, name, &bytes, err) < 0)
			return -1;
		*unzipped = bytes;
		return 0;
	}
	rand_text(random, 16, "0123456789abcdef");
	snprintf(stage, sizeof stage, UNPACK_STAGE_PREFIX "%s", random);
	if (mkdirat(folder_fd, stage, 0700) < 0)
		return error_sys(err, "cannot make a folder for the package");
	int rc = fill(&u, zip_fd, folder_fd, stage, err);
	if (rc == 0)
		rc = publish(folder_fd, stage, name, err);
	if (rc != 0)
		tree_remove(folder_fd, stage, NULL);
	if (rc < 0)
		return -1;
	*unzipped = u.bytes;
	return 0;
}
