/* Calls: the table of routes, checks of their shapes, answers; writes one after the other. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/codec.h"
#include "services/events/scheduler_priv.h"

#define PAGE_MAX 100
#define DEPTH_MAX 60

static const struct {
	int status;
	const char *type;
} faults[] = {
	[SCHEDULER_INVALID] = {400, "ValidationException"},   [SCHEDULER_NOT_FOUND] = {404, "ResourceNotFoundException"},
	[SCHEDULER_CONFLICT] = {409, "ConflictException"},    [SCHEDULER_QUOTA] = {402, "ServiceQuotaExceededException"},
	[SCHEDULER_INTERNAL] = {500, "InternalServerException"},
};

/* ---- ends ---- */

static void run_changes(struct scheduler *s);

static void release(struct scheduler_request *r)
{
	if (--r->refs > 0)
		return;
	json_decref(r->input);
	json_decref(r->record);
	json_decref(r->reply);
	free(r);
}

/* An operation may end its request deep inside and still look at it: the request goes when the operation is back. */
static void run(struct scheduler_request *r)
{
	r->refs++;
	r->op->run(r);
	release(r);
}

static void request_end(struct scheduler_request *r, int status, const char *type, json_t *body)
{
	struct scheduler *s = r->s;
	struct buf text;
	bool change = r->op && r->op->change;
	buf_init(&text, SCHEDULER_REPLY_BYTES);
	(void)json_value_dump(body, &text, NULL);
	r->cb(r->answer, &(struct service_answer){.status = status, .content_type = "application/json", .error_type = type,
	      .body = buf_str(&text)});
	buf_release(&text);
	json_decref(body);
	release(r);
	if (change) {
		s->current = NULL;
		run_changes(s);
	}
}

void scheduler_reply(struct scheduler_request *r, json_t *reply)
{
	request_end(r, 200, NULL, reply ? reply : json_object());
}

static void answer_error(struct scheduler_request *r, int status, const char *type, struct str message)
{
	json_t *body = json_object();
	json_object_set_new(body, "Message", json_value_new_str(message));
	request_end(r, status, type, body);
}

