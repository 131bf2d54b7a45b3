#include "core/eventstream/eventstream.h"

#include <string.h>

#include "core/base/check.h"
#include "core/eventstream/crc.h"

#define PRELUDE 12u /* both lengths and their sum */
#define NAME_MAX_BYTES 255u

static unsigned char *put_be(unsigned char *at, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (unsigned char)(v >> 8 * (bytes - 1 - i));
	return at + bytes;
}

static uint64_t get_be(const void *from, unsigned bytes)
{
	const unsigned char *at = from;
	uint64_t v = 0;
	for (unsigned i = 0; i < bytes; i++)
		v = v << 8 | at[i];
	return v;
}

/* ---- types ---- */

/* Bytes of a value that has a fixed size; VARIABLE: 2 bytes of length, then as many. */
#define VARIABLE 255u
static const struct {
	unsigned char size;
	bool number;
} types[] = {
	[EVENTSTREAM_TRUE] = {0, false},   [EVENTSTREAM_FALSE] = {0, false},  [EVENTSTREAM_BYTE] = {1, true},
	[EVENTSTREAM_SHORT] = {2, true},   [EVENTSTREAM_INTEGER] = {4, true}, [EVENTSTREAM_LONG] = {8, true},
	[EVENTSTREAM_BYTES] = {VARIABLE, false}, [EVENTSTREAM_STRING] = {VARIABLE, false},
	[EVENTSTREAM_TIMESTAMP] = {8, true},     [EVENTSTREAM_UUID] = {16, false},
};

/* Bytes of the value as sent; 0 or more, or -1 when it cannot be sent. */
static long value_size(const struct eventstream_header *h)
{
	unsigned size = types[h->type].size;
	if (size == VARIABLE)
		return h->bytes.n <= EVENTSTREAM_TEXT_MAX ? (long)h->bytes.n + 2 : -1;
	return h->type == EVENTSTREAM_UUID && h->bytes.n != size ? -1 : (long)size;
}

/* ---- encoding ---- */

static long headers_size(const struct eventstream_header *headers, size_t count)
{
	long all = 0;
	for (size_t i = 0; i < count; i++) {
		long size = value_size(&headers[i]);
		if (size < 0 || headers[i].name.n == 0 || headers[i].name.n > NAME_MAX_BYTES)
			return -1;
		all += 2 + (long)headers[i].name.n + size;
	}
	return all <= (long)EVENTSTREAM_HEADERS_MAX ? all : -1;
}

static unsigned char *put_header(unsigned char *at, const struct eventstream_header *h)
{
	unsigned size = types[h->type].size;
	*at++ = (unsigned char)h->name.n;
	memcpy(at, h->name.p, h->name.n);
	at += h->name.n;
	*at++ = (unsigned char)h->type;
	if (types[h->type].number)
		return put_be(at, (uint64_t)h->number, size);
	if (size == VARIABLE)
		at = put_be(at, h->bytes.n, 2);
	if (size && h->bytes.n)
		memcpy(at, h->bytes.p, h->bytes.n);
	return size ? at + h->bytes.n : at;
}

int eventstream_frame(struct buf *out, const struct eventstream_header *headers, size_t count, struct str payload,
                      unsigned char tail[4])
{
	long head = headers_size(headers, count);
	if (head < 0 || payload.n > EVENTSTREAM_PAYLOAD_MAX)
		return -1;
	size_t before = PRELUDE + (size_t)head;
	unsigned char *start = (unsigned char *)buf_reserve(out, before);
	if (!start)
		return -1;
	unsigned char *at = put_be(start, before + payload.n + 4, 4);
	at = put_be(at, (uint64_t)head, 4);
	at = put_be(at, eventstream_crc(0, start, 8), 4);
	for (size_t i = 0; i < count; i++)
		at = put_header(at, &headers[i]);
	ASSERT(at == start + before);
	out->len += before;
	uint32_t all = eventstream_crc(0, start, before);
	put_be(tail, payload.n ? eventstream_crc(all, payload.p, payload.n) : all, 4);
	return 0;
}

int eventstream_encode(struct buf *out, const struct eventstream_header *headers, size_t count, struct str payload)
{
	unsigned char tail[4];
	size_t len = out->len;
	if (eventstream_frame(out, headers, count, payload, tail) < 0)
		return -1;
	if (buf_put(out, payload) == 0 && buf_append(out, tail, sizeof tail) == 0)
		return 0;
	out->len = len;
	return -1;
}

/* ---- decoding ---- */

