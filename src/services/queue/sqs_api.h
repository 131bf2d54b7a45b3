/* SQS's two protocols over sqs.h: JSON 1.0 (X-Amz-Target AmazonSQS.*), and the older query protocol (forms in, XML out), which takes the same
 * operations: a form becomes the JSON of its operation (SendMessageBatchRequestEntry.1.Id, Attribute.1.Name, ...), the answer becomes XML.
 *
 * Errors: JSON {"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":..} with x-amzn-query-error for SDKs that know the old codes; XML
 * <ErrorResponse>. The codes of both, and the statuses, are one table. Disk full and a full store are ServiceUnavailable, 503: SDKs try again.
 *
 * Queue URLs: "http[s]://<Host of the request>/<account>/<name>"; only the path is looked at when one comes in, so those from inside and
 * outside of environments serve alike. */
#ifndef MAYFLY_SERVICES_QUEUE_SQS_API_H
#define MAYFLY_SERVICES_QUEUE_SQS_API_H

#include "core/spec/service.h"
#include "services/queue/sqs.h"

service_answer_fn sqs_answer; /* `service` is the struct sqs */
service_gone_fn sqs_gone;     /* ends the long poll of a client that has gone */

extern const char sqs_target[]; /* "AmazonSQS." */

#endif
