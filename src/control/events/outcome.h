/* The records that destinations and dead-letter queues are given. Pure: text into a buffer. */
#ifndef MAYFLY_EVENTS_OUTCOME_H
#define MAYFLY_EVENTS_OUTCOME_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/str.h"
#include "core/spec/delivery.h"

#define OUTCOME_ERROR_MAX 1024 /* of a dead letter's ErrorMessage */

enum outcome_condition { OUTCOME_SUCCESS, OUTCOME_RETRIES_EXHAUSTED, OUTCOME_AGE_EXCEEDED, OUTCOME_ZERO_CONCURRENCY, OUTCOME_RECURSION };

struct outcome {
	enum outcome_condition condition;
	int64_t now_ms;
	struct str request_id, function_arn; /* qualified, ":$LATEST" too */
	unsigned invoke_count;               /* approximateInvokeCount */
	struct str request_payload;          /* JSON; empty: null */
	/* Of the latest attempt; executed_version p NULL: it did not run, and responseContext and responsePayload are left out. What is not JSON
	 * is shown as a text. */
	struct str executed_version, response_payload;
	bool function_error;
};

/* version 1.0, timestamp, requestContext, requestPayload, responseContext, responsePayload. -1: ERR_TOO_LARGE, more than the buffer's maximum. */
int outcome_write(struct buf *out, const struct outcome *r, struct error *err);
/* Fills a delivery of the record in `out`: buses get source "lambda", the detail-type and resources. The texts are the record's, `resources`
 * and `out`. */
void outcome_delivery(struct delivery *d, const struct outcome *r, struct str target, const struct buf *out, struct str resources[2]);
/* Its first OUTCOME_ERROR_MAX bytes, not through the middle of a character. */
struct str outcome_cut(struct str message);
/* The dead-letter queue: the event itself, with attributes RequestID, ErrorCode (an HTTP status), ErrorMessage. `code` and `message`
 * (at most OUTCOME_ERROR_MAX bytes are sent): of the latest attempt. */
void outcome_dead_letter(struct delivery *d, const struct outcome *r, struct str target, struct str code, struct str message,
                         struct delivery_attribute attributes[3]);

#endif
