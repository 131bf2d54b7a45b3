#include "core/store/blob_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/base/io.h"
#include "core/base/rand.h"

enum { READ_BYTES = 64 * 1024, PATH_BYTES = 3 + SHA256_HEX_SIZE };

struct dir_store {
	struct blob_store store;
	int blobs, spool; /* folders */
};

struct dir_writer {
	struct blob_writer writer;
	struct dir_store *dir;
	int fd;
	bool raw;    /* written through the descriptor: size and hash are taken at the end */
	bool failed; /* `err` is what finish will say */
	uint64_t size, max_bytes;
	struct sha256 *sha;
	struct error err;
	char name[UUID_SIZE];
};

static struct dir_store *dir_of(struct blob_store *store)
{
	return CONTAINER_OF(store, struct dir_store, store);
}

/* "ab/abcdef..." */
static void path_of(char dst[PATH_BYTES], const struct blob_id *id)
{
	blob_id_hex(dst + 3, id);
	memcpy(dst, dst + 3, 2);
	dst[2] = '/';
}

static void writer_free(struct dir_writer *w)
{
	if (w->fd >= 0)
		close(w->fd);
	sha256_free(w->sha);
	free(w);
}

static struct blob_writer *create(struct blob_store *store, uint64_t max_bytes, struct error *err)
{
	struct dir_writer *w = calloc(1, sizeof *w);
	if (!w) {
		error_set(err, ERR_NO_MEMORY, "no memory for a blob");
		return NULL;
	}
	w->writer.store = store;
	w->dir = dir_of(store);
	w->max_bytes = max_bytes;
	uuid4(w->name);
	w->fd = openat(w->dir->spool, w->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (w->fd >= 0) {
		w->sha = sha256_new();
		return &w->writer;
	}
	error_sys(err, "cannot make blobs/spool/%s", w->name);
	writer_free(w);
	return NULL;
}

static struct dir_writer *writer_of(struct blob_writer *writer)
{
	return CONTAINER_OF(writer, struct dir_writer, writer);
}

/* Keeps the first failure for finish. */
static int fail(struct dir_writer *w, struct error *err)
{
	w->failed = true;
	if (err)
		*err = w->err;
	return -1;
}

static int too_large(struct dir_writer *w, struct error *err)
{
	error_set(&w->err, ERR_TOO_LARGE, "more than %llu bytes", (unsigned long long)w->max_bytes);
	return fail(w, err);
}

static int append(struct blob_writer *writer, const void *data, size_t n, struct error *err)
{
	struct dir_writer *w = writer_of(writer);
	ASSERT(!w->raw);
	if (w->failed)
		return fail(w, err);
	if (n > w->max_bytes - w->size)
		return too_large(w, err);
	if (io_write_full(w->fd, data, n) < 0) {
		error_sys(&w->err, "cannot write a blob");
		return fail(w, err);
	}
	sha256_update(w->sha, data, n);
	w->size += n;
	return 0;
}

static int writer_fd(struct blob_writer *writer)
{
	struct dir_writer *w = writer_of(writer);
	ASSERT(w->size == 0);
	w->raw = true;
	return w->fd;
}

static int hash_file(struct dir_writer *w, struct error *err)
{
	CLEANUP_FREE char *piece = malloc(READ_BYTES);
	ssize_t n;
	if (!piece)
		return error_set(err, ERR_NO_MEMORY, "no memory for hashing a blob");
	while ((n = pread(w->fd, piece, READ_BYTES, (off_t)w->size)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_sys(err, "cannot read a blob");
		if ((uint64_t)n > w->max_bytes - w->size)
			return too_large(w, err);
		sha256_update(w->sha, piece, (size_t)n);
		w->size += (uint64_t)n;
	}
	return 0;
}

static int sync_folder(int dirfd, const char *name, struct error *err)
{
	CLEANUP_CLOSE int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return error_sys(err, "cannot sync folder blobs/%s", name);
	return 0;
}

/* Both folders are always synced: who finds the folder or the blob there cannot know that its maker has synced it yet. */
static int install(struct dir_writer *w, const struct blob_id *id, struct error *err)
{
	char path[PATH_BYTES], folder[3] = {0};
	path_of(path, id);
	memcpy(folder, path, 2);
	if (fchmod(w->fd, 0400) < 0 || fsync(w->fd) < 0)
		return error_sys(err, "cannot sync a blob");
	if (mkdirat(w->dir->blobs, folder, 0700) < 0 && errno != EEXIST)
		return error_sys(err, "cannot make folder blobs/%s", folder);
	if (renameat(w->dir->spool, w->name, w->dir->blobs, path) < 0)
		return error_sys(err, "cannot make blobs/%s", path);
	w->name[0] = 0;
	return sync_folder(w->dir->blobs, folder, err) < 0 ? -1 : sync_folder(w->dir->blobs, ".", err);
}

static int complete(struct dir_writer *w, const struct blob_id *want, struct blob_id *id, struct error *err)
{
	if (w->failed)
		return fail(w, err);
	if (w->raw && hash_file(w, err) < 0)
		return -1;
	sha256_done(STEAL_PTR(w->sha), id->sha256);
	if (want && memcmp(want, id, sizeof *id) != 0) {
		char hex[2][SHA256_HEX_SIZE];
		blob_id_hex(hex[0], id);
		blob_id_hex(hex[1], want);
		return error_set(err, ERR_INVALID, "the bytes have SHA-256 %s, not %s", hex[0], hex[1]);
	}
	return install(w, id, err);
}

static void drop(struct blob_writer *writer)
{
	struct dir_writer *w = writer_of(writer);
	if (w->name[0])
		unlinkat(w->dir->spool, w->name, 0);
	writer_free(w);
}

static int finish(struct blob_writer *writer, const struct blob_id *want, struct blob_id *id, uint64_t *size,
                  struct error *err)
{
	struct blob_id made;
	int rc = complete(writer_of(writer), want, &made, err);
	if (rc == 0 && id)
		*id = made;
	if (rc == 0 && size)
		*size = writer_of(writer)->size;
	drop(writer);
	return rc;
}

static int open_blob(struct blob_store *store, const struct blob_id *id, uint64_t *size, struct error *err)
{
	char path[PATH_BYTES];
	struct stat st;
	path_of(path, id);
	CLEANUP_CLOSE int fd = openat(dir_of(store)->blobs, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return error_set(err, ERR_NOT_FOUND, "no blob %s", path + 3);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_sys(err, "cannot open blobs/%s", path);
	if (size)
		*size = (uint64_t)st.st_size;
	return STEAL_FD(fd);
}

static int exists(struct blob_store *store, const struct blob_id *id, struct error *err)
{
	char path[PATH_BYTES];
	struct stat st;
	path_of(path, id);
	if (fstatat(dir_of(store)->blobs, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	return errno == ENOENT ? 0 : error_sys(err, "cannot look for blobs/%s", path);
}

static int remove_blob(struct blob_store *store, const struct blob_id *id, struct error *err)
{
	char path[PATH_BYTES];
	path_of(path, id);
	if (unlinkat(dir_of(store)->blobs, path, 0) == 0 || errno == ENOENT)
		return 0;
	return error_sys(err, "cannot delete blobs/%s", path);
}

struct id_list {
	struct blob_id *ids;
	size_t n, cap;
};

static int id_add(struct id_list *l, const struct blob_id *id)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 64;
		struct blob_id *more = reallocarray(l->ids, cap, sizeof *more);
		if (!more)
			return -1;
		l->ids = more;
		l->cap = cap;
	}
	l->ids[l->n++] = *id;
	return 0;
}

static int id_order(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct blob_id));
}

/* The blobs of one of the 256 folders that come after `after`, in order. */
static int list_folder(struct dir_store *dir, unsigned folder, const struct blob_id *after, struct id_list *found,
                       struct error *err)
{
	unsigned char byte = (unsigned char)folder;
	char name[3];
	hex_encode(name, &byte, 1);
	CLEANUP_CLOSE int fd = openat(dir->blobs, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : error_sys(err, "cannot open folder blobs/%s", name);
	CLEANUP_DIR DIR *d = fdopendir(fd);
	if (!d)
		return error_sys(err, "cannot read folder blobs/%s", name);
	fd = -1; /* now d's */
	struct dirent *e;
	struct blob_id id;
	while ((e = readdir(d))) {
		if (blob_id_parse(&id, str_from(e->d_name)) < 0 || id.sha256[0] != byte)
			continue;
		if (after && id_order(&id, after) <= 0)
			continue;
		if (id_add(found, &id) < 0)
			return error_set(err, ERR_NO_MEMORY, "no memory for a list of blobs");
	}
	if (found->n)
		qsort(found->ids, found->n, sizeof *found->ids, id_order);
	return 0;
}

static int list(struct blob_store *store, const struct blob_id *after, struct blob_id *ids, size_t max, struct error *err)
{
	struct id_list found = {0};
	size_t n = 0;
	int rc = 0;
	for (unsigned i = after ? after->sha256[0] : 0; i < 256 && n < max && rc == 0; i++) {
		found.n = 0;
		rc = list_folder(dir_of(store), i, after, &found, err);
		size_t some = rc < 0 ? 0 : found.n < max - n ? found.n : max - n;
		if (some)
			memcpy(ids + n, found.ids, some * sizeof *ids);
		n += some;
	}
	free(found.ids);
	return rc < 0 ? -1 : (int)n;
}

static void store_free(struct dir_store *dir)
{
	if (dir->blobs >= 0)
		close(dir->blobs);
	if (dir->spool >= 0)
		close(dir->spool);
	free(dir);
}

static void close_store(struct blob_store *store)
{
	store_free(dir_of(store));
}

static const struct blob_ops OPS = {
	.create = create, .append = append, .fd = writer_fd, .finish = finish, .abort = drop, .open = open_blob,
	.exists = exists, .remove = remove_blob, .list = list, .close = close_store,
};

/* Synced also when it was there: its maker may have died before. */
static int make_folder(int dirfd, const char *name, struct error *err)
{
	if (mkdirat(dirfd, name, 0700) < 0 && errno != EEXIST)
		return error_sys(err, "cannot make folder %s", name);
	if (sync_folder(dirfd, ".", err) < 0)
		return -1;
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd >= 0 ? fd : error_sys(err, "cannot open folder %s", name);
}

/* What a process that died was writing. */
static int sweep(int spool, struct error *err)
{
	CLEANUP_CLOSE int fd = fcntl(spool, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return error_sys(err, "cannot read folder blobs/spool");
	CLEANUP_DIR DIR *d = fdopendir(fd);
	if (!d)
		return error_sys(err, "cannot read folder blobs/spool");
	fd = -1; /* now d's */
	struct dirent *e;
	while ((e = readdir(d)))
		if (e->d_name[0] != '.' && unlinkat(spool, e->d_name, 0) < 0 && errno != ENOENT)
			return error_sys(err, "cannot delete blobs/spool/%s", e->d_name);
	return 0;
}

struct blob_store *blob_dir_open(struct ev_loop *loop, struct ev_pool *pool, int data_dirfd, struct error *err)
{
	struct dir_store *dir = calloc(1, sizeof *dir);
	if (!dir) {
		error_set(err, ERR_NO_MEMORY, "no memory for the blobs");
		return NULL;
	}
	dir->store = (struct blob_store){&OPS, loop, pool};
	dir->spool = -1;
	dir->blobs = make_folder(data_dirfd, "blobs", err);
	if (dir->blobs >= 0)
		dir->spool = make_folder(dir->blobs, "spool", err);
	if (dir->spool >= 0 && sweep(dir->spool, err) == 0)
		return &dir->store;
	store_free(dir);
	error_wrap(err, "cannot open the blobs");
	return NULL;
}
