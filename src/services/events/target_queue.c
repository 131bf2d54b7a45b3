#include "services/events/target_queue.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/rand.h"
#include "core/json/value.h"

#define FETCH_MAX 16u
#define FETCH_BYTES (4u << 20)
#define LEASE_MS (15u * 60 * 1000)
#define AGAIN_NS (NS_PER_S)
#define DELAY_MAX_S 512u
#define MESSAGE_MAX 1024
#define HEAD_MAX (16u * 1024)

/* The head of a stored message: one letter a member, as there may be many of them. Texts of struct target_fire first. */
#define TEXTS(X) \
	X("T", target) X("R", role) X("G", group) X("S", service) X("A", source_arn) X("C", source_account) X("O", once) X("L", trace_header) \
	X("B", bus_source) X("Y", bus_detail_type) X("D", dead_letter) X("W", owner)

struct target_queue {
	struct target_queue_deps deps;
	struct queue_watch *watch;
	struct queue_wait *wait;
	struct ev_timer again;
	struct list tries;
	unsigned running;
	unsigned calls; /* acks and naks that are not durable yet */
	void (*on_idle)(void *arg);
	void *idle_arg;
	bool draining;
	bool more, told; /* there may be more; the watch spoke while a fetch was under way */
};

/* A fire that is being delivered. */
struct try {
	struct list link;
	struct target_queue *q;
	struct queue_message *message;
	json_t *head;
	struct target_fire fire;
	struct str body, dead_body;
	struct buf payload;    /* with the attempt's number put in */
	struct delivery d;
	struct delivery_attribute attributes[DELIVERY_ATTRIBUTES_MAX];
	struct error failed;
	const char *condition; /* EXHAUSTED_RETRY_CONDITION, NULL: refused for good */
	char number[16];
};

static const struct {
	enum error_code code;
	const char *name;
} error_names[] = {
	{ERR_NOT_FOUND, "NO_RESOURCE"}, {ERR_ACCESS_DENIED, "NO_PERMISSIONS"}, {ERR_INVALID, "SDK_CLIENT_ERROR"},
	{ERR_TOO_LARGE, "SDK_CLIENT_ERROR"}, {ERR_UNSUPPORTED, "SDK_CLIENT_ERROR"}, {ERR_THROTTLED, "THROTTLING"},
};

const char *target_error_name(enum error_code code)
{
	for (size_t i = 0; i < ARRAY_LEN(error_names); i++) {
		if (error_names[i].code == code)
			return error_names[i].name;
	}
	return "INTERNAL_ERROR";
}

static enum error_code error_code_of(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(error_names); i++) {
		if (str_eqz(name, error_names[i].name))
			return error_names[i].code;
	}
	return ERR_INTERNAL;
}

/* ---- head ---- */

static void set_text(json_t *head, const char *key, struct str text)
{
	if (text.p)
		json_object_set_new(head, key, json_value_new_str(text));
}

static json_t *failure_json(const struct error *failed, const char *condition, unsigned attempts)
{
	json_t *f = json_pack("{s:s, s:i}", "C", target_error_name(failed->code), "N", attempts);
	set_text(f, "M", str_from(failed->msg));
	if (condition)
		json_object_set_new(f, "X", json_string(condition));
	return f;
}

static json_t *fire_json(const struct target_fire *f)
{
	json_t *head = json_pack("{s:i, s:I, s:i, s:b}", "max", f->attempts_max, "age", (json_int_t)f->age_max_ms, "n", f->attempts, "P",
	                         f->has_attempt_word);
	json_t *marks = json_array();
#define X(key, member) set_text(head, key, f->member);
	TEXTS(X)
#undef X
	for (size_t i = 0; i < f->mark_count; i++)
		json_array_append_new(marks, json_pack("[s, s, s%]", f->marks[i].name, f->marks[i].type, f->marks[i].value.p, f->marks[i].value.n));
	json_object_set_new(head, "Z", marks);
	if (f->failed)
		json_object_set_new(head, "F", failure_json(f->failed, NULL, f->attempts));
	if (f->dead_body.p && f->dead_letter.p)
		json_object_set_new(head, "E", json_integer((json_int_t)f->payload.n));
	return head;
}

static void read_marks(struct target_fire *f, const json_t *marks)
{
	size_t i;
	json_t *mark;
	json_array_foreach((json_t *)marks, i, mark) {
		if (f->mark_count < TARGET_MARKS_MAX)
			f->marks[f->mark_count++] = (struct delivery_attribute){json_string_value(json_array_get(mark, 0)),
			                                                        json_string_value(json_array_get(mark, 1)),
			                                                        json_value_text(json_array_get(mark, 2))};
	}
}

