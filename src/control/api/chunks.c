/* Bodies that are signed chunk by chunk (aws-chunked): taken as a whole, then decoded in place off the loop. */
#include <string.h>

#include "control/api/api_priv.h"
#include "core/sigv4/stream.h"

/* Chunk lines add to what is decoded; a client that sends tiny chunks pays with a smaller body. */
uint64_t api_chunks_limit(uint64_t decoded_max)
{
	return decoded_max + decoded_max / 8 + 65536;
}

int api_chunks_begin(struct api_call *call, struct str secret, struct error *err)
{
	call->chunks = sigv4_stream_new(&call->auth, call->api->keys, secret, call->body_max, err);
	return call->chunks ? 0 : -1;
}

int api_chunks_decode(struct api_call *call, struct error *err)
{
	struct str in = {call->body.data, call->body.len}, piece;
	size_t len = 0;
	int got;
	while ((got = sigv4_stream_next(call->chunks, &in, &piece, err)) > 0) {
		memmove(call->body.data + len, piece.p, piece.n); /* never past what was read */
		len += piece.n;
	}
	if (got < 0)
		return -1;
	if (!sigv4_stream_done(call->chunks) || in.n)
		return error_set(err, ERR_BAD_SIGNATURE, "The request's last chunk is missing or has bytes behind it.");
	call->body.len = len;
	if (call->body.data)
		call->body.data[len] = '\0';
	return 0;
}

void api_chunks_free(struct api_call *call)
{
	sigv4_stream_free(call->chunks);
	call->chunks = NULL;
}
