/* The scheduler's rules one by one; tests/sim tries their combinations. */
#include "control/sched/sched_priv.h"
#include "core/base/check.h"
#include "tests/unit/test.h"

#define MS 1000000ull
#define S (1000 * MS)

static const struct sched_config usual = {.account_concurrency = 100, .max_environments = 100, .memory_mb = 10240,
                                          .keep_alive_ns = 600 * S, .freeze_after_ns = 50 * MS, .wait_ns = 2 * S};
static const struct sched_version f1 = {.version_id = 1, .function_id = 1, .memory_mb = 128, .reserved = -1};
static const struct sched_version f2 = {.version_id = 2, .function_id = 2, .memory_mb = 1024, .reserved = -1};

/* The decisions that are there, as text: "start 1; assign 7 1; ..." with environments numbered as they appear. */
static const char *told(struct sched *s, uint64_t *last_env)
{
	static char text[4096];
	static const char *const names[] = {"assign", "start", "freeze", "stop", "reject"};
	struct sched_decision d;
	size_t n = 0;
	text[0] = '\0';
	while (sched_next(s, &d)) {
		n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", n ? "; " : "", names[d.kind]);
		if (d.kind == DECIDE_ASSIGN || d.kind == DECIDE_REJECT)
			n += (size_t)snprintf(text + n, sizeof text - n, " %llu", (unsigned long long)d.invocation);
		if (d.kind == DECIDE_REJECT)
			n += (size_t)snprintf(text + n, sizeof text - n, " why %d", (int)d.why);
		if (d.kind == DECIDE_START)
			n += (size_t)snprintf(text + n, sizeof text - n, " v%llu", (unsigned long long)d.version_id);
		if (d.frozen)
			n += (size_t)snprintf(text + n, sizeof text - n, " frozen");
		if (last_env && d.env)
			*last_env = d.env;
	}
	return text;
}

TEST(late_binding_gives_the_first_free_environment)
{
	struct sched *s = sched_new(&usual);
	uint64_t e1 = 0, e2 = 0;
	sched_invoke(s, 0, 10, &f1);
	CHECK_STR(told(s, &e1), "start v1");
	sched_env_ready(s, 1 * MS, e1);
	CHECK_STR(told(s, NULL), "assign 10");
	sched_invoke(s, 2 * MS, 11, &f1);
	CHECK_STR(told(s, &e2), "start v1");
	sched_env_idle(s, 3 * MS, e1); /* before the new one is ready */
	CHECK_STR(told(s, NULL), "assign 11");
	sched_env_ready(s, 4 * MS, e2);
	CHECK_STR(told(s, NULL), "");
	sched_invoke(s, 5 * MS, 12, &f1);
	CHECK_STR(told(s, NULL), "assign 12");
	CHECK_INT(sched_busy(s, 1), 2);
	sched_free(s);
}

TEST(idle_ones_are_frozen_then_stopped_newest_used_first)
{
	struct sched *s = sched_new(&usual);
	uint64_t e1 = 0, e2 = 0, got = 0;
	sched_invoke(s, 0, 1, &f1);
	told(s, &e1);
	sched_invoke(s, 0, 2, &f1);
	told(s, &e2);
	sched_env_ready(s, 0, e1);
	sched_env_ready(s, 0, e2);
	told(s, NULL);
	sched_env_idle(s, 10 * MS, e2);
	sched_env_idle(s, 20 * MS, e1);
	CHECK_INT(sched_wake_ns(s), 60 * MS);
	sched_tick(s, 60 * MS);
	CHECK_STR(told(s, &got), "freeze");
	CHECK(got == e2);
	sched_invoke(s, 61 * MS, 3, &f1);
	CHECK_STR(told(s, &got), "assign 3");
	CHECK(got == e1);
	sched_invoke(s, 62 * MS, 4, &f1);
	CHECK_STR(told(s, &got), "assign 4 frozen");
	sched_env_idle(s, 100 * MS, e1);
	sched_tick(s, 100 * MS + 600 * S);
	CHECK_STR(told(s, &got), "stop");
	CHECK(got == e1);
	sched_env_dead(s, 101 * MS + 600 * S, e1);
	struct sched_counts c;
	sched_count(s, &c);
	CHECK_INT(c.busy, 1);
	CHECK_INT(c.memory_mb, 128);
	sched_free(s);
}

