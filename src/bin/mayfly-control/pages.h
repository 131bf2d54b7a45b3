/* Signed pages below /_mayfly/ that show what waits in the queue store and what became of events; see docs/reference/mayfly-api.md.
 * All on the control loop. */
#ifndef MAYFLY_BIN_CONTROL_PAGES_H
#define MAYFLY_BIN_CONTROL_PAGES_H

#include "control/api/api.h"
#include "control/events/async.h"
#include "control/events/history.h"
#include "core/store/queue.h"
#include "services/queue/sqs.h"

#define PAGES_ROWS 4

/* What the pages look at; lives as long as they are served. */
struct pages {
	struct queue *queue;
	struct sqs *sqs;
	struct async *async;
	struct history *history;
	const struct settings *settings;
	struct api_page rows[PAGES_ROWS]; /* ended by an empty one */
};

void pages_init(struct pages *p); /* fills `rows`, when the other members are there */

#endif
