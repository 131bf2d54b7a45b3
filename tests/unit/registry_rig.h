/* A registry over a store in memory that stops taking writes after any number of them, with packages in a folder of its own and
 * images that a test answers for. */
#ifndef TESTS_UNIT_REGISTRY_RIG_H
#define TESTS_UNIT_REGISTRY_RIG_H

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

static inline void on_answer(struct ev_defer *defer)
{
	struct answer *a = CONTAINER_OF(defer, struct answer, defer);
	struct kv_entry entry = {.revision = 1};
	a->cb(a->arg, a->err.code ? NULL : &entry, a->err.code ? &a->err : NULL);
	free(a);
}

static inline int answer(struct memory *m, bool fine, kv_cb *cb, void *arg)
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

static inline bool may_write(struct memory *m)
{
	if (m->writes_left == 0)
		return false;
	m->writes_left -= m->writes_left > 0;
	return true;
}

static inline size_t place(const struct memory *m, struct str key)
{
	size_t i = 0;
	while (i < m->count && str_cmp(str_from(m->rows[i].key), key) < 0)
		i++;
	return i;
}

static inline int memory_del(struct kv *kv, struct str key, uint64_t expected, kv_cb *cb, void *arg, struct error *err)
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

static inline int memory_put(struct kv *kv, struct str key, struct str value, uint64_t expected, kv_cb *cb, void *arg, struct error *err)
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

static inline void on_listing(struct ev_defer *defer)
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

static inline int memory_list(struct kv *kv, const struct kv_list *what, kv_list_cb *cb, void *arg, struct error *err)
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
	unsigned deleted, async_changed; /* reports */
	struct { /* the image that was asked for and not answered */
		struct function_version *version; /* a reference */
		registry_image_cb *cb;
		void *arg;
	} image;
	bool no_images;
	uint64_t unzip_bytes, code_storage_bytes; /* what a package is unzipped; limit of all packages; 0: 10 bytes, AWS's limit */
	struct ev_timer patience;
};

struct unpacking {
	struct ev_defer defer;
	uint64_t bytes;
	registry_unpacked_cb *cb;
	void *arg;
};

static inline void on_unpacking(struct ev_defer *defer)
{
	struct unpacking *u = CONTAINER_OF(defer, struct unpacking, defer);
	u->cb(u->arg, u->bytes, NULL);
	free(u);
}

static inline void unpack(void *arg, int zip_fd, int folder_fd, const unsigned char sum[32], uint64_t max_bytes, registry_unpacked_cb *cb,
                   void *cb_arg)
{
	struct rig *rig = arg;
	char hex[SHA256_HEX_SIZE];
	hex_encode(hex, sum, SHA256_SIZE);
	mkdirat(folder_fd, hex, 0755);
	struct unpacking *u = calloc(1, sizeof *u);
	*u = (struct unpacking){.cb = cb, .arg = cb_arg, .bytes = rig->unzip_bytes ? rig->unzip_bytes : 10};
	ev_defer_init(&u->defer, on_unpacking);
	ev_defer_run(rig->loop, &u->defer);
}

static inline void on_dropped(void *arg, uint64_t id)
{
	((struct rig *)arg)->dropped = id;
}

static inline void on_unreserved(void *arg, unsigned unreserved)
{
	((struct rig *)arg)->unreserved = unreserved;
}

static inline void on_deleted(void *arg, struct str name)
{
	((struct rig *)arg)->deleted++;
}

static inline void on_async_changed(void *arg, struct str name)
{
	((struct rig *)arg)->async_changed++;
}

static inline void take_image(void *arg, struct function_version *v, registry_image_cb *cb, void *cb_arg)
{
	struct rig *rig = arg;
	function_version_unref(rig->image.version);
	rig->image.version = function_version_ref(v);
	rig->image.cb = cb;
	rig->image.arg = cb_arg;
}

static inline void on_ready(void *arg, const struct registry_loaded *loaded, const struct error *err)
{
	struct rig *rig = arg;
	rig->loaded = *loaded;
	ev_loop_stop(rig->loop);
}

static inline void load(struct rig *rig)
{
	struct registry_deps deps = {.loop = rig->loop, .pool = rig->pool, .kv = &rig->memory.kv, .blobs = rig->blobs,
	                             .data_dirfd = rig->dirfd, .code_storage_bytes = rig->code_storage_bytes, .settings = &rig->settings, .unpack = unpack, .unpack_arg = rig,
	                             .take_image = rig->no_images ? NULL : take_image, .take_image_arg = rig,
	                             .on_version_dropped = on_dropped, .on_unreserved = on_unreserved, .on_deleted = on_deleted,
	                             .on_async_changed = on_async_changed, .report_arg = rig};
	rig->r = registry_new(&deps, &rig->err);
	ASSERT(rig->r);
	registry_load(rig->r, on_ready, rig);
	ev_loop_run(rig->loop, NULL);
}

static inline void start(struct rig *rig)
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

static inline void on_patience(struct ev_timer *t)
{
	ev_loop_stop(CONTAINER_OF(t, struct rig, patience)->loop);
}

/* A round for what is put off: states settle, packages go. */
static inline void settle(struct rig *rig)
{
	rig->patience.cb = on_patience;
	ev_timer_after(rig->loop, &rig->patience, 5 * NS_PER_MS);
	ev_loop_run(rig->loop, NULL);
}

/* As after a crash: what is in memory is gone, the power is back. Jobs that are under way end first. */
static inline void restart(struct rig *rig)
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

static inline void stop(struct rig *rig)
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

static inline void on_done(void *arg, json_t *result, const struct error *err)
{
	struct rig *rig = arg;
	rig->first_err = rig->err;
	rig->err = err ? *err : (struct error){0};
	json_decref(rig->result);
	rig->result = json_incref(result);
	ev_loop_stop(rig->loop);
}

static inline enum error_code wait_done(struct rig *rig)
{
	ev_loop_run(rig->loop, NULL);
	enum error_code code = rig->err.code;
	settle(rig);
	return code;
}

static inline struct http_blob zip(const char *text)
{
	return (struct http_blob){.data = strdup(text), .len = strlen(text)};
}

static inline enum error_code create(struct rig *rig, const char *name, const char *code, bool publish)
{
	json_t *config = json_pack("{s:s, s:s, s:s, s:i, s:i, s:{s:{s:s}}}", "Runtime", "python3.11", "Handler", "app.handler", "Role",
	                           "arn:aws:iam::000000000000:role/r", "MemorySize", 256, "Timeout", 5, "Environment", "Variables", "A", "1");
	struct registry_create what = {.name = str_from(name), .config = config, .zip = zip(code), .publish = publish};
	registry_create(rig->r, &what, on_done, rig);
	json_decref(config);
	return wait_done(rig);
}

static inline enum error_code update(struct rig *rig, const char *name, const char *code, bool publish)
{
	struct registry_update what = {.name = str_from(name), .has_code = true, .zip = zip(code), .publish = publish};
	registry_update(rig->r, &what, on_done, rig);
	return wait_done(rig);
}

static inline enum error_code delete(struct rig *rig, const char *name, struct str qualifier)
{
	registry_delete(rig->r, str_from(name), qualifier, on_done, rig);
	return wait_done(rig);
}

static inline size_t count_files(struct rig *rig, const char *folder)
{
	int fd = openat(rig->dirfd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_DIR DIR *dir = fdopendir(fd);
	size_t n = 0;
	while (readdir(dir))
		n++;
	return n - 2;
}

#endif
