/* mayfly invoke NAME: calls a function; its answer goes to standard output, an error of the function to standard error. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bin/mayfly/lambda.h"
#include "bin/mayfly/stream.h"
#include "bin/mayfly/term.h"
#include "core/base/clock.h"
#include "core/base/codec.h"
#include "core/base/io.h"

static const struct option_row options[] = {
	{"payload", 'd', OPTION_TEXT, "JSON", "the event: JSON, @FILE, or - for standard input ({})", 0, 0},
	{"qualifier", 0, OPTION_TEXT, "Q", "version or alias", 0, 0},
	{"tail", 't', OPTION_FLAG, NULL, "show the end of the log as well", 0, 0},
	{"phases", 'p', OPTION_FLAG, NULL, "show where the time went", 0, 0},
	{"stream", 's', OPTION_FLAG, NULL, "show the answer as it comes, for functions that stream theirs", 0, 0},
	{"async", 0, OPTION_FLAG, NULL, "only queue the event (invocation type Event)", 0, 0},
	{"dry-run", 0, OPTION_FLAG, NULL, "only check that it could be invoked", 0, 0},
	{"client-context", 0, OPTION_TEXT, "JSON", "client context, as JSON", 0, 0},
	{"out", 'o', OPTION_TEXT, "FILE", "write the answer to FILE", 0, 0},
};

#define EVENT_MAX (64u << 20) /* the server has the last word on what is too large */

static int read_event(struct cli *cli, struct buf *event)
{
	const char *data = args_text(&cli->args, "payload");
	buf_init(event, EVENT_MAX);
	if (!data)
		return buf_puts(event, "{}");
	if (*data != '@' && strcmp(data, "-") != 0)
		return buf_puts(event, data);
	CLEANUP_FCLOSE FILE *file = strcmp(data, "-") == 0 ? fdopen(dup(STDIN_FILENO), "rb") : fopen(data + 1, "rb");
	if (!file)
		return cli_fail(cli, "cannot read the event from %s: %s", data + (*data == '@'), strerror(errno));
	for (;;) {
		char *room = buf_reserve(event, 65536);
		if (!room)
			return cli_fail(cli, "the event is larger than %u MB", EVENT_MAX >> 20);
		size_t n = fread(room, 1, 65536, file);
		event->len += n;
		if (!n)
			return ferror(file) ? cli_fail(cli, "cannot read the event: %s", strerror(errno)) : 0;
	}
}

static void show_trace(struct cli *cli, const json_t *trace)
{
	size_t i;
	json_t *line;
	json_array_foreach(trace, i, line) {
		const char *text = json_string_value(line);
		if (!text)
			continue;
		/* Python's entries are two lines each, with their own indentation. */
		for (const char *end; *text; text = *end ? end + 1 : end) {
			end = text + strcspn(text, "\n");
			fprintf(stderr, "  %s", term_err(cli, TERM_DIM));
			term_put_safe(stderr, text, (size_t)(end - text));
			fprintf(stderr, "%s\n", term_err(cli, TERM_PLAIN));
		}
	}
}

static void show_function_error(struct cli *cli, const char *name, const json_t *error)
{
	const char *type = cli_json_text(error, "errorType", NULL), *text = cli_json_text(error, "errorMessage", NULL);
	fprintf(stderr, "%s%s failed:%s ", term_err(cli, TERM_RED), name, term_err(cli, TERM_PLAIN));
	if (type)
		fprintf(stderr, "%s%s%s%s", term_err(cli, TERM_BOLD), type, term_err(cli, TERM_PLAIN), text ? ": " : "");
	term_put_safe(stderr, text ? text : "", text ? strlen(text) : 0);
	fputc('\n', stderr);
	const json_t *trace = json_object_get(error, "stackTrace");
	show_trace(cli, trace ? trace : json_object_get(error, "trace"));
}

static void show_log(struct cli *cli, const char *log)
{
	fprintf(stderr, "%s--- log%s\n", term_err(cli, TERM_DIM), term_err(cli, TERM_PLAIN));
	for (const char *end; *log; log = *end ? end + 1 : end) {
		end = log + strcspn(log, "\n");
		term_put_safe(stderr, log, (size_t)(end - log));
		fputc('\n', stderr);
	}
}

