/* A log line as a telemetry record: {"time", "type", "record": "the line"}, or with the JSON object that it is. Pure; private to
 * control/telemetry. */
#ifndef MAYFLY_TELEMETRY_LINE_H
#define MAYFLY_TELEMETRY_LINE_H

#include "core/base/buf.h"

/* Whether the line is one JSON object and nothing else. */
bool telemetry_line_is_object(struct str line);
/* Without a line end in it. object: telemetry_line_is_object said so, and it is to stay one. -1: out is full. */
int telemetry_line_write(struct buf *out, int64_t wall_ms, bool extension, struct str line, bool object);

#endif
