/* SQS over the embedded stores on a folder of its own, with a clock that the test sets, and operations asked as clients do. Included by one
 * program each; tests run one after another. */
#ifndef MAYFLY_SQS_RIG_H
#define MAYFLY_SQS_RIG_H

#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/store/kv_sqlite.h"
#include "core/store/queue_sqlite.h"
#include "services/queue/sqs_api.h"
#include "services/queue/sqs_priv.h"

#define RIG_URL "http://h:1/000000000000/"
#define RIG_ARN "arn:aws:sqs:us-east-1:000000000000:"
#define RIG_ASKS 64

struct rig_ask {
	bool answered;
	int status;
	char type[64], query[128];
	char *body;
};

static struct rig {
	char path[64];
	int dirfd;
	struct ev_loop *loop;
	struct kv *kv;
	struct queue *queue;
	struct settings settings;
	struct sqs *sqs;
	int64_t now_ms;
	struct rig_ask asks[RIG_ASKS];
	struct service_call calls[RIG_ASKS];
	char *bodies[RIG_ASKS];
	unsigned asked, told;
	struct rig_ask *awaited;
	size_t loaded;
	struct error err;
	char name[256];
	bool as_role; /* who asks; else root */
	uint64_t in_flight_max;
} rig;

static inline int rig_remove(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static inline int64_t rig_now(void *arg)
{
	return rig.now_ms;
}

static inline void rig_on_ready(void *arg, size_t queues, const struct error *err)
{
	rig.loaded = err ? SIZE_MAX : queues;
	if (err)
		rig.err = *err;
	ev_loop_stop(rig.loop);
}

static inline bool rig_open(void)
{
	const struct queue_sqlite_options options = {.unsafe_no_sync = true, .now_ms = rig_now};
	rig.kv = kv_sqlite_open(rig.loop, rig.dirfd, NULL, &rig.err);
	rig.queue = rig.kv ? queue_sqlite_open(rig.loop, rig.dirfd, &options, &rig.err) : NULL;
	if (!rig.queue) {
		printf("%s\n", rig.err.msg);
		return false;
	}
	rig.sqs = sqs_new(&(struct sqs_deps){.loop = rig.loop, .kv = rig.kv, .queue = rig.queue, .settings = &rig.settings,
	                                   .in_flight_max = rig.in_flight_max}, &rig.err);
	sqs_load(rig.sqs, rig_on_ready, NULL);
	ev_loop_run(rig.loop, NULL);
	if (rig.loaded == SIZE_MAX)
		printf("%s\n", rig.err.msg);
	return rig.loaded != SIZE_MAX;
}

static inline void rig_close(void)
{
	sqs_closing(rig.sqs);
	queue_close(rig.queue);
	kv_close(rig.kv);
	sqs_free(rig.sqs);
}

static inline bool rig_setup(void)
{
	rig = (struct rig){.path = "/tmp/mayfly-sqs-XXXXXX", .now_ms = 1700000000000};
	char *none[] = {NULL};
	if (settings_parse(&rig.settings, 0, none, none, &rig.err) < 0 || !mkdtemp(rig.path))
		return false;
	rig.dirfd = open(rig.path, O_PATH | O_DIRECTORY);
	rig.loop = ev_loop_new(NULL);
	return rig_open();
}

static inline void rig_forget(void)
{
	for (unsigned i = 0; i < RIG_ASKS; i++) {
		free(rig.asks[i].body);
		free(rig.bodies[i]);
		rig.asks[i].body = rig.bodies[i] = NULL;
	}
}

static inline void rig_teardown(void)
{
	rig_close();
	rig_forget();
	ev_loop_free(rig.loop);
	close(rig.dirfd);
	nftw(rig.path, rig_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static inline bool rig_reopen(void)
{
	rig_close();
	return rig_open();
}

static inline void rig_on_answer(void *answer, const struct service_answer *what)
{
	struct rig_ask *ask = answer;
	if (ask->answered)
		abort();
	ask->answered = true;
	ask->status = what->status;
	snprintf(ask->type, sizeof ask->type, "%s", what->error_type ? what->error_type : "");
	snprintf(ask->query, sizeof ask->query, "%s", what->query_error ? what->query_error : "");
	ask->body = str_dup(what->body);
	if (ask == rig.awaited)
		ev_loop_stop(rig.loop);
}

/* Begins an operation; JSON may hold ' instead of ". */
static inline struct rig_ask *rig_begin(const char *operation, const char *fmt, va_list ap)
{
	unsigned at = rig.asked++ % RIG_ASKS;
	struct rig_ask *ask = &rig.asks[at];
	free(ask->body);
	free(rig.bodies[at]);
	*ask = (struct rig_ask){0};
	if (vasprintf(&rig.bodies[at], fmt, ap) < 0)
		abort();
	for (char *c = rig.bodies[at]; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	rig.calls[at] = (struct service_call){.protocol = SERVICE_JSON, .operation = str_from(operation), .body = str_from(rig.bodies[at]),
	                                      .host = STR("h:1"), .caller_account = STR("000000000000"), .root = !rig.as_role,
	                                      .caller_arn = str_from(rig.as_role ? "arn:aws:sts::000000000000:assumed-role/r/s" : "arn:aws:iam::000000000000:root")};
	sqs_answer(rig.sqs, &rig.calls[at], rig_on_answer, ask);
	return ask;
}

static inline const char *rig_await(struct rig_ask *ask)
{
	rig.awaited = ask;
	if (!ask->answered)
		ev_loop_run(rig.loop, NULL);
	rig.awaited = NULL;
	return ask->body;
}

static inline struct rig_ask *start(const char *operation, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline struct rig_ask *start(const char *operation, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	struct rig_ask *ask = rig_begin(operation, fmt, ap);
	va_end(ap);
	return ask;
}

/* The answer's text; lives until RIG_ASKS further ones. */
static inline const char *ask(const char *operation, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline const char *ask(const char *operation, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	struct rig_ask *a = rig_begin(operation, fmt, ap);
	va_end(ap);
	return rig_await(a);
}

/* "CODE: message" of an operation that is refused, "fine" of one that is not. */
static inline const char *refusal(const char *operation, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline const char *refusal(const char *operation, const char *fmt, ...)
{
	static char text[1400];
	va_list ap;
	va_start(ap, fmt);
	struct rig_ask *a = rig_begin(operation, fmt, ap);
	va_end(ap);
	CLEANUP_JSON json_t *body = json_loads(rig_await(a), 0, NULL);
	snprintf(text, sizeof text, "%s: %s", a->type, json_string_value(json_object_get(body, "message")));
	return a->status == 200 ? "fine" : text;
}

/* The text at a path of members and numbers, "Messages.0.Body"; "(none)" when there is none. */
static inline const char *at(const char *body, const char *path)
{
	static char text[8][4096];
	static unsigned turn;
	char *out = text[turn++ % 8];
	CLEANUP_JSON json_t *root = json_loads(body, JSON_ALLOW_NUL, NULL);
	const json_t *v = root;
	struct str rest = str_from(path), word;
	uint64_t i;
	while (v && str_split(&rest, '.', &word)) {
		char name[256];
		str_copy(name, sizeof name, word);
		v = json_is_array(v) && str_to_u64(word, 1000, &i) == 0 ? json_array_get(v, i) : json_object_get(v, name);
	}
	CLEANUP_FREE char *dump = v && !json_is_string(v) ? json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
	snprintf(out, sizeof text[0], "%s", !v ? "(none)" : dump ? dump : json_string_value(v));
	return out;
}

#endif
