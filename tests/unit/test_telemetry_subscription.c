/* Bodies of subscriptions: what is taken, and all that is wrong with one. */
#include "control/telemetry/subscription.h"
#include "core/base/check.h"
#include "tests/unit/test.h"

#define HTTP "\"destination\":{\"protocol\":\"HTTP\",\"URI\":\"http://sandbox.localdomain:8080/in?a=b\"}"
#define NEW "{\"schemaVersion\":\"2022-12-13\","

static int parse(struct telemetry_subscription *s, enum telemetry_api api, const char *body, struct error *err)
{
	*err = (struct error){0};
	return telemetry_subscription_parse(s, api, str_from(body), err);
}

TEST(a_subscription_with_defaults)
{
	struct telemetry_subscription s;
	struct error err;
	CHECK_INT(parse(&s, TELEMETRY_API, NEW HTTP ",\"types\":[\"platform\",\"function\"]}", &err), 0);
	CHECK_INT(s.schema, PLATFORM_2022_12_13);
	CHECK_INT(s.types, TELEMETRY_PLATFORM | TELEMETRY_FUNCTION);
	CHECK(!s.tcp && !s.put);
	CHECK_INT(s.port, 8080);
	CHECK_STR(s.host, "sandbox.localdomain:8080");
	CHECK_STR(s.path, "/in?a=b");
	CHECK_INT(s.max_items, 10000);
	CHECK_INT(s.max_bytes, 262144);
	CHECK_INT(s.timeout_ms, 1000);
}

TEST(a_subscription_with_everything)
{
	struct telemetry_subscription s;
	struct error err;
	CHECK_INT(parse(&s, TELEMETRY_API, "{\"schemaVersion\":\"2025-01-29\",\"destination\":{\"protocol\":\"TCP\",\"port\":9999},"
	                "\"types\":[\"extension\",\"extension\"],\"buffering\":{\"maxItems\":1000,\"maxBytes\":1048576,\"timeoutMs\":25},"
	                "\"more\":1}", &err), 0);
	CHECK(s.tcp);
	CHECK_INT(s.port, 9999);
	CHECK_INT(s.types, TELEMETRY_EXTENSION);
	CHECK_INT(s.schema, PLATFORM_2025_01_29);
	CHECK_INT(s.max_items, 1000);
	CHECK_INT(s.max_bytes, 1048576);
	CHECK_INT(s.timeout_ms, 25);
}

TEST(the_older_api)
{
	struct telemetry_subscription s;
	struct error err;
	CHECK_INT(parse(&s, TELEMETRY_LOGS_API, "{\"destination\":{\"protocol\":\"HTTP\",\"URI\":\"http://sandbox:1234\",\"method\":\"PUT\","
	                "\"encoding\":\"JSON\"},\"types\":[\"platform\"]}", &err), 0);
	CHECK_INT(s.schema, PLATFORM_2020_08_15);
	CHECK(s.put);
	CHECK_STR(s.host, "sandbox:1234");
	CHECK_STR(s.path, "/");
	CHECK_INT(parse(&s, TELEMETRY_LOGS_API, "{\"schemaVersion\":\"2021-03-18\"," HTTP ",\"types\":[\"platform\"]}", &err), 0);
	CHECK_INT(s.schema, PLATFORM_2021_03_18);
	CHECK(!s.put);
	CHECK_INT(parse(&s, TELEMETRY_LOGS_API, NEW HTTP ",\"types\":[\"platform\"]}", &err), -1);
	CHECK_STR(err.msg, "schemaVersion is not valid");
	CHECK_INT(parse(&s, TELEMETRY_API, "{\"schemaVersion\":\"2021-03-18\"," HTTP ",\"types\":[\"platform\"]}", &err), -1);
}

#define TYPES ",\"types\":[\"platform\"]}"
#define TO(uri) NEW "\"destination\":{\"protocol\":\"HTTP\",\"URI\":\"" uri "\"}" TYPES

