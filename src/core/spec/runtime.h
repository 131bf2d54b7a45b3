/* Runtimes are rows: Lambda's identifier, the language, and how the interpreter is found on this machine.
 *
 * An interpreter is looked for in /usr/bin and /usr/local/bin (Java: /usr/lib/jvm) under the row's exact version, or
 * where a setting says; never by PATH. A version that is not installed runs on the nearest installed one of the same
 * language. */
#ifndef MAYFLY_SPEC_RUNTIME_H
#define MAYFLY_SPEC_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/error.h"
#include "core/base/str.h"
#include "core/spec/settings.h"

enum runtime_family { RUNTIME_PYTHON, RUNTIME_NODEJS, RUNTIME_JAVA, RUNTIME_PROVIDED, RUNTIME_OTHER };

struct runtime_row {
	const char *id;             /* "python3.11" */
	enum runtime_family family;
	unsigned minor;             /* 11 of python3.11, 20 of nodejs20.x; orders versions of a family */
	bool deprecated;            /* AWS refuses it for new functions */
};

/* Where a row runs here. */
struct runtime_found {
	char interpreter[SETTING_TEXT_MAX]; /* "" for provided runtimes */
	unsigned minor;                     /* of the interpreter that was found; 0: not known */
};

const struct runtime_row *runtime_rows(size_t *n);
const struct runtime_row *runtime_find(struct str id); /* NULL when Lambda has no such runtime */
/* The interpreter is known to be of another version than the row's. */
bool runtime_is_stand_in(const struct runtime_row *row, const struct runtime_found *found);
/* -1 with a remedy in the message when no version of the language is installed. */
int runtime_locate(const struct runtime_row *row, const struct settings *settings, struct runtime_found *found,
                   struct error *err);

#endif
