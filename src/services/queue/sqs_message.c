#include "services/queue/sqs_message.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/codec.h"

#define NAME_MAX_BYTES 256
#define CONTENTS_TEXT "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF"

/* ---- ids and MD5s ---- */

void sqs_id_new(unsigned char id[QUEUE_ID_SIZE])
{
	rand_bytes(id, QUEUE_ID_SIZE);
	id[6] = (id[6] & 0x0f) | 0x40;
	id[8] = (id[8] & 0x3f) | 0x80;
}

void sqs_id_text(char dst[UUID_SIZE], const unsigned char id[QUEUE_ID_SIZE])
{
	char hex[2 * QUEUE_ID_SIZE + 1];
	hex_encode(hex, id, QUEUE_ID_SIZE);
	snprintf(dst, UUID_SIZE, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

static void put_sized(struct buf *b, const void *p, size_t n)
{
	const unsigned char size[4] = {(unsigned char)(n >> 24), (unsigned char)(n >> 16), (unsigned char)(n >> 8), (unsigned char)n};
	buf_append(b, size, sizeof size);
	buf_append(b, p, n);
}

static bool is_binary(const json_t *attribute)
{
	return str_starts(json_value_text(json_object_get(attribute, "DataType")), STR("Binary"));
}

static void put_attribute(struct buf *b, const char *name, const json_t *attribute)
{
	struct str type = json_value_text(json_object_get(attribute, "DataType"));
	put_sized(b, name, strlen(name));
	put_sized(b, type.p, type.n);
	struct str value = json_value_text(json_object_get(attribute, is_binary(attribute) ? "BinaryValue" : "StringValue"));
	if (!is_binary(attribute)) {
		buf_putc(b, 1);
		put_sized(b, value.p, value.n);
		return;
	}
	CLEANUP_FREE unsigned char *bytes = malloc(value.n + 1);
	size_t n = 0;
	ASSERT(bytes);
	buf_putc(b, 2);
	if (base64_decode(bytes, &n, value) == 0)
		put_sized(b, bytes, n);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void sqs_md5_attributes(char dst[MD5_HEX_SIZE], const json_t *attributes)
{
	CLEANUP(buf_release) struct buf b;
	CLEANUP_FREE const char **names = calloc(json_object_size(attributes) + 1, sizeof *names);
	const char *name;
	json_t *v;
	size_t n = 0;
	dst[0] = 0;
	ASSERT(names);
	buf_init(&b, 2 * SQS_BODY_MAX);
	json_object_foreach((json_t *)(uintptr_t)attributes, name, v)
		names[n++] = name;
	if (n == 0)
		return;
	qsort(names, n, sizeof *names, by_text);
	for (size_t i = 0; i < n; i++)
		put_attribute(&b, names[i], json_object_get(attributes, names[i]));
	md5_hex(dst, b.data, b.len);
}

size_t sqs_size(struct str body, const json_t *attributes)
{
	size_t size = body.n;
	const char *name;
	json_t *v;
	json_object_foreach((json_t *)(uintptr_t)attributes, name, v) {
		struct str binary = json_value_text(json_object_get(v, "BinaryValue"));
		size += strlen(name) + json_value_text(json_object_get(v, "DataType")).n + json_value_text(json_object_get(v, "StringValue")).n +
		        binary.n / 4 * 3 - (str_ends(binary, STR("==")) ? 2 : str_ends(binary, STR("=")));
	}
	return size;
}

/* ---- checks ---- */

/* It is UTF-8: only what XML cannot carry is to be found. */
static bool is_content(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c < 0x20 && c != '\t' && c != '\n' && c != '\r')
			return false;
		if (c == 0xef && i + 2 < s.n && (unsigned char)s.p[i + 1] == 0xbf && (unsigned char)s.p[i + 2] >= 0xbe)
			return false; /* U+FFFE, U+FFFF */
	}
	return true;
}

/* Bytes of the character at `p`; 0: none. */
static size_t character_size(const char *p, size_t left)
{
	for (size_t n = 1; n <= 4 && n <= left; n++) {
		CLEANUP_JSON json_t *one = json_value_new_str((struct str){p, n});
		if (one)
			return n;
	}
	return 0;
}

json_t *sqs_content_json(struct str s)
{
	json_t *json = is_content(s) ? json_value_new_str(s) : NULL;
	if (json)
		return json;
	CLEANUP_FREE char *text = str_dup(s);
	ASSERT(text);
	for (size_t i = 0, n; i < s.n; i += n ? n : 1) {
		n = character_size(text + i, s.n - i);
		if (n == 0 || !is_content((struct str){text + i, n}))
			memset(text + i, '?', n ? n : 1);
	}
	return json_value_new_str((struct str){text, s.n});
}

static int check_attribute_name(struct str name, struct sqs_fault *f)
{
	bool fine = true;
	if (name.n == 0)
		return sqs_fault_set(f, SQS_INVALID_PARAMETER, "The message attribute name must not be empty.");
	if (name.n > NAME_MAX_BYTES)
		return sqs_fault_set(f, SQS_INVALID_PARAMETER, "Message (user) attribute names must be shorter than 256 Bytes");
	for (size_t i = 0; fine && i < name.n; i++)
		fine = isalnum((unsigned char)name.p[i]) || strchr("_-.", name.p[i]);
	if (!fine)
		return sqs_fault_set(f, SQS_INVALID_PARAMETER, "The message attribute name '" STR_FMT "' is invalid. Attribute name can contain "
		                     "A-Z, a-z, 0-9, underscore (_), hyphen (-), and period (.) characters.", STR_ARG(name));
	bool twice = memmem(name.p, name.n, "..", 2) != NULL;
	if (twice || name.p[0] == '.' || name.p[name.n - 1] == '.' || str_case_eq(str_sub(name, 0, 4), STR("AWS.")) ||
	    str_case_eq(str_sub(name, 0, 7), STR("Amazon.")))
		return sqs_fault_set(f, SQS_INVALID_PARAMETER, "You can't use message attribute names beginning with 'AWS.' or 'Amazon.'. These "
		                     "strings are reserved for internal use. Additionally, they cannot start or end with '.'.");
	return 0;
}

static int check_number(struct str name, struct str value, struct sqs_fault *f)
{
	char text[200], *end = text;
	if (value.n > 0 && !isspace((unsigned char)value.p[0]) && str_copy(text, sizeof text, value) == 0 && !strpbrk(text, "xXpPnNiI"))
		strtod(text, &end);
	if (end != text && *end == 0)
		return 0;
	return sqs_fault_set(f, SQS_INVALID_PARAMETER, "Can't cast the value of message (user) attribute '" STR_FMT "' to a number.", STR_ARG(name));
}

static int check_value(struct str name, struct str type, const json_t *attribute, struct sqs_fault *f)
{
	bool binary = str_starts(type, STR("Binary"));
	struct str value = json_value_text(json_object_get(attribute, binary ? "BinaryValue" : "StringValue"));
	struct str word = str_sub(type, 0, str_find(type, '.'));
	if (value.n == 0)
		return sqs_fault_set(f, SQS_INVALID_PARAMETER, "Message (user) attribute '" STR_FMT "' must contain a non-empty value of type '" STR_FMT "'.",
		                     STR_ARG(name), STR_ARG(word));
	if (str_eqz(word, "Number"))
		return check_number(name, value, f);
	if (!binary)
		return is_content(value) ? 0 : sqs_fault_set(f, SQS_INVALID_PARAMETER, CONTENTS_TEXT);
	CLEANUP_FREE unsigned char *bytes = malloc(value.n + 1);
	size_t n;
	ASSERT(bytes);
	if (base64_decode(bytes, &n, value) < 0)
		return sqs_fault_set(f, SQS_SERIALIZATION, "the value of message attribute '" STR_FMT "' is not base64", STR_ARG(name));
	return 0;
}

static int check_attribute(struct str name, const json_t *attribute, struct sqs_fault *f)
{
	static const char *const types[] = {"String", "Number", "Binary"};
	if (!json_is_object(attribute))
		return sqs_fault_set(f, SQS_SERIALIZATION, "a message attribute is an object with DataType and a value");
	struct str type = json_value_text(json_object_get(attribute, "DataType"));
	if (check_attribute_name(name, f) < 0)
		return -1;
	if (type.n == 0)
		return sqs_fault_set(f, SQS_INVALID_PARAMETER, "The message attribute '" STR_FMT "' must contain non-empty message attribute type.",
		                     STR_ARG(name));
	if (type.n > NAME_MAX_BYTES)
		return sqs_fault_set(f, SQS_INVALID_PARAMETER, "Message (user) attribute types must be shorter than 256 Bytes");
	struct str word = str_sub(type, 0, str_find(type, '.'));
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (str_eqz(word, types[i]))
			return check_value(name, type, attribute, f);
	}
	return sqs_fault_set(f, SQS_INVALID_PARAMETER, "The message attribute '" STR_FMT "' has an invalid message attribute type, the set of "
	                     "supported type prefixes is Binary, Number, and String.", STR_ARG(name));
}

