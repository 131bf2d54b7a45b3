/* What a target is given of an event: Input (a constant), InputPath, or InputTransformer (InputPathsMap and a template with <name>,
 * <aws.events.rule-arn>, <aws.events.rule-name>, <aws.events.event.ingestion-time>, <aws.events.event>, <aws.events.event.json>).
 *
 * Compiled when a target is put, so that what is wrong is refused with AWS's text then. Paths are AWS's subset of JSONPath: $.a.b[0], $.a["b"].
 * As AWS: a placeholder in quotes gives the string without its quotes, others the JSON value; a path that finds nothing gives null, or
 * nothing inside quotes. Pure; constant once compiled. */
#ifndef MAYFLY_SERVICES_EVENTS_TRANSFORM_H
#define MAYFLY_SERVICES_EVENTS_TRANSFORM_H

#include <jansson.h>

#include "core/base/buf.h"
#include "core/base/error.h"
#include "core/base/str.h"

struct transform;

struct transform_context {
	struct str event; /* the whole event, JSON */
	struct str rule_arn, rule_name, ingestion_time;
};

/* `target` is a target as PutTargets has it. NULL with ERR_VALIDATION. A target without any of the three gives the whole event. */
struct transform *transform_compile(const json_t *target, struct error *err);
void transform_free(struct transform *t);
int transform_apply(const struct transform *t, const struct transform_context *context, struct buf *out, struct error *err);

#endif
