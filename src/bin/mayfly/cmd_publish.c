/* mayfly publish NAME: freezes $LATEST as a numbered version, and points an alias at it. */
#include <stdio.h>
#include <string.h>

#include "bin/mayfly/lambda.h"
#include "bin/mayfly/term.h"

static const struct option_row options[] = {
	{"description", 0, OPTION_TEXT, "TEXT", "description of the version", 0, 0},
	{"alias", 0, OPTION_TEXT, "NAME", "point this alias at the new version; it is made when it is not there", 0, 0},
};

static int point_alias(struct cli *cli, const char *name, const char *alias, const char *version)
{
	CLEANUP_FREE char *one = client_path(LAMBDA_FUNCTIONS "/%s/aliases/%s", name, alias);
	CLEANUP_FREE char *all = client_path(LAMBDA_FUNCTIONS "/%s/aliases", name);
	CLEANUP_JSON json_t *body = json_pack("{s:s, s:{s:{}}}", "FunctionVersion", version, "RoutingConfig", "AdditionalVersionWeights");
	CLEANUP_ANSWER struct client_answer updated = {0}, made = {0};
	if (client_lambda(cli, "PUT", one, body, &updated) == 0)
		return 0;
	if (updated.status != 404)
		return -1;
	cli_forgive(cli);
	json_object_del(body, "RoutingConfig");
	json_object_set_new(body, "Name", json_string(alias));
	return client_lambda(cli, "POST", all, body, &made);
}

static int run(struct cli *cli)
{
	const char *name = args_word(&cli->args, 0), *description = args_text(&cli->args, "description");
	const char *alias = args_text(&cli->args, "alias");
	CLEANUP_FREE char *path = client_path(LAMBDA_FUNCTIONS "/%s/versions", name);
	CLEANUP_JSON json_t *body = json_object();
	CLEANUP_ANSWER struct client_answer answer = {0};
	if (description)
		json_object_set_new(body, "Description", json_string(description));
	if (client_lambda(cli, "POST", path, body, &answer) < 0 || lambda_wait_version(cli, name, answer.json) < 0)
		return -1;
	term_progress_end(cli);
	const char *version = cli_json_text(answer.json, "Version", "?");
	if (alias && point_alias(cli, name, alias, version) < 0)
		return -1;
	if (cli->json)
		return cli_print_json(answer.json);
	puts(cli_json_text(answer.json, "FunctionArn", version));
	if (alias)
		term_hint(cli, "alias %s points at version %s", alias, version);
	return 0;
}

const struct command command_publish = {
	.name = "publish",
	.summary = "publish a version of a function",
	.words = "NAME",
	.words_min = 1,
	.words_max = 1,
	.options = OPTIONS(options),
	.run = run,
};
