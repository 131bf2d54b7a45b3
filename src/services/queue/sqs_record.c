/* Queues in memory and their records: {"Format":1,"Uid","Created","Modified","Attributes":{},"Tags":{}}. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/codec.h"
#include "core/spec/arn.h"
#include "services/queue/sqs_attempt.h"

struct sqs_queue *sqs_queue_find(struct sqs *s, struct str name)
{
	struct sqs_queue *q = HASH_ENTRY(hash_get(&s->queues, name), struct sqs_queue, by_name);
	return q && q->live ? q : NULL;
}

struct sqs_queue *sqs_queue_of_arn(struct sqs *s, struct str text)
{
	struct arn arn;
	if (!arn_parse(&arn, text) || !arn_is(&arn, "sqs", s->deps.settings->region, s->deps.settings->account))
		return NULL;
	return sqs_queue_find(s, arn.resource);
}

struct sqs_queue *sqs_queue_new(struct sqs *s, struct str name, const char *uid)
{
	struct sqs_queue *q = calloc(1, sizeof *q);
	ASSERT(q && name.n <= SQS_NAME_MAX);
	q->sqs = s;
	q->refs = 1;
	str_copy(q->name, sizeof q->name, name);
	if (uid)
		snprintf(q->uid, sizeof q->uid, "%s", uid);
	else
		rand_text(q->uid, SQS_UID_SIZE - 1, "0123456789abcdef");
	snprintf(q->arn, sizeof q->arn, "arn:aws:sqs:%.40s:%.12s:%s", s->deps.settings->region, s->deps.settings->account, q->name);
	snprintf(q->stored, sizeof q->stored, "sqs/%s/%s", q->name, q->uid);
	q->created_s = q->modified_s = clock_wall_ms() / 1000;
	q->attributes = json_object();
	q->tags = json_object();
	ASSERT(q->attributes && q->tags);
	sqs_rules_read(q->attributes, &q->rules);
	list_init(&q->turns);
	list_init(&q->receives);
	list_init(&q->attempts);
	return q;
}

void sqs_queue_ref(struct sqs_queue *q)
{
	q->refs++;
}

void sqs_queue_unref(struct sqs_queue *q)
{
	if (!q || --q->refs > 0)
		return;
	ASSERT(list_empty(&q->turns) && list_empty(&q->receives));
	sqs_attempts_free(q);
	json_decref(q->attributes);
	json_decref(q->tags);
	policy_free(q->policy);
	free(q);
}

/* ---- records ---- */

int sqs_record_key(const struct sqs_queue *q, char *dst, size_t size)
{
	return snprintf(dst, size, "sqs/queue/%s", q->name);
}

json_t *sqs_record_make(const struct sqs_queue *q, int64_t modified_s, const json_t *attributes, const json_t *tags)
{
	return json_pack("{s:i, s:s, s:I, s:I, s:O, s:O}", "Format", 1, "Uid", q->uid, "Created", (json_int_t)q->created_s, "Modified",
	                 (json_int_t)modified_s, "Attributes", attributes, "Tags", tags);
}

void sqs_config_of(const struct sqs_rules *rules, struct queue_config *out)
{
	*out = (struct queue_config){.retention_ms = rules->retention_s * 1000, .ordered = rules->fifo};
}

static int take_map(const json_t *root, const char *key, json_t **out, struct error *err)
{
	json_t *map = NULL;
	if (json_value_str_map(root, key, &map, err) < 0)
		return -1;
	if (map) {
		json_decref(*out);
		*out = json_incref(map);
	}
	return 0;
}

/* A policy of a record that is not understood lets in nobody but root. */
static struct policy *load_policy(struct str text)
{
	struct policy *policy = text.p ? policy_compile(text, NULL) : NULL;
	if (policy || !text.p)
		return policy;
	policy = policy_compile(STR("{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Deny\",\"Principal\":\"*\",\"Action\":\"*\","
	                            "\"Resource\":\"*\"}]}"), NULL);
	ASSERT(policy);
	return policy;
}

struct sqs_queue *sqs_record_load(struct sqs *s, struct str name, struct str text, struct error *err)
{
	CLEANUP_JSON json_t *root = json_value_load_object(text, &(struct json_limits){0}, err);
	struct str uid;
	unsigned char bytes[(SQS_UID_SIZE - 1) / 2];
	int64_t format = 0, created = 0, modified = 0;
	if (!root)
		return NULL;
	if (json_value_int(root, "Format", 1, 1, &format, err) <= 0 || json_value_str(root, "Uid", &uid, err) <= 0 ||
	    hex_decode(bytes, sizeof bytes, uid) < 0 || name.n == 0 || name.n > SQS_NAME_MAX) {
		error_set(err, ERR_INVALID, "the record is damaged, or of a newer server");
		return NULL;
	}
	struct sqs_queue *q = sqs_queue_new(s, name, uid.p);
	if (json_value_int(root, "Created", 0, INT64_MAX, &created, err) < 0 || json_value_int(root, "Modified", 0, INT64_MAX, &modified, err) < 0 ||
	    take_map(root, "Attributes", &q->attributes, err) < 0 || take_map(root, "Tags", &q->tags, err) < 0) {
		sqs_queue_unref(q);
		return NULL;
	}
	q->created_s = created;
	q->modified_s = modified;
	sqs_rules_read(q->attributes, &q->rules);
	q->policy = load_policy(sqs_attribute_value(q->attributes, "Policy"));
	return q;
}

