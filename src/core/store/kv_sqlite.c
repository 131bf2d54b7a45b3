#include "core/store/kv_sqlite.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/store/kv_sqlite_priv.h"

enum { QUEUE_MAX = 4096, QUEUE_MAX_BYTES = 16 << 20 };

/* A key's revision is its row's number. kv_last has one row: the last revision given out. */
static const struct db_format FORMAT = {
	.file = "kv.db",
	.create = "BEGIN IMMEDIATE;"
	          "CREATE TABLE kv(revision INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, value BLOB NOT NULL);"
	          "CREATE TABLE kv_last(revision INTEGER NOT NULL);"
	          "INSERT INTO kv_last VALUES(0);"
	          "PRAGMA application_id=0x4d617966;" /* "Mayf" */
	          "PRAGMA user_version=1;"
	          "COMMIT",
	.check = "SELECT revision FROM kv_last",
	.application_id = 0x4d617966,
	.version = 1,
	.row_max = 4 << 20,
};

static const char *const SQL[KV_STATEMENTS] = {
	[KV_FIND] = "SELECT revision FROM kv WHERE key=?1",
	[KV_GET] = "SELECT revision, value FROM kv WHERE key=?1",
	[KV_NEXT] = "UPDATE kv_last SET revision=revision+1 RETURNING revision",
	[KV_INSERT] = "INSERT INTO kv(revision, key, value) VALUES(?1, ?2, ?3)",
	[KV_UPDATE] = "UPDATE kv SET revision=?1, value=?3 WHERE key=?2",
	[KV_REMOVE] = "DELETE FROM kv WHERE key=?1",
	[KV_LIST] = "SELECT key, revision, value FROM kv WHERE key>=?1 AND key<?2 ORDER BY key LIMIT ?3",
};

/* get, put and delete. `data` holds the key and the value that is written. */
struct kv_op {
	struct db_op op;
	struct kv_sqlite *kv;
	kv_cb *cb;
	void *arg;
	struct str key, value;
	uint64_t expected, revision;
	char *got; /* what get found: malloc'd */
	size_t got_n;
	char data[];
};

/* Runs a statement that gives at most one number; 0 when it gives none. */
static int run_number(sqlite3_stmt *st, uint64_t *out)
{
	*out = 0;
	int rc;
	while ((rc = sqlite3_step(st)) == SQLITE_ROW)
		*out = (uint64_t)sqlite3_column_int64(st, 0);
	int reset = sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return rc == SQLITE_DONE ? SQLITE_OK : reset ? reset : rc;
}

static int find(struct kv_op *op, uint64_t *revision)
{
	kv_sqlite_bind(op->kv->statements[KV_FIND], 1, op->key);
	return run_number(op->kv->statements[KV_FIND], revision);
}

/* False: the condition does not hold, and the operation's error says so. */
static bool may_write(struct kv_op *op, uint64_t present)
{
	if (op->expected == KV_ANY || op->expected == present)
		return true;
	if (op->expected == KV_ABSENT)
		error_set(&op->op.err, ERR_EXISTS, "key " STR_FMT " exists", STR_ARG(op->key));
	else
		error_set(&op->op.err, ERR_REVISION, "key " STR_FMT " has revision %llu, not %llu", STR_ARG(op->key),
		          (unsigned long long)present, (unsigned long long)op->expected);
	return false;
}

static int run_put(struct db_op *base, sqlite3 *sql)
{
	struct kv_op *op = CONTAINER_OF(base, struct kv_op, op);
	uint64_t present, none;
	int rc = find(op, &present);
	if (rc != SQLITE_OK || !may_write(op, present))
		return rc;
	rc = run_number(op->kv->statements[KV_NEXT], &op->revision);
	if (rc != SQLITE_OK)
		return rc;
	sqlite3_stmt *st = op->kv->statements[present ? KV_UPDATE : KV_INSERT];
	sqlite3_bind_int64(st, 1, (sqlite3_int64)op->revision);
	kv_sqlite_bind(st, 2, op->key);
	kv_sqlite_bind(st, 3, op->value);
	return run_number(st, &none);
}

