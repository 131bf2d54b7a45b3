/* Any engine of core/store/queue.h: publish, fetch, leases, waiting, watches, names. */
#include "tests/unit/queue_words.h"

enum { KEEP = QUEUE_KEEP_LEASE };

TEST(published_is_fetched_in_order_and_acked_away)
{
	CHECK(words_start(NULL));
	publish("q", "a");
	publish("q", "b");
	publish("other", "x");
	publish("q", "c");
	fetch("q", 2, 1000, 0);
	fetch("q", 9, 1000, 0);
	fetch("q", 9, 1000, 0);
	CHECK_STR(take_log(), "+a +b +x +c m:a m:b m:c m:none ");
	CHECK(held("a")->sequence < held("b")->sequence && held("b")->sequence < held("c")->sequence);
	CHECK_INT(held("a")->published_ms, words.rig.now_ms);
	CHECK_STR(stat_of("q"), "0/0/3");
	ack("q", "b");
	ack("q", "b");
	ack("other", "a");
	ack("q", "a");
	CHECK_STR(take_log(), "ack:ok ack:NOT_FOUND ack:NOT_FOUND ack:ok ");
	CHECK_STR(stat_of("q"), "0/0/1");
	CHECK_STR(stat_of("other"), "1/0/0");
	CHECK_STR(stat_of("nobody"), "0/0/0");
	CHECK_INT(words.wrong, 0);
	words_stop();
}

TEST(delays_come_before_their_sequence)
{
	CHECK(words_start(NULL));
	publish_full("q", "late", 5000, NULL, NULL);
	publish_full("q", "soon", 1000, NULL, NULL);
	publish("q", "now");
	fetch("q", 9, 60000, KEEP);
	CHECK_STR(take_log(), "+late +soon +now k:now ");
	CHECK_STR(stat_of("q"), "0/2/1");
	words.rig.now_ms += 999;
	fetch("q", 9, 60000, KEEP);
	CHECK_STR(take_log(), "k:none ");
	words.rig.now_ms += 1;
	fetch("q", 9, 60000, KEEP);
	CHECK_STR(take_log(), "k:soon ");
	words.rig.now_ms += 10000;
	publish("q", "last");
	fetch("q", 9, 60000, KEEP);
	CHECK_STR(take_log(), "+last k:late k:last ");
	CHECK_STR(stat_of("q"), "0/0/4");
	words_stop();
}

TEST(leases_end_and_are_counted_as_kept_or_not)
{
	CHECK(words_start(NULL));
	publish("q", "a");
	fetch("q", 1, 1000, KEEP);
	fetch("q", 1, 1000, KEEP);
	CHECK_STR(take_log(), "+a k:a k:none ");
	CHECK_INT(held("a")->receives, 1);
	CHECK_INT(held("a")->first_ms, words.rig.now_ms);
	CHECK_INT(held("a")->visible_ms, words.rig.now_ms + 1000);
	int64_t first_ms = words.rig.now_ms;
	words.rig.now_ms += 1000;
	fetch("q", 1, 1000, KEEP);
	CHECK_STR(take_log(), "k:a#2 ");
	CHECK_INT(held("a")->first_ms, first_ms);
	words.rig.now_ms += 1000;
	fetch("q", 1, 1000, 0);
	fetch("q", 1, 1000, KEEP);
	CHECK_STR(take_log(), "m:a#2 k:none ");
	words.rig.now_ms += 1000;
	fetch("q", 1, 1000, KEEP);
	CHECK_STR(take_log(), "k:a#3 ");
	ack("q", "a");
	CHECK_STR(take_log(), "ack:ok ");
	CHECK_STR(stat_of("q"), "0/0/0");
	words_stop();
}

TEST(receipts_of_old_leases_are_stale)
{
	CHECK(words_start(NULL));
	for (unsigned flags = 0; flags <= KEEP; flags++) {
		publish("q", "a");
		fetch("q", 1, 1000, flags);
		settle();
		struct held old = *held("a");
		words.rig.now_ms += 1000;
		extend("q", "a", 1000); /* over, though nobody else has it */
		fetch("q", 1, 1000, flags);
		settle();
		clear();
		struct queue_receipt wrong = {old.sequence, 0};
		words.waiting += queue_ack(words.rig.queue, STR("q"), &old.receipt, 1, on_done, tag("old"), NULL) == 0;
		words.waiting += queue_nak(words.rig.queue, STR("q"), &(struct queue_nak){.receipt = old.receipt}, 1, on_done, tag("old"), NULL) == 0;
		words.waiting += queue_ack(words.rig.queue, STR("q"), &wrong, 1, on_done, tag("wrong"), NULL) == 0;
		ack("q", "a");
		words.waiting += queue_ack(words.rig.queue, STR("q"), &old.receipt, 1, on_done, tag("gone"), NULL) == 0;
		CHECK_STR(take_log(), "old:STALE old:STALE wrong:STALE ack:ok gone:NOT_FOUND ");
	}
	words_stop();
}