/* ---- turns ---- */

/* A call that fails at once ends its turn in here: the loop, not the stack, goes on. */
static void next_turn(struct sqs_queue *q)
{
	struct list *link;
	if (q->turning)
		return;
	q->turning = true;
	sqs_queue_ref(q);
	while (!q->turn && (link = list_pop_front(&q->turns)) != NULL) {
		struct sqs_call *call = CONTAINER_OF(link, struct sqs_call, link);
		q->turn = true;
		call->on_turn(call);
	}
	q->turning = false;
	sqs_queue_unref(q);
}

void sqs_turn(struct sqs_call *call, sqs_operation_fn *run)
{
	call->on_turn = run;
	list_push_back(&call->queue->turns, &call->link);
	next_turn(call->queue);
}

void sqs_turn_end(struct sqs_queue *q)
{
	ASSERT(q->turn);
	q->turn = false;
	next_turn(q);
}

/* ---- changes ---- */

struct change {
	struct sqs_call *call;
	sqs_change_fn *fn;
	json_t *attributes, *tags;
	struct sqs_rules rules;
	struct policy *policy;
	int64_t modified_s;
};

static void change_drop(void *work)
{
	struct change *c = work;
	json_decref(c->attributes);
	json_decref(c->tags);
	policy_free(c->policy);
	free(c);
}

static void change_end(struct sqs_call *call, bool done)
{
	struct sqs_queue *q = call->queue;
	sqs_queue_ref(q);
	if (done)
		sqs_call_done(call);
	else
		sqs_call_fail(call);
	sqs_turn_end(q);
	sqs_queue_unref(q);
}

static void change_error(struct sqs_call *call, const struct error *err)
{
	sqs_fault_from(&call->fault, err);
	change_end(call, false);
}

static void apply(struct change *c)
{
	struct sqs_queue *q = c->call->queue;
	json_decref(q->attributes);
	json_decref(q->tags);
	policy_free(q->policy);
	q->attributes = json_incref(c->attributes);
	q->tags = json_incref(c->tags);
	q->policy = STEAL_PTR(c->policy);
	q->rules = c->rules;
	q->modified_s = c->modified_s;
	sqs_queue_told(q, true);
}

static void on_written(void *arg, const struct kv_entry *entry, const struct error *err)
{
	struct change *c = arg;
	if (err) {
		change_error(c->call, err);
		return;
	}
	apply(c);
	change_end(c->call, true);
}

static int change_write(struct change *c, struct sqs_fault *f)
{
	struct sqs_queue *q = c->call->queue;
	char key[SQS_NAME_MAX + 16];
	struct error err;
	c->modified_s = clock_wall_ms() / 1000;
	sqs_record_key(q, key, sizeof key);
	CLEANUP_JSON json_t *record = sqs_record_make(q, c->modified_s, c->attributes, c->tags);
	CLEANUP(buf_release) struct buf text;
	buf_init(&text, KV_VALUE_MAX);
	if (!record || json_value_dump(record, &text, &err) < 0)
		return sqs_fault_set(f, SQS_OVER_LIMIT, "the queue's attributes and tags are too long");
	if (kv_put(q->sqs->deps.kv, str_from(key), buf_str(&text), KV_ANY, on_written, c, &err) < 0)
		return sqs_fault_from(f, &err);
	return 0;
}

static void on_configured(void *arg, const struct error *err)
{
	struct change *c = arg;
	if (err)
		change_error(c->call, err);
	else if (change_write(c, &c->call->fault) < 0)
		change_end(c->call, false);
}

/* What is refused has changed nothing: the store is asked before the record is written. */
static int change_begin(struct change *c, struct sqs_fault *f)
{
	struct sqs_queue *q = c->call->queue;
	struct queue_config config;
	struct error err;
	struct str policy = sqs_attribute_value(c->attributes, "Policy");
	if (policy.p && !(c->policy = policy_compile(policy, &err)))
		return sqs_fault_set(f, SQS_OVER_LIMIT, "the queue's policy cannot be kept: %s", err.msg);
	sqs_rules_read(c->attributes, &c->rules);
	if (c->rules.retention_s == q->rules.retention_s || q->sqs->closing) /* the start configures all queues */
		return change_write(c, f);
	sqs_config_of(&c->rules, &config);
	return queue_configure(q->sqs->deps.queue, str_from(q->stored), &config, on_configured, c, &err) < 0 ? sqs_fault_from(f, &err) : 0;
}

static void on_change_turn(struct sqs_call *call)
{
	struct change *c = call->work;
	struct sqs_queue *q = call->queue;
	int got = -1;
	if (!q->live) {
		sqs_fault_no_queue(&call->fault, call->from);
	} else {
		c->attributes = json_copy(q->attributes);
		c->tags = json_copy(q->tags);
		ASSERT(c->attributes && c->tags);
		got = c->fn(call, c->attributes, c->tags, &call->fault);
	}
	if (got < 0 || change_begin(c, &call->fault) < 0)
		change_end(call, false);
}

void sqs_change(struct sqs_call *call, sqs_change_fn *fn)
{
	struct change *c = calloc(1, sizeof *c);
	ASSERT(c);
	*c = (struct change){.call = call, .fn = fn};
	call->work = c;
	call->drop = change_drop;
	sqs_turn(call, on_change_turn);
}
