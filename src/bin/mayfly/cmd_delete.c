/* mayfly delete NAME: a function with all its versions, or one version. Asks first on a terminal. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bin/mayfly/lambda.h"
#include "bin/mayfly/term.h"

static const struct option_row options[] = {
	{"yes", 'y', OPTION_FLAG, NULL, "do not ask", 0, 0},
	{"qualifier", 0, OPTION_TEXT, "VERSION", "delete only this version", 0, 0},
};

static int confirm(struct cli *cli, const char *name, const char *qualifier)
{
	char line[16];
	if (args_flag(&cli->args, "yes"))
		return 0;
	if (!isatty(STDIN_FILENO))
		return cli_fail(cli, "not deleted: without a terminal to ask on, say --yes");
	fprintf(stderr, "delete %s%s%s? [y/N] ", name, qualifier ? ", version " : " with all its versions and aliases", qualifier ? qualifier : "");
	if (fgets(line, sizeof line, stdin) && (*line == 'y' || *line == 'Y'))
		return 0;
	return cli_fail(cli, "not deleted");
}

static int run(struct cli *cli)
{
	const char *name = args_word(&cli->args, 0), *qualifier = args_text(&cli->args, "qualifier");
	CLEANUP_FREE char *path = qualifier ? client_path(LAMBDA_FUNCTIONS "/%s?Qualifier=%s", name, qualifier)
	                                    : client_path(LAMBDA_FUNCTIONS "/%s", name);
	CLEANUP_ANSWER struct client_answer answer = {0};
	CLEANUP_JSON json_t *function = NULL;
	/* A mistyped name should say so before anybody is asked. */
	if (lambda_get(cli, name, qualifier, false, &function) < 0 || confirm(cli, name, qualifier) < 0)
		return -1;
	if (client_lambda(cli, "DELETE", path, NULL, &answer) < 0)
		return -1;
	if (cli->json) {
		CLEANUP_JSON json_t *o = json_pack("{s:s}", "Deleted", name);
		return cli_print_json(o);
	}
	term_hint(cli, "%s%s%s is deleted", name, qualifier ? ":" : "", qualifier ? qualifier : "");
	return 0;
}

const struct command command_delete = {
	.name = "delete",
	.summary = "delete a function, or one version of it",
	.words = "NAME",
	.words_min = 1,
	.words_max = 1,
	.options = OPTIONS(options),
	.run = run,
};
