/* The life of images: the policy in a pretended world. */
#include "tests/unit/snapshot_rig.h"
#include "tests/unit/test.h"


TEST(the_first_success_makes_an_image_that_counts_when_proved)
{
	begin();
	struct function_version *v = new_version(0, "f", "c1");
	CHECK(!is_restored(v));
	finish(v, WORKER_PLAIN, NULL, INVOKE_FUNCTION_ERROR, FAILURE_HANDLER);
	CHECK(alive() == 0);
	succeed_plainly(v);
	struct worker *template = of_kind(WORKER_TEMPLATE);
	CHECK(template && reports("\"state\":\"template\""));
	park(template);
	CHECK_INT(world.asked, 0); /* it may settle */
	pass(100 * MS);
	CHECK(world.asked == 1 && !world.closed_connections && reports("\"state\":\"dump\""));
	snapshot_done(template, ERR_OK, "");
	CHECK(reports("\"state\":\"trial\"") && !is_restored(v));
	struct worker *trial = of_kind(WORKER_TRIAL);
	trial_over(trial, NULL);
	CHECK(is_restored(v) && world.kept[0] && world.stored_count == 1);
	CHECK_STR(world.note, "f:$LATEST starts from an image of 2.0 MB");
	die(template, ERR_OK, NULL, NULL);
	die(trial, ERR_OK, NULL, NULL);
	succeed_plainly(v); /* an environment of before */
	CHECK(alive() == 0 && reports("\"images\":1,") && reports("\"park\":\"restore\""));
	end();
}

TEST(what_cannot_be_restored_starts_plainly_with_the_reason)
{
	begin();
	struct function_version *v = new_version(0, "f", "c1");
	succeed_plainly(v);
	struct worker *w = of_kind(WORKER_TEMPLATE);
	park(w);
	pass(1 * S);
	snapshot_done(w, ERR_UNSUPPORTED, "holds a connection to 10.0.0.5:5432 that was opened during init");
	die(w, ERR_OK, NULL, NULL);
	CHECK(reports("\"state\":\"unusable\",\"reason\":\"holds a connection to 10.0.0.5:5432 that was opened during init\""));
	pass(24 * 3600 * S);
	succeed_plainly(v);
	CHECK(alive() == 0 && !is_restored(v) && world.image_count == 0 && world.stored_count == 0);
	end();
}

TEST(one_that_is_not_at_rest_gets_more_time_a_few_times)
{
	begin();
	unsigned tries = 0;
	succeed_plainly(new_version(0, "f", "c1"));
	for (struct worker *w; (w = of_kind(WORKER_TEMPLATE)) && tries < 100; tries++) {
		park(w);
		pass(3 * S);
		snapshot_done(w, ERR_BUSY, "2 threads run");
		die(w, ERR_OK, NULL, NULL);
		pass(60 * S);
	}
	CHECK_INT(tries, 5);
	CHECK(reports("is never at rest after its init: 2 threads run"));
	end();
}

TEST(faults_of_the_machine_are_tried_again_later)
{
	begin();
	struct function_version *v = new_version(0, "f", "c1");
	unsigned tries = 0;
	succeed_plainly(v);
	for (struct worker *w; (w = of_kind(WORKER_TEMPLATE)) && tries < 100; tries++) {
		die(w, ERR_THROTTLED, "no room for another environment", NULL);
		pass(60 * S);
	}
	CHECK_INT(tries, 4);
	CHECK(reports("\"state\":\"unusable\"") && reports("\"retry_ms\":"));
	succeed_plainly(v);
	CHECK_INT(alive(), 0);
	pass(600 * S);
	succeed_plainly(v);
	CHECK(take() && is_restored(v) && !reports("reason"));
	end();
}

