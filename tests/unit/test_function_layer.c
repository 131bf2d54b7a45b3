/* Layers: numbers, packages that are shared and stay while they are used, policies, sizes; interrupted at every write. */
#include "control/function/layer.h"
#include "core/base/rand.h"
#include "core/json/value.h"
#include "tests/unit/registry_rig.h"

#define ARN "arn:aws:lambda:us-east-1:000000000000:layer:"

static enum error_code publish(struct rig *rig, const char *name, const char *content)
{
	json_t *about = json_pack("{s:s, s:[s, s]}", "Description", content, "CompatibleRuntimes", "python3.11", "python3.12");
	struct registry_layer_publish what = {.name = str_from(name), .about = about, .zip = zip(content)};
	registry_layer_publish(rig->r, &what, on_done, rig);
	json_decref(about);
	return wait_done(rig);
}

static enum error_code drop(struct rig *rig, const char *name, unsigned number)
{
	registry_layer_delete(rig->r, str_from(name), number, on_done, rig);
	return wait_done(rig);
}

/* `layers`: "l:1 m:2". */
static json_t *layers_of(const char *layers)
{
	struct str rest = str_from(layers), one;
	json_t *list = json_array();
	while (str_split(&rest, ' ', &one))
		json_array_append_new(list, json_sprintf(ARN STR_FMT, STR_ARG(one)));
	return list;
}

static enum error_code create_with(struct rig *rig, const char *name, const char *code, const char *layers)
{
	json_t *config = json_pack("{s:s, s:s, s:s, s:o}", "Runtime", "python3.11", "Handler", "app.handler", "Role",
	                           "arn:aws:iam::000000000000:role/r", "Layers", layers_of(layers));
	struct registry_create what = {.name = str_from(name), .config = config, .zip = zip(code)};
	registry_create(rig->r, &what, on_done, rig);
	json_decref(config);
	return wait_done(rig);
}

static enum error_code set_layers(struct rig *rig, const char *name, const char *layers)
{
	json_t *list = layers ? layers_of(layers) : json_null();
	json_t *config = json_pack("{s:o}", "Layers", list);
	struct registry_update what = {.name = str_from(name), .config = config};
	registry_update(rig->r, &what, on_done, rig);
	json_decref(config);
	return wait_done(rig);
}

static size_t settled_folders(struct rig *rig, size_t wanted)
{
	for (int i = 0; i < 100 && count_files(rig, "code") != wanted; i++)
		settle(rig);
	return count_files(rig, "code");
}

/* "name:newest name:newest", then versions of `name`, newest first. */
static char *listed(struct rig *rig, const char *name, const char *runtime)
{
	char next[200], *text = NULL;
	struct registry_layer_filter f = {.runtime = runtime ? str_from(runtime) : STR_NULL};
	struct registry_page page = {.max = 100, .rows = json_array(), .next = next, .next_size = sizeof next};
	registry_layer_list(rig->r, &f, &page, NULL);
	size_t layers = json_array_size(page.rows);
	registry_layer_list_versions(rig->r, str_from(name), &f, &page, NULL);
	text = strdup("");
	for (size_t i = 0; i < json_array_size(page.rows); i++) {
		json_t *row = json_array_get(page.rows, i), *newest = json_object_get(row, "LatestMatchingVersion");
		const char *who = json_string_value(json_object_get(row, "LayerName"));
		char *longer = NULL;
		long long n = json_integer_value(json_object_get(i < layers ? newest : row, "Version"));
		ASSERT(asprintf(&longer, "%s%s%s%s%lld", text, *text ? " " : "", who ? who : "", who ? ":" : "", n) > 0);
		free(text);
		text = longer;
	}
	json_decref(page.rows);
	return text;
}

