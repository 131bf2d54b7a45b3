/* What each operation takes, as AWS's model of EventBridge has it (2015-10-07), and the table of operations. */
#include <ctype.h>
#include <string.h>

#include "services/events/bus_priv.h"

#define NAME_PATTERN "[\\.\\-_A-Za-z0-9]+"
#define BUS_PATTERN "[/\\.\\-_A-Za-z0-9]+"
#define BUS_OR_ARN_PATTERN "(arn:aws[\\w-]*:events:[a-z]+-[a-z]+-[\\w-]+:[0-9]{12}:event-bus\\/)?[/\\.\\-_A-Za-z0-9]+"

static bool is_bus_or_arn(struct str text)
{
	const char *at = memmem(text.p, text.n, ":event-bus/", 11);
	if (!at)
		return shape_is_path_name(text);
	size_t n = (size_t)(at - text.p);
	return str_starts(text, STR("arn:aws")) && n > 13 && shape_is_path_name(str_sub(text, n + 11, text.n));
}

static bool is_statement_id(struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (!isalnum((unsigned char)text.p[i]) && text.p[i] != '-' && text.p[i] != '_')
			return false;
	}
	return text.n > 0;
}

static bool is_action(struct str text)
{
	bool fine = str_starts(text, STR("events:")) && text.n > 7;
	for (size_t i = 7; fine && i < text.n; i++)
		fine = isalpha((unsigned char)text.p[i]);
	return fine;
}

static bool is_principal(struct str text)
{
	bool digits = text.n == 12;
	for (size_t i = 0; digits && i < text.n; i++)
		digits = isdigit((unsigned char)text.p[i]);
	return digits || str_eqz(text, "*");
}

#define END {.name = NULL}
#define RULE_NAME(key, must) {key, SHAPE_TEXT, must, 1, 64, NAME_PATTERN, shape_is_name}
#define BUS_NAME(key, must) {key, SHAPE_TEXT, must, 1, 256, BUS_PATTERN, shape_is_path_name}
#define BUS_REFERENCE(key) {key, SHAPE_TEXT, false, 1, 1600, BUS_OR_ARN_PATTERN, is_bus_or_arn}
#define ARN(key, must) {key, SHAPE_TEXT, must, 1, 1600}
#define TEXT(key, must, low, high) {key, SHAPE_TEXT, must, low, high}
#define PAGE {"NextToken", SHAPE_TEXT, false, 1, 2048}, {"Limit", SHAPE_INT, false, 1, 100}
#define STRUCT(key, must, of) {key, SHAPE_STRUCT, must, .members = of}

static const struct shape tag[] = {TEXT("Key", true, 1, 128), TEXT("Value", true, 0, 256), END};
static const struct shape dead_letter[] = {ARN("Arn", false), END};
static const struct shape log_config[] = {
	{"IncludeDetail", SHAPE_TEXT, .values = "NONE, FULL"}, {"Level", SHAPE_TEXT, .values = "OFF, ERROR, INFO, TRACE"}, END};
#define TAGS(must) {"Tags", SHAPE_LIST, must, .members = tag}
#define BUS_SETTINGS \
	TEXT("Description", false, 0, 512), TEXT("KmsKeyIdentifier", false, 0, 2048), STRUCT("DeadLetterConfig", false, dead_letter), \
		STRUCT("LogConfig", false, log_config)

static const struct shape create_bus[] = {BUS_NAME("Name", true), TEXT("EventSourceName", false, 1, 256), BUS_SETTINGS, TAGS(false), END};
static const struct shape update_bus[] = {BUS_NAME("Name", false), BUS_SETTINGS, END};
static const struct shape delete_bus[] = {BUS_NAME("Name", true), END};
static const struct shape describe_bus[] = {BUS_REFERENCE("Name"), END};
static const struct shape list_buses[] = {BUS_NAME("NamePrefix", false), PAGE, END};

static const struct shape put_rule[] = {
	RULE_NAME("Name", true), TEXT("ScheduleExpression", false, 0, 256), TEXT("EventPattern", false, 0, MATCH_PATTERN_MAX),
	{"State", SHAPE_TEXT, .values = "ENABLED, DISABLED, ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"},
	TEXT("Description", false, 0, 512), ARN("RoleArn", false), TAGS(false), BUS_REFERENCE("EventBusName"), END};
static const struct shape one_rule[] = {RULE_NAME("Name", true), BUS_REFERENCE("EventBusName"), {"Force", SHAPE_BOOL}, END};
static const struct shape list_rules[] = {RULE_NAME("NamePrefix", false), BUS_REFERENCE("EventBusName"), PAGE, END};
static const struct shape list_names[] = {ARN("TargetArn", true), BUS_REFERENCE("EventBusName"), PAGE, END};

static const struct shape any_path[] = {{"path", SHAPE_TEXT, false, 0, 256}, END};
static const struct shape transformer[] = {
	{"InputPathsMap", SHAPE_MAP, false, 0, 100, .element = any_path}, TEXT("InputTemplate", true, 1, 8192), END};
