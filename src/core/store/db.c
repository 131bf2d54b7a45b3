#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/store/db_priv.h"

enum {
	BATCH_OPS = 512,          /* in one transaction */
	BATCH_BYTES = 4 << 20,
	CHECKPOINT_PAGES = 1000,  /* of 4 KiB, in the WAL */
	STACK_BYTES = 256 * 1024,
};

struct db {
	struct db_file file;
	pthread_t thread;

	pthread_mutex_t lock; /* guards these: */
	pthread_cond_t more;
	struct list waiting, finished;
	bool stop;

	/* The loop's. */
	struct ev_loop *loop;
	struct ev_io wake;
	struct list gathered; /* submitted in this round */
	struct ev_defer hand_over;
	size_t count, bytes; /* submitted and not yet done */
	size_t count_max, bytes_max;
	bool closing, delivering;
	bool (*relieve)(void *arg); /* the thread's */
	void *relieve_arg;

	int wal_pages; /* the thread's */
};

static int on_wal(void *arg, sqlite3 *sql, const char *name, int pages)
{
	struct db *db = arg;
	db->wal_pages = pages;
	return SQLITE_OK;
}

/* A failure costs nothing but space: the WAL keeps what was not copied, and the next commit tries again. */
static void checkpoint(struct db *db)
{
	if (sqlite3_wal_checkpoint_v2(db->file.sql, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL) == SQLITE_OK)
		db->wal_pages = 0;
}

static int run_ops(struct db *db, struct list *batch)
{
	LIST_FOREACH(pos, batch) {
		struct db_op *op = CONTAINER_OF(pos, struct db_op, link);
		op->err.code = ERR_OK;
		int rc = op->run(op, db->file.sql);
		if (rc != SQLITE_OK)
			return rc;
	}
	return SQLITE_OK;
}

