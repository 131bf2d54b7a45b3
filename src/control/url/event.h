/* A request to a function URL as the event that its function gets: payload format 2.0. Pure.
 *
 * The event is written in two parts, so that a long body can be written by another thread when the request's head is gone:
 *
 *   url_event_begin(&out, &request)                       all but body, from the head
 *   url_event_end(&out, body, url_event_text(...))        ,"body":...,"isBase64Encoded":...}
 *
 * What AWS does and this does too: rawPath and rawQueryString are as sent (rawPath percent-encoded, unlike API Gateway's); header names are
 * lower case and values of one name are joined by commas; cookies are a list, and no header; queryStringParameters are decoded,
 * joined by commas, and absent when there are none; a body is text when its type is (text, JSON, XML, JavaScript) and it is UTF-8 without
 * a Content-Encoding, else base64: forms too. Bytes in the head that are not UTF-8 become U+FFFD. The text is always valid JSON. */
#ifndef MAYFLY_URL_EVENT_H
#define MAYFLY_URL_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/http/request.h"

/* Who signed the request. */
struct url_caller {
	struct str access_key, account, arn, user_id;
};

/* Views live during the call. */
struct url_request {
	struct str method, path, query; /* path: relative to the URL, begins with '/' */
	const struct http_header *headers;
	unsigned header_count;
	unsigned minor;       /* HTTP/1.minor */
	struct str url_id, domain; /* domain: without port */
	unsigned port;
	bool https;
	struct str source_ip, request_id, trace_header;
	int64_t now_ms;
	size_t body_bytes;
	const struct url_caller *caller; /* NULL: anonymous */
};

/* -1: `out` is full, or no memory. */
int url_event_begin(struct buf *out, const struct url_request *request);
/* May a body of this request be text: by its Content-Type and Content-Encoding. */
bool url_event_text(const struct http_header *headers, unsigned header_count);
int url_event_end(struct buf *out, struct str body, bool text);
/* Most bytes that url_event_end appends to the event for a body of n bytes. */
size_t url_event_end_max(size_t n);

#endif
