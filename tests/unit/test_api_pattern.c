#include "control/api/pattern.h"
#include "tests/unit/test.h"

#define NAME "(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?(\\d{12}:)?(function:)?" \
	"([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?"

static bool is(const char *pattern, const char *text)
{
	return pattern_matches(pattern, str_from(text));
}

TEST(function_names)
{
	static const char *const good[] = {"a", "my-fn_1", "fn:$LATEST", "fn:live", "123456789012:function:fn:1",
	                                   "arn:aws:lambda:us-east-1:123456789012:function:fn",
	                                   "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:fn:7"};
	static const char *const bad[] = {"", "a b", "invalid:function:name", "fn:", "fn:$LATES", "a.b",
	                                  "arn:aws:lambda:us-east-1:123400000000@function:myfn"};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		CHECK(is(NAME, good[i]));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		CHECK(!is(NAME, bad[i]));
}

TEST(lookahead_and_anchors)
{
	CHECK(is("[0-9A-Za-z\\.\\-_]*(?<!\\.)", "my.bucket") && !is("[0-9A-Za-z\\.\\-_]*(?<!\\.)", "my.bucket."));
	CHECK(is("[\\x20-\\x7E]+", "a ~") && !is("[\\x20-\\x7E]+", "\x1f") && !is("[\\x20-\\x7E]+", "\x7f"));
	CHECK(is("a\\x2eb", "a.b") && !is("a\\x2eb", "axb"));
	CHECK(is("a(?:\\.B)?|c", "a.B") && is("a(?:\\.B)?|c", "c") && !is("a(?:\\.B)?|c", "a.") && !is("a(?:b)", "a?:b"));
	CHECK(is("(?!^[0-9]+$)([a-zA-Z0-9-_]+)", "v2024") && !is("(?!^[0-9]+$)([a-zA-Z0-9-_]+)", "2024"));
	CHECK(is("((?!^\\d+$)^[0-9a-zA-Z-_]+$)", "1a") && !is("((?!^\\d+$)^[0-9a-zA-Z-_]+$)", "1"));
	CHECK(is("$|kafka://([^.]([a-zA-Z0-9\\-_.]{0,248}))", "") && is("$|kafka://([^.]([a-zA-Z0-9\\-_.]{0,248}))", "kafka://t"));
	CHECK(is("()|x", "") && is("(x|)", ""));
}

TEST(repeats)
{
	CHECK(is("a{2,3}", "aa") && is("a{2,3}", "aaa") && !is("a{2,3}", "a") && !is("a{2,3}", "aaaa"));
	CHECK(is("(ab)+", "ababab") && !is("(ab)+", "aba") && is("(a|b)*c", "abbac"));
	CHECK(is("[^\\s]+", "x.y") && !is("[^\\s]+", "x y") && is("a{2,}", "aaaaa"));
	CHECK(is("(a?)*b", "aaab") && is("(|a)+b", "ab"));
}

TEST(bad_cases_end)
{
	char text[200];
	memset(text, 'a', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	CHECK(!is("((a+)+)+b", text));
}

TESTS(T(function_names), T(lookahead_and_anchors), T(repeats), T(bad_cases_end))
