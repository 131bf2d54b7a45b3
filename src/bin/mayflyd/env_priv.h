/* What the files of env.h share: env.c (states, what is next), env_make.c, env_start.c, env_ready.c, env_end.c, env_clean.c, env_memory.c, env_messages.c and env_socket.c (what
 * control asks for), env_dump.c, env_notes.c. */
#ifndef MAYFLYD_ENV_PRIV_H
#define MAYFLYD_ENV_PRIV_H

#include "bin/mayflyd/env.h"

struct zygote;

/* Queued, with a slot; NULL when there is none. */
struct env *env_new(struct server *s);
void env_free(struct env *e);
void env_move(struct env *e, enum env_state to);
void env_close_request(struct env *e);
void env_close_channels(struct env *e);
void env_close_all(struct env *e);
/* Whether the last request is long enough ago for what nobody waits for; else envs_pump is called as soon as it is. */
bool env_is_quiet(struct server *s);

struct env *env_find(struct server *s, uint64_t id); /* requested ones */
struct env *env_find_pid(struct server *s, pid_t pid);
void env_set_requested(struct env *e, bool requested); /* after e->id is set */
void env_set_pid(struct env *e, pid_t pid);
void env_index_init(struct envs *all);

/* By a helper, or whoever is to answer: its end must wait for them. */
bool env_is_worked_on(const struct env *e);

void env_makers_init(struct server *s);
void env_make(struct env *e);

/* false: not now, the attacher has enough to do. */
bool env_start(struct env *e);
/* The answer to a start comes over `fd`, which is taken. */
int env_expect(struct env *e, int fd, struct error *err);
/* The attacher is to make all ready for a restore from `z`; returns the socket on which that comes (attacher.h). */
int env_order_ahead(struct env *e, const struct zygote *z, struct error *err);
/* What ENV_STARTED hands over beside the environment's channels; -1: none. Parked: our end of the connection in which a restored
 * runtime waits for work. */
struct env_started_fds {
	int freeze, peak, parked;
};
int env_open_started(const struct env *e, bool restored, struct env_started_fds *out, struct error *err);
void env_close_started(struct env_started_fds *fds);
void env_forget_answer(struct env *e);
/* Gives back the hold, if there is one. worked: a runtime was restored. */
void env_release_zygote(struct env *e, bool worked);
/* Those that wait for this zygote fail. */
void env_zygote_failed(struct server *s, struct zygote *z, const struct error *why);
const char *restore_step_name(uint32_t step);

/* ENV_FAILED for an id. */
void env_refuse(struct server *s, uint64_t id, const struct error *why);
/* Tells control once; afterwards the environment is nobody's. */
void env_fail(struct env *e, const struct error *why);
/* Ends it, whatever state it is in. */
void env_die(struct env *e);
/* Nothing of it lives and nobody works for it: tells control how it ended, and cleans. */
void env_conclude(struct env *e);
/* From when control knows it, if it has extensions: ends of its processes are told. */
void env_notes_begin(struct env *e);
/* What mayfly-init said last; false: nothing. A hint: the function runs beside it. */
bool env_notes_end(struct env *e, struct wire_end *out);
/* The cleaner: renews or removes control groups, and removes /tmp, of those in ENV_CLEANING, then frees them. */
void env_cleaner_init(struct server *s);
struct env_groups *env_groups(const struct env *e);
/* Whether the groups have the environment's limits; otherwise these are not known from now on, until its start worked. */
bool env_is_limited(const struct env *e);
/* The groups of one that did not start are not used again: who was to set its limits may still be about it. */
void env_note_start(struct env *e, bool worked);
void env_clean(struct env *e);
/* The watcher: ends restored ones that use more memory than they may. */
void env_watcher_init(struct server *s);
void env_watch(struct env *e);
void env_unwatch(struct env *e);
void env_end_boost(struct env *e);
/* Ends the hand that makes sockets, and forgets what it was to make. */
void env_sockets_release(struct server *s);

#endif
