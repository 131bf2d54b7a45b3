/* mayfly deploy DIR: zips a folder, creates the function or updates what differs, waits until it is ready, prints its ARN. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bin/mayfly/function_url.h"
#include "bin/mayfly/images.h"
#include "bin/mayfly/lambda.h"
#include "bin/mayfly/pack.h"
#include "bin/mayfly/term.h"
#include "core/base/codec.h"
#include "core/base/str.h"
#include "core/spec/limits.h"

#define FUNCTION_FILE "function.json"

static const struct option_row options[] = {
	{"name", 'n', OPTION_TEXT, "NAME", "name of the function (the folder's)", 0, 0},
	{"runtime", 0, OPTION_TEXT, "ID", "such as python3.11, nodejs20.x, provided.al2023", 0, 0},
	{"handler", 0, OPTION_TEXT, "HANDLER", "such as app.handler", 0, 0},
	{"role", 0, OPTION_TEXT, "ROLE", "name or ARN of the function's role (NAME-role)", 0, 0},
	{"memory", 'm', OPTION_NUMBER, "MB", "memory size; processor time is proportional", LIMIT_MEMORY_MIN_MB, LIMIT_MEMORY_MAX_MB},
	{"timeout", 't', OPTION_NUMBER, "S", "most seconds for an invocation", 1, LIMIT_TIMEOUT_MAX_S},
	{"ephemeral", 0, OPTION_NUMBER, "MB", "size of /tmp", LIMIT_EPHEMERAL_MIN_MB, LIMIT_EPHEMERAL_MAX_MB},
	{"env", 'e', OPTION_LIST, "K=V", "environment variable; several add up, and replace those that the function had", 0, 0},
	{"layer", 0, OPTION_LIST, "ARN", "layer version, merged below /opt; several lie above each other, and replace those that the function had; '': none",
	 0, 0},
	{"tag", 0, OPTION_LIST, "K=V", "tag; several add up", 0, 0},
	{"description", 0, OPTION_TEXT, "TEXT", "what the function is for", 0, 0},
	{"arch", 0, OPTION_CHOICE, "x86_64|arm64", "instruction set", 0, 0},
	{"snapshot", 0, OPTION_CHOICE, "auto|always|off", "whether environments start from an image of the init phase (tag mayfly:snapshot)", 0, 0},
	{"isolation", 0, OPTION_CHOICE, "environment|invocation", "what an invocation shares: its environment with others, one after the other, or nothing "
	 "(tag mayfly:isolation)", 0, 0},
	{"url", 0, OPTION_CHOICE, "none|iam", "give the function a URL that everybody may call, or only whoever signs; prints it too", 0, 0},
	{"publish", 0, OPTION_FLAG, NULL, "publish a version when all is done, and print its ARN", 0, 0},
	{"build", 'b', OPTION_FLAG, NULL, "run the folder's \"build\" command of " FUNCTION_FILE " before", 0, 0},
};

struct deploy {
	struct cli *cli;
	const char *folder;
	char name[160];
	json_t *file;          /* function.json, or an empty object */
	json_t *configuration; /* what was asked for, named as the API does */
	json_t *tags;
	struct zip zip;
	bool changed;
	char *arn;
	char *url; /* of --url */
};

/* How a row of function.json and an option become a member of the configuration. */
static const struct {
	const char *option, *member;
	bool number;
} members[] = {
	{"runtime", "Runtime", false}, {"handler", "Handler", false}, {"description", "Description", false},
	{"memory", "MemorySize", true}, {"timeout", "Timeout", true},
};

/* Options that are tags. */
static const struct {
	const char *option, *tag;
} choices[] = {{"snapshot", "mayfly:snapshot"}, {"isolation", "mayfly:isolation"}};

static int read_file(struct deploy *d)
{
	char path[PATH_MAX];
	json_error_t fault;
	snprintf(path, sizeof path, "%s/" FUNCTION_FILE, d->folder);
	if (access(path, F_OK) < 0) {
		d->file = json_object();
		return 0;
	}
	d->file = json_load_file(path, 0, &fault);
	if (!d->file)
		return cli_fail(d->cli, "%s, line %d: %s", path, fault.line, fault.text);
	if (!json_is_object(d->file))
		return cli_fail(d->cli, "%s holds no object; {\"runtime\": \"python3.11\", \"handler\": \"app.handler\"} would do", path);
	return 0;
}

