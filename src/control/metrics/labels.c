#include "control/metrics/labels.h"

#include "control/metrics/metrics.h"
#include "core/base/check.h"

static const char *const throttles[THROTTLES] = {
	[THROTTLE_ACCOUNT] = "account", [THROTTLE_RESERVED] = "reserved", [THROTTLE_FULL] = "full", [THROTTLE_BUFFER] = "buffer"};
static const char *const errors[METRIC_ERROR_KINDS] = {
	[METRIC_ERROR_FUNCTION] = "function", [METRIC_ERROR_TIMEOUT] = "timeout", [METRIC_ERROR_EXIT] = "exit",
	[METRIC_ERROR_INIT] = "init", [METRIC_ERROR_PLATFORM] = "platform"};
static const char *const colds[METRIC_COLDS] = {
	[METRIC_COLD_START] = "start", [METRIC_COLD_RESTORE] = "restore"};
static const char *const states[METRIC_STATES] = {
	[METRIC_STARTING] = "starting", [METRIC_INITIALIZING] = "initializing", [METRIC_IDLE] = "idle",
	[METRIC_FROZEN] = "frozen", [METRIC_BUSY] = "busy", [METRIC_STOPPING] = "stopping"};
static const char *const phases[PHASES] = {
	[PHASE_QUEUED] = "queued", [PHASE_SANDBOX] = "sandbox", [PHASE_INIT] = "init", [PHASE_RESTORE] = "restore",
	[PHASE_FUNCTION] = "function", [PHASE_RESPONSE] = "response", [PHASE_TOTAL] = "total"};
static const char *const outcomes[METRIC_OUTCOMES] = {
	[OUTCOME_LABEL_SUCCESS] = "success", [OUTCOME_LABEL_RETRIES] = "retries", [OUTCOME_LABEL_AGE] = "age",
	[OUTCOME_LABEL_ZERO] = "zero_concurrency", [OUTCOME_LABEL_RECURSION] = "recursion", [OUTCOME_LABEL_DROPPED] = "dropped"};
static const char *const retries[METRIC_RETRIES] = {
	[RETRY_LABEL_FUNCTION] = "function", [RETRY_LABEL_THROTTLE] = "throttle", [RETRY_LABEL_SYSTEM] = "system",
	[RETRY_LABEL_DELIVERY] = "delivery"};
static const char *const queue_states[METRIC_QUEUE_STATES] = {
	[QUEUE_LABEL_VISIBLE] = "visible", [QUEUE_LABEL_DELAYED] = "delayed", [QUEUE_LABEL_LEASED] = "in_flight"};
static const char *const messages[METRIC_MESSAGES] = {
	[MESSAGE_LABEL_DELETED] = "deleted", [MESSAGE_LABEL_LEFT] = "left", [MESSAGE_LABEL_FILTERED] = "filtered",
	[MESSAGE_LABEL_BURIED] = "buried"};

static const struct metric_label_row rows[LABELS] = {
	[LABEL_NONE] = {NULL, 1, NULL},
	[LABEL_FUNCTION] = {"function", 0, NULL},
	[LABEL_THROTTLE] = {"reason", THROTTLES, throttles},
	[LABEL_ERROR] = {"kind", METRIC_ERROR_KINDS, errors},
	[LABEL_COLD] = {"kind", METRIC_COLDS, colds},
	[LABEL_STATE] = {"state", METRIC_STATES, states},
	[LABEL_PHASE] = {"phase", PHASES, phases},
	[LABEL_OUTCOME] = {"outcome", METRIC_OUTCOMES, outcomes},
	[LABEL_RETRY] = {"reason", METRIC_RETRIES, retries},
	[LABEL_QUEUE_STATE] = {"state", METRIC_QUEUE_STATES, queue_states},
	[LABEL_MESSAGE] = {"outcome", METRIC_MESSAGES, messages},
};

const struct metric_label_row *metrics_label(enum metric_label label)
{
	ASSERT((unsigned)label < LABELS);
	return &rows[label];
}
