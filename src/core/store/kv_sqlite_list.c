/* A page of entries: read on the store thread into an arena of its own, which goes to the loop with it. */
#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/store/kv_sqlite_priv.h"

enum { PAGE_BYTES = 1 << 20, ARENA_BYTES = 8 << 20 };

/* Keys from `low` on and below `high`; both bounds are one byte longer than a key may be. */
struct list_op {
	struct db_op op;
	struct kv_sqlite *kv;
	kv_list_cb *cb;
	void *arg;
	size_t limit, n;
	bool keys_only, more;
	struct arena arena;
	struct kv_entry *entries;
	size_t low_n, high_n;
	char low[KV_KEY_MAX + 1], high[KV_KEY_MAX + 1];
};

static struct str copy_column(struct arena *a, sqlite3_stmt *st, int column)
{
	const void *blob = sqlite3_column_blob(st, column);
	size_t n = (size_t)sqlite3_column_bytes(st, column);
	char *p = arena_alloc(a, n + 1);
	if (p && n)
		memcpy(p, blob, n);
	return (struct str){p, n};
}

static int take_rows(struct list_op *op, sqlite3_stmt *st)
{
	size_t bytes = 0;
	int rc;
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		op->more = op->n == op->limit || bytes >= PAGE_BYTES;
		if (op->more)
			return SQLITE_OK;
		struct kv_entry *e = &op->entries[op->n++];
		e->key = copy_column(&op->arena, st, 0);
		e->revision = (uint64_t)sqlite3_column_int64(st, 1);
		e->value = op->keys_only ? STR_NULL : copy_column(&op->arena, st, 2);
		bytes += e->value.n;
		if (op->arena.overflow)
			return SQLITE_NOMEM;
	}
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int run_list(struct db_op *base, sqlite3 *sql)
{
	struct list_op *op = CONTAINER_OF(base, struct list_op, op);
	sqlite3_stmt *st = op->kv->statements[KV_LIST];
	arena_release(&op->arena);
	arena_init(&op->arena, ARENA_BYTES);
	op->n = 0;
	op->more = false;
	op->entries = arena_alloc(&op->arena, op->limit * sizeof *op->entries);
	if (!op->entries)
		return SQLITE_NOMEM;
	kv_sqlite_bind(st, 1, (struct str){op->low, op->low_n});
	kv_sqlite_bind(st, 2, (struct str){op->high, op->high_n});
	sqlite3_bind_int64(st, 3, (sqlite3_int64)op->limit + 1);
	int rc = take_rows(op, st);
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return rc;
}

static void done_list(struct db_op *base)
{
	struct list_op *op = CONTAINER_OF(base, struct list_op, op);
	bool failed = op->op.err.code != ERR_OK;
	kv_sqlite_enter(op->kv);
	if (failed)
		op->cb(op->arg, NULL, 0, false, &op->op.err);
	else
		op->cb(op->arg, op->entries, op->n, op->more, NULL);
	kv_sqlite_leave(op->kv);
	arena_release(&op->arena);
	free(op);
}

/* Keys end at 0x7e: what starts with P is below P 0x7f. The first key after A is A 0x00. */
static void set_bounds(struct list_op *op, struct str prefix, struct str after)
{
	bool continued = after.n && str_cmp(after, prefix) >= 0;
	struct str low = continued ? after : prefix;
	memcpy(op->low, low.n ? low.p : "", low.n);
	op->low_n = low.n + continued;
	op->low[low.n] = 0;
	memcpy(op->high, prefix.n ? prefix.p : "", prefix.n);
	op->high[prefix.n] = 0x7f;
	op->high_n = prefix.n + 1;
}

int kv_sqlite_list(struct kv_sqlite *kv, const struct kv_list *what, bool beyond_limits, kv_list_cb *cb, void *arg,
                   struct error *err)
{
	struct list_op *op = calloc(1, sizeof *op);
	if (!op)
		return error_set(err, ERR_NO_MEMORY, "no memory for a request to the store");
	*op = (struct list_op){.kv = kv, .cb = cb, .arg = arg, .limit = what->limit, .keys_only = what->keys_only};
	op->op = (struct db_op){.bytes = sizeof *op, .run = run_list, .done = done_list, .beyond_limits = beyond_limits};
	if (!op->limit || op->limit > KV_LIST_MAX)
		op->limit = KV_LIST_MAX;
	set_bounds(op, what->prefix, what->after);
	int rc = db_submit(kv->db, &op->op, err);
	if (rc < 0)
		free(op);
	return rc;
}
