/* Names of functions as clients write them: "name", "name:qualifier", "ACCOUNT:function:name[:qualifier]", or an ARN. */
#ifndef MAYFLY_FUNCTION_NAME_H
#define MAYFLY_FUNCTION_NAME_H

#include <stdbool.h>

#include "core/base/error.h"
#include "core/base/str.h"

#define FUNCTION_NAME_MAX 64
#define FUNCTION_QUALIFIER_MAX 128
#define FUNCTION_ARN_MAX 320 /* unqualified or qualified, with NUL */

/* Views into the text that was parsed. */
struct function_ref {
	struct str name, qualifier; /* qualifier.p NULL: none */
	struct str region, account; /* p NULL: not said */
};

/* Takes apart; false when the text is no function name. Lengths are not limited here. */
bool function_ref_parse(struct function_ref *ref, struct str text);

enum qualifier_kind { QUALIFIER_NONE, QUALIFIER_LATEST, QUALIFIER_NUMBER, QUALIFIER_ALIAS };
/* `number` is set for QUALIFIER_NUMBER (0 when it is too large to be one of ours). */
enum qualifier_kind function_qualifier_kind(struct str qualifier, unsigned *number);

#endif
