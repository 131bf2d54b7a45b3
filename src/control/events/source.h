/* What a poller needs of the service that it polls: a table of functions that the program hands in, one for each kind of source (the service
 * name in the source's ARN). SQS now; streams later get a table of their own. The messages are the service's; mappings see this form. */
#ifndef MAYFLY_EVENTS_SOURCE_H
#define MAYFLY_EVENTS_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/base/list.h"
#include "core/base/str.h"

struct source_info {
	bool ordered;
	unsigned visibility_s;
	uint64_t waiting;
};

/* Owned by whoever holds it; given back through delete, leave or bury. */
struct source_message {
	struct list link;
	struct str id;         /* itemIdentifier of batchItemFailures */
	struct str body;       /* text */
	struct str record;     /* members of the record besides "body", JSON without braces */
	struct str attributes; /* JSON object, for filters */
	struct str group, trace_header; /* p NULL: none */
	void *owner;           /* the service's */
	uint64_t received_ns;  /* the poller's: its visibility counts from here */
};

typedef void source_received_cb(void *arg, struct list *messages, size_t n, const struct error *err);
typedef void source_done_cb(void *arg, const struct error *err);
struct source_receiving;

struct source_ops {
	int (*info)(void *arg, struct str arn, struct source_info *out, struct error *err); /* ERR_NOT_FOUND, ERR_ACCESS_DENIED */
	/* Up to `max` messages, max_bytes of bodies; waits up to wait_ms for the first. As core/store/queue.h's fetch. */
	struct source_receiving *(*receive)(void *arg, struct str arn, unsigned max, size_t max_bytes, uint64_t wait_ms,
	                                    source_received_cb *cb, void *cb_arg, struct error *err);
	void (*receive_cancel)(void *arg, struct source_receiving *r);
	/* All take the ring's messages. `cb` may be NULL. */
	void (*remove)(void *arg, struct str arn, struct list *messages, source_done_cb *cb, void *cb_arg);
	void (*leave)(void *arg, struct str arn, struct list *messages, bool at_once, source_done_cb *cb, void *cb_arg);
	void (*bury)(void *arg, struct str arn, struct list *messages, source_done_cb *cb, void *cb_arg);
	void (*forget)(void *arg, struct list *messages); /* frees them, also after the service's store was closed */
};

struct source_row {
	const char *service; /* "sqs" */
	const struct source_ops *ops;
	void *arg;
};

#endif
