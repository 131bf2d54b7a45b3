/* ReceiveMessage, and receiving from inside the program: one kind of waiting for both. */
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "services/queue/sqs_attempt.h"
#include "services/queue/sqs_message.h"

#define NAMES_MAX 1000 /* each is compared with each attribute of each message */
#define LOOK_AGAIN_NS NS_PER_S /* while too much is in flight */

typedef void got_fn(struct sqs_receiving *r, struct list *messages, size_t n, const struct error *err);

struct sqs_receiving {
	struct list link;        /* of its queue's receives */
	struct sqs_queue *queue;
	struct queue_wait *wait; /* NULL: looks again by the timer */
	struct ev_timer again;
	uint64_t until_ns;
	uint64_t visibility_ms;
	unsigned max;
	size_t max_bytes;
	got_fn *got;
	struct sqs_call *call;   /* a client's */
	sqs_received_cb *cb;     /* from inside */
	void *arg;
};

/* ---- waiting ---- */

static void receiving_free(struct sqs_receiving *r)
{
	list_remove(&r->link);
	ev_timer_stop(&r->again);
	sqs_queue_unref(r->queue);
	free(r);
}

static void on_fetched(void *arg, struct list *messages, size_t n, const struct error *err)
{
	struct sqs_receiving *r = arg;
	r->wait = NULL;
	r->queue->sqs->counts.received += n;
	r->got(r, messages, n, err);
	receiving_free(r);
}

static bool is_over_limit(const struct sqs_queue *q)
{
	struct queue_stats stats;
	queue_stat(q->sqs->deps.queue, str_from(q->stored), &stats);
	return stats.leased >= q->sqs->deps.in_flight_max;
}

