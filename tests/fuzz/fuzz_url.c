/* Function URLs: any request head gives an event that is valid JSON; any answer, or prelude in pieces of any size, gives an HTTP answer whose
 * head cannot be broken, or none.
 *
 * The input is a request: a line "path?query", lines "name: value" up to an empty one, and a body, which is also taken as an
 * answer and as a stream. */
#include <string.h>

#include "control/url/answer.h"
#include "control/url/cors.h"
#include "control/url/event.h"
#include "control/url/host.h"
#include "control/url/prelude.h"
#include "core/json/check.h"
#include "core/json/value.h"
#include "tests/fuzz/fuzz.h"

#define HEADERS 40u

static void check_event(const struct url_request *r, struct str body)
{
	struct buf out;
	struct json_check check;
	buf_init(&out, 4u << 20);
	ASSERT(url_event_begin(&out, r) == 0);
	out.max = out.len + url_event_end_max(body.n) + 1;
	ASSERT(url_event_end(&out, body, url_event_text(r->headers, r->header_count)) == 0);
	ASSERT(json_check_all(&check, out.data, out.len) == 0);
	buf_release(&out);
}

static void check_answer(const struct url_answer *a)
{
	ASSERT(a->status >= URL_STATUS_MIN && a->status <= URL_STATUS_MAX && a->header_count <= URL_HEADERS_MAX);
	for (unsigned i = 0; i < a->header_count; i++) {
		struct str name = a->headers[i].name;
		ASSERT(name.n && http_find_control(name.p, name.n) == name.n && !memchr(name.p, ':', name.n) && !memchr(name.p, ' ', name.n));
		ASSERT(!str_case_eq(name, STR("content-length")) && !str_case_eq(name, STR("transfer-encoding")));
	}
}

static void check_answers(struct str text)
{
	struct url_answer a = {0};
	if (url_answer_parse(&a, text) == 0)
		check_answer(&a);
	url_answer_release(&a);
}

/* In two pieces, and byte by byte: the same. */
static void check_prelude(struct str text)
{
	struct url_prelude whole, pieces;
	struct str rest = STR_NULL, other = STR_NULL;
	int a = 0, b = 0;
	size_t at = 0;
	url_prelude_init(&whole);
	url_prelude_init(&pieces);
	a = url_prelude_feed(&whole, text, &rest);
	while (b == 0 && at < text.n) {
		b = url_prelude_feed(&pieces, str_sub(text, at, at + 1), &other);
		at++;
	}
	ASSERT(a == b);
	ASSERT(a != 1 || (rest.n == text.n - at && str_eq(buf_str(&whole.json), buf_str(&pieces.json))));
	struct url_answer answer = {0};
	if (a == 1 && url_answer_prelude(&answer, buf_str(&whole.json)) == 0)
		check_answer(&answer);
	url_answer_release(&answer);
	url_prelude_release(&whole);
	url_prelude_release(&pieces);
}

static void check_cors(struct str text, const struct url_cors_request *r)
{
	struct http_header out[URL_CORS_HEADERS_MAX];
	struct arena arena;
	CLEANUP_JSON json_t *cors = json_value_load_object(text, &(struct json_limits){0}, NULL);
	arena_init(&arena, 1u << 20);
	ASSERT(url_cors_headers(cors, r, false, &arena, out) <= URL_CORS_HEADERS_MAX);
	ASSERT(url_cors_headers(cors, r, true, &arena, out) <= URL_CORS_HEADERS_MAX);
	arena_release(&arena);
}

static void check_hosts(struct str text)
{
	struct str id, rest;
	if (url_host_parse(text, "us-east-1", &id))
		ASSERT(id.n == URL_ID_LENGTH);
	if (url_path_parse(text, &id, &rest))
		ASSERT(rest.n && rest.p[0] == '/');
	(void)url_host_valid(text);
	(void)url_host_port(text, false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct http_header headers[HEADERS];
	struct str rest = {(const char *)data, n < 60000 ? n : 60000}, line = STR(""), path = STR("");
	unsigned count = 0;
	str_split(&rest, '\n', &line);
	check_hosts(line);
	str_split(&line, '?', &path);
	struct str query = line, value;
	while (count < HEADERS && str_split(&rest, '\n', &line) && line.n) {
		value = line;
		str_split(&value, ':', &headers[count].name);
		headers[count++].value = str_trim(value);
	}
	struct url_caller who = {STR("key"), STR("account"), line, path};
	struct url_request r = {.method = STR("GET"), .path = path, .query = query, .headers = headers, .header_count = count, .minor = 1,
	                        .url_id = STR("id"), .domain = path, .source_ip = STR("127.0.0.1"), .request_id = STR("r"),
	                        .trace_header = query, .body_bytes = rest.n, .caller = n % 2 ? &who : NULL};
	check_event(&r, rest);
	check_answers(rest);
	check_prelude(rest);
	check_cors(rest, &(struct url_cors_request){query, path, query});
	return 0;
}
