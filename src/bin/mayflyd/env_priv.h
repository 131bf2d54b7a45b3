/* What env.c (states and helpers) and env_messages.c (what control asks for) share. */
#ifndef MAYFLYD_ENV_PRIV_H
#define MAYFLYD_ENV_PRIV_H

#include "bin/mayflyd/env.h"

/* Queued, with a slot; NULL when there is none. */
struct env *env_new(struct server *s);
/* Ends it, whatever state it is in. */
void env_die(struct env *e);
void env_end_boost(struct env *e);
/* ENV_FAILED for an id. */
void env_refuse(struct server *s, uint64_t id, const struct error *why);

#endif
