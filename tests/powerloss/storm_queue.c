/* storm-queue DIR ROUND [no-sync]: publishes, fetches, acks, naks and moves messages as fast as it can, several at once, and says what
 * it asked for and what was acknowledged. Made to be killed. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/store/queue_sqlite.h"
#include "tests/powerloss/storm_queue.h"

enum { PUBLISHERS = 8, FETCHERS = 4, BATCH = 3 };

struct publisher {
	struct storm *storm;
	uint32_t n[BATCH];
	struct queue_publish messages[BATCH];
	char bytes[BATCH][sizeof(struct storm_name) + STORM_VALUE_MAX];
	size_t count;
};

struct storm {
	struct ev_loop *loop;
	struct queue *queue;
	uint32_t round, next, words;
	struct publisher publishers[PUBLISHERS];
};

/* One message under ack or move. */
struct asked {
	struct storm *storm;
	struct storm_name name;
	enum storm_said then;
};

static void die(const char *what, const struct error *err)
{
	fprintf(stderr, "storm-queue: %s: %s\n", what, err->msg);
	_exit(3);
}

static void tell(struct storm *s, enum storm_said said, struct storm_name name, unsigned receives)
{
	struct storm_word word = {said, name.round, name.n, receives};
	if (write(1, &word, sizeof word) != sizeof word)
		_exit(4);
	if (++s->words == STORM_WORDS)
		ev_loop_stop(s->loop);
}

static void publish(struct publisher *p);

static void on_published(void *arg, const struct queue_published *results, size_t n, const struct error *err)
{
	struct publisher *p = arg;
	if (err)
		die("publish", err);
	for (size_t i = 0; i < n; i++)
		tell(p->storm, STORM_PUBLISHED, (struct storm_name){p->storm->round, p->n[i]}, 0);
	publish(p);
}

static void fill(struct publisher *p, size_t i)
{
	struct storm *s = p->storm;
	struct storm_name name = {s->round, s->next++};
	memcpy(p->bytes[i], &name, sizeof name);
	size_t n = storm_value(p->bytes[i] + sizeof name, s->round, 5000 + name.n, 1);
	p->n[i] = name.n;
	p->messages[i] = (struct queue_publish){.queue = name.n % 3 ? STR("a") : STR("f"), .body = {p->bytes[i], sizeof name + n}};
	if (name.n % 3 == 0)
		p->messages[i].group = name.n % 2 ? STR("odd") : STR("even");
}

static void publish(struct publisher *p)
{
	struct error err = {0};
	if (p->storm->next + BATCH > STORM_MESSAGES)
		return;
	p->count = 1 + p->storm->next % BATCH;
	for (size_t i = 0; i < p->count; i++)
		fill(p, i);
	if (queue_publish(p->storm->queue, p->messages, p->count, on_published, p, &err) < 0)
		die("cannot publish", &err);
}

static struct asked *ask(struct storm *s, struct storm_name name, enum storm_said asking, enum storm_said then)
{
	struct asked *a = malloc(sizeof *a);
	ASSERT(a);
	*a = (struct asked){s, name, then};
	tell(s, asking, name, 0);
	return a;
}

static void on_acked(void *arg, const enum error_code *results, size_t n, const struct error *err)
{
	struct asked *a = arg;
	if (err)
		die("ack", err);
	if (results[0] == ERR_OK)
		tell(a->storm, a->then, a->name, 0);
	free(a);
}

static void on_moved(void *arg, size_t moved, const struct error *err)
{
	struct asked *a = arg;
	if (err)
		die("move", err);
	if (moved)
		tell(a->storm, a->then, a->name, 0);
	free(a);
}

static void handle(struct storm *s, struct str queue, const struct queue_message *m)
{
	struct storm_name name;
	memcpy(&name, m->body, sizeof name);
	tell(s, STORM_FETCHED, name, m->receives);
	struct queue_nak nak = {.receipt = m->receipt, .note = STR("note"), .delay_ms = name.n % 2};
	struct queue_move move = {.from = queue, .to = STR("b"), .receipts = &m->receipt, .n = 1, .keep_counts = true};
	if (name.n % 4 == 0)
		queue_ack(s->queue, queue, &m->receipt, 1, on_acked, ask(s, name, STORM_ACKING, STORM_ACKED), NULL);
	else if (name.n % 4 == 1)
		queue_nak(s->queue, queue, &nak, 1, NULL, NULL, NULL);
	else if (name.n % 4 == 2)
		queue_move(s->queue, &move, on_moved, ask(s, name, STORM_MOVING, STORM_MOVED), NULL);
}

struct fetcher {
	struct storm *storm;
	bool ordered;
};

static void fetch(struct fetcher *f);

static void on_fetched(void *arg, struct list *messages, size_t n, const struct error *err)
{
	struct fetcher *f = arg;
	if (err)
		die("fetch", err);
	for (struct list *pos; (pos = list_pop_front(messages));) {
		struct queue_message *m = CONTAINER_OF(pos, struct queue_message, link);
		handle(f->storm, f->ordered ? STR("f") : STR("a"), m);
		queue_message_free(m);
	}
	fetch(f);
}

static void fetch(struct fetcher *f)
{
	struct error err = {0};
	struct queue_fetch what = {.queue = f->ordered ? STR("f") : STR("a"), .max = 5, .lease_ms = 50, .wait_ms = 1000, .flags = QUEUE_KEEP_LEASE};
	if (!queue_fetch(f->storm->queue, &what, on_fetched, f, &err))
		die("cannot fetch", &err);
}

static void start(struct storm *s, const char *dir, bool no_sync)
{
	struct error err = {0};
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	s->loop = ev_loop_new(&err);
	if (!s->loop)
		die("start", &err);
	s->queue = queue_sqlite_open(s->loop, fd, &(struct queue_sqlite_options){.unsafe_no_sync = no_sync}, &err);
	if (!s->queue || queue_configure(s->queue, STR("f"), &(struct queue_config){.ordered = true}, NULL, NULL, &err) < 0)
		die("open", &err);
}

int main(int argc, char **argv)
{
	ASSERT(argc > 2);
	struct storm *s = calloc(1, sizeof *s);
	static struct fetcher fetchers[FETCHERS];
	ASSERT(s);
	s->round = (uint32_t)strtoul(argv[2], NULL, 10);
	start(s, argv[1], argc > 3);
	for (size_t i = 0; i < PUBLISHERS; i++) {
		s->publishers[i].storm = s;
		publish(&s->publishers[i]);
	}
	for (size_t i = 0; i < FETCHERS; i++) {
		fetchers[i] = (struct fetcher){s, i % 2};
		fetch(&fetchers[i]);
	}
	ev_loop_run(s->loop, NULL);
	_exit(0); /* as abrupt as a kill: nothing is closed */
}
