#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/rand.h"
#include "tests/unit/store_rig.h"
#include "tests/unit/test.h"

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
	struct stat st;
	CHECK_INT(fstatat(rig.dirfd, "kv.db", &st, 0), 0);
	CHECK_INT(st.st_mode & 0777, 0600);
	CHECK_INT(fstatat(rig.dirfd, "kv.db-wal", &st, 0), 0);
	CHECK_INT(st.st_mode & 0777, 0600);
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

TESTS(T(writes_and_reads_in_order), T(conditions_are_kept), T(bad_arguments_fail_at_once), T(largest_value_comes_back),
      T(reopened_store_has_all_and_goes_on_counting), T(lists_by_prefix_in_order_and_in_pages),
      T(page_ends_when_values_pass_a_mebibyte), T(watch_gives_snapshot_then_changes), T(watch_under_writes_misses_nothing),
      T(watch_may_stop_itself), T(close_answers_everything), T(queue_has_a_maximum), T(callbacks_may_ask_again))
