/* Calls: the table of operations, checks of their shapes, answers; writes one after the other. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/codec.h"
#include "core/json/write.h"
#include "core/spec/arn.h"
#include "services/events/bus_priv.h"

#define JSON_TYPE "application/x-amz-json-1.1"
#define PAGE_MAX 100
#define DEPTH_MAX 60

const char bus_target[] = "AWSEvents.";

/* ---- ends ---- */

static void run_changes(struct bus *b);

static void release(struct bus_request *r)
{
	if (--r->refs > 0)
		return;
	json_decref(r->input);
	json_decref(r->record);
	json_decref(r->reply);
	bus_rule_unref(r->rule);
	free(r);
}

/* An operation may end its request deep inside and still look at it: the request goes when the operation is back. */
static void run(struct bus_request *r)
{
	r->refs++;
	r->op->run(r);
	release(r);
}

static void request_end(struct bus_request *r, const struct service_answer *what)
{
	struct bus *b = r->b;
	bool change = r->op && r->op->change;
	r->cb(r->answer, what);
	release(r);
	if (change) {
		b->current = NULL;
		run_changes(b);
	}
}

void bus_reply(struct bus_request *r, json_t *reply)
{
	struct buf body;
	buf_init(&body, BUS_REPLY_BYTES);
	if (reply)
		(void)json_value_dump(reply, &body, NULL);
	json_decref(reply);
	request_end(r, &(struct service_answer){.status = 200, .content_type = JSON_TYPE, .body = buf_str(&body)});
	buf_release(&body);
}

static void answer_error(struct bus_request *r, int status, const char *type, struct str message)
{
	struct buf body;
	struct json_writer w;
	buf_init(&body, 64 * 1024);
	json_write_init(&w, &body);
	json_write_object(&w);
	json_write_key_z(&w, "__type", type);
	json_write_key_str(&w, "message", message);
	json_write_close(&w);
	request_end(r, &(struct service_answer){.status = status, .content_type = JSON_TYPE, .error_type = type, .body = buf_str(&body)});
	buf_release(&body);
}

void bus_fail(struct bus_request *r, const char *type, const char *fmt, ...)
{
	char message[2048];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(message, sizeof message, fmt, ap);
	va_end(ap);
	answer_error(r, 400, type, str_from(message));
}

void bus_fail_error(struct bus_request *r, const struct error *err)
{
	if (err->code == ERR_VALIDATION)
		bus_fail(r, "ValidationException", "%s", err->msg);
	else
		answer_error(r, 500, "InternalException", str_from(err->msg));
}

/* ---- writing ---- */

static void on_written(void *arg, const struct kv_entry *entry, const struct error *err)
{
	struct bus_request *r = arg;
	if (err)
		bus_fail_error(r, err);
	else
		r->commit(r);
}

void bus_write(struct bus_request *r, const char *key, void (*commit)(struct bus_request *r))
{
	struct buf text;
	struct error err = {0};
	int rc = 0;
	buf_init(&text, BUS_RECORD_MAX);
	r->commit = commit;
	if (r->record && json_value_dump(r->record, &text, NULL) < 0)
		rc = error_set(&err, ERR_VALIDATION, "The resource holds more settings than fit one record (%zu bytes).", BUS_RECORD_MAX);
	else if (r->record)
		rc = kv_put(r->b->deps.kv, str_from(key), buf_str(&text), KV_ANY, on_written, r, &err);
	else
		rc = kv_delete(r->b->deps.kv, str_from(key), KV_ANY, on_written, r, &err);
	buf_release(&text);
	if (rc < 0)
		bus_fail_error(r, &err);
}

/* A request that ends at once comes back here: the loop below goes on, it is not entered twice. */
static void run_changes(struct bus *b)
{
	if (b->running)
		return;
	b->running = true;
	while (!b->current && !list_empty(&b->changes)) {
		struct bus_request *r = CONTAINER_OF(list_pop_front(&b->changes), struct bus_request, link);
		b->current = r;
		run(r);
	}
	b->running = false;
}

/* ---- inputs ---- */

struct str bus_in(const struct bus_request *r, const char *key)
{
	return json_value_text(json_object_get(r->input, key));
}

struct event_bus *bus_of(struct bus_request *r, const char *key)
{
	struct str name = bus_in(r, key);
	struct arn arn;
	if (!name.p)
		name = STR("default");
	if (arn_parse(&arn, name) && str_starts(arn.resource, STR("event-bus/")))
		name = str_sub(arn.resource, strlen("event-bus/"), arn.resource.n);
	struct event_bus *e = bus_find(r->b, name);
	if (!e)
		bus_fail(r, "ResourceNotFoundException", "Event bus " STR_FMT " does not exist.", STR_ARG(name));
	return e;
}

