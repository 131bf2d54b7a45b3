/* mayfly queue ls|peek|redrive|purge: what waits in queues, SQS's and the server's own. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bin/mayfly/client.h"
#include "bin/mayfly/term.h"
#include "core/base/check.h"

#define MOVE_PAUSE_MS 100
#define MOVE_POLLS_MAX 36000 /* an hour */

static const struct option_row options[] = {
	{"max", 'n', OPTION_NUMBER, "N", "peek: at most N messages (20)", 1, 1000},
	{"after", 0, OPTION_NUMBER, "SEQUENCE", "peek: only messages behind this one", 1, INT64_MAX},
	{"to", 0, OPTION_TEXT, "QUEUE", "redrive: into this queue, not to where each message came from", 0, 0},
	{"rate", 0, OPTION_NUMBER, "N", "redrive: at most N messages a second (1 to 500)", 1, 500},
	{"yes", 'y', OPTION_FLAG, NULL, "purge: do not ask", 0, 0},
};

/* ---- ls ---- */

static const char *const ls_titles[] = {"QUEUE", "KIND", ">VISIBLE", ">IN FLIGHT", ">DELAYED", "OLDEST", "DEAD LETTERS"};

static void add_number(struct term_table *t, const json_t *row, const char *key)
{
	char text[TERM_TEXT];
	snprintf(text, sizeof text, "%lld", cli_json_int(row, key));
	term_table_add(t, text);
}

static void add_queue(struct term_table *t, const json_t *row, long long now_ms)
{
	char text[200];
	const char *dead = cli_json_text(row, "dead_letter", NULL), *colon = dead ? strrchr(dead, ':') : NULL;
	long long oldest = cli_json_int(row, "oldest_ms");
	term_table_add(t, cli_json_text(row, "name", "?"));
	term_table_add(t, cli_json_text(row, "kind", "?"));
	add_number(t, row, "visible");
	add_number(t, row, "in_flight");
	add_number(t, row, "delayed");
	term_table_add(t, oldest ? term_ago(text, (double)(now_ms - oldest) / 1000) : "-");
	if (colon)
		snprintf(text, sizeof text, "%s after %lld receives", colon + 1, cli_json_int(row, "max_receives"));
	term_table_add(t, colon ? text : "-");
}

static int list_queues(struct cli *cli)
{
	CLEANUP_ANSWER struct client_answer answer = {0};
	struct term_table t;
	size_t i;
	json_t *row;
	if (client_lambda(cli, "GET", "/_mayfly/queues/", NULL, &answer) < 0)
		return -1;
	const json_t *queues = json_object_get(answer.json, "queues");
	if (cli->json)
		return cli_print_json(queues);
	if (json_array_size(queues) == 0) {
		term_hint(cli, "there is no queue; one is made with aws sqs create-queue --queue-name NAME");
		return 0;
	}
	term_table_init(&t, ls_titles, ARRAY_LEN(ls_titles));
	json_array_foreach(queues, i, row)
		add_queue(&t, row, cli_json_int(answer.json, "now_ms"));
	term_table_print(cli, &t, stdout);
	term_table_release(&t);
	return 0;
}

/* ---- peek ---- */

static void print_message(struct cli *cli, const json_t *m, long long now_ms)
{
	char ago[TERM_TEXT], in[TERM_TEXT];
	const char *group = cli_json_text(m, "group", NULL), *note = cli_json_text(m, "note", NULL), *body = cli_json_text(m, "body", "");
	long long visible_ms = cli_json_int(m, "visible_ms");
	printf("%s%s%s  sequence %lld, sent %s, received %lld times%s%s%s", term_out(cli, TERM_BOLD), cli_json_text(m, "id", "?"),
	       term_out(cli, TERM_PLAIN), cli_json_int(m, "sequence"), term_ago(ago, (double)(now_ms - cli_json_int(m, "sent_ms")) / 1000),
	       cli_json_int(m, "receives"), group ? ", group " : "", group ? group : "", visible_ms > now_ms ? ", visible in " : "");
	printf("%s\n", visible_ms > now_ms ? term_ms(in, (double)(visible_ms - now_ms)) : "");
	if (note) {
		fputs(term_out(cli, TERM_YELLOW), stdout);
		term_put_safe(stdout, note, strlen(note));
		printf("%s\n", term_out(cli, TERM_PLAIN));
	}
	term_put_safe(stdout, body, strlen(body));
	putchar('\n');
}

