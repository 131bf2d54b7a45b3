/* The registry over a store that stops taking writes: what an interrupted change leaves must be all or nothing. */
#include "tests/unit/registry_rig.h"

TEST(a_version_has_what_the_hot_path_needs)
{
	struct rig rig;
	struct registry_target target, again;
	start(&rig);
	CHECK_INT(create(&rig, "f", "code", false), ERR_OK);
	CHECK_INT(registry_resolve(rig.r, STR("f"), STR_NULL, &target, &rig.err), 0);
	const struct function_version *v = target.version;
	CHECK_STR(v->name, "f");
	CHECK_STR(v->version, "$LATEST");
	CHECK_STR(v->arn, "arn:aws:lambda:us-east-1:000000000000:function:f");
	CHECK_STR(v->qualified_arn, "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST");
	CHECK_STR(v->handler, "app.handler");
	CHECK_STR(v->log_group, "/aws/lambda/f");
	CHECK_STR(v->runtime->id, "python3.11");
	CHECK(v->memory_mb == 256 && v->timeout_s == 5 && v->ephemeral_mb == 512 && !v->outbound && v->variable_count == 1);
	CHECK_STR(v->variables[0].name, "A");
	CHECK_STR(v->variables[0].value, "1");
	CHECK_INT(target.reserved, -1);
	CHECK_INT(registry_resolve(rig.r, STR("f"), STR("$LATEST"), &again, &rig.err), 0);
	CHECK(again.version == v);
	CHECK_INT(registry_resolve(rig.r, STR("g"), STR_NULL, &again, &rig.err), -1);
	CHECK_INT(rig.err.code, ERR_NOT_FOUND);
	stop(&rig);
}

TEST(an_update_replaces_the_version_and_keeps_its_code_while_it_is_used)
{
	struct rig rig;
	struct registry_target target;
	start(&rig);
	create(&rig, "f", "code", false);
	CHECK_INT(registry_resolve(rig.r, STR("f"), STR_NULL, &target, &rig.err), 0);
	struct function_version *old = function_version_ref(target.version);
	CHECK_INT(update(&rig, "f", "other", false), ERR_OK);
	CHECK_INT(rig.dropped, old->id);
	CHECK_INT(registry_resolve(rig.r, STR("f"), STR_NULL, &target, &rig.err), 0);
	CHECK(target.version != old && target.version->function_id == old->function_id && target.version->id != old->id);
	CHECK_INT(count_files(&rig, "code"), 2);
	function_version_unref(old);
	for (int i = 0; i < 100 && count_files(&rig, "code") != 1; i++)
		settle(&rig);
	CHECK_INT(count_files(&rig, "code"), 1);
	stop(&rig);
}

TEST(changes_of_one_function_wait_for_each_other)
{
	struct rig rig;
	start(&rig);
	create(&rig, "f", "code", true);
	struct registry_alias_change change = {.name = STR("f"), .alias = STR("a"), .version = STR("1")};
	registry_alias_create(rig.r, &change, on_done, &rig);
	registry_alias_create(rig.r, &change, on_done, &rig);
	settle(&rig); /* the store answers in the same round: both are done */
	CHECK_INT(rig.first_err.code, ERR_OK);
	CHECK_INT(rig.err.code, ERR_CONFLICT);
	stop(&rig);
}

TEST(a_tag_chooses_the_network)
{
	struct rig rig;
	struct registry_target target;
	json_t *tags = json_pack("{s:s}", "mayfly:network", "outbound");
	start(&rig);
	create(&rig, "f", "code", false);
	registry_resolve(rig.r, STR("f"), STR_NULL, &target, &rig.err);
	uint64_t before = target.version->id;
	registry_tag(rig.r, STR("f"), tags, on_done, &rig);
	CHECK_INT(wait_done(&rig), ERR_OK);
	CHECK_INT(rig.dropped, before);
	registry_resolve(rig.r, STR("f"), STR_NULL, &target, &rig.err);
	CHECK(target.version->outbound);
	json_decref(tags);
	stop(&rig);
}

