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
