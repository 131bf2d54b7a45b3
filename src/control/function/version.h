/* One runnable configuration of a function: `$LATEST` as it was at one moment, or a published version.
 *
 * Immutable and counted: the registry makes one at each change; invocations, environments and the scheduler hold
 * references while they use it. Everything a hot path needs is here, so nothing is queried or parsed there. The folder with
 * its code stays as long as a reference does. All on the control loop. */
#ifndef MAYFLY_FUNCTION_VERSION_H
#define MAYFLY_FUNCTION_VERSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/base/str.h"
#include "core/spec/limits.h"
#include "core/spec/runtime.h"

struct function_variable {
	const char *name, *value;
};

/* Tag mayfly:snapshot, else the server's default. AUTO: an image is used when the process can be restored safely. ALWAYS: also
 * when it holds connections, which are then restored as closed ones. */
enum function_snapshot { SNAPSHOT_AUTO, SNAPSHOT_ALWAYS, SNAPSHOT_OFF };

enum function_log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

struct function_version {
	unsigned refs;
	uint64_t id;              /* unique in this process's life: what the scheduler calls it by */
	uint64_t function_id;     /* the same for all versions of one function in this process's life */
	const char *name;         /* function name */
	const char *version;      /* "$LATEST" or "7" */
	const char *arn;          /* unqualified */
	const char *qualified_arn; /* with ":<version>" */
	const char *role;
	const struct runtime_row *runtime;
	const char *handler;      /* "" when a provided runtime has none */
	unsigned memory_mb, timeout_s, ephemeral_mb;
	const struct function_variable *variables;
	size_t variable_count;
	bool outbound;            /* network: tag mayfly:network, else the server's default */
	enum function_snapshot snapshot;
	bool snap_start;          /* SnapStart ApplyOn PublishedVersions, and this is a published version */
	bool per_tenant;          /* TenancyConfig: each invocation names a tenant, whose environments serve nobody else */
	bool single_use;          /* tag mayfly:isolation=invocation: an environment serves one invocation */
	char code_hex[65];        /* SHA-256 of the package: names the folder below code/ */
	unsigned layer_count;
	char layer_hex[LIMIT_LAYERS][65]; /* the same of the layers: later ones lie on top of earlier ones */
	const char *dead_letter;  /* DeadLetterConfig.TargetArn; NULL: none */
	const char *log_group;    /* "/aws/lambda/<name>" */
	enum function_log_format log_format;
	const char *app_log_level, *system_log_level; /* JSON format; NULL in text format */

	/* Private to the registry: what keeps the folders of code and layers, told when the last reference goes. */
	void (*on_free)(struct function_version *v);
	void *owner, *code, *layers[LIMIT_LAYERS];
};

struct function_version *function_version_ref(struct function_version *v); /* returns v */
/* -1 and ERR_INVALID with AWS's text, when a version with tenants is invoked without one (p NULL), or one without tenants with one. */
int function_version_check_tenant(const struct function_version *version, struct str tenant, struct error *err);
void function_version_unref(struct function_version *v);                   /* NULL is fine */

#endif
