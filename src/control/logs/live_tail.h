/* StartLiveTail's sessions, without HTTP: what is appended to some log groups from the session's begin on.
 *
 * The caller asks in intervals; one answer holds at most LIVE_TAIL_EVENTS and looks at no more than a page of each group: what came
 * beyond that is passed over and the answer says that it is sampled, as AWS does. On the loop that owns the logs. */
#ifndef MAYFLY_LOGS_LIVE_TAIL_H
#define MAYFLY_LOGS_LIVE_TAIL_H

#include <jansson.h>

#include "control/logs/logs.h"
#include "core/base/buf.h"

#define LIVE_TAIL_EVENTS 500u
#define LIVE_TAIL_JSON_MAX (4u << 20)

struct live_tail;

/* `body` is the request of StartLiveTail. ERR_NOT_FOUND (a group), ERR_INVALID and ERR_VALIDATION. */
struct live_tail *live_tail_new(struct logs *l, const json_t *body, struct error *err);
void live_tail_free(struct live_tail *t); /* NULL is fine */
/* The JSON of a sessionStart and of a sessionUpdate; -1 when it does not fit. */
int live_tail_start(const struct live_tail *t, const char *request_id, const char *session_id, struct buf *out);
int live_tail_update(struct live_tail *t, struct buf *out);

#endif
