/* Function URLs: requests into events, answers into HTTP, hosts, CORS. */
#include "tests/unit/test.h"

#include <stdlib.h>

#include "control/url/answer.h"
#include "control/url/cors.h"
#include "control/url/event.h"
#include "control/url/host.h"
#include "control/url/prelude.h"
#include "core/base/check.h"
#include "core/json/value.h"

#define ID "0123456789abcdefghijklmnopqrstuv"
#define HOST ID ".lambda-url.eu-west-1.localhost"
#define EVENT_MAX (1u << 20)

/* ---- hosts ---- */

TEST(host_names_a_url)
{
	static const struct {
		const char *host;
		bool ours;
	} rows[] = {
		{HOST, true},
		{HOST ":4566", true},
		{HOST ".:4566", true},
		{ID ".lambda-url.eu-west-1.on.aws", true},
		{ID ".LAMBDA-URL.eu-west-1.LocalHost", true},
		{ID ".lambda-url.eu-west-2.localhost", false},
		{ID ".lambda-url.eu-west-1.example.org", false}, /* DNS rebinding */
		{ID ".lambda-url.eu-west-1.localhost.example.org", false},
		{ID ".lambda-url.eu-west-1", false},
		{"x" ID ".lambda-url.eu-west-1.localhost", false},
		{"127.0.0.1:4566", false},
		{"[::1]:4566", false},
		{"", false},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str id = STR_NULL;
		CHECK_INT(url_host_parse(str_from(rows[i].host), "eu-west-1", &id), rows[i].ours);
		CHECK(!rows[i].ours || str_eqz(id, ID));
	}
}

TEST(path_names_a_url)
{
	struct str id, rest;
	CHECK(url_path_parse(STR(URL_PATH_PREFIX ID "/a%2Fb/"), &id, &rest) && str_eqz(id, ID) && str_eqz(rest, "/a%2Fb/"));
	CHECK(url_path_parse(STR(URL_PATH_PREFIX ID), &id, &rest) && str_eqz(id, ID) && str_eqz(rest, "/"));
	CHECK(url_path_parse(STR(URL_PATH_PREFIX), &id, &rest) && id.n == 0);
	CHECK(!url_path_parse(STR("/_mayfly/health"), &id, &rest));
	CHECK(url_id_is(STR(ID)) && !url_id_is(STR("short")) && !url_id_is(STR("0123456789ABCDEFGHIJKLMNOPQRSTUV")));
}

