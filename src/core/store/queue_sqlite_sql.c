#include "core/store/queue_sqlite_priv.h"

/* Numbers in `queue` columns below are queue.items or queue.dedups: a purge gives a queue a new one and leaves the old one in `dead`,
 * whose rows go in pieces. item.body names the row of `body`, which no lease, nak or move touches. */
const struct db_format QS_FORMAT = {
	.file = "queue.db",
	.settings = "PRAGMA auto_vacuum=INCREMENTAL;",
	.create = "BEGIN IMMEDIATE;"
	          "CREATE TABLE queue(id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, items INTEGER NOT NULL, dedups INTEGER NOT NULL,"
	          " retention_ms INTEGER NOT NULL DEFAULT 0, ordered INTEGER NOT NULL DEFAULT 0, configured INTEGER NOT NULL DEFAULT 0);"
	          "CREATE TABLE dead(number INTEGER PRIMARY KEY);"
	          "CREATE TABLE item(queue INTEGER NOT NULL, seq INTEGER NOT NULL, visible_ms INTEGER NOT NULL, leased INTEGER NOT NULL DEFAULT 0,"
	          " published_ms INTEGER NOT NULL, first_ms INTEGER NOT NULL DEFAULT 0, receives INTEGER NOT NULL DEFAULT 0,"
	          " nonce INTEGER NOT NULL DEFAULT 0, moved INTEGER NOT NULL DEFAULT 0, body INTEGER NOT NULL, size INTEGER NOT NULL,"
	          " grp BLOB, note BLOB, PRIMARY KEY(queue, seq)) WITHOUT ROWID;"
	          "CREATE INDEX item_visible ON item(queue, visible_ms, seq, leased);"
	          "CREATE INDEX item_moved ON item(queue, published_ms) WHERE moved=1;"
	          "CREATE INDEX item_group ON item(queue, grp, seq) WHERE grp IS NOT NULL;"
	          "CREATE TABLE grp(queue INTEGER NOT NULL, name BLOB NOT NULL, head INTEGER NOT NULL, ready_ms INTEGER NOT NULL,"
	          " last INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(queue, name)) WITHOUT ROWID;"
	          "CREATE INDEX grp_ready ON grp(queue, ready_ms, head);"
	          "CREATE TABLE body(seq INTEGER PRIMARY KEY, id BLOB NOT NULL, head BLOB NOT NULL, body BLOB NOT NULL);"
	          "CREATE TABLE dedup(queue INTEGER NOT NULL, id BLOB NOT NULL, seq INTEGER NOT NULL, message BLOB NOT NULL,"
	          " until_ms INTEGER NOT NULL, PRIMARY KEY(queue, id)) WITHOUT ROWID;"
	          "CREATE INDEX dedup_until ON dedup(until_ms);"
	          "CREATE TABLE state(last_seq INTEGER NOT NULL, shift_ms INTEGER NOT NULL);"
	          "INSERT INTO state VALUES(1, 0);"
	          "PRAGMA application_id=0x4d617971;" /* "Mayq" */
	          "PRAGMA user_version=1;"
	          "COMMIT",
	.check = "SELECT last_seq FROM state",
	.application_id = 0x4d617971,
	.version = 1,
	.row_max = QUEUE_BODY_MAX + QUEUE_HEAD_MAX + 4096,
};

const char *const QS_TEMPORARY =
	"PRAGMA cache_size=-4096;"
	"CREATE TABLE temp.lease(seq INTEGER PRIMARY KEY, queue INTEGER NOT NULL, nonce INTEGER NOT NULL, until_ms INTEGER NOT NULL, grp BLOB);"
	"CREATE INDEX temp.lease_until ON lease(queue, until_ms);"
	"CREATE INDEX temp.lease_group ON lease(queue, grp, until_ms) WHERE grp IS NOT NULL;";

const char *const QS_SQL[QS_STATEMENTS] = {
#define X(name, text) [QS_##name] = text,
#include "core/store/queue_sqlite_sql.def"
#undef X
};

sqlite3_stmt *qs_bind(struct qs *qs, enum qs_statement s, size_t n, const int64_t *numbers)
{
	sqlite3_stmt *st = qs->statements[s];
	for (size_t i = 0; i < n; i++)
		sqlite3_bind_int64(st, (int)i + 1, numbers[i]);
	return st;
}

void qs_bind_bytes(sqlite3_stmt *st, int at, const void *p, size_t n)
{
	if (p)
		sqlite3_bind_blob(st, at, n ? p : "", (int)n, SQLITE_STATIC);
	else
		sqlite3_bind_null(st, at);
}

int qs_end(sqlite3_stmt *st, int rc)
{
	int reset = sqlite3_reset(st);
	if (rc == SQLITE_ROW || rc == SQLITE_DONE)
		return SQLITE_OK;
	return reset != SQLITE_OK ? reset : rc;
}

int qs_run(sqlite3_stmt *st)
{
	int rc;
	while ((rc = sqlite3_step(st)) == SQLITE_ROW)
		;
	return qs_end(st, rc);
}

int qs_one(sqlite3_stmt *st, int64_t *out)
{
	int rc = sqlite3_step(st);
	if (rc == SQLITE_ROW && sqlite3_column_type(st, 0) != SQLITE_NULL)
		*out = sqlite3_column_int64(st, 0);
	return qs_end(st, rc);
}

int qs_prepare(struct qs *qs, struct error *err)
{
	sqlite3 *sql = db_sql(qs->db);
	int rc = sqlite3_exec(sql, QS_TEMPORARY, NULL, NULL, NULL);
	for (size_t i = 0; rc == SQLITE_OK && i < QS_STATEMENTS; i++)
		rc = sqlite3_prepare_v3(sql, QS_SQL[i], -1, SQLITE_PREPARE_PERSISTENT, &qs->statements[i], NULL);
	return rc == SQLITE_OK ? 0 : db_error(sql, rc, err);
}
