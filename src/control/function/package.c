/* Packages: hashed, stored as a blob, unpacked, counted; one row of r->codes for each content.
 *
 * Two changes that bring the same content wait for one another, and one that comes while the content is being deleted waits
 * for the end of that. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/function/registry_priv.h"
#include "control/function/remove.h"
#include "core/base/cleanup.h"
#include "core/json/value.h"
#include "core/spec/limits.h"

struct package {
	struct list link; /* in code->waiting */
	struct registry *r;
	struct http_blob zip;
	struct blob_id id;
	struct ev_job job;
	struct code *code; /* a reference */
	package_cb *cb;
	package_measured_cb *measured; /* instead of cb: it is there already, and only measured */
	void *arg;
};

static void advance(struct package *p);

static void finish(struct package *p, const struct error *err)
{
	struct code *c = p->code;
	size_t n = p->zip.len;
	http_blob_release(&p->zip);
	if (err)
		code_unref(c);
	p->cb(p->arg, err ? NULL : c, n, err);
	free(p);
}

/* Whoever waited looks again. */
static void wake(struct code *c)
{
	struct list waiting;
	list_init(&waiting);
	for (struct list *l; (l = list_pop_front(&c->waiting));)
		list_push_back(&waiting, l);
	for (struct list *l; (l = list_pop_front(&waiting));)
		advance(CONTAINER_OF(l, struct package, link));
}

/* ---- making ---- */

static void made(struct package *p, const struct error *err)
{
	if (p->measured) {
		p->measured(p->arg, err);
		code_unref(p->code);
		free(p);
		return;
	}
	struct code *c = code_ref(p->code); /* stays while others are woken */
	c->state = err ? CODE_NEW : CODE_READY;
	finish(p, err);
	wake(c);
	code_unref(c);
}

#define CANNOT_UNZIP "Could not unzip uploaded file. Please check your file, then try to upload again."

/* AWS's words for a package that cannot be used, with what was found where AWS says no more; other failures are ours. */
static void on_unpacked(void *arg, uint64_t unzipped_bytes, const struct error *err)
{
	struct error said = {0};
	if (err && err->code == ERR_TOO_LARGE)
		error_set(&said, ERR_INVALID, "Unzipped size must be smaller than %u bytes", LIMIT_UNZIPPED_BYTES);
	else if (err && err->code == ERR_INVALID && !str_starts(str_from(err->msg), STR("Unzipped size")) &&
	         strcmp(err->msg, CANNOT_UNZIP) != 0)
		error_set(&said, ERR_INVALID, CANNOT_UNZIP " (%.140s)", err->msg);
	else if (err)
		said = *err;
	struct code *c = ((struct package *)arg)->code;
	if (!err) {
		c->unzipped_bytes = unzipped_bytes;
		c->measured = true;
	}
	made(arg, err ? &said : NULL);
}

static void on_opened(void *arg, int fd, uint64_t size, const struct error *err)
{
	struct package *p = arg;
	CLEANUP_CLOSE int zip_fd = fd;
	if (err) {
		made(p, err);
		return;
	}
	struct registry_deps *deps = &p->r->deps;
	deps->unpack(deps->unpack_arg, zip_fd, p->r->code_dirfd, p->id.sha256, LIMIT_UNZIPPED_BYTES, on_unpacked, p);
}

static void on_stored(void *arg, const struct blob_id *id, uint64_t size, const struct error *err)
{
	struct package *p = arg;
	if (err)
		made(p, err);
	else
		blob_open_async(p->r->deps.blobs, &p->id, on_opened, p);
}

static void advance(struct package *p)
{
	switch (p->code->state) {
	case CODE_READY:
		finish(p, NULL);
		break;
	case CODE_MAKING:
	case CODE_DELETING:
		list_push_back(&p->code->waiting, &p->link);
		break;
	case CODE_NEW:
		p->code->state = CODE_MAKING;
		blob_put_async(p->r->deps.blobs, p->zip.data, p->zip.len, on_stored, p);
		break;
	}
}

static struct code *code_find(struct registry *r, const char *hex)
{
	return HASH_ENTRY(hash_get(&r->codes, str_from(hex)), struct code, by_hex);
}

/* A reference to the row of that content, made when it is new. */
static struct code *code_get(struct registry *r, const struct blob_id *id)
{
	char hex[SHA256_HEX_SIZE];
	blob_id_hex(hex, id);
	struct code *c = code_find(r, hex);
	if (c)
		return code_ref(c);
	c = calloc(1, sizeof *c);
	if (!c)
		return NULL;
	c->registry = r;
	c->id = *id;
	c->refs = 1;
	memcpy(c->hex, hex, sizeof hex);
	list_init(&c->waiting);
	if (hash_put(&r->codes, &c->by_hex, str_from(c->hex)) < 0) {
		free(c);
		return NULL;
	}
	return c;
}

static void hash_zip(struct ev_job *job)
{
	struct package *p = CONTAINER_OF(job, struct package, job);
	sha256(p->id.sha256, p->zip.data, p->zip.len);
}

static bool fits_storage(const struct registry *r, size_t more)
{
	struct registry_totals now;
	registry_total(r, &now);
	return now.code_bytes + more <= (r->deps.code_storage_bytes ? r->deps.code_storage_bytes : LIMIT_CODE_STORAGE_BYTES);
}

