/* The store thread: one thread, one SQLite connection, one file, group commit. Engines (kv, queue) hand it operations; each engine has
 * a thread and a file of its own, described by a db_format.
 *
 * An operation is allocated by its engine, and submitted on the loop. `run` is called on the store thread, inside a
 * transaction when the operation writes; it may be called again after a rollback, and must then forget what it found
 * before. It returns an SQLite code: anything but SQLITE_OK undoes the transaction. An outcome such as "no such key" is no
 * failure: it goes into `err`, and `run` returns SQLITE_OK. `done` is called on the loop, in the order of submission, after
 * the commit; it frees the operation. */
#ifndef MAYFLY_STORE_DB_PRIV_H
#define MAYFLY_STORE_DB_PRIV_H

#include <sqlite3.h>

#include "core/base/list.h"
#include "core/ev/ev.h"

struct db;

struct db_op {
	struct list link;
	size_t bytes; /* counted against the queue's maximum */
	bool writes;
	bool beyond_limits; /* queued even when too much waits */
	bool makes_room;    /* on a full disk: tried again after db_options.relieve */
	int (*run)(struct db_op *op, sqlite3 *sql);
	void (*done)(struct db_op *op);
	struct error err; /* code ERR_OK: fine */
};

struct db_format {
	const char *file;     /* "kv.db" */
	const char *settings; /* pragmas before anything is made, or NULL */
	const char *create;   /* all tables, application id and version, in one transaction */
	const char *check;    /* a query with a row */
	int application_id, version;
	int row_max;          /* bytes of the largest row */
};

struct db_options {
	const struct db_format *format;
	size_t queue_max, queue_max_bytes;
	bool unsafe_no_sync;
	bool (*relieve)(void *arg); /* on the thread, after a failure for want of space: true when it made some. May be NULL */
	void *relieve_arg;
};

/* Opens the file, makes or checks its format, locks it; then starts the thread. */
struct db *db_open(struct ev_loop *loop, int dirfd, const struct db_options *options, struct error *err);
/* The connection: only before the first submit, and after db_stop. */
sqlite3 *db_sql(struct db *db);
/* -1 (ERR_THROTTLED, ERR_CLOSED): nothing was queued, the operation stays the caller's. */
int db_submit(struct db *db, struct db_op *op, struct error *err);
/* Ends the thread after the transaction at work; then every operation is done on the loop, with its outcome or ERR_CLOSED. */
void db_stop(struct db *db);
void db_free(struct db *db); /* after db_stop, and after the engines' statements are finalised */

/* What an SQLite code means to people. Returns -1. */
int db_error(sqlite3 *sql, int rc, struct error *err);
bool db_is_full(sqlite3 *sql, int rc);

/* db_file.c: the connection without the thread. The name of a VFS is global, and so must be registered and taken back. */
struct db_file {
	sqlite3 *sql;
	sqlite3_vfs vfs;
	int dirfd;
	char name[48];
};
int db_file_open(struct db_file *file, int dirfd, const struct db_options *options, struct error *err);
void db_file_close(struct db_file *file);

#endif
