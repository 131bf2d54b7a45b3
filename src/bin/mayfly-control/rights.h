/* What mayfly-control gives up before it reads its first byte from outside. mayflyd has already taken user, capabilities and
 * the view of the file system; this closes the rest. */
#ifndef MAYFLY_CONTROL_RIGHTS_H
#define MAYFLY_CONTROL_RIGHTS_H

#include "core/base/error.h"

/* Refuses to run with rights it must not have (root, capabilities), then: no core dumps, no new privileges, and a seccomp
 * filter without starting programs, tracing, mounting, namespaces, keys, kernel modules, bpf. */
int rights_drop(struct error *err);

#endif
