/* The error objects that callers get when it is the platform that ends an invocation (or an init), not the function's code.
 * Texts: recorded answers of AWS Lambda. */
#ifndef MAYFLY_WORKER_FAULTS_H
#define MAYFLY_WORKER_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/http/pool.h"
#include "core/ipc/ipc.h"

struct fault_text {
	char type[64];    /* "Runtime.ExitError" */
	char reason[200]; /* "Runtime exited with error: exit status 1" */
	bool bare;        /* the message is the reason alone, without "RequestId: <id> Error: " */
};

void fault_timeout(struct fault_text *t, unsigned timeout_s);
/* How the runtime ended, and what that means to the caller. `log_type` of the REPORT line may differ (out of memory). */
void fault_exit(struct fault_text *t, const struct ipc_env_exited *how, const char **log_type);
/* "segmentation fault" */
const char *fault_signal_text(int signal);
void fault_simple(struct fault_text *t, const char *type, const char *reason);
void fault_response_too_large(struct fault_text *t, bool streamed);

#define FAULT_MESSAGE_SIZE 300
/* The message as the caller and the log see it. */
void fault_message(char dst[FAULT_MESSAGE_SIZE], const struct fault_text *t, const char *request_id);
/* {"errorType":..., "errorMessage":...} in the order Lambda uses. A few hundred bytes that no pool counts: the caller gets them
 * also when all room for payloads is taken. */
void fault_body(struct http_blob *blob, const struct fault_text *t, const char *request_id);

#endif
