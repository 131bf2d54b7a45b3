/* A row of truth.urls: {"Id", "AuthType", "InvokeMode", "Cors" (where there is one), "Created", "Modified" (ms)}, by qualifier, the function's
 * own under "". */
#include "control/function/url.h"

#include <stdlib.h>
#include <string.h>

#include "control/function/registry_priv.h"
#include "core/base/cleanup.h"
#include "core/json/value.h"

#define ID_ALPHABET "0123456789abcdefghijklmnopqrstuvwxyz"
#define TIME_SIZE 40

/* One URL in memory: in the registry's table by its id, and in its function's list. */
struct url_entry {
	struct hash_node by_id;
	struct list link; /* in function.urls */
	struct function *f;
	char id[REGISTRY_URL_ID_SIZE];
	char qualifier[FUNCTION_QUALIFIER_MAX + 1];
};

static json_t *row_of(const struct function *f, struct str qualifier)
{
	return json_object_getn(f->truth.urls, qualifier.p ? qualifier.p : "", qualifier.n);
}

static const char *text_of(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));
	return text ? text : "";
}

/* ---- the table ---- */

void function_urls_drop(struct function *f)
{
	struct list *link;
	while ((link = list_pop_front(&f->urls))) {
		struct url_entry *e = CONTAINER_OF(link, struct url_entry, link);
		hash_remove(&f->registry->urls, &e->by_id);
		free(e);
	}
}

static void add_entry(struct function *f, const char *qualifier, const json_t *row)
{
	struct url_entry *e = calloc(1, sizeof *e);
	ASSERT(e);
	e->f = f;
	list_init(&e->link);
	bool bad = str_copy(e->id, sizeof e->id, str_from(text_of(row, "Id"))) < 0 || !*e->id ||
	           str_copy(e->qualifier, sizeof e->qualifier, str_from(qualifier)) < 0 || hash_get(&f->registry->urls, str_from(e->id));
	if (bad || hash_put(&f->registry->urls, &e->by_id, str_from(e->id)) < 0) {
		free(e);
		return;
	}
	list_push_back(&f->urls, &e->link);
}

void function_urls_sync(struct function *f)
{
	const char *qualifier;
	json_t *row;
	function_urls_drop(f);
	json_object_foreach(f->truth.urls, qualifier, row)
		add_entry(f, qualifier, row);
}

static void fill(struct registry_url *out, const struct function *f, struct str qualifier, const json_t *row)
{
	*out = (struct registry_url){.id = str_from(text_of(row, "Id")), .name = str_from(f->name),
	                             .qualifier = qualifier.n ? qualifier : STR_NULL, .iam = strcmp(text_of(row, "AuthType"), "NONE") != 0,
	                             .stream = strcmp(text_of(row, "InvokeMode"), "RESPONSE_STREAM") == 0,
	                             .cors = json_object_get(row, "Cors")};
}

bool registry_url_find(const struct registry *r, struct str id, struct registry_url *out)
{
	const struct url_entry *e = HASH_ENTRY(hash_get(&r->urls, id), struct url_entry, by_id);
	if (!e)
		return false;
	fill(out, e->f, str_from(e->qualifier), row_of(e->f, str_from(e->qualifier)));
	return true;
}

bool registry_url_of(const struct registry *r, struct str name, struct str qualifier, struct registry_url *out)
{
	const struct function *f = function_find(r, name);
	const json_t *row = f ? row_of(f, qualifier) : NULL;
	if (row)
		fill(out, f, qualifier, row);
	return row != NULL;
}

/* ---- showing ---- */

static void set_time(json_t *shown, const char *key, const json_t *row, const char *from)
{
	char text[TIME_SIZE];
	clock_format(text, sizeof text, "%Y-%m-%dT%H:%M:%S.%LZ", json_integer_value(json_object_get(row, from)));
	json_object_set_new(shown, key, json_string(text));
}

static json_t *show(const struct function *f, struct str qualifier, const json_t *row, bool created)
{
	char arn[FUNCTION_ARN_MAX];
	registry_arn(f->registry, arn, str_from(f->name), qualifier);
	json_t *shown = json_pack("{s:s, s:s, s:s}", "FunctionUrl", text_of(row, "Id"), "FunctionArn", arn, "AuthType",
	                          text_of(row, "AuthType"));
	json_t *cors = json_object_get(row, "Cors");
	if (!shown)
		return NULL;
	if (cors)
		json_object_set(shown, "Cors", cors);
	set_time(shown, "CreationTime", row, "Created");
	if (!created)
		set_time(shown, "LastModifiedTime", row, "Modified");
	json_object_set(shown, "InvokeMode", json_object_get(row, "InvokeMode"));
	return shown;
}

static int no_url(struct error *err)
{
	return error_set(err, ERR_NOT_FOUND, "The resource you requested does not exist.");
}

json_t *registry_url_show(struct registry *r, struct str name, struct str qualifier, struct error *err)
{
	const struct function *f = function_find(r, name);
	const json_t *row = f ? row_of(f, qualifier) : NULL;
	if (row)
		return show(f, qualifier, row, false);
	no_url(err);
	return NULL;
}

/* The smallest key that is greater than `after` (NULL: the smallest). */
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