static void read_failure(struct try *t, const json_t *failure)
{
	struct str name = json_value_text(json_object_get(failure, "C")), text = json_value_text(json_object_get(failure, "M"));
	t->failed.code = error_code_of(name);
	snprintf(t->failed.msg, sizeof t->failed.msg, STR_FMT, STR_ARG(text));
	t->condition = json_string_value(json_object_get(failure, "X"));
	t->fire.attempts = (unsigned)json_integer_value(json_object_get(failure, "N"));
}

/* -1: not one of ours. */
static int read_fire(struct try *t)
{
	struct str all = {t->message->body, t->message->body_len};
	json_t *head = t->head = json_value_load_object(t->message->head, NULL, NULL), *split;
	if (!head)
		return -1;
#define X(key, member) t->fire.member = json_value_text(json_object_get(head, key));
	TEXTS(X)
#undef X
	read_marks(&t->fire, json_object_get(head, "Z"));
	t->fire.attempts_max = (unsigned)json_integer_value(json_object_get(head, "max"));
	t->fire.age_max_ms = (uint64_t)json_integer_value(json_object_get(head, "age"));
	t->fire.attempts = (unsigned)json_integer_value(json_object_get(head, "n")) + t->message->receives;
	t->fire.has_attempt_word = json_is_true(json_object_get(head, "P"));
	split = json_object_get(head, "E");
	size_t payload = split ? (size_t)json_integer_value(split) : all.n;
	t->fire.payload = str_sub(all, 0, payload);
	t->fire.dead_body = split ? str_sub(all, payload, all.n) : t->fire.payload;
	if (json_object_get(head, "F"))
		read_failure(t, json_object_get(head, "F"));
	return t->fire.target.p ? 0 : -1;
}

/* ---- putting ---- */

struct putting {
	char *head, *body;
	struct queue_publish publish;
	queue_simple_cb *cb;
	void *arg;
};

static void putting_free(struct putting *p)
{
	free(p->head);
	free(p->body);
	free(p);
}

static void on_put(void *arg, const struct queue_published *results, size_t n, const struct error *err)
{
	struct putting copy = *(struct putting *)arg;
	putting_free(arg);
	if (copy.cb)
		copy.cb(copy.arg, err);
}

static struct str join(struct putting *p, struct str a, struct str b)
{
	if (!b.p)
		return a;
	p->body = malloc(a.n + b.n + 1);
	if (!p->body)
		return STR_NULL;
	memcpy(p->body, a.p ? a.p : "", a.n);
	memcpy(p->body + a.n, b.p, b.n);
	return (struct str){p->body, a.n + b.n};
}

int target_queue_put(struct target_queue *q, const struct target_fire *fire, struct str dedup, uint64_t delay_ms, queue_simple_cb *cb,
                     void *arg, struct error *err)
{
	CLEANUP_JSON json_t *head = fire_json(fire);
	struct putting *p = calloc(1, sizeof *p);
	if (p)
		*p = (struct putting){.cb = cb, .arg = arg, .head = json_dumps(head, JSON_COMPACT)};
	if (!p || !p->head) {
		free(p);
		return error_set(err, ERR_NO_MEMORY, "no memory for a delivery");
	}
	p->publish = (struct queue_publish){.queue = str_from(q->deps.name), .head = str_from(p->head), .dedup = dedup, .delay_ms = delay_ms,
	                                    .body = join(p, fire->payload, fire->dead_letter.p ? fire->dead_body : STR_NULL)};
	rand_bytes(p->publish.id, sizeof p->publish.id);
	if (queue_publish(q->deps.queue, &p->publish, 1, on_put, p, err) == 0)
		return 0;
	putting_free(p);
	return -1;
}

uint64_t target_queue_delay_ms(const struct target_queue *q, unsigned attempts)
{
	uint64_t seconds = attempts < 10 ? 1ull << attempts : DELAY_MAX_S;
	uint64_t ms = (seconds > DELAY_MAX_S ? DELAY_MAX_S : seconds) * 1000;
	return ms * (75 + rand_u64() % 51) / 100 * q->deps.retry_percent / 100;
}

/* ---- ends ---- */

static void fetch(struct target_queue *q);

static void tell_idle(struct target_queue *q)
{
	if (q->draining && q->on_idle && !target_queue_busy(q))
		q->on_idle(q->idle_arg);
}

static void on_kept(void *arg, const enum error_code *results, size_t n, const struct error *err)
{
	struct target_queue *q = arg;
	q->calls--;
	tell_idle(q);
}

static void end_try(struct try *t)
{
	struct target_queue *q = t->q;
	list_remove(&t->link);
	json_decref(t->head);
	buf_release(&t->payload);
	queue_message_free(t->message);
	free(t);
	q->running--;
	tell_idle(q);
	if (q->more)
		fetch(q);
}

