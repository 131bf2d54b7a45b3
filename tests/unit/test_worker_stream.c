/* Streamed answers at a worker: how they end, and that time and ends of the process hold whatever the client does. */
#include "tests/unit/worker_rig.h"

#define NEXT "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"
#define HEAD \
	"POST /2018-06-01/runtime/invocation/" ID1 "/response HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" \
	"Lambda-Runtime-Function-Response-Mode: streaming\r\nContent-Type: text/odd\r\n\r\n"

struct taker {
	char type[32], text[64];
	unsigned pieces;
	bool full; /* has enough */
};

static void on_begin(struct invocation *inv, struct str content_type)
{
	struct taker *t = inv->arg;
	snprintf(t->type, sizeof t->type, STR_FMT, STR_ARG(content_type));
}

static bool on_data(struct invocation *inv, struct str bytes)
{
	struct taker *t = inv->arg;
	size_t n = strlen(t->text);
	snprintf(t->text + n, sizeof t->text - n, STR_FMT, STR_ARG(bytes));
	t->pieces++;
	return !t->full;
}

static const struct invocation_sink sink = {on_begin, on_data};

struct set {
	struct rig *rig;
	struct worker *worker;
	struct taker taker;
	struct invocation inv;
};

static void set_init(struct set *s, bool with_sink)
{
	*s = (struct set){.rig = rig_new()};
	s->inv = (struct invocation){.version = &s->rig->x.version, .invoked_arn = "arn:f", .request_id = ID1, .reserved = -1,
	                             .sink = with_sink ? &sink : NULL, .arg = &s->taker, .tail = true};
	s->rig->x.version.timeout_s = 1;
	s->rig->work = &s->inv;
	s->worker = worker_start(s->rig->fleet, &s->rig->x.version, 7, false);
	hear(s->rig, IPC_ENV_START);
	tell_started(s->rig, s->worker, false, PARK_INVOCATION);
	say(s->rig, NEXT);
	run_until(s->rig, &s->rig->ready);
}

static void set_release(struct set *s)
{
	http_blob_release(&s->inv.answer);
	free(s->inv.log_tail);
	rig_free(s->rig);
}

static bool answer_is(const struct set *s, const char *piece)
{
	return s->inv.answer.data ? has(s->inv.answer.data, piece) : !*piece;
}

static bool tail_has(const struct set *s, const char *piece)
{
	return memmem(s->inv.log_tail, s->inv.log_tail_len, piece, strlen(piece)) != NULL;
}

TEST(a_whole_stream)
{
	struct set s;
	set_init(&s, true);
	say(s.rig, HEAD "3\r\none\r\n");
	run_until(s.rig, &s.taker.pieces);
	CHECK(s.inv.streamed && s.rig->finished == 0);
	CHECK_STR(s.taker.type, "text/odd");
	CHECK_STR(s.taker.text, "one");
	say(s.rig, "3\r\ntwo\r\n0\r\n\r\n" NEXT);
	run_until(s.rig, &s.rig->finished);
	CHECK(s.rig->finished == 1 && s.inv.outcome == INVOKE_ANSWERED);
	CHECK_STR(s.taker.text, "onetwo");
	CHECK(answer_is(&s, "") && !*s.inv.stream_error && tail_has(&s, "REPORT"));
	set_release(&s);
}

TEST(without_a_sink_it_is_buffered)
{
	struct set s;
	set_init(&s, false);
	say(s.rig, HEAD "3\r\none\r\n0\r\n\r\n" NEXT);
	run_until(s.rig, &s.rig->finished);
	CHECK(s.rig->finished == 1 && !s.inv.streamed && answer_is(&s, "one"));
	set_release(&s);
}

TEST(an_error_in_the_trailers)
{
	struct set s;
	set_init(&s, true);
	say(s.rig, HEAD "3\r\none\r\n0\r\nLambda-Runtime-Function-Error-Type: Odd\r\nLambda-Runtime-Function-Error-Body: eyJlIjoxfQ==\r\n\r\n" NEXT);
	run_until(s.rig, &s.rig->finished);
	CHECK(s.inv.outcome == INVOKE_FUNCTION_ERROR && s.inv.failure == FAILURE_HANDLER && answer_is(&s, "{\"e\":1}"));
	CHECK_STR(s.inv.stream_error, "Odd");
	set_release(&s);
}

