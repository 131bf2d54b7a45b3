/* One event loop: descriptors, timers, work put off to the end of a round, and posts from other threads.
 *
 * Every object belongs to one loop and is used by that loop's thread only; ev_post is the single call that another thread
 * may make. Watchers are embedded in their owners: a watcher must be stopped before its memory goes. Callbacks may stop or
 * free any watcher, their own included. */
#ifndef MAYFLY_EV_EV_H
#define MAYFLY_EV_EV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/base/list.h"

struct ev_loop;

enum { EV_READ = 1, EV_WRITE = 2, EV_HANGUP = 4, EV_EDGE = 8 };

/* A watched descriptor. `events` given to the callback: EV_READ, EV_WRITE, EV_HANGUP (peer gone, or error). EV_HANGUP is
 * always reported; with EV_READ a half-closed peer shows as EV_READ | EV_HANGUP. EV_EDGE asks for edge triggering. */
struct ev_io {
	int fd;
	unsigned want;
	void (*cb)(struct ev_io *io, unsigned events);
	struct ev_loop *loop; /* NULL while stopped */
	unsigned slot, generation;
};

/* One shot at a monotonic time. */
struct ev_timer {
	uint64_t at_ns;
	void (*cb)(struct ev_timer *timer);
	struct ev_loop *loop; /* NULL while stopped */
	size_t heap_at;
};

/* Runs once at the end of the round in which it was scheduled (to batch writes, to free safely). */
struct ev_defer {
	void (*cb)(struct ev_defer *defer);
	struct list link;
};

/* A message from another thread; owned by the loop until the callback. */
struct ev_post {
	void (*cb)(struct ev_post *post);
	struct ev_post *next;
};

struct ev_loop *ev_loop_new(struct error *err);
void ev_loop_free(struct ev_loop *loop);
/* Until ev_loop_stop. -1 only when the kernel refuses to wait. */
int ev_loop_run(struct ev_loop *loop, struct error *err);
void ev_loop_stop(struct ev_loop *loop);
/* The time at which this round began; cheap. */
uint64_t ev_now_ns(const struct ev_loop *loop);

/* fd and cb are set by the caller before. */
int ev_io_start(struct ev_loop *loop, struct ev_io *io, unsigned want, struct error *err);
void ev_io_want(struct ev_io *io, unsigned want);
void ev_io_stop(struct ev_io *io); /* also fine when stopped; does not close */

/* Starting again moves the timer. */
void ev_timer_at(struct ev_loop *loop, struct ev_timer *timer, uint64_t at_ns);
void ev_timer_after(struct ev_loop *loop, struct ev_timer *timer, uint64_t delay_ns);
void ev_timer_stop(struct ev_timer *timer);

void ev_defer_init(struct ev_defer *defer, void (*cb)(struct ev_defer *));
void ev_defer_run(struct ev_loop *loop, struct ev_defer *defer); /* idempotent within a round */
void ev_defer_cancel(struct ev_defer *defer);

void ev_post(struct ev_loop *loop, struct ev_post *post); /* any thread */

/* Signals as events: blocks them in the calling thread (before others start) and reports each number to cb. */
struct ev_signals;
struct ev_signals *ev_signals_new(struct ev_loop *loop, const int *signals, size_t n, void (*cb)(void *arg, int signal),
                                  void *arg, struct error *err);
void ev_signals_free(struct ev_signals *s);

#endif
