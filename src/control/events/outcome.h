/* The records that destinations and dead-letter queues are given. Pure: text into a buffer. */
#ifndef MAYFLY_EVENTS_OUTCOME_H
#define MAYFLY_EVENTS_OUTCOME_H

#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/str.h"
#include "core/spec/delivery.h"

enum outcome_condition { OUTCOME_SUCCESS, OUTCOME_RETRIES_EXHAUSTED, OUTCOME_AGE_EXCEEDED, OUTCOME_ZERO_CONCURRENCY, OUTCOME_RECURSION };

struct outcome {
	enum outcome_condition condition;
	int64_t now_ms;
	struct str request_id, function_arn; /* qualified, ":$LATEST" too */
	unsigned invoke_count;               /* approximateInvokeCount */
	struct str request_payload;          /* JSON; empty: null */
	/* Of the latest attempt; executed_version p NULL: there was none, and responseContext and responsePayload are left out. */
	struct str executed_version, response_payload;
	bool function_error;
};

/* version 1.0, timestamp, requestContext, requestPayload, responseContext, responsePayload. */
int outcome_write(struct buf *out, const struct outcome *r, struct error *err);
/* Fills a delivery for the destination's kind of target: buses get source "lambda", the detail-type and resources; the texts are the record's,
 * `resources` and `out`. */
void outcome_delivery(struct delivery *d, const struct outcome *r, struct str target, const struct buf *out, struct str resources[2]);
/* The dead-letter queue: the event itself, with attributes RequestID, ErrorCode, ErrorMessage (at most 1 KB of what the function said). */
void outcome_dead_letter(struct delivery *d, const struct outcome *r, struct str target, struct delivery_attribute attributes[3]);

#endif