TEST(names_of_layers_are_parsed)
{
	struct layer_ref ref;
	CHECK(layer_ref_parse(&ref, STR("l")) && str_eqz(ref.name, "l") && !ref.region.p && ref.number == 0);
	CHECK(layer_ref_parse(&ref, STR(ARN "l")) && str_eqz(ref.name, "l") && str_eqz(ref.account, "000000000000") && ref.number == 0);
	CHECK(layer_ref_parse(&ref, STR(ARN "l:12")) && str_eqz(ref.name, "l") && str_eqz(ref.region, "us-east-1") && ref.number == 12);
	CHECK(layer_ref_parse(&ref, STR(ARN "l:99999999999")) && ref.number == UINT32_MAX);
	CHECK(layer_ref_parse(&ref, STR(ARN "l:x")) && ref.number == UINT32_MAX);
	static const char *const none[] = {"", "a:b", "a/b", ARN, "arn:aws:lambda:us-east-1:000000000000:function:l", "arn:aws:lambda:::awslayer:l"};
	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		CHECK(!layer_ref_parse(&ref, str_from(none[i])));
}

TEST(numbers_are_never_used_again)
{
	struct rig rig;
	start(&rig);
	CHECK_INT(publish(&rig, "l", "one"), ERR_OK);
	CHECK_INT(json_integer_value(json_object_get(rig.result, "Version")), 1);
	CHECK_STR(json_string_value(json_object_get(rig.result, "LayerVersionArn")), ARN "l:1");
	CHECK_STR(json_string_value(json_object_get(rig.result, "LayerArn")), ARN "l");
	CHECK_INT(publish(&rig, "l", "two"), ERR_OK);
	CHECK_INT(publish(&rig, "a", "two"), ERR_OK);
	CLEANUP_FREE char *all = listed(&rig, "l", NULL);
	CHECK_STR(all, "a:1 l:2 2 1");
	CHECK_INT(count_files(&rig, "code"), 2);
	CHECK_INT(drop(&rig, "l", 2), ERR_OK);
	CHECK_INT(drop(&rig, "l", 1), ERR_OK);
	CHECK_INT(drop(&rig, "l", 1), ERR_OK);
	CHECK_INT(drop(&rig, "none", 1), ERR_OK);
	CHECK_INT(settled_folders(&rig, 1), 1);
	restart(&rig);
	CHECK(!registry_layer_exists(rig.r, STR("l"), 2) && registry_layer_exists(rig.r, STR("a"), 1));
	CHECK_INT(publish(&rig, "l", "three"), ERR_OK);
	CHECK_INT(json_integer_value(json_object_get(rig.result, "Version")), 3);
	CLEANUP_FREE char *other = listed(&rig, "l", "python3.12");
	CHECK_STR(other, "a:1 l:3 3");
	CLEANUP_FREE char *none = listed(&rig, "l", "nodejs20.x");
	CHECK_STR(none, "");
	stop(&rig);
}

TEST(pages_go_on_where_they_ended)
{
	struct rig rig;
	char next[64], name[8];
	struct registry_layer_filter any = {.runtime = STR_NULL};
	start(&rig);
	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof name, "l%d", i);
		publish(&rig, name, "x");
		publish(&rig, "v", "x");
	}
	for (int versions = 0; versions < 2; versions++) {
		size_t seen = 0, pages = 0;
		struct registry_page page = {.max = 2, .next = next, .next_size = sizeof next};
		do {
			char marker[64];
			page.rows = json_array();
			if (pages++) {
				snprintf(marker, sizeof marker, "%s", next);
				page.marker = str_from(marker);
			}
			CHECK_INT(versions ? registry_layer_list_versions(rig.r, STR("v"), &any, &page, NULL)
			                   : registry_layer_list(rig.r, &any, &page, NULL), 0);
			CHECK(json_array_size(page.rows) > 0 && json_array_size(page.rows) <= 2);
			seen += json_array_size(page.rows);
			json_decref(page.rows);
		} while (*next && pages < 9);
		CHECK_INT(seen, versions ? 5 : 6);
		CHECK_INT(pages, 3);
	}
	stop(&rig);
}

