/* Event stream messages from anybody. The first byte is how the rest is cut into pieces; whatever the cut, the same messages come out of
 * it, and each one that does is what encoding its parts makes again. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/eventstream/eventstream.h"
#include "tests/fuzz/fuzz.h"

#define MESSAGE_MAX 65536u
#define HEADERS_MAX 64u

static void check_again(const struct eventstream_message *m)
{
	struct eventstream_header headers[HEADERS_MAX];
	struct str rest = m->headers;
	struct buf out;
	size_t n = 0;
	while (n < HEADERS_MAX && eventstream_next_header(&rest, &headers[n]) == 1)
		n++;
	if (n == HEADERS_MAX)
		return;
	for (size_t i = 0; i < n; i++) /* longer ones can be sent, but are past what the format allows */
		if (headers[i].bytes.n > EVENTSTREAM_TEXT_MAX)
			return;
	buf_init(&out, MESSAGE_MAX);
	ASSERT(eventstream_encode(&out, headers, n, m->payload) == 0);
	ASSERT(out.len == EVENTSTREAM_OVERHEAD + m->headers.n + m->payload.n);
	ASSERT(memcmp(out.data + 12, m->headers.p, m->headers.n) == 0);
	buf_release(&out);
}

static unsigned run(struct str in, size_t step, bool again, bool *bad)
{
	struct eventstream_decoder d;
	struct eventstream_message m;
	unsigned count = 0;
	*bad = false;
	eventstream_decoder_init(&d, MESSAGE_MAX);
	while (in.n && !*bad) {
		struct str piece = str_sub(in, 0, step);
		enum eventstream_step r;
		in = str_sub(in, piece.n, in.n);
		while ((r = eventstream_decode(&d, &piece, &m)) == EVENTSTREAM_MESSAGE) {
			if (again)
				check_again(&m);
			count++;
		}
		ASSERT(r == EVENTSTREAM_BAD || piece.n == 0);
		ASSERT(d.in.cap <= MESSAGE_MAX);
		*bad = r == EVENTSTREAM_BAD;
	}
	eventstream_decoder_release(&d);
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	bool bad, bad_too;
	if (n == 0)
		return 0;
	struct str in = {(const char *)data + 1, n - 1};
	unsigned whole = run(in, in.n + 1, true, &bad), cut = run(in, data[0] + 1u, false, &bad_too);
	ASSERT(whole == cut && bad == bad_too);
	return 0;
}
