/* Zygotes: processes (mayfly-restore) that hold one image each in memory and fork environments from it.
 *
 * One is started for the first environment that asks (zygote_want), and serves all that ask while it loads. Those that are
 * ready stay, together within --snapshot-memory, and go when others need the room, the longest unused first; an image larger
 * than all of that gets a zygote for the environments that wait at the moment. Zygotes are in a control group of their own,
 * and end with mayflyd. An environment holds its zygote (`users`) from zygote_want to zygote_put. */
#ifndef MAYFLYD_ZYGOTES_H
#define MAYFLYD_ZYGOTES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bin/mayflyd/attacher.h"
#include "core/base/list.h"
#include "core/ev/ev.h"
#include "isolation/sandbox/sandbox.h"

#define ZYGOTE_GROUP CGROUP_ZYGOTES /* the one group of all */

struct server;
struct image_entry;

struct zygote {
	struct list link;
	struct server *server;
	struct image_entry *image; /* NULL once it is ending */
	bool ready;
	bool once;       /* too large to stay */
	unsigned users;
	uint64_t used;   /* as images.h counts */
	uint64_t bytes;  /* that it holds */
	uint64_t asked_ns;
	unsigned lessons;   /* given so far */
	uint64_t lesson_ns; /* the last one is over */
	struct image_facts facts;
	pid_t pid;
	int pidfd, sock;
	struct ev_io io;
	struct ev_timer timer;
};

struct zygotes {
	struct list all;
	uint64_t limit_bytes, loads;
};

void zygotes_init(struct server *s);
void zygotes_release(struct server *s);

/* The image's zygote, loading or ready, held for the caller. `code`: the folders that the sandboxes will have. */
struct zygote *zygote_want(struct server *s, struct image_entry *image, const struct sandbox_attach *code, struct error *err);
/* worked: a runtime was restored from it. */
void zygote_put(struct zygote *z, bool worked);
/* Until when an environment that is restored now has to stay for the zygote to learn which pages it uses; 0: it need not. */
uint64_t zygote_teach(struct zygote *z);
/* Whoever waits for it is told (env_zygote_failed); its image is left alone. */
void zygote_end(struct server *s, struct zygote *z);
/* A child was reaped; true when it was one of these (its socket may be open still, in a child of its own). */
bool zygote_reaped(struct server *s, pid_t pid);
/* It did not answer in time, or died at work: it ends, and counts as a failure of its image. */
void zygote_suspect(struct zygote *z, const char *why);

/* In the child that becomes the zygote; returns only when it fails. */
int zygote_become(struct server *s, const struct zygote *z, const struct sandbox_attach *code, int sock, int image_fd, struct error *err);

/* What the loader says before it is mayfly-restore. */
struct zygote_word {
	int32_t code, sys; /* enum error_code; 0: the facts are learned, and mayfly-restore goes on */
	char msg[240];
	struct image_facts facts;
};

#endif