void scheduler_fail(struct scheduler_request *r, enum scheduler_fault fault, const char *fmt, ...)
{
	char message[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(message, sizeof message, fmt, ap);
	va_end(ap);
	answer_error(r, faults[fault].status, faults[fault].type, str_from(message));
}

/* ---- writing ---- */

static void on_written(void *arg, const struct kv_entry *entry, const struct error *err)
{
	struct scheduler_request *r = arg;
	if (err)
		scheduler_fail(r, SCHEDULER_INTERNAL, "%s", err->msg);
	else
		r->commit(r);
}

void scheduler_write(struct scheduler_request *r, const char *key, void (*commit)(struct scheduler_request *r))
{
	struct buf text;
	struct error err = {0};
	int rc = 0;
	bool fits = true;
	buf_init(&text, KV_VALUE_MAX);
	r->commit = commit;
	if (r->record && json_value_dump(r->record, &text, NULL) < 0)
		fits = false;
	else if (r->record)
		rc = kv_put(r->s->deps.kv, str_from(key), buf_str(&text), KV_ANY, on_written, r, &err);
	else
		rc = kv_delete(r->s->deps.kv, str_from(key), KV_ANY, on_written, r, &err);
	buf_release(&text);
	if (!fits)
		scheduler_fail(r, SCHEDULER_INVALID, "The schedule does not fit one record (%d bytes).", KV_VALUE_MAX);
	else if (rc < 0)
		scheduler_fail(r, SCHEDULER_INTERNAL, "%s", err.msg);
}

static void run_changes(struct scheduler *s)
{
	if (s->running)
		return;
	s->running = true;
	while (!s->current && !list_empty(&s->changes)) {
		struct scheduler_request *r = CONTAINER_OF(list_pop_front(&s->changes), struct scheduler_request, link);
		s->current = r;
		run(r);
	}
	s->running = false;
}

/* ---- inputs ---- */

struct str scheduler_in(const struct scheduler_request *r, const char *key)
{
	return json_value_text(json_object_get(r->input, key));
}

void scheduler_show_time(json_t *to, const char *shown, const json_t *record, const char *stored)
{
	const json_t *ms = json_object_get(record, stored);
	if (json_is_integer(ms))
		json_object_set_new(to, shown, json_real((double)json_integer_value(ms) / 1000));
}

/* What stands in the query is a member of the input under these names; others keep theirs. */
static const struct {
	const char *query, *member;
} query_names[] = {{"clientToken", "ClientToken"}, {"groupName", "GroupName"}, {"ScheduleGroup", "GroupName"}};

static void add_query(json_t *input, const char *name, struct str value)
{
	uint64_t number;
	json_t *list = json_object_get(input, name);
	for (size_t i = 0; i < ARRAY_LEN(query_names); i++)
		name = strcmp(name, query_names[i].query) == 0 ? query_names[i].member : name;
	if (strcmp(name, "MaxResults") == 0 && str_to_u64(value, 1000000, &number) == 0) {
		json_object_set_new(input, name, json_integer((json_int_t)number));
	} else if (strcmp(name, "TagKeys") == 0) {
		if (!list)
			json_object_set_new(input, name, list = json_array());
		json_array_append_new(list, json_value_new_str(value));
	} else {
		json_object_set_new(input, name, json_value_new_str(value));
	}
}

static int read_query(json_t *input, struct str query)
{
	struct str pair, name;
	while (str_split(&query, '&', &pair)) {
		CLEANUP_FREE char *key = calloc(1, pair.n + 1), *value = calloc(1, pair.n + 1);
		size_t key_n, value_n;
		if (pair.n == 0)
			continue;
		if (!str_split(&pair, '=', &name) || !key || !value || percent_decode(key, &key_n, name, true) < 0 ||
		    percent_decode(value, &value_n, pair, true) < 0)
			return -1;
		add_query(input, key, (struct str){value, value_n});
	}
	return 0;
}

/* ---- pages ---- */

static int by_name(const void *a, const void *b)
{
	return str_cmp((*(struct hash_node *const *)a)->key, (*(struct hash_node *const *)b)->key);
}

static struct str behind_slash(struct str key)
{
	size_t at = str_find(key, '/');
	return at < key.n ? str_sub(key, at + 1, key.n) : key;
}

static int decode_token(struct scheduler_request *r, char name[SCHEDULER_KEY_MAX])
{
	struct str token = scheduler_in(r, "NextToken");
	size_t n = 0;
	name[0] = 0;
	if (token.p && (token.n > SCHEDULER_KEY_MAX || base64_decode(name, &n, token) < 0)) {
		scheduler_fail(r, SCHEDULER_INVALID, "Invalid NextToken.");
		return -1;
	}
	if (n < SCHEDULER_KEY_MAX)
		name[n] = 0;
	return 0;
}

int scheduler_page(struct scheduler_request *r, const struct hash *all,
                   bool (*fits)(const struct scheduler_request *r, struct hash_node *node), json_t *reply, struct scheduler_page *out)
{
	char after[SCHEDULER_KEY_MAX], token[BASE64_SIZE(SCHEDULER_KEY_MAX)];
	const json_t *limit = json_object_get(r->input, "MaxResults");
	size_t max = limit ? (size_t)json_integer_value(limit) : PAGE_MAX;
	struct str prefix = scheduler_in(r, "NamePrefix");
	if (decode_token(r, after) < 0)
		return -1;
	*out = (struct scheduler_page){.nodes = calloc(all->count + 1, sizeof(struct hash_node *))};
	ASSERT(out->nodes);
	HASH_FOREACH(node, all) {
		if (str_cmp(node->key, str_from(after)) > 0 && str_starts(behind_slash(node->key), prefix) && (!fits || fits(r, node)))
			out->nodes[out->n++] = node;
	}
	qsort(out->nodes, out->n, sizeof out->nodes[0], by_name);
	if (out->n > max) {
		out->n = max;
		base64_encode(token, out->nodes[max - 1]->key.p, out->nodes[max - 1]->key.n);
		json_object_set_new(reply, "NextToken", json_string(token));
	}
	return 0;
}

/* ---- the door ---- */

/* False: no such path. */
static bool take_path(struct scheduler_request *r)
{
	struct str rest = str_sub(r->call.path, 1, r->call.path.n), first = STR_NULL;
	size_t n = 0;
	if (!str_split(&rest, '/', &first) || rest.n >= sizeof r->name || percent_decode(r->name, &n, rest, false) < 0)
		return false;
	r->name[n] = 0;
	if (n > 0 && r->name[n - 1] == '/')
		r->name[--n] = 0;
	for (const struct scheduler_op *op = scheduler_ops; op->method && !r->op; op++) {
		if (str_eqz(r->call.method, op->method) && str_eqz(first, op->path) && op->named == (n > 0))
			r->op = op;
	}
	return r->op != NULL;
}

static bool take_input(struct scheduler_request *r)
{
	const struct json_limits limits = {.max_depth = DEPTH_MAX};
	r->input = r->call.body.n ? json_value_load_object(r->call.body, &limits, NULL) : json_object();
	if (!r->input || read_query(r->input, r->call.query) < 0)
		return false;
	if (r->op->named)
		json_object_set_new(r->input, r->op->path_member, json_value_new_str(str_from(r->name)));
	return true;
}

/* Ends the request unless all is as it should be. */
static bool check(struct scheduler_request *r)
{
	const struct scheduler_op *op;
	struct buf message;
	if (!take_path(r)) {
		answer_error(r, 404, "UnknownOperationException", STR("There is no such operation."));
		return false;
	}
	op = r->op;
	bool fine = take_input(r);
	r->op = NULL; /* has not begun: no change ends with an error below */
	if (!fine) {
		answer_error(r, 400, "SerializationException", STR("The request is not a JSON object."));
		return false;
	}
	buf_init(&message, SHAPE_MESSAGE_MAX);
	enum shape_result result = shape_check(op->input, r->input, &message);
	if (result == SHAPE_FINE)
		r->op = op;
	else
		answer_error(r, 400, result == SHAPE_INVALID ? "ValidationException" : "SerializationException", buf_str(&message));
	buf_release(&message);
	return result == SHAPE_FINE;
}

void scheduler_answer(void *service, const struct service_call *call, service_answer_cb *cb, void *answer)
{
	struct scheduler *s = service;
	struct scheduler_request *r = calloc(1, sizeof *r);
	ASSERT(r);
	*r = (struct scheduler_request){.refs = 1, .s = s, .call = *call, .cb = cb, .answer = answer};
	list_init(&r->link);
	if (!check(r))
		return;
	if (!r->op->change) {
		run(r);
		return;
	}
	list_push_back(&s->changes, &r->link);
	run_changes(s);
}
