/* Invocations by other parts of the program, and what outcomes mean to them. */
#include "control/function/registry.h"
#include "control/invoke/invoke.h"

int invoke_internal(struct invoke *invoke, struct registry *registry, const struct function_ref *ref, char *arn_room,
                    struct invocation *inv, struct error *err)
{
	return error_set(err, ERR_UNSUPPORTED, "internal invocations are not there yet");
}

int invoke_check_recursion(struct registry *registry, struct str function, struct str trace_header, struct error *err)
{
	return 0;
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
