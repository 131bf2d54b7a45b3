/* What the request line and the framing fields mean, and which combinations are refused. */
#include "core/http/request.h"

#include <string.h>

#include "core/http/request_priv.h"

static int refuse(struct http_parser *p, int status, const char *why)
{
	p->why = why;
	return -status;
}

static const struct {
	struct str text;
	enum http_method method;
} methods[] = {
	{{"GET", 3}, HTTP_GET},
	{{"POST", 4}, HTTP_POST},
	{{"PUT", 3}, HTTP_PUT},
	{{"DELETE", 6}, HTTP_DELETE},
	{{"HEAD", 4}, HTTP_HEAD},
	{{"PATCH", 5}, HTTP_PATCH},
	{{"OPTIONS", 7}, HTTP_OPTIONS},
};

static enum http_method method_of(struct str text)
{
	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (str_eq(methods[i].text, text))
			return methods[i].method;
	return HTTP_OTHER;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int take_version(struct http_parser *p, struct str v, struct http_request *req)
{
	if (v.n != 8 || memcmp(v.p, "HTTP/", 5) != 0 || !is_digit(v.p[5]) || v.p[6] != '.' || !is_digit(v.p[7]))
		return refuse(p, 400, "malformed request line");
	if (v.p[5] != '1')
		return refuse(p, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
	req->minor = v.p[7] == '0' ? 0 : 1; /* a later 1.x is answered as 1.1 */
	req->keep_alive = req->minor == 1;
	return 0;
}

static bool target_bytes_fine(struct str t)
{
	for (size_t i = 0; i < t.n; i++) {
		unsigned char c = (unsigned char)t.p[i];
		if (c <= 0x20 || c >= 0x7f || c == '#')
			return false;
	}
	return t.n > 0;
}

/* host[:port]: no user information, no path, nothing that a log or a proxy could read in two ways. */
static bool host_fine(struct str h)
{
	for (size_t i = 0; i < h.n; i++) {
		unsigned char c = (unsigned char)h.p[i];
		if (c <= 0x20 || c >= 0x7f || memchr("/?#@,\\\"<>{}|^`", c, 14))
			return false;
	}
	return h.n > 0 && h.p[0] != ':';
}

static void split_query(struct str s, struct http_request *req)
{
	size_t q = str_find(s, '?');
	req->path = str_sub(s, 0, q);
	req->has_query = q < s.n;
	req->query = req->has_query ? str_sub(s, q + 1, s.n) : (struct str){s.p + s.n, 0};
	if (req->path.n == 0)
		req->path = STR("/");
}

static int take_absolute(struct http_parser *p, struct str t, struct http_request *req)
{
	size_t scheme = t.n > 8 && str_case_eq(str_sub(t, 0, 8), STR("https://")) ? 8 :
	                t.n > 7 && str_case_eq(str_sub(t, 0, 7), STR("http://")) ? 7 : 0;
	if (!scheme)
		return refuse(p, 400, "malformed request target");
	size_t end = scheme;
	while (end < t.n && t.p[end] != '/' && t.p[end] != '?')
		end++;
	req->host = str_sub(t, scheme, end);
	if (!host_fine(req->host))
		return refuse(p, 400, "malformed request target");
	split_query(str_sub(t, end, t.n), req);
	return 0;
}

static int take_target(struct http_parser *p, struct str t, struct http_request *req)
{
	req->target = t;
	if (!target_bytes_fine(t))
		return refuse(p, 400, "malformed request target");
	if (t.p[0] == '/') {
		split_query(t, req);
		return 0;
	}
	if (str_eqz(t, "*") && req->method == HTTP_OPTIONS) {
		req->path = t;
		return 0;
	}
	return take_absolute(p, t, req);
}

int http_request_line(struct http_parser *p, const struct http_limits *limits, struct str line, struct http_request *req)
{
	size_t method_end = str_find(line, ' ');
	size_t version_at = line.n;
	while (version_at > 0 && line.p[version_at - 1] != ' ')
		version_at--;
	if (method_end == line.n || version_at <= method_end + 1)
		return refuse(p, 400, "malformed request line");
	req->method_text = str_sub(line, 0, method_end);
	struct str target = str_sub(line, method_end + 1, version_at - 1);
	if (!http_is_token(req->method_text))
		return refuse(p, 400, "malformed method");
	if (target.n > limits->target_max_bytes)
		return refuse(p, 414, "request target too long");
	req->method = method_of(req->method_text);
	int r = take_version(p, str_sub(line, version_at, line.n), req);
	return r < 0 ? r : take_target(p, target, req);
}

/* ---- fields with a meaning for the connection ---- */

static int on_host(struct http_parser *p, struct str value, struct http_request *req)
{
	if (p->seen_host)
		return refuse(p, 400, "several Host headers");
	p->seen_host = true;
	if (!host_fine(value))
		return refuse(p, 400, "malformed Host header");
	if (!req->host.n) /* an absolute target wins */
		req->host = value;
	return 0;
}

static int on_content_length(struct http_parser *p, struct str value, struct http_request *req)
{
	if (req->framing == HTTP_LENGTH)
		return refuse(p, 400, "several Content-Length headers");
	if (req->framing == HTTP_CHUNKED)
		return refuse(p, 400, "Content-Length with Transfer-Encoding");
	if (str_to_u64(value, INT64_MAX, &req->content_length) < 0)
		return refuse(p, 400, "malformed Content-Length");
	req->framing = HTTP_LENGTH;
	return 0;
}

static int on_transfer_encoding(struct http_parser *p, struct str value, struct http_request *req)
{
	if (req->framing == HTTP_LENGTH)
		return refuse(p, 400, "Content-Length with Transfer-Encoding");
	if (req->framing == HTTP_CHUNKED)
		return refuse(p, 400, "several Transfer-Encoding headers");
	if (req->minor == 0)
		return refuse(p, 400, "Transfer-Encoding with HTTP/1.0");
	if (!str_case_eq(value, STR("chunked")))
		return refuse(p, 400, "unknown Transfer-Encoding");
	req->framing = HTTP_CHUNKED;
	return 0;
}

static int on_connection(struct http_parser *p, struct str value, struct http_request *req)
{
	struct str option;
	while (str_split(&value, ',', &option)) {
		option = str_trim(option);
		if (str_case_eq(option, STR("close")))
			p->seen_close = true;
		else if (str_case_eq(option, STR("keep-alive")))
			req->keep_alive = true;
	}
	return 0;
}

static int on_expect(struct http_parser *p, struct str value, struct http_request *req)
{
	if (!str_case_eq(value, STR("100-continue")))
		return refuse(p, 417, "unknown expectation");
	req->expect_continue = req->minor == 1;
	return 0;
}

static const struct {
	struct str name;
	int (*take)(struct http_parser *p, struct str value, struct http_request *req);
} fields[] = {
	{{"host", 4}, on_host},
	{{"content-length", 14}, on_content_length},
	{{"transfer-encoding", 17}, on_transfer_encoding},
	{{"connection", 10}, on_connection},
	{{"expect", 6}, on_expect},
};

int http_request_field(struct http_parser *p, const struct http_header *h, struct http_request *req)
{
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (fields[i].name.n == h->name.n && str_case_eq(fields[i].name, h->name))
			return fields[i].take(p, h->value, req);
	return 0;
}

int http_request_check(struct http_parser *p, struct http_request *req)
{
	if (req->minor == 1 && !p->seen_host)
		return refuse(p, 400, "no Host header");
	if (p->seen_close)
		req->keep_alive = false;
	if (req->framing == HTTP_NO_BODY || (req->framing == HTTP_LENGTH && req->content_length == 0))
		req->expect_continue = false;
	return 0;
}

/* ---- lookups ---- */

static struct str find(const struct http_header *h, unsigned n, struct str name)
{
	for (unsigned i = 0; i < n; i++)
		if (h[i].name.n == name.n && str_case_eq(h[i].name, name))
			return h[i].value;
	return STR_NULL;
}

struct str http_header(const struct http_request *req, struct str name)
{
	return find(req->headers, req->header_count, name);
}

struct str http_trailer(const struct http_request *req, struct str name)
{
	return find(req->trailers, req->trailer_count, name);
}

static const struct {
	int status;
	const char *reason;
} reasons[] = {
	{100, "Continue"}, {200, "OK"}, {201, "Created"}, {202, "Accepted"}, {204, "No Content"}, {206, "Partial Content"},
	{301, "Moved Permanently"}, {302, "Found"}, {303, "See Other"}, {304, "Not Modified"}, {307, "Temporary Redirect"},
	{308, "Permanent Redirect"}, {400, "Bad Request"}, {401, "Unauthorized"}, {403, "Forbidden"}, {404, "Not Found"},
	{405, "Method Not Allowed"}, {406, "Not Acceptable"}, {408, "Request Timeout"}, {409, "Conflict"}, {410, "Gone"},
	{411, "Length Required"}, {412, "Precondition Failed"}, {413, "Content Too Large"}, {414, "URI Too Long"},
	{415, "Unsupported Media Type"}, {416, "Range Not Satisfiable"}, {417, "Expectation Failed"},
	{422, "Unprocessable Content"}, {424, "Failed Dependency"}, {429, "Too Many Requests"},
	{431, "Request Header Fields Too Large"}, {500, "Internal Server Error"}, {501, "Not Implemented"},
	{502, "Bad Gateway"}, {503, "Service Unavailable"}, {504, "Gateway Timeout"}, {505, "HTTP Version Not Supported"},
};

const char *http_reason(int status)
{
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Unknown";
}
