/* Constraints of operations that are refused, or answered as where nothing of the kind was made: a request that AWS would call wrong is
 * called wrong here too. Source: botocore's model of 2015-03-31. */
#include "control/api/rules_parts.h"

#define EXECUTION \
	{.name = "DurableExecutionArn", .where = IN_PATH, .required = true, .min = 1, .max = 1024, .pattern = EXECUTION_PATTERN}
#define EXECUTION_PATTERN \
	"arn:([a-zA-Z0-9-]+):lambda:([a-zA-Z0-9-]+):(\\d{12}):function:([a-zA-Z0-9_-]+):(\\$LATEST(?:\\.PUBLISHED)?|[0-9]+)" \
	"/durable-execution/([a-zA-Z0-9_-]+)/([a-zA-Z0-9_-]+)"
#define CALLBACK {.name = "CallbackId", .where = IN_PATH, .required = true, .min = 1, .max = 1024, .pattern = "[A-Za-z0-9+/]+={0,2}"}
#define PROVIDER_NAME \
	.required = true, .min = 1, .max = 140, \
	.pattern = "(arn:aws[a-zA-Z-]*:lambda:[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:\\d{12}:capacity-provider:[a-zA-Z0-9-_]+)|[a-zA-Z0-9-_]+"
#define SIGNING_ARN .min = 0, .max = 200, .pattern = SIGNING_ARN_PATTERN
#define SIGNING_POLICIES \
	{.name = "AllowedPublishers.SigningProfileVersionArns", .type = IS_STRINGS, .required = true, .min = 1, .max = 20, .item_pattern = SOURCE_PATTERN}, \
	{.name = "CodeSigningPolicies", .type = IS_OBJECT}, \
	{.name = "CodeSigningPolicies.UntrustedArtifactOnDeployment", .values = "Warn, Enforce"}
#define PROVIDER_SCALING \
	{.name = "CapacityProviderScalingConfig", .type = IS_OBJECT}, \
	{.name = "CapacityProviderScalingConfig.MaxVCpuCount", .type = IS_INTEGER, .min = 2, .max = 15000}, \
	{.name = "CapacityProviderScalingConfig.ScalingMode", .values = "Auto, Manual"}, \
	{.name = "CapacityProviderScalingConfig.ScalingPolicies", .type = IS_LIST, .min = 1, .max = 10}, \
	{.name = "CapacityProviderScalingConfig.ScalingPolicies[].PredefinedMetricType", .required = true, .values = "LambdaCapacityProviderAverageCPUUtilization"}, \
	{.name = "CapacityProviderScalingConfig.ScalingPolicies[].TargetValue", .type = IS_DOUBLE, .required = true, .min = 0.0, .max = 100.0}

RULES(rules_delete_provisioned, NAME_IN_PATH,
      QUALIFIER("(|[a-zA-Z0-9$_-]+)", true));
RULES(rules_put_provisioned, NAME_IN_PATH,
      QUALIFIER("(|[a-zA-Z0-9$_-]+)", true),
      {.name = "ProvisionedConcurrentExecutions", .type = IS_INTEGER, .required = true, .min = 1, .max = -1});
RULES(rules_create_signing, DESCRIPTION,
      {.name = "AllowedPublishers", .type = IS_OBJECT, .required = true},
      SIGNING_POLICIES,
      {.name = "Tags", .type = IS_STRING_MAP});
RULES(rules_signing, {.name = "CodeSigningConfigArn", .where = IN_PATH, .required = true, SIGNING_ARN});
RULES(rules_update_signing, {.name = "CodeSigningConfigArn", .where = IN_PATH, .required = true, SIGNING_ARN},
      DESCRIPTION,
      {.name = "AllowedPublishers", .type = IS_OBJECT},
      SIGNING_POLICIES);
RULES(rules_signing_functions, {.name = "CodeSigningConfigArn", .where = IN_PATH, .required = true, SIGNING_ARN},
      PAGE(10000));
RULES(rules_put_signing, {.name = "CodeSigningConfigArn", .required = true, SIGNING_ARN},
      NAMESPACED_IN_PATH);