static int run_delete(struct db_op *base, sqlite3 *sql)
{
	struct kv_op *op = CONTAINER_OF(base, struct kv_op, op);
	uint64_t present, none;
	op->revision = 0;
	int rc = find(op, &present);
	if (rc != SQLITE_OK || !may_write(op, present) || !present)
		return rc;
	rc = run_number(op->kv->statements[KV_NEXT], &op->revision);
	if (rc != SQLITE_OK)
		return rc;
	kv_sqlite_bind(op->kv->statements[KV_REMOVE], 1, op->key);
	return run_number(op->kv->statements[KV_REMOVE], &none);
}

static int take_value(struct kv_op *op, sqlite3_stmt *st)
{
	const void *blob = sqlite3_column_blob(st, 1); /* before its size, as SQLite wants it */
	size_t n = (size_t)sqlite3_column_bytes(st, 1);
	op->got = malloc(n + 1);
	if (!op->got || (n && !blob))
		return SQLITE_NOMEM;
	memcpy(op->got, n ? blob : "", n);
	op->got_n = n;
	op->revision = (uint64_t)sqlite3_column_int64(st, 0);
	return SQLITE_OK;
}

static int run_get(struct db_op *base, sqlite3 *sql)
{
	struct kv_op *op = CONTAINER_OF(base, struct kv_op, op);
	sqlite3_stmt *st = op->kv->statements[KV_GET];
	free(STEAL_PTR(op->got));
	kv_sqlite_bind(st, 1, op->key);
	int rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		rc = take_value(op, st);
	else if (rc == SQLITE_DONE)
		rc = (error_set(&op->op.err, ERR_NOT_FOUND, "no key " STR_FMT, STR_ARG(op->key)), SQLITE_OK);
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return rc;
}

static void answer(struct kv_op *op)
{
	bool failed = op->op.err.code != ERR_OK;
	struct kv_entry entry = {op->key, {op->got, op->got_n}, op->revision};
	op->cb(op->arg, failed ? NULL : &entry, failed ? &op->op.err : NULL);
}

static void done_get(struct db_op *base)
{
	struct kv_op *op = CONTAINER_OF(base, struct kv_op, op);
	kv_sqlite_enter(op->kv);
	answer(op);
	kv_sqlite_leave(op->kv);
	free(op->got);
	free(op);
}

static void done_write(struct db_op *base, enum kv_event event)
{
	struct kv_op *op = CONTAINER_OF(base, struct kv_op, op);
	struct kv_entry entry = {op->key, op->value, op->revision};
	kv_sqlite_enter(op->kv);
	answer(op);
	if (op->op.err.code == ERR_OK && op->revision)
		kv_sqlite_notify(op->kv, event, &entry);
	kv_sqlite_leave(op->kv);
	free(op);
}

static void done_put(struct db_op *base)
{
	done_write(base, KV_EVENT_PUT);
}

static void done_delete(struct db_op *base)
{
	done_write(base, KV_EVENT_DELETE);
}

static struct kv_op *op_new(struct kv *base, struct str key, struct str value, kv_cb *cb, void *arg, struct error *err)
{
	struct kv_op *op = calloc(1, sizeof *op + key.n + value.n);
	if (!op) {
		error_set(err, ERR_NO_MEMORY, "no memory for a request to the store");
		return NULL;
	}
	op->kv = CONTAINER_OF(base, struct kv_sqlite, kv);
	op->cb = cb;
	op->arg = arg;
	op->op.bytes = key.n + value.n;
	memcpy(op->data, key.p, key.n);
	memcpy(op->data + key.n, value.n ? value.p : "", value.n);
	op->key = (struct str){op->data, key.n};
	op->value = (struct str){op->data + key.n, value.n};
	return op;
}