static void finish(struct try *t, enum target_end end)
{
	struct target_queue *q = t->q;
	if (q->deps.over)
		q->deps.over(q->deps.over_arg, t->fire.owner, end, t->fire.attempts);
	/* Else its lease ends, and `once` holds. */
	q->calls += queue_ack(q->deps.queue, str_from(q->deps.name), &t->message->receipt, 1, on_kept, q, NULL) == 0;
	end_try(t);
}

/* A failure fits into a note whatever its text: a control character is six bytes as JSON. Without its note a dead letter would be tried as a fire. */
_Static_assert(6 * sizeof((struct error){0}.msg) + 128 <= QUEUE_NOTE_MAX, "a failure is larger than a note");

/* Later again; with `only_dead` nothing but the dead letter is left. */
static void later(struct try *t, bool only_dead)
{
	struct target_queue *q = t->q;
	CLEANUP_JSON json_t *note = only_dead ? failure_json(&t->failed, t->condition, t->fire.attempts) : NULL;
	CLEANUP_FREE char *text = note ? json_dumps(note, JSON_COMPACT) : NULL;
	struct queue_nak nak = {.receipt = t->message->receipt, .delay_ms = target_queue_delay_ms(q, t->message->receives),
	                        .note = text ? str_from(text) : STR_NULL};
	q->calls += queue_nak(q->deps.queue, str_from(q->deps.name), &nak, 1, on_kept, q, NULL) == 0;
	end_try(t);
}

/* ---- dead letters ---- */

static void on_dead_letter(void *arg, const struct error *err)
{
	struct try *t = arg;
	if (err && !delivery_is_final(err))
		later(t, true);
	else
		finish(t, err ? TARGET_DROPPED : TARGET_DEAD);
}

static void mark(struct try *t, const char *name, const char *type, struct str value)
{
	if (value.n && t->d.attribute_count < DELIVERY_ATTRIBUTES_MAX)
		t->attributes[t->d.attribute_count++] = (struct delivery_attribute){name, type, value};
}

static void send_dead_letter(struct try *t)
{
	const struct target_fire *f = &t->fire;
	t->d = (struct delivery){.target = f->dead_letter, .payload = f->dead_body, .service = f->service, .source_arn = f->source_arn,
	                         .source_account = f->source_account, .role = f->role, .attributes = t->attributes};
	for (size_t i = 0; i < f->mark_count; i++)
		mark(t, f->marks[i].name, f->marks[i].type, f->marks[i].value);
	snprintf(t->number, sizeof t->number, "%u", f->attempts ? f->attempts - 1 : 0);
	mark(t, "TARGET_ARN", "String", f->target);
	mark(t, "ERROR_CODE", "String", str_from(target_error_name(t->failed.code)));
	mark(t, "ERROR_MESSAGE", "String", str_from(t->failed.msg));
	mark(t, "RETRY_ATTEMPTS", "Number", str_from(t->number));
	mark(t, "EXHAUSTED_RETRY_CONDITION", "String", str_from(t->condition));
	t->q->deps.deliverer->deliver(t->q->deps.deliverer->arg, &t->d, on_dead_letter, t);
}

static void give_up(struct try *t)
{
	if (t->fire.dead_letter.p)
		send_dead_letter(t);
	else
		finish(t, TARGET_DROPPED);
}

/* ---- a try ---- */

static const char *exhausted(const struct try *t)
{
	int64_t next = queue_now_ms(t->q->deps.queue) + (int64_t)target_queue_delay_ms(t->q, t->message->receives);
	if (t->fire.attempts > t->fire.attempts_max)
		return "MaximumRetryAttempts";
	return next > t->message->published_ms + (int64_t)t->fire.age_max_ms ? "MaximumEventAgeInSeconds" : NULL;
}

static void on_delivered(void *arg, const struct error *err)
{
	struct try *t = arg;
	t->fire.attempts++;
	if (!err) {
		finish(t, TARGET_DELIVERED);
		return;
	}
	t->failed = *err;
	if (err->code == ERR_CLOSED) { /* the store was closed: the message is there when it is open again */
		end_try(t);
		return;
	}
	t->condition = delivery_is_final(err) ? NULL : exhausted(t);
	if (t->condition || delivery_is_final(err))
		give_up(t);
	else
		later(t, false);
}

static struct str put_attempt(struct try *t)
{
	struct str rest = t->fire.payload;
	if (!t->fire.has_attempt_word)
		return rest;
	buf_init(&t->payload, rest.n + 4096);
	while (rest.n) {
		const char *at = memmem(rest.p, rest.n, TARGET_ATTEMPT_WORD, strlen(TARGET_ATTEMPT_WORD));
		size_t n = at ? (size_t)(at - rest.p) : rest.n;
		buf_append(&t->payload, rest.p, n);
		if (at)
			buf_printf(&t->payload, "%u", t->fire.attempts + 1);
		rest = str_sub(rest, at ? n + strlen(TARGET_ATTEMPT_WORD) : n, rest.n);
	}
	return buf_str(&t->payload);
}

