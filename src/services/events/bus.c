#include "services/events/bus.h"

#include <stdlib.h>
#include <string.h>

struct bus {
	struct bus_deps deps;
	struct ev_defer ready;
	bus_ready_cb *ready_cb;
	void *ready_arg;
};

const char bus_target[] = "AWSEvents.";

static void on_ready(struct ev_defer *defer)
{
	struct bus *b = CONTAINER_OF(defer, struct bus, ready);
	b->ready_cb(b->ready_arg, 0, NULL);
}

struct bus *bus_new(const struct bus_deps *deps, struct error *err)
{
	struct bus *b = calloc(1, sizeof *b);
	if (!b) {
		error_set(err, ERR_NO_MEMORY, "no memory for event buses");
		return NULL;
	}
	b->deps = *deps;
	ev_defer_init(&b->ready, on_ready);
	return b;
}

void bus_free(struct bus *b)
{
	if (b)
		ev_defer_cancel(&b->ready);
	free(b);
}

void bus_load(struct bus *b, bus_ready_cb *cb, void *arg)
{
	b->ready_cb = cb;
	b->ready_arg = arg;
	ev_defer_run(b->deps.loop, &b->ready);
}

void bus_answer(void *service, const struct service_call *call, service_answer_cb *cb, void *answer)
{
	cb(answer, &(struct service_answer){.status = 501, .content_type = "application/x-amz-json-1.1",
	   .error_type = "NotImplementedException",
	   .body = STR("{\"__type\":\"NotImplementedException\",\"message\":\"This operation is not implemented by this server.\"}")});
}

void bus_count(const struct bus *b, struct bus_counts *out)
{
	memset(out, 0, sizeof *out);
}

void bus_deliver(struct bus *b, const struct delivery *d, delivery_cb *cb, void *arg)
{
	cb(arg, &(struct error){.code = ERR_UNSUPPORTED, .msg = "event buses are not there yet"});
}