/* As long as nobody else fetched it, who was late may still say that it is done. */
TEST(receipt_is_good_after_the_lease_until_the_next_fetch)
{
	CHECK(words_start(NULL));
	for (unsigned flags = 0; flags <= KEEP; flags++) {
		publish("q", "a");
		fetch("q", 1, 1000, flags);
		settle();
		words.rig.now_ms += 5000;
		ack("q", "a");
		fetch("q", 1, 1000, flags);
		CHECK(strstr(take_log(), "ack:ok"));
		CHECK_STR(stat_of("q"), "0/0/0");
	}
	words_stop();
}

TEST(nak_brings_back_after_its_delay_with_its_note)
{
	CHECK(words_start(NULL));
	publish("q", "a");
	publish("q", "b");
	fetch("q", 1, 1000, 0);
	settle();
	nak("q", "a", 2000, "first try");
	CHECK_STR(take_log(), "+a +b m:a nak:ok ");
	CHECK_STR(stat_of("q"), "1/1/0");
	words.rig.now_ms += 1999;
	fetch("q", 9, 100000, 0);
	CHECK_STR(take_log(), "m:b ");
	words.rig.now_ms += 1;
	fetch("q", 9, 1000, 0);
	CHECK_STR(take_log(), "m:a#1(first try) ");
	nak("q", "a", 0, NULL);
	fetch("q", 9, 1000, KEEP);
	CHECK_STR(take_log(), "nak:ok k:a#3(first try) ");
	nak("q", "a", 0, "");
	fetch("q", 9, 1000, KEEP);
	CHECK_STR(take_log(), "nak:ok k:a#4 ");
	words_stop();
}

TEST(extend_moves_the_end_of_the_lease)
{
	CHECK(words_start(NULL));
	for (unsigned flags = 0; flags <= KEEP; flags++) {
		const char *again = flags ? "k:a#2 " : "m:a ";
		publish("q", "a");
		fetch("q", 1, 1000, flags);
		settle();
		words.rig.now_ms += 900;
		extend("q", "a", 1000);
		take_log();
		words.rig.now_ms += 999;
		fetch("q", 1, 1000, flags);
		CHECK_STR(take_log(), flags ? "k:none " : "m:none ");
		CHECK_STR(stat_of("q"), "0/0/1");
		extend("q", "a", 0);
		settle();
		CHECK_STR(stat_of("q"), "1/0/0");
		extend("q", "a", 10);
		CHECK_STR(take_log(), "ext:ok ext:STALE ");
		fetch("q", 1, 1000, flags);
		CHECK_STR(take_log(), again);
		ack("q", "a");
		CHECK_STR(take_log(), "ack:ok ");
	}
	words_stop();
}

TEST(batches_are_all_or_nothing_and_go_to_several_queues)
{
	CHECK(words_start(NULL));
	struct queue_publish m[3] = {{.queue = STR("a"), .body = STR("1")}, {.queue = STR("b"), .body = STR("2")}, {.queue = STR("a"), .body = STR("3")}};
	for (int i = 0; i < 3; i++)
		m[i].head = STR("head");
	struct words_publish *p = calloc(1, sizeof *p);
	strcpy(p->text, "three");
	words.waiting += queue_publish(words.rig.queue, m, 3, on_publish, p, NULL) == 0;
	fetch("a", 9, 1000, 0);
	fetch("b", 9, 1000, 0);
	CHECK_STR(take_log(), "+three m:1 m:3 m:2 ");
	m[1].group = STR("g"); /* not an ordered queue */
	p = calloc(1, sizeof *p);
	strcpy(p->text, "none");
	words.waiting += queue_publish(words.rig.queue, m, 3, on_publish, p, NULL) == 0;
	CHECK_STR(take_log(), "none!USAGE ");
	CHECK_STR(stat_of("a"), "0/0/2");
	words_stop();
}

