/* The registry over a store in memory that stops taking writes after any number of them: what an interrupted change leaves
 * must be all or nothing. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/function/registry.h"
#include "control/function/remove.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/store/blob_dir.h"
#include "tests/unit/test.h"

#define KEYS_MAX 64

struct row {
	char key[200];
	char *value;
	size_t n;
};

struct memory {
	struct kv kv;
	struct ev_loop *loop;
	struct row rows[KEYS_MAX]; /* in the order of keys */
	size_t count;
	int writes_left; /* 0: the power is gone; -1: no limit */
};

struct answer {
	struct ev_defer defer;
	kv_cb *cb;
	void *arg;
	struct error err;
};

static void on_answer(struct ev_defer *defer)
{
	struct answer *a = CONTAINER_OF(defer, struct answer, defer);
	struct kv_entry entry = {.revision = 1};
	a->cb(a->arg, a->err.code ? NULL : &entry, a->err.code ? &a->err : NULL);
	free(a);
}

static int answer(struct memory *m, bool fine, kv_cb *cb, void *arg)
{
	struct answer *a = calloc(1, sizeof *a);
	a->cb = cb;
	a->arg = arg;
	if (!fine)
		error_set(&a->err, ERR_DISK_FULL, "no more writes");
	ev_defer_init(&a->defer, on_answer);
	ev_defer_run(m->loop, &a->defer);
	return 0;
}

static bool may_write(struct memory *m)
{
	if (m->writes_left == 0)
		return false;
	m->writes_left -= m->writes_left > 0;
	return true;
}

static size_t place(const struct memory *m, struct str key)
{
	size_t i = 0;
	while (i < m->count && str_cmp(str_from(m->rows[i].key), key) < 0)
		i++;
	return i;
}

static int memory_del(struct kv *kv, struct str key, uint64_t expected, kv_cb *cb, void *arg, struct error *err)
{
	struct memory *m = CONTAINER_OF(kv, struct memory, kv);
	bool fine = may_write(m);
	size_t at = place(m, key);
	if (fine && at < m->count && str_eqz(key, m->rows[at].key)) {
		free(m->rows[at].value);
		memmove(&m->rows[at], &m->rows[at + 1], (--m->count - at) * sizeof m->rows[0]);
	}
	return answer(m, fine, cb, arg);
}

static int memory_put(struct kv *kv, struct str key, struct str value, uint64_t expected, kv_cb *cb, void *arg, struct error *err)
{
	struct memory *m = CONTAINER_OF(kv, struct memory, kv);
	size_t at = place(m, key);
	if (!may_write(m))
		return answer(m, false, cb, arg);
	if (at == m->count || !str_eqz(key, m->rows[at].key)) {
		ASSERT(m->count < KEYS_MAX);
		memmove(&m->rows[at + 1], &m->rows[at], (m->count++ - at) * sizeof m->rows[0]);
		m->rows[at] = (struct row){.value = NULL};
		str_copy(m->rows[at].key, sizeof m->rows[at].key, key);
	}
	free(m->rows[at].value);
	m->rows[at].value = str_dup(value);
	m->rows[at].n = value.n;
	return answer(m, true, cb, arg);
}

struct listing {
	struct ev_defer defer;
	struct memory *m;
	char prefix[64];
	kv_list_cb *cb;
	void *arg;
};

static void on_listing(struct ev_defer *defer)
{
	struct listing *l = CONTAINER_OF(defer, struct listing, defer);
	struct kv_entry entries[KEYS_MAX];
	size_t n = 0;
	for (size_t i = 0; i < l->m->count; i++) {
		struct row *r = &l->m->rows[i];
		if (str_starts(str_from(r->key), str_from(l->prefix)))
			entries[n++] = (struct kv_entry){str_from(r->key), {r->value, r->n}, 1};
	}
	l->cb(l->arg, entries, n, false, NULL);
	free(l);
}

static int memory_list(struct kv *kv, const struct kv_list *what, kv_list_cb *cb, void *arg, struct error *err)
{
	struct listing *l = calloc(1, sizeof *l);
	l->m = CONTAINER_OF(kv, struct memory, kv);
	l->cb = cb;
	l->arg = arg;
	str_copy(l->prefix, sizeof l->prefix, what->prefix);
	ev_defer_init(&l->defer, on_listing);
	ev_defer_run(l->m->loop, &l->defer);
	return 0;
}

