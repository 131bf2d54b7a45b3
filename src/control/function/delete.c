/* Deleting functions and versions. The function's key goes first (or becomes a tombstone with the last version number);
 * keys of its versions that are left when that is interrupted are swept at the next start. */
#include <stdlib.h>
#include <string.h>

#include "control/function/registry_priv.h"

struct deletion {
	struct op op;
	char *qualifier; /* NULL: the whole function */
	unsigned number;
};

static struct deletion *deletion_of(struct op *op)
{
	return CONTAINER_OF(op, struct deletion, op);
}

static void release(struct op *op)
{
	free(deletion_of(op)->qualifier);
}

static void ignore(void *arg, const struct kv_entry *entry, const struct error *err)
{
}

static int bury(struct registry *r, const struct function *f)
{
	if (f->truth.last == 0)
		return 0;
	size_t n = strlen(f->name);
	struct tombstone *t = calloc(1, sizeof *t + n + 1);
	if (!t)
		return -1;
	memcpy(t->name, f->name, n);
	t->last = f->truth.last;
	if (hash_put(&r->tombstones, &t->by_name, str_from(t->name)) < 0) {
		free(t);
		return -1;
	}
	return 0;
}

static void on_function_deleted(void *arg, const struct kv_entry *entry, const struct error *err)
{
	struct op *op = arg;
	struct function *f = op->f;
	struct registry *r = op->r;
	op->f = NULL;
	if (err) {
		op_finish(op, err);
		return;
	}
	for (size_t i = 0; i < f->version_count; i++) {
		char key[RECORD_KEY_SIZE];
		record_version_key(key, sizeof key, f, f->versions[i]->number);
		kv_delete(r->deps.kv, str_from(key), KV_ANY, ignore, NULL, NULL);
	}
	bury(r, f);
	if (f->truth.reserved > 0)
		r->reserved_sum -= (unsigned)f->truth.reserved;
	bool reserved = f->truth.reserved >= 0;
	function_remove(f);
	if (r->deps.on_deleted)
		r->deps.on_deleted(r->deps.report_arg, str_from(f->name));
	function_free(f);
	if (reserved)
		registry_report_unreserved(r);
	op_finish(op, NULL);
}

static void delete_function(struct op *op)
{
	char key[RECORD_KEY_SIZE];
	struct error err = {0};
	int rc;
	record_key(key, sizeof key, op->f);
	if (op->f->truth.last == 0) {
		rc = kv_delete(op->r->deps.kv, str_from(key), KV_ANY, on_function_deleted, op, &err);
	} else {
		record_write_tombstone(&op->text, op->f->truth.last);
		rc = kv_put(op->r->deps.kv, str_from(key), buf_str(&op->text), KV_ANY, on_function_deleted, op, &err);
	}
	if (rc < 0)
		op_finish(op, &err);
}

static void on_version_deleted(void *arg, const struct kv_entry *entry, const struct error *err)
{
	struct op *op = arg;
	if (err) {
		op_finish(op, err);
		return;
	}
	function_version_delete(op->f, deletion_of(op)->number);
	if (draft_forget(op, str_from(deletion_of(op)->qualifier)))
		op_write(op);
	else
		op_finish(op, NULL);
}

static const struct alias *alias_to(const struct function *f, unsigned number)
{
	for (size_t i = 0; i < f->truth.alias_count; i++) {
		if (f->truth.aliases[i]->number == number || f->truth.aliases[i]->extra_number == number)
			return f->truth.aliases[i];
	}
	return NULL;
}

static void delete_version(struct op *op)
{
	struct deletion *d = deletion_of(op);
	char key[RECORD_KEY_SIZE];
	struct error err = {0};
	const struct alias *a;
	if (!d->number || !function_version_config(op->f, d->number)) {
		function_not_found(op->r, op_name(op), str_from(d->qualifier), &err);
		op_finish(op, &err);
		return;
	}
	if ((a = alias_to(op->f, d->number))) {
		op_fail(op, ERR_CONFLICT, "Unable to delete version because the following aliases reference it: [%s]", a->name);
		return;
	}
	record_version_key(key, sizeof key, op->f, d->number);
	if (kv_delete(op->r->deps.kv, str_from(key), KV_ANY, on_version_deleted, op, &err) < 0)
		op_finish(op, &err);
}

static void start(struct op *op)
{
	struct deletion *d = deletion_of(op);
	if (!op_begin_change(op, STR_NULL))
		return;
	switch (function_qualifier_kind(str_from(d->qualifier), &d->number)) {
	case QUALIFIER_NONE:
		delete_function(op);
		break;
	case QUALIFIER_NUMBER:
		delete_version(op);
		break;
	case QUALIFIER_LATEST:
		op_fail(op, ERR_INVALID, "$LATEST version cannot be deleted without deleting the function.");
		break;
	case QUALIFIER_ALIAS:
		op_fail(op, ERR_INVALID, "Deletion of aliases is not currently supported.");
		break;
	}
}

void registry_delete(struct registry *r, struct str name, struct str qualifier, registry_done_cb *cb, void *arg)
{
	struct deletion *d = calloc(1, sizeof *d);
	ASSERT(d);
	d->qualifier = qualifier.p ? str_dup(qualifier) : NULL;
	d->op.start = start;
	d->op.release = release;
	op_submit(&d->op, r, name, cb, arg);
}
