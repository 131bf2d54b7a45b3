/* What happened before anybody subscribed, as plain data in an arena: each subscriber gets it in its own schema's form. Private to
 * control/telemetry. */
#ifndef MAYFLY_TELEMETRY_EARLY_H
#define MAYFLY_TELEMETRY_EARLY_H

#include "control/logs/platform_json.h"
#include "core/base/arena.h"
#include "core/base/str.h"

#define EARLY_MAX_BYTES 262144u

/* A platform event, or a line. */
struct early {
	struct early *next;
	bool is_line;
	struct platform_event event;
	struct {
		int64_t wall_ms;
		bool extension, json;
		struct str text;
	} line;
};

struct early_list {
	struct arena memory;
	struct early *first, *last;
	bool open; /* else nothing is kept */
	uint64_t lost_records, lost_bytes; /* for want of room */
};

void early_init(struct early_list *l, bool open);
/* Forgets all; nothing is kept from now on. */
void early_close(struct early_list *l);
void early_keep_event(struct early_list *l, const struct platform_event *e);
void early_keep_line(struct early_list *l, int64_t wall_ms, bool extension, bool json, struct str text);

#endif