static const struct kv_ops memory_ops = {.put = memory_put, .del = memory_del, .list = memory_list};

/* ---- the rig ---- */

struct rig {
	struct ev_loop *loop;
	struct ev_pool *pool;
	struct memory memory;
	struct blob_store *blobs;
	struct settings settings;
	struct registry *r;
	char dir[40];
	int dirfd;
	struct registry_loaded loaded;
	struct error err, first_err; /* of the last change, and the one before */
	json_t *result;
	uint64_t dropped;
	unsigned unreserved;
	struct { /* the image that was asked for and not answered */
		struct function_version *version; /* a reference */
		registry_image_cb *cb;
		void *arg;
	} image;
	bool no_images;
	struct ev_timer patience;
};

struct unpacking {
	struct ev_defer defer;
	registry_unpacked_cb *cb;
	void *arg;
};

static void on_unpacking(struct ev_defer *defer)
{
	struct unpacking *u = CONTAINER_OF(defer, struct unpacking, defer);
	u->cb(u->arg, 10, NULL);
	free(u);
}

static void unpack(void *arg, int zip_fd, int folder_fd, const unsigned char sum[32], uint64_t max_bytes, registry_unpacked_cb *cb,
                   void *cb_arg)
{
	struct rig *rig = arg;
	char hex[SHA256_HEX_SIZE];
	hex_encode(hex, sum, SHA256_SIZE);
	mkdirat(folder_fd, hex, 0755);
	struct unpacking *u = calloc(1, sizeof *u);
	*u = (struct unpacking){.cb = cb, .arg = cb_arg};
	ev_defer_init(&u->defer, on_unpacking);
	ev_defer_run(rig->loop, &u->defer);
}

static void on_dropped(void *arg, uint64_t id)
{
	((struct rig *)arg)->dropped = id;
}

static void on_unreserved(void *arg, unsigned unreserved)
{
	((struct rig *)arg)->unreserved = unreserved;
}

static void take_image(void *arg, struct function_version *v, registry_image_cb *cb, void *cb_arg)
{
	struct rig *rig = arg;
	function_version_unref(rig->image.version);
	rig->image.version = function_version_ref(v);
	rig->image.cb = cb;
	rig->image.arg = cb_arg;
}

static void on_ready(void *arg, const struct registry_loaded *loaded, const struct error *err)
{
	struct rig *rig = arg;
	rig->loaded = *loaded;
	ev_loop_stop(rig->loop);
}

static void load(struct rig *rig)
{
	struct registry_deps deps = {.loop = rig->loop, .pool = rig->pool, .kv = &rig->memory.kv, .blobs = rig->blobs,
	                             .data_dirfd = rig->dirfd, .settings = &rig->settings, .unpack = unpack, .unpack_arg = rig,
	                             .take_image = rig->no_images ? NULL : take_image, .take_image_arg = rig,
	                             .on_version_dropped = on_dropped, .on_unreserved = on_unreserved, .report_arg = rig};
	rig->r = registry_new(&deps, &rig->err);
	ASSERT(rig->r);
	registry_load(rig->r, on_ready, rig);
	ev_loop_run(rig->loop, NULL);
}

