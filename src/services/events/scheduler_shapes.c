/* What each operation takes, as AWS's model of the Scheduler has it (2021-06-30), and the table of routes. */
#include <ctype.h>
#include <string.h>

#include "services/events/scheduler_priv.h"

#define NAME_PATTERN "^[0-9a-zA-Z-_.]+$"
#define TOKEN_PATTERN "^[a-zA-Z0-9-_]+$"
#define ROLE_PATTERN "^arn:aws(-[a-z]+)?:iam::\\d{12}:role\\/[\\w+=,.@\\/-]+$"
#define QUEUE_PATTERN "^arn:aws(-[a-z]+)?:sqs:[a-z0-9\\-]+:\\d{12}:[a-zA-Z0-9\\-_]+$"
#define GROUP_ARN_PATTERN "^arn:aws(-[a-z]+)?:scheduler:[a-z0-9\\-]+:\\d{12}:schedule-group\\/[0-9a-zA-Z-_.]+$"

static bool is_token(struct str text)
{
	return shape_is_name(text) && str_find(text, '.') == text.n;
}

/* "arn:aws" ":SERVICE:" then a region, twelve digits, and what `rest` begins with. */
static bool is_arn(struct str text, const char *service, bool region, const char *begin, const char *more)
{
	struct str part;
	unsigned at = 0;
	bool fine = str_starts(text, STR("arn:aws"));
	while (fine && at < 5 && str_split(&text, ':', &part)) {
		fine = at == 2 ? str_eqz(part, service) : at == 3 ? (part.n > 0) == region : at != 4 || part.n == 12;
		for (size_t i = 0; fine && at == 4 && i < part.n; i++)
			fine = isdigit((unsigned char)part.p[i]);
		at++;
	}
	fine = fine && at == 5 && str_starts(text, str_from(begin)) && text.n > strlen(begin);
	for (size_t i = strlen(begin); fine && i < text.n; i++)
		fine = isalnum((unsigned char)text.p[i]) || (text.p[i] && strchr(more, text.p[i]));
	return fine;
}

static bool is_role(struct str text)
{
	return is_arn(text, "iam", false, "role/", "_+=,.@/-");
}

static bool is_queue(struct str text)
{
	return is_arn(text, "sqs", true, "", "-_");
}

static bool is_group_arn(struct str text)
{
	return is_arn(text, "scheduler", true, "schedule-group/", "-_.");
}

#define END {.name = NULL}
#define NAME(key, must) {key, SHAPE_TEXT, must, 1, SCHEDULER_NAME_MAX, NAME_PATTERN, shape_is_name}
#define TEXT(key, must, low, high) {key, SHAPE_TEXT, must, low, high}
#define TOKEN {"ClientToken", SHAPE_TEXT, false, 1, 64, TOKEN_PATTERN, is_token}
#define STATE {"State", SHAPE_TEXT, .values = "ENABLED, DISABLED"}
#define STRUCT(key, must, of) {key, SHAPE_STRUCT, must, .members = of}
#define PAGE {"MaxResults", SHAPE_INT, false, 1, 100}, NAME("NamePrefix", false), TEXT("NextToken", false, 1, 2048)
#define GROUP_ARN {"ResourceArn", SHAPE_TEXT, true, 1, 1011, GROUP_ARN_PATTERN, is_group_arn}

static const struct shape window[] = {
	{"MaximumWindowInMinutes", SHAPE_INT, false, 1, 1440}, {"Mode", SHAPE_TEXT, true, .values = "OFF, FLEXIBLE"}, END};
static const struct shape dead_letter[] = {{"Arn", SHAPE_TEXT, false, 1, 1600, QUEUE_PATTERN, is_queue}, END};
static const struct shape bus_parameters[] = {TEXT("DetailType", true, 1, 128), TEXT("Source", true, 1, 256), END};
static const struct shape sqs_parameters[] = {TEXT("MessageGroupId", false, 1, 128), END};
static const struct shape retry_policy[] = {
	{"MaximumEventAgeInSeconds", SHAPE_INT, false, 60, SCHEDULER_AGE_MAX_S},
	{"MaximumRetryAttempts", SHAPE_INT, false, 0, SCHEDULER_ATTEMPTS_MAX}, END};
static const struct shape target[] = {
	TEXT("Arn", true, 1, 1600), STRUCT("DeadLetterConfig", false, dead_letter), STRUCT("EventBridgeParameters", false, bus_parameters),
	TEXT("Input", false, 1, 0), STRUCT("RetryPolicy", false, retry_policy),
	{"RoleArn", SHAPE_TEXT, true, 1, 1600, ROLE_PATTERN, is_role}, STRUCT("SqsParameters", false, sqs_parameters), END};
static const struct shape schedule[] = {
	{"ActionAfterCompletion", SHAPE_TEXT, .values = "NONE, DELETE"}, TOKEN, TEXT("Description", false, 0, 512), {"EndDate", SHAPE_TIME},
	STRUCT("FlexibleTimeWindow", true, window), NAME("GroupName", false), TEXT("KmsKeyArn", false, 1, 2048), NAME("Name", true),
	TEXT("ScheduleExpression", true, 1, WHEN_TEXT_MAX), TEXT("ScheduleExpressionTimezone", false, 1, 50), {"StartDate", SHAPE_TIME}, STATE,
	STRUCT("Target", true, target), END};
static const struct shape one_schedule[] = {NAME("Name", true), NAME("GroupName", false), TOKEN, END};
static const struct shape list_schedules[] = {NAME("GroupName", false), STATE, PAGE, END};
static const struct shape tag[] = {TEXT("Key", true, 1, 128), TEXT("Value", true, 1, 256), END};
static const struct shape create_group[] = {NAME("Name", true), TOKEN, {"Tags", SHAPE_LIST, false, 0, 200, .members = tag}, END};
static const struct shape one_group[] = {NAME("Name", true), TOKEN, END};
static const struct shape list_groups[] = {PAGE, END};
static const struct shape tag_key[] = {TEXT("Key", true, 1, 128), END};
static const struct shape list_tags[] = {GROUP_ARN, END};
static const struct shape tag_group[] = {GROUP_ARN, {"Tags", SHAPE_LIST, true, 0, 200, .members = tag}, END};
static const struct shape untag_group[] = {GROUP_ARN, {"TagKeys", SHAPE_LIST, true, 0, 50, .element = tag_key}, END};

const struct scheduler_op scheduler_ops[] = {
	{"POST", "schedules", true, true, "Name", schedule, scheduler_create},
	{"PUT", "schedules", true, true, "Name", schedule, scheduler_update},
	{"GET", "schedules", true, false, "Name", one_schedule, scheduler_get},
	{"DELETE", "schedules", true, true, "Name", one_schedule, scheduler_delete},
	{"GET", "schedules", false, false, NULL, list_schedules, scheduler_list},
	{"POST", "schedule-groups", true, true, "Name", create_group, scheduler_create_group},
	{"GET", "schedule-groups", true, false, "Name", one_group, scheduler_get_group},
	{"DELETE", "schedule-groups", true, true, "Name", one_group, scheduler_delete_group},
	{"GET", "schedule-groups", false, false, NULL, list_groups, scheduler_list_groups},
	{"GET", "tags", true, false, "ResourceArn", list_tags, scheduler_list_tags},
	{"POST", "tags", true, true, "ResourceArn", tag_group, scheduler_tag},
	{"DELETE", "tags", true, true, "ResourceArn", untag_group, scheduler_untag},
	{.method = NULL},
};
