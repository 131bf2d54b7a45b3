/* mayfly list: every function of the account. */
#include <stdio.h>

#include "bin/mayfly/lambda.h"
#include "bin/mayfly/term.h"

static const struct option_row options[] = {
	{"names", '1', OPTION_FLAG, NULL, "names only, one a line", 0, 0},
};

static const char *const titles[] = {"NAME", "RUNTIME", "HANDLER", ">MEMORY", ">TIMEOUT", ">CODE", "MODIFIED"};

static void add_row(struct term_table *t, const json_t *f)
{
	char text[TERM_TEXT];
	term_table_add(t, cli_json_text(f, "FunctionName", "?"));
	term_table_add(t, cli_json_text(f, "Runtime", "-"));
	term_table_add(t, cli_json_text(f, "Handler", "-"));
	snprintf(text, sizeof text, "%lld MB", cli_json_int(f, "MemorySize"));
	term_table_add(t, text);
	snprintf(text, sizeof text, "%lld s", cli_json_int(f, "Timeout"));
	term_table_add(t, text);
	term_table_add(t, term_bytes(text, (double)cli_json_int(f, "CodeSize")));
	snprintf(text, sizeof text, "%.16s", cli_json_text(f, "LastModified", ""));
	term_table_add(t, text);
}

static int run(struct cli *cli)
{
	CLEANUP_JSON json_t *functions = NULL;
	size_t i;
	json_t *f;
	if (lambda_list(cli, LAMBDA_FUNCTIONS "/", "Functions", &functions) < 0)
		return -1;
	if (cli->json)
		return cli_print_json(functions);
	if (args_flag(&cli->args, "names")) {
		json_array_foreach(functions, i, f)
			puts(cli_json_text(f, "FunctionName", ""));
		return 0;
	}
	if (json_array_size(functions) == 0) {
		term_hint(cli, "there is no function yet; mayfly deploy DIR --runtime R --handler H makes one");
		return 0;
	}
	struct term_table t;
	term_table_init(&t, titles, sizeof titles / sizeof *titles);
	json_array_foreach(functions, i, f)
		add_row(&t, f);
	term_table_print(cli, &t, stdout);
	term_table_release(&t);
	return 0;
}

const struct command command_list = {
	.name = "list",
	.summary = "list functions",
	.words = "",
	.options = OPTIONS(options),
	.run = run,
};
