/* CORS by the platform: what a URL's Cors says, as headers. Pure.
 *
 * `cors` is the API's object: AllowCredentials, AllowHeaders, AllowMethods, AllowOrigins, ExposeHeaders, MaxAge. An origin is allowed by "*",
 * by itself, or by a scheme and a star behind its slashes. Where credentials are allowed "*" means nothing to browsers, so what was asked for is
 * echoed. */
#ifndef MAYFLY_URL_CORS_H
#define MAYFLY_URL_CORS_H

#include <jansson.h>
#include <stdbool.h>

#include "core/base/arena.h"
#include "core/http/request.h"

#define URL_CORS_HEADERS_MAX 6u

/* Headers of the request; p NULL: not there. */
struct url_cors_request {
	struct str origin, method, headers; /* Origin, Access-Control-Request-Method and -Headers */
};

/* A preflight: answered by the platform when the URL has a Cors. */
bool url_cors_preflight(struct str method, const struct url_cors_request *request);
/* Fills `out` (URL_CORS_HEADERS_MAX), returns how many; 0 when the origin is missing or not allowed. Texts are in `arena` or views. */
unsigned url_cors_headers(const json_t *cors, const struct url_cors_request *request, bool preflight, struct arena *arena,
                          struct http_header *out);
/* Is it a header that only the platform sends where it has a Cors. */
bool url_cors_owns(struct str name);

#endif
