#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdarg.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/rand.h"
#include "core/store/kv_sqlite.h"
#include "tests/unit/test.h"

/* Everything a test hears goes into `log`, one word an answer. */
static struct rig {
	char path[64];
	int dirfd;
	struct ev_loop *loop;
	struct kv *kv;
	struct kv_watch *watch;
	char log[8192];
	size_t n;
	unsigned waiting;
	uint64_t revision;
	struct error err;
	char *value;
	size_t value_n;
	size_t list_limit;
	char last[KV_KEY_MAX];
} rig;

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	rig.n += (size_t)vsnprintf(rig.log + rig.n, sizeof rig.log - rig.n, fmt, ap);
	va_end(ap);
	if (rig.n >= sizeof rig.log)
		abort();
}

static bool open_kv(const struct kv_sqlite_options *o)
{
	rig.kv = kv_sqlite_open(rig.loop, rig.dirfd, o, &rig.err);
	return rig.kv != NULL;
}

static bool setup(const struct kv_sqlite_options *o)
{
	free(rig.value);
	rig = (struct rig){.path = "/tmp/mayfly-kv-XXXXXX"};
	if (!mkdtemp(rig.path))
		return false;
	rig.dirfd = open(rig.path, O_PATH | O_DIRECTORY);
	rig.loop = ev_loop_new(NULL);
	return open_kv(o);
}

