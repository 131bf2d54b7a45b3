/* Joins the parts that do not know each other: who reaches which kind of target (struct deliverer), what pollers poll (struct source_row), what the
 * front end hands on (struct service_row), and the pages below /_mayfly/ that need several parts.
 *
 * Order of life: made before the API, loaded after the registry (queues, then mappings, buses, schedules), started before the front end
 * opens; freed after the stores were closed. */
#ifndef MAYFLY_BIN_CONTROL_SERVICES_H
#define MAYFLY_BIN_CONTROL_SERVICES_H

#include "control/api/api.h"
#include "control/events/async.h"
#include "control/events/mapping.h"
#include "core/ev/pool.h"
#include "core/store/kv.h"
#include "core/store/queue.h"

struct services;

struct services_deps {
	struct ev_loop *loop;
	struct ev_pool *pool;
	struct http_pool *http_pool;
	struct kv *kv;
	int store_dirfd, data_dirfd; /* DIR/store, DIR; the caller's */
	const struct settings *settings;
	struct registry *registry;
	struct invoke *invoke;
	struct metrics *metrics;
};

struct services *services_new(const struct services_deps *deps, struct error *err);
/* Fills in what the API needs: async, mappings, services, pages. */
void services_join_api(struct services *s, struct api_deps *deps);
typedef void services_ready_cb(void *arg, const struct error *err);
void services_load(struct services *s, services_ready_cb *cb, void *arg);
/* No new asynchronous invocations and batches. `on_idle` comes, once or several times, when services_busy has become false. */
void services_drain(struct services *s, void (*on_idle)(void *arg), void *arg);
bool services_busy(const struct services *s); /* what ran is not yet acknowledged in the store */
void services_close(struct services *s);     /* the queue store; before services_free */
void services_free(struct services *s);      /* NULL is fine */
void services_gauges(struct services *s);    /* into metrics, before they are shown */
/* Of the registry's reports. */
void services_function_deleted(struct services *s, struct str name);
void services_async_changed(struct services *s, struct str name);

#endif
