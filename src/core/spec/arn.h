/* ARNs: "arn:partition:service:region:account:resource", taken apart into views. Pure. */
#ifndef MAYFLY_SPEC_ARN_H
#define MAYFLY_SPEC_ARN_H

#include <stdbool.h>

#include "core/base/str.h"

#define ARN_MAX 2048 /* with NUL; AWS's longest */

struct arn {
	struct str partition, service, region, account, resource; /* region and account may be empty; resource has the rest, colons and all */
};

bool arn_parse(struct arn *out, struct str text); /* false: no ARN; `out` untouched */
/* Of this service, region and account. */
bool arn_is(const struct arn *a, const char *service, const char *region, const char *account);

#endif
