/* An HTTP/1.1 request and the strict parser of its head (RFC 9112). Pure: bytes in, views out; no sockets, no allocation.
 *
 * All views point into the bytes that were parsed. What the RFC lets a server be lenient about is refused: bare CR or LF,
 * folded lines, a blank before the colon, control characters, two Content-Length lines, Content-Length with
 * Transfer-Encoding, any coding but a single `chunked`, none or several Host lines. The answer to a refused request is a
 * status (400, 414, 417, 431, 505) after which the connection must close: its framing cannot be trusted. */
#ifndef MAYFLY_HTTP_REQUEST_H
#define MAYFLY_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/str.h"

#define HTTP_HEADERS_CAP 128 /* upper limit of any configuration's `headers_max` */

enum http_method {
	HTTP_OTHER, /* a valid token that is none of these: see method_text */
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_DELETE,
	HTTP_PATCH,
	HTTP_OPTIONS
};

struct http_header {
	struct str name, value; /* name as sent (compare without case), value trimmed */
};

/* How the body is framed. */
enum http_framing { HTTP_NO_BODY, HTTP_LENGTH, HTTP_CHUNKED };

struct http_request {
	enum http_method method;
	struct str method_text;
	struct str target;      /* as sent */
	struct str path, query; /* raw, not decoded; path starts with '/' (or is "*"); query without '?' */
	struct str host;        /* of the Host header, or of an absolute target, which wins; empty with HTTP/1.0 */
	unsigned minor;         /* HTTP/1.minor: 0 or 1 */
	bool has_query;         /* tells "/a?" from "/a" */
	bool keep_alive, expect_continue;
	enum http_framing framing;
	uint64_t content_length; /* with HTTP_LENGTH */
	struct http_header *headers;
	unsigned header_count;
	/* After a chunked body ended: its trailers; otherwise 0 and NULL. */
	struct http_header *trailers;
	unsigned trailer_count;
	struct str body;     /* complete body when it was asked for as a whole (http_read_body), else empty */
	struct arena *arena; /* freed with the request */
};

/* Value of the first header (trailer) with that name in any letter case; p is NULL when there is none. */
struct str http_header(const struct http_request *req, struct str name);
struct str http_trailer(const struct http_request *req, struct str name);

struct http_limits {
	size_t head_max_bytes;   /* request line and headers with their line ends; past it 431 */
	size_t target_max_bytes; /* past it 414 */
	unsigned headers_max;    /* past it 431 */
};

/* Resumable: the same growing buffer is given again with more bytes; no byte is looked at twice. */
struct http_parser {
	size_t line, scan; /* start of the unfinished line; how far it was examined */
	bool started;      /* the request line is done */
	bool seen_host, seen_close;
	const char *base;  /* where the views point; moved when the buffer did */
	const char *why;   /* after a refusal: what was wrong (static text) */
};

void http_parser_init(struct http_parser *p);
/* `headers` has room for limits->headers_max rows and becomes req->headers; arena, trailers and body are not touched.
 * Returns 0 when more bytes are needed, -status when refused, otherwise the length of the head. */
long http_parse_head(struct http_parser *p, const struct http_limits *limits, const char *data, size_t n,
                     struct http_request *req, struct http_header *headers);
/* One "name: value" line without its line end: false when malformed. */
bool http_parse_field(struct str line, struct http_header *h);
/* First byte that may not stand in a field (control characters but tab), or n. */
size_t http_find_control(const char *p, size_t n);
/* Reason phrase of a status, "Unknown" for one without. */
const char *http_reason(int status);

#endif