void eventstream_decoder_init(struct eventstream_decoder *d, size_t max_bytes)
{
	*d = (struct eventstream_decoder){.max_bytes = max_bytes};
	buf_init(&d->in, max_bytes);
}

void eventstream_decoder_release(struct eventstream_decoder *d)
{
	buf_release(&d->in);
}

static int64_t signed_be(const void *from, unsigned bytes)
{
	unsigned unused = 64 - 8 * bytes;
	return (int64_t)(get_be(from, bytes) << unused) >> unused;
}

static struct str take(struct str *from, size_t n)
{
	struct str piece = str_sub(*from, 0, n);
	*from = str_sub(*from, n, from->n);
	return piece;
}

int eventstream_next_header(struct str *headers, struct eventstream_header *h)
{
	struct str rest = *headers;
	if (rest.n == 0)
		return 0;
	size_t name_n = (unsigned char)rest.p[0];
	if (name_n == 0 || rest.n < name_n + 2)
		return -1;
	take(&rest, 1);
	*h = (struct eventstream_header){.name = take(&rest, name_n)};
	unsigned type = (unsigned char)*take(&rest, 1).p;
	if (type >= sizeof types / sizeof types[0])
		return -1;
	h->type = (enum eventstream_type)type;
	size_t size = types[type].size;
	if (size == VARIABLE) {
		if (rest.n < 2)
			return -1;
		size = (size_t)get_be(take(&rest, 2).p, 2);
	}
	if (rest.n < size)
		return -1;
	if (types[type].number)
		h->number = signed_be(take(&rest, size).p, (unsigned)size);
	else
		h->bytes = take(&rest, size);
	*headers = rest;
	return 1;
}

struct str eventstream_text(const struct eventstream_message *m, struct str name)
{
	struct str rest = m->headers;
	struct eventstream_header h;
	while (eventstream_next_header(&rest, &h) == 1)
		if (h.type == EVENTSTREAM_STRING && str_eq(h.name, name))
			return h.bytes;
	return STR_NULL;
}

static bool headers_are_good(struct str headers)
{
	struct eventstream_header h;
	int r;
	while ((r = eventstream_next_header(&headers, &h)) == 1)
		;
	return r == 0;
}

static enum eventstream_step bad(struct eventstream_decoder *d)
{
	d->broken = true;
	return EVENTSTREAM_BAD;
}

/* Whether these can be the lengths of a message; only they say how much is to be read. */
static bool prelude_is_good(const struct eventstream_decoder *d)
{
	const char *p = d->in.data;
	uint64_t all = get_be(p, 4), head = get_be(p + 4, 4);
	return get_be(p + 8, 4) == eventstream_crc(0, p, 8) && head <= EVENTSTREAM_HEADERS_MAX && all >= EVENTSTREAM_OVERHEAD + head &&
	       all - EVENTSTREAM_OVERHEAD - head <= EVENTSTREAM_PAYLOAD_MAX && all <= d->max_bytes;
}

/* Up to `need` bytes in the buffer. False: there are not as many yet, or no memory for them. */
static bool gather(struct eventstream_decoder *d, struct str *in, size_t need)
{
	size_t missing = need - d->in.len;
	struct str piece = take(in, missing < in->n ? missing : in->n);
	if (buf_put(&d->in, piece) < 0)
		d->broken = true;
	return !d->broken && d->in.len == need;
}

enum eventstream_step eventstream_decode(struct eventstream_decoder *d, struct str *in, struct eventstream_message *m)
{
	if (d->used)
		buf_clear(&d->in);
	d->used = 0;
	if (d->broken)
		return EVENTSTREAM_BAD;
	if (d->in.len < PRELUDE && !gather(d, in, PRELUDE))
		return d->broken ? EVENTSTREAM_BAD : EVENTSTREAM_MORE;
	if (d->in.len == PRELUDE && !prelude_is_good(d))
		return bad(d);
	size_t all = (size_t)get_be(d->in.data, 4), head = (size_t)get_be(d->in.data + 4, 4);
	if (!gather(d, in, all))
		return d->broken ? EVENTSTREAM_BAD : EVENTSTREAM_MORE;
	const char *p = d->in.data;
	*m = (struct eventstream_message){{p + PRELUDE, head}, {p + PRELUDE + head, all - EVENTSTREAM_OVERHEAD - head}};
	if (get_be(p + all - 4, 4) != eventstream_crc(0, p, all - 4) || !headers_are_good(m->headers))
		return bad(d);
	d->used = all;
	return EVENTSTREAM_MESSAGE;
}
