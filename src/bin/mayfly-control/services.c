#include "bin/mayfly-control/services.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "bin/mayfly-control/pages.h"
#include "bin/mayfly-control/source_sqs.h"
#include "control/events/history.h"
#include "control/metrics/metrics.h"
#include "core/base/cleanup.h"
#include "core/spec/arn.h"
#include "core/store/queue_sqlite.h"
#include "services/events/bus.h"
#include "services/events/scheduler.h"
#include "services/queue/sqs_api.h"

#define SERVICE_BODY_MAX (4u << 20) /* PutEvents takes 1 MiB of events, whose quotes are escaped */
#define SQS_FORM_MAX (4u << 20) /* a form's escapes make a batch of 1 MiB up to three times as long */

enum { ROW_SQS, ROW_BUS, ROW_SCHEDULER, ROWS };

struct services {
	struct services_deps deps;
	struct queue *queue;
	struct when_zones *zones;
	struct sqs *sqs;
	struct bus *bus;
	struct scheduler *scheduler;
	int events_fd; /* DIR/events */
	struct history *history;
	struct async *async;
	struct mappings *mappings;
	struct service_row rows[ROWS + 1];
	struct source_row sources[2]; /* ended by an empty one */
	struct pages pages;
	services_ready_cb *ready;
	void *ready_arg;
};

/* ---- targets: who takes what an ARN names ---- */

struct sending {
	delivery_cb *cb;
	void *arg;
	struct sqs_attribute attributes[DELIVERY_ATTRIBUTES_MAX];
};

static void on_sent(void *arg, const char message_id[UUID_SIZE], const struct error *err)
{
	struct sending *sending = arg;
	delivery_cb *cb = sending->cb;
	void *cb_arg = sending->arg;
	free(sending);
	cb(cb_arg, err);
}

static void deliver_to_queue(struct services *s, const struct delivery *d, delivery_cb *cb, void *arg)
{
	struct sending *sending = calloc(1, sizeof *sending);
	ASSERT(sending && d->attribute_count <= DELIVERY_ATTRIBUTES_MAX);
	*sending = (struct sending){.cb = cb, .arg = arg};
	for (size_t i = 0; i < d->attribute_count; i++)
		sending->attributes[i] = (struct sqs_attribute){d->attributes[i].name, d->attributes[i].type, d->attributes[i].value};
	sqs_send(s->sqs, &(struct sqs_send){.arn = d->target, .body = d->payload, .group = d->group, .dedup = d->once,
	         .trace_header = d->trace_header, .sender = d->service, .policy_service = d->service,
	         .policy_source_arn = d->source_arn, .attributes = sending->attributes, .attribute_count = d->attribute_count},
	         on_sent, sending);
}

static void deliver_to_function(struct services *s, const struct delivery *d, delivery_cb *cb, void *arg)
{
	async_deliver(s->async, d, cb, arg);
}

static void deliver_to_bus(struct services *s, const struct delivery *d, delivery_cb *cb, void *arg)
{
	bus_deliver(s->bus, d, cb, arg);
}

/* A target of a kind that nobody serves: told later, as any other. */
struct refusal {
	struct ev_defer defer;
	delivery_cb *cb;
	void *arg;
};

static void on_refusal(struct ev_defer *defer)
{
	struct refusal *r = CONTAINER_OF(defer, struct refusal, defer);
	struct refusal copy = *r;
	free(r);
	copy.cb(copy.arg, &(struct error){.code = ERR_UNSUPPORTED, .msg = "there is no such kind of target here"});
}

static void refuse(struct services *s, delivery_cb *cb, void *arg)
{
	struct refusal *r = calloc(1, sizeof *r);
	ASSERT(r);
	*r = (struct refusal){.cb = cb, .arg = arg};
	ev_defer_init(&r->defer, on_refusal);
	ev_defer_run(s->deps.loop, &r->defer);
}

static const struct {
	const char *service;
	void (*deliver)(struct services *s, const struct delivery *d, delivery_cb *cb, void *arg);
} targets[] = {{"lambda", deliver_to_function}, {"sqs", deliver_to_queue}, {"events", deliver_to_bus}};

static void deliver(void *arg, const struct delivery *d, delivery_cb *cb, void *cb_arg)
{
	struct services *s = arg;
	struct arn arn;
	if (arn_parse(&arn, d->target)) {
		for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
			if (str_eqz(arn.service, targets[i].service)) {
				targets[i].deliver(s, d, cb, cb_arg);
				return;
			}
		}
	}
	refuse(s, cb, cb_arg);
}

/* ---- making ---- */

static void on_commit(void *arg, uint64_t ns)
{
	struct services *s = arg;
	metrics_observe(s->deps.metrics, METRIC_STORE_COMMIT, 0, 0, ns);
}

