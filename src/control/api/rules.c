#include "control/api/rules_parts.h"

#define REVISION {.name = "RevisionId"}
#define ARCHITECTURES \
	{.name = "Architectures", .type = IS_STRINGS, .min = 1, .max = 1, .item_values = "x86_64, arm64"}
#define PACKAGE(prefix) \
	{.name = prefix "S3Bucket", .min = 3, .max = 63, .pattern = "[0-9A-Za-z\\.\\-_]*(?<!\\.)"}, \
	{.name = prefix "S3Key", .min = 1, .max = 1024}, \
	{.name = prefix "S3ObjectVersion", .min = 1, .max = 1024}, \
	{.name = prefix "ImageUri"}, \
	{.name = prefix "SourceKMSKeyArn", .pattern = ARN_PATTERN}
#define NETWORK \
	{.name = "VpcConfig", .type = IS_OBJECT}, \
	{.name = "VpcConfig.SubnetIds", .type = IS_STRINGS, .min = 0, .max = 16, .item_min = 0, .item_max = 1024, \
	 .item_pattern = "subnet-[0-9a-z]*"}, \
	{.name = "VpcConfig.SecurityGroupIds", .type = IS_STRINGS, .min = 0, .max = 5, .item_min = 0, .item_max = 1024, \
	 .item_pattern = "sg-[0-9a-zA-Z]*"}
#define ENVIRONMENT \
	{.name = "DeadLetterConfig", .type = IS_OBJECT}, \
	{.name = "DeadLetterConfig.TargetArn", .pattern = ARN_PATTERN}, \
	{.name = "Environment", .type = IS_OBJECT}, \
	{.name = "Environment.Variables", .type = IS_STRING_MAP, .item_pattern = "[a-zA-Z]([a-zA-Z0-9_])+"}, \
	{.name = "KMSKeyArn", .shown = "kMSKeyArn", .pattern = ARN_PATTERN}, \
	{.name = "TracingConfig", .type = IS_OBJECT}, \
	{.name = "TracingConfig.Mode", .values = "Active, PassThrough"}
#define LAYERS \
	{.name = "Layers", .type = IS_STRINGS, .item_min = 1, .item_max = 2048, .item_pattern = LAYER_PATTERN}
#define STORAGE \
	{.name = "EphemeralStorage", .type = IS_OBJECT}, \
	{.name = "EphemeralStorage.Size", .type = IS_INTEGER, .required = true, .min = 512, .max = 10240}, \
	{.name = "SnapStart", .type = IS_OBJECT}, \
	{.name = "SnapStart.ApplyOn", .values = "PublishedVersions, None"}, \
	{.name = "LoggingConfig", .type = IS_OBJECT}, \
	{.name = "LoggingConfig.LogFormat", .values = "JSON, Text"}, \
	{.name = "LoggingConfig.ApplicationLogLevel", .values = "TRACE, DEBUG, INFO, WARN, ERROR, FATAL"}, \
	{.name = "LoggingConfig.SystemLogLevel", .values = "DEBUG, INFO, WARN"}, \
	{.name = "LoggingConfig.LogGroup", .min = 1, .max = 512, .pattern = "[\\.\\-_/#A-Za-z0-9]+"}
#define ROLE_PATTERN "arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+"
#define SIZES \
	{.name = "Timeout", .type = IS_INTEGER, .min = 1, .max = 900}, \
	{.name = "MemorySize", .type = IS_INTEGER, .min = 128, .max = 10240}

RULES(rules_create_function,
      FUNCTION_NAME(IN_BODY, 140, NAME_PATTERN),
      {.name = "Runtime"},
      {.name = "Role", .required = true, .pattern = ROLE_PATTERN},
      {.name = "Handler", .min = 0, .max = 128, .pattern = "[^\\s]+"},
      {.name = "Code", .type = IS_OBJECT, .required = true},
      PACKAGE("Code."), DESCRIPTION, SIZES,
      {.name = "Publish", .type = IS_BOOL},
      NETWORK,
      {.name = "PackageType", .values = "Zip, Image"},
      ENVIRONMENT,
      {.name = "Tags", .type = IS_STRING_MAP},
      LAYERS, FILE_SYSTEMS,
      {.name = "CodeSigningConfigArn", .min = 0, .max = 200, .pattern = SIGNING_ARN_PATTERN},
      ARCHITECTURES, STORAGE, CAPACITY,
      {.name = "TenancyConfig", .type = IS_OBJECT},
      {.name = "TenancyConfig.TenantIsolationMode", .required = true, .values = "PER_TENANT"});
