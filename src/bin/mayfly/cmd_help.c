/* mayfly help [COMMAND] */
#include <stdio.h>

#include "bin/mayfly/help.h"

static int run(struct cli *cli)
{
	const char *name = args_word(&cli->args, 0);
	const struct command *command = name ? cli_find(name) : NULL;
	if (!name) {
		help_overview(cli, stdout);
		return 0;
	}
	if (!command)
		return cli_fail(cli, "there is no command '%s'; mayfly help lists them", name);
	help_command(cli, command, stdout);
	if (command->raw)
		help_settings(cli, stdout);
	return 0;
}

const struct command command_help = {
	.name = "help",
	.summary = "list the commands, or explain one",
	.words = "[COMMAND]",
	.words_max = 1,
	.run = run,
};
