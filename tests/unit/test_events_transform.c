#include "services/events/transform.h"

#include "core/base/cleanup.h"
#include "core/json/value.h"
#include "services/events/transform_path.h"
#include "tests/unit/test.h"

#define EVENT \
	"{\"version\":\"0\",\"id\":\"7bf73129\",\"detail-type\":\"EC2 Instance State-change Notification\",\"source\":\"aws.ec2\"," \
	"\"account\":\"123456789012\",\"time\":\"2015-11-11T21:29:54Z\",\"region\":\"us-east-1\"," \
	"\"resources\":[\"arn:aws:ec2:us-east-1:123456789012:instance/i-abcd1111\"]," \
	"\"detail\":{\"instance-id\":\"i-0123456789\",\"state\":\"RUNNING\",\"n\":1.10,\"quote\":\"a\\\"b\\u00e9\",\"list\":[1,{\"x\":[true,null]}]," \
	"\"o\":{\"k\":\"v\",\"t\":\"say \\\"hi\\\"\\\\\"},\"a\\u0062c\":7,\"empty\":\"\"}}"

static const struct transform_context context = {
	.event = {EVENT, sizeof EVENT - 1},
	.rule_arn = {"arn:aws:events:us-east-1:123456789012:rule/example", 50},
	.rule_name = {"example", 7},
	.ingestion_time = {"2015-11-11T21:29:55Z", 20},
};

static struct error err;
static char out[8192];

static struct transform *compile(const char *target)
{
	json_t *t = json_loads(target, 0, NULL);
	if (!t)
		return NULL;
	json_object_set_new(t, "Id", json_string("1"));
	err = (struct error){0};
	struct transform *made = transform_compile(t, &err);
	json_decref(t);
	return made;
}

static const char *apply(const char *target)
{
	struct transform *t = compile(target);
	struct buf b;
	out[0] = 0;
	if (!t)
		return err.msg;
	buf_init(&b, sizeof out - 1);
	if (transform_apply(t, &context, &b, &err) == 0)
		memcpy(out, b.data, b.len);
	out[b.len] = 0;
	buf_release(&b);
	transform_free(t);
	return out;
}

static const char *with_template(const char *paths, const char *template)
{
	json_t *t = json_pack("{s:{s:o, s:s}}", "InputTransformer", "InputPathsMap", json_loads(paths, 0, NULL), "InputTemplate", template);
	CLEANUP_FREE char *text = json_dumps(t, 0);
	json_decref(t);
	return apply(text);
}

TEST(whole_constant_and_path)
{
	CHECK_STR(apply("{}"), EVENT);
	CHECK_STR(apply("{\"Input\":\"{\\\"a\\\": 1.10}\"}"), "{\"a\": 1.10}");
	CHECK_STR(apply("{\"InputPath\":\"$.detail.state\"}"), "\"RUNNING\"");
	CHECK_STR(apply("{\"InputPath\":\"$\"}"), EVENT);
	CHECK_STR(apply("{\"InputPath\":\"$.detail.list[1]\"}"), "{\"x\":[true,null]}");
	CHECK_STR(apply("{\"InputPath\":\"$.nothing\"}"), "null");
	CHECK_STR(apply("{\"Input\":\"{\\\"a\\\":\"}"), "JSON syntax error in input for target 1.");
	CHECK_STR(apply("{\"InputPath\":\"detail\"}"), "InputPath for target 1 is invalid.");
	CHECK_STR(apply("{\"Input\":\"1\",\"InputPath\":\"$\"}"),
	          "Only one of Input, InputPath, or InputTransformer must be provided for target 1.");
}

/* The examples of the user guide's page on input transformation. */
TEST(templates_of_the_guide)
{
	const char *paths = "{\"instance\":\"$.detail.instance-id\",\"state\":\"$.detail.state\",\"list\":\"$.detail.list\",\"o\":\"$.detail.o\"}";
	CHECK_STR(with_template(paths, "\"instance <instance> is in <state>\""), "\"instance i-0123456789 is in RUNNING\"");
	CHECK_STR(with_template(paths, "\"instance <instance>\"\n\"is in <state>\""), "\"instance i-0123456789\"\n\"is in RUNNING\"");
	CHECK_STR(with_template(paths, "{\"instance\" : <instance>,\n\"state\": \"<state>\", \"m\": \"\\\"<state>\\\"\"}"),
	          "{\"instance\" : \"i-0123456789\",\n\"state\": \"RUNNING\", \"m\": \"\\\"RUNNING\\\"\"}");
	CHECK_STR(with_template(paths, "{\"list\":<list>,\"text\":\"<list> <o>\"}"),
	          "{\"list\":[1,{\"x\":[true,null]}],\"text\":\"[1,{x:[true,null]}] {k:v,t:say hi\\\\}\"}");
	CHECK_STR(with_template("{\"n\":\"$.detail.n\",\"q\":\"$.detail.quote\"}", "{\"n\":<n>,\"q\":<q>,\"in\":\"<n><q>\"}"),
	          "{\"n\":1.10,\"q\":\"a\\\"b\\u00e9\",\"in\":\"1.10a\\\"b\\u00e9\"}");
	CHECK_STR(with_template("{\"x\":\"$.no\",\"e\":\"$.detail.empty\"}", "{\"x\":<x>,\"in\":\"[<x>][<e>]\"}"), "{\"x\":null,\"in\":\"[][]\"}");
	CHECK_STR(with_template("{}", "{\"a\":\"1 < 2 \\\\<b\\\\>\",\"z\":true}"), "{\"a\":\"1 < 2 \\\\<b\\\\>\",\"z\":true}");
	CHECK_STR(with_template("{\"b\":\"$.id\"}", "{\"a\":\"\\<b\\> is <b>\"}"), "{\"a\":\"<b> is 7bf73129\"}");
}