static void teardown(void)
{
	kv_close(rig.kv);
	ev_loop_free(rig.loop);
	close(rig.dirfd);
	nftw(rig.path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void answered(void)
{
	if (--rig.waiting == 0)
		ev_loop_stop(rig.loop);
}

static void on_any(void *arg, const struct kv_entry *e, const struct error *err)
{
	const char *tag = arg;
	if (err) {
		rig.err = *err;
		say("%s:%s ", tag, error_info(err->code)->name);
	} else {
		rig.revision = e->revision;
		say("%s:" STR_FMT "=%.*s@%llu ", tag, STR_ARG(e->key), e->value.n > 20 ? 3 : (int)e->value.n,
		    e->value.p ? e->value.p : "", (unsigned long long)e->revision);
		free(rig.value);
		rig.value = str_dup(e->value);
		rig.value_n = e->value.n;
	}
	answered();
}

static char *tag(const char *t)
{
	return (char *)(uintptr_t)t;
}

static void put(const char *key, const char *value, uint64_t expected)
{
	rig.waiting += kv_put(rig.kv, str_from(key), str_from(value), expected, on_any, tag("put"), &rig.err) == 0;
}

static void get(const char *key)
{
	rig.waiting += kv_get(rig.kv, str_from(key), on_any, tag("get"), &rig.err) == 0;
}

static void del(const char *key, uint64_t expected)
{
	rig.waiting += kv_delete(rig.kv, str_from(key), expected, on_any, tag("del"), &rig.err) == 0;
}

static void settle(void)
{
	if (rig.waiting)
		ev_loop_run(rig.loop, NULL);
}

static const char *take_log(void)
{
	static char copy[sizeof rig.log];
	settle();
	memcpy(copy, rig.log, sizeof copy);
	rig.n = 0;
	rig.log[0] = 0;
	return copy;
}

TEST(writes_and_reads_in_order)
{
	CHECK(setup(NULL));
	put("a", "1", KV_ANY);
	get("a");
	put("a", "2", KV_ANY);
	get("a");
	del("a", KV_ANY);
	get("a");
	del("a", KV_ANY);
	put("a", "", KV_ANY);
	get("a");
	CHECK_STR(take_log(), "put:a=@1 get:a=1@1 put:a=@2 get:a=2@2 del:a=@3 get:NOT_FOUND del:a=@0 put:a=@4 get:a=@4 ");
	teardown();
}

TEST(conditions_are_kept)
{
	CHECK(setup(NULL));
	put("k", "x", 7);
	put("k", "x", KV_ABSENT);
	put("k", "y", KV_ABSENT);
	put("k", "y", 5);
	put("k", "y", 1);
	del("k", 1);
	del("k", 2);
	del("k", 2);
	put("k", "z", KV_ABSENT);
	CHECK_STR(take_log(), "put:REVISION put:k=@1 put:EXISTS put:REVISION put:k=@2 del:REVISION del:k=@3 del:REVISION put:k=@4 ");
	CHECK_STR(rig.err.msg, "key k has revision 0, not 2");
	teardown();
}

TEST(bad_arguments_fail_at_once)
{
	static char big[KV_VALUE_MAX + 1];
	char long_key[KV_KEY_MAX + 2];
	memset(long_key, 'k', sizeof long_key);
	CHECK(setup(NULL));
	struct error err;
	const struct str bad[] = {STR(""), STR("a b"), STR("a\n"), STR("\x7f"), STR("\xc3\xa9"), {long_key, KV_KEY_MAX + 1}};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		err.code = ERR_OK;
		CHECK_INT(kv_put(rig.kv, bad[i], STR("v"), KV_ANY, on_any, tag("no"), &err), -1);
		CHECK_INT(err.code, ERR_USAGE);
		CHECK_INT(kv_get(rig.kv, bad[i], on_any, tag("no"), &err), -1);
	}
	CHECK_INT(kv_put(rig.kv, STR("k"), (struct str){big, sizeof big}, KV_ANY, on_any, tag("no"), &err), -1);
	CHECK_INT(err.code, ERR_USAGE);
	CHECK_INT(kv_put(rig.kv, (struct str){long_key, KV_KEY_MAX}, STR("v"), KV_ANY, on_any, tag("yes"), &err), 0);
	rig.waiting++;
	CHECK(strncmp(take_log(), "yes:kkk", 7) == 0);
	teardown();
}

TEST(largest_value_comes_back)
{
	CHECK(setup(NULL));
	char *big = malloc(KV_VALUE_MAX);
	rand_bytes(big, KV_VALUE_MAX);
	for (int i = 0; i < 3; i++)
		rig.waiting += kv_put(rig.kv, STR("big"), (struct str){big, KV_VALUE_MAX}, KV_ANY, on_any, tag("put"), NULL) == 0;
	get("big");
	settle();
	CHECK_INT(rig.value_n, KV_VALUE_MAX);
	CHECK(memcmp(rig.value, big, KV_VALUE_MAX) == 0);
	free(big);
	teardown();
}

TEST(reopened_store_has_all_and_goes_on_counting)
{
	CHECK(setup(NULL));
	put("a", "1", KV_ANY);
	put("b", "2", KV_ANY);
	del("b", KV_ANY);
	settle();
	kv_close(rig.kv);
	CHECK(open_kv(NULL));
	rig.n = 0;
	get("a");
	get("b");
	put("b", "3", KV_ABSENT);
	CHECK_STR(take_log(), "get:a=1@1 get:NOT_FOUND put:b=@4 ");
	CHECK(access(rig.path, F_OK) == 0);
	teardown();
}

static void on_list(void *arg, const struct kv_entry *e, size_t n, bool more, const struct error *err)
{
	for (size_t i = 0; i < n; i++)
		say(STR_FMT "%s" STR_FMT " ", STR_ARG(e[i].key), e[i].value.n ? "=" : "", STR_ARG(e[i].value));
	say(more ? "| " : "end");
	if (n)
		str_copy(rig.last, sizeof rig.last, e[n - 1].key);
	answered();
}

static void list(const char *prefix, const char *after, size_t limit, bool keys_only)
{
	struct kv_list what = {str_from(prefix), str_from(after), limit, keys_only};
	rig.waiting += kv_list(rig.kv, &what, on_list, NULL, &rig.err) == 0;
}

TEST(lists_by_prefix_in_order_and_in_pages)
{
	CHECK(setup(NULL));
	const char *keys[] = {"f/b", "f/a", "e", "f", "f/c~", "f/c", "f0", "g/a", "f/~"};
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		put(keys[i], "v", KV_ANY);
	settle();
	rig.n = 0;
	list("f/", NULL, 0, true);
	CHECK_STR(take_log(), "f/a f/b f/c f/c~ f/~ end");
	list("f/", NULL, 2, false);
	CHECK_STR(take_log(), "f/a=v f/b=v | ");
	list("f/", rig.last, 2, true);
	CHECK_STR(take_log(), "f/c f/c~ | ");
	list("f/", rig.last, 2, true);
	CHECK_STR(take_log(), "f/~ end");
	list("f/", "f/~", 2, true);
	CHECK_STR(take_log(), "end");
	list("f/", "a", 1, true);
	CHECK_STR(take_log(), "f/a | ");
	list("f/", "z", 1, true);
	CHECK_STR(take_log(), "end");
	list("", "f/~", 0, true);
	CHECK_STR(take_log(), "f0 g/a end");
	list(NULL, NULL, 9, true);
	CHECK_STR(take_log(), "e f f/a f/b f/c f/c~ f/~ f0 g/a end");
	teardown();
}

static void on_sizes(void *arg, const struct kv_entry *e, size_t n, bool more, const struct error *err)
{
	say("%zu%s", n, more ? "+" : "");
	answered();
}

TEST(page_ends_when_values_pass_a_mebibyte)
{
	CHECK(setup(NULL));
	char *big = calloc(1, 400000), key[16];
	for (int i = 0; i < 5; i++) {
		snprintf(key, sizeof key, "k%d", i);
		rig.waiting += kv_put(rig.kv, str_from(key), (struct str){big, 400000}, KV_ANY, on_any, tag("put"), NULL) == 0;
	}
	take_log();
	struct kv_list what = {.prefix = STR("k")};
	rig.waiting += kv_list(rig.kv, &what, on_sizes, NULL, NULL) == 0;
	CHECK_STR(take_log(), "3+");
	free(big);
	teardown();
}

static void on_watch(void *arg, enum kv_event event, const struct kv_entry *e, const struct error *err)
{
	static const char *const NAMES[] = {"+", "-", "ready", "failed"};
	say("%s", NAMES[event]);
	if (e)
		say(STR_FMT "=" STR_FMT "@%llu", STR_ARG(e->key), STR_ARG(e->value), (unsigned long long)e->revision);
	if (err)
		say(":%s", error_info(err->code)->name);
	say(" ");
	if (event == KV_EVENT_READY)
		answered();
}

TEST(watch_gives_snapshot_then_changes)
{
	CHECK(setup(NULL));
	put("f/a", "1", KV_ANY);
	put("other", "1", KV_ANY);
	put("f/b", "2", KV_ANY);
	settle();
	rig.n = 0;
	struct kv_watch *w = kv_watch(rig.kv, STR("f/"), on_watch, NULL, NULL);
	CHECK(w);
	rig.waiting++;
	CHECK_STR(take_log(), "+f/a=1@1 +f/b=2@3 ready ");
	put("f/a", "3", KV_ANY);
	put("other", "3", KV_ANY);
	put("f/a", "4", KV_ABSENT);
	del("f/a", KV_ANY);
	del("f/a", KV_ANY);
	CHECK_STR(take_log(), "put:f/a=@4 +f/a=3@4 put:other=@5 put:EXISTS del:f/a=@6 -f/a=@6 del:f/a=@0 ");
	kv_watch_stop(rig.kv, w);
	put("f/a", "9", KV_ANY);
	CHECK_STR(take_log(), "put:f/a=@7 ");
	teardown();
}

/* What a watch has told must equal what is there, whatever was written while the snapshot was read. */
enum { MANY = 1500 };
static struct mirror {
	int value[MANY];
	bool ready;
	unsigned wrong;
} mirror;

static void on_mirror(void *arg, enum kv_event event, const struct kv_entry *e, const struct error *err)
{
	mirror.ready |= event == KV_EVENT_READY;
	if (!e)
		return;
	uint64_t at = 0;
	str_to_u64(str_sub(e->key, 2, e->key.n), MANY - 1, &at);
	uint64_t new = 0;
	if (event == KV_EVENT_PUT)
		str_to_u64(e->value, 99, &new);
	mirror.wrong += event == KV_EVENT_DELETE && !mirror.value[at];
	mirror.value[at] = (int)new;
}

static int model[MANY];

static void random_write(unsigned *seed)
{
	char key[16], value[8];
	int at = rand_r(seed) % MANY, new = rand_r(seed) % 4 ? 10 + rand_r(seed) % 90 : 0;
	snprintf(key, sizeof key, "m/%04d", at);
	snprintf(value, sizeof value, "%d", new);
	model[at] = new;
	if (new)
		put(key, value, KV_ANY);
	else
		del(key, KV_ANY);
}

TEST(watch_under_writes_misses_nothing)
{
	CHECK(setup(NULL));
	unsigned seed = 20260;
	memset(model, 0, sizeof model);
	mirror = (struct mirror){0};
	for (int round = 0; round < 60; round++) {
		for (int i = 0; i < 100; i++)
			random_write(&seed);
		if (round == 20)
			CHECK(kv_watch(rig.kv, STR("m/"), on_mirror, NULL, NULL));
		settle();
		rig.n = 0;
	}
	CHECK(mirror.ready);
	CHECK_INT(mirror.wrong, 0);
	CHECK(memcmp(mirror.value, model, sizeof model) == 0);
	teardown();
}

static void on_stop_itself(void *arg, enum kv_event event, const struct kv_entry *e, const struct error *err)
{
	say("once ");
	kv_watch_stop(rig.kv, rig.watch);
}

TEST(watch_may_stop_itself)
{
	CHECK(setup(NULL));
	put("a", "1", KV_ANY);
	put("b", "1", KV_ANY);
	take_log();
	rig.watch = kv_watch(rig.kv, STR(""), on_stop_itself, NULL, NULL);
	put("c", "1", KV_ANY);
	CHECK_STR(take_log(), "once put:c=@3 ");
	kv_watch_stop(rig.kv, kv_watch(rig.kv, STR(""), on_stop_itself, NULL, NULL));
	put("d", "1", KV_ANY);
	CHECK_STR(take_log(), "put:d=@4 ");
	teardown();
}

static void on_closed(void *arg, const struct kv_entry *e, const struct error *err)
{
	unsigned *counts = arg;
	counts[err ? err->code == ERR_CLOSED ? 1 : 2 : 0]++;
	struct error again = {0};
	if (err && (kv_get(rig.kv, STR("a"), on_any, tag("no"), &again) == 0 || again.code != ERR_CLOSED))
		counts[2]++;
}

TEST(close_answers_everything)
{
	CHECK(setup(NULL));
	unsigned counts[3] = {0};
	CHECK(kv_watch(rig.kv, STR("a"), on_watch, NULL, NULL));
	for (int i = 0; i < 1000; i++)
		CHECK_INT(kv_put(rig.kv, STR("b"), STR("v"), KV_ANY, on_closed, counts, NULL), 0);
	kv_close(rig.kv);
	CHECK_INT(counts[0] + counts[1], 1000);
	CHECK_INT(counts[2], 0);
	CHECK(strstr(rig.log, "failed:CLOSED"));
	rig.kv = NULL;
	rig.waiting = 0; /* READY may have come */
	CHECK(open_kv(NULL)); /* and what was said to be written is */
	get("b");
	settle();
	CHECK(counts[0] == 0 || rig.revision >= counts[0]);
	teardown();
}

TEST(queue_has_a_maximum)
{
	CHECK(setup(&(struct kv_sqlite_options){.queue_max = 3, .queue_max_bytes = 1000}));
	struct error err = {0};
	char big[990] = {0};
	for (int i = 0; i < 3; i++)
		put("a", "1", KV_ANY);
	CHECK_INT(kv_put(rig.kv, STR("a"), STR("1"), KV_ANY, on_any, tag("no"), &err), -1);
	CHECK_INT(err.code, ERR_THROTTLED);
	CHECK_STR(take_log(), "put:a=@1 put:a=@2 put:a=@3 ");
	rig.waiting += kv_put(rig.kv, STR("a"), (struct str){big, sizeof big}, KV_ANY, on_any, tag("put"), NULL) == 0;
	CHECK_INT(kv_put(rig.kv, STR("a"), (struct str){big, sizeof big}, KV_ANY, on_any, tag("no"), &err), -1);
	put("b", "1", KV_ANY);
	CHECK_STR(take_log(), "put:a=@4 put:b=@5 ");
	teardown();
}

static void on_nested(void *arg, const struct kv_entry *e, const struct error *err)
{
	put("second", "2", KV_ABSENT);
	get("second");
	answered();
}

TEST(callbacks_may_ask_again)
{
	CHECK(setup(NULL));
	rig.waiting += kv_put(rig.kv, STR("first"), STR("1"), KV_ANY, on_nested, NULL, NULL) == 0;
	CHECK_STR(take_log(), "put:second=@2 get:second=2@2 ");
	teardown();
}

TEST(second_store_on_the_file_is_refused)
{
	CHECK(setup(NULL));
	struct error err = {0};
	CHECK(!kv_sqlite_open(rig.loop, rig.dirfd, NULL, &err));
	CHECK_INT(err.code, ERR_IN_USE);
	CHECK(strstr(err.msg, "another server"));
	put("a", "1", KV_ANY);
	CHECK_STR(take_log(), "put:a=@1 ");
	teardown();
}

static bool run_sql(const char *text)
{
	char path[128];
	sqlite3 *sql;
	snprintf(path, sizeof path, "%s/kv.db", rig.path);
	bool ok = sqlite3_open(path, &sql) == SQLITE_OK && sqlite3_exec(sql, text, NULL, NULL, NULL) == SQLITE_OK;
	sqlite3_close(sql);
	return ok;
}

TEST(other_formats_are_refused)
{
	CHECK(setup(NULL));
	kv_close(rig.kv);
	CHECK(run_sql("PRAGMA user_version=7"));
	CHECK(!open_kv(NULL));
	CHECK_INT(rig.err.code, ERR_UNSUPPORTED);
	CHECK(strstr(rig.err.msg, "format 7") && strstr(rig.err.msg, "format 1"));
	CHECK(run_sql("PRAGMA application_id=1"));
	CHECK(!open_kv(NULL));
	CHECK_INT(rig.err.code, ERR_UNSUPPORTED);
	CHECK(strstr(rig.err.msg, "not made by Mayfly"));
	teardown();
}

static bool scribble(off_t at, const void *bytes, size_t n)
{
	char path[128];
	snprintf(path, sizeof path, "%s/kv.db", rig.path);
	CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CREAT, 0600);
	return fd >= 0 && pwrite(fd, bytes, n, at) == (ssize_t)n;
}

