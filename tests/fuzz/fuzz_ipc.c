/* Messages between the planes: nothing is accepted that the table does not have, whoever sends it. */
#include <string.h>

#include "core/ipc/ipc.h"
#include "tests/fuzz/fuzz.h"

static const struct {
	size_t size;
	unsigned fds_min, fds_max;
	enum ipc_side from;
} table[] = {
#define M(name, body, fds_min, fds_max, from) {sizeof(struct body), fds_min, fds_max, from},
#include "core/ipc/messages.def"
#undef M
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint32_t type;
	if (n < 1)
		return 0;
	unsigned fds = data[0] >> 1;
	enum ipc_side sender = data[0] & 1 ? FROM_MAYFLYD : FROM_CONTROL;
	if (ipc_check(data + 1, n - 1, fds, sender, NULL) < 0)
		return 0;
	memcpy(&type, data + 1, sizeof type);
	ASSERT(type < IPC_TYPE_COUNT && n - 1 == 8 + table[type].size);
	ASSERT(sender == table[type].from && fds >= table[type].fds_min && fds <= table[type].fds_max);
	return 0;
}