RULES(rules_update_code, NAME_IN_PATH, PACKAGE(""),
      {.name = "Publish", .type = IS_BOOL}, {.name = "DryRun", .type = IS_BOOL}, REVISION, ARCHITECTURES,
      {.name = "PublishTo", .values = "LATEST_PUBLISHED"});
RULES(rules_update_configuration, NAME_IN_PATH,
      {.name = "Role", .pattern = ROLE_PATTERN},
      {.name = "Handler", .min = 0, .max = 128, .pattern = "[^\\s]+"},
      DESCRIPTION, SIZES, NETWORK, {.name = "Runtime"}, ENVIRONMENT, REVISION, LAYERS, FILE_SYSTEMS, STORAGE, CAPACITY);
RULES(rules_publish_version, NAME_IN_PATH, {.name = "CodeSha256"}, DESCRIPTION, REVISION, {.name = "PublishTo", .values = "LATEST_PUBLISHED"});

#define ALIAS_IN(in) {.name = "Name", .where = in, .required = true, .min = 1, .max = 128, .pattern = ALIAS_PATTERN}
#define ALIAS_TARGET(needed) \
	{.name = "FunctionVersion", .required = needed, .min = 1, .max = 1024, .pattern = VERSION_PATTERN}, DESCRIPTION, \
	{.name = "RoutingConfig", .type = IS_OBJECT}, \
	{.name = "RoutingConfig.AdditionalVersionWeights", .type = IS_WEIGHT_MAP, .item_pattern = "[0-9]+", .item_min = 1, \
	 .item_max = 1024}
RULES(rules_create_alias, NAME_IN_PATH, ALIAS_IN(IN_BODY), ALIAS_TARGET(true));
RULES(rules_update_alias, NAME_IN_PATH, ALIAS_IN(IN_PATH), ALIAS_TARGET(false), REVISION);
RULES(rules_alias, NAME_IN_PATH, ALIAS_IN(IN_PATH));
RULES(rules_list_aliases, NAME_IN_PATH,
      {.name = "FunctionVersion", .where = IN_QUERY, .min = 1, .max = 1024, .pattern = VERSION_PATTERN}, PAGE(10000));

RULES(rules_namespaced, NAMESPACED_IN_PATH, QUALIFIER(QUALIFIER_PATTERN, false));
RULES(rules_namespaced_page, NAMESPACED_IN_PATH, PAGE(10000));
RULES(rules_function, NAME_IN_PATH);
RULES(rules_function_page, NAME_IN_PATH, PAGE(50));
RULES(rules_function_url, NAME_IN_PATH, QUALIFIER("((?!^\\d+$)^[0-9a-zA-Z-_]+$)", false));
#define URL_QUALIFIER QUALIFIER("((?!^\\d+$)^[0-9a-zA-Z-_]+$)", false)
#define URL_CONFIG(needed) \
	{.name = "AuthType", .required = needed, .values = "NONE, AWS_IAM"}, \
	{.name = "Cors", .type = IS_OBJECT}, \
	{.name = "Cors.AllowCredentials", .type = IS_BOOL}, \
	{.name = "Cors.AllowHeaders", .type = IS_STRINGS, .min = 0, .max = 100, .item_min = 0, .item_max = 1024, .item_pattern = ".*"}, \
	{.name = "Cors.AllowMethods", .type = IS_STRINGS, .min = 0, .max = 6, .item_min = 0, .item_max = 6, .item_pattern = ".*"}, \
	{.name = "Cors.AllowOrigins", .type = IS_STRINGS, .min = 0, .max = 100, .item_min = 1, .item_max = 253, .item_pattern = ".*"}, \
	{.name = "Cors.ExposeHeaders", .type = IS_STRINGS, .min = 0, .max = 100, .item_min = 0, .item_max = 1024, .item_pattern = ".*"}, \
	{.name = "Cors.MaxAge", .type = IS_INTEGER, .min = 0, .max = 86400}, \
	{.name = "InvokeMode", .values = "BUFFERED, RESPONSE_STREAM"}
