/* The validator: what it takes, what it refuses and Jackson's words for it, whatever way the input is cut. */
#include "core/json/check.h"

#include <stdlib.h>

#include "tests/unit/test.h"

#define AT(line, column) \
	"\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: " #line ", column: " #column "]"
#define FROM(line, column) \
	"[Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: " #line ", column: " #column "]"
#define VALUES "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"

struct row {
	const char *text;
	enum json_fault fault;
	const char *message;
};

/* First two messages: recorded from AWS. */
static const struct row rows[] = {
	{"{\x87", JSON_FAULT_UTF8_START, "Invalid UTF-8 start byte 0x87" AT(1, 3)},
	{"\x99", JSON_FAULT_CHAR, "Unexpected character ((CTRL-CHAR, code 153)): expected a valid value " VALUES AT(1, 1)},
	{"", JSON_FAULT_EMPTY, "No content to map due to end-of-input" AT(1, 1)},
	{" \n\t", JSON_FAULT_EMPTY, "No content to map due to end-of-input" AT(2, 2)},
	{"hello", JSON_FAULT_TOKEN, "Unrecognized token 'hello': was expecting " VALUES AT(1, 6)},
	{"{\"a\": hello}", JSON_FAULT_TOKEN, "Unrecognized token 'hello': was expecting " VALUES AT(1, 13)},
	{"nul", JSON_FAULT_TOKEN, "Unrecognized token 'nul': was expecting " VALUES AT(1, 4)},
	{"truex ", JSON_FAULT_TOKEN, "Unrecognized token 'truex': was expecting " VALUES AT(1, 7)},
	{"[NaN]", JSON_FAULT_TOKEN, "Non-standard token 'NaN': enable `JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS` to allow" AT(1, 5)},
	{"[-Infinity]", JSON_FAULT_TOKEN,
	 "Non-standard token '-Infinity': enable `JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS` to allow" AT(1, 11)},
	{"{a:1}", JSON_FAULT_CHAR, "Unexpected character ('a' (code 97)): was expecting double-quote to start field name" AT(1, 2)},
	{"{'a':1}", JSON_FAULT_CHAR, "Unexpected character (''' (code 39)): was expecting double-quote to start field name" AT(1, 2)},
	{"{\"a\":1,}", JSON_FAULT_CHAR, "Unexpected character ('}' (code 125)): was expecting double-quote to start field name" AT(1, 8)},
	{"{\xe2\x82\xac", JSON_FAULT_CHAR,
	 "Unexpected character ('\xe2\x82\xac' (code 8364 / 0x20ac)): was expecting double-quote to start field name" AT(1, 4)},
	{"[1,]", JSON_FAULT_CHAR, "Unexpected character (']' (code 93)): expected a value" AT(1, 4)},
	{"[,1]", JSON_FAULT_CHAR, "Unexpected character (',' (code 44)): expected a value" AT(1, 2)},
	{"{\"a\":}", JSON_FAULT_CHAR, "Unexpected character ('}' (code 125)): expected a value" AT(1, 6)},
	{"{\"a\" 1}", JSON_FAULT_CHAR, "Unexpected character ('1' (code 49)): was expecting a colon to separate field name and value" AT(1, 6)},
	{"{\"a\":1 \"b\"}", JSON_FAULT_CHAR, "Unexpected character ('\"' (code 34)): was expecting comma to separate Object entries" AT(1, 8)},
	{"[1 2]", JSON_FAULT_CHAR, "Unexpected character ('2' (code 50)): was expecting comma to separate Array entries" AT(1, 4)},
	{"[1}", JSON_FAULT_CHAR, "Unexpected close marker '}': expected ']' (for Array starting at " FROM(1, 1) ")" AT(1, 3)},
	{"\n {]", JSON_FAULT_CHAR, "Unexpected close marker ']': expected '}' (for Object starting at " FROM(2, 2) ")" AT(2, 3)},
	{"}", JSON_FAULT_CHAR, "Unexpected close marker '}': expected ']' (for root starting at " FROM(1, 0) ")" AT(1, 1)},
	{"{", JSON_FAULT_END, "Unexpected end-of-input: expected close marker for Object (start marker at " FROM(1, 1) ")" AT(1, 2)},
	{"[\r\n [[1],\r\n  [2", JSON_FAULT_END, "Unexpected end-of-input: expected close marker for Array (start marker at " FROM(3, 3) ")" AT(3, 5)},
	{"[[],", JSON_FAULT_END, "Unexpected end-of-input within/between Array entries" AT(1, 5)},
	{"{\"a\":", JSON_FAULT_END, "Unexpected end-of-input within/between Object entries" AT(1, 6)},
	{"{\"a\"", JSON_FAULT_END, "Unexpected end-of-input within/between Object entries" AT(1, 5)},
	{"\"abc", JSON_FAULT_END, "Unexpected end-of-input in VALUE_STRING" AT(1, 5)},
	{"{\"", JSON_FAULT_END, "Unexpected end-of-input: was expecting closing '\"' for name" AT(1, 3)},
	{"{\"ab", JSON_FAULT_END, "Unexpected end-of-input in field name" AT(1, 5)},
	{"\"\\u12", JSON_FAULT_END, "Unexpected end-of-input in character escape sequence" AT(1, 6)},
	{"[1,-", JSON_FAULT_END, "Unexpected end-of-input in VALUE_NUMBER_INT" AT(1, 5)},
	{"{\"a\":1e", JSON_FAULT_END, "Unexpected end-of-input in FIELD_NAME" AT(1, 8)},
	{"\"a\nb\"", JSON_FAULT_CONTROL,
	 "Illegal unquoted character ((CTRL-CHAR, code 10)): has to be escaped using backslash to be included in string value" AT(1, 3)},
	{"{\"a\tb\":1}", JSON_FAULT_CONTROL,
	 "Illegal unquoted character ((CTRL-CHAR, code 9)): has to be escaped using backslash to be included in name" AT(1, 4)},
	{"[\x01]", JSON_FAULT_CONTROL,
	 "Illegal character ((CTRL-CHAR, code 1)): only regular white space (\\r, \\n, \\t) is allowed between tokens" AT(1, 2)},
	{"\"\\x\"", JSON_FAULT_ESCAPE, "Unrecognized character escape 'x' (code 120)" AT(1, 3)},
	{"\"\\u00g0\"", JSON_FAULT_HEX, "Unexpected character ('g' (code 103)): expected a hex-digit for character escape sequence" AT(1, 6)},
	{"\"\xc3(\"", JSON_FAULT_UTF8_MIDDLE, "Invalid UTF-8 middle byte 0x28" AT(1, 4)},
	{"\"\xff\"", JSON_FAULT_UTF8_START, "Invalid UTF-8 start byte 0xff" AT(1, 3)},
	{"\"\xc0\x80\"", JSON_FAULT_UTF8_START, "Invalid UTF-8 start byte 0xc0" AT(1, 3)},
	{"\"\xed\xa0\x80\"", JSON_FAULT_UTF8_MIDDLE, "Invalid UTF-8 middle byte 0xa0" AT(1, 4)},
	{"01", JSON_FAULT_NUMBER, "Invalid numeric value: Leading zeroes not allowed" AT(1, 2)},
	{"-a", JSON_FAULT_NUMBER,
	 "Unexpected character ('a' (code 97)) in numeric value: expected digit (0-9) to follow minus sign, for valid numeric value" AT(1, 2)},
	{"+1", JSON_FAULT_NUMBER,
	 "Unexpected character ('+' (code 43)) in numeric value: JSON spec does not allow numbers to have plus signs: enable "
	 "`JsonReadFeature.ALLOW_LEADING_PLUS_SIGN_FOR_NUMBERS` to allow" AT(1, 2)},
	{"1.", JSON_FAULT_NUMBER, "Unexpected character ('.' (code 46)) in numeric value: Decimal point not followed by a digit" AT(1, 2)},
	{"1.x", JSON_FAULT_NUMBER, "Unexpected character ('x' (code 120)) in numeric value: Decimal point not followed by a digit" AT(1, 3)},
	{"1e+]", JSON_FAULT_NUMBER, "Unexpected character (']' (code 93)) in numeric value: Exponent indicator not followed by a digit" AT(1, 4)},
	{".5", JSON_FAULT_CHAR, "Unexpected character ('.' (code 46)): expected a valid value " VALUES AT(1, 1)},
	{"12a", JSON_FAULT_CHAR, "Unexpected character ('a' (code 97)): Expected space separating root-level values" AT(1, 3)},
	{"[1,/*c*/2]", JSON_FAULT_CHAR,
	 "Unexpected character ('/' (code 47)): maybe a (non-standard) comment? (not recognized as one since Feature 'ALLOW_COMMENTS' "
	 "not enabled for parser)" AT(1, 4)},
	{"{} {}", JSON_FAULT_TRAILING,
	 "Trailing token (of type START_OBJECT) found after value (bound as `com.fasterxml.jackson.databind.JsonNode`): not allowed as "
	 "per `DeserializationFeature.FAIL_ON_TRAILING_TOKENS`" AT(1, 4)},
	{"1\n 2.5 ", JSON_FAULT_TRAILING,
	 "Trailing token (of type VALUE_NUMBER_FLOAT) found after value (bound as `com.fasterxml.jackson.databind.JsonNode`): not allowed "
	 "as per `DeserializationFeature.FAIL_ON_TRAILING_TOKENS`" AT(2, 2)},
	{"{} x", JSON_FAULT_TOKEN, "Unrecognized token 'x': was expecting " VALUES AT(1, 5)},
	{"[]]", JSON_FAULT_CHAR, "Unexpected close marker ']': expected '}' (for root starting at " FROM(1, 0) ")" AT(1, 3)},
	{"\xc3\xa4", JSON_FAULT_UTF8_START, "Invalid UTF-8 start byte 0xa4" AT(1, 3)},
};

