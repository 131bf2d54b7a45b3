/* mayfly version: of this program. */
#include <stdio.h>
#include <sys/utsname.h>

#include "bin/mayfly/cli.h"

static int run(struct cli *cli)
{
	struct utsname machine;
	uname(&machine);
	if (cli->json) {
		CLEANUP_JSON json_t *o = json_pack("{s:s, s:s, s:s}", "version", MAYFLY_VERSION, "kernel", machine.release, "machine", machine.machine);
		return cli_print_json(o);
	}
	printf("mayfly %s\n", MAYFLY_VERSION);
	return 0;
}

const struct command command_version = {
	.name = "version",
	.summary = "say which version this is",
	.words = "",
	.run = run,
};
