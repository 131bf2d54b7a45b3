/* Decoder of the aws-chunked framing (STREAMING-* payloads), which verifies every chunk's signature.
 *
 *   <hex size>[;chunk-signature=<64 hex>]\r\n <size bytes> \r\n ... 0[;chunk-signature=...]\r\n [name:value\r\n ...] \r\n
 *
 * Works on pieces of any size, copies nothing but header lines. What comes out of a chunk is vouched for only when the
 * chunk has ended: the receiver must not act on the data before sigv4_stream_done() is true. Made after sigv4_verify said
 * yes. Errors: ERR_BAD_SIGNATURE (a chunk's or the trailer's signature), ERR_INVALID (framing, wrong decoded length),
 * ERR_TOO_LARGE. One thread. */
#ifndef MAYFLY_SIGV4_STREAM_H
#define MAYFLY_SIGV4_STREAM_H

#include "core/sigv4/sigv4.h"

#define SIGV4_STREAM_MAX_LINE 512
#define SIGV4_STREAM_MAX_TRAILERS 4096

struct sigv4_stream;

/* `auth` is copied from; max_bytes limits the decoded length (decoded_length beyond it is refused at once). NULL on error. */
struct sigv4_stream *sigv4_stream_new(const struct sigv4_auth *auth, struct sigv4_keys *keys, struct str secret,
                                      uint64_t max_bytes, struct error *err);
void sigv4_stream_free(struct sigv4_stream *s);
/* Takes from the front of *in. 1: *data is the next decoded piece (a view into what *in was); 0: *in is used up or the
 * stream is done; -1: error, and every later call fails too. */
int sigv4_stream_next(struct sigv4_stream *s, struct str *in, struct str *data, struct error *err);
bool sigv4_stream_done(const struct sigv4_stream *s);
/* The trailing headers as canonical "name:value\n" lines, without x-amz-trailer-signature; valid once done. */
struct str sigv4_stream_trailers(const struct sigv4_stream *s);

#endif