static const struct shape sqs_parameters[] = {TEXT("MessageGroupId", false, 0, 100), END};
static const struct shape retry_policy[] = {
	{"MaximumRetryAttempts", SHAPE_INT, false, 0, BUS_ATTEMPTS_MAX}, {"MaximumEventAgeInSeconds", SHAPE_INT, false, 60, BUS_AGE_MAX_S}, END};
static const struct shape target[] = {
	RULE_NAME("Id", true), ARN("Arn", true), ARN("RoleArn", false), TEXT("Input", false, 0, 8192), TEXT("InputPath", false, 0, 256),
	STRUCT("InputTransformer", false, transformer), STRUCT("SqsParameters", false, sqs_parameters),
	STRUCT("DeadLetterConfig", false, dead_letter), STRUCT("RetryPolicy", false, retry_policy), END};
static const struct shape put_targets[] = {
	RULE_NAME("Rule", true), BUS_REFERENCE("EventBusName"), {"Targets", SHAPE_LIST, true, 1, 100, .members = target}, END};
static const struct shape target_id[] = {RULE_NAME("Id", true), END};
static const struct shape remove_targets[] = {
	RULE_NAME("Rule", true), BUS_REFERENCE("EventBusName"), {"Ids", SHAPE_LIST, true, 1, 100, .element = target_id},
	{"Force", SHAPE_BOOL}, END};
static const struct shape list_targets[] = {RULE_NAME("Rule", true), BUS_REFERENCE("EventBusName"), PAGE, END};

static const struct shape any_text[] = {{"text", SHAPE_TEXT}, END};
static const struct shape entry[] = {
	{"Time", SHAPE_TIME}, {"Source", SHAPE_TEXT}, {"Resources", SHAPE_LIST, .element = any_text}, {"DetailType", SHAPE_TEXT},
	{"Detail", SHAPE_TEXT}, BUS_REFERENCE("EventBusName"), TEXT("TraceHeader", false, 1, 500), END};
static const struct shape put_events[] = {{"Entries", SHAPE_LIST, true, 1, 10, .members = entry}, TEXT("EndpointId", false, 1, 50), END};
static const struct shape test_pattern[] = {TEXT("EventPattern", true, 0, MATCH_PATTERN_MAX), {"Event", SHAPE_TEXT, true}, END};

static const struct shape tag_key[] = {TEXT("Key", true, 1, 128), END};
static const struct shape tag_resource[] = {ARN("ResourceARN", true), TAGS(true), END};
static const struct shape untag_resource[] = {ARN("ResourceARN", true), {"TagKeys", SHAPE_LIST, true, .element = tag_key}, END};
static const struct shape list_tags[] = {ARN("ResourceARN", true), END};

static const struct shape condition[] = {TEXT("Type", true, 0, 0), TEXT("Key", true, 0, 0), TEXT("Value", true, 0, 0), END};
#define STATEMENT_ID {"StatementId", SHAPE_TEXT, false, 1, 64, "[a-zA-Z0-9-_]+", is_statement_id}
static const struct shape put_permission[] = {
	BUS_NAME("EventBusName", false), {"Action", SHAPE_TEXT, false, 1, 64, "events:[a-zA-Z]+", is_action},
	{"Principal", SHAPE_TEXT, false, 1, 12, "(\\d{12}|\\*)", is_principal}, STATEMENT_ID, STRUCT("Condition", false, condition),
	{"Policy", SHAPE_TEXT}, END};
static const struct shape remove_permission[] = {
	STATEMENT_ID, {"RemoveAllPermissions", SHAPE_BOOL}, BUS_NAME("EventBusName", false), END};

const struct bus_op bus_ops[] = {
	{"PutEvents", false, put_events, bus_put_events},
	{"CreateEventBus", true, create_bus, bus_create},
	{"DeleteEventBus", true, delete_bus, bus_delete},
	{"DescribeEventBus", false, describe_bus, bus_describe},
	{"ListEventBuses", false, list_buses, bus_list},
	{"UpdateEventBus", true, update_bus, bus_update},
	{"PutRule", true, put_rule, bus_put_rule},
	{"DeleteRule", true, one_rule, bus_delete_rule},
	{"DescribeRule", false, one_rule, bus_describe_rule},
	{"ListRules", false, list_rules, bus_list_rules},
	{"EnableRule", true, one_rule, bus_enable_rule},
	{"DisableRule", true, one_rule, bus_disable_rule},
	{"ListRuleNamesByTarget", false, list_names, bus_list_rule_names},
	{"PutTargets", true, put_targets, bus_put_targets},
	{"RemoveTargets", true, remove_targets, bus_remove_targets},
	{"ListTargetsByRule", false, list_targets, bus_list_targets},
	{"TestEventPattern", false, test_pattern, bus_test_pattern},
	{"TagResource", true, tag_resource, bus_tag},
	{"UntagResource", true, untag_resource, bus_untag},
	{"ListTagsForResource", false, list_tags, bus_list_tags},
	{"PutPermission", true, put_permission, bus_put_permission},
	{"RemovePermission", true, remove_permission, bus_remove_permission},
	{.name = NULL},
};
