#include "bin/mayfly/lambda.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bin/mayfly/term.h"
#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/codec.h"
#include "core/base/str.h"

#define WAIT_SECONDS 300
#define WAIT_FIRST_MS 20
#define WAIT_MOST_MS 500
#define PAGES_MAX 10000

int lambda_get(struct cli *cli, const char *name, const char *qualifier, bool may_miss, json_t **function)
{
	CLEANUP_FREE char *path = qualifier ? client_path(LAMBDA_FUNCTIONS "/%s?Qualifier=%s", name, qualifier)
	                                    : client_path(LAMBDA_FUNCTIONS "/%s", name);
	CLEANUP_ANSWER struct client_answer answer = {0};
	*function = NULL;
	if (client_lambda(cli, "GET", path, NULL, &answer) < 0) {
		if (!may_miss || answer.status != 404)
			return -1;
		cli_forgive(cli);
		return 0;
	}
	if (!json_is_object(answer.json))
		return cli_fail(cli, "the server's answer about %s is no JSON object", name);
	*function = STEAL_PTR(answer.json);
	return 0;
}

static void pause_ms(unsigned ms)
{
	struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
	nanosleep(&t, NULL);
}

static int get_configuration(struct cli *cli, const char *path, json_t **configuration)
{
	CLEANUP_ANSWER struct client_answer answer = {0};
	if (client_lambda(cli, "GET", path, NULL, &answer) < 0)
		return -1;
	*configuration = STEAL_PTR(answer.json);
	return 0;
}

/* 1: ready, 0: not yet, -1: it has failed. */
static int is_ready(struct cli *cli, const char *name, const json_t *c)
{
	const char *state = cli_json_text(c, "State", "Active"), *update = cli_json_text(c, "LastUpdateStatus", "Successful");
	if (strcmp(state, "Failed") == 0)
		return cli_fail(cli, "%s could not be made ready: %s", name, cli_json_text(c, "StateReason", "no reason was given"));
	if (strcmp(update, "Failed") == 0)
		return cli_fail(cli, "the update of %s failed: %s", name, cli_json_text(c, "LastUpdateStatusReason", "no reason was given"));
	return strcmp(state, "Pending") != 0 && strcmp(update, "InProgress") != 0;
}

static int wait_for(struct cli *cli, const char *path, const char *name, json_t **configuration)
{
	uint64_t until_ns = clock_mono_ns() + WAIT_SECONDS * NS_PER_S;
	unsigned wait_ms = WAIT_FIRST_MS;
	while (clock_mono_ns() < until_ns) {
		CLEANUP_JSON json_t *c = NULL;
		if (get_configuration(cli, path, &c) < 0)
			return -1;
		int ready = is_ready(cli, name, c);
		if (ready < 0)
			return -1;
		if (ready && configuration)
			*configuration = STEAL_PTR(c);
		if (ready)
			return 0;
		pause_ms(wait_ms);
		wait_ms = wait_ms * 2 > WAIT_MOST_MS ? WAIT_MOST_MS : wait_ms * 2;
	}
	return cli_fail(cli, "%s is still not ready after %d s; mayfly info %s shows its state", name, WAIT_SECONDS, name);
}

int lambda_wait(struct cli *cli, const char *name, json_t **configuration)
{
	CLEANUP_FREE char *path = client_path(LAMBDA_FUNCTIONS "/%s/configuration", name);
	return wait_for(cli, path, name, configuration);
}

int lambda_wait_version(struct cli *cli, const char *name, const json_t *published)
{
	const char *version = cli_json_text(published, "Version", "$LATEST");
	if (strcmp(cli_json_text(published, "State", "Active"), "Pending") != 0)
		return 0;
	CLEANUP_FREE char *path = client_path(LAMBDA_FUNCTIONS "/%s/configuration?Qualifier=%s", name, version);
	CLEANUP_FREE char *shown = NULL;
	term_progress(cli, "taking the image of version %s", version);
	if (asprintf(&shown, "version %s of %s", version, name) < 0)
		shown = NULL;
	return wait_for(cli, path, shown ? shown : name, NULL);
}

int lambda_list(struct cli *cli, const char *path, const char *key, json_t **list)
{
	CLEANUP_JSON json_t *all = json_array();
	CLEANUP_FREE char *marker = NULL;
	for (int page = 0; page < PAGES_MAX; page++) {
		CLEANUP_FREE char *next = marker ? client_path("%s", marker) : NULL, *whole = NULL;
		CLEANUP_ANSWER struct client_answer answer = {0};
		if (asprintf(&whole, "%s%s%s", path, next ? strchr(path, '?') ? "&Marker=" : "?Marker=" : "", next ? next : "") < 0)
			whole = NULL;
		ASSERT(whole);
		if (client_lambda(cli, "GET", whole, NULL, &answer) < 0)
			return -1;
		json_array_extend(all, json_object_get(answer.json, key));
		const char *more = cli_json_text(answer.json, "NextMarker", "");
		free(marker);
		marker = *more ? strdup(more) : NULL;
		if (!marker)
			break;
	}
	*list = STEAL_PTR(all);
	return 0;
}

json_t *lambda_base64(const void *data, size_t n)
{
	CLEANUP_FREE char *text = malloc(BASE64_SIZE(n));
	ASSERT(text);
	size_t len = base64_encode(text, data, n);
	return json_stringn_nocheck(text, len);
}

int lambda_update_code(struct cli *cli, const char *name, const void *zip, size_t n, json_t **configuration)
{
	CLEANUP_FREE char *path = client_path(LAMBDA_FUNCTIONS "/%s/code", name);
	CLEANUP_JSON json_t *body = json_pack("{s:o}", "ZipFile", lambda_base64(zip, n));
	CLEANUP_ANSWER struct client_answer answer = {0};
	if (client_lambda(cli, "PUT", path, body, &answer) < 0)
		return -1;
	return lambda_wait(cli, name, configuration);
}

int lambda_environments(struct cli *cli, json_t **report)
{
	struct client_call call = {.method = "GET", .service = "lambda", .path = "/_mayfly/environments"};
	CLEANUP_ANSWER struct client_answer answer = {0};
	if (client_call(cli, &call, &answer) < 0)
		return -1;
	json_t *running = json_object_get(answer.json, "running");
	if (!json_is_object(running))
		return cli_fail(cli, "%s does not say what runs: is it a Mayfly server?", client_profile(cli)->endpoint);
	*report = json_incref(running);
	return 0;
}

char *lambda_plain_name(char dst[160], const char *name)
{
	static const char before[] = "function:";
	const char *in_arn = strstr(name, before);
	struct str rest = str_from(in_arn ? in_arn + strlen(before) : name);
	rest = str_sub(rest, 0, str_find(rest, ':'));
	if (str_copy(dst, 160, rest) < 0)
		dst[0] = '\0';
	return dst;
}
