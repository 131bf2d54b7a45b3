/* Filter patterns: AWS's documented examples, and what must not be accepted. */
#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>

#include "control/logs/pattern.h"
#include "core/base/buf.h"
#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/json/write.h"

/* 1, 0, or -1 when the pattern is refused. */
static int matches(const char *pattern, const char *message)
{
	struct error err = {0};
	struct pattern *p = logs_pattern_new(str_from(pattern), &err);
	if (!p) {
		ASSERT(err.code == ERR_INVALID && *err.msg);
		return -1;
	}
	ASSERT(logs_pattern_cost(p) >= 1);
	bool yes = logs_pattern_matches(p, str_from(message));
	logs_pattern_free(p);
	return yes;
}

struct row {
	const char *pattern, *message;
	int wanted;
};

#define CHECK_ROWS(rows) \
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) { \
		int got = matches(rows[i].pattern, rows[i].message); \
		if (got != rows[i].wanted) \
			printf("%s on %s: %d\n", rows[i].pattern, rows[i].message, got); \
		CHECK_INT(got, rows[i].wanted); \
	}

TEST(terms)
{
	static const struct row rows[] = {
		{"", "anything", 1},
		{"ERROR", "[ERROR 400] BAD REQUEST", 1},
		{"ERROR", "[error 400]", 0},
		{"ERROR ARGUMENTS", "[ERROR 419] MISSING ARGUMENTS", 1},
		{"ERROR ARGUMENTS", "[ERROR 401] UNAUTHORIZED REQUEST", 0},
		{"?ERROR ?ARGUMENTS", "[ERROR 401] UNAUTHORIZED REQUEST", 1},
		{"?ERROR ?ARGUMENTS", "[WARN] ARGUMENTS", 1},
		{"?ERROR ?ARGUMENTS", "fine", 0},
		{"?ERROR -ARGUMENTS", "[ERROR 400] BAD REQUEST", 1},
		{"?ERROR -ARGUMENTS", "[ERROR 419] MISSING ARGUMENTS", 0},
		{"ERROR -ARGUMENTS", "[ERROR 419] INVALID ARGUMENTS", 0},
		{"\"INTERNAL SERVER ERROR\"", "[ERROR 500] INTERNAL SERVER ERROR", 1},
		{"\"INTERNAL SERVER ERROR\"", "INTERNAL ERROR SERVER", 0},
		{"\"say \\\"hi\\\"\"", "they say \"hi\"", 1},
		{"ERROR ?nothing", "ERROR", 1},
		{"-x", "", 1},
		{"\"open", "", -1},
		{"a -", "a", -1},
		{"%AUTHORIZED%", "UNAUTHORIZED REQUEST", 1},
		{"%ERROR 4[0-9]{2}%", "[ERROR 419]", 1},
		{"%ERROR 4[0-9]{2}%", "[ERROR 41]", 0},
		{"%^\\[ERROR%", "[ERROR 1]", 1},
		{"%^\\[ERROR%", " [ERROR 1]", 0},
		{"%never ends", "x", -1},
		{"%a(b)%", "x", -1},
	};
	CHECK_ROWS(rows);
}

