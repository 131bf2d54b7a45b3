/* Resource-based policies: who may do what. */
#include "core/base/check.h"
#include "core/policy/policy.h"
#include "tests/unit/test.h"

#define FUNCTION "arn:aws:lambda:us-east-1:111122223333:function:f"
#define RULE "arn:aws:events:us-east-1:111122223333:rule/tick"
#define STATEMENT(rest) "{\"Version\":\"2012-10-17\",\"Statement\":[{" rest "}]}"
#define SERVICE "\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"events.amazonaws.com\"},\"Action\":\"lambda:InvokeFunction\",\"Resource\":\"" FUNCTION "\""
#define WITH(condition) STATEMENT(SERVICE ",\"Condition\":{" condition "}")
#define WHO(principal) STATEMENT("\"Effect\":\"Allow\",\"Principal\":" principal ",\"Action\":\"lambda:InvokeFunction\",\"Resource\":\"*\"")

/* As Lambda asks for a service that invokes. */
static enum policy_answer ask_service(const char *text, const char *service, const char *action, const char *resource, const char *arn, const char *account)
{
	struct error err = {0};
	struct policy *p = policy_compile(str_from(text), &err);
	struct policy_context context[] = {{"aws:SourceArn", str_from(arn)}, {"aws:SourceAccount", str_from(account)}};
	struct policy_question q = {.service = str_from(service), .action = str_from(action), .resource = str_from(resource), .context = context, .context_count = 2};
	if (!p)
		printf("%s: %s\n", text, err.msg);
	enum policy_answer answer = p ? policy_ask(p, &q) : POLICY_SILENT;
	policy_free(p);
	return answer;
}

static enum policy_answer ask(const char *text)
{
	return ask_service(text, "events.amazonaws.com", "lambda:InvokeFunction", FUNCTION, RULE, "111122223333");
}

static enum policy_answer ask_identity(const char *text, const char *arn, const char *account)
{
	struct policy *p = policy_compile(str_from(text), NULL);
	struct policy_question q = {.principal = str_from(arn), .account = str_from(account), .action = STR("lambda:InvokeFunction"), .resource = STR(FUNCTION)};
	enum policy_answer answer = p ? policy_ask(p, &q) : POLICY_DENY;
	policy_free(p);
	return answer;
}

TEST(services)
{
	const char *text = STATEMENT("\"Sid\":\"s\"," SERVICE);
	CHECK_INT(ask(text), POLICY_ALLOW);
	CHECK_INT(ask_service(text, "sns.amazonaws.com", "lambda:InvokeFunction", FUNCTION, RULE, NULL), POLICY_SILENT);
	CHECK_INT(ask_service(text, "events.amazonaws.com", "lambda:GetFunction", FUNCTION, RULE, NULL), POLICY_SILENT);
	CHECK_INT(ask_service(text, "events.amazonaws.com", "LAMBDA:invokefunction", FUNCTION, RULE, NULL), POLICY_ALLOW);
	CHECK_INT(ask_service(text, "events.amazonaws.com", "lambda:InvokeFunction", FUNCTION ":1", RULE, NULL), POLICY_SILENT);
	CHECK_INT(ask_identity(text, "arn:aws:iam::111122223333:user/a", "111122223333"), POLICY_SILENT);
	CHECK_INT(policy_ask(NULL, &(struct policy_question){.service = STR("x")}), POLICY_SILENT);
}

