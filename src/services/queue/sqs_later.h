/* Callbacks of calls from inside the program that fail at once: told from the loop, as all others. */
#ifndef MAYFLY_SERVICES_QUEUE_SQS_LATER_H
#define MAYFLY_SERVICES_QUEUE_SQS_LATER_H

#include "services/queue/sqs_priv.h"

void sqs_later_simple(struct sqs *s, queue_simple_cb *cb, void *arg, const struct error *err); /* cb NULL is fine; err NULL: success */
void sqs_later_sent(struct sqs *s, sqs_sent_cb *cb, void *arg, const struct error *err);
void sqs_laters_free(struct sqs *s);

#endif
