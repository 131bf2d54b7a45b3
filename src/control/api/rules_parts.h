/* Private to rules.c and rules_more.c: what many operations' rows have in common. */
#ifndef MAYFLY_API_RULES_PARTS_H
#define MAYFLY_API_RULES_PARTS_H

#include "control/api/rules.h"

/* Source: botocore's model of 2015-03-31, with the patterns as AWS's errors show them. */
#define REGION "((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?"
#define NAME_PATTERN "(arn:(aws[a-zA-Z-]*)?:lambda:)?" REGION "(\\d{12}:)?(function:)?([a-zA-Z0-9-_]+)" \
	"(:(\\$LATEST|[a-zA-Z0-9-_]+))?"
#define NAMESPACED_PATTERN "(arn:(aws[a-zA-Z-]*)?:lambda:)?" REGION "(\\d{12}:)?(function:)?([a-zA-Z0-9-_\\.]+)" \
	"(:(\\$LATEST(\\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
#define TAGGABLE_PATTERN "arn:(aws[a-zA-Z-]*):lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:\\d{12}:" \
	"(function:[a-zA-Z0-9-_]+(:(\\$LATEST|[a-zA-Z0-9-_]+))?|layer:([a-zA-Z0-9-_]+)|code-signing-config:csc-[a-z0-9]{17}|" \
	"event-source-mapping:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|" \
	"capacity-provider:[a-zA-Z0-9-_]+)"
#define LAYER_PATTERN "(arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:\\d{12}:layer:" \
	"[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+)"
#define LAYER_NAME_PATTERN "(arn:[a-zA-Z0-9-]+:lambda:[a-zA-Z0-9-]+:\\d{12}:layer:[a-zA-Z0-9-_]+)|[a-zA-Z0-9-_]+"
#define ALIAS_PATTERN "(?!^[0-9]+$)([a-zA-Z0-9-_]+)"
#define VERSION_PATTERN "(\\$LATEST(\\.PUBLISHED)?|[0-9]+)"
#define QUALIFIER_PATTERN "\\$(LATEST(\\.PUBLISHED)?)|[a-zA-Z0-9-_$]+"
#define ARN_PATTERN "(arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()"

