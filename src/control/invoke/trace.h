/* The trace header (X-Amzn-Trace-Id) and the lineage in it, by which recursion is noticed, as Lambda does it.
 *
 * "Root=1-<8 hex>-<24 hex>;Parent=<16 hex>;Sampled=0;Lineage=<depth>:<hash>:<count>[|<depth>:<hash>:<count>]...": one entry a function in
 * the chain, hash: 8 hex digits of its ARN's SHA-256; count: how often it was invoked in this chain. SDKs inside a function send the
 * header on with what they call; queues keep it (AWSTraceHeader), buses and destinations pass it on. The chain is stopped when a function would
 * be invoked for the 17th time in it (LINEAGE_MAX), unless its recursion config says Allow.
 *
 * Pure. Unknown members of a header are kept, a bad Lineage counts as none. */
#ifndef MAYFLY_INVOKE_TRACE_H
#define MAYFLY_INVOKE_TRACE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/str.h"

#define TRACE_MAX 256   /* as sent to the function, with NUL */
#define LINEAGE_MAX 16u
#define LINEAGE_FUNCTIONS_MAX 8u /* entries that are kept: the newest */

/* The header for an invocation of `function_arn` (unqualified): of `sent` (p NULL or not of this form: a new root) with that function counted once
 * more. Returns its count. */
unsigned trace_next(char dst[TRACE_MAX], struct str sent, struct str function_arn);
/* How often `function_arn` is in there already. */
unsigned trace_count(struct str sent, struct str function_arn);

#endif
