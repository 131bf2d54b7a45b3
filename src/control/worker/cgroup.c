/* The two control files that mayflyd hands over with each environment: freeze (write) and peak memory (read). */
#include <string.h>
#include <unistd.h>

#include "control/worker/worker_priv.h"

void worker_set_frozen(struct worker *w, bool frozen)
{
	const char *text = w->freeze_v2 ? (frozen ? "1" : "0") : frozen ? "FROZEN" : "THAWED";
	if (w->freeze_fd < 0)
		return;
	/* A failure leaves it running (or is followed by its end): nothing to mend here. */
	ssize_t ignored = pwrite(w->freeze_fd, text, strlen(text), 0);
	(void)ignored;
}

uint64_t worker_peak_bytes(const struct worker *w)
{
	char text[32];
	uint64_t bytes = 0;
	ssize_t n = w->memory_fd < 0 ? -1 : pread(w->memory_fd, text, sizeof text, 0);
	for (ssize_t i = 0; i < n && text[i] >= '0' && text[i] <= '9'; i++)
		bytes = bytes * 10 + (uint64_t)(text[i] - '0');
	return bytes;
}
