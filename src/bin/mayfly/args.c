#include "bin/mayfly/args.h"

#include <string.h>

#include "bin/mayfly/suggest.h"
#include "core/base/check.h"
#include "core/base/str.h"

static const struct option_row *find_in(struct option_table table, struct str name, char letter)
{
	for (size_t i = 0; i < table.count; i++) {
		const struct option_row *row = &table.rows[i];
		if (letter ? row->letter == letter : str_eqz(name, row->name))
			return row;
	}
	return NULL;
}

static const struct option_row *find(const struct args *args, struct str name, char letter)
{
	const struct option_row *row = find_in(args->tables[0], name, letter);
	return row ? row : find_in(args->tables[1], name, letter);
}

static bool is_choice(const char *choices, const char *text)
{
	struct str rest = str_from(choices), one;
	while (str_split(&rest, '|', &one)) {
		if (str_eqz(one, text))
			return true;
	}
	return false;
}

static int add(struct args *args, const struct option_row *row, const char *text, struct error *err)
{
	uint64_t n;
	if (row->kind == OPTION_NUMBER && (str_to_u64(str_from(text), row->max, &n) < 0 || n < row->min))
		return error_set(err, ERR_USAGE, "--%s takes a number from %llu to %llu, not '%.40s'", row->name,
		                 (unsigned long long)row->min, (unsigned long long)row->max, text);
	if (row->kind == OPTION_CHOICE && !is_choice(row->value, text))
		return error_set(err, ERR_USAGE, "--%s is one of %s, not '%.40s'", row->name, row->value, text);
	if (args->value_count == ARGS_VALUES_MAX)
		return error_set(err, ERR_USAGE, "more than %d options", ARGS_VALUES_MAX);
	args->values[args->value_count].row = row;
	args->values[args->value_count++].text = text;
	return 0;
}

static int unknown(const struct args *args, const char *arg, struct error *err)
{
	struct suggestion best;
	suggest_init(&best, arg);
	for (size_t t = 0; t < ARRAY_LEN(args->tables); t++) {
		for (size_t i = 0; i < args->tables[t].count; i++)
			suggest_try(&best, args->tables[t].rows[i].name);
	}
	if (suggest_best(&best))
		return error_set(err, ERR_USAGE, "there is no option '%.60s'; did you mean --%s?", arg, suggest_best(&best));
	return error_set(err, ERR_USAGE, "there is no option '%.60s'; --help lists them", arg);
}

/* The value behind "=" or directly behind the letter, else the next argument. */
static int take(struct args *args, const struct option_row *row, const char *attached, int argc, char *const argv[], int *at,
                struct error *err)
{
	if (row->kind == OPTION_FLAG) {
		if (attached)
			return error_set(err, ERR_USAGE, "--%s takes no value", row->name);
		return add(args, row, "", err);
	}
	if (attached)
		return add(args, row, attached, err);
	if (*at + 1 >= argc)
		return error_set(err, ERR_USAGE, "--%s needs a value: %s", row->name, row->value);
	return add(args, row, argv[++*at], err);
}

static int parse_long(struct args *args, int argc, char *const argv[], int *at, struct error *err)
{
	struct str whole = str_from(argv[*at] + 2), name = str_sub(whole, 0, str_find(whole, '='));
	const struct option_row *row = find(args, name, 0);
	if (!row)
		return unknown(args, argv[*at], err);
	return take(args, row, name.n < whole.n ? name.p + name.n + 1 : NULL, argc, argv, at, err);
}

/* "-f", "-fy" (flags together), "-dVALUE". */
static int parse_short(struct args *args, int argc, char *const argv[], int *at, struct error *err)
{
	for (const char *c = argv[*at] + 1; *c; c++) {
		const struct option_row *row = find(args, STR_NULL, *c);
		if (!row)
			return unknown(args, argv[*at], err);
		if (row->kind != OPTION_FLAG)
			return take(args, row, c[1] ? c + 1 : NULL, argc, argv, at, err);
		if (add(args, row, "", err) < 0)
			return -1;
	}
	return 0;
}

static int add_word(struct args *args, const char *word, struct error *err)
{
	if (args->word_count == ARGS_WORDS_MAX)
		return error_set(err, ERR_USAGE, "more than %d arguments", ARGS_WORDS_MAX);
	args->words[args->word_count++] = word;
	return 0;
}

int args_parse(struct args *args, struct option_table own, struct option_table common, int argc, char *const argv[],
               struct error *err)
{
	*args = (struct args){.tables = {own, common}};
	bool only_words = false;
	for (int at = 0; at < argc; at++) {
		const char *arg = argv[at];
		int r;
		if (!only_words && strcmp(arg, "--") == 0) {
			only_words = true;
			continue;
		}
		if (only_words || arg[0] != '-' || !arg[1])
			r = add_word(args, arg, err);
		else
			r = arg[1] == '-' ? parse_long(args, argc, argv, &at, err) : parse_short(args, argc, argv, &at, err);
		if (r < 0)
			return -1;
	}
	return 0;
}

const char *args_next(const struct args *args, const char *name, size_t *at)
{
	const struct option_row *row = find(args, str_from(name), 0);
	ASSERT(row);
	while (*at < args->value_count) {
		size_t i = (*at)++;
		if (args->values[i].row == row)
			return args->values[i].text;
	}
	return NULL;
}

const char *args_text(const struct args *args, const char *name)
{
	size_t at = 0;
	const char *last = NULL, *text;
	while ((text = args_next(args, name, &at)))
		last = text;
	return last;
}

bool args_flag(const struct args *args, const char *name)
{
	return args_text(args, name);
}

bool args_number(const struct args *args, const char *name, uint64_t *value)
{
	const char *text = args_text(args, name);
	return text && str_to_u64(str_from(text), UINT64_MAX, value) == 0;
}

const char *args_word(const struct args *args, size_t index)
{
	return index < args->word_count ? args->words[index] : NULL;
}
