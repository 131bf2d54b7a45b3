/* What runs now, as JSON: for /_mayfly/environments, which `mayfly top` and `mayfly info` show. */
#ifndef MAYFLY_WORKER_FLEET_REPORT_H
#define MAYFLY_WORKER_FLEET_REPORT_H

#include "core/base/buf.h"

struct fleet;

/* {"counts": {state: n}, "environments": [{"id", "function", "version", "kind": "plain" | "restored" | "template" | "trial", "state",
 * "age_ms", "memory_mb", "peak_bytes", "sandbox_ms", "init_ms" (a restored one: "restore_ms", hooks included), "request_id"}],
 * "stand_ins": {runtime: interpreter that runs it, where its own is missing}}; at most 1,000 environments are listed. */
void fleet_report(const struct fleet *f, struct buf *out);

#endif
