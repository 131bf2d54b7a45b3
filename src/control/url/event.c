#include "control/url/event.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/codec.h"
#include "core/json/write.h"

#define NAME_MAX_BYTES 65536u
#define END_SPARE_BYTES 65536u /* for what url_event_end writes around the body, and for some control characters */

/* ---- headers ---- */

/* Not the function's business: of the connection, secrets of the signature, and what is said by us (below). */
static const char *const dropped[] = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
                                      "expect", "cookie", "content-length", "x-amzn-trace-id", "x-forwarded-for", "x-forwarded-port",
                                      "x-forwarded-proto"};
/* Of a signed request also these; else they are the application's (a bearer token). */
static const char *const dropped_signed[] = {"authorization", "x-amz-security-token"};

static bool is_one_of(struct str name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (str_case_eq(name, str_from(list[i])))
			return true;
	}
	return false;
}

static bool is_dropped(const struct url_request *r, struct str name)
{
	return is_one_of(name, dropped, ARRAY_LEN(dropped)) ||
	       (r->caller && is_one_of(name, dropped_signed, ARRAY_LEN(dropped_signed)));
}

static void put_lower(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		buf_putc(out, (char)tolower((unsigned char)s.p[i]));
}

static bool seen_before(const struct url_request *r, unsigned at)
{
	for (unsigned i = 0; i < at; i++) {
		if (str_case_eq(r->headers[i].name, r->headers[at].name))
			return true;
	}
	return false;
}

/* All values of a name from the row `from` on. */
static void join(struct buf *out, const struct url_request *r, unsigned from, struct str name)
{
	bool more = false;
	for (unsigned i = from; i < r->header_count; i++) {
		if (!str_case_eq(r->headers[i].name, name))
			continue;
		if (more)
			buf_putc(out, ',');
		buf_put(out, r->headers[i].value);
		more = true;
	}
}

static void write_number(struct json_writer *w, const char *key, size_t n)
{
	char text[24];
	snprintf(text, sizeof text, "%zu", n);
	json_write_key_z(w, key, text);
}

/* Who passed it on, and at last who gave it to us: the last one is what we know. */
static void write_forwarded(struct json_writer *w, const struct url_request *r, struct buf *scratch)
{
	buf_clear(scratch);
	join(scratch, r, 0, STR("x-forwarded-for"));
	if (scratch->len)
		buf_puts(scratch, ", ");
	buf_put(scratch, r->source_ip);
	json_write_key_str(w, "x-forwarded-for", buf_str(scratch));
	write_number(w, "x-forwarded-port", r->port);
	json_write_key_z(w, "x-forwarded-proto", r->https ? "https" : "http");
}

static void write_headers(struct json_writer *w, const struct url_request *r, struct buf *scratch)
{
	json_write_key(w, "headers");
	json_write_object(w);
	for (unsigned i = 0; i < r->header_count; i++) {
		if (is_dropped(r, r->headers[i].name) || seen_before(r, i))
			continue;
		buf_clear(scratch);
		put_lower(scratch, r->headers[i].name);
		json_write_key_bytes(w, buf_str(scratch));
		buf_clear(scratch);
		join(scratch, r, i, r->headers[i].name);
		json_write_str(w, buf_str(scratch));
	}
	if (r->body_bytes)
		write_number(w, "content-length", r->body_bytes);
	if (r->trace_header.n)
		json_write_key_str(w, "x-amzn-trace-id", r->trace_header);
	write_forwarded(w, r, scratch);
	json_write_close(w);
}

static void write_cookies(struct json_writer *w, const struct url_request *r)
{
	bool open = false;
	for (unsigned i = 0; i < r->header_count; i++) {
		struct str rest = r->headers[i].value, one;
		if (!str_case_eq(r->headers[i].name, STR("cookie")))
			continue;
		while (str_split(&rest, ';', &one)) {
			one = str_trim(one);
			if (one.n && !open) {
				json_write_key(w, "cookies");
				json_write_array(w);
				open = true;
			}
			if (one.n)
				json_write_str(w, one);
		}
	}
	if (open)
		json_write_close(w);
}

