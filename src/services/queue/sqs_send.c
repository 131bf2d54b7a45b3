/* SendMessage, SendMessageBatch, and sending from inside the program. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/codec.h"
#include "services/queue/sqs_batch.h"
#include "services/queue/sqs_later.h"
#include "services/queue/sqs_message.h"

struct sending {
	struct sqs_call *call;
	bool is_batch;
	uint64_t begun_ns;
	struct sqs_batch batch;
	struct sqs_draft drafts[SQS_BATCH_MAX];
	struct queue_publish publishes[SQS_BATCH_MAX]; /* of those that have not failed, in order */
};

static void sending_drop(void *work)
{
	struct sending *s = work;
	for (size_t i = 0; i < SQS_BATCH_MAX; i++)
		sqs_draft_release(&s->drafts[i]);
	free(s);
}

/* ---- what is asked for ---- */

static int read_message(struct sqs_call *call, const json_t *in, struct sqs_asked *a, struct sqs_fault *f)
{
	const struct service_call *from = call->from;
	json_t *attributes = NULL, *system = NULL;
	*a = (struct sqs_asked){.trace_header = from->trace_header, .sender = from->root ? from->caller_account : from->caller_arn};
	if (sqs_in_str(call, in, "MessageBody", &a->body, f) < 0 || sqs_in_str(call, in, "MessageGroupId", &a->group, f) < 0 ||
	    sqs_in_str(call, in, "MessageDeduplicationId", &a->dedup, f) < 0 ||
	    sqs_in_object(call, in, "MessageAttributes", &attributes, f) < 0 ||
	    sqs_in_object(call, in, "MessageSystemAttributes", &system, f) < 0)
		return -1;
	int got = sqs_in_int(call, in, "DelaySeconds", &a->delay_s, f);
	a->has_delay = got > 0;
	a->attributes = attributes;
	a->system = system;
	return got < 0 ? -1 : 0;
}

static int draft(struct sending *s, size_t i, const json_t *in, struct sqs_fault *f)
{
	struct sqs_asked asked;
	return read_message(s->call, in, &asked, f) < 0 ? -1 : sqs_draft_init(&s->drafts[i], s->call->queue, &asked, f);
}

/* ---- the answer ---- */

static void write_sent(struct json_writer *w, const struct sqs_queue *q, const struct sqs_draft *d, const struct queue_published *p)
{
	char id[UUID_SIZE], sequence[24];
	sqs_id_text(id, p->id);
	json_write_key_z(w, "MessageId", id);
	json_write_key_z(w, "MD5OfMessageBody", d->md5_body);
	if (d->md5_attributes[0])
		json_write_key_z(w, "MD5OfMessageAttributes", d->md5_attributes);
	if (d->md5_system[0])
		json_write_key_z(w, "MD5OfMessageSystemAttributes", d->md5_system);
	if (!q->rules.fifo)
		return;
	snprintf(sequence, sizeof sequence, "%020llu", (unsigned long long)p->sequence);
	json_write_key_z(w, "SequenceNumber", sequence);
}

static void write_batch(struct sending *s, struct json_writer *w, const struct queue_published *results)
{
	size_t at = 0;
	if (sqs_batch_good(&s->batch) > 0) {
		json_write_key(w, "Successful");
		json_write_array(w);
		for (size_t i = 0; i < s->batch.n; i++) {
			if (s->batch.entries[i].failed)
				continue;
			json_write_object(w);
			json_write_key_str(w, "Id", s->batch.entries[i].id);
			write_sent(w, s->call->queue, &s->drafts[i], &results[at++]);
			json_write_close(w);
		}
		json_write_close(w);
	}
	sqs_batch_write_failed(&s->batch, w);
}

static void answer(struct sending *s, const struct queue_published *results)
{
	struct json_writer w;
	json_write_init(&w, &s->call->out);
	json_write_object(&w);
	if (s->is_batch)
		write_batch(s, &w, results);
	else
		write_sent(&w, s->call->queue, &s->drafts[0], &results[0]);
	json_write_close(&w);
	sqs_call_done(s->call);
}

