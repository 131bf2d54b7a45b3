/* Any engine of core/store/queue.h: seeded random histories against a model that is a few arrays, with restarts at random points.
 * Nothing acknowledged is lost, nothing acked comes back, order and counts are right after each step. */
#include "core/base/rand.h"
#include "tests/unit/queue_words.h"

enum { MESSAGES = 3000, STEPS = 1500, QUEUES = 4, GROUPS = 5 };

enum where { NOWHERE, WAITING, GONE };
struct message {
	enum where where;
	unsigned queue, group, receives;
	uint64_t sequence;
	int64_t visible_ms, lease_ms; /* lease_ms: the end of one; kept or not */
	bool kept;
	struct queue_receipt receipt, old;
};

static struct model {
	struct message m[MESSAGES];
	unsigned n, seed;
	unsigned wrong_step, step;
	const char *wrong;
	unsigned fetched[QUEUE_BATCH_MAX], fetched_n;
	enum error_code result;
} model;

static const char *const NAMES[QUEUES] = {"q/0", "q/1", "f/2", "f/3"};

static bool ordered(unsigned q)
{
	return q >= 2;
}

static unsigned pick(unsigned n)
{
	return (unsigned)rand_r(&model.seed) % n;
}

static void wrong(const char *what)
{
	if (!model.wrong)
		model.wrong_step = model.step;
	model.wrong = model.wrong ? model.wrong : what;
}

static int64_t now(void)
{
	return words.rig.now_ms;
}

static bool leased(const struct message *m)
{
	return m->lease_ms > now();
}

static bool visible(const struct message *m)
{
	return m->where == WAITING && m->visible_ms <= now() && !leased(m);
}

static bool later(const struct message *a, const struct message *b)
{
	return a->visible_ms != b->visible_ms ? a->visible_ms > b->visible_ms : a->sequence > b->sequence;
}

static void on_published(void *arg, const struct queue_published *r, size_t n, const struct error *err)
{
	struct message *m = arg;
	if (err)
		wrong("publish failed");
	else
		m->sequence = r->sequence;
	answered();
}

static void step_publish(void)
{
	if (model.n == MESSAGES)
		return;
	struct message *m = &model.m[model.n];
	char body[16], group[4] = {(char)('a' + pick(GROUPS)), 0};
	snprintf(body, sizeof body, "%u", model.n++);
	uint64_t delay_ms = pick(4) ? 0 : 1 + pick(3000);
	*m = (struct message){.where = WAITING, .queue = pick(QUEUES), .group = (unsigned)group[0], .visible_ms = now() + (int64_t)delay_ms};
	struct queue_publish p = {.queue = str_from(NAMES[m->queue]), .head = STR("head"), .body = str_from(body), .delay_ms = delay_ms};
	if (ordered(m->queue))
		p.group = str_from(group);
	words.waiting += queue_publish(words.rig.queue, &p, 1, on_published, m, NULL) == 0;
	settle();
}

static bool blocked(const struct message *m)
{
	if (!ordered(m->queue))
		return false;
	for (unsigned i = 0; i < model.n; i++) {
		const struct message *o = &model.m[i];
		if (o->where != WAITING || o->queue != m->queue || o->group != m->group)
			continue;
		if (leased(o) || (o->sequence < m->sequence && !visible(o)))
			return true;
	}
	return false;
}

static void check_order(unsigned queue)
{
	for (unsigned i = 1; i < model.fetched_n; i++) {
		const struct message *a = &model.m[model.fetched[i - 1]], *b = &model.m[model.fetched[i]];
		if (!ordered(queue) && later(a, b))
			wrong("order");
		for (unsigned k = 0; k < i; k++) {
			const struct message *o = &model.m[model.fetched[k]];
			if (ordered(queue) && o->group == b->group && o->sequence > b->sequence)
				wrong("order in a group");
		}
	}
}

