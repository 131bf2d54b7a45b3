/* What a function answered, as an HTTP answer. Pure.
 *
 * An object with statusCode is one: statusCode (a number or digits, 200-599), headers (texts, numbers, booleans; null is left out), cookies (a
 * list of texts: one Set-Cookie each), body (a text; anything else as JSON; none), isBase64Encoded. Any other JSON is the body itself, of type
 * application/json with status 200, without blanks between its parts, a text without its quotes. What is no JSON is what a streaming
 * function sent through a URL that does not stream: with a prelude, or bytes as they are. Memory is in proportion to the text, however many
 * values it has: what is no text is passed on as written, and headers or cookies of more than 4096 values are malformed.
 *
 * Headers of the connection and the length are the server's and are dropped; a name that is no token makes the answer malformed, so that
 * nothing can be smuggled into a head. */
#ifndef MAYFLY_URL_ANSWER_H
#define MAYFLY_URL_ANSWER_H

#include <jansson.h>
#include <stdbool.h>

#include "core/base/arena.h"
#include "core/http/request.h"

#define URL_HEADERS_MAX 120u
#define URL_STATUS_MIN 200
#define URL_STATUS_MAX 599
#define URL_OWN_HEADERS 16u /* room that is kept for what the platform says */

struct url_answer {
	int status;
	struct http_header headers[URL_HEADERS_MAX + URL_OWN_HEADERS];
	unsigned header_count;
	struct str body;

	json_t *json;       /* private: what the views point into */
	struct arena arena; /* private */
};

void url_answer_release(struct url_answer *a); /* also fine on a zeroed one */
/* 0; or -1, and nothing is held: malformed, which callers see as 502. `text` must live as long as the answer. */
int url_answer_parse(struct url_answer *a, struct str text);
/* The JSON of a prelude: status, headers, cookies; no body. Without Content-Type it is application/octet-stream. */
int url_answer_prelude(struct url_answer *a, struct str json);
/* Bytes without a word about them; content_type p NULL: application/octet-stream. */
void url_answer_bytes(struct url_answer *a, struct str content_type, struct str bytes);
/* One more header, for the platform: at most URL_OWN_HEADERS of them. Name and value must live as long as the answer. */
void url_answer_add(struct url_answer *a, struct str name, struct str value);
/* Takes out the headers for which `mine` says so. */
void url_answer_drop(struct url_answer *a, bool (*mine)(struct str name));

#endif