static int peek(struct cli *cli, const char *queue)
{
	CLEANUP_ANSWER struct client_answer answer = {0};
	char number[2][24];
	uint64_t max = 20, after = 0;
	size_t i;
	json_t *m;
	args_number(&cli->args, "max", &max);
	args_number(&cli->args, "after", &after);
	snprintf(number[0], sizeof number[0], "%llu", (unsigned long long)max);
	snprintf(number[1], sizeof number[1], "%llu", (unsigned long long)after);
	CLEANUP_FREE char *path = client_path("/_mayfly/queues/%s?max=%s&after=%s", queue, number[0], number[1]);
	if (client_lambda(cli, "GET", path, NULL, &answer) < 0)
		return -1;
	const json_t *messages = json_object_get(answer.json, "messages");
	if (cli->json)
		return cli_print_json(messages);
	if (json_array_size(messages) == 0)
		term_hint(cli, "%s is empty", queue);
	json_array_foreach(messages, i, m)
		print_message(cli, m, cli_json_int(answer.json, "now_ms"));
	if (json_array_size(messages) == max)
		term_hint(cli, "there may be more: --after %lld", cli_json_int(json_array_get(messages, (size_t)max - 1), "sequence"));
	return 0;
}

/* ---- through SQS ---- */

/* One operation; takes over `body`. *result may be NULL. */
static int sqs(struct cli *cli, const char *operation, json_t *body, json_t **result)
{
	CLEANUP_JSON json_t *ask = body;
	CLEANUP_ANSWER struct client_answer answer = {0};
	if (client_sqs(cli, operation, ask, &answer) < 0)
		return -1;
	if (result)
		*result = STEAL_PTR(answer.json);
	return 0;
}

static int queue_url(struct cli *cli, const char *queue, json_t **url)
{
	return sqs(cli, "GetQueueUrl", json_pack("{s:s}", "QueueName", queue), url);
}

static int queue_arn(struct cli *cli, const char *queue, char *arn, size_t size)
{
	CLEANUP_JSON json_t *url = NULL, *attributes = NULL;
	if (queue_url(cli, queue, &url) < 0 ||
	    sqs(cli, "GetQueueAttributes", json_pack("{s:s,s:[s]}", "QueueUrl", cli_json_text(url, "QueueUrl", ""), "AttributeNames", "QueueArn"),
	        &attributes) < 0)
		return -1;
	snprintf(arn, size, "%s", cli_json_text(json_object_get(attributes, "Attributes"), "QueueArn", ""));
	return 0;
}

/* The latest move from this queue, when it has ended. */
static int wait_for_move(struct cli *cli, const char *arn, json_t **end)
{
	static const struct timespec pause = {0, MOVE_PAUSE_MS * 1000000L};
	for (unsigned i = 0; i < MOVE_POLLS_MAX; i++) {
		CLEANUP_JSON json_t *list = NULL;
		if (sqs(cli, "ListMessageMoveTasks", json_pack("{s:s,s:i}", "SourceArn", arn, "MaxResults", 1), &list) < 0)
			return -1;
		json_t *task = json_array_get(json_object_get(list, "Results"), 0);
		const char *status = cli_json_text(task, "Status", "");
		if (strcmp(status, "RUNNING") != 0 && strcmp(status, "CANCELLING") != 0) {
			*end = json_incref(task);
			return 0;
		}
		term_progress(cli, "%lld messages moved", cli_json_int(task, "ApproximateNumberOfMessagesMoved"));
		nanosleep(&pause, NULL);
	}
	return cli_fail(cli, "the messages are still being moved; mayfly queue ls shows how many are left");
}