static void on_fetched(void *arg, struct list *messages, size_t n, const struct error *err)
{
	model.fetched_n = 0;
	for (struct list *pos; (pos = list_pop_front(messages));) {
		struct queue_message *q = CONTAINER_OF(pos, struct queue_message, link);
		unsigned at = (unsigned)atoi(q->body);
		struct message *m = &model.m[at < MESSAGES ? at : 0];
		if (at >= model.n || !visible(m) || m->sequence != q->sequence)
			wrong("something came that cannot");
		m->old = m->receipt;
		m->receipt = q->receipt;
		model.fetched[model.fetched_n++] = at;
		m->receives = q->receives; /* checked by the caller */
		queue_message_free(q);
	}
	if (err)
		wrong("fetch failed");
	answered();
}

static unsigned available(unsigned queue)
{
	unsigned n = 0;
	for (unsigned i = 0; i < model.n; i++)
		n += model.m[i].where == WAITING && model.m[i].queue == queue && visible(&model.m[i]) && !blocked(&model.m[i]);
	return n;
}

static void step_fetch(void)
{
	unsigned queue = pick(QUEUES), max = 1 + pick(12), before = available(queue);
	bool kept = pick(2);
	int64_t lease_ms = 1 + (int64_t)pick(4000);
	struct queue_fetch what = {.queue = str_from(NAMES[queue]), .max = max, .lease_ms = (uint64_t)lease_ms, .flags = kept};
	words.waiting += queue_fetch(words.rig.queue, &what, on_fetched, NULL, NULL) != NULL;
	settle();
	if (model.fetched_n != (before < max ? before : max))
		wrong("not as many as there are");
	check_order(queue);
	for (unsigned i = 0; i < model.fetched_n; i++) {
		struct message *m = &model.m[model.fetched[i]];
		if (m->queue != queue || blocked(m))
			wrong("a message of another queue, or of a busy group");
	}
	/* What was left behind must not come before what was taken. */
	for (unsigned i = 0; i < model.n && !ordered(queue) && model.fetched_n; i++) {
		const struct message *m = &model.m[i];
		bool taken = false;
		for (unsigned k = 0; k < model.fetched_n; k++)
			taken |= model.fetched[k] == i;
		if (!taken && m->queue == queue && visible(m) && later(&model.m[model.fetched[model.fetched_n - 1]], m))
			wrong("an earlier one was passed over");
	}
	for (unsigned i = 0; i < model.fetched_n; i++) {
		struct message *m = &model.m[model.fetched[i]];
		m->kept = kept;
		m->lease_ms = now() + lease_ms;
		if (kept)
			m->visible_ms = m->lease_ms;
	}
}

static void on_result(void *arg, const enum error_code *results, size_t n, const struct error *err)
{
	model.result = results ? results[0] : err->code;
	answered();
}

static void step_end(void)
{
	if (!model.n)
		return;
	struct message *m = &model.m[pick(model.n)];
	for (unsigned i = 0; i < 50 && !(m->where == WAITING && m->receipt.nonce); i++)
		m = &model.m[pick(model.n)];
	bool old = !pick(8) && m->old.nonce;
	struct queue_receipt receipt = old ? m->old : m->receipt;
	enum error_code expected = m->where == GONE ? ERR_NOT_FOUND : old || !receipt.nonce ? ERR_STALE : ERR_OK;
	struct str queue = str_from(NAMES[m->queue]);
	unsigned what = pick(4);
	uint64_t ms = pick(3) ? 1 + pick(3000) : 0;
	struct queue_nak n = {.receipt = receipt, .delay_ms = ms, .note = STR("note")};
	struct queue_extend x = {receipt, ms};
	if (!m->sequence)
		return;
	if (!receipt.sequence)
		receipt.sequence = n.receipt.sequence = x.receipt.sequence = m->sequence;
	if (what < 2)
		words.waiting += queue_ack(words.rig.queue, queue, &receipt, 1, on_result, NULL, NULL) == 0;
	else if (what == 2)
		words.waiting += queue_nak(words.rig.queue, queue, &n, 1, on_result, NULL, NULL) == 0;
	else
		words.waiting += queue_extend(words.rig.queue, queue, &x, 1, on_result, NULL, NULL) == 0;
	settle();
	if (what == 3 && expected == ERR_OK && !leased(m))
		expected = ERR_STALE;
	if (model.result != expected)
		wrong("an answer to ack, nak or extend");
	if (expected != ERR_OK)
		return;
	if (what < 2) {
		m->where = GONE;
	} else if (what == 2) {
		m->visible_ms = now() + (int64_t)ms;
		m->lease_ms = 0;
		m->old = m->receipt;
		m->receipt = (struct queue_receipt){0};
	} else {
		m->lease_ms = now() + (int64_t)ms;
		m->visible_ms = m->kept ? m->lease_ms : m->visible_ms;
	}
}

