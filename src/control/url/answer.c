#include "control/url/answer.h"

#include <stdlib.h>
#include <string.h>

#include "control/url/prelude.h"
#include "core/base/check.h"
#include "core/base/codec.h"
#include "core/json/check.h"
#include "core/json/value.h"

#define ARENA_MAX_BYTES (16u << 20) /* decoded and rewritten bodies */
#define JSON_TYPE "application/json"
#define BYTES_TYPE "application/octet-stream"

void url_answer_release(struct url_answer *a)
{
	json_decref(a->json);
	a->json = NULL;
	arena_release(&a->arena);
}

static void begin(struct url_answer *a)
{
	a->status = 200;
	a->header_count = 0;
	a->body = STR("");
	a->json = NULL;
	arena_init(&a->arena, ARENA_MAX_BYTES);
}

static int malformed(struct url_answer *a)
{
	url_answer_release(a);
	return -1;
}

/* ---- headers ---- */

static bool is_token(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c <= ' ' || c >= 0x7f || strchr("()<>@,;:\\\"/[]?={}", c))
			return false;
	}
	return s.n > 0;
}

static bool is_servers_own(struct str name)
{
	static const char *const own[] = {"connection", "content-length", "date", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding",
	                                  "upgrade", "x-amzn-requestid", "x-amzn-trace-id"};
	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		if (str_case_eq(name, str_from(own[i])))
			return true;
	}
	return false;
}

static struct http_header *find(struct url_answer *a, struct str name)
{
	for (unsigned i = 0; i < a->header_count; i++) {
		if (str_case_eq(a->headers[i].name, name))
			return &a->headers[i];
	}
	return NULL;
}

static int add(struct url_answer *a, struct str name, struct str value)
{
	struct http_header *old = str_case_eq(name, STR("content-type")) ? find(a, name) : NULL;
	if (old) {
		old->value = value;
		return 0;
	}
	if (a->header_count >= URL_HEADERS_MAX)
		return -1;
	a->headers[a->header_count++] = (struct http_header){name, value};
	return 0;
}

void url_answer_add(struct url_answer *a, struct str name, struct str value)
{
	ASSERT(a->header_count < ARRAY_LEN(a->headers));
	a->headers[a->header_count++] = (struct http_header){name, value};
}

void url_answer_drop(struct url_answer *a, bool (*mine)(struct str name))
{
	unsigned kept = 0;
	for (unsigned i = 0; i < a->header_count; i++) {
		if (!mine(a->headers[i].name))
			a->headers[kept++] = a->headers[i];
	}
	a->header_count = kept;
}

