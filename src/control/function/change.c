/* Creating and updating functions, publishing versions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/function/registry_priv.h"
#include "core/base/cleanup.h"
#include "core/json/value.h"

struct change {
	struct op op;
	json_t *config, *tags;
	struct http_blob zip;
	bool has_code, publish, dry_run;
	char *revision, *code_sha256, *description; /* NULL: not said */
	struct layer_set layers; /* those that `config` asks for */
	struct error bad_layers;
	struct code *code;       /* of `zip`: a reference */
	uint64_t zip_bytes;
};

static struct change *change_of(struct op *op)
{
	return CONTAINER_OF(op, struct change, op);
}

static void release(struct op *op)
{
	struct change *c = change_of(op);
	json_decref(c->config);
	json_decref(c->tags);
	http_blob_release(&c->zip);
	layer_set_release(&c->layers);
	code_unref(c->code);
	free(c->revision);
	free(c->code_sha256);
	free(c->description);
}

static struct str said(const char *text)
{
	return str_from(text);
}

/* The published twin of `latest`, in op->publish; its number in the draft. */
static int draft_publish(struct op *op, const json_t *latest, struct code *code, const char *description, struct error *err)
{
	CLEANUP_JSON json_t *json = json_deep_copy(latest);
	char id[UUID_SIZE];
	uuid4(id);
	const char *own = json_string_value(json_object_get(json, "Description"));
	json_object_set_new(json, "LatestDescription", json_string(own ? own : ""));
	if (description)
		json_object_set_new(json, "Description", json_string(description));
	json_object_set_new(json, "RevisionId", json_string(id));
	snap_start_mark(op->r, json);
	op->publish = json ? config_new(op->f, op->draft.last + 1, json, code, err) : NULL;
	if (!op->publish)
		return -1;
	op->draft.last++;
	return 0;
}

static unsigned tombstone_last(const struct registry *r, struct str name)
{
	const struct tombstone *t = HASH_ENTRY(hash_get(&r->tombstones, name), struct tombstone, by_name);
	return t ? t->last : 0;
}

/* ---- create ---- */

static void created(struct op *op)
{
	struct change *c = change_of(op);
	struct function *f = op->f;
	const struct config *shown = c->publish ? f->versions[f->version_count - 1] : f->truth.latest;
	function_settle_later(f, FUNCTION_PENDING);
	op->result = config_show(shown, STR_NULL, NULL);
	if (c->publish)
		snap_start_begin(f->versions[f->version_count - 1]);
}

static int draft_create(struct op *op, struct code *code, uint64_t zip_bytes, struct error *err)
{
	struct change *c = change_of(op);
	CLEANUP_JSON json_t *json = json_deep_copy(c->config);
	op->fresh = true;
	op->f = function_new(op->r, op_name(op), err);
	if (!op->f)
		return -1;
	op->draft.reserved = -1;
	op->draft.last = tombstone_last(op->r, op_name(op));
	op->draft.tags = json_incref(c->tags);
	config_stamp(json);
	if (!json || config_set_code(json, code, zip_bytes) < 0)
		return error_set(err, ERR_NO_MEMORY, "no memory for another function");
	op->draft.latest = config_new(op->f, 0, json, code, err);
	if (!op->draft.latest)
		return -1;
	return c->publish ? draft_publish(op, json, code, NULL, err) : 0;
}

static void write_create(void *arg, const struct error *err)
{
	struct op *op = arg;
	struct change *c = change_of(op);
	struct error failure = {0};
	if (err)
		op_finish(op, err);
	else if (draft_create(op, c->code, c->zip_bytes, &failure) < 0)
		op_finish(op, &failure);
	else
		op_write(op);
}

static void on_create_package(void *arg, struct code *code, uint64_t zip_bytes, const struct error *err)
{
	struct op *op = arg;
	struct change *c = change_of(op);
	if (err) {
		op_finish(op, err);
		return;
	}
	c->code = code;
	c->zip_bytes = zip_bytes;
	layer_set_size(op->r, &c->layers, code, write_create, op);
}