static int check_attributes(const json_t *attributes, struct sqs_fault *f)
{
	const char *name;
	json_t *v;
	if (json_object_size(attributes) > SQS_ATTRIBUTES_MAX)
		return sqs_fault_set(f, SQS_INVALID_PARAMETER, "Number of message attributes [%zu] exceeds the allowed maximum [%d].",
		                     json_object_size(attributes), SQS_ATTRIBUTES_MAX);
	json_object_foreach((json_t *)(uintptr_t)attributes, name, v) {
		if (check_attribute(str_from(name), v, f) < 0)
			return -1;
	}
	return 0;
}

static int check_system(const json_t *system, struct sqs_fault *f)
{
	const char *name;
	json_t *v;
	json_object_foreach((json_t *)(uintptr_t)system, name, v) {
		if (strcmp(name, "AWSTraceHeader") != 0)
			return sqs_fault_set(f, SQS_INVALID_PARAMETER, "Message system attribute name '%.100s' is invalid.", name);
		if (!str_eqz(json_value_text(json_object_get(v, "DataType")), "String") ||
		    json_value_text(json_object_get(v, "StringValue")).n == 0)
			return sqs_fault_set(f, SQS_INVALID_PARAMETER, "The message system attribute '%s' must contain a non-empty value of type 'String'.", name);
	}
	return 0;
}

