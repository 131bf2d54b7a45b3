/* What a process gives up: identity, capabilities, limits. Calls are for a single-threaded child before exec. */
#ifndef MAYFLY_SANDBOX_CONFINE_H
#define MAYFLY_SANDBOX_CONFINE_H

#include <stddef.h>
#include <sys/types.h>

#include "core/base/error.h"

/* Becomes uid:gid without other groups. keep_caps: capabilities stay usable (for a helper that goes on). */
int confine_identity(uid_t uid, gid_t gid, int keep_caps, struct error *err);
/* No capability can ever be gained again; those at hand stay (needs CAP_SETPCAP). Then, after the change of identity: */
int confine_bound(struct error *err);
/* no capability in any set, and no new privileges by exec. */
int confine_no_rights(struct error *err);
/* Lambda's resource limits. */
int confine_limits(struct error *err);
/* Ends with its parent. To be called after the last change of identity, which would undo it. */
int confine_die_with_parent(struct error *err);
/* bytes: an array of struct sock_filter. */
int confine_filter(const void *bytes, size_t n, struct error *err);

#endif