TEST(a_trial_that_fails_leaves_nothing_behind)
{
	begin();
	unsigned tries = 0;
	succeed_plainly(new_version(0, "f", "c1"));
	for (struct worker *w; (w = of_kind(WORKER_TEMPLATE)) && tries < 100; tries++) {
		park(w);
		pass(3 * S);
		snapshot_done(w, ERR_OK, "");
		die(w, ERR_OK, NULL, NULL);
		struct worker *trial = of_kind(WORKER_TRIAL);
		if (tries == 0)
			trial_over(trial, "did not read an answer within 5 seconds");
		die(trial, ERR_STALE, "the runtime died of signal 11", NULL); /* the second says nothing before */
		CHECK_INT(world.image_count, 0);
		pass(60 * S);
	}
	CHECK_INT(tries, 3);
	CHECK(reports("an environment restored from the image did not work: the runtime died of signal 11"));
	CHECK_INT(world.stored_count, 0);
	end();
}

TEST(hooks_that_fail_are_the_functions_own_fault)
{
	begin();
	succeed_plainly(new_version(0, "f", "c1"));
	struct worker *w = of_kind(WORKER_TEMPLATE);
	park(w);
	pass(1 * S);
	snapshot_done(w, ERR_OK, "");
	die(of_kind(WORKER_TRIAL), ERR_OK, NULL, "{\"errorType\":\"Error\",\"errorMessage\":\"no database\"}");
	die(w, ERR_OK, NULL, NULL);
	pass(60 * S);
	CHECK(alive() == 0 && world.image_count == 0 && reports("its after-restore hooks failed: Error: no database"));
	end();
}

TEST(a_failed_restore_means_plain_starts_for_a_while)
{
	begin();
	struct function_version *v = new_version(0, "f", "c1");
	uint8_t key[IPC_IMAGE_KEY];
	succeed_plainly(v);
	CHECK(take() && restores(v, key));
	uint64_t asked_ns = world.now_ns;
	pass(10 * MS);
	for (unsigned i = 0; i < 50; i++) /* all of one burst: one fault */
		restore_fails(v, key, asked_ns);
	CHECK(!is_restored(v) && reports("\"failed_restores\":50") && reports("a restore failed: the zygote died") && reports("plain_until_ms"));
	pass(250 * MS);
	CHECK(is_restored(v));
	asked_ns = world.now_ns;
	restore_fails(v, key, asked_ns);
	pass(250 * MS);
	CHECK(!is_restored(v)); /* four times as long */
	pass(750 * MS);
	CHECK(is_restored(v));
	restored(v, key, 2 * MS); /* begins anew */
	for (unsigned i = 0; i < SNAPSHOT_FAILURES_MAX; i++) {
		CHECK(is_restored(v) && world.image_count == 1);
		restore_fails(v, key, world.now_ns);
		pass(60 * S);
	}
	CHECK(!is_restored(v) && world.image_count == 0 && world.stored_count == 0 && reports("\"state\":\"unusable\""));
	pass(600 * S);
	succeed_plainly(v);
	CHECK(take() && is_restored(v));
	end();
}

TEST(crashes_count_against_the_image_only_when_plain_ones_live)
{
	begin();
	struct function_version *v = new_version(0, "f", "c1");
	uint8_t key[IPC_IMAGE_KEY];
	succeed_plainly(v);
	CHECK(take() && restores(v, key));
	for (unsigned i = 0; i < 2; i++)
		finish(v, WORKER_RESTORED, key, INVOKE_FUNCTION_ERROR, FAILURE_EXIT);
	finish(v, WORKER_RESTORED, key, INVOKE_FUNCTION_ERROR, FAILURE_HANDLER); /* it lived */
	for (unsigned i = 0; i < 3; i++) {
		CHECK(is_restored(v));
		finish(v, WORKER_RESTORED, key, INVOKE_FUNCTION_ERROR, FAILURE_EXIT);
	}
	CHECK(!is_restored(v));
	finish(v, WORKER_PLAIN, NULL, INVOKE_FUNCTION_ERROR, FAILURE_EXIT); /* the function's own fault */
	for (unsigned i = 0; i < 3; i++) {
		CHECK(is_restored(v));
		finish(v, WORKER_RESTORED, key, INVOKE_FUNCTION_ERROR, FAILURE_EXIT);
	}
	finish(v, WORKER_PLAIN, NULL, INVOKE_ANSWERED, FAILURE_NONE);
	CHECK(!is_restored(v) && world.image_count == 0);
	CHECK(reports("restored environments crash or hang: Runtime exited with error: signal: segmentation fault"));
	pass(24 * 3600 * S);
	succeed_plainly(v);
	CHECK_INT(alive(), 0); /* for good */
	end();
}