static void on_moved_one(void *arg, size_t moved, const struct error *err)
{
	model.result = moved == 1 ? ERR_OK : ERR_STALE;
	answered();
}

static void on_looked(void *arg, struct list *messages, size_t n, const struct error *err)
{
	for (struct list *pos; (pos = list_pop_front(messages));) {
		struct queue_message *q = CONTAINER_OF(pos, struct queue_message, link);
		struct message *m = &model.m[atoi(q->body)];
		m->sequence = q->sequence > m->sequence ? q->sequence : m->sequence;
		queue_message_free(q);
	}
	answered();
}

/* Within the same kind of queue, by receipt; its new sequence is looked up. */
static void step_move(void)
{
	if (!model.n)
		return;
	struct message *m = &model.m[pick(model.n)];
	unsigned to = m->queue ^ 1;
	if (m->where != WAITING || !m->receipt.nonce)
		return;
	struct queue_move what = {.from = str_from(NAMES[m->queue]), .to = str_from(NAMES[to]), .receipts = &m->receipt, .n = 1};
	words.waiting += queue_move(words.rig.queue, &what, on_moved_one, NULL, NULL) == 0;
	settle();
	if (model.result != ERR_OK)
		wrong("a move failed");
	m->queue = to;
	m->visible_ms = now();
	m->lease_ms = 0;
	m->receipt = m->old = (struct queue_receipt){0};
	struct queue_peek peek = {str_from(NAMES[to]), m->sequence, QUEUE_BATCH_MAX, 16};
	words.waiting += queue_peek(words.rig.queue, &peek, on_looked, NULL, NULL) == 0;
	settle();
}

static void step_reopen(void)
{
	if (!queue_rig_reopen(&words.rig)) {
		wrong("cannot open again");
		return;
	}
	for (unsigned i = 0; i < model.n; i++) {
		struct message *m = &model.m[i];
		if (m->where != WAITING || m->kept || !m->receipt.nonce)
			continue;
		m->lease_ms = 0;
		m->receipt = m->old = (struct queue_receipt){0};
	}
}

static void check_counts(void)
{
	for (unsigned q = 0; q < QUEUES; q++) {
		uint64_t see = 0, wait = 0, out = 0;
		for (unsigned i = 0; i < model.n; i++) {
			const struct message *m = &model.m[i];
			if (m->where != WAITING || m->queue != q)
				continue;
			see += visible(m);
			out += leased(m);
			wait += !visible(m) && !leased(m);
		}
		struct queue_stats s;
		queue_stat(words.rig.queue, str_from(NAMES[q]), &s);
		if (s.visible != see || s.delayed != wait || s.leased != out)
			wrong("counts");
	}
}

/* A fetch of nothing makes the engine look at the clock. */
static void on_none(void *arg, struct list *messages, size_t n, const struct error *err)
{
	answered();
}

static void pass_time(void)
{
	words.rig.now_ms += pick(800);
	for (unsigned q = 0; q < QUEUES; q++)
		words.waiting += queue_find(words.rig.queue, str_from(NAMES[q]), 1, on_none, NULL, NULL) == 0;
	settle();
}

static void step(void)
{
	static void (*const STEPS_OF[])(void) = {step_publish, step_publish, step_publish, step_fetch, step_fetch, step_end, step_end, step_end, step_move};
	unsigned at = pick(40);
	if (at < 36)
		STEPS_OF[at % ARRAY_LEN(STEPS_OF)]();
	else if (at < 39)
		pass_time();
	else
		step_reopen();
}

