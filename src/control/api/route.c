#include <string.h>

#include "control/api/api_priv.h"
#include "control/api/rules.h"

static const struct api_route routes[] = {
#define R(method, path, query, operation, handle, rules, flags, note) \
	{HTTP_##method, path, query, #operation, handle, rules, flags, note},
#include "control/api/routes.def"
#undef R
};

const struct api_route *api_routes(size_t *n)
{
	*n = ARRAY_LEN(routes);
	return routes;
}

/* Part by part; values of parameters are decoded into the call's arena. */
static bool matches(struct api_call *call, struct str pattern, struct str path)
{
	struct str want, got;
	call->param_count = 0;
	while (str_split(&pattern, '/', &want)) {
		if (!str_split(&path, '/', &got))
			return false;
		if (want.n == 0 || want.p[0] != '{') {
			if (!str_eq(want, got))
				return false;
			continue;
		}
		char *value = arena_alloc(&call->arena, got.n + 1);
		size_t n;
		if (got.n == 0 || !value || percent_decode(value, &n, got, false) < 0)
			return false;
		ASSERT(call->param_count < API_PARAMS_MAX);
		call->params[call->param_count++] = (struct api_param){str_sub(want, 1, want.n - 1), {value, n}};
	}
	return path.n == 0;
}

static bool query_fits(const struct api_call *call, const char *query)
{
	struct str rest = str_from(query), name;
	if (!query)
		return true;
	str_split(&rest, '=', &name);
	for (size_t i = 0; i < call->query_count; i++) {
		if (str_eq(call->query[i].name, name) && str_eq(call->query[i].value, rest))
			return true;
	}
	return false;
}

const struct api_route *api_route_find(struct api_call *call, enum http_method method, struct str path)
{
	if (path.n > 1 && path.p[path.n - 1] == '/') /* older SDKs end some paths so */
		path.n--;
	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		const struct api_route *r = &routes[i];
		struct str pattern = str_from(r->path);
		if (r->method == method && str_eq(str_sub(pattern, 0, 11), str_sub(path, 0, 11)) && query_fits(call, r->query) &&
		    matches(call, pattern, path))
			return r;
	}
	return NULL;
}

const struct api_route *api_route_invoke(struct api_call *call, enum http_method method, struct str path)
{
	static const struct api_route invoke = {
		.method = HTTP_POST, .path = "/2015-03-31/functions/{FunctionName}/invocations", .operation = "Invoke",
		.handle = api_invoke,
	};
	struct str head = STR("/2015-03-31/functions/"), tail = STR("/invocations");
	if (method != HTTP_POST || !str_starts(path, head) || !str_ends(path, tail) || path.n <= head.n + tail.n)
		return NULL;
	struct str name = str_sub(path, head.n, path.n - tail.n);
	if (memchr(name.p, '/', name.n))
		return NULL;
	char *text = arena_alloc(&call->arena, name.n + 1);
	size_t n;
	if (!text || percent_decode(text, &n, name, false) < 0)
		return NULL;
	call->params[call->param_count++] = (struct api_param){STR("FunctionName"), {text, n}};
	return &invoke;
}