TEST(source_arn_and_account)
{
	CHECK_INT(ask(WITH("\"ArnLike\":{\"AWS:SourceArn\":\"" RULE "\"}")), POLICY_ALLOW);
	CHECK_INT(ask(WITH("\"ArnLike\":{\"aws:SourceArn\":\"arn:aws:events:*:111122223333:rule/*\"}")), POLICY_ALLOW);
	CHECK_INT(ask(WITH("\"ArnLike\":{\"aws:SourceArn\":\"arn:aws:events:us-east-1:*:rule/t?ck\"}")), POLICY_ALLOW);
	CHECK_INT(ask(WITH("\"ArnLike\":{\"aws:SourceArn\":\"arn:aws:events:us-east-1:444455556666:rule/*\"}")), POLICY_SILENT);
	CHECK_INT(ask(WITH("\"ArnLike\":{\"aws:SourceArn\":\"arn:aws:events:*:rule/*\"}")), POLICY_SILENT); /* a star stays in its part */
	CHECK_INT(ask(WITH("\"ArnLike\":{\"aws:SourceArn\":\"*\"}")), POLICY_ALLOW);
	CHECK_INT(ask(WITH("\"ArnEquals\":{\"aws:SourceArn\":[\"x\",\"arn:aws:events:us-east-1:111122223333:rule/t*\"]}")), POLICY_ALLOW);
	CHECK_INT(ask(WITH("\"ArnNotLike\":{\"aws:SourceArn\":\"" RULE "\"}")), POLICY_SILENT);
	CHECK_INT(ask(WITH("\"ArnNotEquals\":{\"aws:SourceArn\":\"arn:aws:events:us-east-1:1:rule/x\"}")), POLICY_ALLOW);
	CHECK_INT(ask(WITH("\"StringEquals\":{\"aws:SourceAccount\":\"111122223333\"},\"ArnLike\":{\"aws:SourceArn\":\"" RULE "\"}")), POLICY_ALLOW);
	CHECK_INT(ask(WITH("\"StringEquals\":{\"aws:SourceAccount\":\"1\"},\"ArnLike\":{\"aws:SourceArn\":\"" RULE "\"}")), POLICY_SILENT);
	const char *text = WITH("\"StringEquals\":{\"aws:SourceAccount\":\"111122223333\"}");
	CHECK_INT(ask_service(text, "events.amazonaws.com", "lambda:InvokeFunction", FUNCTION, RULE, NULL), POLICY_SILENT); /* not known */
}

