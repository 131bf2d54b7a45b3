/* Any engine of core/store/queue.h: deduplication, groups, dead letters, moves, looking, and queues as a whole. */
#include <signal.h>
#include <sys/resource.h>

#include "core/base/rand.h"
#include "tests/unit/queue_words.h"

enum { KEEP = QUEUE_KEEP_LEASE };

static void on_first(void *arg, const struct queue_published *r, size_t n, const struct error *err);

TEST(dedup_ids_hold_for_five_minutes)
{
	CHECK(words_start(NULL));
	publish_full("q", "a", 0, NULL, "id");
	publish_full("q", "b", 0, NULL, "id");
	publish_full("q", "c", 0, NULL, "other");
	publish_full("p", "d", 0, NULL, "id");
	CHECK_STR(take_log(), "+a +b=dup +c +d ");
	fetch("q", 9, 1000, 0);
	settle();
	ack("q", "a");
	settle();
	CHECK(queue_rig_reopen(&words.rig));
	words.rig.now_ms += QUEUE_DEDUP_MS - 1;
	clear();
	publish_full("q", "e", 0, NULL, "id");
	CHECK_STR(take_log(), "+e=dup ");
	words.rig.now_ms += 1;
	publish_full("q", "f", 0, NULL, "id");
	publish_full("q", "g", 0, NULL, "id");
	CHECK_STR(take_log(), "+f +g=dup ");
	words_stop();
}

static void on_large(void *arg, struct list *messages, size_t n, const struct error *err)
{
	const struct queue_publish *p = arg;
	struct queue_message *m = n == 1 ? CONTAINER_OF(messages->next, struct queue_message, link) : NULL;
	bool same = m && m->body_len == p->body.n && memcmp(m->body, p->body.p, m->body_len) == 0 && str_eq(m->head, p->head) &&
	            str_eq(m->group, p->group) && memcmp(m->id, p->id, QUEUE_ID_SIZE) == 0;
	say("%s:%u,%zu ", same ? "same" : "other", m ? m->receives : 0, m ? m->note.n : 0);
	if (m)
		hold(m);
	if (m && words.leave == 0)
		queue_message_free(CONTAINER_OF(list_pop_front(messages), struct queue_message, link));
	answered();
}

TEST(largest_message_comes_back)
{
	CHECK(words_start(NULL));
	char *big = malloc(QUEUE_BODY_MAX + QUEUE_HEAD_MAX), name[QUEUE_NAME_MAX], group[QUEUE_GROUP_MAX], note[QUEUE_NOTE_MAX];
	rand_bytes(big, QUEUE_BODY_MAX + QUEUE_HEAD_MAX);
	memset(name, '~', sizeof name);
	memset(group, 0, sizeof group); /* any bytes */
	memset(note, 0xff, sizeof note);
	struct str queue = {name, sizeof name};
	struct queue_publish p = {.queue = queue, .body = {big, QUEUE_BODY_MAX}, .head = {big + QUEUE_BODY_MAX, QUEUE_HEAD_MAX},
	                          .group = {group, sizeof group}, .dedup = {group, QUEUE_DEDUP_MAX}};
	memset(p.id, 0xfe, sizeof p.id);
	struct queue_published got = {0};
	struct queue_fetch what = {.queue = queue, .max = 1, .lease_ms = 1000};
	words.waiting += queue_configure(words.rig.queue, queue, &(struct queue_config){.ordered = true}, on_simple, tag("conf"), NULL) == 0;
	words.waiting += queue_publish(words.rig.queue, &p, 1, on_first, &got, NULL) == 0;
	words.waiting += queue_fetch(words.rig.queue, &what, on_large, &p, NULL) != NULL;
	CHECK_STR(take_log(), "conf:ok same:0,0 ");
	struct queue_nak nak = {.receipt = words.held[0].receipt, .note = {note, sizeof note}};
	words.waiting += queue_nak(words.rig.queue, queue, &nak, 1, on_done, tag("nak"), NULL) == 0;
	words.waiting += queue_fetch(words.rig.queue, &what, on_large, &p, NULL) != NULL;
	CHECK_STR(take_log(), "nak:ok same:1,2048 ");
	p.body.n++;
	CHECK_INT(queue_publish(words.rig.queue, &p, 1, on_first, &got, NULL), -1);
	free(big);
	words_stop();
}