TEST(what_a_function_uses_stays_until_nobody_does)
{
	struct rig rig;
	struct registry_target target;
	start(&rig);
	publish(&rig, "l", "one");
	publish(&rig, "m", "two");
	CHECK_INT(create_with(&rig, "f", "code", "l:1 m:1"), ERR_OK);
	json_t *shown = json_array_get(json_object_get(rig.result, "Layers"), 0);
	CHECK_STR(json_string_value(json_object_get(shown, "Arn")), ARN "l:1");
	CHECK_INT(json_integer_value(json_object_get(shown, "CodeSize")), 3);
	CHECK_INT(json_object_size(shown), 2);
	CHECK_INT(drop(&rig, "l", 1), ERR_OK);
	CHECK_INT(set_layers(&rig, "f", "l:1"), ERR_INVALID);
	CHECK_STR(rig.err.msg, "Layer version " ARN "l:1 does not exist.");
	restart(&rig);
	CHECK_INT(rig.loaded.damaged, 0);
	CHECK_INT(rig.loaded.swept_packages, 0);
	CHECK_INT(registry_resolve(rig.r, STR("f"), STR_NULL, &target, &rig.err), 0);
	struct function_version *v = function_version_ref(target.version);
	CHECK_INT(v->layer_count, 2);
	CHECK(strcmp(v->layer_hex[0], v->layer_hex[1]) != 0 && faccessat(rig.dirfd, "code", F_OK, 0) == 0);
	CHECK_INT(count_files(&rig, "code"), 3);
	CHECK_INT(set_layers(&rig, "f", NULL), ERR_OK);
	CHECK(!json_object_get(rig.result, "Layers"));
	CHECK_INT(settled_folders(&rig, 3), 3); /* an environment may still run it */
	function_version_unref(v);
	CHECK_INT(settled_folders(&rig, 2), 2);
	struct registry_totals totals;
	registry_total(rig.r, &totals);
	CHECK_INT(totals.code_bytes, 3 + 4);
	stop(&rig);
}

TEST(a_published_version_keeps_its_layers)
{
	struct rig rig;
	struct registry_target target;
	start(&rig);
	publish(&rig, "l", "one");
	CHECK_INT(create_with(&rig, "f", "code", "l:1"), ERR_OK);
	struct registry_publish what = {.name = STR("f")};
	registry_publish(rig.r, &what, on_done, &rig);
	CHECK_INT(wait_done(&rig), ERR_OK);
	CHECK_INT(set_layers(&rig, "f", NULL), ERR_OK);
	CHECK_INT(drop(&rig, "l", 1), ERR_OK);
	restart(&rig);
	CHECK_INT(registry_resolve(rig.r, STR("f"), STR("1"), &target, &rig.err), 0);
	CHECK_INT(target.version->layer_count, 1);
	CHECK_INT(registry_resolve(rig.r, STR("f"), STR_NULL, &target, &rig.err), 0);
	CHECK_INT(target.version->layer_count, 0);
	CHECK_INT(delete(&rig, "f", STR("1")), ERR_OK);
	CHECK_INT(settled_folders(&rig, 1), 1);
	stop(&rig);
}

TEST(code_and_layers_together_have_a_limit)
{
	struct rig rig;
	start(&rig);
	rig.unzip_bytes = LIMIT_UNZIPPED_BYTES / 2;
	publish(&rig, "l", "one");
	publish(&rig, "m", "two");
	CHECK_INT(create_with(&rig, "f", "code", "l:1"), ERR_OK);
	restart(&rig); /* sizes are not stored: they are measured again */
	CHECK_INT(set_layers(&rig, "f", "l:1 m:1"), ERR_INVALID);
	CHECK_STR(rig.err.msg, "Function code combined with layers exceeds the maximum allowed size of 262144000 bytes. The actual size is 393216000 "
	          "bytes.");
	CHECK_INT(create_with(&rig, "g", "code", "l:1 m:1"), ERR_INVALID);
	CHECK_INT(set_layers(&rig, "f", "m:1"), ERR_OK);
	rig.unzip_bytes++;
	CHECK_INT(update(&rig, "f", "larger", false), ERR_INVALID);
	CHECK_INT(set_layers(&rig, "f", NULL), ERR_OK);
	CHECK_INT(update(&rig, "f", "larger", false), ERR_OK);
	stop(&rig);
}

