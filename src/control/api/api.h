/* The public endpoint: Lambda, STS and CloudWatch Logs as AWS speaks them, and /_mayfly/ for what is Mayfly's own.
 *
 * Signatures are verified for every AWS operation and for /_mayfly/, but for health and metrics (open on loopback, a bearer
 * token elsewhere) and for links that carry their own token. Used as
 *
 *   http_server_init(&server, loop, &config, &api_http_handler, pool, api_new(&deps, &err))
 *
 * and with api_inside_http_handler for the listener inside each environment: the signature tells who calls. All on the
 * control loop. */
#ifndef MAYFLY_API_API_H
#define MAYFLY_API_API_H

#include <jansson.h>
#include <stdint.h>

#include "control/function/registry.h"
#include "control/identity/identity.h"
#include "control/invoke/invoke.h"
#include "core/base/buf.h"
#include "core/base/error.h"
#include "core/ev/pool.h"
#include "core/http/server.h"
#include "core/spec/service.h"
#include "core/spec/settings.h"
#include "core/store/blob.h"

struct api;
struct async;
struct domains;
struct mappings;
struct metrics;

/* Answers a call of another service. `type` NULL: 200 and `body`; else an error with that AWS type and status. May be
 * called at once or later, exactly once; `body` is copied. */
typedef void api_answer_cb(void *answer, int status, const char *type, struct str body);

/* GET of `path`, or of anything below it when it ends with "/" (`rest` is then what follows, decoded). `query` as sent. Answers once, at
 * once or later: JSON, or an error (status, type, and its message as body). */
struct api_page {
	const char *path;      /* "/_mayfly/queues/" */
	const char *operation; /* "ListQueues": what IAM calls it, behind "mayfly:" */
	void (*answer)(void *arg, struct str rest, struct str query, api_answer_cb *cb, void *answer);
	void *arg;
};

struct api_deps {
	struct ev_loop *loop;
	struct ev_pool *pool;         /* hashing and decoding off the loop */
	struct http_pool *http_pool;
	struct blob_store *blobs;
	const struct settings *settings;
	struct identities *identities;
	struct registry *registry;
	struct invoke *invoke;

	/* CloudWatch Logs, JSON 1.1: `operation` is the part of X-Amz-Target after the dot; `body`, an object or NULL when none was sent,
	 * lives during the call. NULL: those operations answer 501. */
	void (*logs_call)(void *arg, struct str operation, const json_t *body, api_answer_cb *cb, void *answer);
	void *logs_arg;
	struct logs *logs;            /* for StartLiveTail; NULL: 501 */
	/* Prometheus text. NULL: /_mayfly/metrics answers 501. */
	void (*metrics_text)(void *arg, struct buf *out);
	void *metrics_arg;
	/* A JSON object of what runs now, for /_mayfly/environments (see docs/reference/mayfly-api.md). NULL: without it. */
	void (*environments_json)(void *arg, struct buf *out);
	void *environments_arg;
	/* A JSON object of images and what was restored from them, for /_mayfly/snapshots. NULL: it answers 501. */
	void (*snapshots_json)(void *arg, struct buf *out);
	void *snapshots_arg;
	/* Asynchronous invocation, event source mappings; NULL: 501. */
	struct async *async;
	struct mappings *mappings;
	/* Host names of one's own for function URLs; NULL: none. */
	struct domains *domains;
	/* Counts requests to function URLs; NULL: nobody does. */
	struct metrics *metrics;
	/* Services with an API of their own (SQS, EventBridge, Scheduler), ended by a row without name; NULL: none. The door finds the row by
	 * X-Amz-Target, by the service name in the signature's scope (forms to "/"), by /<account>/<name>, or by the path's first segment;
	 * checks the signature for row->name and the right to "<name>:<operation>"; and hands the call on. See core/spec/service.h. */
	const struct service_row *services;
	/* Further signed pages below /_mayfly/, ended by a row without path; NULL: none. */
	const struct api_page *pages;
	/* Said by /_mayfly/health; NULL: always healthy. Fills why (at most size bytes) when not. */
	int (*healthy)(void *arg, char *why, unsigned size);
	void *healthy_arg;
};

extern const struct http_handler api_http_handler; /* http_server.arg is the struct api */
/* For the listeners inside environments: as the other, but their loopback addresses are no reason for trust. */
extern const struct http_handler api_inside_http_handler;

struct api *api_new(const struct api_deps *deps, struct error *err); /* deps is copied */
void api_free(struct api *api); /* after the servers that use it were released and invocations have ended */

#endif
