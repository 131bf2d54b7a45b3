/* What a subscriber answers: the same verdict whatever the cut. First byte: the size of the pieces. */
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/http/answer.h"
#include "tests/fuzz/fuzz.h"

static long feed(struct http_answer *a, const char *data, size_t n, size_t step)
{
	size_t at = 0;
	http_answer_init(a);
	while (at < n && !a->done) {
		size_t size = n - at < step ? n - at : step;
		char *piece = malloc(size); /* of its own size, so that a byte too far is seen */
		ASSERT(piece);
		memcpy(piece, data + at, size);
		long took = http_answer_feed(a, piece, size);
		free(piece);
		if (took < 0)
			return -1;
		ASSERT((size_t)took == size || a->done);
		at += (size_t)took;
	}
	return (long)at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct http_answer whole, pieces;
	if (n == 0)
		return 0;
	const char *text = (const char *)data + 1;
	long a = feed(&whole, text, n - 1, n), b = feed(&pieces, text, n - 1, data[0] ? data[0] : 1);
	ASSERT(a == b);
	if (a < 0)
		return 0;
	ASSERT(whole.done == pieces.done && whole.status == pieces.status && whole.keep_alive == pieces.keep_alive);
	ASSERT(http_answer_end(&whole) == http_answer_end(&pieces));
	ASSERT(!whole.done || (whole.status >= 200 && whole.status <= 999));
	return 0;
}
