#include "bin/mayfly-control/services.h"

#include <stdlib.h>

struct services {
	struct services_deps deps;
};

struct services *services_new(const struct services_deps *deps, struct error *err)
{
	struct services *s = calloc(1, sizeof *s);
	if (s)
		s->deps = *deps;
	else
		error_set(err, ERR_NO_MEMORY, "no memory for services");
	return s;
}

void services_join_api(struct services *s, struct api_deps *deps)
{
}

void services_free(struct services *s)
{
	free(s);
}
