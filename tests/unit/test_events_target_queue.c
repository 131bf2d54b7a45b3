/* Deliveries that wait in a store, over a queue in memory and a target that answers when the test says so. */
#include <stdlib.h>

#include "services/events/target_queue.h"
#include "tests/unit/queue_fake.h"
#include "tests/unit/test.h"

static struct {
	struct ev_loop *loop;
	struct fake_queue q;
	struct deliverer deliverer;
	struct target_queue *targets;
	delivery_cb *cb;
	void *arg;
	char target[40];
	unsigned tries, idle;
	struct ev_timer patience;
} rig;

static void on_deliver(void *arg, const struct delivery *d, delivery_cb *cb, void *cb_arg)
{
	rig.cb = cb;
	rig.arg = cb_arg;
	str_copy(rig.target, sizeof rig.target, d->target);
	rig.tries++;
}

static void on_idle(void *arg)
{
	rig.idle++;
}

static void on_patience(struct ev_timer *timer)
{
	ev_loop_stop(rig.loop);
}

static void settle(void)
{
	rig.patience.cb = on_patience;
	ev_timer_after(rig.loop, &rig.patience, 2000000);
	ev_loop_run(rig.loop, NULL);
}

static void begin(void)
{
	memset(&rig, 0, sizeof rig);
	rig.loop = ev_loop_new(NULL);
	fake_init(&rig.q, rig.loop);
	rig.deliverer = (struct deliverer){on_deliver, NULL};
	rig.targets = target_queue_new(&(struct target_queue_deps){.loop = rig.loop, .queue = &rig.q.queue, .name = "fire/test",
	                               .deliverer = &rig.deliverer, .retry_percent = 100}, NULL);
	ASSERT(rig.targets && target_queue_start(rig.targets, NULL) == 0);
}

static void end(void)
{
	settle();
	target_queue_free(rig.targets);
	ev_defer_cancel(&rig.q.tell);
	fake_release(&rig.q);
	ev_loop_free(rig.loop);
}

static void put(const char *dead_letter)
{
	struct target_fire fire = {.target = STR("t"), .payload = STR("{}"), .attempts_max = 3, .age_max_ms = 1u << 30,
	                           .dead_letter = str_from(dead_letter)};
	ASSERT(target_queue_put(rig.targets, &fire, STR_NULL, 0, NULL, NULL, NULL) == 0);
	settle();
}

static void answer(enum error_code code, const char *text)
{
	struct error err = {.code = code};
	snprintf(err.msg, sizeof err.msg, "%s", text);
	rig.cb(rig.arg, code ? &err : NULL);
}

TEST(a_drain_waits_until_the_store_has_kept_it)
{
	begin();
	put(NULL);
	CHECK_INT(rig.tries, 1);
	target_queue_drain(rig.targets, on_idle, NULL);
	CHECK(target_queue_busy(rig.targets));
	put(NULL);
	CHECK_INT(rig.tries, 1); /* nothing more is tried */
	answer(ERR_OK, "");
	CHECK(target_queue_busy(rig.targets));
	CHECK_INT(rig.idle, 0);
	settle();
	CHECK(!target_queue_busy(rig.targets));
	CHECK_INT(rig.idle, 1);
	end();
}

TESTS(T(a_drain_waits_until_the_store_has_kept_it))