static void start(struct rig *rig)
{
	static char *const none[] = {NULL};
	*rig = (struct rig){.dir = "/tmp/mayfly-test-XXXXXX"};
	ASSERT(settings_parse(&rig->settings, 0, none, none, &rig->err) == 0);
	rig->settings.settle_ms = 0;
	ASSERT(mkdtemp(rig->dir));
	rig->dirfd = open(rig->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rig->loop = ev_loop_new(&rig->err);
	rig->pool = ev_pool_new(1, &rig->err);
	rig->memory = (struct memory){.kv = {&memory_ops}, .loop = rig->loop, .writes_left = -1};
	rig->blobs = blob_dir_open(rig->loop, rig->pool, rig->dirfd, &rig->err);
	ASSERT(rig->loop && rig->pool && rig->blobs);
	load(rig);
}

static void on_patience(struct ev_timer *t)
{
	ev_loop_stop(CONTAINER_OF(t, struct rig, patience)->loop);
}

/* A round for what is put off: states settle, packages go. */
static void settle(struct rig *rig)
{
	rig->patience.cb = on_patience;
	ev_timer_after(rig->loop, &rig->patience, 5 * NS_PER_MS);
	ev_loop_run(rig->loop, NULL);
}

/* As after a crash: what is in memory is gone, the power is back. Jobs that are under way end first. */
static void restart(struct rig *rig)
{
	ev_pool_free(rig->pool);
	settle(rig);
	function_version_unref(rig->image.version);
	rig->image.version = NULL;
	registry_free(rig->r);
	blob_close(rig->blobs);
	rig->pool = ev_pool_new(1, &rig->err);
	rig->blobs = blob_dir_open(rig->loop, rig->pool, rig->dirfd, &rig->err);
	ASSERT(rig->pool && rig->blobs);
	rig->memory.writes_left = -1;
	load(rig);
}

static void stop(struct rig *rig)
{
	settle(rig);
	json_decref(rig->result);
	function_version_unref(rig->image.version);
	ev_pool_free(rig->pool);
	settle(rig);
	registry_free(rig->r);
	blob_close(rig->blobs);
	ev_loop_free(rig->loop);
	for (size_t i = 0; i < rig->memory.count; i++)
		free(rig->memory.rows[i].value);
	close(rig->dirfd);
	remove_tree(AT_FDCWD, rig->dir);
}

static void on_done(void *arg, json_t *result, const struct error *err)
{
	struct rig *rig = arg;
	rig->first_err = rig->err;
	rig->err = err ? *err : (struct error){0};
	json_decref(rig->result);
	rig->result = json_incref(result);
	ev_loop_stop(rig->loop);
}

static enum error_code wait_done(struct rig *rig)
{
	ev_loop_run(rig->loop, NULL);
	enum error_code code = rig->err.code;
	settle(rig);
	return code;
}

static struct http_blob zip(const char *text)
{
	return (struct http_blob){.data = strdup(text), .len = strlen(text)};
}

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

static enum error_code create(struct rig *rig, const char *name, const char *code, bool publish)
{
	json_t *config = json_pack("{s:s, s:s, s:s, s:i, s:i, s:{s:{s:s}}}", "Runtime", "python3.11", "Handler", "app.handler", "Role",
	                           "arn:aws:iam::000000000000:role/r", "MemorySize", 256, "Timeout", 5, "Environment", "Variables", "A", "1");
	struct registry_create what = {.name = str_from(name), .config = config, .zip = zip(code), .publish = publish};
	registry_create(rig->r, &what, on_done, rig);
	json_decref(config);
	return wait_done(rig);
}

static enum error_code update(struct rig *rig, const char *name, const char *code, bool publish)
{
	struct registry_update what = {.name = str_from(name), .has_code = true, .zip = zip(code), .publish = publish};
	registry_update(rig->r, &what, on_done, rig);
	return wait_done(rig);
}

static enum error_code delete(struct rig *rig, const char *name, struct str qualifier)
{
	registry_delete(rig->r, str_from(name), qualifier, on_done, rig);
	return wait_done(rig);
}

static size_t count_files(struct rig *rig, const char *folder)
{
	int fd = openat(rig->dirfd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_DIR DIR *dir = fdopendir(fd);
	size_t n = 0;
	while (readdir(dir))
		n++;
	return n - 2;
}

/* ---- tests ---- */

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
      T(changes_of_one_function_wait_for_each_other), T(a_tag_chooses_the_network),
      T(tags_choose_how_environments_are_made), T(a_version_with_snap_start_is_pending_until_its_image_is_there),
      T(an_init_that_fails_makes_the_version_fail), T(what_the_end_of_the_program_found_pending_is_taken_up_again),
      T(a_pending_version_may_change_its_tags_or_go), T(without_images_versions_are_active_at_once),
      T(reservations_are_summed_over_restarts),
      T(damaged_records_are_left_alone), T(an_interrupted_change_is_made_or_not))