TEST(long_polls_wait_in_their_order)
{
	CHECK(words_start(NULL));
	fetch_wait("q", 1, 60000, "1");
	fetch_wait("q", 1, 60000, "2");
	fetch_wait("q", 1, 60000, "3");
	fetch_wait("q", 1, 1, "t");
	CHECK_STR(until("t:none "), "t:none ");
	clear();
	publish("q", "a");
	until("+a 1:a ");
	publish("q", "b");
	CHECK_STR(until("+a 1:a +b 2:b "), "+a 1:a +b 2:b ");
	clear();
	nak("q", "b", 0, NULL);
	CHECK_STR(take_log(), "nak:ok 3:b#2 ");
	CHECK_INT(words.wrong, 0);
	words_stop();
}

TEST(long_polls_end_with_delays_and_leases)
{
	CHECK(words_start(NULL));
	publish_full("q", "late", 5000, NULL, NULL);
	publish("q", "leased");
	fetch("q", 1, 8000, KEEP);
	settle();
	clear();
	fetch_wait("q", 1, 60000, "1");
	fetch_wait("q", 1, 60000, "2");
	nap(20);
	words.rig.now_ms += 5000;
	CHECK_STR(until("1:late "), "1:late ");
	words.rig.now_ms += 3000;
	CHECK_STR(take_log(), "1:late 2:leased#2 ");
	fetch_wait("q", 1, 60000, "3");
	fetch("q", 1, 1000, 0);
	CHECK_STR(until("m:none "), "m:none ");
	words.rig.now_ms += 27000; /* "late" had 30 s */
	CHECK_STR(take_log(), "m:none 3:late#2 ");
	words_stop();
}

TEST(cancelled_fetches_say_nothing_and_lose_nothing)
{
	CHECK(words_start(NULL));
	struct queue_wait *waiting = fetch_wait("q", 1, 60000, "never");
	nap(20);
	queue_fetch_cancel(words.rig.queue, waiting);
	words.waiting = 0;
	publish("q", "a");
	settle();
	CHECK_STR(words.log, "+a ");
	for (unsigned flags = 0; flags <= KEEP; flags++) {
		waiting = queue_fetch(words.rig.queue, &(struct queue_fetch){.queue = STR("q"), .max = 5, .lease_ms = 60000, .flags = flags},
		                      on_fetch, tag("never"), NULL);
		queue_fetch_cancel(words.rig.queue, waiting); /* on its way */
		nap(20);
	}
	fetch("q", 1, 1000, KEEP);
	CHECK_STR(take_log(), "+a k:a ");
	CHECK_INT(held("a")->receives, 1);
	CHECK_STR(stat_of("q"), "0/0/1");
	words_stop();
}

TEST(what_a_cancelled_fetch_had_goes_to_the_next)
{
	CHECK(words_start(NULL));
	struct queue_wait *first = fetch_wait("q", 10, 60000, "never");
	nap(20);
	fetch_wait("q", 10, 60000, "second");
	nap(20);
	publish("q", "a");
	struct queue_wait *third = fetch_wait("q", 10, 60000, "never");
	queue_fetch_cancel(words.rig.queue, third); /* its attempt takes the message and brings it back */
	queue_fetch_cancel(words.rig.queue, first);
	words.waiting -= 2;
	CHECK_STR(until("+a second:a "), "+a second:a ");
	words_stop();
}

TEST(what_is_left_is_given_back_in_its_place)
{
	CHECK(words_start(NULL));
	for (unsigned flags = 0; flags <= KEEP; flags++) {
		const char *q = flags ? "k" : "m";
		char expected[64];
		publish(q, "a");
		publish(q, "b");
		publish(q, "c");
		settle();
		words.rig.now_ms += 10;
		publish(q, "d");
		words.leave = 2;
		settle();
		clear();
		fetch(q, 3, 60000, flags);
		settle();
		fetch(q, 9, 60000, flags);
		snprintf(expected, sizeof expected, "%s:a %s:b %s:c %s:d ", q, q, q, q);
		CHECK_STR(take_log(), expected);
	}
	words_stop();
}

TEST(fetches_are_limited_in_bytes)
{
	CHECK(words_start(NULL));
	publish("q", "aaaaaaaaaa"); /* 10 and the head's 4 */
	publish("q", "bbbbbbbbbb");
	publish("q", "cccccccccc");
	settle();
	clear();
	struct queue_fetch what = {.queue = STR("q"), .max = 9, .max_bytes = 28, .lease_ms = 1000};
	fetch_full(&what, "x");
	CHECK_STR(take_log(), "x:aaaaaaaaaa x:bbbbbbbbbb ");
	what.max_bytes = 1;
	fetch_full(&what, "x");
	CHECK_STR(take_log(), "x:cccccccccc ");
	words_stop();
}