TEST(operators)
{
	static const struct {
		const char *condition;
		bool holds;
	} rows[] = {
		{"\"StringEquals\":{\"k\":\"Value\"}", true}, {"\"StringEquals\":{\"K\":\"Value\"}", true}, {"\"StringEquals\":{\"k\":\"value\"}", false},
		{"\"StringEquals\":{\"k\":[\"x\",\"Value\"]}", true}, {"\"StringEquals\":{\"none\":\"x\"}", false},
		{"\"StringEqualsIfExists\":{\"none\":\"x\"}", true}, {"\"StringEqualsIfExists\":{\"k\":\"x\"}", false},
		{"\"StringNotEquals\":{\"k\":\"Value\"}", false}, {"\"StringNotEquals\":{\"k\":[\"x\",\"Value\"]}", false}, {"\"StringNotEquals\":{\"k\":\"x\"}", true},
		{"\"StringNotEquals\":{\"none\":\"x\"}", true}, {"\"StringEqualsIgnoreCase\":{\"k\":\"vALUE\"}", true},
		{"\"StringNotEqualsIgnoreCase\":{\"k\":\"vALUE\"}", false}, {"\"StringLike\":{\"k\":\"V*e\"}", true}, {"\"StringLike\":{\"k\":\"V?e\"}", false},
		{"\"StringNotLike\":{\"k\":\"V*\"}", false}, {"\"StringNotLikeIfExists\":{\"none\":\"V*\"}", true},
		{"\"Bool\":{\"yes\":true}", true}, {"\"Bool\":{\"yes\":\"TRUE\"}", true}, {"\"Bool\":{\"yes\":\"false\"}", false}, {"\"Bool\":{\"none\":\"false\"}", false},
		{"\"Null\":{\"none\":\"true\"}", true}, {"\"Null\":{\"k\":\"true\"}", false}, {"\"Null\":{\"k\":false}", true}, {"\"Null\":{\"none\":\"false\"}", false},
		{"\"NumericEquals\":{\"n\":5.0}", true}, {"\"NumericNotEquals\":{\"n\":\"5\"}", false}, {"\"NumericLessThan\":{\"n\":\"5\"}", false},
		{"\"NumericLessThanEquals\":{\"n\":\"5\"}", true}, {"\"NumericGreaterThan\":{\"n\":4}", true}, {"\"NumericGreaterThanEquals\":{\"n\":6}", false},
		{"\"NumericLessThan\":{\"k\":5}", false}, {"\"NumericLessThanEquals\":{\"k\":5}", false}, {"\"NumericGreaterThanEquals\":{\"k\":5}", false},
		{"\"IpAddress\":{\"ip\":\"10.1.0.0/16\"}", true}, {"\"IpAddress\":{\"ip\":\"10.1.2.3\"}", true}, {"\"IpAddress\":{\"ip\":\"10.1.2.0/31\"}", false},
		{"\"IpAddress\":{\"ip\":[\"::/0\",\"10.0.0.0/9\"]}", true}, {"\"IpAddress\":{\"ip\":\"::/0\"}", false}, {"\"IpAddress\":{\"ip\":\"0.0.0.0/0\"}", true},
		{"\"NotIpAddress\":{\"ip\":\"10.1.0.0/16\"}", false}, {"\"NotIpAddress\":{\"ip\":\"10.2.0.0/16\"}", true},
		/* several values: "many" is a and b */
		{"\"ForAnyValue:StringEquals\":{\"many\":[\"b\",\"c\"]}", true}, {"\"ForAnyValue:StringEquals\":{\"many\":[\"c\"]}", false},
		{"\"ForAnyValue:StringEquals\":{\"none\":[\"c\"]}", false}, {"\"ForAllValues:StringEquals\":{\"many\":[\"a\",\"b\",\"c\"]}", true},
		{"\"ForAllValues:StringEquals\":{\"many\":[\"a\"]}", false}, {"\"ForAllValues:StringEquals\":{\"none\":[\"a\"]}", true},
		{"\"ForAnyValue:StringNotEquals\":{\"many\":[\"a\"]}", true}, {"\"ForAllValues:StringNotEquals\":{\"many\":[\"a\"]}", false},
		{"\"ForAllValues:StringNotLike\":{\"many\":[\"c*\"]}", true}, {"\"ForAnyValue:StringNotEquals\":{\"none\":[\"a\"]}", false},
		/* all keys and all operators must hold */
		{"\"StringEquals\":{\"k\":\"Value\",\"n\":\"5\"}", true}, {"\"StringEquals\":{\"k\":\"Value\",\"n\":\"6\"}", false},
		{"\"StringEquals\":{\"k\":\"Value\"},\"NumericEquals\":{\"n\":6}", false},
	};
	struct policy_context context[] = {{"k", STR("Value")}, {"yes", STR("true")}, {"n", STR("5")}, {"ip", STR("10.1.2.3")}, {"many", STR("a")}, {"MANY", STR("b")},
	                                   {"none", STR_NULL}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[1024];
		struct error err = {0};
		snprintf(text, sizeof text, STATEMENT(SERVICE ",\"Condition\":{%s}"), rows[i].condition);
		struct policy *p = policy_compile(str_from(text), &err);
		struct policy_question q = {.service = STR("events.amazonaws.com"), .action = STR("lambda:InvokeFunction"), .resource = STR(FUNCTION),
		                            .context = context, .context_count = ARRAY_LEN(context)};
		if (!p || (policy_ask(p, &q) == POLICY_ALLOW) != rows[i].holds) {
			printf("%s: %s\n", rows[i].condition, p ? "the other answer" : err.msg);
			*failed_ = 1;
		}
		policy_free(p);
	}
}

