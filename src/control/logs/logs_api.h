/* CloudWatch Logs' JSON 1.1 protocol over the readers, without HTTP: DescribeLogGroups, DescribeLogStreams, GetLogEvents and
 * FilterLogEvents.
 *
 * FilterLogEvents takes one member that AWS's does not: `mayflyRequestId`, only lines of that invocation. */
#ifndef MAYFLY_LOGS_LOGS_API_H
#define MAYFLY_LOGS_LOGS_API_H

#include "control/logs/read.h"
#include "core/base/buf.h"

/* `operation` is the part of X-Amz-Target after the dot. 0: JSON in `out`; -1: err, whose AWS form logs_api_error gives.
 * ERR_UNKNOWN_OPERATION for any other operation. */
int logs_api_call(struct logs *l, struct str operation, struct str body, struct buf *out, struct error *err);

/* The AWS type and HTTP status of an error, and the JSON body {"__type": ..., "message": ...}. */
const char *logs_api_error(const struct error *err, int *http_status, struct buf *out);

/* Both in one, in the form the API layer calls; `logs` is a struct logs. `answer_cb` is called once, before this returns:
 * type NULL on success, else the AWS type; body is the JSON answer, or the error's message. */
void logs_api_answer(void *logs, struct str operation, struct str body,
                     void (*answer_cb)(void *answer, int status, const char *type, struct str body), void *answer);

#endif
