#include "bin/mayfly-control/source_sqs.h"

#include <stdlib.h>

#include "core/base/check.h"
#include "services/queue/sqs.h"

/* One message in both forms; whoever gets one back has the other. */
struct joined {
	struct source_message shown;
	struct sqs_message *own;
};

/* A receive, or an end that is told. The service calls back once, or never after sqs_receive_cancel. */
struct source_receiving {
	struct sqs *sqs;
	struct sqs_receiving *own;
	source_received_cb *cb;
	void *arg;
};

static struct joined *joined_of(struct list *link)
{
	return CONTAINER_OF(CONTAINER_OF(link, struct source_message, link), struct joined, shown);
}

static int info(void *arg, struct str arn, struct source_info *out, struct error *err)
{
	struct sqs_info known;
	if (sqs_info(arg, arn, &known, err) < 0)
		return -1;
	*out = (struct source_info){.ordered = known.fifo, .visibility_s = known.visibility_s, .waiting = known.visible};
	return 0;
}

/* ---- receiving ---- */

static void join(struct list *shown, struct sqs_message *own)
{
	struct joined *j = calloc(1, sizeof *j);
	ASSERT(j);
	j->own = own;
	j->shown = (struct source_message){.id = {own->message_id, UUID_SIZE - 1}, .body = own->body, .record = own->record,
	                                   .attributes = own->attributes_json, .group = own->group, .trace_header = own->trace_header};
	list_init(&j->shown.link);
	list_push_back(shown, &j->shown.link);
}

static void on_received(void *arg, struct list *messages, size_t n, const struct error *err)
{
	struct source_receiving r = *(struct source_receiving *)arg;
	struct list shown, *link;
	free(arg);
	list_init(&shown);
	while (!err && (link = list_pop_front(messages)))
		join(&shown, CONTAINER_OF(link, struct sqs_message, link));
	r.cb(r.arg, &shown, n, err);
	ASSERT(list_empty(&shown)); /* pollers take all */
}

static struct source_receiving *receive(void *arg, struct str arn, unsigned max, size_t max_bytes, uint64_t wait_ms, source_received_cb *cb,
                                        void *cb_arg, struct error *err)
{
	struct source_receiving *r = calloc(1, sizeof *r);
	ASSERT(r);
	*r = (struct source_receiving){.sqs = arg, .cb = cb, .arg = cb_arg};
	r->own = sqs_receive(arg, &(struct sqs_receive){.arn = arn, .max = max, .max_bytes = max_bytes, .wait_ms = wait_ms}, on_received, r, err);
	if (r->own)
		return r;
	free(r);
	return NULL;
}

static void receive_cancel(void *arg, struct source_receiving *r)
{
	sqs_receive_cancel(arg, r->own);
	free(r);
}

/* ---- giving back ---- */

static void part(struct list *shown, struct list *own)
{
	struct list *link;
	list_init(own);
	while ((link = list_pop_front(shown))) {
		struct joined *j = joined_of(link);
		list_init(&j->own->link);
		list_push_back(own, &j->own->link);
		free(j);
	}
}

static void remove_messages(void *arg, struct str arn, struct list *messages, source_done_cb *cb, void *cb_arg)
{
	struct list own;
	part(messages, &own);
	sqs_delete_messages(arg, arn, &own, cb, cb_arg);
}

static void forget(void *arg, struct list *messages)
{
	struct list own, *link;
	part(messages, &own);
	while ((link = list_pop_front(&own)))
		sqs_message_free(CONTAINER_OF(link, struct sqs_message, link));
}

/* What is left to its visibility stands in the queue as it is. */
static void leave(void *arg, struct str arn, struct list *messages, bool at_once, source_done_cb *cb, void *cb_arg)
{
	struct list own;
	if (!at_once) {
		forget(arg, messages);
		ASSERT(!cb); /* nobody waits for what does not happen */
		return;
	}
	part(messages, &own);
	sqs_return_messages(arg, arn, &own, 0, cb, cb_arg);
}

static void bury(void *arg, struct str arn, struct list *messages, source_done_cb *cb, void *cb_arg)
{
	struct list own;
	part(messages, &own);
	sqs_bury_messages(arg, arn, &own, cb, cb_arg);
}

const struct source_ops source_sqs_ops = {info, receive, receive_cancel, remove_messages, leave, bury, forget};
