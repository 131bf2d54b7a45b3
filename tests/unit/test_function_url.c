/* What a function's record holds about its URLs, and which function an id or a name of one's own means. */
#include "tests/unit/registry_rig.h"

#include "control/function/domain.h"
#include "control/function/url.h"
#include "core/store/kv_sqlite.h"

static enum error_code change(struct rig *rig, bool create_it, struct str qualifier, json_t *config)
{
	if (create_it)
		registry_url_create(rig->r, STR("f"), qualifier, config, on_done, rig);
	else
		registry_url_update(rig->r, STR("f"), qualifier, config, on_done, rig);
	json_decref(config);
	return wait_done(rig);
}

static const char *text(const json_t *json, const char *key)
{
	return json_string_value(json_object_get(json, key));
}

static void make_alias(struct rig *rig, const char *name)
{
	registry_alias_create(rig->r, &(struct registry_alias_change){.name = STR("f"), .alias = str_from(name), .version = STR("$LATEST")}, on_done, rig);
	wait_done(rig);
}

TEST(urls_are_created_updated_and_kept_over_a_restart)
{
	struct rig rig;
	struct registry_url u;
	char id[40];
	start(&rig);
	CHECK_INT(change(&rig, true, STR_NULL, json_pack("{s:s}", "AuthType", "NONE")), ERR_NOT_FOUND);
	CHECK_STR(rig.err.msg, "Function does not exist");
	CHECK_INT(create(&rig, "f", "PK1", false), ERR_OK);
	CHECK(!registry_url_of(rig.r, STR("f"), STR_NULL, &u));
	CHECK_INT(change(&rig, false, STR_NULL, json_object()), ERR_NOT_FOUND);
	CHECK_STR(rig.err.msg, "The resource you requested does not exist.");

	CHECK_INT(change(&rig, true, STR_NULL, json_pack("{s:s, s:{s:[s]}}", "AuthType", "NONE", "Cors", "AllowOrigins", "*")), ERR_OK);
	CHECK(!json_object_get(rig.result, "LastModifiedTime") && strlen(text(rig.result, "CreationTime")) == 24);
	CHECK_STR(text(rig.result, "FunctionArn"), "arn:aws:lambda:us-east-1:000000000000:function:f");
	CHECK_STR(text(rig.result, "InvokeMode"), "BUFFERED");
	snprintf(id, sizeof id, "%s", text(rig.result, "FunctionUrl"));
	CHECK_INT(strlen(id), 32);
	CHECK(registry_url_find(rig.r, str_from(id), &u) && str_eqz(u.name, "f") && !u.qualifier.p && !u.iam && !u.stream && u.cors);
	CHECK_INT(change(&rig, true, STR_NULL, json_pack("{s:s}", "AuthType", "NONE")), ERR_EXISTS);

	CHECK_INT(change(&rig, false, STR_NULL, json_pack("{s:s}", "InvokeMode", "RESPONSE_STREAM")), ERR_OK);
	CHECK_STR(text(rig.result, "FunctionUrl"), id);
	CHECK_STR(text(rig.result, "AuthType"), "NONE");
	CHECK(json_object_get(rig.result, "Cors") && text(rig.result, "LastModifiedTime"));
	CHECK_INT(change(&rig, false, STR_NULL, json_pack("{s:s, s:{}}", "AuthType", "AWS_IAM", "Cors")), ERR_OK);
	CHECK(!json_object_get(rig.result, "Cors"));

	restart(&rig);
	CHECK(registry_url_find(rig.r, str_from(id), &u) && u.iam && u.stream && !u.cors && str_eqz(u.id, id));
	registry_url_delete(rig.r, STR("f"), STR_NULL, on_done, &rig);
	CHECK_INT(wait_done(&rig), ERR_OK);
	CHECK(!registry_url_find(rig.r, str_from(id), &u));
	registry_url_delete(rig.r, STR("f"), STR_NULL, on_done, &rig);
	CHECK_INT(wait_done(&rig), ERR_NOT_FOUND);
	CHECK_INT(change(&rig, true, STR_NULL, json_pack("{s:s}", "AuthType", "NONE")), ERR_OK);
	CHECK(strcmp(text(rig.result, "FunctionUrl"), id) != 0); /* it never comes again */
	stop(&rig);
}

TEST(urls_go_with_what_they_belong_to)
{
	struct rig rig;
	struct registry_url u;
	char of_alias[40], of_function[40];
	start(&rig);
	CHECK_INT(create(&rig, "f", "PK1", false), ERR_OK);
	CHECK_INT(change(&rig, true, STR("live"), json_pack("{s:s}", "AuthType", "NONE")), ERR_NOT_FOUND);
	make_alias(&rig, "live");
	CHECK_INT(change(&rig, true, STR("live"), json_pack("{s:s}", "AuthType", "NONE")), ERR_OK);
	snprintf(of_alias, sizeof of_alias, "%s", text(rig.result, "FunctionUrl"));
	CHECK_STR(text(rig.result, "FunctionArn"), "arn:aws:lambda:us-east-1:000000000000:function:f:live");
	CHECK_INT(change(&rig, true, STR_NULL, json_pack("{s:s}", "AuthType", "NONE")), ERR_OK);
	snprintf(of_function, sizeof of_function, "%s", text(rig.result, "FunctionUrl"));
	CHECK(registry_url_find(rig.r, str_from(of_alias), &u) && str_eqz(u.qualifier, "live"));
	registry_alias_delete(rig.r, STR("f"), STR("live"), on_done, &rig);
	CHECK_INT(wait_done(&rig), ERR_OK);
	CHECK(!registry_url_find(rig.r, str_from(of_alias), &u) && registry_url_find(rig.r, str_from(of_function), &u));
	registry_delete(rig.r, STR("f"), STR_NULL, on_done, &rig);
	CHECK_INT(wait_done(&rig), ERR_OK);
	CHECK(!registry_url_find(rig.r, str_from(of_function), &u));
	stop(&rig);
}