TEST(host_ports_and_names)
{
	CHECK_INT(url_host_port(STR("a:81"), false), 81);
	CHECK_INT(url_host_port(STR("a"), false), 80);
	CHECK_INT(url_host_port(STR("[::1]:82"), true), 82);
	CHECK_INT(url_host_port(STR("a:99999"), true), 443);
	CHECK(str_eqz(url_host_name(STR("[::1]:82")), "[::1]") && str_eqz(url_host_name(STR("a.b:1")), "a.b"));
	CHECK(url_host_valid(STR("api.example.org")) && url_host_valid(STR("shop")) && url_host_valid(STR("xn--a.de")));
	static const char *const bad[] = {"", "A.b", "a..b", ".a", "a.", "-a.b", "a-.b", "a b", "127.0.0.1", "a:1", "a/b", "ä.de"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK(!url_host_valid(str_from(bad[i])));
}

/* ---- events ---- */

static struct url_request plain_request(const struct http_header *headers, unsigned n)
{
	return (struct url_request){.method = STR("GET"), .path = STR("/"), .headers = headers, .header_count = n, .minor = 1,
	                            .url_id = STR(ID), .domain = STR(HOST), .port = 4566, .source_ip = STR("127.0.0.1"),
	                            .request_id = STR("rid"), .trace_header = STR("Root=1-a-b"), .now_ms = 1583348638390};
}

static json_t *event_of(const struct url_request *r, struct str body)
{
	struct buf out;
	buf_init(&out, EVENT_MAX);
	int rc = url_event_begin(&out, r);
	if (rc == 0)
		rc = url_event_end(&out, body, url_event_text(r->headers, r->header_count));
	json_t *json = rc == 0 ? json_value_load_object(buf_str(&out), &(struct json_limits){0}, NULL) : NULL;
	buf_release(&out);
	return json;
}

static const char *text_at(const json_t *v, const char *a, const char *b, const char *c)
{
	v = json_object_get(v, a);
	v = b ? json_object_get(v, b) : v;
	v = c ? json_object_get(v, c) : v;
	return json_string_value(v);
}

TEST(event_has_the_form_of_version_2)
{
	static const struct http_header headers[] = {
		{STR("Host"), STR(HOST ":4566")}, {STR("User-Agent"), STR("curl/8")}, {STR("X-Many"), STR("1")}, {STR("x-many"), STR("2")},
		{STR("Cookie"), STR("a=1; b=2")}, {STR("cookie"), STR("c=3")}, {STR("Connection"), STR("close")},
		{STR("Authorization"), STR("Bearer x")}, {STR("X-Forwarded-For"), STR("9.9.9.9")}, {STR("X-Forwarded-Proto"), STR("spoof")}};
	struct url_request r = plain_request(headers, ARRAY_LEN(headers));
	r.method = STR("POST");
	r.path = STR("/a%2Fb/c");
	r.query = STR("x=1&y=a+b%21&x=2&&z&=v&bad=%zz");
	CLEANUP_JSON json_t *e = event_of(&r, STR(""));
	CHECK(e);
	CHECK_STR(text_at(e, "version", NULL, NULL), "2.0");
	CHECK_STR(text_at(e, "routeKey", NULL, NULL), "$default");
	CHECK_STR(text_at(e, "rawPath", NULL, NULL), "/a%2Fb/c");
	CHECK_STR(text_at(e, "rawQueryString", NULL, NULL), "x=1&y=a+b%21&x=2&&z&=v&bad=%zz");
	CHECK_STR(text_at(e, "queryStringParameters", "x", NULL), "1,2");
	CHECK_STR(text_at(e, "queryStringParameters", "y", NULL), "a b!");
	CHECK_STR(text_at(e, "queryStringParameters", "z", NULL), "");
	CHECK_STR(text_at(e, "queryStringParameters", "", NULL), "v");
	CHECK_STR(text_at(e, "queryStringParameters", "bad", NULL), "%zz");
	CHECK_STR(text_at(e, "headers", "x-many", NULL), "1,2");
	CHECK_STR(text_at(e, "headers", "host", NULL), HOST ":4566");
	CHECK_STR(text_at(e, "headers", "authorization", NULL), "Bearer x");
	CHECK_STR(text_at(e, "headers", "x-forwarded-for", NULL), "9.9.9.9, 127.0.0.1");
	CHECK_STR(text_at(e, "headers", "x-forwarded-proto", NULL), "http");
	CHECK_STR(text_at(e, "headers", "x-forwarded-port", NULL), "4566");
	CHECK_STR(text_at(e, "headers", "x-amzn-trace-id", NULL), "Root=1-a-b");
	CHECK(!text_at(e, "headers", "connection", NULL) && !text_at(e, "headers", "cookie", NULL));
	CHECK_INT(json_array_size(json_object_get(e, "cookies")), 3);
	CHECK_STR(json_string_value(json_array_get(json_object_get(e, "cookies"), 1)), "b=2");
	CHECK_STR(text_at(e, "requestContext", "accountId", NULL), "anonymous");
	CHECK_STR(text_at(e, "requestContext", "apiId", NULL), ID);
	CHECK_STR(text_at(e, "requestContext", "domainName", NULL), HOST);
	CHECK_STR(text_at(e, "requestContext", "domainPrefix", NULL), ID);
	CHECK_STR(text_at(e, "requestContext", "requestId", NULL), "rid");
	CHECK_STR(text_at(e, "requestContext", "stage", NULL), "$default");
	CHECK_STR(text_at(e, "requestContext", "time", NULL), "04/Mar/2020:19:03:58 +0000");
	CHECK_INT(json_integer_value(json_object_get(json_object_get(e, "requestContext"), "timeEpoch")), 1583348638390);
	CHECK_STR(text_at(e, "requestContext", "http", "method"), "POST");
	CHECK_STR(text_at(e, "requestContext", "http", "path"), "/a%2Fb/c");
	CHECK_STR(text_at(e, "requestContext", "http", "protocol"), "HTTP/1.1");
	CHECK_STR(text_at(e, "requestContext", "http", "sourceIp"), "127.0.0.1");
	CHECK_STR(text_at(e, "requestContext", "http", "userAgent"), "curl/8");
	CHECK(!json_object_get(json_object_get(e, "requestContext"), "authorizer"));
	CHECK(!json_object_get(e, "body") && json_is_false(json_object_get(e, "isBase64Encoded")));
}

TEST(event_leaves_out_what_is_not_there)
{
	struct url_request r = plain_request(NULL, 0);
	CLEANUP_JSON json_t *e = event_of(&r, STR(""));
	CHECK(e);
	CHECK(!json_object_get(e, "queryStringParameters") && !json_object_get(e, "cookies") && !json_object_get(e, "body"));
	CHECK_STR(text_at(e, "rawQueryString", NULL, NULL), "");
	CHECK_STR(text_at(e, "requestContext", "http", "userAgent"), "");
}

TEST(event_of_a_signed_request)
{
	static const struct http_header headers[] = {{STR("Authorization"), STR("AWS4-HMAC-SHA256 x")}, {STR("X-Amz-Security-Token"), STR("t")},
	                                             {STR("X-Amz-Date"), STR("20260101T000000Z")}};
	struct url_caller who = {STR("AKIA"), STR("123456789012"), STR("arn:aws:iam::123456789012:root"), STR("uid")};
	struct url_request r = plain_request(headers, ARRAY_LEN(headers));
	r.caller = &who;
	CLEANUP_JSON json_t *e = event_of(&r, STR(""));
	const json_t *context = json_object_get(e, "requestContext");
	CHECK_STR(text_at(context, "accountId", NULL, NULL), "123456789012");
	CHECK_STR(text_at(context, "authorizer", "iam", "userArn"), "arn:aws:iam::123456789012:root");
	CHECK_STR(text_at(context, "authorizer", "iam", "accessKey"), "AKIA");
	CHECK_STR(text_at(context, "authorizer", "iam", "callerId"), "uid");
	CHECK(json_is_null(json_object_get(json_object_get(json_object_get(context, "authorizer"), "iam"), "cognitoIdentity")));
	CHECK(!text_at(e, "headers", "authorization", NULL) && !text_at(e, "headers", "x-amz-security-token", NULL));
	CHECK_STR(text_at(e, "headers", "x-amz-date", NULL), "20260101T000000Z");
}

TEST(event_bodies_are_text_or_base64)
{
	static const struct {
		const char *type, *coding, *body, *shown;
		bool base64;
	} rows[] = {
		{"application/json", NULL, "{\"a\":\"\x01\"}", "{\"a\":\"\x01\"}", false},
		{"text/plain; charset=utf-8", NULL, "h\xc3\xa4", "h\xc3\xa4", false},
		{"TEXT/HTML", NULL, "x", "x", false},
		{"application/vnd.api+json", NULL, "x", "x", false},
		{"application/xml", NULL, "x", "x", false},
		{"application/javascript", NULL, "x", "x", false},
		{"application/json", "identity", "x", "x", false},
		{"application/json", "gzip", "x", "eA==", true},
		{"application/json", NULL, "\xff", "/w==", true},
		{"application/json", NULL, "\xed\xa0\x80", "7aCA", true},
		{"application/x-www-form-urlencoded", NULL, "a=b", "YT1i", true},
		{"multipart/form-data; boundary=text", NULL, "x", "eA==", true},
		{"application/octet-stream", NULL, "x", "eA==", true},
		{NULL, NULL, "x", "eA==", true},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct http_header headers[2];
		unsigned n = 0;
		if (rows[i].type)
			headers[n++] = (struct http_header){STR("Content-Type"), str_from(rows[i].type)};
		if (rows[i].coding)
			headers[n++] = (struct http_header){STR("Content-Encoding"), str_from(rows[i].coding)};
		struct url_request r = plain_request(headers, n);
		r.body_bytes = strlen(rows[i].body);
		CLEANUP_JSON json_t *e = event_of(&r, str_from(rows[i].body));
		CHECK(e);
		CHECK_STR(text_at(e, "body", NULL, NULL), rows[i].shown);
		CHECK_INT(json_is_true(json_object_get(e, "isBase64Encoded")), rows[i].base64);
		CHECK(text_at(e, "headers", "content-length", NULL));
	}
}

/* Text that grows sixfold when it is escaped goes as base64, within the room that every body has. */
TEST(event_of_control_characters_fits)
{
	static char body[100000];
	struct http_header type = {STR("Content-Type"), STR("text/plain")};
	struct url_request r = plain_request(&type, 1);
	struct buf out;
	memset(body, 1, sizeof body);
	buf_init(&out, 0);
	out.max = 8192;
	CHECK_INT(url_event_begin(&out, &r), 0);
	out.max = out.len + url_event_end_max(sizeof body);
	CHECK_INT(url_event_end(&out, (struct str){body, sizeof body}, true), 0);
	CLEANUP_JSON json_t *e = json_value_load_object(buf_str(&out), &(struct json_limits){0}, NULL);
	CHECK(json_is_true(json_object_get(e, "isBase64Encoded")));
	buf_release(&out);
}

/* JSON inside of JSON is full of quotes: it stays text. */
TEST(event_of_quotes_is_text)
{
	static char body[300000];
	struct http_header type = {STR("Content-Type"), STR("application/json")};
	struct url_request r = plain_request(&type, 1);
	struct buf out;
	memset(body, '"', sizeof body);
	buf_init(&out, 8192);
	CHECK_INT(url_event_begin(&out, &r), 0);
	out.max = out.len + url_event_end_max(sizeof body);
	CHECK_INT(url_event_end(&out, (struct str){body, sizeof body}, true), 0);
	CLEANUP_JSON json_t *e = json_value_load_object(buf_str(&out), &(struct json_limits){0}, NULL);
	CHECK(json_is_false(json_object_get(e, "isBase64Encoded")));
	CHECK_INT(json_string_length(json_object_get(e, "body")), sizeof body);
	buf_release(&out);
}

TEST(event_heads_with_any_bytes_are_json)
{
	static const struct http_header headers[] = {{STR("X-Latin"), STR("caf\xe9")}, {STR("User-Agent"), STR("\xff\xfe\"\\")}};
	struct url_request r = plain_request(headers, ARRAY_LEN(headers));
	r.path = STR("/\xff\"\\");
	r.query = STR("\xfe=%ff&a=%00%22");
	CLEANUP_JSON json_t *e = NULL;
	struct buf out;
	buf_init(&out, EVENT_MAX);
	CHECK_INT(url_event_begin(&out, &r), 0);
	CHECK_INT(url_event_end(&out, STR(""), false), 0);
	e = json_loadb(out.data, out.len, JSON_ALLOW_NUL, NULL);
	buf_release(&out);
	CHECK_STR(text_at(e, "headers", "x-latin", NULL), "caf\xef\xbf\xbd");
}

/* ---- answers ---- */

static struct str header(const struct url_answer *a, const char *name)
{
	for (unsigned i = 0; i < a->header_count; i++) {
		if (str_case_eq(a->headers[i].name, str_from(name)))
			return a->headers[i].value;
	}
	return STR_NULL;
}

TEST(answers_that_are_values)
{
	static const char *const rows[][2] = {
		{"{\"hello\":\"world\"}", "{\"hello\":\"world\"}"}, {"[\"hello\",3,true]", "[\"hello\",3,true]"}, {" { \"a b\" : [ 1.50 ,\t\"x \\\" y\" ] }\n", "{\"a b\":[1.50,\"x \\\" y\"]}"}, {"3", "3"}, {"3.1", "3.1"},
		{"true", "true"}, {"null", "null"}, {"\"hello\"", "hello"}, {"\"\"", ""}, {"{\"body\":\"x\"}", "{\"body\":\"x\"}"},
		{"{\"statusCode\":null}", "{\"statusCode\":null}"}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct url_answer a = {0};
		CHECK_INT(url_answer_parse(&a, str_from(rows[i][0])), 0);
		CHECK_INT(a.status, 200);
		CHECK(str_eqz(a.body, rows[i][1]) && str_eqz(header(&a, "content-type"), "application/json"));
		url_answer_release(&a);
	}
}

TEST(answers_that_are_http)
{
	struct url_answer a = {0};
	CHECK_INT(url_answer_parse(&a, STR("{\"statusCode\":201,\"headers\":{\"X-A\":\"b\",\"X-N\":3,\"X-T\":true,\"X-Null\":null,\"Content-Length\":\"9\","
	          "\"connection\":\"close\",\"content-type\":\"text/a\",\"Content-Type\":\"text/b\"},\"cookies\":[\"a=1\",\"b=2; Path=/\"],\"body\":\"h\\u00e4\"}")), 0);
	CHECK_INT(a.status, 201);
	CHECK(str_eqz(a.body, "h\xc3\xa4") && str_eqz(header(&a, "x-a"), "b") && str_eqz(header(&a, "x-n"), "3") && str_eqz(header(&a, "x-t"), "true"));
	CHECK(!header(&a, "x-null").p && !header(&a, "content-length").p && !header(&a, "connection").p);
	CHECK(str_eqz(header(&a, "content-type"), "text/b"));
	CHECK_INT(a.header_count, 6);
	url_answer_release(&a);
}

TEST(answers_with_odd_bodies)
{
	static const struct {
		const char *answer, *body;
		int status;
	} rows[] = {
		{"{\"statusCode\":\"418\",\"body\":\"tea\"}", "tea", 418},
		{"{\"statusCode\":204}", "", 204},
		{"{\"statusCode\":200.0,\"body\":null}", "", 200},
		{"{\"statusCode\":200,\"body\":{\"a\":1}}", "{\"a\":1}", 200},
		{"{\"statusCode\":200,\"body\":7}", "7", 200},
		{"{\"statusCode\":200,\"body\":\"aGk=\",\"isBase64Encoded\":true}", "hi", 200},
		{"{\"statusCode\":200,\"body\":\"aGk=\",\"isBase64Encoded\":false,\"headers\":null,\"cookies\":null}", "aGk=", 200},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct url_answer a = {0};
		CHECK_INT(url_answer_parse(&a, str_from(rows[i].answer)), 0);
		CHECK_INT(a.status, rows[i].status);
		CHECK(str_eqz(a.body, rows[i].body) && str_eqz(header(&a, "content-type"), "application/json"));
		url_answer_release(&a);
	}
}

/* As many values as its size allows: none of them becomes a tree. */
static void put_lists(struct buf *out, unsigned n)
{
	buf_puts(out, "[[]");
	for (unsigned i = 1; i < n; i++)
		buf_puts(out, ",[]");
	buf_puts(out, "]");
}

static unsigned allocations;

static void *counted(size_t n)
{
	allocations++;
	return malloc(n);
}

TEST(answers_of_many_values_are_passed_on)
{
	static const struct {
		const char *before, *after;
		int rc;
	} rows[] = {
		{"", "", 0},
		{" {\"a\": ", "}", 0},
		{"{\"statusCode\":200,\"body\":", "}", 0},
		{"{\"statusCode\":200,\"a\":", ",\"body\":\"x\"}", 0},
		{"{\"statusCode\":200,\"headers\":", "}", -1},
		{"{\"statusCode\":200,\"cookies\":", "}", -1},
		{"{\"statusCode\":", "}", -1},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct url_answer a = {0};
		struct buf text;
		buf_init(&text, EVENT_MAX);
		buf_puts(&text, rows[i].before);
		put_lists(&text, 100000);
		buf_puts(&text, rows[i].after);
		allocations = 0;
		json_set_alloc_funcs(counted, free);
		CHECK_INT(url_answer_parse(&a, buf_str(&text)), rows[i].rc);
		url_answer_release(&a);
		json_set_alloc_funcs(malloc, free);
		CHECK(allocations < 100);
		buf_release(&text);
	}
}

TEST(members_of_answers_are_found_as_written)
{
	struct url_answer a = {0};
	CHECK_INT(url_answer_parse(&a, STR("\n{ \"a\\\"}\" : \"]}\\\\\" , \"n\" : { \"statusCode\" : 9 } , \"status\\u0043ode\" : 9 , \"\":[{}],"
	                                   "\"statusCode\" : 203 , \"body\" : [ 1.0 , \"a b\" ] } ")), 0);
	CHECK_INT(a.status, 203);
	CHECK(str_eqz(a.body, "[1.0,\"a b\"]"));
	url_answer_release(&a);
	CHECK_INT(url_answer_parse(&a, STR("{\"status\\u0043ode\":204,\"body\":null}")), 0);
	CHECK_INT(a.status, 204);
	url_answer_release(&a);
	CHECK_INT(url_answer_parse(&a, STR("{ }")), 0);
	CHECK(str_eqz(a.body, "{}"));
	url_answer_release(&a);
	CHECK_INT(url_answer_parse(&a, STR(" \"a\\n\" ")), 0);
	CHECK(str_eqz(a.body, "a\n"));
	url_answer_release(&a);
}

TEST(answers_that_are_malformed)
{
	static const char *const rows[] = {
		"{\"statusCode\":\"abc\"}", "{\"statusCode\":99}", "{\"statusCode\":101}", "{\"statusCode\":600}", "{\"statusCode\":200.5}",
		"{\"statusCode\":[200]}", "{\"statusCode\":true}", "{\"statusCode\":\"1e2\"}", "{\"statusCode\":200,\"headers\":[]}",
		"{\"statusCode\":200,\"headers\":{\"a b\":\"c\"}}", "{\"statusCode\":200,\"headers\":{\"a\\r\\nX\":\"c\"}}",
		"{\"statusCode\":200,\"headers\":{\"\":\"c\"}}", "{\"statusCode\":200,\"headers\":{\"a\":[\"b\"]}}",
		"{\"statusCode\":200,\"cookies\":\"a=1\"}", "{\"statusCode\":200,\"cookies\":[1]}",
		"{\"statusCode\":200,\"body\":\"?\",\"isBase64Encoded\":true}", "{\"statusCode\":200,\"body\":\"\\ud800\"}"};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct url_answer a = {0};
		CHECK_INT(url_answer_parse(&a, str_from(rows[i])), -1);
		url_answer_release(&a);
	}
}

