#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/store/db_priv.h"

/* Exclusive before WAL: the lock is then taken once, and the index of the WAL lives on the heap instead of in a file. */
static const char SETTINGS[] =
	"PRAGMA locking_mode=EXCLUSIVE;"
	"PRAGMA cache_size=-1024;"
	"PRAGMA temp_store=MEMORY;"
	"PRAGMA secure_delete=FAST;"
	"PRAGMA trusted_schema=OFF;"
	"PRAGMA journal_size_limit=4194304;"
	"PRAGMA wal_autocheckpoint=0";

bool db_is_full(sqlite3 *sql, int rc)
{
	int sys = sqlite3_system_errno(sql);
	return (rc & 0xff) == SQLITE_FULL || ((rc & 0xff) == SQLITE_IOERR && (sys == ENOSPC || sys == EDQUOT));
}

static const char *file_name(sqlite3 *sql)
{
	const char *path = sql ? sqlite3_db_filename(sql, "main") : NULL;
	const char *slash = path ? strrchr(path, '/') : NULL;
	return slash ? slash + 1 : "store";
}

int db_error(sqlite3 *sql, int rc, struct error *err)
{
	const char *file = file_name(sql);
	if (db_is_full(sql, rc))
		return error_set(err, ERR_DISK_FULL, "%s: the disk is full: free some space; nothing acknowledged is lost", file);
	int code = rc & 0xff;
	if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
		return error_set(err, ERR_IN_USE, "%s is in use by another process: is another server running on this data folder?", file);
	if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
		return error_set(err, ERR_IO, "%s is damaged (%s): restore it from a backup, or start with another data folder", file,
		                 sqlite3_errstr(rc));
	if (code == SQLITE_NOMEM)
		return error_set(err, ERR_NO_MEMORY, "%s: out of memory", file);
	errno = sqlite3_system_errno(sql);
	if (errno)
		return error_sys(err, "%s: %s", file, sqlite3_errstr(rc));
	return error_set(err, ERR_IO, "%s: %s", file, sqlite3_errstr(rc));
}

static int exec(sqlite3 *sql, const char *text, struct error *err)
{
	int rc = sqlite3_exec(sql, text, NULL, NULL, NULL);
	return rc == SQLITE_OK ? 0 : db_error(sql, rc, err);
}

static int ask(sqlite3 *sql, const char *text, sqlite3_int64 *out, struct error *err)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(sql, text, -1, &st, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*out = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return rc == SQLITE_ROW ? 0 : db_error(sql, rc, err);
}

static int check_format(sqlite3 *sql, const struct db_format *format, struct error *err)
{
	sqlite3_int64 id, version, tables;
	if (ask(sql, "PRAGMA application_id", &id, err) < 0 || ask(sql, "PRAGMA user_version", &version, err) < 0 ||
	    ask(sql, "SELECT count(*) FROM sqlite_schema", &tables, err) < 0)
		return -1;
	if (!id && !version && !tables)
		return exec(sql, format->create, err);
	if (id != format->application_id)
		return error_set(err, ERR_UNSUPPORTED, "%s was not made by Mayfly: choose another data folder", format->file);
	if (version != format->version)
		return error_set(err, ERR_UNSUPPORTED,
		                 "%s has format %lld, this program knows format %d: run the version of Mayfly that made "
		                 "it, or choose another data folder", format->file, (long long)version, format->version);
	return ask(sql, format->check, &version, err);
}

/* The name is /proc/self/fd/N/FILE. SQLite would resolve the link into a path, which this process may be unable to walk. */
static int same_path(sqlite3_vfs *vfs, const char *name, int size, char *out)
{
	size_t n = strlen(name);
	if (n >= (size_t)size)
		return SQLITE_CANTOPEN;
	memcpy(out, name, n + 1);
	return SQLITE_OK;
}

static int register_vfs(struct db_file *file, struct error *err)
{
	sqlite3_vfs *unix_vfs = sqlite3_vfs_find("unix");
	if (!unix_vfs)
		return error_set(err, ERR_SYSTEM, "SQLite has no file system");
	file->vfs = *unix_vfs;
	file->vfs.pNext = NULL;
	snprintf(file->name, sizeof file->name, "mayfly-%p", (void *)file);
	file->vfs.zName = file->name;
	file->vfs.xFullPathname = same_path;
	if (sqlite3_vfs_register(&file->vfs, 0) != SQLITE_OK)
		return error_set(err, ERR_SYSTEM, "SQLite refuses a file system");
	return 0;
}

/* SQLite syncs the folder when it makes the WAL, but not when it finds the one of a process that died before doing so. */
static int sync_folder(int dirfd, struct error *err)
{
	CLEANUP_CLOSE int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return error_sys(err, "cannot sync the data folder");
	return 0;
}

/* For its owner's eyes: SQLite would take 0644, and gives the WAL the same. Only when it is new: to open and close a file
 * that this process has locked would drop the lock. */
static int create_file(int dirfd, const char *name, struct error *err)
{
	int fd = openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == EEXIST ? 0 : error_sys(err, "%s", name);
	close(fd);
	return 0;
}

static int connect_to(struct db_file *file, const struct db_options *options, struct error *err)
{
	const struct db_format *format = options->format;
	char path[64];
	if (create_file(file->dirfd, format->file, err) < 0)
		return -1;
	snprintf(path, sizeof path, "/proc/self/fd/%d/%s", file->dirfd, format->file);
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
	int rc = sqlite3_open_v2(path, &file->sql, flags, file->name);
	if (rc != SQLITE_OK)
		return db_error(file->sql, rc, err);
	sqlite3_extended_result_codes(file->sql, 1);
	sqlite3_limit(file->sql, SQLITE_LIMIT_LENGTH, format->row_max);
	if (format->settings && exec(file->sql, format->settings, err) < 0)
		return -1;
	if (exec(file->sql, SETTINGS, err) < 0 || exec(file->sql, "PRAGMA journal_mode=WAL", err) < 0)
		return -1;
	if (exec(file->sql, options->unsafe_no_sync ? "PRAGMA synchronous=OFF" : "PRAGMA synchronous=FULL", err) < 0)
		return -1;
	return check_format(file->sql, format, err) < 0 || sync_folder(file->dirfd, err) < 0 ? -1 : 0;
}

int db_file_open(struct db_file *file, int dirfd, const struct db_options *options, struct error *err)
{
	file->dirfd = fcntl(dirfd, F_DUPFD_CLOEXEC, 3);
	if (file->dirfd < 0)
		return error_sys(err, "cannot open the store: data folder");
	if (register_vfs(file, err) < 0) {
		close(file->dirfd);
		return -1;
	}
	if (connect_to(file, options, err) < 0) {
		db_file_close(file);
		return error_wrap(err, "cannot open the store");
	}
	return 0;
}

void db_file_close(struct db_file *file)
{
	int rc = sqlite3_close(file->sql);
	ASSERT(rc == SQLITE_OK); /* BUSY: a statement was forgotten */
	sqlite3_vfs_unregister(&file->vfs);
	close(file->dirfd);
}
