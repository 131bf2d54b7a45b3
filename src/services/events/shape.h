/* Checks of a request against its shape, as AWS's front ends do them before an operation begins: tables of members with types, lengths,
 * patterns and enumerations, and AWS's texts ("2 validation errors detected: Value ... at 'targets.1.member.id' failed to satisfy constraint: ...").
 * Members that the table does not know are ignored. Pure. */
#ifndef MAYFLY_SERVICES_EVENTS_SHAPE_H
#define MAYFLY_SERVICES_EVENTS_SHAPE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/str.h"

enum shape_kind { SHAPE_TEXT, SHAPE_INT, SHAPE_BOOL, SHAPE_TIME, SHAPE_STRUCT, SHAPE_LIST, SHAPE_MAP };

/* Texts that a pattern is about. */
typedef bool shape_fits_fn(struct str text);

struct shape {
	const char *name; /* NULL: the end of a table */
	enum shape_kind kind;
	bool required;
	int64_t min, max;            /* length, number of elements, or value; 0, 0: any */
	const char *pattern;         /* as AWS shows it */
	shape_fits_fn *fits;
	const char *values;          /* "A, B": as AWS shows an enumeration */
	const struct shape *members; /* of a structure, or of each structure of a list */
	const struct shape *element; /* of each text of a list, or value of a map */
};

#define SHAPE_ERRORS_MAX 10u
#define SHAPE_MESSAGE_MAX 4096u

enum shape_result { SHAPE_FINE, SHAPE_INVALID, SHAPE_WRONG_TYPE };
/* `message`: emptied first; what AWS says, when not SHAPE_FINE (SHAPE_WRONG_TYPE is its SerializationException). */
enum shape_result shape_check(const struct shape *members, const json_t *input, struct buf *message);

/* Patterns that several tables need. */
bool shape_is_name(struct str text);      /* [\.\-_A-Za-z0-9]+ */
bool shape_is_path_name(struct str text); /* and slashes */

#endif
