#include "control/invoke/account.h"

#include "core/base/check.h"

static const enum metric_error errors[] = {
	[FAILURE_HANDLER] = METRIC_ERROR_FUNCTION,
	[FAILURE_TIMEOUT] = METRIC_ERROR_TIMEOUT,
	[FAILURE_EXIT] = METRIC_ERROR_EXIT,
	[FAILURE_INIT] = METRIC_ERROR_INIT,
};

static enum metric_throttle throttle_of(const struct invocation *inv)
{
	return str_starts(str_from(inv->throttle_reason), STR("Reserved")) ? THROTTLE_RESERVED : THROTTLE_ACCOUNT;
}

void account_invocation(struct metrics *m, const struct invocation *inv)
{
	const struct invoke_phases *p = &inv->phases;
	struct metrics_invocation count = {
		.function = metrics_function(m, str_from(inv->version->name)),
		.throttled = inv->outcome == INVOKE_REFUSED && inv->throttle_reason,
		.failed = inv->outcome != INVOKE_ANSWERED,
		.cold = inv->cold,
		.cold_kind = inv->restored ? METRIC_COLD_RESTORE : METRIC_COLD_START,
		.submitted_ns = p->submitted_ns,
		.placed_ns = p->placed_ns,
		.start_asked_ns = p->start_asked_ns,
		.sandbox_done_ns = p->sandbox_done_ns,
		.init_done_ns = p->init_done_ns,
		.sent_ns = p->sent_ns,
		.answered_ns = p->answered_ns,
		.done_ns = p->done_ns,
	};
	ASSERT((unsigned)inv->failure < ARRAY_LEN(errors));
	if (count.throttled)
		count.throttle = throttle_of(inv);
	if (count.failed)
		count.error = inv->outcome == INVOKE_REFUSED ? METRIC_ERROR_PLATFORM : errors[inv->failure];
	metrics_count_invocation(m, &count);
}