TEST(a_version_that_goes_takes_its_image_along_at_every_stage)
{
	for (unsigned stage = 0; stage < 6; stage++) {
		begin();
		succeed_plainly(new_version(0, "f", "c1"));
		struct worker *w = of_kind(WORKER_TEMPLATE), *trial = NULL;
		if (stage >= 1)
			park(w);
		if (stage >= 2)
			pass(1 * S);
		if (stage >= 3) {
			snapshot_done(w, ERR_OK, "");
			trial = of_kind(WORKER_TRIAL);
		}
		if (stage >= 4) {
			trial->state = WORKER_INITIALIZING;
		}
		if (stage >= 5)
			trial_over(trial, NULL);
		drop(0);
		round_end();
		if (stage == 0) { /* it comes up in vain */
			park(w);
			CHECK(w->state == WORKER_STOPPING);
		}
		if (stage == 2)
			snapshot_done(w, ERR_OK, "");
		if (stage == 3) {
			trial->state = WORKER_INITIALIZING;
			trial_over(trial, NULL);
		}
		CHECK(w->state == WORKER_STOPPING && (!trial || trial->state == WORKER_STOPPING));
		die(w, ERR_OK, NULL, NULL);
		if (trial)
			die(trial, ERR_OK, NULL, NULL);
		pass(60 * S);
		CHECK(world.image_count == 0 && world.stored_count == 0 && alive() == 0);
		CHECK(reports("\"versions\":[]"));
		succeed_plainly(new_version(1, "g", "c1")); /* nothing is in the way of the next */
		CHECK(take());
		end();
	}
}

TEST(an_update_that_changes_nothing_of_the_image_keeps_it)
{
	begin();
	struct function_version *v = new_version(0, "f", "c1");
	uint8_t key[IPC_IMAGE_KEY], again[IPC_IMAGE_KEY];
	succeed_plainly(v);
	CHECK(take() && restores(v, key));
	snapshots_drop_version(world.s, v->id);
	function_version_unref(v);
	v = new_version(0, "f", "c1");
	v->timeout_s = 9;
	round_end();
	CHECK(restores(v, again) && memcmp(key, again, sizeof key) == 0 && world.image_count == 1 && world.stored_count == 1);
	snapshots_drop_version(world.s, v->id);
	function_version_unref(v);
	v = new_version(0, "f", "c2");
	round_end();
	CHECK(!is_restored(v) && world.image_count == 0 && world.stored_count == 0);
	v->snapshot = SNAPSHOT_ALWAYS;
	succeed_plainly(v);
	CHECK(take() && is_restored(v));
	snapshots_drop_version(world.s, v->id);
	function_version_unref(v);
	v = new_version(0, "f", "c2"); /* auto: not one whose connections were closed */
	round_end();
	CHECK(!is_restored(v) && world.image_count == 0 && world.stored_count == 0);
	end();
}

static void found(unsigned i)
{
	struct ipc_image_found m = {.file_bytes = 3 << 20, .taken_wall_ms = 5};
	memcpy(m.key, world.images[i], sizeof m.key);
	world.image_events->on_found(world.image_arg, &m);
}

TEST(images_find_their_versions_after_a_restart)
{
	begin();
	struct function_version *v[5];
	static const char *const names[] = {"same", "changed", "deleted", "unfound", "off"};
	for (unsigned i = 0; i < 5; i++) {
		v[i] = new_version(i, names[i], "c1");
		succeed_plainly(v[i]);
		CHECK(take());
	}
	end_server();
	function_version_unref(v[2]);
	world.versions[2] = NULL;
	strcpy(v[1]->code_hex, "c2");
	v[4]->snapshot = SNAPSHOT_OFF;
	CHECK(world.image_count == 5 && world.stored_count == 5);
	world.image_count = 6; /* one that the store does not know: its record was not written yet */
	memset(world.images[5], 7, IPC_IMAGE_KEY);
	start_server();
	for (unsigned i = 0; i < 6; i++) {
		if (i != 3)
			found(i);
	}
	round_end();
	CHECK(!is_restored(v[0]) && world.image_count == 6); /* nothing is decided before the store has told */
	snapshots_load(world.s);
	round_end();
	CHECK(is_restored(v[0]) && !is_restored(v[1]) && !is_restored(v[3]) && !is_restored(v[4]));
	CHECK_INT(world.image_count, 2);
	CHECK_INT(world.stored_count, 2);
	pass(60 * S);
	CHECK_INT(world.stored_count, 1);
	CHECK(reports("\"taken_ms\":5,\"file_bytes\":3145728") && reports("\"dump_ms\":20"));
	succeed_plainly(v[3]); /* takes another */
	CHECK(take() && is_restored(v[3]) && alive() == 0);
	end();
}

