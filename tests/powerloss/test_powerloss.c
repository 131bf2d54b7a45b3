/* Kills a program that writes to the store, at every sync in turn or at any time; then looks whether all that it
 * acknowledged is there, whole, and nothing else. */
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
#include "core/store/blob_dir.h"
#include "core/store/kv_sqlite.h"
#include "tests/powerloss/cut.h"
#include "tests/powerloss/shadow.h"
#include "tests/powerloss/storm.h"
#include "tests/unit/test.h"

enum { ROUNDS_MAX = 64 };

struct round {
	uint32_t acked[STORM_KEYS]; /* the latest n that was acknowledged; after a look: the one found */
	uint64_t revision[STORM_KEYS];
	bool looked, found[STORM_KEYS], blob[STORM_BLOBS];
};

static struct world {
	char base[64], data[128], shadow[128];
	unsigned rounds, acks, losses;
	uint64_t revision; /* the greatest acknowledged before this round */
	struct round round[ROUNDS_MAX];
} world;

static void lose(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static char complaint[300]; /* the first of a test */
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
	world = (struct world){.base = "/dev/shm/mayfly-power-XXXXXX"}; /* memory: the shim is the disk */
	complaint[0] = 0;
	if (!mkdtemp(world.base)) {
		snprintf(world.base, sizeof world.base, "/tmp/mayfly-power-XXXXXX");
		if (!mkdtemp(world.base))
			return false;
	}
	snprintf(world.data, sizeof world.data, "%s/data", world.base);
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
	const char *shadow; /* NULL: no shim */
	unsigned cut_at;    /* the sync in place of which it dies; 0: never */
	bool no_sync;
	unsigned kill_after_us, kill_after_acks; /* 0: not */
};

static void exec_storm(const struct storm_run *run, int out)
{
	char path[4200], number[32], cut[32];
	snprintf(number, sizeof number, "%u", world.rounds);
	snprintf(cut, sizeof cut, "%u", run->cut_at);
	dup2(out, 1);
	if (run->shadow) {
		setenv("LD_PRELOAD", beside(path, "libmayfly-powerloss.so"), 1);
		setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 1);
		setenv("MAYFLY_POWERLOSS_SHADOW", run->shadow, 1);
		setenv("MAYFLY_POWERLOSS_CUT", cut, 1);
	}
	execl(beside(path, "storm"), "storm", world.data, number, run->no_sync ? "no-sync" : NULL, NULL);
	_exit(98);
}

static void note(const struct storm_ack *ack)
{
	struct round *r = &world.round[world.rounds];
	world.acks++;
	if (ack->what == STORM_BLOB) {
		r->blob[ack->at] = true;
		return;
	}
	r->acked[ack->at] = ack->n;
	r->revision[ack->at] = ack->revision;
	if (ack->revision && ack->revision <= world.revision)
		lose("revision %llu was given out twice", (unsigned long long)ack->revision);
}

/* False: it did not die of SIGKILL or end well. */
static bool run_storm(const struct storm_run *run)
{
	int out[2], status;
	if (pipe(out) < 0)
		return false;
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0)
		exec_storm(run, out[1]);
	close(out[1]);
	if (run->kill_after_us) {
		usleep(run->kill_after_us);
		kill(pid, SIGKILL);
	}
	struct storm_ack ack;
	unsigned n = 0;
	while (io_read_full(out[0], &ack, sizeof ack) == sizeof ack) {
		note(&ack);
		if (++n == run->kill_after_acks)
			kill(pid, SIGKILL);
	}
	close(out[0]);
	waitpid(pid, &status, 0);
	bool good = WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0;
	if (!good)
		printf("storm ended with status 0x%x\n", (unsigned)status);
	return good;
}

/* Found at write n: what must be there then? */
static bool is_state(struct str value, bool present, unsigned round, uint32_t key, uint32_t n)
{
	static char want[STORM_VALUE_MAX];
	if (present != storm_is_put(round, key, n))
		return false;
	return !present || str_eq(value, (struct str){want, storm_value(want, round, key, n)});
}

/* The write that was under way may have happened or not; from then on it stays so. */
static void judge(unsigned round, uint32_t key, struct str value, uint64_t revision, bool present)
{
	struct round *r = &world.round[round];
	uint32_t n = r->acked[key];
	r->found[key] = true;
	if (is_state(value, present, round, key, n)) {
		if (present && r->revision[key] && r->revision[key] != revision)
			lose("round %u key %u: revision %llu, not %llu", round, key, (unsigned long long)revision,
			     (unsigned long long)r->revision[key]);
		return;
	}
	if (!r->looked && is_state(value, present, round, key, n + 1)) {
		r->acked[key] = n + 1;
		r->revision[key] = present ? revision : 0;
		return;
	}
	lose("round %u key %u: not as write %u left it (%s)", round, key, n, present ? "another value" : "gone");
}