static const struct {
	const char *body, *msg;
} refused[] = {
	{"{}", "schemaVersion is not provided; destination is not provided; types should not be empty"},
	{NEW "\"destination\":{\"protocol\":\"HTTP\",\"URI\":\"http://sandbox.localdomain\"},\"types\":[]}",
	 "URI port is not provided; types should not be empty"},
	{TO("http://sandbox.localdomain:"), "URI port is not provided"},
	{TO("http://sandbox.localdomain:x"), "URI port is not valid"},
	{TO("http://sandbox.localdomain:0"), "URI port is not valid"},
	{TO("http://sandbox.localdomain:65536"), "URI port is not valid"},
	{TO("http://sandbox.localdomain:9001"), "URI port 9001 is reserved"},
	{TO("http://sandbox.localdomain:4566/x"), "URI port 4566 is reserved"},
	{TO("http://127.0.0.1:8080"), "URI host is not valid, it must be sandbox.localdomain"},
	{TO("http://user@sandbox:8080"), "URI host is not valid, it must be sandbox.localdomain"},
	{TO("http://169.254.169.254:80"), "URI host is not valid, it must be sandbox.localdomain"},
	{TO("https://sandbox:8080"), "URI protocol is not valid, only http is supported"},
	{TO("sandbox:8080"), "URI protocol is not valid, only http is supported"},
	{TO("http://sandbox:8080/a b"), "URI path is not valid"},
	{TO("http://sandbox:8080/a\\r\\nX: y"), "URI path is not valid"},
	{TO(""), "URI is not provided"},
	{NEW "\"destination\":{\"protocol\":\"UDP\"}" TYPES, "destination protocol must be HTTP or TCP"},
	{NEW "\"destination\":{\"protocol\":\"TCP\"}" TYPES, "destination port is not valid"},
	{NEW "\"destination\":{\"protocol\":\"TCP\",\"port\":0}" TYPES, "destination port is not valid"},
	{NEW "\"destination\":{\"protocol\":\"TCP\",\"port\":70000}" TYPES, "destination port is not valid"},
	{NEW "\"destination\":{\"protocol\":\"TCP\",\"port\":9001}" TYPES, "destination port 9001 is reserved"},
	{NEW "\"destination\":3" TYPES, "destination is not provided"},
	{NEW HTTP ",\"types\":[\"platform\",\"metrics\"]}", "types contain an unknown value"},
	{NEW HTTP ",\"types\":[1]}", "types contain an unknown value"},
	{NEW HTTP ",\"types\":\"platform\"}", "types should not be empty"},
	{NEW HTTP ",\"buffering\":{\"maxItems\":999,\"timeoutMs\":30001}" TYPES,
	 "maxItems must be an integer between 1000 and 10000; timeoutMs must be an integer between 25 and 30000"},
	{NEW HTTP ",\"buffering\":{\"maxBytes\":1048577}" TYPES, "maxBytes must be an integer between 262144 and 1048576"},
	{NEW HTTP ",\"buffering\":{\"maxItems\":\"1000\"}" TYPES, "maxItems must be an integer between 1000 and 10000"},
	{NEW HTTP ",\"buffering\":[]" TYPES, "buffering is not an object"},
	{"{\"schemaVersion\":\"2030-01-01\"," HTTP TYPES, "schemaVersion is not valid"},
	{"{\"schemaVersion\":1," HTTP TYPES, "schemaVersion is not valid"},
};

TEST(what_is_wrong_is_said)
{
	struct telemetry_subscription s;
	struct error err;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		CHECK_INT(parse(&s, TELEMETRY_API, refused[i].body, &err), -1);
		CHECK_INT(err.code, ERR_INVALID);
		CHECK_STR(err.msg, refused[i].msg);
	}
}

TEST(what_is_no_json_is_refused)
{
	static const char *const bodies[] = {"", "[]", "{", "null", "{\"schemaVersion\":\"2022-12-13\"} x"};
	struct telemetry_subscription s;
	struct error err;
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		CHECK_INT(parse(&s, TELEMETRY_API, bodies[i], &err), -1);
		CHECK(strstr(err.msg, "the request body is not valid"));
	}
}

TESTS(T(a_subscription_with_defaults), T(a_subscription_with_everything), T(the_older_api), T(what_is_wrong_is_said),
      T(what_is_no_json_is_refused))
