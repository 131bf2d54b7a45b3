#include "bin/mayfly/function_url.h"

#include <stdlib.h>
#include <string.h>

#include "bin/mayfly/lambda.h"

#define CONFLICT 409

/* What AWS's console adds for a public URL, under the same names. The condition keeps each from meaning more than the URL. */
static json_t *permission(bool of_url)
{
	if (of_url)
		return json_pack("{s:s, s:s, s:s, s:s}", "StatementId", "FunctionURLAllowPublicAccess", "Action", "lambda:InvokeFunctionUrl",
		                 "Principal", "*", "FunctionUrlAuthType", "NONE");
	return json_pack("{s:s, s:s, s:s, s:b}", "StatementId", "FunctionURLInvokeAllowPublicAccess", "Action", "lambda:InvokeFunction",
	                 "Principal", "*", "InvokedViaFunctionUrl", 1);
}

static int allow(struct cli *cli, const char *function, bool of_url)
{
	CLEANUP_FREE char *path = client_path(LAMBDA_FUNCTIONS "/%s/policy", function);
	CLEANUP_JSON json_t *body = permission(of_url);
	CLEANUP_ANSWER struct client_answer answer = {0};
	if (client_lambda(cli, "POST", path, body, &answer) == 0)
		return 0;
	if (answer.status != CONFLICT) /* it is there already */
		return -1;
	cli_forgive(cli);
	return 0;
}

int function_url_set(struct cli *cli, const char *function, const char *auth, char **url)
{
	bool open = strcmp(auth, "none") == 0;
	CLEANUP_FREE char *path = client_path("/2021-10-31/functions/%s/url", function);
	CLEANUP_JSON json_t *body = json_pack("{s:s}", "AuthType", open ? "NONE" : "AWS_IAM");
	CLEANUP_ANSWER struct client_answer made = {0}, changed = {0};
	const json_t *config = NULL;
	if (client_lambda(cli, "POST", path, body, &made) == 0) {
		config = made.json;
	} else if (made.status == CONFLICT) {
		cli_forgive(cli);
		if (client_lambda(cli, "PUT", path, body, &changed) == 0)
			config = changed.json;
	}
	if (!config || (open && (allow(cli, function, true) < 0 || allow(cli, function, false) < 0)))
		return -1;
	*url = strdup(cli_json_text(config, "FunctionUrl", ""));
	return 0;
}
