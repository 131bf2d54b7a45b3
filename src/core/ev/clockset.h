/* Tells when somebody sets the wall clock (by hand, by NTP's steps, by a virtual machine that wakes up): what waits for a wall time must then
 * be computed anew. Timers of ev.h are monotonic and do not notice. One loop. */
#ifndef MAYFLY_EV_CLOCKSET_H
#define MAYFLY_EV_CLOCKSET_H

#include "core/ev/ev.h"

struct ev_clockset;

/* `cb` on the loop, after the clock was set. Needs one descriptor. */
struct ev_clockset *ev_clockset_new(struct ev_loop *loop, void (*cb)(void *arg), void *arg, struct error *err);
void ev_clockset_free(struct ev_clockset *c); /* NULL is fine */

#endif
