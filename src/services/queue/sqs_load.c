/* The start: records become queues, the store's queues are told what they are, what belongs to no record is swept. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/queue/sqs_priv.h"

#define QUEUES_PREFIX "sqs/queue/"
#define STORED_PREFIX "sqs/"

struct sqs_loading {
	struct sqs *s;
	sqs_ready_cb *cb;
	void *arg;
	size_t under_way;        /* configurations of this page */
	bool more, failed;
	char after[KV_KEY_MAX + 1];
	struct error err;
};

void sqs_loading_free(struct sqs *s)
{
	free(s->loading);
	s->loading = NULL;
}

static void finish(struct sqs_loading *l, const struct error *err)
{
	struct sqs *s = l->s;
	sqs_ready_cb *cb = l->cb;
	void *arg = l->arg;
	struct error copy = err ? *err : (struct error){0};
	sqs_loading_free(s);
	cb(arg, s->queues.count, err ? &copy : NULL);
}

/* ---- sweeping ---- */

static void ignore(void *arg, const struct error *err)
{
	/* tried again at the next start */
}

static bool is_known(struct sqs *s, struct str stored)
{
	size_t at = stored.n;
	while (at > 0 && stored.p[at - 1] != '/')
		at--;
	struct str name = str_sub(stored, strlen(STORED_PREFIX), at > 0 ? at - 1 : 0);
	const struct sqs_queue *q = sqs_queue_find(s, name);
	return q && str_eqz(stored, q->stored);
}

struct sweep {
	struct sqs *s;
	struct buf names; /* each ended by NUL: the list is not changed while it is walked */
};

static bool collect(void *arg, struct str name, const struct queue_stats *stats)
{
	struct sweep *sweep = arg;
	if (!is_known(sweep->s, name)) {
		buf_put(&sweep->names, name);
		buf_putc(&sweep->names, 0);
	}
	return !sweep->names.overflow;
}

static void sweep_rest(struct sqs *s)
{
	struct sweep sweep = {.s = s};
	buf_init(&sweep.names, 1u << 20);
	queue_list(s->deps.queue, STR(STORED_PREFIX), STR(""), collect, &sweep);
	for (size_t at = 0; at < sweep.names.len && !sweep.names.overflow; at += strlen(sweep.names.data + at) + 1)
		queue_delete(s->deps.queue, str_from(sweep.names.data + at), ignore, NULL, NULL);
	buf_release(&sweep.names);
}

/* ---- queues ---- */

static void on_moves(void *arg, const struct error *err)
{
	finish(arg, err);
}

static void next_page(struct sqs_loading *l);

static void page_done(struct sqs_loading *l)
{
	if (l->failed) {
		finish(l, &l->err);
	} else if (l->more) {
		next_page(l);
	} else {
		sweep_rest(l->s);
		sqs_moves_load(l->s, on_moves, l);
	}
}

static void on_configured(void *arg, const struct error *err)
{
	struct sqs_loading *l = arg;
	if (err && !l->failed) {
		l->err = *err;
		l->failed = err->code != ERR_DISK_FULL; /* retention as it was will do */
	}
	if (--l->under_way == 0)
		page_done(l);
}

static void load_one(struct sqs_loading *l, const struct kv_entry *e)
{
	struct queue_config config;
	struct str name = str_sub(e->key, strlen(QUEUES_PREFIX), e->key.n);
	struct sqs_queue *q = sqs_record_load(l->s, name, e->value, &l->err);
	if (!q) {
		error_wrap(&l->err, "queue " STR_FMT, STR_ARG(name));
		l->failed = true;
		return;
	}
	q->live = true;
	ASSERT(hash_put(&l->s->queues, &q->by_name, str_from(q->name)) == 0);
	sqs_config_of(&q->rules, &config);
	if (queue_configure(l->s->deps.queue, str_from(q->stored), &config, on_configured, l, &l->err) < 0)
		l->failed = true;
	else
		l->under_way++;
}

static void on_page(void *arg, const struct kv_entry *entries, size_t n, bool more, const struct error *err)
{
	struct sqs_loading *l = arg;
	l->more = more;
	if (err || l->s->closing) {
		finish(l, err ? err : &SQS_CLOSED);
		return;
	}
	l->under_way = 1;
	for (size_t i = 0; i < n && !l->failed; i++)
		load_one(l, &entries[i]);
	if (n > 0)
		str_copy(l->after, sizeof l->after, entries[n - 1].key);
	if (--l->under_way == 0)
		page_done(l);
}

static void next_page(struct sqs_loading *l)
{
	struct kv_list what = {.prefix = STR(QUEUES_PREFIX), .after = str_from(l->after)};
	struct error err;
	if (kv_list(l->s->deps.kv, &what, on_page, l, &err) < 0)
		finish(l, &err);
}

void sqs_load(struct sqs *s, sqs_ready_cb *cb, void *arg)
{
	struct sqs_loading *l = calloc(1, sizeof *l);
	ASSERT(l && !s->loading);
	l->s = s;
	l->cb = cb;
	l->arg = arg;
	s->loading = l;
	next_page(l);
}
