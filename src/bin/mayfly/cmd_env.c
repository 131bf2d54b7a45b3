/* mayfly env: export lines for a shell, so that AWS tools find the server: eval "$(mayfly env)". */
#include <stdio.h>
#include <string.h>

#include "bin/mayfly/client.h"

static const struct option_row options[] = {
	{"alias", 0, OPTION_FLAG, NULL, "also a shell function `aws` for awscli before 2.13, which ignores AWS_ENDPOINT_URL", 0, 0},
};

/* Quoted for a POSIX shell. */
static void print_quoted(const char *text)
{
	putchar('\'');
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\''", stdout);
		else
			putchar(*text);
	}
	putchar('\'');
}

static void print_export(const char *name, const char *value)
{
	printf("export %s=", name);
	print_quoted(value);
	putchar('\n');
}

static void print_alias(const struct profile *p)
{
	printf("aws() { command aws --endpoint-url ");
	print_quoted(p->endpoint);
	puts(" \"$@\"; }");
	puts("# boto3 before 1.28 ignores the variable too; there, say boto3.client(..., endpoint_url=os.environ[\"AWS_ENDPOINT_URL\"])");
}

static int print_object(const struct profile *p)
{
	CLEANUP_JSON json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "AWS_ENDPOINT_URL", p->endpoint, "AWS_REGION", p->region,
	                                   "AWS_DEFAULT_REGION", p->region, "AWS_ACCESS_KEY_ID", p->access_key, "AWS_SECRET_ACCESS_KEY",
	                                   p->secret, "AWS_DISABLE_HOST_PREFIX_INJECTION", "true");
	if (*p->session_token)
		json_object_set_new(o, "AWS_SESSION_TOKEN", json_string(p->session_token));
	return cli_print_json(o);
}

static int run(struct cli *cli)
{
	struct error err = {0};
	const struct profile *p = client_profile(cli);
	if (!p)
		return -1;
	if (profile_need_key(p, &err) < 0)
		return cli_fail_error(cli, &err);
	if (cli->json)
		return print_object(p);
	print_export("AWS_ENDPOINT_URL", p->endpoint);
	print_export("AWS_REGION", p->region);
	print_export("AWS_DEFAULT_REGION", p->region);
	print_export("AWS_ACCESS_KEY_ID", p->access_key);
	print_export("AWS_SECRET_ACCESS_KEY", p->secret);
	if (*p->session_token)
		print_export("AWS_SESSION_TOKEN", p->session_token);
	else
		puts("unset AWS_SESSION_TOKEN");
	print_export("AWS_DISABLE_HOST_PREFIX_INJECTION", "true"); /* `aws logs start-live-tail` would ask for stream-127.0.0.1 */
	if (args_flag(&cli->args, "alias"))
		print_alias(p);
	return 0;
}

const struct command command_env = {
	.name = "env",
	.summary = "print export lines that point AWS tools at the server",
	.words = "",
	.options = OPTIONS(options),
	.details = "  eval \"$(mayfly env)\"              the installed server, as root\n"
	           "  eval \"$(build/mayfly env)\"        the one that ./run started",
	.run = run,
};
