#include "core/ev/pool.h"

#include <pthread.h>
#include <stdlib.h>

struct ev_pool {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct ev_job *head, **tail;
	bool stop;
	unsigned threads;
	pthread_t ids[];
};

static void on_done(struct ev_post *post)
{
	struct ev_job *job = CONTAINER_OF(post, struct ev_job, post);
	job->done(job);
}

static struct ev_job *next_job(struct ev_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	while (!pool->head && !pool->stop)
		pthread_cond_wait(&pool->more, &pool->lock);
	struct ev_job *job = pool->head;
	if (job) {
		pool->head = job->next;
		if (!pool->head)
			pool->tail = &pool->head;
	}
	pthread_mutex_unlock(&pool->lock);
	return job;
}

static void *run(void *arg)
{
	struct ev_pool *pool = arg;
	struct ev_job *job;
	while ((job = next_job(pool))) {
		job->work(job);
		ev_post(job->loop, &job->post);
	}
	return NULL;
}

struct ev_pool *ev_pool_new(unsigned threads, struct error *err)
{
	struct ev_pool *pool = calloc(1, sizeof *pool + threads * sizeof(pthread_t));
	if (!pool) {
		error_set(err, ERR_NO_MEMORY, "no memory for threads");
		return NULL;
	}
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->more, NULL);
	pool->tail = &pool->head;
	pthread_attr_t attr;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 * 1024);
	int failed = 0;
	for (; pool->threads < threads && !failed; pool->threads += !failed)
		failed = pthread_create(&pool->ids[pool->threads], &attr, run, pool);
	pthread_attr_destroy(&attr);
	if (failed) {
		ev_pool_free(pool);
		error_set(err, ERR_SYSTEM, "cannot start %u threads", threads);
		return NULL;
	}
	return pool;
}

void ev_pool_free(struct ev_pool *pool)
{
	if (!pool)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->stop = true;
	pthread_cond_broadcast(&pool->more);
	pthread_mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < pool->threads; i++)
		pthread_join(pool->ids[i], NULL);
	pthread_cond_destroy(&pool->more);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

void ev_pool_submit(struct ev_pool *pool, struct ev_loop *loop, struct ev_job *job)
{
	job->loop = loop;
	job->post.cb = on_done;
	job->next = NULL;
	pthread_mutex_lock(&pool->lock);
	*pool->tail = job;
	pool->tail = &job->next;
	pthread_cond_signal(&pool->more);
	pthread_mutex_unlock(&pool->lock);
}
