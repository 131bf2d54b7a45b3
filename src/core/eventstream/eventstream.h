/* application/vnd.amazon.eventstream: messages of typed headers and a payload, each framed by its lengths and two CRC-32 sums.
 *
 *   total length (4) · headers' length (4) · CRC of those 8 · headers · payload · CRC of all before it; big endian
 *
 * Encoding appends whole messages to a struct buf, or, for large payloads that need not be copied, what stands before and behind
 * them. Decoding is incremental and bounded. Pure: bytes in, bytes out; no state but the caller's. */
#ifndef MAYFLY_EVENTSTREAM_H
#define MAYFLY_EVENTSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/error.h"
#include "core/base/str.h"

#define EVENTSTREAM_OVERHEAD 16u           /* bytes of a message without headers and payload */
#define EVENTSTREAM_HEADERS_MAX 131072u    /* bytes; the format's limit */
#define EVENTSTREAM_PAYLOAD_MAX 25165824u  /* bytes; the format's limit */
#define EVENTSTREAM_TEXT_MAX 32767u        /* bytes of a value of EVENTSTREAM_BYTES or EVENTSTREAM_STRING */

/* As on the wire. */
enum eventstream_type {
	EVENTSTREAM_TRUE,
	EVENTSTREAM_FALSE,
	EVENTSTREAM_BYTE,
	EVENTSTREAM_SHORT,
	EVENTSTREAM_INTEGER,
	EVENTSTREAM_LONG,
	EVENTSTREAM_BYTES,
	EVENTSTREAM_STRING,
	EVENTSTREAM_TIMESTAMP, /* number: milliseconds since 1970 */
	EVENTSTREAM_UUID       /* bytes: 16 */
};

struct eventstream_header {
	struct str name;            /* 1 to 255 bytes */
	enum eventstream_type type;
	int64_t number;             /* of BYTE, SHORT, INTEGER, LONG, TIMESTAMP */
	struct str bytes;           /* of BYTES, STRING, UUID */
};

#define EVENTSTREAM_TEXT(name, value) {STR(name), EVENTSTREAM_STRING, 0, STR(value)}

/* Appends one message. -1, and nothing appended: past a limit of the format or of `out`, or no memory. */
int eventstream_encode(struct buf *out, const struct eventstream_header *headers, size_t count, struct str payload);
/* The same around a payload that is sent from where it is: appends what stands before it; then come the payload's bytes, then the
 * 4 bytes of `tail`. */
int eventstream_frame(struct buf *out, const struct eventstream_header *headers, size_t count, struct str payload,
                      unsigned char tail[4]);

/* ---- decoding ---- */

struct eventstream_message {
	struct str headers; /* still encoded: eventstream_next_header */
	struct str payload;
};

struct eventstream_decoder {
	struct buf in;       /* bytes of messages that are not complete; bounded by max_bytes */
	size_t used;         /* of them, the message that was given last */
	size_t max_bytes;    /* of one message, all in all */
	bool broken;
};

enum eventstream_step {
	EVENTSTREAM_MORE,    /* nothing complete */
	EVENTSTREAM_MESSAGE, /* *m, valid until the next call with this decoder */
	EVENTSTREAM_BAD      /* lengths, sums or headers are wrong; so is all that follows: it stays bad */
};

void eventstream_decoder_init(struct eventstream_decoder *d, size_t max_bytes);
void eventstream_decoder_release(struct eventstream_decoder *d); /* also fine on a zeroed one */
/* Adds bytes from *in, as many as are of use now, and takes them off it; call it until it says MORE (then *in is empty). */
enum eventstream_step eventstream_decode(struct eventstream_decoder *d, struct str *in, struct eventstream_message *m);
/* Takes the first header off *headers: 1, 0 at the end, -1 when malformed (which eventstream_decode has made sure of). */
int eventstream_next_header(struct str *headers, struct eventstream_header *h);
/* Value of a STRING header; p NULL when there is none of that name. */
struct str eventstream_text(const struct eventstream_message *m, struct str name);

#endif
