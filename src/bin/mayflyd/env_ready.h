/* Sandboxes made ready ahead: each image that is restored in service, without outbound network, has one environment more that
 * everything is done for but the runtime's process. The next restore of the image with the same settings takes it: a packet
 * to the zygote is all that is left to do.
 *
 * When: as the pool is filled (a moment after the last request, one at a time), once the pool is full; from an empty sandbox
 * of the pool, which is then filled again. How many: --pool at most, one for each image, those of the images used last.
 * When the machine is full (those that control asked for, and these, are --max-environments), the longest unused goes for each
 * that control asks for.
 * Which end: their zygote or image ends; control ends (code and layers are its folders); the server ends; a restore of the
 * image succeeded with other settings; another image needs the place. What fails here is not told to control: the next restore
 * is one from an empty sandbox. */
#ifndef MAYFLYD_ENV_READY_H
#define MAYFLYD_ENV_READY_H

#include "bin/mayflyd/env_priv.h"
#include "isolation/snapshot/restore_wire.h"

/* What was made ahead; the environment's. Descriptors: -1 for none. */
struct env_ahead {
	struct restore_request wire;
	int fds[1 + RESTORE_MAX_GROUPS + RESTORE_MAX_CONNECTIONS]; /* of the request, from the groups on (restore_wire.h) */
	unsigned fd_count;
	bool complete;
	struct env_started_fds started;
};

/* e was restored; takes its folders when another one is wanted. */
void env_ready_note(struct env *e);
/* To be called when the pool is full: takes the next step, if one is due. */
void env_ready_prepare(struct server *s);
/* The environment that an ENV_START may have, attaching: its zygote is at work. NULL: none; an empty sandbox does it. */
struct env *env_ready_take(struct server *s, const struct ipc_message *m);
/* Ends the longest unused when there is no room for another environment. */
void env_ready_give_way(struct server *s);
/* Forgets, and ends, what depends on this zygote; NULL: all. */
void env_ready_end(struct server *s, const struct zygote *z);
/* It is no longer ENV_READY. */
void env_ready_left(struct env *e);
/* Closes what was made ahead. */
void env_ready_close(struct env *e);

#endif