TEST(memory_comes_from_the_oldest_idle_of_another_version)
{
	struct sched_config config = usual;
	config.memory_mb = 1200;
	struct sched *s = sched_new(&config);
	uint64_t e1 = 0, e2 = 0, got = 0;
	sched_invoke(s, 0, 1, &f1);
	told(s, &e1);
	sched_invoke(s, 0, 2, &f1);
	told(s, &e2);
	sched_env_ready(s, 0, e1);
	sched_env_ready(s, 0, e2);
	told(s, NULL);
	sched_env_idle(s, 1, e2);
	sched_env_idle(s, 2, e1);
	sched_invoke(s, 3, 3, &f2); /* 256 + 1024 > 1200: one must go */
	CHECK_STR(told(s, &got), "stop");
	CHECK(got == e2);
	sched_env_dead(s, 4, e2);
	CHECK_STR(told(s, NULL), "start v2");
	sched_free(s);
}

TEST(full_machine_refuses_after_the_wait)
{
	struct sched_config config = usual;
	config.memory_mb = 1024;
	struct sched *s = sched_new(&config);
	uint64_t e = 0;
	sched_invoke(s, 0, 1, &f2);
	told(s, &e);
	sched_env_ready(s, 0, e);
	told(s, NULL);
	sched_invoke(s, 1 * S, 2, &f1);
	CHECK_STR(told(s, NULL), "");
	CHECK_INT(sched_wake_ns(s), 3 * S);
	sched_tick(s, 3 * S - 1);
	CHECK_STR(told(s, NULL), "");
	sched_tick(s, 3 * S);
	CHECK_STR(told(s, NULL), "reject 2 why 2");
	struct sched_version huge = {.version_id = 9, .function_id = 9, .memory_mb = 1025, .reserved = -1};
	sched_invoke(s, 3 * S, 3, &huge);
	CHECK_STR(told(s, NULL), "reject 3 why 2");
	sched_free(s);
}

TEST(a_version_without_environment_is_not_starved)
{
	struct sched_config config = usual;
	config.memory_mb = 128;
	struct sched_version other = f1;
	other.version_id = other.function_id = 3;
	struct sched *s = sched_new(&config);
	uint64_t e = 0;
	sched_invoke(s, 0, 1, &f1);
	told(s, &e);
	sched_env_ready(s, 0, e);
	told(s, NULL);
	sched_invoke(s, 1, 2, &other);
	for (unsigned i = 0; i < 5; i++)
		sched_invoke(s, 2, 10 + i, &f1);
	sched_env_idle(s, 500 * MS, e);
	CHECK_STR(told(s, NULL), "assign 10");
	sched_env_idle(s, 1 * S + 1, e);
	CHECK_STR(told(s, NULL), "stop");
	sched_env_dead(s, 1 * S + 2, e);
	CHECK_STR(told(s, NULL), "start v3");
	sched_free(s);
}

TEST(concurrency_as_lambda_counts_it)
{
	struct sched_config config = usual;
	config.account_concurrency = 3;
	struct sched_version reserved = f1;
	reserved.reserved = 1;
	struct sched *s = sched_new(&config);
	uint64_t e = 0;
	sched_set_unreserved(s, 0, 2);
	sched_invoke(s, 0, 1, &reserved);
	CHECK_STR(told(s, &e), "start v1");
	sched_invoke(s, 0, 2, &reserved);
	CHECK_STR(told(s, NULL), "reject 2 why 1");
	sched_invoke(s, 0, 3, &f2);
	sched_invoke(s, 0, 4, &f2);
	CHECK_STR(told(s, NULL), "start v2; start v2");
	sched_invoke(s, 0, 5, &f2);
	CHECK_STR(told(s, NULL), "reject 5 why 0");
	sched_env_ready(s, 1, e);
	CHECK_STR(told(s, NULL), "assign 1");
	sched_env_stopping(s, 2, e); /* timed out: the next one may come before the process is gone */
	CHECK_INT(sched_concurrency(s, 1), 0);
	sched_invoke(s, 3, 6, &reserved);
	CHECK_STR(told(s, NULL), "start v1");
	sched_set_reserved(s, 4, 1, 0);
	CHECK_STR(told(s, NULL), "reject 6 why 1");
	reserved.reserved = 0;
	sched_invoke(s, 5, 7, &reserved);
	CHECK_STR(told(s, NULL), "reject 7 why 1");
	sched_free(s);
}

