/* Calls of a queue that write what is answered into a log: a word an answer; messages are named by their bodies. Included by the
 * tests of queues, one program each. */
#ifndef MAYFLY_QUEUE_WORDS_H
#define MAYFLY_QUEUE_WORDS_H

#include <string.h>

#include "tests/unit/queue_rig.h"
#include "tests/unit/test.h"
#include "tests/unit/word_log.h"

enum { WORDS_HELD = 4096 };

static struct words {
	struct queue_rig rig;
	char log[1 << 17];
	size_t n;
	unsigned waiting;
	bool inside; /* in a call: no callback may come */
	unsigned wrong;
	struct ev_timer guard, nap;
	struct held {
		char name[32];
		struct queue_receipt receipt;
		uint64_t sequence;
		unsigned receives;
		int64_t first_ms, visible_ms, published_ms;
	} held[WORDS_HELD];
	size_t held_n;
	size_t leave; /* so many of the next fetch are left in the ring */
} words;

#define say(...) word_log(words.log, sizeof words.log, &words.n, __VA_ARGS__)

static inline bool words_start(const struct queue_sqlite_options *options)
{
	words = (struct words){0};
	return queue_rig_start(&words.rig, NULL, options);
}

static inline void words_stop(void)
{
	ev_timer_stop(&words.guard);
	queue_rig_stop(&words.rig, true);
}

static inline void answered(void)
{
	words.wrong += words.inside;
	if (words.waiting && --words.waiting == 0)
		ev_loop_stop(words.rig.loop);
}

static inline void on_guard(struct ev_timer *timer)
{
	say("(nothing came) ");
	words.waiting = 0;
	ev_loop_stop(words.rig.loop);
}

/* Until all that was asked is answered. */
static inline void settle(void)
{
	words.guard.cb = on_guard;
	ev_timer_after(words.rig.loop, &words.guard, 10 * NS_PER_S);
	if (words.waiting)
		ev_loop_run(words.rig.loop, NULL);
	ev_timer_stop(&words.guard);
}

static inline void on_nap(struct ev_timer *timer)
{
	ev_loop_stop(words.rig.loop);
}

/* Lets the loop run for some ms of real time. */
static inline void nap(unsigned ms)
{
	words.nap.cb = on_nap;
	ev_timer_after(words.rig.loop, &words.nap, ms * NS_PER_MS);
	ev_loop_run(words.rig.loop, NULL);
	ev_timer_stop(&words.nap);
}

/* Lets the loop run until the log says that. */
static inline const char *until(const char *expected)
{
	for (unsigned i = 0; i < 2000 && strcmp(words.log, expected) != 0; i++)
		nap(5);
	return words.log;
}

static inline void clear(void)
{
	words.n = 0;
	words.log[0] = 0;
}

static inline const char *take_log(void)
{
	static char copy[sizeof words.log];
	settle();
	memcpy(copy, words.log, words.n + 1);
	clear();
	return copy;
}

static inline const char *code_name(enum error_code code)
{
	return error_info(code)->name;
}

struct words_publish {
	struct queue_publish m;
	char queue[64], text[64], group[64], dedup[64];
};

static inline void on_publish(void *arg, const struct queue_published *r, size_t n, const struct error *err)
{
	struct words_publish *p = arg;
	if (err) {
		words.rig.err = *err;
		say("%s!%s ", p->text, code_name(err->code));
	} else {
		say("+%s%s ", p->text, r->duplicate ? "=dup" : "");
	}
	free(p);
	answered();
}

static inline int publish_full(const char *queue, const char *body, uint64_t delay_ms, const char *group, const char *dedup)
{
	struct words_publish *p = calloc(1, sizeof *p);
	snprintf(p->queue, sizeof p->queue, "%s", queue);
	snprintf(p->text, sizeof p->text, "%s", body);
	snprintf(p->group, sizeof p->group, "%s", group ? group : "");
	snprintf(p->dedup, sizeof p->dedup, "%s", dedup ? dedup : "");
	p->m = (struct queue_publish){.queue = str_from(p->queue), .head = STR("head"), .body = str_from(p->text), .delay_ms = delay_ms};
	p->m.group = group ? str_from(p->group) : STR_NULL;
	p->m.dedup = dedup ? str_from(p->dedup) : STR_NULL;
	snprintf((char *)p->m.id, sizeof p->m.id, "%.15s", body);
	words.inside = true;
	int rc = queue_publish(words.rig.queue, &p->m, 1, on_publish, p, &words.rig.err);
	words.inside = false;
	words.waiting += rc == 0;
	if (rc < 0)
		free(p);
	return rc;
}

static inline void publish(const char *queue, const char *body)
{
	publish_full(queue, body, 0, NULL, NULL);
}

