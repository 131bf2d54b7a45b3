/* From an operation's JSON answer to XML. Lists have no element around their items; a map's item is an element with two. */
#include "core/json/value.h"
#include "services/queue/query.h"

#define NAMESPACE "http://queue.amazonaws.com/doc/2012-11-05/"
#define DEPTH_MAX 8u

/* ---- text ---- */

/* Bytes of what XML 1.0 cannot hold at `p`: control characters, U+FFFE, U+FFFF; 0: it can. */
static size_t forbidden(const char *p, size_t n)
{
	unsigned char c = (unsigned char)*p;
	if (c < 0x20 && c != '\t' && c != '\n' && c != '\r')
		return 1;
	return c == 0xef && n >= 3 && (unsigned char)p[1] == 0xbf && (unsigned char)p[2] >= 0xbe ? 3 : 0;
}

/* A carriage return would be read as a line feed, and MD5s would not fit. */
static const char *escape_of(char c)
{
	switch (c) {
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '&':
		return "&amp;";
	case '"':
		return "&quot;";
	case '\r':
		return "&#xD;";
	default:
		return NULL;
	}
}

static void put_text(struct buf *out, struct str s)
{
	size_t from = 0, at = 0;
	while (at < s.n) {
		const char *escape = escape_of(s.p[at]);
		size_t bad = escape ? 0 : forbidden(s.p + at, s.n - at);
		if (!escape && !bad) {
			at++;
			continue;
		}
		buf_put(out, str_sub(s, from, at));
		buf_puts(out, escape ? escape : "\xef\xbf\xbd");
		from = at += bad ? bad : 1;
	}
	buf_put(out, str_sub(s, from, s.n));
}

/* ---- elements ---- */

static void put_members(struct buf *out, struct str operation, const json_t *object, unsigned depth);

static void put_element(struct buf *out, struct str operation, const char *name, const json_t *v, unsigned depth)
{
	if (json_is_null(v))
		return;
	buf_printf(out, "<%s>", name);
	if (json_is_object(v))
		put_members(out, operation, v, depth + 1);
	else if (json_is_string(v))
		put_text(out, json_value_text(v));
	else if (json_is_integer(v))
		buf_printf(out, "%lld", (long long)json_integer_value(v));
	else if (json_is_real(v))
		buf_printf(out, "%.17g", json_real_value(v));
	else if (json_is_boolean(v))
		buf_puts(out, json_is_true(v) ? "true" : "false");
	buf_printf(out, "</%s>", name);
}

static void put_map(struct buf *out, struct str operation, const struct sqs_member *m, const json_t *map, unsigned depth)
{
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)map, key, value) {
		buf_printf(out, "<%s><%s>", m->name, m->key);
		put_text(out, str_from(key));
		buf_printf(out, "</%s>", m->key);
		put_element(out, operation, m->value, value, depth);
		buf_printf(out, "</%s>", m->name);
	}
}

static void put_members(struct buf *out, struct str operation, const json_t *object, unsigned depth)
{
	const char *key;
	json_t *v, *one;
	size_t i;
	if (depth > DEPTH_MAX)
		return;
	json_object_foreach((json_t *)object, key, v) {
		const struct sqs_member *m = sqs_query_output(operation, key);
		if (!m) {
			put_element(out, operation, key, v, depth);
		} else if (m->kind == SQS_MAP) {
			put_map(out, operation, m, v, depth);
		} else {
			json_array_foreach(v, i, one)
				put_element(out, operation, m->name, one, depth);
		}
	}
}

/* ---- documents ---- */

int sqs_xml_write(struct buf *out, struct str operation, const json_t *result, struct str request_id)
{
	buf_printf(out, "<?xml version=\"1.0\"?><" STR_FMT "Response xmlns=\"" NAMESPACE "\">", STR_ARG(operation));
	if (sqs_query_has_result(operation)) {
		buf_printf(out, "<" STR_FMT "Result>", STR_ARG(operation));
		put_members(out, operation, result, 0);
		buf_printf(out, "</" STR_FMT "Result>", STR_ARG(operation));
	}
	buf_printf(out, "<ResponseMetadata><RequestId>" STR_FMT "</RequestId></ResponseMetadata></" STR_FMT "Response>", STR_ARG(request_id),
	           STR_ARG(operation));
	return out->overflow ? -1 : 0;
}

int sqs_xml_error(struct buf *out, const char *code, bool sender, struct str message, struct str request_id)
{
	buf_printf(out, "<?xml version=\"1.0\"?><ErrorResponse xmlns=\"" NAMESPACE "\"><Error><Type>%s</Type><Code>%s</Code><Message>",
	           sender ? "Sender" : "Receiver", code);
	put_text(out, message);
	buf_printf(out, "</Message><Detail/></Error><RequestId>" STR_FMT "</RequestId></ErrorResponse>", STR_ARG(request_id));
	return out->overflow ? -1 : 0;
}
