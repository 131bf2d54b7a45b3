/* Command and environment variables of a runtime, as Lambda gives them, sealed into the memory file that only the
 * sandbox's init reads. */
#ifndef MAYFLY_WORKER_LAUNCH_ENV_H
#define MAYFLY_WORKER_LAUNCH_ENV_H

#include <stdbool.h>
#include <stdint.h>

#include "control/function/version.h"
#include "control/identity/identity.h"
#include "core/base/error.h"
#include "core/spec/runtime.h"
#include "core/spec/settings.h"

/* What an environment is given at its start. A template is given nothing that is its own alone, since that would be in the
 * image: no credentials (it asks its Runtime API for them) and no log stream; both are NULL then. */
struct launch_env {
	const struct function_version *version;
	const struct identity *identity;
	const char *log_stream;
	const struct settings *settings;
	bool template;
	const char *const *extensions; /* file names in /opt/extensions, NULL-terminated; NULL: none */
};

/* A descriptor (the caller's), or -1. `found` tells which interpreter is used. */
int launch_env_seal(const struct launch_env *env, struct runtime_found *found, struct error *err);
/* What of a restored environment's settings mayflyd insists on: sealed, and nothing in it. */
int launch_env_seal_empty(struct error *err);
/* SHA-256 over all that an image of this version depends on but the machine: a template's settings as they are sealed, code,
 * limits, and `renewal`. */
int launch_env_key(const struct function_version *v, const struct settings *settings, uint64_t renewal, unsigned char key[32],
                   struct error *err);

#endif
