#include "bin/mayfly-control/pages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/codec.h"
#include "core/json/value.h"
#include "core/json/write.h"

#define ANSWER_MAX_BYTES (32u << 20)
#define BODY_SHOWN_BYTES (16u << 10) /* of a message that is looked at */
#define ROWS_DEFAULT 20u
#define ROWS_MAX 1000u

/* ---- what was asked for ---- */

static struct str query_value(struct str query, const char *key)
{
	struct str piece, name;
	while (str_split(&query, '&', &piece)) {
		str_split(&piece, '=', &name);
		if (str_eqz(name, key))
			return piece;
	}
	return STR_NULL;
}

static uint64_t query_number(struct str query, const char *key, uint64_t otherwise, uint64_t most)
{
	struct str text = query_value(query, key);
	uint64_t n;
	return text.p && str_to_u64(text, most, &n) == 0 ? n : otherwise;
}

/* One call that waits for the store or for the history. */
struct asked {
	struct pages *pages;
	api_answer_cb *cb;
	void *answer;
	struct buf waiting, history; /* JSON */
	char name[QUEUE_NAME_MAX + 1], request_id[UUID_SIZE];
	unsigned max;
	bool failures;
};

static struct asked *asked_new(struct pages *p, api_answer_cb *cb, void *answer)
{
	struct asked *a = calloc(1, sizeof *a);
	ASSERT(a);
	*a = (struct asked){.pages = p, .cb = cb, .answer = answer};
	buf_init(&a->waiting, ANSWER_MAX_BYTES);
	buf_init(&a->history, ANSWER_MAX_BYTES);
	return a;
}

static void asked_free(struct asked *a)
{
	buf_release(&a->waiting);
	buf_release(&a->history);
	free(a);
}

/* Frees it. */
static void asked_fail(struct asked *a, const struct error *err)
{
	bool missing = err->code == ERR_NOT_FOUND;
	a->cb(a->answer, missing ? 404 : 503, missing ? "ResourceNotFoundException" : "ServiceException", str_from(err->msg));
	asked_free(a);
}

static void finish(api_answer_cb *cb, void *answer, struct json_writer *w)
{
	if (json_write_done(w) < 0)
		cb(answer, 413, "RequestTooLargeException", STR("The answer is too long; ask for fewer with max=."));
	else
		cb(answer, 200, NULL, buf_str(w->out));
	buf_release(w->out);
}

/* ---- /_mayfly/queues/ ---- */

/* "sqs/NAME/UID" -> NAME; others are shown as the store names them. */
static struct str shown_name(struct str stored, bool *sqs)
{
	struct str rest = stored, part;
	*sqs = str_starts(stored, STR("sqs/"));
	if (!*sqs)
		return stored;
	str_split(&rest, '/', &part);
	str_split(&rest, '/', &part);
	return part;
}

static int find_sqs(const struct pages *p, struct str name, struct sqs_info *info)
{
	char arn[SQS_ARN_MAX];
	int n = snprintf(arn, sizeof arn, "arn:aws:sqs:%s:%s:" STR_FMT, p->settings->region, p->settings->account, STR_ARG(name));
	return n < (int)sizeof arn ? sqs_info(p->sqs, str_from(arn), info, NULL) : -1;
}

struct listing {
	struct pages *pages;
	struct json_writer w;
};

static bool list_one(void *arg, struct str stored, const struct queue_stats *stats)
{
	struct listing *l = arg;
	struct sqs_info info = {0};
	bool sqs, empty = !(stats->visible + stats->delayed + stats->leased);
	struct str name = shown_name(stored, &sqs);
	bool live = sqs && find_sqs(l->pages, name, &info) == 0 && str_eqz(stored, info.stored);
	if ((sqs && !live) || (!sqs && empty)) /* being deleted; a function that had events once */
		return true;
	json_write_object(&l->w);
	json_write_key_str(&l->w, "name", name);
	json_write_key_z(&l->w, "kind", !sqs ? "internal" : info.fifo ? "fifo" : "standard");
	json_write_key_int(&l->w, "visible", (int64_t)stats->visible);
	json_write_key_int(&l->w, "delayed", (int64_t)stats->delayed);
	json_write_key_int(&l->w, "in_flight", (int64_t)stats->leased);
	if (stats->oldest_ms)
		json_write_key_int(&l->w, "oldest_ms", stats->oldest_ms);
	if (sqs && *info.dead_letter) {
		json_write_key_z(&l->w, "dead_letter", info.dead_letter);
		json_write_key_int(&l->w, "max_receives", info.max_receives);
	}
	json_write_close(&l->w);
	return true;
}

