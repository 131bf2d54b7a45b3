/* queue DIR [IN-FLIGHT [SECONDS]]: how many messages a second the embedded queue engine makes durable, on the disk of DIR, with so many
 * publishes under way at a time (64); then how fast they are fetched and acked, and what a queue with 100,000 waiting messages
 * costs its neighbour. Prints; asserts nothing. Built by `ninja -C build bench-programs`. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/base/clock.h"
#include "core/store/queue_sqlite.h"

enum { FLYING_MAX = 4096, SAMPLES = 1 << 20, BODY = 200 };

struct flight {
	struct bench *bench;
	uint64_t began_ns;
};

static struct bench {
	struct ev_loop *loop;
	struct queue *queue;
	uint64_t end_ns;
	size_t done, flying;
	struct flight flights[FLYING_MAX];
	struct queue_publish message;
	double ms[SAMPLES];
	size_t fetched;
} bench;

static char body[BODY];

static void publish(struct flight *f);

static void on_published(void *arg, const struct queue_published *results, size_t n, const struct error *err)
{
	struct flight *f = arg;
	uint64_t now = clock_mono_ns();
	if (err) {
		fprintf(stderr, "%s\n", err->msg);
		exit(1);
	}
	if (bench.done < SAMPLES)
		bench.ms[bench.done] = (double)(now - f->began_ns) / 1e6;
	bench.done++;
	if (now < bench.end_ns)
		publish(f);
	else if (--bench.flying == 0)
		ev_loop_stop(bench.loop);
}

static void publish(struct flight *f)
{
	f->began_ns = clock_mono_ns();
	if (queue_publish(bench.queue, &bench.message, 1, on_published, f, NULL) < 0)
		exit(2);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void run_publishes(size_t flying, double seconds)
{
	bench.flying = flying;
	uint64_t began = clock_mono_ns();
	bench.end_ns = began + (uint64_t)(seconds * 1e9);
	for (size_t i = 0; i < flying; i++)
		publish(&bench.flights[i]);
	ev_loop_run(bench.loop, NULL);
	double took = (double)(clock_mono_ns() - began) / 1e9;
	size_t n = bench.done < SAMPLES ? bench.done : SAMPLES;
	qsort(bench.ms, n, sizeof *bench.ms, by_size);
	printf("published, durable: %.0f messages/s with %zu under way; p50 %.2f ms, p99 %.2f ms, max %.2f ms\n", (double)bench.done / took,
	       flying, bench.ms[n / 2], bench.ms[n * 99 / 100], bench.ms[n - 1]);
}

static void on_acked(void *arg, const enum error_code *results, size_t n, const struct error *err);

static void on_fetched(void *arg, struct list *messages, size_t n, const struct error *err)
{
	struct queue_receipt receipts[64];
	size_t got = 0;
	for (struct list *pos; (pos = list_pop_front(messages));) {
		struct queue_message *m = CONTAINER_OF(pos, struct queue_message, link);
		receipts[got++] = m->receipt;
		queue_message_free(m);
	}
	if (got && clock_mono_ns() < bench.end_ns)
		queue_ack(bench.queue, bench.message.queue, receipts, got, on_acked, arg, NULL);
	else if (--bench.flying == 0)
		ev_loop_stop(bench.loop);
}

static void drain(void *arg)
{
	struct queue_fetch what = {.queue = bench.message.queue, .max = 10, .lease_ms = 30000, .flags = arg ? QUEUE_KEEP_LEASE : 0};
	if (!queue_fetch(bench.queue, &what, on_fetched, arg, NULL))
		exit(2);
}

static void on_acked(void *arg, const enum error_code *results, size_t n, const struct error *err)
{
	bench.fetched += n;
	drain(arg);
}

static void run_drain(bool kept, double seconds)
{
	bench.flying = 16;
	bench.fetched = 0;
	uint64_t began = clock_mono_ns();
	bench.end_ns = began + (uint64_t)(seconds * 1e9);
	for (int i = 0; i < 16; i++)
		drain(kept ? &bench : NULL);
	ev_loop_run(bench.loop, NULL);
	printf("fetched by tens and acked, 16 at a time, leases %s: %.0f messages/s\n", kept ? "kept" : "not kept",
	       (double)bench.fetched / ((double)(clock_mono_ns() - began) / 1e9));
}

static void on_neighbour(void *arg, struct list *messages, size_t n, const struct error *err)
{
	ev_loop_stop(bench.loop);
}

static void run_neighbour(void)
{
	struct queue_stats s;
	queue_stat(bench.queue, bench.message.queue, &s);
	double best = 1e9, sum = 0;
	for (int i = 0; i < 200; i++) {
		uint64_t began = clock_mono_ns();
		struct queue_fetch what = {.queue = i % 2 ? STR("neighbour") : bench.message.queue, .max = 16, .lease_ms = 1};
		queue_fetch(bench.queue, &what, on_neighbour, NULL, NULL);
		ev_loop_run(bench.loop, NULL);
		double ms = (double)(clock_mono_ns() - began) / 1e6;
		best = ms < best ? ms : best;
		sum += ms;
	}
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	printf("%llu messages wait: a fetch of 16 takes %.3f ms (best %.3f); the process has had %ld MB\n", (unsigned long long)s.visible, sum / 200,
	       best, u.ru_maxrss / 1024);
}

int main(int argc, char **argv)
{
	struct error err = {0};
	int dirfd = argc > 1 ? open(argv[1], O_PATH | O_DIRECTORY) : -1;
	size_t flying = argc > 2 ? (size_t)atoi(argv[2]) : 64;
	double seconds = argc > 3 ? atof(argv[3]) : 3;
	bench.loop = ev_loop_new(&err);
	uint64_t began = clock_mono_ns();
	bench.queue = bench.loop ? queue_sqlite_open(bench.loop, dirfd, NULL, &err) : NULL;
	if (!bench.queue || flying > FLYING_MAX || !flying) {
		fprintf(stderr, "%s\nusage: queue DIR [IN-FLIGHT [SECONDS]]\n", err.msg);
		return 2;
	}
	printf("opened in %.1f ms\n", (double)(clock_mono_ns() - began) / 1e6);
	memset(body, 'x', sizeof body);
	bench.message = (struct queue_publish){.queue = STR("bench"), .body = {body, sizeof body}};
	run_publishes(flying, seconds);
	run_neighbour();
	run_drain(false, seconds / 2);
	run_drain(true, seconds / 2);
	queue_close(bench.queue);
	ev_loop_free(bench.loop);
	return 0;
}
