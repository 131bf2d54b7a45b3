/* Policies of layer versions: the member Policy of a version's record, {"RevisionId", "Statement": [...]}. */
#include <stdlib.h>
#include <string.h>

#include "control/function/layer_priv.h"
#include "core/base/cleanup.h"
#include "core/json/value.h"
#include "core/spec/limits.h"

json_t *registry_layer_policy(struct registry *r, struct str name, unsigned number, struct error *err)
{
	const struct layer_version *v = layer_version_find(layer_find(r, name), number);
	json_t *row = v ? json_object_get(v->json, "Policy") : NULL;
	if (!v) {
		layer_not_found(r, name, number, err);
		return NULL;
	}
	if (!row) {
		error_set(err, ERR_NOT_FOUND, "No policy is associated with the given resource.");
		return NULL;
	}
	CLEANUP_FREE char *text = policy_row_text(row);
	json_t *shown = text ? json_pack("{s:s, s:O}", "Policy", text, "RevisionId", json_object_get(row, "RevisionId")) : NULL;
	if (!shown)
		error_set(err, ERR_NO_MEMORY, "no memory for the policy");
	return shown;
}

/* The version that the change is about, of the wanted revision; NULL: op was finished. */
static struct layer_version *begin(struct op *op)
{
	struct layer_op *o = layer_op(op);
	struct error err = {0};
	struct layer_version *v = layer_version_find(layer_find(op->r, layer_op_name(op)), o->number);
	if (!v) {
		layer_not_found(op->r, layer_op_name(op), o->number, &err);
		op_finish(op, &err);
		return NULL;
	}
	const char *now = json_string_value(json_object_get(json_object_get(v->json, "Policy"), "RevisionId"));
	if (!o->revision || (now && strcmp(now, o->revision) == 0))
		return v;
	op_fail(op, ERR_REVISION, "The Revision Id provided does not match the latest Revision Id. Call the GetLayerPolicy API to retrieve "
	        "the latest Revision Id");
	return NULL;
}

static void on_written(void *arg, const struct kv_entry *entry, const struct error *err)
{
	struct op *op = arg;
	struct layer_op *o = layer_op(op);
	struct layer_version *v = layer_version_find(layer_find(op->r, layer_op_name(op)), o->number);
	if (!err) {
		json_t *old = v->json;
		v->json = o->json;
		o->json = old;
	}
	op_finish(op, err);
}

static json_t *statements_of(const struct layer_version *v)
{
	json_t *now = json_object_get(json_object_get(v->json, "Policy"), "Statement");
	json_t *copy = now ? json_copy(now) : json_array();
	ASSERT(copy);
	return copy;
}

/* Takes `statements`. None left: the policy goes. `revision` is the new one. */
static void write_statements(struct op *op, const struct layer_version *v, json_t *statements, const char *revision)
{
	struct layer_op *o = layer_op(op);
	CLEANUP_JSON json_t *row = json_pack("{s:s, s:o}", "RevisionId", revision, "Statement", statements);
	CLEANUP_FREE char *text = row ? policy_row_text(row) : NULL;
	json_t *json = json_copy(v->json);
	if (!text || !json) {
		json_decref(json);
		op_fail(op, ERR_NO_MEMORY, "no memory for the policy");
		return;
	}
	json_decref(o->json);
	o->json = json;
	if (strlen(text) > LIMIT_POLICY_BYTES) {
		op_fail(op, ERR_POLICY_LENGTH, "The final policy size (%zu) is bigger than the limit (%u).", strlen(text), LIMIT_POLICY_BYTES);
		return;
	}
	if (json_array_size(statements))
		json_object_set(json, "Policy", row);
	else
		json_object_del(json, "Policy");
	layer_op_write_version(o, on_written);
}

static void start_add(struct op *op)
{
	struct layer_op *o = layer_op(op);
	struct layer_version *v = begin(op);
	char revision[UUID_SIZE];
	if (!v) /* `o` has gone */
		return;
	struct str sid = json_value_text(json_object_get(o->json, "Sid"));
	json_t *statements = statements_of(v);
	if (policy_row_find(statements, sid) != SIZE_MAX) {
		json_decref(statements);
		op_fail(op, ERR_EXISTS, "The statement id (" STR_FMT ") provided already exists. Please provide a new statement id, or remove "
		        "the existing statement.", STR_ARG(sid));
		return;
	}
	CLEANUP_FREE char *text = json_dumps(o->json, JSON_COMPACT);
	uuid4(revision);
	json_array_append(statements, o->json);
	op->result = json_pack("{s:s, s:s}", "Statement", text ? text : "", "RevisionId", revision);
	write_statements(op, v, statements, revision);
}

static void start_remove(struct op *op)
{
	struct layer_op *o = layer_op(op);
	struct layer_version *v = begin(op);
	char revision[UUID_SIZE];
	if (!v)
		return;
	json_t *statements = statements_of(v);
	size_t at = policy_row_find(statements, str_from(o->sid));
	if (at == SIZE_MAX) {
		json_decref(statements);
		op_fail(op, ERR_NOT_FOUND, "Statement %s is not found in resource policy.", o->sid);
		return;
	}
	uuid4(revision);
	json_array_remove(statements, at);
	write_statements(op, v, statements, revision);
}

void registry_layer_permission_add(struct registry *r, struct str name, unsigned number, struct str revision, json_t *statement,
                                   registry_done_cb *cb, void *arg)
{
	struct layer_op *o = layer_op_new(start_add, number);
	o->revision = revision.p ? str_dup(revision) : NULL;
	o->json = json_incref(statement);
	layer_op_submit(o, r, name, cb, arg);
}

void registry_layer_permission_remove(struct registry *r, struct str name, unsigned number, struct str sid, struct str revision,
                                      registry_done_cb *cb, void *arg)
{
	struct layer_op *o = layer_op_new(start_remove, number);
	o->revision = revision.p ? str_dup(revision) : NULL;
	o->sid = str_dup(sid);
	layer_op_submit(o, r, name, cb, arg);
}
