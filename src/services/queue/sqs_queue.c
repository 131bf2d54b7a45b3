/* CreateQueue, DeleteQueue, GetQueueUrl, ListQueues, PurgeQueue. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/codec.h"
#include "services/queue/sqs_priv.h"

#define PURGE_EVERY_NS (60 * NS_PER_S)
#define LIST_MAX 1000

void sqs_write_url(struct sqs_call *call, const struct sqs_queue *q, struct json_writer *w)
{
	char url[512];
	snprintf(url, sizeof url, "http%s://" STR_FMT "/%.12s/%s", call->from->secure ? "s" : "", (int)(call->from->host.n > 255 ? 255 : call->from->host.n), call->from->host.p,
	         call->sqs->deps.settings->account, q->name);
	json_write_z(w, url);
}

static void answer_url(struct sqs_call *call, const struct sqs_queue *q)
{
	struct json_writer w;
	json_write_init(&w, &call->out);
	json_write_object(&w);
	json_write_key(&w, "QueueUrl");
	sqs_write_url(call, q, &w);
	json_write_close(&w);
	sqs_call_done(call);
}

/* ---- names ---- */

static bool is_name(struct str s)
{
	bool fine = s.n >= 1;
	for (size_t i = 0; fine && i < s.n; i++)
		fine = isalnum((unsigned char)s.p[i]) || s.p[i] == '-' || s.p[i] == '_';
	return fine;
}

static int check_name(struct str name, bool fifo, struct sqs_fault *f)
{
	bool dotted = str_ends(name, STR(".fifo"));
	bool fine = name.n <= SQS_NAME_MAX && is_name(str_sub(name, 0, name.n - (fifo && dotted ? 5 : 0)));
	if (fine && fifo == dotted)
		return 0;
	return sqs_fault_set(f, SQS_INVALID_PARAMETER, "%s", fifo
	                     ? "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length"
	                     : "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length");
}

/* ---- creating ---- */

struct creation {
	struct sqs_call *call;
	struct sqs_queue *q;
	struct str name;
	json_t *asked;
	bool fifo;
};

static void creation_drop(void *work)
{
	struct creation *c = work;
	if (c->q)
		sqs_queue_unref(c->q);
	free(c);
}

/* The place in the table is given up, and whoever waits for it begins anew. */
static void creation_fail(struct creation *c)
{
	struct sqs_queue *q = c->q;
	sqs_queue_ref(q);
	hash_remove(&q->sqs->queues, &q->by_name);
	sqs_queue_unref(q);
	sqs_call_fail(c->call);
	sqs_turn_end(q);
	sqs_queue_unref(q);
}

static void creation_error(struct creation *c, const struct error *err)
{
	sqs_fault_from(&c->call->fault, err);
	creation_fail(c);
}

static void on_recorded(void *arg, const struct kv_entry *entry, const struct error *err)
{
	struct creation *c = arg;
	struct sqs_queue *q = c->q;
	if (err) {
		creation_error(c, err);
		return;
	}
	q->live = true;
	sqs_queue_ref(q);
	answer_url(c->call, q);
	sqs_queue_told(q, true);
	sqs_turn_end(q);
	sqs_queue_unref(q);
}

static void on_configured(void *arg, const struct error *err)
{
	struct creation *c = arg;
	struct sqs_queue *q = c->q;
	char key[SQS_NAME_MAX + 16];
	struct error why;
	CLEANUP_JSON json_t *record = err ? NULL : sqs_record_make(q, q->modified_s, q->attributes, q->tags);
	CLEANUP(buf_release) struct buf text;
	buf_init(&text, KV_VALUE_MAX);
	sqs_record_key(q, key, sizeof key);
	if (err)
		creation_error(c, err);
	else if (!record || json_value_dump(record, &text, &why) < 0 ||
	         kv_put(q->sqs->deps.kv, str_from(key), buf_str(&text), KV_ABSENT, on_recorded, c, &why) < 0)
		creation_error(c, &why);
}

/* The store's queue first: a record is the promise that all is there. */
static void begin(struct creation *c, json_t *attributes, json_t *tags)
{
	struct sqs *s = c->call->sqs;
	struct queue_config config;
	struct error err = SQS_CLOSED;
	struct sqs_queue *q = c->q = sqs_queue_new(s, c->name, NULL);
	json_decref(q->attributes);
	json_decref(q->tags);
	q->attributes = attributes;
	q->tags = tags;
	sqs_rules_read(q->attributes, &q->rules);
	struct str policy = sqs_attribute_value(q->attributes, "Policy");
	q->policy = policy.p ? policy_compile(policy, NULL) : NULL;
	sqs_queue_ref(q);
	ASSERT(hash_put(&s->queues, &q->by_name, str_from(q->name)) == 0);
	q->turn = true;
	sqs_config_of(&q->rules, &config);
	if (s->closing || queue_configure(s->deps.queue, str_from(q->stored), &config, on_configured, c, &err) < 0)
		creation_error(c, &err);
}