TEST(principals)
{
	const char *user = "arn:aws:iam::111122223333:user/a", *session = "arn:aws:sts::111122223333:assumed-role/r/s", *account = "111122223333";
	CHECK_INT(ask_identity(WHO("\"*\""), user, account), POLICY_ALLOW);
	CHECK_INT(ask_identity(WHO("{\"AWS\":\"*\"}"), user, account), POLICY_ALLOW);
	CHECK_INT(ask(WHO("\"*\"")), POLICY_ALLOW);
	CHECK_INT(ask_identity(WHO("{\"AWS\":\"111122223333\"}"), user, account), POLICY_ALLOW);
	CHECK_INT(ask_identity(WHO("{\"AWS\":\"arn:aws:iam::111122223333:root\"}"), user, account), POLICY_ALLOW);
	CHECK_INT(ask_identity(WHO("{\"AWS\":[\"444455556666\",\"arn:aws:iam::444455556666:root\"]}"), user, account), POLICY_SILENT);
	CHECK_INT(ask_identity(WHO("{\"AWS\":\"arn:aws:iam::111122223333:user/a\"}"), user, account), POLICY_ALLOW);
	CHECK_INT(ask_identity(WHO("{\"AWS\":\"arn:aws:iam::111122223333:user/*\"}"), user, account), POLICY_SILENT);
	CHECK_INT(ask_identity(WHO("{\"AWS\":\"arn:aws:iam::111122223333:role/r\"}"), session, account), POLICY_ALLOW);
	CHECK_INT(ask_identity(WHO("{\"AWS\":\"arn:aws:iam::111122223333:role/p/q/r\"}"), session, account), POLICY_ALLOW);
	CHECK_INT(ask_identity(WHO("{\"AWS\":\"arn:aws:iam::111122223333:role/rr\"}"), session, account), POLICY_SILENT);
	CHECK_INT(ask_identity(WHO("{\"AWS\":\"arn:aws:iam::444455556666:role/r\"}"), session, account), POLICY_SILENT);
	CHECK_INT(ask_identity(WHO("{\"AWS\":\"arn:aws:sts::111122223333:assumed-role/r/s\"}"), session, account), POLICY_ALLOW);
	CHECK_INT(ask_identity(WHO("{\"AWS\":\"111122223333\"}"), user, NULL), POLICY_SILENT);
	CHECK_INT(ask_identity(WHO("{\"AWS\":\"111122223333\",\"Service\":\"x.amazonaws.com\"}"), user, account), POLICY_ALLOW);
	const char *others = STATEMENT("\"Effect\":\"Deny\",\"NotPrincipal\":{\"AWS\":\"111122223333\"},\"Action\":\"*\",\"Resource\":\"*\"");
	CHECK_INT(ask_identity(others, user, account), POLICY_SILENT);
	CHECK_INT(ask_identity(others, user, "444455556666"), POLICY_DENY);
}

TEST(statements_together)
{
	const char *both = "{\"Version\":\"2012-10-17\",\"Id\":\"default\",\"Statement\":[{" SERVICE "},{\"Effect\":\"Deny\",\"Principal\":\"*\",\"Action\":[\"lambda:Get*\",\"lambda:Invoke*\"],"
	                   "\"Resource\":\"arn:aws:lambda:*:*:function:?\",\"Condition\":{\"ArnLike\":{\"aws:SourceArn\":\"arn:aws:events:*:*:rule/tick\"}}}]}";
	CHECK_INT(ask(both), POLICY_DENY);
	CHECK_INT(ask_service(both, "events.amazonaws.com", "lambda:InvokeFunction", FUNCTION, "arn:aws:events:us-east-1:1:rule/tock", NULL), POLICY_ALLOW);
	CHECK_INT(ask(STATEMENT("\"Effect\":\"Allow\",\"Principal\":\"*\",\"NotAction\":\"lambda:Invoke*\"")), POLICY_SILENT);
	CHECK_INT(ask(STATEMENT("\"Effect\":\"Allow\",\"Principal\":\"*\",\"NotAction\":\"sqs:*\"")), POLICY_ALLOW);
	CHECK_INT(ask(STATEMENT("\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"*\",\"NotResource\":\"" FUNCTION "\"")), POLICY_SILENT);
	CHECK_INT(ask("{\"Statement\":{" SERVICE "}}"), POLICY_ALLOW); /* one statement needs no list, and the version may be left out */
	CHECK_INT(ask("{\"Statement\":[]}"), POLICY_SILENT);
}

