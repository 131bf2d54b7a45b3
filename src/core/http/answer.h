/* An HTTP/1.x answer as a client reads it: status and framing; the body is counted and thrown away. Pure: bytes in, whatever the
 * cut; no sockets, no allocation. For clients of ours that talk to programs nobody vouches for: every part is bounded.
 *
 * 1xx answers are passed over. A body ends by its length, by its last chunk, or, with neither, with the connection. */
#ifndef MAYFLY_HTTP_ANSWER_H
#define MAYFLY_HTTP_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/http/chunk.h"

#define HTTP_ANSWER_LINE_MAX 2048u
#define HTTP_ANSWER_HEAD_MAX 16384u
#define HTTP_ANSWER_BODY_MAX (1u << 20)

struct http_answer {
	/* Valid when done. */
	int status;
	bool done;
	bool keep_alive; /* the connection may carry another exchange */

	/* Private. */
	unsigned char state;
	bool chunked, has_length, close;
	unsigned minor;
	uint64_t length, body_bytes;
	size_t head_bytes, line_len, trailer_bytes;
	struct http_chunks chunks;
	char line[HTTP_ANSWER_LINE_MAX];
};

void http_answer_init(struct http_answer *a);
/* Takes bytes until the answer is done; returns how many, or -1 when it is malformed or over a limit (then the connection is of no
 * more use). What comes after a done answer is not taken. */
long http_answer_feed(struct http_answer *a, const char *data, size_t n);
/* The connection ended. 0: that was the answer's end (done); -1: it is not complete. */
int http_answer_end(struct http_answer *a);

#endif
