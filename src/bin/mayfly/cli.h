/* What every command gets: its options, how to print, and where a failure's text goes.
 *
 * A command is one file with its options and usage at the top, and a row in commands.def. `run` returns the exit status:
 * 0, 1 (what it says has failed; already shown), or -1 after cli_fail, whose text main() prints. Results go to standard
 * output; progress, hints and errors to standard error. */
#ifndef MAYFLY_BIN_CLI_H
#define MAYFLY_BIN_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "bin/mayfly/args.h"
#include "core/base/cleanup.h"
#include "core/base/error.h"

#define EXIT_USAGE 2

struct client;
struct cli;

struct command {
	const char *name, *summary;
	const char *words; /* what stands behind the name, as usage shows it: "NAME [FILE]" */
	unsigned words_min, words_max;
	struct option_table options;
	const char *details; /* paragraphs and examples of --help; may be NULL */
	bool raw;            /* options are not parsed here: all arguments go to `run` as they are */
	bool hidden;
	int (*run)(struct cli *cli);
};

#define OPTIONS(rows) {rows, sizeof(rows) / sizeof((rows)[0])}

struct cli {
	const struct command *command; /* NULL before one is known */
	struct args args;
	int argc; /* everything behind the command's name, for raw commands */
	char **argv;
	bool json;       /* --output json */
	bool quiet;      /* --quiet: no progress, no hints */
	bool out_colour; /* standard output is a terminal that shows colours */
	bool err_colour;
	bool progress;   /* standard error is a terminal: a line may be overwritten */
	char *failure;   /* text of cli_fail */
	struct client *client; /* made at the first call; see client.h */
};

extern const struct option_table cli_common_options;
const struct command *const *cli_commands(size_t *count);
const struct command *cli_find(const char *name); /* NULL when there is none of that name */

/* Both return -1. The text says what, where, and what to do; an error that is there already is replaced. */
int cli_fail(struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int cli_fail_error(struct cli *cli, const struct error *err);
void cli_forgive(struct cli *cli); /* forgets the failure: the caller has dealt with it */

static inline void cli_json_cleanup(json_t **v)
{
	json_decref(*v);
}
#define CLEANUP_JSON CLEANUP(cli_json_cleanup)

/* String member of an object, or `otherwise`. */
const char *cli_json_text(const json_t *object, const char *key, const char *otherwise);
long long cli_json_int(const json_t *object, const char *key);
int cli_print_json(const json_t *value); /* indented, on standard output; 0 */

#endif
