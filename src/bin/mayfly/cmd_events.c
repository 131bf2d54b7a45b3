/* mayfly events: asynchronous events that wait, are tried again or are dead, and what became of one of them. */
#include <stdio.h>
#include <string.h>

#include "bin/mayfly/lambda.h"
#include "bin/mayfly/term.h"
#include "core/base/check.h"
#include "core/base/clock.h"

static const struct option_row options[] = {
	{"request", 'r', OPTION_TEXT, "ID", "everything that is known of this event", 0, 0},
	{"failed", 0, OPTION_FLAG, NULL, "only failures: of NAME, or of all functions", 0, 0},
	{"max", 'n', OPTION_NUMBER, "N", "at most N events that wait, and N lines of history (20)", 1, 1000},
};

static const char *const waiting_titles[] = {"REQUEST", "ACCEPTED", ">ATTEMPTS", ">THROTTLES", "NEXT ATTEMPT", "LAST ERROR"};

static void add_number(struct term_table *t, const json_t *row, const char *key)
{
	char text[TERM_TEXT];
	snprintf(text, sizeof text, "%lld", cli_json_int(row, key));
	term_table_add(t, text);
}

static const char *next_attempt(char dst[80], const json_t *row, long long now_ms)
{
	char text[TERM_TEXT];
	long long next = cli_json_int(row, "nextAttempt");
	if (json_is_true(json_object_get(row, "running")))
		return "runs now";
	if (next <= now_ms)
		return "as soon as it may";
	snprintf(dst, 80, "in %s", term_ms(text, (double)(next - now_ms)));
	return dst;
}

static void print_waiting(struct cli *cli, const json_t *waiting, long long now_ms, bool failed)
{
	char text[80];
	struct term_table t;
	size_t i, shown = 0;
	json_t *row;
	term_table_init(&t, waiting_titles, ARRAY_LEN(waiting_titles));
	json_array_foreach(waiting, i, row) {
		const char *error = cli_json_text(row, "lastError", NULL);
		if (failed && !error)
			continue;
		shown++;
		term_table_add(&t, cli_json_text(row, "requestId", "?"));
		term_table_add(&t, term_ago(text, (double)(now_ms - cli_json_int(row, "accepted")) / 1000));
		add_number(&t, row, "attempts");
		add_number(&t, row, "throttles");
		term_table_add(&t, next_attempt(text, row, now_ms));
		term_table_add(&t, error ? error : "-");
	}
	if (shown) {
		term_table_print(cli, &t, stdout);
		putchar('\n');
	}
	term_table_release(&t);
}

static const struct {
	const char *step;
	enum term_style style;
} styles[] = {{"succeeded", TERM_GREEN}, {"delivered", TERM_GREEN}, {"failed", TERM_RED}, {"dead", TERM_RED}, {"dropped", TERM_RED},
              {"undelivered", TERM_RED}, {"throttled", TERM_YELLOW}, {"retry", TERM_YELLOW}};

static void print_line(struct cli *cli, const json_t *line, bool names)
{
	char when[40], next[40];
	const char *step = cli_json_text(line, "step", "?"), *text = cli_json_text(line, "text", "");
	enum term_style style = TERM_PLAIN;
	long long next_ms = cli_json_int(line, "next");
	for (size_t i = 0; i < ARRAY_LEN(styles); i++) {
		if (strcmp(styles[i].step, step) == 0)
			style = styles[i].style;
	}
	clock_format(when, sizeof when, "%Y-%m-%dT%H:%M:%S.%LZ", cli_json_int(line, "at"));
	clock_format(next, sizeof next, "%H:%M:%S.%LZ", next_ms);
	printf("%s  %s  %s%s%s", when, cli_json_text(line, "requestId", "?"), term_out(cli, style), step, term_out(cli, TERM_PLAIN));
	if (names)
		printf("  %s", cli_json_text(line, "function", "?"));
	if (cli_json_int(line, "attempt"))
		printf("  attempt %lld", cli_json_int(line, "attempt"));
	if (next_ms)
		printf("  again at %s", next);
	printf("%s", *text ? "  " : "");
	term_put_safe(stdout, text, strlen(text));
	putchar('\n');
}

static int show(struct cli *cli, const json_t *answer, bool names)
{
	size_t i;
	json_t *line;
	const json_t *history = json_object_get(answer, "history"), *waiting = json_object_get(answer, "waiting");
	if (cli->json)
		return cli_print_json(answer);
	if (!args_text(&cli->args, "request"))
		print_waiting(cli, waiting, cli_json_int(answer, "now_ms"), args_flag(&cli->args, "failed"));
	json_array_foreach(history, i, line)
		print_line(cli, line, names);
	return 0;
}

static char *page_path(struct cli *cli, const char *name)
{
	char number[24];
	uint64_t max = 20;
	args_number(&cli->args, "max", &max);
	snprintf(number, sizeof number, "%llu", (unsigned long long)max);
	if (args_text(&cli->args, "request"))
		return client_path("/_mayfly/events?request=%s", args_text(&cli->args, "request"));
	return client_path("/_mayfly/events/%s?failed=%s&max=%s", name ? name : "", args_flag(&cli->args, "failed") ? "1" : "0", number);
}

static int run(struct cli *cli)
{
	char plain[160];
	const char *word = args_word(&cli->args, 0), *request = args_text(&cli->args, "request");
	CLEANUP_JSON json_t *function = NULL;
	CLEANUP_ANSWER struct client_answer answer = {0};
	if (word && request)
		return cli_fail(cli, "--request finds the event by itself; leave the name out");
	if (!word && !request && !args_flag(&cli->args, "failed"))
		return cli_fail(cli, "whose events? mayfly events NAME, or --request ID, or --failed for failures of all functions");
	if (word && lambda_get(cli, word, NULL, false, &function) < 0)
		return -1;
	CLEANUP_FREE char *path = page_path(cli, word ? lambda_plain_name(plain, word) : NULL);
	if (client_lambda(cli, "GET", path, NULL, &answer) < 0)
		return -1;
	if (request && json_array_size(json_object_get(answer.json, "history")) == 0)
		return cli_fail(cli, "nothing is known of an event %s: it was never accepted here, or is older than the history that is kept "
		                "(mayfly server --event-history)", request);
	return show(cli, answer.json, request || !word);
}

const struct command command_events = {
	.name = "events",
	.summary = "asynchronous events: what waits, what is tried again and when, what is dead and why",
	.words = "[NAME]",
	.words_max = 1,
	.options = OPTIONS(options),
	.details = "Events of aws lambda invoke --invocation-type Event, and of rules, schedules and destinations that invoke functions. An event keeps\n"
	           "its request id over all its attempts; mayfly logs NAME --request ID shows what they wrote.",
	.run = run,
};
