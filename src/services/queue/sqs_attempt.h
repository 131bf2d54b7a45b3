/* ReceiveRequestAttemptId of FIFO queues: who asks again within five minutes, since he did not get the answer, is given the same messages,
 * if nothing has become of them; their visibility begins anew. In memory only: after a restart the visibility decides. */
#ifndef MAYFLY_SERVICES_QUEUE_SQS_ATTEMPT_H
#define MAYFLY_SERVICES_QUEUE_SQS_ATTEMPT_H

#include "services/queue/sqs_priv.h"

/* The same messages, in their order, with the receipts of then; the callee frees them. None: they are to be received as any. */
typedef void sqs_attempt_cb(struct sqs_call *call, struct list *messages, size_t n);
/* False: there was no such attempt, `cb` is not called. */
bool sqs_attempt_repeat(struct sqs_call *call, struct str id, uint64_t visibility_ms, sqs_attempt_cb *cb);
/* What an attempt got. */
void sqs_attempt_note(struct sqs_queue *q, struct str id, const struct list *messages);
void sqs_attempts_free(struct sqs_queue *q);

#endif
