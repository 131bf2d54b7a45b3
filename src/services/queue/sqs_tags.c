/* TagQueue, UntagQueue, ListQueueTags. */
#include <string.h>

#include "services/queue/sqs_priv.h"

#define KEY_MAX 128
#define VALUE_MAX 256

static size_t characters(struct str s)
{
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

int sqs_tags_merge(json_t *tags, const json_t *given, struct sqs_fault *f)
{
	const char *key;
	json_t *v;
	json_object_foreach((json_t *)(uintptr_t)given, key, v) {
		struct str value = json_value_text(v), name = str_from(key);
		if (!value.p)
			return sqs_fault_set(f, SQS_SERIALIZATION, "the value of tag %.128s can not be converted to a String", key);
		if (name.n == 0 || characters(name) > KEY_MAX)
			return sqs_fault_set(f, SQS_INVALID_PARAMETER, "Tag keys must be between 1 and 128 characters in length.");
		if (characters(value) > VALUE_MAX)
			return sqs_fault_set(f, SQS_INVALID_PARAMETER, "Tag values must be between 0 and 256 characters in length.");
		if (str_starts(name, STR("aws:")))
			return sqs_fault_set(f, SQS_INVALID_PARAMETER, "Tag keys starting with 'aws:' are reserved for system use.");
		json_object_set(tags, key, v);
	}
	if (json_object_size(tags) > SQS_TAGS_MAX)
		return sqs_fault_set(f, SQS_INVALID_PARAMETER, "Too many tags added. A queue has at most %d.", SQS_TAGS_MAX);
	return 0;
}

static int add_tags(struct sqs_call *call, json_t *attributes, json_t *tags, struct sqs_fault *f)
{
	json_t *given = NULL;
	int got = sqs_in_object(call, call->in, "Tags", &given, f);
	if (got == 0 || (got > 0 && json_object_size(given) == 0))
		return sqs_fault_set(f, SQS_MISSING_PARAMETER, "The request must contain the parameter Tags.");
	return got < 0 ? -1 : sqs_tags_merge(tags, given, f);
}

void sqs_tag_queue(struct sqs_call *call)
{
	sqs_change(call, add_tags);
}

static int drop_tags(struct sqs_call *call, json_t *attributes, json_t *tags, struct sqs_fault *f)
{
	json_t *v, *keys = NULL;
	size_t i;
	int got = sqs_in_array(call, call->in, "TagKeys", &keys, f);
	if (got == 0 || (got > 0 && json_array_size(keys) == 0))
		return sqs_fault_set(f, SQS_INVALID_PARAMETER, "Tag keys can't be null.");
	json_array_foreach(keys, i, v) {
		if (json_is_string(v))
			json_object_del(tags, json_string_value(v));
	}
	return got < 0 ? -1 : 0;
}

void sqs_untag_queue(struct sqs_call *call)
{
	sqs_change(call, drop_tags);
}

void sqs_list_tags(struct sqs_call *call)
{
	struct json_writer w;
	const char *key;
	json_t *v;
	if (json_object_size(call->queue->tags) > 0) {
		json_write_init(&w, &call->out);
		json_write_object(&w);
		json_write_key(&w, "Tags");
		json_write_object(&w);
		json_object_foreach(call->queue->tags, key, v)
			json_write_key_str(&w, key, json_value_text(v));
		json_write_close(&w);
		json_write_close(&w);
	}
	sqs_call_done(call);
}
