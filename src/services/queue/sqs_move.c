/* Message move tasks: StartMessageMoveTask, ListMessageMoveTasks, CancelMessageMoveTask.
 *
 * A task fetches some messages of its source, publishes them anew (id, time and counts begin again, as on AWS, so that a shorter retention
 * does not drop them), and acks them: at least once, and within five minutes once, since the source's sequence is the deduplication id. Its record
 * in kv ("sqs/move/ID") is written at the start, each second and at the end: a task that was running goes on after a restart.
 *
 * One file, though a long one: the record, the steps and the operations all turn on struct sqs_move, which nobody else knows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/codec.h"
#include "core/spec/arn.h"
#include "services/queue/sqs_message.h"

#define PREFIX "sqs/move/"
#define STEP_MESSAGES 100
#define STEP_LEASE_MS 60000
#define RATE_MAX 500
#define KEPT_A_SOURCE 10
#define LIST_MAX 10
#define RETRY_NS NS_PER_S
#define SAVE_EVERY_NS NS_PER_S
#define HANDLE_MAX 600

enum status { RUNNING, COMPLETED, CANCELLING, CANCELLED, FAILED, STATUSES };
static const char *const status_names[STATUSES] = {"RUNNING", "COMPLETED", "CANCELLING", "CANCELLED", "FAILED"};

struct step {
	size_t n;
	struct queue_message *messages[STEP_MESSAGES];
	struct queue_publish publishes[STEP_MESSAGES];
	struct queue_receipt receipts[STEP_MESSAGES];
	struct buf heads[STEP_MESSAGES];
	char dedups[STEP_MESSAGES][48];
};

struct sqs_move {
	struct list link; /* of sqs.moves, in the order of their starts */
	struct sqs *s;
	char id[UUID_SIZE], source[SQS_ARN_MAX], destination[SQS_ARN_MAX]; /* destination "": each where it came from */
	uint64_t rate;    /* messages a second; 0: as fast as it goes */
	int64_t started_ms;
	enum status status;
	uint64_t moved, to_move;
	char reason[80];
	uint64_t saved_ns;
	struct ev_timer next;
	struct queue_wait *wait; /* a fetch under way; NULL: none, as at every end */
	struct step *step;
};

/* ---- records ---- */

static void step_free(struct step *step)
{
	if (!step)
		return;
	for (size_t i = 0; i < step->n; i++) {
		queue_message_free(step->messages[i]);
		buf_release(&step->heads[i]);
	}
	free(step);
}

static void move_free(struct sqs_move *m)
{
	ev_timer_stop(&m->next);
	list_remove(&m->link);
	step_free(m->step);
	free(m);
}

void sqs_moves_free(struct sqs *s)
{
	LIST_FOREACH(link, &s->moves)
		move_free(CONTAINER_OF(link, struct sqs_move, link));
}

static int save(struct sqs_move *m, kv_cb *cb, void *arg, struct error *err)
{
	char key[sizeof PREFIX + UUID_SIZE];
	CLEANUP(buf_release) struct buf text;
	CLEANUP_JSON json_t *record = json_pack("{s:i, s:s, s:s, s:I, s:I, s:s, s:I, s:I, s:s}", "Format", 1, "Source", m->source, "Destination",
	                                        m->destination, "Rate", (json_int_t)m->rate, "Started", (json_int_t)m->started_ms, "Status",
	                                        status_names[m->status], "Moved", (json_int_t)m->moved, "ToMove", (json_int_t)m->to_move, "Reason",
	                                        m->reason);
	buf_init(&text, 4096);
	snprintf(key, sizeof key, PREFIX "%s", m->id);
	m->saved_ns = clock_mono_ns();
	if (!record || json_value_dump(record, &text, err) < 0)
		return -1;
	return kv_put(m->s->deps.kv, str_from(key), buf_str(&text), KV_ANY, cb, arg, err);
}

static void ignore(void *arg, const struct kv_entry *entry, const struct error *err)
{
	/* progress: what is not written is counted again after a restart */
}

static void forget(struct sqs_move *m)
{
	char key[sizeof PREFIX + UUID_SIZE];
	snprintf(key, sizeof key, PREFIX "%s", m->id);
	kv_delete(m->s->deps.kv, str_from(key), KV_ANY, ignore, NULL, NULL);
	move_free(m);
}

/* ---- moving ---- */

