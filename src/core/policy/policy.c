#include "core/policy/policy.h"

struct policy *policy_compile(struct str json, struct error *err)
{
	error_set(err, ERR_UNSUPPORTED, "policies are not there yet");
	return NULL;
}

void policy_free(struct policy *p)
{
}

enum policy_answer policy_ask(const struct policy *p, const struct policy_question *q)
{
	return POLICY_SILENT;
}

bool policy_like(struct str pattern, struct str text)
{
	return false;
}
