/* Buses and schedules over a real store on a folder of its own, a wall clock that the test sets, and targets that the test answers for. */
#ifndef TESTS_UNIT_EVENTS_RIG_H
#define TESTS_UNIT_EVENTS_RIG_H

#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/json/value.h"
#include "core/store/kv_sqlite.h"
#include "core/store/queue_sqlite.h"
#include "services/events/bus.h"
#include "services/events/scheduler.h"
#include "tests/unit/test.h"

#define TAKEN_MAX 64

struct taken { /* one delivery */
	char target[200], payload[4096], once[100], service[40], source_arn[200], group[40], trace[100], attributes[2048], type[200];
};

static struct events_rig {
	char path[64];
	int dirfd;
	struct ev_loop *loop;
	struct kv *kv;
	struct queue *queue;
	struct when_zones *zones;
	struct settings settings;
	struct bus *bus;
	struct scheduler *scheduler;
	int64_t wall_ms;
	struct taken taken[TAKEN_MAX];
	size_t count, want;
	struct error refuse;      /* what targets say; code 0: taken */
	char refuse_only[200];    /* this target alone; "": all */
	unsigned refusals;        /* so many times; 0: always */
	size_t store_bytes;       /* what the queue's store takes at a time, from the next opening on; 0: enough */
	int status;
	char body[65536], type[100];
	struct ev_timer patience;
	struct error err;
} rig;

static inline int64_t rig_wall(void *arg)
{
	return rig.wall_ms;
}

struct rig_answer {
	struct ev_defer defer;
	delivery_cb *cb;
	void *arg;
	struct error err;
};

static inline void on_rig_answer(struct ev_defer *defer)
{
	struct rig_answer copy = *CONTAINER_OF(defer, struct rig_answer, defer);
	free(CONTAINER_OF(defer, struct rig_answer, defer));
	copy.cb(copy.arg, copy.err.code ? &copy.err : NULL);
}

static inline void rig_copy(char *dst, size_t size, struct str s)
{
	size_t n = s.n < size ? s.n : size - 1;
	if (n)
		memcpy(dst, s.p, n);
	dst[n] = 0;
}

static inline void rig_deliver(void *arg, const struct delivery *d, delivery_cb *cb, void *cb_arg)
{
	struct taken *t = &rig.taken[rig.count % TAKEN_MAX];
	struct rig_answer *a = calloc(1, sizeof *a);
	rig_copy(t->target, sizeof t->target, d->target);
	rig_copy(t->payload, sizeof t->payload, d->payload);
	rig_copy(t->once, sizeof t->once, d->once);
	rig_copy(t->service, sizeof t->service, d->service.p ? d->service : d->role);
	rig_copy(t->source_arn, sizeof t->source_arn, d->source_arn);
	rig_copy(t->group, sizeof t->group, d->group);
	rig_copy(t->trace, sizeof t->trace, d->trace_header);
	rig_copy(t->type, sizeof t->type, d->bus_detail_type);
	t->attributes[0] = 0;
	for (size_t i = 0, n = 0; i < d->attribute_count; i++)
		n += (size_t)snprintf(t->attributes + n, sizeof t->attributes - n, "%s=" STR_FMT ";", d->attributes[i].name,
		                      STR_ARG(d->attributes[i].value));
	*a = (struct rig_answer){.cb = cb, .arg = cb_arg};
	ev_defer_init(&a->defer, on_rig_answer);
	if (rig.refuse.code && (!rig.refuse_only[0] || !strcmp(rig.refuse_only, t->target))) {
		a->err = rig.refuse;
		if (rig.refusals && --rig.refusals == 0)
			rig.refuse.code = ERR_OK;
	}
	if (++rig.count >= rig.want)
		ev_loop_stop(rig.loop);
	ev_defer_run(rig.loop, &a->defer);
}

static inline void on_rig_ready(void *arg, size_t n, const struct error *err)
{
	rig.status = err ? -1 : (int)n;
	rig.err = err ? *err : (struct error){0};
	ev_loop_stop(rig.loop);
}