static int redrive(struct cli *cli, const char *queue)
{
	char from[256], to[256];
	const char *target = args_text(&cli->args, "to");
	uint64_t rate;
	CLEANUP_JSON json_t *end = NULL;
	if (queue_arn(cli, queue, from, sizeof from) < 0 || (target && queue_arn(cli, target, to, sizeof to) < 0))
		return -1;
	json_t *ask = json_pack("{s:s}", "SourceArn", from);
	if (target)
		json_object_set_new(ask, "DestinationArn", json_string(to));
	if (args_number(&cli->args, "rate", &rate))
		json_object_set_new(ask, "MaxNumberOfMessagesPerSecond", json_integer((json_int_t)rate));
	if (sqs(cli, "StartMessageMoveTask", ask, NULL) < 0 || wait_for_move(cli, from, &end) < 0)
		return -1;
	term_progress_end(cli);
	if (strcmp(cli_json_text(end, "Status", ""), "FAILED") == 0)
		return cli_fail(cli, "the move ended early: %s", cli_json_text(end, "FailureReason", "no reason was given"));
	if (cli->json)
		return cli_print_json(end);
	printf("%lld messages moved\n", cli_json_int(end, "ApproximateNumberOfMessagesMoved"));
	return 0;
}

static int purge(struct cli *cli, const char *queue)
{
	char line[16];
	CLEANUP_JSON json_t *url = NULL;
	if (queue_url(cli, queue, &url) < 0)
		return -1;
	if (!args_flag(&cli->args, "yes")) {
		if (!isatty(STDIN_FILENO))
			return cli_fail(cli, "not purged: without a terminal to ask on, say --yes");
		fprintf(stderr, "drop all messages of %s? [y/N] ", queue);
		if (!fgets(line, sizeof line, stdin) || (*line != 'y' && *line != 'Y'))
			return cli_fail(cli, "not purged");
	}
	if (sqs(cli, "PurgeQueue", json_pack("{s:s}", "QueueUrl", cli_json_text(url, "QueueUrl", "")), NULL) < 0)
		return -1;
	if (cli->json) {
		CLEANUP_JSON json_t *o = json_pack("{s:s}", "Purged", queue);
		return cli_print_json(o);
	}
	term_hint(cli, "%s is empty", queue);
	return 0;
}

static const struct {
	const char *word;
	int (*run)(struct cli *cli, const char *queue);
} actions[] = {{"peek", peek}, {"redrive", redrive}, {"purge", purge}};

static int run(struct cli *cli)
{
	const char *word = args_word(&cli->args, 0), *queue = args_word(&cli->args, 1);
	if (!word || (strcmp(word, "ls") == 0 && !queue))
		return list_queues(cli);
	for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
		if (strcmp(word, actions[i].word) == 0)
			return queue ? actions[i].run(cli, queue) : cli_fail(cli, "which queue? mayfly queue %s QUEUE; mayfly queue ls lists them", word);
	}
	return cli_fail(cli, "there is no 'mayfly queue %s'; it takes ls, peek QUEUE, redrive QUEUE or purge QUEUE", word);
}

const struct command command_queue = {
	.name = "queue",
	.summary = "what waits in queues: list, look, move dead letters back, empty",
	.words = "[ls|peek QUEUE|redrive QUEUE|purge QUEUE]",
	.words_max = 2,
	.options = OPTIONS(options),
	.details = "ls       every queue with its counts. Internal ones, such as async/FUNCTION, hold what the server keeps for itself.\n"
	           "peek     messages in their order, waiting or in flight, without receiving them.\n"
	           "redrive  moves the messages of a dead-letter queue back to the queues they came from (StartMessageMoveTask), and waits.\n"
	           "purge    drops all messages of a queue.",
	.run = run,
};
