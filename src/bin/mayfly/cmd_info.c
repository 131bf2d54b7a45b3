/* mayfly info NAME: all about one function: configuration, versions, aliases, environments. */
#include <stdio.h>
#include <string.h>

#include "bin/mayfly/images.h"
#include "bin/mayfly/lambda.h"
#include "bin/mayfly/term.h"

struct info {
	json_t *function, *versions, *aliases, *environments; /* environments: an array, or NULL where the server tells none */
	json_t *concurrency;
	json_t *images;      /* rows of the report about this function, or NULL where the server tells none */
	const char *mode;    /* of what has no row: the tag, else the server's default; NULL: not known */
	json_t *report;
	json_t *stand_in; /* interpreter of another version that runs it, or NULL */
};

static int get_versions(struct cli *cli, const char *name, struct info *in)
{
	CLEANUP_FREE char *versions = client_path(LAMBDA_FUNCTIONS "/%s/versions", name);
	CLEANUP_FREE char *aliases = client_path(LAMBDA_FUNCTIONS "/%s/aliases", name);
	if (lambda_list(cli, versions, "Versions", &in->versions) < 0)
		return -1;
	return lambda_list(cli, aliases, "Aliases", &in->aliases);
}

static void get_environments(struct cli *cli, const char *name, struct info *in)
{
	CLEANUP_JSON json_t *report = NULL;
	size_t i;
	json_t *e;
	if (lambda_environments(cli, &report) < 0) {
		cli_forgive(cli);
		return;
	}
	in->stand_in = json_incref(json_object_get(json_object_get(report, "stand_ins"),
	                                           cli_json_text(json_object_get(in->function, "Configuration"), "Runtime", "")));
	in->environments = json_array();
	json_array_foreach(json_object_get(report, "environments"), i, e) {
		if (strcmp(cli_json_text(e, "function", ""), name) == 0)
			json_array_append(in->environments, e);
	}
}

static void get_images(struct cli *cli, const char *name, struct info *in)
{
	size_t i;
	json_t *v;
	if (images_report(cli, &in->report) < 0) {
		cli_forgive(cli);
		return;
	}
	in->images = json_array();
	json_array_foreach(json_object_get(in->report, "versions"), i, v) {
		if (strcmp(cli_json_text(v, "function", ""), name) == 0)
			json_array_append(in->images, v);
	}
	in->mode = cli_json_text(json_object_get(in->function, "Tags"), "mayfly:snapshot", cli_json_text(in->report, "default", NULL));
}

static void get_concurrency(struct cli *cli, const char *name, struct info *in)
{
	CLEANUP_FREE char *path = client_path("/2019-09-30/functions/%s/concurrency", name);
	CLEANUP_ANSWER struct client_answer answer = {0};
	if (client_lambda(cli, "GET", path, NULL, &answer) < 0)
		cli_forgive(cli);
	else
		in->concurrency = json_incref(json_object_get(answer.json, "ReservedConcurrentExecutions"));
}

static void show(const char *name, const char *value)
{
	if (value && *value) {
		printf("  %-14s", name);
		term_put_safe(stdout, value, strlen(value));
		putchar('\n');
	}
}

static void show_map(const char *name, const json_t *map)
{
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)map, key, value) {
		printf("  %-14s", name);
		term_put_safe(stdout, key, strlen(key));
		putchar('=');
		const char *text = json_string_value(value);
		term_put_safe(stdout, text ? text : "", text ? strlen(text) : 0);
		putchar('\n');
		name = "";
	}
}

static void show_layers(const json_t *layers)
{
	size_t i;
	json_t *one;
	json_array_foreach(layers, i, one)
		show(i ? "" : "layers", cli_json_text(one, "Arn", NULL));
}

static void show_state(const json_t *c)
{
	const char *update = cli_json_text(c, "LastUpdateStatus", NULL);
	char text[600];
	snprintf(text, sizeof text, "%s%s%s", cli_json_text(c, "State", "?"), update ? ", last update " : "", update ? update : "");
	show("state", text);
	show("", cli_json_text(c, "StateReason", NULL));
	show("", cli_json_text(c, "LastUpdateStatusReason", NULL));
}

