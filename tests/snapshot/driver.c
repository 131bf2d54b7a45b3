/* Does for tests/snapshot what needs the server's libraries and rights: commands as lines on standard input, each answered by
 * one line, "ok ..." or "error ...". Boxes and zygotes go by small numbers that the test chooses.
 *
 *   driver BUILD SCRATCH
 *
 *   make BOX | attach BOX FOLDER | start BOX ARGUMENT... | park BOX | answer BOX EVENT | many BOX COUNT EVENT | log BOX
 *   pid BOX | kill BOX | dump BOX FILE [resume] [close] | zygote Z FILE FOLDER | restore Z BOX | nonsense Z | end Z
 *   bench Z COUNT FOLDER EVENT */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api.h"
#include "boxes.h"
#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/ipc/ipc.h"
#include "isolation/snapshot/dump.h"

#define WORDS 32
#define LINE 65536
#define BENCH_BOXES 16u /* made ahead */

struct command {
	struct boxes *b;
	char *word[WORDS];
	unsigned words;
	char said[LINE]; /* after "ok " */
};

static struct box *box_of(struct command *c)
{
	return &c->b->boxes[strtoul(c->word[1], NULL, 10) % BOXES];
}

static struct zygote *zygote_of(struct command *c)
{
	return &c->b->zygotes[strtoul(c->word[1], NULL, 10) % ZYGOTES];
}

static int do_make(struct command *c, struct error *err)
{
	return box_make(c->b, (unsigned)strtoul(c->word[1], NULL, 10) % BOXES, err);
}

static int do_attach(struct command *c, struct error *err)
{
	return box_attach(c->b, box_of(c), c->word[2], err);
}

static int do_start(struct command *c, struct error *err)
{
	static const char *const env[] = {"AWS_LAMBDA_RUNTIME_API=127.0.0.1:9001", "PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/tmp",
		"LANG=C.UTF-8", NULL};
	return box_start(c->b, box_of(c), (const char *const *)c->word + 2, env, err);
}

static int do_park(struct command *c, struct error *err)
{
	return api_park(box_of(c), err);
}

static int do_answer(struct command *c, struct error *err)
{
	char answer[LINE];
	uint64_t ns;
	if (api_answer(box_of(c), c->word[2], answer, &ns, err) < 0)
		return -1;
	snprintf(c->said, sizeof c->said, "%llu %.60000s", (unsigned long long)(ns / 1000), answer);
	return 0;
}

static int do_many(struct command *c, struct error *err)
{
	char answer[LINE];
	uint64_t ns;
	for (unsigned long i = strtoul(c->word[2], NULL, 10); i > 0; i--) {
		if (api_answer(box_of(c), c->word[3], answer, &ns, err) < 0)
			return error_wrap(err, "with %lu left", i);
	}
	snprintf(c->said, sizeof c->said, "%.60000s", answer);
	return 0;
}

static int do_log(struct command *c, struct error *err)
{
	char text[4096];
	ssize_t n = read(box_of(c)->made.log_fd, text, sizeof text - 1);
	if (n < 0 && errno != EAGAIN)
		return error_sys(err, "cannot read the log");
	text[n < 0 ? 0 : n] = '\0';
	for (char *p = text; *p; p++)
		*p = *p == '\n' ? '|' : *p;
	snprintf(c->said, sizeof c->said, "%s", text);
	return 0;
}

static int do_pid(struct command *c, struct error *err)
{
	snprintf(c->said, sizeof c->said, "%d", box_leader(box_of(c)));
	return 0;
}

static int do_kill(struct command *c, struct error *err)
{
	box_kill(c->b, box_of(c));
	return 0;
}

