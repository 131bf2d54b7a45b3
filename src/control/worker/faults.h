/* The error objects that callers get when it is the platform that ends an invocation (or an init), not the function's code.
 * Texts: recorded answers of AWS Lambda. */
#ifndef MAYFLY_WORKER_FAULTS_H
#define MAYFLY_WORKER_FAULTS_H

#include <stdint.h>

#include "core/http/pool.h"
#include "core/ipc/ipc.h"

struct fault_text {
	char type[64];     /* "Runtime.ExitError" */
	char message[256];
};

void fault_timeout(struct fault_text *t, const char *request_id, unsigned timeout_s);
/* How the runtime ended, and what that means to the caller. `log_type` of the REPORT line may differ (out of memory). */
void fault_exit(struct fault_text *t, const char *request_id, const struct ipc_env_exited *how, const char **log_type);
void fault_simple(struct fault_text *t, const char *request_id, const char *type, const char *message);
void fault_response_too_large(struct fault_text *t);
/* {"errorType":..., "errorMessage":...} in the order Lambda uses. Empty when there is no memory. */
void fault_body(struct http_blob *blob, struct http_pool *pool, const struct fault_text *t);

#endif
