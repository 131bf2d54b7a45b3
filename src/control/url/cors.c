#include "control/url/cors.h"

#include <string.h>

#include "core/base/buf.h"
#include "core/base/check.h"
#include "core/json/value.h"

#define LIST_MAX_BYTES 131072u /* 100 names of 1,024 characters */

bool url_cors_preflight(struct str method, const struct url_cors_request *request)
{
	return str_eqz(method, "OPTIONS") && request->origin.n && request->method.n;
}

static bool has(const json_t *list, const char *word)
{
	size_t i;
	json_t *v;
	json_array_foreach(list, i, v) {
		if (str_eqz(json_value_text(v), word))
			return true;
	}
	return false;
}

static bool is_scheme(struct str pattern)
{
	return str_eqz(pattern, "http://*") || str_eqz(pattern, "https://*");
}

static bool origin_allowed(const json_t *list, struct str origin)
{
	size_t i;
	json_t *v;
	json_array_foreach(list, i, v) {
		struct str one = json_value_text(v);
		if (str_eqz(one, "*") || str_case_eq(one, origin))
			return true;
		if (is_scheme(one) && origin.n >= one.n && str_case_eq(str_sub(origin, 0, one.n - 1), str_sub(one, 0, one.n - 1)))
			return true;
	}
	return false;
}

static struct str joined(const json_t *list, struct arena *arena)
{
	struct buf text;
	size_t i;
	json_t *v;
	buf_init(&text, LIST_MAX_BYTES);
	json_array_foreach(list, i, v) {
		if (i)
			buf_putc(&text, ',');
		buf_put(&text, json_value_text(v));
	}
	struct str kept = {arena_strdup(arena, buf_str(&text)), text.len};
	buf_release(&text);
	return kept.p ? kept : STR_NULL;
}

static void put(struct http_header *out, unsigned *n, const char *name, struct str value)
{
	if (value.n)
		out[(*n)++] = (struct http_header){str_from(name), value};
}

/* A list as a header; with credentials a star is what was asked for. */
static struct str listed(const json_t *list, bool credentials, struct str asked, struct arena *arena)
{
	return credentials && has(list, "*") ? asked : joined(list, arena);
}

unsigned url_cors_headers(const json_t *cors, const struct url_cors_request *r, bool preflight, struct arena *arena, struct http_header *out)
{
	const json_t *origins = json_object_get(cors, "AllowOrigins"), *age = json_object_get(cors, "MaxAge");
	bool credentials = json_is_true(json_object_get(cors, "AllowCredentials"));
	unsigned n = 0;
	if (!r->origin.n || !origin_allowed(origins, r->origin))
		return 0;
	bool any = has(origins, "*") && !credentials;
	put(out, &n, "Access-Control-Allow-Origin", any ? STR("*") : r->origin);
	if (credentials)
		put(out, &n, "Access-Control-Allow-Credentials", STR("true"));
	if (!any)
		put(out, &n, "Vary", STR("Origin"));
	if (!preflight) {
		put(out, &n, "Access-Control-Expose-Headers", joined(json_object_get(cors, "ExposeHeaders"), arena));
		return n;
	}
	put(out, &n, "Access-Control-Allow-Methods", listed(json_object_get(cors, "AllowMethods"), credentials, r->method, arena));
	put(out, &n, "Access-Control-Allow-Headers", listed(json_object_get(cors, "AllowHeaders"), credentials, r->headers, arena));
	const char *seconds = age ? arena_printf(arena, "%lld", (long long)json_number_value(age)) : NULL;
	put(out, &n, "Access-Control-Max-Age", str_from(seconds));
	return n;
}

bool url_cors_owns(struct str name)
{
	static const char *const own[] = {"access-control-allow-origin", "access-control-allow-credentials", "access-control-allow-methods",
	                                  "access-control-allow-headers", "access-control-expose-headers", "access-control-max-age"};
	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		if (str_case_eq(name, str_from(own[i])))
			return true;
	}
	return false;
}