/* `tags` is how the service's model has it. */
static int take_tags(struct sqs_call *call, json_t **tags, struct sqs_fault *f)
{
	json_t *given = NULL;
	int got = sqs_in_object(call, call->in, "tags", &given, f);
	if (got == 0)
		got = sqs_in_object(call, call->in, "Tags", &given, f);
	*tags = json_object();
	ASSERT(*tags);
	return got > 0 ? sqs_tags_merge(*tags, given, f) : got;
}

static void create(struct creation *c)
{
	struct sqs_call *call = c->call;
	json_t *tags = NULL, *attributes = json_object();
	ASSERT(attributes);
	if (check_name(c->name, c->fifo, &call->fault) < 0 ||
	    sqs_attributes_merge(call->sqs, c->name.p, true, c->fifo, c->asked, attributes, &call->fault) < 0 ||
	    take_tags(call, &tags, &call->fault) < 0) {
		json_decref(attributes);
		json_decref(tags);
		sqs_call_fail(call);
		return;
	}
	begin(c, attributes, tags);
}

/* The same queue may be asked for again, if nothing that is asked for differs. */
static int check_same(struct creation *c, const struct sqs_queue *q, struct sqs_fault *f)
{
	const char *key;
	json_t *v, *attributes = json_object();
	ASSERT(attributes);
	int got = sqs_attributes_merge(q->sqs, q->name, true, c->fifo, c->asked, attributes, f);
	json_decref(attributes);
	if (got < 0)
		return -1;
	json_object_foreach(c->asked, key, v) {
		struct str is = sqs_attribute_value(q->attributes, key), wanted = json_value_text(v);
		if (!(wanted.n == 0 && !is.p) && !(is.p && str_eq(is, wanted)))
			return sqs_fault_set(f, SQS_QUEUE_NAME_EXISTS,
			                     "A queue already exists with the same name and a different value for attribute %s", key);
	}
	return 0;
}

static void find_or_create(struct creation *c);

static void on_turn(struct sqs_call *call)
{
	struct creation *c = call->work;
	struct sqs_queue *q = call->queue;
	call->queue = NULL;
	if (!q->live)
		find_or_create(c);
	else if (check_same(c, q, &call->fault) < 0)
		sqs_call_fail(call);
	else
		answer_url(call, q);
	sqs_turn_end(q);
	sqs_queue_unref(q);
}

static void find_or_create(struct creation *c)
{
	struct sqs_queue *q = HASH_ENTRY(hash_get(&c->call->sqs->queues, c->name), struct sqs_queue, by_name);
	if (!q) {
		create(c);
		return;
	}
	sqs_queue_ref(q);
	c->call->queue = q;
	sqs_turn(c->call, on_turn);
}

void sqs_create_queue(struct sqs_call *call)
{
	struct creation *c = calloc(1, sizeof *c);
	ASSERT(c);
	c->call = call;
	call->work = c;
	call->drop = creation_drop;
	int got = sqs_in_str(call, call->in, "QueueName", &c->name, &call->fault);
	if (got == 0)
		got = sqs_fault_set(&call->fault, SQS_MISSING_PARAMETER, "The request must contain the parameter QueueName.");
	if (got < 0 || sqs_in_object(call, call->in, "Attributes", &c->asked, &call->fault) < 0) {
		sqs_call_fail(call);
		return;
	}
	c->fifo = str_case_eq(json_value_text(json_object_get(c->asked, "FifoQueue")), STR("true"));
	find_or_create(c);
}

/* ---- deleting ---- */

static void ignore(void *arg, const struct error *err)
{
	/* what is left of it is swept at the next start */
}

static void on_unrecorded(void *arg, const struct kv_entry *entry, const struct error *err)
{
	struct sqs_call *call = arg;
	struct sqs_queue *q = call->queue;
	sqs_queue_ref(q);
	if (err) {
		sqs_call_error(call, err);
	} else {
		q->live = false;
		hash_remove(&q->sqs->queues, &q->by_name);
		sqs_queue_unref(q);
		sqs_receives_end(q);
		if (!q->sqs->closing)
			queue_delete(q->sqs->deps.queue, str_from(q->stored), ignore, NULL, NULL);
		sqs_queue_told(q, false);
		sqs_call_done(call);
	}
	sqs_turn_end(q);
	sqs_queue_unref(q);
}

static void on_delete_turn(struct sqs_call *call)
{
	struct sqs_queue *q = call->queue;
	char key[SQS_NAME_MAX + 16];
	struct error err;
	sqs_record_key(q, key, sizeof key);
	if (!q->live)
		sqs_fault_no_queue(&call->fault, call->from);
	else if (kv_delete(q->sqs->deps.kv, str_from(key), KV_ANY, on_unrecorded, call, &err) == 0)
		return;
	else
		sqs_fault_from(&call->fault, &err);
	sqs_queue_ref(q);
	sqs_call_fail(call);
	sqs_turn_end(q);
	sqs_queue_unref(q);
}

