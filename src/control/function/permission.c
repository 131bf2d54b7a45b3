/* Resource-based policies of functions: one for each qualifier, of the function itself under "".
 *
 * A row of truth.policies: {"RevisionId", "Statement": [...]}. Policies that are asked are kept compiled until any of the
 * function's changes. */
#include <stdlib.h>
#include <string.h>

#include "control/function/registry_priv.h"
#include "control/function/url.h"
#include "core/base/cleanup.h"
#include "core/json/value.h"
#include "core/policy/policy.h"
#include "core/spec/limits.h"

struct compiled {
	struct list link; /* in function.compiled */
	struct policy *policy; /* NULL: there is none, or it cannot be compiled: nothing is permitted */
	char qualifier[FUNCTION_QUALIFIER_MAX + 1];
};

void function_forget_policies(struct function *f)
{
	struct list *link;
	while ((link = list_pop_front(&f->compiled))) {
		struct compiled *c = CONTAINER_OF(link, struct compiled, link);
		policy_free(c->policy);
		free(c);
	}
}

static struct str key_of(struct str qualifier)
{
	return qualifier.p ? qualifier : STR("");
}

static json_t *row_of(const struct function *f, struct str qualifier)
{
	struct str key = key_of(qualifier);
	return json_object_getn(f->truth.policies, key.p, key.n);
}

/* ---- asking ---- */

char *policy_row_text(json_t *row)
{
	CLEANUP_JSON json_t *policy = json_pack("{s:s, s:s, s:O}", "Version", "2012-10-17", "Id", "default", "Statement",
	                                        json_object_get(row, "Statement"));
	return policy ? json_dumps(policy, JSON_COMPACT) : NULL;
}

static struct policy *compile(const struct function *f, struct str qualifier)
{
	json_t *row = row_of(f, qualifier);
	CLEANUP_FREE char *text = row ? policy_row_text(row) : NULL;
	return text ? policy_compile(str_from(text), NULL) : NULL;
}

static const struct policy *compiled_policy(struct function *f, struct str qualifier)
{
	LIST_FOREACH(link, &f->compiled) {
		struct compiled *c = CONTAINER_OF(link, struct compiled, link);
		if (str_eqz(key_of(qualifier), c->qualifier))
			return c->policy;
	}
	struct compiled *c = calloc(1, sizeof *c);
	ASSERT(c);
	list_init(&c->link);
	if (str_copy(c->qualifier, sizeof c->qualifier, key_of(qualifier)) < 0) {
		free(c);
		return NULL;
	}
	c->policy = compile(f, qualifier);
	list_push_front(&f->compiled, &c->link);
	return c->policy;
}

bool registry_permits(struct registry *r, struct str name, struct str qualifier, struct str action, struct str service,
                      struct str source_arn, struct str source_account)
{
	struct function *f = function_find(r, name);
	char arn[FUNCTION_ARN_MAX];
	struct policy_context context[2];
	size_t n = 0;
	if (!f || !function_has_qualifier(f, qualifier)) /* what is asked for is kept: only what there is */
		return false;
	registry_arn(r, arn, name, qualifier);
	if (source_arn.p)
		context[n++] = (struct policy_context){"aws:SourceArn", source_arn};
	if (source_account.p)
		context[n++] = (struct policy_context){"aws:SourceAccount", source_account};
	struct policy_question q = {.service = service, .action = action, .resource = str_from(arn), .context = context,
	                            .context_count = n};
	return policy_ask(compiled_policy(f, qualifier), &q) == POLICY_ALLOW;
}

enum policy_answer registry_ask_policy(struct registry *r, struct str name, struct str qualifier, struct policy_question *q)
{
	struct function *f = function_find(r, name);
	char arn[FUNCTION_ARN_MAX];
	if (!f || !function_has_qualifier(f, qualifier))
		return POLICY_SILENT;
	registry_arn(r, arn, name, qualifier);
	q->resource = str_from(arn);
	enum policy_answer answer = policy_ask(compiled_policy(f, qualifier), q);
	q->resource = STR_NULL;
	return answer;
}

/* ---- showing ---- */

json_t *registry_policy(struct registry *r, struct str name, struct str qualifier, struct error *err)
{
	const struct function *f = function_find(r, name);
	if (!f || !function_has_qualifier(f, qualifier)) {
		function_not_found(r, name, qualifier, err);
		return NULL;
	}
	json_t *row = row_of(f, qualifier);
	if (!row || json_array_size(json_object_get(row, "Statement")) == 0) {
		error_set(err, ERR_NOT_FOUND, "The resource you requested does not exist.");
		return NULL;
	}
	CLEANUP_FREE char *text = policy_row_text(row);
	json_t *shown = text ? json_pack("{s:s, s:O}", "Policy", text, "RevisionId", json_object_get(row, "RevisionId")) : NULL;
	if (!shown)
		error_set(err, ERR_NO_MEMORY, "no memory for the policy of function %s", f->name);
	return shown;
}

/* ---- changing ---- */

struct permission_op {
	struct op op;
	char *qualifier, *revision, *sid; /* "", NULL: any, NULL: a statement is added */
	json_t *statement;
};

static struct permission_op *permission_op(struct op *op)
{
	return CONTAINER_OF(op, struct permission_op, op);
}