static inline bool rig_open(void)
{
	struct bus_deps deps = {.loop = rig.loop, .settings = &rig.settings, .deliverer = {rig_deliver, NULL}, .wall_ms = rig_wall};
	const struct kv_sqlite_options kv_options = {.unsafe_no_sync = true};
	const struct queue_sqlite_options queue_options = {.unsafe_no_sync = true, .calls_max_bytes = rig.store_bytes};
	rig.kv = deps.kv = kv_sqlite_open(rig.loop, rig.dirfd, &kv_options, &rig.err);
	rig.queue = deps.queue = rig.kv ? queue_sqlite_open(rig.loop, rig.dirfd, &queue_options, &rig.err) : NULL;
	rig.zones = deps.zones = when_zones_new(&rig.err);
	rig.bus = rig.queue ? bus_new(&deps, &rig.err) : NULL;
	rig.scheduler = rig.bus ? scheduler_new(&deps, &rig.err) : NULL;
	if (!rig.scheduler)
		return false;
	bus_load(rig.bus, on_rig_ready, NULL);
	ev_loop_run(rig.loop, NULL);
	if (rig.status < 0)
		return false;
	scheduler_load(rig.scheduler, on_rig_ready, NULL);
	ev_loop_run(rig.loop, NULL);
	return rig.status >= 0;
}

static inline bool rig_start(void)
{
	static char *const none[] = {NULL};
	memset(&rig, 0, sizeof rig);
	strcpy(rig.path, "/tmp/mayfly-events-XXXXXX");
	if (!mkdtemp(rig.path) || settings_parse(&rig.settings, 0, none, none, &rig.err) < 0)
		return false;
	rig.settings.retry_scale = 1;
	rig.dirfd = open(rig.path, O_PATH | O_DIRECTORY);
	rig.loop = ev_loop_new(NULL);
	rig.wall_ms = 1784280600000; /* 2026-07-17T09:30:00Z, a Friday */
	rig.want = 1000000;
	return rig_open();
}

static inline void on_rig_patience(struct ev_timer *timer)
{
	ev_loop_stop(rig.loop);
}

/* Rounds for what is under way. */
static inline void rig_settle(unsigned ms)
{
	rig.patience.cb = on_rig_patience;
	ev_timer_after(rig.loop, &rig.patience, ms * NS_PER_MS);
	ev_loop_run(rig.loop, NULL);
	ev_timer_stop(&rig.patience);
}

/* Until so many deliveries were made since the last rig_clear; at most 5 s. */
static inline size_t rig_wait(size_t n)
{
	rig.want = n;
	if (rig.count < n)
		rig_settle(5000);
	rig.want = 1000000;
	rig_settle(20);
	return rig.count;
}

static inline void rig_clear(void)
{
	rig.count = 0;
	memset(rig.taken, 0, sizeof rig.taken);
}

static inline void rig_close(void)
{
	queue_close(rig.queue);
	kv_close(rig.kv);
	scheduler_free(rig.scheduler);
	bus_free(rig.bus);
	when_zones_free(rig.zones);
	rig.queue = NULL;
	rig.kv = NULL;
}

/* As after `kill -9` (what was on its way is forgotten), with the wall clock set to that. */
static inline bool rig_restart(int64_t wall_ms)
{
	rig_close();
	rig.wall_ms = wall_ms;
	rig_clear();
	return rig_open();
}

static inline int rig_unlink(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static inline void rig_stop(void)
{
	rig_settle(5);
	rig_close();
	ev_loop_free(rig.loop);
	close(rig.dirfd);
	nftw(rig.path, rig_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- calls ---- */

static inline void on_rig_call(void *answer, const struct service_answer *what)
{
	rig.status = what->status;
	rig_copy(rig.body, sizeof rig.body, what->body);
	rig_copy(rig.type, sizeof rig.type, str_from(what->error_type ? what->error_type : ""));
	*(bool *)answer = true;
	ev_loop_stop(rig.loop);
}

static inline void rig_finish(bool *done)
{
	for (unsigned i = 0; !*done && i < 200; i++)
		rig_settle(50);
}

/* The answer's text, until the next call. */
static inline const char *call(const char *operation, const char *body)
{
	bool done = false;
	struct service_call c = {.protocol = SERVICE_JSON, .operation = str_from(operation), .body = str_from(body), .request_id = STR("r")};
	bus_answer(rig.bus, &c, on_rig_call, &done);
	rig_finish(&done);
	return done ? rig.body : "no answer";
}

static inline const char *rest(const char *method, const char *path, const char *query, const char *body)
{
	bool done = false;
	struct service_call c = {.protocol = SERVICE_REST, .method = str_from(method), .path = str_from(path), .query = str_from(query),
	                         .body = str_from(body), .request_id = STR("r")};
	scheduler_answer(rig.scheduler, &c, on_rig_call, &done);
	rig_finish(&done);
	return done ? rig.body : "no answer";
}

#endif