RULES(rules_create_url, NAME_IN_PATH, URL_QUALIFIER, URL_CONFIG(true));
RULES(rules_update_url, NAME_IN_PATH, URL_QUALIFIER, URL_CONFIG(false));
RULES(rules_list_functions,
      {.name = "MasterRegion", .where = IN_QUERY, .pattern = "ALL|[a-z]{2}(-gov)?-[a-z]+-\\d{1}"},
      {.name = "FunctionVersion", .where = IN_QUERY, .values = "ALL"}, PAGE(10000));
RULES(rules_put_concurrency, NAME_IN_PATH,
      {.name = "ReservedConcurrentExecutions", .type = IS_INTEGER, .required = true, .min = 0, .max = -1});
RULES(rules_provisioned, NAME_IN_PATH, QUALIFIER("(|[a-zA-Z0-9$_-]+)", true));
RULES(rules_scaling, NAME_IN_PATH, QUALIFIER("(\\$LATEST\\.PUBLISHED|[0-9]+)", true));

#define RESOURCE {.name = "Resource", .where = IN_PATH, .required = true, .min = 1, .max = 256, .pattern = TAGGABLE_PATTERN}
RULES(rules_tags, RESOURCE);
RULES(rules_tag, RESOURCE, {.name = "Tags", .type = IS_STRING_MAP, .required = true});
RULES(rules_untag, RESOURCE, {.name = "tagKeys", .where = IN_QUERY, .required = true});

#define MAPPING_SETTINGS \
	{.name = "Enabled", .type = IS_BOOL}, \
	{.name = "BatchSize", .type = IS_INTEGER, .min = 1, .max = 10000}, \
	{.name = "FilterCriteria", .type = IS_OBJECT}, \
	{.name = "FilterCriteria.Filters", .type = IS_LIST}, \
	{.name = "FilterCriteria.Filters[].Pattern", .min = 0, .max = 4096}, \
	{.name = "MaximumBatchingWindowInSeconds", .type = IS_INTEGER, .min = 0, .max = 300}, \
	{.name = "ParallelizationFactor", .type = IS_INTEGER, .min = 1, .max = 10}, \
	{.name = "StartingPosition", .values = "TRIM_HORIZON, LATEST, AT_TIMESTAMP"}, \
	{.name = "StartingPositionTimestamp", .type = IS_TIMESTAMP}, \
	{.name = "DestinationConfig", .type = IS_OBJECT}, DESTINATION("OnSuccess"), DESTINATION("OnFailure"), \
	{.name = "MaximumRecordAgeInSeconds", .type = IS_INTEGER, .min = -1, .max = 604800}, \
	{.name = "BisectBatchOnFunctionError", .type = IS_BOOL}, \
	{.name = "MaximumRetryAttempts", .type = IS_INTEGER, .min = -1, .max = 10000}, \
	{.name = "TumblingWindowInSeconds", .type = IS_INTEGER, .min = 0, .max = 900}, OTHER_SOURCES, \
	{.name = "FunctionResponseTypes", .type = IS_STRINGS, .min = 0, .max = 1, .item_values = "ReportBatchItemFailures"}, \
	{.name = "ScalingConfig", .type = IS_OBJECT}, \
	{.name = "ScalingConfig.MaximumConcurrency", .type = IS_INTEGER, .min = 2, .max = 1000}, \
	{.name = "KMSKeyArn", .shown = "kMSKeyArn", .pattern = ARN_PATTERN}, \
	{.name = "MetricsConfig", .type = IS_OBJECT}, \
	{.name = "MetricsConfig.Metrics", .type = IS_STRINGS, .min = 0, .max = 3, .item_values = "EventCount, ErrorCount, KafkaMetrics"}, \
	{.name = "ProvisionedPollerConfig", .type = IS_OBJECT}, \
	{.name = "ProvisionedPollerConfig.MinimumPollers", .type = IS_INTEGER, .min = 1, .max = 200}, \
	{.name = "ProvisionedPollerConfig.MaximumPollers", .type = IS_INTEGER, .min = 1, .max = 2000}, \
	{.name = "ProvisionedPollerConfig.PollerGroupName", .min = 0, .max = 128, .pattern = "[a-zA-Z0-9-_]*"}