TEST(all_packages_together_have_a_limit)
{
	struct rig rig;
	start(&rig);
	rig.code_storage_bytes = 10;
	restart(&rig);
	CHECK_INT(publish(&rig, "l", "12345"), ERR_OK);
	CHECK_INT(create(&rig, "f", "12345", false), ERR_OK);
	CHECK_INT(publish(&rig, "l", "1"), ERR_CODE_STORAGE);
	CHECK_INT(create(&rig, "g", "1", false), ERR_CODE_STORAGE);
	CHECK_INT(drop(&rig, "l", 1), ERR_OK);
	CHECK_INT(publish(&rig, "l", "1234"), ERR_OK);
	stop(&rig);
}

static enum error_code allow(struct rig *rig, const char *sid, const char *revision)
{
	json_t *statement = json_pack("{s:s, s:s}", "Sid", sid, "Effect", "Allow");
	registry_layer_permission_add(rig->r, STR("l"), 1, revision ? str_from(revision) : STR_NULL, statement, on_done, rig);
	json_decref(statement);
	return wait_done(rig);
}

static enum error_code disallow(struct rig *rig, const char *sid, const char *revision)
{
	registry_layer_permission_remove(rig->r, STR("l"), 1, str_from(sid), revision ? str_from(revision) : STR_NULL, on_done, rig);
	return wait_done(rig);
}

TEST(a_version_has_a_policy)
{
	struct rig rig;
	struct error err = {0};
	char revision[UUID_SIZE], sid[100];
	start(&rig);
	CHECK_INT(allow(&rig, "s", NULL), ERR_NOT_FOUND);
	CHECK_STR(rig.err.msg, "Layer version " ARN "l:1 does not exist.");
	publish(&rig, "l", "one");
	CHECK(!registry_layer_policy(rig.r, STR("l"), 1, &err) && err.code == ERR_NOT_FOUND);
	CHECK_INT(allow(&rig, "s", "other"), ERR_REVISION);
	CHECK_INT(allow(&rig, "s", NULL), ERR_OK);
	CHECK_STR(json_string_value(json_object_get(rig.result, "Statement")), "{\"Sid\":\"s\",\"Effect\":\"Allow\"}");
	str_copy(revision, sizeof revision, json_value_text(json_object_get(rig.result, "RevisionId")));
	CHECK_INT(allow(&rig, "s", NULL), ERR_EXISTS);
	CHECK_INT(allow(&rig, "t", revision), ERR_OK);
	CHECK_INT(allow(&rig, "u", revision), ERR_REVISION);
	restart(&rig);
	json_t *policy = registry_layer_policy(rig.r, STR("l"), 1, &err);
	CHECK(policy && strstr(json_string_value(json_object_get(policy, "Policy")), "\"Sid\":\"t\""));
	CHECK_INT(disallow(&rig, "none", NULL), ERR_NOT_FOUND);
	CHECK_INT(disallow(&rig, "t", revision), ERR_REVISION);
	CHECK_INT(disallow(&rig, "t", json_string_value(json_object_get(policy, "RevisionId"))), ERR_OK);
	json_decref(policy);
	CHECK_INT(disallow(&rig, "s", NULL), ERR_OK);
	CHECK(!registry_layer_policy(rig.r, STR("l"), 1, &err));
	enum error_code code = ERR_OK;
	int n = 0;
	for (; n < 400 && code == ERR_OK; n++) {
		snprintf(sid, sizeof sid, "a-statement-id-that-is-rather-long-so-that-not-too-many-are-needed-for-the-limit-%d", n);
		code = allow(&rig, sid, NULL);
	}
	CHECK_INT(code, ERR_POLICY_LENGTH);
	CHECK(n > 100);
	stop(&rig);
}

