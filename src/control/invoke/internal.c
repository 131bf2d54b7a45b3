/* Invocations by other parts of the program, and what outcomes mean to them. */
#include <string.h>

#include "control/function/registry.h"
#include "control/invoke/invoke.h"
#include "control/invoke/trace.h"

void invoke_renew(struct invocation *inv)
{
	struct registry_target target;
	struct function_version *old = inv->version;
	if (strcmp(old->version, "$LATEST") != 0 || registry_resolve(inv->registry, str_from(old->name), STR_NULL, &target, NULL) < 0 ||
	    target.version->per_tenant != old->per_tenant) /* another function of the same name */
		return;
	if (inv->invoked_arn == old->arn)
		inv->invoked_arn = target.version->arn;
	inv->version = function_version_ref(target.version);
	inv->reserved = target.reserved;
	function_version_unref(old);
}

int invoke_internal(struct invoke *invoke, struct registry *registry, const struct function_ref *ref, char *arn_room,
                    struct invocation *inv, struct error *err)
{
	struct registry_target target;
	if (registry_resolve(registry, ref->name, ref->qualifier, &target, err) < 0 ||
	    function_version_check_tenant(target.version, inv->tenant, err) < 0 ||
	    invoke_check_recursion(registry, ref->name, inv->trace_header, err) < 0)
		return -1;
	inv->version = function_version_ref(target.version);
	inv->reserved = target.reserved;
	inv->invoked_arn = target.version->arn;
	if (ref->qualifier.n) {
		registry_arn(registry, arn_room, ref->name, ref->qualifier);
		inv->invoked_arn = arn_room;
	}
	inv->registry = registry;
	inv->renew = invoke_renew;
	invoke_submit(invoke, inv);
	return 0;
}

int invoke_check_recursion(struct registry *registry, struct str function, struct str trace_header, struct error *err)
{
	char arn[FUNCTION_ARN_MAX];
	bool allow = true;
	if (!trace_header.p)
		return 0;
	registry_arn(registry, arn, function, STR_NULL);
	if (trace_count(trace_header, str_from(arn)) < LINEAGE_MAX || registry_recursion(registry, function, &allow, NULL) < 0 || allow)
		return 0;
	return error_set(err, ERR_RECURSION, "Lambda has detected your function being invoked in a recursive loop with other Amazon Web "
	                 "Services resources and stopped your function's invocation.");
}

enum invoke_verdict invoke_verdict(const struct invocation *inv)
{
	if (inv->outcome == INVOKE_ANSWERED)
		return VERDICT_SUCCESS;
	if (inv->outcome == INVOKE_FUNCTION_ERROR)
		return VERDICT_FUNCTION;
	if (inv->refusal.code == ERR_NOT_FOUND)
		return VERDICT_GONE;
	if (inv->refusal.code == ERR_THROTTLED)
		return inv->reserved == 0 ? VERDICT_ZERO : VERDICT_THROTTLE;
	return VERDICT_SYSTEM;
}
