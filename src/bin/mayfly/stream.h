/* A streamed invocation: the answer's bytes as they come. */
#ifndef MAYFLY_BIN_STREAM_H
#define MAYFLY_BIN_STREAM_H

#include <stdio.h>

#include "bin/mayfly/client.h"

/* `call` is of InvokeWithResponseStream. Each piece is written to `out` (NULL: kept in answer->body) and flushed. `answer` is as of a plain
 * Invoke afterwards: function_error, json (the error object) and log_result of the closing event. -1 after cli_fail, also when the stream
 * ended without it. */
int stream_call(struct cli *cli, struct client_call *call, struct client_answer *answer, FILE *out);

#endif
