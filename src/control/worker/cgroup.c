/* The two control files that mayflyd hands over with each environment: freeze (write) and peak memory (read). */
#include <string.h>
#include <unistd.h>

#include "control/worker/worker_priv.h"
#include "core/base/clock.h"

void worker_set_frozen(struct worker *w, bool frozen)
{
	const char *text = w->freeze_v2 ? (frozen ? "1" : "0") : frozen ? "FROZEN" : "THAWED";
	if (w->freeze_fd < 0)
		return;
	/* A failure leaves it running (or is followed by its end): nothing to mend here. */
	ssize_t ignored = pwrite(w->freeze_fd, text, strlen(text), 0);
	(void)ignored;
}

/* Read at most so often: a peak only grows, and thousands of invocations a second need not ask each. */
#define PEAK_AGE_NS (5 * NS_PER_MS)

uint64_t worker_peak_bytes(struct worker *w, uint64_t now_ns)
{
	char text[32];
	uint64_t bytes = 0;
	if (w->memory_fd < 0 || (w->peak_read_ns && now_ns - w->peak_read_ns < PEAK_AGE_NS))
		return w->peak_bytes;
	ssize_t n = pread(w->memory_fd, text, sizeof text, 0);
	for (ssize_t i = 0; i < n && text[i] >= '0' && text[i] <= '9'; i++)
		bytes = bytes * 10 + (uint64_t)(text[i] - '0');
	w->peak_read_ns = now_ns;
	bytes += w->image_bytes;
	w->peak_bytes = bytes > w->peak_bytes ? bytes : w->peak_bytes;
	return w->peak_bytes;
}
