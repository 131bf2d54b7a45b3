/* Records of events that are over, on their way to destinations and dead-letter queues.
 *
 * What a target cannot take now becomes a message of its own in the function's queue, so that neither the event is run again for it nor
 * others wait: {"D": target, "B": detail-type, "F": function ARN, "T": trace header, "A": [[name, type, value], ...]}. */
#include <stdlib.h>
#include <string.h>

#include "control/events/async_priv.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/json/value.h"
#include "core/json/write.h"
#include "core/spec/limits.h"

#define RECORD_MAX (2 * LIMIT_PAYLOAD_BYTES)
#define RECORD_AGE_MS (6ll * 3600 * 1000) /* how long a target may be out of reach */

enum step { STEP_DESTINATION, STEP_DEAD_LETTER, STEP_OVER };

struct async_sending {
	struct async_item *item;
	char *targets[STEP_OVER]; /* NULL: none */
	enum step step;
	struct outcome outcome;
	char function_arn[FUNCTION_ARN_MAX];
	char code[4], message[OUTCOME_ERROR_MAX + 1];
	struct buf record, head;
	struct delivery d;
	struct str resources[2];
	struct delivery_attribute attributes[3];
	struct queue_publish publish;
};

void async_sending_free(struct async_sending *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < ARRAY_LEN(s->targets); i++)
		free(s->targets[i]);
	buf_release(&s->record);
	buf_release(&s->head);
	free(s);
}

static void note_delivery(struct async_item *item, struct str target, const struct error *err)
{
	char text[ASYNC_ERROR_MAX];
	if (!err) {
		async_history(item, HISTORY_DELIVERED, target);
		return;
	}
	snprintf(text, sizeof text, STR_FMT ": %s", STR_ARG(str_sub(target, 0, 350)), err->msg);
	async_history(item, HISTORY_UNDELIVERED, str_from(text));
	metrics_add(item->f->async->deps.metrics, METRIC_ASYNC_DELIVERY_FAILURES, item->f->metric, 0, 1);
}

/* ---- what is kept for later ---- */

static void deliver_next(struct async_sending *s);

static void on_kept(void *arg, const struct queue_published *results, size_t n, const struct error *err)
{
	struct async_sending *s = arg;
	struct async_item *item = s->item;
	if (!err) {
		s->step++;
		deliver_next(s);
		return;
	}
	/* Neither there nor here (the disk is full): the event stays, and runs once more. */
	async_sending_free(STEAL_PTR(item->sending));
	async_item_put_off(item, async_backoff_ms(item->f->async, ++item->note.throttles));
}

static void write_attributes(struct json_writer *w, const struct delivery *d)
{
	json_write_key(w, "A");
	json_write_array(w);
	for (size_t i = 0; i < d->attribute_count; i++) {
		json_write_array(w);
		json_write_z(w, d->attributes[i].name);
		json_write_z(w, d->attributes[i].type);
		json_write_str(w, d->attributes[i].value);
		json_write_close(w);
	}
	json_write_close(w);
}

static int write_head(struct buf *out, const struct delivery *d)
{
	struct json_writer w;
	json_write_init(&w, out);
	json_write_object(&w);
	json_write_key_str(&w, "D", d->target);
	json_write_key_str(&w, "F", d->source_arn);
	if (d->bus_detail_type.p)
		json_write_key_str(&w, "B", d->bus_detail_type);
	if (d->trace_header.p)
		json_write_key_str(&w, "T", d->trace_header);
	write_attributes(&w, d);
	json_write_close(&w);
	return json_write_done(&w);
}

static void delivered(struct async_sending *s, const struct error *err)
{
	note_delivery(s->item, s->d.target, err);
	s->step++;
	deliver_next(s);
}

/* What the store can never take is given up at once: the event would run again and again for it. */
static void keep(struct async_sending *s, const struct error *why)
{
	struct async *a = s->item->f->async;
	struct error err = {0};
	buf_release(&s->head);
	buf_init(&s->head, QUEUE_HEAD_MAX);
	if (write_head(&s->head, &s->d) < 0 || s->d.payload.n > QUEUE_BODY_MAX) {
		delivered(s, why);
		return;
	}
	s->publish = (struct queue_publish){.queue = str_from(s->item->f->queue), .head = buf_str(&s->head), .body = s->d.payload,
	                                    .delay_ms = async_backoff_ms(a, 1)};
	memcpy(s->publish.id, s->item->m->id, QUEUE_ID_SIZE);
	if (queue_publish(a->deps.queue, &s->publish, 1, on_kept, s, &err) < 0)
		on_kept(s, NULL, 0, &err);
}

