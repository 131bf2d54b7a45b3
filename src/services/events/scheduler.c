#include "services/events/scheduler.h"

#include <stdlib.h>
#include <string.h>

struct scheduler {
	struct bus_deps deps;
	struct ev_defer ready;
	scheduler_ready_cb *ready_cb;
	void *ready_arg;
};

const char *const scheduler_paths[] = {"schedules", "schedule-groups", "tags", NULL};

static void on_ready(struct ev_defer *defer)
{
	struct scheduler *s = CONTAINER_OF(defer, struct scheduler, ready);
	s->ready_cb(s->ready_arg, 0, NULL);
}

struct scheduler *scheduler_new(const struct bus_deps *deps, struct error *err)
{
	struct scheduler *s = calloc(1, sizeof *s);
	if (!s) {
		error_set(err, ERR_NO_MEMORY, "no memory for schedules");
		return NULL;
	}
	s->deps = *deps;
	ev_defer_init(&s->ready, on_ready);
	return s;
}

void scheduler_free(struct scheduler *s)
{
	if (s)
		ev_defer_cancel(&s->ready);
	free(s);
}

void scheduler_load(struct scheduler *s, scheduler_ready_cb *cb, void *arg)
{
	s->ready_cb = cb;
	s->ready_arg = arg;
	ev_defer_run(s->deps.loop, &s->ready);
}

void scheduler_answer(void *service, const struct service_call *call, service_answer_cb *cb, void *answer)
{
	cb(answer, &(struct service_answer){.status = 501, .content_type = "application/json", .error_type = "NotImplementedException",
	   .body = STR("{\"Message\":\"This operation is not implemented by this server.\"}")});
}

void scheduler_count(const struct scheduler *s, struct scheduler_counts *out)
{
	memset(out, 0, sizeof *out);
}
