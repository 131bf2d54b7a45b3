#include "services/queue/sqs_batch.h"

#include <ctype.h>

#define ID_MAX 80

static bool is_id(struct str s)
{
	bool fine = s.n >= 1 && s.n <= ID_MAX;
	for (size_t i = 0; fine && i < s.n; i++)
		fine = isalnum((unsigned char)s.p[i]) || s.p[i] == '-' || s.p[i] == '_';
	return fine;
}

static int read_entry(struct sqs_call *call, struct sqs_batch *b, json_t *in, struct sqs_fault *f)
{
	struct sqs_entry *e = &b->entries[b->n];
	*e = (struct sqs_entry){.in = in};
	if (!json_is_object(in))
		return sqs_fault_set(f, SQS_SERIALIZATION, "an entry of a batch is an object");
	if (sqs_in_str(call, in, "Id", &e->id, f) < 0)
		return -1;
	if (!is_id(e->id))
		return sqs_fault_set(f, SQS_INVALID_BATCH_ID, "A batch entry id can only contain alphanumeric characters, hyphens and underscores. "
		                     "It can be at most 80 letters long.");
	for (size_t i = 0; i < b->n; i++) {
		if (str_eq(b->entries[i].id, e->id))
			return sqs_fault_set(f, SQS_IDS_NOT_DISTINCT, "Id " STR_FMT " repeated.", STR_ARG(e->id));
	}
	b->n++;
	return 0;
}

int sqs_batch_read(struct sqs_call *call, const char *word, struct sqs_batch *b, struct sqs_fault *f)
{
	json_t *v, *list = NULL;
	size_t i;
	b->n = 0;
	if (sqs_in_array(call, call->in, "Entries", &list, f) < 0)
		return -1;
	if (json_array_size(list) == 0)
		return sqs_fault_set(f, SQS_EMPTY_BATCH, "There should be at least one %s in the request.", word);
	if (json_array_size(list) > SQS_BATCH_MAX)
		return sqs_fault_set(f, SQS_TOO_MANY_ENTRIES, "Maximum number of entries per request are %d. You have sent %zu.", SQS_BATCH_MAX,
		                     json_array_size(list));
	json_array_foreach(list, i, v) {
		if (read_entry(call, b, v, f) < 0)
			return -1;
	}
	return 0;
}

size_t sqs_batch_good(const struct sqs_batch *b)
{
	size_t good = 0;
	for (size_t i = 0; i < b->n; i++)
		good += !b->entries[i].failed;
	return good;
}

void sqs_batch_write_failed(const struct sqs_batch *b, struct json_writer *w)
{
	if (sqs_batch_good(b) == b->n)
		return;
	json_write_key(w, "Failed");
	json_write_array(w);
	for (size_t i = 0; i < b->n; i++) {
		const struct sqs_entry *e = &b->entries[i];
		if (!e->failed)
			continue;
		const struct sqs_code_info *info = sqs_code_info(e->fault.code);
		json_write_object(w);
		json_write_key_str(w, "Id", e->id);
		json_write_key_bool(w, "SenderFault", info->sender);
		json_write_key_z(w, "Code", info->query);
		json_write_key_z(w, "Message", e->fault.msg);
		json_write_close(w);
	}
	json_write_close(w);
}

void sqs_batch_write(struct sqs_call *call, const struct sqs_batch *b)
{
	struct json_writer w;
	json_write_init(&w, &call->out);
	json_write_object(&w);
	if (sqs_batch_good(b) > 0) {
		json_write_key(&w, "Successful");
		json_write_array(&w);
		for (size_t i = 0; i < b->n; i++) {
			if (b->entries[i].failed)
				continue;
			json_write_object(&w);
			json_write_key_str(&w, "Id", b->entries[i].id);
			json_write_close(&w);
		}
		json_write_close(&w);
	}
	sqs_batch_write_failed(b, &w);
	json_write_close(&w);
}
