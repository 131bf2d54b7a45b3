/* Times in requests: seconds since 1970 (with a fraction), or ISO 8601 in UTC. Pure. */
#ifndef MAYFLY_SERVICES_EVENTS_EVENT_TIME_H
#define MAYFLY_SERVICES_EVENTS_EVENT_TIME_H

#include <jansson.h>
#include <stdint.h>

int events_time_read(const json_t *v, int64_t *ms); /* -1: no time; `ms` untouched */

#endif