static void on_first(void *arg, const struct queue_published *r, size_t n, const struct error *err)
{
	for (size_t i = 0; i < n && r; i++)
		((struct queue_published *)arg)[i] = r[i];
	answered();
}

TEST(duplicates_get_the_answer_of_the_first)
{
	CHECK(words_start(NULL));
	struct queue_published got[3] = {0};
	struct queue_publish m[3] = {{.queue = STR("q"), .id = "first", .dedup = STR("x")}, {.queue = STR("q"), .id = "second", .dedup = STR("x")},
	                             {.queue = STR("q"), .id = "third"}};
	words.waiting += queue_publish(words.rig.queue, m, 3, on_first, got, NULL) == 0;
	settle();
	CHECK(!got[0].duplicate && got[1].duplicate && !got[2].duplicate);
	CHECK(got[1].sequence == got[0].sequence && got[2].sequence > got[0].sequence);
	CHECK(memcmp(got[1].id, "first", 6) == 0);
	CHECK_STR(stat_of("q"), "2/0/0");
	words_stop();
}

static void grouped(const char *body, const char *group)
{
	publish_full("f", body, 0, group, NULL);
}

static void start_groups(void)
{
	configure("f", 0, true);
	grouped("a1", "a");
	grouped("a2", "a");
	grouped("b1", "b");
	grouped("a3", "a");
	grouped("b2", "b");
	settle();
	clear();
}

TEST(groups_are_given_out_one_at_a_time_and_in_order)
{
	CHECK(words_start(NULL));
	for (unsigned flags = 0; flags <= KEEP; flags++) {
		const char *k = flags ? "k" : "m";
		char expected[128];
		start_groups();
		fetch("f", 2, 60000, flags);
		fetch("f", 9, 60000, flags);
		fetch("f", 9, 60000, flags);
		snprintf(expected, sizeof expected, "%s:a1@a %s:a2@a %s:b1@b %s:b2@b %s:none ", k, k, k, k, k);
		CHECK_STR(take_log(), expected);
		ack("f", "a2"); /* a1 still is out */
		fetch("f", 9, 60000, flags);
		snprintf(expected, sizeof expected, "ack:ok %s:none ", k);
		CHECK_STR(take_log(), expected);
		ack("f", "a1");
		ack("f", "b1");
		fetch("f", 9, 60000, flags);
		snprintf(expected, sizeof expected, "ack:ok ack:ok %s:a3@a ", k);
		CHECK_STR(take_log(), expected);
		CHECK_STR(stat_of("f"), "0/0/2");
		ack("f", "a3");
		ack("f", "b2");
		settle();
	}
	words_stop();
}

TEST(groups_keep_their_order_over_naks_leases_and_restarts)
{
	CHECK(words_start(NULL));
	start_groups();
	fetch("f", 2, 60000, KEEP);
	settle();
	nak("f", "a1", 0, NULL);
	fetch("f", 1, 1000, KEEP); /* a2 is out: a1 does not overtake it */
	CHECK_STR(take_log(), "k:a1@a k:a2@a nak:ok k:b1@b ");
	CHECK(queue_rig_reopen(&words.rig));
	fetch("f", 9, 1000, KEEP);
	CHECK_STR(take_log(), "k:none ");
	nak("f", "a2", 5000, NULL);
	fetch("f", 9, 1000, KEEP);
	CHECK_STR(take_log(), "nak:ok k:a1#2@a ");
	words.rig.now_ms += 1000; /* b1's lease is over, a1's too */
	fetch("f", 9, 1000, KEEP);
	CHECK_STR(take_log(), "k:a1#3@a k:b1#2@b k:b2@b ");
	ack("f", "a1");
	fetch("f", 9, 1000, KEEP);
	CHECK_STR(take_log(), "ack:ok k:none "); /* a3 waits for a2's delay */
	words.rig.now_ms += 5000;
	fetch("f", 9, 1000, KEEP);
	CHECK_STR(take_log(), "k:b1#3@b k:b2#2@b k:a2#2@a k:a3@a ");
	words_stop();
}

