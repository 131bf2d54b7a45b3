/* Lines and fields: which bytes may stand where. The meaning of header fields is in request.c. */
#include <string.h>

#include "core/http/request_priv.h"

/* Method, version and blanks beside a target of the longest allowed length. */
#define REQUEST_LINE_EXTRA 64u

/* RFC 9110 tchar. */
static const unsigned char token_bytes[256] = {
	['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1, ['\''] = 1, ['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1,
	['^'] = 1, ['_'] = 1, ['`'] = 1, ['|'] = 1, ['~'] = 1, ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
};

#define ONES 0x0101010101010101ull
#define HIGHS 0x8080808080808080ull

/* Nonzero when a byte of the word is below 0x20 or is 0x7f; exact as a yes or no, not for the position. */
static inline uint64_t word_has_control(uint64_t x)
{
	uint64_t del = x ^ (ONES * 0x7f);
	return (((x - ONES * 0x20) & ~x) | ((del - ONES) & ~del)) & HIGHS;
}

static inline bool is_control(unsigned char c)
{
	return (c < 0x20 && c != '\t') || c == 0x7f;
}

size_t http_find_control(const char *p, size_t n)
{
	size_t at = 0;
	while (at < n) {
		uint64_t word;
		if (n - at >= sizeof word) {
			memcpy(&word, p + at, sizeof word);
			if (!word_has_control(word)) {
				at += sizeof word;
				continue;
			}
		}
		size_t end = n - at > sizeof word ? at + sizeof word : n;
		for (; at < end; at++)
			if (is_control((unsigned char)p[at]))
				return at;
	}
	return n;
}

bool http_is_token(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!token_bytes[(unsigned char)s.p[i]])
			return false;
	return s.n > 0;
}

bool http_parse_field(struct str line, struct http_header *h)
{
	const char *colon = line.n ? memchr(line.p, ':', line.n) : NULL;
	if (!colon)
		return false;
	struct str name = {line.p, (size_t)(colon - line.p)};
	if (!http_is_token(name))
		return false;
	h->name = name;
	h->value = str_trim((struct str){colon + 1, line.n - name.n - 1});
	return true;
}

void http_parser_init(struct http_parser *p)
{
	*p = (struct http_parser){0};
}

/* The views follow when the caller moved the buffer; those into static text stay. */
static void move_view(struct str *s, const char *from, size_t n, const char *to)
{
	if (s->p && (uintptr_t)s->p >= (uintptr_t)from && (uintptr_t)s->p <= (uintptr_t)from + n)
		s->p = to + ((uintptr_t)s->p - (uintptr_t)from);
}

static void rebase(struct http_parser *p, struct http_request *req, const char *to)
{
	const char *from = p->base;
	struct str *views[] = {&req->method_text, &req->target, &req->path, &req->query, &req->host};
	for (size_t i = 0; i < ARRAY_LEN(views); i++)
		move_view(views[i], from, p->line, to);
	for (unsigned i = 0; i < req->header_count; i++) {
		move_view(&req->headers[i].name, from, p->line, to);
		move_view(&req->headers[i].value, from, p->line, to);
	}
}

enum line_end { LINE_MORE, LINE_DONE, LINE_BAD };

/* Looks for the CRLF of the line that starts at p->line, within data[0..n). */
static enum line_end find_line_end(struct http_parser *p, const char *data, size_t n)
{
	p->scan += http_find_control(data + p->scan, n - p->scan);
	if (p->scan == n)
		return LINE_MORE;
	if (data[p->scan] != '\r') {
		p->why = data[p->scan] == '\n' ? "line feed without carriage return" : "control character in the head";
		return LINE_BAD;
	}
	if (p->scan + 1 == n)
		return LINE_MORE;
	if (data[p->scan + 1] != '\n') {
		p->why = "carriage return without line feed";
		return LINE_BAD;
	}
	return LINE_DONE;
}

/* One complete line. 0, -status, or 1 after the empty line that ends the head. */
static int take_line(struct http_parser *p, const struct http_limits *limits, struct str line, struct http_request *req)
{
	if (!p->started && line.n == 0 && p->line == 0)
		return 0; /* RFC 9112 2.2: one empty line before the request is forgiven */
	if (!p->started) {
		p->started = true;
		return http_request_line(p, limits, line, req);
	}
	if (line.n == 0)
		return http_request_check(p, req) < 0 ? -400 : 1;
	if (req->header_count == limits->headers_max) {
		p->why = "too many headers";
		return -431;
	}
	struct http_header *h = &req->headers[req->header_count];
	if (!http_parse_field(line, h)) {
		p->why = "malformed header line";
		return -400;
	}
	req->header_count++;
	return http_request_field(p, h, req);
}

long http_parse_head(struct http_parser *p, const struct http_limits *limits, const char *data, size_t n,
                     struct http_request *req, struct http_header *headers)
{
	if (!p->base)
		*req = (struct http_request){.arena = req->arena, .headers = headers};
	else if (p->base != data)
		rebase(p, req, data);
	p->base = data;
	/* Only bytes within the limits are examined, so that the verdict never depends on how the bytes were split. */
	for (;;) {
		size_t cap = limits->head_max_bytes;
		if (!p->started && p->line + limits->target_max_bytes + REQUEST_LINE_EXTRA < cap)
			cap = p->line + limits->target_max_bytes + REQUEST_LINE_EXTRA;
		if (p->started && p->line < n && (data[p->line] == ' ' || data[p->line] == '\t')) {
			p->why = "folded header line";
			return -400;
		}
		enum line_end end = find_line_end(p, data, n < cap ? n : cap);
		if (end == LINE_BAD)
			return -400;
		if (end == LINE_MORE && n < cap)
			return 0;
		if (end == LINE_MORE) {
			p->why = p->started ? "head too large" : "request line too long";
			return p->started ? -431 : -414;
		}
		int r = take_line(p, limits, (struct str){data + p->line, p->scan - p->line}, req);
		if (r < 0)
			return r;
		p->scan += 2;
		p->line = p->scan;
		if (r > 0)
			return (long)p->line;
	}
}
