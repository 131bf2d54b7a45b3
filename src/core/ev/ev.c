#include "core/ev/ev.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/base/clock.h"

#define EVENTS_A_ROUND 256

/* The kernel hands back {slot, generation}, never a pointer: an event that was fetched in the same round as its watcher was
 * stopped, or its slot given to another, finds a different generation and is dropped. */
struct slot {
	struct ev_io *io;
	unsigned generation, next_free;
};

struct ev_loop {
	int epoll, wake;
	bool stop;
	uint64_t now_ns;
	struct slot *slots;
	unsigned slot_count, slot_free; /* slot_free: head of the free list, UINT32_MAX when empty */
	struct ev_timer **heap;
	size_t timers, heap_cap;
	struct list defers;
	struct ev_io wake_io;
	pthread_mutex_t post_lock;
	struct ev_post *post_head, **post_tail;
};

#define NO_SLOT UINT32_MAX

static void on_wake(struct ev_io *io, unsigned events)
{
	struct ev_loop *loop = io->loop;
	uint64_t count;
	ssize_t ignored = read(loop->wake, &count, sizeof count);
	(void)ignored;
	pthread_mutex_lock(&loop->post_lock);
	struct ev_post *post = loop->post_head;
	loop->post_head = NULL;
	loop->post_tail = &loop->post_head;
	pthread_mutex_unlock(&loop->post_lock);
	while (post) {
		struct ev_post *next = post->next;
		post->cb(post);
		post = next;
	}
}

struct ev_loop *ev_loop_new(struct error *err)
{
	struct ev_loop *loop = calloc(1, sizeof *loop);
	if (!loop) {
		error_set(err, ERR_NO_MEMORY, "no memory for an event loop");
		return NULL;
	}
	loop->slot_free = NO_SLOT;
	loop->post_tail = &loop->post_head;
	list_init(&loop->defers);
	pthread_mutex_init(&loop->post_lock, NULL);
	loop->now_ns = clock_mono_ns();
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	loop->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	loop->wake_io = (struct ev_io){.fd = loop->wake, .cb = on_wake};
	if (loop->epoll < 0 || loop->wake < 0) {
		error_sys(err, "cannot make an event loop");
		ev_loop_free(loop);
		return NULL;
	}
	if (ev_io_start(loop, &loop->wake_io, EV_READ, err) < 0) {
		ev_loop_free(loop);
		return NULL;
	}
	return loop;
}

void ev_loop_free(struct ev_loop *loop)
{
	if (!loop)
		return;
	if (loop->wake >= 0)
		close(loop->wake);
	if (loop->epoll >= 0)
		close(loop->epoll);
	pthread_mutex_destroy(&loop->post_lock);
	free(loop->slots);
	free(loop->heap);
	free(loop);
}

uint64_t ev_now_ns(const struct ev_loop *loop)
{
	return loop->now_ns;
}

void ev_loop_stop(struct ev_loop *loop)
{
	loop->stop = true;
}

/* ---- descriptors ---- */

static int slot_take(struct ev_loop *loop, struct ev_io *io)
{
	if (loop->slot_free == NO_SLOT) {
		unsigned count = loop->slot_count ? loop->slot_count * 2 : 64;
		struct slot *slots = realloc(loop->slots, count * sizeof *slots);
		if (!slots)
			return -1;
		for (unsigned i = loop->slot_count; i < count; i++)
			slots[i] = (struct slot){.next_free = i + 1 < count ? i + 1 : NO_SLOT};
		loop->slots = slots;
		loop->slot_free = loop->slot_count;
		loop->slot_count = count;
	}
	io->slot = loop->slot_free;
	struct slot *s = &loop->slots[io->slot];
	loop->slot_free = s->next_free;
	s->io = io;
	io->generation = ++s->generation;
	return 0;
}

static void slot_give(struct ev_loop *loop, unsigned at)
{
	loop->slots[at].io = NULL;
	loop->slots[at].next_free = loop->slot_free;
	loop->slot_free = at;
}

static int control(struct ev_io *io, int op)
{
	struct epoll_event e = {.data.u64 = (uint64_t)io->generation << 32 | io->slot};
	e.events = EPOLLRDHUP * !!(io->want & EV_READ) | (io->want & EV_READ ? EPOLLIN : 0u) |
	           (io->want & EV_WRITE ? EPOLLOUT : 0u) | (io->want & EV_EDGE ? EPOLLET : 0u);
	return epoll_ctl(io->loop->epoll, op, io->fd, &e);
}

int ev_io_start(struct ev_loop *loop, struct ev_io *io, unsigned want, struct error *err)
{
	ASSERT(!io->loop && io->cb && io->fd >= 0);
	if (slot_take(loop, io) < 0)
		return error_set(err, ERR_NO_MEMORY, "no memory to watch a descriptor");
	io->loop = loop;
	io->want = want;
	if (control(io, EPOLL_CTL_ADD) < 0) {
		slot_give(loop, io->slot);
		io->loop = NULL;
		return error_sys(err, "cannot watch descriptor %d", io->fd);
	}
	return 0;
}

void ev_io_want(struct ev_io *io, unsigned want)
{
	ASSERT(io->loop);
	if (io->want == want)
		return;
	io->want = want;
	ASSERT(control(io, EPOLL_CTL_MOD) == 0);
}

void ev_io_stop(struct ev_io *io)
{
	if (!io->loop)
		return;
	epoll_ctl(io->loop->epoll, EPOLL_CTL_DEL, io->fd, NULL);
	slot_give(io->loop, io->slot);
	io->loop = NULL;
}