/* A figure of the REPORT line: "Init Duration: 12.30 ms". -1 when it is not there. */
static double reported_ms(const char *log, const char *name)
{
	const char *report = log ? strstr(log, "REPORT RequestId:") : NULL;
	size_t n = strlen(name);
	for (const char *at = report; at && (at = strstr(at, name)); at += n) {
		if (at[-1] == '\t' && at[n] == ':')
			return strtod(at + n + 1, NULL);
	}
	return -1;
}

/* Only for making or proving an image. */
static bool in_background(const json_t *environment)
{
	const char *kind = cli_json_text(environment, "kind", "plain");
	return strcmp(kind, "template") == 0 || strcmp(kind, "trial") == 0;
}

/* The newest environment of the function: the one that a cold start has just made. */
static const json_t *newest(const json_t *report, const char *name)
{
	char plain[160];
	size_t i;
	const json_t *e, *best = NULL;
	lambda_plain_name(plain, name);
	json_array_foreach(json_object_get(report, "environments"), i, e) {
		if (strcmp(cli_json_text(e, "function", ""), plain) == 0 && !in_background(e) &&
		    (!best || json_number_value(json_object_get(e, "age_ms")) < json_number_value(json_object_get(best, "age_ms"))))
			best = e;
	}
	return best;
}

static void show_phase(FILE *out, const char *name, double ms)
{
	char text[TERM_TEXT];
	if (ms >= 0)
		fprintf(out, "  %-10s %10s\n", name, term_ms(text, ms));
}

static double member_ms(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);
	return v ? json_number_value(v) : -1;
}

static void show_phases(struct cli *cli, const char *name, const char *log, double whole_ms)
{
	double init_ms = reported_ms(log, "Init Duration"), restore_ms = reported_ms(log, "Restore Duration");
	double function_ms = reported_ms(log, "Duration"), made_ms = restore_ms >= 0 ? restore_ms : init_ms;
	CLEANUP_JSON json_t *report = NULL;
	double sandbox_ms = -1;
	char text[TERM_TEXT];
	if (made_ms >= 0 && lambda_environments(cli, &report) == 0)
		sandbox_ms = member_ms(newest(report, name), "sandbox_ms");
	cli_forgive(cli); /* a server without that page still has the rest */
	double known_ms = (made_ms > 0 ? made_ms : 0) + (function_ms > 0 ? function_ms : 0) + (sandbox_ms > 0 ? sandbox_ms : 0);
	fprintf(stderr, "%s, %s\n", restore_ms >= 0 ? "cold start by restore" : init_ms >= 0 ? "cold start" : function_ms >= 0 ? "warm start" : "no report", term_ms(text, whole_ms));
	show_phase(stderr, "sandbox", sandbox_ms);
	show_phase(stderr, "init", init_ms);
	show_phase(stderr, "restore", restore_ms);
	show_phase(stderr, "function", function_ms);
	show_phase(stderr, "the rest", whole_ms > known_ms ? whole_ms - known_ms : 0);
}

static int write_answer(struct cli *cli, struct str body)
{
	const char *path = args_text(&cli->args, "out");
	CLEANUP_FCLOSE FILE *file = path ? fopen(path, "wb") : NULL;
	FILE *out = path ? file : stdout;
	if (!out || (body.n && fwrite(body.p, 1, body.n, out) != body.n))
		return cli_fail(cli, "cannot write the answer to %s: %s", path ? path : "standard output", strerror(errno));
	if (!path && body.n && body.p[body.n - 1] != '\n')
		fputc('\n', out);
	return 0;
}

static int print_object(const struct client_answer *a)
{
	CLEANUP_JSON json_t *o = json_pack("{s:I, s:s}", "StatusCode", (json_int_t)a->status, "RequestId", a->request_id);
	if (*a->version)
		json_object_set_new(o, "ExecutedVersion", json_string(a->version));
	if (*a->function_error)
		json_object_set_new(o, "FunctionError", json_string(a->function_error));
	if (a->log_result)
		json_object_set_new(o, "LogResult", json_string(a->log_result));
	json_object_set_new(o, "Payload", a->json ? json_incref(a->json) : json_stringn(a->body.data ? a->body.data : "", a->body.len));
	return cli_print_json(o);
}