TEST(an_image_may_be_found_late)
{
	begin();
	struct function_version *v = new_version(0, "f", "c1");
	succeed_plainly(v);
	CHECK(take());
	end_server();
	start_server();
	snapshots_load(world.s);
	pass(5 * S);
	CHECK(!is_restored(v));
	found(0);
	round_end();
	CHECK(is_restored(v));
	end();
}

TEST(snap_start_gets_another_image_after_a_reboot)
{
	begin();
	struct function_version *v = new_version(0, "f", "c1");
	v->snap_start = true;
	v->snapshot = SNAPSHOT_OFF; /* asked for by name: wins */
	succeed_plainly(v);
	CHECK(take() && world.closed_connections);
	end_server();
	world.image_count = 0;
	start_server();
	snapshots_load(world.s);
	pass(60 * S);
	CHECK(!is_restored(v) && take() && is_restored(v));
	CHECK_INT(world.stored_count, 1);
	end();
}

TEST(modes)
{
	begin();
	struct function_version *off = new_version(0, "off", "c1"), *always = new_version(1, "always", "c1");
	off->snapshot = SNAPSHOT_OFF;
	always->snapshot = SNAPSHOT_ALWAYS;
	succeed_plainly(off);
	CHECK_INT(alive(), 0);
	succeed_plainly(always);
	CHECK(take() && world.closed_connections && is_restored(always));
	CHECK(reports("\"mode\":\"off\"") && reports("\"mode\":\"always\""));
	end();
}

TEST(an_image_is_renewed_after_so_many_restores_and_serves_meanwhile)
{
	begin();
	struct function_version *v = new_version(0, "f", "c1");
	uint8_t old[IPC_IMAGE_KEY], new[IPC_IMAGE_KEY];
	world.settings.snapshot_renew_restores = 3;
	succeed_plainly(v);
	CHECK(take() && restores(v, old));
	restored(v, old, 1 * MS);
	restored(v, old, 2 * MS);
	CHECK_INT(alive(), 0);
	restored(v, old, 9 * MS);
	CHECK(reports("\"restores\":3,") && reports("\"restore_ms\":{\"median\":2,\"p99\":9}") && reports("\"state\":\"template\""));
	CHECK(restores(v, new) && memcmp(old, new, sizeof old) == 0);
	CHECK(take() && restores(v, new) && memcmp(old, new, sizeof old) != 0);
	CHECK(world.image_count == 1 && world.stored_count == 1);
	restore_fails(v, old, world.now_ns); /* of the old one: tells nothing of this one */
	CHECK(is_restored(v));
	for (unsigned i = 0; i < 3; i++)
		restored(v, new, 1 * MS);
	struct worker *w = of_kind(WORKER_TEMPLATE);
	CHECK(w);
	park(w);
	pass(1 * S);
	snapshot_done(w, ERR_UNSUPPORTED, "has an inotify watch");
	die(w, ERR_OK, NULL, NULL);
	CHECK(is_restored(v) && reports("\"state\":\"ready\"") && reports("has an inotify watch"));
	restored(v, new, 1 * MS);
	CHECK_INT(alive(), 0); /* not at once again */
	pass(600 * S);
	restored(v, new, 1 * MS);
	CHECK(take());
	end();
}