TEST(reopening_ends_leases_that_are_not_kept)
{
	CHECK(words_start(NULL));
	publish("q", "unkept");
	fetch("q", 1, 60000, 0);
	publish("q", "kept");
	fetch("q", 1, 60000, KEEP);
	publish("q", "naked");
	fetch("q", 1, 60000, 0);
	settle();
	nak("q", "naked", 5000, "why");
	publish_full("q", "late", 9000, NULL, NULL);
	settle();
	CHECK_STR(stat_of("q"), "0/2/2");
	uint64_t last = held("naked")->sequence;
	CHECK(queue_rig_reopen(&words.rig));
	clear();
	CHECK_STR(stat_of("q"), "1/2/1");
	CHECK_INT(oldest_of("q"), words.rig.now_ms);
	ack("q", "unkept");
	fetch("q", 9, 60000, 0);
	CHECK_STR(take_log(), "ack:STALE m:unkept ");
	words.rig.now_ms += 5000;
	fetch("q", 9, 60000, 0);
	CHECK_STR(take_log(), "m:naked#1(why) ");
	ack("q", "kept");
	words.rig.now_ms += 4000;
	fetch("q", 9, 60000, 0);
	publish("q", "new");
	fetch("q", 9, 60000, 0);
	CHECK_STR(take_log(), "ack:ok m:late +new m:new ");
	CHECK(held("new")->sequence > last);
	words_stop();
}

static void on_visible(void *arg, struct str name)
{
	words.wrong += words.inside;
	say("%s" STR_FMT " ", (const char *)arg, STR_ARG(name));
}

TEST(watches_tell_what_became_visible)
{
	CHECK(words_start(NULL));
	publish("a/1", "x");
	publish("b/1", "x");
	publish_full("a/2", "x", 1000, NULL, NULL);
	settle();
	CHECK(queue_rig_reopen(&words.rig));
	clear();
	struct queue_watch *w = queue_watch(words.rig.queue, STR("a/"), on_visible, tag("w:"), NULL);
	CHECK(w);
	CHECK_STR(words.log, "");
	CHECK_STR(until("w:a/1 "), "w:a/1 ");
	words.rig.now_ms += 1000;
	CHECK_STR(until("w:a/1 w:a/2 "), "w:a/1 w:a/2 ");
	clear();
	publish("b/1", "y");
	publish("a/3", "y");
	CHECK_STR(until("+y +y w:a/3 "), "+y +y w:a/3 ");
	clear();
	fetch("a/3", 1, 1000, 0);
	settle();
	nak("a/3", "y", 0, NULL);
	CHECK_STR(until("m:y nak:ok w:a/3 "), "m:y nak:ok w:a/3 ");
	queue_watch_stop(words.rig.queue, w);
	clear();
	publish("a/3", "z");
	CHECK_STR(until("+z "), "+z ");
	CHECK_INT(words.wrong, 0);
	words_stop();
}

static bool on_name(void *arg, struct str name, const struct queue_stats *stats)
{
	unsigned *left = arg;
	say(STR_FMT "=%llu ", STR_ARG(name), (unsigned long long)stats->visible);
	return --*left > 0;
}