/* ---- the query ---- */

struct parameter {
	struct str key, value;
	size_t at;
};

static int by_key(const void *a, const void *b)
{
	const struct parameter *x = a, *y = b;
	int order = str_cmp(x->key, y->key);
	return order ? order : x->at < y->at ? -1 : 1;
}

/* Decoded into `room`, which is moved on; with a bad escape as it stands. */
static struct str decode(char **room, struct str s)
{
	size_t n;
	if (percent_decode(*room, &n, s, true) < 0) {
		memcpy(*room, s.p ? s.p : "", s.n);
		n = s.n;
	}
	struct str out = {*room, n};
	*room += s.n;
	return out;
}

static size_t read_query(struct parameter *list, char *room, struct str query)
{
	struct str piece, name;
	size_t n = 0;
	while (str_split(&query, '&', &piece)) {
		struct str value = piece;
		if (piece.n == 0)
			continue;
		str_split(&value, '=', &name);
		list[n] = (struct parameter){.key = decode(&room, name), .at = n};
		list[n].value = decode(&room, value);
		n++;
	}
	return n;
}

static int write_query(struct json_writer *w, struct str query, struct buf *scratch)
{
	size_t most = 1;
	for (size_t i = 0; i < query.n; i++)
		most += query.p[i] == '&';
	CLEANUP_FREE struct parameter *list = calloc(most, sizeof *list);
	CLEANUP_FREE char *room = malloc(query.n + 1);
	if (!list || !room)
		return -1;
	size_t n = read_query(list, room, query);
	if (n == 0)
		return 0;
	qsort(list, n, sizeof *list, by_key);
	json_write_key(w, "queryStringParameters");
	json_write_object(w);
	for (size_t i = 0; i < n;) {
		struct str key = list[i].key;
		buf_clear(scratch);
		buf_put(scratch, list[i].value);
		for (i++; i < n && str_eq(list[i].key, key); i++) {
			buf_putc(scratch, ',');
			buf_put(scratch, list[i].value);
		}
		json_write_key_bytes(w, key);
		json_write_str(w, buf_str(scratch));
	}
	json_write_close(w);
	return 0;
}

/* ---- the context ---- */

static void write_iam(struct json_writer *w, const struct url_caller *who)
{
	json_write_key(w, "authentication");
	json_write_null(w);
	json_write_key(w, "authorizer");
	json_write_object(w);
	json_write_key(w, "iam");
	json_write_object(w);
	json_write_key_str(w, "accessKey", who->access_key);
	json_write_key_str(w, "accountId", who->account);
	json_write_key_str(w, "callerId", who->user_id);
	json_write_key(w, "cognitoIdentity");
	json_write_null(w);
	json_write_key(w, "principalOrgId");
	json_write_null(w);
	json_write_key_str(w, "userArn", who->arn);
	json_write_key_str(w, "userId", who->user_id);
	json_write_close(w);
	json_write_close(w);
}

static struct str header(const struct url_request *r, const char *name)
{
	for (unsigned i = 0; i < r->header_count; i++) {
		if (str_case_eq(r->headers[i].name, str_from(name)))
			return r->headers[i].value;
	}
	return STR("");
}

static void write_context(struct json_writer *w, const struct url_request *r)
{
	char time[64];
	json_write_key(w, "requestContext");
	json_write_object(w);
	json_write_key_str(w, "accountId", r->caller ? r->caller->account : STR("anonymous"));
	json_write_key_str(w, "apiId", r->url_id);
	if (r->caller)
		write_iam(w, r->caller);
	json_write_key_str(w, "domainName", r->domain);
	json_write_key_str(w, "domainPrefix", str_sub(r->domain, 0, str_find(r->domain, '.')));
	json_write_key(w, "http");
	json_write_object(w);
	json_write_key_str(w, "method", r->method);
	json_write_key_str(w, "path", r->path);
	json_write_key_z(w, "protocol", r->minor ? "HTTP/1.1" : "HTTP/1.0");
	json_write_key_str(w, "sourceIp", r->source_ip);
	json_write_key_str(w, "userAgent", header(r, "user-agent"));
	json_write_close(w);
	json_write_key_str(w, "requestId", r->request_id);
	json_write_key_z(w, "routeKey", "$default");
	json_write_key_z(w, "stage", "$default");
	json_write_key_z(w, "time", clock_format(time, sizeof time, "%d/%b/%Y:%H:%M:%S +0000", r->now_ms));
	json_write_key_int(w, "timeEpoch", r->now_ms);
	json_write_close(w);
}