static bool run_history(unsigned seed)
{
	model = (struct model){.seed = seed};
	if (!words_start(&(struct queue_sqlite_options){.unsafe_no_sync = true}))
		return false;
	for (unsigned q = 2; q < QUEUES; q++)
		configure(NAMES[q], 0, true);
	settle();
	for (model.step = 0; model.step < STEPS && !model.wrong; model.step++) {
		step();
		check_counts();
	}
	words_stop();
	if (model.wrong)
		printf("seed %u, step %u: %s\n", seed, model.wrong_step, model.wrong);
	return !model.wrong;
}

TEST(random_histories_are_as_the_model_says)
{
	for (unsigned seed = 1; seed <= 3; seed++)
		CHECK(run_history(seed));
}

/* ---- many calls under way at a time: producers and consumers of an ordered queue ---- */

enum { PRODUCERS = 8, A_GROUP = 150, CONSUMERS = 3 };

static struct fifo {
	struct producer {
		unsigned next; /* the number under way */
		bool busy;
		struct queue_publish m;
		char group[8], body[16];
	} producers[PRODUCERS];
	unsigned acked[PRODUCERS], seed, total, closed;
	const char *wrong;
	bool stopping;
} fifo;

static void produce(struct producer *p);

static void on_produced(void *arg, const struct queue_published *r, size_t n, const struct error *err)
{
	struct producer *p = arg;
	p->busy = false;
	if (err && err->code != ERR_CLOSED)
		fifo.wrong = "publish failed";
	p->next += !err;
	if (!fifo.stopping)
		produce(p);
}

static void produce(struct producer *p)
{
	if (p->busy || p->next == A_GROUP)
		return;
	snprintf(p->group, sizeof p->group, "%zu", (size_t)(p - fifo.producers));
	snprintf(p->body, sizeof p->body, "%u", p->next);
	p->m = (struct queue_publish){.queue = STR("fifo"), .group = str_from(p->group), .body = str_from(p->body)};
	p->busy = queue_publish(words.rig.queue, &p->m, 1, on_produced, p, NULL) == 0;
}

static void on_consumed(void *arg, const enum error_code *results, size_t n, const struct error *err)
{
	unsigned *group = arg;
	if (err && err->code == ERR_CLOSED)
		return;
	if (err || results[0] != ERR_OK)
		fifo.wrong = "ack failed";
	++*group;
	if (++fifo.total == PRODUCERS * A_GROUP)
		ev_loop_stop(words.rig.loop);
}

static void consume(void);

/* Of each run some are acked, in their order; the rest fails, and comes again. */
static void handle(struct list *messages, unsigned next[PRODUCERS], bool failed[PRODUCERS])
{
	struct queue_message *m = CONTAINER_OF(list_pop_front(messages), struct queue_message, link);
	unsigned group = (unsigned)(m->group.p[0] - '0'), at = (unsigned)atoi(m->body);
	if (at != next[group]++)
		fifo.wrong = "a message out of order";
	failed[group] |= rand_r(&fifo.seed) % 6 == 0;
	struct queue_nak nak = {.receipt = m->receipt};
	if (failed[group])
		queue_nak(words.rig.queue, STR("fifo"), &nak, 1, NULL, NULL, NULL);
	else
		queue_ack(words.rig.queue, STR("fifo"), &m->receipt, 1, on_consumed, &fifo.acked[group], NULL);
	queue_message_free(m);
}

static void on_fifo(void *arg, struct list *messages, size_t n, const struct error *err)
{
	unsigned next[PRODUCERS];
	bool failed[PRODUCERS] = {false};
	memcpy(next, fifo.acked, sizeof next);
	while (!list_empty(messages))
		handle(messages, next, failed);
	if (!fifo.stopping)
		consume();
}

static void consume(void)
{
	struct queue_fetch what = {.queue = STR("fifo"), .max = 1 + (unsigned)rand_r(&fifo.seed) % 10, .lease_ms = 10000, .wait_ms = 60000,
	                           .flags = QUEUE_KEEP_LEASE};
	queue_fetch(words.rig.queue, &what, on_fifo, NULL, NULL);
}

static void start_fifo(void)
{
	fifo.stopping = false;
	for (size_t i = 0; i < PRODUCERS; i++)
		produce(&fifo.producers[i]);
	for (size_t i = 0; i < CONSUMERS; i++)
		consume();
}

