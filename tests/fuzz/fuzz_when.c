/* Expressions and zone files. First byte: which. An expression that is taken runs forward, and back the same way. */
#include <stdlib.h>
#include <string.h>

#include "core/when/when_priv.h"
#include "tests/fuzz/fuzz.h"

#define START_MS INT64_C(1709251200000) /* 2024-03-01 */

static void check_expression(struct str text, enum when_dialect dialect, struct str zone)
{
	struct error err = {0};
	struct when_zones *z = when_zones_new(NULL);
	ASSERT(z);
	struct when *w = when_parse(z, text, zone, dialect, &err);
	ASSERT(!w == (err.code != ERR_OK));
	int64_t at = START_MS, last = -1;
	for (int i = 0; w && i < 4; i++) {
		int64_t next = when_next(w, START_MS, at);
		ASSERT(next > at);
		if (next == WHEN_NEVER)
			break;
		ASSERT(next % 1000 == 0 && when_previous(w, START_MS, next) == next);
		ASSERT(last < 0 || when_previous(w, START_MS, next - 1) == last);
		last = at = next;
	}
	when_free(w);
	when_zones_free(z);
}

static void check_zone(struct str bytes)
{
	struct when_zone *zone = when_zone_read(bytes);
	int64_t moved;
	for (int64_t t = -100000000; zone && t < INT64_C(7000000000); t += 300000007) {
		int64_t local = t + when_zone_offset(zone, t), first = when_zone_instant(zone, local, &moved);
		ASSERT(first == WHEN_NONE || first + when_zone_offset(zone, first) == local);
	}
	when_zone_free(zone);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n == 0)
		return 0;
	char *copy = malloc(n);
	ASSERT(copy);
	memcpy(copy, data + 1, n - 1);
	struct str rest = {copy, n - 1};
	if (data[0] == 'r')
		check_expression(rest, WHEN_RULE, STR_NULL);
	else if (data[0] == 's')
		check_expression(rest, WHEN_SCHEDULER, STR("America/New_York"));
	else
		check_zone(rest);
	free(copy);
	return 0;
}
