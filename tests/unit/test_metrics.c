#include "control/metrics/metrics.h"
#include "core/base/clock.h"
#include "tests/unit/test.h"

static bool shows(const struct metrics *m, const char *line)
{
	struct buf out;
	buf_init(&out, 8u << 20);
	metrics_text(m, &out);
	buf_putc(&out, '\0');
	bool found = strstr(out.data, line) != NULL;
	buf_release(&out);
	return found;
}

TEST(an_invocation_counts_everywhere)
{
	struct metrics *m = metrics_new();
	unsigned f = metrics_function(m, STR("thumb"));
	CHECK_INT(metrics_function(m, STR("thumb")), f);
	struct metrics_invocation inv = {.function = f, .cold = true, .failed = true, .error = METRIC_ERROR_TIMEOUT,
	                                 .submitted_ns = 1, .placed_ns = 1 + 3 * NS_PER_MS, .start_asked_ns = 2, .sandbox_done_ns = 2 + NS_PER_MS,
	                                 .init_done_ns = 2 + 2 * NS_PER_MS, .sent_ns = 100, .answered_ns = 100 + 2 * NS_PER_S,
	                                 .done_ns = 200 + 2 * NS_PER_S};
	metrics_count_invocation(m, &inv);
	inv = (struct metrics_invocation){.function = f, .throttled = true, .throttle = THROTTLE_RESERVED};
	metrics_count_invocation(m, &inv);
	inv = (struct metrics_invocation){.function = f, .cold = true, .cold_kind = METRIC_COLD_RESTORE, .submitted_ns = 1, .placed_ns = 2,
	                                  .start_asked_ns = 10, .sandbox_done_ns = 20, .init_done_ns = 20 + 1200000, .sent_ns = 3, .answered_ns = 4,
	                                  .done_ns = 1 + 1900000};
	metrics_count_invocation(m, &inv);
	CHECK(shows(m, "mayfly_cold_starts_total{function=\"thumb\",kind=\"restore\"} 1\n"));
	CHECK(shows(m, "mayfly_cold_start_seconds_bucket{kind=\"restore\",phase=\"restore\",le=\"0.001\"} 0\n"
	               "mayfly_cold_start_seconds_bucket{kind=\"restore\",phase=\"restore\",le=\"0.0015\"} 1\n"));
	CHECK(shows(m, "mayfly_cold_start_seconds_sum{kind=\"restore\",phase=\"total\"} 0.001900000\n"));
	CHECK(shows(m, "mayfly_cold_start_seconds_count{kind=\"start\",phase=\"init\"} 1\n"));
	CHECK(!shows(m, "mayfly_cold_start_seconds_count{kind=\"restore\",phase=\"init\"}"));
	CHECK(shows(m, "mayfly_invocations_total{function=\"thumb\"} 2\n"));
	CHECK(shows(m, "mayfly_invocation_errors_total{function=\"thumb\",kind=\"timeout\"} 1\n"));
	CHECK(shows(m, "mayfly_throttles_total{function=\"thumb\",reason=\"reserved\"} 1\n"));
	CHECK(shows(m, "mayfly_cold_starts_total{function=\"thumb\",kind=\"start\"} 1\n"));
	CHECK(shows(m, "mayfly_duration_seconds_bucket{function=\"thumb\",le=\"1\"} 1\n"));
	CHECK(shows(m, "mayfly_duration_seconds_bucket{function=\"thumb\",le=\"2.5\"} 2\n"));
	CHECK(shows(m, "mayfly_duration_seconds_bucket{function=\"thumb\",le=\"+Inf\"} 2\n"));
	CHECK(shows(m, "mayfly_duration_seconds_sum{function=\"thumb\"} 2.000000001\n"));
	CHECK(shows(m, "mayfly_phase_seconds_count{phase=\"init\"} 1\n"));
	CHECK(shows(m, "mayfly_queue_wait_seconds_bucket{le=\"0.0025\"} 1\nmayfly_queue_wait_seconds_bucket{le=\"0.0035\"} 2\n"));
	CHECK(shows(m, "# TYPE mayfly_environments gauge\n"));
	CHECK(!shows(m, "mayfly_invocations_total{function=\"other\"}"));
	metrics_free(m);
}

TEST(functions_beyond_the_cap_are_other)
{
	struct metrics *m = metrics_new();
	char name[32];
	for (unsigned i = 0; i < METRICS_FUNCTIONS + 50; i++) {
		int n = snprintf(name, sizeof name, "f%u", i);
		unsigned f = metrics_function(m, (struct str){name, (size_t)n});
		CHECK(i < METRICS_FUNCTIONS ? f == i + 1 : f == 0);
		metrics_add(m, METRIC_INVOCATIONS, f, 0, i + 1);
	}
	CHECK_INT(metrics_value(m, METRIC_INVOCATIONS, 1, 0), 1); /* kept while the series grew */
	CHECK(shows(m, "mayfly_invocations_total{function=\"f999\"} 1000\n"));
	CHECK_INT(metrics_value(m, METRIC_INVOCATIONS, 0, 0), 50 * 1000 + 50 * 51 / 2);
	metrics_free(m);
}

TEST(gauges_and_a_full_buffer)
{
	struct metrics *m = metrics_new();
	metrics_set(m, METRIC_ENVIRONMENTS, METRIC_FROZEN, 0, 7);
	CHECK(shows(m, "mayfly_environments{state=\"frozen\"} 7\n"));
	struct buf small;
	buf_init(&small, 100);
	CHECK_INT(metrics_text(m, &small), -1);
	buf_release(&small);
	metrics_free(m);
}

TESTS(T(an_invocation_counts_everywhere), T(functions_beyond_the_cap_are_other), T(gauges_and_a_full_buffer))
