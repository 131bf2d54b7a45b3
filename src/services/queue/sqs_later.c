#include "services/queue/sqs_later.h"

#include <stdlib.h>

struct later {
	struct list link; /* of sqs.laters */
	struct ev_defer defer;
	queue_simple_cb *simple;
	sqs_sent_cb *sent;
	void *arg;
	bool failed;
	struct error err;
};

static void on_later(struct ev_defer *defer)
{
	struct later *l = CONTAINER_OF(defer, struct later, defer);
	struct later copy = *l;
	list_remove(&l->link);
	free(l);
	if (copy.simple)
		copy.simple(copy.arg, copy.failed ? &copy.err : NULL);
	else
		copy.sent(copy.arg, "", &copy.err);
}

static void later(struct sqs *s, const struct later *what, const struct error *err)
{
	struct later *l = malloc(sizeof *l);
	ASSERT(l);
	*l = *what;
	l->failed = err != NULL;
	if (err)
		l->err = *err;
	list_init(&l->link);
	list_push_back(&s->laters, &l->link);
	ev_defer_init(&l->defer, on_later);
	ev_defer_run(s->deps.loop, &l->defer);
}

void sqs_later_simple(struct sqs *s, queue_simple_cb *cb, void *arg, const struct error *err)
{
	if (cb)
		later(s, &(struct later){.simple = cb, .arg = arg}, err);
}

void sqs_later_sent(struct sqs *s, sqs_sent_cb *cb, void *arg, const struct error *err)
{
	later(s, &(struct later){.sent = cb, .arg = arg}, err);
}

void sqs_laters_free(struct sqs *s)
{
	LIST_FOREACH(link, &s->laters) {
		struct later *l = CONTAINER_OF(link, struct later, link);
		ev_defer_cancel(&l->defer);
		free(l);
	}
}