static void list_queues(struct pages *p, api_answer_cb *cb, void *answer)
{
	struct listing l = {.pages = p};
	struct buf out;
	buf_init(&out, ANSWER_MAX_BYTES);
	json_write_init(&l.w, &out);
	json_write_object(&l.w);
	json_write_key_int(&l.w, "now_ms", queue_now_ms(p->queue));
	json_write_key(&l.w, "queues");
	json_write_array(&l.w);
	queue_list(p->queue, STR(""), STR(""), list_one, &l);
	json_write_close(&l.w);
	json_write_close(&l.w);
	finish(cb, answer, &l.w);
}

static void id_text(char dst[UUID_SIZE], const unsigned char id[QUEUE_ID_SIZE])
{
	static const char dash_before[QUEUE_ID_SIZE] = {[4] = 1, [6] = 1, [8] = 1, [10] = 1};
	for (size_t i = 0; i < QUEUE_ID_SIZE; i++) {
		if (dash_before[i])
			*dst++ = '-';
		hex_encode(dst, id + i, 1);
		dst += 2;
	}
	*dst = '\0';
}

static void write_message(struct json_writer *w, const struct queue_message *m)
{
	char id[UUID_SIZE];
	id_text(id, m->id);
	json_write_object(w);
	json_write_key_int(w, "sequence", (int64_t)m->sequence);
	json_write_key_z(w, "id", id);
	json_write_key_int(w, "sent_ms", m->published_ms);
	json_write_key_int(w, "visible_ms", m->visible_ms);
	json_write_key_int(w, "receives", m->receives);
	if (m->group.p)
		json_write_key_str(w, "group", m->group);
	if (m->note.n)
		json_write_key_str(w, "note", m->note);
	json_write_key_str(w, "body", (struct str){m->body, m->body_len});
	json_write_close(w);
}

static void on_peeked(void *arg, struct list *messages, size_t n, const struct error *err)
{
	struct asked *a = arg;
	struct json_writer w;
	struct buf out;
	if (err) {
		asked_fail(a, err);
		return;
	}
	buf_init(&out, ANSWER_MAX_BYTES);
	json_write_init(&w, &out);
	json_write_object(&w);
	json_write_key_int(&w, "now_ms", queue_now_ms(a->pages->queue));
	json_write_key_int(&w, "body_max", BODY_SHOWN_BYTES);
	json_write_key(&w, "messages");
	json_write_array(&w);
	LIST_FOREACH(link, messages)
		write_message(&w, CONTAINER_OF(link, struct queue_message, link));
	json_write_close(&w);
	json_write_close(&w);
	finish(a->cb, a->answer, &w);
	asked_free(a);
}

static void answer_queues(void *arg, struct str rest, struct str query, api_answer_cb *cb, void *answer)
{
	struct pages *p = arg;
	struct sqs_info info;
	struct error err = {0};
	struct str stored = rest;
	if (!rest.n) {
		list_queues(p, cb, answer);
		return;
	}
	if (str_find(rest, '/') == rest.n && find_sqs(p, rest, &info) == 0)
		stored = str_from(info.stored);
	else if (str_find(rest, '/') == rest.n || stored.n > QUEUE_NAME_MAX) {
		cb(answer, 404, "ResourceNotFoundException", STR("There is no such queue."));
		return;
	}
	struct asked *a = asked_new(p, cb, answer);
	struct queue_peek peek = {.queue = stored, .after = query_number(query, "after", 0, INT64_MAX),
	                          .max = (unsigned)query_number(query, "max", ROWS_DEFAULT, ROWS_MAX), .max_body = BODY_SHOWN_BYTES};
	peek.max = peek.max ? peek.max : 1;
	if (queue_peek(p->queue, &peek, on_peeked, a, &err) < 0)
		asked_fail(a, &err);
}

/* ---- /_mayfly/events/ ---- */

static void reply_events(struct asked *a)
{
	struct json_writer w;
	struct buf out;
	buf_init(&out, ANSWER_MAX_BYTES);
	json_write_init(&w, &out);
	json_write_object(&w);
	json_write_key_int(&w, "now_ms", queue_now_ms(a->pages->queue));
	if (*a->name)
		json_write_key_z(&w, "function", a->name);
	json_write_key(&w, "waiting");
	json_write_raw(&w, a->waiting.len ? buf_str(&a->waiting) : STR("[]"));
	json_write_key(&w, "history");
	json_write_raw(&w, a->history.len ? buf_str(&a->history) : STR("[]"));
	json_write_close(&w);
	finish(a->cb, a->answer, &w);
	asked_free(a);
}

