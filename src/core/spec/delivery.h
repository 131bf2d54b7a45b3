/* One event on its way to a target named by ARN: from a rule, a schedule, or the end of an asynchronous invocation. Plain structs; who can
 * reach which kind of target is known to the program's table alone (bin/mayfly-control). */
#ifndef MAYFLY_SPEC_DELIVERY_H
#define MAYFLY_SPEC_DELIVERY_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/error.h"
#include "core/base/str.h"

enum { DELIVERY_ATTRIBUTES_MAX = 10 };

struct delivery_attribute { /* an SQS message attribute */
	const char *name, *type; /* "String", "Number" */
	struct str value;
};

/* All texts live until the callback. */
struct delivery {
	struct str target;         /* arn:aws:lambda:..., arn:aws:sqs:..., arn:aws:events:...:event-bus/... */
	struct str payload;        /* JSON for functions and buses; any text for queues */
	/* On whose behalf. `service` p NULL: with a role's rights (Scheduler, destinations): then no policy is asked. */
	struct str service;        /* "events.amazonaws.com" */
	struct str source_arn, source_account;
	struct str role;           /* p NULL: none */
	/* A second delivery with this key within 5 minutes is the same one, where the target can tell; p NULL: none. */
	struct str once;
	struct str trace_header;   /* p NULL: none */
	struct str group;          /* SQS FIFO: MessageGroupId */
	const struct delivery_attribute *attributes; /* SQS only */
	size_t attribute_count;
	/* Event buses only: what PutEvents would be given. payload is Detail. */
	struct str bus_source, bus_detail_type;
	const struct str *bus_resources;
	size_t bus_resource_count;
};

/* `err` NULL: it is durable at the target. Else ERR_NOT_FOUND, ERR_ACCESS_DENIED, ERR_INVALID, ERR_TOO_LARGE (will never do), or anything
 * else (may do later: ERR_DISK_FULL, ERR_THROTTLED, ERR_CLOSED ...). */
typedef void delivery_cb(void *arg, const struct error *err);

/* Called on the loop; `cb` later, from the loop, exactly once. */
struct deliverer {
	void (*deliver)(void *arg, const struct delivery *d, delivery_cb *cb, void *cb_arg);
	void *arg;
};

/* Whether an error is for good. */
static inline bool delivery_is_final(const struct error *err)
{
	return err->code == ERR_NOT_FOUND || err->code == ERR_ACCESS_DENIED || err->code == ERR_INVALID || err->code == ERR_TOO_LARGE ||
	       err->code == ERR_UNSUPPORTED;
}

#endif
