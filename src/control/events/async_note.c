/* Texts of heads and notes in the store. */
#include <string.h>

#include "control/events/async_priv.h"
#include "core/base/codec.h"
#include "core/json/value.h"
#include "core/json/write.h"

#define ERROR_PARSE_MAX (256u * 1024) /* of larger answers only the beginning is shown */

static void write_text(struct json_writer *w, const char *key, struct str text)
{
	if (text.p)
		json_write_key_str(w, key, text);
}

int async_head_write(struct buf *out, const struct async_event *event, struct str incarnation)
{
	struct json_writer w;
	json_write_init(&w, out);
	json_write_object(&w);
	write_text(&w, "I", incarnation);
	write_text(&w, "Q", event->function->qualifier);
	write_text(&w, "T", event->trace_header);
	write_text(&w, "S", event->source_arn);
	write_text(&w, "N", event->tenant);
	json_write_close(&w);
	return json_write_done(&w);
}

static int write_note(struct buf *out, const struct async_note *note, const char *error)
{
	struct json_writer w;
	json_write_init(&w, out);
	json_write_object(&w);
	json_write_key_int(&w, "attempts", note->attempts);
	json_write_key_int(&w, "throttles", note->throttles);
	if (*error)
		json_write_key_z(&w, "error", error);
	json_write_close(&w);
	return json_write_done(&w);
}

int async_note_write(struct buf *out, const struct async_note *note)
{
	if (write_note(out, note, note->error) == 0)
		return 0;
	buf_clear(out);
	return write_note(out, note, "");
}

void async_note_read(struct async_note *note, struct str text)
{
	int64_t attempts = 0, throttles = 0;
	CLEANUP_JSON json_t *json = text.n ? json_value_load_object(text, &(struct json_limits){.max_bytes = QUEUE_NOTE_MAX}, NULL) : NULL;
	struct str error = json_value_text(json_object_get(json, "error"));
	*note = (struct async_note){0};
	json_value_int(json, "attempts", 0, INT32_MAX, &attempts, NULL);
	json_value_int(json, "throttles", 0, INT32_MAX, &throttles, NULL);
	note->attempts = (unsigned)attempts;
	note->throttles = (unsigned)throttles;
	if (error.p)
		str_copy(note->error, sizeof note->error, str_sub(error, 0, sizeof note->error - 1));
}

void async_id_text(char dst[UUID_SIZE], const unsigned char id[QUEUE_ID_SIZE])
{
	static const unsigned char pieces[] = {4, 2, 2, 2, 6};
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		hex_encode(dst, id, pieces[i]);
		id += pieces[i];
		dst += 2 * pieces[i];
		*dst++ = '-';
	}
	dst[-1] = '\0';
}

int async_id_parse(unsigned char id[QUEUE_ID_SIZE], const char *text)
{
	char digits[2 * QUEUE_ID_SIZE];
	size_t n = 0;
	for (; *text; text++) {
		if (*text == '-')
			continue;
		if (n == sizeof digits)
			return -1;
		digits[n++] = *text;
	}
	return hex_decode(id, QUEUE_ID_SIZE, (struct str){digits, n});
}

void async_error_text(char *dst, size_t size, struct str answer)
{
	CLEANUP_JSON json_t *json = answer.n <= ERROR_PARSE_MAX ? json_value_load(answer, &(struct json_limits){0}, NULL) : NULL;
	const char *type = json_string_value(json_object_get(json, "errorType"));
	const char *message = json_string_value(json_object_get(json, "errorMessage"));
	if (type || message)
		snprintf(dst, size, "%s%s%s", type ? type : "", type && message ? ": " : "", message ? message : "");
	else
		str_copy(dst, size, str_sub(answer, 0, size - 1));
}