static void end(struct sqs_move *m, enum status status, const char *reason)
{
	if (m->wait)
		queue_fetch_cancel(m->s->deps.queue, STEAL_PTR(m->wait));
	m->status = status;
	snprintf(m->reason, sizeof m->reason, "%s", reason);
	save(m, ignore, NULL, NULL);
}

static void on_next(struct ev_timer *timer);

static void step_end(struct sqs_move *m, uint64_t wait_ns)
{
	step_free(m->step);
	m->step = NULL;
	ev_timer_after(m->s->deps.loop, &m->next, wait_ns);
}

/* The messages' leases end by themselves; a store that was closed leaves the task as it stands, for the next start. */
static void step_fail(struct sqs_move *m, const struct error *err)
{
	step_free(m->step);
	m->step = NULL;
	if (err->code == ERR_DISK_FULL || err->code == ERR_THROTTLED)
		ev_timer_after(m->s->deps.loop, &m->next, m->status == RUNNING ? RETRY_NS : 0);
	else if (err->code != ERR_CLOSED)
		end(m, FAILED, error_info(err->code)->name);
}

static void on_acked(void *arg, const enum error_code *results, size_t n, const struct error *err)
{
	struct sqs_move *m = arg;
	if (err) {
		step_fail(m, err);
		return;
	}
	m->moved += m->step->n;
	if (clock_mono_ns() - m->saved_ns >= SAVE_EVERY_NS)
		save(m, ignore, NULL, NULL);
	step_end(m, m->rate > 0 && m->status == RUNNING ? m->step->n * NS_PER_S / m->rate : 0);
}

static void on_published(void *arg, const struct queue_published *results, size_t n, const struct error *err)
{
	struct sqs_move *m = arg;
	struct sqs_queue *q = sqs_queue_of_arn(m->s, str_from(m->source));
	struct error why = {.code = ERR_NOT_FOUND};
	if (err)
		step_fail(m, err);
	else if (!q || queue_ack(m->s->deps.queue, str_from(q->stored), m->step->receipts, m->step->n, on_acked, m, &why) < 0)
		step_fail(m, &why);
}

/* Where one goes, and its head, which then names that queue. NULL: `reason` says why not. */
static struct sqs_queue *destination_of(struct sqs_move *m, const struct sqs_queue *source, const struct queue_message *message,
                                        struct buf *head, const char **reason)
{
	CLEANUP_JSON json_t *root = json_value_load_object(message->head, &(struct json_limits){0}, NULL);
	struct str name = json_value_text(json_object_get(root, "Q"));
	bool original = m->destination[0] == 0;
	*reason = "CouldNotDetermineMessageSource";
	if (original && (!name.p || str_eqz(name, source->name)))
		return NULL;
	*reason = "AWS.SimpleQueueService.NonExistentQueue";
	struct sqs_queue *q = original ? sqs_queue_find(m->s, name) : sqs_queue_of_arn(m->s, str_from(m->destination));
	if (!q || !root)
		return NULL;
	json_object_set_new(root, "Q", json_string(q->name));
	buf_init(head, QUEUE_HEAD_MAX);
	return json_value_dump(root, head, NULL) < 0 ? NULL : q;
}

static int add_to_step(struct sqs_move *m, const struct sqs_queue *source, struct queue_message *message, const char **reason)
{
	struct step *step = m->step;
	size_t i = step->n++;
	step->messages[i] = message;
	step->receipts[i] = message->receipt;
	const struct sqs_queue *to = destination_of(m, source, message, &step->heads[i], reason);
	if (!to)
		return -1;
	snprintf(step->dedups[i], sizeof step->dedups[i], "move-%s-%llu", source->uid, (unsigned long long)message->sequence);
	step->publishes[i] = (struct queue_publish){.queue = str_from(to->stored), .head = buf_str(&step->heads[i]),
	                                            .body = {message->body, message->body_len}, .group = to->rules.fifo ? message->group : STR_NULL,
	                                            .dedup = str_from(step->dedups[i])};
	sqs_id_new(step->publishes[i].id);
	return 0;
}