static void on_hashed(struct ev_job *job)
{
	struct package *p = CONTAINER_OF(job, struct package, job);
	struct error err = {0};
	if (p->zip.len == 0)
		error_set(&err, ERR_INVALID, "Uploaded file must be a non-empty zip");
	else if (p->zip.len > LIMIT_ZIP_BYTES)
		error_set(&err, ERR_TOO_LARGE, "Zipped size must be smaller than %u bytes", LIMIT_ZIP_BYTES);
	else if (!fits_storage(p->r, p->zip.len))
		error_set(&err, ERR_CODE_STORAGE, "Code storage limit exceeded.");
	else if (!(p->code = code_get(p->r, &p->id)))
		error_set(&err, ERR_NO_MEMORY, "no memory for another package");
	if (err.code)
		finish(p, &err);
	else
		advance(p);
}

void package_prepare(struct registry *r, struct http_blob *zip, package_cb *cb, void *arg)
{
	struct package *p = calloc(1, sizeof *p);
	ASSERT(p);
	*p = (struct package){.r = r, .zip = *zip, .cb = cb, .arg = arg, .job = {.work = hash_zip, .done = on_hashed}};
	*zip = (struct http_blob){0};
	list_init(&p->link);
	ev_pool_submit(r->deps.pool, r->deps.loop, &p->job);
}

/* Unpacking what is unpacked already only counts its bytes. */
void package_measure(struct registry *r, struct code *code, package_measured_cb *cb, void *arg)
{
	struct package *p = calloc(1, sizeof *p);
	ASSERT(p);
	*p = (struct package){.r = r, .id = code->id, .code = code_ref(code), .measured = cb, .arg = arg};
	list_init(&p->link);
	blob_open_async(r->deps.blobs, &p->id, on_opened, p);
}

/* ---- counting ---- */

struct code *code_hold(struct registry *r, const char *hex, struct error *err)
{
	struct blob_id id;
	struct code *c = blob_id_parse(&id, str_from(hex)) < 0 ? NULL : code_get(r, &id);
	if (!c)
		error_set(err, ERR_NO_MEMORY, "no memory for another package");
	else if (c->state == CODE_NEW)
		c->state = CODE_READY;
	return c;
}

struct code *code_of_sum(struct registry *r, const json_t *sum)
{
	struct str text = json_value_text(sum);
	char hex[SHA256_HEX_SIZE];
	unsigned char bytes[64];
	size_t n = 0;
	if (text.n != BASE64_SIZE(SHA256_SIZE) - 1 || base64_decode(bytes, &n, text) < 0 || n != SHA256_SIZE)
		return NULL;
	hex_encode(hex, bytes, n);
	return code_hold(r, hex, NULL);
}

struct code *code_ref(struct code *c)
{
	c->refs++;
	return c;
}

static void remove_files(struct ev_job *job)
{
	struct code *c = CONTAINER_OF(job, struct code, removal);
	remove_tree(c->registry->code_dirfd, c->hex); /* what stays is swept at the next start */
	blob_delete(c->registry->deps.blobs, &c->id, NULL);
}

static void on_removed(struct ev_job *job)
{
	struct code *c = CONTAINER_OF(job, struct code, removal);
	c->state = CODE_NEW;
	if (c->refs == 0) {
		hash_remove(&c->registry->codes, &c->by_hex);
		free(c);
		return;
	}
	wake(c);
}

void code_unref(struct code *c)
{
	if (!c)
		return;
	ASSERT(c->refs > 0);
	if (--c->refs > 0 || c->state == CODE_DELETING || c->registry->closing || c->registry->loading)
		return;
	c->state = CODE_DELETING;
	c->removal = (struct ev_job){.work = remove_files, .done = on_removed};
	ev_pool_submit(c->registry->deps.pool, c->registry->deps.loop, &c->removal);
}

void code_free_all(struct registry *r)
{
	HASH_FOREACH(n, &r->codes) {
		hash_remove(&r->codes, n);
		free(HASH_ENTRY(n, struct code, by_hex));
	}
	hash_release(&r->codes);
}

/* ---- sweeping ---- */

static size_t sweep_blobs(struct registry *r, struct error *err)
{
	enum { PAGE = 256 };
	struct blob_id ids[PAGE], after;
	size_t swept = 0;
	const struct blob_id *from = NULL;
	for (int n = PAGE; n == PAGE;) {
		n = blob_list(r->deps.blobs, from, ids, PAGE, err);
		for (int i = 0; i < n; i++) {
			char hex[SHA256_HEX_SIZE];
			blob_id_hex(hex, &ids[i]);
			if (!code_find(r, hex) && blob_delete(r->deps.blobs, &ids[i], NULL) == 0)
				swept++;
		}
		if (n > 0) {
			after = ids[n - 1];
			from = &after;
		}
	}
	return swept;
}

size_t code_sweep(struct registry *r, struct error *err)
{
	size_t swept = sweep_blobs(r, err);
	int fd = openat(r->code_dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_DIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		if (fd >= 0)
			close(fd);
		error_sys(err, "cannot read the folder \"code\" of the data folder");
		return swept;
	}
	for (struct dirent *e; (e = readdir(dir));) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || code_find(r, e->d_name))
			continue;
		if (remove_tree(r->code_dirfd, e->d_name) == 0)
			swept++;
	}
	return swept;
}
