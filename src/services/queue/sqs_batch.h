/* Batches: up to ten entries with an Id each, of which some may fail. */
#ifndef MAYFLY_SERVICES_QUEUE_SQS_BATCH_H
#define MAYFLY_SERVICES_QUEUE_SQS_BATCH_H

#include "services/queue/sqs_priv.h"

struct sqs_entry {
	struct str id;
	json_t *in; /* the request's */
	bool failed;
	struct sqs_fault fault;
};

struct sqs_batch {
	size_t n;
	struct sqs_entry entries[SQS_BATCH_MAX];
};

/* `word`: "SendMessageBatchRequestEntry", for messages. */
int sqs_batch_read(struct sqs_call *call, const char *word, struct sqs_batch *b, struct sqs_fault *f);
size_t sqs_batch_good(const struct sqs_batch *b); /* how many have not failed */
/* The member "Failed", where there is any. */
void sqs_batch_write_failed(const struct sqs_batch *b, struct json_writer *w);
/* A whole answer whose successes are {"Id"} alone, into call->out. */
void sqs_batch_write(struct sqs_call *call, const struct sqs_batch *b);

#endif