static void on_fetched(void *arg, struct list *messages, size_t n, const struct error *err)
{
	struct sqs_move *m = arg;
	const struct sqs_queue *source = sqs_queue_of_arn(m->s, str_from(m->source));
	const char *reason = "AWS.SimpleQueueService.NonExistentQueue";
	struct list *link;
	struct error why;
	m->wait = NULL;
	if (err) {
		step_fail(m, err);
		return;
	}
	if (m->status != RUNNING) { /* what was fetched is given back */
		if (m->status == CANCELLING)
			end(m, CANCELLED, "");
		return;
	}
	if (n == 0) {
		end(m, COMPLETED, "");
		return;
	}
	m->step = calloc(1, sizeof *m->step);
	ASSERT(m->step);
	while (source && (link = list_pop_front(messages)) != NULL) {
		if (add_to_step(m, source, CONTAINER_OF(link, struct queue_message, link), &reason) < 0)
			source = NULL;
	}
	if (!source) {
		step_free(m->step);
		m->step = NULL;
		end(m, FAILED, reason);
	} else if (queue_publish(m->s->deps.queue, m->step->publishes, m->step->n, on_published, m, &why) < 0) {
		step_fail(m, &why);
	}
}

static void on_next(struct ev_timer *timer)
{
	struct sqs_move *m = CONTAINER_OF(timer, struct sqs_move, next);
	const struct sqs_queue *source = sqs_queue_of_arn(m->s, str_from(m->source));
	struct error err;
	if (m->status != RUNNING) {
		if (m->status == CANCELLING)
			end(m, CANCELLED, "");
		return;
	}
	if (!source) {
		end(m, FAILED, "AWS.SimpleQueueService.NonExistentQueue");
		return;
	}
	struct queue_fetch what = {.queue = str_from(source->stored), .max = STEP_MESSAGES, .lease_ms = STEP_LEASE_MS};
	if (m->rate > 0 && m->rate < STEP_MESSAGES)
		what.max = (unsigned)m->rate;
	m->wait = queue_fetch(m->s->deps.queue, &what, on_fetched, m, &err);
	if (!m->wait)
		step_fail(m, &err);
}

static struct sqs_move *move_new(struct sqs *s)
{
	struct sqs_move *m = calloc(1, sizeof *m);
	ASSERT(m);
	m->s = s;
	m->next.cb = on_next;
	list_init(&m->link);
	return m;
}

/* ---- what is asked for ---- */

static const struct sqs_queue *read_queue(struct sqs_call *call, const char *key, char arn[SQS_ARN_MAX], struct sqs_fault *f)
{
	struct str text = STR_NULL;
	struct arn parts;
	int got = sqs_in_str(call, call->in, key, &text, f);
	if (got <= 0) {
		if (got == 0)
			sqs_fault_set(f, SQS_MISSING_PARAMETER, "The request must contain the parameter %s.", key);
		return NULL;
	}
	if (!arn_parse(&parts, text) || !str_eqz(parts.service, "sqs") || text.n >= SQS_ARN_MAX) {
		sqs_fault_set(f, SQS_INVALID_PARAMETER, "You must use this format to specify the %s: "
		              "arn:<partition>:<service>:<region>:<account-id>:<resource-id>", key);
		return NULL;
	}
	const struct sqs_queue *q = sqs_queue_of_arn(call->sqs, text);
	if (!q)
		sqs_fault_set(f, SQS_RESOURCE_NOT_FOUND, "The resource that you specified for the %s parameter doesn't exist.", key);
	else
		str_copy(arn, SQS_ARN_MAX, text);
	return q;
}

static bool is_dead_letter_queue(struct sqs *s, const char *arn)
{
	HASH_FOREACH(node, &s->queues) {
		const struct sqs_queue *q = CONTAINER_OF(node, struct sqs_queue, by_name);
		if (q->live && q->rules.max_receives > 0 && strcmp(q->rules.dead, arn) == 0)
			return true;
	}
	return false;
}

/* A task does for its caller what he could do himself; without a destination it sends to every queue whose messages may have died there. */
static int check_rights(const struct sqs_call *call, const struct sqs_queue *source, const struct sqs_queue *to, struct sqs_fault *f)
{
	static const char *const rights[] = {"StartMessageMoveTask", "ReceiveMessage", "DeleteMessage"};
	for (size_t i = 0; i < ARRAY_LEN(rights); i++) {
		if (sqs_check_right(call, source, str_from(rights[i]), f) < 0)
			return -1;
	}
	if (to)
		return sqs_check_right(call, to, STR("SendMessage"), f);
	HASH_FOREACH(node, &call->sqs->queues) {
		const struct sqs_queue *q = CONTAINER_OF(node, struct sqs_queue, by_name);
		if (q->live && strcmp(q->rules.dead, source->arn) == 0 && sqs_check_right(call, q, STR("SendMessage"), f) < 0)
			return -1;
	}
	return 0;
}

