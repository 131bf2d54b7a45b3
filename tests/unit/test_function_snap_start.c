/* Tags that say how environments are made, and SnapStart: versions that are Pending until their image is there. */
#include "tests/unit/registry_rig.h"

/* Answers the request for an image; the reference goes when the answer was given. */
static void give_image(struct rig *rig, enum registry_image_outcome outcome, struct str answer)
{
	struct function_version *v = rig->image.version;
	ASSERT(v);
	rig->image.version = NULL;
	rig->image.cb(rig->image.arg, v, &(struct registry_image){.outcome = outcome, .answer = answer, .reason = "it went"});
	function_version_unref(v);
	settle(rig);
}

static enum error_code create_snap_start(struct rig *rig)
{
	json_t *config = json_pack("{s:s, s:s, s:s, s:{s:s, s:s}}", "Runtime", "python3.11", "Handler", "app.handler", "Description", "",
	                           "SnapStart", "ApplyOn", "PublishedVersions", "OptimizationStatus", "Off");
	struct registry_create what = {.name = STR("f"), .config = config, .zip = zip("code"), .publish = true};
	registry_create(rig->r, &what, on_done, rig);
	json_decref(config);
	return wait_done(rig);
}

/* A member of the configuration of f:QUALIFIER; "-" when there is none. Valid until the next call. */
static const char *member(struct rig *rig, const char *qualifier, const char *group, const char *key)
{
	json_t *shown = registry_show(rig->r, STR("f"), str_from(qualifier), NULL);
	const char *text = json_string_value(json_object_get(group ? json_object_get(shown, group) : shown, key));
	json_decref(rig->result);
	rig->result = json_string(text ? text : "-");
	json_decref(shown);
	return json_string_value(rig->result);
}

static enum error_code tag(struct rig *rig, const char *key, const char *value)
{
	json_t *tags = json_pack("{s:s}", key, value);
	registry_tag(rig->r, STR("f"), tags, on_done, rig);
	enum error_code code = wait_done(rig);
	json_decref(tags);
	return code;
}

TEST(tags_choose_how_environments_are_made)
{
	struct rig rig;
	struct registry_target target, again;
	start(&rig);
	create(&rig, "f", "code", true);
	registry_resolve(rig.r, STR("f"), STR("1"), &target, &rig.err);
	CHECK(target.version->snapshot == SNAPSHOT_AUTO && !target.version->single_use && !target.version->snap_start);
	CHECK_INT(tag(&rig, "colour", "red"), ERR_OK);
	CHECK_INT(tag(&rig, "mayfly:snapshot", "auto"), ERR_OK);
	CHECK_INT(rig.dropped, 0);
	registry_resolve(rig.r, STR("f"), STR("1"), &again, &rig.err);
	CHECK(again.version == target.version); /* nothing that matters changed */
	CHECK_INT(tag(&rig, "mayfly:snapshot", "always"), ERR_OK);
	CHECK(rig.dropped != 0);
	CHECK_INT(tag(&rig, "mayfly:isolation", "invocation"), ERR_OK);
	registry_resolve(rig.r, STR("f"), STR("1"), &again, &rig.err);
	CHECK(again.version->snapshot == SNAPSHOT_ALWAYS && again.version->single_use);
	restart(&rig);
	registry_resolve(rig.r, STR("f"), STR_NULL, &again, &rig.err);
	CHECK(again.version->snapshot == SNAPSHOT_ALWAYS && again.version->single_use);
	stop(&rig);
}

TEST(a_version_with_snap_start_is_pending_until_its_image_is_there)
{
	struct rig rig;
	struct registry_target target;
	start(&rig);
	CHECK_INT(create_snap_start(&rig), ERR_OK);
	CHECK_STR(member(&rig, "1", NULL, "State"), "Pending");
	CHECK_STR(member(&rig, "1", NULL, "StateReasonCode"), "Creating");
	CHECK_STR(member(&rig, "1", NULL, "LastUpdateStatus"), "-");
	CHECK_STR(member(&rig, "$LATEST", NULL, "State"), "Active");
	CHECK_INT(registry_resolve(rig.r, STR("f"), STR("1"), &target, &rig.err), -1);
	CHECK_INT(rig.err.code, ERR_CONFLICT);
	CHECK_INT(registry_resolve(rig.r, STR("f"), STR_NULL, &target, &rig.err), 0);
	CHECK(!target.version->snap_start);
	struct function_version *asked = rig.image.version;
	CHECK(asked && asked->snap_start);
	char digest[64];
	snprintf(digest, sizeof digest, "%s", member(&rig, "1", NULL, "ConfigSha256"));
	give_image(&rig, REGISTRY_IMAGE_READY, STR_NULL);
	CHECK_STR(member(&rig, "1", NULL, "State"), "Active");
	CHECK_STR(member(&rig, "1", NULL, "StateReason"), "-");
	CHECK_STR(member(&rig, "1", "SnapStart", "OptimizationStatus"), "On");
	CHECK_STR(member(&rig, "$LATEST", "SnapStart", "OptimizationStatus"), "Off");
	CHECK_STR(member(&rig, "1", NULL, "ConfigSha256"), digest);
	CHECK_INT(registry_resolve(rig.r, STR("f"), STR("1"), &target, &rig.err), 0);
	CHECK(target.version == asked); /* whose image it is */
	/* What was not changed is not published again. */
	registry_publish(rig.r, &(struct registry_publish){.name = STR("f")}, on_done, &rig);
	CHECK_INT(wait_done(&rig), ERR_OK);
	CHECK_STR(json_string_value(json_object_get(rig.result, "Version")), "1");
	restart(&rig);
	registry_resume_images(rig.r);
	CHECK(!rig.image.version);
	CHECK_STR(member(&rig, "1", "SnapStart", "OptimizationStatus"), "On");
	stop(&rig);
}

