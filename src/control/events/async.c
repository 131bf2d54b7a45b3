/* Life, accepting events, deliveries to functions. */
#include <stdlib.h>
#include <string.h>

#include "control/events/async_priv.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/codec.h"
#include "core/json/check.h"
#include "core/spec/limits.h"

struct async *async_new(const struct async_deps *deps, struct error *err)
{
	struct async *a = calloc(1, sizeof *a);
	if (!a) {
		error_set(err, ERR_NO_MEMORY, "no memory for asynchronous events");
		return NULL;
	}
	a->deps = *deps;
	async_init_poll(a);
	return a;
}

void async_free(struct async *a)
{
	if (!a)
		return;
	a->closing = true;
	ev_defer_cancel(&a->turn);
	ev_timer_stop(&a->retry);
	HASH_FOREACH(n, &a->functions)
		async_function_free(HASH_ENTRY(n, struct async_function, by_name));
	hash_release(&a->functions);
	async_untold_free(a);
	free(a);
}

void async_drain(struct async *a)
{
	a->draining = true;
}

void async_on_idle(struct async *a, void (*on_idle)(void *arg), void *arg)
{
	a->on_idle = on_idle;
	a->idle_arg = arg;
}

bool async_busy(const struct async *a)
{
	return a->running || a->settling || a->calls;
}

/* ---- accepting ---- */

struct acceptance {
	struct async *async;
	async_accepted_cb *cb;
	void *arg;
	struct ev_defer defer; /* to refuse, later */
	struct error err;
	uint64_t begun_ns;
	struct queue_publish message;
	struct buf head;
	char request_id[UUID_SIZE], queue[sizeof ASYNC_PREFIX + FUNCTION_NAME_MAX], once[SHA256_HEX_SIZE];
};

static void answer(struct acceptance *acc, const struct error *err)
{
	acc->cb(acc->arg, acc->request_id, err);
	buf_release(&acc->head);
	free(acc);
}

static void on_refused(struct ev_defer *defer)
{
	struct acceptance *acc = CONTAINER_OF(defer, struct acceptance, defer);
	answer(acc, &acc->err);
}

static void refuse(struct acceptance *acc)
{
	ev_defer_init(&acc->defer, on_refused);
	ev_defer_run(acc->async->deps.loop, &acc->defer);
}

static void on_published(void *arg, const struct queue_published *results, size_t n, const struct error *err)
{
	struct acceptance *acc = arg;
	struct async_deps *deps = &acc->async->deps;
	if (err) {
		answer(acc, err);
		return;
	}
	struct str name = str_sub(str_from(acc->queue), strlen(ASYNC_PREFIX), sizeof acc->queue);
	async_id_text(acc->request_id, results->id);
	metrics_observe(deps->metrics, METRIC_STORE_COMMIT, 0, 0, clock_mono_ns() - acc->begun_ns);
	if (!results->duplicate) {
		struct history_line line = {.step = HISTORY_ACCEPTED, .request_id = str_from(acc->request_id), .function = name,
		                            .sequence = results->sequence};
		metrics_add(deps->metrics, METRIC_ASYNC_ACCEPTED, metrics_function(deps->metrics, name), 0, 1);
		history_note(deps->history, &line);
	}
	answer(acc, NULL);
}

static struct str once_key(struct acceptance *acc, struct str once)
{
	if (!once.p || once.n <= QUEUE_DEDUP_MAX)
		return once;
	sha256_hex(acc->once, once.p, once.n);
	return str_from(acc->once);
}

static int fill(struct acceptance *acc, const struct async_event *event)
{
	struct registry_async config;
	const struct function_ref *ref = event->function;
	if (registry_async(acc->async->deps.registry, ref->name, ref->qualifier, &config, &acc->err) < 0)
		return -1;
	ASSERT(ref->name.n <= FUNCTION_NAME_MAX); /* it exists */
	buf_init(&acc->head, QUEUE_HEAD_MAX);
	if (async_head_write(&acc->head, event, config.incarnation) < 0)
		return error_set(&acc->err, ERR_TOO_LARGE, "the event's headers have more than %d bytes", QUEUE_HEAD_MAX);
	snprintf(acc->queue, sizeof acc->queue, ASYNC_PREFIX STR_FMT, STR_ARG(ref->name));
	if (*event->request_id)
		memcpy(acc->request_id, event->request_id, sizeof acc->request_id);
	else
		uuid4(acc->request_id);
	acc->message = (struct queue_publish){.queue = str_from(acc->queue), .head = buf_str(&acc->head), .body = event->payload,
	                                      .dedup = once_key(acc, event->once)};
	if (async_id_parse(acc->message.id, acc->request_id) < 0)
		return error_set(&acc->err, ERR_USAGE, "request ids are UUIDs");
	return 0;
}

