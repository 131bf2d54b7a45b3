#include "core/http/chunk.h"

#include "core/http/request.h"

#define EXTENSIONS_MAX_BYTES 4096u
#define DIGITS_MAX 15u

enum state { SIZE, EXTENSION, SIZE_LF, DATA, DATA_CR, DATA_LF, TRAILER_START, TRAILER, TRAILER_LF, LAST_LF, ENDED };

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int on_size(struct http_chunks *c, char byte, struct buf *trailers)
{
	int v = hex_value(byte);
	if (v >= 0) {
		if (c->digits++ == DIGITS_MAX)
			return -1;
		c->left = c->left << 4 | (unsigned)v;
		return SIZE;
	}
	if (c->digits == 0)
		return -1;
	return byte == '\r' ? SIZE_LF : byte == ';' ? EXTENSION : -1;
}

static int on_extension(struct http_chunks *c, char byte, struct buf *trailers)
{
	if (byte == '\r')
		return SIZE_LF;
	if (c->extension_bytes++ == EXTENSIONS_MAX_BYTES || http_find_control(&byte, 1) == 0)
		return -1;
	return EXTENSION;
}

static int on_size_lf(struct http_chunks *c, char byte, struct buf *trailers)
{
	c->digits = 0;
	if (byte != '\n')
		return -1;
	return c->left ? DATA : TRAILER_START;
}

static int on_data_cr(struct http_chunks *c, char byte, struct buf *trailers)
{
	return byte == '\r' ? DATA_LF : -1;
}

static int on_data_lf(struct http_chunks *c, char byte, struct buf *trailers)
{
	return byte == '\n' ? SIZE : -1;
}

static int on_trailer(struct http_chunks *c, char byte, struct buf *trailers)
{
	if (byte != '\r' && http_find_control(&byte, 1) == 0)
		return -1;
	if (buf_putc(trailers, byte) < 0)
		return -1;
	return byte == '\r' ? TRAILER_LF : TRAILER;
}

static int on_trailer_start(struct http_chunks *c, char byte, struct buf *trailers)
{
	if (byte == '\r')
		return LAST_LF;
	return byte == ' ' || byte == '\t' ? -1 : on_trailer(c, byte, trailers);
}

static int on_trailer_lf(struct http_chunks *c, char byte, struct buf *trailers)
{
	return byte == '\n' && buf_putc(trailers, byte) == 0 ? TRAILER_START : -1;
}

static int on_last_lf(struct http_chunks *c, char byte, struct buf *trailers)
{
	return byte == '\n' ? ENDED : -1;
}

/* Each takes one byte and gives the next state, or -1. DATA is not here: it moves in whole pieces. */
static int (*const steps[])(struct http_chunks *c, char byte, struct buf *trailers) = {
	[SIZE] = on_size,
	[EXTENSION] = on_extension,
	[SIZE_LF] = on_size_lf,
	[DATA_CR] = on_data_cr,
	[DATA_LF] = on_data_lf,
	[TRAILER_START] = on_trailer_start,
	[TRAILER] = on_trailer,
	[TRAILER_LF] = on_trailer_lf,
	[LAST_LF] = on_last_lf,
};

static struct str take_data(struct http_chunks *c, struct str in, size_t at)
{
	size_t n = in.n - at < c->left ? in.n - at : (size_t)c->left;
	c->left -= n;
	if (c->left == 0)
		c->state = DATA_CR;
	return (struct str){in.p + at, n};
}

enum http_chunk_step http_chunk_next(struct http_chunks *c, struct str in, struct buf *trailers, size_t *used,
                                     struct str *piece)
{
	size_t at = 0;
	while (at < in.n && c->state != ENDED) {
		if (c->state == DATA) {
			*piece = take_data(c, in, at);
			*used = at + piece->n;
			return HTTP_CHUNK_DATA;
		}
		int next = steps[c->state](c, in.p[at++], trailers);
		if (next < 0)
			return HTTP_CHUNK_BAD;
		c->state = (unsigned char)next;
	}
	*used = at;
	return c->state == ENDED ? HTTP_CHUNK_END : HTTP_CHUNK_MORE;
}
