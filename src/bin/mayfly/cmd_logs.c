/* mayfly logs NAME: what a function wrote, through CloudWatch Logs' FilterLogEvents. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bin/mayfly/lambda.h"
#include "bin/mayfly/term.h"
#include "core/base/clock.h"
#include "core/base/str.h"

static const struct option_row options[] = {
	{"follow", 'f', OPTION_FLAG, NULL, "go on with what is written from now on, until Ctrl-C", 0, 0},
	{"since", 's', OPTION_TEXT, "AGE", "how far back: 30s, 10m, 2h, 7d (10m)", 0, 0},
	{"request", 'r', OPTION_TEXT, "ID", "only the lines of this invocation", 0, 0},
	{"filter", 0, OPTION_TEXT, "PATTERN", "only lines that a CloudWatch filter pattern fits", 0, 0},
	{"limit", 'n', OPTION_NUMBER, "N", "at most N lines", 1, 1000000},
	{"group", 0, OPTION_TEXT, "NAME", "log group (/aws/lambda/NAME)", 0, 0},
};

#define SINCE_DEFAULT "10m"
#define FOLLOW_PAUSE_MS 300
/* A line of another environment may arrive a little after a newer one of this: looked for again, shown once. */
#define LATE_MS 2000

struct reading {
	struct cli *cli;
	const char *group;
	json_t *seen;      /* event id -> time, of the last LATE_MS */
	int64_t newest_ms, from_ms;
	uint64_t shown, limit;
};

static int parse_age(struct cli *cli, const char *text, int64_t *ms)
{
	static const struct {
		char unit;
		int64_t ms;
	} units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}, {'w', 604800000}};
	size_t n = strlen(text);
	uint64_t count;
	for (size_t i = 0; n && i < sizeof units / sizeof *units; i++) {
		if (text[n - 1] == units[i].unit && str_to_u64((struct str){text, n - 1}, 100000000, &count) == 0) {
			*ms = (int64_t)count * units[i].ms;
			return 0;
		}
	}
	return cli_fail(cli, "--since takes an age such as 30s, 10m, 2h or 7d, not '%s'", text);
}

static void print_event(struct cli *cli, const json_t *event)
{
	char when[40];
	const char *text = cli_json_text(event, "message", "");
	size_t n = strlen(text);
	while (n && (text[n - 1] == '\n' || text[n - 1] == '\r'))
		n--;
	clock_format(when, sizeof when, "%Y-%m-%dT%H:%M:%S.%LZ", cli_json_int(event, "timestamp"));
	printf("%s%s%s ", term_out(cli, TERM_DIM), when, term_out(cli, TERM_PLAIN));
	bool platform = strncmp(text, "START RequestId", 15) == 0 || strncmp(text, "END RequestId", 13) == 0 ||
	                strncmp(text, "REPORT RequestId", 16) == 0 || strncmp(text, "INIT_", 5) == 0;
	fputs(platform ? term_out(cli, TERM_DIM) : "", stdout);
	for (size_t from = 0; from <= n;) {
		size_t len = strcspn(text + from, "\n");
		len = from + len > n ? n - from : len;
		term_put_safe(stdout, text + from, len);
		fputc('\n', stdout);
		from += len + 1;
	}
	fputs(platform ? term_out(cli, TERM_PLAIN) : "", stdout);
}

static void show(struct reading *r, const json_t *event)
{
	const char *id = cli_json_text(event, "eventId", "");
	int64_t when = cli_json_int(event, "timestamp");
	if (r->shown >= r->limit || json_object_get(r->seen, id))
		return;
	json_object_set_new(r->seen, id, json_integer(when));
	r->newest_ms = when > r->newest_ms ? when : r->newest_ms;
	r->shown++;
	if (!r->cli->json) {
		print_event(r->cli, event);
		return;
	}
	json_dumpf(event, stdout, JSON_COMPACT);
	putchar('\n');
}

static void forget_old(struct reading *r)
{
	const char *id;
	json_t *when;
	void *next;
	json_object_foreach_safe(r->seen, next, id, when) {
		if (json_integer_value(when) < r->newest_ms - LATE_MS)
			json_object_del(r->seen, id);
	}
}