static void dispatch(struct ev_loop *loop, const struct epoll_event *e)
{
	unsigned at = (unsigned)(e->data.u64 & UINT32_MAX), generation = (unsigned)(e->data.u64 >> 32);
	struct ev_io *io = loop->slots[at].io;
	if (!io || io->generation != generation)
		return;
	unsigned events = (e->events & EPOLLIN ? EV_READ : 0u) | (e->events & EPOLLOUT ? EV_WRITE : 0u) |
	                  (e->events & (EPOLLHUP | EPOLLRDHUP | EPOLLERR) ? EV_HANGUP : 0u);
	io->cb(io, events);
}

/* ---- timers: a binary heap, earliest first ---- */

static void heap_set(struct ev_loop *loop, size_t at, struct ev_timer *t)
{
	loop->heap[at] = t;
	t->heap_at = at;
}

static void heap_up(struct ev_loop *loop, size_t at)
{
	struct ev_timer *t = loop->heap[at];
	while (at > 0 && loop->heap[(at - 1) / 2]->at_ns > t->at_ns) {
		heap_set(loop, at, loop->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	heap_set(loop, at, t);
}

static void heap_down(struct ev_loop *loop, size_t at)
{
	struct ev_timer *t = loop->heap[at];
	for (size_t child; (child = 2 * at + 1) < loop->timers; at = child) {
		if (child + 1 < loop->timers && loop->heap[child + 1]->at_ns < loop->heap[child]->at_ns)
			child++;
		if (t->at_ns <= loop->heap[child]->at_ns)
			break;
		heap_set(loop, at, loop->heap[child]);
	}
	heap_set(loop, at, t);
}

void ev_timer_at(struct ev_loop *loop, struct ev_timer *timer, uint64_t at_ns)
{
	ASSERT(timer->cb);
	ev_timer_stop(timer);
	if (loop->timers == loop->heap_cap) {
		size_t cap = loop->heap_cap ? loop->heap_cap * 2 : 64;
		struct ev_timer **heap = realloc(loop->heap, cap * sizeof(struct ev_timer *));
		ASSERT(heap);
		loop->heap = heap;
		loop->heap_cap = cap;
	}
	timer->loop = loop;
	timer->at_ns = at_ns;
	heap_set(loop, loop->timers++, timer);
	heap_up(loop, timer->heap_at);
}

void ev_timer_after(struct ev_loop *loop, struct ev_timer *timer, uint64_t delay_ns)
{
	ev_timer_at(loop, timer, clock_mono_ns() + delay_ns);
}

void ev_timer_stop(struct ev_timer *timer)
{
	struct ev_loop *loop = timer->loop;
	if (!loop)
		return;
	size_t at = timer->heap_at;
	struct ev_timer *last = loop->heap[--loop->timers];
	timer->loop = NULL;
	if (last == timer)
		return;
	heap_set(loop, at, last);
	heap_down(loop, at);
	heap_up(loop, last->heap_at);
}

static void run_timers(struct ev_loop *loop)
{
	while (loop->timers && loop->heap[0]->at_ns <= loop->now_ns) {
		struct ev_timer *t = loop->heap[0];
		ev_timer_stop(t);
		t->cb(t);
	}
}

/* ---- end of a round ---- */

void ev_defer_init(struct ev_defer *defer, void (*cb)(struct ev_defer *))
{
	defer->cb = cb;
	list_init(&defer->link);
}

void ev_defer_run(struct ev_loop *loop, struct ev_defer *defer)
{
	if (list_empty(&defer->link))
		list_push_back(&loop->defers, &defer->link);
}

void ev_defer_cancel(struct ev_defer *defer)
{
	list_remove(&defer->link);
}

static void run_defers(struct ev_loop *loop)
{
	struct list *link;
	while ((link = list_pop_front(&loop->defers))) {
		struct ev_defer *d = CONTAINER_OF(link, struct ev_defer, link);
		d->cb(d);
	}
}

void ev_post(struct ev_loop *loop, struct ev_post *post)
{
	post->next = NULL;
	pthread_mutex_lock(&loop->post_lock);
	bool first = !loop->post_head;
	*loop->post_tail = post;
	loop->post_tail = &post->next;
	pthread_mutex_unlock(&loop->post_lock);
	if (first) {
		uint64_t one = 1;
		ssize_t ignored = write(loop->wake, &one, sizeof one);
		(void)ignored;
	}
}

static int wait_ms(const struct ev_loop *loop)
{
	if (!loop->timers)
		return -1;
	uint64_t at = loop->heap[0]->at_ns, now = clock_mono_ns();
	if (at <= now)
		return 0;
	uint64_t ms = (at - now + NS_PER_MS - 1) / NS_PER_MS;
	return ms > 60000 ? 60000 : (int)ms;
}

int ev_loop_run(struct ev_loop *loop, struct error *err)
{
	struct epoll_event events[EVENTS_A_ROUND];
	loop->stop = false;
	run_defers(loop);
	while (!loop->stop) {
		int n = epoll_wait(loop->epoll, events, EVENTS_A_ROUND, wait_ms(loop));
		if (n < 0 && errno != EINTR)
			return error_sys(err, "cannot wait for events");
		loop->now_ns = clock_mono_ns();
		run_timers(loop);
		for (int i = 0; i < n; i++)
			dispatch(loop, &events[i]);
		run_defers(loop);
	}
	return 0;
}
