#include "bin/mayfly/help.h"

#include <string.h>

#include "bin/mayfly/term.h"
#include "core/base/check.h"
#include "core/spec/settings.h"

#define HEAD_SIZE 80
#define HELP_COLUMN 30

void help_option_head(char *dst, size_t size, const struct option_row *row)
{
	char letter[8] = "    ";
	if (row->letter)
		snprintf(letter, sizeof letter, "-%c, ", row->letter);
	snprintf(dst, size, "%s--%s%s%s", letter, row->name, row->value ? " " : "", row->value ? row->value : "");
}

static void print_row(struct cli *cli, const char *head, const char *text, FILE *out)
{
	int n = (int)strlen(head);
	fprintf(out, "  %s%s%s", term_out(cli, TERM_BOLD), head, term_out(cli, TERM_PLAIN));
	if (n + 2 > HELP_COLUMN)
		fprintf(out, "\n%*s", HELP_COLUMN + 2, "");
	else
		fprintf(out, "%*s", HELP_COLUMN - n, "");
	fprintf(out, "%s\n", text);
}

static void print_options(struct cli *cli, const char *title, struct option_table table, FILE *out)
{
	char head[HEAD_SIZE];
	if (!table.count)
		return;
	fprintf(out, "\n%s\n", title);
	for (size_t i = 0; i < table.count; i++) {
		help_option_head(head, sizeof head, &table.rows[i]);
		print_row(cli, head, table.rows[i].help, out);
	}
}

void help_overview(struct cli *cli, FILE *out)
{
	size_t count;
	const struct command *const *commands = cli_commands(&count);
	fprintf(out, "Mayfly %s: functions with the AWS Lambda API, on a machine of your own.\n\n"
	        "usage: mayfly COMMAND [OPTION]... [ARGUMENT]...\n\ncommands:\n", MAYFLY_VERSION);
	for (size_t i = 0; i < count; i++) {
		if (!commands[i]->hidden)
			print_row(cli, commands[i]->name, commands[i]->summary, out);
	}
	print_options(cli, "options of every command:", cli_common_options, out);
	fprintf(out, "\nmayfly COMMAND --help says more about a command.\n");
}

int help_command(struct cli *cli, const struct command *command, FILE *out)
{
	fprintf(out, "%s\n\nusage: mayfly %s %s%s\n", command->summary, command->name, command->words,
	        command->raw ? "" : *command->words ? " [OPTION]..." : "[OPTION]...");
	if (command->details)
		fprintf(out, "\n%s\n", command->details);
	print_options(cli, "options:", command->options, out);
	if (!command->raw)
		print_options(cli, "options of every command:", cli_common_options, out);
	return 0;
}

/* What help calls the value: units are no names. */
static const char *value_name(const struct setting_row *row)
{
	return row->kind == SETTING_NUMBER ? "N" : row->unit;
}

static void setting_text(char *dst, size_t size, const struct setting_row *row)
{
	const char *initial = *row->initial ? row->initial : NULL;
	const char *unit = row->kind == SETTING_NUMBER && *row->unit ? row->unit : "";
	snprintf(dst, size, "%s%s%s%s%s%s", row->help, initial ? " (" : "", initial ? initial : "", initial && *unit ? " " : "",
	         initial ? unit : "", initial ? ")" : "");
}

void help_settings(struct cli *cli, FILE *out)
{
	size_t count;
	const struct setting_row *rows = settings_rows(&count);
	fprintf(out, "\noptions, each with its default; MAYFLY_DATA, MAYFLY_LISTEN and so on in the environment do the same:\n");
	for (size_t i = 0; i < count; i++) {
		char head[HEAD_SIZE], text[400];
		const char *value = value_name(&rows[i]);
		snprintf(head, sizeof head, "--%s %s", rows[i].option, value);
		setting_text(text, sizeof text, &rows[i]);
		print_row(cli, head, text, out);
	}
}