static void on_history(void *arg, struct str json, const struct error *err)
{
	struct asked *a = arg;
	if (err) {
		asked_fail(a, err);
		return;
	}
	buf_append(&a->history, json.p, json.n);
	reply_events(a);
}

static void ask_history(struct asked *a)
{
	struct history_query q = {.function = str_from(a->name), .max = a->max, .failures = a->failures};
	history_find(a->pages->history, &q, on_history, a);
}

static void on_waiting(void *arg, struct str json, const struct error *err)
{
	struct asked *a = arg;
	if (err) {
		asked_fail(a, err);
		return;
	}
	buf_append(&a->waiting, json.p, json.n);
	ask_history(a);
}

/* ---- one event ---- */

static void on_found(void *arg, struct list *messages, size_t n, const struct error *err)
{
	struct asked *a = arg;
	struct json_writer w;
	if (err) {
		asked_fail(a, err);
		return;
	}
	json_write_init(&w, &a->waiting);
	json_write_array(&w);
	LIST_FOREACH(link, messages) {
		const struct queue_message *m = CONTAINER_OF(link, struct queue_message, link);
		json_write_object(&w);
		json_write_key_z(&w, "requestId", a->request_id);
		json_write_key_int(&w, "accepted", m->published_ms);
		json_write_key_int(&w, "nextAttempt", m->visible_ms);
		json_write_key_int(&w, "bytes", (int64_t)m->body_len);
		json_write_close(&w);
	}
	json_write_close(&w);
	if (json_write_done(&w) < 0)
		a->waiting.len = 0;
	reply_events(a);
}

/* Where it lies, from the lines about it: its function, and its latest place in that function's queue. */
static uint64_t place_of(struct asked *a, struct str json)
{
	CLEANUP_JSON json_t *lines = json_value_load(json, &(struct json_limits){0}, NULL);
	uint64_t sequence = 0;
	size_t i;
	json_t *line;
	json_array_foreach(lines, i, line) {
		int64_t n = 0;
		struct str function = json_value_text(json_object_get(line, "function"));
		if (json_value_int(line, "sequence", 1, INT64_MAX, &n, NULL) == 1)
			sequence = (uint64_t)n;
		if (function.n)
			(void)str_copy(a->name, sizeof a->name, function);
	}
	return sequence;
}

static void on_steps(void *arg, struct str json, const struct error *err)
{
	struct asked *a = arg;
	struct error failure = {0};
	char stored[QUEUE_NAME_MAX + 1];
	if (err) {
		asked_fail(a, err);
		return;
	}
	buf_append(&a->history, json.p, json.n);
	uint64_t sequence = place_of(a, json);
	int n = snprintf(stored, sizeof stored, ASYNC_PREFIX "%s", a->name);
	if (!sequence || n >= (int)sizeof stored)
		reply_events(a);
	else if (queue_find(a->pages->queue, str_from(stored), sequence, on_found, a, &failure) < 0)
		asked_fail(a, &failure);
}

static void answer_event(void *arg, struct str rest, struct str query, api_answer_cb *cb, void *answer)
{
	struct pages *p = arg;
	struct str id = query_value(query, "request");
	if (!id.n || id.n >= UUID_SIZE) {
		cb(answer, 400, "InvalidParameterValueException", STR("request= is to be a request id."));
		return;
	}
	struct asked *a = asked_new(p, cb, answer);
	(void)str_copy(a->request_id, sizeof a->request_id, id);
	history_find(p->history, &(struct history_query){.request_id = str_from(a->request_id)}, on_steps, a);
}

static void answer_events(void *arg, struct str rest, struct str query, api_answer_cb *cb, void *answer)
{
	struct pages *p = arg;
	struct asked *a = asked_new(p, cb, answer);
	a->max = (unsigned)query_number(query, "max", ROWS_DEFAULT, ROWS_MAX);
	a->failures = query_number(query, "failed", 0, 1) != 0;
	if (str_copy(a->name, sizeof a->name, rest) < 0)
		asked_fail(a, &(struct error){.code = ERR_NOT_FOUND, .msg = "There is no such function."});
	else if (rest.n)
		async_list(p->async, rest, a->max, on_waiting, a);
	else
		ask_history(a);
}

void pages_init(struct pages *p)
{
	p->rows[0] = (struct api_page){"/_mayfly/queues/", "ListQueues", answer_queues, p};
	p->rows[1] = (struct api_page){"/_mayfly/events/", "ListEvents", answer_events, p};
	p->rows[2] = (struct api_page){"/_mayfly/events", "ListEvents", answer_event, p};
	p->rows[3] = (struct api_page){0};
}