void async_accept(struct async *a, const struct async_event *event, async_accepted_cb *cb, void *arg)
{
	struct acceptance *acc = calloc(1, sizeof *acc);
	ASSERT(acc);
	*acc = (struct acceptance){.async = a, .cb = cb, .arg = arg, .begun_ns = clock_mono_ns()};
	if (fill(acc, event) < 0 || queue_publish(a->deps.queue, &acc->message, 1, on_published, acc, &acc->err) < 0)
		refuse(acc);
}

/* ---- deliveries ---- */

struct arrival {
	delivery_cb *cb;
	void *arg;
	struct ev_defer defer;
	struct error err;
};

static void on_arrived(void *arg, const char *request_id, const struct error *err)
{
	struct arrival *arrival = arg;
	arrival->cb(arrival->arg, err);
	free(arrival);
}

static void on_turned_away(struct ev_defer *defer)
{
	struct arrival *arrival = CONTAINER_OF(defer, struct arrival, defer);
	on_arrived(arrival, NULL, &arrival->err);
}

static int check_permission(struct async *a, const struct delivery *d, const struct function_ref *ref, struct error *err)
{
	if (!d->service.p || registry_permits(a->deps.registry, ref->name, ref->qualifier, STR("lambda:InvokeFunction"), d->service,
	                                        d->source_arn, d->source_account))
		return 0;
	return error_set(err, ERR_ACCESS_DENIED, "the policy of " STR_FMT " does not allow " STR_FMT " to invoke it",
	                 STR_ARG(str_sub(d->target, 0, 120)), STR_ARG(str_sub(d->service, 0, 60)));
}

static int check_delivery(struct async *a, const struct delivery *d, struct function_ref *ref, struct error *err)
{
	const struct settings *s = a->deps.settings;
	struct registry_async config;
	struct registry_target target;
	struct json_check check;
	if (!function_ref_parse(ref, d->target))
		return error_set(err, ERR_NOT_FOUND, "no function's ARN: " STR_FMT, STR_ARG(str_sub(d->target, 0, 200)));
	if ((ref->region.p && !str_eqz(ref->region, s->region)) || (ref->account.p && !str_eqz(ref->account, s->account)))
		return error_set(err, ERR_NOT_FOUND, "a function of another region or account: " STR_FMT, STR_ARG(str_sub(d->target, 0, 180)));
	if (registry_async(a->deps.registry, ref->name, ref->qualifier, &config, err) < 0 || check_permission(a, d, ref, err) < 0)
		return -1;
	if (registry_resolve(a->deps.registry, ref->name, ref->qualifier, &target, NULL) == 0 &&
	    function_version_check_tenant(target.version, STR_NULL, err) < 0)
		return -1;
	if (d->payload.n > LIMIT_EVENT_BYTES)
		return error_set(err, ERR_TOO_LARGE, "%zu bytes are too much for an event (%u)", d->payload.n, LIMIT_EVENT_BYTES);
	if (d->payload.n && json_check_all(&check, d->payload.p, d->payload.n) < 0)
		return error_set(err, ERR_INVALID, "the event is not JSON");
	return 0;
}

void async_deliver(struct async *a, const struct delivery *d, delivery_cb *cb, void *arg)
{
	struct function_ref ref;
	struct arrival *arrival = calloc(1, sizeof *arrival);
	ASSERT(arrival);
	*arrival = (struct arrival){.cb = cb, .arg = arg};
	if (check_delivery(a, d, &ref, &arrival->err) < 0) {
		ev_defer_init(&arrival->defer, on_turned_away);
		ev_defer_run(a->deps.loop, &arrival->defer);
		return;
	}
	struct async_event event = {.function = &ref, .payload = d->payload, .trace_header = d->trace_header,
	                            .source_arn = d->source_arn, .once = d->once};
	async_accept(a, &event, on_arrived, arrival);
}