TEST(answers_of_a_stream_that_was_buffered)
{
	struct url_answer a = {0};
	CHECK_INT(url_answer_parse(&a, STR("{\"statusCode\":404,\"headers\":{\"x\":\"y\"}}\0\0\0\0\0\0\0\0gone")), 0);
	CHECK_INT(a.status, 404);
	CHECK(str_eqz(a.body, "gone") && str_eqz(header(&a, "x"), "y"));
	url_answer_release(&a);
	CHECK_INT(url_answer_parse(&a, STR("plain words")), 0);
	CHECK(str_eqz(a.body, "plain words") && str_eqz(header(&a, "content-type"), "application/octet-stream"));
	url_answer_release(&a);
	CHECK_INT(url_answer_parse(&a, STR("")), 0);
	CHECK_INT(a.body.n, 0);
	url_answer_release(&a);
}

TEST(answers_have_a_bounded_number_of_headers)
{
	struct buf text;
	struct url_answer a = {0};
	buf_init(&text, EVENT_MAX);
	buf_puts(&text, "{\"statusCode\":200,\"cookies\":[\"a\"");
	for (unsigned i = 0; i < URL_HEADERS_MAX; i++)
		buf_puts(&text, ",\"a\"");
	buf_puts(&text, "]}");
	CHECK_INT(url_answer_parse(&a, buf_str(&text)), -1);
	buf_release(&text);
}

