/* How much memory the processes of a control group share with another group, which pays for it.
 *
 * A restored environment shares the pages of its image with the zygote until it writes to them; the kernel counts them for
 * the zygote's group only. Reads pagemap and kpagecgroup: a few milliseconds for each 100 MB; root only. */
#ifndef MAYFLY_SANDBOX_SHARED_H
#define MAYFLY_SANDBOX_SHARED_H

#include <stdint.h>

#include "isolation/sandbox/cgroup.h"

#define SHARED_UNKNOWN UINT64_MAX

/* Bytes of anonymous memory that processes of `slot` map and the group of `owner` pays for; a page counts once. 0 where the
 * kernel does not tell; SHARED_UNKNOWN when more than `limit_ns` of processor time would be spent: functions choose how much
 * there is to look through. */
uint64_t shared_bytes(const struct cgroup *cg, unsigned slot, unsigned owner, uint64_t limit_ns);

#endif
