/* Private to control/function: layers in memory.
 *
 * Keys: "layer/NAME" holds {"Format":1,"Last":n}, the highest number ever used, written before a version with that number is;
 * "layer-version/NAME/NUMBER" holds a version. An interrupted change leaves a number that nobody has, and nothing else. */
#ifndef MAYFLY_FUNCTION_LAYER_PRIV_H
#define MAYFLY_FUNCTION_LAYER_PRIV_H

#include "control/function/layer.h"
#include "control/function/registry_priv.h"

#define LAYER_PREFIX "layer/"
#define LAYER_VERSION_PREFIX "layer-version/"
#define LAYER_KEY_SIZE (LAYER_NAME_MAX + 40)

struct layer_version {
	unsigned number;
	json_t *json; /* as it is stored: never changed in place */
	struct code *code;
	uint64_t code_bytes;
};

struct layer {
	unsigned last;
	struct layer_version **versions; /* sorted by number */
	size_t count;
	char name[];
};

/* ---- layer.c ---- */
struct layer *layer_find(const struct registry *r, struct str name);
struct layer *layer_make(struct registry *r, struct str name); /* the one that is there, or a new one; NULL: no memory */
struct layer_version *layer_version_find(const struct layer *l, unsigned number);
/* Takes `json`, and a reference of `code` of its own. */
struct layer_version *layer_version_add(struct registry *r, struct layer *l, unsigned number, json_t *json, struct code *code);
void layer_version_drop(struct registry *r, struct layer *l, struct layer_version *v);
json_t *layer_show(const struct registry *r, const struct layer *l, const struct layer_version *v);
int layer_not_found(const struct registry *r, struct str name, unsigned number, struct error *err);
/* A layer's record and a version's, while everything is loaded: -1 for what cannot be read. */
int layer_load(struct registry *r, struct str name, struct str text);
int layer_load_version(struct registry *r, struct str name_and_number, struct str text);

/* ---- layer_change.c ---- */
struct layer_op {
	struct op op;
	unsigned number;
	char *revision, *sid; /* NULL: any, NULL: a statement is added */
	json_t *json;         /* what the version is to say, or the statement */
	struct http_blob zip;
	struct code *code;
};
struct layer_op *layer_op(struct op *op);
struct layer_op *layer_op_new(void (*start)(struct op *op), unsigned number);
void layer_op_submit(struct layer_op *o, struct registry *r, struct str name, registry_done_cb *cb, void *arg);
struct str layer_op_name(const struct op *op);
/* Writes lo->json as the version lo->number; then `written`, or the op is finished. */
void layer_op_write_version(struct layer_op *o, kv_cb *written);

#endif