/* The caller has its answer, and may ask again before the runtime does. */
TEST(an_answered_invocation_counts_no_more)
{
	struct sched_version reserved = f1;
	reserved.reserved = 1;
	struct sched *s = sched_new(&usual);
	uint64_t e = 0;
	sched_invoke(s, 0, 1, &reserved);
	told(s, &e);
	sched_env_ready(s, 1, e);
	CHECK_STR(told(s, NULL), "assign 1");
	sched_env_answered(s, 2, e);
	CHECK(sched_concurrency(s, 1) == 0 && sched_busy(s, 1) == 0);
	sched_invoke(s, 3, 2, &reserved);
	CHECK_STR(told(s, NULL), "start v1");
	sched_env_idle(s, 4, e);
	CHECK_STR(told(s, NULL), "assign 2");
	CHECK(sched_concurrency(s, 1) == 1 && sched_busy(s, 1) == 1);
	sched_env_answered(s, 5, e);
	sched_env_dead(s, 6, e);
	CHECK(sched_concurrency(s, 1) == 0 && sched_busy(s, 1) == 0);
	sched_free(s);
}

TEST(failed_starts_end)
{
	struct sched *s = sched_new(&usual);
	uint64_t e = 0;
	unsigned starts = 0;
	sched_invoke(s, 0, 1, &f1);
	const char *text = told(s, &e);
	for (; strcmp(text, "start v1") == 0 && starts < 100; starts++) {
		sched_env_failed(s, starts, e, START_RETRY);
		text = told(s, &e);
	}
	CHECK_INT(starts, SCHED_START_RETRIES + 1);
	CHECK_STR(text, "reject 1 why 4");
	sched_invoke(s, 200, 2, &f1);
	sched_invoke(s, 200, 3, &f1);
	told(s, &e);
	sched_env_failed(s, 201, e, START_FINAL);
	CHECK_STR(told(s, NULL), "reject 2 why 4");
	sched_free(s);
}

TEST(a_failed_restore_costs_nobody_anything)
{
	struct sched *s = sched_new(&usual);
	uint64_t e[3 * SCHED_START_RETRIES], last = 0;
	for (unsigned i = 0; i < ARRAY_LEN(e); i++) {
		sched_invoke(s, 0, i, &f1);
		CHECK_STR(told(s, &e[i]), "start v1");
	}
	for (unsigned i = 0; i < ARRAY_LEN(e); i++) {
		sched_env_failed(s, 1, e[i], START_OTHERWISE);
		CHECK_STR(told(s, &last), "start v1");
	}
	for (unsigned i = 0; i < SCHED_START_RETRIES; i++) {
		sched_env_failed(s, 2, last, START_RETRY);
		CHECK_STR(told(s, &last), "start v1");
	}
	sched_env_failed(s, 2, last, START_RETRY);
	CHECK_STR(told(s, NULL), "reject 0 why 4");
	sched_free(s);
}