/* ---- one after the other ---- */

static void on_delivered(void *arg, const struct error *err)
{
	struct async_sending *s = arg;
	if (err && !delivery_is_final(err) && !s->item->gone) {
		keep(s, err);
		return;
	}
	delivered(s, err);
}

static void deliver_next(struct async_sending *s)
{
	struct async_item *item = s->item;
	const struct deliverer *to = &item->f->async->deps.deliverer;
	while (s->step < STEP_OVER && !s->targets[s->step])
		s->step++;
	if (s->step == STEP_OVER || item->gone) {
		async_sending_free(STEAL_PTR(item->sending));
		async_item_ack(item);
		return;
	}
	struct str target = str_from(s->targets[s->step]);
	if (s->step == STEP_DESTINATION)
		outcome_delivery(&s->d, &s->outcome, target, &s->record, s->resources);
	else
		outcome_dead_letter(&s->d, &s->outcome, target, str_from(s->code), str_from(s->message), s->attributes);
	s->d.trace_header = *item->inv.trace_id ? str_from(item->inv.trace_id) : json_value_text(json_object_get(item->head, "T"));
	to->deliver(to->arg, &s->d, on_delivered, s);
}

static void begin(struct async_sending *s)
{
	struct error err = {0};
	s->outcome.request_payload = (struct str){s->item->body.data, s->item->body.len};
	if (s->targets[STEP_DESTINATION] && outcome_write(&s->record, &s->outcome, &err) < 0) {
		note_delivery(s->item, str_from(s->targets[STEP_DESTINATION]), &err);
		free(STEAL_PTR(s->targets[STEP_DESTINATION]));
	}
	deliver_next(s);
}

/* The payload went into the invocation; the store has it. */
static void on_found(void *arg, struct list *messages, size_t n, const struct error *err)
{
	struct async_sending *s = arg;
	struct async_item *item = s->item;
	struct queue_message *m = n ? LIST_FIRST(messages, struct queue_message, link) : NULL;
	if (err) {
		on_kept(s, NULL, 0, err);
		return;
	}
	if (m) {
		size_t charge = m->body_len + 1;
		struct http_pool *pool = item->f->async->deps.http_pool;
		bool counted = http_pool_charge(pool, charge); /* without room it is held all the same: bounded by the window */
		item->body = (struct http_blob){.data = m->body, .len = m->body_len, .pool = pool, .charged_bytes = counted ? charge : 0};
		m->body = NULL;
	}
	begin(s);
}

/* ---- what the record says ---- */

static void set_error(struct async_sending *s)
{
	const struct async_item *item = s->item;
	const struct invocation *inv = &item->inv;
	if (item->done && inv->outcome == INVOKE_FUNCTION_ERROR) {
		CLEANUP_JSON json_t *json = json_value_load((struct str){inv->answer.data, inv->answer.len}, &(struct json_limits){0}, NULL);
		struct str message = json_value_text(json_object_get(json, "errorMessage"));
		str_copy(s->message, sizeof s->message, outcome_cut(message.p ? message : str_from(item->note.error)));
		str_copy(s->code, sizeof s->code, STR("200"));
		return;
	}
	str_copy(s->message, sizeof s->message, str_from(item->note.error));
	bool refused = item->done && inv->outcome == INVOKE_REFUSED;
	unsigned status = refused ? (unsigned)error_info(inv->refusal.code)->http_status : item->note.attempts ? 200 : 429;
	if (s->outcome.condition == OUTCOME_RECURSION)
		status = 400;
	snprintf(s->code, sizeof s->code, "%u", status % 1000);
}

static void set_outcome(struct async_sending *s, enum outcome_condition condition)
{
	const struct async_item *item = s->item;
	const struct invocation *inv = &item->inv;
	bool ran = item->done && inv->outcome != INVOKE_REFUSED;
	registry_arn(item->f->async->deps.registry, s->function_arn, str_from(item->f->name),
	             item->qualifier.n ? item->qualifier : STR("$LATEST"));
	s->outcome = (struct outcome){.condition = condition, .now_ms = clock_wall_ms(), .request_id = str_from(item->request_id),
	                              .function_arn = str_from(s->function_arn),
	                              .invoke_count = item->note.attempts + (condition == OUTCOME_SUCCESS)};
	if (ran) {
		s->outcome.executed_version = str_from(inv->version->version);
		s->outcome.response_payload = (struct str){inv->answer.data, inv->answer.len};
		s->outcome.function_error = inv->outcome == INVOKE_FUNCTION_ERROR;
	}
	if (condition != OUTCOME_SUCCESS)
		set_error(s);
}

