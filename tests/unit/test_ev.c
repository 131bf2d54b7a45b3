#include <unistd.h>

#include "core/base/clock.h"
#include "core/ev/ev.h"
#include "core/ev/pool.h"
#include "tests/unit/test.h"

struct rig {
	struct ev_loop *loop;
	struct ev_timer timers[3];
	char order[8];
	size_t n;
	struct ev_io a, b;
	struct ev_defer defer;
	struct ev_job job;
	int worked;
};

static struct rig rig; /* the callbacks below have one rig: tests run one after another */

static void on_any_timer(struct ev_timer *t)
{
	rig.order[rig.n++] = (char)('0' + (t - rig.timers));
	if (rig.n == 3)
		ev_loop_stop(rig.loop);
}

TEST(timers_fire_in_order)
{
	struct error err = {0};
	rig = (struct rig){.loop = ev_loop_new(&err)};
	CHECK(rig.loop);
	uint64_t now = clock_mono_ns();
	for (int i = 0; i < 3; i++)
		rig.timers[i].cb = on_any_timer;
	ev_timer_at(rig.loop, &rig.timers[0], now + 3 * NS_PER_MS);
	ev_timer_at(rig.loop, &rig.timers[1], now + 9 * NS_PER_MS);
	ev_timer_at(rig.loop, &rig.timers[2], now + 2 * NS_PER_MS);
	ev_timer_at(rig.loop, &rig.timers[1], now + 1 * NS_PER_MS);
	CHECK_INT(ev_loop_run(rig.loop, &err), 0);
	CHECK_STR(rig.order, "120");
	ev_loop_free(rig.loop);
}

static void on_a(struct ev_io *io, unsigned events)
{
	/* Both are readable in the same round: the first stops the second and starts another in its slot. */
	rig.order[rig.n++] = 'a';
	ev_io_stop(io == &rig.a ? &rig.b : &rig.a);
	ev_io_stop(io);
	ev_defer_run(rig.loop, &rig.defer);
	ev_defer_run(rig.loop, &rig.defer);
}

static void on_defer(struct ev_defer *d)
{
	rig.order[rig.n++] = 'd';
	ev_loop_stop(rig.loop);
}

TEST(a_stopped_watcher_gets_no_stale_event)
{
	struct error err = {0};
	int p[2], q[2];
	CHECK(pipe(p) == 0 && pipe(q) == 0);
	rig = (struct rig){.loop = ev_loop_new(&err)};
	rig.a = (struct ev_io){.fd = p[0], .cb = on_a};
	rig.b = (struct ev_io){.fd = q[0], .cb = on_a};
	ev_defer_init(&rig.defer, on_defer);
	CHECK(write(p[1], "x", 1) == 1 && write(q[1], "x", 1) == 1);
	CHECK_INT(ev_io_start(rig.loop, &rig.a, EV_READ, &err), 0);
	CHECK_INT(ev_io_start(rig.loop, &rig.b, EV_READ, &err), 0);
	CHECK_INT(ev_loop_run(rig.loop, &err), 0);
	CHECK_STR(rig.order, "ad");
	ev_loop_free(rig.loop);
	for (int i = 0; i < 2; i++) {
		close(p[i]);
		close(q[i]);
	}
}

static void work(struct ev_job *j)
{
	rig.worked++;
}

static void worked(struct ev_job *j)
{
	rig.order[rig.n++] = 'w';
	ev_loop_stop(j->loop);
}

TEST(pool_reports_on_the_loop)
{
	struct error err = {0};
	rig = (struct rig){.loop = ev_loop_new(&err), .job = {.work = work, .done = worked}};
	struct ev_pool *pool = ev_pool_new(2, &err);
	CHECK(pool);
	ev_pool_submit(pool, rig.loop, &rig.job);
	CHECK_INT(ev_loop_run(rig.loop, &err), 0);
	CHECK(rig.worked == 1 && rig.n == 1);
	ev_pool_free(pool);
	ev_loop_free(rig.loop);
}

TESTS(T(timers_fire_in_order), T(a_stopped_watcher_gets_no_stale_event), T(pool_reports_on_the_loop))
