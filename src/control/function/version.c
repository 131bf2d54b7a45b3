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
