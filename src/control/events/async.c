#include "control/events/async.h"

#include <stdlib.h>
#include <string.h>

struct async {
	struct async_deps deps;
};

struct async *async_new(const struct async_deps *deps, struct error *err)
{
	struct async *a = calloc(1, sizeof *a);
	if (!a) {
		error_set(err, ERR_NO_MEMORY, "no memory for asynchronous events");
		return NULL;
	}
	a->deps = *deps;
	return a;
}

void async_free(struct async *a)
{
	free(a);
}

void async_count(const struct async *a, struct async_counts *out)
{
	memset(out, 0, sizeof *out);
}

static const struct error not_yet = {.code = ERR_UNSUPPORTED, .msg = "asynchronous invocation is not there yet"};

void async_start(struct async *a)
{
}

void async_drain(struct async *a)
{
}

void async_accept(struct async *a, const struct async_event *event, async_accepted_cb *cb, void *arg)
{
	cb(arg, "", &not_yet);
}

void async_deliver(struct async *a, const struct delivery *d, delivery_cb *cb, void *arg)
{
	cb(arg, &not_yet);
}

void async_function_deleted(struct async *a, struct str name)
{
}

void async_function_changed(struct async *a, struct str name)
{
}

void async_list(struct async *a, struct str function, unsigned max, async_json_cb *cb, void *arg)
{
	cb(arg, STR("[]"), NULL);
}