static void note_commit(const struct sqs *s, uint64_t begun_ns)
{
	if (s->deps.committed)
		s->deps.committed(s->deps.committed_arg, clock_mono_ns() - begun_ns);
}

static void on_published(void *arg, const struct queue_published *results, size_t n, const struct error *err)
{
	struct sending *s = arg;
	if (err) {
		sqs_call_error(s->call, err);
		return;
	}
	s->call->sqs->counts.sent += n;
	note_commit(s->call->sqs, s->begun_ns);
	answer(s, results);
}

static void publish(struct sending *s)
{
	struct sqs_call *call = s->call;
	struct error err;
	size_t n = 0;
	for (size_t i = 0; i < s->batch.n; i++) {
		if (!s->batch.entries[i].failed)
			sqs_draft_publish(&s->drafts[i], call->queue, &s->publishes[n++]);
	}
	s->begun_ns = clock_mono_ns();
	if (n == 0)
		answer(s, NULL);
	else if (queue_publish(call->sqs->deps.queue, s->publishes, n, on_published, s, &err) < 0)
		sqs_call_error(call, &err);
}

static struct sending *sending_new(struct sqs_call *call, bool is_batch)
{
	struct sending *s = calloc(1, sizeof *s);
	ASSERT(s);
	s->call = call;
	s->is_batch = is_batch;
	call->work = s;
	call->drop = sending_drop;
	return s;
}

void sqs_send_message(struct sqs_call *call)
{
	struct sending *s = sending_new(call, false);
	s->batch.n = 1;
	if (draft(s, 0, call->in, &call->fault) < 0)
		sqs_call_fail(call);
	else
		publish(s);
}

/* Sizes count before anything else of the entries does; what a FIFO queue needs is needed of all. */
static int check_batch(struct sending *s, struct sqs_fault *f)
{
	const struct sqs_rules *rules = &s->call->queue->rules;
	size_t size = 0;
	for (size_t i = 0; i < s->batch.n; i++) {
		struct sqs_asked a;
		if (read_message(s->call, s->batch.entries[i].in, &a, f) < 0)
			return -1;
		size += sqs_size(a.body, a.attributes);
		if (rules->fifo && !a.group.p)
			return sqs_fault_set(f, SQS_MISSING_PARAMETER, "The request must contain the parameter MessageGroupId.");
		if (rules->fifo && !a.dedup.p && !rules->content_dedup)
			return sqs_fault_set(f, SQS_INVALID_PARAMETER, "The queue should either have ContentBasedDeduplication enabled or "
			                     "MessageDeduplicationId provided explicitly");
	}
	if (size > SQS_BODY_MAX)
		return sqs_fault_set(f, SQS_BATCH_TOO_LONG, "Batch requests cannot be longer than %u bytes. You have sent %zu bytes.", SQS_BODY_MAX, size);
	return 0;
}

void sqs_send_message_batch(struct sqs_call *call)
{
	struct sending *s = sending_new(call, true);
	if (sqs_batch_read(call, "SendMessageBatchRequestEntry", &s->batch, &call->fault) < 0 || check_batch(s, &call->fault) < 0) {
		sqs_call_fail(call);
		return;
	}
	for (size_t i = 0; i < s->batch.n; i++) {
		struct sqs_entry *e = &s->batch.entries[i];
		e->failed = draft(s, i, e->in, &e->fault) < 0;
	}
	publish(s);
}

/* ---- from inside ---- */

struct inner {
	struct sqs_queue *queue;
	json_t *attributes;
	struct sqs_draft draft;
	struct queue_publish publish;
	char once[SHA256_HEX_SIZE];
	sqs_sent_cb *cb;
	void *arg;
};

static void inner_free(struct inner *in)
{
	sqs_draft_release(&in->draft);
	json_decref(in->attributes);
	sqs_queue_unref(in->queue);
	free(in);
}

