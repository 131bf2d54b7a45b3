/* mayfly: the command line. A client of the public API that links nothing of the server: it needs no rights, and gives the
 * user's own to nobody. `mayfly server` only replaces itself with mayflyd. */
#include "bin/mayfly/cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bin/mayfly/client.h"
#include "bin/mayfly/help.h"
#include "bin/mayfly/suggest.h"
#include "bin/mayfly/term.h"
#include "core/base/check.h"
#include "core/base/io.h"

#define X(name) extern const struct command command_##name;
#include "bin/mayfly/commands.def"
#undef X

static const struct command *const commands[] = {
#define X(name) &command_##name,
#include "bin/mayfly/commands.def"
#undef X
};

static const struct option_row common_rows[] = {
	{"endpoint", 0, OPTION_TEXT, "URL", "where the server is (AWS_ENDPOINT_URL)", 0, 0},
	{"data", 0, OPTION_TEXT, "DIR", "take endpoint and access key from this server's data folder", 0, 0},
	{"profile", 0, OPTION_TEXT, "NAME", "profile of the shared AWS configuration files (AWS_PROFILE)", 0, 0},
	{"region", 0, OPTION_TEXT, "NAME", "region to sign for (AWS_REGION)", 0, 0},
	{"output", 0, OPTION_CHOICE, "text|json", "form of the result", 0, 0},
	{"quiet", 'q', OPTION_FLAG, NULL, "no progress and no hints", 0, 0},
	{"no-color", 0, OPTION_FLAG, NULL, "no colours (also when NO_COLOR is set)", 0, 0},
	{"help", 'h', OPTION_FLAG, NULL, "show this help", 0, 0},
};
const struct option_table cli_common_options = OPTIONS(common_rows);

const struct command *const *cli_commands(size_t *count)
{
	*count = ARRAY_LEN(commands);
	return commands;
}

const struct command *cli_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	}
	return NULL;
}

int cli_fail(struct cli *cli, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	free(cli->failure);
	cli->failure = text;
	return -1;
}

int cli_fail_error(struct cli *cli, const struct error *err)
{
	return cli_fail(cli, "%s", err->msg);
}

void cli_forgive(struct cli *cli)
{
	free(STEAL_PTR(cli->failure));
}

const char *cli_json_text(const json_t *object, const char *key, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : otherwise;
}

long long cli_json_int(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

int cli_print_json(const json_t *value)
{
	json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	fputc('\n', stdout);
	return 0;
}

static void set_up_output(struct cli *cli)
{
	const char *term = getenv("TERM");
	bool colours = !getenv("NO_COLOR") && term && strcmp(term, "dumb") != 0 && !args_flag(&cli->args, "no-color");
	const char *output = args_text(&cli->args, "output");
	cli->json = output && strcmp(output, "json") == 0;
	cli->quiet = args_flag(&cli->args, "quiet");
	cli->progress = isatty(STDERR_FILENO);
	cli->out_colour = colours && isatty(STDOUT_FILENO);
	cli->err_colour = colours && cli->progress;
}

static void print_failure(struct cli *cli)
{
	term_progress_end(cli);
	fprintf(stderr, "%smayfly%s%s:%s %s\n", term_err(cli, TERM_RED), cli->command ? " " : "", cli->command ? cli->command->name : "",
	        term_err(cli, TERM_PLAIN), cli->failure ? cli->failure : "out of memory");
}

static int usage_error(struct cli *cli)
{
	print_failure(cli);
	if (cli->command)
		fprintf(stderr, "usage: mayfly %s %s\n", cli->command->name, cli->command->words);
	return EXIT_USAGE;
}

static int unknown_command(struct cli *cli, const char *name)
{
	struct suggestion best;
	suggest_init(&best, name);
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (!commands[i]->hidden)
			suggest_try(&best, commands[i]->name);
	}
	const char *near = suggest_best(&best);
	cli_fail(cli, "there is no command '%s'; %s%s%s", name, near ? "did you mean " : "mayfly help lists them", near ? near : "",
	         near ? "?" : "");
	return usage_error(cli);
}

static int run(struct cli *cli)
{
	const struct command *command = cli->command;
	if (args_flag(&cli->args, "help"))
		return help_command(cli, command, stdout);
	if (cli->args.word_count < command->words_min || cli->args.word_count > command->words_max) {
		cli_fail(cli, cli->args.word_count < command->words_min ? "something is missing: mayfly %s %s" : "too many arguments: mayfly %s %s",
		         command->name, command->words);
		return EXIT_USAGE;
	}
	return command->run(cli);
}

/* Words before the command can only be options of everybody's: "mayfly --data DIR list". */
static int split(struct cli *cli, int argc, char **argv, int *at)
{
	for (*at = 1; *at < argc && argv[*at][0] == '-'; (*at)++) {
		struct error err = {0};
		struct args one;
		struct option_table none = {NULL, 0};
		bool takes_next = *at + 1 < argc && args_parse(&one, none, cli_common_options, 1, argv + *at, &err) < 0;
		if (args_parse(&one, none, cli_common_options, takes_next ? 2 : 1, argv + *at, &err) < 0)
			return cli_fail_error(cli, &err);
		*at += takes_next;
	}
	return 0;
}

/* Options before the command are moved behind it, where all are parsed together. */
static char **reorder(int argc, char **argv, int at)
{
	char **all = calloc((size_t)argc + 1, sizeof *all);
	size_t n = 0;
	ASSERT(all);
	for (int i = 1; i < argc; i++) {
		if (i != at)
			all[n++] = argv[i];
	}
	return all;
}

static int dispatch(struct cli *cli, int argc, char **argv)
{
	int at;
	struct error err = {0};
	if (split(cli, argc, argv, &at) < 0)
		return usage_error(cli);
	if (at >= argc) {
		bool wanted = argc > 1;
		return help_overview(cli, wanted ? stdout : stderr), wanted ? 0 : EXIT_USAGE;
	}
	cli->command = cli_find(argv[at]);
	if (!cli->command)
		return unknown_command(cli, argv[at]);
	cli->argc = argc - at - 1;
	cli->argv = argv + at + 1;
	if (cli->command->raw)
		return cli->command->run(cli);
	CLEANUP_FREE char **all = reorder(argc, argv, at);
	if (args_parse(&cli->args, cli->command->options, cli_common_options, argc - 2, all, &err) < 0) {
		cli_fail_error(cli, &err);
		return usage_error(cli);
	}
	set_up_output(cli);
	int status = run(cli);
	if (cli->failure)
		print_failure(cli);
	return status < 0 ? 1 : status;
}

int main(int argc, char **argv)
{
	struct cli cli = {0};
	struct option_table none = {NULL, 0};
	(void)io_fill_standard();
	(void)args_parse(&cli.args, none, cli_common_options, 0, NULL, NULL);
	set_up_output(&cli);
	int status = dispatch(&cli, argc, argv);
	if (cli.command && cli.command->raw && cli.failure)
		print_failure(&cli);
	if (fflush(stdout) != 0 || ferror(stdout))
		status = status ? status : 1;
	client_free(cli.client);
	free(cli.failure);
	return status < 0 ? 1 : status;
}