static int submit(struct kv_op *op, struct error *err)
{
	int rc = db_submit(op->kv->db, &op->op, err);
	if (rc < 0)
		free(op);
	return rc;
}

static int get(struct kv *base, struct str key, kv_cb *cb, void *arg, struct error *err)
{
	struct kv_op *op = op_new(base, key, STR_NULL, cb, arg, err);
	if (!op)
		return -1;
	op->op.run = run_get;
	op->op.done = done_get;
	return submit(op, err);
}

static int put(struct kv *base, struct str key, struct str value, uint64_t expected, kv_cb *cb, void *arg,
               struct error *err)
{
	struct kv_op *op = op_new(base, key, value, cb, arg, err);
	if (!op)
		return -1;
	op->op.writes = true;
	op->op.run = run_put;
	op->op.done = done_put;
	op->expected = expected;
	return submit(op, err);
}

static int del(struct kv *base, struct str key, uint64_t expected, kv_cb *cb, void *arg, struct error *err)
{
	struct kv_op *op = op_new(base, key, STR_NULL, cb, arg, err);
	if (!op)
		return -1;
	op->op.writes = true;
	op->op.run = run_delete;
	op->op.done = done_delete;
	op->expected = expected;
	return submit(op, err);
}

static int list(struct kv *base, const struct kv_list *what, kv_list_cb *cb, void *arg, struct error *err)
{
	return kv_sqlite_list(CONTAINER_OF(base, struct kv_sqlite, kv), what, false, cb, arg, err);
}

static void release(struct kv_sqlite *kv)
{
	for (size_t i = 0; i < KV_STATEMENTS; i++)
		sqlite3_finalize(kv->statements[i]);
	db_free(kv->db);
	free(kv);
}

static void close_store(struct kv *base)
{
	struct kv_sqlite *kv = CONTAINER_OF(base, struct kv_sqlite, kv);
	ASSERT(kv->calling == 0);
	db_stop(kv->db);
	kv_sqlite_watches_close(kv);
	release(kv);
}

static const struct kv_ops OPS = {
	.get = get, .put = put, .del = del, .list = list, .watch = kv_sqlite_watch, .watch_stop = kv_sqlite_watch_stop,
	.close = close_store,
};

static int prepare(struct kv_sqlite *kv, struct error *err)
{
	sqlite3 *sql = db_sql(kv->db);
	for (size_t i = 0; i < KV_STATEMENTS; i++) {
		int rc = sqlite3_prepare_v3(sql, SQL[i], -1, SQLITE_PREPARE_PERSISTENT, &kv->statements[i], NULL);
		if (rc != SQLITE_OK)
			return db_error(sql, rc, err);
	}
	return 0;
}

struct kv *kv_sqlite_open(struct ev_loop *loop, int data_dirfd, const struct kv_sqlite_options *options,
                          struct error *err)
{
	struct db_options db = {.format = &FORMAT, .queue_max = QUEUE_MAX, .queue_max_bytes = QUEUE_MAX_BYTES};
	if (options) {
		db.queue_max = options->queue_max ? options->queue_max : db.queue_max;
		db.queue_max_bytes = options->queue_max_bytes ? options->queue_max_bytes : db.queue_max_bytes;
		db.unsafe_no_sync = options->unsafe_no_sync;
	}
	CLEANUP_FREE struct kv_sqlite *kv = calloc(1, sizeof *kv);
	if (!kv) {
		error_set(err, ERR_NO_MEMORY, "no memory for the store");
		return NULL;
	}
	kv->kv.ops = &OPS;
	list_init(&kv->watches);
	kv->db = db_open(loop, data_dirfd, &db, err);
	if (!kv->db)
		return NULL;
	if (prepare(kv, err) < 0) {
		db_stop(kv->db);
		release(STEAL_PTR(kv));
		return NULL;
	}
	return &STEAL_PTR(kv)->kv;
}