RULES(rules_put_runtime_management, NAMESPACED_IN_PATH,
      QUALIFIER(QUALIFIER_PATTERN, false),
      {.name = "UpdateRuntimeOn", .required = true, .values = "Auto, Manual, FunctionUpdate"},
      {.name = "RuntimeVersionArn", .min = 26, .max = 2048,
       .pattern = "arn:(aws[a-zA-Z-]*):lambda:[a-z]{2}((-gov)|(-iso(b?)))?-[a-z]+-\\d{1}::runtime:.+"});
RULES(rules_capacity_page, {.name = "State", .where = IN_QUERY, .values = "Pending, Active, Failed, Deleting"},
      PAGE(50));
RULES(rules_create_capacity, {.name = "CapacityProviderName", PROVIDER_NAME},
      {.name = "VpcConfig", .type = IS_OBJECT, .required = true},
      {.name = "VpcConfig.SubnetIds", .type = IS_STRINGS, .required = true, .min = 1, .max = 16},
      {.name = "VpcConfig.SecurityGroupIds", .type = IS_STRINGS, .required = true, .min = 0, .max = 5},
      {.name = "PermissionsConfig", .type = IS_OBJECT, .required = true},
      {.name = "PermissionsConfig.CapacityProviderOperatorRoleArn", .required = true,
       .pattern = "arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+"},
      {.name = "InstanceRequirements", .type = IS_OBJECT},
      {.name = "InstanceRequirements.Architectures", .type = IS_STRINGS, .min = 1, .max = 1, .item_values = "x86_64, arm64"},
      {.name = "InstanceRequirements.AllowedInstanceTypes", .type = IS_STRINGS, .min = 0, .max = 400, .item_min = 1,
       .item_max = 30, .item_pattern = "[a-zA-Z0-9\\.\\-]+"},
      {.name = "InstanceRequirements.ExcludedInstanceTypes", .type = IS_STRINGS, .min = 0, .max = 400, .item_min = 1,
       .item_max = 30, .item_pattern = "[a-zA-Z0-9\\.\\-]+"},
      PROVIDER_SCALING,
      {.name = "KmsKeyArn", .min = 0, .max = 10000, .pattern = "arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*"},
      {.name = "Tags", .type = IS_STRING_MAP});
RULES(rules_capacity, {.name = "CapacityProviderName", .where = IN_PATH, PROVIDER_NAME});
RULES(rules_update_capacity, {.name = "CapacityProviderName", .where = IN_PATH, PROVIDER_NAME},
      PROVIDER_SCALING);
RULES(rules_capacity_versions, {.name = "CapacityProviderName", .where = IN_PATH, PROVIDER_NAME},
      PAGE(50));
RULES(rules_put_scaling, FUNCTION_NAME(IN_PATH, 140, UNQUALIFIED_PATTERN),
      QUALIFIER("(\\$LATEST\\.PUBLISHED|[0-9]+)", true),
      {.name = "FunctionScalingConfig", .type = IS_OBJECT},
      {.name = "FunctionScalingConfig.MinExecutionEnvironments", .type = IS_INTEGER, .min = 0, .max = 15000},
      {.name = "FunctionScalingConfig.MaxExecutionEnvironments", .type = IS_INTEGER, .min = 0, .max = 15000});
