/* The zygote's copies of itself, made ahead. Copying page tables, and the pages that a function writes as soon as it runs,
 * takes longer than all the rest of a restore; so one copy, the *spare*, waits with that done. It reads the next request,
 * enters the sandbox, makes the leader there, which takes over its memory, and ends; then there is another one.
 *
 * Which pages: those that some restored processes had used a moment after their start (lesson.c). */
#include <fcntl.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/time_types.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include "bin/mayfly-restore/zygote.h"

#define REST_MS 10

struct lessons {
	int pagemap; /* of who is to be looked at; -1: nobody yet */
	uint64_t due_ns;
};

/* Memory is short, or the file was cut: then the function finds out. */
static void prepare(uint64_t at, uint64_t bytes, bool written)
{
	SYS(madvise, at & ~(uint64_t)(IMAGE_PAGE - 1), bytes, written ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
}

static bool is_asked(const struct zygote *z)
{
	struct pollfd p = {z->socket, POLLIN, 0};
	return SYS(poll, &p, 1, 0) > 0;
}

static void prepare_pages(struct zygote *z)
{
	/* What we write ourselves. */
	prepare((uint64_t)z->between_stack, sizeof *z - offsetof(struct zygote, between_stack), true);
	prepare((uint64_t)z->thread_stacks, (uint64_t)z->thread_count * THREAD_STACK, true);
	/* Who waits already is served sooner, and costs less, when he maps himself what he reads of files: neighbours come along. */
	bool waited_for = is_asked(z);
	for (uint32_t i = 0; i < z->hot.count; i++) {
		const struct hot *h = &z->hot.runs[i];
		if (waited_for && !h->written)
			continue;
		prepare(h->address, (uint64_t)h->pages * IMAGE_PAGE, h->written);
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

/* ---- lessons ---- */

static int64_t ms_left(const struct lessons *l)
{
	int64_t ms = (int64_t)(l->due_ns - sys_now_ns()) / 1000000;
	return l->pagemap < 0 ? -1 : ms < 0 ? 0 : ms;
}

static void take_lesson(struct zygote *z, struct lessons *l)
{
	int pagemap = lesson_receive(z);
	if (l->pagemap >= 0) {
		SYS(close, pagemap);
		return;
	}
	l->pagemap = pagemap;
	l->due_ns = sys_now_ns() + RESTORE_LESSON_MS * 1000000ull;
}

/* For those that are made from now on. */
static void learn(struct zygote *z, struct lessons *l)
{
	lesson_read(z, l->pagemap);
	SYS(close, l->pagemap);
	l->pagemap = -1;
}

/* ---- spares ---- */

/* Until it took a request or ended: then its end of the pipe is closed. */
static void wait_for_spare(struct zygote *z, int pipe, struct lessons *l)
{
	for (;;) {
		struct pollfd p[] = {{pipe, POLLIN, 0}, {z->lesson[0], POLLIN, 0}};
		long n = SYS(poll, p, 2, ms_left(l));
		if (n < 0 || p[0].revents)
			return;
		if (p[1].revents)
			take_lesson(z, l);
		if (l->pagemap >= 0 && ms_left(l) == 0)
			learn(z, l);
	}
}

/* What was asked before the other end closed is still done. */
static bool is_left_alone(struct zygote *z)
{
	char byte;
	return SYS(recvfrom, z->socket, &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT, 0, 0) == 0;
}

static void make_spare(struct zygote *z, struct lessons *l)
{
	static const struct __kernel_timespec moment = {0, 10000000};
	struct clone_args args = {.exit_signal = SIGCHLD};
	int pipe[2];
	if (SYS(pipe2, pipe, O_CLOEXEC) < 0) {
		SYS(nanosleep, &moment, 0);
		return;
	}
	z->taken = pipe[1];
	long pid = sys_clone(&z->key, &args);
	if (pid == 0) {
		SYS(close, pipe[0]);
		be_spare(z);
	}
	SYS(close, pipe[1]);
	if (pid > 0)
		wait_for_spare(z, pipe[0], l);
	else
		SYS(nanosleep, &moment, 0);
	SYS(close, pipe[0]);
}

/* Whoever was restored just now needs the processors more, unless somebody waits already. */
static void give_way(struct zygote *z)
{
	struct pollfd p = {z->socket, POLLIN, 0};
	SYS(poll, &p, 1, REST_MS);
}

_Noreturn void spare_loop(struct zygote *z)
{
	struct lessons lessons = {.pagemap = -1};
	while (!is_left_alone(z)) {
		make_spare(z, &lessons);
		give_way(z);
	}
	SYS(exit_group, 0);
	__builtin_unreachable();
}