/* ---- the prelude ---- */

TEST(prelude_in_pieces_of_any_size)
{
	struct str whole = STR("{\"statusCode\":201,\"cookies\":[\"a=1\"]}\0\0\0\0\0\0\0\0\0body");
	for (size_t step = 1; step <= whole.n; step++) {
		struct url_prelude p;
		struct url_answer a = {0};
		struct str rest = STR_NULL;
		size_t at = 0;
		int rc = 0;
		url_prelude_init(&p);
		for (; rc == 0 && at < whole.n; at += step)
			rc = url_prelude_feed(&p, str_sub(whole, at, at + step), &rest);
		CHECK_INT(rc, 1);
		CHECK(rest.n == 0 || whole.n - (size_t)(rest.p - whole.p) >= rest.n);
		CHECK_INT(url_answer_prelude(&a, buf_str(&p.json)), 0);
		CHECK_INT(a.status, 201);
		CHECK(str_eqz(header(&a, "set-cookie"), "a=1") && str_eqz(header(&a, "content-type"), "application/octet-stream"));
		url_answer_release(&a);
		url_prelude_release(&p);
	}
}

TEST(preludes_that_are_none)
{
	static char much[URL_PRELUDE_MAX + 1];
	struct url_prelude p;
	struct str rest;
	struct url_answer a = {0};
	url_prelude_init(&p);
	CHECK_INT(url_prelude_feed(&p, STR("{}\0\0\0x"), &rest), -1);
	url_prelude_release(&p);
	memset(much, ' ', sizeof much);
	url_prelude_init(&p);
	CHECK_INT(url_prelude_feed(&p, (struct str){much, sizeof much}, &rest), -1);
	url_prelude_release(&p);
	CHECK_INT(url_answer_prelude(&a, STR("[]")), -1);
	CHECK_INT(url_answer_prelude(&a, STR("{\"statusCode\":\"x\"}")), -1);
	CHECK_INT(url_answer_prelude(&a, STR("")), -1);
	CHECK(url_prelude_announced(STR(URL_PRELUDE_TYPE "; a=b")) && !url_prelude_announced(STR("text/plain")));
}