int sqs_check_token(struct str token, const char *parameter, struct sqs_fault *f)
{
	bool fine = token.n >= 1 && token.n <= SQS_GROUP_MAX;
	for (size_t i = 0; fine && i < token.n; i++)
		fine = token.p[i] > 0x20 && token.p[i] < 0x7f;
	if (!token.p || fine)
		return 0;
	return sqs_fault_set(f, SQS_INVALID_PARAMETER, "Value %.*s for parameter %s is invalid. Reason: %s can only include alphanumeric and "
	                     "punctuation characters. 1 to 128 in length.", (int)(token.n > 200 ? 200 : token.n), token.p, parameter, parameter);
}

static int check_fifo(const struct sqs_queue *q, const struct sqs_asked *a, struct sqs_fault *f)
{
	if (!a->group.p)
		return sqs_fault_set(f, SQS_MISSING_PARAMETER, "The request must contain the parameter MessageGroupId.");
	if (!a->dedup.p && !q->rules.content_dedup)
		return sqs_fault_set(f, SQS_INVALID_PARAMETER, "The queue should either have ContentBasedDeduplication enabled or "
		                     "MessageDeduplicationId provided explicitly");
	if (a->has_delay && a->delay_s != 0)
		return sqs_fault_set(f, SQS_INVALID_PARAMETER, "Value %lld for parameter DelaySeconds is invalid. Reason: The request include "
		                     "parameter that is not valid for this queue type.", (long long)a->delay_s);
	return 0;
}

static int check_kind(const struct sqs_queue *q, const struct sqs_asked *a, struct sqs_fault *f)
{
	if (a->has_delay && (a->delay_s < 0 || a->delay_s > SQS_DELAY_MAX_S))
		return sqs_fault_set(f, SQS_INVALID_PARAMETER, "Value %lld for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 "
		                     "and <= 900.", (long long)a->delay_s);
	if (sqs_check_token(a->group, "MessageGroupId", f) < 0 || sqs_check_token(a->dedup, "MessageDeduplicationId", f) < 0)
		return -1;
	if (q->rules.fifo)
		return check_fifo(q, a, f);
	if (a->dedup.p)
		return sqs_fault_set(f, SQS_INVALID_PARAMETER, "Value " STR_FMT " for parameter MessageDeduplicationId is invalid. Reason: The "
		                     "request includes a parameter that is not valid for this queue type.", STR_ARG(a->dedup));
	return 0;
}

static int check_message(const struct sqs_queue *q, const struct sqs_asked *a, size_t size, struct sqs_fault *f)
{
	if (a->body.n == 0)
		return sqs_fault_set(f, SQS_MISSING_PARAMETER, "The request must contain the parameter MessageBody.");
	if (size > q->rules.max_bytes)
		return sqs_fault_set(f, SQS_MESSAGE_TOO_LONG, "One or more parameters are invalid. Reason: Message must be shorter than %llu bytes.",
		                     (unsigned long long)q->rules.max_bytes);
	if (!is_content(a->body))
		return sqs_fault_set(f, SQS_INVALID_CONTENTS, CONTENTS_TEXT);
	if (check_attributes(a->attributes, f) < 0 || check_system(a->system, f) < 0)
		return -1;
	return check_kind(q, a, f);
}

/* ---- drafts ---- */