/* Markers have a letter before the qualifier: that of the function's own URL would be empty. */
int registry_url_list(struct registry *r, struct str name, struct registry_page *page, struct error *err)
{
	const struct function *f = function_find(r, name);
	if (!f)
		return error_set(err, ERR_NOT_FOUND, "Function does not exist");
	CLEANUP_FREE char *after = page->marker.p ? str_dup(str_sub(page->marker, 1, page->marker.n)) : NULL;
	const char *last = after;
	*page->next = '\0';
	for (const char *key = next_key(f->truth.urls, last); key; key = next_key(f->truth.urls, last = key)) {
		if (json_array_size(page->rows) >= page->max) {
			snprintf(page->next, page->next_size, "q%s", last);
			return 0;
		}
		json_t *row = show(f, str_from(key), json_object_get(f->truth.urls, key), false);
		if (!row || json_array_append_new(page->rows, row) < 0)
			return error_set(err, ERR_NO_MEMORY, "no memory for the list");
	}
	return 0;
}

/* ---- changing ---- */

struct url_op {
	struct op op;
	char *qualifier;
	json_t *config;
};

static struct url_op *url_op(struct op *op)
{
	return CONTAINER_OF(op, struct url_op, op);
}

static void release(struct op *op)
{
	free(url_op(op)->qualifier);
	json_decref(url_op(op)->config);
}

/* `row` is taken; NULL: it goes. */
static void put_row(struct op *op, json_t *row)
{
	json_t *rows = op->f->truth.urls ? json_copy(op->f->truth.urls) : json_object();
	ASSERT(rows);
	if (row)
		json_object_set_new(rows, url_op(op)->qualifier, row);
	else
		json_object_del(rows, url_op(op)->qualifier);
	op->draft.urls = rows;
	op_write(op);
}

/* What is said over what is there. */
static void take_config(json_t *row, const json_t *config)
{
	static const char *const texts[] = {"AuthType", "InvokeMode"};
	json_t *cors = json_object_get(config, "Cors");
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		json_t *v = json_object_get(config, texts[i]);
		if (json_is_string(v))
			json_object_set(row, texts[i], v);
	}
	if (json_object_size(cors))
		json_object_set(row, "Cors", cors);
	else if (json_is_object(cors))
		json_object_del(row, "Cors");
}

static void start_create(struct op *op)
{
	struct str qualifier = str_from(url_op(op)->qualifier);
	const struct function *f = function_find(op->r, op_name(op));
	char id[REGISTRY_URL_ID_SIZE], arn[FUNCTION_ARN_MAX];
	if (!f || (qualifier.n && !function_alias(f, qualifier))) {
		op_fail(op, ERR_NOT_FOUND, "Function does not exist");
		return;
	}
	if (!op_begin(op))
		return;
	registry_arn(op->r, arn, op_name(op), qualifier);
	if (row_of(f, qualifier)) {
		op_fail(op, ERR_EXISTS, "Failed to create function url config for [functionArn = %s]. Error message:  FunctionUrlConfig exists for "
		        "this Lambda function", arn);
		return;
	}
	int64_t now = clock_wall_ms();
	rand_text(id, sizeof id - 1, ID_ALPHABET);
	json_t *row = json_pack("{s:s, s:s, s:s, s:I, s:I}", "Id", id, "AuthType", "AWS_IAM", "InvokeMode", "BUFFERED", "Created",
	                        (json_int_t)now, "Modified", (json_int_t)now);
	ASSERT(row);
	take_config(row, url_op(op)->config);
	op->result = show(f, qualifier, row, true);
	put_row(op, row);
}

static void start_update(struct op *op)
{
	struct str qualifier = str_from(url_op(op)->qualifier);
	const struct function *f = function_find(op->r, op_name(op));
	const json_t *old = f ? row_of(f, qualifier) : NULL;
	struct error err = {0};
	if (!f || (qualifier.n && !function_alias(f, qualifier)))
		error_set(&err, ERR_NOT_FOUND, "Function does not exist");
	else if (!old)
		no_url(&err);
	if (err.code) {
		op_finish(op, &err);
		return;
	}
	if (!op_begin(op))
		return;
	json_t *row = json_copy((json_t *)old);
	ASSERT(row);
	take_config(row, url_op(op)->config);
	json_object_set_new(row, "Modified", json_integer(clock_wall_ms()));
	op->result = show(f, qualifier, row, false);
	put_row(op, row);
}

static void start_delete(struct op *op)
{
	const struct function *f = function_find(op->r, op_name(op));
	struct error err = {0};
	if (!f || !row_of(f, str_from(url_op(op)->qualifier))) {
		no_url(&err);
		op_finish(op, &err);
		return;
	}
	if (op_begin(op))
		put_row(op, NULL);
}

static void submit(struct registry *r, void (*start)(struct op *), struct str name, struct str qualifier, json_t *config,
                   registry_done_cb *cb, void *arg)
{
	struct url_op *u = calloc(1, sizeof *u);
	ASSERT(u);
	u->op.start = start;
	u->op.release = release;
	u->qualifier = str_dup(qualifier.p ? qualifier : STR(""));
	u->config = json_incref(config);
	op_submit(&u->op, r, name, cb, arg);
}

void registry_url_create(struct registry *r, struct str name, struct str qualifier, json_t *config, registry_done_cb *cb, void *arg)
{
	submit(r, start_create, name, qualifier, config, cb, arg);
}

void registry_url_update(struct registry *r, struct str name, struct str qualifier, json_t *config, registry_done_cb *cb, void *arg)
{
	submit(r, start_update, name, qualifier, config, cb, arg);
}

void registry_url_delete(struct registry *r, struct str name, struct str qualifier, registry_done_cb *cb, void *arg)
{
	submit(r, start_delete, name, qualifier, NULL, cb, arg);
}
