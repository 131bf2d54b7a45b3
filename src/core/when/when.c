#include "core/when/when.h"

#include <stdlib.h>

struct when_zones {
	unsigned count;
};

struct when_zones *when_zones_new(struct error *err)
{
	struct when_zones *z = calloc(1, sizeof *z);
	if (!z)
		error_set(err, ERR_NO_MEMORY, "no memory for time zones");
	return z;
}

void when_zones_free(struct when_zones *z)
{
	free(z);
}

struct when *when_parse(struct when_zones *z, struct str text, struct str zone, enum when_dialect dialect, struct error *err)
{
	error_set(err, ERR_UNSUPPORTED, "schedule expressions are not there yet");
	return NULL;
}

void when_free(struct when *w)
{
}

enum when_kind when_kind(const struct when *w)
{
	return WHEN_RATE;
}

int64_t when_next(const struct when *w, int64_t anchor_ms, int64_t after_ms)
{
	return WHEN_NEVER;
}

int64_t when_previous(const struct when *w, int64_t anchor_ms, int64_t at_ms)
{
	return -1;
}

uint64_t when_period_ms(const struct when *w)
{
	return 0;
}