static void start_create(struct op *op)
{
	if (function_find(op->r, op_name(op)))
		op_fail(op, ERR_EXISTS, "Function already exist: " STR_FMT, STR_ARG(op_name(op)));
	else if (change_of(op)->bad_layers.code)
		op_finish(op, &change_of(op)->bad_layers);
	else
		package_prepare(op->r, &change_of(op)->zip, on_create_package, op);
}

void registry_create(struct registry *r, struct registry_create *what, registry_done_cb *cb, void *arg)
{
	struct change *c = calloc(1, sizeof *c);
	ASSERT(c);
	c->config = json_incref(what->config);
	c->tags = json_object_size(what->tags) ? json_incref(what->tags) : NULL;
	c->zip = what->zip;
	what->zip = (struct http_blob){0};
	c->publish = what->publish;
	layer_set_take(r, &c->config, &c->layers, &c->bad_layers);
	c->op.start = start_create;
	c->op.applied = created;
	c->op.release = release;
	op_submit(&c->op, r, what->name, cb, arg);
}

/* ---- update ---- */

static void updated(struct op *op)
{
	struct function *f = op->f;
	function_settle_later(f, FUNCTION_UPDATING);
	if (!change_of(op)->publish) {
		op->result = config_show(f->truth.latest, STR_NULL, NULL);
		return;
	}
	char number[16];
	struct config *v = f->versions[f->version_count - 1];
	snprintf(number, sizeof number, "%u", v->number);
	op->result = config_show(v, str_from(number), NULL);
	snap_start_begin(v);
}

/* `patch` replaces whole members, as the API does (an Environment that is sent is the Environment); null removes. */
static int replace_members(json_t *json, const json_t *patch)
{
	const char *key;
	json_t *value;
	int rc = 0;
	json_object_foreach((json_t *)patch, key, value) {
		if (json_is_null(value))
			json_object_del(json, key);
		else
			rc |= json_object_set(json, key, value);
	}
	return rc;
}

static json_t *updated_json(struct op *op, struct code *code, uint64_t zip_bytes, struct error *err)
{
	struct change *c = change_of(op);
	CLEANUP_JSON json_t *json = config_load(op->f->truth.latest, err);
	if (!json)
		return NULL;
	config_stamp(json);
	if ((code && config_set_code(json, code, zip_bytes) < 0) || replace_members(json, c->config) != 0) {
		error_set(err, ERR_NO_MEMORY, "no memory for the new configuration");
		return NULL;
	}
	return STEAL_PTR(json);
}

static int draft_update(struct op *op, struct code *code, uint64_t zip_bytes, struct error *err)
{
	struct change *c = change_of(op);
	struct code *now = code ? code : op->f->truth.latest->code;
	CLEANUP_JSON json_t *json = updated_json(op, code, zip_bytes, err);
	if (!json)
		return -1;
	op->draft.latest = config_new(op->f, 0, json, now, err);
	if (!op->draft.latest) {
		op->draft.latest = op->f->truth.latest;
		return -1;
	}
	return c->publish ? draft_publish(op, json, now, NULL, err) : 0;
}

static void write_update(void *arg, const struct error *err)
{
	struct op *op = arg;
	struct change *c = change_of(op);
	struct error failure = {0};
	if (err) {
		op_finish(op, err);
	} else if (draft_update(op, c->code, c->zip_bytes, &failure) < 0) {
		op_finish(op, &failure);
	} else if (c->dry_run) {
		op->result = config_show(op->draft.latest, STR_NULL, NULL);
		op_finish(op, NULL);
	} else {
		op_write(op);
	}
}

/* Only what changes code or layers can make both together too large. */
static void size_update(struct op *op)
{
	struct change *c = change_of(op);
	const struct config *now = op->f->truth.latest;
	bool own = json_object_get(c->config, "Layers") != NULL;
	if (own || c->code)
		layer_set_size(op->r, own ? &c->layers : &now->layers, c->code ? c->code : now->code, write_update, op);
	else
		write_update(op, NULL);
}

static void on_update_package(void *arg, struct code *code, uint64_t zip_bytes, const struct error *err)
{
	struct op *op = arg;
	if (err) {
		op_finish(op, err);
		return;
	}
	change_of(op)->code = code;
	change_of(op)->zip_bytes = zip_bytes;
	size_update(op);
}

