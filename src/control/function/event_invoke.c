/* Event-invoke-configs and recursion config: what the end of asynchronous events is decided by.
 *
 * A row of truth.events: {"Modified": ms, and, where they are said, "MaximumRetryAttempts", "MaximumEventAgeInSeconds",
 * "OnSuccess", "OnFailure" (ARNs)}. */
#include <stdlib.h>
#include <string.h>

#include "control/function/registry_priv.h"
#include "core/base/cleanup.h"
#include "core/json/value.h"

#define RETRIES_DEFAULT 2u
#define AGE_DEFAULT_S 21600u

static struct str qualifier_or_latest(struct str qualifier)
{
	return qualifier.n ? qualifier : STR("$LATEST");
}

static json_t *row_of(const json_t *rows, struct str qualifier)
{
	return json_object_getn(rows, qualifier.p ? qualifier.p : "", qualifier.n);
}

bool function_has_qualifier(const struct function *f, struct str qualifier)
{
	return function_config(f, qualifier, NULL) != NULL;
}

static bool forget(json_t **rows, struct str qualifier)
{
	if (!row_of(*rows, qualifier))
		return false;
	json_t *copy = json_copy(*rows);
	ASSERT(copy);
	json_object_deln(copy, qualifier.p, qualifier.n);
	*rows = copy;
	return true;
}

bool draft_forget(struct op *op, struct str qualifier)
{
	bool events = forget(&op->draft.events, qualifier), urls = forget(&op->draft.urls, qualifier);
	bool kept = draft_forget_kept(op, qualifier);
	return forget(&op->draft.policies, qualifier) || events || urls || kept;
}

/* ---- looking ---- */

static struct str arn_of(const json_t *row, const char *key)
{
	return json_value_text(json_object_get(row, key));
}

static void read_row(struct registry_async *out, const json_t *row)
{
	const json_t *retries = json_object_get(row, "MaximumRetryAttempts"), *age = json_object_get(row, "MaximumEventAgeInSeconds");
	if (retries)
		out->max_retries = (unsigned)json_integer_value(retries);
	if (age)
		out->max_age_s = (unsigned)json_integer_value(age);
	out->on_success = arn_of(row, "OnSuccess");
	out->on_failure = arn_of(row, "OnFailure");
}

int registry_async(struct registry *r, struct str name, struct str qualifier, struct registry_async *out, struct error *err)
{
	struct function *f = function_find(r, name);
	if (!f)
		return function_not_found(r, name, qualifier, err);
	struct config *c = function_config(f, qualifier, err);
	const struct function_version *v = c ? config_version(c, err) : NULL;
	if (!v)
		return -1;
	*out = (struct registry_async){.max_retries = RETRIES_DEFAULT, .max_age_s = AGE_DEFAULT_S, .reserved = f->truth.reserved,
	                                 .dead_letter = str_from(v->dead_letter), .incarnation = str_from(f->incarnation)};
	read_row(out, row_of(f->truth.events, qualifier_or_latest(qualifier)));
	return 0;
}

static json_t *show_destination(struct str arn)
{
	return arn.p ? json_pack("{s:s%}", "Destination", arn.p, arn.n) : json_object();
}

static json_t *show(const struct function *f, struct str qualifier, const json_t *row)
{
	char arn[FUNCTION_ARN_MAX];
	registry_arn(f->registry, arn, str_from(f->name), qualifier);
	double modified_s = (double)json_integer_value(json_object_get(row, "Modified")) / 1000;
	json_t *shown = json_pack("{s:f, s:s, s:{s:o, s:o}}", "LastModified", modified_s, "FunctionArn", arn, "DestinationConfig",
	                          "OnSuccess", show_destination(arn_of(row, "OnSuccess")), "OnFailure",
	                          show_destination(arn_of(row, "OnFailure")));
	static const char *const numbers[] = {"MaximumRetryAttempts", "MaximumEventAgeInSeconds"};
	for (size_t i = 0; shown && i < ARRAY_LEN(numbers); i++) {
		json_t *v = json_object_get(row, numbers[i]);
		if (v)
			json_object_set(shown, numbers[i], v);
	}
	return shown;
}

static int no_config(struct registry *r, struct str name, struct str qualifier, struct error *err)
{
	char arn[FUNCTION_ARN_MAX];
	registry_arn(r, arn, name, qualifier_or_latest(qualifier));
	return error_set(err, ERR_NOT_FOUND, "The function %s doesn't have an EventInvokeConfig", arn);
}

json_t *registry_event_invoke(struct registry *r, struct str name, struct str qualifier, struct error *err)
{
	const struct function *f = function_find(r, name);
	const json_t *row = f ? row_of(f->truth.events, qualifier_or_latest(qualifier)) : NULL;
	if (row)
		return show(f, qualifier_or_latest(qualifier), row);
	no_config(r, name, qualifier, err);
	return NULL;
}

/* The row whose key is the smallest that is greater than `after` (p NULL: of all). */
static const char *next_key(json_t *rows, const char *after)
{
	const char *key, *best = NULL;
	json_t *row;
	json_object_foreach(rows, key, row) {
		if ((!after || strcmp(key, after) > 0) && (!best || strcmp(key, best) < 0))
			best = key;
	}
	return best;
}