TEST(regular_expressions)
{
	static const struct row rows[] = {
		{"%ab*c%", "xacx", 1}, {"%ab*c%", "abbbbc", 1}, {"%ab+c%", "ac", 0}, {"%ab?c%", "abbc", 0}, {"%ab?c%", "abc", 1},
		{"%a.c%", "a\nc", 0}, {"%a.c%", "abc", 1}, {"%cat|dog%", "hotdog", 1}, {"%cat|dog%", "bird", 0}, {"%^a|b$%", "xb", 1},
		{"%^a|b$%", "xbx", 0}, {"%^a|b$%", "ax", 1}, {"%b$%", "ab\n", 1}, {"%^$%", "", 1}, {"%^$%", "x", 0}, {"%[^a-c]%", "abc", 0},
		{"%[^a-c]%", "abcd", 1}, {"%[]x]%", "]", 1}, {"%[a-]%", "-", 1}, {"%\\d\\d%", "a12", 1}, {"%\\D%", "12", 0}, {"%\\w+@\\w+%", "me@home", 1},
		{"%\\s%", "a b", 1}, {"%\\x41%", "A", 1}, {"%x{2,3}y%", "xxxxy", 1}, {"%^x{2,3}y%", "xxxxy", 0}, {"%^x{2}%", "x", 0}, {"%x{2,}$%", "xxxx", 1},
		{"%10\\.10\\.0\\.1%", "10.10.0.1", 1}, {"%10\\.10\\.0\\.1%", "10a10.0.1", 0}, {"%a**%", "", -1}, {"%*a%", "", -1}, {"%[a%", "", -1},
		{"%[z-a]%", "", -1}, {"%a{3,2}%", "", -1}, {"%a{999}%", "", -1}, {"%a{x}%", "", -1}, {"%a||b%", "", -1}, {"%%", "", -1}, {"%\\q%", "", -1},
		{"%a% %b% %c%", "", -1}, {"%(a)%", "", -1}, {"%(%", "", -1},
	};
	CHECK_ROWS(rows);
}

#define WEB "127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] \"GET /index.html HTTP/1.0\" 404 1534"

TEST(fields_parted_by_blanks)
{
	static const struct row rows[] = {
		{"[ip, user, username, timestamp, request, status_code, bytes]", WEB, 1},
		{"[ip, user, username, timestamp, request, status_code, bytes]", WEB "\n", 1},
		{"[ip, user, username, timestamp, request, status_code = 4*, bytes]", WEB, 1},
		{"[ip, user, username, timestamp, request, status_code = 5*, bytes]", WEB, 0},
		{"[ip, user, username, timestamp, request = *.html*, status_code = 4*, bytes > 1000]", WEB, 1},
		{"[ip, user, username, timestamp, request = *.html*, status_code = 4*, bytes > 2000]", WEB, 0},
		{"[ip, user, username, timestamp, request, status_code=404 || status_code=410, bytes]", WEB, 1},
		{"[ip, user, username, timestamp, request =*.html* && request = GET*, status_code, bytes]", WEB, 1},
		{"[..., request =*.html*, status_code=4*,]", WEB, 1},
		{"[..., status_code=404, bytes]", WEB, 1},
		{"[..., bytes]", WEB, 1},
		{"[ip=%127\\.0\\.0\\.[1-9]%, user, ..., bytes]", WEB, 1},
		{"[ip=%127\\.0\\.0\\.[2-9]%, ...]", WEB, 0},
		{"[ip != 127.0.0.1, ...]", WEB, 0},
		{"[w1=ERROR, w2]", "ERROR happened", 1},
		{"[w1=ERROR, w2]", "ERROR happened again", 0},
		{"[w1=ERROR, w2]", "ERROR", 0},
		{"[w1!=ERROR&&w1!=WARN, w2]", "INFO x", 1},
		{"[w1!=ERROR&&w1!=WARN, w2]", "WARN x", 0},
		{"[a = \"one two\", b]", "\"one two\" three", 1},
		{"[a = 1.50, b]", "1.5 x", 1},
		{"[...]", "", 1},
		{"[a]", "\"not closed", 0},
		{"[a, ..., ..., b]", "", -1},
		{"[a = , b]", "", -1},
		{"[a, b", "", -1},
		{"[a] b", "", -1},
		{"[a > x]", "", -1},
		{"[a = 1 && b = 2]", "", -1},
		{"[a = 1 &&]", "", -1},
	};
	CHECK_ROWS(rows);
}

