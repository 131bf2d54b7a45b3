/* The least of a Runtime API: one connection, one event at a time. */
#ifndef SNAPSHOT_API_H
#define SNAPSHOT_API_H

#include <stdint.h>

#include "core/base/error.h"

struct box;

/* Waits for a GET of .../next on a new connection to the box, which becomes box->next. */
int api_park(struct box *box, struct error *err);
/* Gives the parked runtime an event and reads its answer and the GET after it. answer: at least 65536 bytes. *ns: until the
 * answer was there. */
int api_answer(struct box *box, const char *event, char *answer, uint64_t *ns, struct error *err);

#endif
