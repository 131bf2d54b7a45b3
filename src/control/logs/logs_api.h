/* CloudWatch Logs' JSON 1.1 protocol over the logs, without HTTP. Which operations answer says operations.def;
 * StartLiveTail is live_tail.h's.
 *
 * FilterLogEvents takes one member that AWS's does not: `mayflyRequestId`, only lines of that invocation. */
#ifndef MAYFLY_LOGS_LOGS_API_H
#define MAYFLY_LOGS_LOGS_API_H

#include <jansson.h>

#include "control/logs/read.h"

/* `logs` is a struct logs; `operation` the part of X-Amz-Target after the dot; `body` the request, NULL when it was empty.
 * `answer_cb` is called once, before this returns: type NULL on success, else the AWS type; body is the JSON answer (empty for
 * operations that have none), or the error's message. */
void logs_api_answer(void *logs, struct str operation, const json_t *body,
                     void (*answer_cb)(void *answer, int status, const char *type, struct str body), void *answer);

/* AWS's name for what went wrong. */
const char *logs_api_error_type(const struct error *err, int *http_status);

#endif