static int find_name(struct deploy *d)
{
	char real[PATH_MAX];
	struct stat st;
	const char *name = args_text(&d->cli->args, "name");
	if (stat(d->folder, &st) < 0)
		return cli_fail(d->cli, "cannot deploy %s: %s", d->folder, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return cli_fail(d->cli, "%s is no folder; deploy packs a folder itself", d->folder);
	if (!name && realpath(d->folder, real))
		name = cli_json_text(d->file, "name", strrchr(real, '/') + 1);
	if (!name || !*name || str_copy(d->name, sizeof d->name, str_from(name)) < 0)
		return cli_fail(d->cli, "the function needs a name of at most %zu characters: --name NAME", sizeof d->name - 1);
	return 0;
}

/* "K=V" texts of a list option into an object; 1 when there was any. */
static int take_pairs(struct deploy *d, const char *option, json_t **pairs)
{
	size_t at = 0;
	const char *text;
	while ((text = args_next(&d->cli->args, option, &at))) {
		const char *eq = strchr(text, '=');
		if (!eq || eq == text)
			return cli_fail(d->cli, "--%s takes NAME=VALUE, not '%s'", option, text);
		CLEANUP_FREE char *key = strndup(text, (size_t)(eq - text));
		if (!*pairs)
			*pairs = json_object();
		if (!key || json_object_set_new(*pairs, key, json_string(eq + 1)) < 0)
			return cli_fail(d->cli, "--%s '%s' is not UTF-8 text", option, text);
	}
	return *pairs ? 1 : 0;
}

static int take_environment(struct deploy *d)
{
	json_t *variables = NULL, *given = json_object_get(d->file, "env");
	int r = take_pairs(d, "env", &variables);
	if (r < 0) {
		json_decref(variables);
		return -1;
	}
	if (json_is_object(given)) {
		json_t *both = json_deep_copy(given);
		if (variables)
			json_object_update(both, variables);
		json_decref(variables);
		variables = both;
	}
	if (variables)
		json_object_set_new(d->configuration, "Environment", json_pack("{s:o}", "Variables", variables));
	return 0;
}

static void take_layers(struct deploy *d)
{
	size_t at = 0;
	json_t *given = json_object_get(d->file, "layers"), *layers = NULL;
	const char *text;
	while ((text = args_next(&d->cli->args, "layer", &at))) {
		layers = layers ? layers : json_array();
		if (*text)
			json_array_append_new(layers, json_string(text));
	}
	if (layers)
		json_object_set_new(d->configuration, "Layers", layers);
	else if (given)
		json_object_set(d->configuration, "Layers", given);
}

static void take_choices(struct deploy *d)
{
	for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
		const char *text = args_text(&d->cli->args, choices[i].option);
		text = text ? text : cli_json_text(d->file, choices[i].option, NULL);
		if (text && !d->tags)
			d->tags = json_object();
		if (text)
			json_object_set_new(d->tags, choices[i].tag, json_string(text));
	}
}

static int take_configuration(struct deploy *d)
{
	uint64_t n;
	for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
		const char *text = args_text(&d->cli->args, members[i].option);
		json_t *given = json_object_get(d->file, members[i].option);
		if (text && args_number(&d->cli->args, members[i].option, &n) && members[i].number)
			json_object_set_new(d->configuration, members[i].member, json_integer((json_int_t)n));
		else if (text)
			json_object_set_new(d->configuration, members[i].member, json_string(text));
		else if (given)
			json_object_set(d->configuration, members[i].member, given);
	}
	if (args_number(&d->cli->args, "ephemeral", &n))
		json_object_set_new(d->configuration, "EphemeralStorage", json_pack("{s:I}", "Size", (json_int_t)n));
	if (take_environment(d) < 0 || take_pairs(d, "tag", &d->tags) < 0)
		return -1;
	take_layers(d);
	if (!d->tags && json_is_object(json_object_get(d->file, "tags")))
		d->tags = json_incref(json_object_get(d->file, "tags"));
	take_choices(d);
	return 0;
}

