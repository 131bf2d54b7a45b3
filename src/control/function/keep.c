/* Settings of versions that are only kept: runtime management and scaling configurations. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/function/registry_priv.h"
#include "core/base/cleanup.h"

#define KEY_SIZE (FUNCTION_QUALIFIER_MAX + 16)

static const char *const kinds[KEPT_KINDS] = {"Runtime", "Scaling"};

struct keep_op {
	struct op op;
	enum registry_kept kind;
	char *qualifier;
	json_t *row;
};

static struct keep_op *keep_op(struct op *op)
{
	return CONTAINER_OF(op, struct keep_op, op);
}

static void key_of(char key[KEY_SIZE], enum registry_kept kind, struct str qualifier)
{
	struct str named = qualifier.n ? qualifier : STR("$LATEST");
	snprintf(key, KEY_SIZE, "%s/" STR_FMT, kinds[kind], STR_ARG(named));
}

const json_t *registry_kept(const struct registry *r, struct str name, struct str qualifier, enum registry_kept kind)
{
	char key[KEY_SIZE];
	const struct function *f = function_find(r, name);
	key_of(key, kind, qualifier);
	return f ? json_object_get(f->truth.kept, key) : NULL;
}

bool draft_forget_kept(struct op *op, struct str qualifier)
{
	json_t *copy = NULL;
	for (unsigned i = 0; i < KEPT_KINDS; i++) {
		char key[KEY_SIZE];
		key_of(key, (enum registry_kept)i, qualifier);
		if (!json_object_get(op->draft.kept, key))
			continue;
		copy = copy ? copy : json_copy(op->draft.kept);
		ASSERT(copy);
		json_object_del(copy, key);
	}
	if (copy)
		op->draft.kept = copy;
	return copy != NULL;
}

static void release(struct op *op)
{
	free(keep_op(op)->qualifier);
	json_decref(keep_op(op)->row);
}

static void start(struct op *op)
{
	struct keep_op *k = keep_op(op);
	const struct function *f = function_find(op->r, op_name(op));
	struct str qualifier = str_from(k->qualifier);
	struct error err = {0};
	char key[KEY_SIZE];
	if (!f || !function_has_qualifier(f, qualifier)) {
		function_not_found(op->r, op_name(op), qualifier, &err);
		op_finish(op, &err);
		return;
	}
	if (!op_begin(op))
		return;
	op->draft.kept = f->truth.kept ? json_copy(f->truth.kept) : json_object();
	ASSERT(op->draft.kept);
	key_of(key, k->kind, qualifier);
	if (k->row)
		json_object_set(op->draft.kept, key, k->row);
	else
		json_object_del(op->draft.kept, key);
	op->result = json_incref(k->row);
	op_write(op);
}

void registry_keep(struct registry *r, struct str name, struct str qualifier, enum registry_kept kind, json_t *row, registry_done_cb *cb,
                   void *arg)
{
	struct keep_op *k = calloc(1, sizeof *k);
	ASSERT(k);
	k->op.start = start;
	k->op.release = release;
	k->kind = kind;
	k->qualifier = qualifier.n ? str_dup(qualifier) : NULL;
	k->row = json_incref(row);
	op_submit(&k->op, r, name, cb, arg);
}
