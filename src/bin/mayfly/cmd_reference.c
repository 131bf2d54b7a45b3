/* mayfly reference PAGE: the reference pages of docs/reference as Markdown, from the tables that the programs use.
 * tools/gen-reference writes them; a test fails when they are stale. */
#include <stdio.h>
#include <string.h>

#include "bin/mayfly/help.h"
#include "core/base/check.h"
#include "core/spec/settings.h"

static void print_cell(const char *text)
{
	for (; text && *text; text++) {
		if (*text == '|')
			putchar('\\');
		putchar(*text);
	}
}

static void print_options(struct option_table table)
{
	char head[80];
	if (!table.count)
		return;
	puts("\n| option | what it does |\n|---|---|");
	for (size_t i = 0; i < table.count; i++) {
		help_option_head(head, sizeof head, &table.rows[i]);
		printf("| `");
		print_cell(head + strspn(head, " "));
		printf("` | ");
		print_cell(table.rows[i].help);
		puts(" |");
	}
}

static void page_cli(void)
{
	size_t count;
	const struct command *const *commands = cli_commands(&count);
	puts("# The command line\n\nGenerated from the command tables (`make` does it); to change a text, change its row.\n");
	puts("`mayfly COMMAND [OPTION]... [ARGUMENT]...`. Results go to standard output; progress, hints and errors to standard error.\n"
	     "Exit status: 0, 1 (it failed, or the function did), 2 (wrong usage).");
	puts("\n## Options of every command");
	print_options(cli_common_options);
	for (size_t i = 0; i < count; i++) {
		const struct command *c = commands[i];
		if (c->hidden)
			continue;
		printf("\n## mayfly %s\n\n`mayfly %s%s%s`: %s.\n", c->name, c->name, *c->words ? " " : "", c->words, c->summary);
		if (c->details)
			printf("\n```\n%s\n```\n", c->details);
		print_options(c->options);
		if (c->raw)
			puts("\nOptions: [settings](settings.md).");
	}
}

static void page_settings(void)
{
	size_t count;
	const struct setting_row *rows = settings_rows(&count);
	puts("# Settings of the server\n\nGenerated from `src/core/spec/settings.def` (`make` does it); to change a text, change its row.\n");
	puts("Each is an option of `mayfly server` (`--name value` or `--name=value`) and a variable of its environment "
	     "(`MAYFLY_NAME`,\nupper case, `-` as `_`); the option wins.\n");
	puts("| option | default | takes | what it does |\n|---|---|---|---|");
	for (size_t i = 0; i < count; i++) {
		const struct setting_row *row = &rows[i];
		printf("| `--%s` | %s%s%s | ", row->option, *row->initial ? "`" : "", row->initial, *row->initial ? "`" : "");
		if (row->kind == SETTING_NUMBER)
			printf("%llu to %llu%s%s", (unsigned long long)row->min, (unsigned long long)row->max, *row->unit ? " " : "", row->unit);
		else
			print_cell(row->unit);
		printf(" | ");
		print_cell(row->help);
		puts(" |");
	}
}

static const struct {
	const char *name;
	void (*print)(void);
} pages[] = {{"cli", page_cli}, {"settings", page_settings}};

static int run(struct cli *cli)
{
	const char *name = args_word(&cli->args, 0);
	for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
		if (strcmp(pages[i].name, name) == 0) {
			pages[i].print();
			return 0;
		}
	}
	return cli_fail(cli, "there is no page '%s': cli, settings", name);
}

const struct command command_reference = {
	.name = "reference",
	.summary = "print a reference page as Markdown: cli, settings",
	.words = "PAGE",
	.words_min = 1,
	.words_max = 1,
	.hidden = true,
	.run = run,
};
