/* mayfly server [OPTION]...: becomes mayflyd, the supervisor, with the same arguments. It is looked for beside this program
 * (a build folder) and in ../libexec/mayfly (an installation). */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bin/mayfly/cli.h"
#include "bin/mayfly/help.h"
#include "core/base/check.h"

static const char *const places[] = {"mayflyd", "../libexec/mayfly/mayflyd"};

static int run(struct cli *cli)
{
	char self[PATH_MAX], path[PATH_MAX + 40];
	for (int i = 0; i < cli->argc; i++) {
		if (strcmp(cli->argv[i], "--help") == 0 || strcmp(cli->argv[i], "-h") == 0) {
			help_command(cli, cli->command, stdout);
			help_settings(cli, stdout);
			return 0;
		}
	}
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	if (n < 0)
		return cli_fail(cli, "cannot find the folder of this program: %s (is /proc mounted?)", strerror(errno));
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		snprintf(path, sizeof path, "%s/%s", self, places[i]);
		if (access(path, X_OK) < 0)
			continue;
		/* argv[0] is what stood before the arguments: overwritten, so that nothing has to be copied. */
		cli->argv[-1] = path;
		execv(path, cli->argv - 1);
		return cli_fail(cli, "cannot start %s: %s", path, strerror(errno));
	}
	return cli_fail(cli, "mayflyd was not found in %s or its ../libexec/mayfly; build it (make) or install it (make install)", self);
}

const struct command command_server = {
	.name = "server",
	.summary = "run the server in the foreground, as root",
	.words = "[OPTION]...",
	.raw = true,
	.details = "Prints one line on standard output when it is ready: mayfly: ready on http://ADDR:PORT. Logs go to standard error.\n"
	           "With --tls-cert and --tls-key it speaks HTTPS; SIGHUP reads both files again (as does a change of them).\n"
	           "SIGTERM and Ctrl-C let running invocations finish.",
	.run = run,
};
