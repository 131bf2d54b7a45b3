#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/function/registry_priv.h"

static void on_start(struct ev_defer *defer)
{
	struct op *op = CONTAINER_OF(defer, struct op, defer);
	op->start(op);
}

static struct name_lock *lock_of(struct registry *r, struct str name)
{
	struct name_lock *lock = HASH_ENTRY(hash_get(&r->locks, name), struct name_lock, by_name);
	if (lock)
		return lock;
	lock = calloc(1, sizeof *lock + name.n + 1);
	ASSERT(lock);
	memcpy(lock->name, name.p, name.n);
	list_init(&lock->ops);
	int rc = hash_put(&r->locks, &lock->by_name, str_from(lock->name));
	ASSERT(rc == 0);
	return lock;
}

void op_submit(struct op *op, struct registry *r, struct str name, registry_done_cb *cb, void *arg)
{
	op->r = r;
	op->cb = cb;
	op->arg = arg;
	op->lock = lock_of(r, name);
	list_init(&op->link);
	ev_defer_init(&op->defer, on_start);
	bool first = list_empty(&op->lock->ops);
	list_push_back(&op->lock->ops, &op->link);
	if (first)
		ev_defer_run(r->deps.loop, &op->defer);
}

struct str op_name(const struct op *op)
{
	return str_from(op->lock->name);
}

static void unlock(struct op *op)
{
	struct name_lock *lock = op->lock;
	list_remove(&op->link);
	struct op *next = LIST_FIRST(&lock->ops, struct op, link);
	if (next) {
		ev_defer_run(op->r->deps.loop, &next->defer);
		return;
	}
	hash_remove(&op->r->locks, &lock->by_name);
	free(lock);
}

void op_finish(struct op *op, const struct error *err)
{
	if (op->f) {
		truth_dispose(&op->draft, &op->f->truth, op->f->serving);
		if (op->fresh)
			function_free(op->f);
	}
	config_free(op->publish);
	buf_release(&op->text);
	op->cb(op->arg, err ? NULL : op->result, err);
	json_decref(op->result);
	if (op->release)
		op->release(op);
	unlock(op);
	free(op);
}

void op_fail(struct op *op, enum error_code code, const char *fmt, ...)
{
	struct error err = {.code = code};
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(err.msg, sizeof err.msg, fmt, ap);
	va_end(ap);
	op_finish(op, &err);
}

bool op_begin(struct op *op)
{
	op->f = function_find(op->r, op_name(op));
	if (op->f) {
		op->draft = op->f->truth;
		return true;
	}
	struct error err = {0};
	function_not_found(op->r, op_name(op), STR_NULL, &err);
	op_finish(op, &err);
	return false;
}

bool op_begin_change(struct op *op, struct str revision)
{
	if (!op_begin(op))
		return false;
	if (op->f->state != FUNCTION_ACTIVE) {
		char arn[FUNCTION_ARN_MAX];
		registry_arn(op->r, arn, op_name(op), STR_NULL);
		op_fail(op, ERR_CONFLICT, "The operation cannot be performed at this time. An update is in progress for resource: %s",
		        arn);
		return false;
	}
	if (!revision.p)
		return true;
	json_t *latest = config_load(op->f->truth.latest, NULL);
	const char *now = json_string_value(json_object_get(latest, "RevisionId"));
	bool same = now && str_eqz(revision, now);
	json_decref(latest);
	if (!same)
		op_fail(op, ERR_REVISION, "The Revision Id provided does not match the latest Revision Id. Call the "
		        "GetFunction/GetAlias API to retrieve the latest Revision Id");
	return same;
}

/* ---- writing ---- */

static void forget_tombstone(struct registry *r, struct str name)
{
	struct tombstone *t = HASH_ENTRY(hash_get(&r->tombstones, name), struct tombstone, by_name);
	if (!t)
		return;
	hash_remove(&r->tombstones, &t->by_name);
	free(t);
}

/* The store has it: memory follows. */
static void on_truth_written(void *arg, const struct kv_entry *entry, const struct error *err)
{
	struct op *op = arg;
	struct function *f = op->f;
	struct error failure = {0};
	if (err) {
		op_finish(op, err);
		return;
	}
	if ((op->publish && function_version_insert(f, op->publish, &failure) < 0) ||
	    (op->fresh && function_add(op->r, f, &failure) < 0)) {
		op_finish(op, &failure);
		return;
	}
	op->publish = NULL;
	if (op->fresh)
		forget_tombstone(op->r, op_name(op));
	op->fresh = false;
	struct truth old = f->truth;
	f->truth = op->draft;
	if (old.policies != f->truth.policies)
		function_forget_policies(f);
	if (old.urls != f->truth.urls)
		function_urls_sync(f);
	truth_dispose(&old, &f->truth, f->serving);
	if (op->applied)
		op->applied(op);
	op_finish(op, NULL);
}

static void write_truth(struct op *op)
{
	char key[RECORD_KEY_SIZE];
	struct error err = {0};
	buf_release(&op->text);
	record_key(key, sizeof key, op->f);
	if (record_write(&op->text, op->f, &op->draft, &err) < 0 ||
	    kv_put(op->r->deps.kv, str_from(key), buf_str(&op->text), KV_ANY, on_truth_written, op, &err) < 0)
		op_finish(op, &err);
}

static void on_version_written(void *arg, const struct kv_entry *entry, const struct error *err)
{
	if (err)
		op_finish(arg, err);
	else
		write_truth(arg);
}

void op_write(struct op *op)
{
	char key[RECORD_KEY_SIZE];
	struct error err = {0};
	if (!op->publish) {
		write_truth(op);
		return;
	}
	record_version_key(key, sizeof key, op->f, op->publish->number);
	if (kv_put(op->r->deps.kv, str_from(key), (struct str){op->publish->json, op->publish->len}, KV_ANY, on_version_written,
	           op, &err) < 0)
		op_finish(op, &err);
}