static bool is_active(const struct sqs_move *m)
{
	return m->status == RUNNING || m->status == CANCELLING;
}

static int check_source(struct sqs_call *call, const struct sqs_move *m, struct sqs_fault *f)
{
	if (!is_dead_letter_queue(call->sqs, m->source))
		return sqs_fault_set(f, SQS_INVALID_PARAMETER, "Source queue must be configured as a Dead Letter Queue.");
	LIST_FOREACH(link, &call->sqs->moves) {
		const struct sqs_move *other = CONTAINER_OF(link, struct sqs_move, link);
		if (is_active(other) && strcmp(other->source, m->source) == 0)
			return sqs_fault_set(f, SQS_INVALID_PARAMETER, "There is already a task running. Only one active task is allowed for a source "
			                     "queue arn at a given time.");
	}
	return 0;
}

static int read_move(struct sqs_call *call, struct sqs_move *m, struct sqs_fault *f)
{
	int64_t rate = 0;
	struct queue_stats stats;
	const struct sqs_queue *source = read_queue(call, "SourceArn", m->source, f), *to = source;
	if (!source || check_source(call, m, f) < 0)
		return -1;
	if (json_is_string(json_object_get(call->in, "DestinationArn")))
		to = read_queue(call, "DestinationArn", m->destination, f);
	if (!to || check_rights(call, source, m->destination[0] ? to : NULL, f) < 0)
		return -1;
	if (to->rules.fifo != source->rules.fifo)
		return sqs_fault_set(f, SQS_INVALID_PARAMETER, "Source queue and destination queue must be of the same type.");
	int got = sqs_in_int(call, call->in, "MaxNumberOfMessagesPerSecond", &rate, f);
	if (got > 0 && (rate < 1 || rate > RATE_MAX))
		return sqs_fault_set(f, SQS_INVALID_PARAMETER, "Value %lld for parameter MaxNumberOfMessagesPerSecond is invalid. Reason: Must be "
		                     "between 1 and %d, if provided.", (long long)rate, RATE_MAX);
	m->rate = (uint64_t)rate;
	queue_stat(call->sqs->deps.queue, str_from(source->stored), &stats);
	m->to_move = stats.visible;
	return got < 0 ? -1 : 0;
}

/* ---- handles ---- */

static void handle_make(const struct sqs_move *m, char dst[HANDLE_MAX])
{
	char text[HANDLE_MAX / 2];
	int n = snprintf(text, sizeof text, "{\"taskId\":\"%s\",\"sourceArn\":\"%s\"}", m->id, m->source);
	base64_encode(dst, text, (size_t)n);
}

static struct sqs_move *handle_find(struct sqs_call *call, struct str handle, struct sqs_fault *f)
{
	char text[HANDLE_MAX];
	size_t n = 0;
	CLEANUP_JSON json_t *root = NULL;
	if (handle.n < HANDLE_MAX && base64_decode(text, &n, handle) == 0)
		root = json_value_load_object((struct str){text, n}, &(struct json_limits){0}, NULL);
	struct str id = json_value_text(json_object_get(root, "taskId"));
	if (!id.p) {
		sqs_fault_set(f, SQS_INVALID_PARAMETER, "Value for parameter TaskHandle is invalid.");
		return NULL;
	}
	LIST_FOREACH(link, &call->sqs->moves) {
		struct sqs_move *m = CONTAINER_OF(link, struct sqs_move, link);
		if (str_eqz(id, m->id))
			return m;
	}
	sqs_fault_set(f, SQS_RESOURCE_NOT_FOUND, "Task does not exist.");
	return NULL;
}

/* ---- the operations ---- */

/* Older tasks of that source than the last ten are forgotten. */
static void forget_old(struct sqs *s, const char *source)
{
	size_t n = 0;
	for (struct list *link = s->moves.prev, *before; link != &s->moves; link = before) {
		struct sqs_move *m = CONTAINER_OF(link, struct sqs_move, link);
		before = link->prev;
		if (strcmp(m->source, source) == 0 && ++n > KEPT_A_SOURCE && !is_active(m))
			forget(m);
	}
}

