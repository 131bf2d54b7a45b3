/* mayfly rollback NAME: back to the version before. With --alias the alias is pointed there; otherwise that version's code,
 * runtime and handler become $LATEST again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bin/mayfly/lambda.h"
#include "bin/mayfly/term.h"

static const struct option_row options[] = {
	{"alias", 0, OPTION_TEXT, "NAME", "point this alias at the version before, and leave $LATEST alone", 0, 0},
	{"to", 0, OPTION_TEXT, "VERSION", "this version, instead of the one before", 0, 0},
};

static int list_versions(struct cli *cli, const char *name, json_t **versions)
{
	CLEANUP_FREE char *path = client_path(LAMBDA_FUNCTIONS "/%s/versions", name);
	return lambda_list(cli, path, "Versions", versions);
}

static const json_t *find_version(const json_t *versions, const char *number)
{
	size_t i;
	const json_t *v;
	json_array_foreach(versions, i, v) {
		if (strcmp(cli_json_text(v, "Version", ""), number) == 0)
			return v;
	}
	return NULL;
}

/* The highest number below `below` whose code differs from `sha256` (NULL: any). */
static const json_t *find_before(const json_t *versions, long below, const char *sha256)
{
	size_t i;
	const json_t *v, *best = NULL;
	long best_number = 0;
	json_array_foreach(versions, i, v) {
		long number = strtol(cli_json_text(v, "Version", ""), NULL, 10); /* 0 for $LATEST */
		bool same = sha256 && strcmp(cli_json_text(v, "CodeSha256", ""), sha256) == 0;
		if (number > best_number && number < below && !same) {
			best_number = number;
			best = v;
		}
	}
	return best;
}

static int roll_alias(struct cli *cli, const char *name, const char *alias, const json_t *versions)
{
	CLEANUP_FREE char *path = client_path(LAMBDA_FUNCTIONS "/%s/aliases/%s", name, alias);
	CLEANUP_ANSWER struct client_answer now = {0}, then = {0};
	const char *to = args_text(&cli->args, "to");
	if (client_lambda(cli, "GET", path, NULL, &now) < 0)
		return -1;
	const char *at = cli_json_text(now.json, "FunctionVersion", "");
	long number = strcmp(at, "$LATEST") == 0 ? __LONG_MAX__ : strtol(at, NULL, 10);
	const json_t *target = to ? find_version(versions, to) : find_before(versions, number, NULL);
	if (!target)
		return cli_fail(cli, "alias %s points at version %s, and there is no %s%s to go back to; mayfly info %s lists the versions", alias, at,
		                to ? "version " : "earlier version", to ? to : "", name);
	/* RevisionId: if somebody moves the alias meanwhile, it is theirs that counts. */
	CLEANUP_JSON json_t *body = json_pack("{s:s, s:s, s:{s:{}}}", "FunctionVersion", cli_json_text(target, "Version", ""), "RevisionId",
	                                      cli_json_text(now.json, "RevisionId", ""), "RoutingConfig", "AdditionalVersionWeights");
	if (client_lambda(cli, "PUT", path, body, &then) < 0)
		return -1;
	if (cli->json)
		return cli_print_json(then.json);
	printf("%s: alias %s points at version %s now (it was %s)\n", name, alias, cli_json_text(target, "Version", "?"), at);
	return 0;
}

static int download(struct cli *cli, const char *name, const char *version, struct client_answer *zip)
{
	CLEANUP_JSON json_t *function = NULL;
	if (lambda_get(cli, name, version, false, &function) < 0)
		return -1;
	const char *link = cli_json_text(json_object_get(function, "Code"), "Location", NULL);
	if (!link)
		return cli_fail(cli, "the server gives no link to the code of version %s", version);
	struct client_call call = {.method = "GET", .path = link};
	term_progress(cli, "fetching the code of version %s", version);
	return client_call(cli, &call, zip);
}

/* Code without the runtime and handler that it was written for would not run. */
static int restore_entry(struct cli *cli, const char *name, const json_t *now, const json_t *then)
{
	static const char *const members[] = {"Runtime", "Handler"};
	CLEANUP_JSON json_t *body = json_object();
	for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
		json_t *value = json_object_get(then, members[i]);
		if (value && !json_equal(value, json_object_get(now, members[i])))
			json_object_set(body, members[i], value);
	}
	if (!json_object_size(body))
		return 0;
	CLEANUP_FREE char *path = client_path(LAMBDA_FUNCTIONS "/%s/configuration", name);
	CLEANUP_ANSWER struct client_answer answer = {0};
	return client_lambda(cli, "PUT", path, body, &answer) < 0 ? -1 : lambda_wait(cli, name, NULL);
}

static int roll_latest(struct cli *cli, const char *name, const json_t *versions)
{
	const char *to = args_text(&cli->args, "to");
	CLEANUP_JSON json_t *function = NULL, *done = NULL;
	CLEANUP_ANSWER struct client_answer zip = {0};
	if (lambda_get(cli, name, NULL, false, &function) < 0)
		return -1;
	const json_t *now = json_object_get(function, "Configuration");
	const json_t *target = to ? find_version(versions, to) : find_before(versions, __LONG_MAX__, cli_json_text(now, "CodeSha256", ""));
	if (!target)
		return cli_fail(cli, "%s has no %s%s to go back to; mayfly publish %s keeps one", name,
		                to ? "version " : "published version with other code", to ? to : "", name);
	const char *number = cli_json_text(target, "Version", "?");
	if (download(cli, name, number, &zip) < 0)
		return -1;
	term_progress(cli, "updating the code of %s", name);
	if (lambda_update_code(cli, name, zip.body.data, zip.body.len, &done) < 0 || restore_entry(cli, name, now, target) < 0)
		return -1;
	term_progress_end(cli);
	if (cli->json)
		return cli_print_json(done);
	printf("%s: $LATEST has the code of version %s again\n", name, number);
	return 0;
}

static int run(struct cli *cli)
{
	const char *name = args_word(&cli->args, 0), *alias = args_text(&cli->args, "alias");
	CLEANUP_JSON json_t *versions = NULL;
	if (list_versions(cli, name, &versions) < 0)
		return -1;
	return alias ? roll_alias(cli, name, alias, versions) : roll_latest(cli, name, versions);
}

const struct command command_rollback = {
	.name = "rollback",
	.summary = "go back to the version before",
	.words = "NAME",
	.words_min = 1,
	.words_max = 1,
	.options = OPTIONS(options),
	.details = "Without --alias the newest published version whose code differs is taken; its code, runtime and handler become\n"
	           "$LATEST again, all other settings stay.\n\n"
	           "  mayfly rollback thumb --alias live\n  mayfly rollback thumb --to 3",
	.run = run,
};
