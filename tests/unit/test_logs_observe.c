/* Who observes a stream hears of everything as it happens, whatever format and level the log has. */
#include "control/logs/platform_json.h"
#include "tests/unit/logs_fixture.h"
#include "tests/unit/test.h"

/* What was heard, one after the other: "type" or "line text", newest last. */
struct heard {
	char text[8192];
	struct platform_event done, report; /* copies of the latest; their strings are gone */
	uint64_t latency_ns, response_ns;
	size_t spans;
	bool traced;
};

static void hear(struct heard *h, const char *what)
{
	size_t n = strlen(h->text);
	snprintf(h->text + n, sizeof h->text - n, "%s\n", what);
}

static void on_platform(void *arg, const struct platform_event *e)
{
	struct heard *h = arg;
	char text[256];
	ASSERT(e->wall_ms > 0);
	snprintf(text, sizeof text, "%s %s%s%s", platform_type(e->kind, PLATFORM_NEWEST), e->status ? e->status : "-",
	         e->error_type ? " " : "", e->error_type ? e->error_type : "");
	hear(h, text);
	if (e->kind == PLATFORM_RUNTIME_DONE) {
		h->done = *e;
		h->spans = e->span_count;
		h->latency_ns = e->span_count ? e->spans[0].duration_ns : 0;
		h->response_ns = e->span_count ? e->spans[1].duration_ns : 0;
	}
	h->traced = e->trace != NULL;
}

static void on_line(void *arg, int64_t wall_ms, bool extension, struct str line)
{
	char text[256];
	ASSERT(wall_ms > 0);
	snprintf(text, sizeof text, "%s " STR_FMT, extension ? "extension" : "function", STR_ARG(str_sub(line, 0, line.n ? line.n - 1 : 0)));
	hear(arg, text);
}

static const struct log_observer observer = {.platform = on_platform, .line = on_line};

#define ID "11111111-2222-3333-4444-555555555555"

static void live(struct log_stream *s, struct function_version *v)
{
	log_stream_init_start(s, v, NULL);
	log_stream_output(s, "loading\n", 8);
	log_stream_extension(s, &(struct log_extension){.name = "ext", .state = "Ready", .events = (const char *const[]){"INVOKE", "SHUTDOWN"},
	                                                .event_count = 2});
	log_stream_init_done(s, 5000000, false);
	log_stream_trace(s, "Root=1-2-3;Parent=0123456789abcdef;Sampled=1");
	log_stream_start(s, ID, "$LATEST", false);
	log_stream_output(s, "{\"a\":1}\n", 8);
	log_stream_runtime_done(s, &(struct log_done){.request_id = ID, .duration_ns = 3000000, .latency_ns = 2000000, .response_ns = 1000000,
	                                              .answer_wall_ms = 5, .produced_bytes = 17});
	log_stream_end(s, &(struct log_report){.request_id = ID, .duration_ns = 4000000, .memory_mb = 128});
	log_stream_start(s, ID, "$LATEST", false);
	log_stream_fault(s, ID, "Runtime.ExitError", "it ended");
	log_stream_end(s, &(struct log_report){.request_id = ID, .memory_mb = 128, .status = "error", .error_type = "Runtime.ExitError"});
}

static const char expected[] =
	"platform.initStart -\n"
	"function loading\n"
	"platform.extension -\n"
	"platform.initRuntimeDone -\n"
	"platform.initReport -\n"
	"platform.start -\n"
	"function {\"a\":1}\n"
	"platform.runtimeDone -\n"
	"platform.end -\n"
	"platform.report -\n"
	"platform.start -\n"
	"platform.fault -\n"
	"platform.runtimeDone error Runtime.ExitError\n"
	"platform.end -\n"
	"platform.report error Runtime.ExitError\n";

TEST(everything_is_heard_in_either_format)
{
	for (int json = 0; json < 2; json++) {
		struct fixture x;
		struct heard h = {.text = ""};
		fixture_init(&x, 1 << 20);
		x.version.log_format = json ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT;
		x.version.system_log_level = (char[]){"WARN"};
		struct log_stream *s = logs_open_stream(x.logs, &x.version, NULL);
		CHECK(s);
		log_stream_observe(s, &observer, &h);
		live(s, &x.version);
		CHECK_STR(h.text, expected);
		CHECK_INT(h.traced, false); /* the second invocation's */
		log_stream_observe(s, NULL, NULL);
		log_stream_output(s, "unheard\n", 8);
		CHECK_STR(h.text, expected);
		log_stream_close(s);
		fixture_release(&x);
	}
}

TEST(what_a_done_says)
{
	struct fixture x;
	struct heard h = {.text = ""};
	fixture_init(&x, 1 << 20);
	struct log_stream *s = logs_open_stream(x.logs, &x.version, NULL);
	log_stream_observe(s, &observer, &h);
	log_stream_trace(s, "Root=1-2-3;Parent=0123456789abcdef;Sampled=1");
	log_stream_start(s, ID, "$LATEST", false);
	CHECK(h.traced);
	log_stream_runtime_done(s, &(struct log_done){.request_id = ID, .duration_ns = 3000000, .latency_ns = 2000000, .response_ns = 1000000,
	                                              .answer_wall_ms = 5, .produced_bytes = 17});
	CHECK(h.traced && h.done.has_produced);
	CHECK_INT(h.done.produced_bytes, 17);
	CHECK_INT(h.spans, 2);
	CHECK_INT(h.latency_ns, 2000000);
	CHECK_INT(h.response_ns, 1000000);
	log_stream_end(s, &(struct log_report){.request_id = ID, .memory_mb = 128});
	log_stream_trace(s, "Root=1-2-3;Parent=0123456789abcdef;Sampled=0");
	log_stream_start(s, ID, "$LATEST", false);
	CHECK(!h.traced);
	log_stream_runtime_done(s, &(struct log_done){.request_id = ID, .status = "timeout"});
	CHECK_INT(h.spans, 0);
	CHECK(!h.done.has_produced);
	log_stream_close(s);
	fixture_release(&x);
}

TEST(lines_of_two_sources_do_not_mix)
{
	struct fixture x;
	struct heard h = {.text = ""};
	fixture_init(&x, 1 << 20);
	struct log_stream *s = logs_open_stream(x.logs, &x.version, NULL);
	log_stream_observe(s, &observer, &h);
	log_stream_output(s, "func", 4);
	log_stream_extension_output(s, "ext", 3);
	log_stream_output(s, "tion\n", 5);
	log_stream_extension_output(s, "ension\nrest", 11);
	log_stream_close(s); /* what is not ended is an event too */
	CHECK_STR(h.text, "function function\nextension extension\nextension res\n"); /* on_line cuts the last byte */
	fixture_release(&x);
}

TESTS(T(lines_of_two_sources_do_not_mix), T(everything_is_heard_in_either_format), T(what_a_done_says))