RULES(rules_create_mapping,
      {.name = "EventSourceArn", .pattern = SOURCE_PATTERN},
      FUNCTION_NAME(IN_BODY, 256, NAMESPACED_PATTERN),
      MAPPING_SETTINGS,
      {.name = "Tags", .type = IS_STRING_MAP});
RULES(rules_update_mapping, {.name = "FunctionName", .min = 1, .max = 256, .pattern = NAMESPACED_PATTERN}, MAPPING_SETTINGS);
RULES(rules_mappings, {.name = "EventSourceArn", .where = IN_QUERY, .pattern = SOURCE_PATTERN},
      {.name = "FunctionName", .where = IN_QUERY, .min = 1, .max = 256, .pattern = NAMESPACED_PATTERN},
      PAGE(10000));
#define STATEMENT_ID(in, match) {.name = "StatementId", .where = in, .required = true, .min = 1, .max = 100, .pattern = match}
RULES(rules_add_permission, NAMESPACED_IN_PATH, STATEMENT_ID(IN_BODY, "([a-zA-Z0-9-_]+)"),
      {.name = "Action", .required = true, .pattern = "(lambda:[*]|lambda:[a-zA-Z]+|[*])"},
      {.name = "Principal", .required = true, .pattern = "[^\\s]+"},
      {.name = "SourceArn", .pattern = SOURCE_PATTERN},
      {.name = "SourceAccount", .min = 0, .max = 12, .pattern = "\\d{12}"},
      {.name = "EventSourceToken", .min = 0, .max = 256, .pattern = "[a-zA-Z0-9._\\-]+"},
      QUALIFIER(QUALIFIER_PATTERN, false), REVISION,
      {.name = "PrincipalOrgID", .min = 12, .max = 34, .pattern = "o-[a-z0-9]{10,32}"},
      {.name = "FunctionUrlAuthType", .values = "NONE, AWS_IAM"},
      {.name = "InvokedViaFunctionUrl", .type = IS_BOOL});
RULES(rules_remove_permission, NAMESPACED_IN_PATH, STATEMENT_ID(IN_PATH, "([a-zA-Z0-9-_.]+)"), QUALIFIER(QUALIFIER_PATTERN, false));
RULES(rules_put_recursion, NAME_IN_PATH, {.name = "RecursiveLoop", .required = true, .values = "Terminate, Allow"});

RULES(rules_event_invoke, NAMESPACED_IN_PATH, QUALIFIER(QUALIFIER_PATTERN, false),
      {.name = "MaximumRetryAttempts", .type = IS_INTEGER, .min = 0, .max = 2},
      {.name = "MaximumEventAgeInSeconds", .type = IS_INTEGER, .min = 60, .max = 21600},
      {.name = "DestinationConfig", .type = IS_OBJECT}, DESTINATION("OnSuccess"), DESTINATION("OnFailure"));
RULES(rules_event_invoke_list, NAMESPACED_IN_PATH, PAGE(50));

/* Every name that ever was one, unlike the list for functions. */
#define RUNTIMES_OF_LAYERS \
	"ruby3.5, ruby2.6, dotnetcore1.0, python3.7, nodejs8.10, nasa, ruby2.7, python2.7-greengrass, " \
	"dotnetcore2.0, python3.8, java21, dotnet6, dotnetcore2.1, python3.9, java11, nodejs6.10, provided, " \
	"dotnetcore3.1, dotnet8, java25, java17, nodejs, nodejs4.3, java8.al2, go1.x, dotnet10, nodejs20.x, " \
	"go1.9, byol, nodejs10.x, provided.al2023, nodejs22.x, python3.10, java8, nodejs12.x, python3.11, " \
	"nodejs24.x, nodejs8.x, python3.12, nodejs14.x, nodejs8.9, nodejs26.x, python3.13, python3.14, " \
	"nodejs16.x, python3.15, provided.al2, nodejs4.3-edge, nodejs18.x, ruby3.2, python3.4, ruby3.3, " \
	"ruby3.4, ruby2.5, python3.6, python2.7"