int registry_event_invoke_list(struct registry *r, struct str name, struct registry_page *page, struct error *err)
{
	const struct function *f = function_find(r, name);
	if (!f)
		return error_set(err, ERR_NOT_FOUND, "The function doesn't exist.");
	CLEANUP_FREE char *after = page->marker.p ? str_dup(page->marker) : NULL;
	const char *last = after;
	*page->next = '\0';
	for (const char *key = next_key(f->truth.events, last); key; key = next_key(f->truth.events, last = key)) {
		if (json_array_size(page->rows) >= page->max) {
			str_copy(page->next, page->next_size, str_from(last));
			return 0;
		}
		json_t *row = show(f, str_from(key), json_object_get(f->truth.events, key));
		if (!row || json_array_append_new(page->rows, row) < 0)
			return error_set(err, ERR_NO_MEMORY, "no memory for the list");
	}
	return 0;
}

int registry_recursion(struct registry *r, struct str name, bool *allow, struct error *err)
{
	const struct function *f = function_find(r, name);
	if (!f)
		return function_not_found(r, name, STR_NULL, err);
	*allow = f->truth.recursion;
	return 0;
}

/* ---- changing ---- */

struct event_op {
	struct op op;
	char *qualifier;
	json_t *config; /* NULL: the row goes */
	bool replace, allow;
};

static struct event_op *event_op(struct op *op)
{
	return CONTAINER_OF(op, struct event_op, op);
}

static void release(struct op *op)
{
	free(event_op(op)->qualifier);
	json_decref(event_op(op)->config);
}

static void async_changed(struct op *op)
{
	registry_report_async(op->r, op->f);
}

static struct event_op *event_op_new(void (*start)(struct op *), struct str qualifier)
{
	struct event_op *e = calloc(1, sizeof *e);
	ASSERT(e);
	e->op.start = start;
	e->op.applied = async_changed;
	e->op.release = release;
	e->qualifier = str_dup(qualifier_or_latest(qualifier));
	return e;
}

static void put_row(struct op *op, json_t *row)
{
	json_t *rows = op->f->truth.events ? json_copy(op->f->truth.events) : json_object();
	if (row)
		json_object_set_new(rows, event_op(op)->qualifier, row);
	else
		json_object_del(rows, event_op(op)->qualifier);
	op->draft.events = rows;
	if (row)
		op->result = show(op->f, str_from(event_op(op)->qualifier), row);
	op_write(op);
}

static void set_destination(json_t *row, const char *key, const json_t *destinations)
{
	struct str arn = json_value_text(json_object_get(json_object_get(destinations, key), "Destination"));
	if (arn.n)
		json_object_set_new(row, key, json_value_new_str(arn));
	else
		json_object_del(row, key);
}

/* What is said over what is there. */
static json_t *next_row(const json_t *old, const json_t *config)
{
	static const char *const numbers[] = {"MaximumRetryAttempts", "MaximumEventAgeInSeconds"};
	json_t *row = old ? json_copy((json_t *)old) : json_object();
	const json_t *destinations = json_object_get(config, "DestinationConfig");
	ASSERT(row);
	json_object_set_new(row, "Modified", json_integer(clock_wall_ms()));
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		const json_t *v = json_object_get(config, numbers[i]);
		if (json_is_number(v))
			json_object_set_new(row, numbers[i], json_integer((json_int_t)json_number_value(v)));
	}
	if (json_is_object(destinations)) {
		set_destination(row, "OnSuccess", destinations);
		set_destination(row, "OnFailure", destinations);
	}
	return row;
}

static void start_put(struct op *op)
{
	struct event_op *e = event_op(op);
	const struct function *f = function_find(op->r, op_name(op));
	struct error err = {0};
	if (!f || !function_has_qualifier(f, str_from(e->qualifier))) {
		op_fail(op, ERR_NOT_FOUND, "The function doesn't exist.");
		return;
	}
	if (!op_begin(op))
		return;
	const json_t *old = row_of(f->truth.events, str_from(e->qualifier));
	if (e->replace || old) {
		put_row(op, next_row(e->replace ? NULL : old, e->config));
		return;
	}
	no_config(op->r, op_name(op), str_from(e->qualifier), &err);
	op_finish(op, &err);
}

static void start_delete(struct op *op)
{
	struct event_op *e = event_op(op);
	const struct function *f = function_find(op->r, op_name(op));
	struct error err = {0};
	if (!f || !row_of(f->truth.events, str_from(e->qualifier))) {
		no_config(op->r, op_name(op), str_from(e->qualifier), &err);
		op_finish(op, &err);
		return;
	}
	if (op_begin(op))
		put_row(op, NULL);
}

void registry_event_invoke_put(struct registry *r, struct str name, struct str qualifier, json_t *config, bool replace,
                               registry_done_cb *cb, void *arg)
{
	struct event_op *e = event_op_new(start_put, qualifier);
	e->config = json_incref(config);
	e->replace = replace;
	op_submit(&e->op, r, name, cb, arg);
}

void registry_event_invoke_delete(struct registry *r, struct str name, struct str qualifier, registry_done_cb *cb, void *arg)
{
	struct event_op *e = event_op_new(start_delete, qualifier);
	op_submit(&e->op, r, name, cb, arg);
}

static void start_recursion(struct op *op)
{
	if (!op_begin(op))
		return;
	op->draft.recursion = event_op(op)->allow;
	op->result = json_pack("{s:s}", "RecursiveLoop", event_op(op)->allow ? "Allow" : "Terminate");
	op_write(op);
}

void registry_recursion_put(struct registry *r, struct str name, bool allow, registry_done_cb *cb, void *arg)
{
	struct event_op *e = event_op_new(start_recursion, STR_NULL);
	e->allow = allow;
	op_submit(&e->op, r, name, cb, arg);
}