TEST(refused)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{"", "Syntax errors in policy"},
		{"[]", "Syntax errors in policy"},
		{"{\"Statement\":", "Syntax errors in policy"},
		{"{}", "Missing required field Statement"},
		{"{\"Version\":\"2020-01-01\",\"Statement\":[]}", "The policy must contain a valid version string"},
		{"{\"Statement\":[],\"X\":1}", "Syntax errors in policy."},
		{"{\"Statement\":[1]}", "Syntax errors in policy."},
		{STATEMENT("\"Effect\":\"allow\",\"Principal\":\"*\",\"Action\":\"*\""), "Invalid effect: allow"},
		{STATEMENT("\"Principal\":\"*\",\"Action\":\"*\""), "Missing required field Effect"},
		{STATEMENT("\"Effect\":\"Allow\",\"Action\":\"*\""), "Missing required field Principal"},
		{STATEMENT("\"Effect\":\"Allow\",\"Principal\":\"*\""), "Missing required field Action"},
		{STATEMENT("\"Effect\":\"Allow\",\"Principal\":\"x\",\"Action\":\"*\""), "Invalid principal in policy."},
		{STATEMENT("\"Effect\":\"Allow\",\"Principal\":{\"X\":\"y\"},\"Action\":\"*\""), "Invalid principal in policy."},
		{STATEMENT("\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":[]"), "Syntax errors in policy."},
		{STATEMENT("\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"*\",\"NotAction\":\"x\""), "Syntax errors in policy."},
		{STATEMENT("\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":null"), "Syntax errors in policy."},
		{STATEMENT("\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"*\",\"Foo\":1"), "Syntax errors in policy."},
		{WITH("\"StringEqual\":{\"k\":\"v\"}"), "Invalid Condition type : StringEqual."},
		{WITH("\"NullIfExists\":{\"k\":\"true\"}"), "Invalid Condition type : NullIfExists."},
		{WITH("\"ForAnyValue:ForAnyValue:StringEquals\":{\"k\":\"v\"}"), "Invalid Condition type : ForAnyValue:ForAnyValue:StringEquals."},
		{WITH("\"StringEquals\":\"k\""), "Syntax errors in policy."},
		{WITH("\"IpAddress\":{\"k\":\"10.0.0.0/33\"}"), "Invalid value in Condition IpAddress of key k."},
		{WITH("\"Bool\":{\"k\":\"maybe\"}"), "Invalid value in Condition Bool of key k."},
		{"{\"Statement\":[{\"Sid\":\"a\"," SERVICE "},{\"Sid\":\"a\"," SERVICE "}]}", "Statement IDs (SID) in a single policy must be unique."},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct error err = {0};
		struct policy *p = policy_compile(str_from(rows[i].text), &err);
		if (p || err.code != ERR_INVALID || strncmp(err.msg, rows[i].why, strlen(rows[i].why)) != 0) {
			printf("%s: %s\n", rows[i].text, p ? "taken" : err.msg);
			*failed_ = 1;
		}
		policy_free(p);
	}
}

TEST(wildcards)
{
	CHECK(policy_like(STR("*"), STR("")));
	CHECK(policy_like(STR(""), STR("")));
	CHECK(!policy_like(STR(""), STR("x")));
	CHECK(!policy_like(STR("?"), STR("")));
	CHECK(policy_like(STR("a*b*c"), STR("aXbYbZc")));
	CHECK(!policy_like(STR("a*b*c"), STR("aXbYbZ")));
	CHECK(policy_like(STR("**a?"), STR("xxa\xC3\xA9"))); /* one character, two bytes */
	CHECK(!policy_like(STR("a"), STR("A")));
	CHECK(policy_like(STR("*aab"), STR("aaaab")));
}

TESTS(T(services), T(source_arn_and_account), T(operators), T(principals), T(statements_together), T(refused), T(wildcards))