static const char *const good[] = {
	"null", " true ", "false\n", "0", "-0", "-0.0e-0", "1E+9", "123456789012345678901234567890", "1e999", "\"\"", "[]", "{}", "[[],{}]",
	"{\"a\":{\"b\":[1,2,{\"c\":null}]},\"a\":2}", "\"\\u0000\\ud800\\n\\/\"", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf\"",
	"\t[ 1 , 2.5 , \"x\" ]\r\n", "{\"\":0}", "[\"a long string that is more than sixteen bytes, several times over, to be sure\",1]",
	"\"\xef\xbf\xbd\xee\x80\x80\xed\x9f\xbf\"",
};

TEST(refused_with_jacksons_words)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct json_check c;
		char text[JSON_CHECK_MESSAGE_SIZE];
		CHECK_INT(json_check_all(&c, rows[i].text, strlen(rows[i].text)), -1);
		CHECK_STR(json_check_message(&c, text, sizeof text), rows[i].message);
		CHECK_INT(c.fault, rows[i].fault);
		CHECK_INT(json_check_feed(&c, "1", 1), -1);
	}
}

TEST(accepted)
{
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		struct json_check c;
		if (json_check_all(&c, good[i], strlen(good[i])) < 0)
			printf("%s\n", good[i]);
		CHECK_INT(c.fault, JSON_OK);
	}
}

