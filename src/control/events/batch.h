/* A batch of messages as a function gets it, and what its answer says of each. Pure. */
#ifndef MAYFLY_EVENTS_BATCH_H
#define MAYFLY_EVENTS_BATCH_H

#include "control/events/source.h"
#include "core/base/buf.h"

#define BATCH_BYTES_MAX 6291456u /* of the event */

/* {"Records":[{<record>,"body":"..."},...]}. -1 when it would pass BATCH_BYTES_MAX. */
int batch_write(struct buf *out, const struct list *messages, struct error *err);
/* What one message adds to it at most, and what there is without any. */
size_t batch_record_size(const struct source_message *m);
#define BATCH_FRAME_BYTES 14u
/* The record alone, for filters: a body that is a JSON object or list stands there as such, any other as a string. -1: no room. */
int batch_write_filtered(struct buf *out, const struct source_message *m);

/* Takes the messages that succeeded out of `messages` into `good`, by batchItemFailures in `answer` (JSON): no list, null or an
 * empty one: all. -1, and nothing moved: bad JSON, an unknown, empty or null identifier: the whole batch has failed. With
 * `ordered` what follows the first failed one of its group stays as well. */
int batch_split(struct list *messages, struct list *good, struct str answer, bool ordered);

#endif