static inline struct held *held(const char *name)
{
	for (size_t i = words.held_n; i-- > 0;)
		if (strcmp(words.held[i].name, name) == 0)
			return &words.held[i];
	static struct held none;
	return &none;
}

static inline void hold(const struct queue_message *m)
{
	struct held *h = &words.held[words.held_n++ % WORDS_HELD];
	*h = (struct held){.receipt = m->receipt, .sequence = m->sequence, .receives = m->receives, .first_ms = m->first_fetched_ms,
	                   .visible_ms = m->visible_ms, .published_ms = m->published_ms};
	snprintf(h->name, sizeof h->name, "%s", m->body);
}

/* arg: a letter before each name. */
static inline void on_fetch(void *arg, struct list *messages, size_t n, const struct error *err)
{
	const char *tag = arg;
	if (err)
		say("%s!%s ", tag, code_name(err->code));
	else if (!n)
		say("%s:none ", tag);
	for (size_t i = 0; i + words.leave < n; i++) {
		struct queue_message *m = CONTAINER_OF(list_pop_front(messages), struct queue_message, link);
		say("%s:%s", tag, m->body);
		if (m->receives > 1 || (m->receives && !m->first_fetched_ms))
			say("#%u", m->receives);
		if (m->note.n)
			say("(" STR_FMT ")", STR_ARG(m->note));
		if (m->group.p)
			say("@" STR_FMT, STR_ARG(m->group));
		say(" ");
		words.wrong += !str_eqz(m->head, "head") || m->body[m->body_len];
		hold(m);
		queue_message_free(m);
	}
	words.leave = 0;
	answered();
}

static inline char *tag(const char *t)
{
	return (char *)(uintptr_t)t;
}

static inline struct queue_wait *fetch_full(const struct queue_fetch *what, const char *t)
{
	words.inside = true;
	struct queue_wait *w = queue_fetch(words.rig.queue, what, on_fetch, tag(t), &words.rig.err);
	words.inside = false;
	words.waiting += w != NULL;
	return w;
}

static inline void fetch(const char *queue, unsigned max, uint64_t lease_ms, unsigned flags)
{
	fetch_full(&(struct queue_fetch){.queue = str_from(queue), .max = max, .lease_ms = lease_ms, .flags = flags}, flags ? "k" : "m");
}

static inline struct queue_wait *fetch_wait(const char *queue, unsigned max, uint64_t wait_ms, const char *t)
{
	return fetch_full(&(struct queue_fetch){.queue = str_from(queue), .max = max, .lease_ms = 30000, .wait_ms = wait_ms,
	                                        .flags = QUEUE_KEEP_LEASE}, t);
}

static inline void on_done(void *arg, const enum error_code *results, size_t n, const struct error *err)
{
	say("%s:", (const char *)arg);
	for (size_t i = 0; i < n && results; i++)
		say("%s%s", i ? "," : "", results[i] == ERR_OK ? "ok" : code_name(results[i]));
	if (err)
		say("%s", code_name(err->code));
	say(" ");
	answered();
}

static inline void ack(const char *queue, const char *name)
{
	words.waiting += queue_ack(words.rig.queue, str_from(queue), &held(name)->receipt, 1, on_done, tag("ack"), &words.rig.err) == 0;
}

static inline void nak(const char *queue, const char *name, uint64_t delay_ms, const char *note)
{
	struct queue_nak one = {.receipt = held(name)->receipt, .delay_ms = delay_ms, .note = str_from(note)};
	words.waiting += queue_nak(words.rig.queue, str_from(queue), &one, 1, on_done, tag("nak"), &words.rig.err) == 0;
}

static inline void extend(const char *queue, const char *name, uint64_t lease_ms)
{
	struct queue_extend one = {held(name)->receipt, lease_ms};
	words.waiting += queue_extend(words.rig.queue, str_from(queue), &one, 1, on_done, tag("ext"), &words.rig.err) == 0;
}

static inline void on_simple(void *arg, const struct error *err)
{
	say("%s:%s ", (const char *)arg, err ? code_name(err->code) : "ok");
	answered();
}

static inline void configure(const char *queue, uint64_t retention_ms, bool ordered)
{
	struct queue_config c = {retention_ms, ordered};
	words.waiting += queue_configure(words.rig.queue, str_from(queue), &c, on_simple, tag("conf"), &words.rig.err) == 0;
}

/* "visible/delayed/leased". */
static inline const char *stat_of(const char *queue)
{
	static char text[64];
	struct queue_stats s;
	queue_stat(words.rig.queue, str_from(queue), &s);
	snprintf(text, sizeof text, "%llu/%llu/%llu", (unsigned long long)s.visible, (unsigned long long)s.delayed, (unsigned long long)s.leased);
	return text;
}

static inline int64_t oldest_of(const char *queue)
{
	struct queue_stats s;
	queue_stat(words.rig.queue, str_from(queue), &s);
	return s.oldest_ms;
}

#endif