static void set_dedup(struct sqs_draft *d, const struct sqs_queue *q, struct str given, struct str group)
{
	char content[SHA256_HEX_SIZE];
	struct sha256 *sum;
	unsigned char bytes[SHA256_SIZE];
	if (!given.p) {
		sha256_hex(content, d->body.p, d->body.n);
		given = str_from(content);
	}
	if (!q->rules.dedup_by_group) {
		str_copy(d->dedup, sizeof d->dedup, given);
		return;
	}
	sum = sha256_new(); /* together they may be longer than the store's ids */
	sha256_update(sum, group.p, group.n + 0);
	sha256_update(sum, "", 1);
	sha256_update(sum, given.p, given.n);
	sha256_done(sum, bytes);
	hex_encode(d->dedup, bytes, sizeof bytes);
}

static int write_head(struct sqs_draft *d, const struct sqs_queue *q, const struct sqs_asked *a, struct str trace, struct sqs_fault *f)
{
	char content[SHA256_HEX_SIZE];
	struct json_writer w;
	CLEANUP(buf_release) struct buf attributes;
	buf_init(&attributes, QUEUE_HEAD_MAX);
	buf_init(&d->head, QUEUE_HEAD_MAX);
	json_write_init(&w, &d->head);
	json_write_object(&w);
	json_write_key_z(&w, "M", d->md5_body);
	json_write_key_str(&w, "S", a->sender);
	json_write_key_z(&w, "Q", q->name);
	if (d->md5_attributes[0]) {
		json_value_dump(a->attributes, &attributes, NULL);
		json_write_key_z(&w, "N", d->md5_attributes);
		json_write_key(&w, "A");
		json_write_raw(&w, buf_str(&attributes));
	}
	if (trace.p)
		json_write_key_str(&w, "T", trace);
	if (q->rules.fifo && !a->dedup.p)
		sha256_hex(content, d->body.p, d->body.n);
	if (q->rules.fifo)
		json_write_key_str(&w, "D", a->dedup.p ? a->dedup : str_from(content));
	if (!q->rules.fifo && a->group.p)
		json_write_key_str(&w, "G", a->group);
	json_write_close(&w);
	if (json_write_done(&w) == 0 && !attributes.overflow)
		return 0;
	buf_release(&d->head);
	return sqs_fault_set(f, SQS_MESSAGE_TOO_LONG, "One or more parameters are invalid. Reason: Message attributes must be shorter than %d bytes.",
	                     QUEUE_HEAD_MAX);
}

int sqs_draft_init(struct sqs_draft *d, const struct sqs_queue *q, const struct sqs_asked *a, struct sqs_fault *f)
{
	struct str trace = json_value_text(json_object_get(json_object_get(a->system, "AWSTraceHeader"), "StringValue"));
	*d = (struct sqs_draft){.body = a->body, .size = sqs_size(a->body, a->attributes)};
	if (check_message(q, a, d->size, f) < 0)
		return -1;
	sqs_id_new(d->id);
	md5_hex(d->md5_body, a->body.p, a->body.n);
	sqs_md5_attributes(d->md5_attributes, a->attributes);
	sqs_md5_attributes(d->md5_system, a->system);
	d->delay_ms = 1000 * (a->has_delay && !q->rules.fifo ? (uint64_t)a->delay_s : q->rules.delay_s);
	if (q->rules.fifo) {
		d->group = a->group;
		set_dedup(d, q, a->dedup, a->group);
	}
	return write_head(d, q, a, trace.p ? trace : a->trace_header, f);
}

void sqs_draft_release(struct sqs_draft *d)
{
	buf_release(&d->head);
}

void sqs_draft_publish(const struct sqs_draft *d, const struct sqs_queue *q, struct queue_publish *out)
{
	*out = (struct queue_publish){.queue = str_from(q->stored), .head = buf_str(&d->head), .body = d->body, .group = d->group,
	                              .dedup = d->dedup[0] ? str_from(d->dedup) : STR_NULL, .delay_ms = d->delay_ms};
	memcpy(out->id, d->id, sizeof out->id);
}

/* ---- on the way out ---- */

void sqs_view_init(struct sqs_view *v, const struct sqs_queue *q, const struct queue_message *m)
{
	*v = (struct sqs_view){.queue = q, .m = m, .head = json_value_load_object(m->head, &(struct json_limits){0}, NULL)};
	v->md5_body = json_value_text(json_object_get(v->head, "M"));
	v->attributes = json_object_get(v->head, "A");
}

void sqs_view_release(struct sqs_view *v)
{
	json_decref(v->head);
}