static int run_build(struct deploy *d)
{
	const char *command = cli_json_text(d->file, "build", NULL);
	if (!args_flag(&d->cli->args, "build"))
		return 0;
	if (!command)
		return cli_fail(d->cli, "--build: there is no \"build\" in %s/" FUNCTION_FILE, d->folder);
	term_progress(d->cli, "building: %s", command);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(STDERR_FILENO, STDOUT_FILENO); /* standard output is for the ARN */
		if (chdir(d->folder) == 0)
			execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	int status = 0;
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return cli_fail(d->cli, "cannot run the build: %s", strerror(errno));
	return status == 0 ? 0 : cli_fail(d->cli, "the build of %s failed: %s", d->folder, command);
}

static int pack(struct deploy *d)
{
	char packed[TERM_TEXT], whole[TERM_TEXT];
	struct error err = {0};
	struct pack_totals totals;
	zip_init(&d->zip, 4u * LIMIT_ZIP_BYTES);
	term_progress(d->cli, "packing %s", d->folder);
	if (pack_folder(d->folder, &d->zip, &totals, &err) < 0)
		return cli_fail(d->cli, "cannot pack %s: %s", d->folder, err.msg);
	if (d->zip.out.len > LIMIT_ZIP_BYTES)
		return cli_fail(d->cli, "the package has %s; Lambda takes at most %s: leave files out with a .mayflyignore",
		                term_bytes(packed, (double)d->zip.out.len), term_bytes(whole, LIMIT_ZIP_BYTES));
	term_progress(d->cli, "packed %u files, %s, into %s", totals.files, term_bytes(whole, (double)totals.bytes),
	              term_bytes(packed, (double)d->zip.out.len));
	return 0;
}

/* The account that the key belongs to, for the ARN of a role that was given by name. */
static int find_account(struct cli *cli, char account[16])
{
	static const char body[] = "Action=GetCallerIdentity&Version=2011-06-15";
	struct client_call call = {.method = "POST", .service = "sts", .path = "/", .type = "application/x-www-form-urlencoded",
	                           .body = body, .body_len = sizeof body - 1};
	CLEANUP_ANSWER struct client_answer answer = {0};
	if (client_call(cli, &call, &answer) < 0)
		return -1;
	CLEANUP_FREE char *text = str_dup(buf_str(&answer.body));
	const char *at = text ? strstr(text, "<Account>") : NULL;
	if (!at || sscanf(at, "<Account>%12[0-9]", account) != 1)
		return cli_fail(cli, "the server did not say which account this is; name the role by its ARN: --role arn:aws:iam::ACCOUNT:role/NAME");
	return 0;
}

static int take_role(struct deploy *d, bool needed)
{
	char account[16], arn[300];
	const char *role = args_text(&d->cli->args, "role");
	role = role ? role : cli_json_text(d->file, "role", NULL);
	if (!role && !needed)
		return 0;
	if (role && strncmp(role, "arn:", 4) == 0) {
		json_object_set_new(d->configuration, "Role", json_string(role));
		return 0;
	}
	if (find_account(d->cli, account) < 0)
		return -1;
	snprintf(arn, sizeof arn, "arn:aws:iam::%s:role/%.120s%s", account, role ? role : d->name, role ? "" : "-role");
	json_object_set_new(d->configuration, "Role", json_string(arn));
	return 0;
}

static bool has_bootstrap(const struct deploy *d)
{
	char path[PATH_MAX];
	snprintf(path, sizeof path, "%s/bootstrap", d->folder);
	return access(path, F_OK) == 0;
}

/* What creating needs and nobody said. A folder with a bootstrap says it by itself. */
static int fill_in(struct deploy *d)
{
	bool custom = has_bootstrap(d);
	if (custom && !json_object_get(d->configuration, "Runtime"))
		json_object_set_new(d->configuration, "Runtime", json_string("provided.al2023"));
	const char *runtime = cli_json_text(d->configuration, "Runtime", "");
	if (strncmp(runtime, "provided", 8) == 0 && !json_object_get(d->configuration, "Handler"))
		json_object_set_new(d->configuration, "Handler", json_string("bootstrap"));
	bool layered = json_array_size(json_object_get(d->configuration, "Layers")) > 0; /* one of them may bring the bootstrap */
	if (strncmp(runtime, "provided", 8) == 0 && !custom && !layered)
		return cli_fail(d->cli, "%s needs an executable file named bootstrap in %s%s", runtime, d->folder,
		                json_object_get(d->file, "build") ? "; --build makes it" : "");
	if (!*runtime || !json_object_get(d->configuration, "Handler"))
		return cli_fail(d->cli, "%s is new, so %s is needed: --runtime python3.11 --handler app.handler, or a " FUNCTION_FILE
		                " in the folder: {\"runtime\": \"python3.11\", \"handler\": \"app.handler\"}", d->name,
		                *runtime ? "a handler" : "a runtime");
	return 0;
}