TEST(an_environment_of_single_use_serves_once)
{
	static const struct sched_version once = {.version_id = 3, .function_id = 3, .memory_mb = 128, .reserved = 1, .single_use = true};
	struct sched *s = sched_new(&usual);
	uint64_t e1 = 0, e2 = 0, got = 0;
	sched_invoke(s, 0, 1, &once);
	CHECK_STR(told(s, &e1), "start v3");
	sched_cancel(s, 0, 1);
	sched_env_ready(s, 0, e1); /* fresh: it may wait, be frozen, and serve */
	sched_tick(s, 60 * MS);
	CHECK_STR(told(s, NULL), "freeze");
	sched_invoke(s, 60 * MS, 2, &once);
	CHECK_STR(told(s, &got), "assign 2 frozen");
	CHECK(got == e1);
	sched_env_answered(s, 61 * MS, e1);
	sched_invoke(s, 61 * MS, 3, &once); /* a concurrency of one: the answered one counts no more, nor does it serve again */
	CHECK_STR(told(s, &e2), "start v3");
	CHECK(e2 != e1);
	sched_env_idle(s, 62 * MS, e1);
	CHECK_STR(told(s, &got), "stop");
	CHECK(got == e1);
	sched_env_ready(s, 63 * MS, e2);
	CHECK_STR(told(s, &got), "assign 3");
	CHECK(got == e2);
	sched_env_dead(s, 64 * MS, e1);
	sched_env_idle(s, 65 * MS, e2);
	CHECK_STR(told(s, NULL), "stop");
	sched_free(s);
}

TEST(start_rate_does_not_hold_back_single_use)
{
	static const struct sched_version once = {.version_id = 3, .function_id = 3, .memory_mb = 128, .reserved = -1, .single_use = true};
	struct sched_config config = usual;
	config.account_concurrency = config.max_environments = 5000;
	config.memory_mb = 5000 * 128;
	struct sched *s = sched_new(&config);
	unsigned starts = 0;
	struct sched_decision d;
	for (unsigned i = 0; i < 3000; i++)
		sched_invoke(s, 0, i, &once);
	while (sched_next(s, &d))
		starts += d.kind == DECIDE_START;
	CHECK_INT(starts, 3000);
	sched_free(s);
}

TEST(quick_starts_do_not_wait_for_slow_ones)
{
	static const struct sched_version quick = {.version_id = 3, .function_id = 3, .memory_mb = 128, .reserved = -1, .quick = true};
	struct sched_config config = usual;
	config.max_starting = 2;
	config.max_quick = 1;
	struct sched *s = sched_new(&config);
	uint64_t slow = 0, e = 0;
	for (unsigned i = 0; i < 3; i++)
		sched_invoke(s, 0, i, &f1);
	CHECK_STR(told(s, &slow), "start v1; start v1");
	sched_invoke(s, 0, 10, &quick);
	sched_invoke(s, 0, 11, &quick);
	CHECK_STR(told(s, &e), "start v3");
	sched_env_ready(s, 1 * MS, e);
	CHECK_STR(told(s, NULL), "assign 10; start v3");
	sched_env_ready(s, 2 * MS, slow);
	CHECK_STR(told(s, NULL), "assign 0; start v1");
	sched_free(s);
}

TEST(start_rate_is_lambdas)
{
	struct sched_config config = usual;
	config.account_concurrency = config.max_environments = 5000;
	config.memory_mb = 5000 * 128;
	struct sched *s = sched_new(&config);
	unsigned starts = 0;
	struct sched_decision d;
	for (unsigned i = 0; i < 3000; i++)
		sched_invoke(s, 0, i, &f1);
	while (sched_next(s, &d))
		starts += d.kind == DECIDE_START;
	CHECK_INT(starts, 1000);
	CHECK_INT(sched_wake_ns(s), 10 * MS);
	sched_tick(s, 1 * S);
	while (sched_next(s, &d))
		starts += d.kind == DECIDE_START;
	CHECK_INT(starts, 1100);
	sched_free(s);
}

TEST(dropped_versions_end)
{
	struct sched *s = sched_new(&usual);
	uint64_t e1 = 0, e2 = 0;
	sched_invoke(s, 0, 1, &f1);
	told(s, &e1);
	sched_invoke(s, 0, 2, &f1);
	told(s, &e2);
	sched_env_ready(s, 0, e1);
	sched_drop_version(s, 1, 1, false);
	CHECK_STR(told(s, NULL), "assign 1");
	sched_env_ready(s, 2, e2);
	CHECK_STR(told(s, NULL), "assign 2");
	sched_env_idle(s, 3, e2);
	CHECK_STR(told(s, NULL), "stop");
	sched_invoke(s, 4, 3, &f1);
	CHECK_STR(told(s, NULL), "reject 3 why 3");
	sched_env_dead(s, 5, e1); /* in the middle of its invocation */
	sched_env_dead(s, 5, e2);
	struct sched_counts c;
	sched_count(s, &c);
	CHECK_INT(c.busy + c.stopping + c.memory_mb, 0);
	sched_free(s);
}

