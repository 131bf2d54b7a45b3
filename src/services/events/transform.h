/* What a target is given of an event: Input (a constant), InputPath, or InputTransformer (InputPathsMap and a template with <name>,
 * <aws.events.rule-arn>, <aws.events.rule-name>, <aws.events.event.ingestion-time>, <aws.events.event>, <aws.events.event.json>).
 *
 * Compiled when a target is put, so that what is wrong is refused then. Paths: transform_path.h. The template is one JSON value, or several
 * lines of which each is a JSON string.
 * As AWS: a placeholder in quotes gives the string without its quotes (objects and arrays lose theirs), others the JSON value; a path that finds
 * nothing gives null, or nothing inside quotes; <aws.events.event> is the event without its detail. \< and \> are the characters themselves.
 * Pure; constant once compiled. */
#ifndef MAYFLY_SERVICES_EVENTS_TRANSFORM_H
#define MAYFLY_SERVICES_EVENTS_TRANSFORM_H

#include <jansson.h>

#include "core/base/buf.h"
#include "core/base/error.h"
#include "core/base/str.h"

#define TRANSFORM_WORK_MAX (16u << 20) /* bytes that the placeholders of one template may take from an event, repetitions counted */

struct transform;

struct transform_context {
	struct str event; /* the whole event, valid JSON */
	struct str rule_arn, rule_name, ingestion_time;
};

/* `target` is a target as PutTargets has it (Id, Input, ...), of the shapes that bus_shapes.c checks. NULL with ERR_VALIDATION, or ERR_NO_MEMORY.
 * A target without any of the three gives the whole event. */
struct transform *transform_compile(const json_t *target, struct error *err);
void transform_free(struct transform *t); /* NULL is fine */
/* Appends to `out`; -1 and ERR_TOO_LARGE when its maximum, or TRANSFORM_WORK_MAX, is reached. */
int transform_apply(const struct transform *t, const struct transform_context *context, struct buf *out, struct error *err);

#endif