static void deliver(struct try *t)
{
	const struct target_fire *f = &t->fire;
	t->d = (struct delivery){.target = f->target, .payload = put_attempt(t), .service = f->service, .source_arn = f->source_arn,
	                         .source_account = f->source_account, .role = f->role, .once = f->once, .trace_header = f->trace_header,
	                         .group = f->group, .bus_source = f->bus_source, .bus_detail_type = f->bus_detail_type,
	                         .bus_resources = &t->fire.source_arn, .bus_resource_count = 1};
	t->q->deps.deliverer->deliver(t->q->deps.deliverer->arg, &t->d, on_delivered, t);
}

static void begin(struct target_queue *q, struct queue_message *m)
{
	struct try *t = calloc(1, sizeof *t);
	ASSERT(t);
	*t = (struct try){.q = q, .message = m};
	list_init(&t->link);
	list_push_back(&q->tries, &t->link);
	q->running++;
	if (read_fire(t) < 0) {
		finish(t, TARGET_DROPPED);
		return;
	}
	CLEANUP_JSON json_t *note = m->note.n ? json_value_load_object(m->note, NULL, NULL) : NULL;
	if (note)
		read_failure(t, note);
	if (note || json_object_get(t->head, "F")) {
		t->condition = t->condition && str_eqz(STR("MaximumRetryAttempts"), t->condition) ? "MaximumRetryAttempts"
		             : t->condition ? "MaximumEventAgeInSeconds" : NULL; /* the note goes with this call */
		give_up(t);
	} else {
		deliver(t);
	}
}

/* ---- polling ---- */

static void on_fetched(void *arg, struct list *messages, size_t n, const struct error *err)
{
	struct target_queue *q = arg;
	struct list *link;
	q->wait = NULL;
	if (err && err->code != ERR_CLOSED)
		ev_timer_after(q->deps.loop, &q->again, AGAIN_NS);
	if (err)
		return;
	q->more = n > 0 || q->told;
	q->told = false;
	while ((link = list_pop_front(messages)))
		begin(q, CONTAINER_OF(link, struct queue_message, link));
	if (q->more)
		fetch(q);
}

static void fetch(struct target_queue *q)
{
	unsigned room = TARGET_QUEUE_WINDOW - q->running;
	if (q->wait || room == 0 || q->draining)
		return;
	struct queue_fetch what = {.queue = str_from(q->deps.name), .max = room < FETCH_MAX ? room : FETCH_MAX, .max_bytes = FETCH_BYTES,
	                           .lease_ms = LEASE_MS};
	q->wait = queue_fetch(q->deps.queue, &what, on_fetched, q, NULL);
	if (!q->wait)
		ev_timer_after(q->deps.loop, &q->again, AGAIN_NS);
}

static void on_again(struct ev_timer *timer)
{
	fetch(CONTAINER_OF(timer, struct target_queue, again));
}

static void on_visible(void *arg, struct str name)
{
	struct target_queue *q = arg;
	if (!str_eqz(name, q->deps.name))
		return;
	q->more = true;
	q->told = q->wait != NULL;
	fetch(q);
}

struct target_queue *target_queue_new(const struct target_queue_deps *deps, struct error *err)
{
	struct target_queue *q = calloc(1, sizeof *q);
	if (!q) {
		error_set(err, ERR_NO_MEMORY, "no memory for deliveries");
		return NULL;
	}
	q->deps = *deps;
	q->again.cb = on_again;
	list_init(&q->tries);
	return q;
}

int target_queue_start(struct target_queue *q, struct error *err)
{
	q->watch = queue_watch(q->deps.queue, str_from(q->deps.name), on_visible, q, err);
	return q->watch ? 0 : -1;
}

bool target_queue_busy(const struct target_queue *q)
{
	return q->running || q->calls;
}

void target_queue_drain(struct target_queue *q, void (*on_idle)(void *arg), void *arg)
{
	q->on_idle = on_idle;
	q->idle_arg = arg;
	q->draining = true;
	if (q->wait)
		queue_fetch_cancel(q->deps.queue, STEAL_PTR(q->wait));
}

void target_queue_free(struct target_queue *q)
{
	if (!q)
		return;
	ev_timer_stop(&q->again);
	LIST_FOREACH(link, &q->tries) {
		struct try *t = CONTAINER_OF(link, struct try, link);
		json_decref(t->head);
		buf_release(&t->payload);
		queue_message_free(t->message);
		free(t);
	}
	free(q);
}