TEST(a_tenant_never_gets_anothers_environment)
{
	struct sched *s = sched_new(&usual);
	struct sched_version ann = f1, bob = f1;
	uint64_t e1 = 0, e2 = 0, got = 0;
	ann.tenant_id = 1;
	bob.tenant_id = 2;
	sched_invoke(s, 0, 1, &ann);
	CHECK_STR(told(s, &e1), "start v1");
	sched_env_ready(s, 1, e1);
	sched_env_idle(s, 2, e1);
	told(s, NULL);
	sched_invoke(s, 3, 2, &bob); /* hers is idle, and not his */
	CHECK_STR(told(s, &e2), "start v1");
	CHECK(e2 != e1);
	sched_invoke(s, 4, 3, &ann);
	CHECK_STR(told(s, &got), "assign 3");
	CHECK(got == e1);
	sched_env_ready(s, 5, e2);
	CHECK_STR(told(s, &got), "assign 2");
	CHECK(got == e2);
	CHECK_INT(sched_concurrency(s, 1), 2); /* the function's */
	sched_env_idle(s, 6, e1);
	sched_drop_version(s, 7, 1, false);
	CHECK_STR(told(s, &got), "stop");
	sched_env_idle(s, 8, e2);
	CHECK_STR(told(s, &got), "stop");
	sched_free(s);
}

TEST(a_tenant_that_is_gone_is_forgotten)
{
	struct sched *s = sched_new(&usual);
	struct sched_version v = f1;
	uint64_t e = 0;
	for (uint64_t i = 1; i <= 1000; i++) {
		v.tenant_id = i;
		sched_invoke(s, 10 * i * S, i, &v);
		CHECK_STR(told(s, &e), "start v1");
		sched_env_failed(s, 10 * i * S, e, START_FINAL);
		told(s, NULL);
	}
	CHECK_INT(s->queues.count + s->tenant_queues, 0);
	sched_free(s);
}

TEST(ten_thousand_environments)
{
	struct sched_config config = usual;
	config.account_concurrency = config.max_environments = config.start_burst = 10000;
	config.memory_mb = 10000 * 128;
	struct sched *s = sched_new(&config);
	static uint64_t envs[10000];
	struct sched_decision d;
	for (unsigned i = 0; i < 10000; i++) {
		sched_invoke(s, 0, i, &f1);
		CHECK(sched_next(s, &d) && d.kind == DECIDE_START);
		envs[i] = d.env;
	}
	for (unsigned i = 0; i < 10000; i++) {
		sched_env_ready(s, 1, envs[i]);
		CHECK(sched_next(s, &d) && d.kind == DECIDE_ASSIGN && d.invocation == i);
	}
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < 10000; i++) {
			sched_env_idle(s, 2 + round, envs[i]);
			sched_invoke(s, 2 + round, 10000 + i, &f1);
			CHECK(sched_next(s, &d) && d.kind == DECIDE_ASSIGN && d.env == envs[i]);
		}
	}
	sched_free(s);
}

TESTS(T(late_binding_gives_the_first_free_environment), T(idle_ones_are_frozen_then_stopped_newest_used_first),
      T(memory_comes_from_the_oldest_idle_of_another_version), T(full_machine_refuses_after_the_wait),
      T(a_version_without_environment_is_not_starved), T(concurrency_as_lambda_counts_it),
      T(an_answered_invocation_counts_no_more), T(failed_starts_end),
      T(a_failed_restore_costs_nobody_anything), T(an_environment_of_single_use_serves_once),
      T(start_rate_does_not_hold_back_single_use),
      T(quick_starts_do_not_wait_for_slow_ones), T(start_rate_is_lambdas), T(dropped_versions_end), T(a_tenant_never_gets_anothers_environment),
      T(a_tenant_that_is_gone_is_forgotten), T(ten_thousand_environments))
