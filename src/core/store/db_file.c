#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/store/db_priv.h"

/* "Mayf" in the file's header, and the version of the tables below. */
enum { APPLICATION_ID = 0x4d617966, FORMAT = 1 };


/* A key's revision is its row's number. kv_last has one row: the last revision given out. */
static const char CREATE[] =
	"BEGIN IMMEDIATE;"
	"CREATE TABLE kv(revision INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, value BLOB NOT NULL);"
	"CREATE TABLE kv_last(revision INTEGER NOT NULL);"
	"INSERT INTO kv_last VALUES(0);"
	"PRAGMA application_id=0x4d617966;"
	"PRAGMA user_version=1;"
	"COMMIT";

/* Exclusive before WAL: the lock is then taken once, and the index of the WAL lives on the heap instead of in a file. */
static const char SETTINGS[] =
	"PRAGMA locking_mode=EXCLUSIVE;"
	"PRAGMA cache_size=-1024;"
	"PRAGMA temp_store=MEMORY;"
	"PRAGMA secure_delete=FAST;"
	"PRAGMA trusted_schema=OFF;"
	"PRAGMA journal_size_limit=4194304;"
	"PRAGMA wal_autocheckpoint=0";

static int is_full(sqlite3 *sql, int rc)
{
	int sys = sqlite3_system_errno(sql);
	return (rc & 0xff) == SQLITE_FULL || ((rc & 0xff) == SQLITE_IOERR && (sys == ENOSPC || sys == EDQUOT));
}

int db_error(sqlite3 *sql, int rc, struct error *err)
{
	if (is_full(sql, rc))
		return error_set(err, ERR_DISK_FULL, "kv.db: the disk is full: free some space; nothing acknowledged is lost");
	int code = rc & 0xff;
	if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
		return error_set(err, ERR_IN_USE, "kv.db is in use by another process: is another server running on this data folder?");
	if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
		return error_set(err, ERR_IO, "kv.db is damaged (%s): restore it from a backup, or start with another data folder",
		                 sqlite3_errstr(rc));
	if (code == SQLITE_NOMEM)
		return error_set(err, ERR_NO_MEMORY, "kv.db: out of memory");
	errno = sqlite3_system_errno(sql);
	if (errno)
		return error_sys(err, "kv.db: %s", sqlite3_errstr(rc));
	return error_set(err, ERR_IO, "kv.db: %s", sqlite3_errstr(rc));
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

static int check_format(sqlite3 *sql, struct error *err)
{
	sqlite3_int64 id, version, tables;
	if (ask(sql, "PRAGMA application_id", &id, err) < 0 || ask(sql, "PRAGMA user_version", &version, err) < 0 ||
	    ask(sql, "SELECT count(*) FROM sqlite_schema", &tables, err) < 0)
		return -1;
	if (!id && !version && !tables)
		return exec(sql, CREATE, err);
	if (id != APPLICATION_ID)
		return error_set(err, ERR_UNSUPPORTED, "kv.db was not made by Mayfly: choose another data folder");
	if (version != FORMAT)
		return error_set(err, ERR_UNSUPPORTED,
		                 "kv.db has format %lld, this program knows format %d: run the version of Mayfly that made "
		                 "it, or choose another data folder", (long long)version, FORMAT);
	return ask(sql, "SELECT revision FROM kv_last", &version, err);
}

/* The name is /proc/self/fd/N/kv.db. SQLite would resolve the link into a path, which this process may be unable to walk. */
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
static int create_file(int dirfd, struct error *err)
{
	int fd = openat(dirfd, "kv.db", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == EEXIST ? 0 : error_sys(err, "kv.db");
	close(fd);
	return 0;
}

static int connect_to(struct db_file *file, bool unsafe_no_sync, struct error *err)
{
	char path[64];
	if (create_file(file->dirfd, err) < 0)
		return -1;
	snprintf(path, sizeof path, "/proc/self/fd/%d/kv.db", file->dirfd);
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
	int rc = sqlite3_open_v2(path, &file->sql, flags, file->name);
	if (rc != SQLITE_OK)
		return db_error(file->sql, rc, err);
	sqlite3_extended_result_codes(file->sql, 1);
	sqlite3_limit(file->sql, SQLITE_LIMIT_LENGTH, 4 << 20);
	if (exec(file->sql, SETTINGS, err) < 0 || exec(file->sql, "PRAGMA journal_mode=WAL", err) < 0)
		return -1;
	if (exec(file->sql, unsafe_no_sync ? "PRAGMA synchronous=OFF" : "PRAGMA synchronous=FULL", err) < 0)
		return -1;
	return check_format(file->sql, err) < 0 || sync_folder(file->dirfd, err) < 0 ? -1 : 0;
}

int db_file_open(struct db_file *file, int dirfd, bool unsafe_no_sync, struct error *err)
{
	file->dirfd = fcntl(dirfd, F_DUPFD_CLOEXEC, 3);
	if (file->dirfd < 0)
		return error_sys(err, "cannot open the store: data folder");
	if (register_vfs(file, err) < 0) {
		close(file->dirfd);
		return -1;
	}
	if (connect_to(file, unsafe_no_sync, err) < 0) {
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
