/* The centre: every way to run a function ends here (API, event sources, later the cluster).
 *
 * A caller fills a struct invocation and submits it. It is queued by the scheduler, placed into an environment, answered
 * through the Runtime API, logged, measured, and given back by `done`, exactly once and never from inside invoke_submit.
 * The caller owns the struct; from invoke_submit until `done` it must not touch or free it. A caller whose client has gone
 * keeps waiting: like Lambda, an invocation that was accepted runs to its end. All on the control loop. */
#ifndef MAYFLY_INVOKE_INVOKE_H
#define MAYFLY_INVOKE_INVOKE_H

#include <stdint.h>

#include "control/worker/invocation.h"

struct invoke;

void invoke_submit(struct invoke *invoke, struct invocation *inv);

/* An invocation by another part of the program (asynchronous events, mappings): finds version and reservation, fills `inv` and submits it. The
 * caller has set payload, done, arg, trace_header, tenant, and request_id or "". `arn_room` (FUNCTION_ARN_MAX) keeps the invoked ARN until
 * done. A version that is replaced while it waits is renewed. -1, and nothing submitted: ERR_NOT_FOUND, ERR_CONFLICT
 * (Pending), ERR_INVALID (a tenant is missing, or not expected), ERR_RECURSION (a chain that came here for the 17th time, with the recursion config Terminate; the API's callers are checked by
 * invoke_check_recursion). `done` must give inv->version back (function_version_unref) and release the answer, as any caller's. */
struct registry;
struct function_ref;
int invoke_internal(struct invoke *invoke, struct registry *registry, const struct function_ref *ref, char *arn_room,
                    struct invocation *inv, struct error *err);
/* What invoke_internal sets as inv->renew, for other callers that set inv->registry: $LATEST was changed while this waits, it runs the new
 * code. Published versions never change. */
void invoke_renew(struct invocation *inv);
/* After sink->data said false: the sink has room again. Not after done, not from inside a call of the sink. */
void invoke_stream_resume(struct invocation *inv);
/* -1 and ERR_RECURSION with AWS's text, when the trace header (p NULL: none) has been there too often. */
int invoke_check_recursion(struct registry *registry, struct str function, struct str trace_header, struct error *err);

/* What an outcome means to those who try again. */
enum invoke_verdict {
	VERDICT_SUCCESS,
	VERDICT_FUNCTION, /* function error or timeout: an attempt */
	VERDICT_THROTTLE, /* 429: not an attempt */
	VERDICT_ZERO,     /* 429, and the reservation is 0 */
	VERDICT_SYSTEM,   /* 5xx, not placed: not an attempt */
	VERDICT_GONE      /* no such function or qualifier any more */
};
enum invoke_verdict invoke_verdict(const struct invocation *inv);

/* What the registry reports (see function/registry). */
void invoke_version_dropped(struct invoke *invoke, uint64_t version_id);
void invoke_set_reserved(struct invoke *invoke, uint64_t function_id, int reserved);
void invoke_set_unreserved(struct invoke *invoke, unsigned unreserved);

#endif