struct bus_rule *bus_rule_of(struct bus_request *r, struct event_bus *e, const char *key)
{
	struct str name = bus_in(r, key);
	struct bus_rule *rule = bus_rule_find(e, name);
	if (!rule)
		bus_fail(r, "ResourceNotFoundException", "Rule " STR_FMT " does not exist on EventBus %s.", STR_ARG(name), e->name);
	return rule;
}

void bus_copy(json_t *to, const json_t *from, const char *const *keys)
{
	for (; *keys; keys++) {
		json_t *v = json_object_get(from, *keys);
		if (v && !json_is_null(v))
			json_object_set(to, *keys, v);
	}
}

/* ---- pages ---- */

static int by_name(const void *a, const void *b)
{
	return str_cmp((*(struct hash_node *const *)a)->key, (*(struct hash_node *const *)b)->key);
}

static int decode_token(struct bus_request *r, char name[BUS_NAME_MAX + 1])
{
	struct str token = bus_in(r, "NextToken");
	size_t n = 0;
	name[0] = 0;
	if (!token.p)
		return 0;
	if (token.n > BUS_NAME_MAX || base64_decode(name, &n, token) < 0) {
		bus_fail(r, "ValidationException", "Parameter NextToken is not valid.");
		return -1;
	}
	name[n] = 0;
	return 0;
}

int bus_page(struct bus_request *r, const struct hash *all, bool (*fits)(const struct bus_request *r, struct hash_node *node), json_t *reply,
             struct bus_page *out)
{
	char after[BUS_NAME_MAX + 1], token[BASE64_SIZE(BUS_NAME_MAX)];
	const json_t *limit = json_object_get(r->input, "Limit");
	size_t max = limit && !json_is_null(limit) ? (size_t)json_integer_value(limit) : PAGE_MAX;
	struct str prefix = bus_in(r, "NamePrefix");
	if (decode_token(r, after) < 0)
		return -1;
	*out = (struct bus_page){.nodes = calloc(all->count + 1, sizeof(struct hash_node *))};
	ASSERT(out->nodes);
	HASH_FOREACH(node, all) {
		if (str_cmp(node->key, str_from(after)) > 0 && str_starts(node->key, prefix) && (!fits || fits(r, node)))
			out->nodes[out->n++] = node;
	}
	qsort(out->nodes, out->n, sizeof out->nodes[0], by_name);
	if (out->n > max) {
		struct str last = out->nodes[max - 1]->key;
		out->n = max;
		base64_encode(token, last.p, last.n);
		json_object_set_new(reply, "NextToken", json_string(token));
	}
	return 0;
}

/* ---- the door ---- */

static const struct bus_op *find_op(struct str name)
{
	for (const struct bus_op *op = bus_ops; op->name; op++) {
		if (str_eqz(name, op->name))
			return op;
	}
	return NULL;
}

static bool check_input(struct bus_request *r)
{
	struct buf message;
	enum shape_result result;
	buf_init(&message, SHAPE_MESSAGE_MAX);
	result = shape_check(r->op->input, r->input, &message);
	if (result != SHAPE_FINE) {
		r->op = NULL; /* it has not begun: no change ends with it */
		answer_error(r, 400, result == SHAPE_INVALID ? "ValidationException" : "SerializationException", buf_str(&message));
	}
	buf_release(&message);
	return result == SHAPE_FINE;
}

static const struct bus_op *take_op(struct bus_request *r)
{
	const struct json_limits limits = {.max_depth = DEPTH_MAX};
	const struct bus_op *op = find_op(r->call.operation);
	if (!op) {
		answer_error(r, 400, "UnknownOperationException", STR(""));
		return NULL;
	}
	r->input = r->call.body.n ? json_value_load_object(r->call.body, &limits, NULL) : json_object();
	if (!r->input) {
		answer_error(r, 400, "SerializationException", STR("The body is not a JSON object."));
		return NULL;
	}
	return op;
}

void bus_answer(void *service, const struct service_call *call, service_answer_cb *cb, void *answer)
{
	struct bus *b = service;
	struct bus_request *r = calloc(1, sizeof *r);
	ASSERT(r);
	*r = (struct bus_request){.refs = 1, .b = b, .call = *call, .cb = cb, .answer = answer};
	list_init(&r->link);
	const struct bus_op *op = take_op(r);
	if (!op)
		return;
	r->op = op;
	if (!check_input(r))
		return;
	if (!op->change) {
		run(r);
		return;
	}
	list_push_back(&b->changes, &r->link);
	run_changes(b);
}
