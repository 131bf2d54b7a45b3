#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/function/registry_priv.h"
#include "core/json/value.h"

struct alias *alias_new(const char *name, const char *description, unsigned number, unsigned extra, double weight,
                        const char *revision)
{
	size_t name_size = strlen(name) + 1, description_size = strlen(description) + 1;
	struct alias *a = calloc(1, sizeof *a + name_size + description_size);
	if (!a)
		return NULL;
	char *text = (char *)(a + 1);
	a->name = memcpy(text, name, name_size);
	a->description = memcpy(text + name_size, description, description_size);
	a->number = number;
	a->extra_number = extra;
	a->extra_weight = weight;
	if (revision)
		snprintf(a->revision, sizeof a->revision, "%s", revision);
	else
		uuid4(a->revision);
	return a;
}

json_t *alias_store(const struct alias *a)
{
	return json_pack("{s:s, s:i, s:i, s:f, s:s}", "Description", a->description, "Version", (int)a->number, "Extra",
	                 (int)a->extra_number, "Weight", a->extra_weight, "RevisionId", a->revision);
}

struct alias *alias_restore(const char *name, const json_t *json)
{
	const char *description, *revision;
	json_int_t number, extra;
	double weight;
	if (json_unpack((json_t *)json, "{s:s, s:I, s:I, s:F, s:s}", "Description", &description, "Version", &number, "Extra",
	                &extra, "Weight", &weight, "RevisionId", &revision) < 0)
		return NULL;
	return alias_new(name, description, (unsigned)number, (unsigned)extra, weight, revision);
}

static const char *number_text(char dst[16], unsigned number)
{
	if (number)
		snprintf(dst, 16, "%u", number);
	else
		memcpy(dst, "$LATEST", 8);
	return dst;
}

json_t *alias_show(const struct function *f, const struct alias *a)
{
	char arn[FUNCTION_ARN_MAX], number[16], extra[16];
	registry_arn(f->registry, arn, str_from(f->name), str_from(a->name));
	json_t *shown = json_pack("{s:s, s:s, s:s, s:s, s:s}", "AliasArn", arn, "Name", a->name, "FunctionVersion",
	                          number_text(number, a->number), "Description", a->description, "RevisionId", a->revision);
	if (shown && a->extra_number)
		json_object_set_new(shown, "RoutingConfig", json_pack("{s:{s:f}}", "AdditionalVersionWeights",
		                    number_text(extra, a->extra_number), a->extra_weight));
	return shown;
}

unsigned alias_choose(const struct alias *a)
{
	if (!a->extra_number)
		return a->number;
	double dice = (double)(rand_u64() >> 11) * 0x1p-53;
	return dice < a->extra_weight ? a->extra_number : a->number;
}

/* ---- changing ---- */

struct alias_op {
	struct op op;
	char *alias, *version, *description, *revision; /* NULL: not said */
	json_t *weights;
	bool create;
};

static struct alias_op *alias_op(struct op *op)
{
	return CONTAINER_OF(op, struct alias_op, op);
}

static void release(struct op *op)
{
	struct alias_op *a = alias_op(op);
	free(a->alias);
	free(a->version);
	free(a->description);
	free(a->revision);
	json_decref(a->weights);
}

static void not_found(struct op *op, const char *what)
{
	char arn[FUNCTION_ARN_MAX];
	registry_arn(op->r, arn, op_name(op), str_from(alias_op(op)->alias));
	op_fail(op, ERR_NOT_FOUND, "%s: %s", what, arn);
}

/* Number of an existing version; false: op was finished. */
static bool find_version(struct op *op, const char *text, unsigned *number)
{
	struct error err = {0};
	if (function_qualifier_kind(str_from(text), number) == QUALIFIER_LATEST) {
		*number = 0;
		return true;
	}
	const struct config *c = *number ? function_version_config(op->f, *number) : NULL;
	if (c && c->state == CONFIG_FAILED) {
		snap_start_check(c, &err);
		op_finish(op, &err);
		return false;
	}
	if (c)
		return true;
	function_not_found(op->r, op_name(op), str_from(text), &err);
	op_finish(op, &err);
	return false;
}

/* The second version of `next`, which has its first. */
static bool find_weights(struct op *op, struct alias *next)
{
	const json_t *weights = alias_op(op)->weights;
	const char *key;
	json_t *value;
	next->extra_number = 0;
	next->extra_weight = 0;
	if (json_object_size(weights) > 1) {
		op_fail(op, ERR_INVALID, "Number of items in AdditionalVersionWeights cannot be greater than 1");
		return false;
	}
	json_object_foreach((json_t *)weights, key, value) {
		unsigned number = 0;
		if (next->number == 0) {
			op_fail(op, ERR_INVALID, "$LATEST is not supported for an alias pointing to more than 1 version");
			return false;
		}
		function_qualifier_kind(str_from(key), &number);
		if (number == next->number) {
			op_fail(op, ERR_INVALID, "Invalid function version %u. Function version %u is already included in routing "
			        "configuration.", number, number);
			return false;
		}
		if (!find_version(op, key, &number))
			return false;
		next->extra_number = number;
		next->extra_weight = json_number_value(value);
	}
	return true;
}

