#include "control/events/batch.h"

#include "core/json/check.h"
#include "core/json/value.h"
#include "core/json/write.h"

#define MEMBERS_BYTES 16u /* braces, comma, "body": and its quotes */

static const struct source_message *message_of(const struct list *link)
{
	return CONTAINER_OF((struct list *)(uintptr_t)link, struct source_message, link);
}

static size_t escaped_size(struct str s)
{
	size_t n = s.n;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		n += c < 0x20 ? 5 : c == '"' || c == '\\' ? 1 : 0;
	}
	return n;
}

size_t batch_record_size(const struct source_message *m)
{
	return m->record.n + escaped_size(m->body) + MEMBERS_BYTES;
}

static void put_record(struct buf *out, const struct source_message *m, bool raw_body)
{
	buf_putc(out, '{');
	buf_put(out, m->record);
	buf_puts(out, m->record.n ? ",\"body\":" : "\"body\":");
	if (raw_body)
		buf_put(out, m->body);
	else
		json_escape(out, m->body);
	buf_putc(out, '}');
}

int batch_write(struct buf *out, const struct list *messages, struct error *err)
{
	size_t before = out->len;
	const char *comma = "";
	buf_puts(out, "{\"Records\":[");
	for (const struct list *l = messages->next; l != messages; l = l->next) {
		buf_puts(out, comma);
		put_record(out, message_of(l), false);
		comma = ",";
	}
	buf_puts(out, "]}");
	if (out->overflow || out->len - before > BATCH_BYTES_MAX)
		return error_set(err, ERR_TOO_LARGE, "the batch is larger than %u bytes", BATCH_BYTES_MAX);
	return 0;
}

int batch_write_filtered(struct buf *out, const struct source_message *m)
{
	struct json_check check;
	struct str body = str_trim(m->body);
	bool structured = body.n && (*body.p == '{' || *body.p == '[') && json_check_all(&check, m->body.p, m->body.n) == 0;
	put_record(out, m, structured);
	return out->overflow ? -1 : 0;
}

/* ---- what failed ---- */

/* A set of identifiers, as an object's names; NULL: the answer makes no sense. */
static json_t *failed_ids(const json_t *answer)
{
	const json_t *list = json_object_get(answer, "batchItemFailures");
	CLEANUP_JSON json_t *ids = json_object();
	size_t i;
	json_t *one;
	if (list && !json_is_null(list) && !json_is_array(list))
		return NULL;
	json_array_foreach(list, i, one) {
		struct str id = json_value_text(json_object_get(one, "itemIdentifier"));
		if (!id.n || json_object_setn_new(ids, id.p, id.n, json_true()) < 0)
			return NULL;
	}
	return STEAL_PTR(ids);
}

/* A message that failed keeps those behind it in its group. */
static bool stays(const struct source_message *m, const json_t *ids, json_t *groups, size_t *found)
{
	bool failed = json_object_getn(ids, m->id.p, m->id.n);
	*found += failed;
	if (!groups || !m->group.p)
		return failed;
	if (failed)
		json_object_setn_new(groups, m->group.p, m->group.n, json_true());
	return failed || json_object_getn(groups, m->group.p, m->group.n);
}

int batch_split(struct list *messages, struct list *good, struct str answer, bool ordered)
{
	CLEANUP_JSON json_t *json = json_value_load(answer, NULL, NULL);
	CLEANUP_JSON json_t *ids = json ? failed_ids(json) : NULL;
	CLEANUP_JSON json_t *groups = ordered ? json_object() : NULL;
	size_t found = 0;
	if (!ids)
		return -1;
	list_init(good);
	LIST_FOREACH(link, messages) {
		if (stays(message_of(link), ids, groups, &found))
			continue;
		list_remove(link);
		list_push_back(good, link);
	}
	if (found == json_object_size(ids))
		return 0;
	/* An identifier that is nobody's. All of them stay; their order is of no more use. */
	LIST_FOREACH(link, good) {
		list_remove(link);
		list_push_back(messages, link);
	}
	return -1;
}