static int transact(struct db *db, struct list *batch)
{
	bool writes = false;
	LIST_FOREACH(pos, batch)
		writes |= CONTAINER_OF(pos, struct db_op, link)->writes;
	if (!writes)
		return run_ops(db, batch);
	sqlite3 *sql = db->file.sql;
	int rc = sqlite3_exec(sql, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = run_ops(db, batch);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(sql, "COMMIT", NULL, NULL, NULL);
	return rc;
}

/* Fills the errors of a batch of one. The message is taken before the rollback, which resets the connection's errno. */
static int attempt(struct db *db, struct list *batch)
{
	int rc = transact(db, batch);
	if (rc != SQLITE_OK && batch->next == batch->prev)
		db_error(db->file.sql, rc, &CONTAINER_OF(batch->next, struct db_op, link)->err);
	if (!sqlite3_get_autocommit(db->file.sql))
		sqlite3_exec(db->file.sql, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

/* Alone: a batch of one. What makes room is worth the last reserve. */
static void attempt_alone(struct db *db, struct list *one)
{
	struct db_op *op = CONTAINER_OF(one->next, struct db_op, link);
	int rc = attempt(db, one);
	if (rc == SQLITE_OK || op->err.code != ERR_DISK_FULL || !op->makes_room || !db->relieve || !db->relieve(db->relieve_arg))
		return;
	checkpoint(db);
	attempt(db, one);
}

/* When the transaction fails each operation is tried alone, so that one that cannot be done takes no other with it. */
static void run_batch(struct db *db, struct list *batch)
{
	if (batch->next == batch->prev) {
		attempt_alone(db, batch);
		return;
	}
	if (attempt(db, batch) == SQLITE_OK)
		return;
	checkpoint(db); /* on a full disk: the WAL's space can then be used again */
	struct list tried;
	list_init(&tried);
	struct list *pos;
	while ((pos = list_pop_front(batch))) {
		struct list one;
		list_init(&one);
		list_push_back(&one, pos);
		attempt_alone(db, &one);
		list_remove(pos);
		list_push_back(&tried, pos);
	}
	while ((pos = list_pop_front(&tried)))
		list_push_back(batch, pos);
}

/* False: the thread is to end. */
static bool take_batch(struct db *db, struct list *batch)
{
	size_t n = 0, bytes = 0;
	pthread_mutex_lock(&db->lock);
	while (list_empty(&db->waiting) && !db->stop)
		pthread_cond_wait(&db->more, &db->lock);
	while (!db->stop && !list_empty(&db->waiting) && n < BATCH_OPS && bytes < BATCH_BYTES) {
		struct list *pos = list_pop_front(&db->waiting);
		n++;
		bytes += CONTAINER_OF(pos, struct db_op, link)->bytes;
		list_push_back(batch, pos);
	}
	pthread_mutex_unlock(&db->lock);
	return n > 0;
}

static void finish_batch(struct db *db, struct list *batch)
{
	struct list *pos;
	pthread_mutex_lock(&db->lock);
	while ((pos = list_pop_front(batch)))
		list_push_back(&db->finished, pos);
	pthread_mutex_unlock(&db->lock);
	uint64_t one = 1;
	ssize_t n = write(db->wake.fd, &one, sizeof one);
	ASSERT(n == sizeof one);
}

static void *run(void *arg)
{
	struct db *db = arg;
	struct list batch;
	list_init(&batch);
	while (take_batch(db, &batch)) {
		run_batch(db, &batch);
		finish_batch(db, &batch);
		if (db->wal_pages >= CHECKPOINT_PAGES)
			checkpoint(db);
	}
	return NULL;
}

static void deliver(struct db *db, struct list *from)
{
	struct list done, *pos;
	list_init(&done);
	pthread_mutex_lock(&db->lock);
	while ((pos = list_pop_front(from)))
		list_push_back(&done, pos);
	pthread_mutex_unlock(&db->lock);
	while ((pos = list_pop_front(&done))) {
		struct db_op *op = CONTAINER_OF(pos, struct db_op, link);
		db->count--;
		db->bytes -= op->bytes;
		op->done(op);
	}
}

static void on_wake(struct ev_io *io, unsigned events)
{
	struct db *db = CONTAINER_OF(io, struct db, wake);
	uint64_t n;
	if (read(io->fd, &n, sizeof n) < 0 && errno == EAGAIN)
		return;
	db->delivering = true;
	deliver(db, &db->finished);
	db->delivering = false;
}

/* What one round of the loop submits is one batch: were the thread woken by the first, it would commit that alone, and the rest
 * would wait for two syncs instead of one. */
static void on_hand_over(struct ev_defer *defer)
{
	struct db *db = CONTAINER_OF(defer, struct db, hand_over);
	struct list *pos;
	pthread_mutex_lock(&db->lock);
	while ((pos = list_pop_front(&db->gathered)))
		list_push_back(&db->waiting, pos);
	pthread_cond_signal(&db->more);
	pthread_mutex_unlock(&db->lock);
}

int db_submit(struct db *db, struct db_op *op, struct error *err)
{
	if (db->closing)
		return error_set(err, ERR_CLOSED, "the store is being closed");
	if (!op->beyond_limits && (db->count >= db->count_max || db->bytes + op->bytes > db->bytes_max))
		return error_set(err, ERR_THROTTLED, "too many requests wait for the store: try again");
	db->count++;
	db->bytes += op->bytes;
	list_init(&op->link);
	list_push_back(&db->gathered, &op->link);
	ev_defer_run(db->loop, &db->hand_over);
	return 0;
}

sqlite3 *db_sql(struct db *db)
{
	return db->file.sql;
}

/* The thread takes no signals: they are the programs' loops' business. */
static int start_thread(struct db *db, struct error *err)
{
	sigset_t all, before;
	pthread_attr_t attr;
	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int failed = pthread_create(&db->thread, &attr, run, db);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	errno = failed;
	return failed ? error_sys(err, "cannot start the store's thread") : 0;
}

static int start_wake(struct db *db, struct error *err)
{
	db->wake.cb = on_wake;
	db->wake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (db->wake.fd < 0)
		return error_sys(err, "cannot open the store: eventfd");
	if (ev_io_start(db->loop, &db->wake, EV_READ, err) == 0)
		return 0;
	close(db->wake.fd);
	return -1;
}

static int start(struct db *db, int dirfd, const struct db_options *options, struct error *err)
{
	if (db_file_open(&db->file, dirfd, options, err) < 0)
		return -1;
	sqlite3_wal_hook(db->file.sql, on_wal, db);
	if (start_wake(db, err) < 0) {
		db_file_close(&db->file);
		return -1;
	}
	if (start_thread(db, err) == 0)
		return 0;
	ev_io_stop(&db->wake);
	close(db->wake.fd);
	db_file_close(&db->file);
	return -1;
}

struct db *db_open(struct ev_loop *loop, int dirfd, const struct db_options *options, struct error *err)
{
	struct db *db = calloc(1, sizeof *db);
	if (!db) {
		error_set(err, ERR_NO_MEMORY, "no memory for the store");
		return NULL;
	}
	db->loop = loop;
	db->count_max = options->queue_max;
	db->bytes_max = options->queue_max_bytes;
	db->relieve = options->relieve;
	db->relieve_arg = options->relieve_arg;
	pthread_mutex_init(&db->lock, NULL);
	pthread_cond_init(&db->more, NULL);
	list_init(&db->waiting);
	list_init(&db->finished);
	list_init(&db->gathered);
	ev_defer_init(&db->hand_over, on_hand_over);
	if (start(db, dirfd, options, err) == 0)
		return db;
	pthread_cond_destroy(&db->more);
	pthread_mutex_destroy(&db->lock);
	free(db);
	return NULL;
}

void db_stop(struct db *db)
{
	ASSERT(!db->delivering && !db->closing);
	db->closing = true;
	ev_defer_cancel(&db->hand_over);
	on_hand_over(&db->hand_over);
	pthread_mutex_lock(&db->lock);
	db->stop = true;
	pthread_cond_signal(&db->more);
	pthread_mutex_unlock(&db->lock);
	pthread_join(db->thread, NULL);
	ev_io_stop(&db->wake);
	close(db->wake.fd);
	deliver(db, &db->finished);
	LIST_FOREACH(pos, &db->waiting)
		error_set(&CONTAINER_OF(pos, struct db_op, link)->err, ERR_CLOSED, "the store was closed");
	deliver(db, &db->waiting);
	ASSERT(db->count == 0 && db->bytes == 0);
}

void db_free(struct db *db)
{
	db_file_close(&db->file);
	pthread_cond_destroy(&db->more);
	pthread_mutex_destroy(&db->lock);
	free(db);
}