struct starting {
	struct sqs_call *call;
	char id[UUID_SIZE];
};

static void on_started(void *arg, const struct kv_entry *entry, const struct error *err)
{
	struct starting *starting = arg;
	struct sqs_call *call = starting->call;
	struct sqs_move *m = NULL;
	char handle[HANDLE_MAX];
	struct json_writer w;
	LIST_FOREACH(link, &call->sqs->moves) {
		if (strcmp(CONTAINER_OF(link, struct sqs_move, link)->id, starting->id) == 0)
			m = CONTAINER_OF(link, struct sqs_move, link);
	}
	ASSERT(m); /* active ones stay */
	if (err) {
		move_free(m);
		sqs_call_error(call, err);
		return;
	}
	handle_make(m, handle);
	json_write_init(&w, &call->out);
	json_write_object(&w);
	json_write_key_z(&w, "TaskHandle", handle);
	json_write_close(&w);
	ev_timer_after(call->sqs->deps.loop, &m->next, 0);
	forget_old(call->sqs, m->source);
	sqs_call_done(call);
}

void sqs_start_move(struct sqs_call *call)
{
	struct sqs_move *m = move_new(call->sqs);
	struct starting *starting = calloc(1, sizeof *starting);
	struct error err;
	ASSERT(starting);
	call->work = starting;
	call->drop = free;
	if (read_move(call, m, &call->fault) < 0) {
		move_free(m);
		sqs_call_fail(call);
		return;
	}
	uuid4(m->id);
	m->started_ms = clock_wall_ms();
	starting->call = call;
	memcpy(starting->id, m->id, sizeof m->id);
	if (save(m, on_started, starting, &err) < 0) {
		move_free(m);
		sqs_call_error(call, &err);
		return;
	}
	list_push_back(&call->sqs->moves, &m->link);
}

static void write_move(struct json_writer *w, const struct sqs_move *m)
{
	char handle[HANDLE_MAX];
	json_write_object(w);
	if (m->status == RUNNING) {
		handle_make(m, handle);
		json_write_key_z(w, "TaskHandle", handle);
	}
	json_write_key_z(w, "Status", status_names[m->status]);
	json_write_key_z(w, "SourceArn", m->source);
	if (m->destination[0])
		json_write_key_z(w, "DestinationArn", m->destination);
	if (m->rate > 0)
		json_write_key_int(w, "MaxNumberOfMessagesPerSecond", (int64_t)m->rate);
	json_write_key_int(w, "ApproximateNumberOfMessagesMoved", (int64_t)m->moved);
	json_write_key_int(w, "ApproximateNumberOfMessagesToMove", (int64_t)m->to_move);
	if (m->reason[0])
		json_write_key_z(w, "FailureReason", m->reason);
	json_write_key_int(w, "StartedTimestamp", m->started_ms);
	json_write_close(w);
}

void sqs_list_moves(struct sqs_call *call)
{
	char source[SQS_ARN_MAX];
	int64_t max = 1, shown = 0;
	struct json_writer w;
	const struct sqs_queue *q = read_queue(call, "SourceArn", source, &call->fault);
	if (!q || sqs_check_right(call, q, STR("ListMessageMoveTasks"), &call->fault) < 0 ||
	    sqs_in_int(call, call->in, "MaxResults", &max, &call->fault) < 0) {
		sqs_call_fail(call);
		return;
	}
	if (max < 1 || max > LIST_MAX) {
		sqs_fault_set(&call->fault, SQS_INVALID_PARAMETER, "Value %lld for parameter MaxResults is invalid. Reason: Must be between 1 and "
		              "%d, if provided.", (long long)max, LIST_MAX);
		sqs_call_fail(call);
		return;
	}
	json_write_init(&w, &call->out);
	json_write_object(&w);
	json_write_key(&w, "Results");
	json_write_array(&w);
	for (struct list *link = call->sqs->moves.prev; link != &call->sqs->moves && shown < max; link = link->prev) {
		const struct sqs_move *m = CONTAINER_OF(link, struct sqs_move, link);
		if (strcmp(m->source, source) != 0)
			continue;
		write_move(&w, m);
		shown++;
	}
	json_write_close(&w);
	json_write_close(&w);
	sqs_call_done(call);
}

