/* What people and metrics are shown of events that wait. */
#include <stdlib.h>

#include "control/events/async_priv.h"
#include "core/json/value.h"
#include "core/json/write.h"

#define LIST_BYTES_MAX (4u << 20)

struct listing {
	struct async *async;
	async_json_cb *cb;
	void *arg;
	struct ev_defer defer;
	struct error err;
	char name[FUNCTION_NAME_MAX + 1];
};

static bool runs(struct async_function *f, uint64_t sequence)
{
	if (!f)
		return false;
	LIST_FOREACH(link, &f->running) {
		if (CONTAINER_OF(link, struct async_item, link)->m->sequence == sequence)
			return true;
	}
	return false;
}

static void write_one(struct json_writer *w, const struct queue_message *m, bool running)
{
	CLEANUP_JSON json_t *head = json_value_load_object(m->head, &(struct json_limits){0}, NULL);
	struct str qualifier = json_value_text(json_object_get(head, "Q")), target = json_value_text(json_object_get(head, "D"));
	struct async_note note;
	char id[UUID_SIZE];
	async_note_read(&note, m->note);
	async_id_text(id, m->id);
	json_write_object(w);
	json_write_key_z(w, "requestId", id);
	if (qualifier.p)
		json_write_key_str(w, "qualifier", qualifier);
	if (target.p)
		json_write_key_str(w, "recordFor", target);
	json_write_key_int(w, "accepted", m->published_ms);
	json_write_key_int(w, "attempts", note.attempts);
	json_write_key_int(w, "throttles", note.throttles);
	if (!running)
		json_write_key_int(w, "nextAttempt", m->visible_ms);
	if (*note.error)
		json_write_key_z(w, "lastError", note.error);
	json_write_key_bool(w, "running", running);
	json_write_key_int(w, "bytes", (int64_t)m->body_len);
	json_write_close(w);
}

static void on_peeked(void *arg, struct list *messages, size_t n, const struct error *err)
{
	struct listing *l = arg;
	struct async_function *f = HASH_ENTRY(hash_get(&l->async->functions, str_from(l->name)), struct async_function, by_name);
	struct json_writer w;
	struct buf out;
	struct error failure = {0};
	if (err) {
		l->cb(l->arg, STR_NULL, err);
		free(l);
		return;
	}
	buf_init(&out, LIST_BYTES_MAX);
	json_write_init(&w, &out);
	json_write_array(&w);
	LIST_FOREACH(link, messages) {
		const struct queue_message *m = CONTAINER_OF(link, struct queue_message, link);
		write_one(&w, m, runs(f, m->sequence));
	}
	json_write_close(&w);
	if (json_write_done(&w) < 0)
		error_set(&failure, ERR_TOO_LARGE, "the list has more than %u bytes: ask for fewer events", LIST_BYTES_MAX);
	l->cb(l->arg, buf_str(&out), failure.code ? &failure : NULL);
	buf_release(&out);
	free(l);
}

static void on_failed(struct ev_defer *defer)
{
	struct listing *l = CONTAINER_OF(defer, struct listing, defer);
	l->cb(l->arg, STR_NULL, &l->err);
	free(l);
}

void async_list(struct async *a, struct str function, unsigned max, async_json_cb *cb, void *arg)
{
	char queue[sizeof ASYNC_PREFIX + FUNCTION_NAME_MAX];
	struct listing *l = calloc(1, sizeof *l);
	ASSERT(l);
	*l = (struct listing){.async = a, .cb = cb, .arg = arg};
	ev_defer_init(&l->defer, on_failed);
	if (str_copy(l->name, sizeof l->name, function) < 0) {
		error_set(&l->err, ERR_NOT_FOUND, "there is no such function");
		ev_defer_run(a->deps.loop, &l->defer);
		return;
	}
	snprintf(queue, sizeof queue, ASYNC_PREFIX "%s", l->name);
	max = max < 1 ? 1 : max > QUEUE_BATCH_MAX ? QUEUE_BATCH_MAX : max;
	if (queue_peek(a->deps.queue, &(struct queue_peek){.queue = str_from(queue), .max = max}, on_peeked, l, &l->err) < 0)
		ev_defer_run(a->deps.loop, &l->defer);
}

/* ---- numbers ---- */

static bool add_queue(void *arg, struct str name, const struct queue_stats *stats)
{
	struct async_counts *c = arg;
	c->waiting += stats->visible + stats->delayed + stats->leased;
	if (stats->oldest_ms && (!c->oldest_age_ms || stats->oldest_ms < c->oldest_age_ms))
		c->oldest_age_ms = stats->oldest_ms; /* a time, until all are known */
	return true;
}

void async_count(const struct async *a, struct async_counts *out)
{
	int64_t now_ms = queue_now_ms(a->deps.queue);
	*out = (struct async_counts){.running = a->running};
	queue_list(a->deps.queue, STR(ASYNC_PREFIX), STR_NULL, add_queue, out);
	if (out->oldest_age_ms)
		out->oldest_age_ms = now_ms > out->oldest_age_ms ? now_ms - out->oldest_age_ms : 0;
	HASH_FOREACH(n, &a->functions) {
		const struct async_function *f = HASH_ENTRY(n, struct async_function, by_name);
		const struct async_item *first = LIST_FIRST(&f->waiting, struct async_item, link);
		if (first && now_ms - first->m->visible_ms > out->lag_ms)
			out->lag_ms = now_ms - first->m->visible_ms;
	}
}