TEST(damage_is_told)
{
	char junk[4096];
	memset(junk, 0xa5, sizeof junk);
	CHECK(setup(NULL));
	put("a", "1", KV_ANY);
	settle();
	kv_close(rig.kv);
	CHECK(scribble(100, junk, sizeof junk - 100)); /* the page of the schema */
	CHECK(!open_kv(NULL));
	CHECK_INT(rig.err.code, ERR_IO);
	CHECK(strstr(rig.err.msg, "damaged"));
	CHECK(scribble(0, junk, sizeof junk));
	CHECK(!open_kv(NULL));
	CHECK_INT(rig.err.code, ERR_IO);
	CHECK(strstr(rig.err.msg, "damaged"));
	teardown();
}

TEST(missing_folder_is_told)
{
	struct error err = {0};
	CHECK(setup(NULL));
	CHECK(!kv_sqlite_open(rig.loop, -1, NULL, &err));
	CHECK(err.msg[0]);
	teardown();
}

/* A disk of 1 MiB: a mount of this program's own. */
TEST(full_disk_fails_writes_and_goes_on_after)
{
	CHECK(setup(NULL));
	kv_close(STEAL_PTR(rig.kv));
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", rig.path, "tmpfs", 0, "size=1m") < 0) {
		printf("skipped: no right to mount\n");
		teardown();
		return;
	}
	close(rig.dirfd);
	rig.dirfd = open(rig.path, O_PATH | O_DIRECTORY);
	CHECK(open_kv(NULL));
	char key[32], ballast[128];
	char *value = calloc(1, 100000);
	unsigned stored = 0;
	for (rig.err.code = ERR_OK; stored < 100 && rig.err.code == ERR_OK; stored += rig.err.code == ERR_OK) {
		snprintf(key, sizeof key, "k%u", stored);
		rig.waiting += kv_put(rig.kv, str_from(key), (struct str){value, 100000}, KV_ANY, on_any, tag("put"), NULL) == 0;
		settle();
	}
	CHECK_INT(rig.err.code, ERR_DISK_FULL);
	CHECK(strstr(rig.err.msg, "disk is full"));
	CHECK(stored >= 1 && stored < 11);
	/* Fill it to the brim, then make room: the next write works without more ado. */
	snprintf(ballast, sizeof ballast, "%s/ballast", rig.path);
	CLEANUP_CLOSE int fd = open(ballast, O_WRONLY | O_CREAT, 0600);
	while (write(fd, value, 4096) > 0)
		;
	rig.n = 0;
	rig.waiting += kv_put(rig.kv, STR("m"), (struct str){value, 100000}, KV_ANY, on_any, tag("put"), NULL) == 0;
	get("k0");
	get("m");
	CHECK_STR(take_log(), "put:DISK_FULL get:k0=@1 get:NOT_FOUND ");
	unlink(ballast);
	CHECK_INT(ftruncate(fd, 0), 0);
	del("k0", KV_ANY);
	put("small", "1", KV_ANY);
	settle();
	CHECK(!strstr(take_log(), "DISK_FULL"));
	kv_close(rig.kv);
	CHECK(open_kv(NULL));
	for (unsigned i = 1; i < stored; i++) {
		snprintf(key, sizeof key, "k%u", i);
		get(key);
	}
	get("small");
	CHECK(!strstr(take_log(), "NOT_FOUND"));
	free(value);
	kv_close(STEAL_PTR(rig.kv));
	close(rig.dirfd);
	rig.dirfd = -1;
	umount(rig.path);
	teardown();
}

TESTS(T(writes_and_reads_in_order), T(conditions_are_kept), T(bad_arguments_fail_at_once), T(largest_value_comes_back),
      T(reopened_store_has_all_and_goes_on_counting), T(lists_by_prefix_in_order_and_in_pages),
      T(page_ends_when_values_pass_a_mebibyte), T(watch_gives_snapshot_then_changes), T(watch_under_writes_misses_nothing),
      T(watch_may_stop_itself), T(close_answers_everything), T(queue_has_a_maximum), T(callbacks_may_ask_again),
      T(second_store_on_the_file_is_refused), T(other_formats_are_refused), T(damage_is_told), T(missing_folder_is_told),
      T(full_disk_fails_writes_and_goes_on_after))