/* Sharing what was computed at load is what surprises; so it is said before it happens. */
static void hint_images(struct deploy *d)
{
	CLEANUP_JSON json_t *report = NULL;
	if (d->cli->quiet || images_report(d->cli, &report) < 0) {
		cli_forgive(d->cli);
		return;
	}
	const char *mode = cli_json_text(d->tags, "mayfly:snapshot", cli_json_text(report, "default", "off"));
	if (strcmp(mode, "off") != 0)
		term_hint(d->cli, "new environments will start from an image of the init phase: " IMAGES_SHARED " (--snapshot off: not)");
}

static int create(struct deploy *d)
{
	CLEANUP_ANSWER struct client_answer answer = {0};
	const char *arch = args_text(&d->cli->args, "arch");
	if (fill_in(d) < 0 || take_role(d, true) < 0)
		return -1;
	CLEANUP_JSON json_t *body = json_copy(d->configuration);
	json_object_set_new(body, "FunctionName", json_string(d->name));
	json_object_set_new(body, "Code", json_pack("{s:o}", "ZipFile", lambda_base64(d->zip.out.data, d->zip.out.len)));
	if (arch)
		json_object_set_new(body, "Architectures", json_pack("[s]", arch));
	if (d->tags)
		json_object_set(body, "Tags", d->tags);
	term_progress(d->cli, "creating %s", d->name);
	if (client_lambda(d->cli, "POST", LAMBDA_FUNCTIONS, body, &answer) < 0)
		return -1;
	d->changed = true;
	if (lambda_wait(d->cli, d->name, NULL) < 0)
		return -1;
	hint_images(d);
	return 0;
}

static int update_code(struct deploy *d, const json_t *old)
{
	unsigned char sum[SHA256_SIZE];
	char text[BASE64_SIZE(SHA256_SIZE)];
	const char *arch = args_text(&d->cli->args, "arch");
	const char *old_arch = json_string_value(json_array_get(json_object_get(old, "Architectures"), 0));
	sha256(sum, d->zip.out.data, d->zip.out.len);
	base64_encode(text, sum, sizeof sum);
	if (strcmp(text, cli_json_text(old, "CodeSha256", "")) == 0 && (!arch || !old_arch || strcmp(arch, old_arch) == 0))
		return 0;
	CLEANUP_FREE char *path = client_path(LAMBDA_FUNCTIONS "/%s/code", d->name);
	CLEANUP_JSON json_t *body = json_pack("{s:o}", "ZipFile", lambda_base64(d->zip.out.data, d->zip.out.len));
	CLEANUP_ANSWER struct client_answer answer = {0};
	if (arch)
		json_object_set_new(body, "Architectures", json_pack("[s]", arch));
	term_progress(d->cli, "updating the code of %s", d->name);
	if (client_lambda(d->cli, "PUT", path, body, &answer) < 0)
		return -1;
	d->changed = true;
	return lambda_wait(d->cli, d->name, NULL);
}

/* A member as it is, in the form in which it is sent: layers are shown with their sizes. New reference, or NULL. */
static json_t *member_now(const json_t *old, const char *key)
{
	json_t *now = json_object_get(old, key), *one;
	size_t i;
	if (strcmp(key, "Layers") != 0)
		return json_incref(now);
	json_t *arns = json_array();
	json_array_foreach(now, i, one)
		json_array_append(arns, json_object_get(one, "Arn"));
	return arns;
}

static int update_configuration(struct deploy *d, const json_t *old)
{
	const char *key;
	json_t *value;
	CLEANUP_JSON json_t *body = json_object();
	if (take_role(d, false) < 0)
		return -1;
	json_object_foreach(d->configuration, key, value) {
		CLEANUP_JSON json_t *now = member_now(old, key);
		if (!json_equal(value, now))
			json_object_set(body, key, value);
	}
	if (json_object_size(body) == 0)
		return 0;
	CLEANUP_FREE char *path = client_path(LAMBDA_FUNCTIONS "/%s/configuration", d->name);
	CLEANUP_ANSWER struct client_answer answer = {0};
	term_progress(d->cli, "updating the configuration of %s", d->name);
	if (client_lambda(d->cli, "PUT", path, body, &answer) < 0)
		return -1;
	d->changed = true;
	return lambda_wait(d->cli, d->name, NULL);
}

