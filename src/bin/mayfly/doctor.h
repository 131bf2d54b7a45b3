/* What the server needs of a machine, as rows: `mayfly doctor` runs them all. A check only looks (files, limits, system
 * calls that change nothing), needs no rights, and says in the remedy what to do. Add a check = a function and a row. */
#ifndef MAYFLY_BIN_DOCTOR_H
#define MAYFLY_BIN_DOCTOR_H

#include <stddef.h>

#include "core/spec/settings.h"

enum finding_level {
	FINDING_GOOD,
	FINDING_NOTE,   /* lacks something that only an option needs */
	FINDING_WARN,   /* works, with less than it could */
	FINDING_MISSING /* the server does not run, or not safely */
};

struct finding {
	enum finding_level level;
	char text[300];   /* what there is, or is not */
	char remedy[300]; /* "" when nothing is to be done */
};

struct doctor_row {
	const char *name, *purpose;
	void (*check)(struct finding *f, const struct settings *settings);
};

const struct doctor_row *doctor_kernel_rows(size_t *count);  /* what the kernel offers */
const struct doctor_row *doctor_snapshot_rows(size_t *count); /* what checkpoint and restore need */
const struct doctor_row *doctor_machine_rows(size_t *count); /* programs, runtimes, limits, room */

void finding_set(struct finding *f, enum finding_level level, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void finding_remedy(struct finding *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