static void release(struct op *op)
{
	struct permission_op *p = permission_op(op);
	free(p->qualifier);
	free(p->revision);
	free(p->sid);
	json_decref(p->statement);
}

/* The function is there, and its policy has the wanted revision; false: op was finished. */
static bool begin(struct op *op)
{
	struct permission_op *p = permission_op(op);
	struct error err = {0};
	if (!op_begin(op))
		return false;
	if (*p->qualifier && !function_config(op->f, str_from(p->qualifier), &err)) {
		op_finish(op, &err);
		return false;
	}
	const char *now = json_string_value(json_object_get(row_of(op->f, str_from(p->qualifier)), "RevisionId"));
	if (!p->revision || (now && strcmp(now, p->revision) == 0))
		return true;
	op_fail(op, ERR_REVISION, "The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to retrieve "
	        "the latest Revision Id");
	return false;
}

size_t policy_row_find(const json_t *statements, struct str sid)
{
	size_t i;
	json_t *one;
	json_array_foreach(statements, i, one) {
		if (str_eq(json_value_text(json_object_get(one, "Sid")), sid))
			return i;
	}
	return SIZE_MAX;
}

/* Takes `statements`. None left: the row goes. */
static void write_statements(struct op *op, json_t *statements)
{
	struct permission_op *p = permission_op(op);
	char revision[UUID_SIZE];
	json_t *rows = op->f->truth.policies ? json_copy(op->f->truth.policies) : json_object();
	uuid4(revision);
	json_object_del(rows, p->qualifier);
	json_t *row = json_pack("{s:s, s:o}", "RevisionId", revision, "Statement", statements);
	op->draft.policies = rows;
	CLEANUP_FREE char *text = policy_row_text(row);
	if (text && strlen(text) > LIMIT_POLICY_BYTES) {
		json_decref(row);
		op_fail(op, ERR_POLICY_LENGTH, "The final policy size (%zu) is bigger than the limit (%u).", strlen(text), LIMIT_POLICY_BYTES);
		return;
	}
	if (json_array_size(statements))
		json_object_set_new(rows, p->qualifier, row);
	else
		json_decref(row);
	op_write(op);
}

static json_t *statements_of(const struct op *op, struct str qualifier)
{
	json_t *now = json_object_get(row_of(op->f, qualifier), "Statement");
	json_t *copy = now ? json_copy(now) : json_array();
	ASSERT(copy);
	return copy;
}

static void start_add(struct op *op)
{
	struct permission_op *p = permission_op(op);
	struct str sid = json_value_text(json_object_get(p->statement, "Sid"));
	if (!begin(op))
		return;
	json_t *statements = statements_of(op, str_from(p->qualifier));
	if (policy_row_find(statements, sid) != SIZE_MAX) {
		json_decref(statements);
		op_fail(op, ERR_EXISTS, "The statement id (" STR_FMT ") provided already exists. Please provide a new statement id, or remove "
		        "the existing statement.", STR_ARG(sid));
		return;
	}
	json_array_append(statements, p->statement);
	op->result = json_incref(p->statement);
	write_statements(op, statements);
}

static void start_remove(struct op *op)
{
	struct permission_op *p = permission_op(op);
	struct error err = {0};
	const struct function *f = function_find(op->r, op_name(op));
	if (!f) {
		char arn[FUNCTION_ARN_MAX];
		registry_arn(op->r, arn, op_name(op), str_from(p->qualifier));
		error_set(&err, ERR_NOT_FOUND, "No policy found for: %s", arn);
		op_finish(op, &err);
		return;
	}
	if (!row_of(f, str_from(p->qualifier))) {
		op_fail(op, ERR_NOT_FOUND, "No policy is associated with the given resource.");
		return;
	}
	if (!begin(op))
		return;
	json_t *statements = statements_of(op, str_from(p->qualifier));
	size_t at = policy_row_find(statements, str_from(p->sid));
	if (at == SIZE_MAX) {
		json_decref(statements);
		op_fail(op, ERR_NOT_FOUND, "Statement %s is not found in resource policy.", p->sid);
		return;
	}
	json_array_remove(statements, at);
	write_statements(op, statements);
}

static struct permission_op *permission_op_new(void (*start)(struct op *), struct str qualifier, struct str revision)
{
	struct permission_op *p = calloc(1, sizeof *p);
	ASSERT(p);
	p->op.start = start;
	p->op.release = release;
	p->qualifier = str_dup(key_of(qualifier));
	p->revision = revision.p ? str_dup(revision) : NULL;
	return p;
}

void registry_permission_add(struct registry *r, struct str name, struct str qualifier, struct str revision, json_t *statement,
                             registry_done_cb *cb, void *arg)
{
	struct permission_op *p = permission_op_new(start_add, qualifier, revision);
	p->statement = json_incref(statement);
	op_submit(&p->op, r, name, cb, arg);
}

void registry_permission_remove(struct registry *r, struct str name, struct str qualifier, struct str sid, struct str revision,
                                registry_done_cb *cb, void *arg)
{
	struct permission_op *p = permission_op_new(start_remove, qualifier, revision);
	p->sid = str_dup(sid);
	op_submit(&p->op, r, name, cb, arg);
}