/* What was printed between two pieces stands before END, though the answer's end was read first. */
TEST(lines_before_the_end_are_read)
{
	struct set s;
	set_init(&s, true);
	say(s.rig, HEAD "3\r\none\r\n");
	run_until(s.rig, &s.taker.pieces);
	ev_io_want(&s.worker->log_io, 0); /* as if its event came later */
	CHECK_INT(write(s.rig->log_end, "a line\n", 7), 7);
	say(s.rig, "0\r\n\r\n" NEXT);
	run_until(s.rig, &s.rig->finished);
	CHECK(tail_has(&s, "a line\n"));
	set_release(&s);
}

/* A client that does not read holds nothing up: the function's time ends it. */
TEST(its_time_is_over_while_nobody_reads)
{
	struct set s;
	set_init(&s, true);
	s.taker.full = true;
	say(s.rig, HEAD "3\r\none\r\n3\r\ntwo\r\n");
	run_until(s.rig, &s.taker.pieces);
	CHECK_STR(s.taker.text, "one");
	run_until(s.rig, &s.rig->finished);
	CHECK(s.inv.outcome == INVOKE_FUNCTION_ERROR && s.inv.failure == FAILURE_TIMEOUT && answer_is(&s, "Task timed out after 1.00 seconds"));
	CHECK_STR(s.inv.stream_error, "Sandbox.Timedout");
	CHECK(s.worker->state == WORKER_STOPPING && tail_has(&s, "Status: timeout"));
	tell_exited(s.rig, s.worker, EXIT_KILLED, 9);
	set_release(&s);
}

TEST(it_goes_on_when_there_is_room)
{
	struct set s;
	set_init(&s, true);
	s.taker.full = true;
	say(s.rig, HEAD "3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n");
	run_until(s.rig, &s.taker.pieces);
	CHECK_STR(s.taker.text, "one");
	s.taker.full = false;
	worker_stream_resume(s.worker);
	run_until(s.rig, &s.rig->finished);
	CHECK_STR(s.taker.text, "onetwo");
	CHECK(s.rig->finished == 1);
	worker_stream_resume(s.worker); /* too late: nothing */
	set_release(&s);
}

TEST(its_process_ends)
{
	struct set s;
	set_init(&s, true);
	say(s.rig, HEAD "3\r\none\r\n");
	run_until(s.rig, &s.taker.pieces);
	tell_exited(s.rig, s.worker, EXIT_OOM, 9);
	CHECK(s.rig->finished == 1 && s.rig->dead == 1 && s.inv.failure == FAILURE_EXIT);
	CHECK_STR(s.inv.stream_error, "Runtime.ExitError");
	CHECK(answer_is(&s, "Runtime exited with error: signal: killed") && tail_has(&s, "Error Type: Runtime.OutOfMemory"));
	set_release(&s);
}

TEST(its_connection_breaks)
{
	struct set s;
	set_init(&s, true);
	say(s.rig, HEAD "3\r\non");
	run_until(s.rig, &s.taker.pieces);
	shutdown(s.rig->runtime, SHUT_RDWR);
	run_until(s.rig, &s.rig->finished);
	CHECK_STR(s.taker.text, "on");
	CHECK_STR(s.inv.stream_error, "Runtime.TruncatedResponse");
	CHECK(s.inv.failure == FAILURE_EXIT && s.worker->state == WORKER_STOPPING);
	tell_exited(s.rig, s.worker, EXIT_KILLED, 9);
	set_release(&s);
}

TESTS(T(a_whole_stream), T(without_a_sink_it_is_buffered), T(an_error_in_the_trailers), T(lines_before_the_end_are_read), T(its_time_is_over_while_nobody_reads),
      T(it_goes_on_when_there_is_room), T(its_process_ends), T(its_connection_breaks))