TEST(groups_wait_in_long_polls)
{
	CHECK(words_start(NULL));
	start_groups();
	fetch("f", 4, 60000, KEEP);
	settle();
	clear();
	fetch_wait("f", 9, 60000, "w");
	nap(20);
	CHECK_STR(words.log, "");
	ack("f", "a1");
	ack("f", "a2");
	CHECK_STR(until("ack:ok ack:ok "), "ack:ok ack:ok ");
	ack("f", "a3");
	ack("f", "b1");
	CHECK_STR(take_log(), "ack:ok ack:ok ack:ok ack:ok w:b2@b ");
	words_stop();
}

TEST(messages_fetched_too_often_are_dead_letters)
{
	CHECK(words_start(NULL));
	struct queue_fetch what = {.queue = STR("q"), .max = 9, .lease_ms = 1000, .flags = KEEP, .max_receives = 2, .dead_to = STR("dead")};
	publish("q", "bad");
	for (int i = 0; i < 2; i++) {
		fetch_full(&what, "x");
		settle();
		words.rig.now_ms += 1000;
	}
	CHECK_STR(take_log(), "+bad x:bad x:bad#2 ");
	int64_t published_ms = held("bad")->published_ms;
	publish("q", "good");
	fetch_full(&what, "x");
	CHECK_STR(take_log(), "+good x:good ");
	CHECK_STR(stat_of("q"), "0/0/1");
	CHECK_STR(stat_of("dead"), "1/0/0");
	CHECK_INT(oldest_of("dead"), published_ms);
	fetch("dead", 1, 1000, KEEP);
	CHECK_STR(take_log(), "k:bad ");
	CHECK_INT(held("bad")->receives, 1);
	CHECK_INT(held("bad")->published_ms, published_ms);
	words_stop();
}

/* More of them than one transaction moves. */
TEST(many_dead_letters_do_not_hide_what_is_behind)
{
	CHECK(words_start(&(struct queue_sqlite_options){.unsafe_no_sync = true}));
	static struct queue_publish m[QUEUE_BATCH_MAX];
	static struct queue_published got[QUEUE_BATCH_MAX];
	struct queue_fetch what = {.queue = STR("q"), .max = 1000, .lease_ms = 1000, .flags = KEEP};
	for (size_t i = 0; i < QUEUE_BATCH_MAX; i++)
		m[i] = (struct queue_publish){.queue = STR("q"), .head = STR("head"), .body = STR("bad")};
	for (int i = 0; i < 3; i++)
		words.waiting += queue_publish(words.rig.queue, m, QUEUE_BATCH_MAX, on_first, got, NULL) == 0;
	for (int i = 0; i < 3; i++)
		fetch_full(&what, "x");
	settle();
	words.rig.now_ms += 1000;
	publish("q", "good");
	settle();
	clear();
	what.max = 10;
	what.max_receives = 1;
	what.dead_to = STR("dead");
	fetch_full(&what, "x");
	CHECK_STR(take_log(), "x:good ");
	CHECK_STR(stat_of("q"), "0/0/1");
	CHECK_STR(stat_of("dead"), "3000/0/0");
	words_stop();
}

TEST(poison_does_not_break_the_order_of_its_group)
{
	CHECK(words_start(NULL));
	struct queue_fetch what = {.queue = STR("f"), .max = 2, .lease_ms = 1000, .flags = KEEP, .max_receives = 2, .dead_to = STR("dead")};
	start_groups();
	fetch_full(&what, "x");
	settle();
	nak("f", "a1", 0, NULL);
	ack("f", "a2");
	what.max = 1;
	fetch_full(&what, "x");
	settle();
	nak("f", "a1", 0, NULL);
	what.max = 9;
	fetch_full(&what, "x");
	CHECK_STR(take_log(), "x:a1@a x:a2@a nak:ok ack:ok x:a1#2@a nak:ok x:a3@a x:b1@b x:b2@b ");
	fetch("f", 9, 1000, KEEP);
	fetch("dead", 9, 1000, KEEP);
	CHECK_STR(take_log(), "k:none k:a1@a ");
	words_stop();
}