TEST(groups_keep_their_order_under_producers_failures_and_restarts)
{
	CHECK(words_start(&(struct queue_sqlite_options){.unsafe_no_sync = true}));
	fifo = (struct fifo){.seed = 5};
	configure("fifo", 0, true);
	settle();
	for (unsigned i = 0; i < 400 && fifo.total < PRODUCERS * A_GROUP; i++) {
		start_fifo();
		nap(i < 12 ? 15 : 2000);
		fifo.stopping = true;
		CHECK(queue_rig_reopen(&words.rig));
		words.rig.now_ms += 10000; /* leases of those who are gone */
	}
	CHECK_STR(fifo.wrong ? fifo.wrong : "nothing", "nothing");
	CHECK_INT(fifo.total, PRODUCERS * A_GROUP);
	CHECK_STR(stat_of("fifo"), "0/0/0");
	words_stop();
}

/* ---- the clock moves while calls are under way: what is counted by the way must be what a restart counts ---- */

static void on_nothing(void *arg, const struct queue_published *r, size_t n, const struct error *err)
{
	answered();
}

static void on_ended(void *arg, const enum error_code *results, size_t n, const struct error *err)
{
	answered();
}

static void on_some(void *arg, struct list *messages, size_t n, const struct error *err)
{
	for (struct list *pos; !list_empty(messages) && rand_r(&model.seed) % 8;) {
		pos = list_pop_front(messages);
		struct queue_message *m = CONTAINER_OF(pos, struct queue_message, link);
		struct queue_nak nak = {.receipt = m->receipt, .delay_ms = pick(30)};
		struct queue_extend extend = {m->receipt, pick(30)};
		unsigned what = pick(4);
		if (what == 0)
			words.waiting += queue_ack(words.rig.queue, STR("q"), &m->receipt, 1, on_ended, NULL, NULL) == 0;
		else if (what == 1)
			words.waiting += queue_nak(words.rig.queue, STR("q"), &nak, 1, on_ended, NULL, NULL) == 0;
		else if (what == 2)
			words.waiting += queue_extend(words.rig.queue, STR("q"), &extend, 1, on_ended, NULL, NULL) == 0;
		queue_message_free(m);
	}
	words.rig.now_ms += pick(4);
	answered();
}

static void ask_something(void)
{
	static const struct queue_publish NOW = {.queue = STR("q"), .body = STR("x")}, SOON = {.queue = STR("q"), .body = STR("x"), .delay_ms = 5},
	                                  LATER = {.queue = STR("q"), .body = STR("x"), .delay_ms = 23};
	struct queue_fetch what = {.queue = STR("q"), .max = 1 + pick(5), .lease_ms = pick(30), .flags = QUEUE_KEEP_LEASE};
	unsigned kind = pick(4);
	if (kind < 2)
		words.waiting += queue_publish(words.rig.queue, kind ? &NOW : pick(2) ? &SOON : &LATER, 1, on_nothing, NULL, NULL) == 0;
	else
		words.waiting += queue_fetch(words.rig.queue, &what, on_some, NULL, NULL) != NULL;
	words.rig.now_ms += pick(3);
}

TEST(counts_are_right_when_the_clock_moves_under_calls)
{
	CHECK(words_start(&(struct queue_sqlite_options){.unsafe_no_sync = true}));
	model = (struct model){.seed = 77};
	for (unsigned round = 0; round < 25; round++) {
		char before[64];
		for (unsigned i = 0; i < 120; i++) {
			ask_something();
			if (pick(20) == 0)
				nap(1);
		}
		settle();
		for (unsigned i = 0; i < 3; i++) { /* the horizon reaches the clock */
			words.waiting += queue_find(words.rig.queue, STR("q"), 1, on_none, NULL, NULL) == 0;
			settle();
		}
		snprintf(before, sizeof before, "%s", stat_of("q"));
		CHECK(queue_rig_reopen(&words.rig));
		CHECK_STR(stat_of("q"), before);
	}
	words_stop();
}

TESTS(T(counts_are_right_when_the_clock_moves_under_calls), T(groups_keep_their_order_under_producers_failures_and_restarts), T(random_histories_are_as_the_model_says))