/* ---- CORS ---- */

static struct str cors_header(const char *cors, const struct url_cors_request *r, bool preflight, const char *name, unsigned *count)
{
	static char kept[256];
	struct http_header out[URL_CORS_HEADERS_MAX];
	struct arena arena;
	struct str found = STR_NULL;
	CLEANUP_JSON json_t *json = json_loads(cors, 0, NULL);
	arena_init(&arena, EVENT_MAX);
	*count = url_cors_headers(json, r, preflight, &arena, out);
	for (unsigned i = 0; i < *count; i++) {
		if (strlen(name) == out[i].name.n && str_eqz(out[i].name, name) && out[i].value.n < sizeof kept) {
			memcpy(kept, out[i].value.p, out[i].value.n);
			found = (struct str){kept, out[i].value.n};
		}
	}
	arena_release(&arena);
	return found;
}

TEST(cors_origins)
{
	static const struct {
		const char *cors, *origin, *allowed;
	} rows[] = {
		{"{\"AllowOrigins\":[\"*\"]}", "https://a.b", "*"},
		{"{\"AllowOrigins\":[\"*\"],\"AllowCredentials\":true}", "https://a.b", "https://a.b"},
		{"{\"AllowOrigins\":[\"https://x.y\",\"https://a.b\"]}", "https://a.b", "https://a.b"},
		{"{\"AllowOrigins\":[\"https://*\"]}", "https://a.b", "https://a.b"},
		{"{\"AllowOrigins\":[\"https://*\"]}", "http://a.b", NULL},
		{"{\"AllowOrigins\":[\"https://a.b\"]}", "https://a.b.evil", NULL},
		{"{\"AllowOrigins\":[\"https://a.b\"]}", "", NULL},
		{"{\"AllowMethods\":[\"*\"]}", "https://a.b", NULL},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		unsigned n;
		struct url_cors_request r = {.origin = str_from(rows[i].origin)};
		struct str got = cors_header(rows[i].cors, &r, false, "Access-Control-Allow-Origin", &n);
		CHECK(rows[i].allowed ? str_eqz(got, rows[i].allowed) : n == 0);
	}
}

