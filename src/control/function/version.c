#include "control/function/version.h"

#include <stdlib.h>

#include "core/base/check.h"

struct function_version *function_version_ref(struct function_version *v)
{
	v->refs++;
	return v;
}

void function_version_unref(struct function_version *v)
{
	if (!v)
		return;
	ASSERT(v->refs > 0);
	if (--v->refs > 0)
		return;
	if (v->on_free)
		v->on_free(v);
	free(v);
}

int function_version_check_tenant(const struct function_version *version, struct str tenant, struct error *err)
{
	if (version->per_tenant == (tenant.n > 0))
		return 0;
	return error_set(err, ERR_INVALID, version->per_tenant ?
	                 "The invoked function is enabled with tenancy configuration. Add a valid tenant ID in your request and try again." :
	                 "The invoked function is not enabled with tenancy configuration. Remove the tenant ID from your request and try again.");
}