static void on_inner(void *arg, const struct queue_published *results, size_t n, const struct error *err)
{
	struct inner *in = arg;
	sqs_sent_cb *cb = in->cb;
	void *cb_arg = in->arg;
	char id[UUID_SIZE] = "";
	if (!err) {
		in->queue->sqs->counts.sent++;
		sqs_id_text(id, results[0].id);
	}
	inner_free(in);
	cb(cb_arg, id, err);
}

/* A queue without a policy takes from its account's services; one with a policy says itself. */
static int check_service(const struct sqs_queue *q, const struct sqs_send *what, struct error *err)
{
	const struct settings *set = q->sqs->deps.settings;
	struct policy_context context[] = {{"aws:SourceArn", what->policy_source_arn}, {"aws:SourceAccount", str_from(set->account)}};
	struct policy_question question = {.service = what->policy_service, .action = STR("sqs:SendMessage"), .resource = str_from(q->arn),
	                                   .context = context, .context_count = ARRAY_LEN(context)};
	if (!what->policy_service.p || !q->policy || policy_ask(q->policy, &question) == POLICY_ALLOW)
		return 0;
	return error_set(err, ERR_ACCESS_DENIED, "the policy of queue %s does not let " STR_FMT " send messages", q->name,
	                 STR_ARG(what->policy_service));
}

static json_t *inner_attributes(const struct sqs_send *what)
{
	json_t *attributes = json_object();
	ASSERT(attributes);
	for (size_t i = 0; i < what->attribute_count; i++) {
		const struct sqs_attribute *a = &what->attributes[i];
		json_object_set_new(attributes, a->name, json_pack("{s:s, s:o}", "DataType", a->type, "StringValue", sqs_content_json(a->value)));
	}
	return attributes;
}

/* Any text may be a delivery's `once`; SQS's ids are short. */
static struct str inner_dedup(struct inner *in, struct str once)
{
	if (!once.p)
		return STR_NULL;
	sha256_hex(in->once, once.p, once.n);
	return once.n >= 1 && once.n <= QUEUE_DEDUP_MAX && !memchr(once.p, ' ', once.n) ? once : str_from(in->once);
}

static int inner_publish(struct inner *in, struct sqs *s, const struct sqs_send *what, struct error *err)
{
	struct sqs_fault f;
	struct sqs_queue *q = sqs_queue_of_arn(s, what->arn);
	if (!q)
		return error_set(err, ERR_NOT_FOUND, "The specified queue does not exist.");
	sqs_queue_ref(q);
	in->queue = q;
	in->attributes = inner_attributes(what);
	struct str dedup = inner_dedup(in, what->dedup);
	struct sqs_asked asked = {.body = what->body, .group = what->group, .dedup = q->rules.fifo ? dedup : STR_NULL,
	                          .trace_header = what->trace_header, .sender = what->sender.p ? what->sender : STR(""),
	                          .attributes = in->attributes};
	if (s->closing)
		return error_set(err, ERR_CLOSED, "%s", SQS_CLOSED.msg);
	if (check_service(q, what, err) < 0)
		return -1;
	if (sqs_draft_init(&in->draft, q, &asked, &f) < 0)
		return sqs_fault_error(&f, err);
	sqs_draft_publish(&in->draft, q, &in->publish);
	if (!q->rules.fifo)
		in->publish.dedup = dedup; /* the store can tell, whatever kind the queue is */
	return queue_publish(s->deps.queue, &in->publish, 1, on_inner, in, err);
}

void sqs_send(struct sqs *s, const struct sqs_send *what, sqs_sent_cb *cb, void *arg)
{
	struct inner *in = calloc(1, sizeof *in);
	struct error err;
	ASSERT(in);
	in->cb = cb;
	in->arg = arg;
	if (inner_publish(in, s, what, &err) < 0) {
		inner_free(in);
		sqs_later_sent(s, cb, arg, &err);
	}
}
