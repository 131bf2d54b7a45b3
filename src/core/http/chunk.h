/* Decoder of chunked bodies: a resumable state machine over pieces of input; data is not copied.
 *
 * Strict: hexadecimal digits only, CRLF only, extensions and the whole of them limited, no blanks before them. */
#ifndef MAYFLY_HTTP_CHUNK_H
#define MAYFLY_HTTP_CHUNK_H

#include "core/base/buf.h"
#include "core/base/str.h"

struct http_chunks {
	unsigned char state;
	unsigned char digits;
	unsigned extension_bytes; /* of all chunks so far */
	uint64_t left;            /* data bytes of the current chunk still to come */
};

enum http_chunk_step {
	HTTP_CHUNK_MORE, /* all input used */
	HTTP_CHUNK_DATA, /* *piece is body data inside the input */
	HTTP_CHUNK_END,  /* the body and its trailers are complete; input after *used is not ours */
	HTTP_CHUNK_BAD
};

/* A zeroed struct is the start. *used is how much of in was taken. Trailer lines are appended, with their line ends, to
 * `trailers`, whose maximum limits them. */
enum http_chunk_step http_chunk_next(struct http_chunks *c, struct str in, struct buf *trailers, size_t *used,
                                     struct str *piece);

#endif