/* Byte by byte, from memory that ends where the piece does, so that reading on is noticed. */
static int one_by_one(struct json_check *c, const char *text)
{
	json_check_init(c);
	for (size_t i = 0; i < strlen(text); i++) {
		char *byte = malloc(1);
		*byte = text[i];
		int r = json_check_feed(c, byte, 1);
		free(byte);
		if (r < 0)
			return -1;
	}
	return json_check_end(c);
}

TEST(any_cut_says_the_same)
{
	char text[JSON_CHECK_MESSAGE_SIZE];
	struct json_check c;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		CHECK_INT(one_by_one(&c, rows[i].text), -1);
		CHECK_STR(json_check_message(&c, text, sizeof text), rows[i].message);
	}
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		CHECK_INT(one_by_one(&c, good[i]), 0);
}

/* A quote, a backslash, a control character and UTF-8 at each place of a vector-sized block. */
TEST(every_alignment)
{
	for (size_t at = 0; at < 70; at++) {
		char text[100];
		struct json_check c;
		memset(text, 'x', sizeof text);
		text[0] = '"';
		text[99] = '"';
		CHECK_INT(json_check_all(&c, text, 100), 0);
		text[1 + at] = '\x1f';
		CHECK_INT(json_check_all(&c, text, 100), -1);
		CHECK_INT(c.offset, 1 + at);
		text[1 + at] = '"';
		CHECK_INT(json_check_all(&c, text, 100), -1);
		CHECK_INT(c.fault, JSON_FAULT_TOKEN);
		memcpy(text + 1 + at, "\\\"", 2);
		CHECK_INT(json_check_all(&c, text, 100), 0);
		memcpy(text + 1 + at, "\xf0\x9f\x98\x80", 4);
		CHECK_INT(json_check_all(&c, text, 100), 0);
		text[4 + at] = 'x';
		CHECK_INT(json_check_all(&c, text, 100), -1);
		CHECK_INT(c.fault, JSON_FAULT_UTF8_MIDDLE);
	}
}