TEST(cors_of_a_preflight)
{
	static const char cors[] = "{\"AllowOrigins\":[\"https://a.b\"],\"AllowMethods\":[\"GET\",\"PUT\"],\"AllowHeaders\":[\"X-A\",\"Date\"],"
	                           "\"ExposeHeaders\":[\"X-E\"],\"MaxAge\":300,\"AllowCredentials\":true}";
	struct url_cors_request r = {.origin = STR("https://a.b"), .method = STR("PUT"), .headers = STR("x-a")};
	unsigned n;
	CHECK(url_cors_preflight(STR("OPTIONS"), &r) && !url_cors_preflight(STR("GET"), &r));
	CHECK(!url_cors_preflight(STR("OPTIONS"), &(struct url_cors_request){.origin = STR("x")}));
	CHECK(str_eqz(cors_header(cors, &r, true, "Access-Control-Allow-Methods", &n), "GET,PUT"));
	CHECK(str_eqz(cors_header(cors, &r, true, "Access-Control-Allow-Headers", &n), "X-A,Date"));
	CHECK(str_eqz(cors_header(cors, &r, true, "Access-Control-Max-Age", &n), "300"));
	CHECK(str_eqz(cors_header(cors, &r, true, "Access-Control-Allow-Credentials", &n), "true"));
	CHECK(str_eqz(cors_header(cors, &r, true, "Vary", &n), "Origin"));
	CHECK_INT(n, 6);
	CHECK(!cors_header(cors, &r, true, "Access-Control-Expose-Headers", &n).p);
	CHECK(str_eqz(cors_header(cors, &r, false, "Access-Control-Expose-Headers", &n), "X-E"));
	CHECK(!cors_header(cors, &r, false, "Access-Control-Allow-Methods", &n).p);
}