TEST(reserved_words)
{
	CHECK_STR(with_template("{}", "{\"r\":<aws.events.rule-arn>,\"n\":\"<aws.events.rule-name>\",\"t\":<aws.events.event.ingestion-time>}"),
	          "{\"r\":\"arn:aws:events:us-east-1:123456789012:rule/example\",\"n\":\"example\",\"t\":\"2015-11-11T21:29:55Z\"}");
	CHECK_STR(with_template("{}", "{\"e\":<aws.events.event.json>}"), "{\"e\":" EVENT "}");
	const char *got = with_template("{}", "{\"e\":<aws.events.event>}");
	json_t *v = json_loads(got, 0, NULL);
	CHECK(v && json_object_size(json_object_get(v, "e")) == 8 && !json_object_get(json_object_get(v, "e"), "detail"));
	json_decref(v);
}

TEST(templates_that_are_refused)
{
	CHECK(strstr(with_template("{}", "{\"a\": <b>}"), "placeholder b"));
	CHECK(strstr(with_template("{}", " \n"), "Invalid InputTemplate for target 1 :"));
	CHECK(strstr(with_template("{}", "hello"), "Invalid InputTemplate for target 1 :"));
	CHECK(strstr(with_template("{}", "{\"a\": }"), "Invalid InputTemplate for target 1 :"));
	CHECK(strstr(with_template("{\"awsx\":\"$.id\"}", "{\"a\": <awsx>}"), "AWS"));
	CHECK(strstr(with_template("{\"x\":\"id\"}", "{\"a\": <x>}"), "InputPath for target 1 is invalid."));
}

static const char *find(const char *path, const char *json)
{
	struct transform_path p;
	if (transform_path_parse(&p, str_from(path)) < 0)
		return "refused";
	struct str found = transform_path_find(&p, str_from(json));
	snprintf(out, sizeof out, STR_FMT, found.p ? (int)found.n : 4, found.p ? found.p : "none");
	transform_path_release(&p);
	return out;
}

TEST(paths)
{
	static const struct {
		const char *path, *json, *want;
	} rows[] = {
		{"$", " {\"a\":1} ", "{\"a\":1}"},
		{"$.a.b", "{\"a\":{\"c\":2,\"b\":[]}}", "[]"},
		{"$.a[1]", "{\"a\":[1,\"],\"]}", "\"],\""},
		{"$[\"a.b\"].c", "{\"a.b\":{\"c\":3}}", "3"},
		{"$['a]b']", "{\"a]b\":4}", "4"},
		{"$.abc", "{\"a\\u0062c\":7}", "7"},
		{"$.a", "{\"a\":1,\"a\":2}", "2"},
		{"$.a\xc3\xa9", "{\"a\\u00e9\":5}", "5"},
		{"$.a[0]", "{\"a\":{\"0\":1}}", "none"},
		{"$.a.b", "{\"a\":[{\"b\":1}]}", "none"},
		{"$[2]", "[1,2]", "none"},
		{"$.", "{}", "refused"}, {"a", "{}", "refused"}, {"$[", "{}", "refused"}, {"$[a]", "{}", "refused"},
		{"$[\"\"]", "{}", "refused"}, {"$a", "{}", "refused"}, {"", "{}", "refused"}, {"$..a", "{}", "refused"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		CHECK_STR(find(rows[i].path, rows[i].json), rows[i].want);
}

TEST(too_large_is_an_error)
{
	struct transform *t = compile("{}");
	struct buf b;
	buf_init(&b, 10);
	CHECK_INT(transform_apply(t, &context, &b, &err), -1);
	CHECK_INT(err.code, ERR_TOO_LARGE);
	buf_release(&b);
	transform_free(t);
}

/* Quotes within quotes are left out: what is read passes what is written by far. */
TEST(a_value_asked_for_again_and_again)
{
	struct transform_context large = context;
	struct transform *t;
	struct buf event, template, b;
	buf_init(&event, 1 << 20);
	buf_puts(&event, "{\"id\":\"7\",\"detail\":{\"a\":[\"");
	for (unsigned i = 0; i < 32 * 1024; i++)
		buf_puts(&event, "\\\"");
	buf_puts(&event, "\"]}}");
	large.event = buf_str(&event);
	buf_init(&template, 1 << 20);
	buf_puts(&template, "{\"InputTransformer\":{\"InputPathsMap\":{\"i\":\"$.id\",\"a\":\"$.detail.a\"},\"InputTemplate\":\"\\\"<i><i>");
	buf_puts(&template, "<a><a>\\\"\"}}");
	buf_putc(&template, 0);
	buf_init(&b, 64 * 1024);
	t = compile(template.data);
	CHECK_INT(transform_apply(t, &large, &b, &err), 0);
	CHECK(str_eqz(buf_str(&b), "\"77[][]\""));
	transform_free(t);
	template.len -= sizeof "\\\"\"}}"; /* and its end */
	for (unsigned i = 0; i < 2000; i++)
		buf_puts(&template, "<a>");
	buf_puts(&template, "\\\"\"}}");
	buf_putc(&template, 0);
	buf_clear(&b);
	t = compile(template.data);
	CHECK_INT(transform_apply(t, &large, &b, &err), -1);
	CHECK_INT(err.code, ERR_TOO_LARGE);
	transform_free(t);
	buf_release(&b);
	buf_release(&template);
	buf_release(&event);
}

TESTS(T(whole_constant_and_path), T(templates_of_the_guide), T(reserved_words), T(templates_that_are_refused), T(paths), T(too_large_is_an_error),
      T(a_value_asked_for_again_and_again))
