/* ListDeadLetterSourceQueues. */
#include <stdlib.h>

#include "services/queue/sqs_priv.h"

void sqs_list_sources(struct sqs_call *call)
{
	struct sqs_page page;
	size_t n = 0;
	if (sqs_page_read(call, &page, &call->fault) < 0) {
		sqs_call_fail(call);
		return;
	}
	CLEANUP_FREE struct sqs_queue **found = calloc(call->sqs->queues.count + 1, sizeof(struct sqs_queue *));
	ASSERT(found);
	HASH_FOREACH(node, &call->sqs->queues) {
		struct sqs_queue *q = CONTAINER_OF(node, struct sqs_queue, by_name);
		if (q->live && q->rules.max_receives > 0 && str_eqz(str_from(q->rules.dead), call->queue->arn))
			found[n++] = q;
	}
	sqs_page_write(call, &page, found, n, "queueUrls");
	sqs_call_done(call);
}