static void show_limits(const json_t *c, const json_t *reserved)
{
	char text[100];
	snprintf(text, sizeof text, "%lld MB memory, %lld s timeout, %lld MB /tmp", cli_json_int(c, "MemorySize"), cli_json_int(c, "Timeout"),
	         cli_json_int(json_object_get(c, "EphemeralStorage"), "Size"));
	show("limits", text);
	if (reserved) {
		snprintf(text, sizeof text, "%lld invocations at a time", (long long)json_integer_value(reserved));
		show("reserved", text);
	}
}

static void show_function(struct cli *cli, const struct info *in)
{
	const json_t *c = json_object_get(in->function, "Configuration");
	const json_t *runtime_error = json_object_get(json_object_get(c, "RuntimeVersionConfig"), "Error");
	char text[200], size[TERM_TEXT];
	printf("%s%s%s\n", term_out(cli, TERM_BOLD), cli_json_text(c, "FunctionName", "?"), term_out(cli, TERM_PLAIN));
	show("arn", cli_json_text(c, "FunctionArn", NULL));
	show("description", cli_json_text(c, "Description", NULL));
	show("runtime", cli_json_text(c, "Runtime", NULL));
	show("", cli_json_text(runtime_error, "Message", NULL));
	if (in->stand_in) {
		snprintf(text, sizeof text, "warning: not installed on the server; runs on %s", json_string_value(in->stand_in));
		show("", text);
	}
	show("handler", cli_json_text(c, "Handler", NULL));
	show_state(c);
	show_limits(c, in->concurrency);
	snprintf(text, sizeof text, "%s, sha256 %s", term_bytes(size, (double)cli_json_int(c, "CodeSize")), cli_json_text(c, "CodeSha256", "?"));
	show("code", text);
	show_layers(json_object_get(c, "Layers"));
	show("modified", cli_json_text(c, "LastModified", NULL));
	show("role", cli_json_text(c, "Role", NULL));
	show_map("environment", json_object_get(json_object_get(c, "Environment"), "Variables"));
	show_map("tags", json_object_get(in->function, "Tags"));
}

static void show_versions(struct cli *cli, const struct info *in)
{
	static const char *const titles[] = {"VERSION", "MODIFIED", ">CODE", "RUNTIME", "ALIASES"};
	struct term_table t;
	size_t i, k;
	json_t *v, *a;
	term_table_init(&t, titles, 5);
	json_array_foreach(in->versions, i, v) {
		char text[TERM_TEXT], aliases[400] = "";
		const char *number = cli_json_text(v, "Version", "?");
		json_array_foreach(in->aliases, k, a) {
			size_t n = strlen(aliases);
			if (strcmp(cli_json_text(a, "FunctionVersion", ""), number) == 0)
				snprintf(aliases + n, sizeof aliases - n, "%s%s", n ? " " : "", cli_json_text(a, "Name", "?"));
		}
		term_table_add(&t, number);
		snprintf(text, sizeof text, "%.16s", cli_json_text(v, "LastModified", ""));
		term_table_add(&t, text);
		term_table_add(&t, term_bytes(text, (double)cli_json_int(v, "CodeSize")));
		term_table_add(&t, cli_json_text(v, "Runtime", "-"));
		term_table_add(&t, aliases);
	}
	putchar('\n');
	term_table_print(cli, &t, stdout);
	term_table_release(&t);
}

static void add_ms(struct term_table *t, const json_t *e, const char *key)
{
	char text[TERM_TEXT];
	const json_t *v = json_object_get(e, key);
	term_table_add(t, v ? term_ms(text, json_number_value(v)) : "-");
}

