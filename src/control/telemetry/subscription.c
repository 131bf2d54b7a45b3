#include "control/telemetry/subscription.h"

#include <stdio.h>
#include <string.h>

#include "core/base/check.h"
#include "core/json/value.h"

#define DEFAULT_ITEMS 10000u
#define DEFAULT_BYTES 262144u
#define DEFAULT_TIMEOUT_MS 1000u
#define URI_PREFIX "http://"

/* Ports that are ours inside an environment: the Runtime API and the endpoint. */
static const uint16_t own_ports[] = {9001, 4566};
static const char *const type_names[TELEMETRY_TYPES] = {"platform", "function", "extension"};

const char *telemetry_type_name(unsigned i)
{
	ASSERT(i < TELEMETRY_TYPES);
	return type_names[i];
}

/* All complaints, one after the other; what does not fit is left out. */
struct complaints {
	char text[200];
	size_t n;
};

__attribute__((format(printf, 2, 3))) static void complain(struct complaints *c, const char *fmt, ...)
{
	char one[120];
	va_list args;
	va_start(args, fmt);
	vsnprintf(one, sizeof one, fmt, args);
	va_end(args);
	int n = snprintf(c->text + c->n, sizeof c->text - c->n, "%s%s", c->n ? "; " : "", one);
	if (n > 0 && (size_t)n < sizeof c->text - c->n)
		c->n += (size_t)n;
	c->text[c->n] = '\0';
}

/* ---- destination ---- */

static bool port_is_own(uint64_t port)
{
	for (size_t i = 0; i < ARRAY_LEN(own_ports); i++) {
		if (own_ports[i] == port)
			return true;
	}
	return false;
}

static void take_port(struct telemetry_subscription *out, uint64_t port, const char *what, struct complaints *c)
{
	if (port == 0 || port > 65535)
		complain(c, "%s is not valid", what);
	else if (port_is_own(port))
		complain(c, "%s %u is reserved", what, (unsigned)port);
	else
		out->port = (uint16_t)port;
}

/* Printable and without blanks, so that it can stand in a request line as it is. */
static bool path_is_plain(struct str path)
{
	for (size_t i = 0; i < path.n; i++) {
		if (path.p[i] <= ' ' || path.p[i] >= 0x7f)
			return false;
	}
	return path.n < TELEMETRY_PATH_SIZE - 1;
}

static void take_path(struct telemetry_subscription *out, struct str path, struct complaints *c)
{
	path = str_sub(path, 0, str_find(path, '#'));
	if (path_is_plain(path))
		snprintf(out->path, sizeof out->path, "%s" STR_FMT, path.n && path.p[0] == '/' ? "" : "/", STR_ARG(path));
	else
		complain(c, "URI path is not valid");
}

static size_t authority_end(struct str s)
{
	size_t n = 0;
	while (n < s.n && s.p[n] != '/' && s.p[n] != '?' && s.p[n] != '#')
		n++;
	return n;
}

static void take_uri(struct telemetry_subscription *out, struct str uri, struct complaints *c)
{
	struct str prefix = STR(URI_PREFIX);
	if (uri.n < prefix.n || !str_case_eq(str_sub(uri, 0, prefix.n), prefix)) {
		complain(c, "URI protocol is not valid, only http is supported");
		return;
	}
	struct str rest = str_sub(uri, prefix.n, uri.n);
	size_t end = authority_end(rest);
	struct str authority = str_sub(rest, 0, end);
	size_t colon = str_find(authority, ':');
	struct str host = str_sub(authority, 0, colon), port = str_sub(authority, colon + 1, authority.n);
	uint64_t number = 0;
	if (!str_case_eq(host, STR("sandbox.localdomain")) && !str_case_eq(host, STR("sandbox")))
		complain(c, "URI host is not valid, it must be sandbox.localdomain");
	else
		snprintf(out->host, sizeof out->host, STR_FMT ":" STR_FMT, STR_ARG(host), (int)(port.n < 6 ? port.n : 5), port.p ? port.p : "");
	if (port.n == 0)
		complain(c, "URI port is not provided");
	else
		take_port(out, str_to_u64(port, 65535, &number) < 0 ? 0 : number, "URI port", c);
	take_path(out, str_sub(rest, end, rest.n), c);
}

