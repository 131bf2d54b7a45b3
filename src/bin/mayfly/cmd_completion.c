/* mayfly completion SHELL: a completion script, generated from the tables of commands and options. Names of functions come
 * from the server that the shell's environment points at. */
#include <stdio.h>
#include <string.h>

#include "bin/mayfly/cli.h"
#include "core/base/check.h"

static bool names_function(const struct command *c)
{
	return strcmp(c->words, "NAME") == 0 || strcmp(c->words, "[NAME]") == 0;
}

static void print_options(struct option_table table)
{
	for (size_t i = 0; i < table.count; i++)
		printf("%s--%s", i ? " " : "", table.rows[i].name);
}

static void print_names(void)
{
	size_t count, printed = 0;
	const struct command *const *commands = cli_commands(&count);
	for (size_t i = 0; i < count; i++) {
		if (!commands[i]->hidden)
			printf("%s%s", printed++ ? " " : "", commands[i]->name);
	}
}

static void print_bash(void)
{
	size_t count;
	const struct command *const *commands = cli_commands(&count);
	puts("_mayfly() {\n"
	     "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]} options=\n"
	     "\tif [ \"$COMP_CWORD\" = 1 ]; then");
	printf("\t\tCOMPREPLY=($(compgen -W '");
	print_names();
	puts("' -- \"$cur\"))\n\t\treturn\n\tfi\n\tcase $command in");
	for (size_t i = 0; i < count; i++) {
		if (commands[i]->hidden || !commands[i]->options.count)
			continue;
		printf("\t%s) options='", commands[i]->name);
		print_options(commands[i]->options);
		puts("' ;;");
	}
	printf("\tesac\n\tcase $cur in\n\t-*) COMPREPLY=($(compgen -W \"$options ");
	print_options(cli_common_options);
	puts("\" -- \"$cur\")); return ;;\n\tesac\n\tcase $command in");
	printf("\t");
	for (size_t i = 0, n = 0; i < count; i++) {
		if (names_function(commands[i]))
			printf("%s%s", n++ ? "|" : "", commands[i]->name);
	}
	puts(") COMPREPLY=($(compgen -W \"$(mayfly list --names --quiet 2>/dev/null)\" -- \"$cur\")) ;;");
	puts("\tqueue) COMPREPLY=($(compgen -W 'ls peek redrive purge' -- \"$cur\")) ;;");
	puts("\tcompletion) COMPREPLY=($(compgen -W 'bash zsh fish' -- \"$cur\")) ;;");
	printf("\thelp) COMPREPLY=($(compgen -W '");
	print_names();
	puts("' -- \"$cur\")) ;;\n\tesac\n}\ncomplete -o default -F _mayfly mayfly");
}

/* zsh runs bash's scripts; only the head differs. */
static void print_zsh(void)
{
	puts("#compdef mayfly\nautoload -U +X bashcompinit && bashcompinit");
	print_bash();
}

/* In single quotes for fish. */
static void print_fish_text(const char *text)
{
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			putchar('\\');
		putchar(*text);
	}
}

static void print_fish_options(const char *condition, struct option_table table)
{
	for (size_t i = 0; i < table.count; i++) {
		const struct option_row *row = &table.rows[i];
		printf("complete -c mayfly%s%s%s -l %s", *condition ? " -n '__fish_seen_subcommand_from " : "", condition, *condition ? "'" : "", row->name);
		if (row->letter)
			printf(" -s %c", row->letter);
		printf("%s -d '", row->kind == OPTION_FLAG ? "" : " -r");
		print_fish_text(row->help);
		puts("'");
	}
}

static void print_fish(void)
{
	size_t count;
	const struct command *const *commands = cli_commands(&count);
	print_fish_options("", cli_common_options);
	for (size_t i = 0; i < count; i++) {
		const struct command *c = commands[i];
		if (c->hidden)
			continue;
		printf("complete -c mayfly -n __fish_use_subcommand -f -a %s -d '", c->name);
		print_fish_text(c->summary);
		puts("'");
		print_fish_options(c->name, c->options);
		if (names_function(c))
			printf("complete -c mayfly -n '__fish_seen_subcommand_from %s' -f -a '(mayfly list --names --quiet 2>/dev/null)'\n", c->name);
	}
	puts("complete -c mayfly -n '__fish_seen_subcommand_from queue' -f -a 'ls peek redrive purge'");
}

static const struct {
	const char *shell;
	void (*print)(void);
} shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};

static int run(struct cli *cli)
{
	const char *shell = args_word(&cli->args, 0);
	for (size_t i = 0; i < ARRAY_LEN(shells); i++) {
		if (strcmp(shells[i].shell, shell) == 0) {
			shells[i].print();
			return 0;
		}
	}
	return cli_fail(cli, "there is a script for bash, zsh and fish, not for '%s'", shell);
}

const struct command command_completion = {
	.name = "completion",
	.summary = "print a completion script: bash, zsh or fish",
	.words = "SHELL",
	.words_min = 1,
	.words_max = 1,
	.details = "  bash: source <(mayfly completion bash)\n"
	           "  zsh:  mayfly completion zsh >\"${fpath[1]}/_mayfly\"\n"
	           "  fish: mayfly completion fish >~/.config/fish/completions/mayfly.fish",
	.run = run,
};