#define LAYER_FILTERS \
	{.name = "CompatibleRuntime", .where = IN_QUERY, .values = RUNTIMES_OF_LAYERS}, PAGE(50), \
	{.name = "CompatibleArchitecture", .where = IN_QUERY, .values = "x86_64, arm64"}
RULES(rules_layers, LAYER_FILTERS);
#define LAYER_IN_PATH {.name = "LayerName", .where = IN_PATH, .required = true, .min = 1, .max = 140, .pattern = LAYER_NAME_PATTERN}
#define LAYER_VERSION_IN_PATH LAYER_IN_PATH, {.name = "VersionNumber", .where = IN_PATH, .type = IS_INTEGER, .required = true}
#define LAYER_REVISION {.name = "RevisionId", .where = IN_QUERY}
RULES(rules_layer_versions, LAYER_IN_PATH, LAYER_FILTERS);
RULES(rules_publish_layer, LAYER_IN_PATH, DESCRIPTION,
      {.name = "Content", .type = IS_OBJECT, .required = true},
      {.name = "Content.S3Bucket", .min = 3, .max = 63, .pattern = "[0-9A-Za-z\\.\\-_]*(?<!\\.)"},
      {.name = "Content.S3Key", .min = 1, .max = 1024},
      {.name = "Content.S3ObjectVersion", .min = 1, .max = 1024},
      {.name = "CompatibleRuntimes", .type = IS_STRINGS, .min = 0, .max = 15, .item_values = RUNTIMES_OF_LAYERS, .item_shown = RUNTIMES_SHOWN},
      {.name = "LicenseInfo", .min = 0, .max = 512},
      {.name = "CompatibleArchitectures", .type = IS_STRINGS, .min = 0, .max = 2, .item_values = "x86_64, arm64"});
RULES(rules_layer_version, LAYER_VERSION_IN_PATH);
RULES(rules_layer_by_arn, {.name = "Arn", .where = IN_QUERY, .required = true, .min = 1, .max = 140, .pattern = LAYER_PATTERN});
RULES(rules_add_layer_permission, LAYER_VERSION_IN_PATH, STATEMENT_ID(IN_BODY, "([a-zA-Z0-9-_]+)"),
      {.name = "Action", .required = true, .min = 0, .max = 22, .pattern = "lambda:GetLayerVersion"},
      {.name = "Principal", .required = true, .pattern = "\\d{12}|\\*|arn:(aws[a-zA-Z-]*):iam::\\d{12}:root"},
      {.name = "OrganizationId", .min = 0, .max = 34, .pattern = "o-[a-z0-9]{10,32}"}, LAYER_REVISION);
RULES(rules_remove_layer_permission, LAYER_VERSION_IN_PATH, STATEMENT_ID(IN_PATH, "([a-zA-Z0-9-_]+)"), LAYER_REVISION);
RULES(rules_page, PAGE(10000));
#define EXECUTION_NAME \
	{.name = "X-Amz-Durable-Execution-Name", .shown = "durableExecutionName", .where = IN_HEADER, .min = 1, .max = 64, \
	 .pattern = "[a-zA-Z0-9-_]+"}
#define TENANT \
	{.name = "X-Amz-Tenant-Id", .shown = "tenantId", .where = IN_HEADER, .min = 1, .max = 256, \
	 .pattern = "[a-zA-Z0-9\\._:\\/=+\\-@ ]+"}
RULES(rules_invoke, NAMESPACED_IN_PATH,
      {.name = "X-Amz-Invocation-Type", .shown = "invocationType", .where = IN_HEADER,
       .values = "RequestResponse, Event, DryRun"},
      {.name = "X-Amz-Log-Type", .shown = "logType", .where = IN_HEADER, .values = "None, Tail"}, EXECUTION_NAME,
      QUALIFIER(QUALIFIER_PATTERN, false), TENANT);
RULES(rules_invoke_stream, NAMESPACED_IN_PATH,
      {.name = "X-Amz-Invocation-Type", .shown = "invocationType", .where = IN_HEADER, .values = "RequestResponse, DryRun"},
      {.name = "X-Amz-Log-Type", .shown = "logType", .where = IN_HEADER, .values = "None, Tail"},
      QUALIFIER(QUALIFIER_PATTERN, false), TENANT);