TEST(urls_are_listed_in_pages)
{
	struct rig rig;
	char next[64];
	start(&rig);
	CHECK_INT(create(&rig, "f", "PK1", false), ERR_OK);
	make_alias(&rig, "a");
	make_alias(&rig, "b");
	CHECK_INT(change(&rig, true, STR("b"), json_pack("{s:s}", "AuthType", "NONE")), ERR_OK);
	CHECK_INT(change(&rig, true, STR_NULL, json_pack("{s:s}", "AuthType", "NONE")), ERR_OK);
	CHECK_INT(change(&rig, true, STR("a"), json_pack("{s:s}", "AuthType", "NONE")), ERR_OK);
	struct registry_page page = {.max = 1, .rows = json_array(), .next = next, .next_size = sizeof next};
	for (size_t i = 0; i < 3; i++) {
		CHECK_INT(registry_url_list(rig.r, STR("f"), &page, NULL), 0);
		CHECK_INT(json_array_size(page.rows), 1);
		static const char *const ends[] = {":f", ":f:a", ":f:b"};
		CHECK(str_ends(str_from(text(json_array_get(page.rows, 0), "FunctionArn")), str_from(ends[i])));
		json_array_clear(page.rows);
		CHECK((*next != '\0') == (i < 2));
		page.marker = str_from(next);
	}
	json_decref(page.rows);
	CHECK_INT(registry_url_list(rig.r, STR("g"), &page, &rig.err), -1);
	CHECK_STR(rig.err.msg, "Function does not exist");
	stop(&rig);
}

/* ---- names of one's own, over the real store ---- */

struct changed {
	struct ev_loop *loop;
	enum error_code code;
	bool done;
};

static void on_changed(void *arg, const struct error *err)
{
	struct changed *c = arg;
	c->code = err ? err->code : ERR_OK;
	c->done = true;
	ev_loop_stop(c->loop);
}

static enum error_code settled(struct changed *c)
{
	if (!c->done)
		ev_loop_run(c->loop, NULL);
	c->done = false;
	return c->code;
}

static bool count_one(void *arg, struct str host, const struct function_ref *f)
{
	(*(unsigned *)arg)++;
	return true;
}

static unsigned count(const struct domains *d)
{
	unsigned n = 0;
	domains_each(d, count_one, &n);
	return n;
}

TEST(domains_are_kept_over_a_restart)
{
	char folder[] = "/tmp/mayfly-domain-XXXXXX";
	CHECK(mkdtemp(folder));
	CLEANUP_CLOSE int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct changed c = {.loop = ev_loop_new(NULL)};
	struct kv *kv = kv_sqlite_open(c.loop, dir, NULL, NULL);
	struct domains *d = domains_new(kv, NULL);
	struct function_ref f = {.name = STR("shop"), .qualifier = STR("live")}, found;
	CHECK(!domains_find(d, STR("shop.example.org"), &found));
	domains_put(d, STR("shop.example.org"), &f, on_changed, &c);
	CHECK_INT(settled(&c), ERR_OK);
	domains_put(d, STR("api.example.org"), &(struct function_ref){.name = STR("api")}, on_changed, &c);
	CHECK_INT(settled(&c), ERR_OK);
	domains_delete(d, STR("none.example.org"), on_changed, &c);
	CHECK_INT(settled(&c), ERR_NOT_FOUND);
	/* What was deleted is written before it is forgotten here: the watch tells, after the callback. */
	domains_delete(d, STR("api.example.org"), on_changed, &c);
	CHECK_INT(settled(&c), ERR_OK);
	domains_free(d);
	kv_close(kv);
	kv = kv_sqlite_open(c.loop, dir, NULL, NULL);
	d = domains_new(kv, NULL);
	domains_put(d, STR("x.example.org"), &f, on_changed, &c);
	CHECK_INT(settled(&c), ERR_OK);
	domains_put(d, STR("y.example.org"), &f, on_changed, &c);
	CHECK_INT(settled(&c), ERR_OK);
	CHECK(domains_find(d, STR("Shop.Example.ORG"), &found) && str_eqz(found.name, "shop") && str_eqz(found.qualifier, "live"));
	CHECK(!domains_find(d, STR("api.example.org"), &found) && !domains_find(d, STR("example.org"), &found));
	CHECK(count(d) >= 2);
	domains_free(d);
	kv_close(kv);
	ev_loop_free(c.loop);
	remove_tree(AT_FDCWD, folder);
}

TESTS(T(urls_are_created_updated_and_kept_over_a_restart), T(urls_go_with_what_they_belong_to), T(urls_are_listed_in_pages),
      T(domains_are_kept_over_a_restart))
