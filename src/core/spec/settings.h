/* The server's settings: one table (settings.def), parsed from options and the environment, validated row by row.
 *
 * mayflyd parses, then starts mayfly-control with the same arguments, which parses them again: no structure crosses. */
#ifndef MAYFLY_SPEC_SETTINGS_H
#define MAYFLY_SPEC_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"

#define SETTING_TEXT_MAX 256

enum setting_kind { SETTING_TEXT, SETTING_NUMBER, SETTING_CHOICE };

struct setting_row {
	const char *option; /* without "--" */
	enum setting_kind kind;
	const char *initial; /* default, as text */
	uint64_t min, max;   /* numbers */
	const char *unit, *help;
	size_t offset;       /* in struct settings */
};

/* Text and choice fields are NUL-terminated text, the others numbers. */
#define SETTING_TYPE_TEXT(field) char field[SETTING_TEXT_MAX];
#define SETTING_TYPE_CHOICE(field) char field[SETTING_TEXT_MAX];
#define SETTING_TYPE_NUMBER(field) uint64_t field;
struct settings {
#define S(field, option, kind, initial, min, max, unit, help) SETTING_TYPE_##kind(field)
#include "core/spec/settings.def"
#undef S
};

const struct setting_row *settings_rows(size_t *n);
/* Fills defaults, then MAYFLY_* variables, then options "--name value" or "--name=value". An unknown option, or a value
 * out of range, is an error that names the option and what it takes. */
int settings_parse(struct settings *s, int argc, char *const argv[], char *const env[], struct error *err);
/* Host (numeric IPv4, or "localhost") and port of `listen`. */
int settings_listen(const struct settings *s, char host[64], uint16_t *port, struct error *err);
/* "https" with a certificate, else "http": of the public endpoint. The one inside environments is always plain. */
const char *settings_scheme(const struct settings *s);

#endif