static struct str number(char text[QUEUE_NAME_MAX], const char *fmt, uint64_t value)
{
	snprintf(text, QUEUE_NAME_MAX, fmt[0] == '0' ? "%020llu" : "%llu", (unsigned long long)value);
	return str_from(text);
}

static struct str of_head(const struct sqs_view *v, const char *key)
{
	return json_value_text(json_object_get(v->head, key));
}

static struct str sender(const struct sqs_view *v, char text[QUEUE_NAME_MAX])
{
	return of_head(v, "S");
}

static struct str sent(const struct sqs_view *v, char text[QUEUE_NAME_MAX])
{
	return number(text, "", (uint64_t)v->m->published_ms);
}

static struct str receives(const struct sqs_view *v, char text[QUEUE_NAME_MAX])
{
	return number(text, "", v->m->receives);
}

static struct str first_received(const struct sqs_view *v, char text[QUEUE_NAME_MAX])
{
	return number(text, "", (uint64_t)v->m->first_fetched_ms);
}

static struct str sequence(const struct sqs_view *v, char text[QUEUE_NAME_MAX])
{
	return v->queue->rules.fifo ? number(text, "0", v->m->sequence) : STR_NULL;
}

static struct str dedup(const struct sqs_view *v, char text[QUEUE_NAME_MAX])
{
	return of_head(v, "D");
}

static struct str group(const struct sqs_view *v, char text[QUEUE_NAME_MAX])
{
	return v->m->group.p ? v->m->group : of_head(v, "G");
}

static struct str trace(const struct sqs_view *v, char text[QUEUE_NAME_MAX])
{
	return of_head(v, "T");
}

/* It was sent to another queue: this one is where it died. */
static struct str dead_source(const struct sqs_view *v, char text[QUEUE_NAME_MAX])
{
	struct str name = of_head(v, "Q");
	if (name.n == 0 || str_eqz(name, v->queue->name))
		return STR_NULL;
	snprintf(text, QUEUE_NAME_MAX, "%.*s" STR_FMT, (int)(strlen(v->queue->arn) - strlen(v->queue->name)), v->queue->arn, STR_ARG(name));
	return str_from(text);
}

static const struct {
	const char *name;
	struct str (*value)(const struct sqs_view *v, char text[QUEUE_NAME_MAX]);
} system_rows[] = {
	{"SenderId", sender},
	{"SentTimestamp", sent},
	{"ApproximateReceiveCount", receives},
	{"ApproximateFirstReceiveTimestamp", first_received},
	{"SequenceNumber", sequence},
	{"MessageDeduplicationId", dedup},
	{"MessageGroupId", group},
	{"AWSTraceHeader", trace},
	{"DeadLetterQueueSourceArn", dead_source},
};

size_t sqs_system_count(void)
{
	return ARRAY_LEN(system_rows);
}

const char *sqs_system_name(size_t i)
{
	return system_rows[i].name;
}

struct str sqs_system_value(const struct sqs_view *v, size_t i, char text[QUEUE_NAME_MAX])
{
	return system_rows[i].value(v, text);
}

/* ---- handles ---- */

struct handle {
	unsigned char uid[4];
	uint32_t received_s;
	struct queue_receipt receipt;
};
_Static_assert(sizeof(struct handle) == 24 && BASE64_SIZE(sizeof(struct handle)) == SQS_HANDLE_SIZE, "a handle has no holes");

void sqs_handle_make(char dst[SQS_HANDLE_SIZE], const struct sqs_queue *q, const struct queue_receipt *receipt, int64_t received_ms)
{
	struct handle h = {.received_s = (uint32_t)(received_ms / 1000), .receipt = *receipt};
	hex_decode(h.uid, sizeof h.uid, str_from(q->uid));
	base64_encode(dst, &h, sizeof h);
}

int sqs_handle_read(struct str text, const struct sqs_queue *q, struct queue_receipt *receipt, int64_t *received_ms, struct sqs_fault *f)
{
	struct handle h;
	unsigned char bytes[SQS_HANDLE_SIZE], uid[sizeof h.uid];
	size_t n = 0;
	hex_decode(uid, sizeof uid, str_from(q->uid));
	if (text.n != SQS_HANDLE_SIZE - 1 || base64_decode(bytes, &n, text) < 0 || n != sizeof h || memcmp(bytes, uid, sizeof uid) != 0)
		return sqs_fault_set(f, SQS_RECEIPT_INVALID, "The input receipt handle \"%.*s\" is not a valid receipt handle.",
		                     (int)(text.n > 500 ? 500 : text.n), text.p ? text.p : "");
	memcpy(&h, bytes, sizeof h);
	*receipt = h.receipt;
	*received_ms = (int64_t)h.received_s * 1000;
	return 0;
}
