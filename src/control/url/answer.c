#include "control/url/answer.h"

#include <stdlib.h>
#include <string.h>

#include "control/url/prelude.h"
#include "core/base/check.h"
#include "core/base/codec.h"
#include "core/json/check.h"
#include "core/json/value.h"

#define ARENA_MAX_BYTES (16u << 20) /* decoded and rewritten bodies */
#define MEMBER_VALUES_MAX 4096u     /* in headers or cookies: a tree takes fifty times its text */
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

/* ---- members ----
 * Of an answer's JSON only what is used becomes a tree: a text of 6 MB can hold millions of values. */

enum { STATUS, HEADERS, COOKIES, BODY, BASE64, MEMBERS };

static const char *const member_names[MEMBERS] = {"statusCode", "headers", "cookies", "body", "isBase64Encoded"};

struct members {
	struct str text[MEMBERS]; /* p NULL: absent */
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t skip_blanks(struct str s, size_t i)
{
	while (i < s.n && is_blank(s.p[i]))
		i++;
	return i;
}

static struct str trimmed(struct str s)
{
	size_t i = skip_blanks(s, 0);
	while (s.n > i && is_blank(s.p[s.n - 1]))
		s.n--;
	return (struct str){s.p + i, s.n - i};
}

/* Past the text that begins at i. Here and below: what is walked over was found to be JSON. */
static size_t skip_text(struct str s, size_t i)
{
	for (i++; s.p[i] != '"'; i++)
		i += s.p[i] == '\\';
	return i + 1;
}

/* To the comma or bracket behind the value that begins at i; *values is at least how many it has. */
static size_t skip_value(struct str s, size_t i, size_t *values)
{
	size_t depth = 0, n = 1;
	while (i < s.n) {
		char c = s.p[i];
		if (!depth && (c == ',' || c == '}' || c == ']'))
			break;
		n += c == ',' || c == '[' || c == '{';
		depth += c == '[' || c == '{';
		depth -= c == ']' || c == '}';
		i = c == '"' ? skip_text(s, i) : i + 1;
	}
	*values = n;
	return i;
}

/* Which of ours a key with its quotes is; MEMBERS: none. */
static unsigned member_of(struct str quoted)
{
	if (quoted.n > 128) /* every character of the longest as an escape is less */
		return MEMBERS;
	CLEANUP_JSON json_t *v = json_value_load(quoted, &(struct json_limits){0}, NULL);
	unsigned i = 0;
	while (i < MEMBERS && !(v && str_eqz(json_value_text(v), member_names[i])))
		i++;
	return i;
}

/* The last of each name counts. -1: it is no object. */
static int find_members(struct members *m, struct str s)
{
	size_t values, i = skip_blanks(s, 0);
	*m = (struct members){0};
	if (i >= s.n || s.p[i] != '{')
		return -1;
	for (i = skip_blanks(s, i + 1); s.p[i] == '"'; i = skip_blanks(s, i + 1)) {
		size_t key = i;
		i = skip_text(s, i);
		unsigned which = member_of((struct str){s.p + key, i - key});
		size_t value = skip_blanks(s, skip_blanks(s, i) + 1);
		i = skip_value(s, value, &values);
		if (which < MEMBERS)
			m->text[which] = trimmed((struct str){s.p + value, i - value});
		if (s.p[i] == '}')
			break;
	}
	return 0;
}

static bool has_value(struct str text)
{
	return text.p && !str_eqz(text, "null");
}

static int load(struct url_answer *a, const char *name, struct str text)
{
	size_t values;
	if (!a->json)
		a->json = json_object();
	if (!text.p)
		return 0;
	(void)skip_value(text, 0, &values);
	json_t *v = values > MEMBER_VALUES_MAX ? NULL : json_value_load(text, &(struct json_limits){0}, NULL);
	return v && a->json ? json_object_set_new(a->json, name, v) : -1;
}

static int load_head(struct url_answer *a, const struct members *m)
{
	for (unsigned i = STATUS; i <= COOKIES; i++) {
		if (load(a, member_names[i], m->text[i]) < 0)
			return -1;
	}
	return 0;
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
	struct members m;
	struct json_check check;
	begin(a);
	if (json_check_all(&check, json.p, json.n) < 0 || find_members(&m, json) < 0 || load_head(a, &m) < 0)
		return malformed(a);
	const json_t *status = json_object_get(a->json, "statusCode");
	if ((status && read_status(a, status) < 0) || read_head(a, BYTES_TYPE) < 0)
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

/* What a JSON value is as a body. p NULL: no memory, or a text that cannot be held. */
static struct str text_or_compact(struct url_answer *a, const char *name, struct str text)
{
	if (text.p[0] != '"')
		return compact(a, text);
	return load(a, name, text) == 0 ? json_value_text(json_object_get(a->json, name)) : STR_NULL;
}

static int read_body(struct url_answer *a, struct str text, bool base64)
{
	size_t n;
	if (!text.p || str_eqz(text, "null"))
		return 0;
	a->body = text_or_compact(a, "body", text);
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

int url_answer_parse(struct url_answer *a, struct str text)
{
	struct json_check check;
	struct members m;
	begin(a);
	if (text.n == 0 || json_check_all(&check, text.p, text.n) < 0)
		return parse_stream(a, text);
	if (find_members(&m, text) < 0 || !has_value(m.text[STATUS])) {
		a->body = text_or_compact(a, "body", trimmed(text));
		return a->body.p ? add(a, STR("Content-Type"), STR(JSON_TYPE)) : malformed(a);
	}
	if (load_head(a, &m) < 0 || read_status(a, json_object_get(a->json, "statusCode")) < 0 || read_head(a, JSON_TYPE) < 0 ||
	    read_body(a, m.text[BODY], m.text[BASE64].p && str_eqz(m.text[BASE64], "true")) < 0)
		return malformed(a);
	return 0;
}
