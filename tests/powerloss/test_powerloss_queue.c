/* Kills a program that publishes, fetches, acks and moves, at every sync in turn or at any time; then looks whether each message that was
 * acknowledged is there, whole and once, each acked one gone, each moved one in the other queue, and no fetch forgotten. */
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/io.h"
#include "core/store/queue_sqlite.h"
#include "tests/powerloss/cut.h"
#include "tests/powerloss/shadow.h"
#include "tests/powerloss/storm_queue.h"
#include "tests/unit/test.h"

enum { ROUNDS_MAX = 40 };
enum place { NOWHERE, IN_FIRST, IN_B };

struct fate {
	bool published, acking, acked, moving, moved;
	enum place found;
	unsigned receives;
};

static struct world {
	char base[64], data[128], shadow[128];
	unsigned rounds, words, losses;
	struct fate fate[ROUNDS_MAX][STORM_MESSAGES];
} world;

static char complaint[300]; /* the first of a test */
static void lose(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void lose(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	if (!world.losses++)
		vsnprintf(complaint, sizeof complaint, fmt, ap);
	va_end(ap);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static void remove_tree(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static bool setup(void)
{
	memset(&world, 0, sizeof world);
	complaint[0] = 0;
	snprintf(world.base, sizeof world.base, "/dev/shm/mayfly-power-XXXXXX"); /* memory: the shim is the disk */
	if (!mkdtemp(world.base)) {
		snprintf(world.base, sizeof world.base, "/tmp/mayfly-power-XXXXXX");
		if (!mkdtemp(world.base))
			return false;
	}
	snprintf(world.data, sizeof world.data, "%s/data", world.base);
	snprintf(world.shadow, sizeof world.shadow, "%s/shadow", world.base);
	return mkdir(world.data, 0700) == 0;
}

static bool teardown(bool good)
{
	remove_tree(world.base);
	if (!good)
		printf("%u losses, the first: %s\n", world.losses, complaint);
	return good;
}

/* A file beside this program. */
static const char *beside(char dst[4200], const char *name)
{
	char self[4096] = {0};
	if (readlink("/proc/self/exe", self, sizeof self - 1) < 0)
		abort();
	*strrchr(self, '/') = 0;
	snprintf(dst, 4200, "%s/%s", self, name);
	return dst;
}

struct storm_run {
	bool shim, no_sync;
	unsigned cut_at;         /* the sync in place of which it dies; 0: never */
	unsigned kill_after;     /* words; 0: not */
};

static void exec_storm(const struct storm_run *run, int out)
{
	char path[4200], number[32], cut[32];
	snprintf(number, sizeof number, "%u", world.rounds);
	snprintf(cut, sizeof cut, "%u", run->cut_at);
	dup2(out, 1);
	if (run->shim) {
		setenv("LD_PRELOAD", beside(path, "libmayfly-powerloss.so"), 1);
		setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 1);
		setenv("MAYFLY_POWERLOSS_SHADOW", world.shadow, 1);
		setenv("MAYFLY_POWERLOSS_CUT", cut, 1);
	}
	execl(beside(path, "storm-queue"), "storm-queue", world.data, number, run->no_sync ? "no-sync" : NULL, NULL);
	_exit(98);
}

static void note(const struct storm_word *w)
{
	struct fate *f = &world.fate[w->round][w->n];
	world.words++;
	f->published |= w->said == STORM_PUBLISHED || w->said == STORM_FETCHED;
	f->acking |= w->said == STORM_ACKING;
	f->acked |= w->said == STORM_ACKED;
	f->moving |= w->said == STORM_MOVING;
	f->moved |= w->said == STORM_MOVED;
	f->receives = w->said == STORM_FETCHED ? w->receives : f->receives;
}

/* False: it did not die of SIGKILL or end well. */
static bool run_storm(const struct storm_run *run)
{
	int out[2], status;
	if (world.rounds == ROUNDS_MAX || pipe(out) < 0)
		return false;
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0)
		exec_storm(run, out[1]);
	close(out[1]);
	struct storm_word w;
	unsigned n = 0;
	while (io_read_full(out[0], &w, sizeof w) == sizeof w) {
		note(&w);
		if (++n == run->kill_after)
			kill(pid, SIGKILL);
	}
	close(out[0]);
	waitpid(pid, &status, 0);
	bool good = WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0;
	if (!good)
		printf("storm-queue ended with status 0x%x\n", (unsigned)status);
	return good;
}

struct look {
	struct ev_loop *loop;
	enum place place;
	uint64_t after;
	size_t n;
};

static void judge_message(const struct look *look, const struct queue_message *m)
{
	static char want[STORM_VALUE_MAX];
	struct storm_name name;
	if (m->body_len < sizeof name) {
		lose("a message without a name");
		return;
	}
	memcpy(&name, m->body, sizeof name);
	struct fate *f = name.round <= world.rounds && name.n < STORM_MESSAGES ? &world.fate[name.round][name.n] : NULL;
	size_t n = f ? storm_value(want, name.round, 5000 + name.n, 1) : 0;
	if (!f || m->body_len != sizeof name + n || memcmp(m->body + sizeof name, want, n) != 0) {
		lose("a message is damaged");
		return;
	}
	if (f->found)
		lose("round %u message %u is there twice", name.round, name.n);
	if (m->receives < f->receives)
		lose("round %u message %u was received %u times, not %u", name.round, name.n, f->receives, m->receives);
	f->found = look->place;
}

static void on_page(void *arg, struct list *messages, size_t n, const struct error *err)
{
	struct look *look = arg;
	if (err)
		lose("cannot look: %s", err->msg);
	look->n = n;
	for (struct list *pos; (pos = list_pop_front(messages));) {
		struct queue_message *m = CONTAINER_OF(pos, struct queue_message, link);
		if (m->sequence <= look->after)
			lose("sequences do not grow");
		look->after = m->sequence;
		judge_message(look, m);
		queue_message_free(m);
	}
	ev_loop_stop(look->loop);
}

static void look_at(struct ev_loop *loop, struct queue *queue, struct str name, enum place place)
{
	struct look look = {.loop = loop, .place = place, .n = 1};
	uint64_t found = 0;
	while (look.n) {
		struct queue_peek what = {name, look.after, 200, SIZE_MAX};
		if (queue_peek(queue, &what, on_page, &look, NULL) < 0)
			abort();
		ev_loop_run(loop, NULL);
		found += look.n;
	}
	struct queue_stats s;
	queue_stat(queue, name, &s);
	if (s.visible + s.delayed + s.leased != found)
		lose("%llu messages are counted, %llu are there", (unsigned long long)(s.visible + s.delayed + s.leased), (unsigned long long)found);
}

/* What was under way may have happened or not; from now on it stays so. */
static void judge(unsigned round, unsigned n)
{
	struct fate *f = &world.fate[round][n];
	if (f->acked && f->found)
		lose("round %u message %u was acked and is there", round, n);
	if (f->published && !f->acking && !f->acked && !f->found)
		lose("round %u message %u was acknowledged and is gone", round, n);
	if (f->found && f->moved != (f->found == IN_B) && !(f->moving && f->found == IN_B))
		lose("round %u message %u is in the wrong queue", round, n);
	f->published |= f->found != NOWHERE;
	f->acked |= f->published && !f->found;
	f->acking = f->acked;
	f->moved = f->moving = f->found == IN_B;
	f->found = NOWHERE;
}

/* Opens what is left, and closes the round. */
static void look(void)
{
	struct error err = {0};
	CLEANUP_CLOSE int fd = open(world.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct ev_loop *loop = ev_loop_new(NULL);
	struct queue *queue = queue_sqlite_open(loop, fd, NULL, &err);
	if (queue) {
		look_at(loop, queue, STR("a"), IN_FIRST);
		look_at(loop, queue, STR("f"), IN_FIRST);
		look_at(loop, queue, STR("b"), IN_B);
		for (unsigned r = 0; r <= world.rounds; r++)
			for (unsigned n = 0; n < STORM_MESSAGES; n++)
				judge(r, n);
	} else {
		lose("%s", err.msg);
	}
	queue_close(queue);
	ev_loop_free(loop);
	world.rounds++;
}

/* One life under the shim; the data folder is then what the disk would hold. */
static bool power_cut(unsigned cut_at, bool no_sync, unsigned luck)
{
	char after[160];
	snprintf(after, sizeof after, "%s/after", world.base);
	if (mkdir(world.shadow, 0700) < 0)
		return false;
	CLEANUP_CLOSE int shadow = open(world.shadow, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cut_begin(world.data, shadow) < 0 || !run_storm(&(struct storm_run){.shim = true, .cut_at = cut_at, .no_sync = no_sync}) ||
	    cut_end(world.data, shadow, after, luck, cut_at) < 0)
		return false;
	remove_tree(world.data);
	remove_tree(world.shadow);
	return rename(after, world.data) == 0;
}

TEST(kill_at_any_time_loses_nothing)
{
	CHECK(setup());
	unsigned seed = 21;
	for (unsigned i = 0; i < 16; i++) {
		CHECK(run_storm(&(struct storm_run){.kill_after = 1 + (unsigned)rand_r(&seed) % 1500}));
		look();
	}
	CHECK(world.words > 400);
	CHECK(teardown(world.losses == 0));
}

/* From an empty folder: every sync of its making. */
TEST(power_cut_at_every_early_sync_loses_nothing)
{
	unsigned words = 0;
	for (unsigned cut_at = 1; cut_at <= 24; cut_at++) {
		CHECK(setup());
		CHECK(power_cut(cut_at, false, cut_at % 3 * 40));
		look();
		words += world.words;
		CHECK(teardown(world.losses == 0));
	}
	CHECK(words > 0);
}

TEST(power_cuts_one_after_another_lose_nothing)
{
	CHECK(setup());
	unsigned seed = 22;
	for (unsigned i = 0; i < 16; i++) {
		CHECK(power_cut(1 + i + (unsigned)rand_r(&seed) % 80, false, i % 4 * 30));
		look();
	}
	CHECK(world.words > 500);
	CHECK(teardown(world.losses == 0));
}

TEST(engine_that_does_not_sync_is_found_out)
{
	CHECK(setup());
	for (unsigned i = 0; i < 5 && !world.losses; i++) {
		CHECK(power_cut(60 * (i + 1), true, 0));
		look();
	}
	CHECK(world.losses > 0);
	teardown(true);
}

TESTS(T(kill_at_any_time_loses_nothing), T(power_cut_at_every_early_sync_loses_nothing), T(power_cuts_one_after_another_lose_nothing),
      T(engine_that_does_not_sync_is_found_out))