static char *copy_target(struct str arn)
{
	return arn.n ? str_dup(arn) : NULL;
}

void async_send(struct async_item *item, enum outcome_condition condition, const struct registry_async *config)
{
	struct async *a = item->f->async;
	struct str destination = condition == OUTCOME_SUCCESS ? config->on_success : config->on_failure;
	/* Of the version that was chosen, if one was: of an alias that may be either of two. */
	struct str dead_letter = item->done ? str_from(item->inv.version->dead_letter) : config->dead_letter;
	struct error err = {0};
	if (!destination.n && (condition == OUTCOME_SUCCESS || !dead_letter.n)) {
		async_item_ack(item);
		return;
	}
	struct async_sending *s = calloc(1, sizeof *s);
	ASSERT(s);
	item->sending = s;
	s->item = item;
	s->targets[STEP_DESTINATION] = copy_target(destination);
	s->targets[STEP_DEAD_LETTER] = condition == OUTCOME_SUCCESS ? NULL : copy_target(dead_letter);
	buf_init(&s->record, RECORD_MAX);
	set_outcome(s, condition);
	if (item->body.data || item->m->body_len == 0)
		begin(s);
	else if (queue_find(a->deps.queue, str_from(item->f->queue), item->m->sequence, on_found, s, &err) < 0)
		on_kept(s, NULL, 0, &err);
}

/* ---- records that waited ---- */

bool async_is_record(const struct async_item *item)
{
	return json_object_get(item->head, "D") != NULL;
}

static void on_delivered_again(void *arg, const struct error *err)
{
	struct async_sending *s = arg;
	struct async_item *item = s->item;
	struct async *a = item->f->async;
	bool old = queue_now_ms(a->deps.queue) - item->m->published_ms > RECORD_AGE_MS;
	if (!err || delivery_is_final(err) || old) {
		note_delivery(item, s->d.target, err);
		async_sending_free(STEAL_PTR(item->sending));
		async_item_ack(item);
		return;
	}
	str_copy(item->note.error, sizeof item->note.error, str_from(err->msg));
	async_sending_free(STEAL_PTR(item->sending));
	metrics_add(a->deps.metrics, METRIC_ASYNC_RETRIES, item->f->metric, RETRY_LABEL_DELIVERY, 1);
	async_item_put_off(item, async_backoff_ms(a, ++item->note.throttles + 1));
}

static size_t read_attributes(struct delivery_attribute out[3], const json_t *rows)
{
	size_t i, n = 0;
	json_t *row;
	json_array_foreach(rows, i, row) {
		const char *name = json_string_value(json_array_get(row, 0)), *type = json_string_value(json_array_get(row, 1));
		if (n < 3 && name && type)
			out[n++] = (struct delivery_attribute){name, type, json_value_text(json_array_get(row, 2))};
	}
	return n;
}

void async_send_again(struct async_item *item)
{
	struct async *a = item->f->async;
	struct async_sending *s = calloc(1, sizeof *s);
	ASSERT(s);
	item->sending = s;
	s->item = item;
	s->d = (struct delivery){.target = json_value_text(json_object_get(item->head, "D")),
	                         .payload = {item->body.data, item->body.len},
	                         .source_arn = json_value_text(json_object_get(item->head, "F")),
	                         .trace_header = json_value_text(json_object_get(item->head, "T")),
	                         .bus_detail_type = json_value_text(json_object_get(item->head, "B")),
	                         .attributes = s->attributes};
	s->d.attribute_count = read_attributes(s->attributes, json_object_get(item->head, "A"));
	if (s->d.bus_detail_type.p) {
		s->resources[0] = s->d.target;
		s->resources[1] = s->d.source_arn;
		s->d.bus_source = STR("lambda");
		s->d.bus_resources = s->resources;
		s->d.bus_resource_count = 2;
	}
	a->deps.deliverer.deliver(a->deps.deliverer.arg, &s->d, on_delivered_again, s);
}
