#include "core/json/write.h"

#include <math.h>
#include <stdlib.h>

#include "core/json/check.h"
#include "tests/unit/test.h"

static const char *text_of(struct buf *b)
{
	buf_putc(b, '\0');
	return b->data;
}

TEST(everything)
{
	struct buf b;
	struct json_writer w;
	buf_init(&b, 4096);
	json_write_init(&w, &b);
	json_write_object(&w);
	json_write_key_str(&w, "s", STR("a\"\\\b\f\n\r\t\x01\x7f/\xc3\xa9"));
	json_write_key_z(&w, "null", NULL);
	json_write_key_int(&w, "min", INT64_MIN);
	json_write_key(&w, "max");
	json_write_uint(&w, UINT64_MAX);
	json_write_key_bool(&w, "t", true);
	json_write_key(&w, "empty");
	json_write_object(&w);
	json_write_close(&w);
	json_write_key(&w, "list");
	json_write_array(&w);
	json_write_array(&w);
	json_write_close(&w);
	json_write_bool(&w, false);
	json_write_null(&w);
	json_write_raw(&w, STR("{\"r\":1}"));
	json_write_z(&w, "");
	json_write_close(&w);
	json_write_key_bytes(&w, STR("k\n"));
	json_write_double(&w, 0.1);
	json_write_close(&w);
	CHECK_INT(json_write_done(&w), 0);
	CHECK_STR(text_of(&b), "{\"s\":\"a\\\"\\\\\\b\\f\\n\\r\\t\\u0001\x7f/\xc3\xa9\",\"null\":null,\"min\":-9223372036854775808,\"max\":"
	                       "18446744073709551615,\"t\":true,\"empty\":{},\"list\":[[],false,null,{\"r\":1},\"\"],\"k\\n\":0.1}");
	buf_release(&b);
}

TEST(doubles_read_back)
{
	static const double values[] = {0, 1, -1.5, 1e300, 5e-324, 3.141592653589793, 0.1 + 0.2, 123456789.123456789};
	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
		struct buf b;
		struct json_writer w;
		buf_init(&b, 100);
		json_write_init(&w, &b);
		json_write_double(&w, values[i]);
		CHECK(strtod(text_of(&b), NULL) == values[i]);
		buf_release(&b);
	}
	struct buf b;
	struct json_writer w;
	buf_init(&b, 100);
	json_write_init(&w, &b);
	json_write_double(&w, NAN);
	CHECK_STR(text_of(&b), "null");
	buf_release(&b);
}

/* Any two bytes give valid JSON. */
TEST(any_bytes)
{
	struct buf b;
	buf_init(&b, 4096);
	for (unsigned i = 0; i < 65536; i++) {
		char pair[4] = {(char)(i >> 8), (char)i, (char)(i >> 4), 'x'};
		struct json_check c;
		buf_clear(&b);
		CHECK_INT(json_escape(&b, (struct str){pair, 4}), 0);
		CHECK_INT(json_check_all(&c, b.data, b.len), 0);
	}
	buf_clear(&b);
	json_escape(&b, STR("\xe2\x82|\xff"));
	CHECK_STR(text_of(&b), "\"\xef\xbf\xbd\xef\xbf\xbd|\xef\xbf\xbd\"");
	buf_release(&b);
}

TEST(overflow_is_told)
{
	struct buf b;
	struct json_writer w;
	buf_init(&b, 8);
	json_write_init(&w, &b);
	json_write_array(&w);
	json_write_z(&w, "longer than eight");
	json_write_close(&w);
	CHECK_INT(json_write_done(&w), -1);
	buf_release(&b);
}

TESTS(T(everything), T(doubles_read_back), T(any_bytes), T(overflow_is_told))
