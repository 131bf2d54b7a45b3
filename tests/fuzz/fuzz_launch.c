/* A function's launch settings: what is accepted lies inside the data, and gives the same bytes when written again. */
#include <string.h>

#include "core/spec/launch.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct launch l;
	struct buf again;
	if (launch_decode(&l, data, n, NULL) < 0)
		return 0;
	const char *extensions[LIMIT_EXTENSIONS + 1] = {NULL};
	for (unsigned i = 0; i < l.extensions; i++)
		extensions[i] = l.extension[i];
	ASSERT(l.candidates >= 1 && l.argv[0]);
	buf_init(&again, LAUNCH_MAX_BYTES);
	ASSERT(launch_encode(&again, l.candidates, (const char *const *)l.argv, (const char *const *)l.envp, extensions, NULL) == 0);
	ASSERT(again.len == n && memcmp(again.data, data, n) == 0);
	buf_release(&again);
	launch_release(&l);
	return 0;
}