TEST(names_are_listed_in_order)
{
	CHECK(words_start(NULL));
	const char *names[] = {"s/c", "s/a", "t", "s", "s/b", "s/~"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		publish(names[i], "x");
	configure("s/empty", 0, false);
	fetch("s/b", 1, 1000, 0);
	settle();
	ack("s/b", "x");
	publish("s/b2", "x");
	publish("s/b2", "y");
	settle();
	clear();
	unsigned left = 99;
	queue_list(words.rig.queue, STR("s/"), STR_NULL, on_name, &left);
	CHECK_STR(words.log, "s/a=1 s/b2=2 s/c=1 s/empty=0 s/~=1 ");
	clear();
	left = 2;
	queue_list(words.rig.queue, STR("s/"), STR("s/a"), on_name, &left);
	CHECK_STR(words.log, "s/b2=2 s/c=1 ");
	clear();
	left = 99;
	queue_list(words.rig.queue, STR(""), STR_NULL, on_name, &left);
	CHECK_STR(words.log, "s=1 s/a=1 s/b2=2 s/c=1 s/empty=0 s/~=1 t=1 ");
	words_stop();
}

TEST(bad_arguments_fail_at_once)
{
	CHECK(words_start(NULL));
	struct error err = {0};
	char long_name[QUEUE_NAME_MAX + 2];
	memset(long_name, 'n', sizeof long_name);
	const struct str bad[] = {STR(""), STR("a b"), STR("\x7f"), {long_name, QUEUE_NAME_MAX + 1}};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		err.code = ERR_OK;
		CHECK_INT(queue_publish(words.rig.queue, &(struct queue_publish){.queue = bad[i]}, 1, on_publish, NULL, &err), -1);
		CHECK_INT(err.code, ERR_USAGE);
		CHECK(!queue_fetch(words.rig.queue, &(struct queue_fetch){.queue = bad[i], .max = 1}, on_fetch, NULL, &err));
	}
	CHECK_INT(queue_publish(words.rig.queue, &(struct queue_publish){.queue = STR("q")}, 0, on_publish, NULL, &err), -1);
	CHECK(!queue_fetch(words.rig.queue, &(struct queue_fetch){.queue = STR("q"), .max = QUEUE_BATCH_MAX + 1}, on_fetch, NULL, &err));
	words_stop();
}

TEST(too_much_at_once_is_refused)
{
	CHECK(words_start(&(struct queue_sqlite_options){.calls_max = 3}));
	publish("other", "x"); /* after what it did for itself */
	CHECK_STR(take_log(), "+x ");
	publish("q", "a");
	publish("q", "b");
	publish("q", "c");
	CHECK_INT(publish_full("q", "d", 0, NULL, NULL), -1);
	CHECK_INT(words.rig.err.code, ERR_THROTTLED);
	CHECK_STR(take_log(), "+a +b +c ");
	publish("q", "d");
	CHECK_STR(take_log(), "+d ");
	CHECK_STR(stat_of("q"), "4/0/0");
	words_stop();
}

static void on_closed(void *arg, struct list *messages, size_t n, const struct error *err)
{
	unsigned *closed = arg;
	*closed += err && err->code == ERR_CLOSED;
	struct error again = {0};
	words.wrong += queue_fetch(words.rig.queue, &(struct queue_fetch){.queue = STR("q"), .max = 1}, on_fetch, NULL, &again) != NULL;
	words.wrong += again.code != ERR_CLOSED;
}

TEST(close_answers_everything)
{
	CHECK(words_start(NULL));
	unsigned closed = 0;
	for (int i = 0; i < 5; i++)
		CHECK(queue_fetch(words.rig.queue, &(struct queue_fetch){.queue = STR("q"), .max = 1, .wait_ms = 60000}, on_closed, &closed, NULL));
	nap(20);
	for (int i = 0; i < 100; i++)
		publish("p", "x");
	for (int i = 0; i < 5; i++)
		CHECK(queue_fetch(words.rig.queue, &(struct queue_fetch){.queue = STR("p"), .max = 1, .flags = i % 2}, on_closed, &closed, NULL));
	queue_close(words.rig.queue);
	CHECK_INT(closed, 10);
	CHECK_INT(words.waiting, 0);
	CHECK_INT(words.wrong, 0);
	unsigned stored = 0;
	for (const char *p = words.log; (p = strstr(p, "+x")); p++)
		stored++;
	CHECK(queue_rig_open(&words.rig));
	struct queue_stats s;
	queue_stat(words.rig.queue, STR("p"), &s);
	CHECK_INT(s.visible + s.leased, stored);
	words_stop();
}

TESTS(T(published_is_fetched_in_order_and_acked_away), T(delays_come_before_their_sequence),
      T(leases_end_and_are_counted_as_kept_or_not), T(receipts_of_old_leases_are_stale),
      T(receipt_is_good_after_the_lease_until_the_next_fetch), T(nak_brings_back_after_its_delay_with_its_note),
      T(extend_moves_the_end_of_the_lease), T(batches_are_all_or_nothing_and_go_to_several_queues), T(long_polls_wait_in_their_order),
      T(long_polls_end_with_delays_and_leases), T(cancelled_fetches_say_nothing_and_lose_nothing),
      T(what_a_cancelled_fetch_had_goes_to_the_next), T(what_is_left_is_given_back_in_its_place), T(fetches_are_limited_in_bytes), T(reopening_ends_leases_that_are_not_kept),
      T(watches_tell_what_became_visible), T(names_are_listed_in_order), T(bad_arguments_fail_at_once), T(too_much_at_once_is_refused),
      T(close_answers_everything))