TEST(cors_stars_with_credentials_are_what_was_asked_for)
{
	static const char cors[] = "{\"AllowOrigins\":[\"*\"],\"AllowMethods\":[\"*\"],\"AllowHeaders\":[\"*\"],\"AllowCredentials\":true}";
	struct url_cors_request r = {.origin = STR("https://a.b"), .method = STR("PUT"), .headers = STR("x-a,x-b")};
	unsigned n;
	CHECK(str_eqz(cors_header(cors, &r, true, "Access-Control-Allow-Methods", &n), "PUT"));
	CHECK(str_eqz(cors_header(cors, &r, true, "Access-Control-Allow-Headers", &n), "x-a,x-b"));
}

TEST(cors_replaces_what_the_function_says)
{
	struct url_answer a = {0};
	CHECK_INT(url_answer_parse(&a, STR("{\"statusCode\":200,\"headers\":{\"Access-Control-Allow-Origin\":\"evil\",\"X\":\"y\"}}")), 0);
	url_answer_drop(&a, url_cors_owns);
	url_answer_add(&a, STR("Access-Control-Allow-Origin"), STR("*"));
	CHECK_INT(a.header_count, 3);
	CHECK(str_eqz(header(&a, "access-control-allow-origin"), "*") && str_eqz(header(&a, "x"), "y"));
	url_answer_release(&a);
}

TESTS(T(host_names_a_url), T(path_names_a_url), T(host_ports_and_names), T(event_has_the_form_of_version_2),
      T(event_leaves_out_what_is_not_there), T(event_of_a_signed_request), T(event_bodies_are_text_or_base64),
      T(event_of_control_characters_fits), T(event_of_quotes_is_text), T(event_heads_with_any_bytes_are_json), T(answers_that_are_values), T(answers_that_are_http),
      T(answers_with_odd_bodies), T(answers_of_many_values_are_passed_on), T(members_of_answers_are_found_as_written), T(answers_that_are_malformed), T(answers_of_a_stream_that_was_buffered),
      T(answers_have_a_bounded_number_of_headers), T(prelude_in_pieces_of_any_size), T(preludes_that_are_none), T(cors_origins),
      T(cors_of_a_preflight), T(cors_stars_with_credentials_are_what_was_asked_for), T(cors_replaces_what_the_function_says))