TEST(an_image_is_renewed_when_it_is_old)
{
	begin();
	struct function_version *v = new_version(0, "f", "c1");
	uint8_t old[IPC_IMAGE_KEY], new[IPC_IMAGE_KEY];
	end_server();
	world.settings.snapshot_renew_minutes = 10;
	start_server();
	snapshots_load(world.s);
	pass(30 * S);
	succeed_plainly(v);
	CHECK(take() && restores(v, old));
	pass(590 * S);
	CHECK_INT(alive(), 0);
	pass(30 * S);
	CHECK(take() && restores(v, new) && memcmp(old, new, sizeof old) != 0);
	CHECK_INT(world.image_count, 1);
	end();
}

TEST(an_image_that_mayflyd_deletes_is_taken_again_less_and_less_eagerly)
{
	begin();
	struct function_version *v = new_version(0, "f", "c1");
	succeed_plainly(v);
	CHECK(take());
	image_lost(0, "no room (--snapshot-disk)");
	CHECK(!is_restored(v) && world.stored_count == 0 && reports("\"state\":\"none\",\"reason\":\"its image was deleted: no room"));
	succeed_plainly(v);
	CHECK(take());
	image_lost(0, "no room (--snapshot-disk)");
	succeed_plainly(v);
	CHECK(alive() == 0 && reports("retry_ms"));
	pass(61 * S);
	succeed_plainly(v);
	CHECK(take() && is_restored(v));
	end();
}

TEST(published_versions_come_first_and_are_told_once)
{
	begin();
	succeed_plainly(new_version(0, "busy", "c1"));
	succeed_plainly(new_version(1, "waits", "c1"));
	struct function_version *v = publish(2, "f");
	CHECK_INT(published.times, 0);
	CHECK(take());
	CHECK(of_kind(WORKER_TEMPLATE)->version == v);
	CHECK(take() && published.times == 1 && !published.failed && !published.has_why && is_restored(v));
	snapshots_publish(world.s, v, on_published, NULL);
	CHECK_INT(published.times, 1); /* not from inside the call */
	round_end();
	CHECK(published.times == 2 && !published.has_why);
	CHECK(take());

	publish(3, "fails");
	round_end();
	die(of_kind(WORKER_TEMPLATE), ERR_OK, NULL, "{\"errorMessage\":\"No module named 'x'\",\"errorType\":\"Runtime.ImportModuleError\"}");
	CHECK(published.times == 1 && published.failed && strstr(published.text, "No module named 'x'"));
	CHECK(reports("failed: Runtime.ImportModuleError: No module named 'x'"));

	publish(4, "cannot");
	round_end();
	struct worker *w = of_kind(WORKER_TEMPLATE);
	park(w);
	pass(1 * S);
	snapshot_done(w, ERR_UNSUPPORTED, "uses io_uring");
	CHECK(published.times == 1 && !published.failed && published.has_why);
	CHECK_STR(published.text, "uses io_uring");
	die(w, ERR_OK, NULL, NULL);

	publish(6, "hangs");
	round_end();
	park(w = of_kind(WORKER_TEMPLATE));
	pass(1 * S);
	snapshot_done(w, ERR_OK, "");
	die(w, ERR_OK, NULL, NULL);
	die(of_kind(WORKER_TRIAL), ERR_TIMEOUT, "did not ask for work within 10 seconds", NULL);
	CHECK(published.times == 1 && !published.failed && published.has_why); /* not three times as long */

	publish(5, "goes");
	round_end();
	drop(5);
	CHECK_INT(published.times, 0);
	round_end();
	CHECK(published.times == 1 && published.has_why);
	end();
}

/* ---- seeded random histories: whatever happens, nothing is left behind ---- */

static uint64_t seed;

static unsigned draw(unsigned below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed * 0x2545f4914f6cdd1dull >> 33) % below;
}

static void worker_goes_on(struct worker *w)
{
	static const enum error_code codes[] = {ERR_OK, ERR_OK, ERR_OK, ERR_BUSY, ERR_UNSUPPORTED, ERR_DISK_FULL};
	if (w->state == WORKER_STOPPING || draw(8) == 0) {
		die(w, draw(2) ? ERR_STALE : ERR_OK, "died", draw(3) ? NULL : "{}");
	} else if (w->state == WORKER_STARTING && w->kind == WORKER_TEMPLATE && draw(2)) {
		w->state = WORKER_INITIALIZING;
	} else if (w->kind == WORKER_TEMPLATE && w->state < WORKER_IDLE) {
		park(w);
	} else if (w->kind == WORKER_TEMPLATE) {
		pass(3 * S);
		if (w->state == WORKER_IDLE)
			snapshot_done(w, codes[draw(6)], "said");
	} else {
		trial_over(w, draw(4) ? NULL : "wrong");
	}
}