/* A value as JSON text in the arena; p NULL: no memory. */
static struct str dumped(struct url_answer *a, const json_t *v)
{
	size_t n = json_dumpb(v, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
	char *text = arena_alloc(&a->arena, n + 1);
	if (!text)
		return STR_NULL;
	json_dumpb(v, text, n, JSON_COMPACT | JSON_ENCODE_ANY);
	return (struct str){text, n};
}

static int read_headers(struct url_answer *a, json_t *headers)
{
	const char *key;
	size_t key_n;
	json_t *v;
	if (!headers || json_is_null(headers))
		return 0;
	if (!json_is_object(headers))
		return -1;
	json_object_keylen_foreach(headers, key, key_n, v) {
		struct str name = {key, key_n};
		if (!is_token(name) || json_is_object(v) || json_is_array(v))
			return -1;
		if (json_is_null(v) || is_servers_own(name))
			continue;
		struct str value = json_is_string(v) ? json_value_text(v) : dumped(a, v);
		if (!value.p || add(a, name, value) < 0)
			return -1;
	}
	return 0;
}

static int read_cookies(struct url_answer *a, json_t *cookies)
{
	size_t i;
	json_t *v;
	if (!cookies || json_is_null(cookies))
		return 0;
	if (!json_is_array(cookies))
		return -1;
	json_array_foreach(cookies, i, v) {
		if (!json_is_string(v) || add(a, STR("Set-Cookie"), json_value_text(v)) < 0)
			return -1;
	}
	return 0;
}

/* ---- status and body ---- */

static int read_status(struct url_answer *a, const json_t *v)
{
	uint64_t n = 0;
	double d = json_number_value(v);
	if (json_is_string(v) && str_to_u64(json_value_text(v), URL_STATUS_MAX, &n) < 0)
		return -1;
	if (json_is_number(v) && d >= URL_STATUS_MIN && d <= URL_STATUS_MAX && d == (double)(int)d)
		n = (uint64_t)d;
	if (n < URL_STATUS_MIN)
		return -1;
	a->status = (int)n;
	return 0;
}

static int read_body(struct url_answer *a, const json_t *v, bool base64)
{
	size_t n;
	if (!v || json_is_null(v))
		return 0;
	a->body = json_is_string(v) ? json_value_text(v) : dumped(a, v);
	if (!a->body.p)
		return -1;
	if (!base64 || a->body.n == 0)
		return 0;
	char *bytes = arena_alloc(&a->arena, a->body.n);
	if (!bytes || base64_decode(bytes, &n, a->body) < 0)
		return -1;
	a->body = (struct str){bytes, n};
	return 0;
}

static int read_head(struct url_answer *a, const char *default_type)
{
	if (read_headers(a, json_object_get(a->json, "headers")) < 0 || read_cookies(a, json_object_get(a->json, "cookies")) < 0)
		return -1;
	return find(a, STR("content-type")) ? 0 : add(a, STR("Content-Type"), str_from(default_type));
}

void url_answer_bytes(struct url_answer *a, struct str content_type, struct str bytes)
{
	begin(a);
	a->body = bytes;
	(void)add(a, STR("Content-Type"), content_type.n ? content_type : STR(BYTES_TYPE));
}

int url_answer_prelude(struct url_answer *a, struct str json)
{
	begin(a);
	a->json = json_value_load_object(json, &(struct json_limits){0}, NULL);
	const json_t *status = json_object_get(a->json, "statusCode");
	if (!a->json || (status && read_status(a, status) < 0) || read_head(a, BYTES_TYPE) < 0)
		return malformed(a);
	return 0;
}

static int parse_stream(struct url_answer *a, struct str text)
{
	struct url_prelude p;
	struct str body;
	url_prelude_init(&p);
	int found = url_prelude_feed(&p, text, &body);
	int rc = found == 1 ? url_answer_prelude(a, buf_str(&p.json)) : -1;
	url_prelude_release(&p);
	if (rc == 0)
		a->body = body;
	else
		url_answer_bytes(a, STR_NULL, text);
	return 0;
}

/* Without the blanks between its parts, as AWS passes it on; numbers and escapes stay as they are. p NULL: no memory. */
static struct str compact(struct url_answer *a, struct str text)
{
	char *out = arena_alloc(&a->arena, text.n);
	size_t n = 0;
	bool quoted = false;
	for (size_t i = 0; out && i < text.n; i++) {
		char c = text.p[i];
		if (!quoted && (c == ' ' || c == '\t' || c == '\n' || c == '\r'))
			continue;
		if (c == '"')
			quoted = !quoted;
		out[n++] = c;
		if (c == '\\')
			out[n++] = text.p[++i]; /* valid JSON: something follows */
	}
	return (struct str){out, n};
}

int url_answer_parse(struct url_answer *a, struct str text)
{
	struct json_check check;
	begin(a);
	if (text.n == 0 || json_check_all(&check, text.p, text.n) < 0)
		return parse_stream(a, text);
	a->json = json_value_load(text, &(struct json_limits){0}, NULL);
	if (!a->json)
		return malformed(a);
	const json_t *status = json_object_get(a->json, "statusCode");
	if (!status || json_is_null(status)) {
		a->body = json_is_string(a->json) ? json_value_text(a->json) : compact(a, text);
		return a->body.p ? add(a, STR("Content-Type"), STR(JSON_TYPE)) : malformed(a);
	}
	if (read_status(a, status) < 0 || read_head(a, JSON_TYPE) < 0 ||
	    read_body(a, json_object_get(a->json, "body"), json_is_true(json_object_get(a->json, "isBase64Encoded"))) < 0)
		return malformed(a);
	return 0;
}
