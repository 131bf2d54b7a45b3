/* Which request of an environment's processes is whose. To add one: a row. */
#include "control/runtime/runtime_priv.h"

#define V RUNTIME_PREFIX
#define E "/2020-01-01/extension/"
#define EXACT(m, p, h) {.method = m, .path = STR(p), .handle = h}
#define PREFIX(m, p, h) {.method = m, .path = STR(p), .prefix = true, .handle = h}

/* In this order: the first that fits. */
static const struct runtime_route routes[] = {
	EXACT(HTTP_GET, V "runtime/invocation/next", runtime_on_next),
	PREFIX(HTTP_POST, V "runtime/invocation/", runtime_on_invocation),
	EXACT(HTTP_POST, V "runtime/init/error", runtime_on_init_error),
	EXACT(HTTP_GET, V "runtime/restore/next", runtime_on_restore_next),
	EXACT(HTTP_POST, V "runtime/restore/error", runtime_on_restore_error),
	EXACT(HTTP_GET, "/2021-04-23/credentials", runtime_on_credentials),
	EXACT(HTTP_POST, E "register", runtime_on_extension_register),
	EXACT(HTTP_GET, E "event/next", runtime_on_extension_next),
	EXACT(HTTP_POST, E "init/error", runtime_on_extension_init_error),
	EXACT(HTTP_POST, E "exit/error", runtime_on_extension_exit_error),
	EXACT(HTTP_PUT, "/2022-07-01/telemetry", runtime_on_telemetry),
	EXACT(HTTP_PUT, "/2022-07-01/telemetry/", runtime_on_telemetry),
	EXACT(HTTP_PUT, "/2020-08-15/logs", runtime_on_logs),
	EXACT(HTTP_PUT, "/2020-08-15/logs/", runtime_on_logs),
	EXACT(HTTP_GET, V "ping", runtime_on_ping),
};

const struct runtime_route *runtime_route_find(enum http_method method, struct str path, struct str *rest)
{
	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		const struct runtime_route *r = &routes[i];
		if (r->method != method || !str_starts(path, r->path) || (!r->prefix && path.n != r->path.n))
			continue;
		*rest = str_sub(path, r->path.n, path.n);
		return r;
	}
	return NULL;
}