struct look {
	struct ev_loop *loop;
	char last[KV_KEY_MAX];
	bool more;
};

static void on_page(void *arg, const struct kv_entry *e, size_t n, bool more, const struct error *err)
{
	struct look *look = arg;
	unsigned round, key;
	if (err)
		lose("cannot list: %s", err->msg);
	look->more = more && !err;
	for (size_t i = 0; i < n; i++) {
		str_copy(look->last, sizeof look->last, e[i].key);
		if (sscanf(look->last, "r%u/k%u", &round, &key) != 2 || round > world.rounds || key >= STORM_KEYS)
			lose("strange key %s", look->last);
		else
			judge(round, key, e[i].value, e[i].revision, true);
	}
	ev_loop_stop(look->loop);
}

static void look_at_keys(struct ev_loop *loop, struct kv *kv)
{
	struct look look = {.loop = loop, .more = true};
	while (look.more) {
		struct kv_list what = {.after = str_from(look.last)};
		if (kv_list(kv, &what, on_page, &look, NULL) < 0)
			abort();
		ev_loop_run(loop, NULL);
	}
	for (unsigned r = 0; r <= world.rounds; r++) {
		for (uint32_t k = 0; k < STORM_KEYS; k++)
			if (!world.round[r].found[k])
				judge(r, k, STR_NULL, 0, false);
		memset(world.round[r].found, 0, sizeof world.round[r].found);
		world.round[r].looked = true;
	}
}

static void look_at_blob(struct blob_store *blobs, const struct blob_id *id)
{
	char bytes[STORM_VALUE_MAX + 1], hex[SHA256_HEX_SIZE];
	struct blob_id is;
	CLEANUP_CLOSE int fd = blob_open(blobs, id, NULL, NULL);
	ssize_t n = fd < 0 ? 0 : io_read_full(fd, bytes, sizeof bytes);
	sha256(is.sha256, bytes, n < 0 ? 0 : (size_t)n);
	blob_id_hex(hex, id);
	if (memcmp(&is, id, sizeof is) != 0)
		lose("blob %s is damaged", hex);
}

static void look_at_blobs(struct blob_store *blobs)
{
	static char bytes[STORM_VALUE_MAX];
	struct blob_id id, page[64];
	const struct blob_id *after = NULL;
	int n;
	while ((n = blob_list(blobs, after, page, ARRAY_LEN(page), NULL)) > 0) {
		for (int i = 0; i < n; i++)
			look_at_blob(blobs, &page[i]);
		id = page[n - 1];
		after = &id;
	}
	for (unsigned r = 0; r <= world.rounds; r++)
		for (unsigned b = 0; b < STORM_BLOBS; b++) {
			if (!world.round[r].blob[b])
				continue;
			sha256(id.sha256, bytes, storm_value(bytes, r, 1000 + b, 1));
			if (blob_exists(blobs, &id, NULL) != 1)
				lose("round %u blob %u is gone", r, b);
		}
}

