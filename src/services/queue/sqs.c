#include "services/queue/sqs.h"

#include <stdlib.h>

struct sqs {
	struct sqs_deps deps;
	struct ev_defer ready;
	sqs_ready_cb *ready_cb;
	void *ready_arg;
};

static void on_ready(struct ev_defer *defer)
{
	struct sqs *s = CONTAINER_OF(defer, struct sqs, ready);
	s->ready_cb(s->ready_arg, 0, NULL);
}

struct sqs *sqs_new(const struct sqs_deps *deps, struct error *err)
{
	struct sqs *s = calloc(1, sizeof *s);
	if (!s) {
		error_set(err, ERR_NO_MEMORY, "no memory for queues");
		return NULL;
	}
	s->deps = *deps;
	ev_defer_init(&s->ready, on_ready);
	return s;
}

void sqs_free(struct sqs *s)
{
	if (s)
		ev_defer_cancel(&s->ready);
	free(s);
}

void sqs_load(struct sqs *s, sqs_ready_cb *cb, void *arg)
{
	s->ready_cb = cb;
	s->ready_arg = arg;
	ev_defer_run(s->deps.loop, &s->ready);
}

static const struct error not_yet = {.code = ERR_UNSUPPORTED, .msg = "queues are not there yet"};

int sqs_info(struct sqs *s, struct str arn, struct sqs_info *out, struct error *err)
{
	return error_set(err, ERR_NOT_FOUND, "The specified queue does not exist.");
}

void sqs_send(struct sqs *s, const struct sqs_send *what, sqs_sent_cb *cb, void *arg)
{
	cb(arg, "", &not_yet);
}

void sqs_message_free(struct sqs_message *m)
{
	if (m)
		queue_message_free(m->stored);
	free(m);
}

struct sqs_receiving *sqs_receive(struct sqs *s, const struct sqs_receive *what, sqs_received_cb *cb, void *arg, struct error *err)
{
	error_set(err, ERR_UNSUPPORTED, "%s", not_yet.msg);
	return NULL;
}

void sqs_receive_cancel(struct sqs *s, struct sqs_receiving *r)
{
}

static void refuse(queue_simple_cb *cb, void *arg)
{
	if (cb)
		cb(arg, &not_yet);
}

void sqs_delete_messages(struct sqs *s, struct str arn, struct list *messages, queue_simple_cb *cb, void *arg)
{
	refuse(cb, arg);
}

void sqs_return_messages(struct sqs *s, struct str arn, struct list *messages, unsigned visibility_s, queue_simple_cb *cb, void *arg)
{
	refuse(cb, arg);
}

void sqs_bury_messages(struct sqs *s, struct str arn, struct list *messages, queue_simple_cb *cb, void *arg)
{
	refuse(cb, arg);
}

void sqs_on_change(struct sqs *s, sqs_changed_cb *cb, void *arg)
{
}