static int make_services(struct services *s, struct error *err)
{
	const struct services_deps *d = &s->deps;
	struct bus_deps bus = {.loop = d->loop, .kv = d->kv, .queue = s->queue, .settings = d->settings, .deliverer = {deliver, s}};
	s->zones = bus.zones = when_zones_new(err);
	s->sqs = s->zones ? sqs_new(&(struct sqs_deps){.loop = d->loop, .kv = d->kv, .queue = s->queue, .settings = d->settings,
	                    .committed = on_commit, .committed_arg = s}, err) : NULL;
	s->bus = s->sqs ? bus_new(&bus, err) : NULL;
	s->scheduler = s->bus ? scheduler_new(&bus, err) : NULL;
	return s->scheduler ? 0 : -1;
}

static int make_events(struct services *s, struct error *err)
{
	const struct services_deps *d = &s->deps;
	s->events_fd = openat(d->data_dirfd, "events", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (s->events_fd < 0)
		return error_sys(err, "cannot open the folder events of the data folder");
	s->history = history_new(d->loop, d->pool, s->events_fd, d->settings->event_history_mb << 20, err);
	if (!s->history)
		return -1;
	s->async = async_new(&(struct async_deps){.loop = d->loop, .queue = s->queue, .registry = d->registry, .invoke = d->invoke,
	                     .metrics = d->metrics, .history = s->history, .http_pool = d->http_pool, .settings = d->settings,
	                     .deliverer = {deliver, s}}, err);
	if (!s->async)
		return -1;
	s->sources[0] = (struct source_row){"sqs", &source_sqs_ops, s->sqs};
	s->mappings = mappings_new(&(struct mappings_deps){.loop = d->loop, .kv = d->kv, .registry = d->registry, .invoke = d->invoke,
	                           .metrics = d->metrics, .http_pool = d->http_pool, .settings = d->settings, .sources = s->sources}, err);
	return s->mappings ? 0 : -1;
}

static void fill_rows(struct services *s)
{
	s->rows[ROW_SQS] = (struct service_row){.name = "sqs", .target = sqs_target, .json_type = "application/x-amz-json-1.0",
	                                        .query = true, .body_max = SQS_FORM_MAX, .answer = sqs_answer, .gone = sqs_gone,
	                                        .service = s->sqs};
	s->rows[ROW_BUS] = (struct service_row){.name = "events", .target = bus_target, .json_type = "application/x-amz-json-1.1",
	                                        .body_max = SERVICE_BODY_MAX, .answer = bus_answer, .service = s->bus};
	s->rows[ROW_SCHEDULER] = (struct service_row){.name = "scheduler", .json_type = "application/json", .paths = scheduler_paths,
	                                              .body_max = SERVICE_BODY_MAX, .answer = scheduler_answer, .service = s->scheduler};
}

struct services *services_new(const struct services_deps *deps, struct error *err)
{
	struct services *s = calloc(1, sizeof *s);
	if (!s) {
		error_set(err, ERR_NO_MEMORY, "no memory for services");
		return NULL;
	}
	s->deps = *deps;
	s->events_fd = -1;
	s->queue = queue_sqlite_open(deps->loop, deps->store_dirfd, NULL, err);
	if (s->queue && make_services(s, err) == 0 && make_events(s, err) == 0) {
		fill_rows(s);
		s->pages = (struct pages){.queue = s->queue, .sqs = s->sqs, .async = s->async, .history = s->history, .settings = deps->settings};
		pages_init(&s->pages);
		return s;
	}
	services_close(s);
	services_free(s);
	return NULL;
}

void services_join_api(struct services *s, struct api_deps *deps)
{
	deps->async = s->async;
	deps->mappings = s->mappings;
	deps->services = s->rows;
	deps->pages = s->pages.rows;
}

/* ---- loading, one after the other ---- */

static void on_scheduler(void *arg, size_t schedules, const struct error *err)
{
	struct services *s = arg;
	if (!err)
		async_start(s->async);
	s->ready(s->ready_arg, err);
}

static void on_bus(void *arg, size_t rules, const struct error *err)
{
	struct services *s = arg;
	if (err)
		s->ready(s->ready_arg, err);
	else
		scheduler_load(s->scheduler, on_scheduler, s);
}

static void on_queue_changed(void *arg, struct str arn, bool exists)
{
	mappings_source_changed(arg, arn);
}

static void on_mappings(void *arg, size_t count, const struct error *err)
{
	struct services *s = arg;
	sqs_on_change(s->sqs, on_queue_changed, s->mappings);
	if (err)
		s->ready(s->ready_arg, err);
	else
		bus_load(s->bus, on_bus, s);
}

static void on_sqs(void *arg, size_t queues, const struct error *err)
{
	struct services *s = arg;
	if (err)
		s->ready(s->ready_arg, err);
	else
		mappings_load(s->mappings, on_mappings, s);
}

void services_load(struct services *s, services_ready_cb *cb, void *arg)
{
	s->ready = cb;
	s->ready_arg = arg;
	sqs_load(s->sqs, on_sqs, s);
}

/* ---- life ---- */

bool services_busy(const struct services *s)
{
	return async_busy(s->async) || mappings_busy(s->mappings) || bus_busy(s->bus) || scheduler_busy(s->scheduler);
}

void services_drain(struct services *s, void (*on_idle)(void *arg), void *arg)
{
	async_on_idle(s->async, on_idle, arg);
	async_drain(s->async);
	mappings_on_idle(s->mappings, on_idle, arg);
	mappings_drain(s->mappings);
	bus_drain(s->bus, on_idle, arg);
	scheduler_drain(s->scheduler, on_idle, arg);
}

/* What the store still tells while it closes must not ask what is gone already. */
static void forget_idle(struct services *s)
{
	if (s->async)
		async_on_idle(s->async, NULL, NULL);
	if (s->mappings)
		mappings_on_idle(s->mappings, NULL, NULL);
	if (s->bus)
		bus_drain(s->bus, NULL, NULL);
	if (s->scheduler)
		scheduler_drain(s->scheduler, NULL, NULL);
}

void services_close(struct services *s)
{
	if (!s)
		return;
	forget_idle(s);
	sqs_closing(s->sqs);
	queue_close(STEAL_PTR(s->queue));
}

void services_free(struct services *s)
{
	if (!s)
		return;
	mappings_free(s->mappings);
	async_free(s->async);
	history_free(s->history);
	if (s->events_fd >= 0)
		close(s->events_fd);
	scheduler_free(s->scheduler);
	bus_free(s->bus);
	sqs_free(s->sqs);
	when_zones_free(s->zones);
	free(s);
}

static bool add_queue(void *arg, struct str name, const struct queue_stats *stats)
{
	struct queue_stats *sum = arg;
	sum->visible += stats->visible;
	sum->leased += stats->leased;
	sum->delayed += stats->delayed;
	return true;
}

static void queue_gauges(struct services *s)
{
	struct queue_stats sum = {0};
	struct sqs_counts sqs;
	sqs_count(s->sqs, &sqs);
	metrics_set(s->deps.metrics, METRIC_QUEUE_SENT, 0, 0, sqs.sent);
	metrics_set(s->deps.metrics, METRIC_QUEUE_RECEIVED, 0, 0, sqs.received);
	queue_list(s->queue, STR("sqs/"), STR(""), add_queue, &sum);
	metrics_set(s->deps.metrics, METRIC_QUEUE_MESSAGES, QUEUE_LABEL_VISIBLE, 0, sum.visible);
	metrics_set(s->deps.metrics, METRIC_QUEUE_MESSAGES, QUEUE_LABEL_LEASED, 0, sum.leased);
	metrics_set(s->deps.metrics, METRIC_QUEUE_MESSAGES, QUEUE_LABEL_DELAYED, 0, sum.delayed);
}

static void event_gauges(struct services *s)
{
	struct mappings_counts mappings;
	struct bus_counts bus;
	struct scheduler_counts scheduler;
	mappings_count(s->mappings, &mappings);
	bus_count(s->bus, &bus);
	scheduler_count(s->scheduler, &scheduler);
	metrics_set(s->deps.metrics, METRIC_MAPPINGS, 0, 0, mappings.enabled);
	metrics_set(s->deps.metrics, METRIC_MAPPING_RUNNING, 0, 0, mappings.in_flight);
	metrics_set(s->deps.metrics, METRIC_EVENTS_PUT, 0, 0, bus.put);
	metrics_set(s->deps.metrics, METRIC_EVENTS_MATCHED, 0, 0, bus.matched);
	metrics_set(s->deps.metrics, METRIC_EVENTS_DELIVERED, 0, 0, bus.delivered);
	metrics_set(s->deps.metrics, METRIC_EVENTS_FAILED, 0, 0, bus.failed + scheduler.dead);
	metrics_set(s->deps.metrics, METRIC_SCHEDULE_FIRES, 0, 0, bus.scheduled + scheduler.fired);
	metrics_set(s->deps.metrics, METRIC_SCHEDULE_MISSED, 0, 0, bus.missed + scheduler.missed);
}

void services_gauges(struct services *s)
{
	struct async_counts async;
	async_count(s->async, &async);
	metrics_set(s->deps.metrics, METRIC_ASYNC_WAITING, 0, 0, async.waiting);
	metrics_set(s->deps.metrics, METRIC_ASYNC_AGE, 0, 0, (uint64_t)async.oldest_age_ms / 1000);
	metrics_set(s->deps.metrics, METRIC_ASYNC_LAG, 0, 0, (uint64_t)async.lag_ms / 1000);
	queue_gauges(s);
	event_gauges(s);
}

void services_function_deleted(struct services *s, struct str name)
{
	async_function_deleted(s->async, name);
}

void services_async_changed(struct services *s, struct str name)
{
	async_function_changed(s->async, name);
}