#define EVENT "{\"eventType\": \"UpdateTrail\", \"sourceIPAddress\": \"111.111.111.111\", \"arrayKey\": [\"value\", \"another value\"]," \
	"\"objectList\": [{\"name\": \"a\", \"id\": 1}, {\"name\": \"b\", \"id\": 2}], \"SomeObject\": null, \"ThisFlag\": true, \"cluster.name\": \"c\"," \
	"\"user\": {\"id\": 1, \"email\": \"John.Stiles@example.com\"}, \"users\": [{\"id\": 2, \"email\": \"John.Doe@example.com\"}," \
	"{\"id\": 3, \"email\": \"Jane.Doe@example.com\"}], \"actions\": [\"GET\", \"PUT\", \"DELETE\"], \"coordinates\": [[0, 1, 2], [4, 5, 6], [7, 8, 9]]," \
	"\"bandwidth\": 80, \"latency\": 49.5, \"small\": 1e-3, \"text\": \"400\", \"say\": \"a \\\"b\\\"\"}\n"

TEST(members_of_json)
{
	static const struct row rows[] = {
		{"{ $.eventType = \"UpdateTrail\" }", EVENT, 1},
		{"{ $.eventType = UpdateTrail }", EVENT, 1},
		{"{$.eventType=\"Update*\"}", EVENT, 1},
		{"{ $.eventType = \"*Trail\" && $.eventType = \"*dateT*\" }", EVENT, 1},
		{"{ $.eventType = \"Trail\" }", EVENT, 0},
		{"{ $.eventType != \"NoTrail\" }", EVENT, 1},
		{"{ $.missing != \"x\" }", EVENT, 0},
		{"{ $.sourceIPAddress != 123.123.* }", EVENT, 1},
		{"{ $.sourceIPAddress = %111\\.111\\.1[0-9]{1,2}% }", EVENT, 1},
		{"{ $.arrayKey[0] = \"value\" }", EVENT, 1},
		{"{ $.arrayKey[2] = \"value\" }", EVENT, 0},
		{"{ $.objectList[1].id = 2 }", EVENT, 1},
		{"{ $.objectList[*].id = 2 }", EVENT, 1},
		{"{ $.objectList[*].id = 3 }", EVENT, 0},
		{"{ $.user.* = 1 }", EVENT, 1},
		{"{ $.SomeObject IS NULL }", EVENT, 1},
		{"{ $.user IS NULL }", EVENT, 0},
		{"{ $.SomeOtherObject NOT EXISTS }", EVENT, 1},
		{"{ $.SomeObject NOT EXISTS }", EVENT, 0},
		{"{ $.ThisFlag IS TRUE }", EVENT, 1},
		{"{ $.ThisFlag is false }", EVENT, 0},
		{"{ $.['cluster.name'] = \"c\" }", EVENT, 1},
		{"{ $[\"cluster.name\"] = \"c\" }", EVENT, 1},
		{"{ ($.user.id = 1) && ($.users[0].email = \"John.Doe@example.com\") }", EVENT, 1},
		{"{ ($.user.id = 2 && $.users[0].email = \"nonmatch\") || $.actions[2] = \"DELETE\" }", EVENT, 1},
		{"{ $.user.email = \"John.Stiles@example.com\" || $.coordinates[0][1] = \"nonmatch\" && $.actions[2] = \"nonmatch\" }", EVENT, 1},
		{"{ ($.user.email = \"John.Stiles@example.com\" || $.coordinates[0][1] = \"nonmatch\") && $.actions[2] = \"nonmatch\" }", EVENT, 0},
		{"{ $.coordinates[0][1] = 1 }", EVENT, 1},
		{"{ $.bandwidth > 75 }", EVENT, 1}, {"{ $.bandwidth > 80 }", EVENT, 0}, {"{ $.bandwidth >= 80 }", EVENT, 1},
		{"{ $.latency < 50 }", EVENT, 1}, {"{ $.latency <= 49.5 }", EVENT, 1}, {"{ $.small = 1e-3 }", EVENT, 1}, {"{ $.bandwidth = 80.0 }", EVENT, 1},
		{"{ $.bandwidth = 8* }", EVENT, 1}, {"{ $.bandwidth = \"80\" }", EVENT, 0}, {"{ $.text = 400 }", EVENT, 1}, {"{ $.text > 1 }", EVENT, 0},
		{"{ $.say = \"a \\\"b\\\"\" }", EVENT, 1},
		{"{ $.user = \"x\" }", EVENT, 0}, {"{ $.user != \"x\" }", EVENT, 0},
		{"{ $.a = 1 }", "not JSON {\"a\":1}", 0},
		{"{ $.a = 1 }", "", 0},
		{"{ $[0] = 1 }", "[1]", 1},
		{"{ $.a = }", "", -1}, {"{ $.a }", "", -1}, {"{ .a = 1 }", "", -1}, {"{ $ = 1 }", "", -1}, {"{ $.a = 1", "", -1}, {"{ $.a = 1 } x", "", -1},
		{"{ ($.a = 1 }", "", -1}, {"{ $.a > \"b\" }", "", -1}, {"{ $.a IS }", "", -1}, {"{ $.a NOT }", "", -1}, {"{ $.a[x] = 1 }", "", -1},
		{"{ $.*.* = 1 }", "", -1}, {"{ $.a[* = 1 }", "", -1}, {"{ $.a. = 1 }", "", -1}, {"{}", "", -1},
		{"{ $.* = 1 && $.a.* = 1 && $.b.* = 1 && $.c.* = 1 }", "", -1},
		{"{((((((((((((((((($.a=1)))))))))))))))))}", "", -1},
	};
	CHECK_ROWS(rows);
}

