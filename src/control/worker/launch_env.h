/* Command and environment variables of a runtime, as Lambda gives them, sealed into the memory file that only the
 * sandbox's init reads. */
#ifndef MAYFLY_WORKER_LAUNCH_ENV_H
#define MAYFLY_WORKER_LAUNCH_ENV_H

#include "control/function/version.h"
#include "control/identity/identity.h"
#include "core/base/error.h"
#include "core/spec/runtime.h"
#include "core/spec/settings.h"

/* A descriptor (the caller's), or -1. `found` tells which interpreter is used. */
int launch_env_seal(const struct function_version *v, const struct identity *identity, const char *log_stream,
                    const struct settings *settings, struct runtime_found *found, struct error *err);

#endif
