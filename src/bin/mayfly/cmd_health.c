/* mayfly health: is the server well? Exit status 0 or 1, for scripts and service managers. */
#include <stdio.h>

#include "bin/mayfly/client.h"
#include "bin/mayfly/term.h"
#include "core/base/clock.h"

static const struct option_row options[] = {
	{"token", 0, OPTION_TEXT, "TEXT", "the server's --metrics-token, where it does not listen on loopback (MAYFLY_METRICS_TOKEN)", 0, 0},
};

static int run(struct cli *cli)
{
	CLEANUP_ANSWER struct client_answer answer = {0};
	uint64_t start_ns = clock_mono_ns();
	if (client_page(cli, "/_mayfly/health", args_text(&cli->args, "token"), &answer) < 0)
		return -1;
	if (cli->json && answer.json)
		return cli_print_json(answer.json);
	char text[TERM_TEXT];
	printf("%swell%s  %s answers in %s\n", term_out(cli, TERM_GREEN), term_out(cli, TERM_PLAIN), client_profile(cli)->endpoint,
	       term_ms(text, (double)(clock_mono_ns() - start_ns) / NS_PER_MS));
	return 0;
}

const struct command command_health = {
	.name = "health",
	.summary = "ask the server whether it is well",
	.words = "",
	.options = OPTIONS(options),
	.run = run,
};