int url_event_begin(struct buf *out, const struct url_request *r)
{
	struct json_writer w;
	struct buf scratch;
	buf_init(&scratch, 2 * NAME_MAX_BYTES);
	json_write_init(&w, out);
	json_write_object(&w);
	json_write_key_z(&w, "version", "2.0");
	json_write_key_z(&w, "routeKey", "$default");
	json_write_key_str(&w, "rawPath", r->path);
	json_write_key_str(&w, "rawQueryString", r->query.p ? r->query : STR(""));
	write_cookies(&w, r);
	write_headers(&w, r, &scratch);
	int rc = write_query(&w, r->query, &scratch);
	write_context(&w, r);
	json_write_close(&w);
	if (json_write_done(&w) < 0 || scratch.overflow)
		rc = -1;
	if (rc == 0)
		out->len--; /* the last brace comes behind the body */
	buf_release(&scratch);
	return rc;
}

/* ---- the body ---- */

static bool contains(struct str s, const char *word)
{
	size_t n = strlen(word);
	for (size_t i = 0; i + n <= s.n; i++) {
		if (str_case_eq(str_sub(s, i, i + n), (struct str){word, n}))
			return true;
	}
	return false;
}

bool url_event_text(const struct http_header *headers, unsigned header_count)
{
	struct url_request r = {.headers = headers, .header_count = header_count};
	struct str type = header(&r, "content-type"), coding = header(&r, "content-encoding");
	type = str_sub(type, 0, str_find(type, ';'));
	if (coding.n && !str_case_eq(coding, STR("identity")))
		return false;
	return contains(type, "text") || contains(type, "json") || contains(type, "xml") || contains(type, "javascript");
}

/* Length of the character that starts at p, 0 when it is none. */
static size_t utf8_length(const unsigned char *p, size_t n)
{
	static const struct {
		unsigned char low, high, second_low, second_high, length;
	} rows[] = {{0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
	            {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
	            {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (*p < rows[i].low || *p > rows[i].high)
			continue;
		if (rows[i].length > n || (rows[i].length > 1 && (p[1] < rows[i].second_low || p[1] > rows[i].second_high)))
			return 0;
		for (size_t k = 2; k < rows[i].length; k++) {
			if ((p[k] & 0xc0) != 0x80)
				return 0;
		}
		return rows[i].length;
	}
	return 0;
}

static bool is_utf8(struct str s)
{
	for (size_t i = 0; i < s.n;) {
		size_t n = utf8_length((const unsigned char *)s.p + i, s.n - i);
		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

size_t url_event_end_max(size_t n)
{
	return 2 * n + END_SPARE_BYTES; /* quotes, line ends and backslashes take two bytes each; base64 takes less */
}

static int put_base64(struct buf *out, struct str body)
{
	char *room;
	buf_puts(out, ",\"body\":\"");
	room = buf_reserve(out, BASE64_SIZE(body.n));
	if (!room)
		return -1;
	out->len += base64_encode(room, body.p, body.n);
	return buf_puts(out, "\",\"isBase64Encoded\":true}");
}

int url_event_end(struct buf *out, struct str body, bool text)
{
	size_t start = out->len;
	if (body.n == 0)
		return buf_puts(out, ",\"isBase64Encoded\":false}");
	if (!text || !is_utf8(body))
		return put_base64(out, body);
	if (buf_puts(out, ",\"body\":") == 0 && json_escape(out, body) == 0 && buf_puts(out, ",\"isBase64Encoded\":false}") == 0)
		return 0;
	out->len = start; /* text full of control characters: six times as long escaped */
	out->overflow = false;
	return put_base64(out, body);
}
