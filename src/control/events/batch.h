/* A batch of messages as a function gets it, and what its answer says of each. Pure. */
#ifndef MAYFLY_EVENTS_BATCH_H
#define MAYFLY_EVENTS_BATCH_H

#include "control/events/source.h"
#include "core/base/buf.h"

#define BATCH_BYTES_MAX 6291456u /* of the event */

/* {"Records":[{<record>,"body":"..."},...]}. -1 when it would pass BATCH_BYTES_MAX. */
int batch_write(struct buf *out, struct list *messages, struct error *err);

/* Takes the messages that succeeded out of `messages` into `good`, by batchItemFailures in `answer` (JSON): no list, null or an
 * empty one: all. -1, and nothing moved: bad JSON, an unknown, empty or null identifier: the whole batch has failed. With
 * `ordered` what follows the first failed one stays as well. */
int batch_split(struct list *messages, struct list *good, struct str answer, bool ordered);

#endif