TEST(reservations_are_summed_over_restarts)
{
	struct rig rig;
	bool found;
	start(&rig);
	create(&rig, "f", "code", false);
	create(&rig, "g", "code", false);
	registry_reserve(rig.r, STR("f"), 500, on_done, &rig);
	CHECK_INT(wait_done(&rig), ERR_OK);
	CHECK_INT(rig.unreserved, 500);
	registry_reserve(rig.r, STR("g"), 401, on_done, &rig);
	CHECK_INT(wait_done(&rig), ERR_INVALID);
	registry_reserve(rig.r, STR("g"), 400, on_done, &rig);
	CHECK_INT(wait_done(&rig), ERR_OK);
	restart(&rig);
	CHECK_INT(rig.unreserved, 100);
	rig.memory.writes_left = 0;
	registry_reserve(rig.r, STR("g"), 10, on_done, &rig);
	CHECK_INT(wait_done(&rig), ERR_DISK_FULL);
	CHECK_INT(registry_unreserved(rig.r), 100);
	CHECK_INT(registry_reserved(rig.r, STR("g"), &found), 400);
	stop(&rig);
}

TEST(damaged_records_are_left_alone)
{
	struct rig rig;
	start(&rig);
	create(&rig, "f", "code", true);
	create(&rig, "g", "code2", false);
	free(rig.memory.rows[0].value);
	rig.memory.rows[0].value = strdup("{\"Last\":1,\"Latest\":{}}");
	rig.memory.rows[0].n = strlen(rig.memory.rows[0].value);
	restart(&rig);
	CHECK_INT(rig.loaded.damaged, 1);
	CHECK_INT(rig.loaded.functions, 1);
	CHECK_INT(rig.memory.count, 3);
	CHECK_INT(count_files(&rig, "code"), 2);
	stop(&rig);
}

/* Every step of a history, interrupted at every write. */
struct step {
	const char *what;
	enum error_code (*run)(struct rig *rig);
};

static enum error_code step_create(struct rig *rig)
{
	return create(rig, "f", "one", true);
}

static enum error_code step_update(struct rig *rig)
{
	return update(rig, "f", "two", true);
}

static enum error_code step_delete_version(struct rig *rig)
{
	return delete(rig, "f", STR("1"));
}

static enum error_code step_delete(struct rig *rig)
{
	return delete(rig, "f", STR_NULL);
}

static enum error_code step_create_again(struct rig *rig)
{
	return create(rig, "f", "three", true);
}

static const struct step history[] = {
	{"create", step_create}, {"update", step_update}, {"delete version", step_delete_version}, {"delete", step_delete},
	{"create again", step_create_again},
};

/* All that a client can see: versions with their packages. */
static char *seen(struct rig *rig)
{
	char next[64];
	struct registry_page page = {.max = 100, .rows = json_array(), .next = next, .next_size = sizeof next};
	registry_list(rig->r, true, &page, NULL);
	char *text = json_dumps(page.rows, JSON_SORT_KEYS);
	json_decref(page.rows);
	return text;
}

TEST(an_interrupted_change_is_made_or_not)
{
	for (int writes = 0; writes < 12; writes++) {
		struct rig rig;
		start(&rig);
		rig.memory.writes_left = writes;
		CLEANUP_FREE char *before = seen(&rig), *after = NULL;
		for (size_t i = 0; i < ARRAY_LEN(history); i++) {
			enum error_code code = history[i].run(&rig);
			if (code != ERR_OK) {
				after = seen(&rig);
				CHECK_STR(after, before); /* refused: nothing changed for those who look */
				break;
			}
			free(before);
			before = seen(&rig);
		}
		restart(&rig);
		free(after);
		after = seen(&rig);
		CHECK_STR(after, before);
		CHECK_INT(rig.loaded.damaged, 0);
		size_t latest = registry_exists(rig.r, STR("f"));
		/* Nothing half-made stays: no key, no package without a version. */
		CHECK(rig.memory.count <= latest + rig.loaded.versions + 1);
		CHECK(count_files(&rig, "code") <= latest + rig.loaded.versions);
		/* Numbers are not used again. */
		if (!latest && writes > 4) {
			CHECK_INT(create(&rig, "f", "four", true), ERR_OK);
			CHECK(atoi(json_string_value(json_object_get(rig.result, "Version"))) >= 3);
		}
		stop(&rig);
	}
}

TESTS(T(a_version_has_what_the_hot_path_needs), T(an_update_replaces_the_version_and_keeps_its_code_while_it_is_used),
      T(changes_of_one_function_wait_for_each_other), T(a_tag_chooses_the_network), T(reservations_are_summed_over_restarts),
      T(damaged_records_are_left_alone), T(an_interrupted_change_is_made_or_not))
