/* A key store on a folder of its own, and calls that write what is answered into a log: one word an answer. Included by one
 * program each; tests run one after another. */
#ifndef MAYFLY_STORE_RIG_H
#define MAYFLY_STORE_RIG_H

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/store/kv_sqlite.h"
#include "tests/unit/word_log.h"

static struct rig {
	char path[64];
	int dirfd;
	struct ev_loop *loop;
	struct kv *kv;
	struct kv_watch *watch;
	char log[8192];
	size_t n;
	unsigned waiting;
	uint64_t revision;
	struct error err;
	char *value;
	size_t value_n;
	size_t list_limit;
	char last[KV_KEY_MAX];
} rig;

static inline int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

#define say(...) word_log(rig.log, sizeof rig.log, &rig.n, __VA_ARGS__)

static inline bool open_kv(const struct kv_sqlite_options *o)
{
	rig.kv = kv_sqlite_open(rig.loop, rig.dirfd, o, &rig.err);
	return rig.kv != NULL;
}

static inline bool setup(const struct kv_sqlite_options *o)
{
	free(rig.value);
	rig = (struct rig){.path = "/tmp/mayfly-kv-XXXXXX"};
	if (!mkdtemp(rig.path))
		return false;
	rig.dirfd = open(rig.path, O_PATH | O_DIRECTORY);
	rig.loop = ev_loop_new(NULL);
	return open_kv(o);
}

static inline void teardown(void)
{
	kv_close(rig.kv);
	ev_loop_free(rig.loop);
	close(rig.dirfd);
	nftw(rig.path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void answered(void)
{
	if (--rig.waiting == 0)
		ev_loop_stop(rig.loop);
}

static inline void on_any(void *arg, const struct kv_entry *e, const struct error *err)
{
	const char *tag = arg;
	if (err) {
		rig.err = *err;
		say("%s:%s ", tag, error_info(err->code)->name);
	} else {
		rig.revision = e->revision;
		say("%s:" STR_FMT "=%.*s@%llu ", tag, STR_ARG(e->key), e->value.n > 20 ? 3 : (int)e->value.n,
		    e->value.p ? e->value.p : "", (unsigned long long)e->revision);
		free(rig.value);
		rig.value = str_dup(e->value);
		rig.value_n = e->value.n;
	}
	answered();
}

static inline char *tag(const char *t)
{
	return (char *)(uintptr_t)t;
}

static inline void put(const char *key, const char *value, uint64_t expected)
{
	rig.waiting += kv_put(rig.kv, str_from(key), str_from(value), expected, on_any, tag("put"), &rig.err) == 0;
}

static inline void get(const char *key)
{
	rig.waiting += kv_get(rig.kv, str_from(key), on_any, tag("get"), &rig.err) == 0;
}

static inline void del(const char *key, uint64_t expected)
{
	rig.waiting += kv_delete(rig.kv, str_from(key), expected, on_any, tag("del"), &rig.err) == 0;
}

static inline void settle(void)
{
	if (rig.waiting)
		ev_loop_run(rig.loop, NULL);
}

static inline const char *take_log(void)
{
	static char copy[sizeof rig.log];
	settle();
	memcpy(copy, rig.log, sizeof copy);
	rig.n = 0;
	rig.log[0] = 0;
	return copy;
}

#endif