TEST(an_init_that_fails_makes_the_version_fail)
{
	struct rig rig;
	struct registry_target target;
	start(&rig);
	create_snap_start(&rig);
	give_image(&rig, REGISTRY_IMAGE_INIT_FAILED, STR("{\"errorType\":\"ImportError\",\"errorMessage\":\"no x\"}"));
	for (int i = 0; i < 2; i++) {
		CHECK_STR(member(&rig, "1", NULL, "State"), "Failed");
		CHECK_STR(member(&rig, "1", NULL, "StateReasonCode"), "FunctionError");
		CHECK_STR(member(&rig, "1", NULL, "StateReason"), "ImportError: no x");
		CHECK_STR(member(&rig, "1", NULL, "LastUpdateStatus"), "Failed");
		CHECK_STR(member(&rig, "1", "SnapStart", "OptimizationStatus"), "Off");
		CHECK_INT(registry_resolve(rig.r, STR("f"), STR("1"), &target, &rig.err), -1);
		CHECK_INT(rig.err.code, ERR_CONFLICT);
		struct registry_alias_change change = {.name = STR("f"), .alias = STR("a"), .version = STR("1")};
		registry_alias_create(rig.r, &change, on_done, &rig);
		CHECK_INT(wait_done(&rig), ERR_CONFLICT);
		restart(&rig);
		registry_resume_images(rig.r);
		CHECK(!rig.image.version);
	}
	CHECK_INT(delete(&rig, "f", STR("1")), ERR_OK);
	stop(&rig);
}

TEST(what_the_end_of_the_program_found_pending_is_taken_up_again)
{
	struct rig rig;
	struct registry_target target;
	start(&rig);
	create_snap_start(&rig);
	restart(&rig);
	registry_resume_images(rig.r);
	CHECK(rig.image.version && rig.image.version->snap_start);
	CHECK_STR(member(&rig, "1", NULL, "StateReasonCode"), "Restoring");
	CHECK_INT(registry_resolve(rig.r, STR("f"), STR("1"), &target, &rig.err), -1);
	CHECK_INT(rig.err.code, ERR_SNAP_START_NOT_READY);
	rig.memory.writes_left = 0; /* also when this cannot be written down */
	give_image(&rig, REGISTRY_IMAGE_NONE, STR_NULL);
	CHECK_STR(member(&rig, "1", NULL, "State"), "Active");
	CHECK_STR(member(&rig, "1", "SnapStart", "OptimizationStatus"), "Off");
	restart(&rig);
	CHECK_STR(member(&rig, "1", NULL, "State"), "Pending");
	stop(&rig);
}

TEST(a_pending_version_may_change_its_tags_or_go)
{
	struct rig rig;
	start(&rig);
	create_snap_start(&rig);
	struct function_version *first = function_version_ref(rig.image.version);
	CHECK_INT(tag(&rig, "mayfly:snapshot", "always"), ERR_OK);
	CHECK_INT(rig.dropped, first->id);
	give_image(&rig, REGISTRY_IMAGE_READY, STR_NULL); /* of what is no more */
	CHECK_STR(member(&rig, "1", NULL, "State"), "Pending");
	CHECK(rig.image.version && rig.image.version != first && rig.image.version->snapshot == SNAPSHOT_ALWAYS);
	function_version_unref(first);
	CHECK_INT(delete(&rig, "f", STR("1")), ERR_OK);
	give_image(&rig, REGISTRY_IMAGE_READY, STR_NULL);
	CHECK_STR(member(&rig, "1", NULL, "State"), "-");
	CHECK_INT(rig.memory.count, 1);
	stop(&rig);
}

TEST(without_images_versions_are_active_at_once)
{
	struct rig rig;
	start(&rig);
	create_snap_start(&rig);
	rig.no_images = true;
	restart(&rig);
	registry_resume_images(rig.r);
	settle(&rig);
	CHECK_STR(member(&rig, "1", NULL, "State"), "Active");
	CHECK_INT(update(&rig, "f", "other", true), ERR_OK);
	CHECK_STR(member(&rig, "2", NULL, "State"), "Active");
	CHECK_STR(member(&rig, "2", "SnapStart", "OptimizationStatus"), "Off");
	stop(&rig);
}

TESTS(T(tags_choose_how_environments_are_made), T(a_version_with_snap_start_is_pending_until_its_image_is_there),
      T(an_init_that_fails_makes_the_version_fail), T(what_the_end_of_the_program_found_pending_is_taken_up_again),
      T(a_pending_version_may_change_its_tags_or_go), T(without_images_versions_are_active_at_once))
