/* mayfly images: the images that environments are restored from, and versions that have none, with the reason. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bin/mayfly/images.h"
#include "bin/mayfly/lambda.h"
#include "bin/mayfly/term.h"
#include "core/base/clock.h"

static const char *const titles[] = {"FUNCTION", "VERSION", "MODE", "STATE", ">FILE", ">MEMORY", "TAKEN", ">RESTORES", ">MEDIAN", ">P99", "REASON"};

static int by_name(const void *a, const void *b)
{
	const json_t *x = *(const json_t *const *)a, *y = *(const json_t *const *)b;
	int order = strcmp(cli_json_text(x, "function", ""), cli_json_text(y, "function", ""));
	return order ? order : strverscmp(cli_json_text(x, "version", ""), cli_json_text(y, "version", ""));
}

/* Those of one function, or all; a new array in the order of names. */
static json_t *sorted(const json_t *versions, const char *function)
{
	size_t n = 0, i;
	json_t *v, *list = json_array();
	CLEANUP_FREE json_t **rows = calloc(json_array_size(versions) + 1, sizeof *rows);
	json_array_foreach(versions, i, v) {
		if (rows && (!function || strcmp(cli_json_text(v, "function", ""), function) == 0))
			rows[n++] = v;
	}
	if (n)
		qsort(rows, n, sizeof *rows, by_name);
	for (i = 0; i < n; i++)
		json_array_append(list, rows[i]);
	return list;
}

static void add_bytes(struct term_table *t, const json_t *image, const char *key)
{
	char text[TERM_TEXT];
	term_table_add(t, image ? term_bytes(text, (double)cli_json_int(image, key)) : "-");
}

static void add_ms(struct term_table *t, const json_t *times, const char *key)
{
	char text[TERM_TEXT];
	term_table_add(t, times ? term_ms(text, json_number_value(json_object_get(times, key))) : "-");
}

static void add_row(struct term_table *t, const json_t *v)
{
	char text[TERM_TEXT];
	const json_t *image = json_object_get(v, "image"), *times = json_object_get(v, "restore_ms");
	term_table_add(t, cli_json_text(v, "function", "?"));
	term_table_add(t, cli_json_text(v, "version", "?"));
	term_table_add(t, json_is_true(json_object_get(v, "snap_start")) ? "SnapStart" : cli_json_text(v, "mode", "?"));
	term_table_add(t, json_object_get(v, "plain_until_ms") ? "suspended" : cli_json_text(v, "state", "?"));
	add_bytes(t, image, "file_bytes");
	add_bytes(t, image, "resident_bytes");
	term_table_add(t, image ? term_ago(text, (double)(clock_wall_ms() - cli_json_int(image, "taken_ms")) / 1000) : "-");
	snprintf(text, sizeof text, "%lld", cli_json_int(v, "restores"));
	term_table_add(t, text);
	add_ms(t, times, "median");
	add_ms(t, times, "p99");
	term_table_add(t, cli_json_text(v, "reason", ""));
}

static int print_table(struct cli *cli, const json_t *report, const json_t *versions)
{
	char file[TERM_TEXT], memory[TERM_TEXT];
	struct term_table t;
	size_t i;
	json_t *v;
	if (json_array_size(versions) == 0) {
		term_hint(cli, "there is no image yet: one is taken in the background after a version's first invocation that succeeds");
		return 0;
	}
	term_table_init(&t, titles, sizeof titles / sizeof *titles);
	json_array_foreach(versions, i, v)
		add_row(&t, v);
	term_table_print(cli, &t, stdout);
	term_table_release(&t);
	if (!args_word(&cli->args, 0))
		printf("\n%lld images: %s on disk, %s of memory if all were held ready\n", cli_json_int(report, "images"),
		       term_bytes(file, (double)cli_json_int(report, "file_bytes")),
		       term_bytes(memory, (double)cli_json_int(report, "resident_bytes")));
	return 0;
}

static int run(struct cli *cli)
{
	char name[160];
	const char *word = args_word(&cli->args, 0);
	CLEANUP_JSON json_t *report = NULL, *function = NULL;
	if (word && lambda_get(cli, word, NULL, false, &function) < 0)
		return -1;
	if (images_report(cli, &report) < 0)
		return -1;
	CLEANUP_JSON json_t *versions = sorted(json_object_get(report, "versions"), word ? lambda_plain_name(name, word) : NULL);
	return cli->json ? cli_print_json(versions) : print_table(cli, report, versions);
}

const struct command command_images = {
	.name = "images",
	.summary = "list the images that environments are restored from",
	.words = "[NAME]",
	.words_max = 1,
	.details = "A version's image is taken in the background after its first invocation that succeeds; later environments are restored\n"
	           "from it. A version that has none is listed with the reason, and starts plainly. An image goes with its version.\n"
	           "mayfly deploy --snapshot off (tag mayfly:snapshot) does without.",
	.run = run,
};
