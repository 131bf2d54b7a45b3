/* Publishing and deleting versions of layers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/function/layer_priv.h"
#include "core/base/cleanup.h"
#include "core/json/value.h"

/* Changes of one layer wait for each other; no function has a slash in its name. */
struct layer_op *layer_op(struct op *op)
{
	return CONTAINER_OF(op, struct layer_op, op);
}

struct str layer_op_name(const struct op *op)
{
	struct str key = op_name(op);
	return str_sub(key, strlen(LAYER_PREFIX), key.n);
}

static void release(struct op *op)
{
	struct layer_op *o = layer_op(op);
	free(o->revision);
	free(o->sid);
	json_decref(o->json);
	http_blob_release(&o->zip);
	code_unref(o->code);
}

struct layer_op *layer_op_new(void (*start)(struct op *op), unsigned number)
{
	struct layer_op *o = calloc(1, sizeof *o);
	ASSERT(o);
	o->op.start = start;
	o->op.release = release;
	o->number = number;
	return o;
}

void layer_op_submit(struct layer_op *o, struct registry *r, struct str name, registry_done_cb *cb, void *arg)
{
	char key[LAYER_KEY_SIZE];
	snprintf(key, sizeof key, LAYER_PREFIX STR_FMT, STR_ARG(name));
	op_submit(&o->op, r, str_from(key), cb, arg);
}

static void version_key(const struct layer_op *o, char key[LAYER_KEY_SIZE])
{
	struct str name = layer_op_name(&o->op);
	snprintf(key, LAYER_KEY_SIZE, LAYER_VERSION_PREFIX STR_FMT "/%010u", STR_ARG(name), o->number);
}

void layer_op_write_version(struct layer_op *o, kv_cb *written)
{
	char key[LAYER_KEY_SIZE];
	struct op *op = &o->op;
	struct error err = {0};
	version_key(o, key);
	buf_release(&op->text);
	buf_init(&op->text, RECORD_LIMIT_BYTES);
	if (json_value_dump(o->json, &op->text, &err) < 0 ||
	    kv_put(op->r->deps.kv, str_from(key), buf_str(&op->text), KV_ANY, written, op, &err) < 0)
		op_finish(op, &err);
}

/* ---- publish ---- */

static void on_published(void *arg, const struct kv_entry *entry, const struct error *err)
{
	struct op *op = arg;
	struct layer_op *o = layer_op(op);
	struct layer *l = layer_find(op->r, layer_op_name(op));
	if (err) {
		op_finish(op, err);
		return;
	}
	struct layer_version *v = layer_version_add(op->r, l, o->number, STEAL_PTR(o->json), o->code);
	if (!v) {
		op_fail(op, ERR_NO_MEMORY, "no memory for another layer version");
		return;
	}
	op->result = layer_show(op->r, l, v);
	op_finish(op, NULL);
}

static void on_numbered(void *arg, const struct kv_entry *entry, const struct error *err)
{
	struct op *op = arg;
	if (err) {
		op_finish(op, err);
		return;
	}
	layer_find(op->r, layer_op_name(op))->last = layer_op(op)->number;
	layer_op_write_version(layer_op(op), on_published);
}

static int complete(struct layer_op *o, uint64_t zip_bytes)
{
	json_t *json = json_object(), *stamp = json_object();
	json_object_update(json, o->json);
	json_decref(o->json);
	o->json = json;
	config_stamp(stamp);
	int rc = json_object_set(json, "CreatedDate", json_object_get(stamp, "LastModified"));
	json_decref(stamp);
	return config_set_code(json, o->code, zip_bytes) < 0 ? -1 : rc;
}

static void on_package(void *arg, struct code *code, uint64_t zip_bytes, const struct error *err)
{
	struct op *op = arg;
	struct layer_op *o = layer_op(op);
	struct error failure = {0};
	if (err) {
		op_finish(op, err);
		return;
	}
	o->code = code;
	struct layer *l = layer_make(op->r, layer_op_name(op));
	if (!l || complete(o, zip_bytes) < 0) {
		op_fail(op, ERR_NO_MEMORY, "no memory for another layer version");
		return;
	}
	o->number = l->last + 1;
	buf_init(&op->text, 64);
	buf_printf(&op->text, "{\"Format\":1,\"Last\":%u}", o->number);
	if (kv_put(op->r->deps.kv, op_name(op), buf_str(&op->text), KV_ANY, on_numbered, op, &failure) < 0)
		op_finish(op, &failure);
}

static void start_publish(struct op *op)
{
	package_prepare(op->r, &layer_op(op)->zip, on_package, op);
}

void registry_layer_publish(struct registry *r, struct registry_layer_publish *what, registry_done_cb *cb, void *arg)
{
	struct layer_op *o = layer_op_new(start_publish, 0);
	o->json = json_incref(what->about);
	o->zip = what->zip;
	what->zip = (struct http_blob){0};
	layer_op_submit(o, r, what->name, cb, arg);
}

/* ---- delete ---- */

static void on_deleted(void *arg, const struct kv_entry *entry, const struct error *err)
{
	struct op *op = arg;
	struct layer *l = layer_find(op->r, layer_op_name(op));
	if (!err)
		layer_version_drop(op->r, l, layer_version_find(l, layer_op(op)->number));
	op_finish(op, err);
}

static void start_delete(struct op *op)
{
	char key[LAYER_KEY_SIZE];
	struct error err = {0};
	version_key(layer_op(op), key);
	if (!layer_version_find(layer_find(op->r, layer_op_name(op)), layer_op(op)->number))
		op_finish(op, NULL);
	else if (kv_delete(op->r->deps.kv, str_from(key), KV_ANY, on_deleted, op, &err) < 0)
		op_finish(op, &err);
}

void registry_layer_delete(struct registry *r, struct str name, unsigned number, registry_done_cb *cb, void *arg)
{
	layer_op_submit(layer_op_new(start_delete, number), r, name, cb, arg);
}
