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