void sqs_delete_queue(struct sqs_call *call)
{
	sqs_turn(call, on_delete_turn);
}

/* ---- looking ---- */

void sqs_get_queue_url(struct sqs_call *call)
{
	struct str name, owner = STR_NULL;
	int got = sqs_in_str(call, call->in, "QueueName", &name, &call->fault);
	if (got == 0)
		got = sqs_fault_set(&call->fault, SQS_MISSING_PARAMETER, "The request must contain the parameter QueueName.");
	if (got > 0)
		got = sqs_in_str(call, call->in, "QueueOwnerAWSAccountId", &owner, &call->fault);
	struct sqs_queue *q = got < 0 ? NULL : sqs_queue_find(call->sqs, name);
	if (q && owner.p && owner.n > 0 && !str_eqz(owner, call->sqs->deps.settings->account))
		q = NULL;
	if (got >= 0)
		got = q ? sqs_check_right(call, q, STR("GetQueueUrl"), &call->fault) : sqs_fault_no_queue(&call->fault, call->from);
	if (got < 0)
		sqs_call_fail(call);
	else
		answer_url(call, q);
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct sqs_queue *const *)a)->name, (*(struct sqs_queue *const *)b)->name);
}

/* A page's token is the last name of the page before, in base64. */
int sqs_page_read(struct sqs_call *call, struct sqs_page *page, struct sqs_fault *f)
{
	struct str token = STR_NULL;
	size_t n;
	*page = (struct sqs_page){.max = LIST_MAX};
	int got = sqs_in_int(call, call->in, "MaxResults", &page->max, f);
	page->asked = got > 0;
	if (got < 0 || sqs_in_str(call, call->in, "NextToken", &token, f) < 0)
		return -1;
	if (page->max < 1 || page->max > LIST_MAX)
		return sqs_fault_set(f, SQS_INVALID_PARAMETER,
		                     "Value %lld for parameter MaxResults is invalid. Reason: Must be an integer from 1 to 1000.", (long long)page->max);
	if (token.p && (token.n > BASE64_SIZE(SQS_NAME_MAX) || base64_decode(page->after, &n, token) < 0))
		return sqs_fault_set(f, SQS_INVALID_PARAMETER, "Invalid or expired next token.");
	if (token.p)
		page->after[n] = 0;
	return 0;
}

void sqs_page_write(struct sqs_call *call, struct sqs_page *page, struct sqs_queue **found, size_t n, const char *key)
{
	struct json_writer w;
	char token[BASE64_SIZE(SQS_NAME_MAX)];
	size_t shown = 0, at = 0;
	qsort(found, n, sizeof *found, by_name);
	while (at < n && strcmp(found[at]->name, page->after) <= 0)
		at++;
	json_write_init(&w, &call->out);
	json_write_object(&w);
	json_write_key(&w, key);
	json_write_array(&w);
	for (; at < n && shown < (size_t)page->max; shown++)
		sqs_write_url(call, found[at++], &w);
	json_write_close(&w);
	if (page->asked && at < n && at > 0) {
		base64_encode(token, found[at - 1]->name, strlen(found[at - 1]->name));
		json_write_key_z(&w, "NextToken", token);
	}
	json_write_close(&w);
}

void sqs_list_queues(struct sqs_call *call)
{
	struct sqs_page page;
	struct str prefix = STR("");
	size_t n = 0;
	if (sqs_page_read(call, &page, &call->fault) < 0 || sqs_in_str(call, call->in, "QueueNamePrefix", &prefix, &call->fault) < 0) {
		sqs_call_fail(call);
		return;
	}
	CLEANUP_FREE struct sqs_queue **found = calloc(call->sqs->queues.count + 1, sizeof(struct sqs_queue *));
	ASSERT(found);
	HASH_FOREACH(node, &call->sqs->queues) {
		struct sqs_queue *q = CONTAINER_OF(node, struct sqs_queue, by_name);
		if (q->live && str_starts(str_from(q->name), prefix))
			found[n++] = q;
	}
	if (n > 0)
		sqs_page_write(call, &page, found, n, "QueueUrls");
	sqs_call_done(call);
}

/* ---- purging ---- */

static void on_purged(void *arg, const struct error *err)
{
	struct sqs_call *call = arg;
	if (err)
		sqs_call_error(call, err);
	else
		sqs_call_done(call);
}

void sqs_purge_queue(struct sqs_call *call)
{
	struct sqs_queue *q = call->queue;
	uint64_t now_ns = clock_mono_ns();
	struct error err;
	if (q->purged_ns != 0 && now_ns - q->purged_ns < PURGE_EVERY_NS) {
		sqs_fault_set(&call->fault, SQS_PURGE_IN_PROGRESS, "Only one PurgeQueue operation on %s is allowed every 60 seconds.", q->name);
		sqs_call_fail(call);
		return;
	}
	if (queue_purge(q->sqs->deps.queue, str_from(q->stored), on_purged, call, &err) < 0)
		sqs_call_error(call, &err);
	else
		q->purged_ns = now_ns;
}
