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

#endif
