/* Tags and reserved concurrency: settings of a function that are not part of its configuration. */
#include <stdlib.h>
#include <string.h>

#include "control/function/registry_priv.h"
#include "core/json/value.h"

struct extra {
	struct op op;
	json_t *add, *remove;
	int reserved;
	unsigned before;
	unsigned claimed; /* added to the sum before it is durable, so that two functions cannot take the same share */
};

static struct extra *extra_of(struct op *op)
{
	return CONTAINER_OF(op, struct extra, op);
}

static void release(struct op *op)
{
	op->r->reserved_sum -= extra_of(op)->claimed;
	json_decref(extra_of(op)->add);
	json_decref(extra_of(op)->remove);
}

static struct extra *extra_new(void (*start)(struct op *), void (*applied)(struct op *))
{
	struct extra *e = calloc(1, sizeof *e);
	ASSERT(e);
	e->op.start = start;
	e->op.applied = applied;
	e->op.release = release;
	return e;
}

json_t *registry_tags(struct registry *r, struct str name, struct error *err)
{
	const struct function *f = function_find(r, name);
	if (!f) {
		function_not_found(r, name, STR_NULL, err);
		return NULL;
	}
	return f->truth.tags ? json_incref(f->truth.tags) : json_object();
}

static void drop_unfit(struct config *c)
{
	if (c && !config_fits_tags(c))
		config_drop_version(c);
}

/* The network of an environment is made with it, and so are images: new ones are needed. */
static void tags_changed(struct op *op)
{
	struct function *f = op->f;
	drop_unfit(f->truth.latest);
	if (f->serving != f->truth.latest)
		drop_unfit(f->serving);
	for (size_t i = 0; i < f->version_count; i++)
		drop_unfit(f->versions[i]);
}

int registry_tag_check(const json_t *tags, struct error *err)
{
	static const struct {
		const char *name, *values[3], *shown;
	} rows[] = {
		{FUNCTION_TAG_NETWORK, {"none", "outbound"}, "none and outbound"},
		{FUNCTION_TAG_SNAPSHOT, {"auto", "always", "off"}, "auto, always and off"},
		{FUNCTION_TAG_ISOLATION, {"environment", "invocation"}, "environment and invocation"},
	};
	if (json_object_size(tags) > FUNCTION_TAGS_MAX)
		return error_set(err, ERR_INVALID, "Number of tags exceeds resource tag limit.");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str value = json_value_text(json_object_get(tags, rows[i].name));
		bool fine = !value.p;
		for (size_t k = 0; k < ARRAY_LEN(rows[i].values) && rows[i].values[k]; k++)
			fine |= str_eqz(value, rows[i].values[k]);
		if (!fine)
			return error_set(err, ERR_INVALID, "Tag %s takes the values %s, not %.*s.", rows[i].name, rows[i].shown,
			                 (int)(value.n < 100 ? value.n : 100), value.p);
	}
	return 0;
}

static void start_tags(struct op *op)
{
	struct extra *e = extra_of(op);
	size_t i;
	json_t *key;
	if (!op_begin(op))
		return;
	json_t *tags = op->f->truth.tags ? json_copy(op->f->truth.tags) : json_object();
	if (e->add)
		json_object_update(tags, e->add);
	json_array_foreach(e->remove, i, key)
		json_object_del(tags, json_string_value(key) ? json_string_value(key) : "");
	op->draft.tags = tags;
	if (json_object_size(tags) > FUNCTION_TAGS_MAX)
		op_fail(op, ERR_INVALID, "Number of tags exceeds resource tag limit.");
	else
		op_write(op);
}

void registry_tag(struct registry *r, struct str name, json_t *tags, registry_done_cb *cb, void *arg)
{
	struct extra *e = extra_new(start_tags, tags_changed);
	e->add = json_incref(tags);
	op_submit(&e->op, r, name, cb, arg);
}

void registry_untag(struct registry *r, struct str name, json_t *keys, registry_done_cb *cb, void *arg)
{
	struct extra *e = extra_new(start_tags, tags_changed);
	e->remove = json_incref(keys);
	op_submit(&e->op, r, name, cb, arg);
}

/* ---- reserved concurrency ---- */

static unsigned counted(int reserved)
{
	return reserved > 0 ? (unsigned)reserved : 0;
}

static void reserve_changed(struct op *op)
{
	struct registry_deps *deps = &op->r->deps;
	struct extra *e = extra_of(op);
	op->r->reserved_sum -= e->before;
	e->claimed = 0; /* it is the function's now */
	if (deps->on_reserved)
		deps->on_reserved(deps->report_arg, op->f->id, op->f->truth.reserved);
	registry_report_unreserved(op->r);
	registry_report_async(op->r, op->f);
}

static void start_reserve(struct op *op)
{
	struct extra *e = extra_of(op);
	if (!op_begin(op))
		return;
	unsigned all = (unsigned)op->r->deps.settings->concurrency;
	unsigned sum = op->r->reserved_sum - counted(op->f->truth.reserved);
	unsigned wanted = counted(e->reserved);
	if (wanted && (uint64_t)sum + wanted + UNRESERVED_MIN > all) {
		op_fail(op, ERR_INVALID, "Specified ReservedConcurrentExecutions for function decreases account's "
		        "UnreservedConcurrentExecution below its minimum value of [%u].", UNRESERVED_MIN);
		return;
	}
	e->before = counted(op->f->truth.reserved);
	e->claimed = wanted;
	op->r->reserved_sum += wanted;
	op->draft.reserved = e->reserved;
	op_write(op);
}

void registry_reserve(struct registry *r, struct str name, int reserved, registry_done_cb *cb, void *arg)
{
	struct extra *e = extra_new(start_reserve, reserve_changed);
	e->reserved = reserved;
	op_submit(&e->op, r, name, cb, arg);
}