RULES(rules_callback_failure, CALLBACK);
RULES(rules_callback, CALLBACK);
RULES(rules_durable, EXECUTION);
RULES(rules_durable_checkpoint, EXECUTION,
      {.name = "CheckpointToken", .required = true, .min = 1, .max = 2048, .pattern = "[A-Za-z0-9+/]+={0,2}"},
      {.name = "Updates", .type = IS_LIST},
      {.name = "Updates[].Id", .required = true, .min = 1, .max = 64, .pattern = "[a-zA-Z0-9-_]+"},
      {.name = "Updates[].ParentId", .min = 1, .max = 64, .pattern = "[a-zA-Z0-9-_]+"},
      {.name = "Updates[].Name", .min = 1, .max = 256, .pattern = "[\\x20-\\x7E]+"},
      {.name = "Updates[].Type", .required = true, .values = "EXECUTION, CONTEXT, STEP, WAIT, CALLBACK, CHAINED_INVOKE"},
      {.name = "Updates[].SubType", .min = 1, .max = 32, .pattern = "[a-zA-Z0-9-_]+"},
      {.name = "Updates[].Action", .required = true, .values = "START, SUCCEED, FAIL, RETRY, CANCEL"},
      {.name = "Updates[].Payload", .min = 0, .max = 6291456},
      {.name = "Updates[].Error", .type = IS_OBJECT},
      {.name = "Updates[].Error.ErrorMessage"},
      {.name = "Updates[].Error.ErrorType"},
      {.name = "Updates[].Error.ErrorData"},
      {.name = "Updates[].Error.StackTrace", .type = IS_STRINGS},
      {.name = "Updates[].ContextOptions", .type = IS_OBJECT},
      {.name = "Updates[].ContextOptions.ReplayChildren", .type = IS_BOOL},
      {.name = "Updates[].StepOptions", .type = IS_OBJECT},
      {.name = "Updates[].StepOptions.NextAttemptDelaySeconds", .type = IS_INTEGER, .min = 1, .max = 31622400},
      {.name = "Updates[].WaitOptions", .type = IS_OBJECT},
      {.name = "Updates[].WaitOptions.WaitSeconds", .type = IS_INTEGER, .min = 1, .max = 31622400},
      {.name = "Updates[].CallbackOptions", .type = IS_OBJECT},
      {.name = "Updates[].CallbackOptions.TimeoutSeconds", .type = IS_INTEGER, .min = 0, .max = -1},
      {.name = "Updates[].CallbackOptions.HeartbeatTimeoutSeconds", .type = IS_INTEGER, .min = 0, .max = -1},
      {.name = "Updates[].ChainedInvokeOptions", .type = IS_OBJECT},
      {.name = "Updates[].ChainedInvokeOptions.FunctionName", .required = true, .min = 1, .max = 256, .pattern = NAMESPACED_PATTERN},
      {.name = "Updates[].ChainedInvokeOptions.TenantId", .min = 1, .max = 256, .pattern = "[a-zA-Z0-9\\._:\\/=+\\-@ ]+"},
      {.name = "ClientToken", .min = 1, .max = 64, .pattern = "[\\x21-\\x7E]+"});
RULES(rules_durable_history, EXECUTION,
      {.name = "IncludeExecutionData", .where = IN_QUERY, .type = IS_BOOL},
      {.name = "MaxItems", .where = IN_QUERY, .type = IS_INTEGER, .min = 0, .max = 1000},
      {.name = "Marker", .where = IN_QUERY},
      {.name = "ReverseOrder", .where = IN_QUERY, .type = IS_BOOL});
RULES(rules_durable_state, EXECUTION,
      {.name = "CheckpointToken", .where = IN_QUERY, .required = true, .min = 1, .max = 2048, .pattern = "[A-Za-z0-9+/]+={0,2}"},
      {.name = "Marker", .where = IN_QUERY},
      {.name = "MaxItems", .where = IN_QUERY, .type = IS_INTEGER, .min = 0, .max = 1000});
RULES(rules_durable_stop, EXECUTION);
RULES(rules_durable_list, NAMESPACED_IN_PATH,
      QUALIFIER(QUALIFIER_PATTERN, false),
      {.name = "DurableExecutionName", .where = IN_QUERY, .min = 1, .max = 64, .pattern = "[a-zA-Z0-9-_]+"},
      {.name = "Statuses", .where = IN_QUERY, .type = IS_STRINGS, .min = 1, .max = 10,
       .item_values = "RUNNING, SUCCEEDED, FAILED, TIMED_OUT, STOPPED"},
      {.name = "StartedAfter", .where = IN_QUERY, .type = IS_TIMESTAMP},
      {.name = "StartedBefore", .where = IN_QUERY, .type = IS_TIMESTAMP},
      {.name = "ReverseOrder", .where = IN_QUERY, .type = IS_BOOL},
      {.name = "Marker", .where = IN_QUERY},
      {.name = "MaxItems", .where = IN_QUERY, .type = IS_INTEGER, .min = 0, .max = 1000});
