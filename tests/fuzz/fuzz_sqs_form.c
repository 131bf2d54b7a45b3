/* Forms of SQS's query protocol: the first line names the operation, the rest is the form. What is read is an object that can be written as
 * JSON again; any text, written as XML, has no character that XML cannot hold, and every element is closed. */
#include <stdlib.h>
#include <string.h>

#include "core/json/value.h"
#include "services/queue/query.h"
#include "tests/fuzz/fuzz.h"

#define OUT_MAX (8u << 20)

/* Tags are balanced, and texts between them without markup: enough of a parser for what xml.c writes. */
static void check_xml(const struct buf *out)
{
	size_t depth = 0;
	const char *p = out->data, *end = p + out->len;
	ASSERT(out->len > 21 && memcmp(p, "<?xml version=\"1.0\"?>", 21) == 0);
	for (p += 21; p < end; p++) {
		unsigned char c = (unsigned char)*p;
		ASSERT(c >= 0x20 || c == '\t' || c == '\n');
		if (c == '<' && p[1] == '/')
			ASSERT(depth-- > 0);
		else if (c == '<')
			depth++;
	}
	ASSERT(depth == 0);
}

/* The form's text as a message's body and as an attribute. */
static void write_xml(struct str text)
{
	struct buf out;
	CLEANUP_JSON json_t *value = json_value_new_str(text);
	CLEANUP_JSON json_t *json = value ? json_pack("{s:[{s:O, s:{s:O}}]}", "Messages", "Body", value, "Attributes", "SenderId", value) : NULL;
	if (!json)
		return;
	buf_init(&out, OUT_MAX);
	ASSERT(sqs_xml_write(&out, STR("ReceiveMessage"), json, STR("r")) == 0);
	check_xml(&out);
	buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = {(const char *)data, size}, operation = STR_NULL;
	struct error err = {0};
	struct buf out;
	str_split(&rest, '\n', &operation);
	write_xml(rest);
	json_t *json = sqs_form_read(operation, STR("/000000000000/q"), STR_NULL, rest, &err);
	if (!json) {
		ASSERT(err.code != ERR_OK && err.msg[0]);
		return 0;
	}
	ASSERT(json_is_object(json));
	buf_init(&out, OUT_MAX);
	json_value_dump(json, &out, NULL);
	ASSERT(!out.overflow);
	buf_release(&out);
	json_decref(json);
	return 0;
}