/* The draft's list with `next` in it, in place of one of the same name or before the first greater one. */
static int draft_put(struct op *op, struct alias *next)
{
	const struct truth *t = &op->f->truth;
	struct alias **list = calloc(t->alias_count + 1, sizeof *list);
	if (!list)
		return -1;
	size_t n = 0, i = 0;
	while (i < t->alias_count && strcmp(t->aliases[i]->name, next->name) < 0)
		list[n++] = t->aliases[i++];
	list[n++] = next;
	if (i < t->alias_count && strcmp(t->aliases[i]->name, next->name) == 0)
		i++;
	while (i < t->alias_count)
		list[n++] = t->aliases[i++];
	op->draft.aliases = list;
	op->draft.alias_count = n;
	return 0;
}

static void start_put(struct op *op)
{
	struct alias_op *a = alias_op(op);
	if (!op_begin(op))
		return;
	const struct alias *old = function_alias(op->f, str_from(a->alias));
	if (a->create && old) {
		char arn[FUNCTION_ARN_MAX];
		registry_arn(op->r, arn, op_name(op), str_from(a->alias));
		op_fail(op, ERR_CONFLICT, "Alias already exists: %s", arn);
		return;
	}
	if (!a->create && !old) {
		not_found(op, "Alias not found");
		return;
	}
	if (a->revision && strcmp(a->revision, old ? old->revision : "") != 0) {
		op_fail(op, ERR_REVISION, "The Revision Id provided does not match the latest Revision Id. Call the "
		        "GetFunction/GetAlias API to retrieve the latest Revision Id");
		return;
	}
	const char *description = a->description ? a->description : old ? old->description : "";
	struct alias *next = alias_new(a->alias, description, old ? old->number : 0, old ? old->extra_number : 0,
	                               old ? old->extra_weight : 0, NULL);
	if (!next) {
		op_fail(op, ERR_NO_MEMORY, "no memory for another alias");
		return;
	}
	/* An error below has finished the op, which does not know `next` yet. */
	if ((a->version && !find_version(op, a->version, &next->number)) || (a->weights && !find_weights(op, next))) {
		free(next);
		return;
	}
	if (draft_put(op, next) < 0) {
		free(next);
		op_fail(op, ERR_NO_MEMORY, "no memory for another alias");
		return;
	}
	op->result = alias_show(op->f, next);
	op_write(op);
}

static char *copy(struct str s)
{
	return s.p ? str_dup(s) : NULL;
}

static void submit(struct registry *r, const struct registry_alias_change *what, void (*start)(struct op *), bool create,
                   registry_done_cb *cb, void *arg)
{
	struct alias_op *a = calloc(1, sizeof *a);
	ASSERT(a);
	a->alias = copy(what->alias);
	a->version = copy(what->version);
	a->description = copy(what->description);
	a->revision = copy(what->revision);
	a->weights = json_incref(what->weights);
	a->create = create;
	a->op.start = start;
	a->op.release = release;
	op_submit(&a->op, r, what->name, cb, arg);
}

void registry_alias_create(struct registry *r, const struct registry_alias_change *what, registry_done_cb *cb, void *arg)
{
	submit(r, what, start_put, true, cb, arg);
}

void registry_alias_update(struct registry *r, const struct registry_alias_change *what, registry_done_cb *cb, void *arg)
{
	submit(r, what, start_put, false, cb, arg);
}

static void start_delete(struct op *op)
{
	if (!op_begin(op))
		return;
	const struct truth *t = &op->f->truth;
	const struct alias *gone = function_alias(op->f, str_from(alias_op(op)->alias));
	if (!gone) {
		op_finish(op, NULL); /* like AWS: no error */
		return;
	}
	struct alias **list = calloc(t->alias_count, sizeof *list);
	if (!list) {
		op_fail(op, ERR_NO_MEMORY, "no memory for the list of aliases");
		return;
	}
	size_t n = 0;
	for (size_t i = 0; i < t->alias_count; i++) {
		if (t->aliases[i] != gone)
			list[n++] = t->aliases[i];
	}
	op->draft.aliases = list;
	op->draft.alias_count = n;
	draft_forget(op, str_from(alias_op(op)->alias));
	op_write(op);
}

void registry_alias_delete(struct registry *r, struct str name, struct str alias, registry_done_cb *cb, void *arg)
{
	submit(r, &(struct registry_alias_change){.name = name, .alias = alias}, start_delete, false, cb, arg);
}