static void something_happens(void)
{
	unsigned at = draw(VERSIONS);
	struct function_version *v = world.versions[at];
	uint8_t key[IPC_IMAGE_KEY];
	switch (draw(12)) {
	case 0:
		if (v)
			drop(at);
		break;
	case 1:
		if (world.image_count)
			image_lost(draw(world.image_count), "no room");
		break;
	case 2:
		pass(draw(700) * S);
		break;
	case 3:
	case 4:
		if (!v)
			v = new_version(at, (const char *[]){"a", "b", "c", "d", "e", "f", "g", "h"}[at], draw(2) ? "c1" : "c2");
		v->snap_start = draw(3) == 0;
		succeed_plainly(v);
		break;
	case 5:
		if (v && restores(v, key))
			restore_fails(v, key, world.now_ns - draw(2));
		break;
	case 6:
		if (v && restores(v, key))
			finish(v, WORKER_RESTORED, key, draw(2) ? INVOKE_ANSWERED : INVOKE_FUNCTION_ERROR, FAILURE_EXIT);
		break;
	case 7:
		if (v && restores(v, key))
			restored(v, key, draw(5) * MS);
		break;
	default:
		for (unsigned i = draw(WORKERS), n = 0; n < WORKERS; n++) {
			struct worker *w = world.workers[(i + n) % WORKERS];
			if (w) {
				worker_goes_on(w);
				break;
			}
		}
	}
	round_end();
}

TEST(random_histories_leave_nothing_behind)
{
	unsigned long restorable = 0;
	for (unsigned history = 1; history <= 400; history++) {
		begin();
		seed = history * 0x9e3779b97f4a7c15ull | 1;
		world.settings.snapshot_renew_restores = draw(2) * 5;
		for (unsigned step = 0; step < 300; step++) {
			something_happens();
			CHECK(world.most_alive <= LIMIT_IMAGE_ENVIRONMENTS);
			for (unsigned i = 0; i < VERSIONS; i++) {
				uint8_t key[IPC_IMAGE_KEY];
				bool yes = world.versions[i] && restores(world.versions[i], key);
				CHECK(!yes || image_there(key));
				restorable += yes;
			}
		}
		for (unsigned i = 0; i < VERSIONS; i++) {
			if (world.versions[i])
				drop(i);
		}
		for (unsigned n = 0; alive() && n < 1000; n++) {
			for (unsigned i = 0; i < WORKERS; i++) {
				if (world.workers[i])
					worker_goes_on(world.workers[i]);
			}
		}
		pass(60 * S);
		CHECK(alive() == 0 && world.image_count == 0 && world.stored_count == 0);
		end();
	}
	CHECK(restorable > 5000);
}

TESTS(T(the_first_success_makes_an_image_that_counts_when_proved), T(what_cannot_be_restored_starts_plainly_with_the_reason),
      T(one_that_is_not_at_rest_gets_more_time_a_few_times), T(faults_of_the_machine_are_tried_again_later),
      T(a_trial_that_fails_leaves_nothing_behind), T(hooks_that_fail_are_the_functions_own_fault),
      T(a_failed_restore_means_plain_starts_for_a_while),
      T(crashes_count_against_the_image_only_when_plain_ones_live), T(a_version_that_goes_takes_its_image_along_at_every_stage),
      T(an_update_that_changes_nothing_of_the_image_keeps_it), T(images_find_their_versions_after_a_restart),
      T(an_image_may_be_found_late), T(snap_start_gets_another_image_after_a_reboot), T(modes),
      T(an_image_is_renewed_after_so_many_restores_and_serves_meanwhile), T(an_image_is_renewed_when_it_is_old),
      T(an_image_that_mayflyd_deletes_is_taken_again_less_and_less_eagerly), T(published_versions_come_first_and_are_told_once),
      T(random_histories_leave_nothing_behind))