static void take_http(struct telemetry_subscription *out, json_t *destination, struct complaints *c)
{
	struct str uri = STR_NULL, method = STR_NULL, encoding = STR_NULL;
	if (json_value_str(destination, "URI", &uri, NULL) < 0 || uri.n == 0)
		complain(c, "URI is not provided");
	else
		take_uri(out, uri, c);
	if (out->api == TELEMETRY_API)
		return;
	int has_method = json_value_str(destination, "method", &method, NULL);
	out->put = str_case_eq(method, STR("PUT"));
	if (has_method < 0 || (has_method && !out->put && !str_case_eq(method, STR("POST"))))
		complain(c, "destination method must be POST or PUT");
	int has_encoding = json_value_str(destination, "encoding", &encoding, NULL);
	if (has_encoding < 0 || (has_encoding && !str_case_eq(encoding, STR("JSON"))))
		complain(c, "destination encoding must be JSON");
}

static void take_destination(struct telemetry_subscription *out, json_t *root, struct complaints *c)
{
	json_t *destination = NULL;
	struct str protocol = STR_NULL;
	int64_t port = 0;
	if (json_value_object(root, "destination", &destination, NULL) <= 0) {
		complain(c, "destination is not provided");
		return;
	}
	json_value_str(destination, "protocol", &protocol, NULL);
	out->tcp = str_case_eq(protocol, STR("TCP"));
	if (!out->tcp && !str_case_eq(protocol, STR("HTTP")))
		complain(c, "destination protocol must be HTTP or TCP");
	else if (!out->tcp)
		take_http(out, destination, c);
	else if (json_value_int(destination, "port", 0, 65535, &port, NULL) <= 0)
		complain(c, "destination port is not valid");
	else
		take_port(out, (uint64_t)port, "destination port", c);
}

/* ---- the rest ---- */

static void take_types(struct telemetry_subscription *out, json_t *root, struct complaints *c)
{
	json_t *types = NULL;
	if (json_value_array(root, "types", &types, NULL) <= 0 || json_array_size(types) == 0) {
		complain(c, "types should not be empty");
		return;
	}
	for (size_t i = 0; i < json_array_size(types); i++) {
		struct str name = json_value_text(json_array_get(types, i));
		unsigned bit = 0;
		for (unsigned t = 0; t < TELEMETRY_TYPES; t++)
			bit |= name.p && str_eqz(name, type_names[t]) ? 1u << t : 0;
		if (!bit) {
			complain(c, "types contain an unknown value");
			return;
		}
		out->types |= bit;
	}
}

static void take_limit(json_t *buffering, const char *key, int64_t min, int64_t max, uint32_t *out, struct complaints *c)
{
	int64_t value;
	int has = json_value_int(buffering, key, min, max, &value, NULL);
	if (has < 0)
		complain(c, "%s must be an integer between %lld and %lld", key, (long long)min, (long long)max);
	else if (has)
		*out = (uint32_t)value;
}

static void take_buffering(struct telemetry_subscription *out, json_t *root, struct complaints *c)
{
	json_t *buffering = NULL;
	if (json_value_object(root, "buffering", &buffering, NULL) < 0)
		complain(c, "buffering is not an object");
	take_limit(buffering, "maxItems", 1000, 10000, &out->max_items, c);
	take_limit(buffering, "maxBytes", 262144, 1048576, &out->max_bytes, c);
	take_limit(buffering, "timeoutMs", 25, 30000, &out->timeout_ms, c);
}

/* Each of the two APIs has its own versions; the older one's may be left out. */
static void take_schema(struct telemetry_subscription *out, json_t *root, struct complaints *c)
{
	struct str name = STR_NULL;
	bool old = out->api == TELEMETRY_LOGS_API;
	int has = json_value_str(root, "schemaVersion", &name, NULL);
	out->schema = PLATFORM_2020_08_15;
	if (has == 0 && old)
		return;
	if (has == 0)
		complain(c, "schemaVersion is not provided");
	else if (has < 0 || platform_schema_find(name, &out->schema) < 0 || (out->schema < PLATFORM_2022_07_01) != old)
		complain(c, "schemaVersion is not valid");
}

int telemetry_subscription_parse(struct telemetry_subscription *out, enum telemetry_api api, struct str body, struct error *err)
{
	static const struct json_limits limits = {.max_bytes = TELEMETRY_BODY_MAX, .max_depth = 16};
	struct complaints c = {.n = 0};
	struct error why = {0};
	*out = (struct telemetry_subscription){
		.api = api, .max_items = DEFAULT_ITEMS, .max_bytes = DEFAULT_BYTES, .timeout_ms = DEFAULT_TIMEOUT_MS};
	CLEANUP_JSON json_t *root = json_value_load_object(body, &limits, &why);
	if (!root)
		return error_set(err, ERR_INVALID, "the request body is not valid: %.150s", why.msg);
	take_schema(out, root, &c);
	take_destination(out, root, &c);
	take_types(out, root, &c);
	take_buffering(out, root, &c);
	return c.n ? error_set(err, ERR_INVALID, "%s", c.text) : 0;
}
