/* The zygote's copies of itself, made ahead. Copying page tables, and the pages that a function writes as soon as it runs,
 * takes longer than all the rest of a restore; so one copy, the *spare*, waits with that done. It reads the next request,
 * enters the sandbox, makes the leader there, which takes over its memory, and ends; then there is another one.
 *
 * Which pages: those that an earlier restored process had changed or looked at when it was looked at itself (learn.c). */
#include <fcntl.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/time_types.h>
#include <signal.h>
#include <sys/socket.h>

#include "bin/mayfly-restore/zygote.h"

static void prepare_pages(struct zygote *z)
{
	for (uint32_t i = 0; i < z->hot_count; i++) {
		const struct hot *h = &z->hot[i];
		/* Memory is short, or the file was cut: then the function finds out. */
		SYS(madvise, h->address, (uint64_t)h->pages * IMAGE_PAGE, h->written ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
	}
}

static _Noreturn void be_spare(struct zygote *z)
{
	SYS(prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	/* The kernel clears it when we are gone for good: until then we share our memory with the leader. */
	z->spare = 1;
	SYS(set_tid_address, &z->spare);
	prepare_pages(z);
	request_serve(z);
}

/* Until it took a request or ended: then its end of the pipe is closed. What it has to say comes before that. */
static void wait_for_spare(struct zygote *z, int pipe)
{
	unsigned char *to = (unsigned char *)z->learned;
	uint64_t room = sizeof z->learned, n = 0;
	for (;;) {
		long got = SYS(read, pipe, to + n, room - n);
		if (got <= 0 || n + (uint64_t)got >= room)
			break;
		n += (uint64_t)got;
	}
	if (n >= sizeof *z->hot) {
		z->hot_count = (uint32_t)(n / sizeof *z->hot);
		memcpy(z->hot, z->learned, n);
	}
}

/* What was asked before the other end closed is still done. */
static bool is_left_alone(struct zygote *z)
{
	char byte;
	return SYS(recvfrom, z->socket, &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT, 0, 0) == 0;
}

static void nap(void)
{
	const struct __kernel_timespec moment = {0, 10000000};
	SYS(nanosleep, &moment, 0);
}

_Noreturn void spare_loop(struct zygote *z)
{
	while (!is_left_alone(z)) {
		int pipe[2];
		struct clone_args args = {.exit_signal = SIGCHLD};
		if (SYS(pipe2, pipe, O_CLOEXEC) < 0) {
			nap();
			continue;
		}
		z->taken = pipe[1];
		long pid = sys_clone(&z->key, &args);
		if (pid == 0) {
			SYS(close, pipe[0]);
			be_spare(z);
		}
		SYS(close, pipe[1]);
		if (pid > 0)
			wait_for_spare(z, pipe[0]);
		else
			nap();
		SYS(close, pipe[0]);
	}
	SYS(exit_group, 0);
	__builtin_unreachable();
}
