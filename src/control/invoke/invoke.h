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

/* What the registry reports (see function/registry). */
void invoke_version_dropped(struct invoke *invoke, uint64_t version_id);
void invoke_set_reserved(struct invoke *invoke, uint64_t function_id, int reserved);
void invoke_set_unreserved(struct invoke *invoke, unsigned unreserved);

#endif