/* ---- interrupted at every write ---- */

struct step {
	const char *what;
	enum error_code (*run)(struct rig *rig);
};

static enum error_code step_publish(struct rig *rig)
{
	return publish(rig, "l", "one");
}

static enum error_code step_publish_more(struct rig *rig)
{
	return publish(rig, "l", "two");
}

static enum error_code step_create(struct rig *rig)
{
	return create_with(rig, "f", "code", "l:1");
}

static enum error_code step_allow(struct rig *rig)
{
	return allow(rig, "s", NULL);
}

static enum error_code step_drop(struct rig *rig)
{
	return drop(rig, "l", 1);
}

static enum error_code step_delete(struct rig *rig)
{
	return delete(rig, "f", STR_NULL);
}

static const struct step history[] = {
	{"publish", step_publish}, {"create", step_create}, {"allow", step_allow}, {"publish more", step_publish_more}, {"drop", step_drop},
	{"delete", step_delete},
};

/* All that a client can see. */
static char *seen(struct rig *rig)
{
	CLEANUP_FREE char *layers = listed(rig, "l", NULL), *function = NULL, *text = NULL;
	json_t *shown = registry_show(rig->r, STR("f"), STR_NULL, NULL), *policy = registry_layer_policy(rig->r, STR("l"), 1, NULL);
	function = json_dumps(json_object_get(shown, "Layers"), JSON_SORT_KEYS);
	text = json_dumps(policy, JSON_SORT_KEYS);
	char *all = NULL;
	ASSERT(asprintf(&all, "%s %s %s", layers, function ? function : "", text ? text : "") > 0);
	json_decref(shown);
	json_decref(policy);
	return all;
}

TEST(an_interrupted_change_is_made_or_not)
{
	for (int writes = 0; writes < 10; writes++) {
		struct rig rig;
		start(&rig);
		rig.memory.writes_left = writes;
		CLEANUP_FREE char *before = seen(&rig), *after = NULL;
		bool refused = false;
		for (size_t i = 0; i < ARRAY_LEN(history) && !refused; i++) {
			refused = history[i].run(&rig) != ERR_OK;
			if (!refused) {
				free(before);
				before = seen(&rig);
			}
		}
		CHECK(refused == (writes < 8));
		restart(&rig);
		after = seen(&rig);
		CHECK_STR(after, before);
		CHECK_INT(rig.loaded.damaged, 0);
		size_t contents = registry_exists(rig.r, STR("f")) + (registry_exists(rig.r, STR("f")) || registry_layer_exists(rig.r, STR("l"), 1)) +
		                  registry_layer_exists(rig.r, STR("l"), 2);
		CHECK_INT(count_files(&rig, "code"), contents);
		stop(&rig);
	}
}

TEST(damaged_records_are_left_alone)
{
	struct rig rig;
	start(&rig);
	publish(&rig, "l", "one");
	publish(&rig, "m", "two");
	for (size_t i = 0; i < rig.memory.count; i++) {
		if (strcmp(rig.memory.rows[i].key, "layer-version/l/0000000001") != 0)
			continue;
		rig.memory.rows[i].value[0] = '!';
	}
	restart(&rig);
	CHECK_INT(rig.loaded.damaged, 1);
	CHECK_INT(rig.memory.count, 4);
	CHECK_INT(count_files(&rig, "code"), 2);
	stop(&rig);
}

TESTS(T(names_of_layers_are_parsed), T(numbers_are_never_used_again), T(pages_go_on_where_they_ended),
      T(what_a_function_uses_stays_until_nobody_does), T(a_published_version_keeps_its_layers), T(code_and_layers_together_have_a_limit),
      T(all_packages_together_have_a_limit), T(a_version_has_a_policy), T(an_interrupted_change_is_made_or_not),
      T(damaged_records_are_left_alone))