#define RULES(name, ...) \
	static const struct api_rule name##_rows[] = {__VA_ARGS__}; \
	const struct api_rules name = {name##_rows, ARRAY_LEN(name##_rows)}

#define FUNCTION_NAME(in, most, match) \
	{.name = "FunctionName", .where = in, .required = true, .min = 1, .max = most, .pattern = match}
#define NAME_IN_PATH FUNCTION_NAME(IN_PATH, 140, NAME_PATTERN)
#define NAMESPACED_IN_PATH FUNCTION_NAME(IN_PATH, 256, NAMESPACED_PATTERN)
#define QUALIFIER(match, needed) \
	{.name = "Qualifier", .where = IN_QUERY, .min = 1, .max = 128, .pattern = match, .required = needed}
#define PAGE(most) \
	{.name = "Marker", .where = IN_QUERY}, \
	{.name = "MaxItems", .where = IN_QUERY, .type = IS_INTEGER, .min = 1, .max = most}
#define UNQUALIFIED_PATTERN "(arn:(aws[a-zA-Z-]*)?:lambda:)?" REGION "(\\d{12}:)?(function:)?([a-zA-Z0-9-_]+)"
#define SIGNING_ARN_PATTERN \
	"arn:(aws[a-zA-Z-]*)?:lambda:[a-z]{2}((-gov)|(-iso(b?)))?-[a-z]+-\\d{1}:\\d{12}:code-signing-config:csc-[a-z0-9]{17}"
#define SOURCE_PATTERN "arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\\-])+:([a-z]{2}(-gov)?-[a-z]+-\\d{1})?:(\\d{12})?:(.*)"
#define DESCRIPTION {.name = "Description", .min = 0, .max = 256}

#define DESTINATION_PATTERN "$|kafka://([^.]([a-zA-Z0-9\\-_.]{0,248}))|arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\\-])+:((eusc-)?[a-z]{2}((-gov)|" \
	"(-iso([a-z]?)))?-[a-z]+-\\d{1})?:(\\d{12})?:(.*)"
#define DESTINATION(which) \
	{.name = "DestinationConfig." which, .type = IS_OBJECT}, \
	{.name = "DestinationConfig." which ".Destination", .min = 0, .max = 350, .pattern = DESTINATION_PATTERN}

/* Members that name what is not offered, or only kept. */
#define ARN_PATTERN "(arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()"
#define FILE_SYSTEMS \
	{.name = "FileSystemConfigs", .type = IS_LIST, .min = 0, .max = 1}, \
	{.name = "FileSystemConfigs[].Arn", .required = true, .min = 0, .max = 256, \
	 .pattern = "arn:aws[a-zA-Z-]*:elasticfilesystem:[a-z]{2}((-gov)|(-iso(b?)))?-[a-z]+-\\d{1}:\\d{12}:access-point/fsap-[a-f0-9]{17}$|^arn:aws[-a-z]*:s3files:[0-9a-z-:]+:file-system/fs-[0-9a-f]{17,40}/access-point/fsap-[0-9a-f]{17,40}"}, \
	{.name = "FileSystemConfigs[].LocalMountPath", .required = true, .min = 0, .max = 160, .pattern = "/mnt/[a-zA-Z0-9-_.]+"}, \
	{.name = "ImageConfig", .type = IS_OBJECT}, \
	{.name = "ImageConfig.EntryPoint", .type = IS_STRINGS, .min = 0, .max = 1500}, \
	{.name = "ImageConfig.Command", .type = IS_STRINGS, .min = 0, .max = 1500}, \
	{.name = "ImageConfig.WorkingDirectory", .min = 0, .max = 1000}
#define CAPACITY \
	{.name = "CapacityProviderConfig", .type = IS_OBJECT}, \
	{.name = "CapacityProviderConfig.LambdaManagedInstancesCapacityProviderConfig", .type = IS_OBJECT, .required = true}, \
	{.name = "CapacityProviderConfig.LambdaManagedInstancesCapacityProviderConfig.CapacityProviderArn", .required = true, \
	 .min = 1, .max = 140, \
	 .pattern = "arn:aws[a-zA-Z-]*:lambda:[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:\\d{12}:capacity-provider:[a-zA-Z0-9-_]+"}, \
	{.name = "CapacityProviderConfig.LambdaManagedInstancesCapacityProviderConfig.PerExecutionEnvironmentMaxConcurrency", \
	 .type = IS_INTEGER, .min = 1, .max = 1600}, \
	{.name = "CapacityProviderConfig.LambdaManagedInstancesCapacityProviderConfig.ExecutionEnvironmentMemoryGiBPerVCpu", \
	 .type = IS_DOUBLE, .min = 2.0, .max = 8.0}, \
	{.name = "PublishTo", .values = "LATEST_PUBLISHED"}, \
	{.name = "DurableConfig", .type = IS_OBJECT}, \
	{.name = "DurableConfig.RetentionPeriodInDays", .type = IS_INTEGER, .min = 1, .max = 90}, \
	{.name = "DurableConfig.ExecutionTimeout", .type = IS_INTEGER, .min = 1, .max = 31622400}
#define KAFKA(which) \
	{.name = which "", .type = IS_OBJECT}, \
	{.name = which ".ConsumerGroupId", .min = 1, .max = 200, .pattern = "[a-zA-Z0-9-\\/*:_+=.@-]*"}, \
	{.name = which ".SchemaRegistryConfig", .type = IS_OBJECT}, \
	{.name = which ".SchemaRegistryConfig.SchemaRegistryURI", .min = 1, .max = 10000, .pattern = "[a-zA-Z0-9-\\/*:_+=.@-]*"}, \
	{.name = which ".SchemaRegistryConfig.EventRecordFormat", .values = "JSON, SOURCE"}, \
	{.name = which ".SchemaRegistryConfig.AccessConfigs", .type = IS_LIST}, \
	{.name = which ".SchemaRegistryConfig.AccessConfigs[].Type", \
	 .values = "BASIC_AUTH, CLIENT_CERTIFICATE_TLS_AUTH, SERVER_ROOT_CA_CERTIFICATE"}, \
	{.name = which ".SchemaRegistryConfig.AccessConfigs[].URI", .pattern = SOURCE_PATTERN}, \
	{.name = which ".SchemaRegistryConfig.SchemaValidationConfigs", .type = IS_LIST}, \
	{.name = which ".SchemaRegistryConfig.SchemaValidationConfigs[].Attribute", .values = "KEY, VALUE"}
#define OTHER_SOURCES \
	{.name = "Topics", .type = IS_STRINGS, .min = 1, .max = 1, .item_min = 1, .item_max = 249, \
	 .item_pattern = "[^.]([a-zA-Z0-9\\-_.]+)"}, \
	{.name = "Queues", .type = IS_STRINGS, .min = 1, .max = 1, .item_min = 1, .item_max = 1000, .item_pattern = "[\\s\\S]*"}, \
	{.name = "SourceAccessConfigurations", .type = IS_LIST, .min = 0, .max = 22}, \
	{.name = "SourceAccessConfigurations[].Type", \
	 .values = "BASIC_AUTH, VPC_SUBNET, VPC_SECURITY_GROUP, SASL_SCRAM_512_AUTH, SASL_SCRAM_256_AUTH, VIRTUAL_HOST, CLIENT_CERTIFICATE_TLS_AUTH, SERVER_ROOT_CA_CERTIFICATE"}, \
	{.name = "SourceAccessConfigurations[].URI", .min = 1, .max = 200, .pattern = "[a-zA-Z0-9-\\/*:_+=.@-]*"}, \
	{.name = "SelfManagedEventSource", .type = IS_OBJECT}, \
	{.name = "SelfManagedEventSource.Endpoints", .type = IS_OBJECT}, \
	KAFKA("AmazonManagedKafkaEventSourceConfig"), \
	KAFKA("SelfManagedKafkaEventSourceConfig"), \
	{.name = "DocumentDBEventSourceConfig", .type = IS_OBJECT}, \
	{.name = "DocumentDBEventSourceConfig.DatabaseName", .min = 1, .max = 63, .pattern = "[^ /\\.$\\x22]*"}, \
	{.name = "DocumentDBEventSourceConfig.CollectionName", .min = 1, .max = 57, \
	 .pattern = "(^(?!(system\\x2e)))(^[_a-zA-Z0-9])([^$]*)"}, \
	{.name = "DocumentDBEventSourceConfig.FullDocument", .values = "UpdateLookup, Default"}, \
	{.name = "LoggingConfig", .type = IS_OBJECT}, \
	{.name = "LoggingConfig.SystemLogLevel", .values = "DEBUG, INFO, WARN"}

#endif
