/* A function's launch settings: what is accepted lies inside the data, and gives the same bytes when written again. */
#include <string.h>

#include "core/spec/launch.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct launch l;
	struct buf again;
	struct launch_head head;
	if (launch_decode(&l, data, n, NULL) < 0)
		return 0;
	ASSERT(l.candidates >= 1 && l.argv[0]);
	buf_init(&again, LAUNCH_MAX_BYTES);
	ASSERT(launch_encode(&again, l.candidates, (const char *const *)l.argv, (const char *const *)l.envp, NULL) == 0);
	/* All but the reserved field, which a reader ignores. */
	memcpy(&head, data, sizeof head);
	head.reserved = 0;
	ASSERT(again.len == n && memcmp(again.data, &head, sizeof head) == 0);
	ASSERT(memcmp(again.data + sizeof head, data + sizeof head, n - sizeof head) == 0);
	buf_release(&again);
	launch_release(&l);
	return 0;
}