static char *extracted(const char *pattern, const char *message)
{
	static char text[2048];
	struct buf b;
	struct json_writer w;
	buf_init(&b, sizeof text - 1);
	json_write_init(&w, &b);
	json_write_object(&w);
	struct pattern *p = logs_pattern_new(str_from(pattern), NULL);
	ASSERT(p);
	logs_pattern_extract(p, str_from(message), &w);
	logs_pattern_free(p);
	json_write_close(&w);
	ASSERT(json_write_done(&w) == 0 && str_copy(text, sizeof text, buf_str(&b)) == 0);
	buf_release(&b);
	return text;
}

TEST(what_is_extracted)
{
	CHECK_STR(extracted("[ip, identity, ..., status > 1, ]", WEB), "{\"$ip\":\"127.0.0.1\",\"$identity\":\"Prod\",\"$status\":\"404\",\"$4\":\"1534\"}");
	CHECK_STR(extracted("{ $.bandwidth > 1 && $.bandwidth < 99 && $.users[1].email = * && $.ThisFlag IS TRUE }", EVENT),
	          "{\"$.bandwidth\":\"80\",\"$.users[1].email\":\"Jane.Doe@example.com\",\"$.ThisFlag\":\"true\"}");
	CHECK_STR(extracted("ERROR", "ERROR"), "{}");
}

/* Whatever the pattern, an event of the largest size is looked through in bounded steps: these would not end otherwise. */
TEST(work_is_bounded)
{
	enum { N = 256 * 1024 };
	CLEANUP_FREE char *big = malloc(N + 1);
	ASSERT(big);
	memset(big, 'a', N);
	big[N] = '\0';
	CHECK_INT(matches("%a*a*a*a*a*a*a*a*a*a*a*a*b%", big), 0);
	CHECK_INT(matches("%a{100}b%", big), 0);
	CHECK_INT(matches("[w = a*a*a*a*a*a*a*a*a*a*a*a*a*b]", big), 0);
	CHECK_INT(matches("\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"", big), 0);
	char pattern[1100];
	memset(pattern, '(', sizeof pattern);
	pattern[0] = '{';
	pattern[1000] = '\0';
	CHECK_INT(matches(pattern, "{}"), -1);
	memset(pattern, 'x', sizeof pattern - 1);
	pattern[1025] = '\0';
	CHECK_INT(matches(pattern, "x"), -1);
}

TESTS(T(terms), T(regular_expressions), T(fields_parted_by_blanks), T(members_of_json), T(what_is_extracted), T(work_is_bounded))