static void show_environments(struct cli *cli, const struct info *in)
{
	static const char *const titles[] = {"ENVIRONMENT", "VERSION", "KIND", "STATE", ">AGE", ">MEMORY", ">SANDBOX", ">INIT", ">RESTORE"};
	struct term_table t;
	size_t i;
	json_t *e;
	if (!json_array_size(in->environments)) {
		printf("\nno environment runs\n");
		return;
	}
	term_table_init(&t, titles, sizeof titles / sizeof *titles);
	json_array_foreach(in->environments, i, e) {
		char text[TERM_TEXT];
		term_table_add(&t, cli_json_text(e, "id", "?"));
		term_table_add(&t, cli_json_text(e, "version", "?"));
		term_table_add(&t, cli_json_text(e, "kind", "plain"));
		term_table_add(&t, cli_json_text(e, "state", "?"));
		add_ms(&t, e, "age_ms");
		term_table_add(&t, term_bytes(text, (double)cli_json_int(e, "peak_bytes")));
		add_ms(&t, e, "sandbox_ms");
		add_ms(&t, e, "init_ms");
		add_ms(&t, e, "restore_ms");
	}
	putchar('\n');
	term_table_print(cli, &t, stdout);
	term_table_release(&t);
}

/* How new environments come to be, for each version that has something to say; of the others how they would. */
static void show_images(const struct info *in)
{
	char text[IMAGES_TEXT];
	size_t i;
	json_t *v;
	bool shared = in->mode && strcmp(in->mode, "off") != 0 && !json_array_size(in->images);
	if (!in->images)
		return;
	printf("\n");
	json_array_foreach(in->images, i, v) {
		const char *number = cli_json_text(v, "version", "?");
		printf("snapshot of %s (%s): ", number, json_is_true(json_object_get(v, "snap_start")) ? "SnapStart" : cli_json_text(v, "mode", "?"));
		images_sentence(text, v);
		term_put_safe(stdout, text, strlen(text));
		putchar('\n');
		shared |= json_object_get(v, "image") || (strcmp(cli_json_text(v, "mode", ""), "off") != 0 &&
		                                          strcmp(cli_json_text(v, "state", ""), "unusable") != 0);
	}
	if (!json_array_size(in->images))
		printf("snapshot (%s): %s\n", in->mode ? in->mode : "?", in->mode && strcmp(in->mode, "off") == 0
		       ? "plain starts: images are switched off" : "no image yet: one is taken after the first invocation that succeeds");
	if (shared)
		printf("With an image, " IMAGES_SHARED ".\n");
	if (strcmp(cli_json_text(json_object_get(in->function, "Tags"), "mayfly:isolation", ""), "invocation") == 0)
		printf("Each invocation gets an environment of its own, which ends with it.\n");
}

static int print_object(const struct info *in)
{
	CLEANUP_JSON json_t *o = json_pack("{s:O, s:O, s:O}", "Function", in->function, "Versions", in->versions, "Aliases", in->aliases);
	json_object_set(o, "Environments", in->environments);
	json_object_set(o, "Images", in->images);
	if (in->concurrency)
		json_object_set(o, "ReservedConcurrentExecutions", in->concurrency);
	if (in->stand_in)
		json_object_set(o, "StandIn", in->stand_in);
	return cli_print_json(o);
}

static int fill(struct cli *cli, const char *name, struct info *in)
{
	if (lambda_get(cli, name, NULL, false, &in->function) < 0 || get_versions(cli, name, in) < 0)
		return -1;
	get_environments(cli, cli_json_text(json_object_get(in->function, "Configuration"), "FunctionName", name), in);
	get_images(cli, cli_json_text(json_object_get(in->function, "Configuration"), "FunctionName", name), in);
	get_concurrency(cli, name, in);
	return 0;
}

static int run(struct cli *cli)
{
	struct info in = {0};
	int r = fill(cli, args_word(&cli->args, 0), &in);
	if (r == 0 && cli->json) {
		print_object(&in);
	} else if (r == 0) {
		show_function(cli, &in);
		show_versions(cli, &in);
		show_images(&in);
		show_environments(cli, &in);
	}
	json_decref(in.function);
	json_decref(in.versions);
	json_decref(in.aliases);
	json_decref(in.environments);
	json_decref(in.concurrency);
	json_decref(in.images);
	json_decref(in.report);
	json_decref(in.stand_in);
	return r;
}

const struct command command_info = {
	.name = "info",
	.summary = "show all about a function",
	.words = "NAME",
	.words_min = 1,
	.words_max = 1,
	.run = run,
};