static int update_tags(struct deploy *d, const json_t *old)
{
	if (!d->tags)
		return 0;
	CLEANUP_FREE char *path = client_path("/2017-03-31/tags/%s", cli_json_text(old, "FunctionArn", d->name));
	CLEANUP_JSON json_t *body = json_pack("{s:O}", "Tags", d->tags);
	CLEANUP_ANSWER struct client_answer answer = {0};
	return client_lambda(d->cli, "POST", path, body, &answer);
}

static int publish(struct deploy *d)
{
	CLEANUP_FREE char *path = client_path(LAMBDA_FUNCTIONS "/%s/versions", d->name);
	CLEANUP_JSON json_t *body = json_object();
	CLEANUP_ANSWER struct client_answer answer = {0};
	if (client_lambda(d->cli, "POST", path, body, &answer) < 0)
		return -1;
	d->arn = strdup(cli_json_text(answer.json, "FunctionArn", d->name));
	return lambda_wait_version(d->cli, d->name, answer.json);
}

static int print_result(struct deploy *d)
{
	CLEANUP_JSON json_t *function = NULL;
	if (lambda_get(d->cli, d->name, NULL, false, &function) < 0)
		return -1;
	json_t *c = json_object_get(function, "Configuration");
	term_progress_end(d->cli);
	if (d->url)
		json_object_set_new(c, "FunctionUrl", json_string(d->url));
	if (d->cli->json)
		return cli_print_json(c);
	if (!d->changed)
		term_hint(d->cli, "%s was up to date", d->name);
	puts(d->arn ? d->arn : cli_json_text(c, "FunctionArn", d->name));
	if (d->url)
		puts(d->url);
	return 0;
}

static int deploy(struct deploy *d)
{
	CLEANUP_JSON json_t *function = NULL;
	if (read_file(d) < 0 || find_name(d) < 0 || take_configuration(d) < 0 || run_build(d) < 0 || pack(d) < 0)
		return -1;
	if (lambda_get(d->cli, d->name, NULL, true, &function) < 0)
		return -1;
	const json_t *old = json_object_get(function, "Configuration");
	if (!function ? create(d) < 0 : update_code(d, old) < 0 || update_configuration(d, old) < 0 || update_tags(d, old) < 0)
		return -1;
	if (args_flag(&d->cli->args, "publish") && publish(d) < 0)
		return -1;
	const char *auth = args_text(&d->cli->args, "url");
	if (auth && function_url_set(d->cli, d->name, auth, &d->url) < 0)
		return -1;
	return print_result(d);
}

static int run(struct cli *cli)
{
	struct deploy d = {.cli = cli, .folder = args_word(&cli->args, 0), .configuration = json_object()};
	int r = deploy(&d);
	json_decref(d.file);
	json_decref(d.configuration);
	json_decref(d.tags);
	zip_release(&d.zip);
	free(d.arn);
	free(d.url);
	return r;
}

const struct command command_deploy = {
	.name = "deploy",
	.summary = "create or update a function from a folder",
	.words = "DIR",
	.words_min = 1,
	.words_max = 1,
	.options = OPTIONS(options),
	.details = "Packs everything below DIR but .git, __pycache__ and what its .mayflyignore names (rules as in .gitignore). Options that\n"
	           "are not given come from DIR/function.json, where it is there: {\"runtime\", \"handler\", \"memory\", \"timeout\",\n"
	           "\"description\", \"role\", \"env\": {}, \"layers\": [], \"tags\": {}, \"snapshot\", \"isolation\", \"name\", \"build\"}; else they\n"
	           "stay as the function has them.\n\n"
	           "With --snapshot auto (the server's default) or always, environments after the first start from an image of the\n"
	           "initialised process: what a module computes once at load is then shared by all environments of a version.\n\n"
	           "  mayfly deploy ./thumb --runtime python3.11 --handler app.handler --memory 256 -e LEVEL=debug",
	.run = run,
};