static int fetch(struct sqs_receiving *r, struct error *err)
{
	struct sqs_queue *q = r->queue;
	uint64_t now_ns = clock_mono_ns();
	struct queue_fetch what = {.queue = str_from(q->stored), .max = r->max, .max_bytes = r->max_bytes, .lease_ms = r->visibility_ms,
	                           .wait_ms = r->until_ns > now_ns ? (r->until_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS : 0, .flags = QUEUE_KEEP_LEASE};
	const struct sqs_queue *dead = q->rules.max_receives > 0 ? sqs_queue_of_arn(q->sqs, str_from(q->rules.dead)) : NULL;
	if (dead) {
		what.max_receives = q->rules.max_receives;
		what.dead_to = str_from(dead->stored);
	}
	r->wait = queue_fetch(q->sqs->deps.queue, &what, on_fetched, r, err);
	return r->wait ? 0 : -1;
}

static void on_again(struct ev_timer *timer)
{
	struct sqs_receiving *r = CONTAINER_OF(timer, struct sqs_receiving, again);
	struct list none;
	struct error err;
	list_init(&none);
	uint64_t now_ns = clock_mono_ns();
	if (is_over_limit(r->queue) && now_ns < r->until_ns)
		ev_timer_after(r->queue->sqs->deps.loop, timer, r->until_ns - now_ns < LOOK_AGAIN_NS ? r->until_ns - now_ns : LOOK_AGAIN_NS);
	else if (is_over_limit(r->queue))
		on_fetched(r, &none, 0, NULL);
	else if (fetch(r, &err) < 0)
		on_fetched(r, &none, 0, &err);
}

static struct sqs_receiving *receiving_new(struct sqs_queue *q, uint64_t wait_ms)
{
	struct sqs_receiving *r = calloc(1, sizeof *r);
	ASSERT(r);
	r->queue = q;
	r->until_ns = wait_ms > 0 ? clock_mono_ns() + wait_ms * NS_PER_MS : 0;
	r->visibility_ms = q->rules.visibility_s * 1000;
	r->again.cb = on_again;
	sqs_queue_ref(q);
	list_init(&r->link);
	list_push_back(&q->receives, &r->link);
	return r;
}

/* -1: nothing is under way, `r` is gone. */
static int receiving_start(struct sqs_receiving *r, struct error *err)
{
	if (is_over_limit(r->queue)) {
		ev_timer_after(r->queue->sqs->deps.loop, &r->again, 0);
		return 0;
	}
	if (fetch(r, err) == 0)
		return 0;
	receiving_free(r);
	return -1;
}

void sqs_receive_cancel(struct sqs *s, struct sqs_receiving *r)
{
	if (r->wait)
		queue_fetch_cancel(s->deps.queue, r->wait);
	receiving_free(r);
}

void sqs_receives_end(struct sqs_queue *q)
{
	struct list none;
	struct error gone = {.code = ERR_NOT_FOUND, .msg = "The specified queue does not exist."};
	list_init(&none);
	while (!list_empty(&q->receives)) {
		struct sqs_receiving *r = LIST_FIRST(&q->receives, struct sqs_receiving, link);
		if (r->wait)
			queue_fetch_cancel(q->sqs->deps.queue, r->wait);
		on_fetched(r, &none, 0, &gone);
	}
}

void sqs_receives_close(struct sqs_queue *q)
{
	struct list none;
	list_init(&none);
	LIST_FOREACH(link, &q->receives) {
		struct sqs_receiving *r = CONTAINER_OF(link, struct sqs_receiving, link);
		if (!r->wait)
			on_fetched(r, &none, 0, &SQS_CLOSED);
	}
}

/* ---- ReceiveMessage: what is asked for ---- */

struct wanted {
	int64_t max, wait_s, visibility_s;
	uint32_t system;    /* bit i: sqs_system_name(i) */
	json_t *attributes; /* the names asked for; NULL: none */
	struct str attempt; /* p NULL: none */
};

static int read_range(struct sqs_call *call, const char *key, int64_t min, int64_t max, int64_t *out, struct sqs_fault *f)
{
	if (sqs_in_int(call, call->in, key, out, f) < 0)
		return -1;
	if (*out >= min && *out <= max)
		return 0;
	return sqs_fault_set(f, SQS_INVALID_PARAMETER, "Value %lld for parameter %s is invalid. Reason: Must be %s%lld and %s%lld, if provided.",
	                     (long long)*out, key, min == 1 ? "between " : ">= ", (long long)min, min == 1 ? "" : "<= ", (long long)max);
}

static int read_names(struct sqs_call *call, const char *key, json_t **names, struct sqs_fault *f)
{
	if (sqs_in_array(call, call->in, key, names, f) < 0)
		return -1;
	return json_array_size(*names) <= NAMES_MAX ? 0 : sqs_fault_set(f, SQS_INVALID_PARAMETER, "%s has %zu names: at most %d.", key,
	                                                                json_array_size(*names), NAMES_MAX);
}

static int take_system(struct sqs_call *call, const char *key, struct wanted *w, struct sqs_fault *f)
{
	json_t *v, *names = NULL;
	size_t at;
	if (read_names(call, key, &names, f) < 0)
		return -1;
	json_array_foreach(names, at, v) {
		struct str name = json_value_text(v);
		uint32_t bits = str_eqz(name, "All") ? UINT32_MAX : 0;
		for (size_t i = 0; i < sqs_system_count(); i++)
			bits |= str_eqz(name, sqs_system_name(i)) ? 1u << i : 0;
		if (bits == 0)
			return sqs_fault_set(f, SQS_INVALID_ATTRIBUTE_NAME, "Unknown Attribute %.*s.", (int)(name.n > 100 ? 100 : name.n), name.p ? name.p : "");
		w->system |= bits;
	}
	return 0;
}

static int read_wanted(struct sqs_call *call, struct wanted *w, struct sqs_fault *f)
{
	const struct sqs_rules *rules = &call->queue->rules;
	*w = (struct wanted){.max = 1, .wait_s = (int64_t)rules->wait_s, .visibility_s = (int64_t)rules->visibility_s};
	if (read_range(call, "MaxNumberOfMessages", 1, SQS_BATCH_MAX, &w->max, f) < 0 ||
	    read_range(call, "WaitTimeSeconds", 0, SQS_WAIT_MAX_S, &w->wait_s, f) < 0 ||
	    read_range(call, "VisibilityTimeout", 0, SQS_VISIBILITY_MAX_S, &w->visibility_s, f) < 0)
		return -1;
	if (take_system(call, "AttributeNames", w, f) < 0 || take_system(call, "MessageSystemAttributeNames", w, f) < 0)
		return -1;
	if (read_names(call, "MessageAttributeNames", &w->attributes, f) < 0 ||
	    sqs_in_str(call, call->in, "ReceiveRequestAttemptId", &w->attempt, f) < 0)
		return -1;
	if (w->attempt.p && !rules->fifo)
		return sqs_fault_set(f, SQS_INVALID_PARAMETER, "Value %.*s for parameter ReceiveRequestAttemptId is invalid. Reason: The request "
		                     "include parameter that is not valid for this queue type.", (int)(w->attempt.n > 128 ? 128 : w->attempt.n), w->attempt.p);
	return sqs_check_token(w->attempt, "ReceiveRequestAttemptId", f);
}

/* ---- ReceiveMessage: the answer ---- */

/* "All", ".*", "name", "prefix.*" */
static bool is_wanted(const json_t *names, const char *name)
{
	for (size_t i = 0; i < json_array_size(names); i++) {
		struct str want = json_value_text(json_array_get(names, i));
		bool prefix = str_ends(want, STR(".*"));
		if (str_eqz(want, "All") || str_eqz(want, name) || (prefix && str_starts(str_from(name), str_sub(want, 0, want.n - 2))))
			return true;
	}
	return false;
}

static void write_attributes(struct json_writer *w, const struct sqs_view *v, const json_t *names)
{
	char md5[MD5_HEX_SIZE];
	const char *name;
	json_t *value;
	CLEANUP_JSON json_t *some = json_object();
	CLEANUP(buf_release) struct buf text = {0};
	ASSERT(some);
	json_object_foreach(v->attributes, name, value) {
		if (is_wanted(names, name))
			json_object_set(some, name, value);
	}
	if (json_object_size(some) == 0)
		return;
	buf_init(&text, QUEUE_HEAD_MAX * 2);
	json_value_dump(some, &text, NULL);
	json_write_key(w, "MessageAttributes");
	json_write_raw(w, buf_str(&text));
	struct str whole = json_value_text(json_object_get(v->head, "N"));
	if (json_object_size(some) != json_object_size(v->attributes)) {
		sqs_md5_attributes(md5, some);
		whole = str_from(md5);
	}
	json_write_key_str(w, "MD5OfMessageAttributes", whole);
}

static void write_system(struct json_writer *w, const struct sqs_view *v, uint32_t wanted)
{
	bool any = false;
	for (size_t i = 0; i < sqs_system_count(); i++) {
		char text[QUEUE_NAME_MAX];
		struct str value = wanted >> i & 1 ? sqs_system_value(v, i, text) : STR_NULL;
		if (!value.p)
			continue;
		if (!any) {
			json_write_key(w, "Attributes");
			json_write_object(w);
		}
		any = true;
		json_write_key_str(w, sqs_system_name(i), value);
	}
	if (any)
		json_write_close(w);
}

static void write_message(struct json_writer *w, const struct sqs_queue *q, const struct queue_message *m, const struct wanted *wanted)
{
	char id[UUID_SIZE], handle[SQS_HANDLE_SIZE];
	struct sqs_view v;
	sqs_view_init(&v, q, m);
	sqs_id_text(id, m->id);
	sqs_handle_make(handle, q, &m->receipt, queue_now_ms(q->sqs->deps.queue));
	json_write_object(w);
	json_write_key_z(w, "MessageId", id);
	json_write_key_z(w, "ReceiptHandle", handle);
	json_write_key_str(w, "MD5OfBody", v.md5_body);
	json_write_key_str(w, "Body", (struct str){m->body, m->body_len});
	write_system(w, &v, wanted->system);
	write_attributes(w, &v, wanted->attributes);
	json_write_close(w);
	sqs_view_release(&v);
}

static void write_messages(struct sqs_call *call, struct list *messages)
{
	struct wanted wanted;
	struct json_writer w;
	struct list *link;
	read_wanted(call, &wanted, &call->fault); /* it was fine before */
	if (wanted.attempt.p)
		sqs_attempt_note(call->queue, wanted.attempt, messages);
	json_write_init(&w, &call->out);
	json_write_object(&w);
	json_write_key(&w, "Messages");
	json_write_array(&w);
	while ((link = list_pop_front(messages)) != NULL) {
		struct queue_message *m = CONTAINER_OF(link, struct queue_message, link);
		write_message(&w, call->queue, m, &wanted);
		queue_message_free(m);
	}
	json_write_close(&w);
	json_write_close(&w);
}

static void on_got_client(struct sqs_receiving *r, struct list *messages, size_t n, const struct error *err)
{
	struct sqs_call *call = r->call;
	if (err && err->code == ERR_NOT_FOUND)
		sqs_fault_no_queue(&call->fault, call->from);
	else if (err)
		sqs_fault_from(&call->fault, err);
	else if (n == 0 && r->until_ns == 0 && !r->queue->rules.fifo && is_over_limit(r->queue))
		sqs_fault_set(&call->fault, SQS_OVER_LIMIT, "Too many messages are in flight: at most %llu.",
		              (unsigned long long)r->queue->sqs->deps.in_flight_max);
	else if (n > 0)
		write_messages(call, messages);
	if (call->fault.msg[0])
		sqs_call_fail(call);
	else
		sqs_call_done(call);
}

static void receive(struct sqs_call *call, const struct wanted *wanted)
{
	struct sqs_receiving *r = receiving_new(call->queue, (uint64_t)wanted->wait_s * 1000);
	struct error err;
	r->visibility_ms = (uint64_t)wanted->visibility_s * 1000;
	r->max = (unsigned)wanted->max;
	r->got = on_got_client;
	r->call = call;
	if (receiving_start(r, &err) < 0) {
		sqs_call_error(call, &err);
		return;
	}
	call->receiving = r;
	if (wanted->wait_s > 0)
		ASSERT(hash_put(&call->sqs->waiting, &call->by_answer, (struct str){(const char *)&call->answer, sizeof call->answer}) == 0);
}

static void on_repeated(struct sqs_call *call, struct list *messages, size_t n)
{
	struct wanted wanted;
	if (n > 0) {
		write_messages(call, messages);
		sqs_call_done(call);
	} else if (read_wanted(call, &wanted, &call->fault) < 0 || !call->queue->live) {
		sqs_fault_no_queue(&call->fault, call->from);
		sqs_call_fail(call);
	} else {
		receive(call, &wanted);
	}
}

void sqs_receive_message(struct sqs_call *call)
{
	struct wanted wanted;
	if (read_wanted(call, &wanted, &call->fault) < 0)
		sqs_call_fail(call);
	else if (!wanted.attempt.p || !sqs_attempt_repeat(call, wanted.attempt, (uint64_t)wanted.visibility_s * 1000, on_repeated))
		receive(call, &wanted);
}

/* ---- from inside ---- */

static void write_record_attributes(struct json_writer *w, const struct sqs_view *v)
{
	const char *name;
	json_t *value;
	json_object_foreach(v->attributes, name, value) {
		const char *key = json_object_get(value, "BinaryValue") ? "BinaryValue" : "StringValue";
		json_write_key(w, name);
		json_write_object(w);
		json_write_key_str(w, key[0] == 'B' ? "binaryValue" : "stringValue", json_value_text(json_object_get(value, key)));
		json_write_key(w, "stringListValues");
		json_write_raw(w, STR("[]"));
		json_write_key(w, "binaryListValues");
		json_write_raw(w, STR("[]"));
		json_write_key_str(w, "dataType", json_value_text(json_object_get(value, "DataType")));
		json_write_close(w);
	}
}

/* The record with its braces; `at` and `end`: where the message attributes stand in it. */
static void write_record(struct buf *out, const struct sqs_view *v, const char *id, size_t *at, size_t *end)
{
	const struct sqs_queue *q = v->queue;
	char handle[SQS_HANDLE_SIZE];
	struct json_writer w;
	sqs_handle_make(handle, q, &v->m->receipt, queue_now_ms(q->sqs->deps.queue));
	json_write_init(&w, out);
	json_write_object(&w);
	json_write_key_z(&w, "messageId", id);
	json_write_key_z(&w, "receiptHandle", handle);
	json_write_key(&w, "attributes");
	json_write_object(&w);
	for (size_t i = 0; i < sqs_system_count(); i++) {
		char text[QUEUE_NAME_MAX];
		struct str value = sqs_system_value(v, i, text);
		if (value.p)
			json_write_key_str(&w, sqs_system_name(i), value);
	}
	json_write_close(&w);
	json_write_key(&w, "messageAttributes");
	*at = out->len;
	json_write_object(&w);
	write_record_attributes(&w, v);
	json_write_close(&w);
	*end = out->len;
	if (v->attributes)
		json_write_key_str(&w, "md5OfMessageAttributes", json_value_text(json_object_get(v->head, "N")));
	json_write_key_str(&w, "md5OfBody", v->md5_body);
	json_write_key_z(&w, "eventSource", "aws:sqs");
	json_write_key_z(&w, "eventSourceARN", q->arn);
	json_write_key_z(&w, "awsRegion", q->sqs->deps.settings->region);
	json_write_close(&w);
}

/* Takes the stored message over. The record's text stands behind the struct. */
static struct sqs_message *message_new(const struct sqs_queue *q, struct queue_message *stored)
{
	struct sqs_view v;
	CLEANUP(buf_release) struct buf record = {0};
	char id[UUID_SIZE];
	size_t at, end;
	buf_init(&record, 4 * QUEUE_HEAD_MAX);
	sqs_view_init(&v, q, stored);
	sqs_id_text(id, stored->id);
	write_record(&record, &v, id, &at, &end);
	struct str trace = json_value_text(json_object_get(v.head, "T"));
	struct sqs_message *m = calloc(1, sizeof *m + record.len + trace.n + 1);
	ASSERT(m && !record.overflow);
	char *text = (char *)(m + 1);
	memcpy(text, record.data, record.len);
	memcpy(text + record.len, trace.p ? trace.p : "", trace.n);
	list_init(&m->link);
	m->stored = stored;
	memcpy(m->message_id, id, sizeof id);
	str_copy(m->md5_of_body, sizeof m->md5_of_body, v.md5_body);
	m->body = (struct str){stored->body, stored->body_len};
	m->record = (struct str){text + 1, record.len - 2};
	m->attributes_json = (struct str){text + at, end - at};
	m->group = stored->group;
	m->trace_header = trace.p ? (struct str){text + record.len, trace.n} : STR_NULL;
	sqs_view_release(&v);
	return m;
}

void sqs_message_free(struct sqs_message *m)
{
	if (m)
		queue_message_free(m->stored);
	free(m);
}

/* What the callee leaves goes back at once; the count of that receive stays. */
static void give_back(struct sqs_queue *q, struct list *ring)
{
	if (!list_empty(ring))
		sqs_return_messages(q->sqs, str_from(q->arn), ring, 0, NULL, NULL);
}

static void on_got_inside(struct sqs_receiving *r, struct list *messages, size_t n, const struct error *err)
{
	struct list ring, *link;
	list_init(&ring);
	while ((link = list_pop_front(messages)) != NULL)
		list_push_back(&ring, &message_new(r->queue, CONTAINER_OF(link, struct queue_message, link))->link);
	r->cb(r->arg, &ring, n, err);
	give_back(r->queue, &ring);
}

struct sqs_receiving *sqs_receive(struct sqs *s, const struct sqs_receive *what, sqs_received_cb *cb, void *arg, struct error *err)
{
	struct sqs_queue *q = sqs_queue_of_arn(s, what->arn);
	if (!q || s->closing) {
		error_set(err, q ? ERR_CLOSED : ERR_NOT_FOUND, "%s", q ? SQS_CLOSED.msg : "The specified queue does not exist.");
		return NULL;
	}
	struct sqs_receiving *r = receiving_new(q, what->wait_ms);
	r->max = what->max;
	r->max_bytes = what->max_bytes;
	r->got = on_got_inside;
	r->cb = cb;
	r->arg = arg;
	return receiving_start(r, err) < 0 ? NULL : r;
}
