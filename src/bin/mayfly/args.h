/* Command line options as rows: parsing, help, completion and reference pages read the same tables.
 *
 * "--name value", "--name=value", "-n value", "-nvalue" and "--" (the rest are no options) are understood; options may stand
 * anywhere. Values are borrowed from argv. Asking for an option that no table has asserts. */
#ifndef MAYFLY_BIN_ARGS_H
#define MAYFLY_BIN_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"

enum option_kind {
	OPTION_FLAG,
	OPTION_TEXT,
	OPTION_NUMBER,
	OPTION_CHOICE, /* value lists them: "a|b" */
	OPTION_LIST    /* text that may be given several times */
};

struct option_row {
	const char *name; /* without "--" */
	char letter;      /* 0: none */
	enum option_kind kind;
	const char *value; /* what help calls the value; NULL for flags */
	const char *help;
	uint64_t min, max; /* numbers */
};

struct option_table {
	const struct option_row *rows;
	size_t count;
};

#define ARGS_VALUES_MAX 256
#define ARGS_WORDS_MAX 64

struct args {
	struct option_table tables[2]; /* the command's, everybody's */
	struct {
		const struct option_row *row;
		const char *text; /* "" for flags */
	} values[ARGS_VALUES_MAX];
	size_t value_count;
	const char *words[ARGS_WORDS_MAX]; /* what is no option */
	size_t word_count;
};

/* argv without the names of program and command. */
int args_parse(struct args *args, struct option_table own, struct option_table common, int argc, char *const argv[],
               struct error *err);

bool args_flag(const struct args *args, const char *name);
const char *args_text(const struct args *args, const char *name); /* the last one given, or NULL */
bool args_number(const struct args *args, const char *name, uint64_t *value);
/* Every value of a list: start with *at = 0; NULL ends. */
const char *args_next(const struct args *args, const char *name, size_t *at);
const char *args_word(const struct args *args, size_t index); /* NULL when there are fewer */

#endif
