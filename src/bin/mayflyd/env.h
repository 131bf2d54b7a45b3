/* Execution environments, as mayflyd sees them: what state each is in, and which helper works for it.
 *
 *   queued -> making -> pooled -> attaching -> running -> dying -> cleaning -> (freed)
 *                            -> ready ->
 *
 * A sandbox that is asked for waits as `pooled` for what it needs (the /tmp image, a zygote); `attaching` ends with the one
 * answer of attacher.h. Nobody has asked for one that is `ready`: it is made, or being made, one image's ahead (env_ready.h).
 * `making` may be for a request or for the pool; everything from making to running may turn to dying. Each environment has a
 * slot: its host user, control groups, subvolume and addresses; the slot is free again when cleaning is done. */
#ifndef MAYFLYD_ENV_H
#define MAYFLYD_ENV_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bin/mayflyd/hand.h"
#include "bin/mayflyd/helper.h"
#include "core/base/list.h"
#include "core/ipc/ipc.h"
#include "core/spec/limits.h"
#include "isolation/sandbox/wire.h"

struct zygote;
struct env_dump;
struct env_ahead;
struct env_sockets;

enum env_state { ENV_QUEUED, ENV_MAKING, ENV_POOLED, ENV_READY, ENV_ATTACHING, ENV_RUNNING, ENV_DYING, ENV_CLEANING, ENV_STATE_COUNT };

struct env {
	struct list link; /* of its state's list */
	struct list id_link, pid_link; /* env_index.c */
	enum env_state state;
	unsigned slot;
	bool requested; /* control asked for it: id and the fields below are set (by env_set_requested) */
	bool started; /* control knows */
	bool ordered_dead, watched, out_of_memory;
	enum ipc_ahead pooled; /* what was done when it was asked for */
	uint64_t id, asked_ns;
	struct ipc_env_start start;
	int launch_fd, code_fd, layer_fds[LIMIT_LAYERS];
	struct zygote *zygote; /* to be restored from; held */
	uint64_t image_bytes;  /* that it shared with the zygote at first */
	uint64_t lesson_ns;    /* the zygote learns from it until then */
	uint64_t restore_ns;   /* when a restore could begin: it was asked for, and the sandbox was there */
	unsigned sockets; /* asked for by control (env_socket.c) */
	pid_t pid; /* of mayfly-init; 0 when none is alive; set by env_set_pid */
	int status; /* of mayfly-init, once reaped */
	bool tmp;   /* sandbox.h: these come of sandbox_make */
	int extension_log_fd; /* of one that starts with extensions: our end of their log pipe */
	int init_fd, api_fd, endpoint_fd, log_fd, log_write_fd, spare_fd, pidfd, net_fd;
	struct helper helper;  /* makes or dumps it */
	struct env_ahead *ahead; /* what was made ready; owned */
	struct env_dump *dump; /* while an image is taken of it; owned */
	struct ev_io answer;   /* to the order to start (attacher.h) */
	struct ev_timer late;  /* for that answer; while cleaning, until the next attempt */
	uint64_t cleaning_ns;  /* since when */
	struct ev_timer grace, boost;
	struct ev_io notes;    /* with extensions: what mayfly-init tells while it lives (env_notes.c) */
	unsigned note_count;
	bool has_end;
	struct wire_end end;   /* its last words */
	struct server *server;
};

/* What is known of a slot's control groups, which stay when an environment ends (cgroup_renew). Nobody else remembers it: the
 * hands may die at any time. */
struct env_groups {
	uint32_t made;  /* their number, as cgroup.h means it; 0: there never were any */
	bool whole;     /* they are there, complete */
	bool cpu_limited;
	uint32_t memory_mb, ephemeral_mb; /* whose limits they have; 0: not known */
};

#define ENV_NETS_MAX 128
#define ENV_MAKERS 2
#define ENV_INDEX 1024

struct envs {
	struct list states[ENV_STATE_COUNT];
	unsigned counts[ENV_STATE_COUNT];
	struct list by_id[ENV_INDEX], by_pid[ENV_INDEX];
	unsigned requested;
	struct list ready; /* env_ready.c: images that have, or should have, one made ahead */
	uint64_t asked_ns; /* when control asked last */
	struct env **slots; /* NULL: free */
	struct env_groups *groups; /* of each slot */
	unsigned slot_count, slot_from; /* all before slot_from are taken */
	struct hand makers[ENV_MAKERS], attacher, cleaner, watcher;
	unsigned turn; /* of which maker */
	struct env_sockets *sockets; /* env_socket.c; NULL: nobody has asked for one */
	int nets[ENV_NETS_MAX]; /* network namespaces of ended ones, for new ones (sandbox_make) */
	unsigned net_count;
	unsigned pool_failures; /* in a row: the pool then waits */
	struct ev_timer pool_timer, refill_timer;
};

int envs_init(struct server *s, unsigned max, struct error *err);
/* The makers begin; the other hands once it is known how /tmp is made. */
void envs_prepare(struct server *s);
void envs_begin(struct server *s);
void envs_release(struct server *s);
/* Fills the pool and starts what is queued, as far as there is room. */
void envs_pump(struct server *s);
/* Messages. A refusal is answered with ENV_FAILED; -1 when the message is against the rules (control is then ended). */
int env_on_start(struct server *s, struct ipc_message *m, struct error *err);
int env_on_begin(struct server *s, struct ipc_message *m, struct error *err);
int env_on_kill(struct server *s, struct ipc_message *m, struct error *err);
int env_on_snapshot(struct server *s, struct ipc_message *m, struct error *err);
int env_on_initialized(struct server *s, struct ipc_message *m, struct error *err);
int env_on_socket(struct server *s, struct ipc_message *m, struct error *err);
/* A child was reaped; true when it was an environment's mayfly-init. */
bool env_reaped(struct server *s, pid_t pid, int status);
/* Control is gone: whatever it asked for ends. */
void envs_orphan(struct server *s);
void envs_kill_all(struct server *s);
/* In a child that does not execute another program soon: closes what others wait to see closed. */
void envs_forked(struct server *s);
/* Environments of which processes or groups may be left. */
unsigned envs_left(const struct server *s);

#endif