static void on_move(void *arg, size_t moved, const struct error *err)
{
	say("moved:%zu%s%s ", moved, err ? "!" : "", err ? code_name(err->code) : "");
	answered();
}

static void move(const struct queue_move *what)
{
	words.waiting += queue_move(words.rig.queue, what, on_move, NULL, &words.rig.err) == 0;
}

TEST(moves_go_to_the_end_of_the_other_queue)
{
	CHECK(words_start(NULL));
	publish("to", "z");
	publish("from", "a");
	publish("from", "b");
	publish_full("from", "later", 5000, NULL, NULL);
	fetch("from", 1, 1000, 0);
	settle();
	nak("from", "a", 0, "note");
	fetch("from", 1, 1000, 0);
	fetch("from", 1, 1000, 0);
	settle();
	clear();
	struct queue_receipt receipts[] = {held("a")->receipt, {held("b")->sequence, 1}};
	move(&(struct queue_move){.from = STR("from"), .to = STR("to"), .receipts = receipts, .n = 2, .keep_counts = true});
	CHECK_STR(take_log(), "moved:1 ");
	nak("from", "b", 0, "lost");
	move(&(struct queue_move){.from = STR("from"), .to = STR("to"), .max = 10});
	CHECK_STR(take_log(), "nak:ok moved:1 ");
	CHECK_STR(stat_of("from"), "0/1/0");
	CHECK_STR(stat_of("to"), "3/0/0");
	ack("from", "b");
	fetch("to", 9, 1000, 0);
	CHECK_STR(take_log(), "ack:NOT_FOUND m:z m:a#1(note) m:b ");
	words_stop();
}

TEST(moves_into_ordered_queues_need_a_group)
{
	CHECK(words_start(NULL));
	configure("f", 0, true);
	publish("plain", "a");
	publish("plain", "b");
	move(&(struct queue_move){.from = STR("plain"), .to = STR("f"), .max = 10});
	CHECK_STR(take_log(), "conf:ok +a +b moved:0!USAGE ");
	move(&(struct queue_move){.from = STR("plain"), .to = STR("f"), .max = 10, .group = STR("g")});
	fetch("f", 1, 1000, KEEP);
	fetch("f", 1, 1000, KEEP);
	CHECK_STR(take_log(), "moved:2 k:a@g k:none ");
	ack("f", "a");
	fetch("f", 1, 1000, KEEP);
	CHECK_STR(take_log(), "ack:ok k:b@g ");
	CHECK_STR(stat_of("plain"), "0/0/0");
	words_stop();
}

static void peek(const char *queue, uint64_t after, unsigned max, size_t max_body)
{
	struct queue_peek what = {str_from(queue), after, max, max_body};
	words.waiting += queue_peek(words.rig.queue, &what, on_fetch, tag("p"), &words.rig.err) == 0;
}

TEST(looking_changes_nothing)
{
	CHECK(words_start(NULL));
	publish("q", "aaa");
	publish_full("q", "bbb", 5000, NULL, NULL);
	publish("q", "ccc");
	fetch("q", 1, 7000, KEEP);
	settle();
	clear();
	peek("q", 0, 9, 99);
	CHECK_STR(take_log(), "p:aaa p:bbb p:ccc ");
	CHECK_INT(held("aaa")->visible_ms, words.rig.now_ms + 7000);
	CHECK_INT(held("bbb")->visible_ms, words.rig.now_ms + 5000);
	CHECK_INT(held("bbb")->receipt.nonce, 0);
	uint64_t sequence = held("bbb")->sequence;
	peek("q", held("aaa")->sequence, 1, 2);
	CHECK_STR(take_log(), "p:bb ");
	words.waiting += queue_find(words.rig.queue, STR("q"), sequence, on_fetch, tag("f"), NULL) == 0;
	words.waiting += queue_find(words.rig.queue, STR("q"), sequence + 1000, on_fetch, tag("f"), NULL) == 0;
	words.waiting += queue_find(words.rig.queue, STR("other"), sequence, on_fetch, tag("f"), NULL) == 0;
	CHECK_STR(take_log(), "f:bbb f:none f:none ");
	CHECK_STR(stat_of("q"), "1/1/1");
	words_stop();
}