void sqs_cancel_move(struct sqs_call *call)
{
	struct str handle;
	struct json_writer w;
	int got = sqs_in_str(call, call->in, "TaskHandle", &handle, &call->fault);
	if (got == 0)
		sqs_fault_set(&call->fault, SQS_MISSING_PARAMETER, "The request must contain the parameter TaskHandle.");
	struct sqs_move *m = got > 0 ? handle_find(call, handle, &call->fault) : NULL;
	const struct sqs_queue *source = m ? sqs_queue_of_arn(call->sqs, str_from(m->source)) : NULL;
	if (source && sqs_check_right(call, source, STR("CancelMessageMoveTask"), &call->fault) < 0)
		m = NULL;
	if (m && m->status != RUNNING) {
		sqs_fault_set(&call->fault, SQS_UNSUPPORTED_OPERATION, "Only a running task can be cancelled: this one is %s.", status_names[m->status]);
		m = NULL;
	}
	if (!m) {
		sqs_call_fail(call);
		return;
	}
	m->status = CANCELLING;
	save(m, ignore, NULL, NULL);
	json_write_init(&w, &call->out);
	json_write_object(&w);
	json_write_key_int(&w, "ApproximateNumberOfMessagesMoved", (int64_t)m->moved);
	json_write_close(&w);
	if (!m->step) /* between two steps it may be waiting for its rate */
		ev_timer_after(call->sqs->deps.loop, &m->next, 0);
	sqs_call_done(call);
}

/* ---- the start ---- */

struct loading {
	struct sqs *s;
	sqs_moves_cb *cb;
	void *arg;
};

static void load_one(struct sqs *s, struct str id, struct str text)
{
	CLEANUP_JSON json_t *root = json_value_load_object(text, &(struct json_limits){0}, NULL);
	struct sqs_move *m = move_new(s);
	struct str status = json_value_text(json_object_get(root, "Status"));
	int64_t rate = 0, moved = 0, to_move = 0;
	json_value_int(root, "Rate", 0, RATE_MAX, &rate, NULL);
	json_value_int(root, "Moved", 0, INT64_MAX, &moved, NULL);
	json_value_int(root, "ToMove", 0, INT64_MAX, &to_move, NULL);
	json_value_int(root, "Started", 0, INT64_MAX, &m->started_ms, NULL);
	m->rate = (uint64_t)rate;
	m->moved = (uint64_t)moved;
	m->to_move = (uint64_t)to_move;
	m->status = STATUSES;
	for (size_t i = 0; i < STATUSES; i++) {
		if (str_eqz(status, status_names[i]))
			m->status = (enum status)i;
	}
	str_copy(m->reason, sizeof m->reason, json_value_text(json_object_get(root, "Reason")));
	str_copy(m->destination, sizeof m->destination, json_value_text(json_object_get(root, "Destination")));
	if (!root || m->status == STATUSES || str_copy(m->id, sizeof m->id, id) < 0 ||
	    str_copy(m->source, sizeof m->source, json_value_text(json_object_get(root, "Source"))) < 0) {
		move_free(m);
		return;
	}
	struct list *before = s->moves.prev; /* in the order of their starts */
	while (before != &s->moves && CONTAINER_OF(before, struct sqs_move, link)->started_ms > m->started_ms)
		before = before->prev;
	list_insert_(&m->link, before, before->next);
	if (is_active(m))
		ev_timer_after(s->deps.loop, &m->next, 0);
}

static void list_page(struct loading *l, struct str after);

static void on_page(void *arg, const struct kv_entry *entries, size_t n, bool more, const struct error *err)
{
	struct loading *l = arg;
	for (size_t i = 0; i < n && !err; i++)
		load_one(l->s, str_sub(entries[i].key, strlen(PREFIX), entries[i].key.n), entries[i].value);
	if (!err && more) {
		list_page(l, entries[n - 1].key);
		return;
	}
	l->cb(l->arg, err);
	free(l);
}

static void list_page(struct loading *l, struct str after)
{
	struct error err;
	if (kv_list(l->s->deps.kv, &(struct kv_list){.prefix = STR(PREFIX), .after = after}, on_page, l, &err) < 0) {
		l->cb(l->arg, &err);
		free(l);
	}
}

void sqs_moves_load(struct sqs *s, sqs_moves_cb *cb, void *arg)
{
	struct loading *l = calloc(1, sizeof *l);
	ASSERT(l);
	*l = (struct loading){s, cb, arg};
	list_page(l, STR(""));
}