static int do_dump(struct command *c, struct error *err)
{
	struct box *box = box_of(c);
	struct sockaddr_in peer = {0};
	socklen_t size = sizeof peer;
	struct dump_result result = {0};
	CLEANUP_CLOSE int fd = open(c->word[2], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_sys(err, "cannot make %s", c->word[2]);
	if (getpeername(box->next, (struct sockaddr *)&peer, &size) < 0)
		return error_sys(err, "nothing is parked");
	struct dump_request request = {.init_pid = box->made.pid, .park = PARK_INVOCATION, .next_port = ntohs(peer.sin_port),
		.memory_mb = 1024, .max_bytes = 1ull << 32};
	for (unsigned i = 3; i < c->words; i++) {
		request.resume |= strcmp(c->word[i], "resume") == 0;
		request.close_connections |= strcmp(c->word[i], "close") == 0;
	}
	if (dump_tree(&request, fd, &result, err) < 0)
		return -1;
	snprintf(c->said, sizeof c->said, "%llu %llu %llu %u %u", (unsigned long long)result.file_bytes,
			 (unsigned long long)result.resident_bytes, (unsigned long long)(result.dump_ns / 1000), result.processes,
			 result.threads);
	return 0;
}

static int do_zygote(struct command *c, struct error *err)
{
	struct zygote *z = zygote_of(c);
	if (zygote_start(c->b, z, c->word[2], c->word[3], err) < 0)
		return -1;
	snprintf(c->said, sizeof c->said, "%d %llu %llu", z->pid, (unsigned long long)(z->load_ns / 1000),
			 (unsigned long long)z->resident_bytes);
	return 0;
}

static int restore(struct command *c, struct zygote *z, struct box *box, struct restore_reply *reply, struct error *err)
{
	if (zygote_restore(c->b, z, box, reply, err) < 0)
		return -1;
	return reply->failed ? error_set(err, ERR_INTERNAL, "step %u errno %d row %u", reply->step, reply->sys, reply->detail) : 0;
}

static int do_restore(struct command *c, struct error *err)
{
	struct restore_reply reply;
	struct box *box = &c->b->boxes[strtoul(c->word[2], NULL, 10) % BOXES];
	if (restore(c, zygote_of(c), box, &reply, err) < 0)
		return -1;
	snprintf(c->said, sizeof c->said, "%llu", (unsigned long long)(reply.ns / 1000));
	return 0;
}

static int do_nonsense(struct command *c, struct error *err)
{
	struct restore_reply reply;
	return zygote_ask_nonsense(zygote_of(c), &reply, err);
}

static int do_end(struct command *c, struct error *err)
{
	zygote_end(zygote_of(c));
	return 0;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

static void say_times(char *said, size_t size, const char *what, uint64_t *ns, size_t n)
{
	qsort(ns, n, sizeof *ns, by_value);
	size_t used = strlen(said);
	snprintf(said + used, size - used, "%s min %llu med %llu p90 %llu p99 %llu max %llu us; ", what,
			 (unsigned long long)ns[0] / 1000, (unsigned long long)ns[n / 2] / 1000, (unsigned long long)ns[n * 9 / 10] / 1000,
			 (unsigned long long)ns[n * 99 / 100] / 1000, (unsigned long long)ns[n - 1] / 1000);
}

struct bench {
	uint64_t *restored, *answered, *again;
	uint64_t *phases[RESTORE_PHASES];
};

static int bench_one(struct command *c, struct box *box, struct bench *out, size_t i, struct error *err)
{
	char answer[LINE];
	struct restore_reply reply;
	uint64_t ns, start = clock_mono_ns();
	if (restore(c, zygote_of(c), box, &reply, err) < 0)
		return -1;
	out->restored[i] = reply.ns;
	for (unsigned k = 0; k < RESTORE_PHASES; k++)
		out->phases[k][i] = 1000ull * (reply.at_us[k] - (k ? reply.at_us[k - 1] : 0));
	if (api_answer(box, c->word[4], answer, &ns, err) < 0)
		return -1;
	/* Up to the answer: the GET that follows is not waited for by a caller. */
	out->answered[i] = clock_mono_ns() - start;
	return api_answer(box, c->word[4], answer, &out->again[i], err);
}

static int bench_round(struct command *c, struct bench *out, size_t from, size_t n, struct error *err)
{
	unsigned made = 0;
	int rc = 0;
	for (; rc == 0 && made < n; made++) {
		rc = box_make(c->b, BOXES - 1 - made, err);
		if (rc == 0)
			rc = box_attach(c->b, &c->b->boxes[BOXES - 1 - made], c->word[3], err);
	}
	usleep(5000);
	for (unsigned i = 0; rc == 0 && i < n; i++)
		rc = bench_one(c, &c->b->boxes[BOXES - 1 - i], out, from + i, err);
	for (unsigned i = 0; i < made; i++) {
		if (c->b->boxes[BOXES - 1 - i].used)
			box_kill(c->b, &c->b->boxes[BOXES - 1 - i]);
	}
	return rc;
}

static int do_bench(struct command *c, struct error *err)
{
	size_t n = strtoul(c->word[2], NULL, 10);
	CLEANUP_FREE uint64_t *room = calloc((3 + RESTORE_PHASES) * n + 1, sizeof *room);
	if (!room || n == 0)
		return error_set(err, ERR_USAGE, "how many?");
	struct bench out = {.restored = room, .answered = room + n, .again = room + 2 * n};
	for (unsigned k = 0; k < RESTORE_PHASES; k++)
		out.phases[k] = room + (3 + k) * n;
	for (size_t i = 0; i < n; i += BENCH_BOXES) {
		if (bench_round(c, &out, i, n - i < BENCH_BOXES ? n - i : BENCH_BOXES, err) < 0)
			return error_wrap(err, "round of %zu", i);
	}
	say_times(c->said, sizeof c->said, "restored", out.restored, n);
	say_times(c->said, sizeof c->said, "answered", out.answered, n);
	say_times(c->said, sizeof c->said, "again", out.again, n);
	static const char *const names[RESTORE_PHASES] = {"join", "clone", "identity", "objects", "place", "threads"};
	for (unsigned k = 0; k < RESTORE_PHASES; k++)
		say_times(c->said, sizeof c->said, names[k], out.phases[k], n);
	return 0;
}

static const struct {
	const char *name;
	unsigned words;
	int (*run)(struct command *c, struct error *err);
} commands[] = {
	{"make", 2, do_make},	  {"attach", 3, do_attach},		{"start", 3, do_start},	  {"park", 2, do_park},
	{"answer", 3, do_answer}, {"many", 4, do_many},			{"log", 2, do_log},		  {"pid", 2, do_pid},
	{"kill", 2, do_kill},	  {"dump", 3, do_dump},			{"zygote", 4, do_zygote}, {"restore", 3, do_restore},
	{"end", 2, do_end},		  {"nonsense", 2, do_nonsense}, {"bench", 5, do_bench},
};

static int run(struct command *c, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (strcmp(c->word[0], commands[i].name) == 0 && c->words >= commands[i].words)
			return commands[i].run(c, err);
	}
	return error_set(err, ERR_USAGE, "no such command");
}

static void split(struct command *c, char *line)
{
	c->words = 0;
	for (char *word = strtok(line, " \n"); word && c->words < WORDS - 1; word = strtok(NULL, " \n"))
		c->word[c->words++] = word;
	c->word[c->words] = NULL;
}

int main(int argc, char **argv)
{
	static struct boxes boxes;
	static struct command c = {.b = &boxes};
	static char line[LINE];
	struct error err = {0};
	if (argc != 3 || boxes_open(&boxes, argv[1], argv[2], &err) < 0) {
		printf("error %s\n", err.msg);
		return 1;
	}
	printf("ok\n");
	fflush(stdout);
	while (fgets(line, sizeof line, stdin)) {
		err = (struct error){0};
		c.said[0] = '\0';
		split(&c, line);
		if (c.words && run(&c, &err) < 0)
			printf("error %s\n", err.msg);
		else
			printf("ok %s\n", c.said);
		fflush(stdout);
	}
	boxes_close(&boxes);
	return 0;
}
