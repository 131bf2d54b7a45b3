/* What an extension asks for when it subscribes: the body of PUT /2022-07-01/telemetry, or of the older PUT /2020-08-15/logs, read and
 * checked. Pure. */
#ifndef MAYFLY_TELEMETRY_SUBSCRIPTION_H
#define MAYFLY_TELEMETRY_SUBSCRIPTION_H

#include <stdbool.h>
#include <stdint.h>

#include "control/logs/platform_json.h"
#include "core/base/error.h"
#include "core/base/str.h"

enum telemetry_api { TELEMETRY_API, TELEMETRY_LOGS_API };

/* Bits of `types`. */
enum { TELEMETRY_PLATFORM = 1, TELEMETRY_FUNCTION = 2, TELEMETRY_EXTENSION = 4 };
#define TELEMETRY_TYPES 3u

#define TELEMETRY_BODY_MAX 16384u
#define TELEMETRY_HOST_SIZE 32 /* "sandbox.localdomain:65535" */
#define TELEMETRY_PATH_SIZE 512

struct telemetry_subscription {
	enum telemetry_api api;
	enum platform_schema schema;
	unsigned types;
	bool tcp, put;  /* HTTP otherwise, by POST unless `put` */
	uint16_t port;  /* at the environment's 127.0.0.1 */
	char host[TELEMETRY_HOST_SIZE], path[TELEMETRY_PATH_SIZE]; /* HTTP: of the Host line and the request line */
	uint32_t max_items, max_bytes, timeout_ms;
};

/* -1: ERR_INVALID, msg says all that is wrong, parted by "; ", as AWS's errorMessage does; *out is then undefined. */
int telemetry_subscription_parse(struct telemetry_subscription *out, enum telemetry_api api, struct str body, struct error *err);
/* "platform", "function", "extension": of bit 1 << i. */
const char *telemetry_type_name(unsigned i);

#endif