static void wait_stat(const char *queue, const char *expected)
{
	for (unsigned i = 0; i < 2000 && strcmp(stat_of(queue), expected) != 0; i++)
		nap(5);
}

TEST(retention_drops_what_is_too_old)
{
	CHECK(words_start(NULL));
	publish("q", "old");
	publish("q", "leased");
	publish("src", "moved");
	fetch("src", 1, 1000, 0);
	settle();
	fetch("q", 0 + 1, 60000, 0);
	settle();
	words.rig.now_ms += 5000;
	publish("q", "young");
	struct queue_receipt receipt = held("moved")->receipt;
	words.rig.now_ms += 0;
	move(&(struct queue_move){.from = STR("src"), .to = STR("q"), .receipts = &receipt, .n = 1});
	settle();
	CHECK_STR(stat_of("q"), "3/0/1");
	int64_t first_ms = words.rig.now_ms - 5000;
	CHECK_INT(oldest_of("q"), first_ms);
	configure("q", 6000, false);
	settle();
	words.rig.now_ms += 1000;
	wait_stat("q", "1/0/0");
	CHECK_STR(stat_of("q"), "1/0/0");
	CHECK_INT(oldest_of("q"), first_ms + 5000);
	clear();
	fetch("q", 9, 1000, 0);
	CHECK_STR(take_log(), "m:young ");
	CHECK(queue_rig_reopen(&words.rig));
	words.rig.now_ms += 5000;
	wait_stat("q", "0/0/0");
	CHECK_STR(stat_of("q"), "0/0/0");
	CHECK_INT(oldest_of("q"), 0);
	words_stop();
}

/* Every file is at its greatest size: nothing can be written. */
static void break_disk(bool broken)
{
	struct rlimit limit;
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = broken ? 0 : limit.rlim_max;
	setrlimit(RLIMIT_FSIZE, &limit);
}

TEST(retention_pauses_after_a_failure)
{
	CHECK(words_start(NULL));
	signal(SIGXFSZ, SIG_IGN);
	publish("q", "old");
	configure("q", 6000, false);
	settle();
	break_disk(true);
	words.rig.now_ms += 7000;
	for (unsigned i = 0; i < 60; i++)
		nap(5);
	break_disk(false);
	for (unsigned i = 0; i < 20; i++)
		nap(5);
	CHECK_STR(stat_of("q"), "1/0/0"); /* by this clock no time has passed since it failed */
	words.rig.now_ms += 1000;
	wait_stat("q", "0/0/0");
	CHECK_STR(stat_of("q"), "0/0/0");
	words_stop();
}

TEST(ordered_cannot_change_while_there_are_messages)
{
	CHECK(words_start(NULL));
	publish("q", "a");
	configure("q", 0, true);
	fetch("q", 1, 1000, 0);
	settle();
	ack("q", "a");
	configure("q", 0, true);
	publish("q", "b");
	publish_full("q", "c", 0, "g", NULL);
	CHECK_STR(take_log(), "+a conf:CONFLICT m:a ack:ok conf:ok b!USAGE +c ");
	CHECK(queue_rig_reopen(&words.rig));
	publish("q", "d");
	CHECK_STR(take_log(), "d!USAGE ");
	words_stop();
}

static void purge(const char *queue)
{
	words.waiting += queue_purge(words.rig.queue, str_from(queue), on_simple, tag("purge"), &words.rig.err) == 0;
}