/* One question with all its pages. 0, or -1; a group that is not there yet is empty. */
static int read_pages(struct reading *r)
{
	const char *request = args_text(&r->cli->args, "request"), *pattern = args_text(&r->cli->args, "filter");
	CLEANUP_JSON json_t *ask = json_pack("{s:s, s:I}", "logGroupName", r->group, "startTime", (json_int_t)r->from_ms);
	if (request)
		json_object_set_new(ask, "mayflyRequestId", json_string(request));
	if (pattern)
		json_object_set_new(ask, "filterPattern", json_string(pattern));
	for (bool more = true; more && r->shown < r->limit;) {
		CLEANUP_ANSWER struct client_answer answer = {0};
		size_t i;
		json_t *event;
		if (client_logs(r->cli, "FilterLogEvents", ask, &answer) < 0) {
			const char *type = cli_json_text(answer.json, "__type", answer.error_type);
			if (!strstr(type, "ResourceNotFoundException"))
				return -1;
			cli_forgive(r->cli);
			return 0;
		}
		json_array_foreach(json_object_get(answer.json, "events"), i, event)
			show(r, event);
		const char *token = cli_json_text(answer.json, "nextToken", NULL);
		more = token;
		if (token)
			json_object_set_new(ask, "nextToken", json_string(token));
	}
	fflush(stdout);
	return 0;
}

static int follow(struct reading *r)
{
	struct timespec pause = {0, FOLLOW_PAUSE_MS * 1000000L};
	while (r->shown < r->limit && !ferror(stdout)) {
		if (r->newest_ms)
			r->from_ms = r->newest_ms - LATE_MS > r->from_ms ? r->newest_ms - LATE_MS : r->from_ms;
		forget_old(r);
		nanosleep(&pause, NULL);
		if (read_pages(r) < 0)
			return -1;
	}
	return 0;
}

/* "No lines" means something else when there is no such function. */
static int explain_nothing(struct reading *r, const char *name, const char *since)
{
	CLEANUP_JSON json_t *function = NULL;
	if (!args_text(&r->cli->args, "group") && lambda_get(r->cli, name, NULL, false, &function) < 0)
		return -1;
	if (args_text(&r->cli->args, "request"))
		term_hint(r->cli, "no line of that invocation in the last %s; --since 7d looks further back", since);
	else
		term_hint(r->cli, "no line in the last %s; --since 7d looks further back", since);
	return 0;
}

static int run(struct cli *cli)
{
	const char *name = args_word(&cli->args, 0), *since = args_text(&cli->args, "since"), *group = args_text(&cli->args, "group");
	char plain[160], group_name[200];
	int64_t age_ms = 0;
	/* One invocation is meant, wherever it is. */
	since = since ? since : args_text(&cli->args, "request") ? "7d" : SINCE_DEFAULT;
	if (parse_age(cli, since, &age_ms) < 0)
		return -1;
	snprintf(group_name, sizeof group_name, "/aws/lambda/%s", lambda_plain_name(plain, name));
	int64_t now_ms = clock_wall_ms();
	struct reading r = {.cli = cli, .group = group ? group : group_name, .seen = json_object(), .limit = UINT64_MAX,
	                    .from_ms = age_ms < now_ms ? now_ms - age_ms : 0};
	args_number(&cli->args, "limit", &r.limit);
	bool following = args_flag(&cli->args, "follow");
	int status = read_pages(&r);
	if (status == 0 && !r.shown)
		status = explain_nothing(&r, name, since);
	if (status == 0 && following)
		status = follow(&r);
	json_decref(r.seen);
	return status;
}

const struct command command_logs = {
	.name = "logs",
	.summary = "show what a function wrote",
	.words = "NAME",
	.words_min = 1,
	.words_max = 1,
	.options = OPTIONS(options),
	.details = "  mayfly logs -f thumb\n  mayfly logs thumb --since 2h --filter '\"disk full\"'\n  mayfly logs thumb --request 2f1c0a52-...",
	.run = run,
};
