#include "core/json/value.h"

#include <stdlib.h>

#include "tests/unit/test.h"

static json_t *load(const char *text)
{
	struct error err = {0};
	json_t *v = json_value_load(str_from(text), NULL, &err);
	if (!v)
		printf("%s: %s\n", text, err.msg);
	return v;
}

TEST(load_says_where)
{
	struct error err = {0};
	CHECK(!json_value_load(STR("{\"a\":\n  x}"), NULL, &err));
	CHECK_INT(err.code, ERR_INVALID);
	CHECK(strstr(err.msg, "not JSON at line 2, column "));
	CHECK(strstr(err.msg, "Unrecognized token 'x'"));
	CHECK(!json_value_load(STR(""), NULL, &err));
	CHECK(!json_value_load(STR("12345678901234567890"), NULL, &err));
	CHECK_INT(err.code, ERR_INVALID);
	CHECK(!json_value_load_object(STR("[1]"), NULL, &err));
	CHECK_STR(err.msg, "the JSON text is not an object");
}

TEST(load_limits)
{
	struct error err = {0};
	struct json_limits limits = {.max_bytes = 10, .max_depth = 2};
	CHECK(!json_value_load(STR("[1,2,3,4,5,6]"), &limits, &err));
	CHECK_INT(err.code, ERR_TOO_LARGE);
	CHECK(!json_value_load(STR("[[[]]]"), &limits, &err));
	CHECK_INT(err.code, ERR_TOO_LARGE);
	CLEANUP_JSON json_t *v = json_value_load(STR("[[],[\"[[\"]]"), &(struct json_limits){.max_depth = 2}, &err);
	CHECK(v != NULL);
}

TEST(getters)
{
	struct error err = {0};
	struct str s = STR("old");
	bool b = false;
	int64_t n = -1;
	double d = 0;
	json_t *borrowed;
	CLEANUP_JSON json_t *v = load("{\"s\":\"a\\u0000b\",\"t\":true,\"n\":128.0,\"h\":0.5,\"big\":1e300,\"z\":null,\"o\":{\"k\":\"v\"},\"a\":[],\"m\":{\"k\":1}}");
	CHECK(v != NULL);
	CHECK_INT(json_value_str(v, "s", &s, &err), 1);
	CHECK(str_eq(s, STR("a\0b")));
	CHECK_INT(json_value_str(v, "z", &s, &err), 0);
	CHECK_INT(json_value_str(v, "none", &s, &err), 0);
	CHECK_INT(json_value_str(NULL, "s", &s, &err), 0);
	CHECK_INT(s.n, 3);
	CHECK_INT(json_value_str(v, "t", &s, &err), -1);
	CHECK_STR(err.msg, "'t' must be a string");
	CHECK_INT(json_value_bool(v, "t", &b, &err), 1);
	CHECK(b);
	CHECK_INT(json_value_bool(v, "s", &b, &err), -1);
	CHECK_INT(json_value_int(v, "n", 128, 128, &n, &err), 1);
	CHECK_INT(n, 128);
	CHECK_INT(json_value_int(v, "n", 0, 127, &n, &err), -1);
	CHECK_STR(err.msg, "'n' must be between 0 and 127, not 128");
	CHECK_INT(json_value_int(v, "h", 0, 9, &n, &err), -1);
	CHECK_INT(json_value_int(v, "big", INT64_MIN, INT64_MAX, &n, &err), -1);
	CHECK_INT(json_value_double(v, "h", &d, &err), 1);
	CHECK(d == 0.5);
	CHECK_INT(json_value_object(v, "o", &borrowed, &err), 1);
	CHECK_INT(json_value_object(v, "a", &borrowed, &err), -1);
	CHECK_INT(json_value_array(v, "a", &borrowed, &err), 1);
	CHECK_INT(json_value_str_map(v, "o", &borrowed, &err), 1);
	CHECK_INT(json_value_str_map(v, "m", &borrowed, &err), -1);
	CHECK_STR(err.msg, "'m' must have strings as its values, which 'k' is not");
}

TEST(merge_keeps_what_it_does_not_know)
{
	static const struct {
		const char *base, *patch, *want;
	} rows[] = {
		{"{\"a\":1,\"x\":{\"y\":[1],\"z\":2}}", "{\"x\":{\"z\":3}}", "{\"a\":1,\"x\":{\"y\":[1],\"z\":3}}"},
		{"{\"a\":1}", "{\"a\":null,\"b\":null}", "{}"},
		{"{\"a\":[1,2]}", "{\"a\":[3]}", "{\"a\":[3]}"},
		{"{\"a\":1}", "{\"a\":{\"b\":null,\"c\":1}}", "{\"a\":{\"c\":1}}"},
		{"{\"a\":{\"b\":1}}", "{\"a\":\"s\"}", "{\"a\":\"s\"}"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct error err = {0};
		struct buf b;
		buf_init(&b, 1000);
		CLEANUP_JSON json_t *base = load(rows[i].base);
		CLEANUP_JSON json_t *patch = load(rows[i].patch);
		CHECK_INT(json_value_merge(base, patch, &err), 0);
		CHECK_INT(json_value_dump(base, &b, &err), 0);
		CHECK(str_eqz(buf_str(&b), rows[i].want));
		buf_release(&b);
	}
	struct error err = {0};
	CLEANUP_JSON json_t *list = load("[]");
	CHECK_INT(json_value_merge(list, list, &err), -1);
}

TEST(dump_overflow)
{
	struct error err = {0};
	struct buf b;
	buf_init(&b, 4);
	CLEANUP_JSON json_t *v = load("{\"a\":1}");
	CHECK_INT(json_value_dump(v, &b, &err), -1);
	CHECK_INT(err.code, ERR_TOO_LARGE);
	buf_release(&b);
	CLEANUP_JSON json_t *s = json_value_new_str(STR("x\0y"));
	CHECK(str_eq(json_value_text(s), STR("x\0y")));
	CHECK(json_value_text(v).p == NULL);
	CHECK(json_value_new_str(STR("\xff")) == NULL);
}

TESTS(T(load_says_where), T(load_limits), T(getters), T(merge_keeps_what_it_does_not_know), T(dump_overflow))
