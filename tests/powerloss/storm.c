/* storm DIR ROUND [no-sync]: writes keys and blobs as fast as it can, several at once, and says what was acknowledged.
 * Made to be killed. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/store/blob_dir.h"
#include "core/store/kv_sqlite.h"
#include "tests/powerloss/storm.h"

struct writer {
	struct storm *storm;
	uint32_t at, n;
	uint64_t revision; /* 0: not there */
	char bytes[STORM_VALUE_MAX];
};

struct storm {
	struct ev_loop *loop;
	struct kv *kv;
	struct blob_store *blobs;
	unsigned long round;
	unsigned acks, next_blob;
	struct writer keys[STORM_KEYS], blob[2];
};

static void die(const char *what, const struct error *err)
{
	fprintf(stderr, "storm: %s: %s\n", what, err->msg);
	_exit(3);
}

static void acknowledge(struct storm *s, struct storm_ack ack)
{
	if (write(1, &ack, sizeof ack) != sizeof ack)
		_exit(4);
	if (++s->acks == STORM_ACKS)
		ev_loop_stop(s->loop);
}

static void next_write(struct writer *w);

static void on_write(void *arg, const struct kv_entry *e, const struct error *err)
{
	struct writer *w = arg;
	if (err)
		die("write", err);
	w->revision = storm_is_put(w->storm->round, w->at, w->n) ? e->revision : 0;
	acknowledge(w->storm, (struct storm_ack){STORM_KEY, w->at, w->n, e->revision});
	next_write(w);
}

static void next_write(struct writer *w)
{
	char key[32];
	struct error err = {0};
	struct storm *s = w->storm;
	int n = snprintf(key, sizeof key, "r%lu/k%u", s->round, w->at);
	struct str k = {key, (size_t)n};
	int rc;
	if (storm_is_put(s->round, w->at, ++w->n))
		rc = kv_put(s->kv, k, (struct str){w->bytes, storm_value(w->bytes, s->round, w->at, w->n)}, w->revision, on_write,
		            w, &err);
	else
		rc = kv_delete(s->kv, k, w->revision ? w->revision : KV_ANY, on_write, w, &err);
	if (rc < 0)
		die("cannot ask", &err);
}

static void next_blob(struct writer *w);

static void on_blob(void *arg, const struct blob_id *id, uint64_t size, const struct error *err)
{
	struct writer *w = arg;
	if (err)
		die("blob", err);
	acknowledge(w->storm, (struct storm_ack){STORM_BLOB, w->at, 0, 0});
	next_blob(w);
}

static void next_blob(struct writer *w)
{
	struct storm *s = w->storm;
	if (s->next_blob == STORM_BLOBS)
		return;
	w->at = s->next_blob++;
	blob_put_async(s->blobs, w->bytes, storm_value(w->bytes, s->round, 1000 + w->at, 1), on_blob, w);
}

static void open_all(struct storm *s, const char *dir, bool no_sync)
{
	struct error err = {0};
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct ev_pool *pool = ev_pool_new(2, &err);
	s->loop = ev_loop_new(&err);
	if (!s->loop || !pool)
		die("start", &err);
	s->kv = kv_sqlite_open(s->loop, fd, &(struct kv_sqlite_options){.unsafe_no_sync = no_sync}, &err);
	s->blobs = s->kv ? blob_dir_open(s->loop, pool, fd, &err) : NULL;
	if (!s->blobs)
		die("open", &err);
}

int main(int argc, char **argv)
{
	ASSERT(argc > 2);
	struct storm *s = calloc(1, sizeof *s);
	ASSERT(s);
	s->round = strtoul(argv[2], NULL, 10);
	open_all(s, argv[1], argc > 3);
	for (uint32_t i = 0; i < STORM_KEYS; i++) {
		s->keys[i].storm = s;
		s->keys[i].at = i;
		next_write(&s->keys[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(s->blob); i++) {
		s->blob[i].storm = s;
		next_blob(&s->blob[i]);
	}
	ev_loop_run(s->loop, NULL);
	_exit(0); /* as abrupt as a kill: nothing is closed */
}
