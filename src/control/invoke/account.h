/* Counts what became of an invocation. */
#ifndef MAYFLY_INVOKE_ACCOUNT_H
#define MAYFLY_INVOKE_ACCOUNT_H

#include "control/metrics/metrics.h"
#include "control/worker/invocation.h"

void account_invocation(struct metrics *m, const struct invocation *inv);

#endif