static int show(struct cli *cli, const char *name, const struct client_answer *a, double whole_ms)
{
	bool failed = *a->function_error, on_terminal = isatty(STDOUT_FILENO) && !args_text(&cli->args, "out");
	int r = 0;
	if (cli->json)
		r = print_object(a);
	else if (args_flag(&cli->args, "stream"))
		r = 0; /* it is there */
	else if (!failed || !on_terminal)
		r = write_answer(cli, buf_str(&a->body));
	fflush(stdout);
	if (failed)
		show_function_error(cli, name, a->json);
	if (args_flag(&cli->args, "tail") && a->log_result && !cli->json)
		show_log(cli, a->log_result);
	if (args_flag(&cli->args, "phases") && a->status == 200)
		show_phases(cli, name, a->log_result, whole_ms);
	if (a->status == 202 && !cli->json)
		term_hint(cli, "queued, request %s; mayfly logs -f %s shows what becomes of it", a->request_id, name);
	return r < 0 ? -1 : failed;
}

static int add_context(struct cli *cli, struct client_call *call, char **encoded)
{
	const char *context = args_text(&cli->args, "client-context");
	if (!context)
		return 0;
	*encoded = malloc(BASE64_SIZE(strlen(context)));
	if (!*encoded)
		return cli_fail(cli, "no memory for the client context");
	base64_encode(*encoded, context, strlen(context));
	call->headers[2] = (struct client_header){"X-Amz-Client-Context", *encoded};
	return 0;
}

static int invoke(struct cli *cli, struct client_call *call, struct client_answer *answer)
{
	const char *file = args_text(&cli->args, "out");
	if (!args_flag(&cli->args, "stream"))
		return client_call(cli, call, answer);
	CLEANUP_FCLOSE FILE *out = file ? fopen(file, "wb") : NULL;
	if (file && !out)
		return cli_fail(cli, "cannot write the answer to %s: %s", file, strerror(errno));
	return stream_call(cli, call, answer, cli->json ? NULL : out ? out : stdout);
}

static char *path_of(struct cli *cli)
{
	const char *name = args_word(&cli->args, 0), *qualifier = args_text(&cli->args, "qualifier");
	if (args_flag(&cli->args, "stream"))
		return qualifier ? client_path(LAMBDA_STREAMS "?Qualifier=%s", name, qualifier) : client_path(LAMBDA_STREAMS, name);
	return qualifier ? client_path(LAMBDA_FUNCTIONS "/%s/invocations?Qualifier=%s", name, qualifier)
	                 : client_path(LAMBDA_FUNCTIONS "/%s/invocations", name);
}

static int run(struct cli *cli)
{
	const char *name = args_word(&cli->args, 0);
	bool async = args_flag(&cli->args, "async"), dry = args_flag(&cli->args, "dry-run");
	bool log = !async && !dry && (args_flag(&cli->args, "tail") || args_flag(&cli->args, "phases"));
	CLEANUP_FREE char *path = path_of(cli);
	CLEANUP_FREE char *context = NULL;
	CLEANUP(buf_release) struct buf event;
	CLEANUP_ANSWER struct client_answer answer = {0};
	buf_init(&event, 0);
	if (args_flag(&cli->args, "stream") && (async || dry))
		return cli_fail(cli, "--stream is for answers; leave %s away", async ? "--async" : "--dry-run");
	if (read_event(cli, &event) < 0)
		return -1;
	struct client_call call = {
		.method = "POST", .service = "lambda", .path = path, .type = "application/json", .body = event.data, .body_len = event.len,
		.headers = {{"X-Amz-Invocation-Type", async ? "Event" : dry ? "DryRun" : "RequestResponse"}, {"X-Amz-Log-Type", log ? "Tail" : "None"}},
	};
	if (add_context(cli, &call, &context) < 0)
		return -1;
	uint64_t start_ns = clock_mono_ns();
	if (invoke(cli, &call, &answer) < 0)
		return -1;
	return show(cli, name, &answer, (double)(clock_mono_ns() - start_ns) / NS_PER_MS);
}

const struct command command_invoke = {
	.name = "invoke",
	.summary = "call a function",
	.words = "NAME",
	.words_min = 1,
	.words_max = 1,
	.options = OPTIONS(options),
	.details = "NAME may be an ARN. The exit status is 1 when the function answers with an error.\n\n"
	           "  mayfly invoke thumb -d '{\"n\": 1}' --tail\n"
	           "  mayfly invoke thumb -d @event.json -o answer.json\n"
	           "  mayfly invoke chat --stream",
	.run = run,
};
