/* mayfly domain ls|add|rm: host names of one's own for function URLs. */
#include <string.h>

#include "bin/mayfly/client.h"
#include "bin/mayfly/term.h"
#include "core/base/check.h"

#define PAGE "/_mayfly/domains"

static const char *const titles[] = {"HOST", "FUNCTION"};

static int list(struct cli *cli, const char *host, const char *function)
{
	CLEANUP_ANSWER struct client_answer answer = {0};
	struct term_table t;
	size_t i;
	json_t *row;
	if (client_lambda(cli, "GET", PAGE, NULL, &answer) < 0)
		return -1;
	const json_t *rows = json_object_get(answer.json, "domains");
	if (cli->json)
		return cli_print_json(rows);
	if (json_array_size(rows) == 0) {
		term_hint(cli, "there is no host name; one is added with mayfly domain add HOST FUNCTION[:ALIAS]");
		return 0;
	}
	term_table_init(&t, titles, ARRAY_LEN(titles));
	json_array_foreach(rows, i, row) {
		term_table_add(&t, cli_json_text(row, "host", "?"));
		term_table_add(&t, cli_json_text(row, "function", "?"));
	}
	term_table_print(cli, &t, stdout);
	term_table_release(&t);
	return 0;
}

static int add(struct cli *cli, const char *host, const char *function)
{
	CLEANUP_ANSWER struct client_answer answer = {0};
	CLEANUP_FREE char *path = client_path(PAGE "/%s", host);
	CLEANUP_JSON json_t *body = json_pack("{s:s}", "function", function);
	if (client_lambda(cli, "PUT", path, body, &answer) < 0)
		return -1;
	term_hint(cli, "requests to %s now go to the URL of %s; what may call it, its URL and its policy say", host, function);
	return 0;
}

static int drop(struct cli *cli, const char *host, const char *function)
{
	CLEANUP_ANSWER struct client_answer answer = {0};
	CLEANUP_FREE char *path = client_path(PAGE "/%s", host);
	return client_lambda(cli, "DELETE", path, NULL, &answer);
}

static const struct {
	const char *word;
	unsigned words; /* behind it */
	const char *usage;
	int (*run)(struct cli *cli, const char *host, const char *function);
} actions[] = {
	{"ls", 0, "", list},
	{"add", 2, " HOST FUNCTION[:ALIAS]", add},
	{"rm", 1, " HOST", drop},
};

static int run(struct cli *cli)
{
	const char *word = args_word(&cli->args, 0), *host = args_word(&cli->args, 1), *function = args_word(&cli->args, 2);
	word = word ? word : "ls";
	for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
		if (strcmp(word, actions[i].word) != 0)
			continue;
		if ((unsigned)(host != NULL) + (function != NULL) != actions[i].words)
			return cli_fail(cli, "it is: mayfly domain %s%s", word, actions[i].usage);
		return actions[i].run(cli, host, function);
	}
	return cli_fail(cli, "there is no 'mayfly domain %s'; it takes ls, add HOST FUNCTION[:ALIAS] or rm HOST", word);
}

const struct command command_domain = {
	.name = "domain",
	.summary = "host names of your own for function URLs",
	.words = "[ls|add HOST FUNCTION[:ALIAS]|rm HOST]",
	.words_max = 3,
	.details = "ls   every host name and the function or alias it belongs to.\n"
	           "add  requests whose Host is this name go to that function's URL, which must be there: mayfly deploy --url.\n"
	           "rm   forgets a host name.\n\n"
	           "The name has to lead to this server, by the DNS or by /etc/hosts; the function sees it as requestContext.domainName.\n\n"
	           "  mayfly domain add shop.example.org shop:live",
	.run = run,
};
