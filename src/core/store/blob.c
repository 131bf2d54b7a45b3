#include "core/store/blob.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"

struct blob_writer *blob_writer_new(struct blob_store *store, uint64_t max_bytes, struct error *err)
{
	return store->ops->create(store, max_bytes, err);
}

int blob_writer_append(struct blob_writer *w, const void *data, size_t n, struct error *err)
{
	return w->store->ops->append(w, data, n, err);
}

int blob_writer_fd(struct blob_writer *w)
{
	return w->store->ops->fd(w);
}

int blob_writer_finish(struct blob_writer *w, const struct blob_id *want, struct blob_id *id, uint64_t *size,
                       struct error *err)
{
	return w->store->ops->finish(w, want, id, size, err);
}

void blob_writer_abort(struct blob_writer *w)
{
	if (w)
		w->store->ops->abort(w);
}

int blob_open(struct blob_store *store, const struct blob_id *id, uint64_t *size, struct error *err)
{
	return store->ops->open(store, id, size, err);
}

int blob_exists(struct blob_store *store, const struct blob_id *id, struct error *err)
{
	return store->ops->exists(store, id, err);
}

int blob_delete(struct blob_store *store, const struct blob_id *id, struct error *err)
{
	return store->ops->remove(store, id, err);
}

int blob_list(struct blob_store *store, const struct blob_id *after, struct blob_id *ids, size_t max, struct error *err)
{
	return store->ops->list(store, after, ids, max, err);
}

void blob_close(struct blob_store *store)
{
	if (store)
		store->ops->close(store);
}

void blob_id_hex(char dst[SHA256_HEX_SIZE], const struct blob_id *id)
{
	hex_encode(dst, id->sha256, sizeof id->sha256);
}

int blob_id_parse(struct blob_id *id, struct str hex)
{
	return hex_decode(id->sha256, sizeof id->sha256, hex);
}

/* One asynchronous call; `cb` or `open_cb` is the caller's function. */
struct blob_job {
	struct ev_job job;
	struct blob_store *store;
	struct blob_writer *writer;
	const void *data;
	size_t n;
	struct blob_id id;
	bool has_want;
	uint64_t size;
	int fd, rc;
	struct error err;
	blob_cb *cb;
	blob_open_cb *open_cb;
	void *arg;
};

static void on_done(struct ev_job *base)
{
	struct blob_job *job = CONTAINER_OF(base, struct blob_job, job);
	const struct error *err = job->rc < 0 ? &job->err : NULL;
	if (job->open_cb)
		job->open_cb(job->arg, job->fd, job->size, err);
	else if (job->cb)
		job->cb(job->arg, err ? NULL : &job->id, job->size, err);
	free(job);
}

static struct blob_job *job_new(struct blob_store *store, void (*work)(struct ev_job *), void *arg)
{
	struct blob_job *job = calloc(1, sizeof *job);
	ASSERT(job);
	job->store = store;
	job->job.work = work;
	job->job.done = on_done;
	job->fd = -1;
	job->arg = arg;
	return job;
}

static void submit(struct blob_job *job)
{
	ASSERT(job->store->pool && job->store->loop);
	ev_pool_submit(job->store->pool, job->store->loop, &job->job);
}

static void work_finish(struct ev_job *base)
{
	struct blob_job *job = CONTAINER_OF(base, struct blob_job, job);
	struct blob_id want = job->id;
	job->rc = blob_writer_finish(job->writer, job->has_want ? &want : NULL, &job->id, &job->size, &job->err);
}

static void work_put(struct ev_job *base)
{
	struct blob_job *job = CONTAINER_OF(base, struct blob_job, job);
	struct blob_writer *w = blob_writer_new(job->store, job->n, &job->err);
	job->rc = -1;
	if (!w)
		return;
	if (blob_writer_append(w, job->data, job->n, &job->err) < 0)
		blob_writer_abort(w);
	else
		job->rc = blob_writer_finish(w, NULL, &job->id, &job->size, &job->err);
}

static void work_open(struct ev_job *base)
{
	struct blob_job *job = CONTAINER_OF(base, struct blob_job, job);
	job->fd = blob_open(job->store, &job->id, &job->size, &job->err);
	job->rc = job->fd < 0 ? -1 : 0;
}

static void work_delete(struct ev_job *base)
{
	struct blob_job *job = CONTAINER_OF(base, struct blob_job, job);
	job->rc = blob_delete(job->store, &job->id, &job->err);
}

void blob_writer_finish_async(struct blob_writer *w, const struct blob_id *want, blob_cb *cb, void *arg)
{
	struct blob_job *job = job_new(w->store, work_finish, arg);
	job->writer = w;
	job->cb = cb;
	job->has_want = want != NULL;
	if (want)
		job->id = *want;
	submit(job);
}

void blob_put_async(struct blob_store *store, const void *data, size_t n, blob_cb *cb, void *arg)
{
	struct blob_job *job = job_new(store, work_put, arg);
	job->data = data;
	job->n = n;
	job->cb = cb;
	submit(job);
}

void blob_open_async(struct blob_store *store, const struct blob_id *id, blob_open_cb *cb, void *arg)
{
	struct blob_job *job = job_new(store, work_open, arg);
	job->id = *id;
	job->open_cb = cb;
	submit(job);
}

void blob_delete_async(struct blob_store *store, const struct blob_id *id, blob_cb *cb, void *arg)
{
	struct blob_job *job = job_new(store, work_delete, arg);
	job->id = *id;
	job->cb = cb;
	submit(job);
}