/* Opens what is left, and closes the round. */
static void look(void)
{
	struct error err = {0};
	CLEANUP_CLOSE int fd = open(world.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct ev_loop *loop = ev_loop_new(NULL);
	struct kv *kv = kv_sqlite_open(loop, fd, NULL, &err);
	struct blob_store *blobs = kv ? blob_dir_open(NULL, NULL, fd, &err) : NULL;
	if (blobs) {
		look_at_keys(loop, kv);
		look_at_blobs(blobs);
	} else {
		lose("%s", err.msg);
	}
	blob_close(blobs);
	kv_close(kv);
	ev_loop_free(loop);
	for (uint32_t k = 0; k < STORM_KEYS; k++)
		if (world.round[world.rounds].revision[k] > world.revision)
			world.revision = world.round[world.rounds].revision[k];
	world.rounds++;
}

/* One life under the shim; the data folder is then what the disk would hold. */
static bool power_cut(unsigned cut_at, bool no_sync, unsigned luck)
{
	char after[160];
	snprintf(world.shadow, sizeof world.shadow, "%s/shadow", world.base);
	snprintf(after, sizeof after, "%s/after", world.base);
	if (mkdir(world.shadow, 0700) < 0)
		return false;
	CLEANUP_CLOSE int shadow = open(world.shadow, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cut_begin(world.data, shadow) < 0)
		return false;
	if (!run_storm(&(struct storm_run){.shadow = world.shadow, .cut_at = cut_at, .no_sync = no_sync}))
		return false;
	if (cut_end(world.data, shadow, after, luck, cut_at) < 0)
		return false;
	remove_tree(world.data);
	remove_tree(world.shadow);
	return rename(after, world.data) == 0;
}

TEST(kill_at_any_time_loses_nothing)
{
	CHECK(setup());
	unsigned seed = 11;
	for (unsigned i = 0; i < 24; i++) {
		unsigned some = 1 + (unsigned)rand_r(&seed) % 400;
		CHECK(run_storm(i % 3 ? &(struct storm_run){.kill_after_acks = some} : &(struct storm_run){.kill_after_us = some * 10}));
		look();
	}
	CHECK(world.acks > 400);
	CHECK(teardown(world.losses == 0));
}

/* From an empty folder: every sync of its making. */
TEST(power_cut_at_every_early_sync_loses_nothing)
{
	unsigned acks = 0;
	for (unsigned cut_at = 1; cut_at <= 40; cut_at++) {
		CHECK(setup());
		CHECK(power_cut(cut_at, false, cut_at % 3 * 40));
		look();
		acks += world.acks;
		CHECK(teardown(world.losses == 0));
	}
	CHECK(acks > 0);
}

TEST(power_cuts_one_after_another_lose_nothing)
{
	CHECK(setup());
	unsigned seed = 12;
	for (unsigned i = 0; i < 24; i++) {
		CHECK(power_cut(1 + i + (unsigned)rand_r(&seed) % 150, false, i % 4 * 30));
		look();
	}
	CHECK(world.acks > 500);
	CHECK(teardown(world.losses == 0));
}

TEST(store_that_does_not_sync_is_found_out)
{
	CHECK(setup());
	for (unsigned i = 0; i < 5 && !world.losses; i++) {
		CHECK(power_cut(60 * (i + 1), true, 0));
		look();
	}
	CHECK(world.losses > 0);
	teardown(true);
}

/* Writes data/NAME; bits of `sync`: 1 the file, 2 the folder. */
static void write_file(int dirfd, int shadow, const char *name, const char *text, unsigned sync)
{
	CLEANUP_CLOSE int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (io_write_full(fd, text, strlen(text)) < 0 || (sync & 1 && shadow_sync(shadow, fd) < 0) ||
	    (sync & 2 && shadow_sync(shadow, dirfd) < 0))
		abort();
}

static const char *after_cut(const char *name)
{
	static char text[64];
	char path[256];
	size_t n = 0;
	snprintf(path, sizeof path, "%s/after/%s", world.base, name);
	CLEANUP_FREE char *got = io_read_file(AT_FDCWD, path, sizeof text, &n, NULL);
	snprintf(text, sizeof text, "%s", got ? got : "gone");
	return text;
}

TEST(disk_holds_what_was_synced_and_no_more)
{
	char after[160];
	CHECK(setup());
	snprintf(world.shadow, sizeof world.shadow, "%s/shadow", world.base);
	snprintf(after, sizeof after, "%s/after", world.base);
	CHECK_INT(mkdir(world.shadow, 0700), 0);
	CLEANUP_CLOSE int shadow = open(world.shadow, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_CLOSE int dir = open(world.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(mkdirat(dir, "sub", 0700), 0);
	write_file(dir, shadow, "old", "before", 0);
	write_file(dir, shadow, "sub/deep", "before", 0);
	write_file(dir, shadow, "unlinked", "before", 0);
	CHECK_INT(cut_begin(world.data, shadow), 0);
	write_file(dir, shadow, "both", "whole", 3);
	write_file(dir, shadow, "folder-only", "lost", 2);
	write_file(dir, shadow, "renamed.tmp", "new", 1);
	write_file(dir, shadow, "old", "after", 0);
	write_file(dir, shadow, "file-only", "lost", 1);
	CHECK_INT(renameat(dir, "renamed.tmp", dir, "both"), 0);
	CHECK_INT(unlinkat(dir, "unlinked", 0), 0);
	write_file(dir, shadow, "sub/deep", "after", 1);
	CHECK_INT(cut_end(world.data, shadow, after, 0, 1), 0);
	CHECK_STR(after_cut("both"), "whole");
	CHECK_STR(after_cut("folder-only"), "");
	CHECK_STR(after_cut("file-only"), "gone");
	CHECK_STR(after_cut("renamed.tmp"), "gone");
	CHECK_STR(after_cut("old"), "before");
	CHECK_STR(after_cut("unlinked"), "before");
	CHECK_STR(after_cut("sub/deep"), "after");
	remove_tree(after);
	CHECK_INT(cut_end(world.data, shadow, after, 100, 1), 0);
	CHECK_STR(after_cut("old"), "aftere"); /* the bytes came along, the new size did not */
	CHECK_STR(after_cut("folder-only"), "lost");
	teardown(true);
}

TESTS(T(disk_holds_what_was_synced_and_no_more), T(kill_at_any_time_loses_nothing),
      T(power_cut_at_every_early_sync_loses_nothing), T(power_cuts_one_after_another_lose_nothing),
      T(store_that_does_not_sync_is_found_out))