TEST(purge_drops_what_was_there_and_no_more)
{
	CHECK(words_start(NULL));
	char body[16];
	publish_full("q", "dup", 0, NULL, "id");
	for (int i = 0; i < 700; i++) {
		snprintf(body, sizeof body, "m%d", i);
		publish_full("q", body, i % 3 ? 0 : 5000, NULL, NULL);
	}
	fetch("q", 5, 60000, KEEP);
	fetch("q", 5, 60000, 0);
	settle();
	clear();
	purge("q");
	publish("q", "after");
	publish_full("q", "twice", 0, NULL, "id");
	fetch("q", 9, 1000, 0);
	CHECK_STR(take_log(), "purge:ok +after +twice=dup m:after ");
	CHECK_STR(stat_of("q"), "0/0/1");
	ack("q", "m1");
	CHECK_STR(take_log(), "ack:NOT_FOUND ");
	CHECK(queue_rig_reopen(&words.rig));
	CHECK_STR(stat_of("q"), "1/0/0");
	words.rig.now_ms += 100000;
	nap(20);
	CHECK_STR(stat_of("q"), "1/0/0");
	words_stop();
}

TEST(delete_drops_configuration_and_dedup_ids_too)
{
	CHECK(words_start(NULL));
	configure("q", 0, true);
	publish_full("q", "a", 0, "g", "id");
	words.waiting += queue_delete(words.rig.queue, STR("q"), on_simple, tag("del"), NULL) == 0;
	publish_full("q", "b", 0, NULL, "id");
	CHECK_STR(take_log(), "conf:ok +a del:ok +b ");
	CHECK(queue_rig_reopen(&words.rig));
	fetch("q", 9, 1000, 0);
	CHECK_STR(take_log(), "m:b ");
	words.waiting += queue_delete(words.rig.queue, STR("q"), on_simple, tag("del"), NULL) == 0;
	words.waiting += queue_delete(words.rig.queue, STR("never"), on_simple, tag("del"), NULL) == 0;
	CHECK_STR(take_log(), "del:ok del:ok ");
	words_stop();
}

TEST(clock_set_back_between_two_runs_shifts_everything)
{
	CHECK(words_start(NULL));
	publish_full("q", "late", 5000, NULL, NULL);
	publish("q", "a");
	settle();
	queue_close(words.rig.queue);
	words.rig.now_ms -= 86400000;
	CHECK(queue_rig_open(&words.rig));
	CHECK(queue_now_ms(words.rig.queue) == words.rig.now_ms);
	clear();
	fetch("q", 9, 1000, 0);
	CHECK_STR(take_log(), "m:a ");
	CHECK_INT(held("a")->published_ms, words.rig.now_ms);
	words.rig.now_ms += 5000;
	fetch("q", 9, 1000000, 0);
	CHECK(strstr(take_log(), "m:late"));
	/* And while it runs: its time stands still, and nothing is due before its time. */
	int64_t before_ms = queue_now_ms(words.rig.queue);
	words.rig.now_ms -= 3600000;
	CHECK_INT(queue_now_ms(words.rig.queue), before_ms);
	words_stop();
}

TESTS(T(largest_message_comes_back), T(dedup_ids_hold_for_five_minutes), T(duplicates_get_the_answer_of_the_first), T(groups_are_given_out_one_at_a_time_and_in_order),
      T(groups_keep_their_order_over_naks_leases_and_restarts), T(groups_wait_in_long_polls), T(messages_fetched_too_often_are_dead_letters),
      T(many_dead_letters_do_not_hide_what_is_behind), T(poison_does_not_break_the_order_of_its_group), T(moves_go_to_the_end_of_the_other_queue), T(moves_into_ordered_queues_need_a_group),
      T(looking_changes_nothing), T(retention_pauses_after_a_failure), T(retention_drops_what_is_too_old), T(ordered_cannot_change_while_there_are_messages),
      T(purge_drops_what_was_there_and_no_more), T(delete_drops_configuration_and_dedup_ids_too),
      T(clock_set_back_between_two_runs_shifts_everything))