static void start_update(struct op *op)
{
	struct change *c = change_of(op);
	if (!op_begin_change(op, said(c->revision)))
		return;
	if (c->bad_layers.code)
		op_finish(op, &c->bad_layers);
	else if (c->has_code)
		package_prepare(op->r, &c->zip, on_update_package, op);
	else
		size_update(op);
}

void registry_update(struct registry *r, struct registry_update *what, registry_done_cb *cb, void *arg)
{
	struct change *c = calloc(1, sizeof *c);
	ASSERT(c);
	c->config = json_incref(what->config);
	c->zip = what->zip;
	what->zip = (struct http_blob){0};
	c->has_code = what->has_code;
	c->publish = what->publish;
	c->dry_run = what->dry_run;
	c->revision = what->revision.p ? str_dup(what->revision) : NULL;
	layer_set_take(r, &c->config, &c->layers, &c->bad_layers);
	c->op.start = start_update;
	c->op.applied = updated;
	c->op.release = release;
	op_submit(&c->op, r, what->name, cb, arg);
}

/* ---- publish ---- */

static json_t *show_version(const struct config *v)
{
	char number[16];
	snprintf(number, sizeof number, "%u", v->number);
	return config_show(v, str_from(number), NULL);
}

static void published(struct op *op)
{
	struct config *v = op->f->versions[op->f->version_count - 1];
	op->result = show_version(v);
	snap_start_begin(v);
}

/* Equal but for when and how it was published. */
static bool same_content(const json_t *latest, const json_t *version)
{
	CLEANUP_JSON json_t *a = json_deep_copy(latest), *b = json_deep_copy(version);
	json_object_set(b, "Description", json_object_get(b, "LatestDescription"));
	json_object_del(b, "LatestDescription");
	snap_start_strip(b);
	for (size_t i = 0; i < 2; i++) {
		json_object_del(i ? b : a, "RevisionId");
		json_object_del(i ? b : a, "LastModified");
	}
	return json_equal(a, b) == 1;
}

/* Publishing what is published already gives the version that there is. */
static bool already_published(struct op *op, const json_t *latest)
{
	const struct function *f = op->f;
	if (f->version_count == 0)
		return false;
	const struct config *newest = f->versions[f->version_count - 1];
	CLEANUP_JSON json_t *json = config_load(newest, NULL);
	if (!json || newest->number != f->truth.last || !same_content(latest, json))
		return false;
	op->result = show_version(newest);
	return true;
}

static void start_publish(struct op *op)
{
	struct change *c = change_of(op);
	struct error err = {0};
	if (!op_begin_change(op, said(c->revision)))
		return;
	CLEANUP_JSON json_t *latest = config_load(op->f->truth.latest, &err);
	const char *sum = json_string_value(json_object_get(latest, "CodeSha256"));
	if (!latest || !sum) {
		op_finish(op, &err);
	} else if (c->code_sha256 && *c->code_sha256 && strcmp(c->code_sha256, sum) != 0) {
		op_fail(op, ERR_INVALID, "CodeSHA256 (%s) is different from current CodeSHA256 in $LATEST (%s). Please try again with "
		        "the CodeSHA256 in $LATEST.", c->code_sha256, sum);
	} else if (already_published(op, latest)) {
		op_finish(op, NULL);
	} else if (draft_publish(op, latest, op->f->truth.latest->code, c->description, &err) < 0) {
		op_finish(op, &err);
	} else {
		op_write(op);
	}
}

void registry_publish(struct registry *r, const struct registry_publish *what, registry_done_cb *cb, void *arg)
{
	struct change *c = calloc(1, sizeof *c);
	ASSERT(c);
	c->revision = what->revision.p ? str_dup(what->revision) : NULL;
	c->code_sha256 = what->code_sha256.p ? str_dup(what->code_sha256) : NULL;
	c->description = what->description.p ? str_dup(what->description) : NULL;
	c->op.start = start_publish;
	c->op.applied = published;
	c->op.release = release;
	op_submit(&c->op, r, what->name, cb, arg);
}