TEST(limits)
{
	static char text[JSON_CHECK_MAX_NAME + 16];
	char message[JSON_CHECK_MESSAGE_SIZE];
	struct json_check c;
	memset(text, '[', JSON_CHECK_MAX_DEPTH + 1);
	memset(text + JSON_CHECK_MAX_DEPTH, ']', JSON_CHECK_MAX_DEPTH);
	CHECK_INT(json_check_all(&c, text, 2 * JSON_CHECK_MAX_DEPTH), 0);
	text[JSON_CHECK_MAX_DEPTH] = '[';
	CHECK_INT(json_check_all(&c, text, 2 * JSON_CHECK_MAX_DEPTH), -1);
	CHECK_STR(json_check_message(&c, message, sizeof message),
	          "Document nesting depth (1001) exceeds the maximum allowed (1000, from `StreamReadConstraints.getMaxNestingDepth()`)");
	memset(text, '1', JSON_CHECK_MAX_NUMBER + 1);
	CHECK_INT(json_check_all(&c, text, JSON_CHECK_MAX_NUMBER), 0);
	CHECK_INT(json_check_all(&c, text, JSON_CHECK_MAX_NUMBER + 1), -1);
	CHECK_STR(json_check_message(&c, message, sizeof message),
	          "Number value length (1001) exceeds the maximum allowed (1000, from `StreamReadConstraints.getMaxNumberLength()`)");
	memset(text, 'n', sizeof text);
	memcpy(text, "{\"", 2);
	memcpy(text + 2 + JSON_CHECK_MAX_NAME, "\":1}", 4);
	CHECK_INT(json_check_all(&c, text, JSON_CHECK_MAX_NAME + 6), 0);
	memcpy(text + 2 + JSON_CHECK_MAX_NAME, "n\":1}", 5);
	CHECK_INT(json_check_all(&c, text, JSON_CHECK_MAX_NAME + 7), -1);
	CHECK_INT(c.fault, JSON_FAULT_LONG);
	memset(text, 'n', 1000);
	CHECK_INT(json_check_all(&c, text, 1000), -1);
	json_check_message(&c, message, sizeof message);
	CHECK(strstr(message, "nnn...': was expecting"));
	CHECK_STR(json_check_message(&c, message, 10), "Unrecogni");
}

TESTS(T(refused_with_jacksons_words), T(accepted), T(any_cut_says_the_same), T(every_alignment), T(limits))
